/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every invocation of a service exactly once and in order, from signals and from the journal, whichever tells first. */
#include "core/budget.h"
#include "core/supervisor-internal.h"

Invocation *invocation_find(const Service *svc, Id128 id) {
        ServicePriv *p = priv(svc);

        if (id128_is_null(id))
                return NULL;
        for (size_t i = p->n_invocations; i > 0; i--)
                if (id128_equal(p->invocations[i - 1].id, id))
                        return &p->invocations[i - 1];
        return NULL;
}

Invocation *invocation_current(const Service *svc) {
        return invocation_find(svc, priv(svc)->current);
}

Invocation *invocation_add(Supervisor *s, Service *svc, Id128 id) {
        ServicePriv *p = priv(svc);

        if (p->n_invocations == INVOCATIONS_MAX)
                memmove(p->invocations, p->invocations + 1, --p->n_invocations * sizeof(Invocation));
        else {
                Invocation *n = reallocarray(p->invocations, p->n_invocations + 1, sizeof(Invocation));

                if (!n) {
                        latch(s, -ENOMEM);
                        return NULL;
                }
                p->invocations = n;
        }
        p->invocations[p->n_invocations] = (Invocation){ .id = id };
        touch_state(s, svc);
        return &p->invocations[p->n_invocations++];
}

Instant instant_of(const Supervisor *s, usec_t realtime) {
        if (realtime == 0 || realtime > s->now.realtime)
                return s->now;
        return (Instant){ .realtime = realtime, .boottime = usec_sub(s->now.boottime, s->now.realtime - realtime) };
}

/* Did signals skip something before the invocation that the snapshot shows? */
static bool skip_suspected(const Service *svc, const Invocation *previous, bool initial) {
        const ServicePriv *p = priv(svc);
        uint32_t seen = p->n_restarts, now = svc->unit.n_restarts;

        if (p->n_invocations == 0)
                return false;
        if (initial)
                return true;
        if (now < seen)
                seen = 0;
        /* One automatic restart is explained by an end that was seen; more are not, nor is one without an end. */
        if (now > seen + (previous && !previous->ended ? 0 : 1))
                return true;
        return previous && !previous->ended && !job_is_pending(svc);
}

static void told_end(Supervisor *s, Service *svc);

/* We owed a restart when synd ended, and the unit was started meanwhile. Between an act and the commit of its state lie some
 * milliseconds: the start may be ours, so it is counted. If it was somebody else's, one token too many is the safe side. */
static void account_for_lost_act(Supervisor *s, Service *svc, bool was_seen, Intent intent) {
        ServicePriv *p = priv(svc);

        if (was_seen || !p->restored || !p->owed || !id128_is_null(p->lost_action) ||
            intent == INTENT_SYSTEMD_RESTART)
                return;
        /* -EDQUOT: all tokens are taken, then the act was not ours. */
        (void) budget_take(&svc->budget, &svc->config->recovery.budget, s->now);
        (void) budget_take(&s->host_budget, &s->config.host_budget, s->now);
        s->host_dirty = true;
        touch_state(s, svc);
}

void invocation_track(Supervisor *s, Service *svc, const UnitSnapshot *old, bool was_seen, bool initial) {
        ServicePriv *p = priv(svc);
        Id128 id = svc->unit.invocation;
        Invocation *previous, *inv;
        uint64_t cause = 0;
        const char *by = NULL;
        Intent intent;
        Event *e;

        if (id128_is_null(id) || id128_equal(id, p->current))
                return;
        told_end(s, svc);
        previous = invocation_current(svc);
        inv = invocation_find(svc, id);
        intent = start_intent_of(s, svc, old, initial, &by, &cause);
        if (!inv) {
                if (skip_suspected(svc, previous, initial))
                        hold_begin(s, svc, id);
                else if (previous && !previous->ended && was_seen) {
                        /* A restart job whose middle was not signalled. */
                        const char *stop_by = NULL;
                        Intent stop = stop_intent_of(s, svc, &stop_by);

                        invocation_stopped(s, svc, stop, stop_by, true,
                                           action_on(svc) ? action_on(svc)->requested_seq : 0);
                }
                inv = invocation_add(s, svc, id);
                if (!inv)
                        return;
                account_for_lost_act(s, svc, was_seen, intent);
                e = emit(s, svc, EVENT_SERVICE_STARTING, cause, PRIORITY_NORMAL,
                         initial ? EMIT_BACKFILLED : EMIT_LIVE);
                if (e) {
                        e->source = "systemd";
                        if (initial)
                                e->time = instant_of(s, svc->unit.state_change);
                }
                inv->seq = event_seq(e);
                event_invocation(s, e, id);
                event_string(s, e, "intent", intent_to_string(intent));
                event_string(s, e, "by", by);
                event_uint(s, e, "n_restarts", svc->unit.n_restarts);
        }
        svc->start_intent = intent;
        p->current = id;
        p->n_restarts = svc->unit.n_restarts;
        p->judged = false;
        p->found = FOUND_NOT;
        p->gave_up = false;
        p->own_reset = false;
        p->judge_at = USEC_INFINITY;
        p->operator_stopped = false;
        p->victim = false;
        p->victim_of = free_(p->victim_of);
        p->refused = free_(p->refused);
        p->displaced_by = free_(p->displaced_by);
        touch(s, svc);
}

