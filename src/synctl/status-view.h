/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One service as a page for 3 a.m. Input is the JSON of Describe. */

#include "basic/json.h"
#include "basic/string.h"
#include "synctl/term.h"

/* events: the newest events of the service in ascending order, or NULL; log: the last lines of its journal, or NULL;
 * log_hint: why there are none, or NULL. */
int status_format(const Json *service, const Json *events, const char *log, const char *log_hint, const Term *term,
                  bool full, usec_t now, StrBuf *b);
/* 0 running, 3 not running, as systemctl status. */
int status_exit(const Json *service);
