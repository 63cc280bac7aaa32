/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON text (RFC 8259) to values and back. Stricter than the RFC where a lenient reader is a risk: no duplicate keys, no
 * "\u0000", no lone surrogates, no numbers that do not fit. */
#include "basic/json.h"

#include <stdio.h>

#include "basic/json-value.h"
#include "basic/string.h"

#define DEPTH_MAX 32
/* An empty object takes 3 bytes of text and several hundred of memory. */
#define CONTAINERS_MAX 65536

typedef struct Reader {
        const char *start, *p, *end;
        unsigned depth, n_containers;
        const char *reason;
} Reader;

static int fail(Reader *r, const char *reason) {
        r->reason = reason;
        return -EINVAL;
}

static void skip_space(Reader *r) {
        while (r->p < r->end && IN_SET(*r->p, ' ', '\t', '\n', '\r'))
                r->p++;
}

static bool at(const Reader *r, char c) {
        return r->p < r->end && *r->p == c;
}

static bool at_digit(const Reader *r) {
        return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool take(Reader *r, char c) {
        if (!at(r, c))
                return false;
        r->p++;
        return true;
}

static int take_hex4(Reader *r, uint32_t *ret) {
        uint32_t v = 0;

        for (unsigned i = 0; i < 4; i++, r->p++) {
                static const char digits[] = "0123456789abcdef";
                const char *d;

                if (r->p >= r->end || *r->p == '\0')
                        return fail(r, "incomplete \\u escape");
                d = strchr(digits, *r->p >= 'A' && *r->p <= 'F' ? *r->p - 'A' + 'a' : *r->p);
                if (!d)
                        return fail(r, "\\u needs four hexadecimal digits");
                v = v << 4 | (uint32_t) (d - digits);
        }
        *ret = v;
        return 0;
}

static int append_utf8(StrBuf *b, uint32_t c) {
        char buf[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                buf[i] = (char) (0x80 | (c & 0x3f));
        buf[0] = (char) (lead[n] | c);
        return strbuf_append_n(b, buf, n);
}

/* Behind "\u". */
static int take_unicode(Reader *r, StrBuf *b) {
        uint32_t c, low;
        int k;

        k = take_hex4(r, &c);
        if (k < 0)
                return k;
        if (c == 0)
                return fail(r, "\\u0000 is not accepted");
        if (c >= 0xdc00 && c < 0xe000)
                return fail(r, "lone low surrogate");
        if (c >= 0xd800 && c < 0xdc00) {
                if (!take(r, '\\') || !take(r, 'u'))
                        return fail(r, "lone high surrogate");
                k = take_hex4(r, &low);
                if (k < 0)
                        return k;
                if (low < 0xdc00 || low >= 0xe000)
                        return fail(r, "lone high surrogate");
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
        return append_utf8(b, c);
}

/* Behind the backslash. */
static int take_escape(Reader *r, StrBuf *b) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *c;

        if (take(r, 'u'))
                return take_unicode(r, b);
        c = r->p < r->end && *r->p ? strchr(from, *r->p) : NULL;
        if (!c)
                return fail(r, "unknown escape");
        r->p++;
        return strbuf_append_n(b, to + (c - from), 1);
}

static int read_string(Reader *r, StrBuf *b) {
        int k;

        if (!take(r, '"'))
                return fail(r, "expected a string");
        while (!take(r, '"')) {
                const char *run = r->p;

                if (take(r, '\\')) {
                        k = take_escape(r, b);
                        if (k < 0)
                                return k;
                        continue;
                }
                while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char) *r->p >= 0x20)
                        r->p++;
                if (r->p == run)
                        return fail(r, r->p < r->end ? "control character in a string" : "string without end");
                if (!utf8_is_valid(run, (size_t) (r->p - run))) {
                        r->p = run;
                        return fail(r, "invalid UTF-8");
                }
                k = strbuf_append_n(b, run, (size_t) (r->p - run));
                if (k < 0)
                        return k;
        }
        return 0;
}

static int read_string_value(Reader *r, Json **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        int k;

        k = read_string(r, &b);
        if (k < 0)
                return k;
        return json_new_string(b.data ?: "", b.length, ret);
}

static int make_integer(Reader *r, const char *text, Json **ret) {
        bool negative = *text == '-';
        uint64_t v;

        if (safe_atou64(text + negative, &v) < 0 || (negative && v > (uint64_t) INT64_MAX + 1))
                return fail(r, "integer out of range");
        if (!negative)
                return v > INT64_MAX ? json_new_uint(v, ret) : json_new_int((int64_t) v, ret);
        return json_new_int(v == 0 ? 0 : -(int64_t) (v - 1) - 1, ret);
}

static int take_digits(Reader *r) {
        if (!at_digit(r))
                return fail(r, "expected a digit");
        while (at_digit(r))
                r->p++;
        return 0;
}

