/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that mean harm, or are broken: floods, streams that nobody reads, departures in the middle. What they get is bounded,
 * and others are served. */
#include "basic/id.h"
#include "fixture.h"

#include <fcntl.h>
#include <malloc.h>

#define WEB API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE

static int setup_small(void **state) {
        return fixture_setup_limits(
                        state, &(FakeOptions){ .clients_max = 24, .client_calls_max = 8, .client_followers_max = 4 });
}

static Json *api_figures(Fixture *f) {
        _cleanup_json_ Json *j = fixture_call_json(f, f->root, "Dump", NULL);

        return json_ref(json_get(j, "api"));
}

static uint64_t figure(Fixture *f, const char *name) {
        _cleanup_json_ Json *j = api_figures(f);

        return json_get_uint(j, name, UINT64_MAX);
}

static bool nothing_pending(void *userdata) {
        Fixture *f = userdata;
        _cleanup_json_ Json *j = api_figures(f);

        return json_get_uint(j, "pending_calls", 9) == 0 && json_get_uint(j, "streams", 9) == 0 &&
               json_get_uint(j, "clients", 9) == 0 && json_get_uint(j, "polkit_questions", 9) == 0 &&
               !json_get_bool(j, "log_check", true);
}

static void wait_all(Fixture *f, Pending *p, size_t n, unsigned *ret_refused) {
        *ret_refused = 0;
        for (size_t i = 0; i < n; i++) {
                fixture_wait(f, &p[i].done);
                *ret_refused += p[i].error < 0 && streq(p[i].name, ERROR_LIMIT_REACHED);
        }
}

typedef struct Refusals {
        const Pending *p;
        size_t n, wanted;
} Refusals;

static bool refused_enough(void *userdata) {
        const Refusals *r = userdata;
        size_t refused = 0;

        for (size_t i = 0; i < r->n; i++)
                refused += r->p[i].done && r->p[i].error < 0 && streq(r->p[i].name, ERROR_LIMIT_REACHED);
        assert_true(refused <= r->wanted);
        return refused == r->wanted;
}

static void wait_refused(Fixture *f, const Pending *p, size_t n, size_t wanted) {
        fixture_wait_for(f, refused_enough, &(Refusals){ p, n, wanted });
}

static void test_streams_of_one_client(void **state) {
        Fixture *f = *state;
        Pending p[10];
        unsigned refused;

        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                pending_start(&p[i], f->user, MANAGER, "Follow", false, "ts", (uint64_t) 0, "");
        wait_all(f, p, ELEMENTSOF(p), &refused);
        assert_true(refused >= 6);
        assert_true(figure(f, "streams") <= 4);
        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                pending_done(&p[i]);
        fixture_ask_until(f, nothing_pending, f);
}

static void test_calls_of_one_client(void **state) {
        Fixture *f = *state;
        char id[UUID_STRING_MAX];
        sd_bus_message *reply = NULL;
        const char *text;
        Pending p[40];
        unsigned refused;

        fake_declare(f->manager, "web.service", true, NULL);
        fake_active(f->manager, "web.service");
        fixture_start_polkit(f, FAKE_ALLOW);
        fake_hold_jobs(f->manager, true);
        assert_int_equal(fixture_call(f, f->user, WEB, "Restart", &reply, NULL), 0);
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        snprintf(id, sizeof(id), "%s", text);
        sd_bus_message_unref(reply);

        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                pending_start(&p[i], f->user, MANAGER, "WaitAction", false, "s", id);
        wait_refused(f, p, ELEMENTSOF(p), 32);
        assert_int_equal(figure(f, "pending_calls"), 8);
        /* Another client still gets its answers. */
        assert_int_equal(fixture_call(f, f->root, MANAGER, "ListEvents", NULL, "tus", (uint64_t) 0, 1, ""), 0);
        fake_finish_jobs(f->manager);
        wait_all(f, p, ELEMENTSOF(p), &refused);
        assert_int_equal(refused, 32);
        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                pending_done(&p[i]);
        fixture_ask_until(f, nothing_pending, f);
}

