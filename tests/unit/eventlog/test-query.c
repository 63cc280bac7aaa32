/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

static const char *const types[] = { EVENT_SERVICE_STARTED, EVENT_SERVICE_FAILED, EVENT_RECOVERY_SCHEDULED,
                                     EVENT_ACTION_FINISHED, "services.odd",       EVENT_SYND_STARTED };
static const char *const units[] = { "a.service", "b.service", "foo@a\\x2db.service", NULL };
static const char *const sources[] = { "systemd", "synd", "user" };
enum { N_EVENTS = 3000 };
static Event model[N_EVENTS];

static void fill(Fixture *f) {
        usec_t time = 1700000000000000;

        for (int i = 0; i < N_EVENTS; i++) {
                /* A clock that is set back now and then. */
                time = prng_below(&f->prng, 500) == 0 ? time - 100 * USEC_PER_SEC : time + USEC_PER_SEC;
                Event e = {
                        .type = types[prng_below(&f->prng, ELEMENTSOF(types))],
                        .source = sources[prng_below(&f->prng, ELEMENTSOF(sources))],
                        .unit = (char *) units[prng_below(&f->prng, ELEMENTSOF(units))],
                        .priority = 1 + (int) prng_below(&f->prng, 10),
                        .time = { time, (usec_t) i },
                };
                e.correlation.bytes[0] = (uint8_t) prng_below(&f->prng, 4);
                if (prng_below(&f->prng, 10) == 0)
                        f->seq.last += prng_below(&f->prng, 5); /* gaps */
                fixture_append_full(f, &e, 0, NULL);
                model[i] = e;
        }
        fixture_wait_durable(f, model[N_EVENTS - 1].seq);
}

static int setup(void **state) {
        static Fixture f;

        fixture_init(&f);
        fixture_open(&f);
        fill(&f);
        *state = &f;
        return 0;
}

static int teardown(void **state) {
        fixture_done(*state);
        return 0;
}

/* The answer must be what event_filter_match() picks from the model. */
static void compare(Fixture *f, const EventFilter *filter, size_t limit) {
        size_t matching = 0, skip, k = 0;

        for (size_t i = 0; i < N_EVENTS; i++)
                matching += event_filter_match(filter, &model[i]);
        fixture_query(f, filter, limit);
        assert_int_equal(f->answer_error, 0);
        assert_int_equal(f->answer_first, model[0].seq);
        assert_int_equal(f->n_answer, MIN(matching, limit));
        assert_int_equal(f->answer_more, matching > limit);
        skip = filter->newest && matching > limit ? matching - limit : 0;
        for (size_t i = 0; i < N_EVENTS && k < f->n_answer; i++) {
                if (!event_filter_match(filter, &model[i]))
                        continue;
                if (skip > 0) {
                        skip--;
                        continue;
                }
                assert_int_equal(f->answer[k].seq, model[i].seq);
                assert_string_equal(f->answer[k].type, model[i].type);
                assert_true(streq_ptr(f->answer[k].unit, model[i].unit));
                assert_string_equal(f->answer[k].source, model[i].source);
                assert_int_equal(json_get_uint(f->answer[k].data, "n", 0), model[i].seq);
                k++;
        }
        assert_int_equal(k, f->n_answer);
}

static void single_conditions(void **state) {
        Fixture *f = *state;
        char *unit[] = { (char *) "foo@a\\x2db.service", NULL },
             *two[] = { (char *) "b.service", (char *) "a.service", NULL };
        char *strange[] = { (char *) "x' OR '1'='1", NULL };
        char *dotted[] = { (char *) "service.", NULL }, *star[] = { (char *) "service.*", NULL };
        char *all[] = { (char *) "*", NULL }, *mixed[] = { (char *) "recovery.*", (char *) EVENT_SYND_STARTED, NULL };
        char *user[] = { (char *) "user", NULL }, *none[] = { NULL };

        compare(f, &(EventFilter){}, 100);
        compare(f, &(EventFilter){ .newest = true }, 100);
        compare(f, &(EventFilter){ .units = unit }, 1000);
        compare(f, &(EventFilter){ .units = two }, 100);
        compare(f, &(EventFilter){ .units = two, .newest = true }, 100);
        compare(f, &(EventFilter){ .units = strange }, 10);
        assert_int_equal(f->n_answer, 0);
        compare(f, &(EventFilter){ .units = none, .types = none, .sources = none }, 10);
        assert_int_equal(f->n_answer, 10);
        compare(f, &(EventFilter){ .types = dotted }, 1000);
        compare(f, &(EventFilter){ .types = star, .newest = true }, 50);
        assert_int_equal(f->n_answer, 50);
        compare(f, &(EventFilter){ .types = all }, 1000);
        compare(f, &(EventFilter){ .types = mixed }, 1000);
        compare(f, &(EventFilter){ .sources = user }, 1000);
        compare(f, &(EventFilter){ .min_priority = PRIORITY_HIGH }, 1000);
        compare(f, &(EventFilter){ .correlation = { { 2 } } }, 1000);
        compare(f, &(EventFilter){ .after = model[100].seq, .up_to = model[120].seq }, 1000);
        compare(f, &(EventFilter){ .after = UINT64_MAX }, 1000);
        compare(f, &(EventFilter){ .since_seq_time = model[1500].time.realtime }, 1000);
        compare(f, &(EventFilter){ .since_seq_time = USEC_INFINITY }, 1000);
}