void invocation_started(Supervisor *s, Service *svc) {
        Invocation *inv = invocation_current(svc);
        bool found = svc->status == SERVICE_UNKNOWN; /* the first sight of it: it was up already */
        uint64_t cause;
        Event *e;

        if (!inv || inv->started)
                return;
        cause = action_on(svc) ? action_on(svc)->requested_seq : inv->seq;
        e = emit(s, svc, EVENT_SERVICE_STARTED, cause, PRIORITY_NORMAL, found ? EMIT_BACKFILLED : EMIT_LIVE);
        if (e) {
                e->source = "systemd";
                if (found)
                        e->time = instant_of(s, svc->unit.active_enter);
        }
        inv->started = true;
        inv->started_seq = event_seq(e);
        event_invocation(s, e, inv->id);
        event_string(s, e, "intent", intent_to_string(svc->start_intent));
        event_uint(s, e, "main_pid", svc->unit.main_pid);
        touch_state(s, svc);
}

static uint64_t beginning_of(const Invocation *inv) {
        if (!inv)
                return 0;
        return inv->started_seq != 0 ? inv->started_seq : inv->seq;
}

static void event_end(Supervisor *s, Event *e, const char *result, int code, int status) {
        event_string(s, e, "result", result);
        if (code > 0) {
                event_int(s, e, "exec_code", code);
                event_int(s, e, "exec_status", status);
        }
}

uint64_t invocation_failed(Supervisor *s, Service *svc, const char *result) {
        ServicePriv *p = priv(svc);
        Invocation *inv = invocation_current(svc);
        uint64_t cause = beginning_of(inv);
        Event *e;

        /* An end that is told already is told again only as something new: systemd giving up, a start that did not even
         * become an invocation. */
        if (inv && inv->ended)
                cause = p->end_seq != 0 ? p->end_seq : cause;
        if (p->action && p->action->service == svc && (!inv || id128_equal(inv->id, p->action->invocation_before)))
                cause = p->action->requested_seq;
        e = emit(s, svc, EVENT_SERVICE_FAILED, cause, PRIORITY_HIGH, EMIT_LIVE);
        if (e)
                e->source = "systemd";
        event_invocation(s, e, p->current);
        event_end(s, e, result ?: unit_result_to_string(svc->unit.result), svc->unit.exec_code, svc->unit.exec_status);
        event_string(s, e, "sub_state", svc->unit.sub);
        event_string(s, e, "intent", intent_to_string(INTENT_NONE));
        if (inv)
                inv->ended = inv->failed = true;
        p->end_seq = event_seq(e);
        touch_state(s, svc);
        return p->end_seq;
}

uint64_t invocation_stopped(Supervisor *s, Service *svc, Intent intent, const char *by, bool intended,
                            uint64_t cause) {
        ServicePriv *p = priv(svc);
        Invocation *inv = invocation_current(svc);
        Event *e;

        if (!inv || inv->ended)
                return p->end_seq;
        e = emit(s, svc, EVENT_SERVICE_STOPPED, cause ?: beginning_of(inv), PRIORITY_NORMAL, EMIT_LIVE);
        if (e)
                e->source = "systemd";
        event_invocation(s, e, inv->id);
        event_string(s, e, "intent", intent_to_string(intent));
        event_string(s, e, "by", by);
        event_end(s, e, unit_result_to_string(svc->unit.result), svc->unit.exec_code, svc->unit.exec_status);
        event_bool(s, e, "intended", intended);
        inv->ended = true;
        p->end_seq = event_seq(e);
        touch_state(s, svc);
        return p->end_seq;
}

