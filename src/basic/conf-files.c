/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which configuration files apply. */
#include "basic/conf.h"

#include <dirent.h>
#include <sys/stat.h>

#include "basic/hash.h"
#include "basic/string.h"

/* 1 when there is something at the path, also a dangling link; 0 when there is nothing. */
static int path_exists(const char *path) {
        struct stat st;

        if (lstat(path, &st) >= 0)
                return 1;
        return IN_SET(errno, ENOENT, ENOTDIR) ? 0 : -errno;
}

static bool path_is_mask(const char *path) {
        struct stat st, null;

        return stat(path, &st) >= 0 && S_ISCHR(st.st_mode) && stat("/dev/null", &null) >= 0 &&
               st.st_rdev == null.st_rdev;
}

/* The main file of the highest root that has one, unless it is masked there. */
static int add_main_file(const char *name, const char *const *roots, size_t n_roots, char ***l) {
        int r;

        while (n_roots-- > 0) {
                _cleanup_free_ char *path = NULL;

                r = str_printf(&path, "%s/%s", roots[n_roots], name);
                if (r < 0)
                        return r;
                r = path_exists(path);
                if (r < 0)
                        return r;
                if (r > 0)
                        return path_is_mask(path) ? 0 : strv_consume(l, TAKE_PTR(path));
        }
        return 0;
}

static DIR *dir_close(DIR *d) {
        (void) closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR *, dir_close)

/* Notes file name → path for each drop-in of one directory, in place of what a lower root had. */
static int note_dropins(const char *directory, HashMap *paths) {
        _cleanup_(dir_closep) DIR *d = opendir(directory);
        struct dirent *e;
        int r;

        if (!d)
                return IN_SET(errno, ENOENT, ENOTDIR) ? 0 : -errno;
        while ((errno = 0, e = readdir(d))) {
                _cleanup_free_ char *path = NULL;

                if (e->d_name[0] == '.' || !endswith(e->d_name, ".conf"))
                        continue;
                r = str_printf(&path, "%s/%s", directory, e->d_name);
                if (r < 0)
                        return r;
                r = hashmap_replace(paths, e->d_name, path);
                if (r < 0)
                        return r;
                TAKE_PTR(path);
        }
        return -errno;
}

static int add_dropins(HashMap *paths, char ***l) {
        _cleanup_strv_free_ char **names = NULL;
        const char *name;
        HashIter i = {};
        int r;

        while (hashmap_next(paths, &i, &name, NULL)) {
                r = strv_extend(&names, name);
                if (r < 0)
                        return r;
        }
        strv_sort_uniq(names);
        STRV_FOREACH (n, names) {
                const char *path = hashmap_get(paths, *n);

                if (path_is_mask(path))
                        continue;
                r = strv_extend(l, path);
                if (r < 0)
                        return r;
        }
        return 0;
}

int conf_files_list(const char *name, const char *const *roots, char ***ret) {
        _cleanup_(hashmap_freep) HashMap *paths = NULL;
        _cleanup_strv_free_ char **l = NULL;
        size_t n_roots = 0;
        int r;

        assert(name);
        assert(roots);
        assert(ret);
        while (roots[n_roots])
                n_roots++;
        r = add_main_file(name, roots, n_roots, &l);
        if (r < 0)
                return r;
        r = hashmap_new(&paths, free_);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_roots; i++) {
                _cleanup_free_ char *directory = NULL;

                r = str_printf(&directory, "%s/%s.d", roots[i], name);
                if (r < 0)
                        return r;
                r = note_dropins(directory, paths);
                if (r < 0)
                        return r;
        }
        r = add_dropins(paths, &l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}
