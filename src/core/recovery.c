/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When to bring a failed service back, and whether at all. */
#include "core/supervisor-internal.h"

#include <stdarg.h>
#include <stdio.h>

void set_phase(Supervisor *s, Service *svc, RecoveryPhase phase, usec_t due, const char *format, ...) {
        char *detail = NULL;
        va_list ap;

        if (format) {
                va_start(ap, format);
                if (vasprintf(&detail, format, ap) < 0) {
                        detail = NULL;
                        latch(s, -ENOMEM);
                }
                va_end(ap);
        }
        note(s, svc);
        if (svc->phase == phase && svc->due == due && streq_ptr(svc->phase_detail, detail)) {
                free(detail);
                return;
        }
        free(svc->phase_detail);
        svc->phase_detail = detail;
        svc->phase = phase;
        svc->due = due;
        touch(s, svc);
        touch_state(s, svc);
}

void recovery_owe(Supervisor *s, Service *svc, uint64_t cause) {
        ServicePriv *p = priv(svc);

        if (!p->owed) {
                p->down_since = s->now;
                p->tries = 0;
        }
        p->owed = true;
        p->up = false;
        p->failed_at = s->now;
        p->host_wait_told = false;
        p->wait_seq = cause;
        p->failure_seq = cause;
        svc->failure_seq = seq_public(cause);
        touch_state(s, svc);
}

/* Nothing is owed any more, nor anything known of why it was. */
static void forget_owed(Service *svc) {
        ServicePriv *p = priv(svc);

        p->owed = false;
        p->victim = false;
        p->victim_of = free_(p->victim_of);
        p->displaced_by = free_(p->displaced_by);
        p->wait_seq = 0;
        p->not_before = 0;
        p->failure_seq = svc->failure_seq = 0;
}

void recovery_cancel(Supervisor *s, Service *svc, const char *reason) {
        ServicePriv *p = priv(svc);

        if (p->owed && !IN_SET(svc->phase, RECOVERY_IDLE, RECOVERY_SETTLING, RECOVERY_ACTING)) {
                Event *e = emit(s, svc, EVENT_RECOVERY_CANCELLED, p->wait_seq, PRIORITY_NORMAL, EMIT_LIVE);

                event_string(s, e, "reason", reason);
        }
        forget_owed(svc);
        set_phase(s, svc, RECOVERY_IDLE, USEC_INFINITY, "%s", reason);
        touch_state(s, svc);
}

void recovery_up(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        const Invocation *inv = invocation_current(svc);

        if (p->owed) {
                Event *e;

                if (IN_SET(svc->phase, RECOVERY_BACKOFF, RECOVERY_SLOW) && svc->due != USEC_INFINITY) {
                        e = emit(s, svc, EVENT_RECOVERY_CANCELLED, p->wait_seq, PRIORITY_NORMAL, EMIT_LIVE);
                        event_string(s, e, "reason", "it is up again");
                }
                e = emit(s, svc, EVENT_SERVICE_RECOVERED, inv && inv->started_seq ? inv->started_seq : p->wait_seq,
                         PRIORITY_NORMAL, EMIT_LIVE);
                event_invocation(s, e, p->current);
                event_uint(s, e, "attempts", p->tries);
                event_uint(s, e, "downtime_usec", s->now.boottime - p->down_since.boottime);
                event_string(s, e, "intent", intent_to_string(svc->start_intent));
                if (svc->start_intent == INTENT_SYND)
                        svc->restarts++;
        }
        forget_owed(svc);
        if (svc->attempt > 0 || svc->slow)
                set_phase(s, svc, RECOVERY_SETTLING, usec_add(s->now.boottime, svc->config->recovery.reset_after),
                          "up again, not yet stable");
        else
                set_phase(s, svc, RECOVERY_IDLE, USEC_INFINITY, NULL);
        touch_state(s, svc);
}

static void recovery_stable(Supervisor *s, Service *svc) {
        const Invocation *inv = invocation_current(svc);
        Event *e = emit(s, svc, EVENT_RECOVERY_STABLE, inv ? inv->started_seq : 0, PRIORITY_LOW, EMIT_LIVE);

        event_uint(s, e, "after_usec", svc->config->recovery.reset_after);
        svc->attempt = 0;
        svc->slow = false;
        set_phase(s, svc, RECOVERY_IDLE, USEC_INFINITY, NULL);
}

/* ---- waiting ---- */

