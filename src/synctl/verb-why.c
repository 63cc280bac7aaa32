/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/list-view.h"
#include "synctl/why-view.h"

int verb_why(Ctl *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *j = NULL;
        _cleanup_strbuf_ StrBuf b = {};

        int r = client_open(c);
        if (r != 0)
                return r;
        r = client_json(c, "Explain", &e, &j, "s", c->args[0]);
        if (r < 0)
                return client_error(c, "explain", c->args[0], &e, r);
        if (c->o.json)
                return ctl_print_json(c, j);
        if (why_format(j, &c->term, c->o.full, realtime_now(), &b) < 0)
                return ctl_oom();
        return ctl_print_buf(c, &b);
}
