/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>

#include "basic/id.h"
#include "basic/json.h"
#include "basic/string.h"

#define MIB (1024 * 1024)

static int parse(const char *text, Json **ret) {
        return json_parse(text, strlen(text), MIB, ret, NULL);
}

static void check_format(const Json *j, const char *expected) {
        _cleanup_free_ char *s = NULL;

        assert_int_equal(json_format(j, &s), 0);
        assert_string_equal(s, expected);
}

static void check_round(const char *text, const char *expected) {
        _cleanup_json_ Json *j = NULL;

        assert_int_equal(parse(text, &j), 0);
        check_format(j, expected);
}

static void test_accepts(void **state) {
        check_round(" {} ", "{}");
        check_round("[]", "[]");
        check_round("\t[ ]\r\n", "[]");
        check_round("null", "null");
        check_round("[null,true,false]", "[null,true,false]");
        check_round("{\"b\":1, \"a\" : [ 2 , \"x\" ] }", "{\"b\":1,\"a\":[2,\"x\"]}");
        check_round("-0", "0");
        check_round("-9223372036854775808", "-9223372036854775808");
        check_round("9223372036854775807", "9223372036854775807");
        check_round("9223372036854775808", "9223372036854775808");
        check_round("18446744073709551615", "18446744073709551615");
        check_round("0.1", "0.1");
        check_round("1e3", "1000.0");
        check_round("1.5E-10", "1.5e-10");
        check_round("-0.0", "-0.0");
        check_round("0.30000000000000004", "0.30000000000000004");
        check_round("\"\\u00fc\\u20AC\\ud83d\\ude00\"", "\"ü€\xf0\x9f\x98\x80\"");
        check_round("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001f\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\"");
        check_round("{\"\":0}", "{\"\":0}");
}

static void test_refuses(void **state) {
        static const char *const bad[] = {
                "",
                " ",
                "{",
                "}",
                "[",
                "[1",
                "[1,",
                "[1,]",
                "[,1]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{a:1}",
                "{'a':1}",
                "'a'",
                "\"a",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u12g4\"",
                "\"\\u0000\"",
                "\"\\ud800\"",
                "\"\\udc00\"",
                "\"\\ud800\\u0041\"",
                "\"a\nb\"",
                "\"\xff\"",
                "\"\xed\xa0\x80\"",
                "\"\xc3\"",
                "01",
                "-",
                "+1",
                "1.",
                ".5",
                "1e",
                "1e+",
                "0x10",
                "NaN",
                "nan",
                "Infinity",
                "-Infinity",
                "1e999",
                "-1e999",
                "18446744073709551616",
                "-9223372036854775809",
                "99999999999999999999999",
                "tru",
                "True",
                "nul",
                "nulll",
                "1 2",
                "{} x",
                "{}{}",
                "[] ]",
                "// c\n1",
                "/* c */1",
                "[1 2]",
                "{\"a\":1,\"a\":2}",
                "{\"a\":1,\"b\":2,\"a\":3}",
                "{\"a\":{\"x\":1,\"x\":1}}",
                "{\"a\":1,\"\\u0061\":2}",
                "\xef\xbb\xbf{}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Json *j = (Json *) bad; /* must stay */
                _cleanup_free_ char *error = NULL;

                if (json_parse(bad[i], strlen(bad[i]), MIB, &j, &error) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);
                assert_ptr_equal(j, bad);
                assert_non_null(error);
                assert_non_null(startswith(error, "byte "));
        }
}

static void test_error_place(void **state) {
        _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
        Json *j;

        assert_int_equal(json_parse("[1, x]", 6, MIB, &j, &a), -EINVAL);
        assert_string_equal(a, "byte 4: expected a value");
        assert_int_equal(json_parse("{\"k\":1,\"k\":2}", 13, MIB, &j, &b), -EINVAL);
        assert_string_equal(b, "byte 7: duplicate key");
        assert_int_equal(json_parse("\"a\0b\"", 5, MIB, &j, &c), -EINVAL);
        assert_string_equal(c, "byte 2: control character in a string");
}

static void nest(unsigned depth, StrBuf *b) {
        for (unsigned i = 0; i < depth; i++)
                strbuf_append(b, i % 2 ? "{\"k\":" : "[");
        strbuf_append(b, "1");
        for (unsigned i = depth; i-- > 0;)
                strbuf_append(b, i % 2 ? "}" : "]");
}

