/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Strings, string vectors and a growing buffer. (Include as "basic/string.h"; it never hides <string.h>.) */

#include "basic/macro.h"

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* NULL-safe: two NULLs are equal. */
bool streq_ptr(const char *a, const char *b) _pure_;

static inline bool isempty(const char *s) {
        return !s || !*s;
}

static inline const char *strnull(const char *s) {
        return s ?: "n/a";
}

/* The part of s behind prefix/before suffix, or NULL when s does not start/end so. */
const char *startswith(const char *s, const char *prefix) _pure_;
const char *endswith(const char *s, const char *suffix) _pure_;

/* Replaces *p by a copy of s (NULL allowed); 1 if it changed, 0 if it was equal, -ENOMEM. */
int free_and_strdup(char **p, const char *s);

/* Removes leading and trailing white space in place; returns the new start. */
char *strstrip(char *s);

/* Decimal, whole string, no sign for unsigned: 0, -EINVAL, -ERANGE. */
int safe_atou64(const char *s, uint64_t *ret);
int safe_atou32(const char *s, uint32_t *ret);
int safe_atoi(const char *s, int *ret);
/* Locale-independent, finite only. */
int safe_atod(const char *s, double *ret);
/* 1/yes/y/true/t/on and 0/no/n/false/f/off: 0/1, or -EINVAL. */
int parse_boolean(const char *s);
/* "512", "10K", "1.5G" (base 1024, as systemd): bytes. */
int parse_size(const char *s, uint64_t *ret);

/* NULL-terminated vectors; strv_free returns NULL. */
char **strv_free(char **l);
DEFINE_CLEANUP(char **, strv_free);
#define _cleanup_strv_free_ _cleanup_(strv_freep)
size_t strv_length(char *const *l) _pure_;
bool strv_contains(char *const *l, const char *s) _pure_;
int strv_extend(char ***l, const char *s);            /* appends a copy */
int strv_consume(char ***l, char *s);                 /* appends s itself; frees it on error */
int strv_copy(char *const *l, char ***ret);
void strv_sort_uniq(char **l);
bool strv_equal(char *const *a, char *const *b) _pure_;
int strv_split(const char *s, const char *separators, char ***ret); /* no empty items */
char *strv_join(char *const *l, const char *separator);
#define STRV_FOREACH(s, l) for (char *const *s = (l); s && *s; s++)

/* A growing string. Zero-initialise; always terminated; strbuf_append* return -ENOMEM once and stay failed. */
typedef struct StrBuf {
        char *data;
        size_t length, allocated;
        bool failed;
} StrBuf;
int strbuf_append(StrBuf *b, const char *s);
int strbuf_append_n(StrBuf *b, const char *s, size_t n);
int strbuf_appendf(StrBuf *b, const char *format, ...) _printf_(2, 3);
/* Takes the text out ("" when nothing was appended), or -ENOMEM if any append failed. */
int strbuf_finish(StrBuf *b, char **ret);
void strbuf_done(StrBuf *b);
#define _cleanup_strbuf_ _cleanup_(strbuf_done)

/* A copy of s in *ret: 0 or -ENOMEM. */
int str_copy(char **ret, const char *s);
/* asprintf with a proper return code. */
int str_printf(char **ret, const char *format, ...) _printf_(2, 3);
/* True for well-formed UTF-8 without NUL; control characters are allowed. */
bool utf8_is_valid(const char *s, size_t n) _pure_;
/* Copy of s with control characters and broken UTF-8 as \xNN, at most max bytes (then "…"). */
int str_sanitize(const char *s, size_t max, char **ret);
