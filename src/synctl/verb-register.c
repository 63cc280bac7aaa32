/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* register and unregister: fields at run time, for what needs no grant. */
#include "synctl/exec.h"
#include "synctl/list-view.h"
#include "synctl/unit-name.h"

/* A service that is known but was never registered is not unknown. */
static int failed(Ctl *c, const char *doing, const char *unit, bool unregister, const sd_bus_error *error, int r) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL;

        if (unregister && client_error_no_such(error) && client_find(c, unit, &e, &path) >= 0)
                return ctl_fail(CTL_NO_SUCH,
                                "Cannot unregister %s: nothing was registered for it at run time. Where its section "
                                "comes from: synctl cat %s",
                                unit, unit);
        return client_error(c, doing, unit, error, r);
}

/* What a registration alone does not bring is said at once. */
static void tell(Ctl *c, const char *unit) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *s = NULL;

        if (c->o.json || client_json(c, "Describe", &e, &s, "s", unit) < 0)
                return;
        if (json_get_bool(s, "protected", false))
                ctl_note(c, "synd observes %s. It is protected: synd never acts on it.", unit);
        else if (!json_get_bool(s, "granted", false))
                ctl_note(c, "synd observes %s and never acts on it. To let it act, as root: synctl adopt %s", unit, unit);
        else
                ctl_note(c, "Registered for %s. What is in force now: synctl cat %s", unit, unit);
}

static int call(Ctl *c, const char *member, const char *doing, const char *unit, const char *json) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        _cleanup_json_ Json *o = NULL;
        const char *object = NULL;

        int r = client_open(c);
        if (r != 0)
                return r;
        exec_agent_open();
        r = client_object(c, SYND_PATH, SYND_MANAGER, member, true, &e, &reply, json ? "ss" : "s", unit, json);
        exec_agent_close();
        int status = r < 0 ? failed(c, doing, unit, !json, &e, r) : CTL_OK;
        if (r >= 0 && json)
                tell(c, unit);
        if (r >= 0 && c->o.json) {
                if ((json && sd_bus_message_read(reply, "o", &object) < 0) || json_new_object(&o) < 0 ||
                    json_set_string(o, "unit", unit) < 0 || json_set_string(o, "object", object) < 0)
                        status = ctl_oom();
                else
                        status = ctl_print_json(c, o);
        }
        sd_bus_message_unref(reply);
        return status;
}

int verb_register(Ctl *c) {
        _cleanup_free_ char *unit = NULL, *text = NULL;
        _cleanup_json_ Json *fields = NULL;
        const char *bad = NULL;

        int r = unit_name_complete(c->args[0], &unit);
        if (r >= 0)
                r = assignments_to_json(c->args + 1, c->n_args - 1, &fields, &bad);
        if (r == -EINVAL)
                return ctl_fail(CTL_USAGE, "'%s' is no KEY=VALUE. For example: synctl register %s Type=integration",
                                bad, c->args[0]);
        if (r >= 0)
                r = json_format(fields, &text);
        if (r < 0)
                return ctl_oom();
        return call(c, "Register", "register", unit, text);
}

int verb_unregister(Ctl *c) {
        _cleanup_free_ char *unit = NULL;

        if (unit_name_complete(c->args[0], &unit) < 0)
                return ctl_oom();
        return call(c, "Unregister", "unregister", unit, NULL);
}
