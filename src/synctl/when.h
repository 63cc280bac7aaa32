/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Times for people. All points are CLOCK_REALTIME in microseconds; 0 and USEC_INFINITY mean "none" and give "-". */

#include "basic/time.h"

#define WHEN_MAX 64

/* A span as short as is useful: "350ms", "4s", "41min", "2h 14min", "6d". */
const char *when_span(usec_t span, char buf[static WHEN_MAX]);
/* Age of t at now: "41min"; "just now" under a second; "-" when t is none; the future is "in 48s". */
const char *when_age(usec_t t, usec_t now, char buf[static WHEN_MAX]);
/* "3min ago", "in 48s", "just now". */
const char *when_ago(usec_t t, usec_t now, char buf[static WHEN_MAX]);
/* Local clock time: "14:03:12" today, "Nov 23 14:03:12" this year, else with the year. msec: with ".231". */
const char *when_clock(usec_t t, usec_t now, bool msec, char buf[static WHEN_MAX]);
/* "2026-11-24 14:03:12" in local time, always with the date. */
const char *when_full(usec_t t, char buf[static WHEN_MAX]);
