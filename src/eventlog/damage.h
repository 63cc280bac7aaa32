/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is done about a file that SQLite cannot read any more. */

#include "eventlog/store.h"

/* Renames the file (and its WAL) to "<path>.damaged-<time>", which is returned. */
int damage_move_aside(const char *path, usec_t now, char **ret);
/* Copies what can still be read of state, cursors and sinks from the file that was moved aside into s, and gives the
 * highest number it used in *ret_last_seq (0 if that cannot be read). Never fails for what the old file is like. */
int damage_salvage(const char *moved, Store *s, uint64_t *ret_last_seq);
