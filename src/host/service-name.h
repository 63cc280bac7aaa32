/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of service units: plain, template, instance (systemd.unit(5)). */

#include "basic/macro.h"

typedef enum ServiceNameKind {
        SERVICE_NAME_INVALID, /* no valid unit name, or of another type */
        SERVICE_NAME_PLAIN, /* foo.service */
        SERVICE_NAME_TEMPLATE, /* foo@.service */
        SERVICE_NAME_INSTANCE, /* foo@bar.service */
} ServiceNameKind;
ServiceNameKind service_name_kind(const char *name) _pure_;

/* Both must be instances. */
bool service_name_same_instance(const char *a, const char *b) _pure_;

/* When name is a template and instance an instance of any template: name with that instance put in; otherwise a copy of
 * name. -EINVAL when the result is too long. */
int service_name_instantiate(const char *name, const char *instance, char **ret);

/* True when the part before '@' or ".service" ends in a dash, as names of truncated drop-in directories do. */
bool service_name_is_truncated(const char *name) _pure_;

/* Names whose "NAME.d" directories apply to a unit, from the specific to the general, in the order of PID 1's own search;
 * for foo-bar@x.service these are foo-bar@x, foo-bar@, foo-, foo-@x, foo-@ (each with ".service"). A template, which PID 1
 * never loads, has what all its instances have in common. */
int service_name_drop_in_levels(const char *name, char ***ret);
