/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Event filters as clients write them, and events as clients read them. */

#include "api/internal.h"

/* text: "" (everything) or a JSON object with the keys of org.synos.Supervisor1(5). Names of services become their units. Fills ret
 * (to be freed by event_filter_done) but not ret->after. -EINVAL with error set names what is wrong. stream: keys that make
 * no sense in a stream are refused. */
int filter_parse(Api *a, const char *text, bool stream, EventFilter *ret, sd_bus_error *error);

/* One event as compact JSON. */
int event_format(Api *a, const Event *e, char **ret);

/* Events as a JSON array of at most max_size bytes (one event always fits): the first ones, or the last ones with newest.
 * ret_cut: some were left out. */
int events_format(Api *a, const Event *events, size_t n, size_t max_size, bool newest, char **ret, bool *ret_cut);
