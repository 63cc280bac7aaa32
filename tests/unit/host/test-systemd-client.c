/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake-systemd.h"
#include "host/systemd-client.h"

#include <stdio.h>

#define UNIT_INTERFACE "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"

typedef enum What {
        CONNECTED,
        DISCONNECTED,
        UNIT,
        RELATIONS,
        JOB_NEW,
        JOB_REMOVED,
        UNIT_NEW,
        RELOADING,
        RELOADED,
        STATE,
        CALL,
} What;

typedef struct Told {
        What what;
        char name[64];
        UnitSnapshot unit;
        bool initial;
        uint32_t job;
        int value; /* JobResult, HostState, error of a call */
        char part_of[64];
        size_t n_after;
} Told;

typedef struct Rig {
        TestBus bus;
        FakeSystemd fake;
        sd_event *event;
        sd_bus *connection;
        SystemdClient *client;
        Told told[4096];
        size_t n_told;
        const char *unwatch; /* ends this watch from inside the handler */
} Rig;

/* ---- what is told ---- */

static Told *tell(Rig *r, What what, const char *name) {
        Told *t = r->told + r->n_told;

        assert_true(r->n_told < ELEMENTSOF(r->told));
        r->n_told++;
        *t = (Told){ .what = what };
        snprintf(t->name, sizeof(t->name), "%s", name ?: "");
        return t;
}

static void on_connected(SystemdClient *c, bool connected, void *userdata) {
        tell(userdata, connected ? CONNECTED : DISCONNECTED, NULL);
}

static void on_unit(SystemdClient *c, const char *unit, const UnitSnapshot *u, bool initial, void *userdata) {
        Rig *r = userdata;
        Told *t = tell(r, UNIT, unit);

        t->unit = *u;
        t->initial = initial;
        if (r->unwatch && streq(r->unwatch, unit))
                systemd_client_unwatch(c, r->unwatch);
}

static void on_relations(SystemdClient *c, const char *unit, const UnitRelations *relations, void *userdata) {
        Told *t = tell(userdata, RELATIONS, unit);

        t->n_after = strv_length(relations->after);
        if (relations->part_of)
                snprintf(t->part_of, sizeof(t->part_of), "%s", relations->part_of[0]);
}

static void on_job_new(SystemdClient *c, const char *unit, uint32_t id, void *userdata) {
        tell(userdata, JOB_NEW, unit)->job = id;
}

static void on_job_removed(SystemdClient *c, const char *unit, uint32_t id, JobResult result, void *userdata) {
        Told *t = tell(userdata, JOB_REMOVED, unit);

        t->job = id;
        t->value = (int) result;
}

static void on_unit_new(SystemdClient *c, const char *unit, void *userdata) {
        tell(userdata, UNIT_NEW, unit);
}

static void on_reloading(SystemdClient *c, bool active, void *userdata) {
        tell(userdata, active ? RELOADING : RELOADED, NULL);
}

static void on_state(SystemdClient *c, HostState state, void *userdata) {
        tell(userdata, STATE, NULL)->value = (int) state;
}

static void on_call(UnitCall *u, uint32_t job_id, int error, const char *text, void *userdata) {
        Told *t = tell(userdata, CALL, text);

        t->job = job_id;
        t->value = error;
        unit_call_free(u);
}

/* ---- waiting ---- */

static size_t count(const Rig *r, What what, const char *name) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_told; i++)
                n += r->told[i].what == what && (!name || streq(r->told[i].name, name));
        return n;
}

static const Told *last(const Rig *r, What what, const char *name) {
        for (size_t i = r->n_told; i-- > 0;)
                if (r->told[i].what == what && (!name || streq(r->told[i].name, name)))
                        return r->told + i;
        fail_msg("%d of %s was not told", (int) what, name ?: "anything");
        return NULL;
}

/* Until `n` of these were told. */
static void wait_for(Rig *r, What what, const char *name, size_t n) {
        usec_t end = boottime_now() + TEST_LIMIT_USEC;

        while (count(r, what, name) < n) {
                if (boottime_now() >= end)
                        fail_msg("Waited in vain for %zu times %d of %s", n, (int) what, name ?: "anything");
                assert_return_code(sd_event_run(r->event, USEC_PER_SEC), 0);
        }
}

