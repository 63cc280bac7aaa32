/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to PID 1: who it is on the bus, the subscription, and the signals of its manager object. */
#include "host/systemd-client-internal.h"

#include <ctype.h>

#define RETRY_USEC (2 * USEC_PER_SEC)

static void client_begin(SystemdClient *c);

/* ---- small things ---- */

/* Any local process may send a signal straight to us, past all matches; the sender is stamped by dbus-daemon. */
bool client_is_from_systemd(const SystemdClient *c, sd_bus_message *m) {
        return c->owner && streq_ptr(sd_bus_message_get_sender(m), c->owner);
}

static void client_tell_state(SystemdClient *c) {
        if (c->handler->system_state)
                c->handler->system_state(c, c->state, c->userdata);
}

/* Told only when the states of the units are known too: whoever acts on it needs both. */
static void client_set_state(SystemdClient *c, HostState state) {
        if (state == c->state)
                return;
        c->state = state;
        if (c->phase == CLIENT_CONNECTED)
                client_tell_state(c);
}

static void client_set_reloading(SystemdClient *c, bool reloading) {
        if (reloading == c->reloading)
                return;
        c->reloading = reloading;
        if (c->handler->reloading)
                c->handler->reloading(c, reloading, c->userdata);
}

void client_check_connected(SystemdClient *c) {
        if (c->phase != CLIENT_SUBSCRIBING || !c->subscribed || !c->state_read || c->n_unknown > 0)
                return;
        c->phase = CLIENT_CONNECTED;
        if (c->handler->connected)
                c->handler->connected(c, true, c->userdata);
        client_tell_state(c);
        if (c->reload_lost) {
                c->reload_lost = false;
                client_set_reloading(c, false);
        }
}

static int on_check(sd_event_source *s, void *userdata) {
        client_check_connected(userdata);
        return 0;
}

/* ---- loss ---- */

/* PID 1 cannot be reached any more; the bus itself may be alive. */
static void client_lost(SystemdClient *c) {
        bool told = c->phase == CLIENT_CONNECTED;

        c->owner = free_(c->owner);
        c->subscribe_slot = sd_bus_slot_unref(c->subscribe_slot);
        c->version_slot = sd_bus_slot_unref(c->version_slot);
        c->state_slot = sd_bus_slot_unref(c->state_slot);
        c->subscribed = c->state_read = false;
        c->state = HOST_UNKNOWN;
        /* A daemon-reexec announces its reloading and then loses its connection: its end is the next connection. */
        c->reload_lost = c->reloading;
        (void) sd_event_source_set_enabled(c->retry, SD_EVENT_OFF);
        c->phase = CLIENT_NO_SYSTEMD;
        unit_watch_reset(c);
        if (told) {
                c->stats.reconnects++;
                if (c->handler->connected)
                        c->handler->connected(c, false, c->userdata);
        }
        unit_call_fail_all(c);
}

static void client_drop_bus(SystemdClient *c) {
        client_lost(c);
        c->phase = CLIENT_NO_BUS;
        for (size_t i = 0; i < c->n_matches; i++)
                c->matches[i] = sd_bus_slot_unref(c->matches[i]);
        c->n_matches = 0;
        c->owner_slot = sd_bus_slot_unref(c->owner_slot);
        c->bus = sd_bus_unref(c->bus);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        client_lost(userdata);
        return 0;
}

/* ---- manager properties ---- */

static int client_get_property(SystemdClient *c, const char *name, sd_bus_message_handler_t callback,
                               sd_bus_slot **slot) {
        *slot = sd_bus_slot_unref(*slot);
        return sd_bus_call_method_async(c->bus, slot, c->owner, SYSTEMD_PATH, "org.freedesktop.DBus.Properties", "Get",
                                        callback, c, "ss", SYSTEMD_MANAGER, name);
}

static int read_string_property(sd_bus_message *m, const char **ret) {
        int r;

        r = sd_bus_message_is_method_error(m, NULL);
        if (r != 0)
                return -EIO;
        return sd_bus_message_read(m, "v", "s", ret);
}

