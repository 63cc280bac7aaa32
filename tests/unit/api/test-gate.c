/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/gate.h"

/* What we promise, written down once more and differently: '+' allowed, '?' asks polkit, '-' not for this role. */
typedef struct Promise {
        Role role;
        const char *operate, *configure;
} Promise;

static const Promise promises[] = {
        { ROLE_ROOT, "+", "+" },     { ROLE_USER, "?", "?" },  { ROLE_VIEWER, "-", "-" },
        { ROLE_OPERATOR, "+", "-" }, { ROLE_ADMIN, "+", "+" }, { ROLE_ENGINE, "+", "-" },
};

/* Verbs that reach into the unit need a grant; the others are about what synd itself does. */
static bool reaches_unit(Verb v) {
        return !IN_SET(v, VERB_CHECK, VERB_MAINTENANCE, VERB_CONFIGURE);
}

static Subject subject_of(Role role, Surface surface) {
        return (Subject){ .uid = role == ROLE_ROOT ? 0 : 1000, .role = role, .surface = surface };
}

static char letter(GateAnswer a) {
        return a.verdict == VERDICT_ALLOW ? '+' : a.verdict == VERDICT_ASK ? '?' : '-';
}

static void test_every_cell(void **state) {
        const GateService service = { .known = true, .granted = true };
        unsigned cells = 0;

        assert_int_equal(ELEMENTSOF(promises), _ROLE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(promises); i++)
                for (Verb v = 0; v < _VERB_MAX; v++)
                        for (Surface s = 0; s < _SURFACE_MAX; s++) {
                                Subject subject = subject_of(promises[i].role, s);
                                GateAnswer a = gate_check(&subject, v, &service);
                                char expected = v == VERB_CONFIGURE ? *promises[i].configure : *promises[i].operate;

                                /* polkit can only be asked about a client of the bus. */
                                if (expected == '?' && s != SURFACE_DBUS)
                                        expected = '-';
                                assert_int_equal(letter(a), expected);
                                if (a.verdict == VERDICT_DENY)
                                        assert_int_equal(a.reason, DENY_ROLE);
                                if (a.verdict == VERDICT_ASK)
                                        assert_string_equal(a.action,
                                                            v == VERB_CONFIGURE
                                                                            ? "org.synos.supervisor1.configure"
                                                                            : "org.synos.supervisor1.manage-services");
                                cells++;
                        }
        assert_int_equal(cells, _ROLE_MAX * _VERB_MAX * _SURFACE_MAX);
}

/* A protected or ungranted unit is not acted upon by anybody, from anywhere. */
static void test_unit_rules_bind_everybody(void **state) {
        const GateService protected_ = { .known = true, .granted = true, .protected_ = true };
        const GateService ungranted = { .known = true };
        const GateService unknown = {};

        for (Role role = 0; role < _ROLE_MAX; role++)
                for (Verb v = 0; v < _VERB_MAX; v++)
                        for (Surface s = 0; s < _SURFACE_MAX; s++) {
                                Subject subject = subject_of(role, s);
                                GateAnswer p = gate_check(&subject, v, &protected_);
                                GateAnswer u = gate_check(&subject, v, &ungranted);
                                GateAnswer n = gate_check(&subject, v, &unknown);

                                if (reaches_unit(v)) {
                                        assert_int_equal(p.reason, DENY_PROTECTED);
                                        assert_int_equal(u.reason, DENY_NOT_GRANTED);
                                } else {
                                        assert_true(IN_SET(p.reason, DENY_NONE, DENY_ROLE));
                                        assert_true(IN_SET(u.reason, DENY_NONE, DENY_ROLE));
                                }
                                if (v != VERB_CONFIGURE)
                                        assert_int_equal(n.reason, DENY_NO_SUCH_SERVICE);
                                else
                                        assert_true(IN_SET(n.reason, DENY_NONE, DENY_ROLE));
                        }
}

