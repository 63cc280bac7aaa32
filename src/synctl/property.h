/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Single properties of synd's objects. */

#include "synctl/client.h"

/* Negative errno with e. */
int property_string(Ctl *c, const char *path, const char *interface, const char *name, sd_bus_error *e, char **ret);
