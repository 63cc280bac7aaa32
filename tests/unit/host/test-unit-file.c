/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/string.h"
#include "host/service-name.h"
#include "host/unit-file.h"
#include "host/unit-path.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A directory that stands for the root of a host. */
typedef struct Fixture {
        char root[64];
        UnitPaths paths;
        RecoverySettings defaults;
} Fixture;

static void make_parents(const char *path);

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void) umask(0022);
        strcpy(f->root, "/tmp/synos-unit-file-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        f->paths = (UnitPaths){ .root = f->root, .owner = getuid() };
        f->defaults = (RecoverySettings){ .budget = { 5, 10 * USEC_PER_MINUTE }, .enabled = true };
        _cleanup_free_ char *dev = NULL;
        assert_int_equal(str_printf(&dev, "%s/dev/null", f->root), 0);
        make_parents(dev);
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        assert_int_equal(nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        free(f);
        return 0;
}

static void make_parents(const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        assert_non_null(copy);
        for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = 0;
                assert_true(mkdir(copy, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
}

static char *in_root(const Fixture *f, const char *path) {
        char *s;

        assert_int_equal(str_printf(&s, "%s%s", f->root, path), 0);
        return s;
}

static void put(const Fixture *f, const char *path, const char *text) {
        _cleanup_free_ char *full = in_root(f, path);

        make_parents(full);
        FILE *file = fopen(full, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void link_to(const Fixture *f, const char *path, const char *target) {
        _cleanup_free_ char *full = in_root(f, path);

        make_parents(full);
        assert_int_equal(symlink(target, full), 0);
}

static void set_mode(const Fixture *f, const char *path, mode_t mode) {
        _cleanup_free_ char *full = in_root(f, path);

        assert_int_equal(chmod(full, mode), 0);
}

#define ETC "/etc/systemd/system/"
#define RUN "/run/systemd/system/"
#define LOCAL "/usr/local/lib/systemd/system/"
#define USR "/usr/lib/systemd/system/"
#define YES "[X-Synos]\nSupervise=yes\n"

static HashMap *scan(const Fixture *f, char *const *protected_units) {
        HashMap *m;

        assert_int_equal(unit_files_scan(&f->paths, &f->defaults, protected_units, &m), 0);
        return m;
}

static UnitDeclaration *load(const Fixture *f, const char *unit) {
        UnitDeclaration *d;

        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, unit, &d), 0);
        return d;
}

static bool is_granted(const Fixture *f, const char *unit) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, unit);

        return d->config->granted;
}

static bool has_problem(const UnitDeclaration *d, const char *file, unsigned line, const char *words) {
        for (size_t i = 0; i < d->config->n_problems; i++) {
                const ConfigProblem *p = d->config->problems + i;

                if (streq(p->file, file) && p->line == line && strstr(p->reason, words))
                        return true;
        }
        return false;
}

static void assert_strv(char *const *l, ...) {
        va_list ap;
        const char *s;

        va_start(ap, l);
        while ((s = va_arg(ap, const char *))) {
                assert_true(l && *l);
                assert_string_equal(*l++, s);
        }
        va_end(ap);
        assert_true(!l || !*l);
}

static void test_names(void **state) {
        _cleanup_strv_free_ char **a = NULL, **b = NULL, **c = NULL, **d = NULL;
        _cleanup_free_ char *s = NULL, *t = NULL;

        assert_int_equal(service_name_kind("foo.service"), SERVICE_NAME_PLAIN);
        assert_int_equal(service_name_kind("foo@.service"), SERVICE_NAME_TEMPLATE);
        assert_int_equal(service_name_kind("foo@a\\x2db.service"), SERVICE_NAME_INSTANCE);
        assert_int_equal(service_name_kind("foo@a@b.service"), SERVICE_NAME_INSTANCE);
        assert_int_equal(service_name_kind("foo.socket"), SERVICE_NAME_INVALID);
        assert_int_equal(service_name_kind(".service"), SERVICE_NAME_INVALID);
        assert_int_equal(service_name_kind("@x.service"), SERVICE_NAME_INVALID);
        assert_int_equal(service_name_kind("a b.service"), SERVICE_NAME_INVALID);

        assert_int_equal(service_name_instantiate("foo@.service", "bar@x.service", &s), 0);
        assert_string_equal(s, "foo@x.service");
        assert_int_equal(service_name_instantiate("foo.service", "bar@x.service", &t), 0);
        assert_string_equal(t, "foo.service");

        assert_int_equal(service_name_drop_in_levels("a-b-c.service", &a), 0);
        assert_strv(a, "a-b-c.service", "a-b-.service", "a-.service", NULL);
        assert_int_equal(service_name_drop_in_levels("foo-bar@x.service", &b), 0);
        assert_strv(b, "foo-bar@x.service", "foo-bar@.service", "foo-.service", "foo-@x.service", "foo-@.service",
                    NULL);
        assert_int_equal(service_name_drop_in_levels("foo-bar@.service", &d), 0);
        assert_strv(d, "foo-bar@.service", "foo-.service", "foo-@.service", NULL);
        assert_int_equal(service_name_drop_in_levels("-a.service", &c), 0);
        assert_strv(c, "-a.service", NULL);
}

static void test_fragment_precedence(void **state) {
        Fixture *f = *state;

        put(f, USR "a.service", "[Service]\nExecStart=/bin/true\n" YES);
        put(f, LOCAL "b.service", YES);
        put(f, USR "b.service", "[X-Synos]\nSupervise=no\n");
        put(f, ETC "c.service", "[Service]\nExecStart=/bin/true\n");
        put(f, RUN "c.service", YES);
        put(f, "/run/systemd/transient/d.service", YES);
        put(f, "/run/systemd/generator/e.service", YES);
        put(f, "/etc/systemd/system.control/a.service.d/50-x.conf", "[X-Synos]\nSupervise=no\n");
        put(f, USR "f.socket", YES);

        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        assert_int_equal(hashmap_size(m), 2);
        const UnitDeclaration *a = hashmap_get(m, "a.service"), *b = hashmap_get(m, "b.service");
        assert_true(a->config->granted);
        assert_string_equal(a->fragment, USR "a.service");
        assert_true(b->config->granted);
        assert_string_equal(b->fragment, LOCAL "b.service");
        assert_null(hashmap_get(m, "c.service"));
}

static void test_drop_in_order(void **state) {
        Fixture *f = *state;

        put(f, USR "foo-bar.service", YES "Name=fragment\nVersion=1\n");
        put(f, USR "foo-bar.service.d/10-a.conf", "[X-Synos]\nName=ten\nDescription=ten\n");
        put(f, ETC "foo-bar.service.d/05-z.conf", "[X-Synos]\nName=five\nVersion=2\n");
        put(f, USR "service.d/20-all.conf", "[X-Synos]\nLabel=from=all\n");
        put(f, RUN "foo-.service.d/15-trunc.conf", "[X-Synos]\nDescription=trunc\n");
        /* The same file name: the directory of higher precedence wins, whatever is more specific. */
        put(f, ETC "foo-.service.d/30-same.conf", "[X-Synos]\nType=general\n");
        put(f, USR "foo-bar.service.d/30-same.conf", "[X-Synos]\nType=specific\n");
        put(f, USR "foo-bar.service.d/ignored.txt", "[X-Synos]\nName=never\n");
        put(f, USR "foo-bar.service.d/.hidden.conf", "[X-Synos]\nName=never\n");

        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "foo-bar.service");
        assert_strv(d->drop_ins, ETC "foo-bar.service.d/05-z.conf", USR "foo-bar.service.d/10-a.conf",
                    RUN "foo-.service.d/15-trunc.conf", USR "service.d/20-all.conf", ETC "foo-.service.d/30-same.conf",
                    NULL);
        assert_string_equal(d->config->name, "ten");
        assert_string_equal(d->config->version, "2");
        assert_string_equal(d->config->description, "trunc");
        assert_string_equal(d->config->type, "general");
        assert_strv(d->config->labels, "from=all", NULL);
        assert_true(d->config->granted);
}