/* Many connections of one user get half of the places; root has the rest. */
static void test_one_user_with_many_connections(void **state) {
        Fixture *f = *state;
        sd_bus *clients[10];
        Pending p[40];
        size_t n = 0;
        unsigned refused;

        if (geteuid() != 0)
                skip();
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                clients[i] = fixture_connect(f, true);
                for (unsigned k = 0; k < 4; k++)
                        pending_start(&p[n++], clients[i], MANAGER, "Follow", false, "ts", (uint64_t) 0, "");
        }
        wait_all(f, p, n, &refused);
        assert_true(figure(f, "streams") <= 12);
        assert_true(refused >= 28);
        assert_int_equal(fixture_call(f, f->root, MANAGER, "Follow", NULL, "ts", (uint64_t) 0, ""), 0);
        for (size_t i = 0; i < n; i++)
                pending_done(&p[i]);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
        fixture_ask_until(f, nothing_pending, f);
}

static bool asked_eight_times(void *userdata) {
        Fixture *f = userdata;

        assert_true(f->polkit.asked <= 8);
        return f->polkit.asked == 8;
}

static void test_questions_to_polkit(void **state) {
        Fixture *f = *state;
        sd_bus *clients[3];
        Pending p[18];
        size_t n = 0;

        fake_declare(f->manager, "web.service", true, NULL);
        fixture_start_polkit(f, FAKE_HANG);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                clients[i] = fixture_connect(f, true);
                for (unsigned k = 0; k < 6; k++)
                        pending_start(&p[n++], clients[i], WEB, "Restart", true, NULL);
        }
        wait_refused(f, p, n, 10);
        fixture_wait_for(f, asked_eight_times, f);
        for (size_t i = 0; i < n; i++)
                pending_done(&p[i]);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
        fixture_ask_until(f, nothing_pending, f);
        assert_int_equal(fake_calls(f->manager)->commands, 0);
}

/* A stream of which half a line is read and then nothing, while much happens: memory must not follow. */
static void test_memory_of_streams_nobody_reads(void **state) {
        Fixture *f = *state;
        sd_bus_message *replies[4] = {};
        struct mallinfo2 before, after;
        char text[201] = {}, half[64];
        int fd;

        memset(text, 'y', 200);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                assert_int_equal(fixture_call(f, f->user, MANAGER, "Follow", &replies[i], "ts", (uint64_t) 0, ""), 0);
        assert_true(sd_bus_message_read(replies[0], "h", &fd) > 0);
        assert_true(read(fd, half, 20) > 0);
        before = mallinfo2();
        for (unsigned round = 0; round < 100; round++) {
                for (unsigned i = 0; i < 200; i++) {
                        Json *data;

                        assert_true(json_new_object(&data) >= 0);
                        assert_true(json_set_string(data, "text", text) >= 0);
                        manager_emit(f->manager, "test.flood", "synd", NULL, PRIORITY_LOW, 0, ID128_NULL, data);
                }
                fixture_settle(f);
        }
        after = mallinfo2();
        /* 20,000 events of about 500 bytes went by: 10 MB for each stream, if it were kept. */
        assert_true(after.uordblks < before.uordblks + 3 * 1024 * 1024);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                sd_bus_message_unref(replies[i]);
        fixture_ask_until(f, nothing_pending, f);
}

