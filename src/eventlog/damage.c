/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/damage.h"
#include "basic/string.h"
#include <stdio.h>
#include <time.h>

static int rename_with_suffix(const char *from, const char *to, const char *suffix) {
        _cleanup_free_ char *a = NULL, *b = NULL;

        int r = str_printf(&a, "%s%s", from, suffix);
        if (r >= 0)
                r = str_printf(&b, "%s%s", to, suffix);
        if (r < 0)
                return r;
        return rename(a, b) < 0 ? -errno : 0;
}

int damage_move_aside(const char *path, usec_t now, char **ret) {
        _cleanup_free_ char *moved = NULL, *shm = NULL;
        time_t seconds = (time_t) (now / USEC_PER_SEC);
        struct tm tm;
        char stamp[32];

        if (!gmtime_r(&seconds, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm) == 0)
                return -EINVAL;
        int r = str_printf(&moved, "%s.damaged-%s.%06uZ", path, stamp, (unsigned) (now % USEC_PER_SEC));
        if (r >= 0)
                r = str_printf(&shm, "%s-shm", path);
        if (r < 0)
                return r;
        /* The WAL first: if we die in between, the next start finds a database without its WAL and moves that too,
         * whereas a WAL left behind would be played into the new file. */
        r = rename_with_suffix(path, moved, "-wal");
        if (r < 0 && r != -ENOENT)
                return r;
        if (unlink(shm) < 0 && errno != ENOENT)
                return -errno;
        r = rename_with_suffix(path, moved, "");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(moved);
        return 0;
}

/* Rows up to the first that cannot be read. */
static int copy_values(sqlite3 *old, const char *sql, Store *s, ItemKind kind) {
        _cleanup_stmt_ sqlite3_stmt *rows = NULL;

        if (sqlite3_prepare_v2(old, sql, -1, &rows, NULL) != SQLITE_OK)
                return 0;
        while (sqlite3_step(rows) == SQLITE_ROW) {
                const char *name = (const char *) sqlite3_column_text(rows, 0);
                const char *value = (const char *) sqlite3_column_text(rows, 1);
                Item i = {
                        .kind = kind,
                        .name = name,
                        .value = value,
                        .seq = (uint64_t) sqlite3_column_int64(rows, 2),
                };

                if (!name || (!value && kind != ITEM_SINK_REGISTER))
                        continue;
                int r = store_write(s, &i);
                if (r < 0)
                        return r;
        }
        return 0;
}

int damage_salvage(const char *moved, Store *s, uint64_t *ret_last_seq) {
        _cleanup_(db_closep) sqlite3 *old = NULL;
        int64_t last = 0, named = 0;

        *ret_last_seq = 0;
        int rc = sqlite3_open_v2(moved, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc != SQLITE_OK)
                return 0;
        /* What is moved aside stays as it is: evidence. */
        (void) sqlite3_db_config(old, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void) db_exec(old, "PRAGMA cell_size_check = ON; PRAGMA cache_size = -128;");
        (void) db_get_int64(old, "SELECT max(seq) FROM events", &last);
        /* The indexes end in the number too, and lie on other pages. */
        (void) db_get_int64(old, "SELECT max(seq) FROM event_times", &named);
        last = MAX(last, named);
        (void) db_get_int64(old, "SELECT max(seq) FROM events INDEXED BY events_type WHERE type >= ''", &named);
        last = MAX(last, named);

        int r = store_begin(s);
        if (r >= 0)
                r = copy_values(old, "SELECT key, json, 0 FROM state", s, ITEM_STATE);
        if (r >= 0)
                r = copy_values(old, "SELECT name, value, 0 FROM cursors", s, ITEM_CURSOR);
        if (r >= 0)
                r = copy_values(old, "SELECT sink, NULL, seq FROM sinks", s, ITEM_SINK_REGISTER);
        r = store_end(s, r);
        if (r < 0)
                return r;
        *ret_last_seq = last > 0 && (uint64_t) last <= STORE_SEQ_MAX ? (uint64_t) last : 0;
        return 0;
}
