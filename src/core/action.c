/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions: what was asked of systemd, by whom, and how it ended. */
#include "core/supervisor-internal.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const action_state_table[] = {
        [ACTION_RUNNING] = "running",
        [ACTION_DONE] = "done",
        [ACTION_FAILED] = "failed",
        [ACTION_CANCELLED] = "cancelled",
};
DEFINE_STRING_TABLE(action_state, ActionState, action_state_table)

ActionFull *action_full_free(ActionFull *a) {
        if (!a)
                return NULL;
        for (size_t i = 0; i < a->n_steps; i++)
                free(a->steps[i].unit);
        free(a->steps);
        free(a->a.unit);
        free(a->a.by);
        free(a->a.via);
        free(a->a.reason);
        free(a->a.error_text);
        free(a->a.progress);
        free(a);
        return NULL;
}

static void tell_action(Supervisor *s, const ActionFull *a, Event *e) {
        if (!e)
                return;
        e->source = a->a.automatic ? "synd" : "user";
        e->correlation = id128_is_null(a->correlation) ? a->a.id : a->correlation;
        event_uuid(s, e, "action", a->a.id);
        event_string(s, e, "verb", verb_to_string(a->a.verb));
}

ActionFull *action_new(Supervisor *s, Service *svc, Verb verb, bool automatic, const char *by, const char *via,
                       const char *reason, uint64_t cause, Id128 correlation) {
        ActionFull *a;
        Event *e;

        if (s->n_actions == s->actions_allocated) {
                size_t n = s->actions_allocated ? 2 * s->actions_allocated : 16;
                ActionFull **new = reallocarray(s->actions, n, sizeof(ActionFull *));

                if (!new) {
                        latch(s, -ENOMEM);
                        return NULL;
                }
                s->actions = new;
                s->actions_allocated = n;
        }
        a = calloc(1, sizeof(ActionFull));
        if (!a) {
                latch(s, -ENOMEM);
                return NULL;
        }
        a->a.id = uuidgen_v7(&s->uuids, s->now.realtime);
        a->a.verb = verb;
        a->a.automatic = automatic;
        a->a.created = s->now;
        a->correlation = correlation;
        set_string(s, &a->a.unit, svc->config->unit);
        set_string(s, &a->a.by, by);
        set_string(s, &a->a.via, via);
        set_string(s, &a->a.reason, reason);
        s->actions[s->n_actions++] = a;
        priv(svc)->action = a;
        if (priv(svc)->owed)
                set_phase(s, svc, RECOVERY_ACTING, USEC_INFINITY,
                          automatic ? "its restart is under way" : "a command is under way");
        e = emit(s, svc, EVENT_ACTION_REQUESTED, cause, automatic ? PRIORITY_HIGH : PRIORITY_NORMAL, EMIT_LIVE);
        tell_action(s, a, e);
        event_string(s, e, "by", by);
        event_string(s, e, "via", via);
        event_string(s, e, "reason", reason);
        event_bool(s, e, "automatic", automatic);
        a->requested_seq = event_seq(e);
        a->a.requested_seq = seq_public(a->requested_seq);
        touch(s, svc);
        touch_state(s, svc);
        return a;
}

void action_add_step(Supervisor *s, ActionFull *a, const char *unit, Verb verb) {
        ActionStep *n = reallocarray(a->steps, a->n_steps + 1, sizeof(ActionStep));

        if (!n) {
                latch(s, -ENOMEM);
                return;
        }
        a->steps = n;
        a->steps[a->n_steps] = (ActionStep){ .verb = verb };
        set_string(s, &a->steps[a->n_steps].unit, unit);
        a->n_steps++;
}

ActionFull *action_of_job(const Supervisor *s, const char *unit, uint32_t job_id) {
        const Service *svc = find_service(s, unit);
        ActionFull *a = svc ? action_on(svc) : NULL;

        return a && job_id != 0 && a->replied && a->a.job_id == job_id ? a : NULL;
}

static ActionFull *action_find(const Supervisor *s, Id128 id) {
        for (size_t i = s->n_actions; i > 0; i--)
                if (id128_equal(s->actions[i - 1]->a.id, id))
                        return s->actions[i - 1];
        return NULL;
}

/* ---- the end ---- */

static void prune_finished(Supervisor *s) {
        size_t finished = 0;

        for (size_t i = 0; i < s->n_actions; i++)
                finished += s->actions[i]->a.state != ACTION_RUNNING;
        for (size_t i = 0; i < s->n_actions && finished > ACTIONS_KEPT;) {
                if (s->actions[i]->a.state == ACTION_RUNNING) {
                        i++;
                        continue;
                }
                action_full_free(s->actions[i]);
                memmove(s->actions + i, s->actions + i + 1, (--s->n_actions - i) * sizeof(ActionFull *));
                finished--;
        }
}

