/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which units are supervised: unit files, run-time registrations, instances of templates. */
#include "synd/manager-internal.h"

#include "basic/log.h"

#define REGISTER_PREFIX "register/"
#define INSTANCES_MAX 4096

static void scan_paths(const Manager *m, UnitPaths *ret) {
        *ret = (UnitPaths) { .root = m->root, .owner = 0 };
}

/* ---- restoring ---- */

static int on_supervisor_state(const char *key, const char *json, void *userdata) {
        Manager *m = userdata;
        int r;

        r = supervisor_restore(m->supervisor, instant_now(), key, json);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                log_warning_errno(r, "The stored state of %s cannot be used, starting fresh: %m", key);
        return 0;
}

static int on_registration(const char *key, const char *json, void *userdata) {
        Manager *m = userdata;
        _cleanup_json_ Json *fields = NULL;
        const char *unit = key + strlen(REGISTER_PREFIX);
        int r;

        r = json_parse(json, strlen(json), 1024 * 1024, &fields, NULL);
        if (r < 0 || !unit_name_is_valid(unit)) {
                log_warning("The stored registration of %s cannot be used, ignoring.", unit);
                return 0;
        }
        r = hashmap_replace(m->runtime, unit, fields);
        if (r >= 0)
                TAKE_PTR(fields);
        return r;
}

int manager_restore(Manager *m) {
        int r;

        r = eventlog_load(m->log, "service/", on_supervisor_state, m);
        if (r >= 0)
                r = eventlog_load(m->log, "host", on_supervisor_state, m);
        if (r >= 0)
                r = eventlog_load(m->log, REGISTER_PREFIX, on_registration, m);
        if (r < 0)
                return log_error_errno(r, "Cannot read the stored state: %m");
        return 0;
}

/* ---- declaring ---- */

int manager_apply_field(ServiceConfig *c, const char *key, Json *value) {
        int r;

        if (json_type(value) != JSON_ARRAY)
                return service_config_apply(c, key, json_string(value), "(runtime)", 0);

        /* The empty assignment lets the registration replace the list of the file. */
        r = service_config_apply(c, key, "", "(runtime)", 0);
        for (size_t i = 0; r >= 0 && i < json_length(value); i++)
                r = service_config_apply(c, key, json_string(json_at(value, i)), "(runtime)", 0);
        return r;
}

