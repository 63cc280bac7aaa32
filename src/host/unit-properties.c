/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/unit-properties.h"

typedef enum Field {
        FIELD_LOAD,
        FIELD_ACTIVE,
        FIELD_SUB,
        FIELD_INVOCATION,
        FIELD_JOB,
        FIELD_RESULT,
        FIELD_RESTART,
        FIELD_BOOL,
        FIELD_U32,
        FIELD_I32,
        FIELD_U64,
        FIELD_RELATION,
        FIELD_RELATION_APPEND, /* a second property that goes into the same list */
} Field;

typedef struct Property {
        const char *name;
        const char *signature;
        Field field;
        size_t offset; /* in UnitRaw or UnitRelations, where the field is copied as it is */
} Property;

#define SNAPSHOT(member) offsetof(UnitRaw, snapshot.member)
#define RELATION(member) offsetof(UnitRelations, member)

static const Property unit_properties[] = {
        { "LoadState", "s", FIELD_LOAD, 0 },
        { "ActiveState", "s", FIELD_ACTIVE, 0 },
        { "SubState", "s", FIELD_SUB, 0 },
        { "InvocationID", "ay", FIELD_INVOCATION, 0 },
        { "Job", "(uo)", FIELD_JOB, 0 },
        { "StateChangeTimestamp", "t", FIELD_U64, SNAPSHOT(state_change) },
        { "ActiveEnterTimestamp", "t", FIELD_U64, SNAPSHOT(active_enter) },
        { "InactiveEnterTimestamp", "t", FIELD_U64, SNAPSHOT(inactive_enter) },
        { "ConditionResult", "b", FIELD_BOOL, offsetof(UnitRaw, condition_result) },
        { "ConditionTimestamp", "t", FIELD_U64, offsetof(UnitRaw, condition_timestamp) },
        { "Requires", "as", FIELD_RELATION, RELATION(requires) },
        { "Wants", "as", FIELD_RELATION, RELATION(wants) },
        { "BindsTo", "as", FIELD_RELATION, RELATION(binds_to) },
        { "Requisite", "as", FIELD_RELATION, RELATION(requisite) },
        { "PartOf", "as", FIELD_RELATION, RELATION(part_of) },
        { "Upholds", "as", FIELD_RELATION, RELATION(upholds) },
        { "After", "as", FIELD_RELATION, RELATION(after) },
        { "Conflicts", "as", FIELD_RELATION_APPEND, RELATION(conflicts) },
        { "ConflictedBy", "as", FIELD_RELATION_APPEND, RELATION(conflicts) },
        { "TriggeredBy", "as", FIELD_RELATION, RELATION(triggered_by) },
};

static const Property service_properties[] = {
        { "Result", "s", FIELD_RESULT, 0 },
        { "MainPID", "u", FIELD_U32, SNAPSHOT(main_pid) },
        { "ExecMainCode", "i", FIELD_I32, SNAPSHOT(exec_code) },
        { "ExecMainStatus", "i", FIELD_I32, SNAPSHOT(exec_status) },
        { "NRestarts", "u", FIELD_U32, SNAPSHOT(n_restarts) },
        { "Restart", "s", FIELD_RESTART, 0 },
        { "RestartUSec", "t", FIELD_U64, SNAPSHOT(restart_usec) },
};

const char *unit_interface_name(UnitInterface i) {
        return i == INTERFACE_UNIT ? "org.freedesktop.systemd1.Unit" : "org.freedesktop.systemd1.Service";
}

static const Property *property_find(UnitInterface i, const char *name) {
        const Property *table = i == INTERFACE_UNIT ? unit_properties : service_properties;
        size_t n = i == INTERFACE_UNIT ? ELEMENTSOF(unit_properties) : ELEMENTSOF(service_properties);

        for (size_t k = 0; k < n; k++)
                if (streq(table[k].name, name))
                        return table + k;
        return NULL;
}

/* Names that connect every service with early boot and shutdown and say nothing about this one. */
static bool relation_is_noise(const char *name) {
        static const char *const noise[] = {
                "-.mount",
                "basic.target",
                "local-fs-pre.target",
                "local-fs.target",
                "shutdown.target",
                "sysinit.target",
                "systemd-journald.socket",
                "systemd-journald-dev-log.socket",
                "systemd-tmpfiles-setup.service",
                "umount.target",
        };

        if (endswith(name, ".slice") || endswith(name, ".scope") || endswith(name, ".swap"))
                return true;
        for (size_t k = 0; k < ELEMENTSOF(noise); k++)
                if (streq(noise[k], name))
                        return true;
        return false;
}