static int on_marker(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(bool *) userdata = true;
        return 0;
}

/* Until everything that both sides have sent up to now was handled: a message from the fake to the client's connection
 * comes behind all others, and a call of the client's comes back behind all replies. */
static void settle(Rig *r) {
        usec_t end = boottime_now() + TEST_LIMIT_USEC;

        for (unsigned i = 0; i < 4; i++) {
                bool done = false;

                assert_return_code(sd_bus_call_method_async(r->connection, NULL, "org.freedesktop.systemd1", "/",
                                                            "org.freedesktop.DBus.Peer", "Ping", on_marker, &done,
                                                            NULL),
                                   0);
                while (!done && boottime_now() < end)
                        assert_return_code(sd_event_run(r->event, USEC_PER_SEC), 0);
                assert_true(done);
        }
}

/* Until the fake keeps so many reads unanswered. */
static void wait_held(Rig *r, size_t n) {
        usec_t end = boottime_now() + TEST_LIMIT_USEC;

        while (r->fake.n_held < n) {
                assert_true(boottime_now() < end);
                assert_return_code(sd_event_run(r->event, USEC_PER_SEC), 0);
        }
}

static void forget(Rig *r) {
        r->n_told = 0;
        fake_forget_log(&r->fake);
}

static void connect_client(Rig *r) {
        assert_return_code(test_bus_connect(&r->bus, r->event, &r->connection), 0);
        assert_return_code(systemd_client_set_bus(r->client, r->connection), 0);
}

static int set_up(void **state) {
        static const SystemdHandler handler = {
                .connected = on_connected,
                .unit = on_unit,
                .relations = on_relations,
                .job_new = on_job_new,
                .job_removed = on_job_removed,
                .unit_new = on_unit_new,
                .reloading = on_reloading,
                .system_state = on_state,
        };
        Rig *r = calloc(1, sizeof(*r));

        assert_non_null(r);
        assert_return_code(test_bus_start(&r->bus), 0);
        assert_return_code(sd_event_new(&r->event), 0);
        assert_return_code(fake_systemd_start(&r->fake, &r->bus, r->event), 0);
        assert_return_code(systemd_client_new(r->event, &handler, r, &r->client), 0);
        *state = r;
        return 0;
}

static int tear_down(void **state) {
        Rig *r = *state;

        systemd_client_free(r->client);
        sd_bus_close_unref(r->connection);
        fake_systemd_stop(&r->fake);
        sd_event_unref(r->event);
        test_bus_stop(&r->bus);
        free(r);
        return 0;
}

static FakeUnit *running(Rig *r, const char *name) {
        FakeUnit *u = fake_unit(&r->fake, name);

        u->active = "active";
        u->sub = "running";
        u->invocation = 1;
        u->main_pid = 1234;
        u->state_change = 1000;
        return u;
}

/* Watches one running unit and is connected. */
static FakeUnit *watched(Rig *r) {
        FakeUnit *u = running(r, "foo@a\\x2db.service");

        assert_return_code(systemd_client_watch(r->client, u->name), 0);
        connect_client(r);
        wait_for(r, RELATIONS, u->name, 1);
        forget(r);
        return u;
}

/* ---- start ---- */

