/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/reader.h"
#include "basic/string.h"
#include "eventlog/thread.h"

enum {
        WAITING_MAX = 256,
        CANCEL_CHECK_STEPS = 2000, /* virtual machine steps of SQLite */
};

static void list_push(QueryList *l, EventQuery *q) {
        q->next = NULL;
        if (l->tail)
                l->tail->next = q;
        else
                l->head = q;
        l->tail = q;
}

static EventQuery *list_pop(QueryList *l) {
        EventQuery *q = l->head;

        if (!q)
                return NULL;
        l->head = q->next;
        if (!l->head)
                l->tail = NULL;
        q->next = NULL;
        return q;
}

static void list_remove(QueryList *l, EventQuery *q) {
        EventQuery *prev = NULL;

        for (EventQuery *i = l->head; i && i != q; i = i->next)
                prev = i;
        if (prev)
                prev->next = q->next;
        else
                l->head = q->next;
        if (l->tail == q)
                l->tail = prev;
        q->next = NULL;
}

static EventQuery *query_destroy(EventQuery *q) {
        event_filter_done(&q->filter);
        event_list_done(&q->list);
        free(q->text);
        free(q);
        return NULL;
}

static int query_is_cancelled(void *userdata) {
        EventQuery *q = userdata;

        return q->cancelled || q->reader->closing;
}

static int reader_connect(Reader *r) {
        uint64_t generation = r->writer->generation;

        if (r->db && r->generation != generation)
                r->db = db_close(r->db);
        if (r->db)
                return 0;
        r->generation = generation;
        return db_open(r->writer->path, DB_READER, &r->db);
}

static int run_check(sqlite3 *db, char **ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        _cleanup_strbuf_ StrBuf b = {};
        int rc;

        rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(20)", -1, &s, NULL);
        if (rc != SQLITE_OK)
                return db_error(db, rc);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                (void) strbuf_append(&b, b.length > 0 ? "\n" : "");
                (void) strbuf_append(&b, (const char *) sqlite3_column_text(s, 0) ?: "");
        }
        if (rc != SQLITE_DONE)
                return db_error(db, rc);
        return strbuf_finish(&b, ret);
}

/* One read transaction, so that the answer and first_seq belong together. */
static int run_in_transaction(Reader *r, EventQuery *q) {
        int64_t first = 0;
        int k = 0;

        switch (q->kind) {
        case QUERY_EVENTS:
                k = select_events(r->db, &q->filter, q->limit, r->writer->durable_seq, &q->list, &q->more);
                break;
        case QUERY_CHAIN:
                k = select_chain(r->db, q->seq, &q->list, &q->more);
                break;
        case QUERY_CHECK:
                k = run_check(r->db, &q->text);
                break;
        }
        if (k < 0)
                return k;
        k = db_get_int64(r->db, "SELECT min(seq) FROM events", &first);
        q->first_seq = (uint64_t) first;
        return k;
}

static int reader_run(Reader *r, EventQuery *q) {
        int k = reader_connect(r);
        if (k < 0)
                return k;
        sqlite3_progress_handler(r->db, CANCEL_CHECK_STEPS, query_is_cancelled, q);
        k = db_exec(r->db, "BEGIN");
        if (k >= 0)
                k = run_in_transaction(r, q);
        sqlite3_progress_handler(r->db, 0, NULL, NULL);
        if (!sqlite3_get_autocommit(r->db))
                (void) db_exec(r->db, "ROLLBACK");
        if (k == -EUCLEAN)
                /* Whatever comes next (the writer may replace the file) is read through a fresh connection. */
                r->db = db_close(r->db);
        return k;
}

static bool reader_next(Reader *r, EventQuery **ret) {
        pthread_mutex_lock(&r->lock);
        if (!r->waiting.head && r->db && !r->closing) {
                pthread_mutex_unlock(&r->lock);
                (void) sqlite3_db_release_memory(r->db);
                pthread_mutex_lock(&r->lock);
        }
        while (!r->closing && !r->waiting.head)
                pthread_cond_wait(&r->wake, &r->lock);
        EventQuery *q = r->closing ? NULL : list_pop(&r->waiting);
        if (q)
                q->state = QUERY_RUNNING;
        pthread_mutex_unlock(&r->lock);
        *ret = q;
        return q != NULL;
}

