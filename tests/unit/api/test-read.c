/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading methods, properties, objects and signals. */
#include "fixture.h"

static void declare_web(Fixture *f) {
        const char *const lines[] = { "Name", "web", "Type", "integration", "DependsOn", "db.service", NULL };

        fake_declare(f->manager, "web.service", true, lines);
        fake_declare(f->manager, "db.service", true, NULL);
        fake_active(f->manager, "db.service");
        fake_active(f->manager, "web.service");
}

/* ---- objects ---- */

static void service_path(Fixture *f, const char *name, char *buf, size_t size) {
        sd_bus_message *reply = NULL;
        const char *path;

        assert_int_equal(fixture_call(f, f->user, MANAGER, "GetService", &reply, "s", name), 0);
        assert_true(sd_bus_message_read(reply, "o", &path) > 0);
        snprintf(buf, size, "%s", path);
        sd_bus_message_unref(reply);
}

static void assert_path(Fixture *f, const char *name, const char *expected) {
        char path[512];

        service_path(f, name, path, sizeof(path));
        assert_string_equal(path, expected);
}

static void test_list_services(void **state) {
        Fixture *f = *state;
        sd_bus_message *reply = NULL;
        const char *name, *unit, *type, *status, *active, *sub, *phase, *detail, *path;
        int granted, maintenance, protected_;
        unsigned n = 0;
        double health;
        uint64_t since, restarts;

        declare_web(f);
        assert_int_equal(fixture_call(f, f->user, MANAGER, "ListServices", &reply, NULL), 0);
        assert_string_equal(sd_bus_message_get_signature(reply, true), "a(ssssssdttssbbbo)");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ssssssdttssbbbo)") > 0);
        while (sd_bus_message_read(reply, "(ssssssdttssbbbo)", &name, &unit, &type, &status, &active, &sub, &health,
                                   &since, &restarts, &phase, &detail, &granted, &maintenance, &protected_,
                                   &path) > 0) {
                n++;
                if (!streq(name, "web"))
                        continue;
                assert_string_equal(unit, "web.service");
                assert_string_equal(type, "integration");
                assert_string_equal(status, "running");
                assert_string_equal(active, "active");
                assert_string_equal(sub, "running");
                assert_true(health == 1.0);
                assert_true(since > 0 && since <= realtime_now());
                assert_int_equal(restarts, 0);
                assert_string_equal(phase, "idle");
                assert_true(granted && !maintenance && !protected_);
                assert_string_equal(path, "/org/synos/Supervisor1/service/web");
        }
        assert_int_equal(n, 2);
        sd_bus_message_unref(reply);
}

static void test_names_and_paths(void **state) {
        Fixture *f = *state;
        const char *const as_web[] = { "Name", "web", NULL };
        const char *const as_unit[] = { "Name", "db.service", NULL };
        const char *const back[] = { "Name", "other", NULL };

        declare_web(f);
        fake_declare(f->manager, "foo@a\\x2db.service", true, NULL);
        assert_path(f, "web", "/org/synos/Supervisor1/service/web");
        assert_path(f, "web.service", "/org/synos/Supervisor1/service/web");
        assert_path(f, "foo@a\\x2db.service", "/org/synos/Supervisor1/service/foo_40a_5cx2db");
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", "nothing"),
                          ERROR_NO_SUCH_SERVICE);
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", ""), ERROR_INVALID_ARGUMENT);

        /* Two bear one name: both go by their units, and the name alone is refused. */
        fake_declare(f->manager, "second.service", true, as_web);
        assert_path(f, "second.service", "/org/synos/Supervisor1/service/second_2eservice");
        assert_path(f, "web.service", "/org/synos/Supervisor1/service/web_2eservice");
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", "web"), ERROR_AMBIGUOUS_NAME);

        /* The name is free again. */
        fake_declare(f->manager, "second.service", true, back);
        assert_path(f, "web.service", "/org/synos/Supervisor1/service/web");
        assert_path(f, "other", "/org/synos/Supervisor1/service/other");

        /* The name of another's unit is not to be had. */
        fake_declare(f->manager, "second.service", true, as_unit);
        assert_path(f, "db.service", "/org/synos/Supervisor1/service/db");
        assert_path(f, "second.service", "/org/synos/Supervisor1/service/second_2eservice");
        fake_forget(f->manager, "second.service");
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", "second.service"),
                          ERROR_NO_SUCH_SERVICE);
}

