/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Whether nobody but the owner can change what a path leads to: every directory on the way (those that symlinks lead
 * through included) and the file at its end belong to the owner and are writable by nobody else. */

#include "basic/hash.h"
#include <limits.h>
#include <sys/types.h>

struct stat;

typedef struct PathTrust {
        const char *root; /* prefixed to every path, itself not judged; "" in production */
        uid_t owner;
        HashMap *directories; /* verdicts that are known: path → reason, "" = trusted */
        HashMap *chains; /* the same for directories with all that leads to them */
} PathTrust;

void path_trust_init(PathTrust *t, const char *root, uid_t owner);
void path_trust_done(PathTrust *t);

/* root and path, for system calls: -ENAMETOOLONG. */
int path_trust_full(const PathTrust *t, const char *path, char buffer[static PATH_MAX]);

/* NULL when st belongs to owner and nobody else may write it, else the reason ("belongs to uid 1000", …). symlinks have no
 * mode of their own: only their owner counts. */
const char *stat_distrust(const struct stat *st, uid_t owner);

/* Follows path (absolute, below root, without root) as the kernel would, at most 40 symlinks, with absolute targets
 * taken below root. *ret_path: where it ends, without root; the last component need not exist, the others must
 * (-ENOENT, -ENOTDIR, -ELOOP, …). *ret_reason: NULL when every step is trusted, else a sentence. nofollow: the last
 * component is not followed when it is a symlink. Any ret_ may be NULL. */
int path_trust_resolve(PathTrust *t, const char *path, bool nofollow, char **ret_path, char **ret_reason);

/* The same for a directory, remembered. *ret_reason is borrowed from t. */
int path_trust_directory(PathTrust *t, const char *path, const char **ret_reason);
