/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/string.h"
#include "eventlog/queue.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const Instant now = { 1000000, 1000000 };

static Item *make(uint64_t seq, int priority) {
        _cleanup_json_ Json *data = NULL;
        Item *i;

        assert_int_equal(json_new_object(&data), 0);
        Event e = { .seq = seq, .type = "test.event", .source = "test", .priority = priority, .data = data };
        assert_int_equal(item_new_event(&e, &i), 0);
        return i;
}

static int push(Queue *q, uint64_t seq, int priority) {
        return queue_push_event(q, make(seq, priority), now);
}

static int put(Queue *q, const char *key, const char *value) {
        Item *i;

        assert_int_equal(item_new_value(ITEM_STATE, key, value, 0, &i), 0);
        return queue_push_value(q, i, now);
}

/* "e1 e2 t3[3-7,5] s:key=value e4) ": an event, a marker, a value; ")" ends a transaction. */
static char *describe(const ItemList *l) {
        StrBuf b = {};
        char *text;

        for (const Item *i = l->head; i; i = i->next) {
                if (i->kind == ITEM_EVENT)
                        strbuf_appendf(&b, "e%" PRIu64, i->seq);
                else if (i->kind == ITEM_TRUNCATED)
                        strbuf_appendf(&b, "t%" PRIu64 "-%" PRIu64 ",%" PRIu64, i->seq, i->to_seq, i->count);
                else
                        strbuf_appendf(&b, "%s=%s", i->name, i->value);
                strbuf_append(&b, i->open ? " " : ") ");
        }
        assert_int_equal(strbuf_finish(&b, &text), 0);
        return text;
}

static void assert_taken(Queue *q, size_t max_n, const char *expected) {
        ItemList l = {};

        queue_take(q, max_n, SIZE_MAX, &l);
        _cleanup_free_ char *text = describe(&l);
        assert_string_equal(text, expected);
        item_list_clear(&l);
        queue_settle(q);
}

static void order_and_batches(void **state) {
        Queue q;

        queue_init(&q, 100, 1 << 20, 1);
        for (uint64_t i = 1; i <= 5; i++)
                assert_int_equal(push(&q, i, PRIORITY_NORMAL), 0);
        assert_taken(&q, 2, "e1) e2) ");
        assert_taken(&q, 100, "e3) e4) e5) ");
        assert_taken(&q, 100, "");
        assert_int_equal(queue_items(&q), 0);
        assert_int_equal(queue_bytes(&q), 0);
        queue_done(&q);
}

static void groups_stay_together(void **state) {
        Queue q;

        queue_init(&q, 100, 1 << 20, 1);
        push(&q, 1, PRIORITY_NORMAL);
        queue_begin(&q);
        push(&q, 2, PRIORITY_NORMAL);
        queue_begin(&q);
        push(&q, 3, PRIORITY_NORMAL);
        put(&q, "k", "v");
        queue_end(&q);
        /* Not visible before the outer end. */
        assert_taken(&q, 100, "e1) ");
        push(&q, 4, PRIORITY_NORMAL);
        queue_end(&q);
        push(&q, 5, PRIORITY_NORMAL);
        assert_taken(&q, 1, "e2 e3 k=v e4) ");
        assert_taken(&q, 1, "e5) ");
        queue_begin(&q);
        queue_end(&q);
        assert_taken(&q, 1, "");
        queue_done(&q);
}

static void taken_counts_until_settled(void **state) {
        Queue q;
        ItemList l = {};

        queue_init(&q, 2, 1 << 20, 1);
        push(&q, 1, PRIORITY_HIGH);
        push(&q, 2, PRIORITY_HIGH);
        queue_take(&q, 10, SIZE_MAX, &l);
        assert_int_equal(queue_items(&q), 2);
        assert_int_equal(push(&q, 3, PRIORITY_HIGH), -ENOBUFS);
        queue_settle(&q);
        item_list_clear(&l);
        assert_taken(&q, 10, "t3-3,1) ");
        assert_int_equal(push(&q, 4, PRIORITY_HIGH), 0);
        queue_done(&q);
}

