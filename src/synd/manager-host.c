/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host tells: systemd's signals and the journal, handed to the supervisor in the order they came. */
#include "synd/manager-internal.h"

#include "basic/log.h"
#include <systemd/sd-daemon.h>

/* Unit signals come before requests of clients (which have their own connection at the default priority). */
#define HOST_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT + 10)
/* The history of an absence is read before the present states are, so that the log is in order; but a journal that does not
 * answer must not keep us from working. */
#define CATCH_UP_LIMIT (5 * USEC_PER_SEC)
#define JOURNAL_CURSOR "journal"

static void observed(Manager *m, int r, const char *what) {
        if (r < 0)
                (void) log_error_errno(r, "The supervisor did not take %s, ignoring: %m", what);
        manager_drain(m);
}

static void on_unit(SystemdClient *c, const char *unit, const UnitSnapshot *u, bool initial, void *userdata) {
        Manager *m = userdata;

        observed(m, supervisor_unit(m->supervisor, instant_now(), unit, u, initial), "the state of a unit");
}

static void on_relations(SystemdClient *c, const char *unit, const UnitRelations *r, void *userdata) {
        Manager *m = userdata;

        observed(m, supervisor_relations(m->supervisor, instant_now(), unit, r), "the relations of a unit");
}

static void on_job_new(SystemdClient *c, const char *unit, uint32_t id, void *userdata) {
        Manager *m = userdata;

        observed(m, supervisor_job_new(m->supervisor, instant_now(), unit, id), "a new job");
        if (!supervisor_get(m->supervisor, unit) && supervisor_recovering(m->supervisor))
                (void) systemd_client_read_conflicts(c, unit);
}

static void on_job_removed(SystemdClient *c, const char *unit, uint32_t id, JobResult result, void *userdata) {
        Manager *m = userdata;

        manager_job_removed(m, id);
        observed(m, supervisor_job_removed(m->supervisor, instant_now(), unit, id, result), "the end of a job");
}

static void on_conflict(SystemdClient *c, const char *unit, const char *with, void *userdata) {
        Manager *m = userdata;

        observed(m, supervisor_conflict(m->supervisor, instant_now(), unit, with), "a conflict");
}

static void on_unit_new(SystemdClient *c, const char *unit, void *userdata) {
        Manager *m = userdata;

        manager_unit_seen(m, unit);
        manager_drain(m);
}

static void on_reloading(SystemdClient *c, bool active, void *userdata) {
        Manager *m = userdata;
        HostState state = supervisor_host_state(m->supervisor);

        if (active) {
                if (state == HOST_RUNNING || state == HOST_STARTING)
                        observed(m, supervisor_host(m->supervisor, instant_now(), HOST_RELOADING), "daemon-reload");
                return;
        }
        (void) manager_scan(m);
        if (state == HOST_RELOADING)
                observed(m, supervisor_host(m->supervisor, instant_now(), HOST_RUNNING), "the end of daemon-reload");
        manager_drain(m);
}

static void on_system_state(SystemdClient *c, HostState state, void *userdata) {
        Manager *m = userdata;

        observed(m, supervisor_host(m->supervisor, instant_now(), state), "the state of the host");
}

static void manager_ready(Manager *m) {
        if (m->ready)
                return;
        m->ready = true;
        (void) sd_notifyf(false, "READY=1\nSTATUS=Supervising %zu services.", supervisor_count(m->supervisor));
        log_info("Supervising %zu services.", supervisor_count(m->supervisor));
}

static void on_systemd(SystemdClient *c, bool connected, void *userdata) {
        Manager *m = userdata;

        m->connected = connected;
        if (connected) {
                manager_list_instances(m);
                manager_ready(m);
        } else {
                (void) supervisor_host(m->supervisor, instant_now(), HOST_DISCONNECTED);
                manager_jobs_lost(m);
        }
        manager_drain(m);
        manager_update_state(m);
}

