/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "synctl/services.h"

/* Describe objects of all rows as one array, in several calls when there are many. 0 or an exit status after saying
 * why. */
int describe_all(Ctl *c, const char *doing, const ServiceList *l, Json **ret);
