/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "synd/manager-internal.h"

#include "basic/log.h"
#include "synd/announce.h"
#include "synd/log-holder.h"

#include <systemd/sd-id128.h>

sd_event *manager_event(Manager *m) {
        return m->event;
}

const Supervisor *manager_supervisor(const Manager *m) {
        return m->supervisor;
}

EventLog *manager_eventlog(Manager *m) {
        return m->log;
}

const SyndConf *manager_conf(const Manager *m) {
        return m->conf;
}

const char *manager_host_name(const Manager *m) {
        return m->host_name;
}

Id128 manager_host_id(const Manager *m) {
        return m->host_id;
}

Instant manager_started(const Manager *m) {
        return m->started;
}

int manager_listen(Manager *m, const ManagerListener *listener, void *userdata) {
        if (m->n_listeners >= MANAGER_LISTENERS_MAX)
                return -ENOSPC;
        m->listeners[m->n_listeners++] = (ListenerSlot) { listener, userdata };
        return 0;
}

void manager_unlisten(Manager *m, const ManagerListener *listener, void *userdata) {
        for (size_t i = 0; i < m->n_listeners; i++)
                if (m->listeners[i].listener == listener && m->listeners[i].userdata == userdata) {
                        memmove(m->listeners + i, m->listeners + i + 1,
                                (m->n_listeners - i - 1) * sizeof(ListenerSlot));
                        m->n_listeners--;
                        return;
                }
}

static void manager_append(Manager *m, const Event *e) {
        int r;

        r = eventlog_append(m->log, e);
        if (r < 0 && r != -ENOBUFS) /* a full queue counts and announces itself */
                (void) log_error_errno(r, "Cannot queue event %s, it is lost: %m", e->type);
        announce_event(e);
        TELL(m, event, e);
}

uint64_t manager_emit(Manager *m, const char *type, const char *source, const char *unit, int priority,
                      uint64_t cause_seq, Id128 correlation, Json *data) {
        Instant when = instant_now();
        Event e = {
                .seq = seq_next(&m->seq),
                .cause_seq = cause_seq,
                .id = uuidgen_v7(&m->uuids, when.realtime),
                .correlation = correlation,
                .time = when,
                .type = type,
                .source = source,
                .unit = (char *) unit,
                .priority = priority,
                .data = data,
        };

        manager_append(m, &e);
        json_unref(data);
        return e.seq;
}

static void manager_apply(Manager *m, const Effect *e) {
        int r;

        switch (e->type) {

        case EFFECT_EVENT:
                manager_append(m, &e->event);
                break;

        case EFFECT_JOB:
                manager_job(m, e);
                break;

        case EFFECT_STATE:
                r = eventlog_put(m->log, e->state.key, e->state.json);
                if (r < 0)
                        (void) log_error_errno(r, "Cannot queue the state of %s, ignoring: %m", e->state.key);
                break;

        case EFFECT_CHANGED:
                TELL(m, service_changed, e->service);
                break;

        case EFFECT_ACTION:
                TELL(m, action_finished, e->action);
                break;
        }
}

static void manager_arm(Manager *m) {
        usec_t next = supervisor_next(m->supervisor);
        int r;

        if (next == USEC_INFINITY) {
                (void) sd_event_source_set_enabled(m->deadline, SD_EVENT_OFF);
                return;
        }
        r = sd_event_source_set_time(m->deadline, next);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->deadline, SD_EVENT_ONESHOT);
        if (r < 0)
                (void) log_error_errno(r, "Cannot arm the timer of the supervisor: %m");
}

/* Carries out what the supervisor decided. Called after each input; an effect may lead to further inputs. An event and the
 * state that knows of it are one transaction: a synd that is killed between the two would tell it again. */
