/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event.h"

void event_done(Event *e) {
        if (!e)
                return;
        e->unit = free_(e->unit);
        e->data = json_unref(e->data);
}

int event_copy(const Event *e, Event *ret) {
        Event n;

        assert(e);
        assert(ret);
        n = *e;
        n.unit = NULL;
        if (e->unit) {
                n.unit = strdup(e->unit);
                if (!n.unit)
                        return -ENOMEM;
        }
        n.data = e->data ? json_ref(e->data) : NULL;
        *ret = n;
        return 0;
}

int event_to_json(const Event *e, const char *service_name, Json **ret) {
        _cleanup_json_ Json *o = NULL;
        char id[UUID_STRING_MAX];
        int r;

        assert(e);
        assert(ret);
        r = json_new_object(&o);
        if (r < 0)
                return r;
        if ((r = json_set_uint(o, "seq", e->seq)) < 0)
                return r;
        if (e->cause_seq != 0 && (r = json_set_uint(o, "cause_seq", e->cause_seq)) < 0)
                return r;
        if ((r = json_set_string(o, "id", uuid_to_string(e->id, id))) < 0)
                return r;
        if (!id128_is_null(e->correlation) &&
            (r = json_set_string(o, "correlation_id", uuid_to_string(e->correlation, id))) < 0)
                return r;
        if ((r = json_set_time(o, "time", e->time.realtime)) < 0 || (r = json_set_string(o, "type", e->type)) < 0 ||
            (r = json_set_string(o, "source", e->source)) < 0 || (r = json_set_string(o, "unit", e->unit)) < 0 ||
            (r = json_set_string(o, "service", service_name)) < 0 ||
            (r = json_set_int(o, "priority", e->priority)) < 0 || (r = json_set(o, "data", e->data)) < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
