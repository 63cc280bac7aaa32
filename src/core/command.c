/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands of people and clients: all checks come before anything is done. */
#include "core/supervisor-internal.h"

static int refuse(Supervisor *s, const Command *c, int error, char *sentence, char **ret_refusal) {
        Service *svc = find_service(s, c->unit);
        Event *e;
        int r;

        e = emit(s, svc, EVENT_ACTION_REFUSED, c->cause_seq, PRIORITY_NORMAL, EMIT_LIVE);
        if (e) {
                e->source = "user";
                e->correlation = c->correlation;
        }
        if (!svc)
                event_string(s, e, "unit", c->unit);
        event_string(s, e, "verb", verb_to_string(c->verb));
        event_string(s, e, "by", c->by);
        event_string(s, e, "via", c->via);
        event_string(s, e, "reason", sentence);
        if (ret_refusal)
                *ret_refusal = TAKE_PTR(sentence);
        free(sentence);
        r = supervisor_leave(s);
        return r < 0 ? r : error;
}

static int check_host(const Supervisor *s, char **ret) {
        int r;

        if (s->host == HOST_STOPPING) {
                r = str_printf(ret, "the host is going down");
                return r < 0 ? r : -ESHUTDOWN;
        }
        if (s->host == HOST_DISCONNECTED) {
                r = str_printf(ret, "there is no connection to systemd at the moment");
                return r < 0 ? r : -ENOTCONN;
        }
        return 0;
}

static int check_power(const Service *svc, char **ret) {
        const char *unit = svc->config->unit;
        int r;

        if (svc->config->protected_) {
                r = str_printf(ret, "%s is protected: synd only observes it (use systemctl)", unit);
                return r < 0 ? r : -EPERM;
        }
        if (!svc->config->granted) {
                r = str_printf(ret, "the unit files of %s do not say Supervise=yes: run \"synctl adopt %s\" as root",
                               unit, unit);
                return r < 0 ? r : -EPERM;
        }
        return 0;
}

static int check_busy(const Service *svc, char **ret) {
        const ActionFull *a = priv(svc)->action;
        int r;

        if (!a || a->a.automatic)
                return 0;
        if (streq(a->a.unit, svc->config->unit))
                r = str_printf(ret, "%s is busy: %s by %s is under way", svc->config->unit,
                               strnull(verb_to_string(a->a.verb)), strnull(a->a.by));
        else
                r = str_printf(ret, "%s is busy: it is being started for %s", svc->config->unit, a->a.unit);
        return r < 0 ? r : -EBUSY;
}

static int check_loaded(const Service *svc, char **ret) {
        int r;

        if (svc->unit.load == UNIT_MASKED)
                r = str_printf(ret, "%s is masked: \"systemctl unmask\" it first", svc->config->unit);
        else if (svc->unit.load == UNIT_NOT_FOUND)
                r = str_printf(ret, "%s does not exist", svc->config->unit);
        else
                return 0;
        return r < 0 ? r : -EHOSTDOWN;
}

static bool verb_starts(Verb v) {
        return IN_SET(v, VERB_START, VERB_RESTART);
}

static int command_check(const Supervisor *s, const Command *c, const Service *svc, char **ret) {
        int r;

        if (!IN_SET(c->verb, VERB_START, VERB_STOP, VERB_RESTART, VERB_RELOAD, VERB_RESET_FAILED)) {
                r = str_printf(ret, "'%s' is nothing that can be asked of a unit", strnull(verb_to_string(c->verb)));
                return r < 0 ? r : -EOPNOTSUPP;
        }
        if ((r = check_power(svc, ret)) < 0 || (r = check_host(s, ret)) < 0 || (r = check_busy(svc, ret)) < 0)
                return r;
        return verb_starts(c->verb) ? check_loaded(svc, ret) : 0;
}

/* What the command means for a recovery that is planned or was refused. */
static void prepare(Supervisor *s, Service *svc, const Command *c) {
        ServicePriv *p = priv(svc);

        if (verb_starts(c->verb)) {
                svc->attempt = 0;
                p->refused = free_(p->refused);
                p->displaced_by = free_(p->displaced_by);
        }
        if (c->verb == VERB_STOP && p->owed) {
                p->operator_stopped = true;
                svc->stop_intent = INTENT_COMMAND;
                set_string(s, &svc->stop_by, c->by);
                recovery_cancel(s, svc, "it was stopped by command");
        }
        touch_state(s, svc);
}

static int run(Supervisor *s, Service *svc, const Command *c, Service **order, size_t n, Id128 *ret_action) {
        ActionFull *before = priv(svc)->action, *a;

        prepare(s, svc, c);
        if (before) {
                priv(svc)->action = NULL;
                before->asked = false;
        }
        a = action_new(s, svc, c->verb, false, c->by ?: "somebody", c->via, NULL, c->cause_seq, c->correlation);
        if (!a)
                return -ENOMEM;
        if (before)
                action_finish(s, before, ACTION_CANCELLED, -ECANCELED, "a command of %s took over", a->a.by);
        for (size_t i = 0; i + 1 < n; i++)
                action_add_step(s, a, order[i]->config->unit, VERB_START);
        action_add_step(s, a, svc->config->unit, c->verb);
        if (ret_action)
                *ret_action = a->a.id;
        action_run(s, a);
        return 0;
}

int supervisor_command(Supervisor *s, Instant now, const Command *c, Id128 *ret_action, char **ret_refusal) {
        _cleanup_free_ Service **order = NULL;
        _cleanup_free_ char *sentence = NULL;
        size_t n = 0;
        Service *svc;
        int r, q;

        assert(s);
        assert(c);
        assert(c->unit);
        supervisor_enter(s, now);
        svc = find_service(s, c->unit);
        if (!svc) {
                r = str_printf(&sentence, "there is no service %s", c->unit);
                return refuse(s, c, r < 0 ? r : -ENOENT, TAKE_PTR(sentence), ret_refusal);
        }
        if (c->verb == VERB_MAINTENANCE) {
                service_set_maintenance(s, svc, c->maintenance_on, c->maintenance_for, c->by, c->cause_seq);
                if (ret_action)
                        *ret_action = ID128_NULL;
                return supervisor_leave(s);
        }
        r = command_check(s, c, svc, &sentence);
        if (r >= 0 && verb_starts(c->verb) && !c->ignore_dependencies && unit_class(&svc->unit) != CLASS_UP)
                r = graph_start_order(s, svc, &order, &n, &sentence);
        if (r < 0)
                return refuse(s, c, r, TAKE_PTR(sentence), ret_refusal);
        r = run(s, svc, c, order, n, ret_action);
        q = supervisor_leave(s);
        return r < 0 ? r : q;
}