static void test_drop_in_masks(void **state) {
        Fixture *f = *state;

        put(f, USR "foo.service", YES);
        put(f, USR "foo.service.d/10-no.conf", "[X-Synos]\nSupervise=no\n");
        assert_false(is_granted(f, "foo.service"));
        link_to(f, ETC "foo.service.d/10-no.conf", "/dev/null");
        assert_true(is_granted(f, "foo.service"));

        put(f, USR "foo.service.d/20-no.conf", "[X-Synos]\nSupervise=no\n");
        assert_false(is_granted(f, "foo.service"));
        put(f, RUN "foo.service.d/20-no.conf", "");
        assert_true(is_granted(f, "foo.service"));
}

static void test_fields_and_problems(void **state) {
        Fixture *f = *state;

        put(f, USR "foo.service",
            "[Unit]\nAfter=a.service\n\n[X-Synos]\n# comment\nSupervise=yes\nName=one\nNoSuchKey=1\n");
        put(f, ETC "foo.service.d/50-x.conf", "[X-Synos]\nName=two\nRecoveryBudget=lots\nnonsense\n");

        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "foo.service");
        assert_string_equal(d->config->name, "two");
        assert_int_equal(d->config->recovery.budget.limit, 5);
        assert_true(d->config->granted);
        assert_int_equal(d->config->n_problems, 3);
        assert_true(has_problem(d, USR "foo.service", 8, "NoSuchKey"));
        assert_true(has_problem(d, ETC "foo.service.d/50-x.conf", 3, "RecoveryBudget"));
        assert_true(has_problem(d, ETC "foo.service.d/50-x.conf", 4, ""));

        bool found = false;
        for (size_t i = 0; i < d->config->n_fields; i++)
                if (streq(d->config->fields[i].key, "Name")) {
                        assert_string_equal(d->config->fields[i].file, ETC "foo.service.d/50-x.conf");
                        assert_int_equal(d->config->fields[i].line, 2);
                        found = true;
                }
        assert_true(found);
}

