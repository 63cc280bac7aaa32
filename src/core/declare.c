/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services come under supervision, change their declaration, and leave. */
#include "core/supervisor-internal.h"

Service *service_runtime_free(Service *svc) {
        ServicePriv *p;

        if (!svc)
                return NULL;
        p = priv(svc);
        if (p) {
                free(p->invocations);
                free(p->victim_of);
                free(p->refused);
                free(p->displaced_by);
                free(p);
        }
        service_config_free(svc->config);
        unit_relations_done(&svc->relations);
        free(svc->stop_by);
        free(svc->last_error);
        free(svc->phase_detail);
        free(svc->maintenance_by);
        budget_done(&svc->budget);
        free(svc);
        return NULL;
}
DEFINE_CLEANUP(Service *, service_runtime_free);

static int service_add(Supervisor *s, ServiceConfig *config, Service **ret) {
        _cleanup_(service_runtime_freep) Service *svc = NULL;
        ServicePriv *p;
        int r;

        svc = calloc(1, sizeof(Service));
        if (!svc)
                return -ENOMEM;
        svc->priv = p = calloc(1, sizeof(ServicePriv));
        if (!p)
                return -ENOMEM;
        svc->id = uuid_from_name(s->config.host_id, config->unit);
        svc->due = USEC_INFINITY;
        svc->maintenance_until = USEC_INFINITY;
        svc->health_score = -1.0;
        svc->status_since = s->now;
        p->judge_at = p->maintenance_due = USEC_INFINITY;
        r = hashmap_put(s->services, config->unit, svc);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(svc);
        return 0;
}

/* True if a plan that was made by one holds under the other. */
static bool config_decides_same(const ServiceConfig *a, const ServiceConfig *b) {
        const RecoverySettings *x = &a->recovery, *y = &b->recovery;

        return a->granted == b->granted && a->protected_ == b->protected_ && x->enabled == y->enabled &&
               x->budget.limit == y->budget.limit && x->budget.window == y->budget.window &&
               x->backoff_base == y->backoff_base && x->backoff_max == y->backoff_max && x->jitter == y->jitter &&
               x->slow_retry == y->slow_retry && strv_equal(a->depends_on, b->depends_on);
}

int supervisor_declare(Supervisor *s, Instant now, ServiceConfig *config) {
        _cleanup_(service_config_freep) ServiceConfig *c = config;
        Service *svc;
        bool new, same = false;
        int r;

        assert(s);
        assert(config);
        supervisor_enter(s, now);
        /* The caller's judgement of a grant is narrowed here once more, never widened. */
        if (unit_is_protected_builtin(c->unit) || unit_name_matches(c->unit, s->config.protected_units))
                c->protected_ = true;
        if (c->protected_)
                c->granted = false;
        svc = find_service(s, c->unit);
        new = !svc;
        if (new) {
                r = service_add(s, c, &svc);
                if (r < 0)
                        return r;
        } else {
                same = config_decides_same(svc->config, c);
                service_config_free(svc->config);
                priv(svc)->refused = free_(priv(svc)->refused);
                priv(svc)->denials = 0;
        }
        svc->config = TAKE_PTR(c);
        if (new) {
                /* One that comes back after a restart of synd was told of when it was new. */
                if (!hashmap_get(s->restored, svc->config->unit)) {
                        Event *e = emit(s, svc, EVENT_SERVICE_ADDED, 0, PRIORITY_LOW, EMIT_LIVE);

                        event_bool(s, e, "granted", svc->config->granted);
                        if (svc->config->n_fields > 0)
                                event_string(s, e, "file", svc->config->fields[0].file);
                }
                state_apply(s, svc);
                touch_state(s, svc);
        }
        touch(s, svc);
        graph_changed(s);
        /* A grant, a budget or a switch may have changed what is decided about a failure. */
        if (svc->phase == RECOVERY_WAIT_PERSON ||
            (!same && IN_SET(svc->phase, RECOVERY_BACKOFF, RECOVERY_SLOW, RECOVERY_WAIT_DEPENDENCY)))
                recovery_plan(s, svc);
        return supervisor_leave(s);
}

int supervisor_forget(Supervisor *s, Instant now, const char *unit, const char *reason) {
        Service *svc;
        ServicePriv *p;
        Effect *f;
        Event *e;

        assert(s);
        assert(unit);
        supervisor_enter(s, now);
        svc = find_service(s, unit);
        if (!svc) {
                (void) supervisor_leave(s);
                return -ENOENT;
        }
        p = priv(svc);
        if (p->owed)
                recovery_cancel(s, svc, "it left supervision");
        if (p->action)
                action_finish(s, p->action, ACTION_CANCELLED, -ECANCELED, "%s left supervision", unit);
        e = emit(s, svc, EVENT_SERVICE_REMOVED, 0, PRIORITY_LOW, EMIT_LIVE);
        event_string(s, e, "reason", reason);
        hold_flush(s, svc);
        f = effect_push(s, EFFECT_STATE);
        if (f)
                set_stringf(s, &f->state.key, "service/%s", unit);
        effects_forget_service(s, svc);
        for (size_t i = 0; i < s->n_dirty; i++)
                if (s->dirty[i] == svc)
                        s->dirty[i--] = s->dirty[--s->n_dirty];
        s->n_wants_journal -= p->wants_journal;
        service_runtime_free(hashmap_remove(s->services, unit));
        graph_changed(s);
        return supervisor_leave(s);
}

int supervisor_relations(Supervisor *s, Instant now, const char *unit, const UnitRelations *r) {
        UnitRelations n;
        Service *svc;
        int q;

        assert(s);
        assert(r);
        svc = find_service(s, unit);
        if (!svc)
                return 0;
        q = unit_relations_copy(r, &n);
        if (q < 0)
                return q;
        supervisor_enter(s, now);
        unit_relations_done(&svc->relations);
        svc->relations = n;
        touch(s, svc);
        graph_changed(s);
        return supervisor_leave(s);
}

int supervisor_conflict(Supervisor *s, Instant now, const char *unit, const char *with) {
        Service *svc;

        assert(s);
        assert(unit);
        assert(with);
        svc = find_service(s, unit);
        if (!svc || strv_contains(svc->relations.conflicts, with))
                return 0;
        supervisor_enter(s, now);
        latch(s, strv_extend(&svc->relations.conflicts, with));
        return supervisor_leave(s);
}

bool supervisor_recovering(const Supervisor *s) {
        Service *svc;

        assert(s);
        HASHMAP_FOREACH (svc, s->services)
                if (priv(svc)->owed)
                        return true;
        return false;
}
