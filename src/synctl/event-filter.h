/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which events: the options of "synctl events" as the filter of ListEvents and Follow. */

#include "synctl/client.h"

typedef struct EventSelection {
        char **services, **types;
        const char *correlation; /* an action's id, or NULL */
        uint64_t after; /* only seq > after */
        usec_t since, until; /* realtime, 0 = no bound; until is applied by the client */
        bool newest; /* the last ones, still in ascending order */
        uint64_t up_to; /* only seq <= up_to, 0 = all */
        uint32_t limit;
} EventSelection;

/* --since: a sequence number ("88121": from this event on) or a time; --until: a time; --limit. 0 or an exit
 * status. */
int event_selection_from_options(const CtlOptions *o, usec_t now, EventSelection *ret);
/* The filter as JSON text. stream: without what Follow does not take. */
int event_selection_format(const EventSelection *s, bool stream, char **ret);

/* One page of ListEvents: 0, or negative errno with e. ret_more: there is more behind; ret_first: the oldest in the
 * log. */
int events_ask(Ctl *c, const EventSelection *s, sd_bus_error *e, Json **ret, bool *ret_more, uint64_t *ret_first);
