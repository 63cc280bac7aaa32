/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal of the service's unit: journalctl does it best. */
#include "synctl/exec.h"
#include "synctl/services.h"

int verb_logs(Ctl *c) {
        _cleanup_service_list_ ServiceList l = {};
        const char *argv[4 + 2 * 64 + 12];
        size_t n = 0;

        int r = services_load(c, "show the log", &l);
        if (r != 0)
                return r;
        const char *missed = services_select(&l, c->args, c->n_args);
        if (missed)
                return services_no_such(c, "show the log of", missed);
        if (l.n == 0)
                return ctl_fail(CTL_NO_SUCH, "No service matches.");
        if (l.n > 64)
                return ctl_fail(CTL_USAGE, "More than 64 services match; use journalctl.");
        argv[n++] = "journalctl";
        for (size_t i = 0; i < l.n; i++) {
                argv[n++] = "-u";
                argv[n++] = l.rows[i].unit;
        }
        if (c->o.follow)
                argv[n++] = "-f";
        if (c->o.no_pager)
                argv[n++] = "--no-pager";
        if (c->o.json) {
                argv[n++] = "-o";
                argv[n++] = "json";
        }
        if (c->o.full)
                argv[n++] = "--full";
        if (c->o.lines) {
                argv[n++] = "-n";
                argv[n++] = c->o.lines;
        }
        if (c->o.since) {
                argv[n++] = "--since";
                argv[n++] = c->o.since;
        }
        if (c->o.until) {
                argv[n++] = "--until";
                argv[n++] = c->o.until;
        }
        argv[n] = NULL;
        r = exec_replace(argv);
        errno = -r;
        return ctl_fail(CTL_FAILED, "Cannot run journalctl: %m.");
}