static void test_broken_header(void **state) {
        Fixture *f = *state;

        put(f, USR "foo.service", "[Service]\nExecStart=/bin/true\n[X-Synos\nSupervise=yes\n");
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "foo.service");
        assert_false(d->supervise || d->config->granted);
        assert_true(has_problem(d, USR "foo.service", 3, "section header"));
}

/* A word that is not understood never gives power. */
static void test_bad_words_close(void **state) {
        Fixture *f = *state;

        put(f, USR "a.service", YES "Supervise=yse\n");
        put(f, USR "b.service", YES "Protected=perhaps\n");
        put(f, USR "c.service", YES "Supervise=\n");
        put(f, USR "d.service", YES "Protected=yes\n");
        put(f, USR "e.service", YES "Protected=yes\nProtected=no\n");
        assert_false(is_granted(f, "a.service"));
        assert_false(is_granted(f, "b.service"));
        assert_false(is_granted(f, "c.service"));
        assert_false(is_granted(f, "d.service"));
        assert_true(is_granted(f, "e.service"));
}

static void test_aliases(void **state) {
        Fixture *f = *state;
        _cleanup_(hashmap_freep) HashMap *m = NULL;

        put(f, USR "bar.service", "[Service]\nExecStart=/bin/true\n");
        link_to(f, ETC "foo.service", "/usr/lib/systemd/system/bar.service");
        link_to(f, ETC "chain.service", "foo.service");
        link_to(f, ETC "relative.service", "../../../usr/lib/systemd/system/bar.service");
        put(f, ETC "foo.service.d/10-x.conf", YES "Name=by-alias\n");

        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "chain.service");
        assert_string_equal(d->unit, "bar.service");
        assert_string_equal(d->fragment, USR "bar.service");
        assert_string_equal(d->config->name, "by-alias");
        assert_true(d->config->granted);

        m = scan(f, NULL);
        assert_int_equal(hashmap_size(m), 1);
        assert_non_null(hashmap_get(m, "bar.service"));
}