static void test_start(void **state) {
        Rig *r = *state;
        FakeUnit *u = running(r, "foo@a\\x2db.service"), *down = fake_unit(&r->fake, "down.service");
        const Told *t;
        SystemdClientStats stats;

        u->part_of = "bar.target";
        u->restart = "always";
        down->active = "failed";
        down->sub = "failed";
        down->result = "exit-code";
        down->exec_code = 1;
        down->exec_status = 3;
        assert_return_code(systemd_client_watch(r->client, u->name), 0);
        assert_return_code(systemd_client_watch(r->client, u->name), 0);
        assert_return_code(systemd_client_watch(r->client, down->name), 0);
        assert_int_equal(systemd_client_watch(r->client, "template@.service"), -EINVAL);
        assert_int_equal(systemd_client_watch(r->client, "../etc"), -EINVAL);
        connect_client(r);
        wait_for(r, CONNECTED, NULL, 1);
        wait_for(r, RELATIONS, u->name, 1);

        assert_int_equal(count(r, UNIT, NULL), 2);
        t = last(r, UNIT, u->name);
        assert_true(t->initial);
        assert_int_equal(t->unit.load, UNIT_LOADED);
        assert_int_equal(t->unit.active, UNIT_ACTIVE);
        assert_string_equal(t->unit.sub, "running");
        assert_int_equal(t->unit.main_pid, 1234);
        assert_int_equal(t->unit.invocation.bytes[0], 1);
        assert_int_equal(t->unit.state_change, 1000);
        assert_int_equal(t->unit.result, RESULT_SUCCESS);
        assert_true(t->unit.auto_restart);
        assert_string_equal(last(r, RELATIONS, u->name)->part_of, "bar.target");
        /* sysinit.target says nothing. */
        assert_int_equal(last(r, RELATIONS, u->name)->n_after, 0);

        t = last(r, UNIT, down->name);
        assert_int_equal(t->unit.active, UNIT_FAILED);
        assert_int_equal(t->unit.result, RESULT_EXIT_CODE);
        assert_int_equal(t->unit.exec_status, 3);
        assert_false(t->unit.auto_restart);
        /* What decides about a unit that is down is told before its state. */
        assert_ptr_not_equal(last(r, RELATIONS, down->name), NULL);
        assert_true(last(r, RELATIONS, down->name) < t);

        assert_int_equal(last(r, STATE, NULL)->value, HOST_RUNNING);
        assert_true(last(r, STATE, NULL) > last(r, CONNECTED, NULL));
        assert_int_equal(systemd_client_version(r->client), 252);
        assert_string_equal(r->fake.log, "Subscribe ListUnitsByNames");
        systemd_client_stats(r->client, &stats);
        assert_int_equal(stats.outstanding, 0);
        assert_int_equal(stats.queued, 0);
}

static void watch_many(Rig *r, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                char name[32];

                snprintf(name, sizeof(name), "many-%u.service", i);
                running(r, name);
                assert_return_code(systemd_client_watch(r->client, name), 0);
        }
}

static void test_window(void **state) {
        Rig *r = *state;

        watch_many(r, 600);
        r->fake.hold = true;
        connect_client(r);
        wait_held(r, 90);
        settle(r);
        assert_in_range(r->fake.n_held_max, 90, 100);
        assert_int_equal(count(r, CONNECTED, NULL), 0);

        fake_release(&r->fake);
        wait_for(r, CONNECTED, NULL, 1);
        wait_for(r, RELATIONS, NULL, 600);
        assert_int_equal(count(r, UNIT, NULL), 600);
        for (size_t i = 0; i < r->n_told; i++)
                assert_true(r->told[i].what != UNIT || (r->told[i].initial && r->told[i].unit.main_pid == 1234));
}

/* One unit that PID 1 cannot list must not keep the others from being known. */
static void test_list_refused(void **state) {
        Rig *r = *state;

        watch_many(r, 30);
        r->fake.refuse_lists = true;
        connect_client(r);
        wait_for(r, CONNECTED, NULL, 1);
        assert_int_equal(count(r, UNIT, NULL), 30);
        assert_int_equal(last(r, UNIT, "many-7.service")->unit.active, UNIT_ACTIVE);
}

static void test_nothing_watched(void **state) {
        Rig *r = *state;

        connect_client(r);
        wait_for(r, STATE, NULL, 1);
        assert_int_equal(count(r, CONNECTED, NULL), 1);
        /* And later one by one. */
        running(r, "late.service");
        assert_return_code(systemd_client_watch(r->client, "late.service"), 0);
        wait_for(r, UNIT, "late.service", 1);
        assert_true(last(r, UNIT, NULL)->initial);
        assert_int_equal(count(r, CONNECTED, NULL), 1);
}

