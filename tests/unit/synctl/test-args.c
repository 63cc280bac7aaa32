/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/ctl.h"
#include "synctl/event-filter.h"
#include "synctl/unit-name.h"

static int parse(Ctl *c, const char *const *words) {
        char *argv[16] = { (char *) "synctl" };
        int argc = 1;

        for (; words[argc - 1]; argc++)
                argv[argc] = (char *) words[argc - 1];
        return ctl_parse(c, argc, argv);
}
#define PARSE(c, ...) parse((c), (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void test_verbs(void **state) {
        _cleanup_(ctl_done) Ctl a = {}, b = {}, d = {};

        assert_int_equal(PARSE(&a), 0);
        assert_string_equal(a.verb->name, "list");
        assert_int_equal(PARSE(&b, "restart", "web", "db"), 0);
        assert_string_equal(b.verb->name, "restart");
        assert_int_equal(b.n_args, 2);
        assert_string_equal(b.args[1], "db");
        assert_int_equal(PARSE(&d, "list", "--", "--weird"), 0);
        assert_string_equal(d.args[0], "--weird");
}

static void test_options(void **state) {
        _cleanup_(ctl_done) Ctl c = {}, d = {};

        assert_int_equal(PARSE(&c, "--json", "events", "-f", "--since", "88", "--type=service.*", "-t", "action.*",
                               "-qsweb"),
                         0);
        assert_true(c.o.json && c.o.follow && c.o.quiet);
        assert_string_equal(c.o.since, "88");
        assert_int_equal(strv_length(c.o.types), 2);
        assert_string_equal(c.o.services[0], "web");
        assert_int_equal(c.n_args, 0);
        assert_int_equal(PARSE(&d, "restart", "--help"), 0);
        assert_true(d.o.help);
}

/* Each is a wrong use: status 2, and nothing crashes. */
static void test_mistakes(void **state) {
        const char *const mistakes[][4] = {
                { "lsit" },
                { "--jsno" },
                { "-Z" },
                { "restart" },
                { "top", "web" },
                { "why", "a", "b" },
                { "list", "--dot" },
                { "events", "--since" },
                { "events", "-S" },
                { "list", "--json=yes" },
                { "maintenance", "on" },
                { "" },
        };
        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++) {
                _cleanup_(ctl_done) Ctl c = {};
                assert_int_equal(parse(&c, mistakes[i]), CTL_USAGE);
        }
}

/* Every verb has a function and words, every option of a verb names verbs that there are. */
static void test_tables(void **state) {
        for (size_t i = 0; i < ctl_n_verbs; i++) {
                assert_non_null(ctl_verbs[i].run);
                assert_true(ctl_verbs[i].min_args <= ctl_verbs[i].max_args);
                assert_ptr_equal(ctl_verb_find(ctl_verbs[i].name), ctl_verbs + i);
        }
        for (size_t i = 0; i < ctl_n_options; i++) {
                _cleanup_strv_free_ char **verbs = NULL;
                if (!ctl_options[i].verbs)
                        continue;
                assert_int_equal(strv_split(ctl_options[i].verbs, " ", &verbs), 0);
                STRV_FOREACH (v, verbs)
                        assert_non_null(ctl_verb_find(*v));
        }
}

static void test_selection(void **state) {
        CtlOptions o = { .since = "88121" };
        EventSelection s;
        _cleanup_free_ char *filter = NULL, *stream = NULL;
        char *types[] = { (char *) "service.*", NULL };

        assert_int_equal(event_selection_from_options(&o, NOW, &s), 0);
        assert_int_equal(s.after, 88120);
        assert_false(s.newest);
        o = (CtlOptions){ .since = "-1h", .limit = "5", .types = types };
        assert_int_equal(event_selection_from_options(&o, NOW, &s), 0);
        assert_true(s.since == NOW - USEC_PER_HOUR);
        assert_int_equal(s.limit, 5);
        assert_int_equal(event_selection_format(&s, false, &filter), 0);
        assert_string_equal(filter, "{\"types\":[\"service.*\"],\"since\":\"2026-11-24T13:06:12.000000Z\"}");
        o = (CtlOptions){};
        assert_int_equal(event_selection_from_options(&o, NOW, &s), 0);
        assert_true(s.newest);
        assert_int_equal(event_selection_format(&s, true, &stream), 0);
        assert_string_equal(stream, "{}"); /* Follow does not take "newest" */
        o = (CtlOptions){ .since = "whenever" };
        assert_int_equal(event_selection_from_options(&o, NOW, &s), CTL_USAGE);
        o = (CtlOptions){ .limit = "0" };
        assert_int_equal(event_selection_from_options(&o, NOW, &s), CTL_USAGE);
        o = (CtlOptions){ .since = "99999999999999999999999" };
        assert_int_equal(event_selection_from_options(&o, NOW, &s), CTL_USAGE);
}

static void test_units(void **state) {
        static const struct {
                const char *in, *out;
        } names[] = {
                { "web", "web.service" },       { "web.service", "web.service" },     { "foo@1.2", "foo@1.2.service" },
                { "ssh.socket", "ssh.socket" }, { "a\\x2db@x", "a\\x2db@x.service" },
        };
        const char *bad = NULL;
        _cleanup_json_ Json *o = NULL, *none = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *s = NULL;
                assert_true(unit_name_complete(names[i].in, &s) >= 0);
                assert_string_equal(s, names[i].out);
        }
        assert_true(unit_name_is_template("foo@.service"));
        assert_false(unit_name_is_template("foo@x.service"));
        assert_false(unit_name_is_template("foo.service"));

        char *words[] = { (char *) "Type=x", (char *) "Label=a=b", (char *) "Label=c", (char *) "Label=d" };
        assert_int_equal(assignments_to_json(words, 4, &o, &bad), 0);
        _cleanup_free_ char *text = NULL;
        assert_int_equal(json_format(o, &text), 0);
        assert_string_equal(text, "{\"Type\":\"x\",\"Label\":[\"a=b\",\"c\",\"d\"]}");
        char *wrong[] = { (char *) "=x" };
        assert_int_equal(assignments_to_json(wrong, 1, &none, &bad), -EINVAL);
        assert_string_equal(bad, "=x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),  cmocka_unit_test(test_options),   cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_tables), cmocka_unit_test(test_selection), cmocka_unit_test(test_units),
        };
        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
