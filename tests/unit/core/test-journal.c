/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every invocation once and in order, whoever tells of it; what happened while nobody looked. */
#include "rig.h"

#define A "a.service"

static void setup(Rig *r) {
        rig_init(r);
        rig_service(r, A, "RecoveryBackoff=10s");
        rig_active(r, A, true); /* invocation 10 */
}

/* The invocations of service.starting, in the order of the log, by their last byte. */
static void assert_starting(Rig *r, const char *unit, const uint8_t *ids, size_t n) {
        size_t k = 0;

        for (size_t i = 0; i < r->n_events; i++) {
                char buf[ID128_STRING_MAX];

                if (!streq(r->events[i].type, EVENT_SERVICE_STARTING) || !streq_ptr(r->events[i].unit, unit))
                        continue;
                assert_true(k < n);
                assert_string_equal(rig_text(&r->events[i], "invocation"), id128_to_string(rig_id(ids[k]), buf));
                k++;
        }
        assert_int_equal(k, n);
}

static void test_skipped_invocation_is_filled_in_order(void **state) {
        UnitSnapshot u;
        Rig r;

        setup(&r);
        assert_false(supervisor_wants_journal(r.s));
        /* 10 failed, 11 came and failed, 12 is up: the signals tell of the last only. */
        u = rig_snapshot(&r, A);
        u.auto_restart = true;
        u.n_restarts = 2;
        u.invocation = rig_id(12);
        rig_tell(&r, A, &u, false);
        assert_true(supervisor_wants_journal(r.s));
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTING), 1);
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        rig_fact(&r, A, FACT_STARTED, rig_id(11));
        rig_fact(&r, A, FACT_FAILED, rig_id(11));
        assert_true(supervisor_wants_journal(r.s));
        rig_fact(&r, A, FACT_STARTED, rig_id(12));
        assert_false(supervisor_wants_journal(r.s));
        assert_starting(&r, A, (const uint8_t[]){ 10, 11, 12 }, 3);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 2);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_FAILED), "origin"), "backfilled");
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "origin"), "live");
        rig_done(&r);
}

static void test_held_events_are_not_held_for_ever(void **state) {
        UnitSnapshot u;
        Rig r;

        setup(&r);
        u = rig_snapshot(&r, A);
        u.n_restarts = 2;
        u.invocation = rig_id(12);
        rig_tell(&r, A, &u, false);
        rig_pass(&r, 2 * USEC_PER_SEC);
        assert_false(supervisor_wants_journal(r.s));
        assert_starting(&r, A, (const uint8_t[]){ 10, 12 }, 2);
        rig_done(&r);
}

static void test_recovery_does_not_wait_for_the_journal(void **state) {
        UnitSnapshot u;
        const Event *e;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        u = rig_snapshot(&r, A);
        u.n_restarts = 3;
        u.invocation = rig_id(12);
        rig_tell(&r, A, &u, false);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_int_equal(rig_count(&r, A, EVENT_ACTION_REQUESTED), 0);
        rig_job_succeeds(&r);
        rig_fact(&r, A, FACT_STARTED, rig_id(12));
        rig_fact(&r, A, FACT_FAILED, rig_id(12));
        /* The chain holds although all its numbers were given out later. */
        e = rig_last(&r, A, EVENT_ACTION_REQUESTED);
        e = rig_seq(&r, e->cause_seq);
        assert_string_equal(e->type, EVENT_RECOVERY_SCHEDULED);
        e = rig_seq(&r, e->cause_seq);
        assert_string_equal(e->type, EVENT_SERVICE_FAILED);
        assert_int_equal(rig_get(&r, A)->last_event_seq >> 63, 0);
        rig_done(&r);
}

static void test_late_facts_change_nothing(void **state) {
        size_t n;
        Rig r;

        setup(&r);
        rig_killed(&r, A);
        rig_pass(&r, 10 * USEC_PER_SEC);
        rig_job_succeeds(&r);
        n = r.n_events;
        rig_fact(&r, A, FACT_STARTING, rig_id(10));
        rig_fact(&r, A, FACT_STARTED, rig_id(10));
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        rig_fact(&r, A, FACT_STARTED, rig_id(11));
        assert_int_equal(r.n_events, n);
        rig_done(&r);
}

