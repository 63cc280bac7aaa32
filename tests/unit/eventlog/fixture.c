/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>

void fixture_init(Fixture *f) {
        const char *tmp = getenv("TMPDIR") ?: "/tmp", *seed = getenv("SEED");

        *f = (Fixture){};
        f->seed = seed ? strtoull(seed, NULL, 0) : random_u64();
        print_message("SEED=%" PRIu64 "\n", f->seed);
        prng_seed(&f->prng, f->seed);
        uuidgen_init(&f->ids, f->seed);
        assert_true(str_printf(&f->dir, "%s/eventlog-test-XXXXXX", tmp) >= 0);
        assert_non_null(mkdtemp(f->dir));
        assert_true(str_printf(&f->path, "%s/events.db", f->dir) >= 0);
        f->config.path = f->path;
        assert_true(sd_event_new(&f->event) >= 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void answer_clear(Fixture *f) {
        for (size_t i = 0; i < f->n_answer; i++)
                event_done(&f->answer[i]);
        free(f->answer);
        f->answer = NULL;
        f->n_answer = 0;
        f->answer_text = free_(f->answer_text);
        f->answered = false;
}

void fixture_done(Fixture *f) {
        fixture_close(f);
        answer_clear(f);
        free(f->damaged);
        sd_event_unref(f->event);
        assert_int_equal(nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(f->path);
        free(f->dir);
}

static void on_durable(EventLog *l, uint64_t seq, void *userdata) {
        Fixture *f = userdata;

        assert_true(seq >= f->durable);
        f->durable = seq;
        f->n_durable++;
}

static void on_state(EventLog *l, EventLogState state, int error, void *userdata) {
        Fixture *f = userdata;

        f->last_error = error;
        if (state == EVENTLOG_STALLED)
                f->n_stalled++;
        else
                f->n_resumed++;
}

int fixture_try_open(Fixture *f) {
        static const EventLogHandler handler = { .durable = on_durable, .state = on_state };

        f->durable = 0;
        f->n_durable = f->n_stalled = f->n_resumed = 0;
        f->seq.last = 0;
        f->damaged = free_(f->damaged);
        int r = eventlog_open(&f->config, &f->seq, &f->log, &f->damaged);
        if (r < 0)
                return r;
        return eventlog_attach(f->log, f->event, &handler, f);
}

void fixture_open(Fixture *f) {
        assert_int_equal(fixture_try_open(f), 0);
}

void fixture_close(Fixture *f) {
        f->log = eventlog_close(f->log);
}

uint64_t fixture_append_full(Fixture *f, Event *e, size_t padding, int *ret_r) {
        _cleanup_json_ Json *data = NULL;

        assert_int_equal(json_new_object(&data), 0);
        e->seq = seq_next(&f->seq);
        assert_int_equal(json_set_uint(data, "n", e->seq), 0);
        if (padding > 0) {
                _cleanup_free_ char *text = malloc(padding + 1);
                memset(text, 'x', padding);
                text[padding] = 0;
                assert_int_equal(json_set_string(data, "padding", text), 0);
        }
        if (e->time.realtime == 0)
                e->time = instant_now();
        e->id = uuidgen_v7(&f->ids, e->time.realtime);
        e->source = e->source ?: "synd";
        e->data = data;
        int r = eventlog_append(f->log, e);
        e->data = NULL;
        if (ret_r)
                *ret_r = r;
        else
                assert_int_equal(r, 0);
        return e->seq;
}

uint64_t fixture_append(Fixture *f, const char *type, const char *unit, int priority, int *r) {
        Event e = { .type = type, .unit = (char *) unit, .priority = priority };

        return fixture_append_full(f, &e, 0, r);
}

void fixture_wait(Fixture *f, condition_t condition, uint64_t argument) {
        usec_t until = monotonic_now() + WAIT_USEC;

        while (!condition(f, argument)) {
                assert_true(monotonic_now() < until);
                assert_true(sd_event_run(f->event, 100 * USEC_PER_MSEC) >= 0);
        }
}

static bool is_durable(Fixture *f, uint64_t seq) {
        return f->durable >= seq;
}

void fixture_wait_durable(Fixture *f, uint64_t seq) {
        fixture_wait(f, is_durable, seq);
}

static bool has_progress(Fixture *f, uint64_t progress) {
        EventLogStats s;

        eventlog_stats(f->log, &s);
        if (s.progress >= progress)
                return true;
        eventlog_poke(f->log);
        return false;
}

void fixture_wait_turn(Fixture *f) {
        EventLogStats s;

        eventlog_stats(f->log, &s);
        /* One turn may be on its way already: only the next is surely behind us. */
        fixture_wait(f, has_progress, s.progress + 2);
}

static bool is_answered(Fixture *f, uint64_t ignored) {
        return f->answered;
}

static void on_events(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                      void *userdata) {
        Fixture *f = userdata;

        f->answered = true;
        f->answer_error = error;
        f->answer_more = more;
        f->answer_first = first_seq;
        f->answer = calloc(n + 1, sizeof(Event));
        for (size_t i = 0; i < n; i++)
                assert_int_equal(event_copy(&events[i], &f->answer[f->n_answer++]), 0);
}

void fixture_query(Fixture *f, const EventFilter *filter, size_t limit) {
        EventQuery *q = NULL;

        answer_clear(f);
        assert_int_equal(eventlog_query(f->log, filter, limit, on_events, f, &q), 0);
        fixture_wait(f, is_answered, 0);
        event_query_free(q);
}

void fixture_chain(Fixture *f, uint64_t seq) {
        EventQuery *q = NULL;

        answer_clear(f);
        assert_int_equal(eventlog_query_chain(f->log, seq, on_events, f, &q), 0);
        fixture_wait(f, is_answered, 0);
        event_query_free(q);
}

static void on_check(int error, const char *text, void *userdata) {
        Fixture *f = userdata;

        f->answered = true;
        f->answer_error = error;
        f->answer_text = text ? strdup(text) : NULL;
}

void fixture_check(Fixture *f) {
        answer_clear(f);
        assert_int_equal(eventlog_check(f->log, on_check, f), 0);
        fixture_wait(f, is_answered, 0);
}

void fixture_assert_seqs(Fixture *f, const uint64_t *seqs) {
        size_t n = 0;

        assert_int_equal(f->answer_error, 0);
        for (; seqs[n] > 0; n++) {
                assert_true(n < f->n_answer);
                assert_int_equal(f->answer[n].seq, seqs[n]);
        }
        assert_int_equal(f->n_answer, n);
}

static sqlite3 *file_connect(const char *path) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        sqlite3_busy_timeout(db, 5000);
        return db;
}

size_t file_seqs(const char *path, uint64_t **ret) {
        sqlite3 *db = file_connect(path);
        sqlite3_stmt *s;
        size_t n = 0, allocated = 0;
        uint64_t *seqs = NULL;
        int rc;

        assert_int_equal(sqlite3_prepare_v2(db, "SELECT seq FROM events ORDER BY seq", -1, &s, NULL), SQLITE_OK);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                if (n == allocated) {
                        allocated = allocated * 2 + 64;
                        seqs = reallocarray(seqs, allocated, sizeof(*seqs));
                        assert_non_null(seqs);
                }
                seqs[n++] = (uint64_t) sqlite3_column_int64(s, 0);
        }
        assert_int_equal(rc, SQLITE_DONE);
        sqlite3_finalize(s);
        sqlite3_close(db);
        *ret = seqs;
        return n;
}

int64_t file_int(const char *path, const char *sql) {
        sqlite3 *db = file_connect(path);
        sqlite3_stmt *s;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        int64_t v = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        return v;
}
