/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which files make up a service unit: its fragment and its drop-ins, found as PID 1 finds them (systemd.unit(5)), so that
 * synd and the administrator always speak of the same files. Only names that end in ".service" are looked at. */

#include "host/path-trust.h"
#include "host/unit-file.h"

typedef struct UnitMap UnitMap;

/* Reads the directories of the search path once. paths must outlive the map. Directories that do not exist are no error. */
int unit_map_new(const UnitPaths *paths, UnitMap **ret);
UnitMap *unit_map_free(UnitMap *m);
DEFINE_CLEANUP(UnitMap *, unit_map_free);

/* Paths are without root. */
typedef struct UnitFiles {
        char *unit; /* canonical name: where aliases lead; an instance keeps its instance */
        char **names; /* all names, the canonical one first */
        char *fragment; /* in the search path (a linked unit's symlink), or NULL */
        char **drop_ins; /* in the order they apply, masked ones included */
} UnitFiles;
UnitFiles *unit_files_free(UnitFiles *f);
DEFINE_CLEANUP(UnitFiles *, unit_files_free);

/* The files of a unit, an instance or a template; nothing found gives no fragment and no drop-ins. -EINVAL when it is no
 * service name, -ELOOP when its aliases go round. */
int unit_map_find(UnitMap *m, const char *unit, UnitFiles **ret);

/* All names that files, symlinks and drop-in directories speak of, sorted: services, templates, and instances that have
 * something of their own. Several may lead to the same unit. */
int unit_map_list(UnitMap *m, char ***ret);

/* Opens one of these files for reading, whatever kind of file it is: 0, or an error of open(2). *ret_reason: why it does not
 * count as the owner's word, by what leads to it and by itself, or NULL. st: as fstat(2). *ret_fd is -EBADF when path is a
 * symlink to /dev/null. */
int unit_map_open(UnitMap *m, const char *path, int *ret_fd, struct stat *ret_st, char **ret_reason);
