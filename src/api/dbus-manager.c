/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "api/dbus-manager.h"
#include "api/describe.h"
#include "api/filter.h"
#include "api/follow.h"
#include "api/log-calls.h"
#include "api/object.h"
#include "api/request.h"

#define DESCRIBE_MAX 128 /* services of one DescribeMany: the loop must not be held up for long */
#define NAME_MAX_BYTES 255

/* ---- finding ---- */

static int find_service(Api *a, const char *name, const Service **ret, sd_bus_error *error) {
        int r;

        if (isempty(name) || strlen(name) > NAME_MAX_BYTES)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The name of a service has 1 to %d bytes.",
                                         NAME_MAX_BYTES);
        r = supervisor_find(manager_supervisor(a->manager), name, ret);
        if (r == -ENOTUNIQ)
                return sd_bus_error_setf(error, ERROR_AMBIGUOUS_NAME,
                                         "More than one service is called %s: give the unit.", name);
        if (r == -ENOENT)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_SERVICE, "There is no supervised service %s. See: synctl list",
                                         name);
        return r;
}

static int find_action(Api *a, const char *id, const Action **ret, sd_bus_error *error) {
        Id128 action;

        if (id128_from_string(id, &action) < 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "\"%.64s\" is no id of an action.", id);
        *ret = supervisor_action(manager_supervisor(a->manager), action);
        if (!*ret)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_ACTION,
                                         "There is no action %s under way or among the last finished ones.", id);
        return 0;
}

static int reply_json(sd_bus_message *m, Json *j) {
        _cleanup_free_ char *json = NULL;
        int r = json_format(j, &json);

        return r < 0 ? r : sd_bus_reply_method_return(m, "s", json);
}

/* ---- reading ---- */

static int append_row(Api *a, sd_bus_message *reply, const Service *s) {
        const char *path = object_path(a, s->config->unit);

        if (!path)
                return 0; /* declared a moment ago: it is announced in this turn of the loop */
        return sd_bus_message_append(reply, "(ssssssdttssbbbo)", s->config->name, s->config->unit, s->config->type,
                                     service_status_to_string(s->status), unit_active_to_string(s->unit.active),
                                     s->unit.sub, s->health_score, s->status_since.realtime, s->restarts,
                                     recovery_phase_to_string(s->phase), s->phase_detail ?: "",
                                     (int) s->config->granted, (int) s->maintenance, (int) s->config->protected_,
                                     path);
}

static int method_list_services(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Service *s;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(ssssssdttssbbbo)");
        if (r < 0)
                return r;
        HASHMAP_FOREACH (s, supervisor_services(manager_supervisor(a->manager))) {
                r = append_row(a, reply, s);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_get_service(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        const char *name, *path;
        const Service *s;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = find_service(a, name, &s, error);
        if (r < 0)
                return r;
        path = object_path(a, s->config->unit);
        return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        _cleanup_json_ Json *j = NULL;
        const Service *s;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = find_service(a, name, &s, error);
        if (r < 0)
                return r;
        r = describe_service(a, s, &j);
        return r < 0 ? r : reply_json(m, j);
}

static int method_describe_many(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        _cleanup_json_ Json *l = NULL;
        const char *name;
        size_t n = 0;
        int r;

        r = json_new_array(&l);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &name)) > 0) {
                _cleanup_json_ Json *j = NULL;
                const Service *s;

                if (++n > DESCRIBE_MAX)
                        return sd_bus_error_setf(error, ERROR_LIMIT_REACHED, "One call describes at most %d services.",
                                                 DESCRIBE_MAX);
                r = find_service(a, name, &s, error);
                if (r < 0)
                        return r;
                if ((r = describe_service(a, s, &j)) < 0 || (r = json_append(l, j)) < 0)
                        return r;
        }
        return r < 0 ? r : reply_json(m, l);
}

static int method_dump(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        _cleanup_json_ Json *j = NULL, *o = NULL;
        int r;

        if ((r = manager_dump(a->manager, &j)) < 0 || (r = json_new_object(&o)) < 0 ||
            (r = json_set_uint(o, "objects", hashmap_size(a->objects))) < 0 ||
            (r = json_set_uint(o, "clients", hashmap_size(a->clients))) < 0 ||
            (r = json_set_uint(o, "pending_calls", a->n_calls)) < 0 ||
            (r = json_set_uint(o, "streams", a->n_followers)) < 0 ||
            (r = json_set_uint(o, "polkit_questions", a->n_polkit)) < 0 ||
            (r = json_set_bool(o, "log_check", a->log_check)) < 0 ||
            (r = json_set_uint(o, "calls_total", a->stats.calls)) < 0 ||
            (r = json_set_uint(o, "streams_total", a->stats.followers_total)) < 0 ||
            (r = json_set_uint(o, "refused_by_limit", a->stats.refused_limit)) < 0 ||
            (r = json_set_uint(o, "denied", a->stats.denied)) < 0 ||
            (r = json_set_uint(o, "signals_dropped", a->stats.signals_dropped)) < 0 ||
            (r = json_set_uint(o, "events_skipped", a->stats.events_skipped)) < 0 || (r = json_set(j, "api", o)) < 0)
                return r;
        return reply_json(m, j);
}

