/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/path-trust.h"

#include "basic/string.h"

#include <stdio.h>
#include <sys/stat.h>

#define SYMLINKS_MAX 40 /* as the kernel's MAXSYMLINKS, path_resolution(7) */

void path_trust_init(PathTrust *t, const char *root, uid_t owner) {
        *t = (PathTrust){ .root = root ?: "", .owner = owner };
}

void path_trust_done(PathTrust *t) {
        t->directories = hashmap_free(t->directories);
        t->chains = hashmap_free(t->chains);
}

int path_trust_full(const PathTrust *t, const char *path, char buffer[static PATH_MAX]) {
        int n = snprintf(buffer, PATH_MAX, "%s%s", t->root, *path || *t->root ? path : "/");

        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

const char *stat_distrust(const struct stat *st, uid_t owner) {
        if (st->st_uid != owner)
                return "belongs to another user";
        if (S_ISLNK(st->st_mode))
                return NULL;
        if (st->st_mode & S_IWOTH)
                return "is writable by everybody";
        if (st->st_mode & S_IWGRP)
                return "is writable by its group";
        return NULL;
}

/* One walk. done is the resolved part ("" = the root directory), rest what is still to be walked. */
typedef struct Walk {
        PathTrust *trust;
        char done[PATH_MAX];
        char rest[PATH_MAX];
        char reason[PATH_MAX + 64];
        unsigned links;
} Walk;

static void walk_distrust(Walk *w, const char *path, const char *reason) {
        /* The first reason is the one that is told: the later ones often follow from it. */
        if (reason && !w->reason[0])
                (void) snprintf(w->reason, sizeof(w->reason), "%s %s", isempty(path) ? "/" : path, reason);
}

static int remember(HashMap **map, const char *path, const char *reason, const char **ret) {
        _cleanup_free_ char *verdict = strdup(reason ?: "");
        int r;

        if (!verdict)
                return -ENOMEM;
        if (!*map) {
                r = hashmap_new(map, free_);
                if (r < 0)
                        return r;
        }
        r = hashmap_put(*map, path, verdict);
        if (r < 0)
                return r;
        if (ret)
                *ret = verdict;
        TAKE_PTR(verdict);
        return 0;
}

/* Judges the directory `done`; verdicts are kept, since all unit files lie in a few directories. */
static int walk_check_directory(Walk *w) {
        char full[PATH_MAX];
        const char *known, *reason;
        struct stat st;
        int r;

        if (isempty(w->done) && !isempty(w->trust->root))
                return 0; /* the root that a test hands in is its own business */

        known = w->trust->directories ? hashmap_get(w->trust->directories, w->done) : NULL;
        if (known) {
                walk_distrust(w, w->done, isempty(known) ? NULL : known);
                return 0;
        }

        r = path_trust_full(w->trust, w->done, full);
        if (r < 0)
                return r;
        if (lstat(full, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;

        reason = stat_distrust(&st, w->trust->owner);
        walk_distrust(w, w->done, reason);

        return remember(&w->trust->directories, w->done, reason, NULL);
}

/* Takes the next component off rest; false at the end. */
static bool walk_next(Walk *w, char component[static NAME_MAX + 1], bool *ret_last, int *ret_error) {
        char *s = w->rest + strspn(w->rest, "/");
        size_t n = strcspn(s, "/");

        *ret_error = 0;
        if (n == 0)
                return false;
        if (n > NAME_MAX) {
                *ret_error = -ENAMETOOLONG;
                return false;
        }

        memcpy(component, s, n);
        component[n] = 0;
        s += n;
        *ret_last = s[strspn(s, "/")] == 0;
        memmove(w->rest, s, strlen(s) + 1);
        return true;
}

/* The symlink `link` (a full path) replaces its own component: its target goes before what is left. */
static int walk_symlink(Walk *w, const char *link) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;
        int k;

        if (++w->links > SYMLINKS_MAX)
                return -ELOOP;

        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = 0;

        k = snprintf(rest, sizeof(rest), "%s/%s", target, w->rest);
        if (k < 0 || (size_t) k >= sizeof(rest))
                return -ENAMETOOLONG;
        memcpy(w->rest, rest, (size_t) k + 1);

        if (target[0] == '/')
                w->done[0] = 0;
        return 0;
}

static int walk_append(Walk *w, const char *component) {
        size_t have = strlen(w->done), more = strlen(component);

        if (have + 1 + more >= sizeof(w->done))
                return -ENAMETOOLONG;
        w->done[have] = '/';
        memcpy(w->done + have + 1, component, more + 1);
        return 0;
}

static int walk_step(Walk *w, const char *component, bool last, bool nofollow) {
        char full[PATH_MAX], *slash;
        struct stat st;
        size_t have;
        int r;

        if (streq(component, "."))
                return 0;
        if (streq(component, "..")) {
                slash = strrchr(w->done, '/');
                if (slash)
                        *slash = 0;
                return 0;
        }

        r = walk_check_directory(w);
        if (r < 0)
                return r;

        have = strlen(w->done);
        r = walk_append(w, component);
        if (r < 0)
                return r;
        r = path_trust_full(w->trust, w->done, full);
        if (r < 0)
                return r;
        if (lstat(full, &st) < 0)
                return errno == ENOENT && last ? 0 : -errno;

        if (S_ISLNK(st.st_mode) && !(last && nofollow)) {
                walk_distrust(w, w->done, stat_distrust(&st, w->trust->owner));
                w->done[have] = 0;
                return walk_symlink(w, full);
        }
        if (!last && !S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (last)
                walk_distrust(w, w->done, stat_distrust(&st, w->trust->owner));
        return 0;
}

int path_trust_resolve(PathTrust *t, const char *path, bool nofollow, char **ret_path, char **ret_reason) {
        _cleanup_free_ char *resolved = NULL, *reason = NULL;
        _cleanup_free_ Walk *w = NULL;
        char component[NAME_MAX + 1];
        bool last;
        int r;

        assert(path[0] == '/');

        if (strlen(path) >= PATH_MAX)
                return -ENAMETOOLONG;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->trust = t;
        memcpy(w->rest, path, strlen(path) + 1);

        while (walk_next(w, component, &last, &r)) {
                r = walk_step(w, component, last, nofollow);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        resolved = strdup(isempty(w->done) ? "/" : w->done);
        if (!resolved)
                return -ENOMEM;
        if (w->reason[0]) {
                reason = strdup(w->reason);
                if (!reason)
                        return -ENOMEM;
        }

        if (ret_path)
                *ret_path = TAKE_PTR(resolved);
        if (ret_reason)
                *ret_reason = TAKE_PTR(reason);
        return 0;
}

int path_trust_directory(PathTrust *t, const char *path, const char **ret_reason) {
        const char *known = t->chains ? hashmap_get(t->chains, path) : NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (!known) {
                r = path_trust_resolve(t, path, false, NULL, &reason);
                if (r < 0)
                        return r;
                r = remember(&t->chains, path, reason, &known);
                if (r < 0)
                        return r;
        }

        *ret_reason = isempty(known) ? NULL : known;
        return 0;
}
