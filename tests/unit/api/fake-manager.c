/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-manager.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LISTENERS_MAX 8
#define JOBS_MAX 64

typedef struct Job {
        uint32_t id;
        char unit[256];
        Verb verb;
        bool replied;
        Id128 action;
} Job;

struct Manager {
        sd_event *event;
        Supervisor *supervisor;
        EventLog *log;
        SeqAlloc seq;
        UuidGen uuids;
        SyndConf conf;
        Instant started;
        const ManagerListener *listeners[LISTENERS_MAX];
        void *userdata[LISTENERS_MAX];
        size_t n_listeners;
        bool draining, hold_jobs;
        Job jobs[JOBS_MAX];
        size_t n_jobs;
        uint32_t last_job;
        uint64_t last_invocation;
        HashMap *runtime;
        char *state, *reasons[2];
        FakeCalls calls;
};

#define TELL(m, what, ...)                               \
        for (size_t i_ = 0; i_ < (m)->n_listeners; i_++) \
                if ((m)->listeners[i_]->what)            \
        (m)->listeners[i_]->what(__VA_ARGS__, (m)->userdata[i_])

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
        return &m->conf;
}

const char *manager_host_name(const Manager *m) {
        return "testhost";
}

Id128 manager_host_id(const Manager *m) {
        return (Id128){ { 1, 2, 3 } };
}

const char *manager_state(const Manager *m, char *const **ret_reasons) {
        if (ret_reasons)
                *ret_reasons = m->reasons;
        return m->state;
}

Instant manager_started(const Manager *m) {
        return m->started;
}

int manager_dump(Manager *m, Json **ret) {
        int r = json_new_object(ret);

        return r < 0 ? r : json_set_string(*ret, "fake", "yes");
}

int manager_listen(Manager *m, const ManagerListener *listener, void *userdata) {
        if (m->n_listeners >= LISTENERS_MAX)
                return -ENOBUFS;
        m->listeners[m->n_listeners] = listener;
        m->userdata[m->n_listeners++] = userdata;
        return 0;
}

void manager_unlisten(Manager *m, const ManagerListener *listener, void *userdata) {
        for (size_t i = 0; i < m->n_listeners; i++)
                if (m->listeners[i] == listener && m->userdata[i] == userdata) {
                        m->n_listeners--;
                        m->listeners[i] = m->listeners[m->n_listeners];
                        m->userdata[i] = m->userdata[m->n_listeners];
                        return;
                }
}

/* ---- effects ---- */

static void give_state(Manager *m, const char *unit, UnitActive active, const char *sub, UnitResult result,
                       bool fresh) {
        UnitSnapshot u = {
                .load = UNIT_LOADED,
                .active = active,
                .result = result,
                .main_pid = active == UNIT_ACTIVE ? 4711 : 0,
                .exec_code = result == RESULT_SIGNAL ? 2 /* CLD_KILLED */ : 0,
                .exec_status = result == RESULT_SIGNAL ? SIGKILL : 0,
                .state_change = realtime_now(),
        };

        if (fresh)
                m->last_invocation++;
        memcpy(u.invocation.bytes, &m->last_invocation, sizeof(m->last_invocation));
        snprintf(u.sub, sizeof(u.sub), "%s", sub);
        assert_true(supervisor_unit(m->supervisor, instant_now(), unit, &u, false) >= 0);
}

static void end_job(Manager *m, Job job) {
        bool up = IN_SET(job.verb, VERB_START, VERB_RESTART);

        if (!job.replied)
                assert_true(supervisor_job_replied(m->supervisor, instant_now(), job.action, job.id, 0, NULL) >= 0);
        if (up)
                give_state(m, job.unit, UNIT_ACTIVE, "running", RESULT_SUCCESS, true);
        else if (job.verb == VERB_STOP)
                give_state(m, job.unit, UNIT_INACTIVE, "dead", RESULT_SUCCESS, false);
        assert_true(supervisor_job_removed(m->supervisor, instant_now(), job.unit, job.id, JOB_DONE) >= 0);
}

static void start_job(Manager *m, const Effect *e) {
        Job job = { .id = ++m->last_job, .verb = e->job.verb, .action = e->job.action };

        m->calls.jobs++;
        snprintf(job.unit, sizeof(job.unit), "%s", e->job.unit);
        if (e->job.verb == VERB_RESET_FAILED) {
                assert_true(supervisor_job_replied(m->supervisor, instant_now(), job.action, 0, 0, NULL) >= 0);
                return;
        }
        assert_true(m->n_jobs < JOBS_MAX);
        if (m->hold_jobs) {
                assert_true(supervisor_job_replied(m->supervisor, instant_now(), job.action, job.id, 0, NULL) >= 0);
                job.replied = true;
        }
        m->jobs[m->n_jobs++] = job;
}

