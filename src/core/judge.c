/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a change of a unit means: up, down because somebody asked for it, down by itself, failed. */
#include "core/supervisor-internal.h"

UnitClass unit_class(const UnitSnapshot *u) {
        switch (u->active) {
        case UNIT_ACTIVE:
        case UNIT_RELOADING:
        case UNIT_REFRESHING:
                return CLASS_UP;
        case UNIT_ACTIVATING:
                /* "auto-restart", "auto-restart-queued" */
                return startswith(u->sub, "auto-restart") ? CLASS_AUTO_RESTART : CLASS_STARTING;
        case UNIT_DEACTIVATING:
                return CLASS_STOPPING;
        case UNIT_INACTIVE:
        case UNIT_FAILED:
                return CLASS_DOWN;
        default:
                return CLASS_UNKNOWN;
        }
}

usec_t unit_class_since(const UnitSnapshot *u) {
        switch (unit_class(u)) {
        case CLASS_UP:
                return u->active_enter ?: u->state_change;
        case CLASS_DOWN:
                return u->inactive_enter ?: u->state_change;
        default:
                return u->state_change;
        }
}

static void note_judged(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        p->judged = true;
        p->judged_active = svc->unit.active;
        p->judged_result = svc->unit.result;
        p->judge_at = USEC_INFINITY;
        p->found = FOUND_NOT;
        p->up = false;
        set_status(s, svc, svc->unit.active == UNIT_FAILED ? SERVICE_FAILED : SERVICE_STOPPED);
        touch(s, svc);
}

static void note_error(Supervisor *s, Service *svc, const char *sentence) {
        set_string(s, &svc->last_error, sentence);
        svc->last_error_at = s->now;
        svc->errors++;
}

void service_failed(Supervisor *s, Service *svc, const char *result) {
        ServicePriv *p = priv(svc);
        _cleanup_free_ char *sentence = NULL;
        uint64_t seq;

        seq = invocation_failed(s, svc, result);
        latch(s, unit_failure_sentence(&svc->unit, &sentence));
        note_error(s, svc, sentence ?: "failed");
        note_judged(s, svc);
        p->victim = false;
        p->operator_stopped = false;
        svc->stop_intent = INTENT_NONE;
        set_string(s, &svc->stop_by, NULL);
        recovery_owe(s, svc, seq);
        recovery_plan(s, svc);
}

/* A start that a dependency spoiled: the unit itself never ran. */
void service_dependency_failed(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        uint64_t seq;

        seq = invocation_failed(s, svc, job_result_to_string(JOB_DEPENDENCY));
        note_error(s, svc, job_result_sentence(JOB_DEPENDENCY));
        note_judged(s, svc);
        p->operator_stopped = false;
        p->victim = svc->unit.active != UNIT_FAILED;
        recovery_owe(s, svc, seq);
        recovery_plan(s, svc);
}

void service_asked_down(Supervisor *s, Service *svc, Intent intent, const char *by) {
        ServicePriv *p = priv(svc);
        const Invocation *inv = invocation_current(svc);
        bool was_running = inv && !inv->ended;
        const char *root = was_running && intent != INTENT_SHUTDOWN ? victim_root(s, svc) : NULL;
        const Service *r = root ? find_service(s, root) : NULL;
        uint64_t seq;

        if (root) {
                intent = INTENT_DEPENDENCY;
                by = root;
        }
        seq = invocation_stopped(s, svc, intent, by, true, r ? priv(r)->failure_seq : 0);
        note_judged(s, svc);
        svc->stop_intent = intent;
        set_string(s, &svc->stop_by, by);
        if (root) {
                p->victim = true;
                set_string(s, &p->victim_of, root);
                recovery_owe(s, svc, seq);
                recovery_plan(s, svc);
                return;
        }
        p->operator_stopped = true;
        recovery_cancel(s, svc, "it was stopped on purpose");
}

static void service_exited(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        invocation_stopped(s, svc, INTENT_NONE, NULL, false, 0);
        note_judged(s, svc);
        svc->stop_intent = INTENT_NONE;
        set_string(s, &svc->stop_by, NULL);
        if (!p->owed)
                return;
        if (!p->victim)
                /* A oneshot unit that was started again and went well. */
                recovery_up(s, svc);
        else
                recovery_plan(s, svc);
}

