/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/unit-path-internal.h"

#include "basic/string.h"
#include "host/service-name.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

DEFINE_CLEANUP_VOID(DIR *, closedir);

UnitFiles *unit_files_free(UnitFiles *f) {
        if (!f)
                return NULL;

        free(f->unit);
        strv_free(f->names);
        free(f->fragment);
        strv_free(f->drop_ins);
        free(f);
        return NULL;
}

static int add_unique(char ***l, const char *s) {
        return strv_contains(*l, s) ? 0 : strv_extend(l, s);
}

/* What is masked has no other names. */
static bool leads_to_mask(UnitMap *m, const char *alias) {
        _cleanup_free_ char *reason = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st = {};
        const char *path;

        return unit_map_resolve(m, alias, &path) >= 0 && unit_map_open(m, path, &fd, &st, &reason) >= 0 &&
               (fd < 0 || st.st_size == 0);
}

/* The names of an instance under the template aliases of its template: foo-alias@.service → foo@.service gives
 * foo-alias@x.service to foo@x.service, unless a file says that this instance goes elsewhere. */
static int collect_instance_names(UnitMap *m, const char *unit, const char *fragment, char ***names) {
        int r;

        STRV_FOREACH (alias, (char **) hashmap_get(m->aliases, path_name(fragment))) {
                _cleanup_free_ char *name = NULL;
                const char *other;

                r = service_name_instantiate(*alias, unit, &name);
                if (r < 0)
                        return r;
                if (unit_map_resolve(m, name, &other) >= 0 && !streq(path_name(other), path_name(fragment)))
                        continue;
                r = add_unique(names, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int collect_names(UnitMap *m, const char *unit, const char *fragment, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = strv_extend(&names, unit);
        if (r < 0)
                return r;
        STRV_FOREACH (alias, (char **) hashmap_get(m->aliases, unit)) {
                if (leads_to_mask(m, *alias))
                        continue;
                r = add_unique(&names, *alias);
                if (r < 0)
                        return r;
        }
        if (fragment && service_name_kind(unit) == SERVICE_NAME_INSTANCE &&
            service_name_kind(path_name(fragment)) == SERVICE_NAME_TEMPLATE) {
                r = collect_instance_names(m, unit, fragment, &names);
                if (r < 0)
                        return r;
        }

        strv_sort_uniq(names + 1); /* PID 1 keeps aliases in no order at all; ours is always the same */
        *ret = TAKE_PTR(names);
        return 0;
}

/* The names of *.conf files in a directory, sorted; read once. */
static int list_drop_ins(UnitMap *m, const char *dir, char ***ret) {
        _cleanup_strv_free_ char **files = NULL;
        char full[PATH_MAX];
        int r;

        *ret = hashmap_get(m->drop_in_files, dir);
        if (*ret)
                return 0;

        r = path_trust_full(&m->trust, dir, full);
        if (r < 0)
                return r;
        _cleanup_(closedirp) DIR *d = opendir(full);
        for (struct dirent *de; d && (de = readdir(d));) {
                if (de->d_name[0] == '.' || !endswith(de->d_name, ".conf") || de->d_type == DT_DIR)
                        continue;
                r = strv_extend(&files, de->d_name);
                if (r < 0)
                        return r;
        }
        if (!files)
                return 0;
        strv_sort_uniq(files);

        r = hashmap_put(m->drop_in_files, dir, files);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(files);
        return 0;
}

/* Adds "dir/NAME.d" to dirs, with its symlinks resolved, if it is there. */
static int add_directory(UnitMap *m, size_t index, const char *name, char ***dirs) {
        _cleanup_free_ char *entry = NULL, *path = NULL, *resolved = NULL;
        const DropInDirs *d;
        int r;

        r = str_printf(&entry, "%s.d", name);
        if (r < 0)
                return r;
        d = hashmap_get(m->drop_in_dirs, entry);
        if (!d || !d->present[index])
                return 0;

        r = str_printf(&path, "%s/%s", m->dirs[index], entry);
        if (r < 0)
                return r;
        r = path_trust_resolve(&m->trust, path, false, &resolved, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return add_unique(dirs, resolved);
}

/* For each directory of the search path from the specific to the general name: that is how PID 1 does it, so a general
 * drop-in in /etc wins over a specific one of the same file name in /usr/lib. */
static int add_directories(UnitMap *m, const char *unit, char ***dirs) {
        _cleanup_strv_free_ char **levels = NULL;
        int r;

        r = service_name_drop_in_levels(unit, &levels);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_dirs; i++)
                STRV_FOREACH (level, levels) {
                        r = add_directory(m, i, *level, dirs);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(path_name(*(char *const *) a), path_name(*(char *const *) b));
}

static int find_drop_ins(UnitMap *m, char *const *names, char ***ret) {
        _cleanup_strv_free_ char **dirs = NULL, **found = NULL;
        int r;

        if (hashmap_size(m->drop_in_dirs) == 0) {
                *ret = NULL;
                return 0;
        }

        STRV_FOREACH (name, names) {
                r = add_directories(m, *name, &dirs);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < m->n_dirs; i++) {
                r = add_directory(m, i, "service", &dirs);
                if (r < 0)
                        return r;
        }
        if (!dirs) {
                *ret = NULL;
                return 0;
        }

        _cleanup_(hashmap_freep) HashMap *seen = NULL;
        r = hashmap_new(&seen, NULL);
        if (r < 0)
                return r;
        STRV_FOREACH (dir, dirs) {
                char **files;

                r = list_drop_ins(m, *dir, &files);
                if (r < 0)
                        return r;
                STRV_FOREACH (file, files) {
                        _cleanup_free_ char *path = NULL;

                        r = hashmap_put(seen, *file, m);
                        if (r == -EEXIST)
                                continue;
                        if (r < 0)
                                return r;
                        r = str_printf(&path, "%s/%s", *dir, *file);
                        if (r < 0)
                                return r;
                        r = strv_consume(&found, TAKE_PTR(path));
                        if (r < 0)
                                return r;
                }
        }
        if (found)
                qsort(found, strv_length(found), sizeof(char *), compare_names);

        *ret = TAKE_PTR(found);
        return 0;
}

/* The file behind a name, and the canonical name that it gives. */
static int find_fragment(const UnitMap *m, const char *unit, char **ret_unit, char **ret_fragment) {
        _cleanup_free_ char *template = NULL, *canonical = NULL, *fragment = NULL;
        const char *path = NULL;
        int r;

        r = unit_map_resolve(m, unit, &path);
        if (r == -ELOOP)
                return r;
        if (!path && service_name_kind(unit) == SERVICE_NAME_INSTANCE) {
                r = unit_name_template(unit, &template);
                if (r < 0)
                        return r;
                r = unit_map_resolve(m, template, &path);
                if (r == -ELOOP)
                        return r;
        }

        if (path) {
                fragment = strdup(path);
                if (!fragment)
                        return -ENOMEM;
                r = service_name_instantiate(path_name(path), unit, &canonical);
                if (r < 0)
                        return r;
        } else {
                canonical = strdup(unit);
                if (!canonical)
                        return -ENOMEM;
        }

        *ret_unit = TAKE_PTR(canonical);
        *ret_fragment = TAKE_PTR(fragment);
        return 0;
}

int unit_map_find(UnitMap *m, const char *unit, UnitFiles **ret) {
        _cleanup_(unit_files_freep) UnitFiles *f = NULL;
        int r;

        if (service_name_kind(unit) == SERVICE_NAME_INVALID)
                return -EINVAL;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;

        r = find_fragment(m, unit, &f->unit, &f->fragment);
        if (r < 0)
                return r;
        r = collect_names(m, f->unit, f->fragment, &f->names);
        if (r < 0)
                return r;
        r = find_drop_ins(m, f->names, &f->drop_ins);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(f);
        return 0;
}

/* "foo-.service.d" is nobody's own directory, unless there is a unit with that odd name. */
static int list_drop_in_units(UnitMap *m, char ***names, char ***prefixes) {
        HashIter i = {};
        const char *dir;
        int r;

        while (hashmap_next(m->drop_in_dirs, &i, &dir, NULL)) {
                _cleanup_free_ char *name = strndup(dir, strlen(dir) - strlen(".d"));
                if (!name)
                        return -ENOMEM;

                if (service_name_kind(name) == SERVICE_NAME_INVALID)
                        continue; /* service.d */
                r = strv_extend(service_name_is_truncated(name) ? prefixes : names, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "foo-@x.service.d" gives something of its own to the instance x of every template that begins with "foo-". */
static int list_prefixed_instances(UnitMap *m, char *const *prefixes, char ***names) {
        HashIter i = {};
        const char *template;
        int r;

        while (hashmap_next(m->ids, &i, &template, NULL)) {
                if (service_name_kind(template) != SERVICE_NAME_TEMPLATE)
                        continue;
                STRV_FOREACH (p, prefixes) {
                        _cleanup_free_ char *instance = NULL;
                        _cleanup_strv_free_ char **levels = NULL;

                        if (service_name_kind(*p) != SERVICE_NAME_INSTANCE)
                                continue;
                        r = service_name_instantiate(template, *p, &instance);
                        if (r == -ENOMEM)
                                return r;
                        if (r < 0)
                                continue;
                        r = service_name_drop_in_levels(instance, &levels);
                        if (r < 0)
                                return r;
                        if (!strv_contains(levels, *p))
                                continue;
                        r = strv_extend(names, instance);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int unit_map_list(UnitMap *m, char ***ret) {
        _cleanup_strv_free_ char **names = NULL, **prefixes = NULL;
        HashIter i = {};
        const char *name;
        int r;

        while (hashmap_next(m->ids, &i, &name, NULL)) {
                r = strv_extend(&names, name);
                if (r < 0)
                        return r;
        }
        r = list_drop_in_units(m, &names, &prefixes);
        if (r < 0)
                return r;
        if (prefixes) {
                r = list_prefixed_instances(m, prefixes, &names);
                if (r < 0)
                        return r;
        }
        if (names)
                strv_sort_uniq(names);
        else {
                names = calloc(1, sizeof(char *));
                if (!names)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

/* Most files lie in a directory that is open already: so the way there is walked only once. */
static int open_direct(const UnitMap *m, const char *path) {
        size_t length = (size_t) (path_name(path) - path) - 1;
        const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
        char full[PATH_MAX];
        int fd = -EBADF, r;

        for (size_t i = 0; i < m->n_dirs && fd == -EBADF; i++)
                if (strlen(m->dirs[i]) == length && memcmp(m->dirs[i], path, length) == 0)
                        fd = openat(m->fds[i], path_name(path), flags);
        if (fd == -EBADF) {
                r = path_trust_full(&m->trust, path, full);
                if (r < 0)
                        return r;
                fd = open(full, flags);
        }
        return fd < 0 ? -errno : fd;
}

static int judge_directory(UnitMap *m, const char *path, char **ret_reason) {
        _cleanup_free_ char *dir = strndup(path, (size_t) (path_name(path) - path) - 1);
        _cleanup_free_ char *copy = NULL;
        const char *reason;
        int r;

        if (!dir)
                return -ENOMEM;
        r = path_trust_directory(&m->trust, dir, &reason);
        if (r < 0)
                return r;
        if (reason) {
                copy = strdup(reason);
                if (!copy)
                        return -ENOMEM;
        }
        *ret_reason = TAKE_PTR(copy);
        return 0;
}

int unit_map_open(UnitMap *m, const char *path, int *ret_fd, struct stat *ret_st, char **ret_reason) {
        _cleanup_free_ char *resolved = NULL, *reason = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *own;
        int r;

        fd = open_direct(m, path);
        if (fd == -ELOOP) {
                /* A symlink is followed by hand: so its target is taken below root, and each step is judged. */
                r = path_trust_resolve(&m->trust, path, false, &resolved, &reason);
                if (r < 0)
                        return r;
                if (streq(resolved, "/dev/null")) {
                        *ret_fd = -EBADF;
                        *ret_reason = NULL;
                        return 0;
                }
                fd = open_direct(m, resolved);
        } else if (fd >= 0) {
                r = judge_directory(m, path, &reason);
                if (r < 0)
                        return r;
        }
        if (fd < 0)
                return fd;
        if (fstat(fd, ret_st) < 0)
                return -errno;

        own = stat_distrust(ret_st, m->trust.owner);
        if (own && !reason) {
                r = str_printf(&reason, "%s %s", resolved ?: path, own);
                if (r < 0)
                        return r;
        }

        *ret_fd = TAKE_FD(fd);
        *ret_reason = TAKE_PTR(reason);
        return 0;
}
