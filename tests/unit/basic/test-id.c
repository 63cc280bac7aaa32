/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/id.h"
#include "basic/siphash.h"

static void test_strings(void **state) {
        char buf[UUID_STRING_MAX];
        Id128 id, again;

        assert_int_equal(id128_from_string("0123456789abcdefFEDCBA9876543210", &id), 0);
        assert_string_equal(id128_to_string(id, buf), "0123456789abcdeffedcba9876543210");
        assert_string_equal(uuid_to_string(id, buf), "01234567-89ab-cdef-fedc-ba9876543210");
        assert_int_equal(id128_from_string(buf, &again), 0);
        assert_true(id128_equal(id, again));
        assert_false(id128_is_null(id));
        assert_true(id128_is_null(ID128_NULL));
}

static void test_bad_strings(void **state) {
        static const char *const bad[] = {
                "",
                "0",
                "0123456789abcdeffedcba987654321",
                "0123456789abcdeffedcba98765432100",
                "0123456789abcdefgedcba9876543210",
                "01234567-89ab-cdef-fedcba-9876543210",
                "0123456-789ab-cdef-fedc-ba9876543210",
                "01234567-89ab-cdef-fedc-ba98765432 0",
        };
        Id128 id = { { 1 } };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(id128_from_string(bad[i], &id), -EINVAL);
        assert_int_equal(id128_from_string(NULL, &id), -EINVAL);
        assert_int_equal(id.bytes[0], 1);
}

static void test_prng(void **state) {
        unsigned buckets[10] = {};
        Prng a, b;

        prng_seed(&a, 42);
        prng_seed(&b, 42);
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(prng_next(&a), prng_next(&b));
        prng_seed(&b, 43);
        assert_int_not_equal(prng_next(&a), prng_next(&b));

        for (unsigned i = 0; i < 100000; i++) {
                double d = prng_double(&a);

                assert_true(d >= 0 && d < 1);
                buckets[prng_below(&a, 10)]++;
                assert_int_equal(prng_below(&a, 1), 0);
        }
        /* Ten thousand expected in each; eight standard deviations are 760. The seed is fixed. */
        for (unsigned i = 0; i < 10; i++)
                assert_in_range(buckets[i], 9240, 10760);
}

/* Vectors of the reference implementation: key 00 01 … 0f. */
static void test_siphash(void **state) {
        static const uint8_t empty[] = { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                         0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 };
        static const uint8_t one[] = { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
                                       0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 };
        const SipKey key = { { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) } };
        uint8_t out[16];

        siphash24_128(&key, "", 0, out);
        assert_memory_equal(out, empty, sizeof out);
        siphash24_128(&key, "\0", 1, out);
        assert_memory_equal(out, one, sizeof out);
        assert_int_not_equal(siphash13(&key, "a", 1), siphash13(&key, "a\0", 2));
}

static void test_v7(void **state) {
        const usec_t t = UINT64_C(1795529003123456);
        Id128 previous, id;
        uint64_t msec = 0;
        UuidGen g;

        uuidgen_init(&g, 7);
        previous = uuidgen_v7(&g, t);
        for (size_t i = 0; i < 6; i++)
                msec = msec << 8 | previous.bytes[i];
        assert_int_equal(msec, t / USEC_PER_MSEC);
        /* More than the counter holds in one millisecond, then an hour back: still increasing. */
        for (unsigned i = 0; i < 20000; i++) {
                id = uuidgen_v7(&g, i < 10000 ? t : t - USEC_PER_HOUR);
                assert_int_equal(id.bytes[6] >> 4, 7);
                assert_int_equal(id.bytes[8] >> 6, 2);
                assert_true(memcmp(previous.bytes, id.bytes, sizeof id.bytes) < 0);
                previous = id;
        }
}

static void test_name(void **state) {
        char buf[UUID_STRING_MAX];
        Id128 host, other, a;

        assert_int_equal(id128_from_string("0123456789abcdeffedcba9876543210", &host), 0);
        assert_int_equal(id128_from_string("0123456789abcdeffedcba9876543211", &other), 0);
        a = uuid_from_name(host, "nginx.service");
        assert_true(id128_equal(a, uuid_from_name(host, "nginx.service")));
        assert_false(id128_equal(a, uuid_from_name(other, "nginx.service")));
        assert_false(id128_equal(a, uuid_from_name(host, "nginx.servicf")));
        assert_int_equal(a.bytes[6] >> 4, 8);
        assert_int_equal(a.bytes[8] >> 6, 2);
        /* Stored in databases: must never change. */
        assert_string_equal(uuid_to_string(a, buf), "0f9189a6-4377-8e50-959f-006b55a8aaea");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_strings), cmocka_unit_test(test_bad_strings), cmocka_unit_test(test_prng),
                cmocka_unit_test(test_siphash), cmocka_unit_test(test_v7),          cmocka_unit_test(test_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
