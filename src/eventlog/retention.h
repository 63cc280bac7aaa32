/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Removes old events, a bounded number at a turn. */

#include "eventlog/store.h"

typedef struct Retention {
        usec_t max_age;
        uint64_t max_size, hard_max_size;
        /* Above the hard limit: what is looked at next, and how important it may be to go. */
        uint64_t scan_seq;
        int scan_priority;
        /* The last log.truncated event we wrote. */
        uint64_t marker_seq, marker_to, marker_count;
        UuidGen ids;
} Retention;

void retention_init(Retention *t, usec_t max_age, uint64_t max_size, uint64_t hard_max_size, uint64_t seed);
/* One turn in one transaction; now is realtime. *ret_more: there is more to remove, so come again soon. Never removes the last event
 * (its number says where to go on after a restart), nor, below the hard limit, what a sink has not read. */
int retention_turn(Retention *t, Store *s, usec_t now, bool *ret_more);
