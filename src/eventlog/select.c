/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/select.h"
#include "basic/string.h"
#include <pthread.h>
#include <stdio.h>

enum {
        CHAIN_MAX = 64,
        WORDS_MAX = 512,
        TYPES_MAX = 256, /* what a prefix may stand for */
        ARMS_MAX = 32,
        RESULT_BYTES_MAX = 4 * 1024 * 1024,
        JSON_MAX = 4 * 1024 * 1024,
};

#define COLUMNS "seq, time, boottime, priority, cause_seq, id, correlation_id, type, source, unit, json"

/* Types and sources are literals in an Event, so what comes from the file is kept for the life of the process. The writer
 * only ever wrote a few dozen different ones. */
static const char *word_intern(const char *s) {
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        static char *words[WORDS_MAX];
        static size_t n_words;
        const char *word = NULL;

        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n_words && !word; i++)
                if (streq(words[i], s))
                        word = words[i];
        if (!word && n_words < WORDS_MAX && (words[n_words] = strdup(s)))
                word = words[n_words++];
        pthread_mutex_unlock(&lock);
        return word ?: "unknown";
}

void event_list_done(EventList *l) {
        for (size_t i = 0; i < l->n; i++)
                event_done(&l->events[i]);
        free(l->events);
        *l = (EventList){};
}

static Id128 column_id(sqlite3_stmt *s, int column) {
        Id128 id = ID128_NULL;

        if (sqlite3_column_bytes(s, column) == sizeof(id.bytes))
                memcpy(id.bytes, sqlite3_column_blob(s, column), sizeof(id.bytes));
        return id;
}

/* A text that is no JSON object (a damaged page may hold anything) must not hide the event. */
static int row_data(sqlite3_stmt *s, int column, Json **ret) {
        _cleanup_json_ Json *data = NULL;
        const char *text = (const char *) sqlite3_column_text(s, column);

        int r = text ? json_parse(text, (size_t) sqlite3_column_bytes(s, column), JSON_MAX, &data, NULL) : -EINVAL;
        if (r == -ENOMEM)
                return r;
        if (r < 0 || json_type(data) != JSON_OBJECT) {
                data = json_unref(data);
                r = json_new_object(&data);
                if (r >= 0)
                        r = json_set_bool(data, "unreadable", true);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(data);
        return 0;
}

static int row_event(sqlite3_stmt *s, Event *ret) {
        const char *unit = (const char *) sqlite3_column_text(s, 9);
        _cleanup_free_ char *unit_copy = NULL;
        Json *data;

        if (unit && !(unit_copy = strdup(unit)))
                return -ENOMEM;
        int r = row_data(s, 10, &data);
        if (r < 0)
                return r;
        *ret = (Event){
                .seq = (uint64_t) sqlite3_column_int64(s, 0),
                .time.realtime = (usec_t) sqlite3_column_int64(s, 1),
                .time.boottime = (usec_t) sqlite3_column_int64(s, 2),
                .priority = sqlite3_column_int(s, 3),
                .cause_seq = (uint64_t) sqlite3_column_int64(s, 4),
                .id = column_id(s, 5),
                .correlation = column_id(s, 6),
                .type = word_intern((const char *) sqlite3_column_text(s, 7) ?: ""),
                .source = word_intern((const char *) sqlite3_column_text(s, 8) ?: ""),
                .unit = TAKE_PTR(unit_copy),
                .data = data,
        };
        return 0;
}

static int list_add(EventList *l, sqlite3_stmt *s) {
        if (l->n == l->allocated) {
                size_t n = MAX(l->allocated * 2, (size_t) 16);
                Event *events = reallocarray(l->events, n, sizeof(Event));
                if (!events)
                        return -ENOMEM;
                l->events = events;
                l->allocated = n;
        }
        int r = row_event(s, &l->events[l->n]);
        if (r < 0)
                return r;
        l->n++;
        l->bytes += sizeof(Event) + (size_t) sqlite3_column_bytes(s, 10);
        return 0;
}

/* Collects rows up to the limits; there is more if the statement has a row beyond them. */
static int collect(sqlite3 *db, sqlite3_stmt *s, size_t limit, EventList *l, bool *ret_more) {
        int rc;

        *ret_more = false;
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
                if (l->n >= limit || l->bytes >= RESULT_BYTES_MAX) {
                        *ret_more = true;
                        return 0;
                }
                int r = list_add(l, s);
                if (r < 0)
                        return r;
        }
        return db_error(db, rc);
}