static _printf_(6, 7) void enter_wait(Supervisor *s, Service *svc, RecoveryPhase phase, usec_t due, const char *what,
                                      const char *format, ...) {
        _cleanup_free_ char *detail = NULL;
        ServicePriv *p = priv(svc);
        va_list ap;
        bool news;
        Event *e;

        va_start(ap, format);
        if (vasprintf(&detail, format, ap) < 0) {
                detail = NULL;
                latch(s, -ENOMEM);
        }
        va_end(ap);
        news = svc->phase != phase || !streq_ptr(svc->phase_detail, detail);
        set_phase(s, svc, phase, due, "%s", detail ?: "");
        if (!news)
                return;
        e = emit(s, svc, EVENT_RECOVERY_WAITING, p->wait_seq, PRIORITY_NORMAL, EMIT_LIVE);
        event_string(s, e, "for", what);
        event_string(s, e, "detail", detail);
        p->wait_seq = event_seq(e) ?: p->wait_seq;
}

/* True if only a person can help; says so. */
static bool wait_for_person(Supervisor *s, Service *svc) {
        const ServiceConfig *c = svc->config;
        const char *what = "operator", *detail = NULL;

        if (c->protected_ || !c->granted) {
                what = "grant";
                detail = c->protected_ ? "it is protected: synd only observes it"
                                       : "its unit files do not say Supervise=yes: synd only observes it "
                                         "(\"synctl adopt\" as root grants it)";
        } else if (svc->maintenance) {
                what = "maintenance";
                detail = "it is in maintenance";
        } else if (!c->recovery.enabled)
                detail = "Recovery= is switched off for it";
        else if (c->recovery.budget.limit == 0)
                detail = "RecoveryBudget=0: it is never restarted";
        else if (s->config.host_budget.limit == 0)
                detail = "the host's budget is 0: nothing is restarted";
        else if (svc->unit.load == UNIT_MASKED)
                detail = "the unit is masked";
        else if (svc->unit.load == UNIT_NOT_FOUND)
                detail = "the unit file is gone";
        else if (IN_SET(svc->unit.load, UNIT_BAD_SETTING, UNIT_ERROR))
                detail = "systemd cannot load the unit file";
        else if (priv(svc)->refused)
                detail = priv(svc)->refused;
        if (!detail)
                return false;
        enter_wait(s, svc, RECOVERY_WAIT_PERSON, USEC_INFINITY, what, "%s", detail);
        return true;
}

/* ---- planning ---- */

static usec_t backoff_delay(Supervisor *s, const Service *svc) {
        const RecoverySettings *r = &svc->config->recovery;
        usec_t d = r->backoff_base;

        for (uint32_t i = 0; i < svc->attempt && d < r->backoff_max; i++)
                d = d > USEC_INFINITY / 2 ? r->backoff_max : 2 * d;
        d = MIN(d, r->backoff_max);
        if (d == 0 || r->jitter <= 0)
                return d;
        return (usec_t) ((double) d * (1.0 + r->jitter * (2.0 * prng_double(&s->prng) - 1.0)));
}

static void budget_spent(Supervisor *s, Service *svc, usec_t due) {
        const RecoverySettings *r = &svc->config->recovery;
        ServicePriv *p = priv(svc);
        Event *e;

        svc->slow = true;
        e = emit(s, svc, EVENT_RECOVERY_BUDGET_SPENT, p->wait_seq, PRIORITY_HIGH, EMIT_LIVE);
        event_uint(s, e, "limit", r->budget.limit);
        event_uint(s, e, "window_usec", r->budget.window);
        if (r->slow_retry != USEC_INFINITY) {
                event_uint(s, e, "slow_retry_usec", r->slow_retry);
                if (e && e->data)
                        latch(s, json_set_time(e->data, "next", s->now.realtime + (due - s->now.boottime)));
        }
        p->wait_seq = event_seq(e) ?: p->wait_seq;
}

static const ConfigField *rule_of(const ServiceConfig *c) {
        for (size_t i = c->n_fields; i > 0; i--)
                if (startswith(c->fields[i - 1].key, "Recovery"))
                        return &c->fields[i - 1];
        return NULL;
}

