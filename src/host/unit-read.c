/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the state of units. GetAll is not used: for UnitFileState, which is in it, PID 1 walks the unit directories,
 * for each unit again after each daemon-reload (1,000 units: 1.6 s of its time), and the Service interface makes it
 * read the control group's files. Some Gets of what is of interest cost a tenth of that, and the beginning, which all
 * units have in common, is one call. */
#include "host/systemd-client-internal.h"

typedef struct Wanted {
        UnitInterface interface;
        const char *property;
} Wanted;

static void unit_advance(WatchedUnit *u);

/* ---- what to read ---- */

static bool unit_is_running(const UnitSnapshot *s) {
        return IN_SET(s->active, UNIT_ACTIVE, UNIT_RELOADING) && streq(s->sub, "running");
}

static size_t add_wanted(Wanted *ret, size_t n, UnitInterface interface, const char *const *names, size_t n_names) {
        for (size_t i = 0; i < n_names; i++)
                ret[n++] = (Wanted){ interface, names[i] };
        return n;
}

static size_t unit_wanted(const WatchedUnit *u, Wanted ret[static UNIT_READS_MAX]) {
        static const char *const state[] = { "LoadState", "ActiveState", "SubState", "Job" };
        static const char *const details[] = {
                "InvocationID",           "StateChangeTimestamp", "ActiveEnterTimestamp",
                "InactiveEnterTimestamp", "ConditionResult",      "ConditionTimestamp",
        };
        static const char *const service[] = {
                "Restart", "NRestarts", "MainPID", "Result", "ExecMainCode", "ExecMainStatus",
        };
        static const char *const relations[] = {
                "Requires", "Wants", "BindsTo",   "Requisite",    "PartOf",
                "Upholds",  "After", "Conflicts", "ConflictedBy", "TriggeredBy",
        };
        bool running = unit_is_running(&u->raw.snapshot);
        size_t n = 0;

        switch (u->stage) {
        case READ_STATE:
                return add_wanted(ret, 0, INTERFACE_UNIT, state, ELEMENTSOF(state));
        case READ_DETAILS:
                n = add_wanted(ret, n, INTERFACE_UNIT, details, running ? 3 : ELEMENTSOF(details));
                if (u->service)
                        n = add_wanted(ret, n, INTERFACE_SERVICE, service, running ? 3 : ELEMENTSOF(service));
                return n;
        case READ_RELATIONS:
                return add_wanted(ret, 0, INTERFACE_UNIT, relations, ELEMENTSOF(relations));
        default:
                return 0;
        }
}

/* What is not read of a running service, because PID 1 sets it back when it starts one. Right only at the moment of the
 * reply that says that it runs: signals that follow know better. */
static void unit_assume(UnitRaw *raw) {
        if (!unit_is_running(&raw->snapshot))
                return;
        raw->snapshot.result = RESULT_SUCCESS;
        raw->snapshot.exec_code = raw->snapshot.exec_status = 0;
        raw->condition_result = true;
        raw->snapshot.condition_failed = false;
}

/* ---- queue ---- */

static struct UnitQueue *unit_queue_of(SystemdClient *c, const WatchedUnit *u) {
        return u->stage == READ_RELATIONS && u->state_told ? &c->relations : &c->queue;
}

static void unit_enqueue(WatchedUnit *u, ReadStage stage) {
        SystemdClient *c = u->client;

        assert(!u->queued && u->n_outstanding == 0);
        if (stage == READ_RELATIONS) {
                unit_relations_done(&u->relations);
                u->relations = (UnitRelations){};
        }
        u->stage = stage;
        u->queued = true;
        watched_unit_ref(u);
        /* What is half read goes first. */
        if (stage == READ_STATE || u->state_told)
                TAILQ_INSERT_TAIL(unit_queue_of(c, u), u, queue);
        else
                TAILQ_INSERT_HEAD(unit_queue_of(c, u), u, queue);
        c->n_queued++;
        c->stats.queued = c->n_queued;
}

static void unit_dequeue(SystemdClient *c, WatchedUnit *u) {
        if (!u->queued)
                return;
        TAILQ_REMOVE(unit_queue_of(c, u), u, queue);
        u->queued = false;
        c->n_queued--;
        c->stats.queued = c->n_queued;
        watched_unit_unref(u);
}

void unit_read_queue(WatchedUnit *u, bool initial) {
        if (u->stage == READ_NONE)
                unit_enqueue(u, READ_STATE);
        else if (u->stage != READ_STATE || !u->queued) {
                u->again = true;
                u->again_initial = u->again_initial || initial;
                return;
        }
        u->initial = u->initial || initial;
        u->stale = false;
}

