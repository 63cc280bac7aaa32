/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/unit-file.h"

#include "basic/conf.h"
#include "basic/string.h"
#include "host/service-name.h"
#include "host/unit-path.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SECTION "X-Synos"
#define SECTION_BEGIN "[" SECTION /* what a file must contain to be worth parsing, a broken header included */
#define UNIT_FILE_SIZE_MAX (1024 * 1024)

UnitDeclaration *unit_declaration_free(UnitDeclaration *d) {
        if (!d)
                return NULL;

        free(d->unit);
        free(d->fragment);
        strv_free(d->drop_ins);
        service_config_free(d->config);
        free(d);
        return NULL;
}

static void *declaration_free_value(void *p) {
        return unit_declaration_free(p);
}

typedef struct Scan {
        const RecoverySettings *defaults;
        char *const *protected_units;
        UnitMap *map;
        char *buffer; /* of the file that is being read: UNIT_FILE_SIZE_MAX + 1 bytes at most */
        size_t allocated;
        char **bare; /* instances with a file of their own that has no section */
} Scan;

static void scan_done(Scan *s) {
        unit_map_free(s->map);
        free(s->buffer);
        strv_free(s->bare);
}

/* One file of a unit, read. */
typedef struct UnitText {
        const char *path; /* without root */
        size_t size; /* of the text in Scan.buffer */
        bool masked; /* empty, or /dev/null */
        char *distrust; /* NULL when it may grant something */
} UnitText;

static void unit_text_done(UnitText *t) {
        free(t->distrust);
}

static int buffer_reserve(Scan *s, size_t size) {
        char *p;

        if (size <= s->allocated)
                return 0;
        p = realloc(s->buffer, size);
        if (!p)
                return -ENOMEM;
        s->buffer = p;
        s->allocated = size;
        return 0;
}

static int read_all(Scan *s, int fd, size_t expected, size_t *ret_size) {
        size_t size = 0;
        ssize_t n;
        int r;

        /* One byte more than expected, so that the end of the file is seen by the first read in nearly every case. */
        r = buffer_reserve(s, expected + 2);
        if (r < 0)
                return r;

        for (;;) {
                n = read(fd, s->buffer + size, s->allocated - size);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                size += (size_t) n;
                if (size > UNIT_FILE_SIZE_MAX)
                        return -EFBIG;
                if (n == 0 || size < s->allocated)
                        break;
                r = buffer_reserve(s, s->allocated * 2);
                if (r < 0)
                        return r;
        }

        *ret_size = size;
        return 0;
}

static int read_text(Scan *s, const char *path, UnitText *t) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st = {};
        int r;

        t->path = path;
        r = unit_map_open(s->map, path, &fd, &st, &t->distrust);
        if (r < 0)
                return r;
        if (fd < 0 || (S_ISREG(st.st_mode) && st.st_size == 0)) {
                t->masked = true;
                return 0;
        }
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (st.st_size > UNIT_FILE_SIZE_MAX)
                return -EFBIG;
        return read_all(s, fd, (size_t) st.st_size, &t->size);
}

/* The files of one unit, merged. */
typedef struct Merge {
        UnitDeclaration *declaration;
        bool in_file; /* the file that is being read has assignments or bad lines in our section */
        bool in_any;
        bool protected_by_error;
        int error;
} Merge;

static int merge_supervise(Merge *m, const ConfLine *l) {
        UnitDeclaration *d = m->declaration;
        int b;

        if (isempty(l->value)) {
                d->supervise = false;
                return 0;
        }
        b = parse_boolean(l->value);
        d->supervise = b > 0; /* a word that is not understood gives no power */
        return 0;
}

static int merge_line(const ConfLine *l, void *userdata) {
        Merge *m = userdata;

        m->in_file = true;
        if (streq(l->key, "Supervise"))
                (void) merge_supervise(m, l);
        else if (streq(l->key, "Protected"))
                m->protected_by_error = !isempty(l->value) && parse_boolean(l->value) < 0;

        return service_config_apply(m->declaration->config, l->key, l->value, l->file, l->line);
}

static void merge_bad(const char *file, unsigned line, const char *reason, void *userdata) {
        Merge *m = userdata;
        int r;

        m->in_file = true;
        r = service_config_add_problem(m->declaration->config, file, line, "%s", reason);
        if (r < 0)
                m->error = r;
}

static int merge_text(Scan *s, Merge *m, const UnitText *t) {
        UnitDeclaration *d = m->declaration;
        int r;

        if (t->masked || t->size == 0)
                return 0;
        if (!memmem(s->buffer, t->size, SECTION_BEGIN, strlen(SECTION_BEGIN)))
                return 0;

        m->in_file = false;
        r = conf_parse_text(t->path, s->buffer, t->size, SECTION, merge_line, merge_bad, m);
        if (r < 0)
                return r;
        if (m->error < 0)
                return m->error;
        if (!m->in_file)
                return 0;

        m->in_any = true;
        if (t->distrust) {
                d->trusted = false;
                return service_config_add_problem(d->config, t->path, 0, "grants nothing, because %s", t->distrust);
        }
        return 0;
}

/* A file that cannot be read may say no: as long as it is there, the unit is not granted. */
static int merge_unreadable(Merge *m, const char *path, int error) {
        UnitDeclaration *d = m->declaration;

        if (error == -ENOMEM)
                return error;
        d->trusted = false;
        return service_config_add_problem(d->config, path, 0, "grants nothing, because it cannot be read: %s",
                                          strerror(-error));
}

static int merge_fragment(Scan *s, Merge *m, const char *path) {
        _cleanup_(unit_text_done) UnitText t = {};
        int r;

        r = read_text(s, path, &t);
        if (r < 0)
                return merge_unreadable(m, path, r);
        m->declaration->masked = t.masked;
        return merge_text(s, m, &t);
}