static void drain_effects(Manager *m) {
        for (;;) {
                _cleanup_(effect_done) Effect e = {};

                if (supervisor_pop(m->supervisor, &e) <= 0)
                        return;
                switch (e.type) {
                case EFFECT_EVENT:
                        (void) eventlog_append(m->log, &e.event);
                        TELL(m, event, &e.event);
                        break;
                case EFFECT_JOB:
                        start_job(m, &e);
                        break;
                case EFFECT_STATE:
                        (void) eventlog_put(m->log, e.state.key, e.state.json);
                        break;
                case EFFECT_CHANGED:
                        TELL(m, service_changed, e.service);
                        break;
                case EFFECT_ACTION:
                        TELL(m, action_finished, e.action);
                        break;
                }
        }
}

static void drain(Manager *m) {
        if (m->draining)
                return;
        m->draining = true;
        drain_effects(m);
        while (!m->hold_jobs && m->n_jobs > 0) {
                Job job = m->jobs[0];

                memmove(m->jobs, m->jobs + 1, --m->n_jobs * sizeof(Job));
                end_job(m, job);
                drain_effects(m);
        }
        m->draining = false;
}

uint64_t manager_emit(Manager *m, const char *type, const char *source, const char *unit, int priority,
                      uint64_t cause_seq, Id128 correlation, Json *data) {
        Instant now = instant_now();
        Event e = {
                .seq = seq_next(&m->seq),
                .cause_seq = cause_seq,
                .id = uuidgen_v7(&m->uuids, now.realtime),
                .correlation = correlation,
                .time = now,
                .type = type,
                .source = source,
                .unit = (char *) unit,
                .priority = priority,
                .data = data,
        };

        (void) eventlog_append(m->log, &e);
        TELL(m, event, &e);
        json_unref(data);
        return e.seq;
}

/* ---- commands ---- */

static void note(Manager *m, const Caller *caller, const char *unit, const char *verb) {
        m->calls.uid = caller->uid;
        snprintf(m->calls.user, sizeof(m->calls.user), "%s", caller->user ?: "");
        snprintf(m->calls.via, sizeof(m->calls.via), "%s", caller->via ?: "");
        snprintf(m->calls.unit, sizeof(m->calls.unit), "%s", unit ?: "");
        snprintf(m->calls.verb, sizeof(m->calls.verb), "%s", verb);
}

int manager_command(Manager *m, const Caller *caller, const Command *c, Id128 *ret_action, char **ret_refusal) {
        Command command = *c;
        int r;

        m->calls.commands++;
        note(m, caller, c->unit, verb_to_string(c->verb));
        command.by = caller->user ?: "somebody";
        command.via = caller->via;
        r = supervisor_command(m->supervisor, instant_now(), &command, ret_action, ret_refusal);
        drain(m);
        return r;
}

int manager_check(Manager *m, const Caller *caller, const char *unit, char **ret_refusal) {
        m->calls.checks++;
        note(m, caller, unit, "check");
        return supervisor_get(m->supervisor, unit) ? 0 : -ENOENT;
}

int manager_register(Manager *m, const Caller *caller, const char *unit, Json *fields, char **ret_refusal) {
        void *state = NULL;
        const char *key;
        Json *value;

        m->calls.registers++;
        note(m, caller, unit, "register");
        while (json_next(fields, &state, &key, &value))
                if (!service_config_key_is_runtime(key)) {
                        *ret_refusal = strdup("Only the unit file can grant it.");
                        return -EPERM;
                }
        if (hashmap_size(m->runtime) >= 4) {
                *ret_refusal = strdup("There are too many registrations.");
                return -ENOSPC;
        }
        assert_true(hashmap_replace(m->runtime, unit, NULL) >= 0);
        fake_declare(m, unit, false, NULL);
        return 0;
}

int manager_unregister(Manager *m, const Caller *caller, const char *unit, char **ret_refusal) {
        m->calls.unregisters++;
        note(m, caller, unit, "unregister");
        fake_forget(m, unit);
        return 0;
}

int manager_reload(Manager *m, const Caller *caller) {
        m->calls.reloads++;
        note(m, caller, NULL, "reload");
        return 0;
}

