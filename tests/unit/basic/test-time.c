/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "basic/id.h"
#include "basic/string.h"
#include "basic/time.h"

static void test_parse_span(void **state) {
        static const struct {
                const char *text;
                usec_t usec;
        } good[] = {
                { "0", 0 },
                { "5", 5 * USEC_PER_SEC },
                { " 5 s ", 5 * USEC_PER_SEC },
                { "500ms", 500 * USEC_PER_MSEC },
                { "1min 30s", 90 * USEC_PER_SEC },
                { "1min30s", 90 * USEC_PER_SEC },
                { "2 h", 2 * USEC_PER_HOUR },
                { "1.5s", 1500 * USEC_PER_MSEC },
                { ".5h", 30 * USEC_PER_MINUTE },
                { "3us", 3 },
                { "3µs", 3 },
                { "1d 2w", 15 * USEC_PER_DAY },
                { "1M", 2629800 * USEC_PER_SEC },
                { "1m", USEC_PER_MINUTE },
                { "1y", 31557600 * USEC_PER_SEC },
                { "55s500ms", 55500 * USEC_PER_MSEC },
                { "infinity", USEC_INFINITY },
                { "584542y", UINT64_C(584542) * 31557600 * USEC_PER_SEC },
        };
        static const char *const bad[] = { "",      " ",     "s",  "5x",         "-5",  "+5",
                                           "5 s x", "1..5s", "1.", "infinity 5", "5s,", "5 minutes ago",
                                           "0x10",  "1e3",   "5S" };
        static const char *const huge[] = { "584543y", "18446744073709551616", "18446744073709551615",
                                            "18446744073709551615us", "300000y 300000y" };
        usec_t v = 77;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_span(bad[i], &v), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(huge); i++)
                assert_int_equal(parse_span(huge[i], &v), -ERANGE);
        assert_int_equal(parse_span(NULL, &v), -EINVAL);
        assert_int_equal(v, 77);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_span(good[i].text, &v), 0);
                assert_int_equal(v, good[i].usec);
        }
}

static void check_format(usec_t span, unsigned parts, const char *expected) {
        _cleanup_free_ char *s = NULL;

        assert_int_equal(format_span(span, parts, &s), 0);
        assert_string_equal(s, expected);
}

static void test_format_span(void **state) {
        check_format(0, 0, "0");
        check_format(USEC_INFINITY, 2, "infinity");
        check_format(350 * USEC_PER_MSEC, 0, "350ms");
        check_format(2 * USEC_PER_HOUR + 14 * USEC_PER_MINUTE + 3 * USEC_PER_SEC, 2, "2h 14min");
        check_format(2 * USEC_PER_HOUR + 14 * USEC_PER_MINUTE + 3 * USEC_PER_SEC, 0, "2h 14min 3s");
        check_format(USEC_PER_DAY, 3, "1d");
        check_format(1, 1, "1us");
}

static void test_span_round_trip(void **state) {
        uint64_t seed = random_u64();
        Prng p;

        print_message("seed %" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned i = 0; i < 20000; i++) {
                usec_t span = prng_next(&p) >> prng_below(&p, 64), again;
                _cleanup_free_ char *s = NULL;

                assert_int_equal(format_span(span, 0, &s), 0);
                assert_int_equal(parse_span(s, &again), 0);
                assert_int_equal(again, span);
        }
}

static void test_arithmetic(void **state) {
        assert_int_equal(usec_add(1, 2), 3);
        assert_int_equal(usec_add(USEC_INFINITY, 1), USEC_INFINITY);
        assert_int_equal(usec_add(USEC_INFINITY - 1, 5), USEC_INFINITY);
        assert_int_equal(usec_sub(5, 3), 2);
        assert_int_equal(usec_sub(3, 5), 0);
        assert_int_equal(usec_sub(USEC_INFINITY, 5), USEC_INFINITY);
        assert_int_equal(usec_sub(5, USEC_INFINITY), 0);
}

static void test_clocks(void **state) {
        Instant a = instant_now(), b = instant_now();

        assert_true(b.boottime >= a.boottime);
        assert_true(boottime_now() >= monotonic_now() - USEC_PER_SEC);
        /* Any machine that builds this knows that it is past 2020. */
        assert_true(a.realtime > UINT64_C(1577836800) * USEC_PER_SEC);
}