static void test_systemd_comes_later(void **state) {
        Rig *r = *state;

        fake_own(&r->fake, false);
        watch_many(r, 3);
        connect_client(r);
        for (unsigned i = 0; i < 20; i++)
                assert_return_code(sd_event_run(r->event, USEC_PER_MSEC), 0);
        assert_int_equal(r->n_told, 0);
        fake_own(&r->fake, true);
        wait_for(r, CONNECTED, NULL, 1);
        assert_int_equal(count(r, UNIT, NULL), 3);
}

/* ---- signals ---- */

static void test_changes(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r), *other = running(r, "other.service");

        u->active = "failed";
        u->sub = "failed";
        u->result = "signal";
        u->main_pid = 0;
        u->exec_code = 2;
        u->exec_status = 9;
        fake_changed(&r->fake, other);
        fake_changed(&r->fake, u);
        wait_for(r, UNIT, NULL, 2);
        settle(r);

        /* One call for each signal, in their order, each with all that is known by then. */
        assert_int_equal(r->n_told, 2);
        assert_string_equal(r->told[0].name, u->name);
        assert_false(r->told[0].initial);
        assert_int_equal(r->told[0].unit.active, UNIT_ACTIVE);
        assert_int_equal(r->told[0].unit.exec_status, 9);
        assert_int_equal(r->told[1].unit.active, UNIT_FAILED);
        assert_int_equal(r->told[1].unit.result, RESULT_SIGNAL);
        assert_int_equal(r->told[1].unit.exec_status, 9);
}

static void test_forged(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);
        _cleanup_(sd_bus_close_unrefp) sd_bus *evil = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *owner = NULL;
        const char *target;

        assert_return_code(sd_bus_get_unique_name(r->connection, &target), 0);
        assert_return_code(test_bus_connect(&r->bus, r->event, &evil), 0);
        fake_emit_property(evil, target, u->name, UNIT_INTERFACE, "ActiveState", "s", "failed", NULL);
        assert_return_code(sd_bus_message_new_signal(evil, &m, "/org/freedesktop/systemd1",
                                                     "org.freedesktop.systemd1.Manager", "JobRemoved"),
                           0);
        assert_return_code(sd_bus_message_append(m, "uoss", 7, "/", u->name, "done"), 0);
        assert_return_code(sd_bus_send_to(evil, m, target, NULL), 0);
        assert_return_code(sd_bus_message_new_signal(evil, &owner, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                     "NameOwnerChanged"),
                           0);
        assert_return_code(sd_bus_message_append(owner, "sss", "org.freedesktop.systemd1", "", ":1.99"), 0);
        assert_return_code(sd_bus_send_to(evil, owner, target, NULL), 0);

        /* One that is genuine, behind them. */
        u->main_pid = 99;
        while (sd_bus_is_ready(evil) == 0)
                assert_return_code(sd_event_run(r->event, USEC_PER_SEC), 0);
        settle(r);
        fake_changed(&r->fake, u);
        wait_for(r, UNIT, NULL, 2);
        assert_int_equal(r->n_told, 2);
        assert_int_equal(r->told[1].unit.active, UNIT_ACTIVE);
        assert_int_equal(r->told[1].unit.main_pid, 99);
}

static void test_strange_values(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        fake_emit_property(r->fake.bus, NULL, u->id, UNIT_INTERFACE, "ActiveState", "s", "dancing", NULL);
        fake_emit_property(r->fake.bus, NULL, u->id, UNIT_INTERFACE, "SubState", "s",
                           "a-word-that-is-much-longer-than-any-sub-state-there-is", NULL);
        fake_emit_property(r->fake.bus, NULL, u->id, SERVICE_INTERFACE, "MainPID", "s", "not a number", NULL);
        fake_emit_property(r->fake.bus, NULL, u->id, SERVICE_INTERFACE, "Unheard", "s", "of", NULL);
        fake_emit_property(r->fake.bus, NULL, u->id, "org.freedesktop.systemd1.Socket", "Result", "s", "x", NULL);
        wait_for(r, UNIT, NULL, 4);
        settle(r);
        assert_int_equal(r->n_told, 4);
        assert_int_equal(r->told[0].unit.active, UNIT_ACTIVE_UNKNOWN);
        assert_int_equal(strlen(r->told[1].unit.sub), sizeof(r->told[1].unit.sub) - 1);
        assert_int_equal(r->told[3].unit.main_pid, 1234);
}

