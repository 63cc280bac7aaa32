/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        fixture_init(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        fixture_done(*state);
        free(*state);
        return 0;
}

static uint64_t append_padded(Fixture *f, int priority, usec_t age) {
        Instant now = instant_now();
        Event e = { .type = "test.event",
                    .unit = (char *) "a.service",
                    .priority = priority,
                    .time = { now.realtime - age, now.boottime } };

        return fixture_append_full(f, &e, 2000, NULL);
}

static bool first_is(Fixture *f, uint64_t seq) {
        EventLogStats s;

        eventlog_stats(f->log, &s);
        eventlog_poke(f->log);
        return s.first_seq >= seq;
}

static void by_age(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;

        f->config.max_age = USEC_PER_DAY;
        fixture_open(f);
        for (int i = 0; i < 3000; i++) /* more than one turn removes */
                last = append_padded(f, PRIORITY_CRITICAL, i < 2000 ? 2 * USEC_PER_DAY : USEC_PER_HOUR);
        fixture_wait_durable(f, last);
        fixture_wait(f, first_is, 2001);
        fixture_query(f, &(EventFilter){}, 1);
        ASSERT_SEQS(f, 2001);
        assert_int_equal(f->answer_first, 2001);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events"), 1000);
        /* What was expected to go needs no word about it. */
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events WHERE type = 'log.truncated'"), 0);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM event_times WHERE seq < 2001"), 0);
}

static void other_limits_while_running(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;

        f->config.max_age = 30 * USEC_PER_DAY;
        fixture_open(f);
        for (int i = 0; i < 20; i++)
                last = append_padded(f, PRIORITY_CRITICAL, i < 10 ? 2 * USEC_PER_DAY : USEC_PER_HOUR);
        fixture_wait_durable(f, last);
        fixture_wait_turn(f);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events"), 20);
        eventlog_set_retention(f->log, USEC_PER_DAY, 0, 0);
        fixture_wait(f, first_is, 11);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events"), 10);
}

static void the_last_number_stays(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;

        f->config.max_age = USEC_PER_SEC;
        fixture_open(f);
        for (int i = 0; i < 300; i++)
                last = append_padded(f, PRIORITY_NORMAL, USEC_PER_DAY);
        fixture_close(f);
        /* The first turn comes with the start. */
        fixture_open(f);
        fixture_wait(f, first_is, last);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(f->seq.last, last);
}

static uint64_t used_bytes(Fixture *f) {
        return (uint64_t) file_int(f->path, "SELECT (p.page_count - f.freelist_count) * s.page_size FROM"
                                            " pragma_page_count p, pragma_freelist_count f, pragma_page_size s");
}

static void by_size_but_not_past_a_sink(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;

        f->config.max_size = 1024 * 1024;
        fixture_open(f);
        eventlog_sink_register(f->log, "postgres");
        for (int i = 0; i < 2000; i++)
                last = append_padded(f, PRIORITY_LOW, 0);
        fixture_wait_durable(f, last);
        fixture_wait_turn(f);
        /* 4 MB, and nothing may go. */
        assert_true(used_bytes(f) > 3 * 1024 * 1024);
        assert_int_equal(file_int(f->path, "SELECT min(seq) FROM events"), 1);

        eventlog_sink_advance(f->log, "postgres", 700);
        for (int i = 0; i < 200; i++) /* enough for retention to look again */
                last = append_padded(f, PRIORITY_LOW, 0);
        fixture_wait_durable(f, last);
        fixture_wait(f, first_is, 701);
        fixture_wait_turn(f);
        assert_int_equal(file_int(f->path, "SELECT min(seq) FROM events"), 701);

        eventlog_sink_remove(f->log, "postgres");
        for (int i = 0; i < 200; i++)
                last = append_padded(f, PRIORITY_LOW, 0);
        fixture_wait_durable(f, last);
        fixture_wait(f, first_is, 1500);
        fixture_wait_turn(f);
        assert_true(used_bytes(f) <= 1024 * 1024);
        assert_int_equal(file_int(f->path, "SELECT max(seq) FROM events"), (int64_t) last);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events WHERE type = 'log.truncated'"), 0);
}