static void tell_scheduled(Supervisor *s, Service *svc) {
        const RecoverySettings *r = &svc->config->recovery;
        const ConfigField *rule = rule_of(svc->config);
        ServicePriv *p = priv(svc);
        Event *e;

        e = emit(s, svc, EVENT_RECOVERY_SCHEDULED, p->wait_seq, PRIORITY_NORMAL, EMIT_LIVE);
        event_uint(s, e, "attempt", (uint64_t) svc->attempt + 1);
        event_uint(s, e, "delay_usec", svc->due - s->now.boottime);
        event_string(s, e, "mode", svc->slow ? "slow" : "backoff");
        event_uint(s, e, "budget_used", budget_used(&svc->budget, &r->budget, s->now));
        event_uint(s, e, "budget_limit", r->budget.limit);
        if (e && e->data && rule) {
                _cleanup_json_ Json *o = NULL;

                latch(s, json_new_object(&o));
                if (o) {
                        latch(s, json_set_string(o, "file", rule->file));
                        latch(s, json_set_uint(o, "line", rule->line));
                        latch(s, json_set(e->data, "rule", o));
                }
        }
        p->wait_seq = event_seq(e) ?: p->wait_seq;
}

static void schedule(Supervisor *s, Service *svc) {
        const RecoverySettings *r = &svc->config->recovery;
        ServicePriv *p = priv(svc);
        usec_t now = s->now.boottime, due, token;

        /* A victim did nothing wrong: it comes back as soon as it can. */
        due = p->victim && svc->attempt == 0 ? now : usec_add(p->failed_at.boottime, backoff_delay(s, svc));
        due = MAX(MAX(due, p->not_before), now);
        token = budget_next(&svc->budget, &r->budget, s->now);
        if (svc->slow || token > due) {
                due = MAX(usec_add(p->failed_at.boottime, r->slow_retry), token);
                due = MAX(MAX(due, p->not_before), now);
                if (!svc->slow)
                        budget_spent(s, svc, due);
                if (r->slow_retry == USEC_INFINITY) {
                        enter_wait(s, svc, RECOVERY_WAIT_PERSON, USEC_INFINITY, "operator",
                                   "its recovery budget is spent and RecoverySlowRetry=infinity");
                        return;
                }
        }
        p->host_wait_told = false;
        set_phase(s, svc, svc->slow ? RECOVERY_SLOW : RECOVERY_BACKOFF, due,
                  svc->slow ? "budget spent: slow retry" : "restart after back-off");
        tell_scheduled(s, svc);
        if (due <= now)
                recovery_fire(s, svc);
}

/* A unit that must not run together with this one and that was started, as far as can be known, since this one failed:
 * whoever started it does not want this one. */
static bool was_started(const Supervisor *s, const char *rival, const Service *svc) {
        const Service *other = find_service(s, rival);
        const JobRecord *j = job_record(s, rival);

        if (other && other->seen)
                return IN_SET(unit_class(&other->unit), CLASS_UP, CLASS_STARTING, CLASS_AUTO_RESTART);
        return j && (j->pending || j->created >= priv(svc)->down_since.boottime);
}

static const char *rival_of(const Supervisor *s, const Service *svc) {
        return priv(svc)->displaced_by ?: find_rival(s, svc, was_started);
}

/* True if something else than time or a token has to come first; the phase says what. */
static bool must_wait(Supervisor *s, Service *svc) {
        _cleanup_free_ char *sentence = NULL;
        ServicePriv *p = priv(svc);
        const UnitSnapshot *u = &svc->unit;
        const char *rival;

        if (s->host == HOST_STOPPING) {
                set_phase(s, svc, RECOVERY_IDLE, USEC_INFINITY, "the host is going down");
                return true;
        }
        if (p->stale) {
                set_phase(s, svc, RECOVERY_BACKOFF, USEC_INFINITY, "its state is being read again");
                return true;
        }
        switch (unit_class(u)) {
        case CLASS_AUTO_RESTART:
                enter_wait(s, svc, RECOVERY_WAIT_SYSTEMD, USEC_INFINITY, "systemd-restart",
                           "systemd restarts it itself (Restart=)");
                return true;
        case CLASS_DOWN:
                break;
        case CLASS_UNKNOWN:
                enter_wait(s, svc, RECOVERY_WAIT_PERSON, USEC_INFINITY, "operator",
                           "the state of the unit is not understood");
                return true;
        default:
                set_phase(s, svc, RECOVERY_BACKOFF, USEC_INFINITY, "waits for the unit to start or stop");
                return true;
        }
        if (p->job != 0) {
                set_phase(s, svc, RECOVERY_BACKOFF, USEC_INFINITY, "a job of somebody else is under way");
                return true;
        }
        if (wait_for_person(s, svc))
                return true;
        rival = rival_of(s, svc);
        if (rival) {
                /* Kept: what is known of jobs is forgotten sooner than what the person wanted. */
                set_string(s, &p->displaced_by, rival);
                enter_wait(s, svc, RECOVERY_WAIT_PERSON, USEC_INFINITY, "operator",
                           "%s, which it conflicts with, was started", p->displaced_by);
                return true;
        }
        if (u->condition_failed && !IN_SET(u->active, UNIT_FAILED)) {
                enter_wait(s, svc, RECOVERY_WAIT_PERSON, USEC_INFINITY, "operator",
                           "its conditions (Condition…=) are not met");
                return true;
        }
        if (u->active == UNIT_FAILED && u->auto_restart && u->result != RESULT_START_LIMIT_HIT && !p->gave_up) {
                usec_t due = svc->phase == RECOVERY_WAIT_SYSTEMD && svc->due != USEC_INFINITY
                                             ? svc->due
                                             : usec_add(s->now.boottime, SYSTEMD_GRACE);

                enter_wait(s, svc, RECOVERY_WAIT_SYSTEMD, due, "systemd-restart",
                           "systemd may restart it itself (Restart=)");
                return true;
        }
        if (graph_blocker(s, svc, &sentence)) {
                enter_wait(s, svc, RECOVERY_WAIT_DEPENDENCY, USEC_INFINITY, "dependency", "%s", strnull(sentence));
                return true;
        }
        return false;
}

