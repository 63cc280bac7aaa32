/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt and release: the administrator's word that synd may act on a unit, written like "systemctl edit" writes. */
#include "core/service.h"
#include "synctl/dropin.h"
#include "synctl/list-view.h"
#include "synctl/services.h"
#include "synctl/systemd.h"
#include "synctl/text.h"
#include "synctl/unit-name.h"

#include <stdio.h>

#define SYND_WAIT (5 * USEC_PER_SEC)

typedef struct Target {
        char *unit; /* where the drop-in goes */
        char *path; /* of the drop-in */
        char *content; /* that is there now */
        DropInState state;
        bool changed;
} Target;

static void target_done(Target *t) {
        free(t->unit);
        free(t->path);
        free(t->content);
        *t = (Target){};
}

/* The name of a service that synd knows also stands for its unit. */
static int unit_of_service(Ctl *c, const char *name, char **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};

        int r = services_ask(c, &e, &l);
        if (r < 0)
                return r;
        for (size_t i = 0; i < l.n; i++)
                if (streq(l.rows[i].name, name)) {
                        char *unit = strdup(l.rows[i].unit);
                        if (!unit)
                                return -ENOMEM;
                        *ret = unit;
                        return 0;
                }
        return -ENOENT;
}

/* May such a unit be adopted at all? 0 or an exit status after saying why not. */
static int check_name(const char *unit) {
        if (strchr(unit, '/'))
                return ctl_fail(CTL_USAGE, "Give the name of the unit, not a path: %s", strrchr(unit, '/') + 1);
        if (!unit_name_is_valid(unit))
                return ctl_fail(CTL_USAGE, "'%s' is no name of a unit.", unit);
        if (!endswith(unit, ".service"))
                return ctl_fail(CTL_REFUSED,
                                "Cannot adopt %s: synd supervises services only. A socket, timer or mount is watched "
                                "through the service that needs it.",
                                unit);
        if (unit_is_protected_builtin(unit))
                return ctl_fail(CTL_REFUSED,
                                "Cannot adopt %s: it is protected. What keeps the host alive and reachable (PID 1's "
                                "own, systemd-*, dbus*, polkit*, ssh*, getty*, synd*, …) is never acted upon.",
                                unit);
        return 0;
}

static int check_loaded(const UnitFacts *f, bool releasing) {
        if (releasing || streq(f->load_state, "loaded"))
                return 0;
        if (streq(f->load_state, "not-found"))
                return ctl_fail(CTL_NO_SUCH,
                                "Cannot adopt %s: systemd knows no such unit. See: systemctl list-unit-files "
                                "--type=service",
                                f->id);
        if (streq(f->load_state, "masked"))
                return ctl_fail(CTL_REFUSED,
                                "Cannot adopt %s: it is masked, so nobody can start it. First: systemctl unmask %s",
                                f->id, f->id);
        return ctl_fail(CTL_REFUSED, "Cannot adopt %s: systemd cannot load it (%s). See: systemctl status %s", f->id,
                        f->load_state, f->id);
}

static int find_target(Ctl *c, const char *word, bool releasing, Target *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_(unit_facts_done) UnitFacts f = {};
        _cleanup_(target_done) Target t = {};
        _cleanup_free_ char *unit = NULL, *other = NULL;

        int r = strchr(word, '/') ? check_name(word) : 0;
        if (r != 0)
                return r;
        if (unit_name_complete(word, &unit) < 0)
                return ctl_oom();
        r = check_name(unit);
        if (r != 0)
                return r;
        r = systemd_unit_facts(c, unit, &e, &f);
        if (r >= 0 && streq(f.load_state, "not-found") && unit_of_service(c, word, &other) >= 0) {
                unit_facts_done(&f);
                r = systemd_unit_facts(c, other, &e, &f);
        }
        if (r < 0)
                return client_error(c, releasing ? "release" : "adopt", unit, &e, r);
        r = check_loaded(&f, releasing);
        if (r == 0)
                r = check_name(f.id); /* an alias may lead to what is protected */
        if (r != 0)
                return r;
        if (!streq(f.id, unit))
                ctl_note(c, "%s is another name of %s.", unit, f.id);
        t.unit = TAKE_PTR(f.id);
        r = dropin_look("", t.unit, &t.state, &t.path, &t.content);
        if (r < 0) {
                errno = -r;
                return ctl_fail(r == -EACCES ? CTL_NOT_PERMITTED : CTL_FAILED, "Cannot look at the drop-in of %s: %m.",
                                t.unit);
        }
        *ret = t;
        t = (Target){};
        return 0;
}