/* ---- the journal ---- */

/* The journal is read in order: where its boots begin and end tells what started and stopped the services. */
static void journal_epoch(Supervisor *s, const JournalFact *f) {
        if (!id128_equal(f->boot, s->journal_boot)) {
                /* Without a history this may be the middle of a boot. */
                s->journal_starting = !id128_is_null(s->journal_boot) ||
                                      (s->from_other_boot && id128_equal(f->boot, s->config.boot_id));
                s->journal_stopping = false;
                s->journal_boot = f->boot;
        }
        /* The first to be stopped, as all it wants is ordered before it, and the last to be reached. */
        if (!f->unit || !IN_SET(f->type, FACT_STARTED, FACT_STOPPED) || !streq(f->unit, "multi-user.target"))
                return;
        s->journal_starting = false;
        s->journal_stopping = f->type == FACT_STOPPED;
}

static Intent fact_stop_intent(const Supervisor *s, const JournalFact *f) {
        return s->journal_stopping && !id128_equal(f->boot, s->config.boot_id) ? INTENT_SHUTDOWN : INTENT_OPERATOR;
}

static Intent fact_intent(const Supervisor *s, const Service *svc, const JournalFact *f, uint64_t *ret_cause) {
        const ServicePriv *p = priv(svc);
        const ActionFull *a = action_on(svc);

        *ret_cause = 0;
        if (a) {
                *ret_cause = a->requested_seq;
                return a->a.automatic ? INTENT_SYND : INTENT_COMMAND;
        }
        if (f->n_restarts > 0 || (p->n_invocations > 0 && svc->unit.auto_restart)) {
                *ret_cause = p->end_seq;
                return INTENT_SYSTEMD_RESTART;
        }
        if (s->journal_starting && (s->host != HOST_RUNNING || !svc->seen))
                return INTENT_BOOT;
        return INTENT_OPERATOR;
}

static Event *emit_fact(Supervisor *s, Service *svc, const char *type, uint64_t cause, int priority,
                        const JournalFact *f) {
        Event *e = emit(s, svc, type, cause, priority, EMIT_BACKFILLED | EMIT_DIRECT);

        if (e) {
                e->source = "systemd";
                e->time = f->time;
        }
        event_invocation(s, e, f->invocation);
        return e;
}

static Invocation *fact_starting(Supervisor *s, Service *svc, const JournalFact *f) {
        Invocation *inv;
        uint64_t cause;
        Intent intent;
        Event *e;

        told_end(s, svc);
        intent = fact_intent(s, svc, f, &cause);
        inv = invocation_add(s, svc, f->invocation);
        if (!inv)
                return NULL;
        account_for_lost_act(s, svc, svc->seen, intent);
        e = emit_fact(s, svc, EVENT_SERVICE_STARTING, cause, PRIORITY_NORMAL, f);
        inv->seq = event_seq(e);
        event_string(s, e, "intent", intent_to_string(intent));
        event_uint(s, e, "n_restarts", f->n_restarts);
        /* Somebody started it while nobody looked. */
        if (!svc->seen)
                priv(svc)->operator_stopped = priv(svc)->own_reset = false;
        return inv;
}

static void fact_started(Supervisor *s, Service *svc, const JournalFact *f, Invocation *inv) {
        Event *e;

        if (inv->started || inv->ended)
                return;
        e = emit_fact(s, svc, EVENT_SERVICE_STARTED, inv->seq, PRIORITY_NORMAL, f);
        inv->started = true;
        inv->started_seq = event_seq(e);
        touch_state(s, svc);
}