void manager_drain(Manager *m) {
        bool begun = false;

        if (m->draining)
                return;
        m->draining = true;
        for (;;) {
                _cleanup_(effect_done) Effect e = {};

                if (supervisor_pop(m->supervisor, &e) <= 0)
                        break;
                if (!begun)
                        eventlog_begin(m->log);
                begun = true;
                manager_apply(m, &e);
        }
        if (begun)
                eventlog_end(m->log);
        m->draining = false;

        manager_arm(m);
        if (m->journal && supervisor_wants_journal(m->supervisor))
                (void) journal_reader_look(m->journal);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        r = supervisor_tick(m->supervisor, instant_now());
        if (r < 0)
                (void) log_error_errno(r, "The supervisor failed at a deadline, ignoring: %m");
        manager_drain(m);
        return 0;
}

/* ---- state ---- */

const char *manager_state(const Manager *m, char *const **ret_reasons) {
        if (ret_reasons)
                *ret_reasons = (char *const *) m->reasons;
        if (m->stopping)
                return "stopping";
        if (!m->ready)
                return "starting";
        return m->reasons[0] ? "degraded" : "running";
}

void manager_update_state(Manager *m) {
        uint64_t mask = 0;
        size_t n = 0;
        EventLogStats s;

        eventlog_stats(m->log, &s);
        for (size_t i = 0; i < MANAGER_REASONS_MAX; i++)
                m->reasons[i] = free_(m->reasons[i]);

        if (s.state == EVENTLOG_STALLED && str_printf(&m->reasons[n], "event log cannot be written: %s", strerror(-s.error)) >= 0) {
                mask |= 1;
                n++;
        }
        if (m->ready && !m->connected && str_printf(&m->reasons[n], "no connection to systemd") >= 0) {
                mask |= 2;
                n++;
        }
        if (m->journal_error < 0 && str_printf(&m->reasons[n], "journal cannot be read: %s", strerror(-m->journal_error)) >= 0) {
                mask |= 4;
                n++;
        }
        mask |= (uint64_t) m->ready << 8 | (uint64_t) m->stopping << 9;

        if (mask != m->announced_state) {
                m->announced_state = mask;
                TELL(m, state_changed);
        }
}

static void on_log_durable(EventLog *l, uint64_t seq, void *userdata) {
        Manager *m = userdata;

        TELL(m, durable, seq);
}

static void on_log_state(EventLog *l, EventLogState state, int error, void *userdata) {
        Manager *m = userdata;
        _cleanup_json_ Json *data = NULL;

        if (json_new_object(&data) < 0)
                return;
        if (state == EVENTLOG_STALLED) {
                (void) json_set_string(data, "error", strerror(-error));
                manager_emit(m, EVENT_LOG_STALLED, "synd", NULL, PRIORITY_CRITICAL, 0, ID128_NULL, TAKE_PTR(data));
        } else
                manager_emit(m, EVENT_LOG_RESUMED, "synd", NULL, PRIORITY_HIGH, 0, ID128_NULL, TAKE_PTR(data));

        /* What the journal tells can be read again later, so it is the first to wait when the log is full. */
        if (m->journal)
                journal_reader_pause(m->journal, state == EVENTLOG_STALLED);
        manager_update_state(m);
}

static void on_clock_step(int64_t step, void *userdata) {
        Manager *m = userdata;
        _cleanup_json_ Json *data = NULL;

        if (json_new_object(&data) < 0)
                return;
        (void) json_set_int(data, "step_usec", step);
        manager_emit(m, EVENT_SYSTEM_CLOCK, "systemd", NULL, PRIORITY_NORMAL, 0, ID128_NULL, TAKE_PTR(data));
        /* What is stored in realtime (tokens) is written anew by the new clock. */
        (void) supervisor_tick(m->supervisor, instant_now());
        manager_drain(m);
}

/* ---- life ---- */

