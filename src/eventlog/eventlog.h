/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The durable log (DESIGN 5): SQLite, WAL, synchronous=FULL, one writer thread with group commit, one reader thread for
 * queries. The caller's loop never waits: appends go to a bounded queue, answers come back through an eventfd. */

#include "core/event.h"
#include <systemd/sd-event.h>

typedef struct EventLog EventLog;

typedef struct EventLogConfig {
        const char *path; /* "/var/lib/synos/events.db" */
        usec_t max_age; /* retention, 0 = none */
        uint64_t max_size; /* bytes of the database above which the oldest go, 0 = none */
        uint64_t hard_max_size; /* above it even what a sink has not read goes (least important first), counted */
        size_t queue_max_events; /* waiting for the writer; default 65536 */
        size_t queue_max_bytes; /* default 16 MiB */
} EventLogConfig;

/* Opens or creates, checks and upgrades the schema (synchronous: only at start). A damaged file is moved aside as
 * "<path>.damaged-<time>", reported by ret_damaged (may be NULL) and a new one is begun, with the state, cursors and sinks
 * that could still be read. The highest number goes to seq; after damage it is higher than all numbers used before.
 * -EROFS, -EACCES, -ENOSPC (cannot even start), -EPROTONOSUPPORT (schema newer than we are), -EBUSY (another process has
 * this log open). */
int eventlog_open(const EventLogConfig *config, SeqAlloc *seq, EventLog **ret, char **ret_damaged);
/* Writes what is queued (waits at most 5 s), stops the threads. */
EventLog *eventlog_close(EventLog *l);
DEFINE_CLEANUP(EventLog *, eventlog_close);

typedef enum EventLogState { EVENTLOG_OK, EVENTLOG_STALLED } EventLogState;
typedef struct EventLogHandler {
        /* Everything up to durable_seq is on disk now. Called once for each group of commits. */
        void (*durable)(EventLog *l, uint64_t durable_seq, void *userdata);
        /* Writing failed (errno-style error, e.g. -ENOSPC) or works again; while stalled the writer tries again every
         * second and what is queued is kept up to the limits. -EUCLEAN: the file was damaged and is moved aside; writing
         * goes on in a new one, so that EVENTLOG_OK follows at once. */
        void (*state)(EventLog *l, EventLogState state, int error, void *userdata);
} EventLogHandler;
int eventlog_attach(EventLog *l, sd_event *event, const EventLogHandler *handler, void *userdata);

/* Queues one event (copied; seq must be higher than that of every event before). Never blocks. When the queue is full,
 * events of PRIORITY_NORMAL and below are dropped from its middle first, and counted: one log.truncated event takes their
 * place. -ENOBUFS when this event itself was dropped. */
int eventlog_append(EventLog *l, const Event *e); /* also -EINVAL (seq not higher), -E2BIG (over 1 MiB), -ENOMEM */
/* Durable state by key, committed after the events queued before it (the last value of a key wins). NULL deletes. */
int eventlog_put(EventLog *l, const char *key, const char *json);
/* The journal cursor: committed in the same transaction as the events queued before it. */
int eventlog_put_cursor(EventLog *l, const char *name, const char *value);
/* Marks a transaction boundary: what is queued between two calls of begin and end commits together. */
void eventlog_begin(EventLog *l);
void eventlog_end(EventLog *l);

/* Other limits of retention from now on, as in EventLogConfig. */
void eventlog_set_retention(EventLog *l, usec_t max_age, uint64_t max_size, uint64_t hard_max_size);

uint64_t eventlog_durable_seq(const EventLog *l);
typedef struct EventLogStats {
        EventLogState state;
        int error;
        uint64_t appended, dropped, commits, failed_commits;
        size_t queued_events, queued_bytes;
        uint64_t first_seq, durable_seq, db_bytes;
        usec_t commit_last, commit_max; /* duration of a commit */
        uint64_t progress; /* grows with every turn of the writer thread that was not stuck: for the watchdog */
} EventLogStats;
void eventlog_stats(const EventLog *l, EventLogStats *ret);
/* Asks the writer for a sign of life without writing anything: progress grows soon, unless it is stuck. */
void eventlog_poke(EventLog *l);

/* ---- start only, synchronous ---- */
typedef int (*eventlog_state_t)(const char *key, const char *json, void *userdata);
int eventlog_load(EventLog *l, const char *key_prefix, eventlog_state_t cb, void *userdata);
/* -ENOENT when there is none. */
int eventlog_load_cursor(EventLog *l, const char *name, char **ret);
/* What the sink has acknowledged; -ENOENT when it is not registered. */
int eventlog_load_sink(EventLog *l, const char *sink, uint64_t *ret);

/* ---- queries, on the reader thread, answered in the loop ---- */
typedef struct EventFilter {
        uint64_t after; /* only seq > after */
        uint64_t since_seq_time; /* unused when 0; else realtime: only time >= it */
        char **units; /* any of these, NULL or empty = all */
        char **types; /* exact, or a prefix ending with '.' or "*" ("service.*"), NULL = all */
        char **sources;
        int min_priority;
        Id128 correlation;
        bool newest; /* the newest `limit` ones, still given in ascending order */
        uint64_t up_to; /* only seq <= up_to; 0 = all that is durable */
} EventFilter;
void event_filter_done(EventFilter *f);
int event_filter_copy(const EventFilter *f, EventFilter *ret);
bool event_filter_match(const EventFilter *f, const Event *e);

typedef struct EventQuery EventQuery;
/* events are in ascending order; more: the limit cut the answer; first_seq: the oldest that the log still has (so that the
 * asker can tell a gap: after + 1 < first_seq). error < 0: the query failed. Events are borrowed. */
typedef void (*event_query_t)(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                              void *userdata);
/* limit at most 1000, at most 64 of each list in the filter (-E2BIG); an answer is also cut at about 4 MiB. At most 256
 * queries may wait: -EBUSY. -ENOTCONN before eventlog_attach(). Freeing the query cancels it (no callback then); every
 * query must be freed by its owner, in the callback or later. */
int eventlog_query(EventLog *l, const EventFilter *f, size_t limit, event_query_t cb, void *userdata,
                   EventQuery **ret);
/* The chain of causes of one event, first observation first; at most 64 links (more: it goes on). -ENOENT goes to the
 * callback when the event is not in the log. */
int eventlog_query_chain(EventLog *l, uint64_t seq, event_query_t cb, void *userdata, EventQuery **ret);
EventQuery *event_query_free(EventQuery *q);
DEFINE_CLEANUP(EventQuery *, event_query_free);

/* For synctl doctor, through the daemon: quick_check of the file on the reader thread; text "ok" or the problems. */
typedef void (*eventlog_check_t)(int error, const char *text, void *userdata);
int eventlog_check(EventLog *l, eventlog_check_t cb, void *userdata);

/* ---- cursors of consumers (sinks): retention does not pass them before hard_max_size ---- */
int eventlog_sink_register(EventLog *l, const char *sink);
int eventlog_sink_advance(EventLog *l, const char *sink, uint64_t seq);
int eventlog_sink_remove(EventLog *l, const char *sink);
