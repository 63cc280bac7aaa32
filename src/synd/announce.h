/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The lines an operator needs in the journal, each with a MESSAGE_ID that the catalogue (data/synos.catalog) explains. */

#include "core/event.h"

/* Says an event if it is one that operators should see. */
void announce_event(const Event *e);