static void test_alias_oddities(void **state) {
        Fixture *f = *state;
        _cleanup_(unit_declaration_freep) UnitDeclaration *none = NULL;

        /* Round and round, to itself, to another type, to nowhere: no unit, and no endless loop. */
        link_to(f, ETC "a.service", "b.service");
        link_to(f, ETC "b.service", "a.service");
        link_to(f, ETC "self.service", "self.service");
        link_to(f, ETC "type.service", "x.socket");
        put(f, USR "x.socket", YES);
        link_to(f, ETC "gone.service", "not-there.service");
        put(f, USR "gone.service", YES);

        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "a.service", &none), -ENOENT);
        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "self.service", &none), -ENOENT);
        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "type.service", &none), -ENOENT);
        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "gone.service", &none), -ENOENT);
        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "../x.service", &none), -ENOENT);
        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        assert_int_equal(hashmap_size(m), 0);
}

static void test_linked(void **state) {
        Fixture *f = *state;

        put(f, "/opt/app/app.service", YES);
        link_to(f, ETC "app.service", "/opt/app/app.service");
        put(f, "/opt/app/other-name.service", YES);
        link_to(f, ETC "named.service", "/opt/app/other-name.service");

        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "app.service");
        assert_string_equal(d->fragment, ETC "app.service");
        assert_true(d->config->granted);
        _cleanup_(unit_declaration_freep) UnitDeclaration *n = load(f, "named.service");
        assert_string_equal(n->unit, "named.service");
        assert_true(n->config->granted);
}

static void test_templates(void **state) {
        Fixture *f = *state;
        _cleanup_(hashmap_freep) HashMap *m = NULL;

        put(f, USR "foo@.service", YES "Name=any\n");
        put(f, ETC "foo@no.service.d/10.conf", "[X-Synos]\nSupervise=no\n");
        put(f, USR "foo@own.service", "[Service]\nExecStart=/bin/true\n");
        link_to(f, ETC "foo@masked.service", "/dev/null");
        put(f, USR "plain@.service", "[Service]\nExecStart=/bin/true\n");
        put(f, ETC "plain@one.service.d/10.conf", YES);
        link_to(f, ETC "alias@.service", "/usr/lib/systemd/system/foo@.service");
        link_to(f, ETC "special@x.service", "/usr/lib/systemd/system/foo@.service");
        put(f, ETC "special@x.service.d/10.conf", "[X-Synos]\nName=special\n");

        m = scan(f, NULL);
        assert_true(unit_files_have_template(m, "foo@a\\x2db.service"));
        assert_false(unit_files_have_template(m, "foo@.service"));
        assert_false(unit_files_have_template(m, "plain@two.service"));

        const UnitDeclaration *d = hashmap_get(m, "foo@.service");
        assert_true(d->config->granted);
        d = hashmap_get(m, "foo@no.service");
        assert_false(d->config->granted);
        /* Files of their own take the template's place. */
        d = hashmap_get(m, "foo@own.service");
        assert_false(d->supervise || d->config->granted);
        d = hashmap_get(m, "foo@masked.service");
        assert_false(d->supervise || d->config->granted);
        d = hashmap_get(m, "plain@one.service");
        assert_true(d->config->granted);
        d = hashmap_get(m, "foo@x.service");
        assert_string_equal(d->config->name, "special");
        assert_int_equal(hashmap_size(m), 6);

        _cleanup_(unit_declaration_freep) UnitDeclaration *i = load(f, "alias@run.service");
        assert_string_equal(i->unit, "foo@run.service");
        assert_true(i->config->granted);
}

