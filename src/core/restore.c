/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The durable state of a service and of the host, as JSON: enough that neither a restart of synd nor a reboot of the host
 * forgets a token, a wait, a person's wish or an invocation. */
#include "core/supervisor-internal.h"

#define STATE_SIZE_MAX (1024 * 1024) /* 10,000 tokens of a budget are 300 KB */
#define TOKENS_RESTORED_MAX 10000

/* ---- writing ---- */

static void put_string(Supervisor *s, Json *o, const char *key, const char *value) {
        latch(s, json_set_string(o, key, value));
}

static void put_uint(Supervisor *s, Json *o, const char *key, uint64_t value) {
        if (value != 0)
                latch(s, json_set_uint(o, key, value));
}

static void put_bool(Supervisor *s, Json *o, const char *key, bool value) {
        if (value)
                latch(s, json_set_bool(o, key, value));
}

static void put_id(Supervisor *s, Json *o, const char *key, Id128 id) {
        char buf[ID128_STRING_MAX];

        if (!id128_is_null(id))
                put_string(s, o, key, id128_to_string(id, buf));
}

/* Provisional numbers mean nothing to the next process. */
static void put_seq(Supervisor *s, Json *o, const char *key, uint64_t seq) {
        if (!seq_is_provisional(seq))
                put_uint(s, o, key, seq);
}

/* A deadline or a point of this boot, infinity = none. */
static void put_point(Supervisor *s, Json *o, const char *key, usec_t boottime) {
        if (boottime != USEC_INFINITY)
                put_uint(s, o, key, boottime);
}

/* Tokens: pairs of age at the time of writing and realtime, in one string each; compact, and exact in 64 bits. */
static void put_tokens(Supervisor *s, Json *o, const BudgetState *b) {
        _cleanup_json_ Json *l = NULL;

        if (b->n_used == 0)
                return;
        latch(s, json_new_array(&l));
        for (size_t i = 0; l && i < b->n_used; i++) {
                _cleanup_free_ char *t = NULL;

                latch(s, str_printf(&t, "%" PRIu64 " %" PRIu64, s->now.boottime - b->used[i].boottime,
                                    b->used[i].realtime));
                if (t)
                        latch(s, json_append_string(l, t));
        }
        latch(s, json_set(o, "tokens", l));
}

static void append_u64(StrBuf *b, uint64_t n) {
        char digits[21], *p = digits + sizeof(digits);

        do
                *--p = (char) ('0' + n % 10);
        while ((n /= 10) > 0);
        (void) strbuf_append_n(b, p, (size_t) (digits + sizeof(digits) - p));
}

/* One text, "id flags seq started-seq" with semicolons between: written at each start of a service, so made without printf. */
static void put_invocations(Supervisor *s, Json *o, const ServicePriv *p) {
        size_t first = p->n_invocations > INVOCATIONS_STORED ? p->n_invocations - INVOCATIONS_STORED : 0;
        bool end_held = seq_is_provisional(p->end_seq);
        _cleanup_free_ char *text = NULL;
        StrBuf b = {};

        for (size_t i = first; i < p->n_invocations; i++) {
                const Invocation *inv = &p->invocations[i];
                bool started_held = seq_is_provisional(inv->started_seq);
                char id[ID128_STRING_MAX], flags[] = " ----- ";

                /* Not in the log yet: after a crash the journal tells of it again. */
                if (seq_is_provisional(inv->seq))
                        continue;
                flags[1] = inv->started && !started_held ? 'a' : '-';
                flags[2] = inv->ended && !end_held ? 'e' : '-';
                flags[3] = inv->failed && !end_held ? 'f' : '-';
                flags[4] = inv->stopping ? 's' : '-';
                flags[5] = !inv->told ? '-' : inv->told_failed ? 'F' : 'S';
                (void) strbuf_append(&b, b.length > 0 ? ";" : "");
                (void) strbuf_append_n(&b, id128_to_string(inv->id, id), ID128_STRING_MAX - 1);
                (void) strbuf_append_n(&b, flags, sizeof(flags) - 1);
                append_u64(&b, inv->seq);
                (void) strbuf_append_n(&b, " ", 1);
                append_u64(&b, started_held ? 0 : inv->started_seq);
        }
        latch(s, strbuf_finish(&b, &text));
        put_string(s, o, "invocations", text);
}