static void test_invalidated(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        u->main_pid = 77;
        fake_emit_property(r->fake.bus, NULL, u->id, SERVICE_INTERFACE, NULL, NULL, NULL, "MainPID");
        wait_for(r, UNIT, NULL, 2);
        assert_false(last(r, UNIT, NULL)->initial);
        assert_int_equal(last(r, UNIT, NULL)->unit.main_pid, 77);
        /* Of no interest: not read. */
        settle(r);
        u->n_gets = 0;
        fake_emit_property(r->fake.bus, NULL, u->id, SERVICE_INTERFACE, NULL, NULL, NULL, "ExecStart");
        settle(r);
        assert_int_equal(u->n_gets, 0);
}

/* A reply is the truth of its moment, a later signal that of a later one. */
static void test_signal_after_read(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        r->fake.hold = true;
        assert_return_code(systemd_client_refresh(r->client, u->name), 0);
        wait_held(r, 4);
        fake_release(&r->fake);
        u->active = "failed";
        u->sub = "failed";
        u->result = "signal";
        fake_changed(&r->fake, u);
        settle(r);
        assert_int_equal(last(r, UNIT, NULL)->unit.active, UNIT_FAILED);
        assert_int_equal(last(r, UNIT, NULL)->unit.result, RESULT_SIGNAL);
}

static void test_alias(void **state) {
        Rig *r = *state;
        FakeUnit *u = running(r, "alias.service");

        free(u->id);
        u->id = strdup("real.service");
        assert_return_code(systemd_client_watch(r->client, "alias.service"), 0);
        connect_client(r);
        wait_for(r, CONNECTED, NULL, 1);
        settle(r);
        forget(r);
        u->main_pid = 4;
        fake_changed(&r->fake, u);
        wait_for(r, UNIT, "alias.service", 2);
        assert_int_equal(last(r, UNIT, NULL)->unit.main_pid, 4);
}

static void test_jobs(void **state) {
        Rig *r = *state;

        watched(r);
        fake_emit(&r->fake, "JobNew", "uos", 5, "/org/freedesktop/systemd1/job/5", "any.target");
        fake_emit(&r->fake, "JobRemoved", "uoss", 5, "/org/freedesktop/systemd1/job/5", "any.target", "dependency");
        fake_emit(&r->fake, "JobRemoved", "uoss", 6, "/org/freedesktop/systemd1/job/6", "any.target", "novelty");
        fake_emit(&r->fake, "UnitNew", "so", "i@1.service", "/");
        fake_emit(&r->fake, "UnitNew", "so", "some.mount", "/");
        wait_for(r, UNIT_NEW, NULL, 1);
        settle(r);
        assert_int_equal(r->n_told, 4);
        assert_int_equal(r->told[0].what, JOB_NEW);
        assert_int_equal(r->told[1].value, JOB_DEPENDENCY);
        assert_int_equal(r->told[2].value, JOB_RESULT_UNKNOWN);
        assert_string_equal(r->told[3].name, "i@1.service");
}

