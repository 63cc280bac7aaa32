/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storm.h"

#include <stdio.h>

#define TURNS_MAX 200000

typedef struct Storm {
        Prng prng;
        Model m;
        Check c;
        SeqAlloc seq;
        SupervisorConfig config;
        uint64_t seed;
        unsigned life; /* how many times synd was started */
        size_t journal_at; /* the cursor, which is as durable as the events made of it */
        bool lag; /* messages are delivered with delays */
        bool trace;
        size_t turns;
        RecoverySettings settings[MODEL_UNITS];
} Storm;

static uint64_t below(Storm *t, uint64_t n) {
        return prng_below(&t->prng, n);
}

static int any_unit(Storm *t) {
        return (int) below(t, MODEL_UNITS);
}

#define TELL(t, ...)                                          \
        do {                                                  \
                if ((t)->trace) {                             \
                        printf("[%" PRIu64 "] ", (t)->m.now); \
                        printf(__VA_ARGS__);                  \
                        printf("\n");                         \
                }                                             \
        } while (false)

static void must(Storm *t, int r, const char *what) {
        if (r < 0)
                CHECK_FAIL(&t->c, "%s: error %d", what, r);
        check_drain(&t->c);
}

/* ---- declarations ---- */

static char **names_of(Storm *t, uint32_t set) {
        char **l = NULL;

        for (int i = 0; i < MODEL_UNITS; i++)
                if ((set & (UINT32_C(1) << i)) && strv_extend(&l, t->m.units[i].name) < 0)
                        CHECK_FAIL(&t->c, "out of memory");
        return l;
}

static void tell_relations(Storm *t, int i) {
        const MUnit *u = &t->m.units[i];
        uint32_t conflicts = u->conflicts;
        UnitRelations r = {
                .requires = names_of(t, u->requires),
                .binds_to = names_of(t, u->binds_to),
                .part_of = names_of(t, u->part_of),
                .wants = names_of(t, u->wants),
                .after = names_of(t, u->requires | u->binds_to | u->wants),
        };
        int q;

        for (int k = 0; k < MODEL_UNITS; k++)
                if (t->m.units[k].conflicts & (UINT32_C(1) << i))
                        conflicts |= UINT32_C(1) << k;
        r.conflicts = names_of(t, conflicts);
        q = supervisor_relations(t->c.s, model_instant(&t->m), u->name, &r);
        unit_relations_done(&r);
        must(t, q, "relations");
}

static void declare(Storm *t, int i) {
        const MUnit *u = &t->m.units[i];
        ServiceConfig *c;

        if (service_config_new(u->name, &t->settings[i], &c) < 0)
                CHECK_FAIL(&t->c, "service_config_new");
        c->granted = u->granted;
        c->depends_on = names_of(t, u->depends_on);
        must(t, supervisor_declare(t->c.s, model_instant(&t->m), c), "declare");
        tell_relations(t, i);
}

static void make_settings(Storm *t) {
        static const usec_t bases[] = { 0, 100 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, USEC_PER_SEC };
        static const usec_t slow[] = { 10 * USEC_PER_SEC, USEC_PER_MINUTE, 5 * USEC_PER_MINUTE, USEC_INFINITY };

        for (int i = 0; i < MODEL_UNITS; i++) {
                usec_t base = bases[below(t, ELEMENTSOF(bases))];

                t->settings[i] = (RecoverySettings){
                        .budget = { .limit = (uint32_t) below(t, 7), .window = (1 + below(t, 10)) * USEC_PER_MINUTE },
                        .backoff_base = base,
                        .backoff_max = base * (usec_t) (1 + below(t, 60)),
                        .jitter = below(t, 2) ? 0.2 : 0.0,
                        .reset_after = (1 + below(t, 10)) * USEC_PER_MINUTE,
                        .slow_retry = slow[below(t, ELEMENTSOF(slow))],
                        .enabled = below(t, 12) != 0,
                };
        }
        t->c.host_budget = t->config.host_budget = (Budget){ .limit = (uint32_t) (4 + below(t, 30)),
                                                             .window = (1 + below(t, 10)) * USEC_PER_MINUTE };
}

/* ---- synd's life ---- */

static void read_journal(Storm *t) {
        while (t->c.s && t->journal_at < t->m.n_journal && t->m.journal[t->journal_at].readable <= t->m.now) {
                JournalFact f = t->m.journal[t->journal_at++].fact;
                uint64_t id;

                memcpy(&id, f.invocation.bytes, sizeof(id));
                TELL(t, "  fact %d %s invocation %" PRIu64, f.type, f.unit, id);
                must(t, supervisor_journal(t->c.s, model_instant(&t->m), &f), "journal");
        }
}

