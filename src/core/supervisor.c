/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door to the state machine: inputs come in here, are handed on, and what became dirty is put out. */
#include "core/supervisor-internal.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const host_state_table[] = {
        [HOST_UNKNOWN] = "unknown",     [HOST_STARTING] = "starting", [HOST_RUNNING] = "running",
        [HOST_RELOADING] = "reloading", [HOST_STOPPING] = "stopping", [HOST_DISCONNECTED] = "disconnected",
};
DEFINE_STRING_TABLE(host_state, HostState, host_state_table)

/* ---- small helpers of all of core/ ---- */

void latch(Supervisor *s, int r) {
        if (r < 0 && s->error == 0)
                s->error = r;
}

void set_string(Supervisor *s, char **p, const char *value) {
        latch(s, free_and_strdup(p, value));
}

void set_stringf(Supervisor *s, char **p, const char *format, ...) {
        char *n;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&n, format, ap) < 0)
                latch(s, -ENOMEM);
        else {
                free(*p);
                *p = n;
        }
        va_end(ap);
}

Service *find_service(const Supervisor *s, const char *unit) {
        return hashmap_get(s->services, unit);
}

static void list_dirty(Supervisor *s, Service *svc) {
        if (priv(svc)->listed)
                return;
        if (s->n_dirty == s->dirty_allocated) {
                size_t n = s->dirty_allocated ? 2 * s->dirty_allocated : 16;
                Service **new = reallocarray(s->dirty, n, sizeof(Service *));

                if (!new) {
                        latch(s, -ENOMEM);
                        return;
                }
                s->dirty = new;
                s->dirty_allocated = n;
        }
        s->dirty[s->n_dirty++] = svc;
        priv(svc)->listed = true;
}

void note(Supervisor *s, Service *svc) {
        list_dirty(s, svc);
}

void touch_state(Supervisor *s, Service *svc) {
        if (!svc)
                return;
        priv(svc)->dirty_state = true;
        list_dirty(s, svc);
}

void touch(Supervisor *s, Service *svc) {
        if (!svc)
                return;
        priv(svc)->dirty_changed = true;
        list_dirty(s, svc);
}

void set_status(Supervisor *s, Service *svc, ServiceStatus status) {
        switch (status) {
        case SERVICE_RUNNING:
                svc->health_score = 1.0;
                break;
        case SERVICE_STARTING:
                svc->health_score = 0.5;
                break;
        case SERVICE_FAILED:
                svc->health_score = 0.0;
                break;
        default:
                svc->health_score = -1.0;
        }
        /* Those who wait for it look at the unit as well, which may have changed while the status did not. */
        s->recheck = true;
        if (svc->status == status)
                return;
        /* What was found so, and not seen becoming so, is as old as systemd says. */
        svc->status_since = s->now;
        if (svc->status == SERVICE_UNKNOWN) {
                usec_t since = unit_class_since(&svc->unit);

                /* A unit that was never started is down since the boot. */
                svc->status_since = since == 0 && status == SERVICE_STOPPED
                                                    ? (Instant){ .realtime = usec_sub(s->now.realtime, s->now.boottime) }
                                                    : instant_of(s, since);
        }
        svc->status = status;
        touch(s, svc);
}

bool host_allows_action(const Supervisor *s) {
        return !IN_SET(s->host, HOST_RELOADING, HOST_STOPPING, HOST_DISCONNECTED);
}

/* ---- bracket ---- */

/* realtime was set: what is stored with realtime follows, so that ages and deadlines survive a reboot. */
static void clock_stepped(Supervisor *s) {
        Service *svc;

        budget_rebase(&s->host_budget, s->now);
        s->host_dirty = s->host_dirty || s->host_budget.n_used > 0;
        HASHMAP_FOREACH (svc, s->services) {
                ServicePriv *p = priv(svc);

                budget_rebase(&svc->budget, s->now);
                if (p->maintenance_due != USEC_INFINITY)
                        svc->maintenance_until =
                                        usec_add(s->now.realtime, usec_sub(p->maintenance_due, s->now.boottime));
                if (svc->budget.n_used > 0 || p->maintenance_due != USEC_INFINITY)
                        touch_state(s, svc);
        }
}

void supervisor_enter(Supervisor *s, Instant now) {
        usec_t offset = now.realtime - now.boottime;
        int64_t moved = (int64_t) (offset - s->clock_offset);

        s->now = now;
        s->error = 0;
        if (!s->clock_known)
                s->clock_offset = offset;
        else if (moved > (int64_t) CLOCK_STEP || moved < -(int64_t) CLOCK_STEP) {
                s->clock_offset = offset;
                clock_stepped(s);
        }
        s->clock_known = true;
}

/* Whoever waits for a dependency looks again after the state of any service changed. A start that this lets happen
 * changes states only by later signals, so one more round is always enough; the bound is a guard. */
static void look_again(Supervisor *s) {
        for (unsigned round = 0; s->recheck && round < 3; round++) {
                Service *svc;

                s->recheck = false;
                HASHMAP_FOREACH (svc, s->services)
                        if (svc->phase == RECOVERY_WAIT_DEPENDENCY)
                                recovery_plan(s, svc);
        }
}

