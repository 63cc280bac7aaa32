/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What waits for the writer: a bounded list of events and values in the order they were given. It knows nothing of
 * threads; EventLog locks around it. */

#include "core/event.h"

typedef enum ItemKind {
        ITEM_EVENT,
        ITEM_TRUNCATED, /* stands for dropped events: count of them between seq and to_seq */
        ITEM_STATE,
        ITEM_CURSOR,
        ITEM_SINK_REGISTER,
        ITEM_SINK_ADVANCE,
        ITEM_SINK_REMOVE,
} ItemKind;

typedef struct Item Item;
struct Item {
        Item *prev, *next;
        Item *class_prev, *class_next;
        ItemKind kind;
        int priority;
        bool open; /* more of the same group follows: no transaction may end behind it */
        bool staged; /* in the group that is still being built */
        size_t size;
        uint64_t seq, cause_seq; /* seq of an ITEM_SINK_ADVANCE is the cursor */
        uint64_t count, to_seq;
        Id128 id, correlation;
        Instant time;
        const char *type, *source;
        const char *name; /* unit, key, cursor or sink; NULL for events of the host */
        const char *value; /* JSON or cursor; NULL deletes */
        char text[];
};

/* Everything is copied into one allocation. -ENOMEM, and what json_format() returns. */
int item_new_event(const Event *e, Item **ret);
int item_new_value(ItemKind kind, const char *name, const char *value, uint64_t seq, Item **ret);
Item *item_free(Item *i);
DEFINE_CLEANUP(Item *, item_free);

typedef struct ItemList {
        Item *head, *tail;
        size_t n, bytes;
} ItemList;
void item_list_clear(ItemList *l);

/* What the queue may drop, least important first. */
enum { DROP_LOW, DROP_NORMAL, DROP_CLASSES };

typedef struct Queue {
        size_t max_events, max_bytes;
        ItemList ready, staged;
        size_t taken_n, taken_bytes; /* with the writer, not on disk yet */
        Item *oldest[DROP_CLASSES], *newest[DROP_CLASSES];
        Item *marker; /* the ITEM_TRUNCATED that grows while it waits */
        size_t n_values, n_values_kept;
        unsigned depth;
        uint64_t dropped;
        UuidGen ids;
} Queue;

void queue_init(Queue *q, size_t max_events, size_t max_bytes, uint64_t seed);
void queue_done(Queue *q);

/* Takes i over in any case. A full queue drops its oldest events of PRIORITY_LOW, then of PRIORITY_NORMAL (never more
 * important ones than i); -ENOBUFS when only i itself could go. An ITEM_TRUNCATED with the number of the first dropped
 * event stands in for all that went since the writer took the last one. now: the time it carries. */
int queue_push_event(Queue *q, Item *i, Instant now);
/* Values are never dropped unless a later one of the same name waits too. -ENOBUFS at twice the limits. */
int queue_push_value(Queue *q, Item *i, Instant now);

/* Between these two (they nest), items are kept together and out of the writer's reach. */
void queue_begin(Queue *q);
void queue_end(Queue *q);

/* Moves up to max_n items and max_bytes (and always whole groups, at least one) to *ret, which must be empty. */
void queue_take(Queue *q, size_t max_n, size_t max_bytes, ItemList *ret);
/* The writer is done with what it took. */
void queue_settle(Queue *q);

static inline size_t queue_items(const Queue *q) {
        return q->ready.n + q->staged.n + q->taken_n;
}

static inline size_t queue_bytes(const Queue *q) {
        return q->ready.bytes + q->staged.bytes + q->taken_bytes;
}