static void *reader_main(void *userdata) {
        Reader *r = userdata;
        EventQuery *q;

        while (reader_next(r, &q)) {
                q->error = reader_run(r, q);
                pthread_mutex_lock(&r->lock);
                bool gone = q->cancelled;
                if (gone)
                        r->n--;
                else {
                        q->state = QUERY_ANSWERED;
                        list_push(&r->answered, q);
                }
                pthread_mutex_unlock(&r->lock);
                if (gone)
                        query_destroy(q);
                else
                        thread_notify(r->notify_fd);
        }
        if (r->db)
                r->db = db_close(r->db);
        pthread_mutex_lock(&r->lock);
        r->has_ended = true;
        pthread_cond_signal(&r->ended);
        pthread_mutex_unlock(&r->lock);
        return NULL;
}

int reader_start(Reader *r, const Writer *writer, int notify_fd) {
        pthread_condattr_t attr;

        *r = (Reader){ .writer = writer, .notify_fd = notify_fd };
        pthread_mutex_init(&r->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&r->wake, NULL);
        pthread_cond_init(&r->ended, &attr);
        pthread_condattr_destroy(&attr);
        int k = thread_start(&r->thread, "eventlog-read", reader_main, r);
        if (k < 0) {
                reader_done(r);
                return k;
        }
        r->started = true;
        return 0;
}

bool reader_stop(Reader *r, usec_t timeout) {
        if (!r->started)
                return true;
        pthread_mutex_lock(&r->lock);
        r->closing = true;
        pthread_cond_signal(&r->wake);
        bool ended = thread_wait_flag(&r->ended, &r->lock, &r->has_ended, monotonic_now() + timeout);
        pthread_mutex_unlock(&r->lock);
        if (!ended) {
                pthread_detach(r->thread);
                return false;
        }
        pthread_join(r->thread, NULL);
        r->started = false;
        return true;
}

/* Queries that their owners still hold lose their reader; the others are ours. */
void reader_done(Reader *r) {
        EventQuery *q;

        while ((q = list_pop(&r->waiting)) || (q = list_pop(&r->answered))) {
                q->reader = NULL;
                q->state = QUERY_DELIVERED;
                if (q->kind == QUERY_CHECK)
                        query_destroy(q);
        }
        pthread_cond_destroy(&r->wake);
        pthread_cond_destroy(&r->ended);
        pthread_mutex_destroy(&r->lock);
}

int reader_submit(Reader *r, EventQuery *template, EventQuery **ret) {
        EventQuery *q = malloc(sizeof(*q));
        if (!q) {
                event_filter_done(&template->filter);
                return -ENOMEM;
        }
        *q = *template;
        q->reader = r;
        q->state = QUERY_WAITING;
        pthread_mutex_lock(&r->lock);
        bool busy = r->n >= WAITING_MAX;
        if (!busy) {
                r->n++;
                list_push(&r->waiting, q);
                pthread_cond_signal(&r->wake);
        }
        pthread_mutex_unlock(&r->lock);
        if (busy) {
                query_destroy(q);
                return -EBUSY;
        }
        if (ret)
                *ret = q;
        return 0;
}

static void query_deliver(EventQuery *q) {
        q->delivering = true;
        if (q->kind == QUERY_CHECK)
                q->on_check(q->error, q->text, q->userdata);
        else
                q->on_events(q, q->error, q->list.events, q->list.n, q->more, q->first_seq, q->userdata);
        q->delivering = false;
        if (q->freed || q->kind == QUERY_CHECK)
                query_destroy(q);
        else
                event_list_done(&q->list); /* the handle stays with its owner */
}

void reader_deliver(Reader *r) {
        for (;;) {
                pthread_mutex_lock(&r->lock);
                EventQuery *q = list_pop(&r->answered);
                if (q) {
                        q->state = QUERY_DELIVERED;
                        q->reader = NULL;
                        r->n--;
                }
                pthread_mutex_unlock(&r->lock);
                if (!q)
                        return;
                query_deliver(q);
        }
}

EventQuery *event_query_free(EventQuery *q) {
        if (!q)
                return NULL;
        if (q->delivering) {
                q->freed = true;
                return NULL;
        }
        Reader *r = q->reader;
        if (!r)
                return query_destroy(q);
        pthread_mutex_lock(&r->lock);
        bool running = q->state == QUERY_RUNNING;
        if (running)
                q->cancelled = true; /* the thread destroys it */
        else if (q->state != QUERY_DELIVERED) {
                list_remove(q->state == QUERY_WAITING ? &r->waiting : &r->answered, q);
                r->n--;
        }
        pthread_mutex_unlock(&r->lock);
        return running ? NULL : query_destroy(q);
}
