/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* is-active and is-failed: one property, one round trip, nothing else, because scripts ask them often. */
#include "synctl/list-view.h"
#include "synctl/property.h"

#include <stdio.h>

/* The object of a service follows from its name, so that the name needs no question of its own; a unit name does. */
static int get_active_state(Ctl *c, const char *name, sd_bus_error *e, char **ret) {
        _cleanup_free_ char *path = NULL, *found = NULL;

        int r = sd_bus_path_encode(SYND_SERVICE_PREFIX, name, &path);
        if (r < 0)
                return r;
        r = property_string(c, path, SYND_SERVICE, "ActiveState", e, ret);
        if (r >= 0 || !sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_OBJECT))
                return r;
        sd_bus_error_free(e);
        r = client_find(c, name, e, &found);
        return r < 0 ? r : property_string(c, found, SYND_SERVICE, "ActiveState", e, ret);
}

static int ask(Ctl *c, bool (*wanted)(const char *state), int none_status) {
        _cleanup_json_ Json *a = NULL;
        bool any = false, unknown = false;

        int r = client_open(c);
        if (r != 0)
                return r;
        if (c->o.json && json_new_array(&a) < 0)
                return ctl_oom();
        for (size_t i = 0; i < c->n_args; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *state = NULL;

                r = get_active_state(c, c->args[i], &e, &state);
                if (r < 0 && !client_error_no_such(&e))
                        return client_error(c,
                                            c->verb->name[3] == 'a' ? "tell whether active:" : "tell whether failed:",
                                            c->args[i], &e, r);
                unknown = unknown || r < 0;
                any = any || (r >= 0 && wanted(state));
                if (a) {
                        _cleanup_json_ Json *o = NULL;
                        if (json_new_object(&o) < 0 || json_set_string(o, "name", c->args[i]) < 0 ||
                            json_set_string(o, "active_state", state ?: "unknown") < 0 || json_append(a, o) < 0)
                                return ctl_oom();
                } else if (!c->o.quiet) {
                        fputs(state ?: "unknown", stdout);
                        fputc('\n', stdout);
                }
        }
        if (a) {
                r = ctl_print_json(c, a);
                if (r != 0)
                        return r;
        }
        if (fflush(stdout) != 0)
                return ctl_fail(CTL_FAILED, "Cannot write to standard output: %m");
        return any ? CTL_OK : unknown ? CTL_NO_SUCH : none_status;
}

static bool is_active(const char *state) {
        return streq(state, "active") || streq(state, "reloading") || streq(state, "refreshing");
}

static bool is_failed(const char *state) {
        return streq(state, "failed");
}

int verb_is_active(Ctl *c) {
        return ask(c, is_active, CTL_NOT_ACTIVE);
}

int verb_is_failed(Ctl *c) {
        return ask(c, is_failed, CTL_FAILED);
}
