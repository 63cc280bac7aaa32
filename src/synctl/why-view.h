/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The chain of causes as a tree, the newest act on top, the first observation at the bottom. */

#include "basic/json.h"
#include "basic/string.h"
#include "synctl/term.h"

/* explanation: the JSON of Explain. */
int why_format(const Json *explanation, const Term *term, bool full, usec_t now, StrBuf *b);
