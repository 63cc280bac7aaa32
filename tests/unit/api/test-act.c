/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes something: authorisation, commands, waiting, registration, log control. */
#include "basic/log.h"
#include "fixture.h"

#define WEB API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE

static void declare_all(Fixture *f) {
        const char *const protected_[] = { "Protected", "yes", NULL };

        fake_declare(f->manager, "web.service", true, NULL);
        fake_declare(f->manager, "observed.service", false, NULL);
        fake_declare(f->manager, "holy.service", true, protected_);
        fake_active(f->manager, "web.service");
        fake_active(f->manager, "observed.service");
        fake_active(f->manager, "holy.service");
}

static void call_action(Fixture *f, sd_bus *client, const char *member, char id[static UUID_STRING_MAX]) {
        sd_bus_message *reply = NULL;
        const char *text;

        if (fixture_call(f, client, WEB, member, &reply, NULL) < 0)
                fail_msg("%s: %s: %s", member, fixture_error_name, fixture_error_text);
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        assert_int_equal(strlen(text), 36);
        snprintf(id, UUID_STRING_MAX, "%s", text);
        sd_bus_message_unref(reply);
}

static const struct {
        const char *member, *verb;
} verbs[] = {
        { "Start", "start" },
        { "Stop", "stop" },
        { "Restart", "restart" },
        { "Reload", "reload" },
        { "ResetErrors", "reset-failed" },
};

/* ---- polkit ---- */

static void test_polkit_is_asked_with_details(void **state) {
        Fixture *f = *state;
        char id[UUID_STRING_MAX];
        const char *unique;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        assert_true(sd_bus_get_unique_name(f->user, &unique) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                call_action(f, f->user, verbs[i].member, id);
                assert_int_equal(f->polkit.asked, i + 1);
                assert_string_equal(f->polkit.subject, unique);
                assert_string_equal(f->polkit.action, "org.synos.supervisor1.manage-services");
                assert_string_equal(f->polkit.unit, "web.service");
                assert_string_equal(f->polkit.verb, verbs[i].verb);
                assert_int_equal(f->polkit.flags, 0);
                assert_string_equal(fake_calls(f->manager)->verb, verbs[i].verb);
                assert_int_equal(fake_calls(f->manager)->uid, geteuid() == 0 ? OTHER_UID : geteuid());
                assert_string_equal(fake_calls(f->manager)->via, "dbus");
        }
        assert_int_equal(fixture_call(f, f->user, WEB, "Check", NULL, NULL), 0);
        assert_string_equal(f->polkit.verb, "check");
        assert_int_equal(fake_calls(f->manager)->checks, 1);
        assert_int_equal(fixture_call(f, f->user, WEB, "SetMaintenance", NULL, "bt", 1, (uint64_t) 0), 0);
        assert_string_equal(f->polkit.verb, "maintenance");
        assert_int_equal(fixture_call(f, f->user, MANAGER, "Reload", NULL, NULL), 0);
        assert_string_equal(f->polkit.action, "org.synos.supervisor1.configure");
        assert_string_equal(f->polkit.unit, "");
        assert_int_equal(fake_calls(f->manager)->reloads, 1);
}

static void test_three_ways_to_say_no(void **state) {
        static const struct {
                PolkitMode mode;
                const char *error;
        } answers[] = {
                { FAKE_DENY, ERROR_DENIED },
                { FAKE_CHALLENGE, ERROR_AUTHORIZATION_REQUIRED },
                { FAKE_DISMISSED, ERROR_AUTHORIZATION_DISMISSED },
        };
        Fixture *f = *state;

        declare_all(f);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                fixture_start_polkit(f, answers[i].mode);
                assert_call_error(fixture_call(f, f->user, WEB, "Restart", NULL, NULL), answers[i].error);
                assert_call_error(fixture_call(f, f->user, WEB, "SetMaintenance", NULL, "bt", 1, (uint64_t) 0),
                                  answers[i].error);
                assert_call_error(fixture_call(f, f->user, MANAGER, "Reload", NULL, NULL), answers[i].error);
                assert_call_error(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", "new.service", "{}"),
                                  answers[i].error);
                assert_call_error(fixture_call(f, f->user, MANAGER, "Unregister", NULL, "s", "web"), answers[i].error);
        }
        assert_int_equal(fake_calls(f->manager)->commands, 0);
        assert_int_equal(fake_calls(f->manager)->registers + fake_calls(f->manager)->unregisters, 0);
}

static void test_without_polkit_only_root(void **state) {
        Fixture *f = *state;
        char id[UUID_STRING_MAX];

        declare_all(f);
        assert_call_error(fixture_call(f, f->user, WEB, "Restart", NULL, NULL), ERROR_DENIED);
        assert_non_null(strstr(fixture_error_text, "polkit"));
        if (geteuid() != 0)
                skip();
        call_action(f, f->root, "Restart", id);
        assert_string_equal(fake_calls(f->manager)->user, "root");
}