static void test_limits(void **state) {
        _cleanup_strbuf_ StrBuf fits = {}, deep = {}, many = {};
        _cleanup_json_ Json *j = NULL;
        Json *none;

        nest(32, &fits);
        assert_int_equal(parse(fits.data, &j), 0);
        nest(33, &deep);
        assert_int_equal(parse(deep.data, &none), -EINVAL);

        assert_int_equal(json_parse("[1]", 3, 2, &none, NULL), -E2BIG);
        assert_int_equal(json_parse("[1]x", 3, 3, &none, NULL), 0);
        json_unref(none);

        strbuf_append(&many, "[[]");
        for (unsigned i = 0; i < 65536; i++)
                strbuf_append(&many, ",[]");
        strbuf_append(&many, "]");
        assert_int_equal(parse(many.data, &none), -E2BIG);
}

static void test_setters(void **state) {
        _cleanup_json_ Json *o = NULL, *child = NULL, *a = NULL;
        _cleanup_strv_free_ char **l = NULL;
        _cleanup_free_ char *pretty = NULL;

        assert_int_equal(json_new_object(&o), 0);
        assert_int_equal(json_new_object(&child), 0);
        assert_int_equal(json_new_array(&a), 0);
        assert_int_equal(strv_split("x y", " ", &l), 0);
        assert_int_equal(json_set_string(o, "s", "v"), 0);
        assert_int_equal(json_set_string(o, "none", NULL), 0);
        assert_int_equal(json_set_stringf(o, "f", "%d%%", 5), 0);
        assert_int_equal(json_set_bool(o, "b", true), 0);
        assert_int_equal(json_set_int(o, "i", INT64_MIN), 0);
        assert_int_equal(json_set_uint(o, "u", UINT64_MAX), 0);
        assert_int_equal(json_set_real(o, "r", 2), 0);
        assert_int_equal(json_set_real(o, "r2", NAN), -EINVAL);
        assert_int_equal(json_set_real(o, "r2", INFINITY), -EINVAL);
        assert_int_equal(json_set_null(o, "n"), 0);
        assert_int_equal(json_set_time(o, "t", 1795528992204113), 0);
        assert_int_equal(json_set_time(o, "t0", 0), 0);
        assert_int_equal(json_set_time(o, "t1", USEC_INFINITY), 0);
        assert_int_equal(json_set_strv(o, "l", l), 0);
        assert_int_equal(json_set_strv(o, "le", NULL), 0);
        assert_int_equal(json_set(child, "up", a), 0);
        assert_int_equal(json_append_string(a, "e"), 0);
        assert_int_equal(json_append(a, NULL), 0);
        assert_int_equal(json_set(o, "c", child), 0);
        assert_int_equal(json_set(o, "c0", NULL), 0);
        /* A replaced member keeps its place. */
        assert_int_equal(json_set_string(o, "s", "w"), 0);
        check_format(o, "{\"s\":\"w\",\"f\":\"5%\",\"b\":true,\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                        "\"r\":2.0,\"n\":null,\"t\":\"2026-11-24T14:03:12.204113Z\",\"l\":[\"x\",\"y\"],\"le\":[],"
                        "\"c\":{\"up\":[\"e\"]}}");
        assert_int_equal(json_format_pretty(child, &pretty), 0);
        assert_string_equal(pretty, "{\n  \"up\": [\n    \"e\"\n  ]\n}");
}

static void test_sanitises(void **state) {
        _cleanup_json_ Json *o = NULL, *again = NULL;
        _cleanup_free_ char *s = NULL;

        assert_int_equal(json_new_object(&o), 0);
        assert_int_equal(json_set_string(o, "k\xff", "a\xc3(\xe2\x82z\xed\xa0\x80ü"), 0);
        assert_int_equal(json_format(o, &s), 0);
        assert_string_equal(s, "{\"k\xef\xbf\xbd\":\"a\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd"
                               "\xef\xbf\xbdü\"}");
        assert_int_equal(parse(s, &again), 0);
}