static void service_was_reset(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        note_judged(s, svc);
        if (p->own_reset) {
                p->own_reset = false;
                return;
        }
        p->operator_stopped = true;
        recovery_cancel(s, svc, "its failed state was reset");
}

/* Down when it was looked at, not seen going down. */
static void service_found_down(Supervisor *s, Service *svc, bool known) {
        ServicePriv *p = priv(svc);
        const Invocation *inv = known ? invocation_current(svc) : invocation_find(svc, svc->unit.invocation);
        bool failed = svc->unit.active == UNIT_FAILED;

        if (!known && !(inv && (inv->ended || inv->stopping))) {
                /* The first time that this unit is seen, or the first time in this boot. */
                if (failed && (svc->unit.active_enter != 0 || svc->unit.inactive_enter != 0))
                        service_failed(s, svc, NULL);
                else
                        note_judged(s, svc);
                return;
        }
        if (p->operator_stopped || !inv) {
                note_judged(s, svc);
                if (p->owed)
                        recovery_plan(s, svc);
                return;
        }
        if (inv->ended) {
                /* The log has its end already: from before, or from the journal. */
                bool owe = p->owed || (failed && inv->failed);

                note_judged(s, svc);
                if (p->owed && !p->victim && ((inv->stopping && !inv->failed) || (!failed && !p->own_reset))) {
                        /* It had failed or was about to be restarted; systemd by itself leaves it failed. */
                        p->operator_stopped = true;
                        recovery_cancel(s, svc, "it was stopped or reset while nobody looked");
                        return;
                }
                if (!owe) {
                        p->operator_stopped = inv->stopping;
                        return;
                }
                if (!p->owed)
                        recovery_owe(s, svc, p->end_seq);
                if (p->wait_seq == 0)
                        p->wait_seq = p->failure_seq = svc->failure_seq = p->end_seq ?: inv->seq;
                recovery_plan(s, svc);
                return;
        }
        if (inv->stopping)
                service_asked_down(s, svc, INTENT_OPERATOR, NULL);
        else if (!failed)
                service_exited(s, svc);
        else if (p->judge_at == USEC_INFINITY) {
                /* The journal may still tell of a wanted stop. */
                p->judge_at = usec_add(s->now.boottime, HOLD_TIME);
                p->judge_as_failure = true;
        }
}

static void service_down(Supervisor *s, Service *svc, bool initial, bool known) {
        ServicePriv *p = priv(svc);
        bool failed = svc->unit.active == UNIT_FAILED;

        if (p->judge_at != USEC_INFINITY && p->judge_as_failure && !failed && !job_is_pending(svc)) {
                /* Reset by somebody while it was not clear yet how it had ended. */
                (void) invocation_failed(s, svc, NULL);
                service_was_reset(s, svc);
                return;
        }
        if (job_is_pending(svc) || p->judge_at != USEC_INFINITY) {
                if (initial)
                        p->found = known ? FOUND_KNOWN : FOUND_FIRST;
                return;
        }
        if (p->judged) {
                bool gave_up = failed && svc->unit.result == RESULT_START_LIMIT_HIT &&
                               p->judged_result != RESULT_START_LIMIT_HIT;

                if (svc->unit.active == p->judged_active && !gave_up)
                        return;
                if (!failed) {
                        service_was_reset(s, svc);
                        return;
                }
        }
        if (s->host == HOST_STOPPING)
                service_asked_down(s, svc, INTENT_SHUTDOWN, NULL);
        else if (initial)
                service_found_down(s, svc, known);
        else if (failed)
                service_failed(s, svc, NULL);
        else
                service_exited(s, svc);
}

static void service_up(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        invocation_started(s, svc);
        set_status(s, svc, SERVICE_RUNNING);
        if (!p->up) {
                p->up = true;
                touch_state(s, svc);
        }
        p->operator_stopped = false;
        p->own_reset = false;
        if (p->owed || svc->phase == RECOVERY_IDLE)
                recovery_up(s, svc);
}

static void service_auto_restart(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        const Invocation *inv = invocation_current(svc);
        bool failed = svc->unit.result != RESULT_SUCCESS;
        _cleanup_free_ char *sentence = NULL;

        set_status(s, svc, failed ? SERVICE_FAILED : SERVICE_STARTING);
        p->up = false;
        if (!inv || !inv->ended) {
                uint64_t seq;

                if (failed) {
                        seq = invocation_failed(s, svc, NULL);
                        latch(s, unit_failure_sentence(&svc->unit, &sentence));
                        note_error(s, svc, sentence ?: "failed");
                } else
                        seq = invocation_stopped(s, svc, INTENT_NONE, NULL, false, 0);
                svc->stop_intent = INTENT_NONE;
                p->victim = false;
                recovery_owe(s, svc, seq);
        } else if (!p->owed && !p->operator_stopped && !job_is_pending(svc))
                recovery_owe(s, svc, p->end_seq);
        recovery_plan(s, svc);
}

