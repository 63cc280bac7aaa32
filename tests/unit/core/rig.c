/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

#include <signal.h>

Id128 rig_id(uint8_t n) {
        Id128 id = {};

        id.bytes[0] = 0xab;
        id.bytes[15] = n;
        return id;
}

static void *free_text(void *p) {
        return free_(p);
}

void rig_init(Rig *r) {
        *r = (Rig) {
                .now = { .realtime = 1700000000 * USEC_PER_SEC, .boottime = 1000 * USEC_PER_SEC },
                .config = {
                        .defaults = {
                                .budget = { .limit = 5, .window = 10 * USEC_PER_MINUTE },
                                .reset_after = 10 * USEC_PER_MINUTE,
                                .slow_retry = 5 * USEC_PER_MINUTE,
                                .enabled = true,
                        },
                        .host_budget = { .limit = 60, .window = 10 * USEC_PER_MINUTE },
                        .host_id = rig_id(1),
                        .boot_id = rig_id(2),
                },
                .next_job = 100,
                .next_invocation = 10,
        };
        assert_return_code(supervisor_new(&r->config, &r->seq, 42, &r->s), 0);
        assert_return_code(hashmap_new(&r->states, free_text), 0);
        assert_return_code(supervisor_host(r->s, r->now, HOST_RUNNING), 0);
        rig_drain(r);
}

void rig_done(Rig *r) {
        supervisor_free(r->s);
        for (size_t i = 0; i < r->n_events; i++)
                event_done(&r->events[i]);
        for (size_t i = 0; i < r->n_jobs; i++)
                effect_done(&r->jobs[i]);
        free(r->events);
        free(r->jobs);
        free(r->order);
        hashmap_free(r->states);
}

static void note_order(Rig *r, char c) {
        r->order = realloc(r->order, r->n_order + 2);
        assert_non_null(r->order);
        r->order[r->n_order++] = c;
        r->order[r->n_order] = 0;
}

static void keep_state(Rig *r, Effect *e) {
        if (!e->state.json) {
                free(hashmap_remove(r->states, e->state.key));
                return;
        }
        assert_return_code(hashmap_replace(r->states, e->state.key, TAKE_PTR(e->state.json)), 0);
}

void rig_drain(Rig *r) {
        Effect e;

        while (supervisor_pop(r->s, &e) > 0) {
                note_order(r, "ejsca"[e.type]);
                switch (e.type) {
                case EFFECT_EVENT:
                        r->events = reallocarray(r->events, r->n_events + 1, sizeof(Event));
                        assert_non_null(r->events);
                        /* The log is written in the order of its numbers, and a cause comes before what it causes. */
                        if (r->n_events > 0)
                                assert_true(e.event.seq > r->events[r->n_events - 1].seq);
                        assert_true(e.event.cause_seq < e.event.seq);
                        assert_non_null(e.event.data);
                        r->events[r->n_events++] = e.event;
                        e.event = (Event){};
                        break;
                case EFFECT_JOB:
                        r->jobs = reallocarray(r->jobs, r->n_jobs + 1, sizeof(Effect));
                        assert_non_null(r->jobs);
                        r->jobs[r->n_jobs++] = e;
                        e = (Effect){};
                        break;
                case EFFECT_STATE:
                        keep_state(r, &e);
                        break;
                case EFFECT_ACTION:
                        r->last_action = e.action->id;
                        r->last_action_state = e.action->state;
                        break;
                default:
                        break;
                }
                effect_done(&e);
        }
}

static void new_supervisor(Rig *r) {
        const char *key;
        char *json;

        r->s = supervisor_free(r->s);
        assert_return_code(supervisor_new(&r->config, &r->seq, 43, &r->s), 0);
        for (HashIter i = {}; hashmap_next(r->states, &i, &key, (void **) &json);)
                assert_return_code(supervisor_restore(r->s, r->now, key, json), 0);
        rig_drain(r);
        r->answered = r->n_jobs;
}

void rig_restart_synd(Rig *r) {
        new_supervisor(r);
}

void rig_reboot(Rig *r) {
        r->config.boot_id.bytes[3]++;
        r->now.boottime = 10 * USEC_PER_SEC;
        new_supervisor(r);
}

