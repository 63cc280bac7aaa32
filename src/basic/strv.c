/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/string.h"

char **strv_free(char **l) {
        STRV_FOREACH (s, l)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH (s, l)
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH (i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

int strv_consume(char ***l, char *s) {
        size_t n;
        char **grown;

        assert(l);
        if (!s)
                return -ENOMEM;
        n = strv_length(*l);
        grown = reallocarray(*l, n + 2, sizeof *grown);
        if (!grown) {
                free(s);
                return -ENOMEM;
        }
        grown[n] = s;
        grown[n + 1] = NULL;
        *l = grown;
        return 0;
}

int strv_extend(char ***l, const char *s) {
        assert(s);
        return strv_consume(l, strdup(s));
}

int strv_copy(char *const *l, char ***ret) {
        _cleanup_strv_free_ char **copy = NULL;
        size_t n = strv_length(l);

        assert(ret);
        copy = n > 0 ? calloc(n + 1, sizeof *copy) : NULL;
        if (n > 0 && !copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                copy[i] = strdup(l[i]);
                if (!copy[i])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

void strv_sort_uniq(char **l) {
        size_t n = strv_length(l), k = 0;

        if (n == 0)
                return;
        qsort(l, n, sizeof *l, compare);
        for (size_t i = 1; i < n; i++)
                if (streq(l[k], l[i]))
                        free(l[i]);
                else
                        l[++k] = l[i];
        l[k + 1] = NULL;
}

bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

/* The next item at *s, its length in *ret_n; false at the end. */
static bool next_item(const char **s, const char *separators, size_t *ret_n) {
        *s += strspn(*s, separators);
        *ret_n = strcspn(*s, separators);
        return *ret_n > 0;
}

/* Counts before it allocates: appending one by one would be quadratic, and the text may be a stranger's. */
int strv_split(const char *s, const char *separators, char ***ret) {
        _cleanup_strv_free_ char **l = NULL;
        size_t n, n_items = 0, i = 0;

        assert(separators);
        assert(ret);
        s = s ?: "";
        for (const char *p = s; next_item(&p, separators, &n); p += n)
                n_items++;
        l = n_items > 0 ? calloc(n_items + 1, sizeof *l) : NULL;
        if (n_items > 0 && !l)
                return -ENOMEM;
        for (; next_item(&s, separators, &n); s += n) {
                l[i] = strndup(s, n);
                if (!l[i++])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

char *strv_join(char *const *l, const char *separator) {
        _cleanup_strbuf_ StrBuf b = {};
        char *joined;

        STRV_FOREACH (s, l) {
                if (s != l)
                        strbuf_append(&b, separator);
                strbuf_append(&b, *s);
        }
        return strbuf_finish(&b, &joined) < 0 ? NULL : joined;
}