/* ---- actions ---- */

static int method_list_actions(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        _cleanup_json_ Json *l = NULL;
        const Action *action;
        void *state = NULL;
        int r;

        r = json_new_array(&l);
        if (r < 0)
                return r;
        while (supervisor_next_action(manager_supervisor(a->manager), &state, &action)) {
                _cleanup_json_ Json *j = NULL;

                if ((r = describe_action(action, &j)) < 0 || (r = json_append(l, j)) < 0)
                        return r;
        }
        return reply_json(m, l);
}

static int method_get_action(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_json_ Json *j = NULL;
        const Action *action;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        r = find_action(userdata, id, &action, error);
        if (r < 0)
                return r;
        r = describe_action(action, &j);
        return r < 0 ? r : reply_json(m, j);
}

static int reply_action(sd_bus_message *m, const Action *action) {
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *json = NULL;
        int r;

        if ((r = describe_action(action, &j)) < 0 || (r = json_format(j, &json)) < 0)
                return r;
        return sd_bus_reply_method_return(m, "sss", action_state_to_string(action->state),
                                          action->state == ACTION_DONE ? "" : action->error_text ?: "", json);
}

void dbus_manager_action_finished(Api *a, const Action *action) {
        _cleanup_free_ Request **waiting = NULL;
        size_t n = requests_waiting(a, WAIT_ACTION, action->id, &waiting);

        for (size_t i = 0; i < n; i++)
                request_finish(waiting[i], MIN(reply_action(waiting[i]->message, action), 0), NULL);
}

/* Called when the client is watched; the action may have finished meanwhile. */
static int act_wait(Request *r, sd_bus_error *error) {
        const Action *action = supervisor_action(manager_supervisor(r->api->manager), r->action);

        if (!action)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_ACTION, "The action is no longer known.");
        if (action->state != ACTION_RUNNING)
                return MIN(reply_action(r->message, action), 0);
        r->wait = WAIT_ACTION;
        return 1;
}

static int method_wait_action(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Action *action;
        const char *id;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "s", &id);
        if (k < 0)
                return k;
        k = find_action(userdata, id, &action, error);
        if (k < 0)
                return k;
        if (action->state != ACTION_RUNNING)
                return reply_action(m, action);
        k = request_new(userdata, m, error, &r);
        if (k < 0)
                return k;
        r->action = action->id;
        return request_identified(r, act_wait, error);
}

/* ---- streams ---- */

static int method_follow(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *filter;
        uint64_t after;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "ts", &after, &filter);
        if (k < 0)
                return k;
        k = request_new(userdata, m, error, &r);
        if (k < 0)
                return k;
        k = filter_parse(userdata, filter, true, &r->filter, error);
        if (k < 0) {
                request_free(r);
                return k;
        }
        r->after = after;
        return request_identified(r, follow_start, error);
}

/* ---- configuring ---- */

static int act_register(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);
        _cleanup_free_ char *refusal = NULL;
        const char *path;
        int k;

        k = manager_register(r->api->manager, &caller, r->unit, r->fields, &refusal);
        if (k < 0)
                return dbus_error_set_errno(error, k, refusal);
        path = object_path(r->api, r->unit);
        return path ? MIN(sd_bus_reply_method_return(r->message, "o", path), 0) : -ENOMEM;
}

static int parse_fields(const char *json, Json **ret, sd_bus_error *error) {
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (strlen(json) > API_ARGUMENT_MAX)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The fields are longer than 64 KiB.");
        r = json_parse(json, strlen(json), API_ARGUMENT_MAX, &j, &reason);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The fields are no valid JSON: %s.",
                                         strnull(reason));
        if (json_type(j) != JSON_OBJECT)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The fields must be a JSON object.");
        *ret = TAKE_PTR(j);
        return 0;
}

static int method_register(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_json_ Json *fields = NULL;
        const char *unit, *json;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "ss", &unit, &json);
        if (k < 0)
                return k;
        if (!unit_name_is_valid(unit) || !endswith(unit, ".service"))
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "\"%.255s\" is not the name of a service unit.", unit);
        k = parse_fields(json, &fields, error);
        if (k < 0)
                return k;
        k = request_new(userdata, m, error, &r);
        if (k < 0)
                return k;
        r->fields = TAKE_PTR(fields);
        return request_authorized(r, VERB_CONFIGURE, unit, act_register, error);
}

static int act_unregister(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);
        _cleanup_free_ char *refusal = NULL;
        int k;

        k = manager_unregister(r->api->manager, &caller, r->unit, &refusal);
        if (k < 0)
                return dbus_error_set_errno(error, k, refusal);
        return MIN(sd_bus_reply_method_return(r->message, NULL), 0);
}

static int method_unregister(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        const Service *s;
        const char *name;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "s", &name);
        if (k < 0)
                return k;
        k = find_service(a, name, &s, error);
        if (k < 0)
                return k;
        k = request_new(a, m, error, &r);
        return k < 0 ? k : request_authorized(r, VERB_CONFIGURE, s->config->unit, act_unregister, error);
}

