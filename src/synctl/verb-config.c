/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* synd's own configuration in force (synd.conf(5)) and where each value comes from. */
#include "basic/conf.h"
#include "synctl/list-view.h"
#include "synctl/table.h"
#include "synctl/text.h"

static const TableColumn columns[] = {
        { .header = "KEY" },
        { .header = "VALUE", .shrink_to = 20 },
        { .header = "FROM", .shrink_to = 20 },
};

/* Where the assignment in force stands, found again in the files that synd read. */
typedef struct Origin {
        const char *key;
        char *at; /* "file:line" of the last assignment */
} Origin;

static int on_line(const ConfLine *l, void *userdata) {
        Origin *o = userdata;
        _cleanup_free_ char *at = NULL;

        /* Backoff= is told in its two parts. */
        if (!startswith(o->key, l->key) || (!streq(o->key, l->key) && !streq(l->key, "Backoff")))
                return 0;
        int r = str_printf(&at, "%s:%u", l->file, l->line);
        return r < 0 ? r : MIN(free_and_strdup(&o->at, at), 0);
}

static int find_origin(const Json *files, const char *name, char **ret) {
        const char *dot = strchr(name, '.');
        _cleanup_free_ char *section = dot ? strndup(name, (size_t) (dot - name)) : NULL;
        Origin o = { .key = dot ? dot + 1 : name };

        if (dot && !section)
                return -ENOMEM;
        for (size_t i = 0; i < json_length(files); i++) {
                const char *file = json_string(json_at(files, i));
                /* A file that may not be read here only leaves its origins open. */
                if (file && conf_parse_file(file, section, on_line, NULL, &o) == -ENOMEM) {
                        free(o.at);
                        return -ENOMEM;
                }
        }
        *ret = o.at;
        return 0;
}

/* A value as one would write it in the file: lists with blanks between, sizes with their suffix. */
static int setting_text(const Json *settings, const char *key, const Json *v, char **ret) {
        static const char suffixes[] = " KMGT";
        _cleanup_strbuf_ StrBuf b = {};
        uint64_t n;
        size_t k = 0;

        if (json_string(v))
                return strbuf_append(&b, json_string(v)) < 0 ? -ENOMEM : strbuf_finish(&b, ret);
        if (json_type(v) == JSON_ARRAY) {
                for (size_t i = 0; i < json_length(v); i++)
                        strbuf_appendf(&b, "%s%s", i ? " " : "", json_string(json_at(v, i)) ?: "?");
                return strbuf_finish(&b, ret);
        }
        if (json_type(v) != JSON_INTEGER || !endswith(key, "Size"))
                return json_format(v, ret);
        for (n = json_get_uint(settings, key, 0); n > 0 && n % 1024 == 0 && k + 2 < sizeof(suffixes); n /= 1024)
                k++;
        return k > 0 ? str_printf(ret, "%" PRIu64 "%c", n, suffixes[k]) : str_printf(ret, "%" PRIu64, n);
}

static int add_value(Table *t, const Json *files, const Json *settings, const char *key, const Json *v) {
        _cleanup_free_ char *text = NULL, *origin = NULL;

        int r = setting_text(settings, key, v, &text);
        if (r >= 0)
                r = find_origin(files, key, &origin);
        if (r >= 0)
                r = table_add(t, STYLE_NONE, key);
        if (r >= 0)
                r = table_add(t, STYLE_NONE, text);
        return r < 0 ? r : table_add(t, origin ? STYLE_NONE : STYLE_DIM, origin                        ? origin
                                                                         : streq(key, "Synd.LogLevel") ? "(default, or SYNOS_LOG_LEVEL)"
                                                                                                       : "(default)");
}

static int format(const Ctl *c, const Json *conf, StrBuf *b) {
        const Json *problems = json_get(conf, "problems"), *files = json_get(conf, "files");
        _cleanup_table_ Table *t = NULL;
        void *state = NULL;
        const char *key;
        Json *v;

        int r = table_new(columns, ELEMENTSOF(columns), &t);
        if (r < 0)
                return r;
        for (size_t i = 0; i < json_length(files) && !c->o.no_legend; i++)
                strbuf_appendf(b, "%s# %s%s\n", term_style(&c->term, STYLE_DIM), json_string(json_at(files, i)) ?: "?",
                               term_style(&c->term, STYLE_NONE));
        while (json_next(json_get(conf, "settings"), &state, &key, &v)) {
                r = add_value(t, files, json_get(conf, "settings"), key, v);
                if (r < 0)
                        return r;
        }
        table_format(t, &c->term, !c->o.no_legend, c->o.full, b);
        return problems_format(problems, &c->term, b);
}

int verb_config(Ctl *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *dump = NULL;
        _cleanup_strbuf_ StrBuf b = {};

        int r = client_open(c);
        if (r != 0)
                return r;
        r = client_json(c, "Dump", &e, &dump, NULL);
        if (r < 0)
                return client_error(c, "show the configuration", NULL, &e, r);
        const Json *conf = json_get(dump, "configuration");
        if (!conf)
                return ctl_fail(CTL_FAILED, "This synd does not tell its configuration; see: synctl version");
        if (c->o.json)
                return ctl_print_json(c, conf);
        if (format(c, conf, &b) < 0)
                return ctl_oom();
        return ctl_print_buf(c, &b);
}