void rig_pass(Rig *r, usec_t span) {
        usec_t end = r->now.boottime + span;

        for (unsigned i = 0; i < 10000; i++) {
                usec_t next = supervisor_next(r->s);

                if (next > end)
                        break;
                next = MAX(next, r->now.boottime);
                r->now.realtime += next - r->now.boottime;
                r->now.boottime = next;
                assert_return_code(supervisor_tick(r->s, r->now), 0);
                rig_drain(r);
                assert_true(i < 9999);
        }
        r->now.realtime += end - r->now.boottime;
        r->now.boottime = end;
}

void rig_declare(Rig *r, const char *unit, const char *const *settings) {
        ServiceConfig *c;

        assert_return_code(service_config_new(unit, &r->config.defaults, &c), 0);
        c->granted = true;
        for (; *settings; settings++) {
                _cleanup_free_ char *copy = strdup(*settings);
                char *eq = strchr(copy, '=');

                assert_non_null(eq);
                *eq = 0;
                if (streq(copy, "granted"))
                        c->granted = streq(eq + 1, "yes");
                else
                        assert_return_code(service_config_apply(c, copy, eq + 1, "/etc/systemd/system/x.service", 7),
                                           0);
        }
        assert_int_equal(c->n_problems, 0);
        assert_return_code(supervisor_declare(r->s, r->now, c), 0);
        rig_drain(r);
}

void rig_relations(Rig *r, const char *unit, const UnitRelations *rel) {
        assert_return_code(supervisor_relations(r->s, r->now, unit, rel), 0);
        rig_drain(r);
}

const Service *rig_get(Rig *r, const char *unit) {
        const Service *svc = supervisor_get(r->s, unit);

        assert_non_null(svc);
        return svc;
}

UnitSnapshot rig_snapshot(Rig *r, const char *unit) {
        UnitSnapshot u = rig_get(r, unit)->unit;

        u.load = UNIT_LOADED;
        if (u.result == RESULT_UNKNOWN)
                u.result = RESULT_SUCCESS;
        u.state_change = r->now.realtime;
        return u;
}

void rig_tell(Rig *r, const char *unit, const UnitSnapshot *u, bool initial) {
        assert_return_code(supervisor_unit(r->s, r->now, unit, u, initial), 0);
        rig_drain(r);
}

void rig_active(Rig *r, const char *unit, bool new_invocation) {
        UnitSnapshot u = rig_snapshot(r, unit);
        bool initial = !rig_get(r, unit)->seen;

        u.active = UNIT_ACTIVE;
        strcpy(u.sub, "running");
        u.result = RESULT_SUCCESS;
        u.exec_code = u.exec_status = 0;
        u.active_enter = r->now.realtime;
        u.main_pid = 1000;
        if (new_invocation)
                u.invocation = rig_id(r->next_invocation++);
        rig_tell(r, unit, &u, initial);
}

void rig_killed(Rig *r, const char *unit) {
        UnitSnapshot u = rig_snapshot(r, unit);

        u.active = UNIT_FAILED;
        strcpy(u.sub, "failed");
        u.result = RESULT_SIGNAL;
        u.exec_code = CLD_KILLED;
        u.exec_status = SIGKILL;
        u.inactive_enter = r->now.realtime;
        u.main_pid = 0;
        rig_tell(r, unit, &u, !rig_get(r, unit)->seen);
}

void rig_exited(Rig *r, const char *unit) {
        UnitSnapshot u = rig_snapshot(r, unit);

        u.active = UNIT_INACTIVE;
        strcpy(u.sub, "dead");
        u.inactive_enter = r->now.realtime;
        u.main_pid = 0;
        rig_tell(r, unit, &u, !rig_get(r, unit)->seen);
}

void rig_auto_restart(Rig *r, const char *unit) {
        UnitSnapshot u = rig_snapshot(r, unit);

        u.active = UNIT_ACTIVATING;
        strcpy(u.sub, "auto-restart");
        u.result = RESULT_SIGNAL;
        u.exec_code = CLD_KILLED;
        u.exec_status = SIGKILL;
        u.auto_restart = true;
        u.main_pid = 0;
        rig_tell(r, unit, &u, !rig_get(r, unit)->seen);
}

uint32_t rig_job_new(Rig *r, const char *unit) {
        uint32_t id = r->next_job++;

        assert_return_code(supervisor_job_new(r->s, r->now, unit, id), 0);
        rig_drain(r);
        return id;
}