/* ---- for the tests ---- */

void fake_declare(Manager *m, const char *unit, bool granted, const char *const *assignments) {
        bool known = supervisor_get(m->supervisor, unit);
        ServiceConfig *c;

        assert_true(service_config_new(unit, &m->conf.recovery, &c) >= 0);
        for (size_t i = 0; assignments && assignments[i]; i += 2)
                assert_true(service_config_apply(c, assignments[i], assignments[i + 1], "/etc/test.conf",
                                                 (unsigned) i + 1) >= 0);
        c->granted = granted && !c->protected_;
        assert_true(supervisor_declare(m->supervisor, instant_now(), c) >= 0);
        if (!known)
                TELL(m, service_added, supervisor_get(m->supervisor, unit));
        drain(m);
}

void fake_forget(Manager *m, const char *unit) {
        assert_true(supervisor_forget(m->supervisor, instant_now(), unit, "test") >= 0);
        TELL(m, service_removed, unit);
        drain(m);
}

void fake_active(Manager *m, const char *unit) {
        give_state(m, unit, UNIT_ACTIVE, "running", RESULT_SUCCESS, true);
        drain(m);
}

void fake_killed(Manager *m, const char *unit) {
        give_state(m, unit, UNIT_FAILED, "failed", RESULT_SIGNAL, false);
        drain(m);
}

void fake_hold_jobs(Manager *m, bool hold) {
        m->hold_jobs = hold;
}

void fake_finish_jobs(Manager *m) {
        m->hold_jobs = false;
        drain(m);
}

void fake_set_state(Manager *m, const char *state, const char *reason) {
        free(m->state);
        free(m->reasons[0]);
        m->state = strdup(state);
        m->reasons[0] = reason ? strdup(reason) : NULL;
        for (size_t i = 0; i < m->n_listeners; i++)
                m->listeners[i]->state_changed(m->userdata[i]);
}

const FakeCalls *fake_calls(const Manager *m) {
        return &m->calls;
}

/* ---- life ---- */

static void on_durable(EventLog *l, uint64_t seq, void *userdata) {
        Manager *m = userdata;

        TELL(m, durable, seq);
}

static void on_log_state(EventLog *l, EventLogState state, int error, void *userdata) {
}

int fake_manager_new(sd_event *event, const FakeOptions *options, Manager **ret) {
        static const EventLogHandler handler = { .durable = on_durable, .state = on_log_state };
        Manager *m = calloc(1, sizeof(*m));
        _cleanup_free_ char *path = NULL, *damaged = NULL;
        SupervisorConfig config = {};
        EventLogConfig log = {};

        assert_non_null(m);
        m->event = sd_event_ref(event);
        m->started = instant_now();
        m->state = strdup("running");
        m->conf.clients_max = options->clients_max ?: 256;
        m->conf.client_calls_max = options->client_calls_max ?: 32;
        m->conf.client_followers_max = options->client_followers_max ?: 8;
        m->conf.recovery = (RecoverySettings){
                .budget = { .limit = 5, .window = 10 * USEC_PER_MINUTE },
                .backoff_base = USEC_PER_HOUR,
                .backoff_max = USEC_PER_HOUR,
                .reset_after = 10 * USEC_PER_MINUTE,
                .slow_retry = USEC_PER_HOUR,
                .enabled = true,
        };
        uuidgen_init(&m->uuids, 1);
        assert_true(hashmap_new(&m->runtime, NULL) >= 0);

        assert_true(str_printf(&path, "%s/events.db", options->dir) >= 0);
        log.path = path;
        assert_true(eventlog_open(&log, &m->seq, &m->log, &damaged) >= 0);
        assert_true(eventlog_attach(m->log, event, &handler, m) >= 0);

        config.defaults = m->conf.recovery;
        config.host_budget = (Budget){ .limit = 60, .window = 10 * USEC_PER_MINUTE };
        config.host_id = manager_host_id(m);
        config.boot_id = (Id128){ { 9 } };
        assert_true(supervisor_new(&config, &m->seq, 1, &m->supervisor) >= 0);
        assert_true(supervisor_host(m->supervisor, instant_now(), HOST_RUNNING) >= 0);
        drain(m);
        *ret = m;
        return 0;
}

Manager *fake_manager_free(Manager *m) {
        if (!m)
                return NULL;
        supervisor_free(m->supervisor);
        eventlog_close(m->log);
        hashmap_free(m->runtime);
        free(m->state);
        free(m->reasons[0]);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}
