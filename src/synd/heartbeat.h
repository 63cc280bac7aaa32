/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Feeds systemd's watchdog, but only after real progress: the loop turned, the bus answered a question (or is being reconnected),
 * the log's writer moved. A part that is wedged lets the watchdog bite. */

#include "eventlog/eventlog.h"
#include "synd/bus-link.h"

typedef struct Heartbeat Heartbeat;

/* Does nothing when the service manager asks for no watchdog; ret is made all the same and measures the loop. */
int heartbeat_new(sd_event *event, BusLink *bus, EventLog *log, Heartbeat **ret);
Heartbeat *heartbeat_free(Heartbeat *h);
DEFINE_CLEANUP(Heartbeat *, heartbeat_free);

typedef struct HeartbeatStats {
        uint64_t fed, withheld;
        usec_t loop_late_max;           /* how late the timer of this module was dispatched at worst */
        const char *waiting_for;        /* "bus", "log" or NULL */
} HeartbeatStats;
void heartbeat_stats(const Heartbeat *h, HeartbeatStats *ret);
