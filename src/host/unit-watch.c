/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watched units: their state is what the last message from PID 1 said. Replies and signals come over one connection in
 * the order of sending, and both hold the values of that moment, so each is merged as it comes and the last one is right. */
#include "host/systemd-client-internal.h"

WatchedUnit *watched_unit_unref(WatchedUnit *u) {
        if (!u || --u->n_ref > 0)
                return NULL;
        assert(u->n_outstanding == 0);
        unit_relations_done(&u->relations);
        free(u->id_path);
        free(u->path);
        free(u->name);
        free(u);
        return NULL;
}

WatchedUnit *watched_unit_ref(WatchedUnit *u) {
        u->n_ref++;
        return u;
}

static void *unit_unref_value(void *u) {
        return watched_unit_unref(u);
}

/* ---- telling ---- */

static void unit_tell(WatchedUnit *u, bool initial) {
        SystemdClient *c = u->client;

        if (!c || !u->known)
                return;
        u->told = u->raw.snapshot;
        if (c->handler->unit) {
                /* A copy: the handler may end the watch. */
                UnitSnapshot s = u->raw.snapshot;

                c->handler->unit(c, u->name, &s, initial, c->userdata);
        }
}

void unit_watch_tell_read(WatchedUnit *u, bool initial) {
        if (!u->known) {
                u->known = initial = true;
                u->client->n_unknown--;
        }
        if (initial || memcmp(&u->told, &u->raw.snapshot, sizeof(u->told)) != 0)
                unit_tell(u, initial);
}

void unit_watch_tell_relations(WatchedUnit *u) {
        SystemdClient *c = u->client;
        UnitRelations relations = u->relations;

        u->relations = (UnitRelations){};
        if (c->handler->relations)
                c->handler->relations(c, u->name, &relations, c->userdata);
        unit_relations_done(&relations);
}

/* ---- the paths ---- */

/* Two names may lead to one unit; a path belongs to the one that took it last. */
static void unit_forget_path(SystemdClient *c, WatchedUnit *u, const char *path) {
        if (path && hashmap_get(c->paths, path) == u)
                hashmap_remove(c->paths, path);
}

/* An alias has no signals of its own: they come with the path of the unit it leads to. */
void unit_watch_set_id(WatchedUnit *u, const char *id) {
        _cleanup_free_ char *path = NULL;
        SystemdClient *c = u->client;

        unit_forget_path(c, u, u->id_path);
        u->id_path = free_(u->id_path);
        if (streq(id, u->name) || sd_bus_path_encode(SYSTEMD_UNIT_PREFIX, id, &path) < 0)
                return;
        if (hashmap_put(c->paths, path, u) >= 0)
                u->id_path = TAKE_PTR(path);
}

void unit_watch_reset(SystemdClient *c) {
        WatchedUnit *u;

        HASHMAP_FOREACH (u, c->units) {
                unit_read_cancel(c, u);
                u->known = u->stale = false;
        }
        unit_read_cancel_batches(c);
        conflict_reads_cancel(c);
        c->n_unknown = hashmap_size(c->units);
}

void unit_watch_done(SystemdClient *c) {
        unit_watch_reset(c);
        hashmap_free(c->paths);
        hashmap_free(c->units);
        c->paths = c->units = NULL;
}

/* ---- signals ---- */

/* May be unloaded by PID 1 at any time. */
static bool unit_is_at_rest(const WatchedUnit *u) {
        return IN_SET(u->raw.snapshot.active, UNIT_INACTIVE, UNIT_ACTIVE_UNKNOWN) && u->raw.snapshot.job_id == 0;
}

int unit_watch_on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        WatchedUnit *u;
        const char *name, *path;
        UnitInterface i;

        /* Signals of all units of the host come here: the path decides at once. */
        path = sd_bus_message_get_path(m);
        u = path ? hashmap_get(c->paths, path) : NULL;
        if (!u || !client_is_from_systemd(c, m))
                return 0;
        c->stats.signals++;

        if (sd_bus_message_read_basic(m, 's', &name) < 0)
                return 0;
        if (streq(name, unit_interface_name(INTERFACE_UNIT)))
                i = INTERFACE_UNIT;
        else if (u->service && streq(name, unit_interface_name(INTERFACE_SERVICE)))
                i = INTERFACE_SERVICE;
        else
                return 0;

        /* A message that cannot be understood, or values that were not sent along, are read. */
        if (unit_properties_read(m, i, &u->raw) < 0 || unit_properties_read_invalidated(m, i) != 0 ||
            (u->stale && !unit_is_at_rest(u)))
                unit_read_queue(u, false);
        watched_unit_ref(u);
        unit_tell(u, false);
        watched_unit_unref(u);
        unit_read_pump(c);
        return 0;
}