static void test_getters(void **state) {
        _cleanup_strv_free_ char **l = NULL, **none = NULL;
        _cleanup_json_ Json *o = NULL;
        void *it = NULL;
        const char *key;
        Json *v;

        assert_int_equal(parse("{\"s\":\"v\",\"b\":true,\"i\":-5,\"u\":18446744073709551615,\"r\":1.5,\"l\":[\"x\","
                               "\"y\"],"
                               "\"m\":[1],\"t\":\"2026-11-24T14:03:12.204113Z\",\"z\":null}",
                               &o),
                         0);
        assert_string_equal(json_get_string(o, "s"), "v");
        assert_null(json_get_string(o, "i"));
        assert_null(json_get_string(o, "z"));
        assert_null(json_get_string(NULL, "s"));
        assert_true(json_get_bool(o, "b", false));
        assert_true(json_get_bool(o, "s", true));
        assert_int_equal(json_get_int(o, "i", 0), -5);
        assert_int_equal(json_get_int(o, "u", 7), 7);
        assert_int_equal(json_get_int(o, "r", 7), 7);
        assert_int_equal(json_get_uint(o, "u", 0), UINT64_MAX);
        assert_int_equal(json_get_uint(o, "i", 7), 7);
        assert_true(json_get_real(o, "r", 0) == 1.5);
        assert_true(json_get_real(o, "i", 0) == -5);
        assert_true(json_get_real(o, "absent", 0.25) == 0.25);
        assert_int_equal(json_get_time(o, "t"), 1795528992204113);
        assert_int_equal(json_get_time(o, "s"), 0);
        assert_int_equal(json_get_strv(o, "l", &l), 0);
        assert_int_equal(strv_length(l), 2);
        assert_string_equal(l[1], "y");
        assert_int_equal(json_get_strv(o, "m", &none), -EINVAL);
        assert_int_equal(json_get_strv(o, "absent", &none), 0);
        assert_null(none);
        assert_int_equal(json_length(json_get(o, "l")), 2);
        assert_int_equal(json_length(o), 0);
        assert_string_equal(json_string(json_at(json_get(o, "l"), 0)), "x");
        assert_null(json_at(json_get(o, "l"), 2));
        assert_int_equal(json_type(json_get(o, "z")), JSON_NULL);

        assert_true(json_next(o, &it, &key, &v));
        assert_string_equal(key, "s");
        assert_int_equal(json_type(v), JSON_STRING);
        for (unsigned i = 0; i < 8; i++)
                assert_true(json_next(o, &it, &key, NULL));
        assert_string_equal(key, "z");
        assert_false(json_next(o, &it, &key, NULL));
        assert_false(json_next(o, &it, &key, NULL));
}

/* Random values: what is written is read back as the same text. */
static void fill(Prng *p, Json *o, unsigned depth) {
        unsigned n = (unsigned) prng_below(p, 6);

        for (unsigned i = 0; i < n; i++) {
                char key[2] = { (char) ('a' + i), '\0' }, text[8] = {};
                _cleanup_json_ Json *child = NULL;
                union {
                        uint64_t u;
                        double d;
                } bits = { .u = prng_next(p) };

                switch (prng_below(p, depth > 0 ? 5 : 4)) {
                case 0:
                        assert_int_equal(json_set_int(o, key, (int64_t) (prng_next(p) >> prng_below(p, 64))), 0);
                        break;
                case 1:
                        assert_int_equal(json_set_uint(o, key, prng_next(p)), 0);
                        break;
                case 2:
                        assert_int_equal(json_set_real(o, key, bits.d), isfinite(bits.d) ? 0 : -EINVAL);
                        break;
                case 3:
                        memcpy(text, &bits, sizeof text - 1);
                        assert_int_equal(json_set_string(o, key, text), 0);
                        break;
                default:
                        assert_int_equal(json_new_object(&child), 0);
                        fill(p, child, depth - 1);
                        assert_int_equal(json_set(o, key, child), 0);
                }
        }
}

static void test_round_trip(void **state) {
        uint64_t seed = random_u64();
        Prng p;

        print_message("seed %" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned i = 0; i < 3000; i++) {
                _cleanup_json_ Json *o = NULL, *again = NULL, *pretty_again = NULL;
                _cleanup_free_ char *text = NULL, *pretty = NULL;

                assert_int_equal(json_new_object(&o), 0);
                fill(&p, o, 4);
                assert_int_equal(json_format(o, &text), 0);
                assert_int_equal(parse(text, &again), 0);
                check_format(again, text);
                assert_int_equal(json_format_pretty(o, &pretty), 0);
                assert_int_equal(parse(pretty, &pretty_again), 0);
                check_format(pretty_again, text);
        }
}

static void test_locale(void **state) {
        if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
                print_message("no locale with a decimal comma is installed\n");
                skip();
        }
        check_round("[0.5,1e300]", "[0.5,1e+300]");
        (void) setlocale(LC_ALL, "C");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepts), cmocka_unit_test(test_refuses),    cmocka_unit_test(test_error_place),
                cmocka_unit_test(test_limits),  cmocka_unit_test(test_setters),    cmocka_unit_test(test_sanitises),
                cmocka_unit_test(test_getters), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_locale),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