static void leave_service(Service *svc, const ActionFull *a) {
        if (svc && priv(svc)->action == a)
                priv(svc)->action = NULL;
}

void action_finish(Supervisor *s, ActionFull *a, ActionState state, int error, const char *format, ...) {
        Service *target = find_service(s, a->a.unit), *step = a->service;
        Effect *f;
        va_list ap;
        Event *e;

        if (a->a.state != ACTION_RUNNING)
                return;
        a->a.state = state;
        a->a.error = error;
        a->a.finished = s->now;
        a->a.progress = free_(a->a.progress);
        if (format) {
                va_start(ap, format);
                if (vasprintf(&a->a.error_text, format, ap) < 0) {
                        a->a.error_text = NULL;
                        latch(s, -ENOMEM);
                }
                va_end(ap);
        }
        e = emit(s, target, EVENT_ACTION_FINISHED, a->requested_seq,
                 state == ACTION_FAILED ? PRIORITY_HIGH : PRIORITY_NORMAL, EMIT_LIVE);
        tell_action(s, a, e);
        event_string(s, e, "result", action_state_to_string(state));
        if (a->a.job_id != 0)
                event_uint(s, e, "job", a->a.job_id);
        if (a->a.job_result != JOB_RESULT_UNKNOWN)
                event_string(s, e, "job_result", job_result_to_string(a->a.job_result));
        event_string(s, e, "error", a->a.error_text);
        event_uint(s, e, "duration_usec", s->now.boottime - a->a.created.boottime);
        a->finished_seq = event_seq(e);
        a->a.finished_seq = seq_public(a->finished_seq);
        a->asked = false;
        a->service = NULL;
        leave_service(target, a);
        leave_service(step, a);
        f = effect_push(s, EFFECT_ACTION);
        if (f)
                f->action = &a->a;
        prune_finished(s);
        if (step && step != target) {
                touch_state(s, step);
                recovery_plan(s, step);
        }
        if (target) {
                touch(s, target);
                touch_state(s, target);
                recovery_plan(s, target);
        }
}

/* ---- steps ---- */

static void ask(Supervisor *s, ActionFull *a, Service *svc, const ActionStep *step) {
        ServicePriv *p = priv(svc);
        bool limited = p->start_limited || svc->unit.result == RESULT_START_LIMIT_HIT;
        bool reset = limited && IN_SET(step->verb, VERB_START, VERB_RESTART);
        Effect *f;

        p->action = a;
        p->own_reset = reset;
        if (p->owed)
                set_phase(s, svc, RECOVERY_ACTING, USEC_INFINITY,
                          a->a.automatic ? "its restart is under way" : "a command is under way");
        a->service = svc;
        a->asked = true;
        a->replied = false;
        a->a.job_id = 0;
        a->early_job = 0;
        a->invocation_before = p->current;
        /* What the decision rests on is stored before it is carried out. */
        touch_state(s, svc);
        state_store(s, svc);
        state_store_host(s);
        f = effect_push(s, EFFECT_JOB);
        if (!f)
                return;
        f->job.action = a->a.id;
        set_string(s, &f->job.unit, step->unit);
        f->job.verb = step->verb;
        f->job.reset_failed_first = reset;
        f->job.automatic = a->a.automatic;
}

static bool last_step(const ActionFull *a) {
        return a->step + 1 >= a->n_steps;
}

void action_run(Supervisor *s, ActionFull *a) {
        while (a->step < a->n_steps) {
                const ActionStep *step = &a->steps[a->step];
                Service *svc = find_service(s, step->unit);
                ActionFull *other;

                if (!svc) {
                        action_finish(s, a, ACTION_FAILED, -ENOENT, "%s left supervision", step->unit);
                        return;
                }
                if (!last_step(a) && unit_class(&svc->unit) == CLASS_UP) {
                        a->step++;
                        continue;
                }
                other = priv(svc)->action;
                if (other && other != a) {
                        if (!other->a.automatic) {
                                action_finish(s, a, ACTION_FAILED, -EBUSY, "%s is busy with another action",
                                              step->unit);
                                return;
                        }
                        priv(svc)->action = a; /* keeps the other's end from being planned on */
                        action_finish(s, other, ACTION_CANCELLED, -ECANCELED, "a command of %s took over", a->a.by);
                }
                if (!last_step(a))
                        set_stringf(s, &a->a.progress, "starting %s first", step->unit);
                else
                        a->a.progress = free_(a->a.progress);
                ask(s, a, svc, step);
                return;
        }
        action_finish(s, a, ACTION_DONE, 0, NULL);
}

