/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How a list of services looks. */

#include "synctl/services.h"

/* Relative times on a terminal, absolute ones with full or elsewhere. */
int list_format(const ServiceList *l, const Term *term, bool legend, bool full, usec_t now, StrBuf *b);
/* The table alone, with its heading and relative times, one line a row. */
int list_format_table(const ServiceList *l, const Term *term, usec_t now, StrBuf *b);
int list_to_json(const ServiceList *l, Json **ret);
/* "5 services: 2 running, 1 failed." */
void list_summary(const ServiceList *l, StrBuf *b);
/* What stands behind a row: what recovery waits for, maintenance, no grant. "" when there is nothing to say. */
int list_detail(const ServiceRow *s, char **ret);

/* One document: pretty on a terminal, else one line. */
int ctl_print_json(const Ctl *c, const Json *j);
