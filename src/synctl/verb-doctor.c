/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commonly goes wrong, each with its remedy. Here is what asks; doctor.c judges. */
#include "config.h"

#include "synctl/describe-all.h"
#include "synctl/doctor.h"
#include "synctl/exec.h"
#include "synctl/list-view.h"
#include "synctl/property.h"

#include <stdio.h>
#include <sys/timex.h>

#define GRANT_HELPER SYNOS_LIBEXECDIR "/synd-grants"
#define GRANT_HELPER_UNITS 500 /* asked at once: 255 bytes each at most */
#define POLKIT_RULE SYNOS_PREFIX "/share/polkit-1/rules.d/50-synos.rules"

static bool synd_unit_is_up(Ctl *c) {
        _cleanup_free_ char *state = NULL, *path = NULL;

        return sd_bus_path_encode("/org/freedesktop/systemd1/unit", "synd.service", &path) >= 0 &&
               sd_bus_get_property_string(c->bus, "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Unit",
                                          "ActiveState", NULL, &state) >= 0 &&
               streq(state, "active");
}

/* 0, or a negative errno when there is nothing to go on with. */
static int check_synd(Ctl *c, Findings *f) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *version = NULL;

        int r = sd_bus_open_system(&c->bus);
        if (r < 0) {
                findings_add(f, "bus", LEVEL_FAIL, "systemctl status dbus.service",
                             "The system bus cannot be reached: %s", strerror(-r));
                return r;
        }
        r = property_string(c, SYND_PATH, SYND_MANAGER, "Version", &e, &version);
        if (r < 0) {
                if (client_error_no_synd(&e) && synd_unit_is_up(c))
                        findings_add(f, "synd", LEVEL_FAIL,
                                     "As root: systemctl reload dbus.service; journalctl -u dbus.service tells what "
                                     "it "
                                     "does not like",
                                     "synd runs, but the bus does not give it its name, so that nobody can reach it.");
                else if (client_error_no_synd(&e))
                        findings_add(f, "synd", LEVEL_FAIL,
                                     "As root: systemctl start synd.service (why it is down: systemctl status "
                                     "synd.service)",
                                     "synd is not running.");
                else
                        findings_add(f, "synd", LEVEL_FAIL, "systemctl status synd.service",
                                     "synd does not answer: %s", e.message ?: strerror(-r));
                return r;
        }
        findings_add(f, "synd", LEVEL_OK, NULL, "synd answers.");
        if (streq(version, SYNOS_VERSION))
                findings_add(f, "versions", LEVEL_OK, NULL, "synd and synctl are both of version %s.", version);
        else
                findings_add(f, "versions", LEVEL_WARN,
                             "Install packages of the same version; then, as root: systemctl restart synd.service",
                             "synd is of version %s, synctl of %s.", version, SYNOS_VERSION);
        return 0;
}

static void check_dump(Ctl *c, Findings *f) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *dump = NULL;

        int r = client_json(c, "Dump", &e, &dump, NULL);
        if (r < 0)
                findings_add(f, "state", LEVEL_FAIL, "journalctl -u synd.service", "synd does not tell its state: %s",
                             e.message ?: strerror(-r));
        else
                doctor_check_dump(f, dump);
}

/* synd reads the whole file of the log for this: as long as it takes. */
static void check_log(Ctl *c, Findings *f) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *text = NULL;

        int r = client_text(c, "CheckLog", &e, &text, NULL);
        if (r < 0)
                findings_add(f, "event-log", LEVEL_FAIL,
                             "Look at the disk: df /var/lib/synos, journalctl -u synd.service",
                             "The event log cannot be checked: %s", e.message ?: strerror(-r));
        else if (streq(text, "ok"))
                findings_add(f, "event-log", LEVEL_OK, NULL, "The file of the event log is sound.");
        else
                findings_add(f, "event-log", LEVEL_FAIL,
                             "As root: systemctl restart synd.service moves a damaged file aside and begins a new one",
                             "The file of the event log is damaged: %s", text);
}

/* Asks the helper about services from..to-1; 0, or what exec_capture() returns. */
static int ask_grant_helper(const ServiceList *services, size_t from, size_t to, char ***answers, char **ret_err) {
        _cleanup_free_ const char **argv = calloc(to - from + 3, sizeof(*argv));
        _cleanup_free_ char *out = NULL;
        size_t n = 0;

        if (!argv)
                return -ENOMEM;
        argv[n++] = GRANT_HELPER;
        argv[n++] = "--";
        for (size_t i = from; i < to; i++)
                argv[n++] = services->rows[i].unit;
        int r = exec_capture(argv, 10, &out, ret_err);
        if (r != 0)
                return r;

        _cleanup_strv_free_ char **lines = NULL;
        r = strv_split(out, "\n", &lines);
        STRV_FOREACH (line, lines)
                if (r >= 0)
                        r = strv_extend(answers, *line);
        return MIN(r, 0);
}

static void check_grant_helper(Findings *f, const ServiceList *services) {
        _cleanup_strv_free_ char **answers = NULL;
        _cleanup_free_ char *err = NULL;
        int r = 0;

        for (size_t i = 0; r == 0 && i < services->n; i += GRANT_HELPER_UNITS)
                r = ask_grant_helper(services, i, MIN(i + GRANT_HELPER_UNITS, services->n), &answers, &err);
        if (r == -ENOENT)
                findings_add(f, "grant-helper", LEVEL_FAIL, "Install the package synd again",
                             "The grant helper %s is missing: polkit grants nothing.", GRANT_HELPER);
        else if (r == -ETIMEDOUT)
                findings_add(f, "grant-helper", LEVEL_FAIL,
                             "Look for a file system that hangs under the unit directories",
                             "The grant helper does not end within 10s: polkit grants nothing.");
        else if (r != 0)
                findings_add(f, "grant-helper", LEVEL_FAIL, "Run it by hand: " GRANT_HELPER " UNIT",
                             "The grant helper fails: %s", r > 0 && !isempty(err) ? err : "no reason given");
        else
                doctor_compare_grants(f, answers, services);
}

