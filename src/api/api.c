/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/dbus-log-control.h"
#include "api/dbus-manager.h"
#include "api/dbus-service.h"
#include "api/feed.h"
#include "api/log-calls.h"
#include "api/request.h"
#include "basic/log.h"

/* ---- signals of one turn of the loop go out together ---- */

bool api_may_signal(Api *a) {
        uint64_t queued = 0;

        if (!a->bus || !a->named)
                return false;
        if (sd_bus_get_n_queued_write(a->bus, &queued) >= 0 && queued >= API_SIGNALS_QUEUED_MAX) {
                a->stats.signals_dropped++;
                return false;
        }
        return true;
}

void api_schedule_flush(Api *a) {
        if (a->flush)
                (void) sd_event_source_set_enabled(a->flush, SD_EVENT_ONESHOT);
}

static int on_flush(sd_event_source *source, void *userdata) {
        Api *a = userdata;
        Object *o;

        HASHMAP_FOREACH (o, a->objects)
                if (o->dirty)
                        dbus_service_flush(o);
        dbus_manager_flush(a);
        return 0;
}

/* ---- what the manager tells ---- */

static void on_event(const Event *e, void *userdata) {
        Api *a = userdata;

        feed_event(a->feed, e);
}

static void on_durable(uint64_t seq, void *userdata) {
        Api *a = userdata;

        feed_durable(a->feed, seq);
}

static void on_service_added(const Service *s, void *userdata) {
        int r = object_add(userdata, s);

        if (r < 0)
                (void) log_error_errno(r, "Cannot show %s on the bus, ignoring: %m", s->config->unit);
}

static void on_service_changed(const Service *s, void *userdata) {
        object_changed(userdata, s);
}

static void on_service_removed(const char *unit, void *userdata) {
        object_remove(userdata, unit);
}

static void on_state_changed(void *userdata) {
        Api *a = userdata;

        a->state_changed = true;
        api_schedule_flush(a);
}

static void on_action_finished(const Action *action, void *userdata) {
        dbus_manager_action_finished(userdata, action);
}

static const ManagerListener listener = {
        .event = on_event,
        .durable = on_durable,
        .service_added = on_service_added,
        .service_changed = on_service_changed,
        .service_removed = on_service_removed,
        .state_changed = on_state_changed,
        .action_finished = on_action_finished,
};

/* ---- the bus ---- */

int api_add_slot(Api *a, sd_bus_slot *slot) {
        if (a->n_slots >= API_SLOTS_MAX) {
                sd_bus_slot_unref(slot);
                return -ENOBUFS;
        }
        a->slots[a->n_slots++] = slot;
        return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Api *a = userdata;
        uint32_t answer;
        int r;

        a->name_slot = sd_bus_slot_unref(a->name_slot);
        if (e) {
                /* Usual for a moment while the package is installed; if it stays so, synctl doctor says it, too. */
                log_warning("The bus does not give us the name %s; asking again when it has read its policy again: %s",
                            API_BUS_NAME, e->message ?: e->name);
                return 1;
        }
        r = sd_bus_message_read(m, "u", &answer);
        if (r < 0)
                return r;
        /* The D-Bus specification: 1 primary owner, 2 in queue, 3 exists, 4 already owner. */
        if (IN_SET(answer, 1U, 4U)) {
                a->named = true;
                log_debug("The bus name %s is ours.", API_BUS_NAME);
        } else
                log_error("Another process owns the bus name %s, so that nobody can reach us.", API_BUS_NAME);
        return 1;
}

static int request_name(Api *a) {
        a->name_slot = sd_bus_slot_unref(a->name_slot);
        /* DO_NOT_QUEUE: nobody may take the name from us, and we wait for nobody to leave it. */
        return sd_bus_call_method_async(a->bus, &a->name_slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName", on_name, a, "su", API_BUS_NAME, 4U);
}

/* The bus sends this signal when it has read its configuration again. While a package is installed it may have read our
 * policy before the user that the policy names existed. */
static int on_bus_reloaded(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        int r;

        if (a->named)
                return 0;
        r = request_name(a);
        if (r < 0)
                (void) log_error_errno(r, "Cannot ask for the bus name again: %m");
        return 0;
}

static int watch_bus_reload(Api *a) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_match_signal_async(a->bus, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", "ActivatableServicesChanged", on_bus_reloaded, NULL, a);
        return r < 0 ? r : api_add_slot(a, slot);
}

static void drop_bus(Api *a) {
        const char *name;
        Client *c;

        a->named = false;
        a->name_slot = sd_bus_slot_unref(a->name_slot);
        for (HashIter i = {}; hashmap_next(a->clients, &i, &name, (void **) &c);) {
                (void) hashmap_remove(a->clients, name);
                client_free(c);
        }
        for (; a->n_slots > 0; a->n_slots--)
                sd_bus_slot_unref(a->slots[a->n_slots - 1]);
        a->bus = sd_bus_unref(a->bus);
}

int api_set_bus(Api *a, sd_bus *bus) {
        int r;

        assert(a);
        drop_bus(a);
        if (!bus)
                return 0;
        a->bus = sd_bus_ref(bus);
        r = dbus_manager_add(a);
        if (r >= 0)
                r = dbus_service_add(a);
        if (r >= 0)
                r = dbus_log_control_add(a);
        if (r >= 0)
                r = watch_bus_reload(a);
        if (r >= 0)
                r = request_name(a);
        if (r < 0)
                drop_bus(a);
        return MIN(r, 0);
}

bool api_is_named(const Api *a) {
        return a->named;
}

/* ---- life ---- */

static void *object_free_value(void *o) {
        return object_free(o);
}

static int show_services(Api *a) {
        const Service *s;
        int r;

        HASHMAP_FOREACH (s, supervisor_services(manager_supervisor(a->manager))) {
                r = object_add(a, s);
                if (r < 0)
                        return r;
        }
        return 0;
}

int api_new(Manager *manager, Api **ret) {
        _cleanup_(api_freep) Api *a = NULL;
        int r;

        assert(manager && ret);
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->manager = manager;
        a->event = sd_event_ref(manager_event(manager));
        r = dbus_error_register();
        if (r < 0)
                return r;
        if ((r = hashmap_new(&a->objects, object_free_value)) < 0 || (r = hashmap_new(&a->paths, NULL)) < 0 ||
            (r = hashmap_new(&a->names, NULL)) < 0 || (r = hashmap_new(&a->clients, NULL)) < 0 ||
            (r = feed_new(a, &a->feed)) < 0)
                return r;

        r = sd_event_add_defer(a->event, &a->flush, on_flush, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->flush, SD_EVENT_OFF);
        if (r >= 0)
                r = show_services(a);
        if (r >= 0)
                r = manager_listen(manager, &listener, a);
        if (r < 0)
                return r;
        a->listening = true;
        *ret = TAKE_PTR(a);
        return 0;
}

Api *api_free(Api *a) {
        if (!a)
                return NULL;
        if (a->listening)
                manager_unlisten(a->manager, &listener, a);
        if (a->clients)
                drop_bus(a);
        log_check_forget(a);
        feed_free(a->feed);
        hashmap_free(a->clients);
        hashmap_free(a->names);
        hashmap_free(a->paths);
        hashmap_free(a->objects);
        sd_event_source_disable_unref(a->flush);
        sd_event_unref(a->event);
        free(a);
        return NULL;
}
