/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/string.h"

static void test_compare(void **state) {
        _cleanup_free_ char *p = NULL, *q = NULL;

        assert_true(streq_ptr(NULL, NULL));
        assert_false(streq_ptr(NULL, ""));
        assert_true(streq_ptr("a", "a"));
        assert_string_equal(startswith("foo.service", "foo"), ".service");
        assert_null(startswith("fo", "foo"));
        assert_string_equal(endswith("foo.service", ".service"), ".service");
        assert_null(endswith("service", ".service"));
        assert_int_equal(free_and_strdup(&p, "x"), 1);
        assert_int_equal(free_and_strdup(&p, "x"), 0);
        assert_int_equal(free_and_strdup(&p, NULL), 1);
        assert_null(p);
        assert_int_equal(str_copy(&p, ""), 0);
        assert_string_equal(p, "");
        assert_int_equal(str_copy(&q, p), 0);
        assert_string_equal(q, "");
        assert_ptr_not_equal(p, q);
}

static void test_strip(void **state) {
        char a[] = " \t foo bar\n ", b[] = " \n ", c[] = "";

        assert_string_equal(strstrip(a), "foo bar");
        assert_string_equal(strstrip(b), "");
        assert_string_equal(strstrip(c), "");
}

static void test_integers(void **state) {
        static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a", "1.0" };
        uint64_t u64 = 7;
        uint32_t u32 = 7;
        int i = 7;

        for (size_t n = 0; n < ELEMENTSOF(bad); n++) {
                assert_int_equal(safe_atou64(bad[n], &u64), -EINVAL);
                assert_int_equal(safe_atou32(bad[n], &u32), -EINVAL);
        }
        assert_int_equal(safe_atou64("18446744073709551616", &u64), -ERANGE);
        assert_int_equal(safe_atou32("4294967296", &u32), -ERANGE);
        assert_int_equal(safe_atoi("2147483648", &i), -ERANGE);
        assert_int_equal(safe_atoi("-2147483649", &i), -ERANGE);
        assert_int_equal(safe_atoi("--1", &i), -EINVAL);
        assert_int_equal(safe_atoi("-", &i), -EINVAL);
        assert_true(u64 == 7 && u32 == 7 && i == 7);

        assert_int_equal(safe_atou64("18446744073709551615", &u64), 0);
        assert_int_equal(u64, UINT64_MAX);
        assert_int_equal(safe_atou32("4294967295", &u32), 0);
        assert_int_equal(u32, UINT32_MAX);
        assert_int_equal(safe_atoi("-2147483648", &i), 0);
        assert_int_equal(i, INT32_MIN);
        assert_int_equal(safe_atoi("+5", &i), 0);
        assert_int_equal(i, 5);
}

static void test_doubles(void **state) {
        static const char *const bad[] = { "", " 1", "1 ", "inf", "nan", "0x1p3", "1,5", "e", "1e", "1.5.5" };
        double d = 7;

        for (size_t n = 0; n < ELEMENTSOF(bad); n++)
                assert_int_equal(safe_atod(bad[n], &d), -EINVAL);
        assert_int_equal(safe_atod("1e999", &d), -ERANGE);
        assert_true(d == 7);
        assert_int_equal(safe_atod("-1.25e2", &d), 0);
        assert_true(d == -125);
}

static void test_boolean(void **state) {
        assert_int_equal(parse_boolean("yes"), 1);
        assert_int_equal(parse_boolean("ON"), 1);
        assert_int_equal(parse_boolean("0"), 0);
        assert_int_equal(parse_boolean("False"), 0);
        assert_int_equal(parse_boolean("oui"), -EINVAL);
        assert_int_equal(parse_boolean(""), -EINVAL);
        assert_int_equal(parse_boolean(NULL), -EINVAL);
}

static void test_size(void **state) {
        static const struct {
                const char *text;
                uint64_t size;
        } good[] = {
                { "0", 0 },
                { "512", 512 },
                { "512B", 512 },
                { "10K", 10240 },
                { "1.5G", UINT64_C(1610612736) },
                { " 2 M", 2097152 },
                { "0.5", 0 },
                { "15E", UINT64_C(15) << 60 },
                { "18446744073709551615", UINT64_MAX },
        };
        static const char *const bad[] = { "", "K", "1X", "1KB", "-1", ".5K", "1.K", "1 K x", "1k" };
        static const char *const huge[] = { "16E", "18446744073709551616",
                                            "99999999999999999999999999999999999999999" };
        uint64_t v = 7;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_size(bad[i], &v), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(huge); i++)
                assert_int_equal(parse_size(huge[i], &v), -ERANGE);
        assert_int_equal(v, 7);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_size(good[i].text, &v), 0);
                assert_int_equal(v, good[i].size);
        }
}

