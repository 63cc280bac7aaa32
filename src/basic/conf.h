/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* systemd-style configuration text: sections, Key=value, continuation by '\', comments by '#' and ';', empty assignment
 * resets a list. And a table-driven loader for whole configuration files with drop-ins. */

#include "basic/macro.h"

typedef struct ConfLine {
        const char *file;   /* path as given */
        unsigned line;      /* of the key, 1-based */
        const char *section, *key, *value; /* value with continuations joined by one space, stripped */
} ConfLine;

/* Gives every assignment to on_line; a negative return stops and is returned. A line that is no section, assignment or
 * comment goes to on_bad (may be NULL) with the reason. Only lines of `section` when it is not NULL. Lines over 1 MiB,
 * NUL bytes and invalid UTF-8 are bad lines. -ENOENT, -EACCES, … as from open. */
typedef int (*conf_line_t)(const ConfLine *l, void *userdata);
typedef void (*conf_bad_t)(const char *file, unsigned line, const char *reason, void *userdata);
int conf_parse_file(const char *path, const char *section, conf_line_t on_line, conf_bad_t on_bad, void *userdata);
int conf_parse_text(const char *name, const char *text, size_t size, const char *section, conf_line_t on_line,
                    conf_bad_t on_bad, void *userdata);

/* A parser stores value at data and returns 0, or returns a negative errno and stores nothing. */
typedef int (*conf_parser_t)(const char *value, void *data);
int conf_parse_bool(const char *value, void *data);    /* bool */
int conf_parse_u32(const char *value, void *data);     /* uint32_t */
int conf_parse_u64(const char *value, void *data);     /* uint64_t */
int conf_parse_size(const char *value, void *data);    /* uint64_t, bytes */
int conf_parse_span(const char *value, void *data);    /* usec_t */
int conf_parse_string(const char *value, void *data);  /* char *, empty resets to NULL */
int conf_parse_strv(const char *value, void *data);    /* char **, appends words; empty resets */
int conf_parse_log_level(const char *value, void *data); /* int */

typedef struct ConfItem {
        const char *section, *key;
        conf_parser_t parse;
        size_t offset;      /* into the destination struct */
} ConfItem;

/* The files that apply, in the order they are read: for name "synos/synd.conf" and roots {"/usr/lib","/run","/etc"}:
 * the main file of the highest root that has one, then all "<name>.d/" drop-ins sorted by file name, a higher root
 * replacing the same file name of a lower one; a symlink to /dev/null masks. roots are from lowest to highest
 * and end with NULL. */
int conf_files_list(const char *name, const char *const *roots, char ***ret);

/* Bad values and unknown keys go to on_bad with file and line and keep the default. */
int conf_load(char *const *files, const ConfItem *items, size_t n_items, void *destination, conf_bad_t on_bad,
              void *userdata);
