/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* register and unregister: fields at run time, for what needs no grant. */
#include "synctl/exec.h"
#include "synctl/list-view.h"
#include "synctl/unit-name.h"

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
        int status = r < 0 ? client_error(c, doing, unit, &e, r) : CTL_OK;
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
