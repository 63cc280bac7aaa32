/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The answer of ListServices, read without a copy and without JSON. */

#include "synctl/client.h"

typedef struct ServiceRow {
        const char *name, *unit, *type, *status, *active, *sub, *phase, *detail, *path; /* borrowed from the reply */
        double health; /* < 0: nothing to say */
        usec_t since; /* realtime */
        uint64_t restarts;
        bool granted, maintenance, protected_;
} ServiceRow;

typedef struct ServiceList {
        ServiceRow *rows;
        size_t n;
        sd_bus_message *reply; /* holds the strings */
} ServiceList;
void service_list_done(ServiceList *l);
#define _cleanup_service_list_ _cleanup_(service_list_done)

/* 0, or an exit status after saying what went wrong. */
int services_load(Ctl *c, const char *doing, ServiceList *ret);
/* The same for asking and for telling apart: negative errno with e. */
int services_ask(Ctl *c, sd_bus_error *e, ServiceList *ret);

/* By name, unit name, unit name without ".service"; patterns as in glob(7). */
bool service_row_matches(const ServiceRow *s, const char *pattern);
bool is_pattern(const char *s);
/* Keeps the rows that one of the patterns matches, in order of name. patterns empty: all. Returns the first
 * argument that matches nothing, or NULL. */
const char *services_select(ServiceList *l, char *const *patterns, size_t n);

/* "Cannot DOING NAME: no such service. Did you mean …?" Returns CTL_NO_SUCH. */
int services_no_such(Ctl *c, const char *doing, const char *name);
