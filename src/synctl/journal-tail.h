/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/macro.h"

/* The last lines of a unit's journal as journalctl(1) prints them, cut to columns (0: not cut). One of the two is set:
 * *ret_log, or *ret_hint with what to do when the journal may not be read or cannot be asked. */
void journal_tail(const char *unit, unsigned lines, unsigned columns, char **ret_log, char **ret_hint);
