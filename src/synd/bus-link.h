/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One connection to the system bus that comes back by itself: after a restart of the bus, before the bus is there, after a
 * protocol error. Never blocks. */

#include "basic/time.h"
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

typedef struct BusLink BusLink;

typedef struct BusLinkHandler {
        void (*up)(BusLink *l, sd_bus *bus, void *userdata);    /* Hello is done: the unique name is known */
        void (*down)(BusLink *l, void *userdata);               /* drop every slot on the bus now */
} BusLinkHandler;

/* priority: of the event source (sd_event_source_set_priority). Nothing happens before bus_link_start(). */
int bus_link_new(sd_event *event, const char *description, int64_t priority, const BusLinkHandler *handler, void *userdata,
                 BusLink **ret);
BusLink *bus_link_free(BusLink *l);
DEFINE_CLEANUP(BusLink *, bus_link_free);

/* Connects as soon as the loop runs. */
void bus_link_start(BusLink *l);
/* NULL while there is no connection. */
sd_bus *bus_link_bus(const BusLink *l);
/* Lost connections, and attempts to connect: totals. */
uint64_t bus_link_losses(const BusLink *l);
uint64_t bus_link_attempts(const BusLink *l);
/* True while no answer of the bus is being waited for: not started yet, or away and the time of the next attempt is set. */
bool bus_link_is_idle(const BusLink *l);
