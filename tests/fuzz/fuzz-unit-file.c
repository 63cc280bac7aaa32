/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "basic/string.h"
#include "host/unit-file.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A host with one unit, whose file and drop-in are the input (split at the first NUL byte). The same directory serves all
 * inputs of a process. */
static char root[] = "/tmp/synos-fuzz-unit-XXXXXX";

static void clean_up(void) {
        static const char *const paths[] = {
                "/etc/systemd/system/fuzz.service.d/x.conf",
                "/etc/systemd/system/fuzz.service.d",
                "/etc/systemd/system/fuzz.service",
                "/etc/systemd/system",
                "/etc/systemd",
                "/etc",
                "",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_free_ char *p = NULL;

                if (str_printf(&p, "%s%s", root, paths[i]) >= 0)
                        (void) remove(p);
        }
}

static void set_up(void) {
        static const char *const dirs[] = { "/etc", "/etc/systemd", "/etc/systemd/system",
                                            "/etc/systemd/system/fuzz.service.d" };

        (void) umask(0022);
        CHECK(mkdtemp(root));
        CHECK(atexit(clean_up) == 0);
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                _cleanup_free_ char *p = NULL;

                CHECK(str_printf(&p, "%s%s", root, dirs[i]) >= 0);
                CHECK(mkdir(p, 0755) == 0);
        }
}

static void put(const char *path, const uint8_t *data, size_t size) {
        _cleanup_free_ char *p = NULL;
        _cleanup_close_ int fd = -EBADF;

        CHECK(str_printf(&p, "%s%s", root, path) >= 0);
        fd = open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        CHECK(fd >= 0);
        CHECK(write(fd, data, size) == (ssize_t) size);
}

static void check_declaration(const UnitDeclaration *d) {
        const ServiceConfig *c = d->config;

        CHECK(streq(d->unit, "fuzz.service") && streq(c->unit, d->unit));
        CHECK(!c->granted || (d->supervise && d->trusted && d->fragment && !d->masked && !c->protected_));
        CHECK(!c->runtime && c->name && *c->name && c->type && *c->type);
        CHECK(c->recovery.backoff_base <= c->recovery.backoff_max);
        CHECK(c->recovery.jitter >= 0 && c->recovery.jitter <= 0.5);
        for (size_t i = 0; i < c->n_fields; i++)
                CHECK(c->fields[i].line > 0 && *c->fields[i].file && *c->fields[i].key && *c->fields[i].value);
        for (size_t i = 0; i < c->n_problems; i++)
                CHECK(*c->problems[i].file && *c->problems[i].reason);
        STRV_FOREACH (l, c->depends_on)
                CHECK(unit_name_is_valid(*l));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const RecoverySettings defaults = { .budget = { 5, 10 * USEC_PER_MINUTE }, .enabled = true };
        _cleanup_(unit_declaration_freep) UnitDeclaration *one = NULL;
        _cleanup_(hashmap_freep) HashMap *all = NULL;
        const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
        size_t first = nul ? (size_t) (nul - data) : size;
        static bool ready;
        int r;

        if (!ready)
                set_up();
        ready = true;
        put("/etc/systemd/system/fuzz.service", data, first);
        put("/etc/systemd/system/fuzz.service.d/x.conf", nul ? nul + 1 : data, nul ? size - first - 1 : 0);

        const UnitPaths paths = { .root = root, .owner = getuid() };
        CHECK(unit_files_scan(&paths, &defaults, NULL, &all) == 0);
        r = unit_file_load(&paths, &defaults, NULL, "fuzz.service", &one);
        CHECK(r == 0 || r == -ENOENT);
        CHECK((r == 0) == (hashmap_size(all) == 1));
        if (r == 0)
                check_declaration(one);
        return 0;
}
