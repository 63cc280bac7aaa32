/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/time.h"

#include <time.h>

#include "basic/string.h"

static usec_t clock_now(clockid_t clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock, &ts);
        if (ts.tv_sec < 0)
                return 0;
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t realtime_now(void) {
        return clock_now(CLOCK_REALTIME);
}

usec_t boottime_now(void) {
        return clock_now(CLOCK_BOOTTIME);
}

usec_t monotonic_now(void) {
        return clock_now(CLOCK_MONOTONIC);
}

Instant instant_now(void) {
        return (Instant){ .realtime = realtime_now(), .boottime = boottime_now() };
}

usec_t usec_add(usec_t a, usec_t b) {
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

/* Lengths of systemd.time(7): a month is 30.44 days, a year 365.25. */
#define USEC_PER_WEEK (7 * USEC_PER_DAY)
#define USEC_PER_MONTH (2629800 * USEC_PER_SEC)
#define USEC_PER_YEAR (31557600 * USEC_PER_SEC)

static const struct {
        const char *name;
        usec_t usec;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "µs", 1 }, /* U+00B5 */
        { "μs", 1 }, /* U+03BC */
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "days", USEC_PER_DAY },
        { "w", USEC_PER_WEEK },
        { "week", USEC_PER_WEEK },
        { "weeks", USEC_PER_WEEK },
        { "M", USEC_PER_MONTH },
        { "month", USEC_PER_MONTH },
        { "months", USEC_PER_MONTH },
        { "y", USEC_PER_YEAR },
        { "year", USEC_PER_YEAR },
        { "years", USEC_PER_YEAR },
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static const char *skip_space(const char *s) {
        return s + strspn(s, " \t\n\r");
}

/* Digits behind a point as millionths; further digits are cut. At least one digit. */
static int take_micros(const char **p, uint32_t *ret) {
        uint32_t v = 0, scale = 100000;

        if (!is_digit(**p))
                return -EINVAL;
        for (; is_digit(**p); (*p)++, scale /= 10)
                v += (uint32_t) (**p - '0') * scale;
        *ret = v;
        return 0;
}

/* The unit word at *p; seconds when there is none. */
static int take_unit(const char **p, usec_t *ret) {
        const char *s = skip_space(*p);
        size_t n = strcspn(s, " \t\n\r.0123456789+-");

        if (n == 0) {
                *ret = USEC_PER_SEC;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0) {
                        *p = s + n;
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* One "NUMBER[.FRACTION][UNIT]". */
static int take_span_part(const char **p, usec_t *ret) {
        uint64_t whole = 0;
        uint32_t micros = 0;
        bool digits = false;
        unsigned __int128 v;
        usec_t unit;
        int r;

        for (; is_digit(**p); (*p)++) {
                digits = true;
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, (uint64_t) (**p - '0'), &whole))
                        return -ERANGE;
        }
        if (**p == '.') {
                (*p)++;
                r = take_micros(p, &micros);
                if (r < 0)
                        return r;
        } else if (!digits)
                return -EINVAL;

        r = take_unit(p, &unit);
        if (r < 0)
                return r;
        v = (unsigned __int128) whole * unit + (unsigned __int128) micros * unit / 1000000;
        if (v >= USEC_INFINITY)
                return -ERANGE;
        *ret = (usec_t) v;
        return 0;
}

int parse_span(const char *s, usec_t *ret) {
        usec_t sum = 0, part;
        const char *rest;
        int r;

        assert(ret);
        if (!s)
                return -EINVAL;
        s = skip_space(s);
        rest = startswith(s, "infinity");
        if (rest) {
                if (*skip_space(rest))
                        return -EINVAL;
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                r = take_span_part(&s, &part);
                if (r < 0)
                        return r;
                sum = usec_add(sum, part);
                if (sum == USEC_INFINITY)
                        return -ERANGE;
                s = skip_space(s);
        } while (*s);
        *ret = sum;
        return 0;
}

int format_span(usec_t span, unsigned parts, char **ret) {
        static const struct {
                const char *name;
                usec_t usec;
        } steps[] = {
                { "y", USEC_PER_YEAR }, { "month", USEC_PER_MONTH }, { "w", USEC_PER_WEEK },
                { "d", USEC_PER_DAY },  { "h", USEC_PER_HOUR },      { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },  { "ms", USEC_PER_MSEC },     { "us", 1 },
        };
        _cleanup_strbuf_ StrBuf b = {};
        unsigned n = 0;

        assert(ret);
        if (span == USEC_INFINITY)
                strbuf_append(&b, "infinity");
        else if (span == 0)
                strbuf_append(&b, "0");
        for (size_t i = 0; i < ELEMENTSOF(steps) && span != USEC_INFINITY; i++) {
                if (span < steps[i].usec || (parts > 0 && n >= parts))
                        continue;
                strbuf_appendf(&b, "%s%" PRIu64 "%s", n > 0 ? " " : "", span / steps[i].usec, steps[i].name);
                span %= steps[i].usec;
                n++;
        }
        return strbuf_finish(&b, ret);
}