static void get_string(Fixture *f, const char *path, const char *interface, const char *property, char *buf,
                       size_t size) {
        sd_bus_message *reply = NULL;
        const char *value;

        assert_int_equal(fixture_call(f, f->user, path, "org.freedesktop.DBus.Properties", "Get", &reply, "ss",
                                      interface, property),
                         0);
        assert_true(sd_bus_message_read(reply, "v", "s", &value) > 0);
        snprintf(buf, size, "%s", value);
        sd_bus_message_unref(reply);
}

static void test_path_of_the_unit_leads_to_the_object(void **state) {
        Fixture *f = *state;
        char unit[256];

        declare_web(f);
        get_string(f, API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE, "Unit", unit, sizeof(unit));
        assert_string_equal(unit, "web.service");
        get_string(f, API_SERVICE_ROOT "/web_2eservice", API_SERVICE_INTERFACE, "Unit", unit, sizeof(unit));
        assert_string_equal(unit, "web.service");
        assert_call_error(fixture_call(f, f->user, API_SERVICE_ROOT "/nothing", "org.freedesktop.DBus.Properties",
                                       "Get", NULL, "ss", API_SERVICE_INTERFACE, "Unit"),
                          "org.freedesktop.DBus.Error.UnknownObject");
}

static void test_managed_objects(void **state) {
        Fixture *f = *state;
        sd_bus_message *reply = NULL;
        unsigned services = 0;
        const char *path;

        declare_web(f);
        assert_int_equal(fixture_call(f, f->user, API_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                      &reply, NULL),
                         0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                assert_true(sd_bus_message_read(reply, "o", &path) > 0);
                services += startswith(path, API_SERVICE_ROOT "/") != NULL;
                assert_true(sd_bus_message_skip(reply, "a{sa{sv}}") > 0);
                assert_true(sd_bus_message_exit_container(reply) >= 0);
        }
        assert_int_equal(services, 2);
        sd_bus_message_unref(reply);
}

static void test_thousand_services(void **state) {
        Fixture *f = *state;
        sd_bus_message *reply = NULL;
        usec_t begin, listed, managed;
        unsigned n = 0;

        for (unsigned i = 0; i < 1000; i++) {
                char unit[64];

                snprintf(unit, sizeof(unit), "many%u.service", i);
                fake_declare(f->manager, unit, true, NULL);
        }
        begin = boottime_now();
        assert_int_equal(fixture_call(f, f->user, MANAGER, "ListServices", &reply, NULL), 0);
        listed = boottime_now();
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ssssssdttssbbbo)") > 0);
        while (sd_bus_message_skip(reply, "(ssssssdttssbbbo)") > 0)
                n++;
        assert_int_equal(n, 1000);
        reply = sd_bus_message_unref(reply);
        assert_int_equal(fixture_call(f, f->user, API_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                      &reply, NULL),
                         0);
        managed = boottime_now();
        sd_bus_message_unref(reply);
        print_message("1,000 services: ListServices %" PRIu64 " us, GetManagedObjects %" PRIu64 " us\n",
                      listed - begin, managed - listed);
}

/* ---- descriptions ---- */

static void test_describe(void **state) {
        Fixture *f = *state;
        const char *const lines[] = { "DependsOn", "db.service", "Nonsense", "1", "Probe", "postgres://u:secret@h/",
                                      NULL };
        _cleanup_json_ Json *j = NULL;

        fake_declare(f->manager, "db.service", true, NULL);
        fake_declare(f->manager, "app.service", true, lines);
        fake_active(f->manager, "app.service");
        fake_killed(f->manager, "app.service");

        j = fixture_call_json(f, f->user, "Describe", "s", "app");
        assert_string_equal(json_get_string(j, "unit"), "app.service");
        assert_string_equal(json_get_string(j, "object"), "/org/synos/Supervisor1/service/app");
        assert_string_equal(json_get_string(j, "status"), "failed");
        assert_true(json_get_bool(j, "granted", false));
        assert_string_equal(json_get_string(json_get(j, "systemd"), "result"), "signal");
        assert_int_equal(json_get_uint(json_get(json_get(j, "recovery"), "budget"), "limit", 0), 5);
        assert_true(json_get_uint(j, "failure_seq", 0) > 0);
        assert_int_equal(json_length(json_get(j, "problems")), 1);
        assert_int_equal(json_get_uint(json_at(json_get(j, "problems"), 0), "line", 0), 3);
        assert_int_equal(json_length(json_get(j, "dependencies")), 1);
        assert_string_equal(json_get_string(json_at(json_get(j, "dependencies"), 0), "to"), "db.service");
        assert_non_null(json_get_string(j, "last_error"));

        for (size_t i = 0; i < json_length(json_get(j, "fields")); i++) {
                const char *value = json_get_string(json_at(json_get(j, "fields"), i), "value");

                assert_null(value ? strstr(value, "secret") : NULL);
        }
        assert_call_error(fixture_call(f, f->user, MANAGER, "Describe", NULL, "s", "nothing"), ERROR_NO_SUCH_SERVICE);
}

