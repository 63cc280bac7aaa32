/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/retention.h"
#include <inttypes.h>
#include <stdio.h>

enum {
        REMOVE_MAX = 512, /* rows removed in a turn */
        SCAN_MAX = 2048, /* rows looked at in a turn */
};

typedef struct Victim {
        uint64_t seq;
        usec_t time;
} Victim;

typedef struct Limits {
        uint64_t sinks_min, sinks_max; /* cursors; UINT64_MAX and 0 when there is no sink */
        bool too_big, over_hard;
        uint64_t used;
} Limits;

void retention_init(Retention *t, usec_t max_age, uint64_t max_size, uint64_t hard_max_size, uint64_t seed) {
        *t = (Retention){
                .max_age = max_age,
                .max_size = max_size,
                .hard_max_size = hard_max_size,
                .scan_priority = PRIORITY_LOW,
        };
        uuidgen_init(&t->ids, seed);
}

static int limits_load(const Retention *t, Store *s, Limits *ret) {
        uint64_t used, total;

        int r = store_size(s, &used, &total);
        if (r < 0)
                return r;
        sqlite3_stmt *stmt = store_stmt(s, STMT_SINKS_RANGE);
        r = store_row(s, stmt);
        if (r < 0)
                return r;
        bool any = sqlite3_column_int64(stmt, 0) > 0;
        *ret = (Limits){
                .sinks_min = any ? (uint64_t) sqlite3_column_int64(stmt, 1) : UINT64_MAX,
                .sinks_max = any ? (uint64_t) sqlite3_column_int64(stmt, 2) : 0,
                .too_big = t->max_size > 0 && used > t->max_size,
                .over_hard = t->hard_max_size > 0 && used > t->hard_max_size,
                .used = used,
        };
        (void) sqlite3_reset(stmt);
        return 0;
}

static int delete_range(Store *s, uint64_t from, uint64_t to, uint64_t *ret_n) {
        sqlite3_stmt *stmt = store_stmt(s, STMT_DELETE_RANGE);

        (void) sqlite3_bind_int64(stmt, 1, (int64_t) from);
        (void) sqlite3_bind_int64(stmt, 2, (int64_t) to);
        int r = store_run(s, stmt);
        if (r < 0)
                return r;
        *ret_n = (uint64_t) sqlite3_changes(s->db);
        return 0;
}

/* Marks before the first event say nothing any more. */
static int forget_times(Store *s) {
        sqlite3_stmt *stmt = store_stmt(s, STMT_FIRST_SEQ);

        int r = store_row(s, stmt);
        if (r < 0)
                return r;
        int64_t first = sqlite3_column_int64(stmt, 0);
        (void) sqlite3_reset(stmt);
        stmt = store_stmt(s, STMT_DELETE_TIMES);
        (void) sqlite3_bind_int64(stmt, 1, first);
        r = store_run(s, stmt);
        if (r < 0)
                return r;
        s->first_seq = (uint64_t) first;
        return 0;
}

/* The oldest events that every sink has read, as far as age or size ask for it: [*ret_from, *ret_to], none if from is 0. */
static int find_expired(const Retention *t, Store *s, const Limits *l, usec_t now, uint64_t *ret_from,
                        uint64_t *ret_to) {
        uint64_t below = MIN(s->last_seq, l->sinks_min == UINT64_MAX ? s->last_seq : l->sinks_min + 1);
        usec_t oldest_kept = t->max_age > 0 && now > t->max_age ? now - t->max_age : 0;
        uint64_t from = 0, to = 0;
        int rc;

        sqlite3_stmt *stmt = store_stmt(s, STMT_OLDEST);
        (void) sqlite3_bind_int64(stmt, 1, (int64_t) below);
        (void) sqlite3_bind_int(stmt, 2, REMOVE_MAX);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
                if (!l->too_big && (usec_t) sqlite3_column_int64(stmt, 1) >= oldest_kept)
                        break;
                to = (uint64_t) sqlite3_column_int64(stmt, 0);
                if (from == 0)
                        from = to;
        }
        (void) sqlite3_reset(stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
                return db_error(s->db, rc);
        *ret_from = from;
        *ret_to = to;
        return 0;
}

/* Events above the hard limit that may go in this turn: the oldest of the least important priority that still has any.
 * *ret_exhausted: nothing at all is left to go. */