static int on_version(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        const char *s;

        c->version_slot = sd_bus_slot_unref(c->version_slot);
        /* "252.39-1~deb12u2" */
        if (read_string_property(m, &s) >= 0 && isdigit((unsigned char) *s))
                c->version = (unsigned) strtoul(s, NULL, 10);
        return 0;
}

static HostState state_from_system_state(const char *s) {
        /* In "maintenance" (rescue.target, emergency.target) an administrator has taken everything down by intent: it
         * calls for the same restraint as a shutdown. */
        static const struct {
                const char *word;
                HostState state;
        } map[] = {
                { "initializing", HOST_STARTING }, { "starting", HOST_STARTING },    { "running", HOST_RUNNING },
                { "degraded", HOST_RUNNING },      { "maintenance", HOST_STOPPING }, { "stopping", HOST_STOPPING },
        };

        for (size_t i = 0; i < ELEMENTSOF(map); i++)
                if (streq(map[i].word, s))
                        return map[i].state;
        return HOST_UNKNOWN;
}

static int on_system_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        const char *s;

        c->state_slot = sd_bus_slot_unref(c->state_slot);
        if (read_string_property(m, &s) >= 0)
                client_set_state(c, state_from_system_state(s));
        c->state_read = true;
        client_check_connected(c);
        return 0;
}

/* The property has no change signal. */
static void client_read_state(SystemdClient *c) {
        (void) client_get_property(c, "SystemState", on_system_state, &c->state_slot);
}

/* ---- manager signals ---- */

static bool is_end_target(const char *unit) {
        static const char *const targets[] = {
                "shutdown.target", "reboot.target", "poweroff.target",    "halt.target",   "kexec.target",
                "exit.target",     "final.target",  "soft-reboot.target", "rescue.target", "emergency.target",
        };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                if (streq(targets[i], unit))
                        return true;
        return false;
}

static void on_job_new(SystemdClient *c, sd_bus_message *m) {
        const char *unit;
        uint32_t id;

        if (sd_bus_message_read(m, "uos", &id, NULL, &unit) < 0)
                return;
        /* Known at once, so that nothing is restarted against a shutdown; the state that is read then may take it back
         * (a job that stops such a target, or a cancelled one). */
        if (is_end_target(unit)) {
                client_set_state(c, HOST_STOPPING);
                client_read_state(c);
        }
        unit_watch_on_job_new(c, unit);
        if (c->handler->job_new)
                c->handler->job_new(c, unit, id, c->userdata);
}

static void on_job_removed(SystemdClient *c, sd_bus_message *m) {
        const char *unit, *word;
        uint32_t id;
        int v;

        if (sd_bus_message_read(m, "uoss", &id, NULL, &unit, &word) < 0)
                return;
        v = (int) job_result_from_string(word);
        if (is_end_target(unit))
                client_read_state(c);
        if (c->handler->job_removed)
                c->handler->job_removed(c, unit, id, v < 0 ? JOB_RESULT_UNKNOWN : (JobResult) v, c->userdata);
}

static void on_unit_new(SystemdClient *c, sd_bus_message *m) {
        const char *unit;

        if (sd_bus_message_read(m, "so", &unit, NULL) < 0 || !endswith(unit, ".service"))
                return;
        if (hashmap_get(c->units, unit))
                unit_watch_on_new(c, unit);
        else if (c->handler->unit_new)
                c->handler->unit_new(c, unit, c->userdata);
}

static void on_unit_removed(SystemdClient *c, sd_bus_message *m) {
        const char *unit;

        if (sd_bus_message_read(m, "so", &unit, NULL) >= 0)
                unit_watch_on_removed(c, unit);
}

static void on_reloading(SystemdClient *c, sd_bus_message *m) {
        int active;

        if (sd_bus_message_read(m, "b", &active) < 0 || (c->reload_lost && !active))
                return;
        c->reload_lost = false;
        if (c->reloading == active)
                return;
        /* Files may have changed everything that is not signalled: relations, Restart=. */
        if (!active)
                unit_read_all(c);
        client_set_reloading(c, active);
}

