/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection that comes back, against a real dbus-daemon that comes and goes. */
#include "private-bus.h"

#include "basic/string.h"
#include "synd/bus-link.h"

#include <signal.h>

typedef struct Fixture {
        PrivateBus daemon;
        sd_event *event;
        BusLink *link;
        unsigned n_up, n_down, n_answers, n_errors;
        char name[64];
        sd_bus_slot *call;
} Fixture;

static void on_up(BusLink *l, sd_bus *bus, void *userdata) {
        Fixture *f = userdata;
        const char *name;

        assert_ptr_equal(bus_link_bus(l), bus);
        assert_true(sd_bus_get_unique_name(bus, &name) >= 0);
        snprintf(f->name, sizeof(f->name), "%s", name);
        assert_int_equal(f->n_up, f->n_down);
        f->n_up++;
}

static void on_down(BusLink *l, void *userdata) {
        Fixture *f = userdata;

        assert_null(bus_link_bus(l));
        f->n_down++;
        assert_int_equal(f->n_up, f->n_down);
        f->call = sd_bus_slot_unref(f->call);
}

static int setup(void **state) {
        static const BusLinkHandler handler = { .up = on_up, .down = on_down };
        Fixture *f = calloc(1, sizeof(Fixture));

        assert_non_null(f);
        private_bus_init(&f->daemon);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_true(bus_link_new(f->event, "test", SD_EVENT_PRIORITY_NORMAL, &handler, f, &f->link) >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        sd_bus_slot_unref(f->call);
        bus_link_free(f->link);
        sd_event_unref(f->event);
        private_bus_done(&f->daemon);
        free(f);
        return 0;
}

static bool is_up(void *userdata) {
        return bus_link_bus(((Fixture *) userdata)->link);
}

static bool is_down(void *userdata) {
        return !is_up(userdata);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;

        if (sd_bus_message_is_method_error(m, NULL))
                f->n_errors++;
        else
                f->n_answers++;
        return 0;
}

static void ping(Fixture *f) {
        f->call = sd_bus_slot_unref(f->call);
        assert_true(sd_bus_call_method_async(bus_link_bus(f->link), &f->call, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping", on_answer, f,
                                             NULL) >= 0);
}

static bool answered(void *userdata) {
        return ((Fixture *) userdata)->n_answers > 0;
}

static bool failed(void *userdata) {
        return ((Fixture *) userdata)->n_errors > 0;
}

static void nothing_before_start(void **state) {
        Fixture *f = *state;

        private_bus_start(&f->daemon);
        run_for(f->event, 100 * USEC_PER_MSEC);
        assert_int_equal(f->n_up, 0);
        assert_int_equal(bus_link_attempts(f->link), 0);
        assert_true(bus_link_is_idle(f->link));
}

static void connects_and_works(void **state) {
        Fixture *f = *state;

        private_bus_start(&f->daemon);
        bus_link_start(f->link);
        run_until(f->event, is_up, f);
        assert_int_equal(f->n_up, 1);
        assert_int_equal(f->name[0], ':');
        assert_false(bus_link_is_idle(f->link));
        ping(f);
        run_until(f->event, answered, f);
        assert_int_equal(bus_link_losses(f->link), 0);
}

static void comes_back(void **state) {
        Fixture *f = *state;

        private_bus_start(&f->daemon);
        bus_link_start(f->link);
        for (unsigned i = 1; i <= 10; i++) {
                run_until(f->event, is_up, f);
                private_bus_kill(&f->daemon);
                run_until(f->event, is_down, f);
                assert_int_equal(f->n_down, i);
                assert_int_equal(bus_link_losses(f->link), i);
                private_bus_start(&f->daemon);
        }
        run_until(f->event, is_up, f);
        assert_int_equal(f->n_up, 11);
        assert_int_equal(f->n_down, 10);
        ping(f);
        run_until(f->event, answered, f);
}

/* What was asked is answered, by an error: nobody waits for ever for a bus that died. */
static void pending_calls_fail(void **state) {
        Fixture *f = *state;

        private_bus_start(&f->daemon);
        bus_link_start(f->link);
        run_until(f->event, is_up, f);
        kill(f->daemon.daemon, SIGSTOP);
        ping(f);
        run_for(f->event, 50 * USEC_PER_MSEC);
        assert_int_equal(f->n_errors + f->n_answers, 0);
        private_bus_kill(&f->daemon);
        run_until(f->event, failed, f);
        run_until(f->event, is_down, f);
        assert_int_equal(f->n_down, 1);
}

static void waits_longer_each_time(void **state) {
        Fixture *f = *state;
        uint64_t attempts;

        bus_link_start(f->link);
        run_for(f->event, 1200 * USEC_PER_MSEC);
        /* At 0, 50, 150, 350 and 750 ms, then at 1550. */
        attempts = bus_link_attempts(f->link);
        assert_in_range(attempts, 2, 6);
        assert_int_equal(f->n_up + f->n_down, 0);
        assert_true(bus_link_is_idle(f->link));

        private_bus_start(&f->daemon);
        run_until(f->event, is_up, f);
        assert_int_equal(f->n_up, 1);
        assert_true(bus_link_attempts(f->link) > attempts);
}

/* It was never up, so that nothing goes down; and it is not idle, because the other side has the next word. */
static void a_mute_peer(void **state) {
        Fixture *f = *state;

        private_bus_start_mute(&f->daemon);
        bus_link_start(f->link);
        run_for(f->event, 200 * USEC_PER_MSEC);
        assert_int_equal(f->n_up, 0);
        assert_int_equal(bus_link_attempts(f->link), 1);
        assert_false(bus_link_is_idle(f->link));

        private_bus_kill(&f->daemon);
        private_bus_start(&f->daemon);
        run_until(f->event, is_up, f);
        assert_int_equal(f->n_down, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(nothing_before_start),    TEST(connects_and_works), TEST(comes_back), TEST(pending_calls_fail),
                TEST(waits_longer_each_time), TEST(a_mute_peer),
        };
        int r = private_bus_unavailable();

        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
