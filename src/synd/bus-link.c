/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/bus-link.h"

#include "basic/log.h"

#define RETRY_MIN (50 * USEC_PER_MSEC)
#define RETRY_MAX (2 * USEC_PER_SEC)

/* What the reference bus client uses when the environment says nothing (sd_bus_open_system(3)). */
#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

struct BusLink {
        sd_event *event;
        sd_bus *bus;
        sd_event_source *retry;
        char *description;
        int64_t priority;
        BusLinkHandler handler;
        void *userdata;
        bool up;
        bool connecting;        /* an answer of the bus is waited for */
        usec_t delay;           /* before the last attempt, 0 after a success */
        uint64_t losses, attempts;
};

static void bus_link_schedule(BusLink *l, usec_t delay) {
        int r;

        r = sd_event_source_set_time(l->retry, usec_add(boottime_now(), delay));
        if (r >= 0)
                r = sd_event_source_set_enabled(l->retry, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_error_errno(r, "Cannot arm the timer that reconnects %s: %m", l->description);
}

static void bus_link_lost(BusLink *l) {
        if (l->up) {
                l->up = false;
                l->losses++;
                l->handler.down(l, l->userdata);
        }

        l->connecting = false;
        l->delay = l->delay == 0 ? RETRY_MIN : MIN(l->delay * 2, RETRY_MAX);
        bus_link_schedule(l, l->delay);
}

static int on_connected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        BusLink *l = userdata;

        l->up = true;
        l->connecting = false;
        l->delay = 0;
        l->handler.up(l, l->bus, l->userdata);
        return 0;
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        bus_link_lost(userdata);
        return 0;
}

static int local_signal(sd_bus *bus, const char *member, sd_bus_message_handler_t handler, BusLink *l) {
        /* Signals of this interface are made by sd-bus itself and never cross the wire. */
        return sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                         "org.freedesktop.DBus.Local", member, handler, NULL, l);
}

static int bus_link_open(BusLink *l) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        const char *address;
        int r;

        l->bus = sd_bus_close_unref(l->bus);
        l->attempts++;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: SYSTEM_BUS_ADDRESS;
        if ((r = sd_bus_set_address(bus, address)) < 0 || (r = sd_bus_set_bus_client(bus, true)) < 0 ||
            (r = sd_bus_set_description(bus, l->description)) < 0 || (r = sd_bus_set_connected_signal(bus, true)) < 0 ||
            (r = sd_bus_negotiate_creds(bus, true, SD_BUS_CREDS_EUID)) < 0 ||
            (r = local_signal(bus, "Connected", on_connected, l)) < 0 ||
            (r = local_signal(bus, "Disconnected", on_disconnected, l)) < 0 || (r = sd_bus_start(bus)) < 0 ||
            (r = sd_bus_attach_event(bus, l->event, l->priority)) < 0)
                return r;

        l->bus = TAKE_PTR(bus);
        l->connecting = true;
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        BusLink *l = userdata;
        int r;

        r = bus_link_open(l);
        if (r < 0) {
                log_full_errno(l->delay == 0 ? LOG_WARNING : LOG_DEBUG, r, "Cannot connect %s, trying again: %m",
                               l->description);
                bus_link_lost(l);
        }
        return 0;
}

int bus_link_new(sd_event *event, const char *description, int64_t priority, const BusLinkHandler *handler, void *userdata,
                 BusLink **ret) {
        _cleanup_(bus_link_freep) BusLink *l = NULL;
        int r;

        l = calloc(1, sizeof(BusLink));
        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->priority = priority;
        l->handler = *handler;
        l->userdata = userdata;
        l->description = strdup(description);
        if (!l->description)
                return -ENOMEM;

        r = sd_event_add_time(event, &l->retry, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_retry, l);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(l->retry, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(l->retry, priority);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

void bus_link_start(BusLink *l) {
        bus_link_schedule(l, 0);
}

BusLink *bus_link_free(BusLink *l) {
        if (!l)
                return NULL;
        sd_event_source_disable_unref(l->retry);
        sd_bus_close_unref(l->bus);
        sd_event_unref(l->event);
        free(l->description);
        return free_(l);
}

sd_bus *bus_link_bus(const BusLink *l) {
        return l && l->up ? l->bus : NULL;
}

uint64_t bus_link_losses(const BusLink *l) {
        return l->losses;
}

uint64_t bus_link_attempts(const BusLink *l) {
        return l->attempts;
}

bool bus_link_is_idle(const BusLink *l) {
        return !l->up && !l->connecting;
}
