/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dates: RFC 3339 and the forms of systemd.time(7). Own arithmetic where the C library would ask the locale. */
#include "basic/time.h"

#include <stdio.h>
#include <time.h>

#include "basic/string.h"

typedef struct Civil {
        int year, month, day, hour, minute, second; /* month and day from 1 */
        uint32_t micros;
} Civil;

/* Proleptic Gregorian calendar, counted in years that start in March, so that the leap day is the last. */
static int64_t days_from_civil(int64_t year, int month, int day) {
        int64_t era, year_of_era, day_of_year;

        year -= month <= 2;
        era = (year >= 0 ? year : year - 399) / 400;
        year_of_era = year - era * 400;
        day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
        int64_t era, day_of_era, year_of_era, day_of_year, m;

        days += 719468;
        era = (days >= 0 ? days : days - 146096) / 146097;
        day_of_era = days - era * 146097;
        year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        m = (5 * day_of_year + 2) / 153;
        *day = (int) (day_of_year - (153 * m + 2) / 5 + 1);
        *month = (int) (m < 10 ? m + 3 : m - 9);
        *year = year_of_era + era * 400 + (*month <= 2);
}

static int days_of_month(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap);
}

const char *format_rfc3339(usec_t realtime, char buf[static FORMAT_RFC3339_MAX]) {
        usec_t of_day = realtime % USEC_PER_DAY;
        int month, day;
        int64_t year;

        civil_from_days((int64_t) (realtime / USEC_PER_DAY), &year, &month, &day);
        (void) snprintf(buf, FORMAT_RFC3339_MAX, "%04" PRId64 "-%02d-%02dT%02u:%02u:%02u.%06uZ", year, month, day,
                        (unsigned) (of_day / USEC_PER_HOUR), (unsigned) (of_day / USEC_PER_MINUTE % 60),
                        (unsigned) (of_day / USEC_PER_SEC % 60), (unsigned) (of_day % USEC_PER_SEC));
        return buf;
}

/* Exactly n digits, at most max. */
static int take_number(const char **p, int n, int min, int max, int *ret) {
        int v = 0;

        for (int i = 0; i < n; i++, (*p)++) {
                if (**p < '0' || **p > '9')
                        return -EINVAL;
                v = v * 10 + (**p - '0');
        }
        if (v < min || v > max)
                return -EINVAL;
        *ret = v;
        return 0;
}

static bool take_char(const char **p, char c) {
        if (**p != c)
                return false;
        (*p)++;
        return true;
}

/* "YYYY-MM-DD" of a day that exists. */
static int take_date(const char **p, Civil *c) {
        if (take_number(p, 4, 0, 9999, &c->year) < 0 || !take_char(p, '-') ||
            take_number(p, 2, 1, 12, &c->month) < 0 || !take_char(p, '-') ||
            take_number(p, 2, 1, days_of_month(c->year, c->month), &c->day) < 0)
                return -EINVAL;
        return 0;
}

/* ".FRACTION", if there is one. */
static int take_fraction(const char **p, uint32_t *ret) {
        uint32_t v = 0, scale = 100000;

        if (take_char(p, '.')) {
                if (**p < '0' || **p > '9')
                        return -EINVAL;
                for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
                        v += (uint32_t) (**p - '0') * scale;
        }
        *ret = v;
        return 0;
}

/* "HH:MM[:SS[.FRACTION]]". A leap second is its predecessor once more. */
static int take_time(const char **p, bool need_seconds, Civil *c) {
        if (take_number(p, 2, 0, 23, &c->hour) < 0 || !take_char(p, ':') || take_number(p, 2, 0, 59, &c->minute) < 0)
                return -EINVAL;
        c->second = 0;
        c->micros = 0;
        if (!take_char(p, ':'))
                return need_seconds ? -EINVAL : 0;
        if (take_number(p, 2, 0, 60, &c->second) < 0)
                return -EINVAL;
        if (c->second == 60)
                c->second = 59;
        return take_fraction(p, &c->micros);
}

static int usec_from_seconds(int64_t seconds, uint32_t micros, usec_t *ret) {
        if (seconds < 0)
                return -ERANGE;
        *ret = (usec_t) seconds * USEC_PER_SEC + micros;
        return 0;
}

static int usec_from_utc(const Civil *c, int offset_minutes, usec_t *ret) {
        int64_t seconds = days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
                          c->second - offset_minutes * 60;

        return usec_from_seconds(seconds, c->micros, ret);
}

static int usec_from_local(const Civil *c, usec_t *ret) {
        struct tm tm = {
                .tm_year = c->year - 1900,
                .tm_mon = c->month - 1,
                .tm_mday = c->day,
                .tm_hour = c->hour,
                .tm_min = c->minute,
                .tm_sec = c->second,
                .tm_isdst = -1,
        };
        time_t t;

        errno = 0;
        t = mktime(&tm);
        if (t == (time_t) -1 && errno != 0)
                return -ERANGE;
        return usec_from_seconds(t, c->micros, ret);
}

