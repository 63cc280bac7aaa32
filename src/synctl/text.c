/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <wchar.h>

/* wcwidth() needs an UTF-8 locale; loading one costs more than the rest of a short run, so it waits for the first
 * character beyond ASCII. C.UTF-8 is always there (Debian builds it into libc). */
static int wide_width(uint32_t c) {
        /* Latin letters, and the symbols and tree branches of our own. */
        static const uint32_t known[] = { 0x2026, 0x2192, 0x2502, 0x2514, 0x251c, 0x2500, 0x25b2, 0x25cb, 0x25cf };
        static bool ready;

        if (c > 0xad && c < 0x300)
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i] == c)
                        return 1;
        if (!ready) {
                if (!setlocale(LC_CTYPE, "") || !streq(nl_langinfo(CODESET), "UTF-8"))
                        (void) setlocale(LC_CTYPE, "C.UTF-8");
                ready = true;
        }
        return wcwidth((wchar_t) c);
}

/* Decodes one character: its bytes, or 0 when broken. */
static size_t utf8_decode(const char *s, uint32_t *ret) {
        const unsigned char *u = (const unsigned char *) s;
        size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc2 ? 2 : 0;

        if (n == 0 || u[0] >= 0xf5)
                return 0;
        uint32_t c = n == 1 ? u[0] : u[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (u[i] & 0x3f);
        }
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        if (c < smallest[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
                return 0;
        *ret = c;
        return n;
}

/* One step over s: bytes taken, columns in *ret_width. Escape sequences "ESC [ … letter" take no column. */
static size_t step(const char *s, size_t *ret_width) {
        uint32_t c;

        if (s[0] == '\033' && s[1] == '[') {
                size_t n = 2;
                while (s[n] && !((s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= 'a' && s[n] <= 'z')))
                        n++;
                *ret_width = 0;
                return s[n] ? n + 1 : n;
        }
        size_t n = utf8_decode(s, &c);
        if (n <= 1) {
                *ret_width = n == 1 && (unsigned char) s[0] < 0x20 ? 0 : 1;
                return 1;
        }
        int w = wide_width(c);
        *ret_width = w < 0 ? 0 : (size_t) w;
        return n;
}

size_t text_width(const char *s) {
        size_t total = 0;

        while (*s) {
                size_t w;
                s += step(s, &w);
                total += w;
        }
        return total;
}

int text_clean(const char *s, char **ret) {
        bool dirty = false;

        if (!s)
                s = "";
        for (const char *p = s; *p && !dirty;) {
                uint32_t c;
                size_t n = utf8_decode(p, &c);
                dirty = n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
                        (c >= 0x2066 && c <= 0x2069); /* overrides of the direction */
                p += n;
        }
        if (!dirty) {
                char *copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
                *ret = copy;
                return 0;
        }
        _cleanup_strbuf_ StrBuf b = {};
        for (const char *p = s; *p;) {
                uint32_t c = 0;
                size_t n = utf8_decode(p, &c);
                if (n == 1 && c == '\t')
                        strbuf_append(&b, " ");
                else if (n == 0 || c < 0x20 || c == 0x7f)
                        strbuf_appendf(&b, "\\x%02x", (unsigned char) *p);
                else if ((c >= 0x80 && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
                        strbuf_appendf(&b, "\\u%04x", c);
                else
                        strbuf_append_n(&b, p, n);
                p += MAX(n, (size_t) 1);
        }
        return strbuf_finish(&b, ret);
}

int text_shorten(const Term *t, const char *s, size_t columns, char **ret) {
        size_t width = text_width(s);

        if (columns == 0 || width <= columns) {
                char *copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
                *ret = copy;
                return 0;
        }
        const char *ellipsis = term_glyph(t, GLYPH_ELLIPSIS);
        size_t room = t->utf8 ? 1 : strlen(ellipsis);
        if (room > columns) {
                ellipsis = "";
                room = 0;
        }
        size_t used = 0, n = 0;
        while (s[n]) {
                size_t w, bytes = step(s + n, &w);
                if (used + w + room > columns)
                        break;
                used += w;
                n += bytes;
        }
        _cleanup_strbuf_ StrBuf b = {};
        strbuf_append_n(&b, s, n);
        strbuf_append(&b, ellipsis);
        return strbuf_finish(&b, ret);
}

static void spaces(StrBuf *b, size_t n) {
        static const char blank[] = "                                ";

        while (n > 0) {
                size_t k = MIN(n, sizeof(blank) - 1);
                strbuf_append_n(b, blank, k);
                n -= k;
        }
}

void text_pad(StrBuf *b, const char *s, size_t columns, bool right) {
        size_t width = text_width(s), fill = width < columns ? columns - width : 0;

        if (right)
                spaces(b, fill);
        strbuf_append(b, s);
        if (!right)
                spaces(b, fill);
}

void text_wrap(StrBuf *b, const char *s, size_t columns, size_t indent) {
        size_t at = 0; /* columns used on this line, without the indentation */

        if (columns > 0 && columns < indent + 20)
                columns = indent + 20;
        while (*s) {
                size_t n = strcspn(s, " "), gap = strspn(s + n, " ");
                _cleanup_strbuf_ StrBuf word = {};
                strbuf_append_n(&word, s, n);
                size_t width = word.data ? text_width(word.data) : 0;
                if (columns > 0 && at > 0 && indent + at + 1 + width > columns) {
                        strbuf_append(b, "\n");
                        spaces(b, indent);
                        at = 0;
                } else if (at > 0) {
                        strbuf_append(b, " ");
                        at++;
                }
                strbuf_append_n(b, s, n);
                at += width;
                s += n + gap;
        }
}

size_t text_distance(const char *a, const char *b) {
        enum { LONGEST = 64 };
        size_t n = strlen(a), m = strlen(b);
        unsigned char d[LONGEST + 1][LONGEST + 1];

        if (n > LONGEST || m > LONGEST)
                return SIZE_MAX;
        for (size_t i = 0; i <= n; i++)
                d[i][0] = (unsigned char) i;
        for (size_t j = 0; j <= m; j++)
                d[0][j] = (unsigned char) j;
        for (size_t i = 1; i <= n; i++)
                for (size_t j = 1; j <= m; j++) {
                        unsigned cost = a[i - 1] != b[j - 1];
                        unsigned best = MIN(d[i - 1][j] + 1u, d[i][j - 1] + 1u);
                        best = MIN(best, d[i - 1][j - 1] + cost);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                best = MIN(best, d[i - 2][j - 2] + 1u);
                        d[i][j] = (unsigned char) best;
                }
        return d[n][m];
}

const char *text_suggest(const char *word, const char *const *words, size_t n) {
        const char *best = NULL;
        size_t best_distance = SIZE_MAX, length = strlen(word);

        for (size_t i = 0; i < n; i++) {
                size_t distance = text_distance(word, words[i]);
                /* What was begun and not finished is nearer than what was mistyped. */
                if (length >= 2 && startswith(words[i], word))
                        distance = MIN(distance, (size_t) 1);
                if (distance < best_distance) {
                        best = words[i];
                        best_distance = distance;
                }
        }
        return best && best_distance <= 1 + length / 4 && best_distance < length ? best : NULL;
}

const char *text_line(uint64_t line, char buf[static TEXT_LINE_MAX]) {
        if (line == 0)
                return "";
        (void) snprintf(buf, TEXT_LINE_MAX, ":%" PRIu64, line);
        return buf;
}
