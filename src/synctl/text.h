/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Text for people: how wide it is on a terminal, shortening, padding, safety against escape sequences. */

#include "basic/string.h"
#include "synctl/term.h"

/* Columns that s takes (escape sequences of term_style() take none). Broken UTF-8 counts one column a byte. */
size_t text_width(const char *s);
/* s without control characters and broken UTF-8 (shown as \xNN): what comes from units, journals and the bus must not
 * steer the terminal. NULL gives "". */
int text_clean(const char *s, char **ret);
/* At most columns wide, the end replaced by an ellipsis if it was cut; columns 0 = no limit. */
int text_shorten(const Term *t, const char *s, size_t columns, char **ret);
/* Appends s and spaces up to columns (left) or spaces and s (right). */
void text_pad(StrBuf *b, const char *s, size_t columns, bool right);
/* Wraps s at words to lines of at most columns (0 = never); further lines begin with indent spaces. */
void text_wrap(StrBuf *b, const char *s, size_t columns, size_t indent);
/* Damerau-Levenshtein distance (optimal string alignment) of two words, at most 64 bytes each, else large. */
size_t text_distance(const char *a, const char *b);
/* The nearest of the words if it is near enough to be a slip of the fingers, or NULL. */
const char *text_suggest(const char *word, const char *const *words, size_t n);

/* Where in a file something is: ":12", or "" when the whole file is meant (line 0). buf holds the text. */
#define TEXT_LINE_MAX 24
const char *text_line(uint64_t line, char buf[static TEXT_LINE_MAX]);
