/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "basic/id.h"
#include "synctl/stream.h"

static StrBuf got;

static void take(const char *line, void *userdata) {
        strbuf_appendf(&got, "<%s>", line);
}

/* However the bytes are cut, the same lines come out. */
static void test_cuts(void **state) {
        static const char text[] = "one\ntwo\n\nthree and more\nfour";
        uint64_t seed = random_u64();
        Prng p;

        print_message("seed %" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned round = 0; round < 200; round++) {
                LineBuffer l = {};
                for (size_t at = 0; at < strlen(text);) {
                        size_t n = MIN((size_t) (1 + prng_below(&p, 9)), strlen(text) - at);
                        line_buffer_feed(&l, text + at, n, 100, take, NULL);
                        at += n;
                }
                assert_string_equal(got.data, "<one><two><><three and more>");
                assert_int_equal(l.dropped, 0);
                line_buffer_done(&l);
                strbuf_done(&got);
                got = (StrBuf){};
        }
}

static void test_too_long(void **state) {
        LineBuffer l = {};

        line_buffer_feed(&l, "short\nthis is too long\nok\n", 26, 8, take, NULL);
        line_buffer_feed(&l, "12345", 5, 8, take, NULL);
        line_buffer_feed(&l, "67890", 5, 8, take, NULL);
        line_buffer_feed(&l, "x\nend\n", 6, 8, take, NULL);
        assert_string_equal(got.data, "<short><ok><end>");
        assert_int_equal(l.dropped, 2);
        line_buffer_done(&l);
        strbuf_done(&got);
        got = (StrBuf){};
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_cuts), cmocka_unit_test(test_too_long) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
