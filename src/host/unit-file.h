/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* [X-Synos] in unit files and drop-ins, found and merged with systemd's own precedence (systemd.unit(5)): fragments in
 * the unit search path, names by symlink (aliases), templates and instances, "type.d" and dash-truncated drop-in
 * directories, masked units, drop-ins masked by a symlink to /dev/null. Synchronous file reading: called at start, after
 * daemon-reload, and by the grant helper; never for each event. */

#include "basic/hash.h"
#include "core/service.h"

/* Where to look, highest precedence first. root is prefixed to each ("" in production; tests pass a directory). */
typedef struct UnitPaths {
        const char *root;
        const char *const *dirs;        /* NULL: the built-in list of system units, without transient and .control
                                         * directories (what synd itself may have caused must not widen its power) */
        uid_t owner;                    /* files must belong to this user (0 in production) and not be writable by others,
                                         * and so must the directories they lie in, or they grant nothing */
} UnitPaths;

typedef struct UnitDeclaration {
        char *unit;                     /* canonical: where aliases lead */
        char *fragment;                 /* path of the unit file, NULL if only drop-ins */
        char **drop_ins;                /* those with [X-Synos], in the order they apply */
        bool masked;
        bool supervise;                 /* merged Supervise= */
        bool trusted;                   /* every file with [X-Synos] is owned properly, and all files could be read */
        ServiceConfig *config;          /* merged, with problems; granted is set by supervise && trusted && fragment && !masked &&
                                         * !protected */
} UnitDeclaration;
UnitDeclaration *unit_declaration_free(UnitDeclaration *d);
DEFINE_CLEANUP(UnitDeclaration *, unit_declaration_free);

/* Scans everything once: *ret maps the names of units and templates ("foo@.service") that have an [X-Synos] section
 * anywhere → UnitDeclaration. A template's declaration counts for its instances unless an instance has its own; an
 * instance whose own file has no section is there too (supervise false, no fields) when its template is.
 * Unreadable files become problems of their unit; only -ENOMEM and a total failure are errors. protected_units: patterns
 * besides the built-in ones. */
int unit_files_scan(const UnitPaths *paths, const RecoverySettings *defaults, char *const *protected_units, HashMap **ret);
/* The declaration of one concrete unit (instances of templates included), or -ENOENT. For an instance that exists only
 * at run time the daemon calls this when it sees the unit. */
int unit_file_load(const UnitPaths *paths, const RecoverySettings *defaults, char *const *protected_units,
                   const char *unit, UnitDeclaration **ret);
/* True if a unit of that name may be declared by a template in the scan: cheap test before unit_file_load. */
bool unit_files_have_template(const HashMap *scan, const char *unit);