/* The exact types that a prefix stands for, by leaping along the index: a step for each, however many events there are. */
static int expand_prefix(sqlite3 *db, const char *prefix, size_t length, char ***types) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        _cleanup_free_ char *after = NULL;
        int rc;

        after = strndup(prefix, length);
        if (!after)
                return -ENOMEM;
        rc = sqlite3_prepare_v2(db, "SELECT min(type) FROM events INDEXED BY events_type WHERE type > ?1", -1, &s,
                                NULL);
        if (rc != SQLITE_OK)
                return db_error(db, rc);
        for (;;) {
                (void) sqlite3_bind_text(s, 1, after, -1, SQLITE_STATIC);
                rc = sqlite3_step(s);
                if (rc != SQLITE_ROW)
                        return db_error(db, rc) ?: -EIO;
                const char *type = (const char *) sqlite3_column_text(s, 0);
                if (!type || strncmp(type, prefix, length) != 0)
                        return 0;
                if (strv_length(*types) >= TYPES_MAX)
                        return -E2BIG;
                int r = strv_extend(types, type);
                if (r >= 0)
                        r = free_and_strdup(&after, type);
                if (r < 0)
                        return r;
                (void) sqlite3_reset(s);
        }
}

static int expand_types(sqlite3 *db, char *const *patterns, char ***ret) {
        _cleanup_strv_free_ char **types = NULL;

        STRV_FOREACH (p, patterns) {
                size_t n;
                bool prefix = type_pattern_is_prefix(*p, &n);

                int r = prefix ? expand_prefix(db, *p, n, &types) : strv_extend(&types, *p);
                if (r < 0)
                        return r;
        }
        if (types)
                strv_sort_uniq(types);
        *ret = TAKE_PTR(types);
        return 0;
}

/* Numbers of the bound values; lists follow from BIND_LISTS on: units, types, sources. */
enum { BIND_AFTER = 1, BIND_UP_TO, BIND_LIMIT, BIND_PRIORITY, BIND_SINCE, BIND_CORRELATION, BIND_LISTS };

typedef struct Selection {
        const EventFilter *filter;
        char **types;
        size_t n_units, n_types, n_sources;
} Selection;

static void sql_in(StrBuf *b, const char *column, size_t first, size_t n) {
        if (n == 0)
                return;
        (void) strbuf_appendf(b, " AND +%s IN (", column);
        for (size_t i = 0; i < n; i++)
                (void) strbuf_appendf(b, "%s?%zu", i > 0 ? "," : "", first + i);
        (void) strbuf_append(b, ")");
}

/* The "+" keeps SQLite from choosing another index than the one that was chosen here. */
static void sql_arm(StrBuf *b, const Selection *s, const char *index, const char *condition, bool units, bool types) {
        const EventFilter *f = s->filter;

        (void) strbuf_appendf(b, "SELECT " COLUMNS " FROM events %s WHERE %s AND seq > ?%d AND seq <= ?%d", index,
                              condition, BIND_AFTER, BIND_UP_TO);
        if (units)
                sql_in(b, "unit", BIND_LISTS, s->n_units);
        if (types)
                sql_in(b, "type", BIND_LISTS + s->n_units, s->n_types);
        sql_in(b, "source", BIND_LISTS + s->n_units + s->n_types, s->n_sources);
        if (f->min_priority > 0)
                (void) strbuf_appendf(b, " AND priority >= ?%d", BIND_PRIORITY);
        if (f->since_seq_time > 0)
                (void) strbuf_appendf(b, " AND time >= ?%d", BIND_SINCE);
        if (!id128_is_null(f->correlation))
                (void) strbuf_appendf(b, " AND +correlation_id = ?%d", BIND_CORRELATION);
}

static void sql_arms(StrBuf *b, const Selection *s, const char *index, const char *column, size_t first, size_t n,
                     bool units, bool types) {
        for (size_t i = 0; i < n; i++) {
                char condition[64];

                (void) snprintf(condition, sizeof(condition), "%s = ?%zu", column, first + i);
                if (i > 0)
                        (void) strbuf_append(b, " UNION ALL ");
                sql_arm(b, s, index, condition, units, types);
        }
}

/* One arm for each value of the most telling column, each in the order of its index, which SQLite merges: so the limit
 * ends the work early, and rare values do not cost a walk over all events. */
static int sql_select(const Selection *s, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        const EventFilter *f = s->filter;

        if (!id128_is_null(f->correlation)) {
                char condition[64];

                (void) snprintf(condition, sizeof(condition), "correlation_id = ?%d", BIND_CORRELATION);
                sql_arm(&b, s, "INDEXED BY events_correlation", condition, true, true);
        } else if (s->n_units > 0 && s->n_units <= ARMS_MAX)
                sql_arms(&b, s, "INDEXED BY events_unit", "unit", BIND_LISTS, s->n_units, false, true);
        else if (s->n_types > 0 && s->n_types <= ARMS_MAX)
                sql_arms(&b, s, "INDEXED BY events_type", "type", BIND_LISTS + s->n_units, s->n_types, true, false);
        else
                sql_arm(&b, s, "NOT INDEXED", "1", true, true);
        (void) strbuf_appendf(&b, " ORDER BY seq %s LIMIT ?%d", f->newest ? "DESC" : "ASC", BIND_LIMIT);
        return strbuf_finish(&b, ret);
}

static int bind_list(sqlite3_stmt *s, size_t first, char *const *l) {
        STRV_FOREACH (i, l) {
                int rc = sqlite3_bind_text(s, (int) first++, *i, -1, SQLITE_STATIC);
                if (rc != SQLITE_OK && rc != SQLITE_RANGE)
                        return rc;
        }
        return SQLITE_OK;
}

