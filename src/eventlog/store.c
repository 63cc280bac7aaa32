/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/store.h"
#include "basic/string.h"
#include <inttypes.h>
#include <stdio.h>

enum {
        TIME_MARK_EVERY = 512,
        CHECKPOINT_EAGER_FRAMES = 256,
        CHECKPOINT_FRAMES = 1024,
};

static const char *const stmt_sql[_STORE_STMT_MAX] = {
        [STMT_BEGIN] = "BEGIN IMMEDIATE",
        [STMT_COMMIT] = "COMMIT",
        [STMT_EVENT] = "INSERT INTO events(seq, time, boottime, priority, cause_seq, id, correlation_id, type, source,"
                       " unit, json) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        [STMT_TIME] = "INSERT OR REPLACE INTO event_times VALUES(?1, ?2)",
        [STMT_STATE_SET] = "INSERT OR REPLACE INTO state VALUES(?1, ?2)",
        [STMT_STATE_DELETE] = "DELETE FROM state WHERE key = ?1",
        [STMT_CURSOR_SET] = "INSERT OR REPLACE INTO cursors VALUES(?1, ?2)",
        [STMT_CURSOR_DELETE] = "DELETE FROM cursors WHERE name = ?1",
        [STMT_SINK_REGISTER] = "INSERT OR IGNORE INTO sinks VALUES(?1, ?3)",
        [STMT_SINK_ADVANCE] = "UPDATE sinks SET seq = max(seq, ?3) WHERE sink = ?1",
        [STMT_SINK_REMOVE] = "DELETE FROM sinks WHERE sink = ?1",
        [STMT_PAGE_COUNT] = "PRAGMA page_count",
        [STMT_FREE_COUNT] = "PRAGMA freelist_count",
        [STMT_SINKS_RANGE] = "SELECT count(*), min(seq), max(seq) FROM sinks",
        [STMT_OLDEST] = "SELECT seq, time FROM events WHERE seq < ?1 ORDER BY seq LIMIT ?2",
        [STMT_DELETE_RANGE] = "DELETE FROM events WHERE seq >= ?1 AND seq <= ?2",
        [STMT_DELETE_ONE] = "DELETE FROM events WHERE seq = ?1",
        [STMT_DELETE_TIMES] = "DELETE FROM event_times WHERE seq < ?1",
        [STMT_SCAN] = "SELECT seq, priority, type = '" EVENT_LOG_TRUNCATED "', time FROM events"
                      " WHERE seq > ?1 AND seq < ?2 ORDER BY seq LIMIT ?3",
        [STMT_UPDATE_MARKER] = "UPDATE events SET json = ?2 WHERE seq = ?1",
        [STMT_SEQ_FLOOR] = "INSERT OR REPLACE INTO meta VALUES('seq_floor', ?1)",
        [STMT_FIRST_SEQ] = "SELECT min(seq) FROM events",
};

sqlite3_stmt *store_stmt(Store *s, StoreStmt which) {
        sqlite3_stmt *stmt = s->stmts[which];

        (void) sqlite3_reset(stmt);
        (void) sqlite3_clear_bindings(stmt);
        return stmt;
}

int store_run(Store *s, sqlite3_stmt *stmt) {
        int rc = sqlite3_step(stmt);
        int r = db_error(s->db, rc);

        (void) sqlite3_reset(stmt);
        return r;
}

int store_row(Store *s, sqlite3_stmt *stmt) {
        int rc = sqlite3_step(stmt);

        if (rc == SQLITE_ROW)
                return 0;
        return db_error(s->db, rc) ?: -EIO;
}

static int on_wal(void *userdata, sqlite3 *db, const char *name, int frames) {
        Store *s = userdata;

        s->wal_frames = frames;
        return SQLITE_OK;
}

