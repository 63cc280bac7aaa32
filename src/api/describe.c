/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/describe.h"
#include "api/object.h"

usec_t describe_planned(const Service *s) {
        return IN_SET(s->phase, RECOVERY_BACKOFF, RECOVERY_SLOW) && s->due != USEC_INFINITY ? s->due : 0;
}

static usec_t wall_clock(usec_t boottime, Instant now) {
        return boottime == 0 || boottime == USEC_INFINITY ? 0
                                                          : usec_add(now.realtime, usec_sub(boottime, now.boottime));
}

usec_t describe_due(const Service *s, Instant now) {
        return wall_clock(describe_planned(s), now);
}

uint32_t describe_budget_used(const BudgetState *state, const Budget *budget, usec_t now) {
        uint32_t n = 0;

        for (size_t i = 0; i < state->n_used; i++)
                n += usec_sub(now, state->used[i].boottime) < budget->window;
        return n;
}

int describe_redact(const char *s, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        const char *scheme;

        s = s ?: "";
        while ((scheme = strstr(s, "://"))) {
                const char *authority = scheme + 3;
                size_t n = strcspn(authority, "/?# \t\n\"'");
                const char *at = memrchr(authority, '@', n);
                const char *colon = at ? memchr(authority, ':', (size_t) (at - authority)) : NULL;

                if (colon) {
                        strbuf_append_n(&b, s, (size_t) (colon + 1 - s));
                        strbuf_append(&b, "***");
                        s = at;
                } else {
                        strbuf_append_n(&b, s, (size_t) (authority - s));
                        s = authority;
                }
        }
        strbuf_append(&b, s);
        return strbuf_finish(&b, ret);
}

static int set_redacted(Json *o, const char *key, const char *value) {
        _cleanup_free_ char *copy = NULL;
        int r = value ? describe_redact(value, &copy) : 0;

        return r < 0 ? r : json_set_string(o, key, copy);
}

/* Infinity is null: it is no number. */
static int set_span(Json *o, const char *key, usec_t span) {
        return span == USEC_INFINITY ? json_set_null(o, key) : json_set_uint(o, key, span);
}

static int set_id(Json *o, const char *key, Id128 id) {
        char buf[ID128_STRING_MAX];

        return id128_is_null(id) ? 0 : json_set_string(o, key, id128_to_string(id, buf));
}

static int set_strv(Json *o, const char *key, char *const *l) {
        static char *const none[] = { NULL };

        return json_set_strv(o, key, l ?: none);
}

/* The first error wins; a Json of which a part failed is not given out. */
#define TRY(expression)                  \
        do {                             \
                int try_ = (expression); \
                if (try_ < 0)            \
                        return try_;     \
        } while (false)

static int add_maintenance(Json *j, const Service *s) {
        _cleanup_json_ Json *o = NULL;

        TRY(json_new_object(&o));
        TRY(json_set_bool(o, "on", s->maintenance));
        if (s->maintenance) {
                TRY(json_set_time(o, "until", s->maintenance_until));
                TRY(json_set_string(o, "by", s->maintenance_by));
        }
        return json_set(j, "maintenance", o);
}

static int add_unit(Json *j, const UnitSnapshot *u) {
        _cleanup_json_ Json *o = NULL;

        TRY(json_new_object(&o));
        TRY(json_set_string(o, "load_state", unit_load_to_string(u->load)));
        TRY(json_set_string(o, "active_state", unit_active_to_string(u->active)));
        TRY(json_set_string(o, "sub_state", u->sub));
        TRY(json_set_string(o, "result", unit_result_to_string(u->result)));
        TRY(set_id(o, "invocation", u->invocation));
        TRY(json_set_uint(o, "job", u->job_id));
        TRY(json_set_uint(o, "main_pid", u->main_pid));
        TRY(json_set_int(o, "exec_code", u->exec_code));
        TRY(json_set_int(o, "exec_status", u->exec_status));
        TRY(json_set_uint(o, "n_restarts", u->n_restarts));
        TRY(json_set_bool(o, "condition_failed", u->condition_failed));
        TRY(json_set_bool(o, "auto_restart", u->auto_restart));
        TRY(set_span(o, "restart_usec", u->restart_usec));
        TRY(json_set_time(o, "state_change", u->state_change));
        TRY(json_set_time(o, "active_enter", u->active_enter));
        TRY(json_set_time(o, "inactive_enter", u->inactive_enter));
        return json_set(j, "systemd", o);
}

