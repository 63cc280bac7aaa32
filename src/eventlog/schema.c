/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/schema.h"
#include "basic/string.h"
#include "basic/time.h"
#include <pthread.h>

enum {
        LOOKASIDE_SIZE = 128,
        LOOKASIDE_SLOTS = 64,
        BUSY_TIMEOUT_MSEC = 1000,
};
#define SOFT_HEAP_LIMIT (2 * 1024 * 1024)
#define PROBE_WHOLE_MAX (4 * 1024 * 1024)

/* "seq" is the rowid, so every index ends with it: (unit) serves "unit, ordered by seq". NULLs stay out of the indexes.
 * event_times holds, for some seq, the latest time of all events up to it: however the clock was set, no event before the
 * last such row below a point in time is at or after that point. It replaces an index on time at a thousandth of its cost. */
const char *const schema_steps[] = {
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
        "CREATE TABLE events("
        "  seq INTEGER PRIMARY KEY,"
        "  time INTEGER NOT NULL,"
        "  boottime INTEGER NOT NULL,"
        "  priority INTEGER NOT NULL,"
        "  cause_seq INTEGER,"
        "  id BLOB NOT NULL,"
        "  correlation_id BLOB,"
        "  type TEXT NOT NULL,"
        "  source TEXT NOT NULL,"
        "  unit TEXT,"
        "  json TEXT NOT NULL);"
        "CREATE INDEX events_unit ON events(unit) WHERE unit IS NOT NULL;"
        "CREATE INDEX events_type ON events(type);"
        "CREATE INDEX events_correlation ON events(correlation_id) WHERE correlation_id IS NOT NULL;"
        "CREATE TABLE event_times(seq INTEGER PRIMARY KEY, max_time INTEGER NOT NULL);"
        "CREATE TABLE state(key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE cursors(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE sinks(sink TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;",
};
const size_t schema_n_steps = ELEMENTSOF(schema_steps);

static void setup_once(void) {
        /* Refused when somebody else in the process uses SQLite already; then its defaults are what we get. */
        (void) sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
        (void) sqlite3_config(SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_SIZE, LOOKASIDE_SLOTS);
        (void) sqlite3_soft_heap_limit64(SOFT_HEAP_LIMIT);
}

void db_setup(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void) pthread_once(&once, setup_once);
}

int db_error(sqlite3 *db, int rc) {
        switch (rc & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_INTERRUPT:
                return -ECANCELED;
        case SQLITE_TOOBIG:
                return -E2BIG;
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
                return -EEXIST;
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR:
                /* A page that is too short to be read comes from a truncated file. */
                if (rc == SQLITE_IOERR_SHORT_READ)
                        return -EUCLEAN;
                int e = db ? sqlite3_system_errno(db) : 0;
                return e > 0 ? -e : -EIO;
        default:
                return -EIO;
        }
}

int db_exec(sqlite3 *db, const char *sql) {
        return db_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int db_get_int64(sqlite3 *db, const char *sql, int64_t *ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
                return db_error(db, rc);
        *ret = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
        return 0;
}

static int db_configure(sqlite3 *db, DbMode mode) {
        (void) sqlite3_extended_result_codes(db, 1);
        (void) sqlite3_busy_timeout(db, BUSY_TIMEOUT_MSEC);
        (void) sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void) sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        int r = db_exec(db, "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;");
        if (r < 0)
                return r;
        if (mode == DB_READER)
                return db_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -256;");
        /* The writer runs checkpoints itself, between commits. The WAL keeps its size after a checkpoint, because writing
         * over old blocks syncs faster than growing a file. */
        return db_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512;"
                           "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 4194304;");
}

int db_open(const char *path, DbMode mode, sqlite3 **ret) {
        _cleanup_(db_closep) sqlite3 *db = NULL;
        int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                    (mode == DB_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

        int rc = sqlite3_open_v2(path, &db, flags, NULL);
        if (rc != SQLITE_OK)
                return db ? db_error(db, sqlite3_extended_errcode(db)) : -ENOMEM;
        int r = db_configure(db, mode);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

static int schema_step(sqlite3 *db, const char *step, size_t version) {
        _cleanup_free_ char *tail = NULL;

        int r = str_printf(
                        &tail,
                        "CREATE TABLE IF NOT EXISTS versions(version INTEGER PRIMARY KEY, applied INTEGER NOT NULL);"
                        "INSERT INTO versions VALUES(%zu, %" PRIu64 ");"
                        "PRAGMA user_version = %zu;"
                        "PRAGMA application_id = %d;",
                        version, realtime_now(), version, SCHEMA_APPLICATION_ID);
        if (r < 0)
                return r;
        r = db_exec(db, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = db_exec(db, step);
        if (r >= 0)
                r = db_exec(db, tail);
        if (r >= 0)
                r = db_exec(db, "COMMIT");
        if (r < 0 && !sqlite3_get_autocommit(db))
                (void) db_exec(db, "ROLLBACK");
        return r;
}

int schema_upgrade(sqlite3 *db, const char *const *steps, size_t n_steps) {
        int64_t version, application, tables;

        int r = db_get_int64(db, "PRAGMA user_version", &version);
        if (r >= 0)
                r = db_get_int64(db, "PRAGMA application_id", &application);
        if (r >= 0)
                r = db_get_int64(db, "SELECT count(*) FROM sqlite_schema", &tables);
        if (r < 0)
                return r;
        if (tables > 0 && application != SCHEMA_APPLICATION_ID)
                return -EUCLEAN;
        if (version < 0 || (tables == 0 && version > 0))
                return -EUCLEAN;
        if ((size_t) version > n_steps)
                return -EPROTONOSUPPORT;
        for (size_t v = (size_t) version; v < n_steps; v++) {
                r = schema_step(db, steps[v], v + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int probe_whole(sqlite3 *db) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;

        int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc != SQLITE_ROW)
                return db_error(db, rc) ?: -EIO;
        const char *text = (const char *) sqlite3_column_text(s, 0);
        return text && streq(text, "ok") ? 0 : -EUCLEAN;
}

int schema_probe(sqlite3 *db) {
        static const char *const queries[] = {
                "SELECT count(key) + total(length(json)) FROM state",
                "SELECT count(name) + total(length(value)) FROM cursors",
                "SELECT count(sink) FROM sinks",
                "SELECT count(max_time) FROM event_times",
                "SELECT total(length(json)) FROM (SELECT json FROM events ORDER BY seq LIMIT 16)",
                "SELECT total(length(json)) FROM (SELECT json FROM events ORDER BY seq DESC LIMIT 64)",
                "SELECT min(type) || max(type) FROM events",
                "SELECT min(unit) || max(unit) FROM events WHERE unit IS NOT NULL",
                "SELECT max(correlation_id) FROM events WHERE correlation_id IS NOT NULL",
        };
        int64_t pages, page_size, ignored;

        int r = db_get_int64(db, "PRAGMA page_count", &pages);
        if (r >= 0)
                r = db_get_int64(db, "PRAGMA page_size", &page_size);
        if (r < 0)
                return r;
        if (pages * page_size <= PROBE_WHOLE_MAX)
                return probe_whole(db);
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                r = db_get_int64(db, queries[i], &ignored);
                if (r < 0)
                        return r;
        }
        return 0;
}
