/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/dbus-service.h"
#include "api/object.h"

Object *object_free(Object *o) {
        if (!o)
                return NULL;
        free(o->unit);
        free(o->name);
        free(o->path);
        free(o);
        return NULL;
}

const Service *object_service(const Object *o) {
        return supervisor_get(manager_supervisor(o->api->manager), o->unit);
}

const char *object_path(Api *a, const char *unit) {
        const Object *o = hashmap_get(a->objects, unit);

        return o ? o->path : NULL;
}

/* ---- signals ---- */

static void tell_added(Object *o) {
        if (!api_may_signal(o->api))
                return;
        (void) sd_bus_emit_object_added(o->api->bus, o->path);
        (void) sd_bus_emit_signal(o->api->bus, API_ROOT, API_MANAGER_INTERFACE, "ServiceAdded", "so", o->unit,
                                  o->path);
}

static void tell_removed(Api *a, const char *unit, const char *path) {
        static char *interfaces[] = {
                (char *) API_SERVICE_INTERFACE,
                (char *) "org.freedesktop.DBus.Properties",
                (char *) "org.freedesktop.DBus.Introspectable",
                (char *) "org.freedesktop.DBus.Peer",
                NULL,
        };

        if (!api_may_signal(a))
                return;
        (void) sd_bus_emit_interfaces_removed_strv(a->bus, path, interfaces);
        (void) sd_bus_emit_signal(a->bus, API_ROOT, API_MANAGER_INTERFACE, "ServiceRemoved", "so", unit, path);
}

/* ---- names and paths ---- */

static uintptr_t name_count(const Api *a, const char *name) {
        return (uintptr_t) hashmap_get(a->names, name);
}

static int name_count_add(Api *a, const char *name, int delta) {
        uintptr_t n = name_count(a, name) + (uintptr_t) (intptr_t) delta;

        if (n == 0) {
                (void) hashmap_remove(a->names, name);
                return 0;
        }
        return hashmap_replace(a->names, name, (void *) n);
}

/* A name stands for the object only while no other object has it as its name or as its unit. */
static bool name_is_its_own(const Api *a, const Object *o) {
        const Object *unit = hashmap_get(a->objects, o->name);

        return name_count(a, o->name) == 1 && (!unit || unit == o);
}

/* The map of paths follows; while two objects swap paths the later one wins, and the other moves next. */
static int index_path(Api *a, Object *o) {
        return hashmap_replace(a->paths, o->path, o);
}

static void unindex_path(Api *a, const Object *o) {
        if (hashmap_get(a->paths, o->path) == o)
                (void) hashmap_remove(a->paths, o->path);
}

static int make_path(const Api *a, const Object *o, char **ret) {
        return sd_bus_path_encode(API_SERVICE_ROOT, name_is_its_own(a, o) ? o->name : o->unit, ret);
}

/* Moves the object when its path is no longer right. */
static void settle_path(Api *a, Object *o) {
        char *path = NULL;

        if (make_path(a, o, &path) < 0)
                return;
        if (streq(path, o->path)) {
                free(path);
                return;
        }
        tell_removed(a, o->unit, o->path);
        unindex_path(a, o);
        free(o->path);
        o->path = path;
        (void) index_path(a, o); /* without memory it is still found by its unit's path */
        tell_added(o);
}

/* Others that bear this name, or whose name is this unit, may have to give it up or get it back. Rare: only when a name is
 * shared. */
static void settle_others(Api *a, const Object *except, const char *name) {
        Object *o;

        HASHMAP_FOREACH (o, a->objects)
                if (o != except && streq(o->name, name))
                        settle_path(a, o);
}

int object_add(Api *a, const Service *s) {
        _cleanup_(object_freep) Object *o = NULL;
        Object *added;
        int r;

        if (hashmap_get(a->objects, s->config->unit)) {
                object_changed(a, s);
                return 0;
        }
        o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        o->api = a;
        o->unit = strdup(s->config->unit);
        o->name = strdup(s->config->name);
        if (!o->unit || !o->name)
                return -ENOMEM;
        r = name_count_add(a, o->name, 1);
        if (r < 0)
                return r;
        r = make_path(a, o, &o->path);
        if (r >= 0)
                r = hashmap_put(a->objects, o->unit, o);
        if (r < 0) {
                (void) name_count_add(a, o->name, -1);
                return r;
        }
        added = TAKE_PTR(o);
        if (name_count(a, added->name) == 2)
                settle_others(a, added, added->name);
        if (name_count(a, added->unit) > 0)
                settle_others(a, added, added->unit);
        (void) index_path(a, added);
        dbus_service_note_told(added, s);
        tell_added(added);
        a->count_changed = true;
        api_schedule_flush(a);
        return 0;
}

void object_remove(Api *a, const char *unit) {
        _cleanup_(object_freep) Object *o = hashmap_remove(a->objects, unit);

        if (!o)
                return;
        (void) name_count_add(a, o->name, -1);
        unindex_path(a, o);
        tell_removed(a, o->unit, o->path);
        if (name_count(a, o->name) == 1)
                settle_others(a, NULL, o->name);
        if (name_count(a, o->unit) > 0)
                settle_others(a, NULL, o->unit);
        a->count_changed = true;
        api_schedule_flush(a);
}

static void object_rename(Api *a, Object *o, const char *name) {
        _cleanup_free_ char *old = strdup(o->name);
        char *copy = strdup(name);

        if (!old || !copy || name_count_add(a, name, 1) < 0) {
                free(copy);
                return; /* out of memory: it keeps its old path for now */
        }
        (void) name_count_add(a, old, -1);
        free(o->name);
        o->name = copy;
        settle_path(a, o);
        settle_others(a, o, old);
        settle_others(a, o, name);
}

void object_changed(Api *a, const Service *s) {
        Object *o = hashmap_get(a->objects, s->config->unit);

        if (!o)
                return;
        if (!streq(o->name, s->config->name))
                object_rename(a, o, s->config->name);
        o->dirty = true;
        api_schedule_flush(a);
}

Object *object_find(Api *a, const char *path) {
        _cleanup_free_ char *unit = NULL;
        Object *o = hashmap_get(a->paths, path);

        if (o)
                return o;
        if (sd_bus_path_decode(path, API_SERVICE_ROOT, &unit) <= 0)
                return NULL;
        return hashmap_get(a->objects, unit);
}