static void drops_least_important_oldest_first(void **state) {
        Queue q;

        queue_init(&q, 6, 1 << 20, 1);
        push(&q, 1, PRIORITY_HIGH);
        push(&q, 2, PRIORITY_NORMAL);
        push(&q, 3, PRIORITY_LOW);
        push(&q, 4, PRIORITY_NORMAL);
        push(&q, 5, PRIORITY_LOW);
        push(&q, 6, PRIORITY_CRITICAL);
        /* The marker takes the place of 3, so a second one has to go: 5. */
        assert_int_equal(push(&q, 7, PRIORITY_NORMAL), 0);
        assert_int_equal(q.dropped, 2);
        /* No low ones left: the oldest normal one, and the marker moves to its place. */
        assert_int_equal(push(&q, 8, PRIORITY_HIGH), 0);
        assert_int_equal(q.dropped, 3);
        /* A low one does not push out what is more important. */
        assert_int_equal(push(&q, 9, PRIORITY_LOW), -ENOBUFS);
        assert_taken(&q, 100, "e1) t2-9,4) e4) e6) e7) e8) ");
        assert_int_equal(q.dropped, 4);
        queue_done(&q);
}

static void never_drops_important_ones(void **state) {
        Queue q;

        queue_init(&q, 3, 1 << 20, 1);
        for (uint64_t i = 1; i <= 3; i++)
                assert_int_equal(push(&q, i, PRIORITY_HIGH), 0);
        for (uint64_t i = 4; i <= 9; i++)
                assert_int_equal(push(&q, i, i % 2 ? PRIORITY_CRITICAL : PRIORITY_NORMAL), -ENOBUFS);
        assert_taken(&q, 100, "e1) e2) e3) t4-9,6) ");
        /* The next loss begins a marker of its own. */
        for (uint64_t i = 10; i <= 13; i++)
                push(&q, i, PRIORITY_HIGH);
        assert_taken(&q, 100, "e10) e11) e12) t13-13,1) ");
        queue_done(&q);
}

static void dropping_keeps_group_ends(void **state) {
        Queue q;

        queue_init(&q, 5, 1 << 20, 1);
        queue_begin(&q);
        push(&q, 1, PRIORITY_HIGH);
        push(&q, 2, PRIORITY_HIGH);
        push(&q, 3, PRIORITY_LOW);
        queue_end(&q);
        queue_begin(&q);
        push(&q, 4, PRIORITY_LOW);
        push(&q, 5, PRIORITY_HIGH);
        queue_end(&q);
        push(&q, 6, PRIORITY_HIGH);
        assert_taken(&q, 1, "e1 e2 t3-4,2) ");
        assert_taken(&q, 1, "e5) ");
        assert_taken(&q, 1, "e6) ");
        queue_done(&q);
}

static void dropping_in_an_open_group(void **state) {
        Queue q;

        queue_init(&q, 3, 1 << 20, 1);
        queue_begin(&q);
        for (uint64_t i = 1; i <= 3; i++)
                assert_int_equal(push(&q, i, PRIORITY_HIGH), 0);
        assert_int_equal(push(&q, 4, PRIORITY_HIGH), -ENOBUFS);
        assert_int_equal(push(&q, 5, PRIORITY_HIGH), -ENOBUFS);
        queue_end(&q);
        assert_taken(&q, 1, "e1 e2 e3 t4-5,2) ");
        queue_done(&q);
}

static void bytes_limit(void **state) {
        Queue q;
        size_t one = sizeof(Item) + 32;

        queue_init(&q, 1000, 4 * one, 1);
        for (uint64_t i = 1; i <= 50; i++)
                (void) push(&q, i, PRIORITY_NORMAL);
        assert_true(queue_bytes(&q) <= 4 * one);
        assert_true(q.dropped >= 45);
        ItemList l = {};
        queue_take(&q, 1000, SIZE_MAX, &l);
        assert_int_equal(l.head->kind, ITEM_TRUNCATED);
        assert_int_equal(l.head->seq, 1);
        assert_int_equal(l.head->count, q.dropped);
        assert_int_equal(l.tail->seq, 50);
        item_list_clear(&l);
        queue_done(&q);
}