static void put_out(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        bool wants;

        if (p->dirty_state)
                state_store(s, svc);
        if (p->dirty_changed) {
                Effect *f = effect_push(s, EFFECT_CHANGED);

                if (f)
                        f->service = svc;
        }
        p->dirty_changed = false;
        p->listed = false;
        /* An old, earlier deadline may stay in s->next: one needless tick, which finds the true one. */
        s->next = MIN(s->next, service_next(s, svc));
        wants = p->holding || (p->judge_at != USEC_INFINITY && p->judge_as_failure);
        if (wants != p->wants_journal)
                s->n_wants_journal += wants ? 1 : (size_t) -1;
        p->wants_journal = wants;
}

int supervisor_leave(Supervisor *s) {
        look_again(s);
        hold_limit(s);
        for (size_t i = 0; i < s->n_dirty; i++)
                put_out(s, s->dirty[i]);
        s->n_dirty = 0;
        s->next = MIN(s->next, s->graph_at);
        state_store_host(s);
        return s->error;
}

/* ---- life ---- */

static void config_done(SupervisorConfig *c) {
        strv_free(c->protected_units);
        *c = (SupervisorConfig){};
}

static int config_copy(const SupervisorConfig *c, SupervisorConfig *ret) {
        SupervisorConfig n = *c;
        int r;

        n.protected_units = NULL;
        r = strv_copy(c->protected_units, &n.protected_units);
        if (r < 0)
                return r;
        *ret = n;
        return 0;
}

static void *free_service(void *p) {
        return service_runtime_free(p);
}

static void *free_json(void *p) {
        return json_unref(p);
}