static int manager_ids(Manager *m) {
        sd_id128_t machine, boot;
        int r;

        /* Never the machine id itself: it is confidential (machine-id(5)). */
        r = sd_id128_get_machine_app_specific(
                SD_ID128_MAKE(5d,8e,1c,0f,6b,0a,4a,53,9d,27,e6,7a,51,c4,0b,92), &machine);
        if (r < 0)
                return log_error_errno(r, "Cannot read the machine id: %m");
        r = sd_id128_get_boot(&boot);
        if (r < 0)
                return log_error_errno(r, "Cannot read the boot id: %m");
        memcpy(m->host_id.bytes, machine.bytes, 16);
        memcpy(m->boot_id.bytes, boot.bytes, 16);
        if (gethostname(m->host_name, sizeof(m->host_name) - 1) < 0)
                return -errno;
        return 0;
}

static void manager_supervisor_config(Manager *m, SupervisorConfig *ret) {
        *ret = (SupervisorConfig) {
                .defaults = m->conf->recovery,
                .host_budget = m->conf->host_budget,
                .protected_units = m->conf->protected_units,
                .host_id = m->host_id,
                .boot_id = m->boot_id,
        };
}

/* Whoever starts synd by hand, or by a wrong unit, gets to know what is in the way. */
static int say_log_not_opened(const char *path, int r) {
        pid_t pid;

        switch (-r) {

        case EBUSY:
                if (log_holder(path, &pid) >= 0)
                        return log_error_errno(r, "The event log %s is in use by process %d: another synd is running.",
                                               path, (int) pid);
                return log_error_errno(r, "The event log %s is in use: another synd is running.", path);

        case EACCES:
        case EPERM:
                return log_error_errno(r, "Cannot open the event log %s: %m. synd is started by systemd, which runs it as "
                                       "its own user: systemctl start synd.service", path);

        case EPROTONOSUPPORT:
                return log_error_errno(r, "The event log %s was written by a newer version of synd.", path);

        default:
                return log_error_errno(r, "Cannot open the event log %s: %m", path);
        }
}

static int manager_open_log(Manager *m) {
        static const EventLogHandler handler = { .durable = on_log_durable, .state = on_log_state };
        _cleanup_free_ char *path = NULL;
        EventLogConfig config = {
                .max_age = m->conf->log_max_age,
                .max_size = m->conf->log_max_size,
                .hard_max_size = m->conf->log_hard_max_size,
        };
        int r;

        r = str_printf(&path, "%s%s/events.db", m->root, m->conf->state_dir);
        if (r < 0)
                return r;
        config.path = path;
        r = eventlog_open(&config, &m->seq, &m->log, &m->damaged_log);
        if (r < 0)
                return say_log_not_opened(path, r);
        if (m->damaged_log)
                log_error("The event log was damaged; it is kept as %s and a new one was begun.", m->damaged_log);
        return eventlog_attach(m->log, m->event, &handler, m);
}

static void manager_announce_start(Manager *m) {
        _cleanup_json_ Json *data = NULL;
        char boot[ID128_STRING_MAX];

        if (json_new_object(&data) < 0)
                return;
        (void) json_set_string(data, "version", SYNOS_VERSION);
        (void) json_set_string(data, "boot", id128_to_string(m->boot_id, boot));
        manager_emit(m, EVENT_SYND_STARTED, "synd", NULL, PRIORITY_NORMAL, 0, ID128_NULL, TAKE_PTR(data));
}

