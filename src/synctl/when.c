/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/when.h"

#include <stdio.h>
#include <time.h>

const char *when_span(usec_t span, char buf[static WHEN_MAX]) {
        uint64_t seconds = span / USEC_PER_SEC;

        if (span == USEC_INFINITY)
                snprintf(buf, WHEN_MAX, "for ever");
        else if (span < USEC_PER_MSEC)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "us", span);
        else if (span < USEC_PER_SEC)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "ms", span / USEC_PER_MSEC);
        else if (seconds < 60)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "s", seconds);
        else if (seconds < 3600)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "min", seconds / 60);
        else if (seconds < 86400 && seconds / 60 % 60 > 0)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "h %" PRIu64 "min", seconds / 3600, seconds / 60 % 60);
        else if (seconds < 86400)
                snprintf(buf, WHEN_MAX, "%" PRIu64 "h", seconds / 3600);
        else
                snprintf(buf, WHEN_MAX, "%" PRIu64 "d", seconds / 86400);
        return buf;
}

static bool is_none(usec_t t) {
        return t == 0 || t == USEC_INFINITY;
}

const char *when_age(usec_t t, usec_t now, char buf[static WHEN_MAX]) {
        if (is_none(t))
                return strcpy(buf, "-");
        if (t <= now)
                return now - t < USEC_PER_SEC ? strcpy(buf, "just now") : when_span(now - t, buf);
        char span[WHEN_MAX];
        snprintf(buf, WHEN_MAX, "in %.60s", when_span(t - now, span));
        return buf;
}

const char *when_ago(usec_t t, usec_t now, char buf[static WHEN_MAX]) {
        char span[WHEN_MAX];

        if (is_none(t) || t > now || now - t < USEC_PER_SEC)
                return when_age(t, now, buf);
        snprintf(buf, WHEN_MAX, "%.59s ago", when_span(now - t, span));
        return buf;
}

static bool local(usec_t t, struct tm *ret) {
        time_t s = (time_t) (t / USEC_PER_SEC);

        return t / USEC_PER_SEC < INT64_MAX && localtime_r(&s, ret);
}

const char *when_clock(usec_t t, usec_t now, bool msec, char buf[static WHEN_MAX]) {
        struct tm a, b;

        if (is_none(t) || !local(t, &a) || !local(now, &b))
                return strcpy(buf, "-");
        bool same_year = a.tm_year == b.tm_year;
        const char *format = !same_year ? "%Y-%m-%d %H:%M:%S" : a.tm_yday == b.tm_yday ? "%H:%M:%S" : "%b %d %H:%M:%S";
        char text[WHEN_MAX / 2] = "";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (strftime(text, sizeof(text), format, &a) == 0)
                return strcpy(buf, "-");
#pragma GCC diagnostic pop
        if (msec)
                snprintf(buf, WHEN_MAX, "%s.%03" PRIu64, text, t / USEC_PER_MSEC % 1000);
        else
                strcpy(buf, text);
        return buf;
}

const char *when_full(usec_t t, char buf[static WHEN_MAX]) {
        struct tm a;

        if (is_none(t) || !local(t, &a) || strftime(buf, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &a) == 0)
                return strcpy(buf, "-");
        return buf;
}
