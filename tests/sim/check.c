/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

#define EFFECTS_MAX (64 + 48 * MODEL_UNITS)

void check_fail(Check *c, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(c->reason, sizeof(c->reason), format, ap);
        va_end(ap);
        longjmp(c->failed, 1);
}

static void *free_text(void *p) {
        return free_(p);
}

int check_init(Check *c, Model *m) {
        *c = (Check){ .m = m, .hash = UINT64_C(14695981039346656037) };
        return hashmap_new(&c->states, free_text);
}

void check_done(Check *c) {
        for (int i = 0; i < MODEL_UNITS; i++)
                free(c->units[i].acts);
        free(c->acts);
        free(c->log);
        c->states = hashmap_free(c->states);
}

static const Service *service_of(const Check *c, int i) {
        return c->s ? supervisor_get(c->s, c->m->units[i].name) : NULL;
}

static int unit_index(const Check *c, const char *unit) {
        for (int i = 0; unit && i < MODEL_UNITS; i++)
                if (streq(c->m->units[i].name, unit))
                        return i;
        return -1;
}

/* ---- what is known ---- */

static bool is_wish(Cause cause) {
        return IN_SET(cause, C_PERSON, C_CONFLICT, C_DEPENDENCY, C_ISOLATE, C_SHUTDOWN);
}

static void note_stop(Check *c, const Message *m) {
        if (m->job_type == MJ_STOP && m->result == JOB_DONE && is_wish(m->cause))
                c->units[m->unit].down_by = m->cause;
        /* Somebody wants it up again, whatever came of it. */
        if ((m->job_type == MJ_START || m->job_type == MJ_RESTART) && m->result != JOB_CANCELED && m->cause != C_SYND)
                c->units[m->unit].down_by = C_NONE;
        /* A start that did nothing (a condition is not met) is nobody's failure. */
        if (IN_SET(m->job_type, MJ_START, MJ_RESTART) && m->result == JOB_DONE)
                c->units[m->unit].doubtful = true;
        /* Whether it is known for a victim depends on what the bus told first; when in doubt it stays down. */
        if (m->job_type == MJ_STOP && m->cause == C_VICTIM)
                c->units[m->unit].doubtful = true;
}

static void note_invocation(Check *c, const Message *m) {
        if (id128_equal(c->units[m->unit].invocation, m->u.invocation))
                return;
        c->units[m->unit].invocation = m->u.invocation;
        c->units[m->unit].down_by = C_NONE;
        c->units[m->unit].cancelled = c->units[m->unit].doubtful = false;
}

void check_message(Check *c, const Message *m) {
        if (m->type == MSG_HOST)
                c->host = m->host;
        if (m->type == MSG_HOST || m->unit < 0)
                return;
        switch (m->type) {
        case MSG_JOB_NEW:
                c->units[m->unit].pending = m->job;
                break;
        case MSG_REPLY:
                if (m->error == 0 && m->job != 0 && c->units[m->unit].pending == m->job)
                        c->units[m->unit].pending = 0;
                break;
        case MSG_JOB_REMOVED:
                if (c->units[m->unit].pending == m->job)
                        c->units[m->unit].pending = 0;
                if (m->result == JOB_CANCELED)
                        c->units[m->unit].cancelled = true;
                note_stop(c, m);
                break;
        case MSG_UNIT:
                if (m->initial) {
                        c->units[m->unit].pending = m->u.job_id;
                        c->units[m->unit].seen = true;
                }
                note_invocation(c, m);
                if (m->cause == C_RESET)
                        c->units[m->unit].down_by = C_RESET;
                break;
        default:
                break;
        }
}

/* The journal and the state itself tell of these later. */
void check_lost(void *userdata, const Message *m) {
        Check *c = userdata;

        if (m->unit < 0 || m->type == MSG_HOST)
                return;
        if (m->type == MSG_UNIT) {
                note_invocation(c, m);
                if (m->cause == C_RESET)
                        c->units[m->unit].down_by = C_RESET;
        }
        if (m->type == MSG_JOB_REMOVED) {
                /* A stop of what was down already leaves no trace. */
                if (m->effective || m->job_type != MJ_STOP)
                        note_stop(c, m);
                if (m->result == JOB_CANCELED)
                        c->units[m->unit].cancelled = true;
        }
}

/* ---- effects ---- */

static void hash_bytes(Check *c, const void *p, size_t n) {
        const uint8_t *b = p;

        for (; n >= sizeof(uint64_t); b += sizeof(uint64_t), n -= sizeof(uint64_t)) {
                uint64_t w;

                memcpy(&w, b, sizeof(w));
                c->hash = (c->hash ^ w) * UINT64_C(1099511628211);
                c->hash ^= c->hash >> 29;
        }
        for (; n > 0; b++, n--)
                c->hash = (c->hash ^ *b) * UINT64_C(1099511628211);
}

static void hash_text(Check *c, const char *s) {
        if (s)
                hash_bytes(c, s, strlen(s));
}

