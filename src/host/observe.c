/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* synd-observe [--cursor=CURSOR] [--no-journal] [--no-bus] [UNIT…]
 *
 * A diagnostic program, not installed: prints what the systemd client and the journal reader tell, one JSON object a
 * line, and takes commands on its standard input, one a line:
 *
 *   watch|unwatch|refresh UNIT      start|stop|restart|reload|reset-failed UNIT [fail|replace] [reset]
 *   cancel JOB                      look | pause | resume | stats | quit
 *
 * It ends at "quit" or at SIGTERM. */
#include "basic/string.h"
#include "host/journal.h"
#include "host/systemd-client.h"
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define RECONNECT_USEC (100 * USEC_PER_MSEC)

typedef struct Observer {
        sd_event *event;
        sd_bus *bus;
        sd_event_source *reconnect;
        SystemdClient *client;
        JournalReader *journal;
        char input[4096];
        size_t n_input;
        usec_t started;
        unsigned calls;
} Observer;

/* ---- output ---- */

static void print_string(const char *s) {
        putchar('"');
        for (; *s; s++)
                if (*s == '"' || *s == '\\')
                        printf("\\%c", *s);
                else if ((unsigned char) *s < 0x20)
                        printf("\\u%04x", (unsigned) *s);
                else
                        putchar(*s);
        putchar('"');
}

static void field_string(const char *key, const char *value) {
        printf(",\"%s\":", key);
        print_string(value ?: "");
}

static void field_id(const char *key, Id128 id) {
        char buffer[ID128_STRING_MAX];

        if (!id128_is_null(id))
                field_string(key, id128_to_string(id, buffer));
}

static void field_u64(const char *key, uint64_t value) {
        printf(",\"%s\":%" PRIu64, key, value);
}

static void field_bool(const char *key, bool value) {
        printf(",\"%s\":%s", key, value ? "true" : "false");
}

static void field_list(const char *key, char *const *list) {
        const char *separator = "";

        if (!list || !list[0])
                return;
        printf(",\"%s\":[", key);
        STRV_FOREACH (s, list) {
                fputs(separator, stdout);
                print_string(*s);
                separator = ",";
        }
        putchar(']');
}

static void line_begin(const Observer *o, const char *what) {
        printf("{\"what\":\"%s\",\"at\":%" PRIu64, what, boottime_now() - o->started);
}

static void line_end(void) {
        puts("}");
}

/* ---- systemd ---- */

static void on_connected(SystemdClient *c, bool connected, void *userdata) {
        line_begin(userdata, "connected");
        field_bool("connected", connected);
        field_u64("version", systemd_client_version(c));
        line_end();
}

static void on_unit(SystemdClient *c, const char *unit, const UnitSnapshot *u, bool initial, void *userdata) {
        line_begin(userdata, "unit");
        field_string("unit", unit);
        field_bool("initial", initial);
        field_string("load", unit_load_to_string(u->load));
        field_string("active", unit_active_to_string(u->active));
        field_string("sub", u->sub);
        field_string("result", unit_result_to_string(u->result));
        field_id("invocation", u->invocation);
        field_u64("job", u->job_id);
        field_u64("main_pid", u->main_pid);
        field_u64("exec_code", (uint64_t) u->exec_code);
        field_u64("exec_status", (uint64_t) u->exec_status);
        field_u64("n_restarts", u->n_restarts);
        field_bool("condition_failed", u->condition_failed);
        field_bool("auto_restart", u->auto_restart);
        field_u64("restart_usec", u->restart_usec);
        field_u64("state_change", u->state_change);
        field_u64("active_enter", u->active_enter);
        field_u64("inactive_enter", u->inactive_enter);
        line_end();
}

static void on_relations(SystemdClient *c, const char *unit, const UnitRelations *r, void *userdata) {
        line_begin(userdata, "relations");
        field_string("unit", unit);
        field_list("requires", r->requires);
        field_list("wants", r->wants);
        field_list("binds_to", r->binds_to);
        field_list("requisite", r->requisite);
        field_list("part_of", r->part_of);
        field_list("upholds", r->upholds);
        field_list("after", r->after);
        field_list("conflicts", r->conflicts);
        field_list("triggered_by", r->triggered_by);
        line_end();
}

static void on_job_new(SystemdClient *c, const char *unit, uint32_t id, void *userdata) {
        line_begin(userdata, "job-new");
        field_string("unit", unit);
        field_u64("job", id);
        line_end();
}

static void on_job_removed(SystemdClient *c, const char *unit, uint32_t id, JobResult result, void *userdata) {
        line_begin(userdata, "job-removed");
        field_string("unit", unit);
        field_u64("job", id);
        field_string("result", job_result_to_string(result));
        line_end();
}

static void on_unit_new(SystemdClient *c, const char *unit, void *userdata) {
        line_begin(userdata, "unit-new");
        field_string("unit", unit);
        line_end();
}

