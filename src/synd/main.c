/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "api/api.h"
#include "basic/log.h"
#include "synd/bus-link.h"
#include "synd/manager.h"
#include "synd/status-line.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

/* Whoever asks gets true states, also the client whose call made the bus start us; but when systemd does not tell them in
 * this time, people must be able to ask why. */
#define OFFER_LIMIT (10 * USEC_PER_SEC)

/* What main owns: the parts that must not know each other. */
typedef struct Daemon {
        sd_event *event;
        Manager *manager;
        StatusLine *status_line;
        BusLink *bus;
        Api *api;
        sd_event_source *offer_limit;
        bool offered;
} Daemon;

static void daemon_offer(Daemon *d) {
        sd_bus *bus = bus_link_bus(d->bus);
        int r;

        if (!bus || d->offered || (streq(manager_state(d->manager, NULL), "starting") && d->offer_limit))
                return;
        d->offered = true;
        r = api_set_bus(d->api, bus);
        if (r < 0)
                (void) log_error_errno(r, "Cannot offer our interfaces on the bus: %m");
}

static int on_offer_limit(sd_event_source *source, uint64_t usec, void *userdata) {
        Daemon *d = userdata;

        d->offer_limit = sd_event_source_disable_unref(d->offer_limit);
        daemon_offer(d);
        return 0;
}

static void on_state_changed(void *userdata) {
        daemon_offer(userdata);
}

static const ManagerListener state_listener = { .state_changed = on_state_changed };

static void daemon_done(Daemon *d) {
        if (d->manager)
                manager_unlisten(d->manager, &state_listener, d);
        sd_event_source_disable_unref(d->offer_limit);
        status_line_free(d->status_line);
        api_free(d->api);
        bus_link_free(d->bus);
        manager_free(d->manager);
        sd_event_unref(d->event);
}

static void on_bus_up(BusLink *l, sd_bus *bus, void *userdata) {
        daemon_offer(userdata);
}

static void on_bus_down(BusLink *l, void *userdata) {
        Daemon *d = userdata;

        d->offered = false;
        (void) api_set_bus(d->api, NULL);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        log_info("Stopping; no service is touched.");
        (void) sd_notify(false, "STOPPING=1");
        manager_stop(d->manager);
        return sd_event_exit(d->event, 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;
        const char *state = manager_state(d->manager, NULL);
        bool ready = !streq(state, "starting") && !streq(state, "stopping");

        /* READY=1 before the first states are known would end the start too early. */
        if (ready)
                (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_now());
        (void) manager_reload(d->manager, NULL);
        if (ready)
                (void) sd_notify(false, "READY=1");
        return 0;
}

static int daemon_setup(Daemon *d, SyndConf *conf) {
        static const BusLinkHandler handler = { .up = on_bus_up, .down = on_bus_down };
        int r;

        if ((r = sd_event_new(&d->event)) < 0 ||
            (r = sd_event_add_signal(d->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_stop, d)) < 0 ||
            (r = sd_event_add_signal(d->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_stop, d)) < 0 ||
            (r = sd_event_add_signal(d->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, on_reload, d)) < 0) {
                synd_conf_free(conf);
                return log_error_errno(r, "Cannot set up the event loop: %m");
        }

        r = manager_new(d->event, "", conf, &d->manager);
        if (r < 0)
                return r;
        r = api_new(d->manager, &d->api);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the interfaces: %m");
        r = bus_link_new(d->event, "synd-api", SD_EVENT_PRIORITY_NORMAL, &handler, d, &d->bus);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the connection to the bus: %m");
        if ((r = status_line_new(d->manager, &d->status_line)) < 0 ||
            (r = manager_listen(d->manager, &state_listener, d)) < 0 ||
            (r = sd_event_add_time_relative(d->event, &d->offer_limit, CLOCK_BOOTTIME, OFFER_LIMIT, USEC_PER_SEC,
                                            on_offer_limit, d)) < 0)
                return log_error_errno(r, "Cannot follow the state of the supervisor: %m");
        bus_link_start(d->bus);
        return 0;
}

static int run(SyndConf *conf) {
        _cleanup_(daemon_done) Daemon d = {};
        int r;

        r = daemon_setup(&d, conf);
        if (r < 0)
                return r;
        r = sd_event_loop(d.event);
        if (r < 0)
                return log_error_errno(r, "The event loop failed: %m");
        return 0;
}

static void help(void) {
        printf("synd [OPTIONS…]\n\n"
               "Supervises the services of this host. Started by systemd as synd.service; see synd(8).\n\n"
               "  -h --help     Show this help\n"
               "     --version  Show the version\n");
}

/* 1: go on; otherwise the exit status is in ret. */
static int parse_argv(int argc, char *argv[], int *ret) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        *ret = EXIT_SUCCESS;
                        return 0;
                case 'V':
                        printf("synd %s\n", SYNOS_VERSION);
                        *ret = EXIT_SUCCESS;
                        return 0;
                default:
                        *ret = EX_USAGE;
                        return 0;
                }
        if (optind < argc) {
                fprintf(stderr, "synd: it takes no arguments; see --help.\n");
                *ret = EX_USAGE;
                return 0;
        }
        return 1;
}

int main(int argc, char *argv[]) {
        SyndConf *conf = NULL;
        int r, status;

        if (parse_argv(argc, argv, &status) <= 0)
                return status;

        log_open("synd", LOG_TARGET_AUTO);
        if (geteuid() == 0) {
                /* It would leave files in the state directory that the real one cannot write. */
                log_error("synd never runs as root: start synd.service, which runs it as its own user.");
                return EX_CONFIG;
        }
        r = synd_conf_load("", &conf);
        if (r < 0) {
                (void) sd_notify(false, "STATUS=The configuration cannot be used, see the journal.");
                return EX_CONFIG; /* said there; RestartPreventExitStatus= knows it */
        }
        log_set_max_level(conf->log_level);
        config_problems_log(conf->problems, conf->n_problems);

        r = run(conf);
        log_close();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
