/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events in words: the same sentence in the journal, in synctl events and in synctl why. */

#include "basic/json.h"

/* One sentence without a full stop, e.g. "restart in 12s (attempt 2, budget 2/5 used)"; the unit is not repeated in it. Every type
 * gives a sentence, also one that is newer than we are. data is the event's object. */
int event_text(const char *type, const Json *data, char **ret);
