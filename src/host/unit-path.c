/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/unit-path.h"

#include "basic/string.h"
#include "host/service-name.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define FOLLOW_MAX 8 /* aliases of aliases, as PID 1 */
#define DIRECTORIES_MAX 16

/* Where an administrator or a package puts system units. PID 1 also reads directories that are left out here on purpose:
 * system.control and transient hold what came in over the bus (SetUnitProperties, StartTransientUnit), the generator
 * directories what programs made of the kernel command line, fstab or init scripts, and system.attached portable images.
 * None of these is the administrator's own word, and the first two are within reach of whoever may manage units. */
static const char *const default_dirs[] = {
        "/etc/systemd/system",     "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system", "/lib/systemd/system", NULL,
};

/* A symlink into one of these is an alias too, even though nothing is read there. */
static const char *const other_dirs[] = {
        "/etc/systemd/system.control",  "/run/systemd/system.control",   "/run/systemd/transient",
        "/run/systemd/generator.early", "/etc/systemd/system.attached",  "/run/systemd/system.attached",
        "/run/systemd/generator",       "/run/systemd/generator.late",   NULL,
};

typedef struct DropInDirs {
        bool present[DIRECTORIES_MAX]; /* by index in UnitMap.dirs */
} DropInDirs;

struct UnitMap {
        const UnitPaths *paths;
        PathTrust trust;
        const char *dirs[DIRECTORIES_MAX]; /* those that exist, each only once, highest precedence first */
        int fds[DIRECTORIES_MAX];
        size_t n_dirs;
        HashMap *ids;           /* name → path of its file ("/…"), or the name that it is an alias of */
        HashMap *aliases;       /* canonical name → char ** of other names that lead there */
        HashMap *drop_in_dirs;  /* "foo.service.d" → DropInDirs */
        HashMap *drop_in_files; /* resolved directory → char ** of *.conf names */
};

static void *strv_free_value(void *p) {
        return strv_free(p);
}

UnitMap *unit_map_free(UnitMap *m) {
        if (!m)
                return NULL;

        for (size_t i = 0; i < m->n_dirs; i++)
                if (m->fds[i] >= 0)
                        close(m->fds[i]);
        path_trust_done(&m->trust);
        hashmap_free(m->ids);
        hashmap_free(m->aliases);
        hashmap_free(m->drop_in_dirs);
        hashmap_free(m->drop_in_files);
        free(m);
        return NULL;
}

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

static bool path_below(const char *path, const char *dir) {
        const char *rest = startswith(path, dir);

        return rest && *rest == '/';
}

static bool in_search_path(const UnitMap *m, const char *path) {
        const char *const *dirs = m->paths->dirs ?: default_dirs;

        for (const char *const *d = dirs; *d; d++)
                if (path_below(path, *d))
                        return true;
        if (!m->paths->dirs)
                for (const char *const *d = other_dirs; *d; d++)
                        if (path_below(path, *d))
                                return true;
        return false;
}

/* The same rules as PID 1's: the target must be a service name of the same kind, or the template of an instance. */
static bool alias_is_valid(const char *name, const char *target) {
        ServiceNameKind a = service_name_kind(name), b = service_name_kind(target);

        if (a == SERVICE_NAME_INVALID || b == SERVICE_NAME_INVALID)
                return false;
        if (a == SERVICE_NAME_INSTANCE && b == SERVICE_NAME_INSTANCE)
                return service_name_same_instance(name, target);
        return a == b || (a == SERVICE_NAME_INSTANCE && b == SERVICE_NAME_TEMPLATE);
}