static void test_interactive_flag_is_passed_on(void **state) {
        Fixture *f = *state;
        Pending p;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        pending_start(&p, f->user, WEB, "Restart", true, NULL);
        fixture_wait(f, &p.done);
        assert_int_equal(p.error, 0);
        assert_int_equal(f->polkit.flags, 1);
        pending_done(&p);
}

static bool polkit_holds_one(void *userdata) {
        Fixture *f = userdata;

        return f->polkit.n_held == 1;
}

static bool polkit_cancelled(void *userdata) {
        Fixture *f = userdata;

        return f->polkit.cancelled == 1;
}

static void test_leaving_client_cancels_the_question(void **state) {
        Fixture *f = *state;
        sd_bus *client;
        Pending p;

        declare_all(f);
        fixture_start_polkit(f, FAKE_HANG);
        client = fixture_connect(f, true);
        pending_start(&p, client, WEB, "Restart", true, NULL);
        fixture_wait_for(f, polkit_holds_one, f);
        p.slot = sd_bus_slot_unref(p.slot);
        sd_bus_close_unref(client);
        fixture_wait_for(f, polkit_cancelled, f);

        /* An answer that comes too late does nothing. */
        assert_true(sd_bus_reply_method_return(f->polkit.held[0], "(bba{ss})", 1, 0, 0) >= 0);
        fixture_settle(f);
        assert_int_equal(fake_calls(f->manager)->commands, 0);
}

static void answer_held(Fixture *f) {
        assert_true(sd_bus_reply_method_return(f->polkit.held[0], "(bba{ss})", 1, 0, 0) >= 0);
}

static void test_looked_at_again_after_the_answer(void **state) {
        Fixture *f = *state;
        Pending p;

        declare_all(f);
        /* The grant goes away while the person types the password. */
        fixture_start_polkit(f, FAKE_HANG);
        pending_start(&p, f->user, WEB, "Restart", true, NULL);
        fixture_wait_for(f, polkit_holds_one, f);
        fake_declare(f->manager, "web.service", false, NULL);
        answer_held(f);
        fixture_wait(f, &p.done);
        assert_string_equal(p.name, ERROR_NOT_GRANTED);
        pending_done(&p);

        /* So does the service. */
        fake_declare(f->manager, "web.service", true, NULL);
        fixture_start_polkit(f, FAKE_HANG);
        pending_start(&p, f->user, WEB, "Restart", true, NULL);
        fixture_wait_for(f, polkit_holds_one, f);
        fake_forget(f->manager, "web.service");
        answer_held(f);
        fixture_wait(f, &p.done);
        assert_string_equal(p.name, ERROR_NO_SUCH_SERVICE);
        pending_done(&p);
        assert_int_equal(fake_calls(f->manager)->commands, 0);
}

/* ---- units nobody may touch ---- */

static void test_ungranted_and_protected_bind_everybody(void **state) {
        Fixture *f = *state;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                assert_call_error(fixture_call(f, f->root, API_SERVICE_ROOT "/observed", API_SERVICE_INTERFACE,
                                               verbs[i].member, NULL, NULL),
                                  ERROR_NOT_GRANTED);
                assert_non_null(strstr(fixture_error_text, "synctl adopt observed.service"));
                assert_call_error(fixture_call(f, f->user, API_SERVICE_ROOT "/holy", API_SERVICE_INTERFACE,
                                               verbs[i].member, NULL, NULL),
                                  ERROR_PROTECTED);
        }
        assert_int_equal(f->polkit.asked, 0);
        assert_int_equal(fake_calls(f->manager)->commands, 0);
        assert_int_equal(fixture_call(f, f->user, API_SERVICE_ROOT "/observed", API_SERVICE_INTERFACE, "Check", NULL,
                                      NULL),
                         0);
}

/* ---- actions ---- */