static void fact_ended(Supervisor *s, Service *svc, const JournalFact *f, Invocation *inv) {
        ServicePriv *p = priv(svc);
        bool failed = f->type == FACT_FAILED && !inv->stopping;
        Event *e;

        if (inv->ended)
                return;
        e = emit_fact(s, svc, failed ? EVENT_SERVICE_FAILED : EVENT_SERVICE_STOPPED, beginning_of(inv),
                      failed ? PRIORITY_HIGH : PRIORITY_NORMAL, f);
        event_string(s, e, "intent", intent_to_string(inv->stopping ? fact_stop_intent(s, f) : INTENT_NONE));
        event_end(s, e, unit_result_to_string(f->type == FACT_FAILED ? f->result : RESULT_SUCCESS), inv->exec_code,
                  inv->exec_status);
        if (!failed)
                event_bool(s, e, "intended", inv->stopping);
        inv->ended = true;
        inv->failed = failed;
        p->end_seq = event_seq(e);
        if (failed)
                svc->errors++;
        touch_state(s, svc);
}

/* The current invocation is succeeded by another one: the signals will not tell of its end any more, the journal did. */
static void told_end(Supervisor *s, Service *svc) {
        Invocation *inv = invocation_current(svc);
        JournalFact f;

        if (!inv || !inv->told || inv->ended)
                return;
        f = (JournalFact){ .type = inv->told_failed ? FACT_FAILED : FACT_STOPPED,
                           .unit = svc->config->unit,
                           .invocation = inv->id,
                           .time = inv->told_at,
                           .result = inv->told_result };
        fact_ended(s, svc, &f, inv);
}

static void remember_end(Supervisor *s, Service *svc, const JournalFact *f, Invocation *inv) {
        if (inv->ended || inv->told)
                return;
        inv->told = true;
        inv->told_failed = f->type == FACT_FAILED;
        inv->told_result = f->result;
        inv->told_at = f->time;
        touch_state(s, svc);
}

/* The end of the current invocation was found, not seen: the journal says now how it came. */
static void fact_decides(Supervisor *s, Service *svc, const JournalFact *f, const Invocation *inv) {
        ServicePriv *p = priv(svc);

        if (p->judge_at == USEC_INFINITY || !p->judge_as_failure)
                return;
        if (f->type == FACT_STOPPED || (f->type == FACT_FAILED && inv->stopping)) {
                p->judge_at = USEC_INFINITY;
                service_asked_down(s, svc, INTENT_OPERATOR, NULL);
        } else if (f->type == FACT_FAILED) {
                p->judge_at = USEC_INFINITY;
                service_failed(s, svc, NULL);
        }
}

static void service_fact(Supervisor *s, Service *svc, const JournalFact *f) {
        ServicePriv *p = priv(svc);
        Invocation *inv;
        bool past;

        if (id128_is_null(f->invocation))
                return;
        inv = invocation_find(svc, f->invocation);
        if (!inv) {
                if (f->type == FACT_RESTART_SCHEDULED || f->type == FACT_SKIPPED)
                        return;
                inv = fact_starting(s, svc, f);
                if (!inv)
                        return;
        }
        /* Of the current invocation the signals tell, and sooner. */
        past = !svc->seen || !id128_equal(f->invocation, p->current);
        switch (f->type) {
        case FACT_STARTED:
                if (past)
                        fact_started(s, svc, f, inv);
                break;
        case FACT_STOPPING:
                inv->stopping = true;
                touch_state(s, svc);
                break;
        case FACT_EXITED:
                inv->exec_code = f->exec_code;
                inv->exec_status = f->exec_status;
                break;
        case FACT_FAILED:
        case FACT_STOPPED:
                if (past)
                        fact_ended(s, svc, f, inv);
                else {
                        remember_end(s, svc, f, inv);
                        fact_decides(s, svc, f, inv);
                }
                break;
        default:
                break;
        }
        if (p->holding && id128_equal(f->invocation, p->hold_invocation))
                hold_end(s, svc);
}

int supervisor_journal(Supervisor *s, Instant now, const JournalFact *f) {
        Service *svc;

        assert(s);
        assert(f);
        supervisor_enter(s, now);
        journal_epoch(s, f);
        svc = f->unit ? find_service(s, f->unit) : NULL;
        if (svc) {
                note(s, svc);
                service_fact(s, svc, f);
        }
        return supervisor_leave(s);
}

bool supervisor_wants_journal(const Supervisor *s) {
        assert(s);
        return s->n_wants_journal > 0;
}
