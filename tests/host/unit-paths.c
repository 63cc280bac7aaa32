/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints which files make up units, as host/unit-path finds them: "unit<TAB>fragment<TAB>drop-in drop-in …", a line for
 * each argument. For the comparison with systemd's own answer (test-unit-paths.sh). */
#include "basic/string.h"
#include "host/unit-path.h"

#include <stdio.h>
#include <sys/stat.h>

/* A symlink to nowhere is for PID 1 as if it were not there, except that it hides other files of its name. */
static bool opens(UnitMap *m, const char *path) {
        _cleanup_free_ char *reason = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        return unit_map_open(m, path, &fd, &st, &reason) >= 0;
}

static int print_unit(UnitMap *m, const char *unit) {
        _cleanup_(unit_files_freep) UnitFiles *f = NULL;
        _cleanup_free_ char *drop_ins = NULL;
        int r;

        r = unit_map_find(m, unit, &f);
        if (r < 0 || (f->fragment && !opens(m, f->fragment))) {
                printf("%s\t\t\n", unit);
                return r == -ENOMEM ? r : 0;
        }
        drop_ins = strv_join(f->drop_ins, " ");
        printf("%s\t%s\t%s\n", f->unit, f->fragment ?: "", drop_ins ?: "");
        return 0;
}

int main(int argc, char *argv[]) {
        static const UnitPaths paths = { .root = "", .owner = 0 };
        _cleanup_(unit_map_freep) UnitMap *m = NULL;
        int r;

        r = unit_map_new(&paths, &m);
        for (int i = 1; r >= 0 && i < argc; i++)
                r = print_unit(m, argv[i]);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
