/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/systemd.h"
#include "synctl/unit-name.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT SYSTEMD_NAME ".Unit"

void unit_facts_done(UnitFacts *f) {
        free(f->id);
        free(f->load_state);
        free(f->fragment);
        *f = (UnitFacts){};
}

/* A template's file exists or not; its state word tells ("static", "disabled", "masked", …). */
static int template_facts(Ctl *c, const char *unit, sd_bus_error *e, UnitFacts *f) {
        sd_bus_message *reply = NULL;
        const char *state = "";

        int r = sd_bus_call_method(c->bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitFileState", e, &reply,
                                   "s", unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &state);
        bool absent = r < 0 && (r == -ENOENT || sd_bus_error_has_name(e, SD_BUS_ERROR_FILE_NOT_FOUND));
        const char *load = absent ? "not-found" : startswith(state, "masked") ? "masked" : "loaded";
        if (absent) {
                sd_bus_error_free(e);
                r = 0;
        }
        f->id = strdup(unit);
        f->load_state = strdup(load);
        f->fragment = strdup("");
        sd_bus_message_unref(reply);
        return r < 0 ? r : f->id && f->load_state && f->fragment ? 0 : -ENOMEM;
}

static int ask_facts(Ctl *c, const char *unit, sd_bus_error *e, UnitFacts *f) {
        const struct {
                const char *name;
                char **value;
        } properties[] = {
                { "Id", &f->id },
                { "LoadState", &f->load_state },
                { "FragmentPath", &f->fragment },
        };
        sd_bus_message *reply = NULL;
        const char *path;

        int r = sd_bus_call_method(c->bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "LoadUnit", e, &reply, "s",
                                   unit);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        for (size_t i = 0; i < ELEMENTSOF(properties) && r >= 0; i++)
                r = sd_bus_get_property_string(c->bus, SYSTEMD_NAME, path, SYSTEMD_UNIT, properties[i].name, e,
                                               properties[i].value);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 0;
}

int systemd_unit_facts(Ctl *c, const char *unit, sd_bus_error *e, UnitFacts *ret) {
        UnitFacts f = {};

        int r = unit_name_is_template(unit) ? template_facts(c, unit, e, &f) : ask_facts(c, unit, e, &f);
        if (r < 0) {
                unit_facts_done(&f);
                return r;
        }
        *ret = f;
        return 0;
}

int systemd_reload(Ctl *c, sd_bus_error *e) {
        sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(c->bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Reload");
        /* A host with many units takes longer than a call usually may. */
        if (r >= 0)
                r = sd_bus_call(c->bus, m, 90 * USEC_PER_SEC, e, NULL);
        sd_bus_message_unref(m);
        return r < 0 ? r : 0;
}
