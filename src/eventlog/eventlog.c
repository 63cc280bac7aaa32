/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/eventlog.h"
#include "basic/string.h"
#include "eventlog/reader.h"
#include "eventlog/thread.h"
#include "eventlog/writer.h"
#include <sys/eventfd.h>

#define CLOSE_WRITER_USEC (5 * USEC_PER_SEC)
#define CLOSE_READER_USEC USEC_PER_SEC
#define VALUE_MAX (1024 * 1024)
#define QUERY_LIMIT_MAX 1000

struct EventLog {
        Writer writer;
        Reader reader;
        int notify_fd;
        sqlite3 *start_db; /* for loading, until attached */

        sd_event_source *source;
        EventLogHandler handler;
        void *userdata;
        uint64_t reported_commits;
        int reported_error;

        uint64_t appended, last_seq;
        bool has_writer, has_reader;
};

static EventLog *eventlog_free(EventLog *l) {
        if (l->start_db)
                l->start_db = db_close(l->start_db);
        if (l->has_reader)
                reader_done(&l->reader);
        if (l->has_writer)
                writer_done(&l->writer);
        closep(&l->notify_fd);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(EventLog *, eventlog_free);

int eventlog_open(const EventLogConfig *config, SeqAlloc *seq, EventLog **ret, char **ret_damaged) {
        _cleanup_(eventlog_freep) EventLog *l = calloc(1, sizeof(EventLog));
        _cleanup_free_ char *damaged = NULL;

        if (!l)
                return -ENOMEM;
        l->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (l->notify_fd < 0)
                return -errno;
        l->has_writer = true;
        int r = writer_init(&l->writer, config, l->notify_fd, &damaged);
        if (r < 0)
                return r;
        r = writer_start(&l->writer);
        if (r < 0)
                return r;
        r = reader_start(&l->reader, &l->writer, l->notify_fd);
        if (r < 0) {
                (void) writer_stop(&l->writer, CLOSE_WRITER_USEC);
                return r;
        }
        l->has_reader = true;
        seq->last = MAX(seq->last, writer_last_seq(&l->writer));
        l->last_seq = writer_last_seq(&l->writer);
        if (ret_damaged)
                *ret_damaged = TAKE_PTR(damaged);
        *ret = TAKE_PTR(l);
        return 0;
}

EventLog *eventlog_close(EventLog *l) {
        if (!l)
                return NULL;
        l->source = sd_event_source_disable_unref(l->source);
        if (l->start_db)
                l->start_db = db_close(l->start_db);
        /* The reader first: the last connection to close tidies up the WAL, and that shall be the writer's. */
        bool ended = reader_stop(&l->reader, CLOSE_READER_USEC);
        ended = writer_stop(&l->writer, CLOSE_WRITER_USEC) && ended;
        /* A thread that hangs in the disk keeps what it works on. */
        return ended ? eventlog_free(l) : NULL;
}

static void report_state(EventLog *l, int error) {
        if (error == l->reported_error)
                return;
        l->reported_error = error;
        if (l->handler.state)
                l->handler.state(l, error < 0 ? EVENTLOG_STALLED : EVENTLOG_OK, error, l->userdata);
}

static bool take_damaged(EventLog *l) {
        pthread_mutex_lock(&l->writer.lock);
        _cleanup_free_ char *damaged = TAKE_PTR(l->writer.damaged);
        pthread_mutex_unlock(&l->writer.lock);
        return damaged;
}

static int on_notify(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        EventLog *l = userdata;
        uint64_t count;

        if (read(fd, &count, sizeof(count)) < 0 && !IN_SET(errno, EAGAIN, EINTR))
                return -errno;
        if (take_damaged(l))
                report_state(l, -EUCLEAN);
        uint64_t commits = l->writer.commits;
        if (commits != l->reported_commits) {
                l->reported_commits = commits;
                if (l->handler.durable)
                        l->handler.durable(l, l->writer.durable_seq, l->userdata);
        }
        report_state(l, l->writer.error);
        reader_deliver(&l->reader);
        return 0;
}

int eventlog_attach(EventLog *l, sd_event *event, const EventLogHandler *handler, void *userdata) {
        if (l->source)
                return -EBUSY;
        l->handler = *handler;
        l->userdata = userdata;
        int r = sd_event_add_io(event, &l->source, l->notify_fd, EPOLLIN, on_notify, l);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(l->source, "eventlog");
        if (l->start_db)
                l->start_db = db_close(l->start_db);
        return 0;
}

static void eventlog_wake(EventLog *l) {
        if (l->writer.queue.depth == 0)
                pthread_cond_signal(&l->writer.wake);
}

int eventlog_append(EventLog *l, const Event *e) {
        Item *i;

        if (e->seq <= l->last_seq || !e->type || !e->source || !e->data)
                return -EINVAL;
        int r = item_new_event(e, &i);
        if (r < 0)
                return r;
        if (i->size > VALUE_MAX) {
                item_free(i);
                return -E2BIG;
        }
        Instant now = instant_now();
        l->last_seq = e->seq;
        pthread_mutex_lock(&l->writer.lock);
        r = queue_push_event(&l->writer.queue, i, now);
        eventlog_wake(l);
        pthread_mutex_unlock(&l->writer.lock);
        if (r >= 0)
                l->appended++;
        return r;
}

static int eventlog_push(EventLog *l, ItemKind kind, const char *name, const char *value, uint64_t seq) {
        Item *i;

        if (isempty(name))
                return -EINVAL;
        int r = item_new_value(kind, name, value, seq, &i);
        if (r < 0)
                return r;
        if (i->size > VALUE_MAX) {
                item_free(i);
                return -E2BIG;
        }
        Instant now = instant_now();
        pthread_mutex_lock(&l->writer.lock);
        r = queue_push_value(&l->writer.queue, i, now);
        eventlog_wake(l);
        pthread_mutex_unlock(&l->writer.lock);
        return r;
}

int eventlog_put(EventLog *l, const char *key, const char *json) {
        return eventlog_push(l, ITEM_STATE, key, json, 0);
}

int eventlog_put_cursor(EventLog *l, const char *name, const char *value) {
        return eventlog_push(l, ITEM_CURSOR, name, value, 0);
}

int eventlog_sink_register(EventLog *l, const char *sink) {
        return eventlog_push(l, ITEM_SINK_REGISTER, sink, NULL, 0);
}

int eventlog_sink_advance(EventLog *l, const char *sink, uint64_t seq) {
        return eventlog_push(l, ITEM_SINK_ADVANCE, sink, NULL, seq);
}

int eventlog_sink_remove(EventLog *l, const char *sink) {
        return eventlog_push(l, ITEM_SINK_REMOVE, sink, NULL, 0);
}

void eventlog_begin(EventLog *l) {
        pthread_mutex_lock(&l->writer.lock);
        queue_begin(&l->writer.queue);
        pthread_mutex_unlock(&l->writer.lock);
}

void eventlog_end(EventLog *l) {
        pthread_mutex_lock(&l->writer.lock);
        queue_end(&l->writer.queue);
        eventlog_wake(l);
        pthread_mutex_unlock(&l->writer.lock);
}

void eventlog_set_retention(EventLog *l, usec_t max_age, uint64_t max_size, uint64_t hard_max_size) {
        pthread_mutex_lock(&l->writer.lock);
        l->writer.limits.set = true;
        l->writer.limits.max_age = max_age;
        l->writer.limits.max_size = max_size;
        l->writer.limits.hard_max_size = hard_max_size;
        pthread_mutex_unlock(&l->writer.lock);
        eventlog_poke(l);
}

uint64_t eventlog_durable_seq(const EventLog *l) {
        return l->writer.durable_seq;
}

void eventlog_stats(const EventLog *l, EventLogStats *ret) {
        Writer *w = (Writer *) &l->writer; /* the lock changes, nothing else */
        int error = w->error;

        EventLogStats s = {
                .state = error < 0 ? EVENTLOG_STALLED : EVENTLOG_OK,
                .error = error,
                .appended = l->appended,
                .commits = w->commits,
                .failed_commits = w->failed_commits,
                .first_seq = w->first_seq,
                .durable_seq = w->durable_seq,
                .db_bytes = w->db_bytes,
                .commit_last = w->commit_last,
                .commit_max = w->commit_max,
                .progress = w->progress,
        };
        /* Held for microseconds only, never during I/O. */
        pthread_mutex_lock(&w->lock);
        s.dropped = w->queue.dropped + w->refused;
        s.queued_events = queue_items(&w->queue);
        s.queued_bytes = queue_bytes(&w->queue);
        pthread_mutex_unlock(&w->lock);
        *ret = s;
}

void eventlog_poke(EventLog *l) {
        pthread_mutex_lock(&l->writer.lock);
        l->writer.poked = true;
        pthread_cond_signal(&l->writer.wake);
        pthread_mutex_unlock(&l->writer.lock);
}

/* ---- start only ---- */

static int start_statement(EventLog *l, const char *sql, const char *value, sqlite3_stmt **ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        if (!l->start_db) {
                int r = db_open(l->writer.path, DB_READER, &l->start_db);
                if (r < 0)
                        return r;
        }
        int rc = sqlite3_prepare_v2(l->start_db, sql, -1, &s, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_bind_text(s, 1, value, -1, SQLITE_TRANSIENT);
        if (rc != SQLITE_OK)
                return db_error(l->start_db, rc);
        *ret = TAKE_PTR(s);
        return 0;
}

int eventlog_load(EventLog *l, const char *key_prefix, eventlog_state_t cb, void *userdata) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int rc;

        int r = start_statement(l, "SELECT key, json FROM state WHERE key >= ?1 ORDER BY key", key_prefix ?: "", &s);
        if (r < 0)
                return r;
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                const char *key = (const char *) sqlite3_column_text(s, 0);
                const char *json = (const char *) sqlite3_column_text(s, 1);

                if (!key || !json)
                        return -ENOMEM;
                if (!startswith(key, key_prefix ?: ""))
                        break;
                r = cb(key, json, userdata);
                if (r < 0)
                        return r;
        }
        return db_error(l->start_db, rc);
}

