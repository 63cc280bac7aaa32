/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events as people read them. An event is the JSON object that synd gives out (synos-events(7)). */

#include "basic/json.h"
#include "basic/string.h"
#include "synctl/term.h"

/* What happened, in the words of core/event-text.h, safe for a terminal. */
int event_sentence(const Json *event, char **ret);
/* One line: "TIME  SEQ  TYPE  SERVICE  sentence\n", shortened to the terminal unless full. On a terminal that is narrower
 * than this the type is left out: the sentence says the same. */
#define EVENT_WIDE 100
int event_line(const Json *event, const Term *term, bool full, usec_t now, StrBuf *b);
/* Good, bad, worth a look, or nothing of these. */
Style event_style(const Json *event);