static void on_reloading(SystemdClient *c, bool active, void *userdata) {
        line_begin(userdata, "reloading");
        field_bool("active", active);
        line_end();
}

static void on_system_state(SystemdClient *c, HostState state, void *userdata) {
        static const char *const words[] = {
                [HOST_UNKNOWN] = "unknown",     [HOST_STARTING] = "starting", [HOST_RUNNING] = "running",
                [HOST_RELOADING] = "reloading", [HOST_STOPPING] = "stopping", [HOST_DISCONNECTED] = "disconnected",
        };

        line_begin(userdata, "system-state");
        field_string("state", words[state]);
        line_end();
}

/* ---- bus ---- */

static int on_bus_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Observer *o = userdata;

        line_begin(o, "bus-lost");
        line_end();
        (void) systemd_client_set_bus(o->client, NULL);
        (void) sd_event_source_set_time_relative(o->reconnect, RECONNECT_USEC);
        return sd_event_source_set_enabled(o->reconnect, SD_EVENT_ONESHOT);
}

static int on_reconnect(sd_event_source *s, uint64_t usec, void *userdata) {
        Observer *o = userdata;
        int r;

        o->bus = sd_bus_close_unref(o->bus);
        r = sd_bus_open_system(&o->bus);
        if (r >= 0)
                r = sd_bus_attach_event(o->bus, o->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(o->bus, NULL, "org.freedesktop.DBus.Local",
                                              "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                              "Disconnected", on_bus_lost, NULL, o);
        if (r >= 0)
                r = systemd_client_set_bus(o->client, o->bus);
        if (r >= 0)
                return 0;
        line_begin(o, "bus-error");
        field_string("error", strerror(-r));
        line_end();
        (void) sd_event_source_set_time_relative(s, RECONNECT_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* ---- journal ---- */

static void on_fact(JournalReader *j, const JournalFact *f, void *userdata) {
        static const char *const types[] = {
                [FACT_STARTING] = "starting",
                [FACT_STARTED] = "started",
                [FACT_FAILED] = "failed",
                [FACT_STOPPING] = "stopping",
                [FACT_STOPPED] = "stopped",
                [FACT_EXITED] = "exited",
                [FACT_RESTART_SCHEDULED] = "restart-scheduled",
                [FACT_SKIPPED] = "skipped",
        };

        line_begin(userdata, "fact");
        field_string("type", types[f->type]);
        field_string("unit", f->unit);
        field_id("invocation", f->invocation);
        field_id("boot", f->boot);
        field_u64("realtime", f->time.realtime);
        field_u64("boottime", f->time.boottime);
        field_string("result", unit_result_to_string(f->result));
        field_string("job_result", job_result_to_string(f->job_result));
        field_u64("exec_code", (uint64_t) f->exec_code);
        field_u64("exec_status", (uint64_t) f->exec_status);
        field_u64("n_restarts", f->n_restarts);
        line_end();
}

static void on_position(JournalReader *j, const char *cursor, void *userdata) {
        line_begin(userdata, "position");
        field_string("cursor", cursor);
        line_end();
}

static void on_caught_up(JournalReader *j, void *userdata) {
        line_begin(userdata, "caught-up");
        line_end();
}

static void on_problem(JournalReader *j, int error, const char *text, void *userdata) {
        line_begin(userdata, "problem");
        field_string("error", strerror(-error));
        field_string("text", text);
        line_end();
}

/* ---- commands ---- */

static void on_call(UnitCall *u, uint32_t job_id, int error, const char *text, void *userdata) {
        line_begin(userdata, "call");
        field_u64("job", job_id);
        field_string("error", error < 0 ? strerrorname_np(-error) : "");
        field_string("text", text);
        line_end();
        unit_call_free(u);
}

static void print_stats(Observer *o) {
        SystemdClientStats s;
        struct rusage usage;

        systemd_client_stats(o->client, &s);
        (void) getrusage(RUSAGE_SELF, &usage);
        line_begin(o, "stats");
        field_u64("signals", s.signals);
        field_u64("property_reads", s.property_reads);
        field_u64("calls", s.calls);
        field_u64("reconnects", s.reconnects);
        field_u64("outstanding", s.outstanding);
        field_u64("queued", s.queued);
        field_u64("cpu_usec", (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
                                              (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
        field_u64("maxrss_kib", (uint64_t) usage.ru_maxrss);
        line_end();
}

static int call_unit(Observer *o, char *const *words) {
        bool reset = strv_contains(words, "reset");
        UnitCall *u;

        return systemd_client_call(o->client, words[1], verb_from_string(words[0]),
                                   strv_contains(words, "fail") ? "fail" : "replace", reset, on_call, o, &u);
}

static int run_command(Observer *o, const char *line) {
        _cleanup_strv_free_ char **words = NULL;
        uint32_t id;
        int r;

        r = strv_split(line, " \t", &words);
        if (r < 0 || strv_length(words) == 0)
                return r;
        if (streq(words[0], "quit"))
                return sd_event_exit(o->event, 0);
        if (streq(words[0], "stats")) {
                print_stats(o);
                return 0;
        }
        if (o->journal && streq(words[0], "look"))
                return journal_reader_look(o->journal);
        if (o->journal && (streq(words[0], "pause") || streq(words[0], "resume"))) {
                journal_reader_pause(o->journal, streq(words[0], "pause"));
                return 0;
        }
        if (strv_length(words) < 2)
                return -EINVAL;
        if (streq(words[0], "watch"))
                return systemd_client_watch(o->client, words[1]);
        if (streq(words[0], "refresh"))
                return systemd_client_refresh(o->client, words[1]);
        if (streq(words[0], "unwatch")) {
                systemd_client_unwatch(o->client, words[1]);
                return 0;
        }
        if (streq(words[0], "cancel")) {
                r = safe_atou32(words[1], &id);
                return r < 0 ? r : systemd_client_cancel_job(o->client, id);
        }
        return call_unit(o, words);
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Observer *o = userdata;
        ssize_t n;
        char *end;

        n = read(fd, o->input + o->n_input, sizeof(o->input) - 1 - o->n_input);
        if (n <= 0)
                return n < 0 && IN_SET(errno, EAGAIN, EINTR) ? 0 : sd_event_source_set_enabled(s, SD_EVENT_OFF);
        o->n_input += (size_t) n;
        o->input[o->n_input] = 0;
        while ((end = strchr(o->input, '\n'))) {
                int r;

                *end = 0;
                r = run_command(o, o->input);
                if (r < 0) {
                        line_begin(o, "command-error");
                        field_string("command", o->input);
                        field_string("error", strerrorname_np(-r));
                        line_end();
                }
                o->n_input -= (size_t) (end + 1 - o->input);
                memmove(o->input, end + 1, o->n_input + 1);
        }
        return o->n_input >= sizeof(o->input) - 1 ? -E2BIG : 0;
}

/* ---- running ---- */

static void observer_done(Observer *o) {
        journal_reader_free(o->journal);
        systemd_client_free(o->client);
        sd_event_source_disable_unref(o->reconnect);
        sd_bus_close_unref(o->bus);
        sd_event_unref(o->event);
}

static int observer_setup(Observer *o, bool use_bus, bool use_journal, const char *cursor, char *const *units) {
        static const SystemdHandler systemd_handler = {
                .connected = on_connected,
                .unit = on_unit,
                .relations = on_relations,
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .unit_new = on_unit_new,
                .reloading = on_reloading,
                .system_state = on_system_state,
        };
        static const JournalHandler journal_handler = {
                .fact = on_fact,
                .position = on_position,
                .caught_up = on_caught_up,
                .problem = on_problem,
        };
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_BLOCK, &mask, NULL);

        o->started = boottime_now();
        r = sd_event_default(&o->event);
        if (r >= 0)
                r = sd_event_add_signal(o->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(o->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = systemd_client_new(o->event, &systemd_handler, o, &o->client);
        STRV_FOREACH (u, units)
                if (r >= 0)
                        r = systemd_client_watch(o->client, *u);
        if (r >= 0)
                r = sd_event_add_time_relative(o->event, &o->reconnect, CLOCK_BOOTTIME, 0, 0, on_reconnect, o);
        if (r >= 0 && !use_bus)
                r = sd_event_source_set_enabled(o->reconnect, SD_EVENT_OFF);
        if (r >= 0 && use_journal)
                r = journal_reader_new(o->event, NULL, cursor, &journal_handler, o, &o->journal);
        if (r < 0)
                return r;
        (void) fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        r = sd_event_add_io(o->event, NULL, STDIN_FILENO, EPOLLIN, on_input, o);
        return r == -EPERM ? 0 : r; /* a file or /dev/null has no commands to wait for */
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "cursor", required_argument, NULL, 'c' },
                { "no-journal", no_argument, NULL, 'J' },
                { "no-bus", no_argument, NULL, 'B' },
                {},
        };
        _cleanup_(observer_done) Observer o = {};
        bool bus = true, journal = true;
        const char *cursor = NULL;
        int r, k;

        while ((k = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (k) {
                case 'c':
                        cursor = optarg;
                        break;
                case 'J':
                        journal = false;
                        break;
                case 'B':
                        bus = false;
                        break;
                default:
                        return EXIT_FAILURE;
                }

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = observer_setup(&o, bus, journal, cursor, argv + optind);
        if (r >= 0)
                r = sd_event_loop(o.event);
        if (r < 0)
                fprintf(stderr, "synd-observe: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
