/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once, for the sanitizers: appends, groups, queries that are cancelled at random, checks, statistics,
 * retention with sinks, pokes; then closing in the middle of it. */
#include "fixture.h"

enum { STEPS = 6000, SLOTS = 40 };

static EventQuery *slots[SLOTS];
static unsigned n_answers, n_checks;

static void on_events(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                      void *userdata) {
        EventQuery **slot = userdata;
        uint64_t last = 0;

        assert_true(error == 0 || error == -ENOENT);
        assert_true(*slot == q);
        for (size_t i = 0; i < n; i++) {
                assert_true(events[i].seq > last);
                last = events[i].seq;
                assert_true(json_type(events[i].data) == JSON_OBJECT);
        }
        n_answers++;
        if (last % 2)
                *slot = event_query_free(q);
}

static void on_check(int error, const char *text, void *userdata) {
        assert_int_equal(error, 0);
        assert_string_equal(text, "ok");
        n_checks++;
}

static void ask(Fixture *f) {
        EventQuery **slot = &slots[prng_below(&f->prng, SLOTS)];
        char *types[] = { (char *) "test.*", NULL };
        EventFilter filter = {
                .types = prng_below(&f->prng, 2) ? types : NULL,
                .newest = prng_below(&f->prng, 2),
                .after = prng_below(&f->prng, f->seq.last + 1),
        };
        int r;

        *slot = event_query_free(*slot);
        if (prng_below(&f->prng, 4) == 0)
                r = eventlog_query_chain(f->log, 1 + prng_below(&f->prng, f->seq.last + 1), on_events, slot, slot);
        else
                r = eventlog_query(f->log, &filter, 1 + prng_below(&f->prng, 200), on_events, slot, slot);
        assert_true(IN_SET(r, 0, -EBUSY));
}

static void step(Fixture *f) {
        EventLogStats s;
        Event e = { .type = prng_below(&f->prng, 2) ? "test.one" : "other.two",
                    .unit = (char *) "a.service",
                    .priority = 1 + (int) prng_below(&f->prng, 10),
                    .cause_seq = f->seq.last };

        switch (prng_below(&f->prng, 12)) {
        case 0:
                ask(f);
                break;
        case 1: {
                EventQuery **slot = &slots[prng_below(&f->prng, SLOTS)];
                *slot = event_query_free(*slot);
                break;
        }
        case 2:
                eventlog_stats(f->log, &s);
                assert_int_equal(s.error, 0);
                assert_true(s.durable_seq <= f->seq.last);
                eventlog_poke(f->log);
                break;
        case 3:
                eventlog_begin(f->log);
                for (uint64_t k = prng_below(&f->prng, 100); k > 0; k--)
                        fixture_append_full(f, &e, prng_below(&f->prng, 500), NULL);
                eventlog_put_cursor(f->log, "journal", "x");
                eventlog_end(f->log);
                break;
        case 4:
                eventlog_put(f->log, prng_below(&f->prng, 2) ? "a" : "b", prng_below(&f->prng, 5) ? "{}" : NULL);
                break;
        case 5:
                eventlog_sink_advance(f->log, "sink", f->durable);
                break;
        case 6:
                if (prng_below(&f->prng, 100) == 0)
                        assert_true(IN_SET(eventlog_check(f->log, on_check, f), 0, -EBUSY));
                break;
        case 7:
                assert_true(sd_event_run(f->event, prng_below(&f->prng, 2000)) >= 0);
                break;
        default:
                fixture_append_full(f, &e, 0, NULL);
        }
}

static void everything_at_once(void **state) {
        Fixture f;

        fixture_init(&f);
        f.config.max_size = 512 * 1024;
        f.config.hard_max_size = 1024 * 1024;
        for (unsigned round = 0; round < 4; round++) {
                fixture_open(&f);
                assert_null(f.damaged);
                eventlog_sink_register(f.log, "sink");
                for (unsigned i = 0; i < STEPS; i++)
                        step(&f);
                if (round % 2)
                        fixture_wait_durable(&f, f.seq.last);
                uint64_t last = f.seq.last;
                fixture_close(&f);
                for (size_t i = 0; i < SLOTS; i++)
                        slots[i] = event_query_free(slots[i]);
                assert_int_equal(file_int(f.path, "SELECT max(seq) FROM events"), (int64_t) last);
        }
        print_message("%u answers, %u checks\n", n_answers, n_checks);
        assert_true(n_answers > 100);
        fixture_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