static void test_wait_for_the_end(void **state) {
        Fixture *f = *state;
        const char *result, *error, *json;
        char id[UUID_STRING_MAX];
        sd_bus_message *reply = NULL;
        Pending p, q;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        fake_hold_jobs(f->manager, true);
        call_action(f, f->user, "Restart", id);
        pending_start(&p, f->user, MANAGER, "WaitAction", false, "s", id);
        pending_start(&q, f->root, MANAGER, "WaitAction", false, "s", id);
        fixture_settle(f);
        assert_false(p.done);
        {
                _cleanup_json_ Json *j = fixture_call_json(f, f->user, "GetAction", "s", id);

                assert_string_equal(json_get_string(j, "state"), "running");
                assert_string_equal(json_get_string(j, "verb"), "restart");
                assert_string_equal(json_get_string(j, "unit"), "web.service");
                assert_false(json_get_bool(j, "automatic", true));
        }
        assert_call_error(fixture_call(f, f->user, WEB, "Stop", NULL, NULL), ERROR_BUSY);

        fake_finish_jobs(f->manager);
        fixture_wait(f, &p.done);
        fixture_wait(f, &q.done);
        assert_int_equal(p.error, 0);
        assert_true(sd_bus_message_read(p.reply, "sss", &result, &error, &json) > 0);
        assert_string_equal(result, "done");
        assert_string_equal(error, "");
        pending_done(&p);
        pending_done(&q);

        /* Known afterwards too. */
        assert_int_equal(fixture_call(f, f->user, MANAGER, "WaitAction", &reply, "s", id), 0);
        sd_bus_message_unref(reply);
        {
                _cleanup_json_ Json *l = fixture_call_json(f, f->user, "ListActions", NULL);

                assert_int_equal(json_length(l), 1);
                assert_string_equal(json_get_string(json_at(l, 0), "id"), id);
        }
        fixture_settle(f);
        {
                _cleanup_json_ Json *j = fixture_call_json(f, f->user, "Explain", "s", id);
                Json *chain = json_get(j, "chain");

                assert_true(json_length(chain) >= 2);
                assert_string_equal(json_get_string(json_at(chain, json_length(chain) - 1), "type"),
                                    "action.finished");
        }
}

static void test_bad_action_ids(void **state) {
        Fixture *f = *state;
        static const char *const members[] = { "GetAction", "WaitAction" };

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                assert_call_error(fixture_call(f, f->user, MANAGER, members[i], NULL, "s", "x"),
                                  ERROR_INVALID_ARGUMENT);
                assert_call_error(fixture_call(f, f->user, MANAGER, members[i], NULL, "s",
                                               "0191c2c2-0000-7000-8000-000000000001"),
                                  ERROR_NO_SUCH_ACTION);
        }
}

static void test_maintenance(void **state) {
        Fixture *f = *state;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        assert_call_error(fixture_call(f, f->user, WEB, "SetMaintenance", NULL, "bt", 0, (uint64_t) 5),
                          ERROR_INVALID_ARGUMENT);
        assert_int_equal(fixture_call(f, f->user, WEB, "SetMaintenance", NULL, "bt", 1, (uint64_t) USEC_PER_HOUR), 0);
        assert_true(supervisor_get(manager_supervisor(f->manager), "web.service")->maintenance);
        assert_int_equal(fixture_call(f, f->user, WEB, "SetMaintenance", NULL, "bt", 0, (uint64_t) 0), 0);
        assert_false(supervisor_get(manager_supervisor(f->manager), "web.service")->maintenance);
        /* Observed and protected units too: it only keeps synd quiet. */
        assert_int_equal(fixture_call(f, f->user, API_SERVICE_ROOT "/holy", API_SERVICE_INTERFACE, "SetMaintenance",
                                      NULL, "bt", 1, (uint64_t) 0),
                         0);
}

/* ---- registration ---- */

static void test_register(void **state) {
        Fixture *f = *state;
        sd_bus_message *reply = NULL;
        const char *path;

        declare_all(f);
        fixture_start_polkit(f, FAKE_ALLOW);
        assert_int_equal(
                        fixture_call(f, f->user, MANAGER, "Register", &reply, "ss", "new.service", "{\"Type\":\"x\"}"),
                        0);
        assert_true(sd_bus_message_read(reply, "o", &path) > 0);
        assert_string_equal(path, "/org/synos/Supervisor1/service/new");
        sd_bus_message_unref(reply);
        assert_string_equal(f->polkit.unit, "new.service");
        assert_string_equal(f->polkit.verb, "configure");
        assert_string_equal(fake_calls(f->manager)->unit, "new.service");

        assert_call_error(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", "new.service",
                                       "{\"Supervise\":\"yes\"}"),
                          ERROR_NOT_GRANTED);
        assert_int_equal(fixture_call(f, f->user, MANAGER, "Unregister", NULL, "s", "new"), 0);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Unregister", NULL, "s", "new"), ERROR_NO_SUCH_SERVICE);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Unregister", NULL, "s", ""), ERROR_INVALID_ARGUMENT);
}

