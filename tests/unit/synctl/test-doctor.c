/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/doctor.h"

static char *page(const Findings *f) {
        StrBuf b = {};
        char *text = NULL;

        findings_format(f, &plain_term, false, &b);
        assert_int_equal(strbuf_finish(&b, &text), 0);
        return text;
}

static void compare(Findings *f, const char *answers, const ServiceList *services) {
        _cleanup_strv_free_ char **lines = NULL;

        assert_int_equal(strv_split(answers, "\n", &lines), 0);
        doctor_compare_grants(f, lines, services);
}

static void test_grants(void **state) {
        ServiceRow rows[] = {
                { .unit = "a.service", .granted = true },
                { .unit = "b.service", .granted = false },
                { .unit = "c.service", .granted = true },
        };
        const ServiceList all = { .rows = rows, .n = 3 }, good = { .rows = rows, .n = 2 }, none = {};
        _cleanup_(findings_done) Findings ok = {}, bad = {}, empty = {}, broken = {};

        compare(&ok, "+a.service\n-b.service\n", &good);
        assert_int_equal(findings_count(&ok, LEVEL_OK), 1);
        assert_int_equal(ok.n, 1);
        compare(&bad, "+a.service\n+b.service\n-c.service\n", &all);
        assert_int_equal(findings_count(&bad, LEVEL_FAIL), 2);
        _cleanup_free_ char *text = page(&bad);
        assert_contains(text, "FAIL  The grant helper says that b.service is granted, synd does not see it.");
        assert_contains(text, "FAIL  synd takes c.service for granted");
        assert_contains(text, "      → systemctl daemon-reload");
        compare(&empty, "", &none);
        assert_int_equal(findings_count(&empty, LEVEL_OK), 1);
        compare(&broken, "+a.service\n-b.service\n", &all); /* one answer too few */
        compare(&broken, "-b.service\n+a.service\n", &good);
        compare(&broken, "<html>", &good);
        assert_int_equal(findings_count(&broken, LEVEL_FAIL), 3);
}

static void test_units(void **state) {
        _cleanup_json_ Json *good = json_of("[{'unit':'a.service','seen':true,'systemd':{'load_state':'loaded'}}]"),
                            *bad = json_of("[{'unit':'a.service','seen':true,'systemd':{'load_state':'not-found'},"
                                           "'problems':[{'file':'/etc/a','line':3,'reason':'what\\u001b'}]}]");
        _cleanup_(findings_done) Findings f = {}, k = {};

        doctor_check_units(&f, good);
        assert_int_equal(findings_count(&f, LEVEL_OK), 1);
        doctor_check_units(&k, bad);
        assert_int_equal(findings_count(&k, LEVEL_WARN), 2);
        _cleanup_free_ char *text = page(&k);
        assert_contains(text, "/etc/a:3: what\\x1b");
}

static void test_dump(void **state) {
        _cleanup_json_ Json
                        *good = json_of("{'state':'running','journal':{'readable':true},'configuration':{'problems':[]"
                                        "},"
                                        "'graph_problems':[]}"),
                        *bad = json_of("{'state':'degraded','reasons':['log stalled','no "
                                       "journal'],'journal':{'readable':"
                                       "false,'error':'Permission denied'},'configuration':{'problems':[{'file':"
                                       "'/etc/synos/synd.conf','line':4,'reason':'unknown key'}]},"
                                       "'graph_problems':['a.service needs b.service, which systemd does not know']}");
        _cleanup_(findings_done) Findings f = {}, k = {}, none = {};

        doctor_check_dump(&f, good);
        assert_int_equal(findings_count(&f, LEVEL_OK), 4);
        doctor_check_dump(&k, bad);
        assert_int_equal(findings_count(&k, LEVEL_FAIL), 3); /* two reasons, the journal */
        assert_int_equal(findings_count(&k, LEVEL_WARN), 2);
        _cleanup_free_ char *text = page(&k);
        assert_contains(text, "/etc/synos/synd.conf:4: unknown key");
        assert_contains(text, "which systemd does not know");
        doctor_check_dump(&none, NULL);
        assert_int_equal(none.n, 0);

        _cleanup_json_ Json *damaged = json_of("{'event_log':{'state':'ok','damaged':'/x/events.db.damaged-1'}}");
        doctor_check_dump(&none, damaged);
        assert_int_equal(findings_count(&none, LEVEL_WARN), 1);
        _cleanup_free_ char *told = page(&none);
        assert_contains(told, "kept as /x/events.db.damaged-1");
}

static void test_rows(void **state) {
        ServiceRow rows[] = { { .unit = "a.service", .granted = true },
                              { .unit = "b.service" },
                              { .unit = "c.service", .protected_ = true } };
        const ServiceList l = { .rows = rows, .n = 3 };
        _cleanup_(findings_done) Findings f = {};
        _cleanup_json_ Json *j = NULL;

        doctor_check_rows(&f, &l);
        assert_int_equal(findings_count(&f, LEVEL_WARN), 1);
        assert_int_equal(findings_to_json(&f, &j), 0);
        assert_int_equal(json_get_uint(j, "warnings", 9), 1);
        assert_int_equal(json_get_uint(j, "failures", 9), 0);
        const Json *one = json_at(json_get(j, "checks"), 0);
        assert_string_equal(json_get_string(one, "check"), "grants");
        assert_string_equal(json_get_string(one, "remedy"),
                            "If synd shall act on them, as root: synctl adopt b.service");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_grants), cmocka_unit_test(test_units),
                                            cmocka_unit_test(test_dump), cmocka_unit_test(test_rows) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