static void on_startup_finished(SystemdClient *c, sd_bus_message *m) {
        client_read_state(c);
}

static int on_manager_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const struct {
                const char *member;
                void (*handle)(SystemdClient *c, sd_bus_message *m);
        } signals[] = {
                { "JobNew", on_job_new },      { "JobRemoved", on_job_removed },
                { "UnitNew", on_unit_new },    { "UnitRemoved", on_unit_removed },
                { "Reloading", on_reloading }, { "StartupFinished", on_startup_finished },
        };
        SystemdClient *c = userdata;
        const char *member = sd_bus_message_get_member(m);

        if (!member || !client_is_from_systemd(c, m))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (streq(signals[i].member, member)) {
                        c->stats.signals++;
                        signals[i].handle(c, m);
                        break;
                }
        return 0;
}

/* ---- connection ---- */

static void client_retry(SystemdClient *c) {
        (void) sd_event_source_set_time(c->retry, boottime_now() + RETRY_USEC);
        (void) sd_event_source_set_enabled(c->retry, SD_EVENT_ONESHOT);
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        c->subscribe_slot = sd_bus_slot_unref(c->subscribe_slot);
        /* PID 1 keeps subscriptions across a daemon-reexec. */
        if (e && !sd_bus_error_has_name(e, "org.freedesktop.systemd1.AlreadySubscribed")) {
                client_retry(c);
                return 0;
        }
        c->subscribed = true;
        client_check_connected(c);
        return 0;
}

/* Everything is sent at once: PID 1 handles the messages of one connection in order, so that all that is read after
 * Subscribe is followed by the signals of its changes. */
static void client_begin(SystemdClient *c) {
        int r;

        c->phase = CLIENT_SUBSCRIBING;
        r = sd_bus_call_method_async(c->bus, &c->subscribe_slot, c->owner, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe",
                                     on_subscribed, c, NULL);
        if (r >= 0)
                r = client_get_property(c, "Version", on_version, &c->version_slot);
        if (r >= 0)
                r = client_get_property(c, "SystemState", on_system_state, &c->state_slot);
        if (r >= 0)
                r = unit_read_batch(c);
        if (r < 0)
                client_retry(c);
}

static void client_set_owner(SystemdClient *c, const char *owner) {
        if (streq_ptr(c->owner, isempty(owner) ? NULL : owner))
                return;
        if (c->owner)
                client_lost(c);
        if (isempty(owner))
                return;
        c->owner = strdup(owner);
        if (!c->owner)
                return client_retry(c);
        client_begin(c);
}

static int on_get_name_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        const char *owner;

        c->owner_slot = sd_bus_slot_unref(c->owner_slot);
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read_basic(m, 's', &owner) >= 0)
                client_set_owner(c, owner);
        else if (!sd_bus_message_is_method_error(m, "org.freedesktop.DBus.Error.NameHasNoOwner"))
                client_retry(c);
        return 0;
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        SystemdClient *c = userdata;
        const char *name, *owner;

        if (!streq_ptr(sd_bus_message_get_sender(m), "org.freedesktop.DBus"))
                return 0;
        if (sd_bus_message_read(m, "sss", &name, NULL, &owner) >= 0 && streq(name, SYSTEMD_NAME))
                client_set_owner(c, owner);
        return 0;
}

static int client_ask_owner(SystemdClient *c) {
        c->owner_slot = sd_bus_slot_unref(c->owner_slot);
        return sd_bus_call_method_async(c->bus, &c->owner_slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetNameOwner", on_get_name_owner, c, "s",
                                        SYSTEMD_NAME);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        SystemdClient *c = userdata;

        if (c->phase == CLIENT_NO_BUS)
                return 0;
        client_lost(c);
        if (client_ask_owner(c) < 0)
                client_retry(c);
        return 0;
}