/* 1: an alias of *ret_target; 0: the symlink stands for itself (linked unit, mask); -ESTALE: to be passed over. */
static int read_alias(UnitMap *m, const char *dir, const char *name, char **ret_target) {
        _cleanup_free_ char *link = NULL, *path = NULL, *resolved = NULL;
        char full[PATH_MAX], target[PATH_MAX];
        const char *base;
        ssize_t n;
        int r;

        r = str_printf(&link, "%s/%s", dir, name);
        if (r < 0)
                return r;
        if (path_trust_full(&m->trust, link, full) < 0)
                return -ESTALE;
        n = readlink(full, target, sizeof(target) - 1);
        if (n < 0)
                return -ESTALE;
        target[n] = 0;

        r = target[0] == '/' ? str_printf(&path, "%s", target) : str_printf(&path, "%s/%s", dir, target);
        if (r < 0)
                return r;
        r = path_trust_resolve(&m->trust, path, true, &resolved, NULL);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT || r == -ENOTDIR)
                return 0; /* it leads nowhere, and hides files of that name in later directories all the same */
        if (r < 0)
                return -ESTALE;
        if (!in_search_path(m, resolved))
                return 0;

        base = strrchr(resolved, '/') + 1;
        if (!alias_is_valid(name, base) || streq(base, name))
                return -ESTALE;

        *ret_target = strdup(base);
        return *ret_target ? 1 : -ENOMEM;
}

static int add_name(UnitMap *m, const char *dir, const struct dirent *de) {
        _cleanup_free_ char *target = NULL;
        int r;

        if (hashmap_get(m->ids, de->d_name))
                return 0; /* a directory of higher precedence has it */

        if (de->d_type == DT_LNK || de->d_type == DT_UNKNOWN) {
                r = read_alias(m, dir, de->d_name, &target);
                if (r == -ESTALE && de->d_type == DT_LNK)
                        return 0;
                if (r < 0 && r != -ESTALE)
                        return r;
        }
        if (!target) {
                r = str_printf(&target, "%s/%s", dir, de->d_name);
                if (r < 0)
                        return r;
        }

        r = hashmap_put(m->ids, de->d_name, target);
        if (r < 0)
                return r;
        TAKE_PTR(target);
        return 0;
}

static int add_drop_in_dir(UnitMap *m, size_t index, const char *name) {
        DropInDirs *d = hashmap_get(m->drop_in_dirs, name);
        int r;

        if (!d) {
                _cleanup_free_ DropInDirs *n = calloc(1, sizeof(*n));
                if (!n)
                        return -ENOMEM;
                r = hashmap_put(m->drop_in_dirs, name, n);
                if (r < 0)
                        return r;
                d = TAKE_PTR(n);
        }

        d->present[index] = true;
        return 0;
}

DEFINE_CLEANUP_VOID(DIR *, closedir);

