/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything about synd itself as one JSON document, for Dump and doctor. */
#include "config.h"

#include "synd/manager-internal.h"

#include "basic/log.h"
#include <stdio.h>
#include <sys/resource.h>

/* Resident set in bytes (proc(5), statm). */
static uint64_t resident(void) {
        unsigned long long total, pages;
        FILE *f = fopen("/proc/self/statm", "re");
        int n;

        if (!f)
                return 0;
        n = fscanf(f, "%llu %llu", &total, &pages);
        fclose(f);
        return n == 2 ? pages * (uint64_t) sysconf(_SC_PAGESIZE) : 0;
}

static usec_t timeval_usec(struct timeval t) {
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_usec;
}

static void dump_process(Json *o) {
        struct rusage u;

        (void) json_set_uint(o, "pid", (uint64_t) getpid());
        (void) json_set_uint(o, "resident_bytes", resident());
        if (getrusage(RUSAGE_SELF, &u) >= 0)
                (void) json_set_uint(o, "cpu_usec", usec_add(timeval_usec(u.ru_utime), timeval_usec(u.ru_stime)));
        (void) json_set_uint(o, "log_lines_dropped", log_dropped());
}

static void dump_log(Manager *m, Json *o) {
        EventLogStats s;

        eventlog_stats(m->log, &s);
        (void) json_set_string(o, "state", s.state == EVENTLOG_OK ? "ok" : "stalled");
        if (s.error < 0)
                (void) json_set_string(o, "error", strerror(-s.error));
        if (m->damaged_log)
                (void) json_set_string(o, "damaged", m->damaged_log);
        (void) json_set_uint(o, "first_seq", s.first_seq);
        (void) json_set_uint(o, "last_seq", m->seq.last);
        (void) json_set_uint(o, "durable_seq", s.durable_seq);
        (void) json_set_uint(o, "appended", s.appended);
        (void) json_set_uint(o, "dropped", s.dropped);
        (void) json_set_uint(o, "commits", s.commits);
        (void) json_set_uint(o, "failed_commits", s.failed_commits);
        (void) json_set_uint(o, "queued_events", s.queued_events);
        (void) json_set_uint(o, "queued_bytes", s.queued_bytes);
        (void) json_set_uint(o, "db_bytes", s.db_bytes);
        (void) json_set_uint(o, "commit_last_usec", s.commit_last);
        (void) json_set_uint(o, "commit_max_usec", s.commit_max);
}

static void dump_systemd(Manager *m, Json *o) {
        SystemdClientStats s;

        systemd_client_stats(m->systemd, &s);
        (void) json_set_bool(o, "connected", m->connected);
        (void) json_set_uint(o, "version", systemd_client_version(m->systemd));
        (void) json_set_string(o, "host_state", host_state_to_string(supervisor_host_state(m->supervisor)));
        (void) json_set_uint(o, "signals", s.signals);
        (void) json_set_uint(o, "property_reads", s.property_reads);
        (void) json_set_uint(o, "calls", s.calls);
        (void) json_set_uint(o, "reconnects", s.reconnects);
        (void) json_set_uint(o, "conflicts_dropped", s.conflicts_dropped);
        (void) json_set_uint(o, "outstanding", s.outstanding);
        (void) json_set_uint(o, "queued", s.queued);
        (void) json_set_uint(o, "jobs", hashmap_size(m->jobs));
        (void) json_set_uint(o, "bus_losses", bus_link_losses(m->bus));
}

static void dump_journal(Manager *m, Json *o) {
        (void) json_set_bool(o, "readable", m->journal_error >= 0);
        if (m->journal_error < 0)
                (void) json_set_string(o, "error", strerror(-m->journal_error));
        (void) json_set_uint(o, "facts", m->journal_facts);
}

static void dump_watchdog(Manager *m, Json *o) {
        HeartbeatStats s;

        heartbeat_stats(m->heartbeat, &s);
        (void) json_set_uint(o, "fed", s.fed);
        (void) json_set_uint(o, "withheld", s.withheld);
        (void) json_set_uint(o, "loop_late_max_usec", s.loop_late_max);
        (void) json_set_string(o, "waiting_for", s.waiting_for);
}

