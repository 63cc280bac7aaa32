/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/dbus-service.h"
#include "api/describe.h"
#include "api/request.h"

/* ---- properties: one table of values serves the getters and the comparison with what was told ---- */

typedef struct Value {
        const char *s;
        uint64_t u;
        double d;
        char *const *l;
        char buf[UUID_STRING_MAX];
} Value;

typedef struct Property {
        const char *name;
        char type; /* s, t, u, d, b, l (array of strings), p (problems) */
        void (*get)(const Service *s, Value *v);
} Property;

#define GETTER(id, ...)                                    \
        static void get_##id(const Service *s, Value *v) { \
                __VA_ARGS__;                               \
        }

GETTER(name, v->s = s->config->name)
GETTER(unit, v->s = s->config->unit)
GETTER(id, v->s = uuid_to_string(s->id, v->buf))
GETTER(type, v->s = s->config->type)
GETTER(description, v->s = s->config->description)
GETTER(status, v->s = service_status_to_string(s->status))
GETTER(status_since, v->u = s->status_since.realtime)
GETTER(health, v->d = s->health_score)
GETTER(active, v->s = unit_active_to_string(s->unit.active))
GETTER(sub, v->s = s->unit.sub)
GETTER(main_pid, v->u = s->unit.main_pid)
GETTER(invocation, v->s = id128_is_null(s->unit.invocation) ? "" : id128_to_string(s->unit.invocation, v->buf))
GETTER(restarts, v->u = s->restarts)
GETTER(last_error, v->s = s->last_error)
GETTER(phase, v->s = recovery_phase_to_string(s->phase))
GETTER(phase_detail, v->s = s->phase_detail)
GETTER(next_attempt, v->u = describe_due(s, instant_now()))
GETTER(budget_used, v->u = describe_budget_used(&s->budget, &s->config->recovery.budget, boottime_now()))
GETTER(budget_limit, v->u = s->config->recovery.budget.limit)
GETTER(granted, v->u = s->config->granted)
GETTER(protected, v->u = s->config->protected_)
GETTER(maintenance, v->u = s->maintenance)
GETTER(maintenance_until, v->u = s->maintenance ? s->maintenance_until : 0)
GETTER(depends_on, v->l = s->config->depends_on)
GETTER(problems, v->u = s->config->n_problems)

static const Property properties[] = {
        { "Name", 's', get_name },
        { "Unit", 's', get_unit },
        { "Id", 's', get_id },
        { "Type", 's', get_type },
        { "Description", 's', get_description },
        { "Status", 's', get_status },
        { "StatusSince", 't', get_status_since },
        { "HealthScore", 'd', get_health },
        { "ActiveState", 's', get_active },
        { "SubState", 's', get_sub },
        { "MainPID", 'u', get_main_pid },
        { "InvocationID", 's', get_invocation },
        { "Restarts", 't', get_restarts },
        { "LastError", 's', get_last_error },
        { "Phase", 's', get_phase },
        { "PhaseDetail", 's', get_phase_detail },
        { "NextAttempt", 't', get_next_attempt },
        { "BudgetUsed", 'u', get_budget_used },
        { "BudgetLimit", 'u', get_budget_limit },
        { "Granted", 'b', get_granted },
        { "Protected", 'b', get_protected },
        { "Maintenance", 'b', get_maintenance },
        { "MaintenanceUntil", 't', get_maintenance_until },
        { "DependsOn", 'l', get_depends_on },
        { "ConfigProblems", 'p', get_problems },
};
static_assert(ELEMENTSOF(properties) <= OBJECT_PROPERTIES_MAX, "Object.told is too small");

