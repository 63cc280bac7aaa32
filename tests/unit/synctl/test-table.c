/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/table.h"

static const TableColumn columns[] = {
        { .header = "", .narrow_gap = true },
        { .header = "NAME", .shrink_to = 6 },
        { .header = "N", .right = true },
        { .header = "WHY", .hide_empty = true, .shrink_to = 4 },
};

static char *format(Table *t, const Term *term, bool legend, bool full) {
        StrBuf b = {};
        char *text = NULL;

        table_format(t, term, legend, full, &b);
        assert_int_equal(strbuf_finish(&b, &text), 0);
        return text;
}

static Table *sample(const char *why) {
        Table *t = NULL;

        assert_int_equal(table_new(columns, ELEMENTSOF(columns), &t), 0);
        assert_int_equal(table_add(t, STYLE_GOOD, "●"), 0);
        assert_int_equal(table_add(t, STYLE_NONE, "postgresql"), 0);
        assert_int_equal(table_addf(t, STYLE_NONE, "%d", 7), 0);
        assert_int_equal(table_add(t, STYLE_NONE, why), 0);
        assert_int_equal(table_add(t, STYLE_NONE, "○"), 0);
        assert_int_equal(table_add(t, STYLE_NONE, "日本"), 0);
        assert_int_equal(table_addf(t, STYLE_NONE, "%d", 1234), 0);
        assert_int_equal(table_add(t, STYLE_NONE, NULL), 0);
        assert_int_equal(table_rows(t), 2);
        return t;
}

static void test_plain(void **state) {
        _cleanup_table_ Table *t = sample("waits");
        _cleanup_free_ char *a = format(t, &plain_term, true, false), *b = format(t, &plain_term, false, false);

        assert_string_equal(a, "  NAME           N  WHY\n"
                               "● postgresql     7  waits\n"
                               "○ 日本        1234\n");
        assert_string_equal(b, "● postgresql     7  waits\n"
                               "○ 日本        1234\n");
}

static void test_hidden_column(void **state) {
        _cleanup_table_ Table *t = sample("");
        _cleanup_free_ char *a = format(t, &plain_term, true, false);

        assert_lacks(a, "WHY");
}

/* No line is wider than the terminal as long as the columns may shrink; what may not shrink does not. */
static void test_fit(void **state) {
        _cleanup_table_ Table *t = sample("waits for a dependency that is down");

        for (unsigned columns_ = 20; columns_ < 70; columns_++) {
                Term term = narrow_term;
                term.columns = columns_;
                _cleanup_free_ char *a = format(t, &term, true, false);
                for (char *save = NULL, *line = strtok_r(a, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                        assert_true(text_width(line) <= columns_);
        }
        Term term = narrow_term;
        term.columns = 22;
        _cleanup_free_ char *a = format(t, &term, false, false), *b = format(t, &term, false, true);
        assert_contains(a, "…");
        assert_contains(b, "waits for a dependency that is down");
}

static void test_hostile(void **state) {
        _cleanup_table_ Table *t = sample("\033[2Jgone\n");
        _cleanup_free_ char *a = format(t, &plain_term, false, false);

        assert_lacks(a, "\033");
        assert_contains(a, "\\x1b[2Jgone\\x0a");
}

static void test_colors(void **state) {
        _cleanup_table_ Table *t = sample("x");
        Term term = wide_term;

        term.colors = true;
        _cleanup_free_ char *a = format(t, &term, false, false);
        assert_contains(a, "\033[0;1;32m●\033[0m postgresql");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),   cmocka_unit_test(test_hidden_column), cmocka_unit_test(test_fit),
                cmocka_unit_test(test_hostile), cmocka_unit_test(test_colors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
