/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "basic/conf.h"
#include "basic/string.h"
#include "basic/time.h"

typedef struct Seen {
        const char *wanted;
        unsigned last_line, n_lines, n_assignments;
} Seen;

static bool is_stripped(const char *s) {
        size_t n = strlen(s);

        return n == 0 || (!strchr(" \t\n\r\f\v", s[0]) && !strchr(" \t\n\r\f\v", s[n - 1]));
}

static void check_values(const char *value) {
        _cleanup_strv_free_ char **l = NULL;
        _cleanup_free_ char *s = NULL;
        uint64_t u64;
        uint32_t u32;
        usec_t span;
        int level;
        bool b;

        CHECK(conf_parse_string(value, &s) == 0);
        CHECK(*value ? streq(s, value) : !s);
        CHECK(conf_parse_strv(value, &l) == 0 || strlen(value) > 4096);
        (void) conf_parse_bool(value, &b);
        (void) conf_parse_u32(value, &u32);
        (void) conf_parse_u64(value, &u64);
        (void) conf_parse_size(value, &u64);
        (void) conf_parse_log_level(value, &level);
        if (conf_parse_span(value, &span) == 0) {
                _cleanup_free_ char *text = NULL;
                usec_t again;

                CHECK(format_span(span, 0, &text) == 0);
                CHECK(parse_span(text, &again) == 0 && again == span);
        }
}

static int on_line(const ConfLine *l, void *userdata) {
        Seen *seen = userdata;

        CHECK(l->line > seen->last_line && l->line <= seen->n_lines);
        seen->last_line = l->line;
        seen->n_assignments++;
        CHECK(!seen->wanted || streq(l->section, seen->wanted));
        CHECK(*l->section && *l->key && !strchr(l->key, '='));
        CHECK(is_stripped(l->key) && is_stripped(l->value));
        CHECK(!strchr(l->value, '\n') && utf8_is_valid(l->value, strlen(l->value)));
        check_values(l->value);
        return 0;
}

static void on_bad(const char *file, unsigned line, const char *reason, void *userdata) {
        Seen *seen = userdata;

        CHECK(line > seen->last_line && line <= seen->n_lines);
        CHECK(*reason);
        seen->last_line = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Seen all = { .n_lines = 1 }, filtered = { .wanted = "X-Synos" };

        for (size_t i = 0; i < size; i++)
                all.n_lines += data[i] == '\n';
        filtered.n_lines = all.n_lines;
        CHECK(conf_parse_text("all", (const char *) data, size, NULL, on_line, on_bad, &all) == 0);
        CHECK(conf_parse_text("one", (const char *) data, size, "X-Synos", on_line, on_bad, &filtered) == 0);
        CHECK(filtered.n_assignments <= all.n_assignments);
        return 0;
}