/* What the file knows: the numbers in use, and the latest time up to the last of them. */
static int store_load(Store *s) {
        int64_t first, last, floor, page_size, mark, max_time, rest, since;
        _cleanup_free_ char *sql = NULL;

        int r = db_get_int64(s->db, "SELECT min(seq) FROM events", &first);
        if (r >= 0)
                r = db_get_int64(s->db, "SELECT max(seq) FROM events", &last);
        if (r >= 0)
                r = db_get_int64(s->db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'seq_floor'", &floor);
        if (r >= 0)
                r = db_get_int64(s->db, "PRAGMA page_size", &page_size);
        if (r >= 0)
                r = db_get_int64(s->db, "SELECT max(seq) FROM event_times", &mark);
        if (r >= 0)
                r = db_get_int64(s->db, "SELECT max(max_time) FROM event_times", &max_time);
        if (r >= 0)
                r = str_printf(&sql, "SELECT max(time) FROM events WHERE seq > %" PRIi64, mark);
        if (r >= 0)
                r = db_get_int64(s->db, sql, &rest);
        if (r < 0)
                return r;
        sql = free_(sql);
        r = str_printf(&sql, "SELECT count(*) FROM events WHERE seq > %" PRIi64, mark);
        if (r >= 0)
                r = db_get_int64(s->db, sql, &since);
        if (r < 0)
                return r;
        if (first < 0 || last < 0 || (uint64_t) last > STORE_SEQ_MAX)
                return -EUCLEAN;
        s->first_seq = (uint64_t) first;
        s->last_seq = (uint64_t) MAX(last, floor);
        s->page_size = (uint64_t) page_size;
        s->max_time = (usec_t) MAX(max_time, rest);
        s->since_mark = (unsigned) MIN(since, TIME_MARK_EVERY);
        return 0;
}

static int store_open_checked(Store *s, const char *path) {
        int r = db_open(path, DB_WRITER, &s->db);
        if (r < 0)
                return r;
        r = schema_upgrade(s->db, schema_steps, schema_n_steps);
        if (r < 0)
                return r;
        r = schema_probe(s->db);
        if (r < 0)
                return r;
        for (int i = 0; i < _STORE_STMT_MAX; i++) {
                int rc = sqlite3_prepare_v3(s->db, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL);
                /* Our version number, but not our tables. */
                if (rc == SQLITE_ERROR)
                        return -EUCLEAN;
                if (rc != SQLITE_OK)
                        return db_error(s->db, rc);
        }
        s->checkpoint_after = CHECKPOINT_FRAMES;
        (void) sqlite3_wal_hook(s->db, on_wal, s);
        return store_load(s);
}

int store_open(Store *s, const char *path) {
        *s = (Store){};
        int r = store_open_checked(s, path);
        if (r < 0)
                store_close(s);
        return r;
}

void store_close(Store *s) {
        for (int i = 0; i < _STORE_STMT_MAX; i++)
                s->stmts[i] = stmt_finalize(s->stmts[i]);
        if (s->db)
                s->db = db_close(s->db);
}

static void bind_text(sqlite3_stmt *stmt, int n, const char *text) {
        (void) sqlite3_bind_text(stmt, n, text, -1, SQLITE_STATIC);
}

static int store_mark_time(Store *s, const Item *i) {
        s->max_time = MAX(s->max_time, i->time.realtime);
        if (++s->since_mark < TIME_MARK_EVERY)
                return 0;
        s->since_mark = 0;
        sqlite3_stmt *stmt = store_stmt(s, STMT_TIME);
        (void) sqlite3_bind_int64(stmt, 1, (int64_t) i->seq);
        (void) sqlite3_bind_int64(stmt, 2, (int64_t) s->max_time);
        return store_run(s, stmt);
}

static int store_write_event(Store *s, const Item *i) {
        char json[160];
        const char *text = i->value;

        if (i->kind == ITEM_TRUNCATED) {
                (void) snprintf(json, sizeof(json),
                                "{\"count\":%" PRIu64 ",\"from_seq\":%" PRIu64 ",\"to_seq\":%" PRIu64
                                ",\"reason\":\"queue\"}",
                                i->count, i->seq, i->to_seq);
                text = json;
        }
        sqlite3_stmt *stmt = store_stmt(s, STMT_EVENT);
        (void) sqlite3_bind_int64(stmt, 1, (int64_t) i->seq);
        (void) sqlite3_bind_int64(stmt, 2, (int64_t) i->time.realtime);
        (void) sqlite3_bind_int64(stmt, 3, (int64_t) i->time.boottime);
        (void) sqlite3_bind_int(stmt, 4, i->priority);
        if (i->cause_seq > 0)
                (void) sqlite3_bind_int64(stmt, 5, (int64_t) i->cause_seq);
        (void) sqlite3_bind_blob(stmt, 6, i->id.bytes, sizeof(i->id.bytes), SQLITE_STATIC);
        if (!id128_is_null(i->correlation))
                (void) sqlite3_bind_blob(stmt, 7, i->correlation.bytes, sizeof(i->correlation.bytes), SQLITE_STATIC);
        bind_text(stmt, 8, i->type);
        bind_text(stmt, 9, i->source);
        bind_text(stmt, 10, i->name);
        bind_text(stmt, 11, text);
        int r = store_run(s, stmt);
        if (r < 0)
                return r;
        return store_mark_time(s, i);
}

int store_write(Store *s, const Item *i) {
        StoreStmt which;

        switch (i->kind) {
        case ITEM_EVENT:
        case ITEM_TRUNCATED:
                return store_write_event(s, i);
        case ITEM_STATE:
                which = i->value ? STMT_STATE_SET : STMT_STATE_DELETE;
                break;
        case ITEM_CURSOR:
                which = i->value ? STMT_CURSOR_SET : STMT_CURSOR_DELETE;
                break;
        case ITEM_SINK_REGISTER:
                which = STMT_SINK_REGISTER;
                break;
        case ITEM_SINK_ADVANCE:
                which = STMT_SINK_ADVANCE;
                break;
        case ITEM_SINK_REMOVE:
                which = STMT_SINK_REMOVE;
                break;
        default:
                assert(false);
                return -EINVAL;
        }
        sqlite3_stmt *stmt = store_stmt(s, which);
        bind_text(stmt, 1, i->name);
        if (sqlite3_bind_parameter_count(stmt) >= 2)
                bind_text(stmt, 2, i->value);
        if (sqlite3_bind_parameter_count(stmt) >= 3)
                (void) sqlite3_bind_int64(stmt, 3, (int64_t) i->seq);
        return store_run(s, stmt);
}

int store_begin(Store *s) {
        return store_run(s, store_stmt(s, STMT_BEGIN));
}

int store_end(Store *s, int error) {
        int r = error;

        if (r >= 0)
                r = store_run(s, store_stmt(s, STMT_COMMIT));
        if (r < 0 && !sqlite3_get_autocommit(s->db))
                (void) db_exec(s->db, "ROLLBACK");
        return r;
}

int store_commit(Store *s, const ItemList *batch, uint64_t *ret_refused) {
        uint64_t refused = 0, first = s->first_seq, last = s->last_seq;

        int r = store_begin(s);
        if (r < 0)
                return store_end(s, r);
        for (const Item *i = batch->head; i; i = i->next) {
                r = store_write(s, i);
                if (IN_SET(r, -EEXIST, -E2BIG)) {
                        refused++;
                        r = 0;
                        continue;
                }
                if (r < 0)
                        break;
                if (IN_SET(i->kind, ITEM_EVENT, ITEM_TRUNCATED)) {
                        last = i->seq;
                        if (first == 0)
                                first = i->seq;
                }
        }
        r = store_end(s, r);
        if (r < 0)
                return r;
        s->first_seq = first;
        s->last_seq = last;
        *ret_refused = refused;
        return 0;
}

bool store_wants_checkpoint(const Store *s) {
        /* One that was held up (see below) is not tried again before its time. */
        return s->wal_frames >=
               (s->checkpoint_after == CHECKPOINT_FRAMES ? CHECKPOINT_EAGER_FRAMES : s->checkpoint_after);
}

int store_checkpoint_now(Store *s) {
        int in_wal = 0, done = 0;

        int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &done);
        if (rc == SQLITE_OK && in_wal == done) {
                /* Complete: the next commit begins the WAL anew. */
                s->wal_frames = 0;
                s->checkpoint_after = CHECKPOINT_FRAMES;
                return 0;
        }
        /* A reader holds it up (or the disk is full): not at every commit again. */
        s->checkpoint_after = MAX(s->wal_frames + CHECKPOINT_EAGER_FRAMES, (int) CHECKPOINT_FRAMES);
        return rc == SQLITE_BUSY ? 0 : db_error(s->db, rc);
}

