/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.h"

#include <signal.h>
#include <stdio.h>

#define START_LIMIT_INTERVAL (10 * USEC_PER_SEC)
#define BIT(i) (UINT32_C(1) << (i))

static const char *const state_names[] = { "dead", "failed", "starting", "running", "stopping", "auto-restart" };
static const char *const job_names[] = { "none", "start", "stop", "restart", "reload" };

Instant model_instant(const Model *m) {
        return (Instant){ .boottime = m->now - m->boot_start + 5 * USEC_PER_SEC,
                          .realtime = (usec_t) ((int64_t) (1700000000 * USEC_PER_SEC + m->now) + m->clock_offset) };
}

bool model_is_up(const MUnit *u) {
        return u->state == M_RUNNING;
}

bool model_is_down(const MUnit *u) {
        return u->state == M_DEAD || u->state == M_FAILED;
}

static int index_of(const Model *m, const MUnit *u) {
        return (int) (u - m->units);
}

/* ---- messages and journal ---- */

static void send(Model *m, const Message *msg) {
        if (!m->subscribed || m->n_inbox == MODEL_MESSAGES) {
                m->lost(m->userdata, msg);
                return;
        }
        m->inbox[(m->inbox_head + m->n_inbox++) % MODEL_MESSAGES] = *msg;
}

bool model_pop(Model *m, Message *ret) {
        if (m->n_inbox == 0)
                return false;
        *ret = m->inbox[m->inbox_head];
        m->inbox_head = (m->inbox_head + 1) % MODEL_MESSAGES;
        m->n_inbox--;
        return true;
}

void model_drop_inbox(Model *m) {
        Message msg;

        while (model_pop(m, &msg))
                m->lost(m->userdata, &msg);
}

void model_send_host(Model *m, HostState state) {
        send(m, &(const Message){ .type = MSG_HOST, .host = state });
}

static void journal(Model *m, MUnit *u, JournalFactType type) {
        JournalLine *l;

        if (m->n_journal == m->journal_allocated) {
                m->journal_allocated = m->journal_allocated ? 2 * m->journal_allocated : 256;
                m->journal = reallocarray(m->journal, m->journal_allocated, sizeof(JournalLine));
                assert(m->journal);
        }
        l = &m->journal[m->n_journal++];
        *l = (JournalLine) {
                .fact = {
                        .type = type,
                        .unit = u->name,
                        .invocation = u->now.invocation,
                        .boot = m->boot,
                        .time = model_instant(m),
                        .result = u->now.result,
                        .exec_code = u->now.exec_code,
                        .exec_status = u->now.exec_status,
                        .n_restarts = u->now.n_restarts,
                },
                .unit = index_of(m, u),
                .readable = m->now + prng_below(m->prng, 450 * USEC_PER_MSEC),
        };
        /* Readers get lines in order. */
        if (m->n_journal > 1 && l->readable < l[-1].readable)
                l->readable = l[-1].readable;
}

/* A PropertiesChanged pair: first the Service interface, then Unit, as systemd sends them. */
static void flush_unit(Model *m, MUnit *u) {
        Message msg = { .type = MSG_UNIT, .unit = index_of(m, u) };
        UnitSnapshot half = u->sent;

        if (!u->dirty)
                return;
        u->dirty = false;
        half.result = u->now.result;
        half.main_pid = u->now.main_pid;
        half.exec_code = u->now.exec_code;
        half.exec_status = u->now.exec_status;
        half.n_restarts = u->now.n_restarts;
        if (memcmp(&half, &u->sent, sizeof(half)) != 0) {
                msg.u = half;
                send(m, &msg);
        }
        msg.u = u->now;
        send(m, &msg);
        u->sent = u->now;
}

static void announce(Model *m, MUnit *u) {
        if (u->job.type == MJ_NONE || u->job.announced)
                return;
        u->job.announced = true;
        send(m, &(const Message){ .type = MSG_JOB_NEW,
                                  .unit = index_of(m, u),
                                  .job = u->job.id,
                                  .job_type = u->job.type,
                                  .cause = u->job.cause });
}

