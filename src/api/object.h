/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The service objects on the bus: one for each supervised service, its path, and what was last said of it.
 * The path is made from the service's name; when two share a name, from their unit names. */

#include "api/internal.h"

#define OBJECT_PROPERTIES_MAX 32

struct Object {
        Api *api;
        char *unit, *name, *path;
        bool dirty; /* properties changed since the last flush */
        uint64_t told[OBJECT_PROPERTIES_MAX]; /* hashes of the values last told, by property */
};

int object_add(Api *a, const Service *s);
void object_remove(Api *a, const char *unit);
/* The declaration or state changed: a new name moves the object. */
void object_changed(Api *a, const Service *s);

Object *object_free(Object *o);
DEFINE_CLEANUP(Object *, object_free);

/* By object path; NULL when there is none. */
Object *object_find(Api *a, const char *path);
/* The service behind it; NULL when it is gone. */
const Service *object_service(const Object *o);
/* The path a service has (or would have). "" never; NULL when memory is out or the unit is unknown. */
const char *object_path(Api *a, const char *unit);