static void test_strv(void **state) {
        _cleanup_strv_free_ char **l = NULL, **copy = NULL, **none = NULL;
        _cleanup_free_ char *joined = NULL, *empty = NULL;

        assert_int_equal(strv_split("  b a,c b,, ", " ,", &l), 0);
        assert_int_equal(strv_length(l), 4);
        joined = strv_join(l, "|");
        assert_string_equal(joined, "b|a|c|b");
        assert_int_equal(strv_copy(l, &copy), 0);
        assert_true(strv_equal(l, copy));
        strv_sort_uniq(copy);
        assert_int_equal(strv_length(copy), 3);
        assert_string_equal(copy[0], "a");
        assert_string_equal(copy[2], "c");
        assert_false(strv_equal(l, copy));
        assert_int_equal(strv_extend(&copy, "d"), 0);
        assert_true(strv_contains(copy, "d"));
        assert_false(strv_contains(copy, "D"));
        assert_false(strv_contains(NULL, "D"));
        assert_int_equal(strv_consume(&copy, NULL), -ENOMEM);

        assert_int_equal(strv_split(" ,", " ,", &none), 0);
        assert_int_equal(strv_length(none), 0);
        assert_true(strv_equal(none, NULL));
        empty = strv_join(NULL, ",");
        assert_string_equal(empty, "");
        strv_sort_uniq(NULL);
}

static void test_strbuf(void **state) {
        _cleanup_free_ char *s = NULL, *empty = NULL;
        StrBuf b = {};

        assert_int_equal(strbuf_finish(&b, &empty), 0);
        assert_string_equal(empty, "");
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(strbuf_appendf(&b, "%u,", i % 10), 0);
        assert_int_equal(strbuf_append(&b, "end"), 0);
        assert_int_equal(b.length, 2003);
        assert_string_equal(b.data + 1998, "9,end");
        b.failed = true;
        assert_int_equal(strbuf_append(&b, "x"), -ENOMEM);
        assert_int_equal(strbuf_appendf(&b, "%d", 5), -ENOMEM);
        assert_int_equal(b.length, 2003);
        assert_int_equal(strbuf_finish(&b, &s), -ENOMEM);
        assert_null(s);
        assert_null(b.data);
}

static void test_utf8(void **state) {
        static const char *const good[] = { "",
                                            "abc\n\x7f",
                                            "Grüße",
                                            "€",
                                            "\xf0\x9f\x98\x80",
                                            "\xf4\x8f\xbf\xbf",
                                            "\xed\x9f\xbf",
                                            "\xee\x80\x80",
                                            "\xc2\x80",
                                            "\xe0\xa0\x80" };
        static const char *const bad[] = {
                "\x80",
                "\xc0\x80",
                "\xc1\xbf",
                "\xe0\x9f\xbf",
                "\xed\xa0\x80",
                "\xf0\x8f\xbf\xbf",
                "\xf4\x90\x80\x80",
                "\xf5\x80\x80\x80",
                "\xff",
                "\xc3",
                "\xe2\x82",
                "\xf0\x9f\x98",
                "\xc3(",
                "\xe2\x82(",
                "a\xfe",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_is_valid(good[i], strlen(good[i])));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
        assert_false(utf8_is_valid("a\0b", 3));
}

static void check_sanitize(const char *s, size_t max, const char *expected) {
        _cleanup_free_ char *out = NULL;

        assert_int_equal(str_sanitize(s, max, &out), 0);
        assert_string_equal(out, expected);
        assert_true(utf8_is_valid(out, strlen(out)));
}

static void test_sanitize(void **state) {
        check_sanitize("plain Grüße", 100, "plain Grüße");
        check_sanitize("a\x1b[31m\n\x7f", 100, "a\\x1b[31m\\x0a\\x7f");
        check_sanitize("\xc2\x9b"
                       "31m",
                       100, "\\xc2\\x9b31m");
        check_sanitize("x\xff\xc3(", 100, "x\\xff\\xc3(");
        check_sanitize("abcdef", 6, "abcdef");
        check_sanitize("abcdef", 5, "abcde…");
        check_sanitize("abc\n", 6, "abc…");
        check_sanitize("ab€", 4, "ab…");
        check_sanitize("a", 0, "…");
        check_sanitize("", 0, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compare),  cmocka_unit_test(test_strip),   cmocka_unit_test(test_integers),
                cmocka_unit_test(test_doubles),  cmocka_unit_test(test_boolean), cmocka_unit_test(test_size),
                cmocka_unit_test(test_strv),     cmocka_unit_test(test_strbuf),  cmocka_unit_test(test_utf8),
                cmocka_unit_test(test_sanitize),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
