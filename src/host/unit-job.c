/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit actions: one UnitCall is one chain of method calls, each sent after the reply to the one before. They are not sent
 * together, because PID 1 asks polkit for each of them on its own and answers in the order in which polkit does. */
#include "host/systemd-client-internal.h"

/* systemd's errors; the rest is mapped by sd-bus. */
static int call_error_to_errno(const sd_bus_error *e) {
        static const struct {
                const char *name;
                int error;
        } map[] = {
                { "org.freedesktop.DBus.Error.AccessDenied", EACCES },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EACCES },
                { "org.freedesktop.DBus.Error.NoReply", ETIMEDOUT },
                { "org.freedesktop.systemd1.NoSuchUnit", ENOENT },
                { "org.freedesktop.systemd1.UnitMasked", ERFKILL },
                { "org.freedesktop.systemd1.LoadFailed", EIO },
                { "org.freedesktop.systemd1.BadUnitSetting", ENOEXEC },
                { "org.freedesktop.systemd1.JobTypeNotApplicable", EBADR },
                { "org.freedesktop.systemd1.OnlyByDependency", EPERM },
                { "org.freedesktop.systemd1.NoIsolation", EPERM },
                { "org.freedesktop.systemd1.TransactionIsDestructive", EDEADLK },
                { "org.freedesktop.systemd1.TransactionJobsConflicting", EDEADLK },
                { "org.freedesktop.systemd1.TransactionOrderIsCyclic", EDEADLK },
                { "org.freedesktop.systemd1.ShuttingDown", ESHUTDOWN },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(map); i++)
                if (sd_bus_error_has_name(e, map[i].name))
                        return -map[i].error;
        r = sd_bus_error_get_errno(e);
        return r > 0 ? -r : -EIO;
}

static void call_leave(UnitCall *u) {
        SystemdClient *c = u->client;

        u->slot = sd_bus_slot_unref(u->slot);
        u->defer = sd_event_source_disable_unref(u->defer);
        if (!c)
                return;
        TAILQ_REMOVE(&c->calls, u, queue);
        if (u->step != CALL_QUEUED)
                c->n_calls--;
        u->client = NULL;
        u->step = CALL_DONE;
}

/* The last thing that is done with u: the callback may free it. */
static void call_finish(UnitCall *u, uint32_t job_id, int error, const char *text) {
        SystemdClient *c = u->client;

        call_leave(u);
        u->callback(u, job_id, error, text, u->userdata);
        if (c)
                unit_call_pump(c);
}