static void deliver_some(Storm *t, bool all);

static void start_synd(Storm *t) {
        const char *key;
        char *json;

        t->life++;
        t->config.boot_id = t->m.boot;
        t->config.host_id.bytes[0] = 7;
        t->c.host = HOST_UNKNOWN;
        TELL(t, "synd starts (life %u)", t->life);
        if (supervisor_new(&t->config, &t->seq, t->seed * 1000 + t->life, &t->c.s) < 0)
                CHECK_FAIL(&t->c, "supervisor_new");
        for (HashIter i = {}; hashmap_next(t->c.states, &i, &key, (void **) &json);)
                if (supervisor_restore(t->c.s, model_instant(&t->m), key, json) < 0)
                        CHECK_FAIL(&t->c, "the stored state of %s cannot be read", key);
        check_drain(&t->c);
        for (int i = 0; i < MODEL_UNITS; i++)
                if (t->m.units[i].declared)
                        declare(t, i);
        if (t->life == 1)
                t->journal_at = t->m.n_journal;
        read_journal(t);
        t->m.subscribed = true;
        model_send_initial(&t->m);
        model_send_host(&t->m, t->m.stopping ? HOST_STOPPING : HOST_RUNNING);
        /* The history of a unit begins when it is first seen. */
        if (t->life == 1)
                deliver_some(t, true);
}

static void kill_synd(Storm *t) {
        if (!t->c.s)
                return;
        TELL(t, "synd is killed");
        t->m.subscribed = false;
        model_drop_inbox(&t->m);
        t->c.s = supervisor_free(t->c.s);
}

static void deliver(Storm *t, const Message *m) {
        Instant now = model_instant(&t->m);
        const char *name = m->unit >= 0 ? t->m.units[m->unit].name : "rescue.target";
        Supervisor *s = t->c.s;

        static const char *const types[] = { "unit", "job-new", "job-removed", "reply", "host" };

        TELL(t, "  > %s %s job %u %s%s", types[m->type], name, m->type == MSG_UNIT ? m->u.job_id : m->job,
             m->type == MSG_UNIT ? unit_active_to_string(m->u.active) : "", m->initial ? " (initial)" : "");
        check_message(&t->c, m);
        switch (m->type) {
        case MSG_UNIT:
                must(t, supervisor_unit(s, now, name, &m->u, m->initial), "unit");
                break;
        case MSG_JOB_NEW:
                must(t, supervisor_job_new(s, now, name, m->job), "job new");
                break;
        case MSG_JOB_REMOVED:
                must(t, supervisor_job_removed(s, now, name, m->job, m->result), "job removed");
                break;
        case MSG_REPLY:
                must(t, supervisor_job_replied(s, now, m->action, m->job, m->error, m->error ? "refused" : NULL),
                     "reply");
                break;
        case MSG_HOST:
                must(t, supervisor_host(s, now, m->host), "host");
                break;
        }
        check_step(&t->c);
}

static void deliver_some(Storm *t, bool all) {
        Message m;

        if (!t->c.s)
                return;
        for (size_t n = all || !t->lag ? MODEL_MESSAGES : below(t, 6); n > 0 && model_pop(&t->m, &m); n--)
                deliver(t, &m);
}

/* dbus or PID 1 was restarted: everything on the way is lost, then all is read again. */
static void reconnect(Storm *t) {
        bool tell_first, host_first, unknown = below(t, 2);
        void *it = NULL;
        const Action *a;

        if (!t->c.s)
                return;
        TELL(t, "the connection is lost");
        t->m.subscribed = false;
        model_drop_inbox(&t->m);
        t->m.n_requests = 0;
        t->m.subscribed = true;
        for (int i = 0; i < MODEL_UNITS; i++)
                t->c.units[i].doubtful = true;
        tell_first = below(t, 2);
        if (tell_first)
                deliver(t, &(const Message){ .type = MSG_HOST, .host = HOST_DISCONNECTED });
        while (supervisor_next_action(t->c.s, &it, &a))
                if (a->state == ACTION_RUNNING && a->job_id != 0 && unknown) {
                        must(t,
                             supervisor_job_removed(t->c.s, model_instant(&t->m), a->unit, a->job_id,
                                                    JOB_RESULT_UNKNOWN),
                             "job lost");
                } else if (a->state == ACTION_RUNNING && a->job_id == 0) {
                        must(t, supervisor_job_replied(t->c.s, model_instant(&t->m), a->id, 0, -ECONNRESET, "lost"),
                             "reply");
                        it = NULL;
                }
        if (!tell_first)
                deliver(t, &(const Message){ .type = MSG_HOST, .host = HOST_DISCONNECTED });
        t->m.n_requests = 0;
        if (below(t, 2))
                t->m.now += below(t, 300 * USEC_PER_MSEC);
        /* The state of the host may be known before those of the units, or after. */
        host_first = below(t, 2);
        if (host_first)
                model_send_host(&t->m, t->m.stopping ? HOST_STOPPING : HOST_RUNNING);
        model_send_initial(&t->m);
        if (!host_first)
                model_send_host(&t->m, t->m.stopping ? HOST_STOPPING : HOST_RUNNING);
}