static bool used_at_most(Fixture *f, uint64_t bytes) {
        eventlog_poke(f->log);
        return used_bytes(f) <= bytes;
}

static void past_a_sink_only_when_it_must(void **state) {
        Fixture *f = *state;
        uint64_t last = 0, kept = 0;

        f->config.max_size = 1024 * 1024;
        f->config.hard_max_size = 7 * 1024 * 1024;
        fixture_open(f);
        eventlog_sink_register(f->log, "postgres");
        eventlog_begin(f->log); /* one transaction, so that retention finds all of it */
        for (int i = 0; i < 3000; i++) {
                last = append_padded(f,
                                     i % 3 == 0   ? PRIORITY_CRITICAL
                                     : i % 3 == 1 ? PRIORITY_NORMAL
                                                  : PRIORITY_LOW,
                                     0);
                kept += i % 3 == 0;
        }
        eventlog_end(f->log);
        fixture_wait_durable(f, last);
        fixture_wait(f, used_at_most, f->config.hard_max_size);
        fixture_wait_turn(f);

        /* The least important ones went, and the count is told. */
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events WHERE priority = 10"), (int64_t) kept);
        int64_t low = file_int(f->path, "SELECT count(*) FROM events WHERE priority = 1");
        int64_t normal = file_int(f->path, "SELECT count(*) FROM events WHERE priority = 5");
        assert_int_equal(low, 1); /* the last event always stays */
        assert_true(normal > 0 && normal < 1000);
        assert_int_equal(file_int(f->path, "SELECT sum(json_extract(json, '$.count')) FROM events"
                                           " WHERE type = 'log.truncated'"),
                         3000 - (int64_t) kept - low - normal);
        assert_int_equal(file_int(f->path, "SELECT min(json_extract(json, '$.from_seq')) FROM events"
                                           " WHERE type = 'log.truncated'"),
                         2);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM events WHERE type = 'log.truncated' AND"
                                           " (seq <> json_extract(json, '$.from_seq') OR"
                                           "  json_extract(json, '$.reason') <> 'retention')"),
                         0);
        fixture_query(f, &(EventFilter){ .up_to = 3 }, 10);
        ASSERT_SEQS(f, 1, 2, 3);
        /* One for each pass over the log. */
        for (size_t i = 1; i <= 2; i++) {
                assert_string_equal(f->answer[i].type, EVENT_LOG_TRUNCATED);
                assert_int_equal(f->answer[i].priority, PRIORITY_HIGH);
        }
}

/* More important ones than the limit can hold: they go too, the log stays bounded, and the thread comes to rest. */
static void hard_limit_holds_for_important_events(void **state) {
        Fixture *f = *state;
        EventLogStats a, b;
        uint64_t last = 0;

        f->config.hard_max_size = 1024 * 1024;
        fixture_open(f);
        eventlog_sink_register(f->log, "postgres");
        for (int i = 0; i < 2000; i++)
                last = append_padded(f, PRIORITY_CRITICAL, 0);
        fixture_wait_durable(f, last);
        fixture_wait(f, used_at_most, f->config.hard_max_size);
        fixture_wait_turn(f);
        assert_int_equal(file_int(f->path, "SELECT max(seq) FROM events"), (int64_t) last);
        int64_t left = file_int(f->path, "SELECT count(*) FROM events WHERE type <> 'log.truncated'");
        assert_int_equal(left + file_int(f->path, "SELECT sum(json_extract(json, '$.count')) FROM events"
                                                  " WHERE type = 'log.truncated'"),
                         2000);
        eventlog_stats(f->log, &a);
        assert_true(sd_event_run(f->event, 200 * USEC_PER_MSEC) >= 0);
        eventlog_stats(f->log, &b);
        assert_true(b.progress - a.progress <= 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(by_age),
                TEST(other_limits_while_running),
                TEST(the_last_number_stays),
                TEST(by_size_but_not_past_a_sink),
                TEST(past_a_sink_only_when_it_must),
                TEST(hard_limit_holds_for_important_events),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
