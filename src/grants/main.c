/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists the units on which synd may act, for the polkit rule (docs/adr/0003-grants.md), or answers for the one it is given:
 * that costs the same however many there are. One word a line:
 *
 *      +foo.service            granted
 *      +foo@.service           granted to each instance that no other line speaks of
 *      -foo@bar.service        this instance is not
 *      !PATTERN                instances with such a name are not (ProtectedUnits=)
 *
 * When anything goes wrong it prints nothing and fails: then nothing is granted. */
#include "basic/conf.h"
#include "basic/string.h"
#include "core/unit.h"
#include "host/service-name.h"
#include "host/unit-file.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#define LIST_SIZE_MAX (1024 * 1024)

static int list_configuration(const char *root, char ***ret) {
        static const char *const roots[] = { "/usr/lib", "/run", "/etc" }; /* lowest first, as synd/conf.c */
        _cleanup_free_ char *paths[ELEMENTSOF(roots)] = {};
        const char *l[ELEMENTSOF(roots) + 1] = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
                r = str_printf(paths + i, "%s%s", root, roots[i]);
                if (r < 0)
                        return r;
                l[i] = paths[i];
        }
        return conf_files_list("synos/synd.conf", l, ret);
}

/* Line 0: the whole file could not be read. It may protect something, so that is the end. Other mistakes synd tells of. */
static void configuration_bad(const char *file, unsigned line, const char *reason, void *userdata) {
        if (line > 0)
                return;
        fprintf(stderr, "synd-grants: %s: %s\n", file, reason);
        *(bool *) userdata = true;
}

static int protected_units(const char *root, char ***ret) {
        static const ConfItem items[] = { { "Synd", "ProtectedUnits", conf_parse_strv, 0 } };
        _cleanup_strv_free_ char **files = NULL, **patterns = NULL;
        bool failed = false;
        int r;

        r = list_configuration(root, &files);
        if (r < 0)
                return r;
        r = conf_load(files, items, ELEMENTSOF(items), &patterns, configuration_bad, &failed);
        if (r < 0)
                return r;
        if (failed)
                return -EIO;

        *ret = TAKE_PTR(patterns);
        return 0;
}

static int add_line(StrBuf *b, char sign, const char *word) {
        int r;

        r = strbuf_appendf(b, "%c%s\n", sign, word);
        if (r < 0)
                return r;
        return b->length > LIST_SIZE_MAX ? -E2BIG : 0;
}

static int make_list(const HashMap *units, char *const *patterns, StrBuf *b) {
        const UnitDeclaration *d;
        bool templates = false;
        int r;

        HASHMAP_FOREACH (d, units) {
                ServiceNameKind kind = service_name_kind(d->unit);

                if (d->config->granted)
                        templates = templates || kind == SERVICE_NAME_TEMPLATE;
                else if (kind != SERVICE_NAME_INSTANCE)
                        continue;
                r = add_line(b, d->config->granted ? '+' : '-', d->unit);
                if (r < 0)
                        return r;
        }

        if (templates)
                STRV_FOREACH (p, patterns) {
                        r = add_line(b, '!', *p);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* PID 1 speaks of units by their canonical names: for any other name the answer is no. */
static int answer(const UnitPaths *paths, const RecoverySettings *defaults, char *const *patterns, const char *unit,
                  StrBuf *b) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;
        int r;

        r = unit_file_load(paths, defaults, patterns, unit, &d);
        if (r < 0 && r != -ENOENT)
                return r;
        return add_line(b, r >= 0 && d->config->granted && streq(d->unit, unit) ? '+' : '-', unit);
}

static int list_all(const UnitPaths *paths, const RecoverySettings *defaults, char *const *patterns, StrBuf *b) {
        _cleanup_(hashmap_freep) HashMap *units = NULL;
        int r;

        r = unit_files_scan(paths, defaults, patterns, &units);
        if (r < 0)
                return r;
        return make_list(units, patterns, b);
}

static int run(const char *root, const char *unit) {
        static const RecoverySettings defaults = { 0 }; /* of no meaning here */
        const UnitPaths paths = { .root = root, .owner = isempty(root) ? 0 : getuid() };
        _cleanup_strv_free_ char **patterns = NULL;
        _cleanup_strbuf_ StrBuf list = {};
        int r;

        r = protected_units(root, &patterns);
        if (r < 0) {
                fprintf(stderr, "synd-grants: cannot read synd.conf: %s\n", strerror(-r));
                return r;
        }
        r = unit ? answer(&paths, &defaults, patterns, unit, &list) : list_all(&paths, &defaults, patterns, &list);
        if (r == -E2BIG)
                fprintf(stderr, "synd-grants: the list is longer than %d bytes, nothing is granted\n", LIST_SIZE_MAX);
        else if (r < 0)
                fprintf(stderr, "synd-grants: cannot read unit files: %s\n", strerror(-r));
        if (r < 0)
                return r;

        if (fwrite(list.data ?: "", 1, list.length, stdout) != list.length || fflush(stdout) != 0)
                return -EIO;
        return 0;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "root", required_argument, NULL, 'r' },
                {},
        };
        const char *root = "";

        for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (c) {
                case 'h':
                        puts("synd-grants [--root DIR] [UNIT]\n\n"
                             "Lists the units whose files grant synd the power to act, or tells of one, for polkit.");
                        return 0;
                case 'r':
                        root = optarg;
                        break;
                default:
                        return EX_USAGE;
                }
        if (optind + 1 < argc) {
                fprintf(stderr, "synd-grants: unexpected argument '%s'\n", argv[optind + 1]);
                return EX_USAGE;
        }
        return run(root, argv[optind]) < 0 ? EXIT_FAILURE : 0;
}
