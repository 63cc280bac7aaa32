/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/deps-view.h"
#include "synctl/describe-all.h"
#include "synctl/list-view.h"
#include "synctl/services.h"

int verb_deps(Ctl *c) {
        _cleanup_service_list_ ServiceList l = {};
        _cleanup_(deps_done) Deps d = {};
        _cleanup_json_ Json *all = NULL, *out = NULL;
        _cleanup_strbuf_ StrBuf b = {};
        const char *root = NULL;

        int r = services_load(c, "show the dependencies", &l);
        if (r != 0)
                return r;
        for (size_t i = 0; i < l.n && c->n_args > 0 && !root; i++)
                if (service_row_matches(l.rows + i, c->args[0]))
                        root = l.rows[i].unit;
        if (c->n_args > 0 && !root)
                return services_no_such(c, "show the dependencies of", c->args[0]);
        r = describe_all(c, "show the dependencies", &l, &all);
        if (r != 0)
                return r;
        if (deps_from_json(all, &d) < 0)
                return ctl_oom();
        if (c->o.json) {
                if (deps_to_json(&d, root, &out) < 0)
                        return ctl_oom();
                return ctl_print_json(c, out);
        }
        if ((c->o.dot ? deps_format_dot(&d, root, &b) : deps_format_tree(&d, root, &c->term, &b)) < 0)
                return ctl_oom();
        return ctl_print_buf(c, &b);
}