static void flush_all(Model *m) {
        for (int i = MODEL_UNITS - 1; i >= 0; i--)
                flush_unit(m, &m->units[i]);
        for (int i = MODEL_UNITS - 1; i >= 0; i--)
                announce(m, &m->units[i]);
}

void model_send_initial(Model *m) {
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *u = &m->units[i];

                if (u->declared)
                        send(m, &(const Message){ .type = MSG_UNIT, .unit = i, .initial = true, .u = u->now });
                u->sent = u->now;
        }
}

/* ---- states ---- */

static void set_state(Model *m, MUnit *u, MState state, usec_t timer) {
        static const UnitActive active[] = { UNIT_INACTIVE, UNIT_FAILED,       UNIT_ACTIVATING,
                                             UNIT_ACTIVE,   UNIT_DEACTIVATING, UNIT_ACTIVATING };
        static const char *const sub[] = { "dead", "failed", "start", "running", "stop-sigterm", "auto-restart" };
        usec_t realtime = model_instant(m).realtime;

        if (m->trace)
                printf("  [%" PRIu64 "] %s: %s -> %s (%s)\n", m->now, u->name, state_names[u->state],
                       state_names[state], unit_result_to_string(u->now.result));
        u->state = state;
        u->timer = timer;
        u->now.active = active[state];
        memset(u->now.sub, 0, sizeof(u->now.sub));
        strcpy(u->now.sub, sub[state]);
        u->now.main_pid = state == M_RUNNING && u->type != M_ONESHOT_REMAIN ? 4000U + (uint32_t) index_of(m, u) : 0;
        u->now.state_change = realtime;
        if (state == M_RUNNING)
                u->now.active_enter = realtime;
        if (state == M_DEAD || state == M_FAILED)
                u->now.inactive_enter = realtime;
        u->dirty = true;
}

static void finish_job(Model *m, MUnit *u, JobResult result);
static void run_jobs(Model *m);

static bool shall_restart(const Model *m, const MUnit *u, UnitResult result) {
        if (m->stopping || u->restart == M_NO || (u->job.type == MJ_STOP || u->job.type == MJ_RESTART))
                return false;
        return u->restart == M_ALWAYS || result != RESULT_SUCCESS;
}

/* Those bound to a unit that went away by itself are stopped in the same turn. */
static void stop_bound(Model *m, const MUnit *u, Cause cause) {
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *d = &m->units[i];

                if ((d->binds_to & BIT(index_of(m, u))) && !model_is_down(d) && d->state != M_STOPPING)
                        (void) model_job(m, i, MJ_STOP, cause, false, NULL);
        }
}

static void fail_dependents_jobs(Model *m, const MUnit *u) {
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *d = &m->units[i];

                if (((d->requires | d->binds_to) & BIT(index_of(m, u))) && d->job.type == MJ_START &&
                    !d->job.running) {
                        finish_job(m, d, JOB_DEPENDENCY);
                        fail_dependents_jobs(m, d);
                } else if (((d->requires | d->binds_to) & BIT(index_of(m, u))) && d->job.type == MJ_RESTART &&
                           d->job.stopped && !d->job.running) {
                        finish_job(m, d, JOB_DEPENDENCY);
                        fail_dependents_jobs(m, d);
                }
        }
}