static void take_event(Check *c, const Event *e) {
        const char *invocation = json_get_string(e->data, "invocation");
        LogEntry *l;

        if (e->seq != c->n_log + 1)
                CHECK_FAIL(c, "event %s has seq %" PRIu64 ", the log is at %zu", e->type, e->seq, c->n_log);
        if (e->cause_seq >= e->seq)
                CHECK_FAIL(c, "event %s %" PRIu64 " has a later cause %" PRIu64, e->type, e->seq, e->cause_seq);
        if (c->n_log == c->log_allocated) {
                c->log_allocated = c->log_allocated ? 2 * c->log_allocated : 1024;
                c->log = reallocarray(c->log, c->log_allocated, sizeof(LogEntry));
                assert(c->log);
        }
        l = &c->log[c->n_log++];
        *l = (LogEntry){ .seq = e->seq, .cause = e->cause_seq, .type = e->type, .unit = unit_index(c, e->unit) };
        l->automatic = streq(e->type, EVENT_ACTION_REQUESTED) && json_get_bool(e->data, "automatic", false);
        if (invocation)
                (void) id128_from_string(invocation, &l->invocation);
        hash_bytes(c, &e->seq, sizeof(e->seq));
        hash_bytes(c, &e->cause_seq, sizeof(e->cause_seq));
        hash_bytes(c, &e->id, sizeof(e->id));
        hash_text(c, e->type);
        if (c->trace) {
                _cleanup_free_ char *t = NULL;

                (void) json_format(e->data, &t);
                printf("    %" PRIu64 " <- %" PRIu64 " %s %s\n", e->seq, e->cause_seq, e->type, t);
        }
        c->events++;
}

static void count_act(Check *c, usec_t **acts, size_t *n, const Budget *b, const char *whose) {
        size_t within = 0;

        *acts = reallocarray(*acts, *n + 1, sizeof(usec_t));
        assert(*acts);
        (*acts)[(*n)++] = c->m->now;
        for (size_t i = *n; i > 0 && (*acts)[i - 1] + b->window > c->m->now; i--)
                within++;
        if (within > b->limit)
                CHECK_FAIL(c, "%s: %zu actions within a window of %u", whose, within, b->limit);
}

static void check_chain(Check *c, int unit) {
        const LogEntry *e = NULL, *first;

        for (size_t i = c->n_log; i > 0 && !e; i--)
                if (c->log[i - 1].unit == unit && c->log[i - 1].automatic)
                        e = &c->log[i - 1];
        if (!e)
                return; /* held back: it is looked at when the log is complete */
        first = e;
        while (e->cause != 0)
                e = &c->log[e->cause - 1];
        /* The beginning is something seen, or a person's request. */
        if (startswith(e->type, "recovery.") || e == first)
                CHECK_FAIL(c, "%s: the chain of causes of its restart ends at %s %" PRIu64, c->m->units[unit].name,
                           e->type, e->seq);
}

static void check_automatic(Check *c, int i) {
        const Service *svc = service_of(c, i);
        const char *name = c->m->units[i].name;

        c->automatic++;
        count_act(c, &c->units[i].acts, &c->units[i].n_acts, &svc->config->recovery.budget, name);
        count_act(c, &c->acts, &c->n_acts, &c->host_budget, "host");
        if (c->units[i].down_by != C_NONE)
                CHECK_FAIL(c, "%s was started against a wish (cause %d)", name, c->units[i].down_by);
        if (c->units[i].pending != 0)
                CHECK_FAIL(c, "%s was started while job %u of another is pending", name, c->units[i].pending);
        if (!c->m->units[i].granted)
                CHECK_FAIL(c, "%s was started without a grant", name);
        if (c->units[i].maintenance_until > c->m->now)
                CHECK_FAIL(c, "%s was started in maintenance", name);
        if (IN_SET(c->host, HOST_RELOADING, HOST_STOPPING, HOST_DISCONNECTED))
                CHECK_FAIL(c, "%s was started while the host is %s", name, host_state_to_string(c->host));
        check_chain(c, i);
}

static void take_job(Check *c, const Effect *e) {
        int i = unit_index(c, e->job.unit);

        if (i < 0)
                CHECK_FAIL(c, "a job for an unknown unit");
        if (c->trace)
                printf("    JOB %s %s%s\n", verb_to_string(e->job.verb), e->job.unit,
                       e->job.automatic ? " (automatic)" : "");
        if (e->job.automatic)
                check_automatic(c, i);
        hash_text(c, e->job.unit);
        hash_bytes(c, &e->job.verb, sizeof(e->job.verb));
        model_request(c->m, &(const Request){ .action = e->job.action,
                                              .unit = i,
                                              .verb = e->job.verb,
                                              .reset_failed_first = e->job.reset_failed_first,
                                              .automatic = e->job.automatic });
}

static void take_state(Check *c, Effect *e) {
        hash_text(c, e->state.key);
        hash_text(c, e->state.json);
        if (!e->state.json)
                free(hashmap_remove(c->states, e->state.key));
        else if (hashmap_replace(c->states, e->state.key, TAKE_PTR(e->state.json)) < 0)
                CHECK_FAIL(c, "out of memory");
}