/* A value that the statement does not use is out of its range, or ignored. */
static int bind_all(sqlite3_stmt *stmt, const Selection *s, uint64_t after, uint64_t up_to, size_t limit) {
        const EventFilter *f = s->filter;

        (void) sqlite3_bind_int64(stmt, BIND_AFTER, (int64_t) after);
        (void) sqlite3_bind_int64(stmt, BIND_UP_TO, (int64_t) up_to);
        (void) sqlite3_bind_int64(stmt, BIND_LIMIT, (int64_t) limit + 1);
        (void) sqlite3_bind_int(stmt, BIND_PRIORITY, f->min_priority);
        (void) sqlite3_bind_int64(stmt, BIND_SINCE, (int64_t) MIN(f->since_seq_time, (usec_t) INT64_MAX));
        (void) sqlite3_bind_blob(stmt, BIND_CORRELATION, f->correlation.bytes, sizeof(f->correlation.bytes),
                                 SQLITE_STATIC);
        int rc = bind_list(stmt, BIND_LISTS, f->units);
        if (rc == SQLITE_OK)
                rc = bind_list(stmt, BIND_LISTS + s->n_units, s->types);
        if (rc == SQLITE_OK)
                rc = bind_list(stmt, BIND_LISTS + s->n_units + s->n_types, f->sources);
        return rc;
}

/* No event up to this number is as late as `since`. */
static int seq_before(sqlite3 *db, usec_t since, uint64_t *ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int rc = sqlite3_prepare_v2(db, "SELECT max(seq) FROM event_times WHERE max_time < ?1", -1, &s, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_bind_int64(s, 1, (int64_t) MIN(since, (usec_t) INT64_MAX));
        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
                return db_error(db, rc) ?: -EIO;
        *ret = (uint64_t) sqlite3_column_int64(s, 0);
        return 0;
}

static void list_reverse(EventList *l) {
        for (size_t i = 0; i < l->n / 2; i++) {
                Event e = l->events[i];
                l->events[i] = l->events[l->n - 1 - i];
                l->events[l->n - 1 - i] = e;
        }
}

int select_events(sqlite3 *db, const EventFilter *f, size_t limit, uint64_t durable, EventList *ret, bool *ret_more) {
        _cleanup_(event_list_done) EventList list = {};
        _cleanup_strv_free_ char **types = NULL;
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        _cleanup_free_ char *sql = NULL;
        uint64_t after = MIN(f->after, (uint64_t) INT64_MAX), since = 0;
        uint64_t up_to = f->up_to > 0 ? MIN(f->up_to, durable) : durable;

        int r = expand_types(db, f->types, &types);
        if (r >= 0 && f->since_seq_time > 0)
                r = seq_before(db, f->since_seq_time, &since);
        if (r < 0)
                return r;
        Selection s = {
                .filter = f,
                .types = types,
                .n_units = strv_length(f->units),
                .n_types = strv_length(types),
                .n_sources = strv_length(f->sources),
        };
        /* Prefixes that stand for nothing match nothing. */
        *ret_more = false;
        if (strv_length(f->types) > 0 && s.n_types == 0) {
                *ret = (EventList){};
                return 0;
        }
        r = sql_select(&s, &sql);
        if (r < 0)
                return r;
        int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
        if (rc == SQLITE_OK)
                rc = bind_all(stmt, &s, MAX(after, since), up_to, limit);
        if (rc != SQLITE_OK)
                return db_error(db, rc);
        r = collect(db, stmt, limit, &list, ret_more);
        if (r < 0)
                return r;
        if (f->newest)
                list_reverse(&list);
        *ret = list;
        list = (EventList){};
        return 0;
}

int select_chain(sqlite3 *db, uint64_t seq, EventList *ret, bool *ret_more) {
        static const char sql[] =
                        "WITH RECURSIVE chain(at, cause, depth) AS ("
                        " SELECT seq, cause_seq, 1 FROM events WHERE seq = ?1"
                        " UNION ALL"
                        " SELECT e.seq, e.cause_seq, depth + 1 FROM chain JOIN events e ON e.seq = chain.cause"
                        " WHERE chain.cause < chain.at AND depth < ?2)"
                        " SELECT " COLUMNS " FROM chain JOIN events ON seq = at ORDER BY seq DESC";
        _cleanup_(event_list_done) EventList list = {};
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;

        int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
        if (rc != SQLITE_OK)
                return db_error(db, rc);
        (void) sqlite3_bind_int64(stmt, 1, (int64_t) MIN(seq, (uint64_t) INT64_MAX));
        (void) sqlite3_bind_int(stmt, 2, CHAIN_MAX + 1);
        int r = collect(db, stmt, CHAIN_MAX, &list, ret_more);
        if (r < 0)
                return r;
        if (list.n == 0)
                return -ENOENT;
        list_reverse(&list);
        *ret = list;
        list = (EventList){};
        return 0;
}
