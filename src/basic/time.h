/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Points and spans of time in microseconds. */

#include "basic/macro.h"
#include <inttypes.h>

typedef uint64_t usec_t;
#define USEC_INFINITY ((usec_t) UINT64_MAX)
#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_PER_SEC ((usec_t) 1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

/* One instant on two clocks. realtime is for people and for what survives a reboot; boottime
 * (CLOCK_BOOTTIME: never set back, counts suspend) is for every span within one boot. */
typedef struct Instant {
        usec_t realtime;
        usec_t boottime;
} Instant;

/* Not for core/: there the time is a parameter. */
Instant instant_now(void);
usec_t boottime_now(void);
usec_t realtime_now(void);
/* CLOCK_MONOTONIC, the clock of systemd's *Monotonic properties and of _SOURCE_MONOTONIC_TIMESTAMP. */
usec_t monotonic_now(void);

/* Saturating: USEC_INFINITY stays infinite, a negative difference is 0. */
usec_t usec_add(usec_t a, usec_t b);
usec_t usec_sub(usec_t a, usec_t b);

/* systemd.time(7) spans: "500ms", "1min 30s", "2h", "5" (seconds), "infinity". -EINVAL, -ERANGE. */
int parse_span(const char *s, usec_t *ret);
/* "2h 14min", "350ms", "0"; at most `parts` units (0 = all). */
int format_span(usec_t span, unsigned parts, char **ret);
/* Absolute or relative point: RFC 3339, "YYYY-MM-DD[ HH:MM[:SS]]" (local), "HH:MM[:SS]", "now", "today",
 * "yesterday", "-1h", "5min ago", "@EPOCH[.FRACTION]". Needs now (realtime). -EINVAL. */
int parse_timestamp(const char *s, usec_t now, usec_t *ret);
/* RFC 3339 UTC with microseconds and Z, e.g. 2026-11-24T14:03:12.204113Z. Buffer size includes NUL. */
#define FORMAT_RFC3339_MAX 48
const char *format_rfc3339(usec_t realtime, char buf[static FORMAT_RFC3339_MAX]);
int parse_rfc3339(const char *s, usec_t *ret);