/* pid of synd, for pkcheck. */
static int synd_pid(Ctl *c, uint32_t *ret) {
        sd_bus_message *reply = NULL;

        int r = sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "GetConnectionUnixProcessID", NULL, &reply, "s", SYND_BUS_NAME);
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", ret);
        sd_bus_message_unref(reply);
        return r;
}

/* Would polkit let synd restart this unit? Asked with the details that PID 1 gives. Exit status of pkcheck: 0 yes, 1 no, 2
 * and 3 would ask a person. */
static int ask_polkit(uint32_t pid, const char *unit) {
        char process[16];

        snprintf(process, sizeof(process), "%" PRIu32, pid);
        const char *const argv[] = { "pkcheck",
                                     "--action-id",
                                     "org.freedesktop.systemd1.manage-units",
                                     "--process",
                                     process,
                                     "--detail",
                                     "unit",
                                     unit,
                                     "--detail",
                                     "verb",
                                     "restart",
                                     "--detail",
                                     "polkit.message",
                                     "Authentication is required to restart '$(unit)'.",
                                     NULL };
        return exec_capture(argv, 20, NULL, NULL);
}

/* The proof that the rule is there, parses and works: what is granted is let through, what is protected is not. */
static void check_polkit(Ctl *c, Findings *f, const ServiceList *services) {
        const char *granted = NULL;
        uint32_t pid;

        if (access(POLKIT_RULE, F_OK) < 0 && errno == ENOENT) {
                findings_add(f, "polkit", LEVEL_FAIL, "Install the package synd again",
                             "The polkit rule %s is missing: synd may do "
                             "nothing.",
                             POLKIT_RULE);
                return;
        }
        for (size_t i = 0; i < services->n && !granted; i++)
                if (services->rows[i].granted)
                        granted = services->rows[i].unit;
        if (geteuid() != 0) {
                findings_add(f, "polkit", LEVEL_OK, NULL,
                             "The polkit rule is installed (whether it works is checked as root).");
                return;
        }
        if (synd_pid(c, &pid) < 0)
                return;
        int protected_ = ask_polkit(pid, "dbus.service"), r = granted ? ask_polkit(pid, granted) : 0;
        if (protected_ == -ENOENT)
                findings_add(f, "polkit", LEVEL_OK, NULL, "The polkit rule is installed (pkcheck is not, to try it).");
        else if (protected_ < 0 || r < 0)
                findings_add(f, "polkit", LEVEL_FAIL, "systemctl status polkit.service", "polkit does not answer.");
        else if (protected_ == 0)
                findings_add(f, "polkit", LEVEL_FAIL,
                             "Look for another rule in /etc/polkit-1/rules.d that gives the user synd "
                             "manage-units",
                             "polkit lets synd restart dbus.service: it has more power than it should.");
        else if (r != 0)
                findings_add(f, "polkit", LEVEL_FAIL, "journalctl -u polkit.service tells when a rule does not parse",
                             "polkit does not let synd restart %s, which is granted.", granted);
        else
                findings_add(f, "polkit", LEVEL_OK, NULL, "polkit lets synd act on %s, and not on what is protected.",
                             granted ?: "nothing (nothing is granted)");
}

static void check_clock(Findings *f) {
        struct timex t = {};

        int r = adjtimex(&t);
        if (r < 0)
                return;
        if (r == TIME_ERROR)
                findings_add(f, "clock", LEVEL_WARN, "As root: timedatectl set-ntp true, or look at your time service",
                             "The clock is not synchronised: times in the log may jump.");
        else
                findings_add(f, "clock", LEVEL_OK, NULL, "The clock is synchronised.");
}

static int check_services(Ctl *c, Findings *f) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};
        _cleanup_json_ Json *all = NULL;

        int r = services_ask(c, &e, &l);
        if (r < 0) {
                findings_add(f, "services", LEVEL_FAIL, "synctl version", "synd does not list its services: %s",
                             e.message ?: strerror(-r));
                return 0;
        }
        check_grant_helper(f, &l);
        check_polkit(c, f, &l);
        doctor_check_rows(f, &l);
        r = describe_all(c, "look at the services", &l, &all);
        if (r != 0)
                return r;
        doctor_check_units(f, all);
        return 0;
}

int verb_doctor(Ctl *c) {
        _cleanup_(findings_done) Findings f = {};
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_json_ Json *j = NULL;
        int r = 0;

        if (check_synd(c, &f) >= 0) {
                check_dump(c, &f);
                check_log(c, &f);
                r = check_services(c, &f);
        }
        if (r != 0)
                return r;
        check_clock(&f);
        if (f.failed || (c->o.json && findings_to_json(&f, &j) < 0))
                return ctl_oom();
        size_t failures = findings_count(&f, LEVEL_FAIL), warnings = findings_count(&f, LEVEL_WARN);
        if (j)
                r = ctl_print_json(c, j);
        else {
                findings_format(&f, &c->term, c->o.quiet, &b);
                if (!c->o.no_legend && !c->o.quiet)
                        strbuf_appendf(&b, "\n%zu ok, %zu warning%s, %zu failure%s.\n", findings_count(&f, LEVEL_OK),
                                       warnings, warnings == 1 ? "" : "s", failures, failures == 1 ? "" : "s");
                r = ctl_print_buf(c, &b);
        }
        return r != 0 ? r : failures > 0 ? CTL_FAILED : CTL_OK;
}
