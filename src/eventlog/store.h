/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The writing side of the file: one connection with its prepared statements. Used by one thread at a time. */

#include "eventlog/queue.h"
#include "eventlog/schema.h"

typedef enum StoreStmt {
        STMT_BEGIN,
        STMT_COMMIT,
        STMT_EVENT,
        STMT_TIME,
        STMT_STATE_SET,
        STMT_STATE_DELETE,
        STMT_CURSOR_SET,
        STMT_CURSOR_DELETE,
        STMT_SINK_REGISTER,
        STMT_SINK_ADVANCE,
        STMT_SINK_REMOVE,
        STMT_PAGE_COUNT,
        STMT_FREE_COUNT,
        STMT_SINKS_RANGE,
        STMT_OLDEST,
        STMT_DELETE_RANGE,
        STMT_DELETE_ONE,
        STMT_DELETE_TIMES,
        STMT_SCAN,
        STMT_UPDATE_MARKER,
        STMT_FIRST_SEQ,
        STMT_SEQ_FLOOR,
        _STORE_STMT_MAX,
} StoreStmt;

typedef struct Store {
        sqlite3 *db;
        sqlite3_stmt *stmts[_STORE_STMT_MAX];
        uint64_t first_seq, last_seq;
        usec_t max_time; /* the latest time of any event so far */
        unsigned since_mark; /* events since the last row of event_times */
        uint64_t page_size;
        int wal_frames; /* in the WAL since it began anew */
        int checkpoint_after; /* frames at which a checkpoint is worth trying again */
} Store;

/* Zero-initialised Stores are closed ones. Errors as eventlog_open(). */
int store_open(Store *s, const char *path);
void store_close(Store *s);

/* One transaction: all of it, or nothing and a negative errno. Items that SQLite refuses for what they are (too big)
 * are left out and counted in *ret_refused. */
int store_commit(Store *s, const ItemList *batch, uint64_t *ret_refused);
int store_write(Store *s, const Item *i);
int store_begin(Store *s);
int store_end(Store *s, int error);

/* Numbers beyond this one are not ours: they come from damage. JSON readers need them to fit in a double, too. */
#define STORE_SEQ_MAX ((UINT64_C(1) << 53) - 1)

/* Copies the WAL into the file if enough waits there; eager: the writer has nothing else to do. */
int store_checkpoint(Store *s, bool eager);
int store_checkpoint_now(Store *s);
/* True if an eager checkpoint would do something. */
bool store_wants_checkpoint(const Store *s);
/* Remembers that numbers up to this one are used, though no event here has them. */
int store_set_seq_floor(Store *s, uint64_t floor);
/* Bytes that hold data, and bytes of the file. */
int store_size(Store *s, uint64_t *ret_used, uint64_t *ret_total);

/* For the statements above: reset and bound anew for each use. */
sqlite3_stmt *store_stmt(Store *s, StoreStmt which);
/* Runs a statement to its only row; -EIO if there is none. */
int store_row(Store *s, sqlite3_stmt *stmt);
/* Runs a statement that gives no rows. */
int store_run(Store *s, sqlite3_stmt *stmt);