static int dump_problems(const ConfigProblem *problems, size_t n, Json *array) {
        int r;

        for (size_t i = 0; i < n; i++) {
                _cleanup_json_ Json *p = NULL;

                r = json_new_object(&p);
                if (r < 0)
                        return r;
                (void) json_set_string(p, "file", problems[i].file);
                (void) json_set_uint(p, "line", problems[i].line);
                (void) json_set_string(p, "reason", problems[i].reason);
                r = json_append(array, p);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_budget(Json *o, const char *key, Budget b) {
        _cleanup_free_ char *span = NULL;
        int r;

        r = format_span(b.window, 0, &span);
        return r < 0 ? r : json_set_stringf(o, key, "%" PRIu32 "/%s", b.limit, span);
}

static int set_span(Json *o, const char *key, usec_t span) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = format_span(span, 0, &text);
        return r < 0 ? r : json_set_string(o, key, text);
}

static int dump_settings(const SyndConf *c, Json *o) {
        const RecoverySettings *rec = &c->recovery;

        (void) json_set_string(o, "Synd.LogLevel", log_level_to_string(c->log_level));
        (void) json_set_string(o, "Synd.StateDirectory", c->state_dir);
        (void) json_set_strv(o, "Synd.ProtectedUnits", c->protected_units);
        (void) set_budget(o, "Recovery.Budget", rec->budget);
        (void) set_span(o, "Recovery.BackoffBase", rec->backoff_base);
        (void) set_span(o, "Recovery.BackoffMax", rec->backoff_max);
        (void) json_set_real(o, "Recovery.Jitter", rec->jitter);
        (void) set_span(o, "Recovery.Reset", rec->reset_after);
        (void) set_span(o, "Recovery.SlowRetry", rec->slow_retry);
        (void) set_budget(o, "Recovery.HostBudget", c->host_budget);
        (void) set_span(o, "Recovery.JobTimeout", c->job_timeout);
        (void) set_span(o, "EventLog.MaxAge", c->log_max_age);
        (void) json_set_uint(o, "EventLog.MaxSize", c->log_max_size);
        (void) json_set_uint(o, "EventLog.HardMaxSize", c->log_hard_max_size);
        (void) json_set_uint(o, "Limits.ClientsMax", c->clients_max);
        (void) json_set_uint(o, "Limits.ClientCallsMax", c->client_calls_max);
        (void) json_set_uint(o, "Limits.ClientFollowersMax", c->client_followers_max);
        return 0;
}

static int dump_conf(const SyndConf *c, Json *o) {
        _cleanup_json_ Json *settings = NULL, *problems = NULL;
        int r;

        (void) json_set_strv(o, "files", c->files);
        if ((r = json_new_object(&settings)) < 0 || (r = dump_settings(c, settings)) < 0 ||
            (r = json_set(o, "settings", settings)) < 0 || (r = json_new_array(&problems)) < 0 ||
            (r = dump_problems(c->problems, c->n_problems, problems)) < 0)
                return r;
        return json_set(o, "problems", problems);
}

static int dump_state(Manager *m, Json *o) {
        _cleanup_strv_free_ char **graph = NULL;
        char *const *reasons;
        int r;

        (void) json_set_string(o, "version", SYNOS_VERSION);
        (void) json_set_string(o, "state", manager_state(m, &reasons));
        (void) json_set_strv(o, "reasons", reasons);
        (void) json_set_time(o, "started", m->started.realtime);
        (void) json_set_string(o, "host", m->host_name);
        (void) json_set_uint(o, "services", supervisor_count(m->supervisor));
        (void) json_set_uint(o, "registrations", hashmap_size(m->runtime));
        (void) json_set_uint(o, "instances", hashmap_size(m->instances));
        (void) json_set_uint(o, "host_budget_used", supervisor_host_budget(m->supervisor)->n_used);
        r = supervisor_graph_problems(m->supervisor, &graph);
        return r < 0 ? r : json_set_strv(o, "graph_problems", graph);
}

int manager_dump(Manager *m, Json **ret) {
        static const struct {
                const char *key;
                void (*dump)(Manager *m, Json *o);
        } parts[] = {
                { "event_log", dump_log }, { "systemd", dump_systemd }, { "journal", dump_journal },
                { "watchdog", dump_watchdog },
        };
        _cleanup_json_ Json *o = NULL, *process = NULL, *conf = NULL;
        int r;

        if ((r = json_new_object(&o)) < 0 || (r = dump_state(m, o)) < 0 || (r = json_new_object(&process)) < 0)
                return r;
        dump_process(process);
        r = json_set(o, "process", process);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++) {
                _cleanup_json_ Json *part = NULL;

                r = json_new_object(&part);
                if (r < 0)
                        return r;
                parts[i].dump(m, part);
                r = json_set(o, parts[i].key, part);
        }
        if (r < 0 || (r = json_new_object(&conf)) < 0 || (r = dump_conf(m->conf, conf)) < 0 ||
            (r = json_set(o, "configuration", conf)) < 0)
                return r;

        *ret = TAKE_PTR(o);
        return 0;
}
