/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watched units: their state is what the last message from PID 1 said. Replies and signals come over one connection in
 * the order of sending, and both hold the values of that moment, so each is merged as it comes and the last one is right. */
#include "host/systemd-client-internal.h"

static WatchedUnit *unit_unref(WatchedUnit *u) {
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
DEFINE_CLEANUP(WatchedUnit *, unit_unref);

static WatchedUnit *unit_ref(WatchedUnit *u) {
        u->n_ref++;
        return u;
}

static void *unit_unref_value(void *u) {
        return unit_unref(u);
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

/* ---- reading ---- */

static void unit_queue_read(WatchedUnit *u, bool initial) {
        SystemdClient *c = u->client;

        if (u->n_outstanding > 0) {
                u->again = true;
                u->again_initial = u->again_initial || initial;
                return;
        }
        u->initial = u->initial || initial;
        if (u->queued)
                return;
        u->queued = true;
        unit_ref(u);
        TAILQ_INSERT_TAIL(&c->queue, u, queue);
        c->n_queued++;
}

static void unit_dequeue(SystemdClient *c, WatchedUnit *u) {
        if (!u->queued)
                return;
        u->queued = false;
        TAILQ_REMOVE(&c->queue, u, queue);
        c->n_queued--;
        unit_unref(u);
}

static void unit_cancel_reads(SystemdClient *c, WatchedUnit *u) {
        for (size_t i = 0; i < u->n_reads; i++)
                if (u->reads[i].slot) {
                        u->reads[i].slot = sd_bus_slot_unref(u->reads[i].slot);
                        u->n_outstanding--;
                        c->stats.outstanding--;
                }
        u->n_reads = 0;
        u->failed = u->again = u->again_initial = false;
        unit_relations_done(&u->relations);
        u->relations = (UnitRelations) {};
        u->relations_read = false;
}

/* Two names may lead to one unit; a path belongs to the one that took it last. */
static void unit_forget_path(SystemdClient *c, WatchedUnit *u, const char *path) {
        if (path && hashmap_get(c->paths, path) == u)
                hashmap_remove(c->paths, path);
}

/* An alias has no signals of its own: they come with the path of the unit it leads to. */
static void unit_set_id(WatchedUnit *u, const char *id) {
        _cleanup_free_ char *path = NULL;
        SystemdClient *c = u->client;

        unit_forget_path(c, u, u->id_path);
        u->id_path = free_(u->id_path);
        if (streq(id, u->name) || sd_bus_path_encode(SYSTEMD_UNIT_PREFIX, id, &path) < 0)
                return;
        if (hashmap_put(c->paths, path, u) >= 0)
                u->id_path = TAKE_PTR(path);
}

static int read_reply_merge(UnitRead *read, sd_bus_message *m) {
        _cleanup_free_ char *id = NULL;
        WatchedUnit *u = read->unit;
        int r;

        if (read->property)
                return unit_property_read(m, INTERFACE_SERVICE, read->property, &u->raw);

        unit_relations_done(&u->relations);
        u->relations = (UnitRelations) {};
        r = unit_properties_read(m, INTERFACE_UNIT, &u->raw, &u->relations, &id);
        if (r < 0)
                return r;
        u->relations_read = true;
        if (id)
                unit_set_id(u, id);
        return 0;
}

static void unit_read_finished(WatchedUnit *unit) {
        _cleanup_(unit_unrefp) WatchedUnit *u = unit_ref(unit);
        SystemdClient *c = u->client;
        bool initial = u->initial || !u->known, was_known = u->known;

        u->initial = false;
        u->attempts = 0;
        u->known = true;
        if (!was_known)
                c->n_unknown--;
        if (u->again) {
                unit_queue_read(u, u->again_initial);
                u->again = u->again_initial = false;
        }

        if (u->relations_read) {
                UnitRelations relations = u->relations;

                u->relations = (UnitRelations) {};
                u->relations_read = false;
                if (c->handler->relations)
                        c->handler->relations(c, u->name, &relations, c->userdata);
                unit_relations_done(&relations);
        }
        if (initial || memcmp(&u->told, &u->raw.snapshot, sizeof(u->told)) != 0)
                unit_tell(u, initial);
}

/* All replies are in: tells the result, or asks again. */
static void unit_replies_complete(WatchedUnit *u) {
        SystemdClient *c = u->client;
        bool failed = u->failed;

        u->n_reads = 0;
        u->failed = false;
        if (failed && sd_bus_is_open(c->bus) <= 0)
                return; /* the loss of the connection is about to be told */
        if (failed && ++u->attempts < READ_ATTEMPTS_MAX)
                return unit_queue_read(u, false);
        if (failed)
                u->raw.snapshot.load = UNIT_LOAD_UNKNOWN;
        unit_read_finished(u);
        client_check_connected(c);
}

static int on_read_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitRead *read = userdata;
        WatchedUnit *u = read->unit;
        SystemdClient *c = u->client;

        read->slot = sd_bus_slot_unref(read->slot);
        u->n_outstanding--;
        c->stats.outstanding--;
        if (sd_bus_message_is_method_error(m, NULL) || read_reply_merge(read, m) < 0)
                u->failed = true;

        if (u->n_outstanding == 0)
                unit_replies_complete(u);
        unit_watch_pump(c);
        return 0;
}

static int unit_send_read(WatchedUnit *u, const char *property) {
        SystemdClient *c = u->client;
        UnitRead *read = u->reads + u->n_reads;
        int r;

        assert(u->n_reads < UNIT_READS_MAX);
        *read = (UnitRead) { .unit = u, .property = property };
        if (property)
                r = sd_bus_call_method_async(c->bus, &read->slot, c->owner, u->path, "org.freedesktop.DBus.Properties",
                                             "Get", on_read_reply, read, "ss",
                                             unit_interface_name(INTERFACE_SERVICE), property);
        else
                r = sd_bus_call_method_async(c->bus, &read->slot, c->owner, u->path, "org.freedesktop.DBus.Properties",
                                             "GetAll", on_read_reply, read, "s", unit_interface_name(INTERFACE_UNIT));
        if (r < 0)
                return r;
        u->n_reads++;
        u->n_outstanding++;
        c->stats.outstanding++;
        c->stats.property_reads++;
        return 0;
}

/* The Service interface is read one property at a time: its GetAll makes PID 1 read files of the control group and format
 * a hundred properties, which costs it three times as much as all of this. */
static int unit_send_reads(WatchedUnit *u) {
        static const char *const service[] = {
                "Result", "MainPID", "ExecMainCode", "ExecMainStatus", "NRestarts", "Restart", "RestartUSec",
        };
        int r;

        u->stale = false;
        r = unit_send_read(u, NULL);
        for (size_t i = 0; r >= 0 && u->service && i < ELEMENTSOF(service); i++)
                r = unit_send_read(u, service[i]);
        return r;
}

void unit_watch_pump(SystemdClient *c) {
        WatchedUnit *u;

        if (c->phase < CLIENT_SUBSCRIBING)
                return;
        while (c->stats.outstanding + UNIT_READS_MAX <= READS_MAX && (u = TAILQ_FIRST(&c->queue))) {
                int r;

                r = unit_send_reads(u);
                if (r < 0) {
                        /* The connection is going down (then the unit stays queued until the next one), or no memory. */
                        unit_cancel_reads(c, u);
                        break;
                }
                unit_dequeue(c, u);
        }
        c->stats.queued = c->n_queued;
}

void unit_watch_read_all(SystemdClient *c) {
        WatchedUnit *u;

        HASHMAP_FOREACH(u, c->units)
                unit_queue_read(u, true);
        unit_watch_pump(c);
}

void unit_watch_reset(SystemdClient *c) {
        WatchedUnit *u;

        HASHMAP_FOREACH(u, c->units) {
                unit_dequeue(c, u);
                unit_cancel_reads(c, u);
                u->known = u->initial = u->stale = false;
                u->attempts = 0;
        }
        c->n_unknown = hashmap_size(c->units);
        c->stats.queued = c->n_queued;
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
        if (unit_properties_read(m, i, &u->raw, NULL, NULL) < 0 || unit_properties_read_invalidated(m, i) != 0 ||
            (u->stale && !unit_is_at_rest(u)))
                unit_queue_read(u, false);
        unit_ref(u);
        unit_tell(u, false);
        unit_unref(u);
        unit_watch_pump(c);
        return 0;
}

/* PID 1 announces a unit that it loaded, in place of its first change signal. Our own reading of an unloaded unit does
 * that too, so answering it by reading would go round for ever. */
void unit_watch_on_new(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        /* A daemon-reload announces every unit again and is followed by reading all. */
        if (!u || u->queued || c->reloading)
                return;
        if (unit_is_at_rest(u))
                u->stale = true; /* read when it begins to move */
        else
                unit_queue_read(u, false); /* it may have changed before it was announced (after a daemon-reload) */
        unit_watch_pump(c);
}

void unit_watch_on_job_new(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        if (!u || !u->stale)
                return;
        unit_queue_read(u, false);
        unit_watch_pump(c);
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
        unit_ref(u);
        unit_tell(u, false);
        unit_unref(u);
}

/* ---- the set ---- */

bool unit_watch_is_loaded(const SystemdClient *c, const char *unit) {
        const WatchedUnit *u = hashmap_get(c->units, unit);

        return u && u->known && u->raw.snapshot.load == UNIT_LOADED;
}

int systemd_client_watch(SystemdClient *c, const char *unit) {
        _cleanup_(unit_unrefp) WatchedUnit *u = NULL;
        int r;

        if (!unit_name_is_valid(unit))
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
        unit_queue_read(TAKE_PTR(u), true);
        unit_watch_pump(c);
        return 0;
}

int systemd_client_refresh(SystemdClient *c, const char *unit) {
        WatchedUnit *u = hashmap_get(c->units, unit);

        if (!u)
                return -ENOENT;
        unit_queue_read(u, false);
        unit_watch_pump(c);
        return 0;
}

void systemd_client_unwatch(SystemdClient *c, const char *unit) {
        _cleanup_(unit_unrefp) WatchedUnit *u = hashmap_remove(c->units, unit);

        if (!u)
                return;
        unit_dequeue(c, u);
        unit_cancel_reads(c, u);
        unit_forget_path(c, u, u->path);
        unit_forget_path(c, u, u->id_path);
        if (!u->known)
                c->n_unknown--;
        u->client = NULL;
        /* It may have been the last one that was waited for; told from the loop, not from in here. */
        (void) sd_event_source_set_enabled(c->check, SD_EVENT_ONESHOT);
        unit_watch_pump(c);
}

int unit_watch_init(SystemdClient *c) {
        int r;

        TAILQ_INIT(&c->queue);
        r = hashmap_new(&c->units, unit_unref_value);
        if (r >= 0)
                r = hashmap_new(&c->paths, NULL);
        return r;
}