/* ---- time ---- */

static usec_t supervisor_due(const Storm *t) {
        usec_t next = t->c.s ? supervisor_next(t->c.s) : USEC_INFINITY;

        if (next == USEC_INFINITY)
                return next;
        return next + t->m.boot_start - MIN(next + t->m.boot_start, 5 * USEC_PER_SEC);
}

static void tick(Storm *t) {
        Instant now = model_instant(&t->m);
        usec_t next;

        if (!t->c.s || supervisor_next(t->c.s) > now.boottime)
                return;
        must(t, supervisor_tick(t->c.s, now), "tick");
        next = supervisor_next(t->c.s);
        if (next <= now.boottime)
                CHECK_FAIL(&t->c, "a deadline stays due after the tick");
        check_step(&t->c);
}

static void advance(Storm *t, usec_t span, bool all) {
        usec_t end = t->m.now + span;

        for (;;) {
                usec_t next = MIN(model_next(&t->m), supervisor_due(t));

                if (t->m.n_inbox > 0 && t->c.s)
                        next = MIN(next, t->m.now + (t->lag ? below(t, 5000) : 0));
                if (t->journal_at < t->m.n_journal && t->c.s)
                        next = MIN(next, MAX(t->m.journal[t->journal_at].readable, t->m.now));
                if (next > end)
                        break;
                t->m.now = MAX(next, t->m.now);
                model_run(&t->m);
                deliver_some(t, all);
                read_journal(t);
                tick(t);
                if (++t->turns > TURNS_MAX)
                        CHECK_FAIL(&t->c, "livelock: more than %d turns", TURNS_MAX);
        }
        t->m.now = MAX(end, t->m.now);
        model_run(&t->m);
        deliver_some(t, all);
}

/* ---- people and fate ---- */

static void command(Storm *t, Verb verb, int i) {
        _cleanup_free_ char *refusal = NULL;
        Command c = { .verb = verb, .unit = t->m.units[i].name, .by = "alice", .via = "dbus" };
        int r;

        if (!t->c.s)
                return;
        if (verb == VERB_MAINTENANCE) {
                c.maintenance_on = below(t, 2);
                c.maintenance_for = below(t, 3) ? (1 + below(t, 600)) * USEC_PER_SEC : USEC_INFINITY;
        }
        TELL(t, "synctl %s %s", verb_to_string(verb), c.unit);
        r = supervisor_command(t->c.s, model_instant(&t->m), &c, NULL, &refusal);
        if (r >= 0 && verb == VERB_MAINTENANCE)
                t->c.units[i].maintenance_until = !c.maintenance_on ? 0 : usec_add(t->m.now, c.maintenance_for);
        if (r == 0 && verb == VERB_STOP)
                t->c.units[i].doubtful = true;
        if (r == 0 && verb == VERB_STOP && model_is_down(&t->m.units[i]) && t->m.n_inbox == 0)
                t->c.units[i].down_by = C_PERSON;
        if (r < 0 && isempty(refusal))
                CHECK_FAIL(&t->c, "%s %s was refused without a reason: %d", verb_to_string(verb), c.unit, r);
        check_drain(&t->c);
        check_step(&t->c);
}

static void systemctl(Storm *t, MJobType type, int i) {
        /* A wish that merges with a job that is pending already is announced to nobody. */
        if (t->m.units[i].job.type == type)
                return;
        TELL(t, "systemctl job %d on %s", type, t->m.units[i].name);
        (void) model_job(&t->m, i, type, C_PERSON, false, NULL);
}

