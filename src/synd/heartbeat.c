/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/heartbeat.h"

#include "basic/log.h"
#include <systemd/sd-daemon.h>

#define PERIOD_DEFAULT (10 * USEC_PER_SEC)

struct Heartbeat {
        sd_event_source *timer;
        sd_bus_slot *question;
        BusLink *bus;
        EventLog *log;
        usec_t period, expected;
        bool watchdog;
        bool bus_asked;         /* it was asked at the last turn */
        bool bus_moved;
        uint64_t bus_attempts;  /* at the last turn */
        uint64_t log_progress;  /* at the last turn */
        HeartbeatStats stats;
};

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Heartbeat *h = userdata;

        /* An error reply is an answer, too; a connection that went away is judged by its attempts to come back. */
        h->bus_moved = true;
        h->question = sd_bus_slot_unref(h->question);
        return 0;
}

static bool heartbeat_bus_alive(Heartbeat *h) {
        if (bus_link_bus(h->bus))
                return h->bus_moved || !h->bus_asked; /* connected since the last turn: that is progress, too */
        /* Away, and the loop that turns will try again; or a new attempt is under way since the last turn. */
        return bus_link_is_idle(h->bus) || bus_link_attempts(h->bus) != h->bus_attempts;
}

static bool heartbeat_log_alive(Heartbeat *h) {
        EventLogStats s;

        eventlog_stats(h->log, &s);
        return s.progress != h->log_progress;
}

/* Asks each part for a sign of life; they have until the next turn. */
static void heartbeat_ask(Heartbeat *h) {
        sd_bus *bus = bus_link_bus(h->bus);
        EventLogStats s;
        int r;

        h->bus_moved = false;
        h->bus_asked = bus;
        h->bus_attempts = bus_link_attempts(h->bus);
        h->question = sd_bus_slot_unref(h->question);
        if (bus) {
                /* The system bus refuses Ping of the Peer interface to itself, and writes that into the journal. */
                r = sd_bus_call_method_async(bus, &h->question, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                             "org.freedesktop.DBus", "GetId", on_answer, h, NULL);
                if (r < 0)
                        log_debug_errno(r, "Cannot ask the bus for a sign of life: %m");
        }

        eventlog_stats(h->log, &s);
        h->log_progress = s.progress;
        eventlog_poke(h->log);
}

static int on_turn(sd_event_source *source, uint64_t usec, void *userdata) {
        Heartbeat *h = userdata;
        usec_t now = boottime_now();
        int r;

        h->stats.loop_late_max = MAX(h->stats.loop_late_max, usec_sub(now, h->expected));
        h->stats.waiting_for = !heartbeat_bus_alive(h) ? "bus" : !heartbeat_log_alive(h) ? "log" : NULL;
        if (!h->stats.waiting_for) {
                h->stats.fed++;
                if (h->watchdog)
                        (void) sd_notify(false, "WATCHDOG=1");
        } else {
                h->stats.withheld++;
                log_warning("No progress in the %s since the last turn of the watchdog, not feeding it.",
                            h->stats.waiting_for);
        }

        heartbeat_ask(h);

        h->expected = usec_add(now, h->period);
        r = sd_event_source_set_time(source, h->expected);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return r;
}

int heartbeat_new(sd_event *event, BusLink *bus, EventLog *log, Heartbeat **ret) {
        _cleanup_(heartbeat_freep) Heartbeat *h = NULL;
        uint64_t watchdog = 0;
        int r;

        h = calloc(1, sizeof(Heartbeat));
        if (!h)
                return -ENOMEM;
        h->bus = bus;
        h->log = log;

        r = sd_watchdog_enabled(false, &watchdog);
        if (r < 0)
                return r;
        h->watchdog = r > 0;
        /* A third, so that one late turn does not cost our life. */
        h->period = h->watchdog ? watchdog / 3 : PERIOD_DEFAULT;
        h->expected = usec_add(boottime_now(), h->period);

        r = sd_event_add_time(event, &h->timer, CLOCK_BOOTTIME, h->expected, USEC_PER_MSEC, on_turn, h);
        if (r < 0)
                return r;
        heartbeat_ask(h);

        *ret = TAKE_PTR(h);
        return 0;
}

Heartbeat *heartbeat_free(Heartbeat *h) {
        if (!h)
                return NULL;
        sd_event_source_disable_unref(h->timer);
        sd_bus_slot_unref(h->question);
        return free_(h);
}

void heartbeat_stats(const Heartbeat *h, HeartbeatStats *ret) {
        *ret = h->stats;
}