static int act_reload(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);
        int k = manager_reload(r->api->manager, &caller);

        if (k == -EINVAL)
                return dbus_error_set_errno(
                                error, k, "The configuration was not loaded, the old one stays; see synd's journal.");
        return k < 0 ? k : MIN(sd_bus_reply_method_return(r->message, NULL), 0);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Request *r;
        int k = request_new(userdata, m, error, &r);

        return k < 0 ? k : request_authorized(r, VERB_CONFIGURE, NULL, act_reload, error);
}

/* ---- properties ---- */

static int get_string(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        char id[UUID_STRING_MAX];

        if (streq(name, "Version"))
                return sd_bus_message_append(reply, "s", SYNOS_VERSION);
        if (streq(name, "HostId"))
                return sd_bus_message_append(reply, "s", uuid_to_string(manager_host_id(a->manager), id));
        if (streq(name, "HostName"))
                return sd_bus_message_append(reply, "s", manager_host_name(a->manager));
        assert(streq(name, "State"));
        return sd_bus_message_append(reply, "s", manager_state(a->manager, NULL));
}

static int get_state_reasons(sd_bus *bus, const char *path, const char *interface, const char *name,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        char *const *reasons = NULL;

        (void) manager_state(a->manager, &reasons);
        return sd_bus_message_append_strv(reply, (char **) reasons);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        EventLogStats stats;

        if (streq(name, "Services"))
                return sd_bus_message_append(reply, "u", (uint32_t) supervisor_count(manager_supervisor(a->manager)));
        if (streq(name, "Started"))
                return sd_bus_message_append(reply, "t", manager_started(a->manager).realtime);
        eventlog_stats(manager_eventlog(a->manager), &stats);
        if (streq(name, "EventSequence"))
                return sd_bus_message_append(reply, "t", stats.durable_seq);
        assert(streq(name, "LogDropped"));
        return sd_bus_message_append(reply, "t", stats.dropped);
}

/* (name, state, events not yet delivered) of each configured sink. */
static int get_sinks(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "a(sst)", 0);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListServices", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssssssdttssbbbo)", services),
                                method_list_services, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetService", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", service), method_get_service,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("s", name), SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DescribeMany", SD_BUS_ARGS("as", names), SD_BUS_RESULT("s", json),
                                method_describe_many, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListActions", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_list_actions,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAction", SD_BUS_ARGS("s", action), SD_BUS_RESULT("s", json), method_get_action,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("WaitAction", SD_BUS_ARGS("s", action),
                                SD_BUS_RESULT("s", result, "s", error, "s", json), method_wait_action,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListEvents", SD_BUS_ARGS("t", after, "u", limit, "s", filter),
                                SD_BUS_RESULT("s", events, "b", more, "t", first_seq), log_call_list_events,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Follow", SD_BUS_ARGS("t", after, "s", filter), SD_BUS_RESULT("h", stream),
                                method_follow, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", subject), SD_BUS_RESULT("s", json), log_call_explain,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Register", SD_BUS_ARGS("s", unit, "s", json), SD_BUS_RESULT("o", service),
                                method_register, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unregister", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT, method_unregister,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Dump", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_dump,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CheckLog", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text), log_call_check,
                                SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("t", seq, "s", type, "s", unit, "s", json), 0),
        SD_BUS_SIGNAL_WITH_ARGS("EventsSkipped", SD_BUS_ARGS("t", count, "t", first_seq, "t", last_seq), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ServiceAdded", SD_BUS_ARGS("s", unit, "o", service), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ServiceRemoved", SD_BUS_ARGS("s", unit, "o", service), 0),

        SD_BUS_PROPERTY("Version", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("HostId", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("HostName", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Started", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateReasons", "as", get_state_reasons, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Services", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Sinks", "a(sst)", get_sinks, 0, 0),
        SD_BUS_PROPERTY("EventSequence", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("LogDropped", "t", get_number, 0, 0),
        SD_BUS_VTABLE_END,
};

void dbus_manager_flush(Api *a) {
        bool state = a->state_changed, count = a->count_changed;

        a->state_changed = a->count_changed = false;
        if ((!state && !count) || !api_may_signal(a))
                return;
        if (state)
                (void) sd_bus_emit_properties_changed(a->bus, API_ROOT, API_MANAGER_INTERFACE, "State", "StateReasons",
                                                      count ? "Services" : NULL, NULL);
        else
                (void) sd_bus_emit_properties_changed(a->bus, API_ROOT, API_MANAGER_INTERFACE, "Services", NULL);
}

int dbus_manager_add(Api *a) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_add_object_vtable(a->bus, &slot, API_ROOT, API_MANAGER_INTERFACE, manager_vtable, a);
        if (r < 0)
                return r;
        r = api_add_slot(a, slot);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(a->bus, &slot, API_ROOT);
        return r < 0 ? r : api_add_slot(a, slot);
}
