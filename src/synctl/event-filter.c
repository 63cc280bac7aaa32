/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/event-filter.h"

#define LIMIT_DEFAULT 100
#define REPLY_MAX (64 * 1024 * 1024)

static bool all_digits(const char *s) {
        return *s && s[strspn(s, "0123456789")] == 0;
}

int event_selection_from_options(const CtlOptions *o, usec_t now, EventSelection *ret) {
        EventSelection s = {
                .services = o->services, .types = o->types, .correlation = o->action, .limit = LIMIT_DEFAULT
        };
        uint64_t seq;

        if (o->limit && (safe_atou32(o->limit, &s.limit) < 0 || s.limit == 0))
                return ctl_fail(CTL_USAGE, "'%s' is no number of events. For example: --limit 50", o->limit);
        if (o->since && all_digits(o->since)) {
                if (safe_atou64(o->since, &seq) < 0)
                        return ctl_fail(CTL_USAGE, "'%s' is no sequence number.", o->since);
                s.after = seq > 0 ? seq - 1 : 0;
        } else if (o->since && parse_timestamp(o->since, now, &s.since) < 0)
                return ctl_fail(CTL_USAGE,
                                "'%s' is neither a sequence number nor a time. For example: --since 88121, --since "
                                "14:00, --since '10min ago', --since 2026-11-24",
                                o->since);
        if (o->until && parse_timestamp(o->until, now, &s.until) < 0)
                return ctl_fail(CTL_USAGE, "'%s' is no time. For example: --until 14:00, --until '10min ago'",
                                o->until);
        /* Without a beginning it is the end that is asked for. */
        s.newest = !o->since;
        /* With a beginning everything from there on is meant, unless a limit says otherwise. */
        if (o->since && !o->limit)
                s.limit = UINT32_MAX;
        *ret = s;
        return 0;
}

int event_selection_format(const EventSelection *s, bool stream, char **ret) {
        _cleanup_json_ Json *o = NULL;
        char stamp[FORMAT_RFC3339_MAX];

        int r = json_new_object(&o);
        if (r >= 0 && s->services)
                r = json_set_strv(o, "services", s->services);
        if (r >= 0 && s->types)
                r = json_set_strv(o, "types", s->types);
        if (r >= 0)
                r = json_set_string(o, "correlation", s->correlation);
        if (r >= 0 && s->since > 0)
                r = json_set_string(o, "since", format_rfc3339(s->since, stamp));
        if (r >= 0 && s->newest && !stream)
                r = json_set_bool(o, "newest", true);
        if (r >= 0 && s->up_to > 0 && !stream)
                r = json_set_uint(o, "up_to", s->up_to);
        return r < 0 ? r : json_format(o, ret);
}

int events_ask(Ctl *c, const EventSelection *s, sd_bus_error *e, Json **ret, bool *ret_more, uint64_t *ret_first) {
        _cleanup_free_ char *filter = NULL, *reason = NULL;
        sd_bus_message *reply = NULL;
        _cleanup_json_ Json *events = NULL;
        const char *text;
        uint64_t first = 0;
        int more = 0;

        int r = event_selection_format(s, false, &filter);
        if (r >= 0)
                r = client_manager(c, "ListEvents", e, &reply, "tus", s->after, MIN(s->limit, UINT32_C(1000)), filter);
        if (r >= 0)
                r = sd_bus_message_read(reply, "sbt", &text, &more, &first);
        if (r >= 0)
                r = json_parse(text, strlen(text), REPLY_MAX, &events, &reason);
        if (r >= 0 && json_type(events) != JSON_ARRAY)
                r = -EBADMSG;
        sd_bus_message_unref(reply);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(events);
        if (ret_more)
                *ret_more = more;
        if (ret_first)
                *ret_first = first;
        return 0;
}