static void values_last_one_wins_when_full(void **state) {
        Queue q;

        queue_init(&q, 64, 1 << 20, 1);
        push(&q, 1, PRIORITY_HIGH);
        for (int i = 0; i < 1000; i++) {
                char value[16];

                snprintf(value, sizeof(value), "%d", i);
                assert_int_equal(put(&q, i % 2 ? "odd" : "even", value), 0);
                assert_true(queue_items(&q) <= 64);
        }
        assert_int_equal(q.dropped, 0);
        ItemList l = {};
        queue_take(&q, 1000, SIZE_MAX, &l);
        assert_string_equal(l.tail->value, "999");
        assert_string_equal(l.tail->prev->value, "998");
        assert_int_equal(l.head->seq, 1);
        item_list_clear(&l);
        queue_done(&q);
}

static void values_have_a_limit(void **state) {
        Queue q;
        unsigned refused = 0;

        queue_init(&q, 64, 1 << 20, 1);
        for (int i = 0; i < 1000; i++) {
                char key[16];

                snprintf(key, sizeof(key), "%d", i);
                int r = put(&q, key, "1");
                assert_true(IN_SET(r, 0, -ENOBUFS));
                refused += r == -ENOBUFS;
        }
        assert_int_equal(refused, 1000 - 128);
        queue_done(&q);
}

/* Whatever comes, the numbers taken are ascending, the markers account for each number that is missing, and groups whole. */
static void random_pushes(void **state) {
        Prng p;
        uint64_t seed = random_u64();

        print_message("SEED=%" PRIu64 "\n", seed);
        prng_seed(&p, seed);
        for (unsigned round = 0; round < 200; round++) {
                uint64_t seq = 0, last = 0, events = 0, counted = 0;
                Queue q;

                queue_init(&q, 1 + prng_below(&p, 40), 1 << 20, 1);
                for (unsigned step = 0; step < 500; step++) {
                        uint64_t what = prng_below(&p, 20);

                        if (what == 0)
                                queue_begin(&q);
                        else if (what == 1 && q.depth > 0)
                                queue_end(&q);
                        else if (what == 2)
                                (void) put(&q, prng_below(&p, 2) ? "a" : "b", "1");
                        else if (what > 3)
                                (void) push(&q, ++seq, 1 + (int) prng_below(&p, 10));
                        if (what != 3 && step < 499)
                                continue;
                        while (step == 499 && q.depth > 0)
                                queue_end(&q);
                        ItemList l = {};
                        queue_take(&q, step == 499 ? SIZE_MAX : 1 + prng_below(&p, 20), SIZE_MAX, &l);
                        size_t n = 0, bytes = 0;
                        for (Item *i = l.head; i; i = i->next) {
                                n++;
                                bytes += i->size;
                                if (i->kind == ITEM_STATE)
                                        continue;
                                assert_true(i->seq > last);
                                last = i->seq;
                                if (i->kind == ITEM_TRUNCATED) {
                                        assert_true(i->to_seq >= i->seq);
                                        counted += i->count;
                                } else
                                        events++;
                        }
                        assert_int_equal(n, l.n);
                        assert_int_equal(bytes, l.bytes);
                        assert_true(!l.tail || !l.tail->open);
                        item_list_clear(&l);
                        queue_settle(&q);
                }
                assert_int_equal(queue_items(&q), 0);
                assert_int_equal(queue_bytes(&q), 0);
                assert_int_equal(events + counted, seq);
                assert_int_equal(counted, q.dropped);
                queue_done(&q);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(order_and_batches),
                cmocka_unit_test(groups_stay_together),
                cmocka_unit_test(taken_counts_until_settled),
                cmocka_unit_test(drops_least_important_oldest_first),
                cmocka_unit_test(never_drops_important_ones),
                cmocka_unit_test(dropping_keeps_group_ends),
                cmocka_unit_test(dropping_in_an_open_group),
                cmocka_unit_test(bytes_limit),
                cmocka_unit_test(values_last_one_wins_when_full),
                cmocka_unit_test(values_have_a_limit),
                cmocka_unit_test(random_pushes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