void check_drain(Check *c) {
        size_t n = 0;
        Effect e;

        while (supervisor_pop(c->s, &e) > 0) {
                if (++n > EFFECTS_MAX)
                        CHECK_FAIL(c, "more than %d effects for one input", EFFECTS_MAX);
                switch (e.type) {
                case EFFECT_EVENT:
                        take_event(c, &e.event);
                        break;
                case EFFECT_JOB:
                        take_job(c, &e);
                        break;
                case EFFECT_STATE:
                        take_state(c, &e);
                        break;
                default:
                        break;
                }
                effect_done(&e);
        }
        c->effects += n;
}

/* ---- at rest ---- */

static void check_service(Check *c, int i, const Service *svc) {
        bool failed = svc->unit.active == UNIT_FAILED;

        switch (svc->phase) {
        case RECOVERY_IDLE:
                if (failed && c->units[i].pending == 0 && c->units[i].down_by == C_NONE && !c->units[i].cancelled &&
                    c->host != HOST_STOPPING && svc->unit.active_enter != 0 && !supervisor_wants_journal(c->s) &&
                    svc->status == SERVICE_FAILED && !c->units[i].forgotten && !c->units[i].doubtful)
                        CHECK_FAIL(c, "%s failed and nothing is done about it", svc->config->unit);
                break;
        case RECOVERY_BACKOFF:
        case RECOVERY_SLOW:
                if (svc->due == USEC_INFINITY && isempty(svc->phase_detail))
                        CHECK_FAIL(c, "%s waits for nothing", svc->config->unit);
                break;
        case RECOVERY_WAIT_DEPENDENCY:
        case RECOVERY_WAIT_PERSON:
        case RECOVERY_WAIT_SYSTEMD:
                if (isempty(svc->phase_detail))
                        CHECK_FAIL(c, "%s waits, and does not say for what", svc->config->unit);
                break;
        default:
                break;
        }
        if (svc->budget.n_used > svc->config->recovery.budget.limit)
                CHECK_FAIL(c, "%s holds more tokens than its budget has", svc->config->unit);
}

void check_step(Check *c) {
        for (int i = 0; i < MODEL_UNITS; i++) {
                const Service *svc = service_of(c, i);

                if (svc && svc->seen)
                        check_service(c, i, svc);
        }
}

/* Each invocation that the model ran is in the log once, in order. */
static void check_invocations(Check *c, int unit) {
        size_t at = c->units[unit].first_invocation;

        for (size_t i = 0; i < c->n_log; i++) {
                const LogEntry *l = &c->log[i];

                if (l->unit != unit || !streq(l->type, EVENT_SERVICE_STARTING))
                        continue;
                while (at < c->m->n_invocations && c->m->invocations[at].unit != unit)
                        at++;
                if (at == c->m->n_invocations)
                        CHECK_FAIL(c, "%s: event %" PRIu64 " tells of a start too many", c->m->units[unit].name,
                                   l->seq);
                if (!id128_equal(c->m->invocations[at].id, l->invocation)) {
                        uint64_t want, got;

                        memcpy(&want, c->m->invocations[at].id.bytes, 8);
                        memcpy(&got, l->invocation.bytes, 8);
                        CHECK_FAIL(c, "%s: event %" PRIu64 " is about invocation %" PRIu64 ", %" PRIu64 " is next",
                                   c->m->units[unit].name, l->seq, got, want);
                }
                at++;
        }
        for (; at < c->m->n_invocations; at++)
                if (c->m->invocations[at].unit == unit)
                        CHECK_FAIL(c, "%s: an invocation is missing in the log", c->m->units[unit].name);
}

static void check_settled(Check *c, int i, const Service *svc) {
        const MUnit *u = &c->m->units[i];

        if (model_is_up(u) != (svc->status == SERVICE_RUNNING))
                CHECK_FAIL(c, "%s is %s, the supervisor says %s", u->name, model_is_up(u) ? "up" : "not up",
                           service_status_to_string(svc->status));
        if (u->state != M_FAILED || !u->granted || c->units[i].down_by != C_NONE)
                return;
        if (!IN_SET(svc->phase, RECOVERY_WAIT_PERSON, RECOVERY_WAIT_DEPENDENCY, RECOVERY_IDLE))
                CHECK_FAIL(c, "%s is still failed, in phase %s: %s", u->name, recovery_phase_to_string(svc->phase),
                           strnull(svc->phase_detail));
}

void check_end(Check *c) {
        for (int i = 0; i < MODEL_UNITS; i++) {
                const Service *svc = service_of(c, i);

                if (!svc || !svc->seen)
                        continue;
                if (!c->units[i].forgotten)
                        check_invocations(c, i);
                check_settled(c, i, svc);
        }
        for (size_t k = 0; k < c->n_log; k++) {
                const LogEntry *e = &c->log[k];

                if (!e->automatic)
                        continue;
                while (e->cause != 0)
                        e = &c->log[e->cause - 1];
                if (startswith(e->type, "recovery.") || e == &c->log[k])
                        CHECK_FAIL(c, "the chain of causes of action %" PRIu64 " ends at %s", c->log[k].seq, e->type);
        }
}
