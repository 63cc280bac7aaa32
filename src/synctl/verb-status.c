/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event.h"
#include "synctl/event-filter.h"
#include "synctl/exec.h"
#include "synctl/journal-tail.h"
#include "synctl/list-view.h"
#include "synctl/status-view.h"

#define LINES_DEFAULT 10

/* What happened to the service lately. That it cannot be asked is no reason to show nothing else. */
static Json *lately(Ctl *c, const char *unit) {
        /* The story in few lines: what began, how it ended, what was made of it. */
        static const char *const types[] = {
                EVENT_SERVICE_STARTING,  EVENT_SERVICE_STOPPED,     EVENT_SERVICE_FAILED,
                EVENT_SERVICE_RECOVERED, EVENT_SERVICE_MAINTENANCE, EVENT_RECOVERY_BUDGET_SPENT,
                EVENT_RECOVERY_WAITING,  EVENT_ACTION_REFUSED,      NULL,
        };
        char *units[] = { (char *) unit, NULL };
        const EventSelection s = { .services = units, .types = (char **) types, .newest = true, .limit = 8 };
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        Json *events = NULL;

        return events_ask(c, &s, &e, &events, NULL, NULL) < 0 ? NULL : events;
}

static int describe(Ctl *c, const ServiceRow *s, Json **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        int r = client_json(c, "Describe", &e, ret, "s", s->unit);
        return r < 0 ? client_error(c, "show", s->name, &e, r) : 0;
}

static int show_one(Ctl *c, const ServiceRow *s, unsigned lines, StrBuf *b, int *status) {
        _cleanup_json_ Json *service = NULL, *events = NULL;
        _cleanup_free_ char *log = NULL, *hint = NULL;

        int r = describe(c, s, &service);
        if (r != 0)
                return r;
        if (status_exit(service) != CTL_OK)
                *status = CTL_NOT_ACTIVE;
        events = lately(c, s->unit);
        if (lines > 0)
                journal_tail(s->unit, lines, c->o.full ? 0 : c->term.columns, &log, &hint);
        if (status_format(service, events, log, hint, &c->term, c->o.full, realtime_now(), b) < 0)
                return ctl_oom();
        return 0;
}

static int show_json(Ctl *c, const ServiceList *l, bool single) {
        _cleanup_json_ Json *a = NULL;
        int status = CTL_OK;

        if (json_new_array(&a) < 0)
                return ctl_oom();
        for (size_t i = 0; i < l->n; i++) {
                _cleanup_json_ Json *o = NULL;
                int r = describe(c, l->rows + i, &o);
                if (r != 0)
                        return r;
                if (status_exit(o) != CTL_OK)
                        status = CTL_NOT_ACTIVE;
                if (json_append(a, o) < 0)
                        return ctl_oom();
        }
        int r = ctl_print_json(c, single && l->n == 1 ? json_at(a, 0) : a);
        return r != 0 ? r : status;
}

int verb_status(Ctl *c) {
        _cleanup_service_list_ ServiceList l = {};
        _cleanup_strbuf_ StrBuf b = {};
        uint32_t lines = LINES_DEFAULT;
        int status = CTL_OK;

        if (c->o.lines && safe_atou32(c->o.lines, &lines) < 0)
                return ctl_fail(CTL_USAGE, "'%s' is no number of lines. For example: --lines 20", c->o.lines);
        int r = services_load(c, "show the status", &l);
        if (r != 0)
                return r;
        const char *missed = services_select(&l, c->args, c->n_args);
        if (missed)
                return services_no_such(c, "show", missed);
        if (c->o.json)
                return show_json(c, &l, c->n_args == 1 && !is_pattern(c->args[0]));
        /* Without names: the whole host, without the journals. */
        if (c->n_args == 0)
                lines = 0;
        for (size_t i = 0; i < l.n; i++) {
                if (i > 0)
                        strbuf_append(&b, "\n");
                r = show_one(c, l.rows + i, lines, &b, &status);
                if (r != 0)
                        return r;
        }
        if (c->o.quiet)
                return status;
        if (l.n == 0)
                strbuf_append(&b, "No services. To have one supervised, as root: synctl adopt UNIT\n");
        r = ctl_print_buf(c, &b);
        return r != 0 ? r : c->n_args == 0 ? CTL_OK : status;
}