/* "foo-@x.service.d" speaks of instances that no name spells out. */
static void test_truncated_instance(void **state) {
        Fixture *f = *state;

        put(f, USR "foo-bar@.service", "[Service]\nExecStart=/bin/true\n");
        put(f, ETC "foo-@.service.d/10.conf", YES);
        put(f, ETC "foo-@x.service.d/20.conf", "[X-Synos]\nSupervise=no\n");

        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        const UnitDeclaration *t = hashmap_get(m, "foo-bar@.service"), *x = hashmap_get(m, "foo-bar@x.service");
        assert_true(t->config->granted);
        assert_false(x->config->granted);
        assert_int_equal(hashmap_size(m), 2);
        assert_false(is_granted(f, "foo-bar@x.service"));
        assert_true(is_granted(f, "foo-bar@y.service"));
}

static void test_masked(void **state) {
        Fixture *f = *state;

        put(f, USR "foo.service", YES);
        put(f, ETC "foo.service.d/10.conf", YES);
        link_to(f, ETC "foo.service", "/dev/null");
        put(f, USR "bar.service", YES);
        put(f, ETC "bar.service.d/10.conf", YES);
        put(f, RUN "bar.service", "");

        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        const UnitDeclaration *a = hashmap_get(m, "foo.service"), *b = hashmap_get(m, "bar.service");
        assert_true(a->masked && a->supervise);
        assert_true(b->masked && b->supervise);
        assert_false(a->config->granted || b->config->granted);
}

static void test_drop_in_only(void **state) {
        Fixture *f = *state;

        /* The fragment may come from a generator, or from nowhere: then the name is free for a transient unit. */
        put(f, ETC "legacy.service.d/10.conf", YES);
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "legacy.service");
        assert_null(d->fragment);
        assert_true(d->supervise);
        assert_false(d->config->granted);
        assert_true(has_problem(d, ETC "legacy.service.d/10.conf", 0, "no unit file of its own"));
}

static void test_protected(void **state) {
        Fixture *f = *state;
        char *patterns[] = { (char *) "db-*.service", (char *) "alias.service", NULL };

        put(f, USR "ssh.service", YES);
        put(f, USR "systemd-logind.service", YES);
        put(f, USR "synd.service", YES);
        put(f, USR "db-main.service", YES);
        put(f, USR "named.service", YES);
        link_to(f, ETC "alias.service", "/usr/lib/systemd/system/named.service");
        put(f, USR "web.service", YES);

        _cleanup_(hashmap_freep) HashMap *m = scan(f, patterns);
        const UnitDeclaration *d;
        unsigned granted = 0;
        HASHMAP_FOREACH (d, m) {
                assert_int_equal(d->config->protected_, !streq(d->unit, "web.service"));
                granted += d->config->granted;
        }
        assert_int_equal(granted, 1);
        assert_int_equal(hashmap_size(m), 6);
}

static void test_trust_modes(void **state) {
        Fixture *f = *state;

        put(f, ETC "foo.service", YES);
        assert_true(is_granted(f, "foo.service"));

        set_mode(f, ETC "foo.service", 0664);
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "foo.service");
        assert_true(d->supervise);
        assert_false(d->trusted || d->config->granted);
        assert_true(has_problem(d, ETC "foo.service", 0, "is writable by its group"));
        set_mode(f, ETC "foo.service", 0646);
        assert_false(is_granted(f, "foo.service"));
        set_mode(f, ETC "foo.service", 0644);
        assert_true(is_granted(f, "foo.service"));

        set_mode(f, "/etc/systemd/system", 0777);
        assert_false(is_granted(f, "foo.service"));
        set_mode(f, "/etc/systemd/system", 0755);
        set_mode(f, "/etc", 0775);
        assert_false(is_granted(f, "foo.service"));
        set_mode(f, "/etc", 0755);
        assert_true(is_granted(f, "foo.service"));

        put(f, ETC "foo.service.d/10.conf", "[X-Synos]\nName=x\n");
        set_mode(f, ETC "foo.service.d", 0777);
        assert_false(is_granted(f, "foo.service"));
}