static void test_unloaded(void **state) {
        Rig *r = *state;
        FakeUnit *u = fake_unit(&r->fake, "rest.service");

        assert_return_code(systemd_client_watch(r->client, u->name), 0);
        connect_client(r);
        wait_for(r, CONNECTED, NULL, 1);
        settle(r);
        forget(r);
        u->n_gets = 0;

        /* Our own reading loads it: answering that by reading would never end. */
        for (unsigned i = 0; i < 3; i++) {
                fake_emit(&r->fake, "UnitNew", "so", u->name, "/");
                fake_changed(&r->fake, u);
                fake_emit(&r->fake, "UnitRemoved", "so", u->name, "/");
        }
        settle(r);
        assert_int_equal(u->n_gets, 0);

        /* Once it is wanted, the file may have changed. */
        fake_emit(&r->fake, "UnitNew", "so", u->name, "/");
        u->restart = "always";
        u->job = 8;
        fake_emit(&r->fake, "JobNew", "uos", 8, "/org/freedesktop/systemd1/job/8", u->name);
        wait_for(r, RELATIONS, u->name, 1);
        settle(r);
        assert_true(last(r, UNIT, u->name)->unit.auto_restart);
        assert_int_equal(last(r, UNIT, u->name)->unit.job_id, 8);

        /* Gone for good: at rest. */
        u->active = "failed";
        u->sub = "failed";
        u->job = 0;
        fake_changed(&r->fake, u);
        fake_emit(&r->fake, "UnitRemoved", "so", u->name, "/");
        settle(r);
        assert_int_equal(last(r, UNIT, u->name)->unit.active, UNIT_INACTIVE);
        assert_string_equal(last(r, UNIT, u->name)->unit.sub, "dead");
        assert_int_equal(last(r, UNIT, u->name)->unit.load, UNIT_LOADED);
}

static void test_reload(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        fake_emit(&r->fake, "Reloading", "b", 1);
        fake_emit(&r->fake, "UnitRemoved", "so", u->name, "/");
        fake_emit(&r->fake, "UnitNew", "so", u->name, "/");
        u->restart = "on-failure";
        u->part_of = "new.target";
        fake_emit(&r->fake, "Reloading", "b", 0);
        wait_for(r, RELATIONS, u->name, 1);
        settle(r);
        assert_int_equal(r->n_told, 4);
        assert_int_equal(r->told[0].what, RELOADING);
        assert_int_equal(r->told[1].what, RELOADED);
        assert_int_equal(r->told[2].what, UNIT);
        assert_true(r->told[2].initial);
        assert_int_equal(r->told[2].unit.active, UNIT_ACTIVE);
        assert_true(r->told[2].unit.auto_restart);
        assert_string_equal(r->told[3].part_of, "new.target");
        assert_null(r->fake.log);
}

static void test_shutdown(void **state) {
        Rig *r = *state;

        watched(r);
        /* Believed at once … */
        r->fake.hold = true;
        fake_emit(&r->fake, "JobNew", "uos", 5, "/org/freedesktop/systemd1/job/5", "reboot.target");
        wait_for(r, STATE, NULL, 1);
        assert_int_equal(r->told[0].value, HOST_STOPPING);
        assert_int_equal(r->told[1].what, JOB_NEW);
        /* … and taken back when it is not so. */
        wait_held(r, 1);
        fake_release(&r->fake);
        wait_for(r, STATE, NULL, 2);
        assert_int_equal(last(r, STATE, NULL)->value, HOST_RUNNING);

        forget(r);
        r->fake.system_state = "stopping";
        fake_emit(&r->fake, "StartupFinished", "tttttt", UINT64_C(0), UINT64_C(0), UINT64_C(0), UINT64_C(0),
                  UINT64_C(0), UINT64_C(0));
        wait_for(r, STATE, NULL, 1);
        assert_int_equal(last(r, STATE, NULL)->value, HOST_STOPPING);
}

static void test_unwatch(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        r->unwatch = u->name;
        fake_changed(&r->fake, u);
        wait_for(r, UNIT, NULL, 1);
        settle(r);
        assert_int_equal(r->n_told, 1);
        assert_int_equal(systemd_client_refresh(r->client, u->name), -ENOENT);

        /* In the middle of a read, and the last one that was waited for. */
        forget(r);
        r->unwatch = NULL;
        fake_own(&r->fake, false);
        wait_for(r, DISCONNECTED, NULL, 1);
        assert_return_code(systemd_client_watch(r->client, u->name), 0);
        r->fake.hold = true;
        fake_own(&r->fake, true);
        wait_held(r, 3);
        systemd_client_unwatch(r->client, u->name);
        fake_release(&r->fake);
        wait_for(r, CONNECTED, NULL, 1);
        assert_int_equal(count(r, UNIT, NULL), 0);
}