static int find_overdue(Retention *t, Store *s, Victim victims[static REMOVE_MAX], size_t *ret_n,
                        bool *ret_exhausted) {
        size_t n = 0, seen = 0;
        int rc;

        sqlite3_stmt *stmt = store_stmt(s, STMT_SCAN);
        (void) sqlite3_bind_int64(stmt, 1, (int64_t) t->scan_seq);
        (void) sqlite3_bind_int64(stmt, 2, (int64_t) s->last_seq);
        (void) sqlite3_bind_int(stmt, 3, SCAN_MAX);
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < REMOVE_MAX) {
                uint64_t seq = (uint64_t) sqlite3_column_int64(stmt, 0);
                bool marker = sqlite3_column_int(stmt, 2);

                seen++;
                t->scan_seq = seq;
                if (sqlite3_column_int(stmt, 1) <= t->scan_priority && !marker)
                        victims[n++] = (Victim){ seq, (usec_t) sqlite3_column_int64(stmt, 3) };
        }
        (void) sqlite3_reset(stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
                return db_error(s->db, rc);
        *ret_exhausted = false;
        if (seen < SCAN_MAX && n < REMOVE_MAX) {
                *ret_exhausted = n == 0 && t->scan_priority >= PRIORITY_CRITICAL;
                /* The end was reached: begin anew with what is more important. */
                t->scan_seq = 0;
                t->scan_priority = t->scan_priority < PRIORITY_NORMAL ? PRIORITY_NORMAL : PRIORITY_CRITICAL;
        }
        *ret_n = n;
        return 0;
}

static int marker_write(Retention *t, Store *s, const Limits *l, uint64_t from, uint64_t to, uint64_t count,
                        Instant time) {
        char json[160];
        /* One event stands for a whole run of removals, unless a sink has read it already. */
        bool grow = t->marker_seq > 0 && t->marker_seq < from && t->marker_seq > l->sinks_max;

        t->marker_count = grow ? t->marker_count + count : count;
        t->marker_to = grow ? MAX(t->marker_to, to) : to;
        t->marker_seq = grow ? t->marker_seq : from;
        (void) snprintf(json, sizeof(json),
                        "{\"count\":%" PRIu64 ",\"from_seq\":%" PRIu64 ",\"to_seq\":%" PRIu64
                        ",\"reason\":\"retention\"}",
                        t->marker_count, t->marker_seq, t->marker_to);
        if (grow) {
                sqlite3_stmt *stmt = store_stmt(s, STMT_UPDATE_MARKER);
                (void) sqlite3_bind_int64(stmt, 1, (int64_t) t->marker_seq);
                (void) sqlite3_bind_text(stmt, 2, json, -1, SQLITE_STATIC);
                int r = store_run(s, stmt);
                if (r < 0 || sqlite3_changes(s->db) > 0)
                        return r;
                /* It is gone itself. */
                t->marker_seq = from;
        }
        /* The time is that of its place, as the number is: the log stays in order, and event_times stays true. */
        Item i = {
                .kind = ITEM_EVENT,
                .priority = PRIORITY_HIGH,
                .seq = t->marker_seq,
                .id = uuidgen_v7(&t->ids, time.realtime),
                .time = time,
                .type = EVENT_LOG_TRUNCATED,
                .source = "synd",
                .value = json,
        };
        return store_write(s, &i);
}

static int remove_overdue(Retention *t, Store *s, const Limits *l, const Victim *victims, size_t n) {
        uint64_t from = 0, to = 0, unseen = 0;
        Instant time = {};

        for (size_t k = 0; k < n; k++) {
                sqlite3_stmt *stmt = store_stmt(s, STMT_DELETE_ONE);
                (void) sqlite3_bind_int64(stmt, 1, (int64_t) victims[k].seq);
                int r = store_run(s, stmt);
                if (r < 0)
                        return r;
                if (victims[k].seq <= l->sinks_min)
                        continue;
                unseen++;
                to = victims[k].seq;
                if (from == 0) {
                        from = victims[k].seq;
                        time.realtime = victims[k].time;
                }
        }
        return unseen > 0 ? marker_write(t, s, l, from, to, unseen, time) : 0;
}

static int retention_remove(Retention *t, Store *s, const Limits *l, usec_t now, bool *ret_more) {
        Victim victims[REMOVE_MAX];
        uint64_t from = 0, to = 0, n = 0;
        size_t n_victims = 0;
        bool exhausted = true;

        int r = find_expired(t, s, l, now, &from, &to);
        if (r < 0)
                return r;
        if (from > 0)
                r = delete_range(s, from, to, &n);
        else if (l->over_hard) {
                r = find_overdue(t, s, victims, &n_victims, &exhausted);
                if (r >= 0)
                        r = remove_overdue(t, s, l, victims, n_victims);
        }
        if (r >= 0)
                r = forget_times(s);
        if (r < 0)
                return r;
        *ret_more = n == REMOVE_MAX || (from > 0 && l->too_big) || !exhausted;
        return 0;
}

int retention_turn(Retention *t, Store *s, usec_t now, bool *ret_more) {
        Retention before = *t;
        uint64_t first = s->first_seq;
        Limits l;

        *ret_more = false;
        if (s->first_seq == s->last_seq)
                return 0;
        int r = limits_load(t, s, &l);
        if (r < 0)
                return r;
        if (!l.over_hard) {
                t->scan_seq = 0;
                t->scan_priority = PRIORITY_LOW;
        }
        if (!l.too_big && !l.over_hard && t->max_age == 0)
                return 0;
        r = store_begin(s);
        if (r >= 0)
                r = retention_remove(t, s, &l, now, ret_more);
        r = store_end(s, r);
        if (r < 0) {
                *t = before;
                s->first_seq = first;
                *ret_more = false;
        }
        return r;
}