static void unit_drop_replies(SystemdClient *c, WatchedUnit *u) {
        for (size_t i = 0; i < u->n_reads; i++)
                if (u->reads[i].slot) {
                        u->reads[i].slot = sd_bus_slot_unref(u->reads[i].slot);
                        u->n_outstanding--;
                        c->stats.outstanding--;
                }
        u->n_reads = 0;
        u->failed = false;
}

void unit_read_cancel(SystemdClient *c, WatchedUnit *u) {
        unit_dequeue(c, u);
        unit_drop_replies(c, u);
        unit_relations_done(&u->relations);
        u->relations = (UnitRelations){};
        u->stage = READ_NONE;
        u->batched = u->initial = u->state_told = u->again = u->again_initial = false;
        u->attempts = 0;
}

/* ---- single units ---- */

static int on_read_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int unit_send_get(WatchedUnit *u, Wanted w) {
        SystemdClient *c = u->client;
        UnitRead *read = u->reads + u->n_reads;
        int r;

        assert(u->n_reads < UNIT_READS_MAX);
        *read = (UnitRead){ .unit = u, .interface = w.interface, .property = w.property };
        r = sd_bus_call_method_async(c->bus, &read->slot, c->owner, u->path, "org.freedesktop.DBus.Properties", "Get",
                                     on_read_reply, read, "ss", unit_interface_name(w.interface), w.property);
        if (r < 0)
                return r;
        u->n_reads++;
        u->n_outstanding++;
        c->stats.outstanding++;
        c->stats.property_reads++;
        return 0;
}

static int on_read_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitRead *read = userdata;
        WatchedUnit *u = read->unit;
        SystemdClient *c = u->client;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int r = 0;

        read->slot = sd_bus_slot_unref(read->slot);
        u->n_outstanding--;
        c->stats.outstanding--;
        if (!e)
                r = unit_property_read(m, read->interface, read->property, &u->raw, &u->relations);
        else if (!sd_bus_error_has_name(e, "org.freedesktop.DBus.Error.UnknownProperty")) /* of a newer systemd */
                r = -EIO;
        /* RestartUSec means nothing without it. */
        if (r > 0 && streq(read->property, "Restart") && u->raw.snapshot.auto_restart)
                r = unit_send_get(u, (Wanted){ INTERFACE_SERVICE, "RestartUSec" });
        if (r < 0)
                u->failed = true;

        if (u->n_outstanding == 0)
                unit_advance(u);
        unit_read_pump(c);
        return 0;
}

static void unit_finish(WatchedUnit *u) {
        bool again = u->again, initial = u->again_initial;

        u->stage = READ_NONE;
        u->state_told = u->again = u->again_initial = false;
        if (again)
                unit_read_queue(u, initial);
}

static void unit_tell_state(WatchedUnit *u) {
        bool initial = u->initial;

        u->initial = false;
        u->state_told = true;
        u->attempts = 0;
        unit_watch_tell_read(u, initial);
}

/* It cannot be read: told once as unknown, so that nobody waits for it. */
static void unit_give_up(WatchedUnit *u) {
        if (!u->state_told) {
                u->raw.snapshot.load = UNIT_LOAD_UNKNOWN;
                unit_tell_state(u);
        }
        if (u->client)
                unit_finish(u);
}

/* The replies of a stage are in: goes on, asks again, or tells the result. The handler may end the watch, which shows in
 * that the unit has no client any more. */
static void unit_advance(WatchedUnit *unit) {
        _cleanup_(watched_unit_unrefp) WatchedUnit *u = watched_unit_ref(unit);
        SystemdClient *c = u->client;
        bool failed = u->failed;

        u->n_reads = 0;
        u->failed = false;
        if (failed && sd_bus_is_open(c->bus) <= 0)
                return; /* the loss of the connection is about to be told */
        if (failed && ++u->attempts < READ_ATTEMPTS_MAX)
                unit_enqueue(u, READ_STATE);
        else if (failed)
                unit_give_up(u);
        else if (u->stage == READ_STATE) {
                unit_assume(&u->raw);
                unit_enqueue(u, READ_DETAILS);
        } else if (u->stage == READ_DETAILS) {
                /* Relations decide what is done about a unit that is down; those of the running ones, which are the
                 * many, can come after everything is known. */
                if (unit_is_running(&u->raw.snapshot))
                        unit_tell_state(u);
                if (u->client)
                        unit_enqueue(u, READ_RELATIONS);
        } else {
                unit_watch_tell_relations(u);
                if (u->client && !u->state_told)
                        unit_tell_state(u);
                if (u->client)
                        unit_finish(u);
        }
        client_check_connected(c);
}