static void enter_dead(Model *m, MUnit *u, UnitResult result, bool process, bool allow_restart) {
        MJobType job = u->job.running ? u->job.type : MJ_NONE;
        bool restart = allow_restart && shall_restart(m, u, result), failed = result != RESULT_SUCCESS;
        bool by_job = job == MJ_STOP || job == MJ_RESTART;

        if (u->now.result == RESULT_SUCCESS || u->now.result == RESULT_UNKNOWN || result == RESULT_START_LIMIT_HIT)
                u->now.result = result;
        if (process) {
                u->now.exec_code = result == RESULT_EXIT_CODE || !failed ? CLD_EXITED : CLD_KILLED;
                u->now.exec_status = result == RESULT_EXIT_CODE ? 1 : failed ? SIGKILL : 0;
                journal(m, u, FACT_EXITED);
        }
        journal(m, u, failed ? FACT_FAILED : FACT_STOPPED);
        set_state(m, u, failed ? M_FAILED : M_DEAD, USEC_INFINITY);
        if (job == MJ_START)
                finish_job(m, u, failed ? JOB_FAILED : JOB_DONE);
        else if (job == MJ_RELOAD)
                finish_job(m, u, JOB_FAILED);
        else if (job == MJ_STOP)
                finish_job(m, u, JOB_DONE);
        else if (job == MJ_RESTART && !u->job.stopped) {
                u->job.stopped = true;
                u->job.running = false;
        } else if (job == MJ_RESTART)
                finish_job(m, u, failed ? JOB_FAILED : JOB_DONE);
        if (restart) {
                set_state(m, u, M_AUTO_RESTART, m->now + u->restart_usec);
                return;
        }
        if (failed)
                fail_dependents_jobs(m, u);
        if (!by_job)
                stop_bound(m, u, failed ? C_VICTIM : C_DEPENDENCY);
}

static bool start_limit_hit(Model *m, MUnit *u) {
        if (u->n_starts >= ELEMENTSOF(u->starts) &&
            m->now - u->starts[u->n_starts % ELEMENTSOF(u->starts)] < START_LIMIT_INTERVAL)
                return true;
        u->starts[u->n_starts++ % ELEMENTSOF(u->starts)] = m->now;
        return false;
}

static void new_invocation(Model *m, MUnit *u) {
        Id128 id = {};

        m->next_invocation++;
        memcpy(id.bytes, &m->next_invocation, sizeof(uint64_t));
        id.bytes[15] = 0xee;
        u->now.invocation = id;
        if (m->n_invocations == m->invocations_allocated) {
                m->invocations_allocated = m->invocations_allocated ? 2 * m->invocations_allocated : 256;
                m->invocations = reallocarray(m->invocations, m->invocations_allocated, sizeof(*m->invocations));
                assert(m->invocations);
        }
        m->invocations[m->n_invocations].unit = index_of(m, u);
        m->invocations[m->n_invocations++].id = id;
}

static void start_unit(Model *m, MUnit *u) {
        if (u->condition_false) {
                u->now.condition_failed = true;
                u->dirty = true;
                finish_job(m, u, JOB_DONE);
                return;
        }
        u->now.condition_failed = false;
        if (start_limit_hit(m, u)) {
                u->now.result = RESULT_START_LIMIT_HIT;
                u->job.running = true;
                enter_dead(m, u, RESULT_START_LIMIT_HIT, false, false);
                return;
        }
        new_invocation(m, u);
        u->now.result = RESULT_SUCCESS;
        u->now.exec_code = u->now.exec_status = 0;
        if (u->type == M_SIMPLE) {
                set_state(m, u, M_RUNNING, u->broken ? m->now + prng_below(m->prng, 20000) : USEC_INFINITY);
                journal(m, u, FACT_STARTED);
                finish_job(m, u, JOB_DONE);
        } else {
                journal(m, u, FACT_STARTING);
                set_state(m, u, M_STARTING, m->now + u->start_time);
        }
}

static void stop_unit(Model *m, MUnit *u, UnitResult end) {
        u->job.effective = true;
        if (u->state == M_AUTO_RESTART) {
                set_state(m, u, M_DEAD, USEC_INFINITY);
                return;
        }
        journal(m, u, FACT_STOPPING);
        u->end = end;
        set_state(m, u, M_STOPPING, m->now + u->stop_time);
}