/* ---- loss ---- */

static void test_reexec(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);

        fake_emit(&r->fake, "Reloading", "b", 1);
        fake_own(&r->fake, false);
        wait_for(r, DISCONNECTED, NULL, 1);
        u->invocation = 2;
        fake_own(&r->fake, true);
        /* Of the new PID 1, about the reload that the old one announced. */
        fake_emit(&r->fake, "Reloading", "b", 0);
        wait_for(r, RELOADED, NULL, 1);
        settle(r);
        assert_int_equal(r->told[0].what, RELOADING);
        assert_int_equal(r->told[1].what, DISCONNECTED);
        assert_int_equal(r->told[2].what, UNIT);
        assert_true(r->told[2].initial);
        assert_int_equal(r->told[2].unit.invocation.bytes[0], 2);
        assert_int_equal(r->told[3].what, CONNECTED);
        assert_int_equal(r->told[4].what, STATE);
        assert_int_equal(r->told[5].what, RELOADED);
        assert_int_equal(r->told[6].what, RELATIONS);
        assert_int_equal(r->n_told, 7);
        assert_string_equal(r->fake.log, "Subscribe ListUnitsByNames");
}

static void test_bus_restart(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);
        UnitCall *call;

        r->fake.call_error = NULL;
        assert_return_code(systemd_client_call(r->client, u->name, VERB_RESTART, "replace", false, on_call, r, &call),
                           0);
        assert_return_code(systemd_client_set_bus(r->client, NULL), 0);
        assert_int_equal(r->n_told, 2);
        assert_int_equal(r->told[0].what, DISCONNECTED);
        assert_int_equal(r->told[1].value, -ECONNRESET);
        r->connection = sd_bus_close_unref(r->connection);

        /* Without a connection the answer comes from the loop, never from inside the call. */
        assert_return_code(systemd_client_call(r->client, u->name, VERB_START, "fail", false, on_call, r, &call), 0);
        assert_int_equal(r->n_told, 2);
        wait_for(r, CALL, NULL, 2);
        assert_int_equal(last(r, CALL, NULL)->value, -ENOTCONN);
        assert_int_equal(systemd_client_cancel_job(r->client, 3), -ENOTCONN);

        forget(r);
        connect_client(r);
        wait_for(r, CONNECTED, NULL, 1);
        assert_true(r->told[0].initial);
        assert_int_equal(count(r, UNIT, NULL), 1);
}

/* The connection breaks under reads and calls. */
static void test_broken_connection(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);
        UnitCall *call;

        r->fake.hold = true;
        assert_return_code(systemd_client_refresh(r->client, u->name), 0);
        wait_held(r, 4);
        assert_return_code(systemd_client_call(r->client, u->name, VERB_STOP, "replace", false, on_call, r, &call), 0);
        test_bus_kill(&r->bus);
        wait_for(r, DISCONNECTED, NULL, 1);
        wait_for(r, CALL, NULL, 1);
        assert_int_equal(last(r, CALL, NULL)->value, -ECONNRESET);
        assert_int_equal(r->n_told, 2);
}

/* ---- calls ---- */

static void test_call(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);
        UnitCall *call;

        assert_return_code(systemd_client_call(r->client, u->name, VERB_START, "fail", true, on_call, r, &call), 0);
        wait_for(r, CALL, NULL, 1);
        assert_int_equal(last(r, CALL, NULL)->job, 101);
        assert_int_equal(last(r, CALL, NULL)->value, 0);
        assert_string_equal(r->fake.log, "ResetFailedUnit StartUnit");

        /* Not known to be loaded; and what is not loaded has nothing to reset. */
        forget(r);
        assert_return_code(systemd_client_call(r->client, "new.service", VERB_RESTART, "replace", true, on_call, r,
                                               &call),
                           0);
        wait_for(r, CALL, NULL, 1);
        assert_int_equal(last(r, CALL, NULL)->value, 0);
        assert_string_equal(r->fake.log, "LoadUnit ResetFailedUnit RestartUnit");

        forget(r);
        assert_return_code(
                        systemd_client_call(r->client, u->name, VERB_RESET_FAILED, "fail", false, on_call, r, &call),
                        0);
        wait_for(r, CALL, NULL, 1);
        assert_int_equal(last(r, CALL, NULL)->job, 0);
        assert_int_equal(last(r, CALL, NULL)->value, 0);
        assert_string_equal(r->fake.log, "ResetFailedUnit");

        assert_int_equal(systemd_client_call(r->client, u->name, VERB_CHECK, "fail", false, on_call, r, &call),
                         -EINVAL);
        assert_int_equal(systemd_client_call(r->client, "no unit", VERB_STOP, "fail", false, on_call, r, &call),
                         -EINVAL);
}

