/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/list-view.h"

static int print_json(const Ctl *c, const ServiceList *l) {
        _cleanup_json_ Json *a = NULL;

        if (list_to_json(l, &a) < 0)
                return ctl_oom();
        return ctl_print_json(c, a);
}

int verb_list(Ctl *c) {
        _cleanup_service_list_ ServiceList l = {};
        _cleanup_strbuf_ StrBuf b = {};

        int r = services_load(c, "list services", &l);
        if (r != 0)
                return r;
        const char *missed = services_select(&l, c->args, c->n_args);
        if (missed)
                return services_no_such(c, "list", missed);
        if (c->o.json)
                return print_json(c, &l);
        if (list_format(&l, &c->term, !c->o.no_legend, c->o.full, realtime_now(), &b) < 0)
                return ctl_oom();
        return ctl_print_buf(c, &b);
}