static int append_problems(sd_bus_message *m, const Service *s) {
        int r = sd_bus_message_open_container(m, 'a', "(sus)");

        for (size_t i = 0; r >= 0 && i < s->config->n_problems; i++) {
                const ConfigProblem *p = &s->config->problems[i];
                _cleanup_free_ char *reason = NULL;

                r = describe_redact(p->reason, &reason);
                if (r >= 0)
                        r = sd_bus_message_append(m, "(sus)", strnull(p->file), (uint32_t) p->line, reason);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const Property *p, const Service *s) {
        Value v = {};

        p->get(s, &v);
        switch (p->type) {
        case 's':
                return sd_bus_message_append(m, "s", v.s ?: "");
        case 't':
                return sd_bus_message_append(m, "t", v.u);
        case 'u':
                return sd_bus_message_append(m, "u", (uint32_t) v.u);
        case 'b':
                return sd_bus_message_append(m, "b", (int) v.u);
        case 'd':
                return sd_bus_message_append(m, "d", v.d);
        case 'l':
                return sd_bus_message_append_strv(m, (char **) v.l);
        default:
                return append_problems(m, s);
        }
}

static int property_get(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const Object *o = userdata;
        const Service *s = object_service(o);

        if (!s)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_SERVICE, "Service %s just went away.", o->unit);
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                if (streq(properties[i].name, name))
                        return append_value(reply, &properties[i], s);
        return -ENOENT;
}

/* FNV-1a; only compared with itself. */
static uint64_t hash_bytes(uint64_t h, const void *p, size_t n) {
        for (const uint8_t *b = p; n > 0; b++, n--)
                h = (h ^ *b) * UINT64_C(0x100000001b3);
        return h;
}

static uint64_t hash_string(uint64_t h, const char *s) {
        return hash_bytes(h, s ?: "", strlen(s ?: "") + 1);
}

static uint64_t hash_value(const Property *p, const Service *s) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        Value v = {};

        p->get(s, &v);
        switch (p->type) {
        case 's':
                return hash_string(h, v.s);
        case 'd':
                return hash_bytes(h, &v.d, sizeof(v.d));
        case 'l':
                STRV_FOREACH (i, v.l)
                        h = hash_string(h, *i);
                return h;
        case 'p':
                for (size_t i = 0; i < s->config->n_problems; i++) {
                        const ConfigProblem *c = &s->config->problems[i];

                        h = hash_string(hash_bytes(hash_string(h, c->file), &c->line, sizeof(c->line)), c->reason);
                }
                return h;
        default:
                /* The wall clock moves a planned time by some microseconds at each look. */
                if (streq(p->name, "NextAttempt"))
                        v.u = describe_planned(s);
                return hash_bytes(h, &v.u, sizeof(v.u));
        }
}

void dbus_service_note_told(Object *o, const Service *s) {
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                o->told[i] = hash_value(&properties[i], s);
}

void dbus_service_flush(Object *o) {
        const Service *s = object_service(o);
        char *changed[OBJECT_PROPERTIES_MAX + 1];
        size_t n = 0;

        if (!o->dirty || !s)
                return;
        o->dirty = false;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                uint64_t h = hash_value(&properties[i], s);

                if (o->told[i] == h)
                        continue;
                o->told[i] = h;
                changed[n++] = (char *) properties[i].name;
        }
        changed[n] = NULL;
        if (n > 0 && api_may_signal(o->api))
                (void) sd_bus_emit_properties_changed_strv(o->api->bus, o->path, API_SERVICE_INTERFACE, changed);
}

/* ---- methods ---- */

static int act_command(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);
        const Command command = {
                .verb = r->verb,
                .unit = r->unit,
                .by = caller.user,
                .via = caller.via,
                .maintenance_on = r->on,
                .maintenance_for = r->span,
        };
        _cleanup_free_ char *refusal = NULL;
        char id[UUID_STRING_MAX];
        Id128 action = ID128_NULL;
        int k;

        k = manager_command(r->api->manager, &caller, &command, &action, &refusal);
        if (k < 0)
                return dbus_error_set_errno(error, k, refusal);
        if (r->verb == VERB_MAINTENANCE)
                k = sd_bus_reply_method_return(r->message, NULL);
        else
                k = sd_bus_reply_method_return(r->message, "s", uuid_to_string(action, id));
        return MIN(k, 0);
}

static int act_check(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);
        _cleanup_free_ char *refusal = NULL;
        int k = manager_check(r->api->manager, &caller, r->unit, &refusal);

        if (k < 0)
                return dbus_error_set_errno(error, k, refusal);
        return MIN(sd_bus_reply_method_return(r->message, NULL), 0);
}