int store_checkpoint(Store *s, bool eager) {
        if (eager ? !store_wants_checkpoint(s) : s->wal_frames < s->checkpoint_after)
                return 0;
        return store_checkpoint_now(s);
}

int store_set_seq_floor(Store *s, uint64_t floor) {
        sqlite3_stmt *stmt = store_stmt(s, STMT_SEQ_FLOOR);

        (void) sqlite3_bind_int64(stmt, 1, (int64_t) floor);
        int r = store_run(s, stmt);
        if (r < 0)
                return r;
        s->last_seq = MAX(s->last_seq, floor);
        return 0;
}

static int store_pragma(Store *s, StoreStmt which, uint64_t *ret) {
        sqlite3_stmt *stmt = store_stmt(s, which);

        int r = store_row(s, stmt);
        if (r < 0)
                return r;
        *ret = (uint64_t) sqlite3_column_int64(stmt, 0);
        (void) sqlite3_reset(stmt);
        return 0;
}

int store_size(Store *s, uint64_t *ret_used, uint64_t *ret_total) {
        uint64_t pages, unused;

        int r = store_pragma(s, STMT_PAGE_COUNT, &pages);
        if (r >= 0)
                r = store_pragma(s, STMT_FREE_COUNT, &unused);
        if (r < 0)
                return r;
        *ret_used = (pages - MIN(unused, pages)) * s->page_size;
        *ret_total = pages * s->page_size;
        return 0;
}