static void timer_due(Model *m, MUnit *u) {
        switch (u->state) {
        case M_STARTING:
                if (u->broken) {
                        enter_dead(m, u,
                                   u->type == M_NOTIFY && prng_below(m->prng, 2) ? RESULT_TIMEOUT : RESULT_EXIT_CODE,
                                   true, true);
                } else if (u->type == M_ONESHOT) {
                        journal(m, u, FACT_STARTED);
                        enter_dead(m, u, RESULT_SUCCESS, true, true);
                } else {
                        set_state(m, u, M_RUNNING, USEC_INFINITY);
                        journal(m, u, FACT_STARTED);
                        if (IN_SET(u->job.type, MJ_START, MJ_RESTART))
                                finish_job(m, u, JOB_DONE);
                }
                break;
        case M_RUNNING:
                u->timer = USEC_INFINITY;
                enter_dead(m, u, RESULT_EXIT_CODE, true, true);
                break;
        case M_STOPPING:
                enter_dead(m, u, u->end, true, false);
                break;
        case M_AUTO_RESTART:
                u->timer = USEC_INFINITY;
                u->now.n_restarts++;
                u->dirty = true;
                journal(m, u, FACT_RESTART_SCHEDULED);
                (void) model_job(m, index_of(m, u), MJ_RESTART, C_SYSTEMD, false, NULL);
                break;
        default:
                u->timer = USEC_INFINITY;
        }
}

/* ---- jobs ---- */

static void finish_job(Model *m, MUnit *u, JobResult result) {
        MJob j = u->job;

        if (j.type == MJ_NONE)
                return;
        announce(m, u);
        /* What the job led to is told before its end. */
        flush_unit(m, u);
        send(m, &(const Message){ .type = MSG_JOB_REMOVED,
                                  .unit = index_of(m, u),
                                  .job = j.id,
                                  .job_type = j.type,
                                  .cause = j.cause,
                                  .result = result,
                                  .effective = j.effective,
                                  .u = u->now });
        if (m->trace)
                printf("  [%" PRIu64 "] %s: job %u %s ended: %s\n", m->now, u->name, j.id, job_names[j.type],
                       job_result_to_string(result));
        u->job = (MJob){};
        u->now.job_id = 0;
        u->dirty = true;
}

static bool waits(const Model *m, const MUnit *u) {
        bool stop_half = u->job.type == MJ_STOP || (u->job.type == MJ_RESTART && !u->job.stopped);
        uint32_t self = BIT(index_of(m, u));

        for (int i = 0; i < MODEL_UNITS; i++) {
                const MUnit *o = &m->units[i];

                if (o->job.type == MJ_NONE || o == u)
                        continue;
                if (stop_half) {
                        if (((o->requires | o->binds_to | o->part_of) & self) &&
                            (o->job.type == MJ_STOP || (o->job.type == MJ_RESTART && !o->job.stopped)))
                                return true;
                } else if (((u->requires | u->binds_to | u->wants) & BIT(i)) &&
                           (o->job.type == MJ_START || o->job.type == MJ_RESTART || o->job.type == MJ_STOP))
                        return true;
        }
        return false;
}

static void run_job(Model *m, MUnit *u) {
        MJob *j = &u->job;

        j->running = true;
        switch (j->type) {
        case MJ_RELOAD:
                finish_job(m, u, model_is_up(u) ? JOB_DONE : JOB_INVALID);
                break;
        case MJ_STOP:
        case MJ_RESTART:
                if (j->type == MJ_RESTART && j->stopped) {
                        start_unit(m, u);
                        break;
                }
                if (!model_is_down(u) && u->state != M_STOPPING)
                        stop_unit(m, u, prng_below(m->prng, 8) == 0 ? RESULT_TIMEOUT : RESULT_SUCCESS);
                if (!model_is_down(u))
                        break;
                if (j->type == MJ_STOP)
                        finish_job(m, u, JOB_DONE);
                else {
                        j->stopped = true;
                        j->running = false;
                }
                break;
        case MJ_START:
                if (model_is_up(u))
                        finish_job(m, u, JOB_DONE);
                else if (u->state == M_STOPPING || u->state == M_STARTING)
                        j->running = u->state == M_STARTING; /* waits for the stop to end */
                else
                        start_unit(m, u);
                break;
        default:
                break;
        }
}

