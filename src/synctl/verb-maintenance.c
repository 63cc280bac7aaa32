/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/exec.h"
#include "synctl/list-view.h"
#include "synctl/when.h"

static int add_done(Json *done, const char *name, bool on, usec_t span) {
        _cleanup_json_ Json *o = NULL;

        int r = json_new_object(&o);
        if (r >= 0)
                r = json_set_string(o, "name", name);
        if (r >= 0)
                r = json_set_bool(o, "maintenance", on);
        if (r >= 0 && span > 0)
                r = json_set_uint(o, "for_usec", span);
        return r < 0 ? r : json_append(done, o);
}

int verb_maintenance(Ctl *c) {
        bool on = streq(c->args[0], "on");
        usec_t span = 0; /* 0: until it is switched off */
        _cleanup_json_ Json *done = NULL;

        if (!on && !streq(c->args[0], "off"))
                return ctl_fail(CTL_USAGE,
                                "Maintenance is 'on' or 'off', not '%s': synctl maintenance on|off NAME… [--for 1h]",
                                c->args[0]);
        if (!on && c->o.span)
                return ctl_fail(CTL_USAGE, "--for goes with 'maintenance on' only.");
        if (c->o.span && (parse_span(c->o.span, &span) < 0 || span == 0))
                return ctl_fail(CTL_USAGE, "'%s' is no span of time. Say it like this: --for 30min, --for '1h 30min'",
                                c->o.span);
        if (span == USEC_INFINITY)
                span = 0;
        int status = client_open(c);
        if (status != 0)
                return status;
        if (json_new_array(&done) < 0)
                return ctl_oom();
        exec_agent_open();
        for (size_t i = 1; i < c->n_args; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *path = NULL;
                const char *doing = on ? "begin the maintenance of" : "end the maintenance of";
                status = client_resolve(c, doing, c->args[i], &path);
                if (status != 0)
                        break;
                int r = client_object(c, path, SYND_SERVICE, "SetMaintenance", true, &e, NULL, "bt", (int) on, span);
                if (r < 0) {
                        status = client_error(c, doing, c->args[i], &e, r);
                        break;
                }
                if (add_done(done, c->args[i], on, span) < 0) {
                        status = ctl_oom();
                        break;
                }
                if (!on && !c->o.json)
                        ctl_note(c, "%s is no longer in maintenance.", c->args[i]);
                if (on && !c->o.json) {
                        char text[WHEN_MAX];
                        ctl_note(c, "%s is in maintenance%s%s: synd watches it and does nothing.", c->args[i],
                                 span ? " for " : " until 'synctl maintenance off'",
                                 span ? when_span(span, text) : "");
                }
        }
        exec_agent_close();
        if (c->o.json) {
                int r = ctl_print_json(c, done);
                status = status != 0 ? status : r;
        }
        return status;
}
