/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Recent events in memory: they wait here until they are durable, then go out as the signal Event and to the streams. A stream
 * that is further behind reads from the log. */

#include "api/internal.h"

int feed_new(Api *a, Feed **ret);
Feed *feed_free(Feed *f);

/* Made, not yet durable. */
void feed_event(Feed *f, const Event *e);
/* Durable up to seq: signals what waited, wakes the streams. */
void feed_durable(Feed *f, uint64_t seq);

/* The newest event that is known to be durable: the log itself may be ahead, because its writer is another thread. Streams go by
 * this number, so that none of them passes an event that feed_next() does not give yet. */
uint64_t feed_durable_seq(const Feed *f);
/* The newest event that was made, durable or not: a higher number was never given out by this log. */
uint64_t feed_made_seq(const Feed *f);

/* True if every event after `after` that is durable is still here. */
bool feed_covers(const Feed *f, uint64_t after);
/* The oldest durable event after `after`: its line of JSON (borrowed, without a newline), or NULL when there is none.
 * ret_event is set with it. */
const char *feed_next(Feed *f, uint64_t after, const Event **ret_event);