static void run_jobs(Model *m) {
        for (unsigned round = 0; round < 50; round++) {
                bool progress = false;

                for (int i = 0; i < MODEL_UNITS; i++) {
                        MUnit *u = &m->units[i];
                        uint32_t id = u->job.id;

                        if (u->job.type == MJ_NONE || u->job.running || waits(m, u) ||
                            (u->job.type == MJ_START && u->state == M_STOPPING))
                                continue;
                        run_job(m, u);
                        progress = progress || u->job.id != id || u->job.running || u->job.stopped;
                }
                if (!progress)
                        return;
        }
}

/* ---- transactions ---- */

typedef struct Transaction {
        MJobType type[MODEL_UNITS];
        Cause cause[MODEL_UNITS];
        bool broken; /* a unit that is needed cannot be started */
} Transaction;

static Cause onward(Cause c) {
        return c == C_VICTIM || c == C_ISOLATE || c == C_SHUTDOWN ? c : C_DEPENDENCY;
}

static void tx_add(Model *m, Transaction *tx, int unit, MJobType type, Cause cause);

static void tx_add_dependencies(Model *m, Transaction *tx, int unit, Cause cause) {
        const MUnit *u = &m->units[unit];

        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *o = &m->units[i];
                bool conflict = (u->conflicts & BIT(i)) || (o->conflicts & BIT(unit));

                if (((u->requires | u->binds_to) & BIT(i)) && !model_is_up(o)) {
                        if (o->masked)
                                tx->broken = true;
                        tx_add(m, tx, i, MJ_START, C_DEPENDENCY);
                }
                if ((u->wants & BIT(i)) && !model_is_up(o) && !o->masked)
                        tx_add(m, tx, i, MJ_START, C_DEPENDENCY);
                if (conflict && !model_is_down(o))
                        tx_add(m, tx, i, MJ_STOP, C_CONFLICT);
        }
}

static void tx_add(Model *m, Transaction *tx, int unit, MJobType type, Cause cause) {
        if (tx->type[unit] != MJ_NONE)
                return;
        tx->type[unit] = type;
        tx->cause[unit] = cause;
        if (type == MJ_START || type == MJ_RESTART)
                tx_add_dependencies(m, tx, unit, cause);
        if (type == MJ_STOP || type == MJ_RESTART)
                for (int i = 0; i < MODEL_UNITS; i++) {
                        MUnit *d = &m->units[i];

                        if (((d->requires | d->binds_to | d->part_of) & BIT(unit)) && !model_is_down(d))
                                tx_add(m, tx, i, type, onward(cause));
                }
}

static void install(Model *m, int unit, MJobType type, Cause cause) {
        MUnit *u = &m->units[unit];

        if (u->job.type == type)
                return; /* merged */
        if (u->job.type != MJ_NONE)
                finish_job(m, u, JOB_CANCELED);
        u->job = (MJob){ .type = type, .id = m->next_job++, .cause = cause };
        u->now.job_id = u->job.id;
        u->dirty = true;
        if (m->trace)
                printf("  [%" PRIu64 "] %s: job %u %s (cause %d)\n", m->now, u->name, u->job.id, job_names[type],
                       cause);
}

int model_job(Model *m, int unit, MJobType type, Cause cause, bool fail_mode, uint32_t *ret_id) {
        Transaction tx = {};

        if ((type == MJ_START || type == MJ_RESTART) && m->units[unit].masked)
                return -ERFKILL;
        tx_add(m, &tx, unit, type, cause);
        if (tx.broken)
                return -ENOENT;
        if (fail_mode)
                for (int i = 0; i < MODEL_UNITS; i++)
                        if (tx.type[i] != MJ_NONE && m->units[i].job.type != MJ_NONE &&
                            m->units[i].job.type != tx.type[i])
                                return -EDEADLK;
        for (int i = 0; i < MODEL_UNITS; i++)
                if (tx.type[i] != MJ_NONE)
                        install(m, i, tx.type[i], tx.cause[i]);
        if (ret_id)
                *ret_id = m->units[unit].job.id;
        return 0;
}