/* The lines of --set are read as synd will read them, before a file is touched. */
static int check_sets(Ctl *c, const char *unit) {
        static const RecoverySettings none = {};
        _cleanup_(service_config_freep) ServiceConfig *trial = NULL;

        int r = service_config_new(unit, &none, &trial);
        for (size_t i = 0; r >= 0 && i < strv_length(c->o.sets); i++) {
                const char *equals = strchr(c->o.sets[i], '=');
                _cleanup_free_ char *key = equals ? strndup(c->o.sets[i], (size_t) (equals - c->o.sets[i])) : NULL;

                if (!equals)
                        continue; /* dropin_text() says it better */
                if (!key)
                        return ctl_oom();
                r = service_config_apply(trial, key, equals + 1, "--set", 0);
        }
        if (r < 0)
                return ctl_oom();
        if (trial->n_problems == 0)
                return 0;
        _cleanup_free_ char *reason = NULL;
        if (text_clean(trial->problems[0].reason, &reason) < 0)
                return ctl_oom();
        char *ignoring = strstr(reason, ", ignoring");
        if (ignoring)
                *ignoring = 0;
        return ctl_fail(CTL_USAGE, "Cannot adopt %s: %s. Nothing was written; the fields are in synos.unit(5).", unit,
                        reason);
}

static int need_root(const char *verb) {
        if (geteuid() == 0)
                return 0;
        return ctl_fail(CTL_NOT_PERMITTED, "Cannot %s: only root writes unit files. Try: sudo synctl %s …", verb,
                        verb);
}

static int file_error(const char *doing, const char *path, int error) {
        errno = -error;
        return ctl_fail(IN_SET(error, -EACCES, -EPERM) ? CTL_NOT_PERMITTED : CTL_FAILED, "Cannot %s %s: %m.", doing,
                        path);
}

/* Writes one drop-in. *ret_written: something changed. */
static int adopt_one(Ctl *c, const Target *t, bool *ret_written) {
        _cleanup_free_ char *text = NULL;
        const char *bad = NULL;

        int r = dropin_text(t->unit, c->o.sets, &text, &bad);
        if (r == -EINVAL)
                return ctl_fail(CTL_USAGE, "'%s' is no KEY=VALUE line for [X-Synos]; the fields are in synos.unit(5).",
                                bad);
        if (r < 0)
                return ctl_oom();
        if (t->state == DROPIN_FOREIGN && !c->o.force)
                return ctl_fail(CTL_REFUSED,
                                "Cannot adopt %s: %s exists and was not written by synctl adopt; it is left as it is. "
                                "Put 'Supervise=yes' into its [X-Synos] yourself, or replace it: synctl adopt --force "
                                "%s",
                                t->unit, t->path, t->unit);
        if (t->state == DROPIN_OURS && (streq_ptr(t->content, text) || !c->o.sets)) {
                ctl_note(c, "%s is adopted already (%s).", t->unit, t->path);
                return 0;
        }
        if (t->state == DROPIN_FOREIGN)
                ctl_note(c, "Replacing %s, which another hand wrote.", t->path);
        r = dropin_write("", t->unit, text);
        if (r < 0)
                return file_error("write", t->path, r);
        ctl_note(c, "Wrote %s.", t->path);
        *ret_written = true;
        return 0;
}

static int reload(Ctl *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        int r = systemd_reload(c, &e);
        if (r >= 0)
                return 0;
        return ctl_fail(CTL_FAILED,
                        "The files are written, but systemd did not reload: %s. Once it can: systemctl daemon-reload",
                        e.message ?: strerror(-r));
}

/* ---- what synd makes of it ---- */

static int any_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        return 0; /* it woke the loop, that is all */
}

/* Waits until synd has read the change: it follows daemon-reload by itself. 1 seen, 0 not in time, negative: no
 * synd. */
static int wait_for_synd(Ctl *c, const char *unit, bool granted, Json **ret) {
        usec_t deadline = usec_add(boottime_now(), SYND_WAIT);

        for (;;) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_json_ Json *j = NULL;
                int r = client_json(c, "Describe", &e, &j, "s", unit);
                if (r < 0 && !client_error_no_such(&e))
                        return r;
                if ((r < 0 && !granted) || (r >= 0 && json_get_bool(j, "granted", false) == granted)) {
                        *ret = TAKE_PTR(j);
                        return 1;
                }
                usec_t left = usec_sub(deadline, boottime_now());
                if (left == 0) {
                        *ret = TAKE_PTR(j);
                        return 0;
                }
                r = sd_bus_wait(c->bus, left);
                while (r > 0 && (r = sd_bus_process(c->bus, NULL)) > 0)
                        ;
                if (r < 0)
                        return r;
        }
}

static void subscribe(Ctl *c) {
        (void) sd_bus_match_signal(c->bus, NULL, SYND_BUS_NAME, NULL, "org.freedesktop.DBus.Properties",
                                   "PropertiesChanged", any_signal, NULL);
        (void) sd_bus_match_signal(c->bus, NULL, SYND_BUS_NAME, SYND_PATH, SYND_MANAGER, NULL, any_signal, NULL);
}