static void reboot(Storm *t) {
        TELL(t, "reboot");
        if (below(t, 2)) {
                model_shutdown(&t->m);
                advance(t, 3 * USEC_PER_SEC, false);
        }
        kill_synd(t);
        model_reboot(&t->m);
        for (int i = 0; i < MODEL_UNITS; i++) {
                t->c.units[i].pending = 0;
                t->c.units[i].down_by = C_NONE;
        }
        if (below(t, 2))
                start_synd(t);
        for (int i = 0; i < MODEL_UNITS; i++)
                if (below(t, 3))
                        (void) model_job(&t->m, i, MJ_START, C_PERSON, false, NULL);
        if (!t->c.s)
                start_synd(t);
}

static void mask(Storm *t, int i, bool on) {
        MUnit *u = &t->m.units[i];

        TELL(t, "%s %s", on ? "mask" : "unmask", u->name);
        u->masked = on;
        u->now.load = on ? UNIT_MASKED : UNIT_LOADED;
        u->dirty = true;
}

static void daemon_reload(Storm *t) {
        TELL(t, "daemon-reload");
        model_send_host(&t->m, HOST_RELOADING);
        advance(t, below(t, 100 * USEC_PER_MSEC), false);
        model_run(&t->m);
        if (below(t, 2))
                model_send_initial(&t->m);
        model_send_host(&t->m, HOST_RUNNING);
}

static void redeclare(Storm *t, int i) {
        MUnit *u = &t->m.units[i];

        if (!t->c.s || !u->declared)
                return;
        if (below(t, 3) == 0) {
                TELL(t, "forget and declare %s", u->name);
                must(t, supervisor_forget(t->c.s, model_instant(&t->m), u->name, "test"), "forget");
                t->c.units[i].forgotten = true;
                t->c.units[i].doubtful = true;
                /* Its budget begins anew, and so does the count. */
                t->c.units[i].n_acts = 0;
                t->c.units[i].maintenance_until = 0;
        } else if (below(t, 2)) {
                u->granted = !u->granted;
                TELL(t, "%s: granted=%d", u->name, u->granted);
        }
        declare(t, i);
        t->m.now += 1;
        if (t->m.subscribed && t->c.units[i].forgotten) {
                model_run(&t->m);
                deliver_some(t, true);
                t->c.units[i].down_by = C_NONE;
                deliver(t, &(const Message){ .type = MSG_UNIT, .unit = i, .initial = true, .u = u->now });
        }
}

/* synd is told of a step at once (its timer is cancelled). One forward that nobody saw before a reboot cannot be told from
 * time that went by. */
static void set_clock(Storm *t) {
        int64_t step = (int64_t) below(t, 8 * USEC_PER_HOUR) - (int64_t) (4 * USEC_PER_HOUR);

        if (!t->c.s && step > 0)
                return;
        TELL(t, "the clock is set by %" PRIi64, step);
        t->m.clock_offset += step;
        if (t->c.s)
                must(t, supervisor_tick(t->c.s, model_instant(&t->m)), "tick");
}

static void blow(Storm *t) {
        int i = any_unit(t);
        MUnit *u = &t->m.units[i];
        static const UnitResult results[] = { RESULT_SIGNAL, RESULT_EXIT_CODE, RESULT_CORE_DUMP, RESULT_OOM_KILL,
                                              RESULT_WATCHDOG };

        switch (below(t, 34)) {
        case 0 ... 8:
                TELL(t, "crash %s", u->name);
                model_crash(&t->m, i, results[below(t, ELEMENTSOF(results))]);
                break;
        case 9:
                for (int k = 0; k < MODEL_UNITS; k++)
                        if (below(t, 2))
                                model_crash(&t->m, k, RESULT_SIGNAL);
                break;
        case 10:
                TELL(t, "%s exits", u->name);
                model_exit(&t->m, i);
                break;
        case 11 ... 12:
                u->broken = !u->broken;
                TELL(t, "%s broken=%d", u->name, u->broken);
                break;
        case 13 ... 15:
                systemctl(t, MJ_START, i);
                break;
        case 16 ... 17:
                systemctl(t, MJ_STOP, i);
                break;
        case 18:
                systemctl(t, MJ_RESTART, i);
                break;
        case 19:
                TELL(t, "systemctl reset-failed %s", u->name);
                model_reset_failed(&t->m, i, C_RESET);
                break;
        case 20:
                u->condition_false = !u->condition_false;
                TELL(t, "%s condition_false=%d", u->name, u->condition_false);
                break;
        case 21:
                mask(t, i, !u->masked);
                break;
        case 22:
                if (below(t, 4) == 0) {
                        TELL(t, "isolate");
                        model_isolate(&t->m, (uint32_t) prng_next(&t->prng));
                }
                break;
        case 23:
                daemon_reload(t);
                break;
        case 24:
                if (below(t, 2) == 0)
                        reconnect(t);
                break;
        case 25:
                kill_synd(t);
                break;
        case 26:
                if (below(t, 3) == 0)
                        reboot(t);
                break;
        case 27:
                set_clock(t);
                break;
        case 28:
                command(t, VERB_MAINTENANCE, i);
                break;
        case 29 ... 31: {
                static const Verb verbs[] = { VERB_START,  VERB_STOP,         VERB_RESTART,
                                              VERB_RELOAD, VERB_RESET_FAILED, VERB_START };

                command(t, verbs[below(t, ELEMENTSOF(verbs))], i);
                break;
        }
        case 32:
                /* A package upgrade. */
                systemctl(t, MJ_STOP, i);
                advance(t, below(t, 5 * USEC_PER_SEC), false);
                systemctl(t, MJ_START, i);
                break;
        default:
                if (below(t, 3) == 0)
                        redeclare(t, i);
                t->lag = !t->lag;
        }
}