/* Calls of every kind, of which the client does not wait for the answer. */
static void test_disconnect_in_the_middle(void **state) {
        Fixture *f = *state;
        uint64_t seed = random_u64();
        Prng prng;

        print_message("seed %" PRIu64 "\n", seed);
        prng_seed(&prng, seed);
        fake_declare(f->manager, "web.service", true, NULL);
        fake_active(f->manager, "web.service");
        fixture_start_polkit(f, FAKE_ALLOW);
        for (unsigned round = 0; round < 60; round++) {
                sd_bus *client = fixture_connect(f, prng_below(&prng, 2));
                Pending p[12];
                unsigned turns = (unsigned) prng_below(&prng, 30);

                for (size_t i = 0; i < ELEMENTSOF(p); i++)
                        switch (prng_below(&prng, 6)) {
                        case 0:
                                pending_start(&p[i], client, MANAGER, "Follow", false, "ts", (uint64_t) 0, "");
                                break;
                        case 1:
                                pending_start(&p[i], client, MANAGER, "ListEvents", false, "tus", (uint64_t) 0, 1000,
                                              "");
                                break;
                        case 2:
                                pending_start(&p[i], client, WEB, "Restart", true, NULL);
                                break;
                        case 3:
                                pending_start(&p[i], client, MANAGER, "Explain", false, "s", "web");
                                break;
                        case 4:
                                pending_start(&p[i], client, MANAGER, "CheckLog", false, NULL);
                                break;
                        default:
                                pending_start(&p[i], client, MANAGER, "ListServices", false, NULL);
                                break;
                        }
                while (turns-- > 0)
                        assert_true(sd_event_run(f->event, 0) >= 0);
                for (size_t i = 0; i < ELEMENTSOF(p); i++)
                        pending_done(&p[i]);
                sd_bus_close_unref(client);
        }
        fixture_ask_until(f, nothing_pending, f);
}

/* The bus goes away while all kinds of calls are pending. */
static void test_bus_lost_in_the_middle(void **state) {
        Fixture *f = *state;
        Pending p[6];

        fake_declare(f->manager, "web.service", true, NULL);
        fixture_start_polkit(f, FAKE_HANG);
        for (unsigned round = 0; round < 3; round++) {
                pending_start(&p[0], f->user, WEB, "Restart", true, NULL);
                pending_start(&p[1], f->user, MANAGER, "Follow", false, "ts", (uint64_t) 0, "");
                pending_start(&p[2], f->user, MANAGER, "ListEvents", false, "tus", (uint64_t) 0, 0, "");
                pending_start(&p[3], f->user, MANAGER, "CheckLog", false, NULL);
                pending_start(&p[4], f->user, MANAGER, "Explain", false, "s", "web");
                pending_start(&p[5], f->user, MANAGER, "Reload", true, NULL);
                for (unsigned turns = 0; turns < round * 15; turns++)
                        assert_true(sd_event_run(f->event, 0) >= 0);
                for (size_t i = 0; i < ELEMENTSOF(p); i++)
                        pending_done(&p[i]);
                fixture_restart_bus(f);
                fixture_start_polkit(f, FAKE_HANG);
                fixture_ask_until(f, nothing_pending, f);
        }
        assert_int_equal(fake_calls(f->manager)->commands, 0);
}

static void test_strange_names(void **state) {
        Fixture *f = *state;
        char path[512], long_name[1024];
        static const char *const names[] = {
                "../../etc/passwd", "a\nb", "%s%n", "\xc3\xa4", "*", "web.service/..", "-"
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                assert_true(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", names[i]) < 0);
                assert_true(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", names[i]) < 0);
                assert_true(fixture_call(f, f->user, MANAGER, "WaitAction", NULL, "s", names[i]) < 0);
                assert_true(fixture_call(f, f->root, MANAGER, "Register", NULL, "ss", names[i], "{}") < 0);
        }
        memset(long_name, 'n', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetService", NULL, "s", long_name),
                          ERROR_INVALID_ARGUMENT);
        assert_call_error(fixture_call(f, f->user, MANAGER, "GetAction", NULL, "s", long_name),
                          ERROR_INVALID_ARGUMENT);
        assert_call_error(fixture_call(f, f->user, MANAGER, "Explain", NULL, "s", long_name), ERROR_INVALID_ARGUMENT);
        snprintf(path, sizeof(path), "%s/%.200s", API_SERVICE_ROOT, long_name);
        assert_true(fixture_call(f, f->user, path, API_SERVICE_INTERFACE, "Start", NULL, NULL) < 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define S(name) cmocka_unit_test_setup_teardown(name, setup_small, fixture_teardown)
        const struct CMUnitTest tests[] = {
                S(test_streams_of_one_client),          S(test_calls_of_one_client),
                S(test_one_user_with_many_connections), T(test_questions_to_polkit),
                T(test_memory_of_streams_nobody_reads), T(test_disconnect_in_the_middle),
                T(test_bus_lost_in_the_middle),         T(test_strange_names),
        };

        if (fixture_unavailable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
