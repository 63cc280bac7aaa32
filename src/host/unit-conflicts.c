/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a unit that is not watched conflicts with. A watched unit's own ConflictedBy= does not tell: PID 1 learns of the
 * other one's Conflicts= when it loads it, which is as a rule when it is started, and announces no change. */
#include "host/systemd-client-internal.h"

enum { CONFLICT_READS_MAX = 16 };

struct ConflictRead {
        SystemdClient *client;
        char *unit;
        sd_bus_slot *slot;
        TAILQ_ENTRY(ConflictRead) list;
};

static ConflictRead *conflict_read_free(ConflictRead *r) {
        if (!r)
                return NULL;
        sd_bus_slot_unref(r->slot);
        free(r->unit);
        free(r);
        return NULL;
}
DEFINE_CLEANUP(ConflictRead *, conflict_read_free);

static void conflict_read_unlink(ConflictRead *r) {
        TAILQ_REMOVE(&r->client->conflicts, r, list);
        r->client->n_conflicts--;
}

void conflict_reads_cancel(SystemdClient *c) {
        ConflictRead *r;

        while ((r = TAILQ_FIRST(&c->conflicts))) {
                conflict_read_unlink(r);
                conflict_read_free(r);
        }
}

static int on_conflicts(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(conflict_read_freep) ConflictRead *r = userdata;
        SystemdClient *c = r->client;
        const char *other;

        conflict_read_unlink(r);
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_enter_container(m, 'v', "as") <= 0 ||
            sd_bus_message_enter_container(m, 'a', "s") <= 0)
                return 0;
        while (sd_bus_message_read_basic(m, 's', &other) > 0)
                if (hashmap_get(c->units, other) && c->handler->conflict)
                        c->handler->conflict(c, other, r->unit, c->userdata);
        return 0;
}

int systemd_client_read_conflicts(SystemdClient *c, const char *unit) {
        _cleanup_(conflict_read_freep) ConflictRead *r = NULL;
        _cleanup_free_ char *path = NULL;
        int q;

        if (c->phase < CLIENT_SUBSCRIBING)
                return -ENOTCONN;
        if (c->n_conflicts >= CONFLICT_READS_MAX) {
                c->stats.conflicts_dropped++;
                return -ENOBUFS;
        }
        r = calloc(1, sizeof(*r));
        if (!r || !(r->unit = strdup(unit)))
                return -ENOMEM;
        r->client = c;
        q = sd_bus_path_encode(SYSTEMD_UNIT_PREFIX, unit, &path);
        if (q >= 0)
                q = sd_bus_call_method_async(c->bus, &r->slot, c->owner, path, "org.freedesktop.DBus.Properties",
                                             "Get", on_conflicts, r, "ss", unit_interface_name(INTERFACE_UNIT),
                                             "Conflicts");
        if (q < 0)
                return q;
        c->stats.property_reads++;
        c->n_conflicts++;
        TAILQ_INSERT_TAIL(&c->conflicts, r, list);
        TAKE_PTR(r);
        return 0;
}