static void test_describe_many(void **state) {
        Fixture *f = *state;
        char *names[130] = {};
        sd_bus_message *m = NULL;
        _cleanup_json_ Json *j = NULL, *none = NULL;

        declare_web(f);
        j = fixture_call_json(f, f->user, "DescribeMany", "as", 2, "db", "web");
        assert_int_equal(json_length(j), 2);
        assert_string_equal(json_get_string(json_at(j, 1), "name"), "web");
        none = fixture_call_json(f, f->user, "DescribeMany", "as", 0);
        assert_int_equal(json_length(none), 0);
        assert_call_error(fixture_call(f, f->user, MANAGER, "DescribeMany", NULL, "as", 2, "db", "nothing"),
                          ERROR_NO_SUCH_SERVICE);

        for (size_t i = 0; i < 129; i++)
                names[i] = (char *) "web";
        assert_true(sd_bus_message_new_method_call(f->user, &m, API_BUS_NAME, MANAGER, "DescribeMany") >= 0);
        assert_true(sd_bus_message_append_strv(m, names) >= 0);
        {
                Pending p = {};

                assert_true(sd_bus_call_async(f->user, &p.slot, m, pending_on_reply, &p, 0) >= 0);
                fixture_wait(f, &p.done);
                assert_string_equal(p.name, ERROR_LIMIT_REACHED);
                pending_done(&p);
        }
        sd_bus_message_unref(m);
}

static void test_dump_and_check(void **state) {
        Fixture *f = *state;
        _cleanup_json_ Json *j = NULL;
        sd_bus_message *reply = NULL;
        Pending p[3];
        const char *text;

        declare_web(f);
        j = fixture_call_json(f, f->user, "Dump", NULL);
        assert_string_equal(json_get_string(j, "fake"), "yes");
        assert_int_equal(json_get_uint(json_get(j, "api"), "objects", 0), 2);

        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                pending_start(&p[i], i == 0 ? f->user : f->root, MANAGER, "CheckLog", false, NULL);
        for (size_t i = 0; i < ELEMENTSOF(p); i++) {
                fixture_wait(f, &p[i].done);
                assert_int_equal(p[i].error, 0);
                pending_done(&p[i]);
        }
        assert_int_equal(fixture_call(f, f->user, MANAGER, "CheckLog", &reply, NULL), 0);
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        assert_string_equal(text, "ok");
        sd_bus_message_unref(reply);
}

/* ---- the log ---- */

static Json *list_events(Fixture *f, uint64_t after, uint32_t limit, const char *filter, int *ret_more,
                         uint64_t *ret_first) {
        sd_bus_message *reply = NULL;
        const char *text;
        Json *j = NULL;

        if (fixture_call(f, f->user, MANAGER, "ListEvents", &reply, "tus", after, limit, filter) < 0)
                fail_msg("ListEvents: %s", fixture_error_text);
        assert_true(sd_bus_message_read(reply, "sbt", &text, ret_more, ret_first) > 0);
        assert_true(json_parse(text, strlen(text), SIZE_MAX, &j, NULL) >= 0);
        sd_bus_message_unref(reply);
        return j;
}

