/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What adopt and release ask of PID 1 (org.freedesktop.systemd1). */

#include "synctl/ctl.h"

typedef struct UnitFacts {
        char *id; /* canonical name: where aliases lead */
        char *load_state; /* "loaded", "not-found", "masked", … */
        char *fragment; /* path of the unit file, "" */
} UnitFacts;
void unit_facts_done(UnitFacts *f);

/* Loads the unit and asks. A template is no unit; for it only id and load_state are filled. Negative errno with e. */
int systemd_unit_facts(Ctl *c, const char *unit, sd_bus_error *e, UnitFacts *ret);
/* systemctl daemon-reload. */
int systemd_reload(Ctl *c, sd_bus_error *e);