static int client_add_matches(SystemdClient *c) {
        static const struct {
                const char *rule;
                sd_bus_message_handler_t handler;
        } matches[] = {
                { "type='signal',sender='org.freedesktop.DBus.Local',path='/org/freedesktop/DBus/Local',"
                  "interface='org.freedesktop.DBus.Local',member='Disconnected'",
                  on_disconnected },
                { "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                  "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SYSTEMD_NAME "'",
                  on_name_owner_changed },
                { "type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH "',interface='" SYSTEMD_MANAGER "'",
                  on_manager_signal },
                { "type='signal',sender='" SYSTEMD_NAME "',interface='org.freedesktop.DBus.Properties',"
                  "member='PropertiesChanged',path_namespace='" SYSTEMD_UNIT_PREFIX
                  "',arg0='org.freedesktop.systemd1.Unit'",
                  unit_watch_on_properties_changed },
                { "type='signal',sender='" SYSTEMD_NAME "',interface='org.freedesktop.DBus.Properties',"
                  "member='PropertiesChanged',path_namespace='" SYSTEMD_UNIT_PREFIX
                  "',arg0='org.freedesktop.systemd1.Service'",
                  unit_watch_on_properties_changed },
        };
        int r;

        _Static_assert(ELEMENTSOF(matches) == ELEMENTSOF(c->matches), "one slot for each match");
        for (size_t i = 0; i < ELEMENTSOF(matches); i++) {
                /* No callback for the reply: dbus-daemon handles our messages in order, and one that it refuses shows as
                 * a closed connection. */
                r = sd_bus_add_match_async(c->bus, &c->matches[i], matches[i].rule, matches[i].handler, NULL, c);
                if (r < 0)
                        return r;
                c->n_matches++;
        }
        return 0;
}

int systemd_client_set_bus(SystemdClient *c, sd_bus *bus) {
        int r;

        if (c->bus)
                client_drop_bus(c);
        if (!bus)
                return 0;
        c->bus = sd_bus_ref(bus);
        c->phase = CLIENT_NO_SYSTEMD;
        r = client_add_matches(c);
        if (r >= 0)
                r = client_ask_owner(c);
        if (r < 0)
                client_drop_bus(c);
        return r;
}

int systemd_client_new(sd_event *event, const SystemdHandler *handler, void *userdata, SystemdClient **ret) {
        _cleanup_(systemd_client_freep) SystemdClient *c = NULL;
        int r;

        assert(event && handler && ret);

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        TAILQ_INIT(&c->calls);
        c->event = sd_event_ref(event);
        c->handler = handler;
        c->userdata = userdata;
        r = unit_watch_init(c);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &c->retry, CLOCK_BOOTTIME, 0, 0, on_retry, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &c->check, on_check, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->check, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

SystemdClient *systemd_client_free(SystemdClient *c) {
        static const SystemdHandler nobody = {};

        if (!c)
                return NULL;
        /* Nothing is told from here on. */
        c->handler = &nobody;
        unit_call_detach_all(c);
        if (c->bus)
                client_drop_bus(c);
        if (c->units)
                unit_watch_done(c);
        sd_event_source_disable_unref(c->check);
        sd_event_source_disable_unref(c->retry);
        sd_event_unref(c->event);
        free(c->owner);
        free(c);
        return NULL;
}

int systemd_client_cancel_job(SystemdClient *c, uint32_t job_id) {
        if (c->phase < CLIENT_SUBSCRIBING)
                return -ENOTCONN;
        /* Nobody waits for the reply: the end of the job comes by JobRemoved. */
        return sd_bus_call_method_async(c->bus, NULL, c->owner, SYSTEMD_PATH, SYSTEMD_MANAGER, "CancelJob", NULL, NULL,
                                        "u", job_id);
}

void systemd_client_stats(const SystemdClient *c, SystemdClientStats *ret) {
        *ret = c->stats;
}

unsigned systemd_client_version(const SystemdClient *c) {
        return c->version;
}