static int read_number(Reader *r, Json **ret) {
        _cleanup_free_ char *text = NULL;
        const char *start = r->p;
        bool real = false;
        double v;
        int k;

        (void) take(r, '-');
        if (take(r, '0')) {
                if (at_digit(r))
                        return fail(r, "number with a leading zero");
        } else {
                k = take_digits(r);
                if (k < 0)
                        return k;
        }
        if (take(r, '.')) {
                real = true;
                k = take_digits(r);
                if (k < 0)
                        return k;
        }
        if (take(r, 'e') || take(r, 'E')) {
                real = true;
                if (!take(r, '+'))
                        (void) take(r, '-');
                k = take_digits(r);
                if (k < 0)
                        return k;
        }

        text = strndup(start, (size_t) (r->p - start));
        if (!text)
                return -ENOMEM;
        if (!real)
                return make_integer(r, text, ret);
        k = safe_atod(text, &v);
        if (k == -ENOMEM)
                return k;
        return k < 0 ? fail(r, "number out of range") : json_new_real(v, ret);
}

static int enter(Reader *r) {
        if (r->depth >= DEPTH_MAX)
                return fail(r, "nested too deeply");
        if (r->n_containers >= CONTAINERS_MAX) {
                r->reason = "too many objects and arrays";
                return -E2BIG;
        }
        r->n_containers++;
        r->depth++;
        r->p++;
        skip_space(r);
        return 0;
}

/* 1 when another member follows, 0 at the end. */
static int next_member(Reader *r, char close) {
        skip_space(r);
        if (take(r, close)) {
                r->depth--;
                return 0;
        }
        if (!take(r, ','))
                return fail(r, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        skip_space(r);
        return 1;
}

static int read_value(Reader *r, Json **ret);

static int read_member(Reader *r, Json *o) {
        _cleanup_strbuf_ StrBuf key = {};
        _cleanup_json_ Json *value = NULL;
        const char *start = r->p;
        int k;

        k = read_string(r, &key);
        if (k < 0)
                return k;
        skip_space(r);
        if (!take(r, ':'))
                return fail(r, "expected ':'");
        skip_space(r);
        k = read_value(r, &value);
        if (k < 0)
                return k;
        k = json_object_insert(o, key.data ?: "", value);
        if (k == -EEXIST) {
                r->p = start;
                return fail(r, "duplicate key");
        }
        if (k >= 0)
                TAKE_PTR(value);
        return k;
}

static int read_object(Reader *r, Json **ret) {
        _cleanup_json_ Json *o = NULL;
        int k;

        k = enter(r);
        if (k < 0)
                return k;
        k = json_new_object(&o);
        if (k < 0)
                return k;
        if (take(r, '}')) {
                r->depth--;
                k = 0;
        } else
                do {
                        k = read_member(r, o);
                        if (k >= 0)
                                k = next_member(r, '}');
                } while (k > 0);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(o);
        return 0;
}

static int read_element(Reader *r, Json *array) {
        _cleanup_json_ Json *value = NULL;
        int k;

        k = read_value(r, &value);
        if (k < 0)
                return k;
        k = json_array_insert(array, value);
        if (k >= 0)
                TAKE_PTR(value);
        return k;
}

static int read_array(Reader *r, Json **ret) {
        _cleanup_json_ Json *a = NULL;
        int k;

        k = enter(r);
        if (k < 0)
                return k;
        k = json_new_array(&a);
        if (k < 0)
                return k;
        if (take(r, ']')) {
                r->depth--;
                k = 0;
        } else
                do {
                        k = read_element(r, a);
                        if (k >= 0)
                                k = next_member(r, ']');
                } while (k > 0);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(a);
        return 0;
}

static bool take_word(Reader *r, const char *word) {
        size_t n = strlen(word);

        if ((size_t) (r->end - r->p) < n || memcmp(r->p, word, n) != 0)
                return false;
        r->p += n;
        return true;
}

static int read_value(Reader *r, Json **ret) {
        if (r->p >= r->end)
                return fail(r, "unexpected end");
        if (*r->p == '{')
                return read_object(r, ret);
        if (*r->p == '[')
                return read_array(r, ret);
        if (*r->p == '"')
                return read_string_value(r, ret);
        if (*r->p == '-' || at_digit(r))
                return read_number(r, ret);
        if (take_word(r, "true"))
                return json_new_bool(true, ret);
        if (take_word(r, "false"))
                return json_new_bool(false, ret);
        if (take_word(r, "null")) {
                *ret = NULL;
                return 0;
        }
        return fail(r, "expected a value");
}

static int read_document(Reader *r, Json **ret) {
        _cleanup_json_ Json *j = NULL;
        int k;

        skip_space(r);
        k = read_value(r, &j);
        if (k < 0)
                return k;
        skip_space(r);
        if (r->p < r->end)
                return fail(r, "text behind the value");
        *ret = TAKE_PTR(j);
        return 0;
}

int json_parse(const char *text, size_t size, size_t max_size, Json **ret, char **ret_error) {
        Reader r = { .start = text, .p = text, .end = text + size };
        int k, e;

        assert(text || size == 0);
        assert(ret);
        if (size > max_size || size > INT32_MAX / 2) {
                r.reason = "text too long";
                k = -E2BIG;
        } else
                k = read_document(&r, ret);
        if (k < 0 && r.reason && ret_error) {
                e = str_printf(ret_error, "byte %zu: %s", (size_t) (r.p - r.start), r.reason);
                if (e < 0)
                        return e;
        }
        return k;
}

/* Shortest of the precisions that reads back as the same number, always with a point or an exponent so that it stays
 * a real. The decimal point of printf(3) is the locale's and may have several bytes. */
static int write_real(StrBuf *b, double v) {
        char text[64], plain[64];
        double again;
        size_t n;

        for (int precision = 15; precision <= 17; precision++) {
                (void) snprintf(text, sizeof text, "%.*g", precision, v);
                n = 0;
                for (const char *p = text; *p; p++)
                        if (strchr("0123456789+-e", *p))
                                plain[n++] = *p;
                        else if (n == 0 || plain[n - 1] != '.')
                                plain[n++] = '.';
                plain[n] = '\0';
                if (safe_atod(plain, &again) >= 0 && again == v)
                        break;
        }
        strbuf_append(b, plain);
        return strchr(plain, '.') || strchr(plain, 'e') ? 0 : strbuf_append(b, ".0");
}

static void write_string(StrBuf *b, const char *s) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";

        strbuf_append(b, "\"");
        while (*s) {
                size_t n = 0;

                while (s[n] && (unsigned char) s[n] >= 0x20 && s[n] != '"' && s[n] != '\\' && s[n] != 0x7f)
                        n++;
                strbuf_append_n(b, s, n);
                s += n;
                if (*s) {
                        const char *c = strchr(from, *s);

                        if (c)
                                strbuf_append_n(b, (const char[]){ '\\', to[c - from] }, 2);
                        else
                                strbuf_appendf(b, "\\u%04x", (unsigned char) *s);
                        s++;
                }
        }
        strbuf_append(b, "\"");
}

