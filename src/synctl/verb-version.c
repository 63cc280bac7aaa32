/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "synctl/list-view.h"
#include "synctl/property.h"

#include <stdio.h>

int verb_version(Ctl *c) {
        _cleanup_free_ char *daemon = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        /* The daemon's version when it is there; that it is not is no failure of this question. */
        if (c->verb && sd_bus_open_system(&c->bus) >= 0)
                (void) property_string(c, SYND_PATH, SYND_MANAGER, "Version", &e, &daemon);
        if (c->o.json) {
                _cleanup_json_ Json *o = NULL;
                if (json_new_object(&o) < 0 || json_set_string(o, "synctl", SYNOS_VERSION) < 0 ||
                    json_set_string(o, "synd", daemon) < 0)
                        return ctl_oom();
                return ctl_print_json(c, o);
        }
        printf("synctl %s\n", SYNOS_VERSION);
        if (c->verb)
                printf("synd %s\n", daemon ?: "not reachable");
        return CTL_OK;
}
