/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people and clients ask for, after the gate let it pass. */
#include "synd/manager-internal.h"

#include "basic/log.h"

#include <stdarg.h>
#include <stdio.h>

#define REGISTRATIONS_MAX 4096
#define REGISTRATION_SIZE_MAX (64 * 1024)

static uint64_t record_request(Manager *m, const Caller *caller, const char *verb, const char *unit) {
        _cleanup_json_ Json *data = NULL;

        if (json_new_object(&data) < 0)
                return 0;
        if (caller->user)
                (void) json_set_string(data, "user", caller->user);
        else
                (void) json_set_stringf(data, "user", "uid %" PRIu32, caller->uid);
        (void) json_set_uint(data, "uid", caller->uid);
        (void) json_set_string(data, "verb", verb);
        (void) json_set_string(data, "service_name", unit);
        (void) json_set_string(data, "via", caller->via);
        return manager_emit(m, EVENT_USER_REQUEST, "user", unit, PRIORITY_NORMAL, 0, ID128_NULL, TAKE_PTR(data));
}

static int caller_name(const Caller *caller, char **ret) {
        if (caller->user)
                return str_printf(ret, "%s", caller->user);
        return str_printf(ret, "uid %" PRIu32, caller->uid);
}

int manager_command(Manager *m, const Caller *caller, const Command *c, Id128 *ret_action, char **ret_refusal) {
        _cleanup_free_ char *by = NULL;
        Command command = *c;
        int r;

        r = caller_name(caller, &by);
        if (r < 0)
                return r;
        command.by = by;
        command.via = caller->via;
        command.cause_seq = record_request(m, caller, verb_to_string(c->verb), c->unit);

        r = supervisor_command(m->supervisor, instant_now(), &command, ret_action, ret_refusal);
        manager_drain(m);
        return r;
}

int manager_check(Manager *m, const Caller *caller, const char *unit, char **ret_refusal) {
        if (!supervisor_get(m->supervisor, unit))
                return -ENOENT;
        if (!m->connected) {
                *ret_refusal = strdup("There is no connection to systemd.");
                return -ENOTCONN;
        }
        (void) record_request(m, caller, verb_to_string(VERB_CHECK), unit);
        return systemd_client_refresh(m->systemd, unit);
}

/* ---- registration ---- */

static _printf_(3, 4) int refuse(char **ret_refusal, int error, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(ret_refusal, format, ap);
        va_end(ap);
        if (r < 0) {
                *ret_refusal = NULL; /* undefined after a failure, asprintf(3) */
                return -ENOMEM;
        }
        return error;
}

static int check_value(const char *key, Json *value, char **ret_refusal) {
        if (json_type(value) == JSON_STRING)
                return 0;
        if (json_type(value) != JSON_ARRAY)
                return refuse(ret_refusal, -EINVAL, "The value of %s must be a string or an array of strings.", key);
        for (size_t i = 0; i < json_length(value); i++)
                if (json_type(json_at(value, i)) != JSON_STRING)
                        return refuse(ret_refusal, -EINVAL, "The value of %s must be a string or an array of strings.", key);
        return 0;
}

/* Nothing is stored unless every field is one that may be set at run time and has a valid value. */
static int check_fields(Manager *m, const char *unit, Json *fields, char **ret_refusal) {
        _cleanup_(service_config_freep) ServiceConfig *trial = NULL;
        void *state = NULL;
        const char *key;
        Json *value;
        int r;

        r = service_config_new(unit, &m->conf->recovery, &trial);
        if (r < 0)
                return r;
        while (json_next(fields, &state, &key, &value)) {
                if (!service_config_key_is_runtime(key))
                        return refuse(ret_refusal, -EPERM,
                                      "The field %s cannot be set at run time: only the administrator's unit file "
                                      "can grant it.",
                                      key);
                r = check_value(key, value, ret_refusal);
                if (r < 0)
                        return r;
                r = manager_apply_field(trial, key, value);
                if (r < 0)
                        return r;
                if (trial->n_problems > 0)
                        return refuse(ret_refusal, -EINVAL, "%s", trial->problems[0].reason);
        }
        return 0;
}

static int store_registration(Manager *m, const char *unit, Json *fields) {
        _cleanup_free_ char *key = NULL, *json = NULL;
        int r;

        r = str_printf(&key, "register/%s", unit);
        if (r < 0)
                return r;
        if (fields) {
                r = json_format(fields, &json);
                if (r < 0)
                        return r;
                if (strlen(json) > REGISTRATION_SIZE_MAX)
                        return -E2BIG;
        }
        return eventlog_put(m->log, key, json);
}

static void record_registration(Manager *m, const char *unit, Json *fields, uint64_t cause) {
        _cleanup_json_ Json *data = NULL;

        if (json_new_object(&data) < 0)
                return;
        (void) json_set_string(data, "unit", unit);
        if (fields)
                (void) json_set(data, "fields", fields);
        manager_emit(m, EVENT_CONFIG_CHANGED, "user", unit, PRIORITY_NORMAL, cause, ID128_NULL, TAKE_PTR(data));
}

int manager_register(Manager *m, const Caller *caller, const char *unit, Json *fields, char **ret_refusal) {
        uint64_t cause;
        int r;

        if (!unit_name_is_valid(unit) || !endswith(unit, ".service"))
                return refuse(ret_refusal, -EINVAL, "\"%s\" is not the name of a service unit.", unit);
        if (hashmap_size(m->runtime) >= REGISTRATIONS_MAX && !hashmap_get(m->runtime, unit))
                return refuse(ret_refusal, -ENOSPC, "There are too many registrations; %s was not added.", unit);
        r = check_fields(m, unit, fields, ret_refusal);
        if (r < 0)
                return r;

        r = store_registration(m, unit, fields);
        if (r < 0)
                return r;
        r = hashmap_replace(m->runtime, unit, json_ref(fields));
        if (r < 0) {
                json_unref(fields);
                return r;
        }
        cause = record_request(m, caller, "register", unit);
        record_registration(m, unit, fields, cause);
        r = manager_declare(m, unit);
        manager_drain(m);
        return r;
}

int manager_unregister(Manager *m, const Caller *caller, const char *unit, char **ret_refusal) {
        uint64_t cause;
        int r;

        if (!hashmap_get(m->runtime, unit))
                return refuse(ret_refusal, -ENOENT, "%s has no run-time registration.", unit);
        r = store_registration(m, unit, NULL);
        if (r < 0)
                return r;
        json_unref(hashmap_remove(m->runtime, unit));
        cause = record_request(m, caller, "unregister", unit);
        record_registration(m, unit, NULL, cause);
        r = manager_declare(m, unit);
        manager_drain(m);
        return r;
}