static int merge_drop_in(Scan *s, Merge *m, const char *path) {
        _cleanup_(unit_text_done) UnitText t = {};
        int r;

        r = read_text(s, path, &t);
        if (r == -ENOENT)
                return 0; /* a symlink to nowhere: PID 1 passes over it too */
        if (r < 0)
                return merge_unreadable(m, path, r);
        r = merge_text(s, m, &t);
        if (r < 0)
                return r;
        return m->in_file ? strv_extend(&m->declaration->drop_ins, path) : 0;
}

static bool is_protected(const Scan *s, const UnitFiles *f) {
        STRV_FOREACH (name, f->names)
                if (unit_is_protected_builtin(*name) || unit_name_matches(*name, s->protected_units))
                        return true;
        return false;
}

/* -ENOENT: none of its files has the section. */
static int load_declaration(Scan *s, UnitFiles *f, UnitDeclaration **ret) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->trusted = true;
        r = service_config_new(f->unit, s->defaults, &d->config);
        if (r < 0)
                return r;

        Merge m = { .declaration = d };
        if (f->fragment) {
                r = merge_fragment(s, &m, f->fragment);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH (path, f->drop_ins) {
                m.in_file = false;
                r = merge_drop_in(s, &m, *path);
                if (r < 0)
                        return r;
        }
        if (!m.in_any)
                return -ENOENT;

        d->config->protected_ = d->config->protected_ || m.protected_by_error || is_protected(s, f);
        if (d->supervise && !f->fragment) {
                r = service_config_add_problem(d->config, d->drop_ins[0], 0,
                                               "grants nothing, because %s has no unit file of its own", f->unit);
                if (r < 0)
                        return r;
        }
        /* Of a unit that PID 1 cannot load from a file synd has no business to ask for a start. */
        d->config->granted = d->supervise && d->trusted && !d->masked && !d->config->protected_ && f->fragment;
        d->unit = TAKE_PTR(f->unit);
        d->fragment = TAKE_PTR(f->fragment);
        *ret = TAKE_PTR(d);
        return 0;
}

/* The file of an instance takes the place of its template's, a mask too: what the template says does not count for it. */
static bool has_own_fragment(const UnitFiles *f) {
        return f->fragment && service_name_kind(f->unit) == SERVICE_NAME_INSTANCE &&
               service_name_kind(strrchr(f->fragment, '/') + 1) != SERVICE_NAME_TEMPLATE;
}

static int add_bare(Scan *s, HashMap *found) {
        int r;

        STRV_FOREACH (unit, s->bare) {
                _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;

                if (!unit_files_have_template(found, *unit))
                        continue;
                d = calloc(1, sizeof(*d));
                if (!d)
                        return -ENOMEM;
                d->unit = strdup(*unit);
                if (!d->unit)
                        return -ENOMEM;
                r = service_config_new(*unit, s->defaults, &d->config);
                if (r < 0)
                        return r;
                r = hashmap_put(found, *unit, d);
                if (r < 0)
                        return r;
                TAKE_PTR(d);
        }
        return 0;
}

static int scan_unit(Scan *s, HashMap *seen, const char *name, HashMap *found) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;
        _cleanup_(unit_files_freep) UnitFiles *f = NULL;
        int r;

        r = unit_map_find(s->map, name, &f);
        if (r == -EINVAL || r == -ELOOP)
                return 0; /* no unit for PID 1 either */
        if (r < 0)
                return r;
        r = hashmap_put(seen, f->unit, s);
        if (r < 0)
                return r == -EEXIST ? 0 : r;

        r = load_declaration(s, f, &d);
        if (r == -ENOENT)
                return has_own_fragment(f) ? strv_extend(&s->bare, f->unit) : 0;
        if (r < 0)
                return r;
        r = hashmap_put(found, d->unit, d);
        if (r < 0)
                return r;
        TAKE_PTR(d);
        return 0;
}

int unit_files_scan(const UnitPaths *paths, const RecoverySettings *defaults, char *const *protected_units,
                    HashMap **ret) {
        _cleanup_(scan_done) Scan s = { .defaults = defaults, .protected_units = protected_units };
        _cleanup_(hashmap_freep) HashMap *found = NULL, *seen = NULL;
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = unit_map_new(paths, &s.map);
        if (r < 0)
                return r;
        r = unit_map_list(s.map, &names);
        if (r < 0)
                return r;
        r = hashmap_new(&found, declaration_free_value);
        if (r < 0)
                return r;
        r = hashmap_new(&seen, NULL);
        if (r < 0)
                return r;

        STRV_FOREACH (name, names) {
                r = scan_unit(&s, seen, *name, found);
                if (r < 0)
                        return r;
        }
        r = add_bare(&s, found);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(found);
        return 0;
}

int unit_file_load(const UnitPaths *paths, const RecoverySettings *defaults, char *const *protected_units,
                   const char *unit, UnitDeclaration **ret) {
        _cleanup_(scan_done) Scan s = { .defaults = defaults, .protected_units = protected_units };
        _cleanup_(unit_files_freep) UnitFiles *f = NULL;
        int r;

        r = unit_map_new(paths, &s.map);
        if (r < 0)
                return r;
        r = unit_map_find(s.map, unit, &f);
        if (r < 0)
                return r == -EINVAL || r == -ELOOP ? -ENOENT : r;
        return load_declaration(&s, f, ret);
}

bool unit_files_have_template(const HashMap *scan, const char *unit) {
        _cleanup_free_ char *template = NULL;

        if (service_name_kind(unit) != SERVICE_NAME_INSTANCE || unit_name_template(unit, &template) < 0)
                return false;
        return hashmap_get(scan, template);
}