static void test_list_events(void **state) {
        Fixture *f = *state;
        int more;
        uint64_t first, seq;

        declare_web(f);
        fixture_settle(f);
        {
                _cleanup_json_ Json *all = list_events(f, 0, 0, "", &more, &first);

                assert_true(json_length(all) > 4);
                assert_false(more);
                assert_int_equal(first, json_get_uint(json_at(all, 0), "seq", 0));
                for (size_t i = 1; i < json_length(all); i++)
                        assert_true(json_get_uint(json_at(all, i), "seq", 0) >
                                    json_get_uint(json_at(all, i - 1), "seq", 0));
                seq = json_get_uint(json_at(all, json_length(all) - 1), "seq", 0);
        }
        {
                _cleanup_json_ Json *two = list_events(f, 0, 2, "", &more, &first);

                assert_int_equal(json_length(two), 2);
                assert_true(more);
        }
        {
                _cleanup_json_ Json *web = list_events(f, 0, 0, "{\"services\":[\"web\"],\"types\":\"service.*\"}",
                                                       &more, &first);

                assert_true(json_length(web) >= 2);
                for (size_t i = 0; i < json_length(web); i++) {
                        assert_string_equal(json_get_string(json_at(web, i), "unit"), "web.service");
                        assert_string_equal(json_get_string(json_at(web, i), "service"), "web");
                }
        }
        {
                _cleanup_json_ Json *last = list_events(f, 0, 1, "{\"newest\":true}", &more, &first);

                assert_int_equal(json_length(last), 1);
                assert_int_equal(json_get_uint(json_at(last, 0), "seq", 0), seq);
        }
        {
                _cleanup_json_ Json *none = list_events(f, seq, 0, "", &more, &first);

                assert_int_equal(json_length(none), 0);
        }
}

static void test_bad_filters(void **state) {
        static const struct {
                const char *filter, *error;
        } bad[] = {
                { "[]", ERROR_INVALID_ARGUMENT },
                { "{", ERROR_INVALID_ARGUMENT },
                { "{\"colour\":\"red\"}", ERROR_INVALID_ARGUMENT },
                { "{\"units\":7}", ERROR_INVALID_ARGUMENT },
                { "{\"units\":[\"\"]}", ERROR_INVALID_ARGUMENT },
                { "{\"types\":[7]}", ERROR_INVALID_ARGUMENT },
                { "{\"min_priority\":11}", ERROR_INVALID_ARGUMENT },
                { "{\"min_priority\":\"high\"}", ERROR_INVALID_ARGUMENT },
                { "{\"since\":\"yesterday\"}", ERROR_INVALID_ARGUMENT },
                { "{\"correlation\":\"x\"}", ERROR_INVALID_ARGUMENT },
                { "{\"newest\":1}", ERROR_INVALID_ARGUMENT },
                { "{\"up_to\":-1}", ERROR_INVALID_ARGUMENT },
                { "{\"services\":[\"nothing at all\"]}", ERROR_NO_SUCH_SERVICE },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_call_error(fixture_call(f, f->user, MANAGER, "ListEvents", NULL, "tus", (uint64_t) 0, 0,
                                               bad[i].filter),
                                  bad[i].error);
                assert_call_error(fixture_call(f, f->user, MANAGER, "Follow", NULL, "ts", (uint64_t) 0, bad[i].filter),
                                  bad[i].error);
        }
        assert_call_error(fixture_call(f, f->user, MANAGER, "Follow", NULL, "ts", (uint64_t) 0, "{\"newest\":true}"),
                          ERROR_INVALID_ARGUMENT);
        assert_call_error(fixture_call(f, f->user, MANAGER, "ListEvents", NULL, "tus", (uint64_t) 0, 1001, ""),
                          ERROR_INVALID_ARGUMENT);
}

static void test_long_filter(void **state) {
        Fixture *f = *state;
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_append(&b, "{\"units\":[\"");
        for (size_t i = 0; i < 70 * 1024; i++)
                strbuf_append(&b, "x");
        strbuf_append(&b, "\"]}");
        assert_call_error(fixture_call(f, f->user, MANAGER, "ListEvents", NULL, "tus", (uint64_t) 0, 0, b.data),
                          ERROR_INVALID_ARGUMENT);
}

