/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appending, durable state, transactions, closing. */
#include "fixture.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        fixture_init(f);
        fixture_open(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        fixture_done(*state);
        free(*state);
        return 0;
}

static void events_survive(void **state) {
        Fixture *f = *state;
        Event e = {
                .type = EVENT_SERVICE_FAILED,
                .source = "systemd",
                .unit = (char *) "foo@a\\x2db.service",
                .priority = PRIORITY_CRITICAL,
                .time = { 1700000000123456, 4242 },
                .cause_seq = 0,
                .correlation = { { 1, 2, 3 } },
        };
        uint64_t one = fixture_append_full(f, &e, 10, NULL);
        Event e2 = { .type = EVENT_SYND_STARTED, .priority = PRIORITY_LOW, .cause_seq = one };
        uint64_t two = fixture_append_full(f, &e2, 0, NULL);
        fixture_wait_durable(f, two);
        assert_int_equal(eventlog_durable_seq(f->log), two);
        fixture_close(f);

        fixture_open(f);
        assert_null(f->damaged);
        assert_int_equal(f->seq.last, two);
        assert_int_equal(eventlog_durable_seq(f->log), two);
        fixture_query(f, &(EventFilter){}, 10);
        ASSERT_SEQS(f, one, two);
        const Event *r = &f->answer[0];
        assert_string_equal(r->type, EVENT_SERVICE_FAILED);
        assert_string_equal(r->source, "systemd");
        assert_string_equal(r->unit, "foo@a\\x2db.service");
        assert_int_equal(r->priority, PRIORITY_CRITICAL);
        assert_int_equal(r->time.realtime, 1700000000123456);
        assert_int_equal(r->time.boottime, 4242);
        assert_int_equal(r->cause_seq, 0);
        assert_true(id128_equal(r->id, e.id));
        assert_true(id128_equal(r->correlation, e.correlation));
        assert_int_equal(json_get_uint(r->data, "n", 0), one);
        assert_string_equal(json_get_string(r->data, "padding"), "xxxxxxxxxx");
        assert_null(f->answer[1].unit);
        assert_int_equal(f->answer[1].cause_seq, one);
        assert_true(id128_is_null(f->answer[1].correlation));
}

static void numbers_must_rise(void **state) {
        Fixture *f = *state;
        int r;

        f->seq.last = 10;
        assert_int_equal(fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL), 11);
        f->seq.last = 10;
        fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, &r);
        assert_int_equal(r, -EINVAL);
        f->seq.last = 3;
        fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, &r);
        assert_int_equal(r, -EINVAL);
        f->seq.last = 20;
        Event e = { .type = "test.event", .priority = PRIORITY_CRITICAL };
        fixture_append_full(f, &e, 2 * 1024 * 1024, &r);
        assert_int_equal(r, -E2BIG);
        fixture_wait_durable(f, 11);
}

static int collect_state(const char *key, const char *json, void *userdata) {
        StrBuf *b = userdata;

        return strbuf_appendf(b, "%s=%s;", key, json);
}

static void assert_state(Fixture *f, const char *prefix, const char *expected) {
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_free_ char *text = NULL;

        assert_int_equal(eventlog_load(f->log, prefix, collect_state, &b), 0);
        assert_int_equal(strbuf_finish(&b, &text), 0);
        assert_string_equal(text, expected);
}

static void values_survive(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *cursor = NULL;

        assert_int_equal(eventlog_load_cursor(f->log, "journal", &cursor), -ENOENT);
        assert_int_equal(eventlog_put(f->log, "budget/b", "{\"n\":1}"), 0);
        assert_int_equal(eventlog_put(f->log, "budget/a", "{\"n\":2}"), 0);
        assert_int_equal(eventlog_put(f->log, "budget/b", "{\"n\":3}"), 0);
        assert_int_equal(eventlog_put(f->log, "budget0", "{}"), 0);
        assert_int_equal(eventlog_put(f->log, "gone", "{}"), 0);
        assert_int_equal(eventlog_put(f->log, "gone", NULL), 0);
        assert_int_equal(eventlog_put(f->log, "", "{}"), -EINVAL);
        assert_int_equal(eventlog_put_cursor(f->log, "journal", "s=1;i=2"), 0);
        assert_int_equal(eventlog_put_cursor(f->log, "journal", "s=1;i=3"), 0);
        fixture_close(f);

        fixture_open(f);
        assert_state(f, "budget/", "budget/a={\"n\":2};budget/b={\"n\":3};");
        assert_state(f, "", "budget/a={\"n\":2};budget/b={\"n\":3};budget0={};");
        assert_state(f, "nothing", "");
        assert_int_equal(eventlog_load_cursor(f->log, "journal", &cursor), 0);
        assert_string_equal(cursor, "s=1;i=3");
}

static int refuse(const char *key, const char *json, void *userdata) {
        return -ENOTUNIQ;
}

static void load_passes_on_errors(void **state) {
        Fixture *f = *state;

        assert_int_equal(eventlog_put(f->log, "a", "{}"), 0);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(eventlog_load(f->log, "a", refuse, NULL), -ENOTUNIQ);
}

static void sinks_are_remembered(void **state) {
        Fixture *f = *state;
        uint64_t seq;

        assert_int_equal(eventlog_sink_register(f->log, "postgres"), 0);
        assert_int_equal(eventlog_sink_advance(f->log, "postgres", 7), 0);
        assert_int_equal(eventlog_sink_advance(f->log, "postgres", 5), 0);
        assert_int_equal(eventlog_sink_advance(f->log, "stranger", 9), 0);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(eventlog_load_sink(f->log, "postgres", &seq), 0);
        assert_int_equal(seq, 7);
        assert_int_equal(eventlog_load_sink(f->log, "stranger", &seq), -ENOENT);
        /* Registering again keeps the cursor. */
        assert_int_equal(eventlog_sink_register(f->log, "postgres"), 0);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(eventlog_load_sink(f->log, "postgres", &seq), 0);
        assert_int_equal(seq, 7);
        assert_int_equal(eventlog_sink_remove(f->log, "postgres"), 0);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(eventlog_load_sink(f->log, "postgres", &seq), -ENOENT);
}