static usec_t some_time(Storm *t) {
        switch (below(t, 6)) {
        case 0:
                return below(t, 2 * USEC_PER_MSEC);
        case 1:
                return below(t, 100 * USEC_PER_MSEC);
        case 2 ... 3:
                return below(t, 3 * USEC_PER_SEC);
        case 4:
                return below(t, USEC_PER_MINUTE);
        default:
                return below(t, 15 * USEC_PER_MINUTE);
        }
}

static void storm(Storm *t, unsigned steps) {
        make_settings(t);
        for (int i = 0; i < MODEL_UNITS; i++)
                if (below(t, 3))
                        (void) model_job(&t->m, i, MJ_START, C_PERSON, false, NULL);
        advance(t, 10 * USEC_PER_SEC, true);
        for (int i = 0; i < MODEL_UNITS; i++)
                for (size_t k = t->m.n_invocations; k > 0; k--) {
                        t->c.units[i].first_invocation = t->m.n_invocations;
                        if (t->m.invocations[k - 1].unit == i) {
                                t->c.units[i].first_invocation = k - 1;
                                break;
                        }
                }
        start_synd(t);
        for (unsigned n = 0; n < steps; n++) {
                blow(t);
                advance(t, some_time(t), false);
                if (!t->c.s && below(t, 3) == 0)
                        start_synd(t);
        }
}

/* The storm is over: everything can live again, and hours go by. */
static void calm(Storm *t) {
        TELL(t, "calm");
        t->lag = false;
        if (!t->c.s)
                start_synd(t);
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *u = &t->m.units[i];
                Command c = { .verb = VERB_MAINTENANCE, .unit = u->name, .by = "alice" };

                u->broken = u->condition_false = false;
                if (u->masked)
                        mask(t, i, false);
                if (!u->declared)
                        continue;
                t->c.units[i].maintenance_until = 0;
                must(t, supervisor_command(t->c.s, model_instant(&t->m), &c, NULL, NULL), "maintenance off");
        }
        for (unsigned k = 0; k < 6; k++)
                advance(t, USEC_PER_HOUR, true);
        check_end(&t->c);
}

void storm_run(uint64_t seed, unsigned steps, bool trace, StormResult *ret) {
        Storm *t = calloc(1, sizeof(Storm));

        assert(t);
        *ret = (StormResult){};
        t->seed = seed;
        t->trace = trace;
        prng_seed(&t->prng, seed);
        model_init(&t->m, &t->prng);
        if (check_init(&t->c, &t->m) < 0)
                abort();
        t->m.trace = t->c.trace = trace;
        t->m.lost = check_lost;
        t->m.userdata = &t->c;
        if (setjmp(t->c.failed) == 0) {
                storm(t, steps);
                calm(t);
                ret->ok = true;
        } else
                memcpy(ret->reason, t->c.reason, sizeof(ret->reason));
        ret->hash = t->c.hash;
        ret->steps = t->turns;
        ret->events = t->c.events;
        ret->automatic = t->c.automatic;
        ret->simulated = t->m.now;
        t->c.s = supervisor_free(t->c.s);
        check_done(&t->c);
        model_done(&t->m);
        free(t);
}