static int apply_runtime(ServiceConfig *c, Json *fields) {
        void *state = NULL;
        const char *key;
        Json *value;
        int r;

        c->runtime = true;
        while (json_next(fields, &state, &key, &value)) {
                r = manager_apply_field(c, key, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* 1 and the merged declaration, or 0 when nothing declares the unit (any more). */
static int effective_config(Manager *m, const char *unit, ServiceConfig **ret) {
        _cleanup_(unit_declaration_freep) UnitDeclaration *d = NULL;
        _cleanup_(service_config_freep) ServiceConfig *config = NULL;
        Json *runtime = hashmap_get(m->runtime, unit);
        UnitPaths paths;
        int r;

        scan_paths(m, &paths);
        r = unit_file_load(&paths, &m->conf->recovery, m->conf->protected_units, unit, &d);
        if (r < 0 && r != -ENOENT)
                return r;
        if (d && !d->masked)
                config = TAKE_PTR(d->config);
        if (!config) {
                if (!runtime)
                        return 0;
                r = service_config_new(unit, &m->conf->recovery, &config);
                if (r < 0)
                        return r;
                config->protected_ = unit_is_protected_builtin(unit) || unit_name_matches(unit, m->conf->protected_units);
        }
        if (runtime) {
                r = apply_runtime(config, runtime);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(config);
        return 1;
}

static bool has_problem(const ServiceConfig *c, const ConfigProblem *p) {
        for (size_t i = 0; c && i < c->n_problems; i++)
                if (c->problems[i].line == p->line && streq_ptr(c->problems[i].file, p->file) &&
                    streq_ptr(c->problems[i].reason, p->reason))
                        return true;
        return false;
}

/* Only what was not there before: units are read again after every daemon-reload. */
static void log_news(const ServiceConfig *c, const ServiceConfig *old) {
        for (size_t i = 0; i < c->n_problems; i++)
                if (!has_problem(old, c->problems + i))
                        config_problems_log(c->problems + i, 1);
}

static void manager_forget(Manager *m, const char *unit, const char *reason) {
        systemd_client_unwatch(m->systemd, unit);
        if (supervisor_forget(m->supervisor, instant_now(), unit, reason) < 0)
                return;
        TELL(m, service_removed, unit);
}

static int declare_config(Manager *m, const char *unit, ServiceConfig *config) {
        const Service *s = supervisor_get(m->supervisor, unit);
        bool known = s;
        int r;

        log_news(config, s ? s->config : NULL);
        r = supervisor_declare(m->supervisor, instant_now(), config);
        if (r < 0)
                return log_error_errno(r, "Cannot supervise %s: %m", unit);
        r = systemd_client_watch(m->systemd, unit);
        if (r < 0)
                return log_error_errno(r, "Cannot watch %s: %m", unit);
        s = supervisor_get(m->supervisor, unit);
        if (!known && s)
                TELL(m, service_added, s);
        return 0;
}

int manager_declare(Manager *m, const char *unit) {
        ServiceConfig *config = NULL;
        int r;

        r = effective_config(m, unit, &config);
        if (r < 0)
                return log_error_errno(r, "Cannot read the declaration of %s: %m", unit);
        if (r == 0) {
                if (supervisor_get(m->supervisor, unit))
                        manager_forget(m, unit, "no file and no registration declares it any more");
                return 0;
        }
        return declare_config(m, unit, config);
}

/* ---- scanning ---- */

static bool scan_declares(const Manager *m, const char *unit) {
        const UnitDeclaration *d = hashmap_get(m->scan, unit);

        if (d)
                return !d->masked;
        return hashmap_get(m->instances, unit) && unit_files_have_template(m->scan, unit);
}

static bool is_template(const char *unit) {
        const char *at = strchr(unit, '@');

        return at && at[1] == '.';
}

/* What is supervised now but declared by nothing any more. Two steps, because forgetting changes the map. */
static int forget_undeclared(Manager *m) {
        _cleanup_strv_free_ char **gone = NULL;
        Service *s;
        int r;

        HASHMAP_FOREACH(s, supervisor_services(m->supervisor)) {
                if (scan_declares(m, s->config->unit) || hashmap_get(m->runtime, s->config->unit))
                        continue;
                r = strv_extend(&gone, s->config->unit);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(u, gone)
                manager_forget(m, *u, "its [X-Synos] section is gone or it is masked");
        return 0;
}

int manager_scan(Manager *m) {
        HashMap *scan = NULL;
        UnitDeclaration *d;
        UnitPaths paths;
        const char *unit;
        void *value;
        int r;

        scan_paths(m, &paths);
        r = unit_files_scan(&paths, &m->conf->recovery, m->conf->protected_units, &scan);
        if (r < 0)
                return log_error_errno(r, "Cannot scan the unit files: %m");
        hashmap_free(m->scan);
        m->scan = scan;

        r = forget_undeclared(m);
        if (r < 0)
                return r;

        HASHMAP_FOREACH(d, m->scan) {
                if (d->masked || is_template(d->unit))
                        continue;
                if (hashmap_get(m->runtime, d->unit))
                        r = manager_declare(m, d->unit);
                else
                        r = declare_config(m, d->unit, TAKE_PTR(d->config));
                if (r == -ENOMEM)
                        return r;
        }
        for (HashIter i = {}; hashmap_next(m->instances, &i, &unit, &value);)
                if (!hashmap_get(m->scan, unit))
                        (void) manager_declare(m, unit);
        for (HashIter i = {}; hashmap_next(m->runtime, &i, &unit, &value);)
                if (!supervisor_get(m->supervisor, unit))
                        (void) manager_declare(m, unit);

        manager_list_instances(m);
        return 0;
}

/* ---- instances of templates ---- */

void manager_unit_seen(Manager *m, const char *unit) {
        char *copy;

        if (hashmap_get(m->instances, unit) || !unit_files_have_template(m->scan, unit))
                return;
        if (hashmap_size(m->instances) >= INSTANCES_MAX) {
                log_warning("More than %d instances of supervised templates, not supervising %s.", INSTANCES_MAX, unit);
                return;
        }
        copy = strdup(unit);
        if (!copy || hashmap_put(m->instances, unit, copy) < 0) {
                free(copy);
                return;
        }
        (void) manager_declare(m, unit);
}

static int on_list(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *unit;
        int r;

        m->list_slot = sd_bus_slot_unref(m->list_slot);
        if (sd_bus_message_is_method_error(message, NULL)) {
                log_warning("Cannot list the instances of supervised templates: %s",
                            sd_bus_message_get_error(message)->message);
                return 0;
        }
        r = sd_bus_message_enter_container(message, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'r', "ssssssouso")) > 0) {
                r = sd_bus_message_read(message, "s", &unit);
                if (r < 0)
                        break;
                manager_unit_seen(m, unit);
                r = sd_bus_message_skip(message, "sssssouso");
                if (r < 0)
                        break;
                r = sd_bus_message_exit_container(message);
        }
        if (r < 0)
                (void) log_error_errno(r, "Cannot read the list of instances, ignoring: %m");
        manager_drain(m);
        return 0;
}

/* The only listing there is: once at start and after a daemon-reload, and only the instances of declared templates. */
void manager_list_instances(Manager *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_strv_free_ char **patterns = NULL;
        sd_bus *bus = m->bus ? bus_link_bus(m->bus) : NULL;
        UnitDeclaration *d;
        int r = 0;

        m->list_slot = sd_bus_slot_unref(m->list_slot);
        if (!bus)
                return;
        HASHMAP_FOREACH(d, m->scan) {
                _cleanup_free_ char *pattern = NULL;

                if (d->masked || !is_template(d->unit))
                        continue;
                r = str_printf(&pattern, "%.*s@*%s", (int) (strchr(d->unit, '@') - d->unit), d->unit,
                               strrchr(d->unit, '.'));
                if (r >= 0)
                        r = strv_consume(&patterns, TAKE_PTR(pattern));
                if (r < 0)
                        break;
        }
        if (!patterns)
                return;

        if (r < 0 ||
            (r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                                "org.freedesktop.systemd1.Manager", "ListUnitsByPatterns")) < 0 ||
            (r = sd_bus_message_append_strv(call, NULL)) < 0 || (r = sd_bus_message_append_strv(call, patterns)) < 0 ||
            (r = sd_bus_call_async(bus, &m->list_slot, call, on_list, m, 0)) < 0)
                (void) log_error_errno(r, "Cannot ask for the instances of supervised templates: %m");
}