static void on_bus_up(BusLink *l, sd_bus *bus, void *userdata) {
        Manager *m = userdata;
        int r;

        r = systemd_client_set_bus(m->systemd, bus);
        if (r < 0)
                (void) log_error_errno(r, "Cannot use the connection to the bus: %m");
}

static void on_bus_down(BusLink *l, void *userdata) {
        Manager *m = userdata;

        log_notice("Lost the connection to the system bus, connecting again.");
        m->list_slot = sd_bus_slot_unref(m->list_slot);
        (void) systemd_client_set_bus(m->systemd, NULL);
}

/* ---- journal ---- */

static void on_fact(JournalReader *j, const JournalFact *f, void *userdata) {
        Manager *m = userdata;

        if (!m->in_bite) {
                m->in_bite = true;
                eventlog_begin(m->log);
        }
        m->journal_facts++;
        if (!supervisor_get(m->supervisor, f->unit))
                manager_unit_seen(m, f->unit);
        observed(m, supervisor_journal(m->supervisor, instant_now(), f), "a line of the journal");
}

static void on_position(JournalReader *j, const char *cursor, void *userdata) {
        Manager *m = userdata;
        int r;

        /* Empty when the reader met an error before it had any position. */
        r = isempty(cursor) ? 0 : eventlog_put_cursor(m->log, JOURNAL_CURSOR, cursor);
        if (r < 0)
                (void) log_error_errno(r, "Cannot queue the position in the journal, ignoring: %m");
        if (m->in_bite) {
                m->in_bite = false;
                eventlog_end(m->log);
        }
}

/* Once, when the history is read or does not come. */
static void connect_bus(Manager *m) {
        if (!m->catch_up)
                return;
        m->catch_up = sd_event_source_disable_unref(m->catch_up);
        bus_link_start(m->bus);
}

static void on_caught_up(JournalReader *j, void *userdata) {
        connect_bus(userdata);
}

static int on_catch_up_limit(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        if (m->journal)
                log_warning("The journal takes long to read, going on without it for now.");
        connect_bus(m);
        return 0;
}

static void on_journal_problem(JournalReader *j, int error, const char *text, void *userdata) {
        log_warning_errno(error, "Journal: %s", text);
}

static int manager_open_journal(Manager *m) {
        static const JournalHandler handler = {
                .fact = on_fact, .position = on_position, .caught_up = on_caught_up, .problem = on_journal_problem,
        };
        _cleanup_free_ char *cursor = NULL;
        int r;

        r = eventlog_load_cursor(m->log, JOURNAL_CURSOR, &cursor);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "Cannot read the stored position in the journal: %m");

        m->journal_error = journal_reader_new(m->event, NULL, cursor, &handler, m, &m->journal);
        if (m->journal_error < 0)
                (void) log_error_errno(m->journal_error, "Cannot read the journal; what happens between two signals or while "
                                       "synd is down will be missing: %m");
        return 0;
}

int manager_host_setup(Manager *m) {
        static const BusLinkHandler bus_handler = { .up = on_bus_up, .down = on_bus_down };
        static const SystemdHandler handler = {
                .connected = on_systemd, .unit = on_unit, .relations = on_relations, .conflict = on_conflict, .job_new = on_job_new,
                .job_removed = on_job_removed, .unit_new = on_unit_new, .reloading = on_reloading,
                .system_state = on_system_state,
        };
        int r;

        r = systemd_client_new(m->event, &handler, m, &m->systemd);
        if (r < 0)
                return r;
        return bus_link_new(m->event, "synd-host", HOST_PRIORITY, &bus_handler, m, &m->bus);
}

int manager_host_start(Manager *m) {
        int r;

        r = manager_open_journal(m);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(m->event, &m->catch_up, CLOCK_BOOTTIME, m->journal ? CATCH_UP_LIMIT : 0, USEC_PER_MSEC,
                                       on_catch_up_limit, m);
        if (r < 0)
                return r;
        return 0;
}
