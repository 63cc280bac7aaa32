/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections to the log's file, and the versions of its schema. */

#include "basic/macro.h"
#include <sqlite3.h>

/* Magic number in the file's header, so that a foreign database is never taken for ours. */
#define SCHEMA_APPLICATION_ID 0x53796e4c

typedef enum DbMode { DB_WRITER, DB_READER } DbMode;

static inline sqlite3 *db_close(sqlite3 *db) {
        (void) sqlite3_close_v2(db);
        return NULL;
}
DEFINE_CLEANUP(sqlite3 *, db_close);

static inline sqlite3_stmt *stmt_finalize(sqlite3_stmt *s) {
        (void) sqlite3_finalize(s);
        return NULL;
}
DEFINE_CLEANUP(sqlite3_stmt *, stmt_finalize);
#define _cleanup_stmt_ _cleanup_(stmt_finalizep)

/* Must come before any other use of SQLite in the process; later calls do nothing. One connection is used by one thread at
 * a time, so SQLite needs no locks of its own. */
void db_setup(void);
/* Opens with our settings (WAL, synchronous=FULL, small caches). Negative errno, see db_error(). */
int db_open(const char *path, DbMode mode, sqlite3 **ret);
/* Runs one or more statements that return nothing of interest. */
int db_exec(sqlite3 *db, const char *sql);
/* The first column of the first row; *ret is 0 for NULL or no row. */
int db_get_int64(sqlite3 *db, const char *sql, int64_t *ret);
/* -ENOSPC, -EROFS, -EUCLEAN (damaged, or not a database), -EBUSY …: the errno that says most about rc. */
int db_error(sqlite3 *db, int rc);

/* One step of the schema: the SQL that makes version n + 1 of version n. */
extern const char *const schema_steps[];
extern const size_t schema_n_steps;

/* Brings the schema up to version n_steps, each step in a transaction of its own together with the version number.
 * -EPROTONOSUPPORT: the file is newer; -EUCLEAN: it is a database of somebody else. */
int schema_upgrade(sqlite3 *db, const char *const *steps, size_t n_steps);
/* Looks for damage in what is needed to go on: all of a small file, else the small tables and the ends of the log. -EUCLEAN. */
int schema_probe(sqlite3 *db);
