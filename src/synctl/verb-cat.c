/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The merged declaration of a service and where each field comes from. */
#include "synctl/list-view.h"
#include "synctl/table.h"
#include "synctl/text.h"

static const TableColumn columns[] = {
        { .header = "KEY" },
        { .header = "VALUE", .shrink_to = 20 },
        { .header = "FROM", .shrink_to = 20 },
};

static int show(Ctl *c, const Json *service, StrBuf *b) {
        const Json *fields = json_get(service, "fields"), *problems = json_get(service, "problems");
        _cleanup_table_ Table *t = NULL;
        _cleanup_free_ char *name = NULL, *unit = NULL;

        int r = table_new(columns, ELEMENTSOF(columns), &t);
        if (r >= 0)
                r = text_clean(json_get_string(service, "name"), &name);
        if (r >= 0)
                r = text_clean(json_get_string(service, "unit"), &unit);
        for (size_t i = 0; i < json_length(fields) && r >= 0; i++) {
                const Json *f = json_at(fields, i);
                const char *file = json_get_string(f, "file") ?: "";
                uint64_t line = json_get_uint(f, "line", 0);
                Style style = streq(file, "(default)") ? STYLE_DIM : STYLE_NONE;
                r = table_add(t, style, json_get_string(f, "key"));
                if (r >= 0)
                        r = table_add(t, style, json_get_string(f, "value"));
                if (r >= 0)
                        r = line > 0 ? table_addf(t, style, "%s:%" PRIu64, file, line) : table_add(t, style, file);
        }
        if (r < 0)
                return r;
        if (!c->o.no_legend)
                strbuf_appendf(b, "%s# %s (%s), [X-Synos] as synd understands it%s\n", term_style(&c->term, STYLE_DIM),
                               name, unit, term_style(&c->term, STYLE_NONE));
        table_format(t, &c->term, !c->o.no_legend, c->o.full, b);
        return problems_format(problems, &c->term, b);
}

int verb_cat(Ctl *c) {
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_json_ Json *a = NULL;
        int r = client_open(c);

        if (r != 0)
                return r;
        if (json_new_array(&a) < 0)
                return ctl_oom();
        for (size_t i = 0; i < c->n_args; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_json_ Json *o = NULL;
                r = client_json(c, "Describe", &e, &o, "s", c->args[i]);
                if (r < 0)
                        return client_error(c, "show", c->args[i], &e, r);
                if (i > 0)
                        strbuf_append(&b, "\n");
                if (json_append(a, o) < 0 || show(c, o, &b) < 0)
                        return ctl_oom();
        }
        if (!c->o.json)
                return ctl_print_buf(c, &b);
        /* The fields alone: what "status --json" shows with everything else. */
        _cleanup_json_ Json *out = NULL;
        if (json_new_array(&out) < 0)
                return ctl_oom();
        for (size_t i = 0; i < json_length(a); i++) {
                static const char *const keys[] = { "name",    "unit",   "granted", "protected",
                                                    "runtime", "fields", "problems" };
                _cleanup_json_ Json *o = NULL;
                if (json_new_object(&o) < 0)
                        return ctl_oom();
                for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                        if (json_set(o, keys[k], json_get(json_at(a, i), keys[k])) < 0)
                                return ctl_oom();
                if (json_append(out, o) < 0)
                        return ctl_oom();
        }
        return ctl_print_json(c, c->n_args == 1 ? json_at(out, 0) : out);
}
