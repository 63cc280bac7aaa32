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

/* What was not understood in configuration, one line each: "FILE:LINE: reason". -ENOMEM. */
int problems_format(const Json *problems, const Term *term, StrBuf *b);

/* One document: pretty on a terminal, else one line. */
int ctl_print_json(const Ctl *c, const Json *j);