static int command(sd_bus_message *m, Object *o, Verb verb, request_act_t act, sd_bus_error *error) {
        Request *r;
        int k;

        k = request_new(o->api, m, error, &r);
        return k < 0 ? k : request_authorized(r, verb, o->unit, act, error);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_START, act_command, error);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_STOP, act_command, error);
}

static int method_restart(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_RESTART, act_command, error);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_RELOAD, act_command, error);
}

static int method_reset_errors(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_RESET_FAILED, act_command, error);
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return command(m, userdata, VERB_CHECK, act_check, error);
}

static int method_set_maintenance(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Object *o = userdata;
        uint64_t span;
        Request *r;
        int on, k;

        k = sd_bus_message_read(m, "bt", &on, &span);
        if (k < 0)
                return k;
        if (!on && span != 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "Maintenance that is switched off takes no span of time (give 0).");
        k = request_new(o->api, m, error, &r);
        if (k < 0)
                return k;
        r->on = on;
        r->span = span == 0 ? USEC_INFINITY : span;
        return request_authorized(r, VERB_MAINTENANCE, o->unit, act_command, error);
}

/* ---- the object ---- */

#define PROPERTY(name, signature) \
        SD_BUS_PROPERTY(name, signature, property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CONST_PROPERTY(name, signature) SD_BUS_PROPERTY(name, signature, property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST)

static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", action), method_start,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", action), method_stop,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Restart", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", action), method_restart,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", action), method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResetErrors", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", action), method_reset_errors,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMaintenance", SD_BUS_ARGS("b", on, "t", for_usec), SD_BUS_NO_RESULT,
                                method_set_maintenance, SD_BUS_VTABLE_UNPRIVILEGED),
        PROPERTY("Name", "s"),
        CONST_PROPERTY("Unit", "s"),
        CONST_PROPERTY("Id", "s"),
        PROPERTY("Type", "s"),
        PROPERTY("Description", "s"),
        PROPERTY("Status", "s"),
        PROPERTY("StatusSince", "t"),
        PROPERTY("HealthScore", "d"),
        PROPERTY("ActiveState", "s"),
        PROPERTY("SubState", "s"),
        PROPERTY("MainPID", "u"),
        PROPERTY("InvocationID", "s"),
        PROPERTY("Restarts", "t"),
        PROPERTY("LastError", "s"),
        PROPERTY("Phase", "s"),
        PROPERTY("PhaseDetail", "s"),
        PROPERTY("NextAttempt", "t"),
        PROPERTY("BudgetUsed", "u"),
        PROPERTY("BudgetLimit", "u"),
        PROPERTY("Granted", "b"),
        PROPERTY("Protected", "b"),
        PROPERTY("Maintenance", "b"),
        PROPERTY("MaintenanceUntil", "t"),
        PROPERTY("DependsOn", "as"),
        PROPERTY("ConfigProblems", "a(sus)"),
        SD_BUS_VTABLE_END,
};

static int find_service(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                        sd_bus_error *error) {
        Object *o = object_find(userdata, path);

        if (!o || !object_service(o))
                return 0;
        *ret_found = o;
        return 1;
}

static int list_services(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        _cleanup_strv_free_ char **l = NULL;
        Api *a = userdata;
        size_t n = 0;
        Object *o;

        l = calloc(hashmap_size(a->objects) + 1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        HASHMAP_FOREACH (o, a->objects) {
                l[n] = strdup(o->path);
                if (!l[n++])
                        return -ENOMEM;
        }
        *ret_nodes = TAKE_PTR(l);
        return 1;
}

int dbus_service_add(Api *a) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_add_fallback_vtable(a->bus, &slot, API_SERVICE_ROOT, API_SERVICE_INTERFACE, service_vtable,
                                       find_service, a);
        if (r < 0)
                return r;
        r = api_add_slot(a, slot);
        if (r < 0)
                return r;
        r = sd_bus_add_node_enumerator(a->bus, &slot, API_SERVICE_ROOT, list_services, a);
        return r < 0 ? r : api_add_slot(a, slot);
}