static void test_rfc3339(void **state) {
        static const char *const bad[] = {
                "",
                "2026-11-24",
                "2026-11-24T14:03:12",
                "2026-11-24 14:03:12Z",
                "2026-13-24T14:03:12Z",
                "2026-02-29T14:03:12Z",
                "2026-11-24T24:03:12Z",
                "2026-11-24T14:03:12.Z",
                "2026-11-24T14:03:12Zx",
                "2026-11-24T14:03Z",
                "2026-11-24T14:03:12+1:00",
                "2026-11-24T14:03:61Z",
                "+026-11-24T14:03:12Z",
        };
        char buf[FORMAT_RFC3339_MAX];
        uint64_t seed = random_u64();
        usec_t t = 5, again;
        Prng p;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_rfc3339(bad[i], &t), -EINVAL);
        assert_int_equal(parse_rfc3339("1969-12-31T23:59:59Z", &t), -ERANGE);
        assert_int_equal(t, 5);

        assert_int_equal(parse_rfc3339("2026-11-24T14:03:12.204113Z", &t), 0);
        assert_int_equal(t, UINT64_C(1795528992204113));
        assert_string_equal(format_rfc3339(t, buf), "2026-11-24T14:03:12.204113Z");
        assert_int_equal(parse_rfc3339("2026-11-24t16:33:12.2041139999+02:30", &again), 0);
        assert_int_equal(again, t);
        assert_int_equal(parse_rfc3339("2026-11-24T09:03:12.204113-05:00", &again), 0);
        assert_int_equal(again, t);
        assert_int_equal(parse_rfc3339("2000-02-29T00:00:00Z", &t), 0);
        assert_int_equal(t, UINT64_C(951782400) * USEC_PER_SEC);
        assert_string_equal(format_rfc3339(0, buf), "1970-01-01T00:00:00.000000Z");
        /* The largest value is far beyond four digits of year, but stays within the buffer. */
        assert_string_equal(format_rfc3339(UINT64_MAX, buf), "586524-01-19T08:01:49.551615Z");

        print_message("seed %" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned i = 0; i < 20000; i++) {
                t = prng_below(&p, UINT64_C(253402300800) * USEC_PER_SEC);
                assert_int_equal(parse_rfc3339(format_rfc3339(t, buf), &again), 0);
                assert_int_equal(again, t);
        }
}

static void check_timestamp(const char *s, usec_t now, const char *expected_rfc3339) {
        char buf[FORMAT_RFC3339_MAX];
        usec_t t;

        assert_int_equal(parse_timestamp(s, now, &t), 0);
        assert_string_equal(format_rfc3339(t, buf), expected_rfc3339);
}

static void test_timestamp(void **state) {
        static const char *const bad[] = {
                "",       "never",         "2026-02-30",  "25:00", "12:00 UTC",
                "@",      "@-5",           "@5x",         "ago",   " ago",
                "5x ago", "2026-11-24 12", "2026-11-24x", "-",     "2026-11-24T12:00:00",
        };
        usec_t now, t;

        /* Winter time of Berlin is UTC+1; the rule stands here so that no zone files are needed. */
        assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
        tzset();
        assert_int_equal(parse_rfc3339("2026-11-24T14:03:12.5Z", &now), 0);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_timestamp(bad[i], now, &t), -EINVAL);
        assert_int_equal(parse_timestamp("-100y", now, &t), -ERANGE);
        assert_int_equal(parse_timestamp("+infinity", now, &t), -ERANGE);

        check_timestamp("now", now, "2026-11-24T14:03:12.500000Z");
        check_timestamp(" -1h", now, "2026-11-24T13:03:12.500000Z");
        check_timestamp("+1h 30min", now, "2026-11-24T15:33:12.500000Z");
        check_timestamp("5min ago", now, "2026-11-24T13:58:12.500000Z");
        check_timestamp("5min left", now, "2026-11-24T14:08:12.500000Z");
        check_timestamp("today", now, "2026-11-23T23:00:00.000000Z");
        check_timestamp("yesterday", now, "2026-11-22T23:00:00.000000Z");
        check_timestamp("tomorrow", now, "2026-11-24T23:00:00.000000Z");
        check_timestamp("12:30", now, "2026-11-24T11:30:00.000000Z");
        check_timestamp("12:30:15.25", now, "2026-11-24T11:30:15.250000Z");
        check_timestamp("2026-07-01", now, "2026-06-30T22:00:00.000000Z");
        check_timestamp("2026-07-01 12:00", now, "2026-07-01T10:00:00.000000Z");
        check_timestamp("Wed 2026-07-01 12:00:01 UTC", now, "2026-07-01T12:00:01.000000Z");
        check_timestamp("2026-07-01 UTC", now, "2026-07-01T00:00:00.000000Z");
        check_timestamp("2026-07-01T12:00:00+02:00", now, "2026-07-01T10:00:00.000000Z");
        check_timestamp("@1795528992", now, "2026-11-24T14:03:12.000000Z");
        check_timestamp("@1795528992.25", now, "2026-11-24T14:03:12.250000Z");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse_span),      cmocka_unit_test(test_format_span),
                cmocka_unit_test(test_span_round_trip), cmocka_unit_test(test_arithmetic),
                cmocka_unit_test(test_clocks),          cmocka_unit_test(test_rfc3339),
                cmocka_unit_test(test_timestamp),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