static char **pick(Fixture *f, const char *const *from, size_t n) {
        char **l = NULL;

        if (prng_below(&f->prng, 2))
                return NULL;
        for (size_t k = 1 + prng_below(&f->prng, 3); k > 0; k--) {
                const char *s = from[prng_below(&f->prng, n)];
                assert_int_equal(strv_extend(&l, s ?: "unknown.service"), 0);
        }
        strv_sort_uniq(l);
        return l;
}

static void random_filters(void **state) {
        static const char *const patterns[] = { EVENT_SERVICE_STARTED, "service.*", "recovery.",   "action.*", "a*",
                                                EVENT_SYND_STARTED,    "nothing.*", "services.odd" };
        Fixture *f = *state;

        for (unsigned i = 0; i < 500; i++) {
                EventFilter filter = {
                        .units = pick(f, units, ELEMENTSOF(units)),
                        .types = pick(f, patterns, ELEMENTSOF(patterns)),
                        .sources = pick(f, sources, ELEMENTSOF(sources)),
                        .newest = prng_below(&f->prng, 2),
                        .min_priority = prng_below(&f->prng, 3) ? 0 : (int) prng_below(&f->prng, 11),
                };
                if (prng_below(&f->prng, 2))
                        filter.after = prng_below(&f->prng, model[N_EVENTS - 1].seq + 10);
                if (prng_below(&f->prng, 3) == 0)
                        filter.up_to = 1 + prng_below(&f->prng, model[N_EVENTS - 1].seq + 10);
                if (prng_below(&f->prng, 3) == 0)
                        filter.since_seq_time = model[prng_below(&f->prng, N_EVENTS)].time.realtime;
                if (prng_below(&f->prng, 4) == 0)
                        filter.correlation.bytes[0] = (uint8_t) prng_below(&f->prng, 5);
                compare(f, &filter, 1 + prng_below(&f->prng, 300));
                event_filter_done(&filter);
        }
}

static void paging_finds_everything_once(void **state) {
        Fixture *f = *state;
        EventFilter filter = {};
        size_t seen = 0;
        bool more = true;

        while (more) {
                fixture_query(f, &filter, 77);
                for (size_t i = 0; i < f->n_answer; i++)
                        assert_int_equal(f->answer[i].seq, model[seen++].seq);
                more = f->answer_more;
                filter.after = model[seen - 1].seq;
        }
        assert_int_equal(seen, N_EVENTS);
}

static void limits(void **state) {
        Fixture *f = *state;
        EventQuery *q = NULL;
        char *many[101] = {};

        assert_int_equal(eventlog_query(f->log, &(EventFilter){}, 0, NULL, NULL, &q), -EINVAL);
        assert_int_equal(eventlog_query(f->log, &(EventFilter){}, 1001, NULL, NULL, &q), -EINVAL);
        for (size_t i = 0; i < 100; i++)
                many[i] = (char *) "x.service";
        assert_int_equal(eventlog_query(f->log, &(EventFilter){ .units = many }, 1, NULL, NULL, &q), -E2BIG);
        many[40] = NULL;
        many[39] = (char *) "a.service";
        compare(f, &(EventFilter){ .units = many }, 100);
        assert_true(f->n_answer > 0);
}

static unsigned n_called, n_errors;
static EventQuery *queries[300];

static void on_any(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first,
                   void *userdata) {
        EventQuery **slot = userdata;

        n_called++;
        n_errors += error < 0;
        assert_true(*slot == q);
        *slot = event_query_free(q); /* allowed in the callback */
}

static bool all_called(Fixture *f, uint64_t n) {
        return n_called >= n;
}

