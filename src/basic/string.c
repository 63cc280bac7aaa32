/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/string.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define WHITESPACE " \t\n\r\f\v"

bool streq_ptr(const char *a, const char *b) {
        return a == b || (a && b && streq(a, b));
}

const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

const char *endswith(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix) ? s + n - m : NULL;
}

int free_and_strdup(char **p, const char *s) {
        char *copy = NULL;

        assert(p);
        if (streq_ptr(*p, s))
                return 0;
        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }
        free(*p);
        *p = copy;
        return 1;
}

char *strstrip(char *s) {
        size_t n;

        assert(s);
        s += strspn(s, WHITESPACE);
        n = strlen(s);
        while (n > 0 && strchr(WHITESPACE, s[n - 1]))
                n--;
        s[n] = '\0';
        return s;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

int safe_atou64(const char *s, uint64_t *ret) {
        uint64_t v = 0;

        assert(ret);
        if (isempty(s) || s[strspn(s, "0123456789")])
                return -EINVAL;
        for (; *s; s++)
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
                        return -ERANGE;
        *ret = v;
        return 0;
}

int safe_atou32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r;

        assert(ret);
        r = safe_atou64(s, &v);
        if (r < 0)
                return r;
        if (v > UINT32_MAX)
                return -ERANGE;
        *ret = (uint32_t) v;
        return 0;
}

int safe_atoi(const char *s, int *ret) {
        bool negative;
        uint64_t v;
        int r;

        assert(ret);
        if (!s)
                return -EINVAL;
        negative = *s == '-';
        r = safe_atou64(s + (negative || *s == '+'), &v);
        if (r < 0)
                return r;
        if (v > (uint64_t) INT32_MAX + negative)
                return -ERANGE;
        *ret = (int) (negative ? -(int64_t) v : (int64_t) v);
        return 0;
}

