/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Streams of events as JSON lines over a socket of their own (Manager.Follow). Each remembers the sequence number up to which it
 * has written; a slow reader is served later from the log, never from memory. */

#include "api/request.h"

/* Starts the stream of a request (after, filter) and replies with the reading end. 0 or a negative errno with error set. */
int follow_start(Request *r, sd_bus_error *error);
Follower *follower_free(Follower *f);
/* More is durable: every stream that waits goes on. */
void follow_wake(Api *a);
/* A query of the log has ended, so there may be room for one of a stream. */
void follow_resume(Api *a);
