/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watchdog is fed by real progress only: each part is wedged in turn. The bus is a real one; the log is played here,
 * because its writer cannot be made to hang on demand. */
#include "private-bus.h"

#include "basic/string.h"
#include "synd/heartbeat.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PERIOD (100 * USEC_PER_MSEC)

/* ---- the log ---- */

static EventLogStats log_stats;
static bool log_moves;

void eventlog_stats(const EventLog *l, EventLogStats *ret) {
        *ret = log_stats;
}

void eventlog_poke(EventLog *l) {
        if (log_moves)
                log_stats.progress++;
}

/* ---- fixture ---- */

typedef struct Fixture {
        PrivateBus daemon;
        sd_event *event;
        BusLink *link;
        Heartbeat *heartbeat;
        int notify_fd;
        uint64_t base; /* of fed or withheld, when a wait began */
} Fixture;

static void on_up(BusLink *l, sd_bus *bus, void *userdata) {
}

static void on_down(BusLink *l, void *userdata) {
}

static void listen_as_service_manager(Fixture *f) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        char text[32];

        snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", f->daemon.dir);
        f->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(f->notify_fd >= 0);
        assert_int_equal(bind(f->notify_fd, (struct sockaddr *) &a, sizeof(a)), 0);
        setenv("NOTIFY_SOCKET", a.sun_path, true);
        snprintf(text, sizeof(text), "%" PRIu64, 3 * PERIOD);
        setenv("WATCHDOG_USEC", text, true);
        snprintf(text, sizeof(text), "%d", getpid());
        setenv("WATCHDOG_PID", text, true);
}

static int setup(void **state) {
        static const BusLinkHandler handler = { .up = on_up, .down = on_down };
        Fixture *f = calloc(1, sizeof(Fixture));

        assert_non_null(f);
        log_stats = (EventLogStats) {};
        log_moves = true;
        private_bus_init(&f->daemon);
        listen_as_service_manager(f);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_true(bus_link_new(f->event, "test", SD_EVENT_PRIORITY_NORMAL, &handler, f, &f->link) >= 0);
        assert_true(heartbeat_new(f->event, f->link, NULL, &f->heartbeat) >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        heartbeat_free(f->heartbeat);
        bus_link_free(f->link);
        sd_event_unref(f->event);
        close(f->notify_fd);
        (void) unlink(getenv("NOTIFY_SOCKET"));
        private_bus_done(&f->daemon);
        free(f);
        return 0;
}

static HeartbeatStats stats(Fixture *f) {
        HeartbeatStats s;

        heartbeat_stats(f->heartbeat, &s);
        return s;
}

/* Messages since the last look; none may be anything but food. */
static uint64_t received(Fixture *f) {
        uint64_t count = 0;
        char text[64];
        ssize_t n;

        while ((n = recv(f->notify_fd, text, sizeof(text) - 1, 0)) > 0) {
                text[n] = 0;
                assert_string_equal(text, "WATCHDOG=1");
                count++;
        }
        return count;
}

static bool is_up(void *userdata) {
        return bus_link_bus(((Fixture *) userdata)->link);
}

static bool is_away(void *userdata) {
        return !is_up(userdata);
}

static bool fed_five(void *userdata) {
        return stats(userdata).fed >= ((Fixture *) userdata)->base + 5;
}

static bool withheld_five(void *userdata) {
        return stats(userdata).withheld >= ((Fixture *) userdata)->base + 5;
}

static void assert_feeds(Fixture *f) {
        uint64_t withheld = stats(f).withheld;

        (void) received(f);
        f->base = stats(f).fed;
        run_until(f->event, fed_five, f);
        assert_int_equal(stats(f).withheld, withheld);
        assert_null(stats(f).waiting_for);
        assert_int_equal(received(f), stats(f).fed - f->base);
}

/* Two turns may pass before it is noticed: one that looks at what came before, and one that was asked in between. */
static void assert_stops_feeding(Fixture *f, const char *because_of) {
        uint64_t fed = stats(f).fed;

        f->base = stats(f).withheld;
        run_until(f->event, withheld_five, f);
        assert_in_range(stats(f).fed, fed, fed + 2);
        assert_string_equal(stats(f).waiting_for, because_of);
        (void) received(f);
        run_for(f->event, 3 * PERIOD);
        assert_int_equal(received(f), 0);
}

static void connect_bus(Fixture *f) {
        private_bus_start(&f->daemon);
        bus_link_start(f->link);
        run_until(f->event, is_up, f);
}

/* ---- tests ---- */

static void feeds_when_all_is_well(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        assert_feeds(f);
}

static void feeds_before_the_bus_is_wanted(void **state) {
        /* The history in the journal comes first. */
        assert_feeds(*state);
}

static void not_with_a_wedged_bus(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        assert_feeds(f);
        kill(f->daemon.daemon, SIGSTOP);
        assert_stops_feeding(f, "bus");
        kill(f->daemon.daemon, SIGCONT);
        f->base = stats(f).fed;
        run_until(f->event, fed_five, f);
        assert_feeds(f);
}

static void not_with_a_mute_bus(void **state) {
        Fixture *f = *state;

        private_bus_start_mute(&f->daemon);
        bus_link_start(f->link);
        assert_stops_feeding(f, "bus");
}

static void feeds_while_the_bus_is_away(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        private_bus_kill(&f->daemon);
        run_until(f->event, is_away, f);
        /* Also when the attempts have become rarer than the turns. */
        run_for(f->event, 1 * USEC_PER_SEC);
        assert_feeds(f);
        assert_int_equal(stats(f).withheld, 0);
        private_bus_start(&f->daemon);
        run_until(f->event, is_up, f);
        assert_feeds(f);
}

static void feeds_while_the_bus_restarts_again_and_again(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        for (int i = 0; i < 5; i++) {
                private_bus_kill(&f->daemon);
                run_until(f->event, is_away, f);
                private_bus_start(&f->daemon);
                run_until(f->event, is_up, f);
        }
        assert_feeds(f);
        assert_int_equal(stats(f).withheld, 0);
}

static void not_with_a_wedged_writer(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        assert_feeds(f);
        log_moves = false;
        assert_stops_feeding(f, "log");
        log_moves = true;
        f->base = stats(f).fed;
        run_until(f->event, fed_five, f);
        assert_feeds(f);
}

static void feeds_while_the_disk_is_full(void **state) {
        Fixture *f = *state;

        connect_bus(f);
        log_stats.state = EVENTLOG_STALLED;
        log_stats.error = -ENOSPC;
        assert_feeds(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(feeds_when_all_is_well),
                TEST(feeds_before_the_bus_is_wanted),
                TEST(not_with_a_wedged_bus),
                TEST(not_with_a_mute_bus),
                TEST(feeds_while_the_bus_is_away),
                TEST(feeds_while_the_bus_restarts_again_and_again),
                TEST(not_with_a_wedged_writer),
                TEST(feeds_while_the_disk_is_full),
        };
        int r = private_bus_unavailable();

        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