static void step_done(Supervisor *s, ActionFull *a) {
        Service *svc = a->service;

        a->asked = false;
        a->service = NULL;
        if (!last_step(a)) {
                leave_service(svc, a);
                touch(s, svc);
                recovery_plan(s, svc);
        }
        a->step++;
        action_run(s, a);
}

static void step_failed(Supervisor *s, ActionFull *a, int error, const char *sentence) {
        if (last_step(a))
                action_finish(s, a, ACTION_FAILED, error, "%s", sentence);
        else
                action_finish(s, a, ACTION_FAILED, error, "%s could not be started first: %s", a->steps[a->step].unit,
                              sentence);
}

/* The start job ended and the unit is down. True if that is all right (a oneshot unit that went through). */
static bool start_ended_down(Supervisor *s, ActionFull *a, Service *svc, JobResult result, const char **ret_sentence) {
        ServicePriv *p = priv(svc);
        bool new_invocation = !id128_equal(p->current, a->invocation_before);

        *ret_sentence = job_result_sentence(result);
        /* The result stays that of the last end when the limit is hit ("Start request repeated too quickly"). */
        p->start_limited = result == JOB_FAILED && !new_invocation && svc->unit.active == UNIT_FAILED;
        if (p->start_limited)
                *ret_sentence = "systemd started nothing, most likely the unit's StartLimitBurst= is reached";
        switch (result) {
        case JOB_DONE:
                if (new_invocation) {
                        p->judged = false;
                        service_judge(s, svc, false);
                        *ret_sentence = "the unit failed right after its start";
                        return svc->unit.active != UNIT_FAILED;
                }
                *ret_sentence = svc->unit.condition_failed ? "its conditions (Condition…=) are not met"
                                                           : "systemd said done, but nothing was started";
                set_string(s, &p->refused, *ret_sentence);
                return false;
        case JOB_DEPENDENCY:
                service_dependency_failed(s, svc);
                return false;
        case JOB_RESULT_UNKNOWN:
                /* Nobody saw the end; the state that is read next is judged as found. */
                if (p->judged)
                        p->not_before = usec_add(s->now.boottime, REFUSAL_GRACE);
                else
                        p->found = FOUND_KNOWN;
                return false;
        case JOB_CANCELED:
        case JOB_COLLECTED:
                /* Somebody replaced our job; his own is announced next. */
                if (new_invocation)
                        p->judged = false;
                if (p->judged) {
                        p->not_before = usec_add(s->now.boottime, CANCEL_GRACE);
                        return false;
                }
                p->judge_at = usec_add(s->now.boottime, CANCEL_GRACE);
                p->judge_as_failure = false;
                return false;
        default:
                if (svc->unit.active == UNIT_FAILED)
                        service_failed(s, svc, NULL);
                else if (new_invocation || !p->judged)
                        service_judge(s, svc, false);
                return false;
        }
}

void action_job_ended(Supervisor *s, ActionFull *a, JobResult result) {
        Service *svc = a->service;
        Verb verb = a->steps[a->step].verb;
        bool down = unit_class(&svc->unit) == CLASS_DOWN;
        const char *sentence = job_result_sentence(result);

        a->a.job_result = result;
        if (verb == VERB_STOP) {
                if (down)
                        service_asked_down(s, svc, INTENT_COMMAND, a->a.by);
                a->asked = false;
                if (result == JOB_DONE)
                        step_done(s, a);
                else
                        step_failed(s, a, job_result_to_errno(result), sentence);
                return;
        }
        a->asked = false;
        if (!down) {
                priv(svc)->start_limited = false;
                service_judge(s, svc, false);
                if (result == JOB_DONE)
                        step_done(s, a);
                else
                        step_failed(s, a, job_result_to_errno(result), sentence);
                return;
        }
        if (verb == VERB_RELOAD) {
                service_judge(s, svc, false);
                step_failed(s, a, job_result_to_errno(result) ?: -EIO, "the unit went down");
                return;
        }
        if (start_ended_down(s, a, svc, result, &sentence))
                step_done(s, a);
        else
                step_failed(s, a, job_result_to_errno(result) ?: -EIO, sentence);
}

void action_resolve_lost(Supervisor *s, Service *svc) {
        ActionFull *a = action_on(svc);

        if (!a || !a->replied || a->a.job_id == 0 || a->a.job_id == svc->unit.job_id)
                return;
        switch (unit_class(&svc->unit)) {
        case CLASS_UP:
                action_job_ended(s, a, a->steps[a->step].verb == VERB_STOP ? JOB_FAILED : JOB_DONE);
                break;
        case CLASS_DOWN:
                action_job_ended(s, a, a->steps[a->step].verb == VERB_STOP ? JOB_DONE : JOB_FAILED);
                break;
        default:
                a->asked = false;
                step_failed(s, a, -ECONNRESET, "the connection to systemd was lost while the job ran");
        }
}