static void put_head(Supervisor *s, Json *o) {
        latch(s, json_set_int(o, "version", 1));
        put_id(s, o, "boot", s->config.boot_id);
        put_uint(s, o, "boottime", s->now.boottime);
        put_uint(s, o, "realtime", s->now.realtime);
}

static void put_service(Supervisor *s, Json *o, const Service *svc) {
        const ServicePriv *p = priv(svc);

        put_string(s, o, "phase", recovery_phase_to_string(svc->phase));
        put_point(s, o, "due", svc->due);
        put_uint(s, o, "attempt", svc->attempt);
        put_bool(s, o, "slow", svc->slow);
        put_uint(s, o, "restarts", svc->restarts);
        put_uint(s, o, "errors", svc->errors);
        put_string(s, o, "start_intent", intent_to_string(svc->start_intent));
        put_string(s, o, "stop_intent", intent_to_string(svc->stop_intent));
        put_string(s, o, "stop_by", svc->stop_by);
        put_string(s, o, "last_error", svc->last_error);
        put_uint(s, o, "last_error_realtime", svc->last_error_at.realtime);
        put_seq(s, o, "last_event", svc->last_event_seq);
        put_bool(s, o, "maintenance", svc->maintenance);
        put_string(s, o, "maintenance_by", svc->maintenance_by);
        if (svc->maintenance_until != USEC_INFINITY)
                put_uint(s, o, "maintenance_until", svc->maintenance_until);
        put_point(s, o, "maintenance_due", p->maintenance_due);
        put_bool(s, o, "up", p->up);
        put_bool(s, o, "owed", p->owed);
        put_bool(s, o, "stopped", p->operator_stopped);
        put_bool(s, o, "victim", p->victim);
        put_bool(s, o, "own_reset", p->own_reset);
        put_string(s, o, "victim_of", p->victim_of);
        put_string(s, o, "displaced_by", p->displaced_by);
        put_seq(s, o, "failure", svc->failure_seq);
        put_seq(s, o, "cause", p->wait_seq);
        put_seq(s, o, "end", p->end_seq);
        put_uint(s, o, "failed_at", p->failed_at.boottime);
        put_uint(s, o, "down_since", p->down_since.boottime);
        put_uint(s, o, "tries", p->tries);
        put_uint(s, o, "n_restarts", p->n_restarts);
        if (p->action && p->action->a.automatic) {
                put_id(s, o, "action", p->action->a.id);
                put_seq(s, o, "action_seq", p->action->requested_seq);
        } else if (!id128_is_null(p->lost_action)) {
                put_id(s, o, "action", p->lost_action);
                put_uint(s, o, "action_seq", p->lost_action_seq);
        }
        put_tokens(s, o, &svc->budget);
        put_invocations(s, o, p);
}

static void push_state(Supervisor *s, const char *prefix, const char *unit, const Json *o) {
        Effect *f = effect_push(s, EFFECT_STATE);

        if (!f)
                return;
        set_stringf(s, &f->state.key, "%s%s", prefix, unit);
        latch(s, json_format(o, &f->state.json));
}

void state_store(Supervisor *s, Service *svc) {
        _cleanup_json_ Json *o = NULL;

        if (!priv(svc)->dirty_state)
                return;
        priv(svc)->dirty_state = false;
        latch(s, json_new_object(&o));
        if (!o)
                return;
        put_head(s, o);
        put_service(s, o, svc);
        push_state(s, "service/", svc->config->unit, o);
}

void state_store_host(Supervisor *s) {
        _cleanup_json_ Json *o = NULL;

        if (!s->host_dirty)
                return;
        s->host_dirty = false;
        latch(s, json_new_object(&o));
        if (!o)
                return;
        put_head(s, o);
        put_tokens(s, o, &s->host_budget);
        push_state(s, "host", "", o);
}