/* While the bus is away the journal tells of the end of the current invocation and of all that came after; the signals only
 * of the last. */
static void test_an_end_told_before_its_signal_is_not_lost(void **state) {
        const Event *e;
        UnitSnapshot u;
        Rig r;

        setup(&r);
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 0);
        rig_fact(&r, A, FACT_STARTED, rig_id(11));
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 1);
        e = rig_last(&r, A, EVENT_SERVICE_FAILED);
        assert_string_equal(rig_text(e, "origin"), "backfilled");
        assert_string_equal(rig_text(e, "result"), "signal");
        assert_true(e->seq < rig_last(&r, A, EVENT_SERVICE_STARTING)->seq);
        rig_fact(&r, A, FACT_FAILED, rig_id(11));
        u = rig_snapshot(&r, A);
        u.n_restarts = 2;
        u.invocation = rig_id(12);
        rig_tell(&r, A, &u, true);
        rig_fact(&r, A, FACT_STARTED, rig_id(12));
        assert_starting(&r, A, (const uint8_t[]){ 10, 11, 12 }, 3);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 2);
        rig_done(&r);
}

/* The same where the signals bring the next invocation, and once more after a restart of synd. */
static void test_an_end_told_before_the_next_invocation_is_seen(void **state) {
        UnitSnapshot u;
        Rig r;

        setup(&r);
        u = rig_snapshot(&r, A);
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        u.n_restarts = 1;
        u.invocation = rig_id(11);
        rig_tell(&r, A, &u, false);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 1);
        rig_fact(&r, A, FACT_FAILED, rig_id(11));
        rig_restart_synd(&r);
        rig_service(&r, A);
        u.invocation = rig_id(12);
        rig_tell(&r, A, &u, true);
        rig_fact(&r, A, FACT_STARTED, rig_id(12));
        assert_starting(&r, A, (const uint8_t[]){ 10, 11, 12 }, 3);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 2);
        rig_done(&r);
}

static void test_failed_while_synd_was_away(void **state) {
        Rig r;

        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=0");
        rig_fact(&r, A, FACT_EXITED, rig_id(10));
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_FAILED), "origin"), "backfilled");
        UnitSnapshot u = { .load = UNIT_LOADED,
                           .active = UNIT_FAILED,
                           .sub = "failed",
                           .result = RESULT_SIGNAL,
                           .invocation = rig_id(10),
                           .active_enter = 5,
                           .inactive_enter = 6 };
        rig_tell(&r, A, &u, true);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 1);
        assert_starting(&r, A, (const uint8_t[]){ 10 }, 1);
        rig_done(&r);
}

static void test_stopped_while_synd_was_away(void **state) {
        UnitSnapshot u = { .load = UNIT_LOADED,
                           .active = UNIT_FAILED,
                           .sub = "failed",
                           .result = RESULT_TIMEOUT,
                           .invocation = rig_id(10),
                           .active_enter = 5,
                           .inactive_enter = 6 };
        Rig r;

        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=0");
        rig_fact(&r, A, FACT_STOPPING, rig_id(10));
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        rig_tell(&r, A, &u, true);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);

        /* The same with the journal coming after the state. */
        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=0");
        rig_tell(&r, A, &u, true);
        assert_true(supervisor_wants_journal(r.s));
        rig_fact(&r, A, FACT_STOPPING, rig_id(10));
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);

        /* And with no journal at all: a failed unit that nobody says he stopped. */
        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=0");
        rig_tell(&r, A, &u, true);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_pass(&r, 5 * USEC_PER_SEC);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_invocations_while_synd_was_away(void **state) {
        UnitSnapshot u = { .load = UNIT_LOADED,
                           .active = UNIT_ACTIVE,
                           .sub = "running",
                           .result = RESULT_SUCCESS,
                           .invocation = rig_id(13),
                           .active_enter = 5,
                           .n_restarts = 3 };
        Rig r;

        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_fact(&r, A, FACT_FAILED, rig_id(10));
        rig_fact(&r, A, FACT_STARTED, rig_id(11));
        rig_fact(&r, A, FACT_FAILED, rig_id(11));
        /* The journal is not quite there yet when the state is read. */
        rig_tell(&r, A, &u, true);
        rig_fact(&r, A, FACT_STARTED, rig_id(12));
        rig_fact(&r, A, FACT_FAILED, rig_id(12));
        rig_fact(&r, A, FACT_STARTED, rig_id(13));
        assert_starting(&r, A, (const uint8_t[]){ 10, 11, 12, 13 }, 4);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        rig_done(&r);
}