int manager_new(sd_event *event, const char *root, SyndConf *conf, Manager **ret) {
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_(synd_conf_freep) SyndConf *c = conf;
        SupervisorConfig config;
        int r;

        m = calloc(1, sizeof(Manager));
        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->root = root;
        m->conf = TAKE_PTR(c);
        m->started = instant_now();
        uuidgen_init(&m->uuids, random_u64());

        r = manager_ids(m);
        if (r < 0)
                return r;
        if ((r = hashmap_new(&m->runtime, (hash_free_t) json_unref)) < 0 || (r = hashmap_new(&m->instances, free_)) < 0 ||
            (r = hashmap_new(&m->calls, pending_call_free)) < 0 || (r = hashmap_new(&m->jobs, free_)) < 0)
                return r;

        r = manager_open_log(m);
        if (r < 0)
                return r;
        manager_supervisor_config(m, &config);
        r = supervisor_new(&config, &m->seq, random_u64(), &m->supervisor);
        if (r < 0)
                return r;

        /* 1 ms instead of sd-event's default of 250 ms: a backoff of 100 ms must not become 350. */
        r = sd_event_add_time(event, &m->deadline, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_deadline, m);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(m->deadline, SD_EVENT_OFF);

        r = manager_host_setup(m);
        if (r < 0)
                return r;
        r = manager_restore(m);
        if (r < 0)
                return r;
        manager_announce_start(m);
        r = manager_scan(m);
        if (r < 0)
                return r;
        r = clock_watch_new(event, on_clock_step, m, &m->clock);
        if (r < 0)
                return log_error_errno(r, "Cannot watch the clock: %m");
        r = manager_host_start(m);
        if (r < 0)
                return r;
        r = heartbeat_new(event, m->bus, m->log, &m->heartbeat);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the watchdog: %m");

        *ret = TAKE_PTR(m);
        return 0;
}

void manager_stop(Manager *m) {
        _cleanup_json_ Json *data = NULL;

        if (m->stopping)
                return;
        m->stopping = true;
        manager_update_state(m);
        if (json_new_object(&data) >= 0)
                manager_emit(m, EVENT_SYND_STOPPED, "synd", NULL, PRIORITY_NORMAL, 0, ID128_NULL, TAKE_PTR(data));
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;

        sd_bus_slot_unref(m->list_slot);
        heartbeat_free(m->heartbeat);
        clock_watch_free(m->clock);
        journal_reader_free(m->journal);
        hashmap_free(m->calls);
        systemd_client_free(m->systemd);
        bus_link_free(m->bus);
        hashmap_free(m->jobs);
        hashmap_free(m->scan);
        hashmap_free(m->runtime);
        hashmap_free(m->instances);
        sd_event_source_disable_unref(m->deadline);
        sd_event_source_disable_unref(m->job_deadline);
        sd_event_source_disable_unref(m->catch_up);
        supervisor_free(m->supervisor);
        eventlog_close(m->log);
        free(m->damaged_log);
        synd_conf_free(m->conf);
        for (size_t i = 0; i < MANAGER_REASONS_MAX; i++)
                free(m->reasons[i]);
        sd_event_unref(m->event);
        return free_(m);
}

static void swap_state_dir(SyndConf *a, SyndConf *b) {
        char *dir = a->state_dir;

        a->state_dir = b->state_dir;
        b->state_dir = dir;
}

int manager_reload(Manager *m, const Caller *caller) {
        _cleanup_(synd_conf_freep) SyndConf *conf = NULL;
        _cleanup_json_ Json *data = NULL;
        SupervisorConfig config;
        int r;

        r = synd_conf_load(m->root, &conf);
        if (r < 0)
                return log_error_errno(r, "The old configuration stays: %m");
        if (!streq(conf->state_dir, m->conf->state_dir)) {
                log_warning("StateDirectory=%s takes effect when synd is started again.", conf->state_dir);
                swap_state_dir(conf, m->conf);
        }
        synd_conf_free(m->conf);
        m->conf = TAKE_PTR(conf);
        eventlog_set_retention(m->log, m->conf->log_max_age, m->conf->log_max_size, m->conf->log_hard_max_size);
        log_set_max_level(m->conf->log_level);
        config_problems_log(m->conf->problems, m->conf->n_problems);

        manager_supervisor_config(m, &config);
        r = supervisor_configure(m->supervisor, instant_now(), &config);
        if (r < 0)
                return r;
        r = manager_scan(m);
        if (r < 0)
                return r;

        if (json_new_object(&data) >= 0) {
                (void) json_set_strv(data, "files", m->conf->files);
                (void) json_set_uint(data, "problems", m->conf->n_problems);
                manager_emit(m, EVENT_CONFIG_CHANGED, caller ? "user" : "synd", NULL, PRIORITY_NORMAL, 0, ID128_NULL,
                             TAKE_PTR(data));
        }
        manager_drain(m);
        return 0;
}
