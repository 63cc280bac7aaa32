/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "basic/hash.h"
#include "basic/id.h"
#include "basic/string.h"

static unsigned n_freed;

static void *count_free(void *p) {
        n_freed++;
        free(p);
        return NULL;
}

static void test_put_get_remove(void **state) {
        _cleanup_(hashmap_freep) HashMap *m = NULL;
        char a = 'a', b = 'b';

        assert_int_equal(hashmap_new(&m, NULL), 0);
        assert_null(hashmap_get(m, "foo"));
        assert_null(hashmap_remove(m, "foo"));
        assert_int_equal(hashmap_put(m, "foo", &a), 0);
        assert_int_equal(hashmap_put(m, "foo", &b), -EEXIST);
        assert_ptr_equal(hashmap_get(m, "foo"), &a);
        assert_int_equal(hashmap_replace(m, "foo", &b), 0);
        assert_ptr_equal(hashmap_get(m, "foo"), &b);
        assert_int_equal(hashmap_replace(m, "", &a), 0);
        assert_ptr_equal(hashmap_get(m, ""), &a);
        assert_int_equal(hashmap_size(m), 2);
        assert_ptr_equal(hashmap_remove(m, "foo"), &b);
        assert_null(hashmap_get(m, "foo"));
        assert_int_equal(hashmap_size(m), 1);
}

static void test_ownership(void **state) {
        HashMap *m = NULL;
        char *v;

        n_freed = 0;
        assert_int_equal(hashmap_new(&m, count_free), 0);
        assert_int_equal(hashmap_put(m, "a", strdup("1")), 0);
        assert_int_equal(hashmap_put(m, "b", strdup("2")), 0);
        assert_int_equal(hashmap_put(m, "null", NULL), 0);
        assert_int_equal(hashmap_replace(m, "a", strdup("3")), 0);
        assert_int_equal(n_freed, 1);
        /* The same value again must not free it. */
        assert_int_equal(hashmap_replace(m, "a", hashmap_get(m, "a")), 0);
        assert_int_equal(n_freed, 1);
        v = hashmap_remove(m, "b");
        assert_string_equal(v, "2");
        assert_int_equal(n_freed, 1);
        free(v);
        assert_null(hashmap_free(m));
        assert_int_equal(n_freed, 2);
        assert_null(hashmap_free(NULL));
}

static void test_numbers(void **state) {
        _cleanup_(hashmap_freep) HashMap *m = NULL;
        uint64_t values[1000];
        HashIter i = {};
        const char *key = "untouched";
        void *value;

        assert_int_equal(hashmap_new(&m, NULL), 0);
        /* Multiples of a large power of two: a plain mask would put them all into one slot. */
        for (size_t n = 0; n < ELEMENTSOF(values); n++)
                assert_int_equal(hashmap_put_u64(m, (uint64_t) n << 40, &values[n]), 0);
        assert_int_equal(hashmap_put_u64(m, 0, values), -EEXIST);
        for (size_t n = 0; n < ELEMENTSOF(values); n++)
                assert_ptr_equal(hashmap_get_u64(m, (uint64_t) n << 40), &values[n]);
        assert_null(hashmap_get_u64(m, 1));
        for (size_t n = 0; n < ELEMENTSOF(values); n++) {
                assert_true(hashmap_next(m, &i, &key, &value));
                assert_null(key);
                assert_ptr_equal(value, &values[n]);
                assert_ptr_equal(hashmap_remove_u64(m, (uint64_t) n << 40), &values[n]);
        }
        assert_false(hashmap_next(m, &i, NULL, NULL));
        assert_int_equal(hashmap_size(m), 0);
}