void model_isolate(Model *m, uint32_t keep) {
        uint32_t id = m->next_job++;

        for (int i = 0; i < MODEL_UNITS; i++)
                if (!(keep & BIT(i)) && !model_is_down(&m->units[i]))
                        install(m, i, MJ_STOP, C_ISOLATE);
        flush_all(m);
        send(m, &(const Message){ .type = MSG_JOB_NEW, .unit = -1, .job = id });
        run_jobs(m);
        send(m, &(const Message){ .type = MSG_JOB_REMOVED, .unit = -1, .job = id, .result = JOB_DONE });
}

void model_shutdown(Model *m) {
        m->stopping = true;
        model_send_host(m, HOST_STOPPING);
        for (int i = 0; i < MODEL_UNITS; i++)
                if (!model_is_down(&m->units[i]))
                        install(m, i, MJ_STOP, C_SHUTDOWN);
}

void model_reboot(Model *m) {
        m->subscribed = false;
        model_drop_inbox(m);
        m->n_requests = 0;
        m->boots++;
        m->boot.bytes[0] = (uint8_t) m->boots;
        m->now += 20 * USEC_PER_SEC;
        m->boot_start = m->now;
        m->next_job = 1;
        m->stopping = false;
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *u = &m->units[i];

                u->state = M_DEAD;
                u->job = (MJob){};
                u->n_starts = 0;
                u->timer = USEC_INFINITY;
                u->dirty = false;
                u->now = (UnitSnapshot){ .load = u->masked ? UNIT_MASKED : UNIT_LOADED,
                                         .active = UNIT_INACTIVE,
                                         .sub = "dead",
                                         .result = RESULT_SUCCESS,
                                         .auto_restart = u->restart != M_NO,
                                         .restart_usec = u->restart_usec };
                u->sent = u->now;
        }
}

/* ---- fate and people ---- */

void model_crash(Model *m, int unit, UnitResult result) {
        MUnit *u = &m->units[unit];

        if (u->state == M_RUNNING && u->type != M_ONESHOT_REMAIN)
                enter_dead(m, u, result, true, true);
        else if (u->state == M_STARTING)
                enter_dead(m, u, result, true, true);
        else if (u->state == M_STOPPING)
                enter_dead(m, u, RESULT_SIGNAL, true, false);
}

void model_exit(Model *m, int unit) {
        MUnit *u = &m->units[unit];

        if (u->state == M_RUNNING && u->type != M_ONESHOT_REMAIN)
                enter_dead(m, u, RESULT_SUCCESS, true, true);
}

void model_reset_failed(Model *m, int unit, Cause cause) {
        MUnit *u = &m->units[unit];

        u->n_starts = 0;
        if (u->state != M_FAILED)
                return;
        u->now.result = RESULT_SUCCESS;
        set_state(m, u, M_DEAD, USEC_INFINITY);
        if (cause == C_RESET) {
                /* Told apart by the checker only. */
                flush_unit(m, u);
                send(m, &(const Message){ .type = MSG_UNIT, .unit = unit, .u = u->now, .cause = C_RESET });
        }
}

void model_request(Model *m, const Request *r) {
        assert(m->n_requests < MODEL_REQUESTS);
        m->requests[m->n_requests++] = *r;
}