static int add_recovery(Json *j, const Service *s) {
        const RecoverySettings *c = &s->config->recovery;
        _cleanup_json_ Json *o = NULL, *budget = NULL;
        const Instant now = instant_now();

        TRY(json_new_object(&o));
        TRY(json_set_bool(o, "enabled", c->enabled));
        TRY(json_set_string(o, "phase", recovery_phase_to_string(s->phase)));
        TRY(json_set_string(o, "detail", s->phase_detail));
        TRY(json_set_uint(o, "attempt", s->attempt));
        TRY(json_set_string(o, "mode", s->slow ? "slow" : "backoff"));
        TRY(json_set_time(o, "due", describe_due(s, now)));
        if (s->phase == RECOVERY_SETTLING)
                TRY(json_set_time(o, "stable_at", wall_clock(s->due, now)));

        TRY(json_new_object(&budget));
        TRY(json_set_uint(budget, "used", describe_budget_used(&s->budget, &c->budget, now.boottime)));
        TRY(json_set_uint(budget, "limit", c->budget.limit));
        TRY(json_set_uint(budget, "window_usec", c->budget.window));
        TRY(json_set(o, "budget", budget));

        TRY(json_set_uint(o, "backoff_base_usec", c->backoff_base));
        TRY(json_set_uint(o, "backoff_max_usec", c->backoff_max));
        TRY(json_set_real(o, "jitter", c->jitter));
        TRY(set_span(o, "reset_after_usec", c->reset_after));
        TRY(set_span(o, "slow_retry_usec", c->slow_retry));
        return json_set(j, "recovery", o);
}

static int add_edges(Api *a, Json *j, const char *unit) {
        const Supervisor *sv = manager_supervisor(a->manager);
        _cleanup_json_ Json *l = NULL;
        _cleanup_free_ Edge *edges = NULL;
        size_t n = 0;

        TRY(supervisor_edges(sv, unit, &edges, &n));
        TRY(json_new_array(&l));
        for (size_t i = 0; i < n; i++) {
                const Service *other = supervisor_get(sv, streq(edges[i].from, unit) ? edges[i].to : edges[i].from);
                _cleanup_json_ Json *o = NULL;

                TRY(json_new_object(&o));
                TRY(json_set_string(o, "from", edges[i].from));
                TRY(json_set_string(o, "to", edges[i].to));
                TRY(json_set_string(o, "kind", edge_kind_to_string(edges[i].kind)));
                TRY(json_set_bool(o, "missing", edges[i].missing));
                if (other) {
                        TRY(json_set_string(o, "name", other->config->name));
                        TRY(json_set_string(o, "status", service_status_to_string(other->status)));
                }
                TRY(json_append(l, o));
        }
        return json_set(j, "dependencies", l);
}

static int add_relations(Json *j, const UnitRelations *r) {
        _cleanup_json_ Json *o = NULL;

        TRY(json_new_object(&o));
        TRY(set_strv(o, "requires", r->requires));
        TRY(set_strv(o, "wants", r->wants));
        TRY(set_strv(o, "binds_to", r->binds_to));
        TRY(set_strv(o, "requisite", r->requisite));
        TRY(set_strv(o, "part_of", r->part_of));
        TRY(set_strv(o, "upholds", r->upholds));
        TRY(set_strv(o, "after", r->after));
        TRY(set_strv(o, "conflicts", r->conflicts));
        TRY(set_strv(o, "triggered_by", r->triggered_by));
        return json_set(j, "relations", o);
}

static int add_fields(Json *j, const ServiceConfig *c) {
        _cleanup_json_ Json *l = NULL;

        TRY(json_new_array(&l));
        for (size_t i = 0; i < c->n_fields; i++) {
                _cleanup_json_ Json *o = NULL;

                TRY(json_new_object(&o));
                TRY(json_set_string(o, "key", c->fields[i].key));
                TRY(set_redacted(o, "value", c->fields[i].value));
                TRY(json_set_string(o, "file", c->fields[i].file));
                TRY(json_set_uint(o, "line", c->fields[i].line));
                TRY(json_append(l, o));
        }
        return json_set(j, "fields", l);
}

static int add_problems(Json *j, const ServiceConfig *c) {
        _cleanup_json_ Json *l = NULL;

        TRY(json_new_array(&l));
        for (size_t i = 0; i < c->n_problems; i++) {
                _cleanup_json_ Json *o = NULL;

                TRY(json_new_object(&o));
                TRY(json_set_string(o, "file", c->problems[i].file));
                TRY(json_set_uint(o, "line", c->problems[i].line));
                TRY(set_redacted(o, "reason", c->problems[i].reason));
                TRY(json_append(l, o));
        }
        return json_set(j, "problems", l);
}