static int read_relation(sd_bus_message *m, char ***list, bool append) {
        const char *s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        if (!append)
                *list = strv_free(*list);
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (relation_is_noise(s))
                        continue;
                r = strv_extend(list, s);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

static int read_invocation(sd_bus_message *m, Id128 *ret) {
        const void *p;
        size_t n;
        int r;

        r = sd_bus_message_read_array(m, 'y', &p, &n);
        if (r < 0)
                return r;
        /* A unit that never ran in this boot has an empty array. */
        *ret = ID128_NULL;
        if (n == sizeof(ret->bytes))
                memcpy(ret->bytes, p, n);
        return 0;
}

/* A word that we do not know belongs to a newer systemd. */
static void set_word(UnitSnapshot *s, Field field, const char *w) {
        int v;

        switch (field) {
        case FIELD_LOAD:
                v = (int) unit_load_from_string(w);
                s->load = v < 0 ? UNIT_LOAD_UNKNOWN : (UnitLoad) v;
                break;
        case FIELD_ACTIVE:
                v = (int) unit_active_from_string(w);
                s->active = v < 0 ? UNIT_ACTIVE_UNKNOWN : (UnitActive) v;
                break;
        case FIELD_RESULT:
                v = (int) unit_result_from_string(w);
                s->result = v < 0 ? RESULT_UNKNOWN : (UnitResult) v;
                break;
        case FIELD_RESTART:
                s->auto_restart = !streq(w, "no");
                break;
        default:
                assert(field == FIELD_SUB);
                /* Cleared to its end, so that snapshots can be compared as memory. */
                memset(s->sub, 0, sizeof(s->sub));
                memcpy(s->sub, w, MIN(strlen(w), sizeof(s->sub) - 1));
        }
}

void unit_raw_set_state(UnitRaw *raw, const char *load, const char *active, const char *sub, uint32_t job_id) {
        set_word(&raw->snapshot, FIELD_LOAD, load);
        set_word(&raw->snapshot, FIELD_ACTIVE, active);
        set_word(&raw->snapshot, FIELD_SUB, sub);
        raw->snapshot.job_id = job_id;
}

static int read_value(sd_bus_message *m, const Property *p, UnitRaw *raw, UnitRelations *relations) {
        void *d = (uint8_t *) raw + p->offset;
        const char *w;
        int r, b;

        switch (p->field) {
        case FIELD_INVOCATION:
                return read_invocation(m, &raw->snapshot.invocation);
        case FIELD_JOB:
                return sd_bus_message_read(m, "(uo)", &raw->snapshot.job_id, NULL);
        case FIELD_BOOL:
                r = sd_bus_message_read_basic(m, 'b', &b);
                if (r >= 0)
                        *(bool *) d = b;
                return r;
        case FIELD_U32:
                return sd_bus_message_read_basic(m, 'u', d);
        case FIELD_I32:
                return sd_bus_message_read_basic(m, 'i', d);
        case FIELD_U64:
                return sd_bus_message_read_basic(m, 't', d);
        case FIELD_RELATION:
        case FIELD_RELATION_APPEND:
                if (!relations)
                        return sd_bus_message_skip(m, "as");
                return read_relation(m, (char ***) ((uint8_t *) relations + p->offset),
                                     p->field == FIELD_RELATION_APPEND);
        default:
                r = sd_bus_message_read_basic(m, 's', &w);
                if (r >= 0)
                        set_word(&raw->snapshot, p->field, w);
                return r;
        }
}

/* 1 if the property is of interest and was read. */
static int read_variant(sd_bus_message *m, UnitInterface i, const char *name, UnitRaw *raw, UnitRelations *relations) {
        const Property *p = property_find(i, name);
        const char *contents;
        char type;
        int r;

        if (!p)
                return sd_bus_message_skip(m, "v") < 0 ? -EBADMSG : 0;
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0 || type != 'v')
                return -EBADMSG;
        if (!streq(contents, p->signature))
                return sd_bus_message_skip(m, "v") < 0 ? -EBADMSG : 0;

        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0)
                r = read_value(m, p, raw, relations);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        return 1;
}

static void raw_derive(UnitRaw *raw) {
        raw->snapshot.condition_failed = !raw->condition_result && raw->condition_timestamp > 0;
}

int unit_properties_read(sd_bus_message *m, UnitInterface i, UnitRaw *raw) {
        int r, n = 0;

        if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return -EBADMSG;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                if (sd_bus_message_read_basic(m, 's', &name) < 0)
                        return -EBADMSG;
                r = read_variant(m, i, name, raw, NULL);
                if (r < 0)
                        return r;
                n += r;
                if (sd_bus_message_exit_container(m) < 0)
                        return -EBADMSG;
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return -EBADMSG;
        raw_derive(raw);
        return n;
}

int unit_property_read(sd_bus_message *m, UnitInterface i, const char *name, UnitRaw *raw, UnitRelations *relations) {
        int r;

        r = read_variant(m, i, name, raw, relations);
        if (r > 0)
                raw_derive(raw);
        return r;
}

int unit_properties_read_invalidated(sd_bus_message *m, UnitInterface i) {
        const char *name;
        bool found = false;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "s") < 0)
                return -EBADMSG;
        while ((r = sd_bus_message_read_basic(m, 's', &name)) > 0)
                found = found || property_find(i, name);
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return -EBADMSG;
        return found;
}