static int read_directory(UnitMap *m, size_t index) {
        _cleanup_close_ int fd = fcntl(m->fds[index], F_DUPFD_CLOEXEC, 3);
        int r;

        if (fd < 0)
                return -errno;
        _cleanup_(closedirp) DIR *d = fdopendir(fd);
        if (!d)
                return -errno;
        TAKE_FD(fd);

        for (struct dirent *de; (de = readdir(d));) {
                const char *e = endswith(de->d_name, ".service.d");

                if (e || streq(de->d_name, "service.d"))
                        r = add_drop_in_dir(m, index, de->d_name);
                else if (service_name_kind(de->d_name) != SERVICE_NAME_INVALID)
                        r = add_name(m, m->dirs[index], de);
                else
                        continue;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* /lib is a symlink to /usr/lib on merged systems: the same directory is read only once. */
static int list_directories(UnitMap *m) {
        const char *const *dirs = m->paths->dirs ?: default_dirs;
        struct stat seen[DIRECTORIES_MAX];

        for (const char *const *d = dirs; *d; d++) {
                _cleanup_close_ int fd = -EBADF;
                char full[PATH_MAX];
                bool known = false;
                int r;

                r = path_trust_full(&m->trust, *d, full);
                if (r < 0)
                        return r;
                if (m->n_dirs >= DIRECTORIES_MAX)
                        return -E2BIG;
                fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0 || fstat(fd, seen + m->n_dirs) < 0)
                        continue;
                for (size_t i = 0; i < m->n_dirs; i++)
                        known = known || (seen[i].st_dev == seen[m->n_dirs].st_dev &&
                                          seen[i].st_ino == seen[m->n_dirs].st_ino);
                if (known)
                        continue;
                m->fds[m->n_dirs] = TAKE_FD(fd);
                m->dirs[m->n_dirs++] = *d;
        }
        return 0;
}

/* Follows name to the path of a file, over aliases and from an instance to its template. -ENOENT: no such name;
 * -ENXIO: an alias of something that is not there; -ELOOP. */
static int map_resolve(const UnitMap *m, const char *name, const char **ret_path) {
        _cleanup_free_ char *template = NULL;
        const char *id = name;

        for (unsigned n = 0; n < FOLLOW_MAX; n++) {
                const char *t = hashmap_get(m->ids, id);

                if (!t) {
                        if (id == name)
                                return -ENOENT;
                        if (template || unit_name_template(id, &template) < 0)
                                return -ENXIO;
                        t = hashmap_get(m->ids, template);
                        if (!t)
                                return -ENXIO;
                }
                if (*t == '/') {
                        *ret_path = t;
                        return 0;
                }
                id = t;
        }
        return -ELOOP;
}

static const char *path_name(const char *path) {
        return strrchr(path, '/') + 1;
}

/* Records that `name`, a symlink, leads to another name. */
static int add_alias(UnitMap *m, const char *name) {
        _cleanup_free_ char *canonical = NULL;
        _cleanup_strv_free_ char **list = NULL;
        const char *path;
        int r;

        r = map_resolve(m, name, &path);
        if (r < 0)
                return 0; /* said when the unit itself is asked for */

        r = service_name_instantiate(path_name(path), name, &canonical);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        list = hashmap_remove(m->aliases, canonical);
        r = strv_extend(&list, name);
        if (r < 0)
                return r;
        r = hashmap_put(m->aliases, canonical, list);
        if (r < 0)
                return r;
        TAKE_PTR(list);
        return 0;
}

static int find_aliases(UnitMap *m) {
        HashIter i = {};
        const char *name;
        void *target;
        int r;

        while (hashmap_next(m->ids, &i, &name, &target)) {
                if (*(const char *) target == '/')
                        continue;
                r = add_alias(m, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int unit_map_new(const UnitPaths *paths, UnitMap **ret) {
        _cleanup_(unit_map_freep) UnitMap *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->paths = paths;
        path_trust_init(&m->trust, paths->root, paths->owner);

        r = hashmap_new(&m->ids, free_);
        if (r < 0)
                return r;
        r = hashmap_new(&m->aliases, strv_free_value);
        if (r < 0)
                return r;
        r = hashmap_new(&m->drop_in_dirs, free_);
        if (r < 0)
                return r;
        r = hashmap_new(&m->drop_in_files, strv_free_value);
        if (r < 0)
                return r;

        r = list_directories(m);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_dirs; i++) {
                r = read_directory(m, i);
                if (r < 0)
                        return r;
        }
        r = find_aliases(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

static int add_unique(char ***l, const char *s) {
        return strv_contains(*l, s) ? 0 : strv_extend(l, s);
}

/* The names of an instance under the template aliases of its template: foo-alias@.service → foo@.service gives
 * foo-alias@x.service to foo@x.service, unless a file says that this instance goes elsewhere. */
static int collect_instance_names(UnitMap *m, const char *unit, const char *fragment, char ***names) {
        int r;

        STRV_FOREACH(alias, (char **) hashmap_get(m->aliases, path_name(fragment))) {
                _cleanup_free_ char *name = NULL;
                const char *other;

                r = service_name_instantiate(*alias, unit, &name);
                if (r < 0)
                        return r;
                if (map_resolve(m, name, &other) >= 0 && !streq(path_name(other), path_name(fragment)))
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
        STRV_FOREACH(alias, (char **) hashmap_get(m->aliases, unit)) {
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
                STRV_FOREACH(level, levels) {
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

        STRV_FOREACH(name, names) {
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
        STRV_FOREACH(dir, dirs) {
                char **files;

                r = list_drop_ins(m, *dir, &files);
                if (r < 0)
                        return r;
                STRV_FOREACH(file, files) {
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

        r = map_resolve(m, unit, &path);
        if (r == -ELOOP)
                return r;
        if (!path && service_name_kind(unit) == SERVICE_NAME_INSTANCE) {
                r = unit_name_template(unit, &template);
                if (r < 0)
                        return r;
                r = map_resolve(m, template, &path);
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
                STRV_FOREACH(p, prefixes) {
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