static void at_most_256_wait(void **state) {
        Fixture *f = *state;
        unsigned accepted = 0, busy = 0, cancelled = 0;

        n_called = n_errors = 0;
        /* Answers are delivered by the loop, which does not run here: so the number that waits is exact. */
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                int r = eventlog_query(f->log, &(EventFilter){}, 10, on_any, &queries[i], &queries[i]);
                if (r == -EBUSY)
                        busy++;
                else {
                        assert_int_equal(r, 0);
                        accepted++;
                }
        }
        assert_int_equal(accepted, 256);
        assert_int_equal(busy, ELEMENTSOF(queries) - 256);
        for (size_t i = 0; i < 256; i += 3) {
                queries[i] = event_query_free(queries[i]);
                cancelled++;
        }
        fixture_wait(f, all_called, accepted - cancelled);
        fixture_query(f, &(EventFilter){}, 1); /* behind all others */
        assert_int_equal(n_called, accepted - cancelled);
        assert_int_equal(n_errors, 0);
}

static void causes(void **state) {
        Fixture *f = *state;
        uint64_t cause = 0, seqs[100];

        for (int i = 0; i < 70; i++) {
                Event e = { .type = EVENT_ACTION_REQUESTED, .priority = PRIORITY_NORMAL, .cause_seq = cause };
                seqs[i] = cause = fixture_append_full(f, &e, 0, NULL);
                Event other = { .type = EVENT_SERVICE_FAILED, .priority = PRIORITY_NORMAL };
                fixture_append_full(f, &other, 0, NULL);
        }
        /* A cause that is not before its effect, and one that is not there, end the chain. */
        Event odd = { .type = EVENT_ACTION_FINISHED, .priority = PRIORITY_NORMAL, .cause_seq = f->seq.last + 1 };
        uint64_t self = fixture_append_full(f, &odd, 0, NULL);
        f->seq.last += 10;
        Event lost = { .type = EVENT_ACTION_FINISHED, .priority = PRIORITY_NORMAL, .cause_seq = self + 5 };
        uint64_t orphan = fixture_append_full(f, &lost, 0, NULL);
        fixture_wait_durable(f, orphan);

        fixture_chain(f, seqs[3]);
        ASSERT_SEQS(f, seqs[0], seqs[1], seqs[2], seqs[3]);
        assert_false(f->answer_more);
        fixture_chain(f, seqs[63]);
        assert_int_equal(f->n_answer, 64);
        assert_false(f->answer_more);
        fixture_chain(f, seqs[69]);
        assert_int_equal(f->n_answer, 64);
        assert_true(f->answer_more);
        assert_int_equal(f->answer[0].seq, seqs[6]);
        assert_int_equal(f->answer[63].seq, seqs[69]);
        fixture_chain(f, self);
        ASSERT_SEQS(f, self);
        fixture_chain(f, orphan);
        ASSERT_SEQS(f, orphan);
        fixture_chain(f, orphan + 100);
        assert_int_equal(f->answer_error, -ENOENT);
        fixture_chain(f, UINT64_MAX);
        assert_int_equal(f->answer_error, -ENOENT);
}

static void big_answers_are_cut(void **state) {
        Fixture *f = *state;
        uint64_t before = f->seq.last, last = 0;

        for (int i = 0; i < 20; i++) {
                Event e = { .type = "big.event", .priority = PRIORITY_NORMAL };
                last = fixture_append_full(f, &e, 500000, NULL);
        }
        fixture_wait_durable(f, last);
        fixture_query(f, &(EventFilter){ .after = before }, 1000);
        assert_true(f->answer_more);
        assert_true(f->n_answer >= 8 && f->n_answer <= 10);
        assert_int_equal(f->answer[0].seq, before + 1);
}

static void check_says_ok(void **state) {
        Fixture *f = *state;

        fixture_check(f);
        assert_int_equal(f->answer_error, 0);
        assert_string_equal(f->answer_text, "ok");
}

static void waiting_queries_survive_close(void **state) {
        Fixture *f = *state;

        n_called = 0;
        for (size_t i = 0; i < 50; i++)
                assert_int_equal(eventlog_query(f->log, &(EventFilter){}, 1000, on_any, &queries[i], &queries[i]), 0);
        assert_int_equal(eventlog_check(f->log, NULL, NULL), 0);
        fixture_close(f);
        assert_int_equal(n_called, 0);
        for (size_t i = 0; i < 50; i++)
                queries[i] = event_query_free(queries[i]);
        fixture_open(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(single_conditions),
                cmocka_unit_test(random_filters),
                cmocka_unit_test(paging_finds_everything_once),
                cmocka_unit_test(limits),
                cmocka_unit_test(at_most_256_wait),
                cmocka_unit_test(waiting_queries_survive_close),
                cmocka_unit_test(causes),
                cmocka_unit_test(big_answers_are_cut),
                cmocka_unit_test(check_says_ok),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
