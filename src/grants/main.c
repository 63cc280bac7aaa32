/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the polkit rule whether synd may act on a unit (docs/adr/0003-grants.md): for each argument, in order, a line with
 * its name after "+" (granted) or "-". When anything goes wrong it fails and prints nothing: then nothing is granted. */
#include "basic/conf.h"
#include "basic/string.h"
#include "core/unit.h"
#include "host/service-name.h"
#include "host/unit-file.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

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

/* PID 1 speaks of units by their canonical names: for any other name the answer is no. */
static int answer(const UnitPaths *paths, const RecoverySettings *defaults, char *const *patterns, const char *unit,
                  StrBuf *b) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;
        int r;

        r = unit_file_load(paths, defaults, patterns, unit, &d);
        if (r < 0 && r != -ENOENT)
                return r;
        return strbuf_appendf(b, "%c%s\n", r >= 0 && d->config->granted && streq(d->unit, unit) ? '+' : '-', unit);
}

static int run(const char *root, char *const *units) {
        static const RecoverySettings defaults = { 0 }; /* of no meaning here */
        const UnitPaths paths = { .root = root, .owner = isempty(root) ? 0 : getuid() };
        _cleanup_strv_free_ char **patterns = NULL;
        _cleanup_strbuf_ StrBuf answers = {};
        int r;

        r = protected_units(root, &patterns);
        if (r < 0) {
                fprintf(stderr, "synd-grants: cannot read synd.conf: %s\n", strerror(-r));
                return r;
        }
        STRV_FOREACH (unit, units) {
                r = answer(&paths, &defaults, patterns, *unit, &answers);
                if (r < 0) {
                        fprintf(stderr, "synd-grants: cannot read the files of %s: %s\n", *unit, strerror(-r));
                        return r;
                }
        }

        if (fwrite(answers.data, 1, answers.length, stdout) != answers.length || fflush(stdout) != 0)
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
                        puts("synd-grants [--root DIR] UNIT…\n\n"
                             "Tells whether the files of a unit grant synd the power to act on it, for polkit.");
                        return 0;
                case 'r':
                        root = optarg;
                        break;
                default:
                        return EX_USAGE;
                }
        if (optind == argc) {
                fputs("synd-grants: which unit?\n", stderr);
                return EX_USAGE;
        }
        return run(root, argv + optind) < 0 ? EXIT_FAILURE : 0;
}
