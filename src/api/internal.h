/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of api/ share. Every event source of api/ has the priority of the bus connection, on purpose: sd-event is fair
 * among equals, while a client that floods the bus would starve what is below it, the streams and signals of the others. */

#include "api/api.h"
#include "api/dbus-error.h"

typedef struct Client Client;
typedef struct Request Request;
typedef struct Follower Follower;
typedef struct Feed Feed;
typedef struct Object Object;
typedef struct LogCheck LogCheck;

#define API_SLOTS_MAX 8
#define API_ARGUMENT_MAX (64 * 1024) /* bytes of one JSON argument */
#define API_SIGNALS_QUEUED_MAX 4096 /* messages waiting for the bus; above it signals are dropped */

typedef struct ApiStats {
        uint64_t calls, refused_limit, denied, signals_dropped, events_skipped, followers_total;
} ApiStats;

struct Api {
        Manager *manager;
        sd_event *event;
        bool listening;

        sd_bus *bus; /* NULL while there is none */
        sd_bus_slot *slots[API_SLOTS_MAX];
        size_t n_slots;
        bool named; /* the well-known name is ours */
        sd_bus_slot *name_slot;

        HashMap *objects; /* unit → Object, owned */
        HashMap *paths; /* object path → Object, borrowed */
        HashMap *names; /* service name → how many objects bear it (uintptr_t) */
        sd_event_source *flush; /* runs once after a turn of the loop that changed something */
        bool state_changed, count_changed; /* of the manager's own properties */

        HashMap *clients; /* unique bus name → Client, owned */
        size_t n_calls, n_followers, n_polkit;
        Feed *feed;
        LogCheck *log_check;
        ApiStats stats;
};

/* True if a signal may be sent now: we own the name and the bus takes what we send. Counts what is not sent. */
bool api_may_signal(Api *a);
/* Notes that something is to be told when this turn of the loop is over. */
void api_schedule_flush(Api *a);
/* Keeps a slot until the bus goes. */
int api_add_slot(Api *a, sd_bus_slot *slot);