void unit_read_pump(SystemdClient *c) {
        WatchedUnit *u;

        if (c->phase < CLIENT_SUBSCRIBING)
                return;
        while ((u = TAILQ_FIRST(&c->queue) ?: TAILQ_FIRST(&c->relations))) {
                Wanted wanted[UNIT_READS_MAX];
                size_t n = unit_wanted(u, wanted);
                int r = 0;

                if (c->stats.outstanding + n > READS_MAX)
                        return;
                for (size_t i = 0; r >= 0 && i < n; i++)
                        r = unit_send_get(u, wanted[i]);
                if (r < 0)
                        /* The connection is going down, or there is no memory: it stays queued. */
                        return unit_drop_replies(c, u);
                unit_dequeue(c, u);
        }
}

void unit_read_all(SystemdClient *c) {
        WatchedUnit *u;

        HASHMAP_FOREACH (u, c->units)
                unit_read_queue(u, true);
        unit_read_pump(c);
}

/* ---- batches ---- */

static UnitBatch *unit_batch_free(UnitBatch *b) {
        if (!b)
                return NULL;
        sd_bus_slot_unref(b->slot);
        strv_free(b->names);
        free(b);
        return NULL;
}
DEFINE_CLEANUP(UnitBatch *, unit_batch_free);

void unit_read_cancel_batches(SystemdClient *c) {
        UnitBatch *b;

        while ((b = TAILQ_FIRST(&c->batches))) {
                TAILQ_REMOVE(&c->batches, b, list);
                c->stats.outstanding--;
                unit_batch_free(b);
        }
}

/* One row for each name, in their order. */
static int batch_read_row(SystemdClient *c, sd_bus_message *m, const char *name) {
        const char *id, *load, *active, *sub;
        WatchedUnit *u = hashmap_get(c->units, name);
        uint32_t job;
        int r;

        r = sd_bus_message_read(m, "(ssssssouso)", &id, NULL, &load, &active, &sub, NULL, NULL, &job, NULL, NULL);
        if (r <= 0)
                return r;
        if (!u || !u->batched)
                return 1;
        u->batched = false;
        unit_raw_set_state(&u->raw, load, active, sub, job);
        unit_watch_set_id(u, id);
        unit_advance(u);
        return 1;
}

static int on_batch_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(unit_batch_freep) UnitBatch *b = userdata;
        SystemdClient *c = b->client;
        int r = -EIO;

        TAILQ_REMOVE(&c->batches, b, list);
        c->stats.outstanding--;
        if (!sd_bus_message_is_method_error(m, NULL))
                r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        STRV_FOREACH (name, b->names)
                if (r >= 0)
                        r = batch_read_row(c, m, *name);
        /* One name that PID 1 refuses spoils the whole answer: then each is asked for by itself. */
        STRV_FOREACH (name, b->names) {
                WatchedUnit *u = hashmap_get(c->units, *name);

                if (u && u->batched) {
                        u->batched = false;
                        unit_enqueue(u, READ_STATE);
                }
        }
        unit_read_pump(c);
        return 0;
}

static int batch_send(SystemdClient *c, UnitBatch *batch) {
        _cleanup_(unit_batch_freep) UnitBatch *b = batch;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        b->client = c;
        r = sd_bus_message_new_method_call(c->bus, &m, c->owner, SYSTEMD_PATH, SYSTEMD_MANAGER, "ListUnitsByNames");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, b->names);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, &b->slot, m, on_batch_reply, b, 0);
        if (r < 0)
                return r;
        TAILQ_INSERT_TAIL(&c->batches, b, list);
        c->stats.outstanding++;
        c->stats.property_reads++;
        b = NULL;
        return 0;
}

int unit_read_batch(SystemdClient *c) {
        _cleanup_(unit_batch_freep) UnitBatch *b = NULL;
        WatchedUnit *u;
        size_t n = 0;
        int r;

        HASHMAP_FOREACH (u, c->units) {
                assert(u->stage == READ_NONE);
                if (!b && !(b = calloc(1, sizeof(*b))))
                        return -ENOMEM;
                r = strv_extend(&b->names, u->name);
                if (r < 0)
                        return r;
                u->stage = READ_STATE;
                u->batched = u->initial = true;
                u->stale = false;
                if (++n % BATCH_MAX == 0) {
                        r = batch_send(c, TAKE_PTR(b));
                        if (r < 0)
                                return r;
                }
        }
        return b ? batch_send(c, TAKE_PTR(b)) : 0;
}