void recovery_plan(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);

        if (!p->owed || !svc->seen || p->action || unit_class(&svc->unit) == CLASS_UP)
                return;
        if (!must_wait(s, svc))
                schedule(s, svc);
}

/* ---- acting ---- */

static bool host_token_free(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        usec_t free_at = budget_next(&s->host_budget, &s->config.host_budget, s->now);
        Event *e;

        if (free_at <= s->now.boottime)
                return true;
        set_phase(s, svc, svc->phase, free_at, "the host's recovery budget is spent");
        if (p->host_wait_told)
                return false;
        p->host_wait_told = true;
        e = emit(s, svc, EVENT_RECOVERY_WAITING, p->wait_seq, PRIORITY_HIGH, EMIT_LIVE);
        event_string(s, e, "for", "host-budget");
        event_string(s, e, "detail", svc->phase_detail);
        p->wait_seq = event_seq(e) ?: p->wait_seq;
        return false;
}

static void act(Supervisor *s, Service *svc) {
        ServicePriv *p = priv(svc);
        _cleanup_free_ char *reason = NULL;
        ActionFull *a;

        latch(s, str_printf(&reason, "%s%s%s", p->victim ? "what it needs is up again" : "it failed",
                            svc->last_error && !p->victim ? ": " : "", p->victim ? "" : svc->last_error ?: ""));
        a = action_new(s, svc, VERB_START, true, "synd", NULL, reason, p->wait_seq, ID128_NULL);
        if (!a)
                return;
        action_add_step(s, a, svc->config->unit, VERB_START);
        action_run(s, a);
}

void recovery_fire(Supervisor *s, Service *svc) {
        const RecoverySettings *r = &svc->config->recovery;
        ServicePriv *p = priv(svc);
        int q;

        if (!p->owed || p->action || !host_allows_action(s) || must_wait(s, svc))
                return;
        if (budget_next(&svc->budget, &r->budget, s->now) > s->now.boottime) {
                schedule(s, svc);
                return;
        }
        if (!host_token_free(s, svc))
                return;
        q = budget_take(&svc->budget, &r->budget, s->now);
        if (q >= 0)
                q = budget_take(&s->host_budget, &s->config.host_budget, s->now);
        if (q < 0) {
                /* Nothing is done that cannot be counted. */
                latch(s, q);
                set_phase(s, svc, svc->phase, usec_add(s->now.boottime, USEC_PER_SEC),
                          "no memory to count the restart");
                return;
        }
        s->host_dirty = true;
        if (svc->attempt < UINT32_MAX)
                svc->attempt++;
        p->tries++;
        p->not_before = 0;
        touch_state(s, svc);
        act(s, svc);
}

void recovery_tick(Supervisor *s, Service *svc) {
        switch (svc->phase) {
        case RECOVERY_BACKOFF:
        case RECOVERY_SLOW:
                recovery_fire(s, svc);
                break;
        case RECOVERY_SETTLING:
                recovery_stable(s, svc);
                break;
        case RECOVERY_WAIT_SYSTEMD:
                /* It does not come: the unit's Restart= did not match, or its limit is reached. */
                priv(svc)->gave_up = true;
                svc->due = USEC_INFINITY;
                recovery_plan(s, svc);
                break;
        default:
                svc->due = USEC_INFINITY;
        }
}