/* ---- answers of systemd ---- */

/* Refusals that will be repeated for ever: a person has to do something. polkit's answer may lag behind a grant that was
 * just given, so it is asked again before it is believed. */
static bool refusal_is_final(const ServicePriv *p, int error) {
        if (IN_SET(error, -EACCES, -EPERM))
                return p->denials >= DENIALS_MAX;
        return IN_SET(error, -ENOENT, -ERFKILL, -EOPNOTSUPP, -ENOEXEC, -EBADMSG, -ENOLINK);
}

/* A job that ended before the answer came and that is not ours after all. */
static void settle_early_job(Supervisor *s, ActionFull *a, uint32_t job_id) {
        uint32_t early = a->early_job;
        Service *svc = a->service;

        if (early == 0 || early == job_id)
                return;
        a->early_job = 0;
        if (priv(svc)->job != early)
                return;
        /* While our own job is pending its end decides; only the record of the other one is closed. */
        if (job_id != 0)
                priv(svc)->job = 0;
        else
                service_job_ended(s, svc, a->early_result);
}

static void step_refused(Supervisor *s, ActionFull *a, int error, const char *text) {
        Service *svc = a->service;
        ServicePriv *p = priv(svc);
        _cleanup_free_ char *shown = NULL;

        latch(s, str_sanitize(text ?: strerrordesc_np(-error) ?: "refused", 512, &shown));
        p->denials = IN_SET(error, -EACCES, -EPERM) ? p->denials + 1 : 0;
        /* What was refused just now is not granted in the same instant. */
        if (a->a.automatic)
                p->not_before = usec_add(s->now.boottime, REFUSAL_GRACE);
        if (a->a.automatic && refusal_is_final(p, error))
                set_stringf(s, &p->refused, "systemd refused to start it: %s", strnull(shown));
        a->asked = false;
        settle_early_job(s, a, 0);
        /* ResetFailedUnit may have worked before the refusal; the signal may come later. */
        if (p->judged && unit_class(&svc->unit) == CLASS_DOWN && svc->unit.active != p->judged_active) {
                p->judged_active = svc->unit.active;
                p->own_reset = false;
        }
        if (!p->judged)
                service_judge(s, svc, false);
        if (svc->phase == RECOVERY_ACTING && p->owed)
                p->failed_at = s->now;
        step_failed(s, a, error, strnull(shown));
}

static void step_accepted(Supervisor *s, ActionFull *a, uint32_t job_id) {
        Service *svc = a->service;
        JobRecord *record = job_record(s, svc->config->unit);

        a->replied = true;
        a->a.job_id = job_id;
        priv(svc)->denials = 0;
        if (priv(svc)->job == job_id)
                priv(svc)->job = 0;
        if (record && record->id == job_id)
                record->ours = true;
        if (a->steps[a->step].verb == VERB_RESET_FAILED) {
                a->asked = false;
                settle_early_job(s, a, 0);
                service_judge(s, svc, false);
                step_done(s, a);
                return;
        }
        settle_early_job(s, a, job_id);
        if (job_id == 0)
                action_job_ended(s, a, unit_class(&svc->unit) == CLASS_UP ? JOB_DONE : JOB_FAILED);
        else if (a->early_job == job_id)
                action_job_ended(s, a, a->early_result);
}

int supervisor_job_replied(Supervisor *s, Instant now, Id128 action, uint32_t job_id, int error,
                           const char *error_text) {
        ActionFull *a;

        assert(s);
        supervisor_enter(s, now);
        a = action_find(s, action);
        if (!a || !a->asked || a->replied)
                return supervisor_leave(s);
        if (error < 0)
                step_refused(s, a, error, error_text);
        else
                step_accepted(s, a, job_id);
        touch_state(s, find_service(s, a->a.unit));
        return supervisor_leave(s);
}

/* ---- reading ---- */

const Action *supervisor_action(const Supervisor *s, Id128 id) {
        const ActionFull *a;

        assert(s);
        a = action_find(s, id);
        return a ? &a->a : NULL;
}

bool supervisor_next_action(const Supervisor *s, void **state, const Action **ret) {
        size_t i = (size_t) *state;

        assert(s);
        if (i >= s->n_actions)
                return false;
        *ret = &s->actions[i]->a;
        *state = (void *) (i + 1);
        return true;
}
