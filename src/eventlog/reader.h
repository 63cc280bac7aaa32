/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The thread that answers questions from a connection of its own. */

#include "eventlog/select.h"
#include "eventlog/writer.h"

typedef enum QueryKind { QUERY_EVENTS, QUERY_CHAIN, QUERY_CHECK } QueryKind;
typedef enum QueryState { QUERY_WAITING, QUERY_RUNNING, QUERY_ANSWERED, QUERY_DELIVERED } QueryState;

typedef struct Reader Reader;

struct EventQuery {
        EventQuery *next;
        Reader *reader; /* NULL once delivered */
        QueryKind kind;
        QueryState state; /* under the reader's lock */
        atomic_bool cancelled;
        bool delivering, freed; /* the loop's own */

        EventFilter filter;
        size_t limit;
        uint64_t seq;
        event_query_t on_events;
        eventlog_check_t on_check;
        void *userdata;

        int error;
        EventList list;
        bool more;
        uint64_t first_seq;
        char *text;
};

typedef struct QueryList {
        EventQuery *head, *tail;
} QueryList;

struct Reader {
        pthread_mutex_t lock;
        pthread_cond_t wake, ended;
        QueryList waiting, answered;
        size_t n; /* waiting, running or answered and not delivered */
        atomic_bool closing;
        bool has_ended;

        const Writer *writer;
        int notify_fd;
        sqlite3 *db;
        uint64_t generation; /* of the file that db has open */
        pthread_t thread;
        bool started;
};

int reader_start(Reader *r, const Writer *writer, int notify_fd);
/* False when the thread did not end in time: then it keeps using *r. */
bool reader_stop(Reader *r, usec_t timeout);
void reader_done(Reader *r);

/* Takes over q's filter. -EBUSY when too many wait. */
int reader_submit(Reader *r, EventQuery *q, EventQuery **ret);
/* Calls back for what is answered; in the loop. */
void reader_deliver(Reader *r);
