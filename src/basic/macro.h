/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _unused_ __attribute__((unused))
#define _pure_ __attribute__((pure))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

/* Each use has variables of its own, so that they nest. */
#define MIN(a, b) MIN_(a, b, CONCAT(min_a_, __COUNTER__), CONCAT(min_b_, __COUNTER__))
#define MIN_(a, b, x, y) ({ __typeof__(a) x = (a); __typeof__(b) y = (b); x < y ? x : y; })
#define MAX(a, b) MAX_(a, b, CONCAT(max_a_, __COUNTER__), CONCAT(max_b_, __COUNTER__))
#define MAX_(a, b, x, y) ({ __typeof__(a) x = (a); __typeof__(b) y = (b); x > y ? x : y; })
#define CLAMP(x, lo, hi) MIN(MAX(x, lo), hi)

/* Hands the pointer over and forgets it, so that the cleanup handler finds nothing. */
#define TAKE_PTR(p) ({ __typeof__(p) take_ = (p); (p) = NULL; take_; })
#define TAKE_FD(fd) ({ int take_ = (fd); (fd) = -EBADF; take_; })

/* True if x equals one of the further arguments: IN_SET(state, A, B, C). */
#define IN_SET(x, ...)                                                                  \
        ({                                                                              \
                const __typeof__(x) in_set_[] = { __VA_ARGS__ };                        \
                bool found_ = false;                                                    \
                for (size_t i_ = 0; i_ < ELEMENTSOF(in_set_); i_++)                     \
                        found_ = found_ || in_set_[i_] == (x);                          \
                found_;                                                                 \
        })

/* Defines an inline "fp" that runs f on the pointed-to variable, for _cleanup_. */
#define DEFINE_CLEANUP(type, f)                                                         \
        _unused_ static inline void f##p(type *p) {                                     \
                if (*p)                                                                 \
                        *p = f(*p);                                                     \
        }

/* For foreign destructors that return nothing. */
#define DEFINE_CLEANUP_VOID(type, f)                                                    \
        _unused_ static inline void f##p(type *p) {                                     \
                if (*p)                                                                 \
                        f(*p);                                                          \
                *p = NULL;                                                              \
        }

/* name_to_string() gives NULL out of range; name_from_string() gives -EINVAL for an unknown word, and is an int because an
 * enum without negative members is unsigned: "r = name_from_string(s); if (r < 0)". */
#define DECLARE_STRING_TABLE(name, type)                                                \
        const char *name##_to_string(type v) _pure_;                                    \
        int name##_from_string(const char *s) _pure_

#define DEFINE_STRING_TABLE(name, type, table)                                          \
        const char *name##_to_string(type v) {                                          \
                if ((int) v < 0 || (size_t) v >= ELEMENTSOF(table))                     \
                        return NULL;                                                    \
                return (table)[v];                                                      \
        }                                                                               \
        int name##_from_string(const char *s) {                                         \
                if (s)                                                                  \
                        for (size_t i = 0; i < ELEMENTSOF(table); i++)                  \
                                if ((table)[i] && strcmp((table)[i], s) == 0)           \
                                        return (int) i;                                 \
                return -EINVAL;                                                         \
        }

static inline void *free_(void *p) {
        free(p);
        return NULL;
}

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
