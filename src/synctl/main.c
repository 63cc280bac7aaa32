/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/ctl.h"

int main(int argc, char *argv[]) {
        _cleanup_(ctl_done) Ctl c = {};

        term_init(&c.term);
        int r = ctl_parse(&c, argc, argv);
        if (r != 0)
                return r;
        if (c.o.help)
                return verb_help(&c);
        if (c.o.version) {
                c.verb = NULL;
                return verb_version(&c);
        }
        return c.verb->run(&c);
}