static void test_explain(void **state) {
        Fixture *f = *state;
        char number[32];

        declare_web(f);
        fixture_settle(f);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", "web"), ERROR_NO_SUCH_EVENT);
        fake_killed(f->manager, "web.service");
        fixture_settle(f);
        {
                _cleanup_json_ Json *j = fixture_call_json(f, f->user, "Explain", "s", "web");
                Json *chain = json_get(j, "chain");
                Json *last = json_at(chain, json_length(chain) - 1);

                assert_string_equal(json_get_string(j, "unit"), "web.service");
                assert_string_equal(json_get_string(last, "type"), "service.failed");
                assert_int_equal(json_get_uint(j, "seq", 0), json_get_uint(last, "seq", 1));
                snprintf(number, sizeof(number), "%" PRIu64, json_get_uint(j, "seq", 0));
        }
        {
                _cleanup_json_ Json *j = fixture_call_json(f, f->user, "Explain", "s", number);

                assert_true(json_length(json_get(j, "chain")) >= 1);
        }
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", "999999"), ERROR_NO_SUCH_EVENT);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", ""), ERROR_INVALID_ARGUMENT);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", "no such thing"),
                          ERROR_NO_SUCH_SERVICE);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s",
                                       "0191c2c2-0000-7000-8000-000000000001"),
                          ERROR_NO_SUCH_ACTION);
}

/* ---- properties and signals ---- */

static void test_manager_properties(void **state) {
        Fixture *f = *state;
        char text[128];

        get_string(f, API_ROOT, API_MANAGER_INTERFACE, "HostName", text, sizeof(text));
        assert_string_equal(text, "testhost");
        get_string(f, API_ROOT, API_MANAGER_INTERFACE, "HostId", text, sizeof(text));
        assert_string_equal(text, "01020300-0000-0000-0000-000000000000");
        get_string(f, API_ROOT, API_MANAGER_INTERFACE, "State", text, sizeof(text));
        assert_string_equal(text, "running");
        get_string(f, API_ROOT, API_MANAGER_INTERFACE, "Version", text, sizeof(text));
        assert_true(strlen(text) > 0);
        assert_call_error(fixture_call(f, f->root, API_ROOT, "org.freedesktop.DBus.Properties", "Set", NULL, "ssv",
                                       API_MANAGER_INTERFACE, "State", "s", "stopping"),
                          "org.freedesktop.DBus.Error.PropertyReadOnly");
}

typedef struct Signals {
        unsigned changed, state, added, removed, object_added, object_removed, events, skipped_signals;
        uint64_t skipped;
        char changed_names[1024];
} Signals;

static void note_changed(Signals *s, sd_bus_message *m) {
        const char *interface, *name;

        assert_true(sd_bus_message_read(m, "s", &interface) > 0);
        if (streq(interface, API_SERVICE_INTERFACE))
                s->changed++;
        else
                s->state++;
        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &name) > 0);
                strncat(s->changed_names, name, sizeof(s->changed_names) - strlen(s->changed_names) - 2);
                strcat(s->changed_names, " ");
                assert_true(sd_bus_message_skip(m, "v") > 0);
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);
        Signals *s = userdata;
        uint64_t count, first, last;

        if (streq(member, "PropertiesChanged"))
                note_changed(s, m);
        else if (streq(member, "ServiceAdded"))
                s->added++;
        else if (streq(member, "ServiceRemoved"))
                s->removed++;
        else if (streq(member, "InterfacesAdded"))
                s->object_added++;
        else if (streq(member, "InterfacesRemoved"))
                s->object_removed++;
        else if (streq(member, "Event"))
                s->events++;
        else if (streq(member, "EventsSkipped")) {
                assert_true(sd_bus_message_read(m, "ttt", &count, &first, &last) > 0);
                assert_true(last - first + 1 >= count);
                s->skipped_signals++;
                s->skipped += count;
        }
        return 0;
}

static int on_match(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return 1;
}