static void test_call_errors(void **state) {
        static const struct {
                const char *name;
                int error;
        } errors[] = {
                { "org.freedesktop.DBus.Error.AccessDenied", -EACCES },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", -EACCES },
                { "org.freedesktop.systemd1.TransactionIsDestructive", -EDEADLK },
                { "org.freedesktop.systemd1.NoSuchUnit", -ENOENT },
                { "org.freedesktop.systemd1.UnitMasked", -ERFKILL },
                { "org.example.Unheard.Of", -EIO },
        };
        Rig *r = *state;
        FakeUnit *u = watched(r);

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                UnitCall *call;

                forget(r);
                r->fake.call_error = errors[i].name;
                assert_return_code(systemd_client_call(r->client, u->name, VERB_STOP, "replace", false, on_call, r,
                                                       &call),
                                   0);
                wait_for(r, CALL, NULL, 1);
                assert_int_equal(r->told[0].value, errors[i].error);
                assert_string_equal(r->told[0].name, "No, not foo@a\\x2db.service.");
        }
}

static void test_call_freed(void **state) {
        Rig *r = *state;
        FakeUnit *u = watched(r);
        UnitCall *call, *calls[50];

        assert_return_code(systemd_client_call(r->client, u->name, VERB_STOP, "replace", false, on_call, r, &call), 0);
        unit_call_free(call);
        settle(r);
        assert_int_equal(count(r, CALL, NULL), 0);
        assert_string_equal(r->fake.log, "StopUnit");

        /* More than fit at once all come to an end. */
        for (unsigned i = 0; i < ELEMENTSOF(calls); i++)
                assert_return_code(systemd_client_call(r->client, u->name, VERB_STOP, "replace", false, on_call, r,
                                                       &calls[i]),
                                   0);
        wait_for(r, CALL, NULL, ELEMENTSOF(calls));

        /* In flight when the client goes: they are the caller's, and silent. */
        forget(r);
        for (unsigned i = 0; i < ELEMENTSOF(calls); i++)
                assert_return_code(systemd_client_call(r->client, u->name, VERB_STOP, "replace", false, on_call, r,
                                                       &calls[i]),
                                   0);
        assert_return_code(systemd_client_refresh(r->client, u->name), 0);
        r->client = systemd_client_free(r->client);
        assert_int_equal(r->n_told, 0);
        for (unsigned i = 0; i < ELEMENTSOF(calls); i++)
                unit_call_free(calls[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(test_start),
                TEST(test_window),
                TEST(test_list_refused),
                TEST(test_nothing_watched),
                TEST(test_systemd_comes_later),
                TEST(test_changes),
                TEST(test_forged),
                TEST(test_strange_values),
                TEST(test_invalidated),
                TEST(test_signal_after_read),
                TEST(test_alias),
                TEST(test_jobs),
                TEST(test_unloaded),
                TEST(test_reload),
                TEST(test_shutdown),
                TEST(test_unwatch),
                TEST(test_reexec),
                TEST(test_bus_restart),
                TEST(test_broken_connection),
                TEST(test_call),
                TEST(test_call_errors),
                TEST(test_call_freed),
        };
        TestBus probe;
        int r;

        r = test_bus_start(&probe);
        test_bus_stop(&probe);
        if (r < 0) {
                puts("There is no dbus-daemon here, skipping.");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
