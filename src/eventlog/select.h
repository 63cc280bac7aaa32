/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reads events from the file: filters become statements with bound values. Used on the reader thread. */

#include "eventlog/eventlog.h"
#include "eventlog/schema.h"

/* Of each list in a filter. */
#define FILTER_LIST_MAX 64

/* True for "service." and "service.*"; *ret_length is that of the prefix, or of the whole pattern. */
bool type_pattern_is_prefix(const char *pattern, size_t *ret_length);

typedef struct EventList {
        Event *events;
        size_t n, allocated;
        size_t bytes;
} EventList;
void event_list_done(EventList *l);

/* At most limit events in ascending order; the answer is also cut at some MiB. durable: nothing above it is given. */
int select_events(sqlite3 *db, const EventFilter *f, size_t limit, uint64_t durable, EventList *ret, bool *ret_more);
/* The event and its causes. -ENOENT when the event is not there; more: the chain goes on beyond its limit. */
int select_chain(sqlite3 *db, uint64_t seq, EventList *ret, bool *ret_more);