static void test_trust_symlinks(void **state) {
        Fixture *f = *state;

        /* The file is fine, and so is the directory of the link; but the way leads through somebody's home. */
        put(f, "/srv/units/foo.service", YES);
        link_to(f, "/home/u/way", "/srv/units");
        link_to(f, ETC "foo.service", "/home/u/way/foo.service");
        assert_true(is_granted(f, "foo.service"));
        set_mode(f, "/home/u", 0777);
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "foo.service");
        assert_false(d->config->granted);
        assert_true(has_problem(d, ETC "foo.service", 0, "/home/u is writable by everybody"));

        /* Without a section of its own it takes no part. */
        put(f, "/srv/units/bar.service", "[Service]\nExecStart=/bin/true\n");
        link_to(f, ETC "bar.service", "/home/u/way/bar.service");
        put(f, ETC "bar.service.d/10.conf", YES);
        assert_true(is_granted(f, "bar.service"));
}

static void test_trust_owner(void **state) {
        Fixture *f = *state;

        put(f, ETC "foo.service", YES);
        f->paths.owner = getuid() + 1;
        assert_false(is_granted(f, "foo.service"));
}

static void test_unreadable(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *fifo = in_root(f, ETC "pipe.service.d/20.conf");

        /* Neither waits on what is no file nor believes that it says nothing. */
        put(f, ETC "pipe.service", "[Service]\nExecStart=/bin/true\n");
        put(f, ETC "pipe.service.d/10.conf", YES);
        assert_true(is_granted(f, "pipe.service"));
        assert_int_equal(mkfifo(fifo, 0644), 0);
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "pipe.service");
        assert_false(d->config->granted);
        assert_true(has_problem(d, ETC "pipe.service.d/20.conf", 0, "cannot be read"));

        put(f, ETC "gone.service.d/10.conf", YES);
        link_to(f, ETC "gone.service", "/opt/gone.service");
        assert_false(is_granted(f, "gone.service"));

        put(f, ETC "secret.service", YES);
        put(f, ETC "secret.service.d/10.conf", "[Service]\nEnvironment=A=b\n");
        assert_true(is_granted(f, "secret.service"));
        if (getuid() != 0) {
                set_mode(f, ETC "secret.service.d/10.conf", 0200);
                assert_false(is_granted(f, "secret.service"));
        }
}

static void test_large(void **state) {
        Fixture *f = *state;
        _cleanup_strbuf_ StrBuf b = {};

        assert_int_equal(strbuf_append(&b, YES), 0);
        while (b.length < 1024 * 1024)
                assert_int_equal(strbuf_append(&b, "# a long comment that goes on and on and on and on and on\n"), 0);
        put(f, ETC "foo.service", b.data);
        put(f, ETC "foo.service.d/10.conf", YES);
        assert_false(is_granted(f, "foo.service"));
}

static void test_merged_usr(void **state) {
        Fixture *f = *state;

        put(f, USR "foo.service", YES);
        link_to(f, "/lib", "usr/lib");
        link_to(f, ETC "bar.service", "/lib/systemd/system/foo.service");
        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        assert_int_equal(hashmap_size(m), 1);
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = load(f, "bar.service");
        assert_string_equal(d->unit, "foo.service");
        assert_true(d->config->granted);
}

static void test_empty_root(void **state) {
        Fixture *f = *state;
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;

        _cleanup_(hashmap_freep) HashMap *m = scan(f, NULL);
        assert_int_equal(hashmap_size(m), 0);
        assert_int_equal(unit_file_load(&f->paths, &f->defaults, NULL, "foo.service", &d), -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                T(test_fragment_precedence),
                T(test_drop_in_order),
                T(test_drop_in_masks),
                T(test_fields_and_problems),
                T(test_broken_header),
                T(test_bad_words_close),
                T(test_aliases),
                T(test_alias_oddities),
                T(test_linked),
                T(test_templates),
                T(test_truncated_instance),
                T(test_masked),
                T(test_drop_in_only),
                T(test_protected),
                T(test_trust_modes),
                T(test_trust_symlinks),
                T(test_trust_owner),
                T(test_unreadable),
                T(test_large),
                T(test_merged_usr),
                T(test_empty_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