static void report_adopted(Ctl *c, const char *unit) {
        _cleanup_json_ Json *j = NULL;

        if (unit_name_is_template(unit)) {
                ctl_note(c, "Each instance of %s is granted from now on.", unit);
                return;
        }
        int r = wait_for_synd(c, unit, true, &j);
        if (r > 0)
                ctl_note(c, "synd supervises %s and may act on it.", json_get_string(j, "name") ?: unit);
        else if (r < 0)
                ctl_note(c, "synd is not running; it will supervise %s once it is: systemctl start synd.service",
                         unit);
        else if (json_get_bool(j, "protected", false))
                ctl_note(c, "synd sees %s but leaves it alone: ProtectedUnits= in synd.conf covers it.", unit);
        else
                ctl_note(c, "synd does not show the grant of %s yet. See: synctl doctor", unit);
}

/* Where a section still comes from after our drop-in is gone. */
static void report_released(Ctl *c, const char *unit) {
        _cleanup_json_ Json *j = NULL;
        const char *file = NULL;

        int r = unit_name_is_template(unit) ? 1 : wait_for_synd(c, unit, false, &j);
        if (r < 0)
                return;
        const Json *fields = json_get(j, "fields");
        for (size_t i = 0; i < json_length(fields); i++) {
                const char *from = json_get_string(json_at(fields, i), "file");
                if (from && from[0] == '/')
                        file = from;
        }
        if (r == 0 && json_get_bool(j, "granted", false))
                ctl_note(c, "%s is still granted: its section also comes from %s.", unit, file ?: "another file");
        else if (file)
                ctl_note(c, "%s still has a section in %s; it no longer says Supervise=yes.", unit, file);
        else if (json_get_bool(j, "runtime", false))
                ctl_note(c, "%s is still observed, as registered at run time. To end that: synctl unregister %s", unit,
                         unit);
        else
                ctl_note(c, "synd no longer acts on %s.", unit);
}

static int release_one(Ctl *c, const Target *t) {
        if (t->state == DROPIN_ABSENT)
                return ctl_fail(CTL_NO_SUCH,
                                "Cannot release %s: synctl adopt has written nothing for it (no %s). Where its "
                                "section "
                                "comes from: synctl cat %s",
                                t->unit, t->path, t->unit);
        if (t->state == DROPIN_FOREIGN && !c->o.force)
                return ctl_fail(CTL_REFUSED,
                                "Cannot release %s: %s was not written by synctl adopt; it is left as it is. To "
                                "remove it "
                                "all the same: synctl release --force %s",
                                t->unit, t->path, t->unit);
        int r = dropin_remove("", t->unit);
        if (r < 0)
                return file_error("remove", t->path, r);
        ctl_note(c, "Removed %s.", t->path);
        return 0;
}

/* Changes the files of all targets, then has systemd and synd read them. */
static int change_all(Ctl *c, Target *targets, bool releasing) {
        bool any = false;
        int status = 0;

        for (size_t i = 0; i < c->n_args && status == 0; i++) {
                Target *t = targets + i;
                if (releasing) {
                        status = release_one(c, t);
                        t->changed = status == 0;
                } else
                        status = adopt_one(c, t, &t->changed);
                any = any || t->changed;
        }
        if (!any)
                return status;
        subscribe(c);
        int r = reload(c);
        for (size_t i = 0; i < c->n_args && r == 0; i++)
                if (targets[i].changed)
                        (releasing ? report_released : report_adopted)(c, targets[i].unit);
        return status != 0 ? status : r;
}

static int print_targets(const Ctl *c, const Target *targets) {
        _cleanup_json_ Json *a = NULL;

        if (json_new_array(&a) < 0)
                return ctl_oom();
        for (size_t i = 0; i < c->n_args; i++) {
                _cleanup_json_ Json *o = NULL;
                if (!targets[i].unit)
                        continue;
                if (json_new_object(&o) < 0 || json_set_string(o, "unit", targets[i].unit) < 0 ||
                    json_set_string(o, "file", targets[i].path) < 0 ||
                    json_set_bool(o, "changed", targets[i].changed) < 0 || json_append(a, o) < 0)
                        return ctl_oom();
        }
        return ctl_print_json(c, a);
}

static int run(Ctl *c, bool releasing) {
        _cleanup_free_ Target *targets = NULL;
        int status = need_root(releasing ? "release" : "adopt");

        if (status == 0)
                status = client_open(c);
        if (status != 0)
                return status;
        targets = calloc(c->n_args, sizeof(Target));
        if (!targets)
                return ctl_oom();
        /* All names are looked at before the first file is changed. */
        for (size_t i = 0; i < c->n_args && status == 0; i++)
                status = find_target(c, c->args[i], releasing, targets + i);
        for (size_t i = 0; i < c->n_args && status == 0 && !releasing; i++)
                status = check_sets(c, targets[i].unit);
        if (status == 0)
                status = change_all(c, targets, releasing);
        if (c->o.json) {
                int r = print_targets(c, targets);
                status = status != 0 ? status : r;
        }
        for (size_t i = 0; i < c->n_args; i++)
                target_done(targets + i);
        return status;
}

int verb_adopt(Ctl *c) {
        return run(c, false);
}

int verb_release(Ctl *c) {
        return run(c, true);
}