static void write_break(StrBuf *b, bool pretty, unsigned depth) {
        if (!pretty)
                return;
        strbuf_append(b, "\n");
        for (unsigned i = 0; i < depth; i++)
                strbuf_append(b, "  ");
}

static void write_value(StrBuf *b, const Json *j, bool pretty, unsigned depth);

static void write_object(StrBuf *b, const Json *j, bool pretty, unsigned depth) {
        void *state = NULL;
        const char *key;
        bool any = false;
        Json *value;

        strbuf_append(b, "{");
        for (; json_next(j, &state, &key, &value); any = true) {
                if (any)
                        strbuf_append(b, ",");
                write_break(b, pretty, depth + 1);
                write_string(b, key);
                strbuf_append(b, pretty ? ": " : ":");
                write_value(b, value, pretty, depth + 1);
        }
        if (any)
                write_break(b, pretty, depth);
        strbuf_append(b, "}");
}

static void write_array(StrBuf *b, const Json *j, bool pretty, unsigned depth) {
        size_t n = json_length(j);

        strbuf_append(b, "[");
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        strbuf_append(b, ",");
                write_break(b, pretty, depth + 1);
                write_value(b, json_at(j, i), pretty, depth + 1);
        }
        if (n > 0)
                write_break(b, pretty, depth);
        strbuf_append(b, "]");
}

static void write_integer(StrBuf *b, const Json *j) {
        uint64_t u;
        int64_t i;

        if (json_value_int(j, &i, &u))
                strbuf_appendf(b, "%" PRId64, i);
        else
                strbuf_appendf(b, "%" PRIu64, u);
}

static void write_value(StrBuf *b, const Json *j, bool pretty, unsigned depth) {
        switch (json_type(j)) {
        case JSON_NULL:
                strbuf_append(b, "null");
                break;
        case JSON_BOOL:
                strbuf_append(b, json_value_bool(j) ? "true" : "false");
                break;
        case JSON_INTEGER:
                write_integer(b, j);
                break;
        case JSON_REAL:
                write_real(b, json_value_real(j));
                break;
        case JSON_STRING:
                write_string(b, json_string(j));
                break;
        case JSON_ARRAY:
                write_array(b, j, pretty, depth);
                break;
        case JSON_OBJECT:
                write_object(b, j, pretty, depth);
                break;
        }
}

static int format(const Json *j, bool pretty, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        assert(ret);
        write_value(&b, j, pretty, 0);
        return strbuf_finish(&b, ret);
}

int json_format(const Json *j, char **ret) {
        return format(j, false, ret);
}

int json_format_pretty(const Json *j, char **ret) {
        return format(j, true, ret);
}