/* An action that was under way when synd ended: what became of it. */
void lost_action_judge(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        UnitClass c = unit_class(&svc->unit);
        Event *e;

        if (id128_is_null(p->lost_action) || svc->unit.job_id != 0 ||
            !IN_SET(c, CLASS_UP, CLASS_DOWN, CLASS_AUTO_RESTART))
                return;
        e = emit(s, svc, EVENT_ACTION_FINISHED, p->lost_action_seq, PRIORITY_NORMAL, EMIT_LIVE);
        if (e)
                e->correlation = p->lost_action;
        event_uuid(s, e, "action", p->lost_action);
        event_string(s, e, "verb", verb_to_string(VERB_START));
        event_string(s, e, "result", action_state_to_string(c == CLASS_UP ? ACTION_DONE : ACTION_FAILED));
        event_string(s, e, "error",
                     c == CLASS_UP ? NULL : "synd was restarted while the job ran, and the unit is down");
        p->lost_action = ID128_NULL;
        p->lost_action_seq = 0;
        touch_state(s, svc);
}

static void judge(Supervisor *s, Service *svc, bool initial, bool known) {
        ServicePriv *p = priv(svc);
        UnitClass c = unit_class(&svc->unit);

        if (c != CLASS_DOWN) {
                p->judged = false;
                p->judge_at = USEC_INFINITY;
                p->found = FOUND_NOT;
        } else if (!initial && p->found != FOUND_NOT) {
                /* It was found so, and a job kept it from being judged. */
                initial = true;
                known = p->found == FOUND_KNOWN;
        }
        switch (c) {
        case CLASS_UP:
                service_up(s, svc);
                break;
        case CLASS_STARTING:
                set_status(s, svc, SERVICE_STARTING);
                break;
        case CLASS_STOPPING:
                set_status(s, svc, SERVICE_STOPPING);
                break;
        case CLASS_AUTO_RESTART:
                service_auto_restart(s, svc);
                break;
        case CLASS_DOWN:
                service_down(s, svc, initial, known);
                break;
        default:
                set_status(s, svc, SERVICE_UNKNOWN);
        }
}

void service_judge(Supervisor *s, Service *svc, bool initial) {
        judge(s, svc, initial, true);
}

void service_observe(Supervisor *s, Service *svc, const UnitSnapshot *u, bool initial) {
        ServicePriv *p = priv(svc);
        const UnitSnapshot old = svc->unit;
        bool was_seen = svc->seen, known = was_seen || p->restored, was_stale = p->stale;

        svc->unit = *u;
        svc->unit.sub[sizeof(svc->unit.sub) - 1] = 0;
        svc->seen = true;
        if (job_was_removed(s, svc->unit.job_id))
                svc->unit.job_id = 0;
        if (initial && p->job != svc->unit.job_id)
                p->job = 0;
        p->stale = p->stale && !initial;
        if (svc->unit.job_id != 0 && !action_of_job(s, svc->config->unit, svc->unit.job_id))
                foreign_job_seen(s, svc, svc->unit.job_id, initial);
        invocation_track(s, svc, &old, was_seen, initial);
        if (initial)
                action_resolve_lost(s, svc);
        judge(s, svc, initial, known);
        lost_action_judge(s, svc);
        if (was_stale && !p->stale)
                recovery_plan(s, svc);
        touch(s, svc);
}

/* ---- jobs of others ---- */

static void doubtful_end(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        if (p->judged) {
                p->not_before = usec_add(s->now.boottime, CANCEL_GRACE);
                recovery_plan(s, svc);
                return;
        }
        p->judge_at = usec_add(s->now.boottime, CANCEL_GRACE);
        p->judge_as_failure = false;
}