static void serve(Model *m, const Request *r) {
        static const MJobType types[] = {
                [VERB_START] = MJ_START, [VERB_STOP] = MJ_STOP, [VERB_RESTART] = MJ_RESTART, [VERB_RELOAD] = MJ_RELOAD
        };
        Message reply = { .type = MSG_REPLY, .action = r->action, .unit = r->unit };
        Cause cause = r->automatic ? C_SYND : C_PERSON;

        if (r->reset_failed_first || r->verb == VERB_RESET_FAILED)
                model_reset_failed(m, r->unit, r->automatic || r->verb != VERB_RESET_FAILED ? C_SYND : C_RESET);
        if (r->verb != VERB_RESET_FAILED)
                reply.error = model_job(m, r->unit, types[r->verb], cause, r->automatic, &reply.job);
        /* JobNew is forced out before the answer. */
        if (reply.job != 0)
                announce(m, &m->units[r->unit]);
        send(m, &reply);
}

void model_run(Model *m) {
        for (size_t i = 0; i < m->n_requests; i++)
                serve(m, &m->requests[i]);
        m->n_requests = 0;
        for (int i = 0; i < MODEL_UNITS; i++)
                while (m->units[i].timer <= m->now)
                        timer_due(m, &m->units[i]);
        /* Mostly the bus is served before the jobs run; when PID 1 is busy it is not, and states are skipped. */
        if (prng_below(m->prng, 4) != 0)
                flush_all(m);
        run_jobs(m);
        if (prng_below(m->prng, 4) != 0)
                flush_all(m);
}

usec_t model_next(const Model *m) {
        usec_t next = USEC_INFINITY;

        if (m->n_requests > 0)
                return m->now;
        for (int i = 0; i < MODEL_UNITS; i++) {
                next = MIN(next, m->units[i].timer);
                if (m->units[i].dirty)
                        next = MIN(next, m->now + 1000);
        }
        return next;
}

/* ---- making a host ---- */

void model_init(Model *m, Prng *prng) {
        *m = (Model){ .prng = prng, .next_job = 1 };
        m->boot.bytes[15] = 0xbb;
        for (int i = 0; i < MODEL_UNITS; i++) {
                MUnit *u = &m->units[i];
                uint32_t lower = BIT(i) - 1;

                snprintf(u->name, sizeof(u->name), i == 2 ? "inst@a\\x2d%d.service" : "u%d.service", i);
                u->declared = i != MODEL_UNITS - 1;
                u->granted = u->declared && prng_below(prng, 6) != 0;
                u->type = prng_below(prng, 2) ? M_SIMPLE : (MType) prng_below(prng, 4);
                u->restart = prng_below(prng, 3)    ? M_NO
                             : u->type >= M_ONESHOT ? M_ON_FAILURE
                                                    : (MRestart) (1 + prng_below(prng, 2));
                u->restart_usec = prng_below(prng, 2) ? 100 * USEC_PER_MSEC : prng_below(prng, 3) * USEC_PER_SEC;
                u->start_time = 1 + prng_below(prng, prng_below(prng, 5) ? 200 * USEC_PER_MSEC : 90 * USEC_PER_SEC);
                u->stop_time = prng_below(prng, 2) ? 0 : prng_below(prng, 2 * USEC_PER_SEC);
                /* Relations lead downwards only. */
                if (prng_below(prng, 3) == 0)
                u->requires = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower;
                if (prng_below(prng, 3) == 0)
                        u->binds_to = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower;
                if (prng_below(prng, 4) == 0)
                        u->part_of = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower;
                if (prng_below(prng, 4) == 0)
                        u->wants = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower;
                if (prng_below(prng, 3) == 0)
                        u->depends_on = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower;
                if (i == MODEL_UNITS - 1)
                u->conflicts = (uint32_t) prng_next(prng) & (uint32_t) prng_next(prng) & lower & ~u->requires &
                               ~u->binds_to & ~u->wants;
                u->timer = USEC_INFINITY;
                u->now = (UnitSnapshot){ .load = UNIT_LOADED,
                                         .active = UNIT_INACTIVE,
                                         .sub = "dead",
                                         .result = RESULT_SUCCESS,
                                         .auto_restart = u->restart != M_NO,
                                         .restart_usec = u->restart_usec };
                u->sent = u->now;
        }
}

void model_done(Model *m) {
        free(m->journal);
        free(m->invocations);
}
