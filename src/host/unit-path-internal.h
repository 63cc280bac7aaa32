/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What unit-path.c (reads the directories) and unit-find.c (answers from them) share. */

#include "host/unit-path.h"

#define UNIT_DIRECTORIES_MAX 16

typedef struct DropInDirs {
        bool present[UNIT_DIRECTORIES_MAX]; /* by index in UnitMap.dirs */
} DropInDirs;

struct UnitMap {
        const UnitPaths *paths;
        PathTrust trust;
        const char *dirs[UNIT_DIRECTORIES_MAX]; /* those that exist, each only once, highest precedence first */
        int fds[UNIT_DIRECTORIES_MAX];
        size_t n_dirs;
        HashMap *ids; /* name → path of its file ("/…"), or the name that it is an alias of */
        HashMap *aliases; /* canonical name → char ** of other names that lead there */
        HashMap *drop_in_dirs; /* "foo.service.d" → DropInDirs */
        HashMap *drop_in_files; /* resolved directory → char ** of *.conf names */
};

/* Follows name to the path of a file, over aliases and from an instance to its template. -ENOENT: no such name;
 * -ENXIO: an alias of something that is not there; -ELOOP. */
int unit_map_resolve(const UnitMap *m, const char *name, const char **ret_path);
/* The last component of an absolute path. */
const char *path_name(const char *path) _pure_;