static void test_register_refuses(void **state) {
        static const struct {
                const char *unit, *json;
        } bad[] = {
                { "", "{}" },
                { "x", "{}" },
                { "x.socket", "{}" },
                { "../x.service", "{}" },
                { "x y.service", "{}" },
                { "x.service", "" },
                { "x.service", "[]" },
                { "x.service", "{" },
                { "x.service", "{\"a\":1,\"a\":2}" },
                { "x.service", "{} trailing" },
        };
        Fixture *f = *state;
        _cleanup_strbuf_ StrBuf b = {};

        fixture_start_polkit(f, FAKE_ALLOW);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_call_error(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", bad[i].unit, bad[i].json),
                                  ERROR_INVALID_ARGUMENT);
        strbuf_append(&b, "{\"Type\":\"");
        for (size_t i = 0; i < 70 * 1024; i++)
                strbuf_append(&b, "x");
        strbuf_append(&b, "\"}");
        assert_call_error(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", "x.service", b.data),
                          ERROR_INVALID_ARGUMENT);
        /* What is wrong is said before anybody is asked. */
        assert_int_equal(f->polkit.asked, 0);
        assert_int_equal(fake_calls(f->manager)->registers, 0);

        for (size_t i = 0; i < 4; i++) {
                char unit[32];

                snprintf(unit, sizeof(unit), "n%zu.service", i);
                assert_int_equal(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", unit, "{}"), 0);
        }
        assert_call_error(fixture_call(f, f->user, MANAGER, "Register", NULL, "ss", "n5.service", "{}"),
                          ERROR_LIMIT_REACHED);
}

/* ---- log control ---- */

#define LOG_CONTROL "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties"

static int set_log(Fixture *f, const char *property, const char *value) {
        return fixture_call(f, f->user, LOG_CONTROL, "Set", NULL, "ssv", "org.freedesktop.LogControl1", property, "s",
                            value);
}

static void test_log_control(void **state) {
        Fixture *f = *state;
        int level = log_get_max_level();
        sd_bus_message *reply = NULL;
        const char *text;

        fixture_start_polkit(f, FAKE_DENY);
        assert_call_error(set_log(f, "LogLevel", "debug"), ERROR_DENIED);
        assert_int_equal(log_get_max_level(), level);

        fixture_start_polkit(f, FAKE_ALLOW);
        assert_int_equal(set_log(f, "LogLevel", "crit"), 0);
        assert_string_equal(f->polkit.action, "org.synos.supervisor1.configure");
        assert_int_equal(log_get_max_level(), LOG_CRIT);
        assert_int_equal(fixture_call(f, f->user, LOG_CONTROL, "Get", &reply, "ss", "org.freedesktop.LogControl1",
                                      "LogLevel"),
                         0);
        assert_true(sd_bus_message_read(reply, "v", "s", &text) > 0);
        assert_string_equal(text, "crit");
        sd_bus_message_unref(reply);

        assert_call_error(set_log(f, "LogLevel", "loud"), ERROR_INVALID_ARGUMENT);
        assert_call_error(set_log(f, "LogTarget", "moon"), ERROR_INVALID_ARGUMENT);
        assert_int_equal(set_log(f, "LogTarget", "null"), 0);
        assert_int_equal(log_get_target(), LOG_TARGET_NULL);
        assert_true(set_log(f, "SyslogIdentifier", "x") < 0);
        assert_true(fixture_call(f, f->user, LOG_CONTROL, "Set", NULL, "ssv", "org.freedesktop.LogControl1",
                                 "LogLevel", "u", 7) < 0);
        assert_int_equal(fixture_call(f, f->user, LOG_CONTROL, "Get", &reply, "ss", "org.freedesktop.LogControl1",
                                      "SyslogIdentifier"),
                         0);
        assert_true(sd_bus_message_read(reply, "v", "s", &text) > 0);
        assert_string_equal(text, "synd");
        sd_bus_message_unref(reply);
        log_set_max_level(level);
}

/* ---- errors ---- */

static void test_every_error_has_its_errno(void **state) {
        const char *const *names = dbus_error_names();

        for (size_t i = 0; names[i]; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL, again = SD_BUS_ERROR_NULL;
                int r = sd_bus_error_set(&e, names[i], "x");

                /* EIO is what libsystemd says for a name it does not know. */
                assert_true(r < 0);
                assert_true(r != -EIO || streq(names[i], ERROR_LOG_UNAVAILABLE));
                assert_int_equal(dbus_error_set_errno(&again, r, NULL), r);
                assert_string_equal(again.name, names[i]);
        }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                T(test_polkit_is_asked_with_details),
                T(test_three_ways_to_say_no),
                T(test_without_polkit_only_root),
                T(test_interactive_flag_is_passed_on),
                T(test_leaving_client_cancels_the_question),
                T(test_looked_at_again_after_the_answer),
                T(test_ungranted_and_protected_bind_everybody),
                T(test_wait_for_the_end),
                T(test_bad_action_ids),
                T(test_maintenance),
                T(test_register),
                T(test_register_refuses),
                T(test_log_control),
                T(test_every_error_has_its_errno),
        };

        if (fixture_unavailable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