/* The one row that goes with value, -ENOENT if there is none. */
static int start_row(EventLog *l, const char *sql, const char *value, sqlite3_stmt **ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int r = start_statement(l, sql, value, &s);
        if (r < 0)
                return r;
        int rc = sqlite3_step(s);
        if (rc == SQLITE_DONE)
                return -ENOENT;
        if (rc != SQLITE_ROW)
                return db_error(l->start_db, rc);
        *ret = TAKE_PTR(s);
        return 0;
}

int eventlog_load_cursor(EventLog *l, const char *name, char **ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int r = start_row(l, "SELECT value FROM cursors WHERE name = ?1", name, &s);
        if (r < 0)
                return r;
        return str_copy(ret, (const char *) sqlite3_column_text(s, 0) ?: "");
}

int eventlog_load_sink(EventLog *l, const char *sink, uint64_t *ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int r = start_row(l, "SELECT seq FROM sinks WHERE sink = ?1", sink, &s);
        if (r < 0)
                return r;
        *ret = (uint64_t) sqlite3_column_int64(s, 0);
        return 0;
}

/* ---- queries ---- */

int eventlog_query(EventLog *l, const EventFilter *f, size_t limit, event_query_t cb, void *userdata,
                   EventQuery **ret) {
        EventQuery q = { .kind = QUERY_EVENTS, .limit = limit, .on_events = cb, .userdata = userdata };

        if (!l->source)
                return -ENOTCONN;
        if (limit == 0 || limit > QUERY_LIMIT_MAX)
                return -EINVAL;
        if (strv_length(f->units) > FILTER_LIST_MAX || strv_length(f->types) > FILTER_LIST_MAX ||
            strv_length(f->sources) > FILTER_LIST_MAX)
                return -E2BIG;
        int r = event_filter_copy(f, &q.filter);
        if (r < 0)
                return r;
        return reader_submit(&l->reader, &q, ret);
}

int eventlog_query_chain(EventLog *l, uint64_t seq, event_query_t cb, void *userdata, EventQuery **ret) {
        EventQuery q = { .kind = QUERY_CHAIN, .seq = seq, .on_events = cb, .userdata = userdata };

        if (!l->source)
                return -ENOTCONN;
        return reader_submit(&l->reader, &q, ret);
}

int eventlog_check(EventLog *l, eventlog_check_t cb, void *userdata) {
        EventQuery q = { .kind = QUERY_CHECK, .on_check = cb, .userdata = userdata };

        if (!l->source)
                return -ENOTCONN;
        return reader_submit(&l->reader, &q, NULL);
}