/* ---- reading ---- */

static bool same_boot(const Supervisor *s, const Json *o) {
        const char *boot = json_get_string(o, "boot");
        Id128 id;

        return boot && id128_from_string(boot, &id) >= 0 && id128_equal(id, s->config.boot_id);
}

/* How long ago it was written: on boottime within one boot, else by realtime, never negative. */
static usec_t age_of(const Supervisor *s, const Json *o) {
        if (same_boot(s, o))
                return usec_sub(s->now.boottime, json_get_uint(o, "boottime", 0));
        return usec_sub(s->now.realtime, json_get_uint(o, "realtime", 0));
}

static void take_tokens(Supervisor *s, const Json *o, BudgetState *b) {
        const Json *l = json_get(o, "tokens");
        usec_t written = age_of(s, o);

        for (size_t i = 0; i < MIN(json_length(l), (size_t) TOKENS_RESTORED_MAX); i++) {
                const char *t = json_string(json_at(l, i));
                _cleanup_free_ char *copy = t ? strdup(t) : NULL;
                char *space = copy ? strchr(copy, ' ') : NULL;
                uint64_t age, realtime;

                if (!space)
                        continue;
                *space = 0;
                if (safe_atou64(copy, &age) < 0 || safe_atou64(space + 1, &realtime) < 0)
                        continue;
                latch(s, budget_add(b, usec_add(age, written), realtime, s->now));
        }
}

static void take_invocation(Supervisor *s, Service *svc, const char *text) {
        _cleanup_strv_free_ char **w = NULL;
        Invocation *inv;
        Id128 id;
        int r;

        r = strv_split(text, " ", &w);
        if (r < 0) {
                latch(s, r);
                return;
        }
        if (strv_length(w) != 4 || !IN_SET(strlen(w[1]), 4U, 5U) || id128_from_string(w[0], &id) < 0 ||
            invocation_find(svc, id))
                return;
        inv = invocation_add(s, svc, id);
        if (!inv)
                return;
        inv->started = w[1][0] == 'a';
        inv->ended = w[1][1] == 'e';
        inv->failed = w[1][2] == 'f';
        inv->stopping = w[1][3] == 's';
        inv->told = IN_SET(w[1][4], 'F', 'S');
        inv->told_failed = w[1][4] == 'F';
        inv->told_result = inv->told_failed ? RESULT_UNKNOWN : RESULT_SUCCESS;
        inv->told_at = s->now;
        if (safe_atou64(w[2], &inv->seq) < 0 || safe_atou64(w[3], &inv->started_seq) < 0)
                inv->seq = inv->started_seq = 0;
        priv(svc)->current = id;
}

static Intent take_intent(const Json *o, const char *key) {
        Intent i = intent_from_string(json_get_string(o, key));

        return (int) i < 0 ? INTENT_NONE : i;
}

static void take_maintenance(Supervisor *s, Service *svc, const Json *o, bool same) {
        ServicePriv *p = priv(svc);
        usec_t until = json_get_uint(o, "maintenance_until", USEC_INFINITY);

        svc->maintenance = json_get_bool(o, "maintenance", false);
        if (!svc->maintenance)
                return;
        set_string(s, &svc->maintenance_by, json_get_string(o, "maintenance_by"));
        svc->maintenance_until = until;
        if (until == USEC_INFINITY)
                return;
        p->maintenance_due = same ? json_get_uint(o, "maintenance_due", s->now.boottime)
                                  : usec_add(s->now.boottime, usec_sub(until, s->now.realtime));
}