static int add_declaration(Json *j, const ServiceConfig *c) {
        TRY(json_set_string(j, "type", c->type));
        TRY(json_set_string(j, "version", c->version));
        TRY(json_set_string(j, "description", c->description));
        TRY(set_strv(j, "labels", c->labels));
        TRY(set_strv(j, "depends_on", c->depends_on));
        TRY(json_set_bool(j, "granted", c->granted));
        TRY(json_set_bool(j, "protected", c->protected_));
        TRY(json_set_bool(j, "runtime", c->runtime));
        return 0;
}

static int add_state(Json *j, const Service *s) {
        TRY(json_set_bool(j, "seen", s->seen));
        TRY(json_set_string(j, "status", service_status_to_string(s->status)));
        TRY(json_set_time(j, "status_since", s->status_since.realtime));
        if (s->health_score >= 0)
                TRY(json_set_real(j, "health_score", s->health_score));
        else
                TRY(json_set_null(j, "health_score"));
        TRY(json_set_string(j, "start_intent", intent_to_string(s->start_intent)));
        TRY(json_set_string(j, "stop_intent", intent_to_string(s->stop_intent)));
        TRY(json_set_string(j, "stop_by", s->stop_by));
        if (s->last_error) {
                TRY(json_set_string(j, "last_error", s->last_error));
                TRY(json_set_time(j, "last_error_at", s->last_error_at.realtime));
        }
        TRY(json_set_uint(j, "restarts", s->restarts));
        TRY(json_set_uint(j, "errors", s->errors));
        TRY(json_set_uint(j, "last_event_seq", s->last_event_seq));
        TRY(json_set_uint(j, "failure_seq", s->failure_seq));
        return 0;
}

int describe_service(Api *a, const Service *s, Json **ret) {
        _cleanup_json_ Json *j = NULL;
        char id[UUID_STRING_MAX];

        assert(a && s && ret);
        TRY(json_new_object(&j));
        TRY(json_set_string(j, "name", s->config->name));
        TRY(json_set_string(j, "unit", s->config->unit));
        TRY(json_set_string(j, "id", uuid_to_string(s->id, id)));
        TRY(json_set_string(j, "object", object_path(a, s->config->unit)));
        TRY(add_declaration(j, s->config));
        TRY(add_state(j, s));
        TRY(add_maintenance(j, s));
        TRY(add_recovery(j, s));
        TRY(add_unit(j, &s->unit));
        TRY(add_edges(a, j, s->config->unit));
        TRY(add_relations(j, &s->relations));
        TRY(add_fields(j, s->config));
        TRY(add_problems(j, s->config));
        *ret = TAKE_PTR(j);
        return 0;
}

int describe_action(const Action *action, Json **ret) {
        _cleanup_json_ Json *j = NULL;
        char id[UUID_STRING_MAX];

        assert(action && ret);
        TRY(json_new_object(&j));
        TRY(json_set_string(j, "id", uuid_to_string(action->id, id)));
        TRY(json_set_string(j, "verb", verb_to_string(action->verb)));
        TRY(json_set_string(j, "unit", action->unit));
        TRY(json_set_string(j, "by", action->by));
        TRY(json_set_string(j, "via", action->via));
        TRY(json_set_string(j, "reason", action->reason));
        TRY(json_set_bool(j, "automatic", action->automatic));
        TRY(json_set_string(j, "state", action_state_to_string(action->state)));
        TRY(json_set_string(j, "progress", action->progress));
        if (action->job_id != 0)
                TRY(json_set_uint(j, "job", action->job_id));
        if (action->state != ACTION_RUNNING) {
                TRY(json_set_string(j, "job_result", job_result_to_string(action->job_result)));
                TRY(json_set_time(j, "finished", action->finished.realtime));
                TRY(json_set_uint(j, "finished_seq", action->finished_seq));
        }
        if (action->error < 0) {
                TRY(json_set_int(j, "errno", -action->error));
                TRY(json_set_string(j, "error", action->error_text));
        }
        TRY(json_set_time(j, "created", action->created.realtime));
        TRY(json_set_uint(j, "requested_seq", action->requested_seq));
        *ret = TAKE_PTR(j);
        return 0;
}