/* "Z" or "±HH:MM". */
static int take_offset(const char **p, int *ret_minutes) {
        int hours, minutes;
        bool west;

        if (take_char(p, 'Z') || take_char(p, 'z')) {
                *ret_minutes = 0;
                return 0;
        }
        west = take_char(p, '-');
        if (!west && !take_char(p, '+'))
                return -EINVAL;
        if (take_number(p, 2, 0, 23, &hours) < 0 || !take_char(p, ':') || take_number(p, 2, 0, 59, &minutes) < 0)
                return -EINVAL;
        *ret_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
        return 0;
}

int parse_rfc3339(const char *s, usec_t *ret) {
        Civil c = {};
        int offset;

        assert(ret);
        if (!s || take_date(&s, &c) < 0 || (!take_char(&s, 'T') && !take_char(&s, 't')) ||
            take_time(&s, true, &c) < 0 || take_offset(&s, &offset) < 0 || *s)
                return -EINVAL;
        return usec_from_utc(&c, offset, ret);
}

static int civil_today(usec_t now, Civil *ret) {
        time_t t = (time_t) (now / USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm))
                return -ERANGE;
        *ret = (Civil){ .year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday };
        return 0;
}

/* Midnight some days from today; mktime(3) brings the day into its month. */
static int parse_day_word(const char *s, usec_t now, usec_t *ret) {
        static const struct {
                const char *word;
                int days;
        } words[] = { { "yesterday", -1 }, { "today", 0 }, { "tomorrow", 1 } };
        Civil c;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(s, words[i].word)) {
                        r = civil_today(now, &c);
                        if (r < 0)
                                return r;
                        c.day += words[i].days;
                        return usec_from_local(&c, ret);
                }
        return -ENOENT;
}

static int parse_epoch(const char *s, usec_t *ret) {
        _cleanup_free_ char *digits = NULL;
        size_t n = strspn(s, "0123456789");
        uint32_t micros;
        uint64_t seconds;
        int r;

        digits = strndup(s, n);
        if (!digits)
                return -ENOMEM;
        r = safe_atou64(digits, &seconds);
        if (r < 0)
                return r;
        s += n;
        r = take_fraction(&s, &micros);
        if (r < 0)
                return r;
        if (*s)
                return -EINVAL;
        if (seconds >= USEC_INFINITY / USEC_PER_SEC)
                return -ERANGE;
        *ret = seconds * USEC_PER_SEC + micros;
        return 0;
}

/* "+SPAN", "-SPAN", "SPAN ago", "SPAN left"; -ENOENT when s is none of these. */
static int parse_relative(const char *s, usec_t now, usec_t *ret) {
        _cleanup_free_ char *span_text = NULL;
        const char *end;
        bool past;
        usec_t span;
        int r;

        if (IN_SET(*s, '+', '-')) {
                past = *s == '-';
                end = s + strlen(s);
                s++;
        } else {
                past = true;
                end = endswith(s, " ago");
                if (!end) {
                        past = false;
                        end = endswith(s, " left");
                }
                if (!end)
                        return -ENOENT;
        }
        span_text = strndup(s, (size_t) (end - s));
        if (!span_text)
                return -ENOMEM;
        r = parse_span(span_text, &span);
        if (r < 0)
                return r;
        if (past ? span > now : span >= USEC_INFINITY - now)
                return -ERANGE;
        *ret = past ? now - span : now + span;
        return 0;
}

/* "Tue " before a date is taken, whether or not it is true: systemd prints it. */
static const char *skip_weekday(const char *s) {
        static const char *const days[] = { "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun " };

        for (size_t i = 0; i < ELEMENTSOF(days); i++)
                if (startswith(s, days[i]))
                        return s + strlen(days[i]);
        return s;
}

/* "YYYY-MM-DD", "HH:MM[:SS]" or both, local or with " UTC" behind. */
static int parse_civil(const char *s, usec_t now, usec_t *ret) {
        Civil c = {};
        bool date;
        int r;

        s = skip_weekday(s);
        date = strlen(s) > 4 && s[4] == '-';
        r = date ? take_date(&s, &c) : civil_today(now, &c);
        if (r < 0)
                return r;
        if (!date || (*s == ' ' && s[1] >= '0' && s[1] <= '9')) {
                s += date;
                r = take_time(&s, false, &c);
                if (r < 0)
                        return r;
        }
        if (date && streq(s, " UTC"))
                return usec_from_utc(&c, 0, ret);
        return *s ? -EINVAL : usec_from_local(&c, ret);
}

int parse_timestamp(const char *s, usec_t now, usec_t *ret) {
        _cleanup_free_ char *copy = NULL;
        int r;

        assert(ret);
        if (!s)
                return -EINVAL;
        copy = strdup(s);
        if (!copy)
                return -ENOMEM;
        s = strstrip(copy);

        if (streq(s, "now")) {
                *ret = now;
                return 0;
        }
        if (*s == '@')
                return parse_epoch(s + 1, ret);
        r = parse_day_word(s, now, ret);
        if (r == -ENOENT)
                r = parse_relative(s, now, ret);
        if (r != -ENOENT)
                return r;
        r = parse_rfc3339(s, ret);
        return r == -EINVAL ? parse_civil(s, now, ret) : r;
}