int supervisor_new(const SupervisorConfig *config, SeqAlloc *seq, uint64_t seed, Supervisor **ret) {
        _cleanup_(supervisor_freep) Supervisor *s = NULL;
        int r;

        assert(config);
        assert(seq);
        assert(ret);
        s = calloc(1, sizeof(Supervisor));
        if (!s)
                return -ENOMEM;
        s->seq = seq;
        s->graph_at = USEC_INFINITY;
        s->next = USEC_INFINITY;
        prng_seed(&s->prng, seed);
        uuidgen_init(&s->uuids, seed ^ UINT64_C(0x9e3779b97f4a7c15));
        if ((r = config_copy(config, &s->config)) < 0 || (r = hashmap_new(&s->services, free_service)) < 0 ||
            (r = hashmap_new(&s->jobs, job_record_free)) < 0 || (r = hashmap_new(&s->restored, free_json)) < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Supervisor *supervisor_free(Supervisor *s) {
        if (!s)
                return NULL;
        for (size_t i = s->effects_head; i < s->n_effects; i++)
                effect_done(&s->effects[i]);
        free(s->effects);
        held_done(s);
        for (size_t i = 0; i < s->n_actions; i++)
                action_full_free(s->actions[i]);
        free(s->actions);
        free(s->dirty);
        hashmap_free(s->services);
        hashmap_free(s->jobs);
        hashmap_free(s->restored);
        strv_free(s->graph_known);
        budget_done(&s->host_budget);
        config_done(&s->config);
        free(s);
        return NULL;
}

int supervisor_configure(Supervisor *s, Instant now, const SupervisorConfig *config) {
        SupervisorConfig n;
        Service *svc;
        int r;

        assert(s);
        assert(config);
        r = config_copy(config, &n);
        if (r < 0)
                return r;
        supervisor_enter(s, now);
        config_done(&s->config);
        s->config = n;
        HASHMAP_FOREACH (svc, s->services)
                if (svc->phase == RECOVERY_WAIT_PERSON)
                        recovery_plan(s, svc);
        return supervisor_leave(s);
}

/* ---- observations ---- */

int supervisor_unit(Supervisor *s, Instant now, const char *unit, const UnitSnapshot *u, bool initial) {
        Service *svc;

        assert(s);
        assert(unit);
        assert(u);
        supervisor_enter(s, now);
        svc = find_service(s, unit);
        if (svc)
                service_observe(s, svc, u, initial);
        return supervisor_leave(s);
}

int supervisor_job_new(Supervisor *s, Instant now, const char *unit, uint32_t job_id) {
        Service *svc;

        assert(s);
        assert(unit);
        supervisor_enter(s, now);
        svc = find_service(s, unit);
        if (!job_record(s, unit) || job_record(s, unit)->id != job_id)
                job_record_new(s, unit, job_id);
        if (svc && !action_of_job(s, unit, job_id))
                foreign_job_seen(s, svc, job_id, false);
        return supervisor_leave(s);
}

int supervisor_job_removed(Supervisor *s, Instant now, const char *unit, uint32_t job_id, JobResult result) {
        Service *svc;
        ActionFull *a;

        assert(s);
        assert(unit);
        supervisor_enter(s, now);
        /* UNKNOWN is made up by the caller when the connection is lost: the job itself may still be there. */
        if (result != JOB_RESULT_UNKNOWN)
                job_record_removed(s, unit, job_id);
        svc = find_service(s, unit);
        if (!svc || job_id == 0)
                return supervisor_leave(s);
        if (svc->unit.job_id == job_id && result != JOB_RESULT_UNKNOWN)
                svc->unit.job_id = 0;
        a = action_on(svc);
        if (a && a->replied && a->a.job_id == job_id) {
                if (priv(svc)->job == job_id)
                        priv(svc)->job = 0;
                action_job_ended(s, a, result);
        } else if (a && !a->replied && priv(svc)->job == job_id) {
                /* Ours or not? The answer will tell. */
                a->early_job = job_id;
                a->early_result = result;
        } else if (priv(svc)->job == job_id)
                service_job_ended(s, svc, result);
        lost_action_judge(s, svc);
        return supervisor_leave(s);
}

/* ---- host and time ---- */

/* What could not be done meanwhile. */
static void host_back(Supervisor *s) {
        Service *svc;

        HASHMAP_FOREACH (svc, s->services) {
                if (!priv(svc)->owed || !svc->seen)
                        continue;
                if (IN_SET(svc->phase, RECOVERY_BACKOFF, RECOVERY_SLOW) && svc->due != USEC_INFINITY) {
                        if (svc->due <= s->now.boottime)
                                recovery_fire(s, svc);
                } else
                        recovery_plan(s, svc);
        }
}

/* Signals may have been missed: what is known of jobs is void, and states count again only when they were read again. */
static void host_lost(Supervisor *s) {
        Service *svc;

        jobs_forget_all(s);
        HASHMAP_FOREACH (svc, s->services)
                priv(svc)->stale = svc->seen;
}

static void host_stopping(Supervisor *s) {
        Service *svc;

        HASHMAP_FOREACH (svc, s->services)
                if (priv(svc)->owed && svc->phase != RECOVERY_ACTING)
                        set_phase(s, svc, RECOVERY_IDLE, USEC_INFINITY, "the host is going down");
}

int supervisor_host(Supervisor *s, Instant now, HostState state) {
        HostState old;
        Event *e;

        assert(s);
        supervisor_enter(s, now);
        old = s->host;
        if (old == state)
                return supervisor_leave(s);
        s->host = state;
        s->next_valid = false;
        e = emit(s, NULL, EVENT_SYSTEM_STATE, 0, PRIORITY_NORMAL, EMIT_LIVE);
        event_string(s, e, "state", host_state_to_string(state));
        if (e)
                e->source = "systemd";
        if (state == HOST_DISCONNECTED)
                host_lost(s);
        if (state == HOST_STOPPING)
                host_stopping(s);
        if (host_allows_action(s))
                host_back(s);
        return supervisor_leave(s);
}

int supervisor_tick(Supervisor *s, Instant now) {
        Service *svc;

        assert(s);
        supervisor_enter(s, now);
        s->next_valid = false;
        HASHMAP_FOREACH (svc, s->services)
                service_tick(s, svc);
        graph_tick(s);
        return supervisor_leave(s);
}

usec_t supervisor_next(const Supervisor *s) {
        Supervisor *m = (Supervisor *) s; /* the cached deadline is no state */
        Service *svc;

        assert(s);
        if (s->next_valid)
                return s->next;
        m->next = s->graph_at;
        HASHMAP_FOREACH (svc, s->services)
                m->next = MIN(m->next, service_next(s, svc));
        m->next_valid = true;
        return s->next;
}

/* ---- reading ---- */

const Service *supervisor_get(const Supervisor *s, const char *unit) {
        assert(s);
        return unit ? find_service(s, unit) : NULL;
}

int supervisor_find(const Supervisor *s, const char *name, const Service **ret) {
        const Service *found = NULL;
        _cleanup_free_ char *unit = NULL;
        Service *svc;
        Id128 id;
        int r;

        assert(s);
        assert(ret);
        if (isempty(name))
                return -ENOENT;
        found = find_service(s, name);
        if (!found) {
                bool is_id = id128_from_string(name, &id) >= 0;
                const Service *named = NULL;

                HASHMAP_FOREACH (svc, s->services) {
                        if (is_id && id128_equal(svc->id, id))
                                found = svc;
                        if (!streq(svc->config->name, name))
                                continue;
                        if (named)
                                return -ENOTUNIQ;
                        named = svc;
                }
                found = named ?: found;
        }
        if (!found) {
                r = str_printf(&unit, "%s.service", name);
                if (r < 0)
                        return r;
                found = find_service(s, unit);
        }
        if (!found)
                return -ENOENT;
        *ret = found;
        return 0;
}

size_t supervisor_count(const Supervisor *s) {
        assert(s);
        return hashmap_size(s->services);
}

const HashMap *supervisor_services(const Supervisor *s) {
        assert(s);
        return s->services;
}

HostState supervisor_host_state(const Supervisor *s) {
        assert(s);
        return s->host;
}

const BudgetState *supervisor_host_budget(const Supervisor *s) {
        assert(s);
        return &s->host_budget;
}