static void test_order_and_removal_while_iterating(void **state) {
        _cleanup_(hashmap_freep) HashMap *m = NULL;
        unsigned values[100], expected = 0, *v;

        assert_int_equal(hashmap_new(&m, NULL), 0);
        for (unsigned i = 0; i < ELEMENTSOF(values); i++) {
                char key[16];

                values[i] = i;
                snprintf(key, sizeof key, "key%u", i);
                assert_int_equal(hashmap_put(m, key, &values[i]), 0);
        }
        HASHMAP_FOREACH (v, m) {
                char key[16];

                assert_int_equal(*v, expected++);
                if (*v % 3 == 0)
                        continue;
                snprintf(key, sizeof key, "key%u", *v);
                assert_ptr_equal(hashmap_remove(m, key), v);
        }
        assert_int_equal(expected, ELEMENTSOF(values));
        expected = 0;
        HASHMAP_FOREACH (v, m) {
                assert_int_equal(*v, expected);
                expected += 3;
        }
        /* A key that comes back is the last. */
        assert_ptr_equal(hashmap_remove(m, "key0"), &values[0]);
        assert_int_equal(hashmap_put(m, "key0", &values[0]), 0);
        HASHMAP_FOREACH (v, m)
                expected = *v;
        assert_int_equal(expected, 0);
}

/* The naive model: a vector in order of insertion. */
typedef struct Model {
        struct {
                unsigned key;
                void *value;
        } items[512];
        size_t n;
} Model;

static size_t model_find(const Model *model, unsigned key) {
        for (size_t i = 0; i < model->n; i++)
                if (model->items[i].key == key)
                        return i;
        return SIZE_MAX;
}

static void model_remove(Model *model, size_t at) {
        memmove(model->items + at, model->items + at + 1, (model->n - at - 1) * sizeof model->items[0]);
        model->n--;
}

static void compare_order(const Model *model, const HashMap *m) {
        HashIter it = {};
        const char *key;
        void *value;

        assert_int_equal(hashmap_size(m), model->n);
        for (size_t i = 0; i < model->n; i++) {
                char expected[32];

                assert_true(hashmap_next(m, &it, &key, &value));
                snprintf(expected, sizeof expected, "foo@a\\x2d%u.service", model->items[i].key);
                assert_string_equal(key, expected);
                assert_ptr_equal(value, model->items[i].value);
        }
        assert_false(hashmap_next(m, &it, NULL, NULL));
}

static void model_step(Model *model, HashMap *m, Prng *p, unsigned n_keys) {
        static char values[64];
        unsigned key = (unsigned) prng_below(p, n_keys);
        size_t at = model_find(model, key);
        void *value = values + prng_below(p, sizeof values);
        char name[32];

        snprintf(name, sizeof name, "foo@a\\x2d%u.service", key);
        switch (prng_below(p, 4)) {
        case 0:
                assert_int_equal(hashmap_put(m, name, value), at == SIZE_MAX ? 0 : -EEXIST);
                if (at == SIZE_MAX) {
                        model->items[model->n].key = key;
                        model->items[model->n++].value = value;
                }
                break;
        case 1:
                assert_int_equal(hashmap_replace(m, name, value), 0);
                at = at == SIZE_MAX ? model->n++ : at;
                model->items[at].key = key;
                model->items[at].value = value;
                break;
        case 2:
                assert_ptr_equal(hashmap_remove(m, name), at == SIZE_MAX ? NULL : model->items[at].value);
                if (at != SIZE_MAX)
                        model_remove(model, at);
                break;
        default:
                assert_ptr_equal(hashmap_get(m, name), at == SIZE_MAX ? NULL : model->items[at].value);
        }
}

static void test_against_model(void **state) {
        const char *given = getenv("SEED");
        uint64_t seed = given ? strtoull(given, NULL, 0) : random_u64();
        Prng p;

        print_message("SEED=%" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned round = 0; round < 40; round++) {
                _cleanup_(hashmap_freep) HashMap *m = NULL;
                unsigned n_keys = 1 + (unsigned) prng_below(&p, 400);
                Model model = {};

                assert_int_equal(hashmap_new(&m, NULL), 0);
                for (unsigned step = 0; step < 3000; step++) {
                        model_step(&model, m, &p, n_keys);
                        if (step % 100 == 0)
                                compare_order(&model, m);
                }
                compare_order(&model, m);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_put_get_remove), cmocka_unit_test(test_ownership),
                cmocka_unit_test(test_numbers),        cmocka_unit_test(test_order_and_removal_while_iterating),
                cmocka_unit_test(test_against_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