int safe_atod(const char *s, double *ret) {
        locale_t c;
        char *end;
        double v;

        assert(ret);
        /* The set of characters leaves out white space, hexadecimal, "inf" and "nan", which strtod(3) would take. */
        if (isempty(s) || s[strspn(s, "0123456789+-.eE")])
                return -EINVAL;
        c = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
        if (!c)
                return -ENOMEM;
        v = strtod_l(s, &end, c);
        freelocale(c);
        if (end == s || *end)
                return -EINVAL;
        if (!isfinite(v))
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_boolean(const char *s) {
        static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
        static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

        if (!s)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                if (strcasecmp(s, yes[i]) == 0)
                        return 1;
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                if (strcasecmp(s, no[i]) == 0)
                        return 0;
        return -EINVAL;
}

/* "", "B", "K" … "E" as a power of two, or -EINVAL. */
static int size_shift(const char *unit) {
        static const char units[] = "BKMGTPE";
        const char *p;

        if (!*unit)
                return 0;
        p = unit[1] ? NULL : strchr(units, *unit);
        return p ? (int) (10 * (p - units)) : -EINVAL;
}

int parse_size(const char *s, uint64_t *ret) {
        uint64_t fraction = 0, scale = 1;
        unsigned __int128 v = 0;
        int shift;

        assert(ret);
        if (!s)
                return -EINVAL;
        s += strspn(s, WHITESPACE);
        if (!is_digit(*s))
                return -EINVAL;
        for (; is_digit(*s); s++) {
                v = v * 10 + (unsigned) (*s - '0');
                if (v > UINT64_MAX)
                        return -ERANGE;
        }
        if (*s == '.') {
                if (!is_digit(*++s))
                        return -EINVAL;
                for (; is_digit(*s); s++)
                        if (scale < UINT64_C(1000000000)) {
                                fraction = fraction * 10 + (uint64_t) (*s - '0');
                                scale *= 10;
                        }
        }
        shift = size_shift(s + strspn(s, WHITESPACE));
        if (shift < 0)
                return shift;
        v = (v << shift) + ((unsigned __int128) fraction << shift) / scale;
        if (v > UINT64_MAX)
                return -ERANGE;
        *ret = (uint64_t) v;
        return 0;
}

int str_copy(char **ret, const char *s) {
        char *copy = strdup(s);

        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int str_printf(char **ret, const char *format, ...) {
        va_list ap;
        char *s;
        int n;

        assert(ret);
        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static int strbuf_fail(StrBuf *b) {
        b->failed = true;
        return -ENOMEM;
}

/* Room for n more bytes and the NUL. */
static int strbuf_reserve(StrBuf *b, size_t n) {
        size_t need, allocated;
        char *data;

        if (b->failed)
                return -ENOMEM;
        if (__builtin_add_overflow(b->length + 1, n, &need) || need > SIZE_MAX / 4)
                return strbuf_fail(b);
        if (need <= b->allocated)
                return 0;
        allocated = MAX(need, MAX(2 * b->allocated, (size_t) 64));
        data = realloc(b->data, allocated);
        if (!data)
                return strbuf_fail(b);
        b->data = data;
        b->allocated = allocated;
        return 0;
}

int strbuf_append(StrBuf *b, const char *s) {
        return strbuf_append_n(b, s, strlen(s));
}

int strbuf_append_n(StrBuf *b, const char *s, size_t n) {
        int r;

        assert(b);
        assert(s || n == 0);
        r = strbuf_reserve(b, n);
        if (r < 0)
                return r;
        if (n > 0)
                memcpy(b->data + b->length, s, n);
        b->length += n;
        b->data[b->length] = '\0';
        return 0;
}

int strbuf_appendf(StrBuf *b, const char *format, ...) {
        va_list ap;
        int n, r;

        assert(b);
        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return strbuf_fail(b);
        r = strbuf_reserve(b, (size_t) n);
        if (r < 0)
                return r;
        va_start(ap, format);
        (void) vsnprintf(b->data + b->length, (size_t) n + 1, format, ap);
        va_end(ap);
        b->length += (size_t) n;
        return 0;
}

int strbuf_finish(StrBuf *b, char **ret) {
        int r;

        assert(b);
        assert(ret);
        r = strbuf_append_n(b, NULL, 0);
        if (r < 0) {
                strbuf_done(b);
                return r;
        }
        *ret = TAKE_PTR(b->data);
        strbuf_done(b);
        return 0;
}

void strbuf_done(StrBuf *b) {
        if (!b)
                return;
        free(b->data);
        *b = (StrBuf){};
}

/* Length of the well-formed UTF-8 sequence at s (Unicode, table 3-7: no overlong forms, surrogates or values above
 * U+10FFFF), or 0. NUL is not accepted. */
static size_t utf8_sequence(const char *s, size_t n) {
        const unsigned char *p = (const unsigned char *) s;
        unsigned char low = 0x80, high = 0xbf;
        size_t length;

        if (n == 0 || p[0] == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (n < length)
                return 0;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return length;
}

bool utf8_is_valid(const char *s, size_t n) {
        while (n > 0) {
                size_t k = utf8_sequence(s, n);

                if (k == 0)
                        return false;
                s += k;
                n -= k;
        }
        return true;
}

/* C0, DEL and C1: what a terminal would obey. */
static bool is_control(const char *s, size_t length) {
        const unsigned char *p = (const unsigned char *) s;

        return (length == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || (length == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

int str_sanitize(const char *s, size_t max, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        size_t n;

        assert(s);
        assert(ret);
        n = strlen(s);
        while (n > 0) {
                size_t k = utf8_sequence(s, n);
                bool plain = k > 0 && !is_control(s, k);
                size_t step = MAX(k, (size_t) 1);

                if (b.length + (plain ? step : 4 * step) > max) {
                        strbuf_append(&b, "…");
                        break;
                }
                if (plain)
                        strbuf_append_n(&b, s, step);
                else
                        for (size_t i = 0; i < step; i++)
                                strbuf_appendf(&b, "\\x%02x", (unsigned char) s[i]);
                s += step;
                n -= step;
        }
        return strbuf_finish(&b, ret);
}
