/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/unit-path-internal.h"

#include "basic/string.h"
#include "host/service-name.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define FOLLOW_MAX 8 /* aliases of aliases, as PID 1 */

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
        "/etc/systemd/system.control",  "/run/systemd/system.control",  "/run/systemd/transient",
        "/run/systemd/generator.early", "/etc/systemd/system.attached", "/run/systemd/system.attached",
        "/run/systemd/generator",       "/run/systemd/generator.late",  NULL,
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
        struct stat seen[UNIT_DIRECTORIES_MAX];

        for (const char *const *d = dirs; *d; d++) {
                _cleanup_close_ int fd = -EBADF;
                char full[PATH_MAX];
                bool known = false;
                int r;

                r = path_trust_full(&m->trust, *d, full);
                if (r < 0)
                        return r;
                if (m->n_dirs >= UNIT_DIRECTORIES_MAX)
                        return -E2BIG;
                fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0 || fstat(fd, seen + m->n_dirs) < 0)
                        continue;
                for (size_t i = 0; i < m->n_dirs; i++)
                        known = known ||
                                (seen[i].st_dev == seen[m->n_dirs].st_dev && seen[i].st_ino == seen[m->n_dirs].st_ino);
                if (known)
                        continue;
                m->fds[m->n_dirs] = TAKE_FD(fd);
                m->dirs[m->n_dirs++] = *d;
        }
        return 0;
}

int unit_map_resolve(const UnitMap *m, const char *name, const char **ret_path) {
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

const char *path_name(const char *path) {
        return strrchr(path, '/') + 1;
}

/* Records that `name`, a symlink, leads to another name. */
static int add_alias(UnitMap *m, const char *name) {
        _cleanup_free_ char *canonical = NULL;
        _cleanup_strv_free_ char **list = NULL;
        const char *path;
        int r;

        r = unit_map_resolve(m, name, &path);
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
