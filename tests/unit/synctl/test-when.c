/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/when.h"

static void test_span(void **state) {
        static const struct {
                usec_t span;
                const char *text;
        } cases[] = {
                { 0, "0us" },
                { 350 * USEC_PER_MSEC, "350ms" },
                { 4 * USEC_PER_SEC, "4s" },
                { 59 * USEC_PER_SEC, "59s" },
                { 41 * USEC_PER_MINUTE + 30 * USEC_PER_SEC, "41min" },
                { 2 * USEC_PER_HOUR, "2h" },
                { 2 * USEC_PER_HOUR + 14 * USEC_PER_MINUTE, "2h 14min" },
                { 6 * USEC_PER_DAY + USEC_PER_HOUR, "6d" },
                { USEC_INFINITY, "for ever" },
        };
        char buf[WHEN_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(when_span(cases[i].span, buf), cases[i].text);
}

static void test_age(void **state) {
        char buf[WHEN_MAX];

        assert_string_equal(when_age(NOW - 3 * USEC_PER_MINUTE, NOW, buf), "3min");
        assert_string_equal(when_ago(NOW - 3 * USEC_PER_MINUTE, NOW, buf), "3min ago");
        assert_string_equal(when_age(NOW + 48 * USEC_PER_SEC, NOW, buf), "in 48s");
        assert_string_equal(when_ago(NOW + 48 * USEC_PER_SEC, NOW, buf), "in 48s");
        assert_string_equal(when_age(NOW, NOW, buf), "just now");
        assert_string_equal(when_age(0, NOW, buf), "-");
        assert_string_equal(when_ago(USEC_INFINITY, NOW, buf), "-");
}

static void test_clock(void **state) {
        char buf[WHEN_MAX];

        assert_string_equal(when_clock(NOW, NOW, false, buf), "14:06:12");
        assert_string_equal(when_clock(NOW + 231 * USEC_PER_MSEC, NOW, true, buf), "14:06:12.231");
        assert_string_equal(when_clock(NOW - USEC_PER_DAY, NOW, false, buf), "Nov 23 14:06:12");
        assert_string_equal(when_clock(NOW - 365 * USEC_PER_DAY, NOW, false, buf), "2025-11-24 14:06:12");
        assert_string_equal(when_clock(0, NOW, false, buf), "-");
        assert_string_equal(when_full(NOW, buf), "2026-11-24 14:06:12");
        assert_true(strlen(when_full(USEC_INFINITY - 1, buf)) < WHEN_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_span),
                cmocka_unit_test(test_age),
                cmocka_unit_test(test_clock),
        };
        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