static int on_defer(sd_event_source *s, void *userdata) {
        UnitCall *u = userdata;

        call_finish(u, 0, u->error, "There is no connection to systemd");
        return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int call_send(UnitCall *u) {
        static const char *const methods[_VERB_MAX] = {
                [VERB_START] = "StartUnit",
                [VERB_STOP] = "StopUnit",
                [VERB_RESTART] = "RestartUnit",
                [VERB_RELOAD] = "ReloadUnit",
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        SystemdClient *c = u->client;
        const char *method;
        int r;

        if (u->load_first) {
                u->step = CALL_LOADING;
                method = "LoadUnit";
        } else if (u->reset_failed_first || u->verb == VERB_RESET_FAILED) {
                u->step = CALL_RESETTING;
                method = "ResetFailedUnit";
        } else {
                u->step = CALL_SENT;
                method = methods[u->verb];
        }
        r = sd_bus_message_new_method_call(c->bus, &m, c->owner, SYSTEMD_PATH, SYSTEMD_MANAGER, method);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", u->unit);
        if (r >= 0 && u->step == CALL_SENT)
                r = sd_bus_message_append(m, "s", u->mode);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, &u->slot, m, on_reply, u, CALL_TIMEOUT_USEC);
        if (r < 0)
                return r;
        c->stats.calls++;
        return 0;
}

static int job_id_from_path(const char *path, uint32_t *ret) {
        const char *id = startswith(path, SYSTEMD_PATH "/job/");

        return id ? safe_atou32(id, ret) : -EBADMSG;
}

/* Reply to the last call of the chain. */
static void call_replied(UnitCall *u, sd_bus_message *m) {
        uint32_t id = 0;
        const char *path;
        int r;

        if (u->step == CALL_SENT) {
                r = sd_bus_message_read_basic(m, 'o', &path);
                if (r >= 0)
                        r = job_id_from_path(path, &id);
                if (r < 0)
                        return call_finish(u, 0, -EBADMSG, "systemd's reply is not understood");
        }
        call_finish(u, id, 0, NULL);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitCall *u = userdata;
        SystemdClient *c = u->client;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int r;

        u->slot = sd_bus_slot_unref(u->slot);
        /* What is not loaded has not failed: there is nothing to reset, and the job may still load it. */
        if (e && u->step == CALL_RESETTING && u->verb != VERB_RESET_FAILED &&
            sd_bus_error_has_name(e, "org.freedesktop.systemd1.NoSuchUnit"))
                e = NULL;
        if (e) {
                /* On a broken connection nobody knows whether PID 1 took the call. */
                r = sd_bus_is_open(c->bus) > 0 ? call_error_to_errno(e) : -ECONNRESET;
                call_finish(u, 0, r, e->message ?: e->name);
                return 0;
        }

        if (u->step == CALL_LOADING)
                u->load_first = false;
        else if (u->step == CALL_RESETTING && u->verb != VERB_RESET_FAILED)
                u->reset_failed_first = false;
        else {
                call_replied(u, m);
                return 0;
        }
        r = call_send(u);
        if (r < 0)
                call_finish(u, 0, r, "Cannot send to systemd");
        return 0;
}

/* Sends what the window allows. */
void unit_call_pump(SystemdClient *c) {
        UnitCall *u, *next;

        if (c->phase < CLIENT_SUBSCRIBING)
                return;
        for (u = TAILQ_FIRST(&c->calls); u && c->n_calls < CALLS_MAX; u = next) {
                int r;

                next = TAILQ_NEXT(u, queue);
                if (u->step != CALL_QUEUED || u->error < 0)
                        continue;
                c->n_calls++;
                r = call_send(u);
                if (r < 0) {
                        /* Told from the loop: the caller may be in the middle of asking. */
                        u->error = r;
                        (void) sd_event_source_set_enabled(u->defer, SD_EVENT_ONESHOT);
                }
        }
}

void unit_call_fail_all(SystemdClient *c) {
        UnitCall *u;

        TAILQ_FOREACH(u, &c->calls, queue)
        u->lost = true;
        /* The callbacks may free others of these, or add new ones at the end. */
        while ((u = TAILQ_FIRST(&c->calls)) && u->lost)
                /* What was sent may have been taken. */
                call_finish(u, 0, u->step == CALL_QUEUED ? -ENOTCONN : -ECONNRESET,
                            "The connection to systemd was lost");
}

void unit_call_detach_all(SystemdClient *c) {
        UnitCall *u;

        while ((u = TAILQ_FIRST(&c->calls)))
                call_leave(u);
}

int systemd_client_call(SystemdClient *c, const char *unit, Verb verb, const char *mode, bool reset_failed_first,
                        unit_call_t cb, void *userdata, UnitCall **ret) {
        _cleanup_(unit_call_freep) UnitCall *u = NULL;
        int r;

        assert(c && unit && mode && cb && ret);

        if (!IN_SET(verb, VERB_START, VERB_STOP, VERB_RESTART, VERB_RELOAD, VERB_RESET_FAILED) ||
            !unit_name_is_valid(unit))
                return -EINVAL;

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->verb = verb;
        u->load_first = verb != VERB_RESET_FAILED && !unit_watch_is_loaded(c, unit);
        u->reset_failed_first = reset_failed_first;
        u->callback = cb;
        u->userdata = userdata;
        u->unit = strdup(unit);
        u->mode = strdup(mode);
        if (!u->unit || !u->mode)
                return -ENOMEM;
        r = sd_event_add_defer(c->event, &u->defer, on_defer, u);
        if (r >= 0)
                r = sd_event_source_set_enabled(u->defer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        if (c->phase < CLIENT_SUBSCRIBING) {
                u->error = -ENOTCONN;
                r = sd_event_source_set_enabled(u->defer, SD_EVENT_ONESHOT);
                if (r < 0)
                        return r;
        }
        u->client = c;
        TAILQ_INSERT_TAIL(&c->calls, u, queue);
        *ret = u;
        u = NULL;
        unit_call_pump(c);
        return 0;
}

UnitCall *unit_call_free(UnitCall *u) {
        if (!u)
                return NULL;
        SystemdClient *c = u->client;

        call_leave(u);
        free(u->unit);
        free(u->mode);
        free(u);
        if (c)
                unit_call_pump(c);
        return NULL;
}
