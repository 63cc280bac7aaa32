/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What "synctl doctor" found, and the checks that need only values. */

#include "synctl/services.h"

typedef enum Level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL, _LEVEL_MAX } Level;

typedef struct Finding {
        const char *check; /* literal: stable name for scripts */
        Level level;
        char *text, *remedy; /* remedy may be NULL */
} Finding;

typedef struct Findings {
        Finding *list;
        size_t n, allocated;
        bool failed; /* out of memory */
} Findings;
void findings_done(Findings *f);
/* text and remedy are cleaned and copied. */
void findings_add(Findings *f, const char *check, Level level, const char *remedy, const char *format, ...)
                _printf_(5, 6);
size_t findings_count(const Findings *f, Level level) _pure_;
void findings_format(const Findings *f, const Term *term, bool problems_only, StrBuf *b);
int findings_to_json(const Findings *f, Json **ret);

/* The answers of the grant helper ("+unit" or "-unit"), one for each service in order, beside what synd says. */
void doctor_compare_grants(Findings *f, char *const *answers, const ServiceList *services);
/* Problems of unit files, from an array of Describe objects. */
void doctor_check_units(Findings *f, const Json *services);
/* State of synd, journal access, synd.conf, missing dependencies and circles: from Dump. */
void doctor_check_dump(Findings *f, const Json *dump);
void doctor_check_rows(Findings *f, const ServiceList *services);
