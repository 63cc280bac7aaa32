/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/text.h"
#include "synctl/top-view.h"

static ServiceList make_list(size_t n) {
        static char names[200][16], units[200][32];
        static const char *const statuses[] = { "running", "failed", "stopped", "degraded" };
        ServiceList l = { .rows = calloc(n, sizeof(ServiceRow)), .n = n };

        for (size_t i = 0; i < n; i++) {
                snprintf(names[i], sizeof(names[i]), "svc-%03zu", i);
                snprintf(units[i], sizeof(units[i]), "svc-%03zu.service", i);
                l.rows[i] = (ServiceRow){
                        .name = names[i],
                        .unit = units[i],
                        .type = "t",
                        .status = statuses[i % 4],
                        .active = "",
                        .sub = "",
                        .phase = "",
                        .detail = "",
                        .path = "/",
                        .health = 1,
                        .since = NOW,
                        .restarts = i,
                        .granted = true,
                };
        }
        return l;
}

static void test_order(void **state) {
        TopModel m = { .list = make_list(8) };

        top_model_sort(&m);
        assert_string_equal(m.list.rows[0].name, "svc-005"); /* failed, more restarts */
        assert_string_equal(m.list.rows[1].name, "svc-001");
        assert_string_equal(m.list.rows[2].status, "degraded");
        assert_string_equal(m.list.rows[7].status, "stopped");
        m.order = TOP_BY_RESTARTS;
        top_model_sort(&m);
        assert_string_equal(m.list.rows[0].name, "svc-007");
        m.order = TOP_BY_NAME;
        top_model_sort(&m);
        assert_string_equal(m.list.rows[0].name, "svc-000");
        top_model_done(&m);
}

/* The cursor stays on its service when others come and go. */
static void test_cursor(void **state) {
        TopModel m = { .order = TOP_BY_NAME };
        ServiceList a = make_list(8), b = make_list(8), none = make_list(0);

        top_model_set(&m, &a);
        m.selected = 5;
        b.rows[0] = b.rows[7];
        b.n = 7; /* svc-000 is gone, svc-007 sorts to the end */
        top_model_set(&m, &b);
        assert_string_equal(m.list.rows[m.selected].name, "svc-005");
        top_model_set(&m, &none);
        assert_int_equal(m.selected, 0);
        top_model_done(&m);
}

/* Whatever the size: as many lines as the screen has, none wider, the cursor in sight. */
static void test_frame(void **state) {
        for (unsigned rows = 5; rows < 60; rows += 6)
                for (unsigned columns = 40; columns < 160; columns += 20) {
                        Term term = wide_term;
                        TopModel m = { .order = TOP_BY_NAME, .list = make_list(100) };
                        _cleanup_strbuf_ StrBuf b = {};
                        unsigned lines = 1;
                        term.rows = rows;
                        term.columns = columns;
                        m.selected = 77;
                        for (unsigned i = 0; i < TOP_EVENTS_MAX + 5; i++)
                                top_model_add_event(&m, strdup("an event"));
                        assert_int_equal(top_format(&m, &term, NOW, &b), 0);
                        for (const char *p = b.data; *p; p++)
                                lines += *p == '\n';
                        assert_int_equal(lines, rows);
                        assert_contains(b.data, "svc-077");
                        if (columns >= 80)
                                for (char *save = NULL, *line = strtok_r(b.data, "\n", &save); line;
                                     line = strtok_r(NULL, "\n", &save))
                                        assert_true(text_width(line) <= columns);
                        top_model_done(&m);
                }
}

static void test_states(void **state) {
        TopModel m = { .lost = true, .lost_since = NOW - 5 * USEC_PER_SEC };
        _cleanup_strbuf_ StrBuf lost = {}, help = {}, page = {};

        assert_int_equal(top_format(&m, &wide_term, NOW, &lost), 0);
        assert_contains(lost.data, "synd went away 5s ago");
        m.lost = false;
        m.help = true;
        assert_int_equal(top_format(&m, &wide_term, NOW, &help), 0);
        assert_contains(help.data, "next order");
        m.help = false;
        m.page = strdup("first\n\nthird\n");
        assert_int_equal(top_format(&m, &wide_term, NOW, &page), 0);
        assert_contains(page.data, "first\n\nthird\n");
        top_model_done(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_cursor),
                cmocka_unit_test(test_frame),
                cmocka_unit_test(test_states),
        };
        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