void rig_job_removed(Rig *r, const char *unit, uint32_t id, JobResult result) {
        assert_return_code(supervisor_job_removed(r->s, r->now, unit, id, result), 0);
        rig_drain(r);
}

void rig_start_by_operator(Rig *r, const char *unit) {
        uint32_t id = rig_job_new(r, unit);

        rig_active(r, unit, true);
        rig_job_removed(r, unit, id, JOB_DONE);
}

void rig_stop_by_operator(Rig *r, const char *unit) {
        uint32_t id = rig_job_new(r, unit);
        UnitSnapshot u = rig_snapshot(r, unit);

        if (IN_SET(u.active, UNIT_ACTIVE, UNIT_RELOADING)) {
                u.active = UNIT_DEACTIVATING;
                strcpy(u.sub, "stop-sigterm");
                rig_tell(r, unit, &u, false);
                rig_exited(r, unit);
        }
        rig_job_removed(r, unit, id, JOB_DONE);
}

size_t rig_pending_jobs(Rig *r) {
        return r->n_jobs - r->answered;
}

uint32_t rig_reply(Rig *r) {
        const Effect *e;
        uint32_t id;

        assert_true(rig_pending_jobs(r) > 0);
        e = &r->jobs[r->answered++];
        if (e->job.verb == VERB_RESET_FAILED)
                id = 0;
        else
                /* PID 1 announces the job before it answers. */
                id = rig_job_new(r, e->job.unit);
        assert_return_code(supervisor_job_replied(r->s, r->now, e->job.action, id, 0, NULL), 0);
        rig_drain(r);
        return id;
}

void rig_job_succeeds(Rig *r) {
        const Effect copy = r->jobs[r->answered], *e = &copy; /* the array may move */
        uint32_t id = rig_reply(r);

        switch (e->job.verb) {
        case VERB_STOP:
                rig_exited(r, e->job.unit);
                break;
        case VERB_START:
        case VERB_RESTART:
                rig_active(r, e->job.unit, true);
                break;
        default:
                break;
        }
        if (id != 0)
                rig_job_removed(r, e->job.unit, id, JOB_DONE);
}

void rig_job_fails(Rig *r) {
        const Effect copy = r->jobs[r->answered], *e = &copy; /* the array may move */
        uint32_t id = rig_reply(r);
        UnitSnapshot u = rig_snapshot(r, e->job.unit);

        u.active = UNIT_ACTIVATING;
        strcpy(u.sub, "start");
        u.invocation = rig_id(r->next_invocation++);
        rig_tell(r, e->job.unit, &u, false);
        rig_killed(r, e->job.unit);
        rig_job_removed(r, e->job.unit, id, JOB_FAILED);
}

void rig_fact(Rig *r, const char *unit, JournalFactType type, Id128 invocation) {
        JournalFact f = {
                .type = type,
                .unit = unit,
                .invocation = invocation,
                .boot = r->config.boot_id,
                .time = r->now,
                .result = RESULT_SIGNAL,
        };

        assert_return_code(supervisor_journal(r->s, r->now, &f), 0);
        rig_drain(r);
}

size_t rig_count(Rig *r, const char *unit, const char *type) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_events; i++)
                n += streq(r->events[i].type, type) && streq_ptr(r->events[i].unit, unit);
        return n;
}

const Event *rig_last(Rig *r, const char *unit, const char *type) {
        for (size_t i = r->n_events; i > 0; i--)
                if (streq(r->events[i - 1].type, type) && streq_ptr(r->events[i - 1].unit, unit))
                        return &r->events[i - 1];
        fail_msg("no event %s of %s", type, unit);
        return NULL;
}

const Event *rig_seq(Rig *r, uint64_t seq) {
        for (size_t i = 0; i < r->n_events; i++)
                if (r->events[i].seq == seq)
                        return &r->events[i];
        fail_msg("no event with seq %" PRIu64, seq);
        return NULL;
}

const char *rig_text(const Event *e, const char *key) {
        return json_get_string(e->data, key);
}

int rig_command(Rig *r, Verb verb, const char *unit, char **ret_refusal) {
        Command c = { .verb = verb, .unit = unit, .by = "alice", .via = "dbus", .maintenance_for = USEC_INFINITY };
        int q = supervisor_command(r->s, r->now, &c, &r->last_action, ret_refusal);

        rig_drain(r);
        return q;
}