static void job_done_while_down(Supervisor *s, Service *svc, bool new_invocation) {
        ServicePriv *p = priv(svc);
        const char *by;
        Intent intent;

        if (new_invocation) {
                /* It was a start, and the unit is down again already. */
                p->judged = false;
                service_judge(s, svc, false);
                return;
        }
        if (svc->unit.condition_failed && !p->job_condition_failed && p->judged) {
                /* A start that was skipped, not a stop. */
                if (p->owed)
                        set_string(s, &p->refused, "its conditions (Condition…=) are not met");
                recovery_plan(s, svc);
                return;
        }
        intent = stop_intent_of(s, svc, &by);
        service_asked_down(s, svc, intent, by);
}

/* The foreign job is gone; the state that it led to is known already (PID 1 tells it first). */
void service_job_ended(Supervisor *s, Service *svc, JobResult result) {
        ServicePriv *p = priv(svc);
        bool new_invocation = !id128_equal(p->current, p->job_invocation);
        bool failed = svc->unit.active == UNIT_FAILED;
        const JobRecord *record = job_record(s, svc->config->unit);

        p->job = 0;
        p->judge_at = USEC_INFINITY;
        if (unit_class(&svc->unit) == CLASS_DOWN && p->judged && !new_invocation && record && record->ours) {
                /* Left over from an action of ours that a person took over: it says nothing of anybody's wish. */
                recovery_plan(s, svc);
                return;
        }
        if (unit_class(&svc->unit) != CLASS_DOWN) {
                service_judge(s, svc, false);
                return;
        }
        switch (result) {
        case JOB_DONE:
                job_done_while_down(s, svc, new_invocation);
                break;
        case JOB_CANCELED:
        case JOB_COLLECTED:
        case JOB_RESULT_UNKNOWN:
                doubtful_end(s, svc);
                break;
        case JOB_DEPENDENCY:
                service_dependency_failed(s, svc);
                break;
        case JOB_FAILED:
        case JOB_TIMEOUT:
                if (failed) {
                        service_failed(s, svc, NULL);
                        break;
                }
                __attribute__((fallthrough));
        default:
                if (new_invocation || !p->judged)
                        service_judge(s, svc, false);
                else
                        recovery_plan(s, svc);
        }
}

/* ---- time ---- */

static void doubtful_end_due(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        const char *by = NULL;
        Intent intent;

        p->judge_at = USEC_INFINITY;
        if (unit_class(&svc->unit) != CLASS_DOWN || job_is_pending(svc))
                return;
        if (p->judge_as_failure && svc->unit.active == UNIT_FAILED) {
                service_failed(s, svc, NULL);
                return;
        }
        intent = stop_intent_of(s, svc, &by);
        service_asked_down(s, svc, intent, by);
}

void service_set_maintenance(Supervisor *s, Service *svc, bool on, usec_t span, const char *by, uint64_t cause) {
        ServicePriv *p = priv(svc);
        Event *e;

        if (!on && !svc->maintenance)
                return;
        svc->maintenance = on;
        svc->maintenance_until = on && span != USEC_INFINITY ? usec_add(s->now.realtime, span) : USEC_INFINITY;
        p->maintenance_due = on && span != USEC_INFINITY ? usec_add(s->now.boottime, span) : USEC_INFINITY;
        set_string(s, &svc->maintenance_by, on ? by : NULL);
        e = emit(s, svc, EVENT_SERVICE_MAINTENANCE, cause, PRIORITY_NORMAL, EMIT_LIVE);
        event_bool(s, e, "on", on);
        if (e && e->data && on && span != USEC_INFINITY)
                latch(s, json_set_time(e->data, "until", svc->maintenance_until));
        event_string(s, e, "by", by);
        touch(s, svc);
        touch_state(s, svc);
        recovery_plan(s, svc);
}

void service_tick(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        usec_t now = s->now.boottime;

        if (p->holding && p->hold_until <= now)
                hold_end(s, svc);
        if (p->judge_at <= now)
                doubtful_end_due(s, svc);
        if (p->maintenance_due <= now)
                service_set_maintenance(s, svc, false, USEC_INFINITY, "time", 0);
        if (svc->due <= now)
                recovery_tick(s, svc);
}

usec_t service_next(const Supervisor *s, const Service *svc) {
        const ServicePriv *p = priv(svc);
        usec_t next = MIN(p->judge_at, p->maintenance_due);

        if (p->holding)
                next = MIN(next, p->hold_until);
        if (!IN_SET(svc->phase, RECOVERY_BACKOFF, RECOVERY_SLOW) || host_allows_action(s))
                next = MIN(next, svc->due);
        return next;
}
