/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/text.h"

static void test_width(void **state) {
        assert_int_equal(text_width(""), 0);
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("äöü…●"), 5);
        assert_int_equal(text_width("日本"), 4);
        assert_int_equal(text_width("e\xcc\x81"), 1); /* combining accent */
        assert_int_equal(text_width("\033[0;1;31mred\033[0m"), 3);
        assert_int_equal(text_width("\xff\xfe"), 2); /* broken: a column a byte */
        assert_int_equal(text_width("\xf8\x88\x80\x80"), 4);
        assert_int_equal(text_width("\xe2\x82"), 2); /* cut off */
}

static void test_clean(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "plain äöü 日本", "plain äöü 日本" },
                { "\033[2J\a", "\\x1b[2J\\x07" },
                { "a\tb", "a b" },
                { "bad\xff", "bad\\xff" },
                { "c1 \xc2\x9b", "c1 \\u009b" },
                { "bidi \xe2\x80\xae", "bidi \\u202e" },
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
                { "\xc0\xaf", "\\xc0\\xaf" }, /* overlong */
                { "", "" },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = NULL;
                assert_int_equal(text_clean(cases[i].in, &s), 0);
                assert_string_equal(s, cases[i].out);
        }
        _cleanup_free_ char *none = NULL;
        assert_int_equal(text_clean(NULL, &none), 0);
        assert_string_equal(none, "");
}

static void check_shorten(const Term *t, const char *in, size_t columns, const char *out) {
        _cleanup_free_ char *s = NULL;

        assert_int_equal(text_shorten(t, in, columns, &s), 0);
        assert_string_equal(s, out);
}

static void test_shorten(void **state) {
        check_shorten(&plain_term, "service", 7, "service");
        check_shorten(&plain_term, "service", 5, "serv…");
        check_shorten(&plain_term, "service", 0, "service");
        check_shorten(&plain_term, "日本語", 4, "日…");
        check_shorten(&ascii_term, "service", 6, "ser...");
        check_shorten(&ascii_term, "service", 2, "se");
}

static void test_wrap(void **state) {
        _cleanup_strbuf_ StrBuf b = {};

        text_wrap(&b, "one two three four five six seven eight", 24, 4);
        assert_string_equal(b.data, "one two three four\n    five six seven eight");
        strbuf_done(&b);
        b = (StrBuf){};
        text_wrap(&b, "one two three", 0, 4);
        assert_string_equal(b.data, "one two three");
}

static void test_suggest(void **state) {
        static const char *const words[] = { "list",    "status", "start",    "stop",
                                             "restart", "reload", "register", "release" };

        assert_int_equal(text_distance("abc", "abc"), 0);
        assert_int_equal(text_distance("abc", "acb"), 1); /* swapped */
        assert_int_equal(text_distance("", "abc"), 3);
        assert_string_equal(text_suggest("lsit", words, ELEMENTSOF(words)), "list");
        assert_string_equal(text_suggest("statsu", words, ELEMENTSOF(words)), "status");
        assert_string_equal(text_suggest("restrat", words, ELEMENTSOF(words)), "restart");
        assert_string_equal(text_suggest("reg", words, ELEMENTSOF(words)), "register");
        assert_null(text_suggest("frobnicate", words, ELEMENTSOF(words)));
        assert_null(text_suggest("x", words, ELEMENTSOF(words)));
        assert_null(text_suggest("", words, ELEMENTSOF(words)));
}

static void test_line(void **state) {
        char buf[TEXT_LINE_MAX];

        assert_string_equal(text_line(0, buf), "");
        assert_string_equal(text_line(12, buf), ":12");
        assert_string_equal(text_line(UINT64_MAX, buf), ":18446744073709551615");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_line),
                cmocka_unit_test(test_width), cmocka_unit_test(test_clean),   cmocka_unit_test(test_shorten),
                cmocka_unit_test(test_wrap),  cmocka_unit_test(test_suggest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