static void groups_are_not_written_before_their_end(void **state) {
        Fixture *f = *state;

        eventlog_begin(f->log);
        uint64_t one = fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL);
        eventlog_put_cursor(f->log, "journal", "x");
        fixture_wait_turn(f);
        assert_int_equal(eventlog_durable_seq(f->log), 0);
        assert_int_equal(file_int(f->path, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM cursors)"),
                         0);
        uint64_t two = fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL);
        eventlog_end(f->log);
        fixture_wait_durable(f, two);
        assert_int_equal(two, one + 1);
        EventLogStats s;
        eventlog_stats(f->log, &s);
        assert_int_equal(s.commits, 1);
        assert_int_equal(s.appended, 2);
}

static void close_writes_what_waits(void **state) {
        Fixture *f = *state;
        _cleanup_free_ uint64_t *seqs = NULL;

        eventlog_begin(f->log);
        for (int i = 0; i < 5000; i++)
                fixture_append(f, "test.event", "a.service", PRIORITY_NORMAL, NULL);
        fixture_close(f);
        size_t n = file_seqs(f->path, &seqs);
        assert_int_equal(n, 5000);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(seqs[i], i + 1);
        /* An orderly end leaves no WAL. */
        _cleanup_free_ char *wal = NULL;
        assert_true(str_printf(&wal, "%s-wal", f->path) >= 0);
        assert_int_equal(access(wal, F_OK), -1);
}

static void commits_in_groups(void **state) {
        Fixture *f = *state;
        EventLogStats s;
        uint64_t last = 0;

        for (int i = 0; i < 20000; i++)
                last = fixture_append(f, "test.event", "a.service", PRIORITY_NORMAL, NULL);
        fixture_wait_durable(f, last);
        eventlog_stats(f->log, &s);
        assert_true(s.commits >= 20000 / 1024);
        assert_true(s.commits < 2000);
        assert_int_equal(s.dropped, 0);
        assert_int_equal(s.queued_events, 0);
        assert_int_equal(s.queued_bytes, 0);
        assert_int_equal(s.durable_seq, last);
        assert_int_equal(s.first_seq, 1);
        assert_true(s.db_bytes > 0);
        assert_true(s.commit_max >= s.commit_last);
        assert_true(f->n_durable <= s.commits);
        assert_int_equal(s.state, EVENTLOG_OK);
}

static bool has_dropped(Fixture *f, uint64_t n) {
        EventLogStats s;

        eventlog_stats(f->log, &s);
        return s.dropped >= n;
}

static void a_full_queue_leaves_a_marker(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        f->config.queue_max_events = 10;
        fixture_open(f);
        /* Inside a group nothing reaches the writer, so the queue fills without a race. */
        eventlog_begin(f->log);
        int r = 0;
        for (int i = 1; i <= 15; i++) {
                fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, &r);
                assert_int_equal(r, i <= 10 ? 0 : -ENOBUFS);
        }
        eventlog_end(f->log);
        assert_true(has_dropped(f, 5));
        fixture_wait_durable(f, 11);
        fixture_query(f, &(EventFilter){ .after = 9 }, 100);
        ASSERT_SEQS(f, 10, 11);
        assert_string_equal(f->answer[1].type, EVENT_LOG_TRUNCATED);
        assert_int_equal(json_get_uint(f->answer[1].data, "count", 0), 5);
        assert_int_equal(json_get_uint(f->answer[1].data, "from_seq", 0), 11);
        assert_int_equal(json_get_uint(f->answer[1].data, "to_seq", 0), 15);
        assert_string_equal(json_get_string(f->answer[1].data, "reason"), "queue");
        assert_false(id128_is_null(f->answer[1].id));
        fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL);
        fixture_wait_durable(f, 16);
}

static void poke_shows_life(void **state) {
        Fixture *f = *state;

        for (int i = 0; i < 5; i++)
                fixture_wait_turn(f);
        EventLogStats s;
        eventlog_stats(f->log, &s);
        assert_int_equal(s.commits, 0);
}

static void one_owner_only(void **state) {
        Fixture *f = *state;
        EventLog *second = NULL;
        SeqAlloc seq = {};
        struct stat st;

        /* flock(2) belongs to the open file description, and the child opens its own, as any other process would. */
        pid_t pid = fork();
        if (pid == 0)
                _exit(eventlog_open(&f->config, &seq, &second, NULL) == -EBUSY ? 0 : 1);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 0007, 0);
}

static void cannot_open(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        _cleanup_free_ char *path = NULL;
        assert_true(str_printf(&path, "%s/nowhere/events.db", f->dir) >= 0);
        f->config.path = path;
        assert_int_equal(fixture_try_open(f), -ENOENT);
        f->config.path = f->dir;
        assert_int_equal(fixture_try_open(f), -EISDIR);
        f->config.path = f->path;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(events_survive),
                TEST(numbers_must_rise),
                TEST(values_survive),
                TEST(load_passes_on_errors),
                TEST(sinks_are_remembered),
                TEST(groups_are_not_written_before_their_end),
                TEST(close_writes_what_waits),
                TEST(commits_in_groups),
                TEST(a_full_queue_leaves_a_marker),
                TEST(poke_shows_life),
                TEST(one_owner_only),
                TEST(cannot_open),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