static void test_same_verdict_on_every_surface(void **state) {
        for (Role role = 0; role < _ROLE_MAX; role++)
                for (Verb v = 0; v < _VERB_MAX; v++)
                        for (unsigned flags = 0; flags < 16; flags++) {
                                const GateService service = { flags & 1, flags & 2, flags & 4, flags & 8 };
                                Subject dbus = subject_of(role, SURFACE_DBUS);
                                GateAnswer a = gate_check(&dbus, v, &service);

                                for (Surface s = 0; s < _SURFACE_MAX; s++) {
                                        Subject other = subject_of(role, s);
                                        GateAnswer b = gate_check(&other, v, &service);

                                        if (a.verdict == VERDICT_ASK && s != SURFACE_DBUS)
                                                assert_int_equal(b.reason, DENY_ROLE);
                                        else {
                                                assert_int_equal(a.verdict, b.verdict);
                                                assert_int_equal(a.reason, b.reason);
                                        }
                                }
                        }
}

static void test_maintenance_stops_machines_only(void **state) {
        const GateService service = { .known = true, .granted = true, .maintenance = true };
        Subject engine = subject_of(ROLE_ENGINE, SURFACE_NATS), root = subject_of(ROLE_ROOT, SURFACE_DBUS),
                person = subject_of(ROLE_USER, SURFACE_DBUS);

        assert_int_equal(gate_check(&engine, VERB_RESTART, &service).reason, DENY_MAINTENANCE);
        assert_int_equal(gate_check(&engine, VERB_REWEIGHT, &service).reason, DENY_MAINTENANCE);
        assert_int_equal(gate_check(&root, VERB_RESTART, &service).verdict, VERDICT_ALLOW);
        assert_int_equal(gate_check(&person, VERB_RESTART, &service).verdict, VERDICT_ASK);
}

static void explain(DenyReason reason, Verb verb, const char *expected) {
        Subject viewer = subject_of(ROLE_VIEWER, SURFACE_REST);
        GateAnswer a = { .verdict = VERDICT_DENY, .reason = reason, .protected_by = PROTECTED_BY_FILE };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(gate_explain(&a, &viewer, verb, "web", "web.service", &text), 0);
        assert_string_equal(text, expected);
}

static void test_reasons_name_the_remedy(void **state) {
        explain(DENY_NOT_GRANTED, VERB_RESTART,
                "Cannot restart web: it is not granted. Its unit file has no Supervise=yes; as root: synctl adopt "
                "web.service");
        explain(DENY_PROTECTED, VERB_STOP,
                "Cannot stop web: it is protected, its own unit file says Protected=yes. Use systemctl.");
        explain(DENY_NO_SUCH_SERVICE, VERB_START, "There is no supervised service web. See: synctl list");
        explain(DENY_MAINTENANCE, VERB_START,
                "Cannot start web: it is in maintenance; to end that: synctl maintenance off web");
        explain(DENY_ROLE, VERB_RESET_FAILED, "Cannot reset the errors of web: a viewer may not do that over rest.");
}

static void test_protection_names_its_source(void **state) {
        static const struct {
                ProtectedBy by;
                const char *word;
        } sources[] = {
                { PROTECTED_BY_OTHER_NAME, "another of its names" },
                { PROTECTED_BY_BUILTIN, "built-in list" },
                { PROTECTED_BY_CONF, "ProtectedUnits= of synd.conf" },
                { PROTECTED_BY_FILE, "Protected=yes" },
        };
        Subject root = subject_of(ROLE_ROOT, SURFACE_DBUS);

        for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                const GateService s = { .known = true, .protected_ = true, .protected_by = sources[i].by };
                GateAnswer a = gate_check(&root, VERB_STOP, &s);
                _cleanup_free_ char *text = NULL;

                assert_int_equal(a.reason, DENY_PROTECTED);
                assert_int_equal(gate_explain(&a, &root, VERB_STOP, "web", "web.service", &text), 0);
                assert_non_null(strstr(text, sources[i].word));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_cell),
                cmocka_unit_test(test_unit_rules_bind_everybody),
                cmocka_unit_test(test_same_verdict_on_every_surface),
                cmocka_unit_test(test_maintenance_stops_machines_only),
                cmocka_unit_test(test_reasons_name_the_remedy),
                cmocka_unit_test(test_protection_names_its_source),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
