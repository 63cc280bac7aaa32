/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/list-view.h"
#include "synctl/table.h"
#include "synctl/when.h"

static const TableColumn columns[] = {
        { .header = "", .narrow_gap = true },    { .header = "SERVICE", .shrink_to = 12 },
        { .header = "TYPE", .shrink_to = 8 },    { .header = "STATUS" },
        { .header = "HEALTH", .right = true, .expendable = true },   { .header = "SINCE" },
        { .header = "RESTARTS", .right = true }, { .header = "DETAIL", .hide_empty = true, .shrink_to = 12 },
};

/* What stands behind a row: what recovery waits for, maintenance, no grant. "" when there is nothing to say. */
static int row_detail(const ServiceRow *s, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        if (s->maintenance)
                strbuf_append(&b, "in maintenance");
        if (!isempty(s->detail))
                strbuf_appendf(&b, "%s%s", b.length ? "; " : "", s->detail);
        if (s->protected_)
                strbuf_appendf(&b, "%sprotected", b.length ? "; " : "");
        else if (!s->granted)
                strbuf_appendf(&b, "%snot granted", b.length ? "; " : "");
        return strbuf_finish(&b, ret);
}

void list_summary(const ServiceList *l, StrBuf *b) {
        static const char *const order[] = { "running", "degraded", "starting", "stopping",
                                             "failed",  "stopped",  "unknown" };
        bool first = true;

        strbuf_appendf(b, "%zu service%s", l->n, l->n == 1 ? "" : "s");
        for (size_t k = 0; k < ELEMENTSOF(order); k++) {
                size_t n = 0;
                for (size_t i = 0; i < l->n; i++)
                        n += streq(l->rows[i].status, order[k]);
                if (n == 0)
                        continue;
                strbuf_appendf(b, "%s%zu %s", first ? ": " : ", ", n, order[k]);
                first = false;
        }
        strbuf_append(b, ".");
}

static int add_row(Table *t, const ServiceRow *s, const Term *term, bool relative, usec_t now) {
        _cleanup_free_ char *detail = NULL;
        char since[WHEN_MAX];
        Style style = status_style(s->status);

        int r = row_detail(s, &detail);
        if (r < 0)
                return r;
        r = table_add(t, style, term_glyph(term, status_glyph(s->status)));
        if (r >= 0)
                r = table_add(t, STYLE_NONE, s->name);
        if (r >= 0)
                r = table_add(t, STYLE_NONE, s->type);
        if (r >= 0)
                r = table_add(t, style, s->status);
        if (r >= 0)
                r = s->health < 0 ? table_add(t, STYLE_NONE, "-") : table_addf(t, STYLE_NONE, "%.2f", s->health);
        if (r >= 0)
                r = table_add(t, STYLE_NONE, relative ? when_age(s->since, now, since) : when_full(s->since, since));
        if (r >= 0)
                r = table_addf(t, s->restarts ? STYLE_WARN : STYLE_NONE, "%" PRIu64, s->restarts);
        if (r >= 0)
                r = table_add(t, STYLE_NONE, detail);
        return r;
}

static int make_table(const ServiceList *l, const Term *term, bool relative, usec_t now, Table **ret) {
        _cleanup_table_ Table *t = NULL;

        int r = table_new(columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; i < l->n && r >= 0; i++)
                r = add_row(t, l->rows + i, term, relative, now);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int list_format_table(const ServiceList *l, const Term *term, usec_t now, StrBuf *b) {
        _cleanup_table_ Table *t = NULL;

        int r = make_table(l, term, true, now, &t);
        if (r < 0)
                return r;
        table_format(t, term, true, false, b);
        return 0;
}

int list_format(const ServiceList *l, const Term *term, bool legend, bool full, usec_t now, StrBuf *b) {
        _cleanup_table_ Table *t = NULL;

        int r = make_table(l, term, term->tty && !full, now, &t);
        if (r < 0)
                return r;
        if (l->n > 0)
                table_format(t, term, legend, full, b);
        if (!legend)
                return 0;
        if (l->n == 0) {
                strbuf_append(b, "No services. To have one supervised, as root: synctl adopt UNIT\n");
                return 0;
        }
        strbuf_append(b, "\n");
        list_summary(l, b);
        strbuf_append(b, "\n");
        return 0;
}

static int row_to_json(const ServiceRow *s, Json **ret) {
        _cleanup_json_ Json *o = NULL;

        int r = json_new_object(&o);
        const struct {
                const char *key, *value;
        } strings[] = {
                { "name", s->name },     { "unit", s->unit },           { "type", s->type },
                { "status", s->status }, { "active_state", s->active }, { "sub_state", s->sub },
                { "phase", s->phase },   { "phase_detail", s->detail }, { "path", s->path },
        };
        for (size_t i = 0; i < ELEMENTSOF(strings) && r >= 0; i++)
                r = json_set_string(o, strings[i].key, strings[i].value);
        if (r >= 0)
                r = s->health < 0 ? json_set_null(o, "health") : json_set_real(o, "health", s->health);
        if (r >= 0)
                r = json_set_time(o, "since", s->since);
        if (r >= 0)
                r = json_set_uint(o, "restarts", s->restarts);
        if (r >= 0)
                r = json_set_bool(o, "granted", s->granted);
        if (r >= 0)
                r = json_set_bool(o, "maintenance", s->maintenance);
        if (r >= 0)
                r = json_set_bool(o, "protected", s->protected_);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int list_to_json(const ServiceList *l, Json **ret) {
        _cleanup_json_ Json *a = NULL;

        int r = json_new_array(&a);
        for (size_t i = 0; i < l->n && r >= 0; i++) {
                _cleanup_json_ Json *o = NULL;
                r = row_to_json(l->rows + i, &o);
                if (r >= 0)
                        r = json_append(a, o);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

int problems_format(const Json *problems, const Term *term, StrBuf *b) {
        for (size_t i = 0; i < json_length(problems); i++) {
                const Json *p = json_at(problems, i);
                _cleanup_free_ char *file = NULL, *reason = NULL;
                if (text_clean(json_get_string(p, "file"), &file) < 0 ||
                    text_clean(json_get_string(p, "reason"), &reason) < 0)
                        return -ENOMEM;
                char line[TEXT_LINE_MAX];
                strbuf_appendf(b, "%s%s%s: %s%s\n", term_style(term, STYLE_WARN), file,
                               text_line(json_get_uint(p, "line", 0), line), reason, term_style(term, STYLE_NONE));
        }
        return 0;
}

int ctl_print_json(const Ctl *c, const Json *j) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strbuf_ StrBuf b = {};

        if ((c->term.tty ? json_format_pretty(j, &text) : json_format(j, &text)) < 0)
                return ctl_oom();
        strbuf_append(&b, text);
        strbuf_append(&b, "\n");
        return ctl_print_buf(c, &b);
}