/* PID 1 announces a unit that it loaded, in place of its first change signal. Our own reading of an unloaded unit does
 * that too, so answering it by reading would go round for ever. */
void unit_watch_on_new(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        /* A daemon-reload announces every unit again and is followed by reading all. */
        if (!u || c->reloading)
                return;
        if (unit_is_at_rest(u))
                u->stale = true; /* read when it begins to move */
        else
                unit_read_queue(u, false); /* it may have changed before it was announced (after a daemon-reload) */
        unit_read_pump(c);
}

void unit_watch_on_job_new(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        if (!u || !u->stale)
                return;
        unit_read_queue(u, false);
        unit_read_pump(c);
}

/* Only what is at rest and wanted by nobody is unloaded. */
void unit_watch_on_removed(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);
        UnitSnapshot *s;

        if (!u || c->reloading)
                return;
        s = &u->raw.snapshot;
        if (s->active == UNIT_INACTIVE && s->job_id == 0)
                return;
        s->active = UNIT_INACTIVE;
        memset(s->sub, 0, sizeof(s->sub));
        memcpy(s->sub, "dead", strlen("dead"));
        s->job_id = 0;
        s->main_pid = 0;
        watched_unit_ref(u);
        unit_tell(u, false);
        watched_unit_unref(u);
}

/* ---- the set ---- */

bool unit_watch_is_loaded(const SystemdClient *c, const char *unit) {
        const WatchedUnit *u = hashmap_get(c->units, unit);

        return u && u->known && u->raw.snapshot.load == UNIT_LOADED;
}

int systemd_client_watch(SystemdClient *c, const char *unit) {
        _cleanup_(watched_unit_unrefp) WatchedUnit *u = NULL;
        int r;

        /* PID 1 refuses a template, and with it all names of a batch. */
        if (!unit_name_is_valid(unit) || strstr(unit, "@."))
                return -EINVAL;
        if (hashmap_get(c->units, unit))
                return 0;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->n_ref = 1;
        u->service = endswith(unit, ".service");
        u->raw.condition_result = true;
        u->name = strdup(unit);
        if (!u->name)
                return -ENOMEM;
        r = sd_bus_path_encode(SYSTEMD_UNIT_PREFIX, unit, &u->path);
        if (r < 0)
                return r;

        r = hashmap_replace(c->paths, u->path, u);
        if (r < 0)
                return r;
        r = hashmap_put(c->units, unit, u);
        if (r < 0) {
                hashmap_remove(c->paths, u->path);
                return r;
        }
        u->client = c;
        c->n_unknown++;
        if (c->phase >= CLIENT_SUBSCRIBING) /* else it is among those that the next connection begins with */
                unit_read_queue(u, true);
        u = NULL;
        unit_read_pump(c);
        return 0;
}

int systemd_client_refresh(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        if (!u)
                return -ENOENT;
        if (c->phase >= CLIENT_SUBSCRIBING)
                unit_read_queue(u, false);
        unit_read_pump(c);
        return 0;
}

void systemd_client_unwatch(SystemdClient *c, const char *unit) {
        _cleanup_(watched_unit_unrefp) WatchedUnit *u = hashmap_remove(c->units, unit);

        if (!u)
                return;
        unit_read_cancel(c, u);
        unit_forget_path(c, u, u->path);
        unit_forget_path(c, u, u->id_path);
        if (!u->known)
                c->n_unknown--;
        u->client = NULL;
        /* It may have been the last one that was waited for; told from the loop, not from in here. */
        (void) sd_event_source_set_enabled(c->check, SD_EVENT_ONESHOT);
        unit_read_pump(c);
}

int unit_watch_init(SystemdClient *c) {
        int r;

        TAILQ_INIT(&c->queue);
        TAILQ_INIT(&c->relations);
        TAILQ_INIT(&c->batches);
        TAILQ_INIT(&c->conflicts);
        r = hashmap_new(&c->units, unit_unref_value);
        if (r >= 0)
                r = hashmap_new(&c->paths, NULL);
        return r;
}