/* What only makes sense while the host was not rebooted since. */
static void take_this_boot(Supervisor *s, Service *svc, const Json *o) {
        ServicePriv *p = priv(svc);
        const char *action = json_get_string(o, "action");
        RecoveryPhase phase = recovery_phase_from_string(json_get_string(o, "phase"));

        p->restored = true;
        p->up = json_get_bool(o, "up", false);
        p->owed = json_get_bool(o, "owed", false);
        p->operator_stopped = json_get_bool(o, "stopped", false);
        p->victim = json_get_bool(o, "victim", false);
        p->own_reset = json_get_bool(o, "own_reset", false);
        set_string(s, &p->victim_of, json_get_string(o, "victim_of"));
        set_string(s, &p->displaced_by, json_get_string(o, "displaced_by"));
        p->failed_at = (Instant){ .boottime = json_get_uint(o, "failed_at", s->now.boottime),
                                  .realtime = s->now.realtime };
        p->down_since = (Instant){ .boottime = json_get_uint(o, "down_since", s->now.boottime),
                                   .realtime = s->now.realtime };
        p->tries = (uint32_t) json_get_uint(o, "tries", 0);
        p->n_restarts = (uint32_t) json_get_uint(o, "n_restarts", 0);
        if (action && id128_from_string(action, &p->lost_action) >= 0)
                p->lost_action_seq = json_get_uint(o, "action_seq", 0);
        /* A plan is made anew when the unit is seen; only the wait for a stable period goes on as it was. */
        if ((int) phase == RECOVERY_SETTLING) {
                svc->phase = phase;
                svc->due = json_get_uint(o, "due", s->now.boottime);
        }
}

static void take_service(Supervisor *s, Service *svc, const Json *o) {
        ServicePriv *p = priv(svc);
        _cleanup_strv_free_ char **invocations = NULL;
        bool same = same_boot(s, o);

        svc->attempt = (uint32_t) json_get_uint(o, "attempt", 0);
        svc->slow = json_get_bool(o, "slow", false);
        svc->restarts = json_get_uint(o, "restarts", 0);
        svc->errors = json_get_uint(o, "errors", 0);
        svc->start_intent = take_intent(o, "start_intent");
        svc->stop_intent = take_intent(o, "stop_intent");
        set_string(s, &svc->stop_by, json_get_string(o, "stop_by"));
        set_string(s, &svc->last_error, json_get_string(o, "last_error"));
        svc->last_error_at.realtime = json_get_uint(o, "last_error_realtime", 0);
        svc->last_event_seq = MAX(svc->last_event_seq, json_get_uint(o, "last_event", 0));
        p->end_seq = json_get_uint(o, "end", 0);
        p->wait_seq = same ? json_get_uint(o, "cause", 0) : 0;
        p->failure_seq = svc->failure_seq = same ? json_get_uint(o, "failure", 0) : 0;
        take_tokens(s, o, &svc->budget);
        latch(s, strv_split(json_get_string(o, "invocations") ?: "", ";", &invocations));
        STRV_FOREACH (t, invocations)
                take_invocation(s, svc, *t);
        take_maintenance(s, svc, o, same);
        if (same)
                take_this_boot(s, svc, o);
        touch_state(s, svc);
}

void state_apply(Supervisor *s, Service *svc) {
        _cleanup_json_ Json *o = hashmap_remove(s->restored, svc->config->unit);

        if (o)
                take_service(s, svc, o);
}

int supervisor_restore(Supervisor *s, Instant now, const char *key, const char *json) {
        _cleanup_json_ Json *o = NULL;
        const char *unit;
        int r;

        assert(s);
        assert(key);
        assert(json);
        r = json_parse(json, strlen(json), STATE_SIZE_MAX, &o, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || json_type(o) != JSON_OBJECT)
                return -EBADMSG;
        supervisor_enter(s, now);
        if (same_boot(s, o))
                s->journal_boot = s->config.boot_id;
        else
                s->from_other_boot = true;
        unit = startswith(key, "service/");
        if (streq(key, "host")) {
                take_tokens(s, o, &s->host_budget);
                /* Stored again with the clock as it is now. */
                s->host_dirty = s->host_budget.n_used > 0;
        } else if (unit && unit_name_is_valid(unit)) {
                r = hashmap_replace(s->restored, unit, o);
                if (r >= 0)
                        o = NULL;
                latch(s, r);
        }
        return supervisor_leave(s);
}