static void test_many_invocations_are_bounded(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        for (unsigned i = 0; i < 200; i++) {
                Id128 id = rig_id(1);
                UnitSnapshot u;

                id.bytes[5] = (uint8_t) (i + 1);
                u = rig_snapshot(&r, A);
                u.n_restarts += 2;
                u.invocation = id;
                rig_tell(&r, A, &u, false);
        }
        assert_true(rig_count(&r, A, EVENT_SERVICE_STARTING) > 150);
        rig_pass(&r, 5 * USEC_PER_SEC);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTING), 201);
        rig_done(&r);
}

static void fact_of_boot(Rig *r, Id128 boot, const char *unit, JournalFactType type, Id128 invocation) {
        JournalFact f = { .type = type,
                          .unit = unit,
                          .invocation = invocation,
                          .boot = boot,
                          .time = { .realtime = r->now.realtime } };

        if (id128_equal(boot, r->config.boot_id))
                f.time = r->now;
        assert_return_code(supervisor_journal(r->s, r->now, &f), 0);
        rig_drain(r);
}

/* synd ends early in a shutdown and begins late in a boot. */
static void test_shutdown_and_boot_are_told_by_the_journal(void **state) {
        Id128 before;
        Rig r;

        setup(&r);
        before = r.config.boot_id;
        rig_reboot(&r);
        rig_service(&r, A);
        fact_of_boot(&r, before, "multi-user.target", FACT_STOPPED, rig_id(1));
        fact_of_boot(&r, before, A, FACT_STOPPING, rig_id(10));
        fact_of_boot(&r, before, A, FACT_FAILED, rig_id(10));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STOPPED), "intent"), "shutdown");
        fact_of_boot(&r, r.config.boot_id, A, FACT_STARTED, rig_id(20));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "boot");
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 0);
        fact_of_boot(&r, r.config.boot_id, "multi-user.target", FACT_STARTED, rig_id(2));
        fact_of_boot(&r, r.config.boot_id, A, FACT_STOPPING, rig_id(20));
        fact_of_boot(&r, r.config.boot_id, A, FACT_STOPPED, rig_id(20));
        fact_of_boot(&r, r.config.boot_id, A, FACT_STARTED, rig_id(21));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "operator");
        rig_done(&r);

        /* After a power cut nothing tells of the end of the boot. */
        setup(&r);
        rig_reboot(&r);
        rig_service(&r, A);
        fact_of_boot(&r, r.config.boot_id, A, FACT_STARTED, rig_id(20));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "boot");
        rig_done(&r);

        /* A restart of synd is neither; nor is its first start ever. */
        setup(&r);
        rig_restart_synd(&r);
        rig_service(&r, A);
        fact_of_boot(&r, r.config.boot_id, "multi-user.target", FACT_STOPPED, rig_id(1));
        fact_of_boot(&r, r.config.boot_id, A, FACT_STOPPING, rig_id(10));
        fact_of_boot(&r, r.config.boot_id, A, FACT_STOPPED, rig_id(10));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STOPPED), "intent"), "operator");
        fact_of_boot(&r, r.config.boot_id, A, FACT_STARTED, rig_id(11));
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "operator");
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_skipped_invocation_is_filled_in_order),
                cmocka_unit_test(test_held_events_are_not_held_for_ever),
                cmocka_unit_test(test_recovery_does_not_wait_for_the_journal),
                cmocka_unit_test(test_late_facts_change_nothing),
                cmocka_unit_test(test_an_end_told_before_its_signal_is_not_lost),
                cmocka_unit_test(test_an_end_told_before_the_next_invocation_is_seen),
                cmocka_unit_test(test_failed_while_synd_was_away),
                cmocka_unit_test(test_stopped_while_synd_was_away),
                cmocka_unit_test(test_invocations_while_synd_was_away),
                cmocka_unit_test(test_many_invocations_are_bounded),
                cmocka_unit_test(test_shutdown_and_boot_are_told_by_the_journal),
        };

        return cmocka_run_group_tests_name("core journal", tests, NULL, NULL);
}