static sd_bus_slot *listen_signals(Fixture *f, Signals *s) {
        sd_bus_slot *slot = NULL;

        assert_true(sd_bus_add_match_async(f->user, &slot, "type='signal',sender='" API_BUS_NAME "'", on_signal,
                                           on_match, s) >= 0);
        /* The daemon handles messages of one connection in order. */
        assert_true(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", "nothing") < 0);
        return slot;
}

typedef struct Count {
        const unsigned *n;
        unsigned wanted;
} Count;

static bool counted(void *userdata) {
        const Count *c = userdata;

        return *c->n >= c->wanted;
}

/* So many, and after a round trip still no more. */
static void assert_signals(Fixture *f, const unsigned *n, unsigned wanted) {
        fixture_wait_for(f, counted, &(Count){ n, wanted });
        fixture_settle(f);
        assert_int_equal(*n, wanted);
}

static void test_signals(void **state) {
        Fixture *f = *state;
        Signals s = {};
        sd_bus_slot *slot;

        fixture_settle(f);
        slot = listen_signals(f, &s);
        fake_declare(f->manager, "web.service", true, NULL);
        assert_signals(f, &s.added, 1);
        assert_signals(f, &s.object_added, 1);
        assert_signals(f, &s.state, 1);
        assert_non_null(strstr(s.changed_names, "Services "));

        /* Several changes in one turn of the loop are one signal, with what differs and nothing else. */
        s.changed_names[0] = 0;
        s.changed = 0;
        fake_active(f->manager, "web.service");
        fake_killed(f->manager, "web.service");
        fake_active(f->manager, "web.service");
        assert_signals(f, &s.changed, 1);
        assert_non_null(strstr(s.changed_names, "Status "));
        assert_non_null(strstr(s.changed_names, "InvocationID "));
        assert_null(strstr(s.changed_names, "Granted"));
        assert_true(s.events >= 3);

        fake_set_state(f->manager, "degraded", "the log is full");
        assert_signals(f, &s.state, 2);
        assert_non_null(strstr(s.changed_names, "StateReasons "));

        fake_forget(f->manager, "web.service");
        assert_signals(f, &s.removed, 1);
        assert_signals(f, &s.object_removed, 1);
        sd_bus_slot_unref(slot);
}

static bool all_counted(void *userdata) {
        Signals *s = userdata;

        return s->events + s->skipped >= 1000;
}

static void test_event_signals_are_limited_and_counted(void **state) {
        Fixture *f = *state;
        Signals s = {};
        sd_bus_slot *slot;

        fixture_settle(f);
        slot = listen_signals(f, &s);
        s.events = 0;
        for (unsigned i = 0; i < 1000; i++) {
                Json *data;

                assert_true(json_new_object(&data) >= 0);
                manager_emit(f->manager, "test.storm", "synd", NULL, PRIORITY_LOW, 0, ID128_NULL, data);
        }
        fixture_wait_for(f, all_counted, &s);
        assert_int_equal(s.events + s.skipped, 1000);
        /* Two windows at most, if the storm met the end of one. */
        assert_true(s.events >= 1 && s.events <= 400);
        assert_true(s.skipped_signals >= 1);
        sd_bus_slot_unref(slot);
}

static void test_bus_restart(void **state) {
        Fixture *f = *state;
        char unit[256];

        declare_web(f);
        fixture_restart_bus(f);
        get_string(f, API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE, "Unit", unit, sizeof(unit));
        assert_string_equal(unit, "web.service");
}

/* ---- standard interfaces ---- */

static void test_peer_and_unknown(void **state) {
        Fixture *f = *state;

        assert_int_equal(fixture_call(f, f->user, API_ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL), 0);
        assert_call_error(fixture_call(f, f->user, MANAGER, "NoSuchMethod", NULL, NULL),
                          "org.freedesktop.DBus.Error.UnknownMethod");
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "u", 7),
                          "org.freedesktop.DBus.Error.InvalidArgs");
}

static void test_second_owner_is_told(void **state) {
        Fixture *f = *state;
        Api *second = NULL;
        sd_bus *bus = fixture_connect(f, false);

        assert_int_equal(api_new(f->manager, &second), 0);
        assert_int_equal(api_set_bus(second, bus), 0);
        fixture_settle(f);
        fixture_settle(f);
        assert_false(api_is_named(second));
        assert_true(api_is_named(f->api));
        api_free(second);
        sd_bus_close_unref(bus);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                T(test_list_services),      T(test_names_and_paths),   T(test_path_of_the_unit_leads_to_the_object),
                T(test_managed_objects),    T(test_thousand_services), T(test_describe),
                T(test_describe_many),      T(test_dump_and_check),    T(test_list_events),
                T(test_bad_filters),        T(test_long_filter),       T(test_explain),
                T(test_manager_properties), T(test_signals),           T(test_event_signals_are_limited_and_counted),
                T(test_bus_restart),        T(test_peer_and_unknown),  T(test_second_owner_is_told),
        };

        if (fixture_unavailable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
