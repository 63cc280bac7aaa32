/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a failure to a recovered service: waits, budgets, slow mode, causes. */
#include "rig.h"

#define A "a.service"
#define B "b.service"

static void test_killed_is_restarted_at_once(void **state) {
        Rig r;
        const Event *e;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTING), 1);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTED), 1);
        r.n_order = 0;
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_int_equal(r.jobs[0].job.verb, VERB_START);
        assert_true(r.jobs[0].job.automatic);
        assert_string_equal(r.jobs[0].job.unit, A);
        /* failed, scheduled, requested; service and host are stored before the job goes out. */
        assert_memory_equal(r.order, "eeessj", 6);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_ACTING);
        rig_job_succeeds(&r);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SETTLING);
        assert_int_equal(rig_get(&r, A)->restarts, 1);

        /* recovered ← started ← requested ← scheduled ← failed ← started ← starting */
        static const char *const chain[] = {
                EVENT_SERVICE_RECOVERED, EVENT_SERVICE_STARTED, EVENT_ACTION_REQUESTED, EVENT_RECOVERY_SCHEDULED,
                EVENT_SERVICE_FAILED,    EVENT_SERVICE_STARTED, EVENT_SERVICE_STARTING,
        };
        e = rig_last(&r, A, EVENT_SERVICE_RECOVERED);
        for (size_t i = 0; i < ELEMENTSOF(chain); i++) {
                assert_string_equal(e->type, chain[i]);
                if (i + 1 < ELEMENTSOF(chain))
                        e = rig_seq(&r, e->cause_seq);
        }
        assert_int_equal(e->cause_seq, 0);
        assert_string_equal(rig_last(&r, A, EVENT_ACTION_FINISHED)->type, EVENT_ACTION_FINISHED);
        assert_int_equal(rig_last(&r, A, EVENT_ACTION_FINISHED)->cause_seq,
                         rig_last(&r, A, EVENT_ACTION_REQUESTED)->seq);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "synd");
        assert_int_equal(r.last_action_state, ACTION_DONE);
        rig_done(&r);
}

static void test_backoff_grows_and_resets(void **state) {
        static const usec_t delays[] = { 500000, 1000000, 2000000, 4000000, 4000000 };
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=500ms..4s", "RecoveryBudget=50/10min", "RecoveryReset=1min");
        rig_active(&r, A, true);
        for (size_t i = 0; i < ELEMENTSOF(delays); i++) {
                rig_killed(&r, A);
                assert_int_equal(rig_get(&r, A)->phase, RECOVERY_BACKOFF);
                assert_int_equal(rig_get(&r, A)->due - r.now.boottime, delays[i]);
                rig_pass(&r, delays[i] - 1);
                assert_int_equal(rig_pending_jobs(&r), 0);
                rig_pass(&r, 1);
                assert_int_equal(rig_pending_jobs(&r), 1);
                rig_job_succeeds(&r);
        }
        rig_pass(&r, USEC_PER_MINUTE - 1);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SETTLING);
        rig_pass(&r, 1);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_IDLE);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_STABLE), 1);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->due - r.now.boottime, delays[0]);
        rig_done(&r);
}

static void test_jitter_stays_in_its_share(void **state) {
        bool differ = false;
        usec_t first = 0;
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=1s", "RecoveryJitter=20%", "RecoveryBudget=1000/10min");
        rig_active(&r, A, true);
        for (size_t i = 0; i < 30; i++) {
                usec_t d;

                rig_killed(&r, A);
                d = rig_get(&r, A)->due - r.now.boottime;
                assert_true(d >= 800000 && d <= 1200000);
                differ = differ || (i > 0 && d != first);
                first = d;
                rig_pass(&r, d);
                rig_job_succeeds(&r);
        }
        assert_true(differ);
        rig_done(&r);
}

static void test_budget_spent_goes_slow(void **state) {
        usec_t taken[3];
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBudget=3/10min", "RecoverySlowRetry=1min");
        rig_active(&r, A, true);
        for (size_t i = 0; i < 3; i++) {
                rig_killed(&r, A);
                taken[i] = r.now.boottime;
                rig_job_succeeds(&r);
                rig_pass(&r, USEC_PER_SEC);
        }
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_BUDGET_SPENT), 1);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SLOW);
        /* Not at slow_retry, for no token is free then. */
        assert_int_equal(rig_get(&r, A)->due, taken[0] + 10 * USEC_PER_MINUTE);
        rig_pass(&r, rig_get(&r, A)->due - r.now.boottime);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_job_succeeds(&r);
        /* Still slow: two tokens come free at once, and yet the next try waits for slow_retry. */
        rig_pass(&r, 5 * USEC_PER_SEC);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SLOW);
        assert_int_equal(rig_get(&r, A)->due, r.now.boottime + USEC_PER_MINUTE);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_BUDGET_SPENT), 1);
        rig_pass(&r, USEC_PER_MINUTE);
        rig_job_succeeds(&r);
        rig_pass(&r, 10 * USEC_PER_MINUTE);
        assert_false(rig_get(&r, A)->slow);
        rig_done(&r);
}

static void test_slow_retry_infinity_gives_to_a_person(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBudget=1/10min", "RecoverySlowRetry=infinity");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        rig_job_succeeds(&r);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_host_budget_is_waited_for(void **state) {
        Rig r;

        rig_init(&r);
        r.config.host_budget = (Budget){ .limit = 1, .window = USEC_PER_MINUTE };
        assert_return_code(supervisor_configure(r.s, r.now, &r.config), 0);
        rig_service(&r, A);
        rig_service(&r, B);
        rig_active(&r, A, true);
        rig_active(&r, B, true);
        rig_killed(&r, A);
        rig_killed(&r, B);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_string_equal(rig_text(rig_last(&r, B, EVENT_RECOVERY_WAITING), "for"), "host-budget");
        rig_job_succeeds(&r);
        rig_pass(&r, USEC_PER_MINUTE - 1);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_pass(&r, 1);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_string_equal(r.jobs[r.answered].job.unit, B);
        rig_done(&r);
}

static void test_failed_start_is_tried_again(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=1s..1min");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        rig_pass(&r, USEC_PER_SEC);
        rig_job_fails(&r);
        assert_int_equal(r.last_action_state, ACTION_FAILED);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 2);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_BACKOFF);
        assert_int_equal(rig_get(&r, A)->due, r.now.boottime + 2 * USEC_PER_SEC);
        rig_pass(&r, 2 * USEC_PER_SEC);
        rig_job_succeeds(&r);
        assert_int_equal(json_get_uint(rig_last(&r, A, EVENT_SERVICE_RECOVERED)->data, "attempts", 0), 2);
        rig_done(&r);
}

static void test_refused_by_polkit_goes_to_a_person(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        /* The rule may not have noticed the grant yet: it is asked again, but not for ever. */
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(rig_pending_jobs(&r), 1);
                assert_return_code(
                                supervisor_job_replied(r.s, r.now, r.jobs[i].job.action, 0, -EACCES, "Access denied"),
                                0);
                r.answered++;
                rig_drain(&r);
                assert_int_equal(rig_pending_jobs(&r), 0);
                rig_pass(&r, USEC_PER_SEC);
        }
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        assert_non_null(strstr(rig_get(&r, A)->phase_detail, "Access denied"));
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_auto_restart_is_left_to_systemd(void **state) {
        UnitSnapshot u;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_auto_restart(&r, A);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_SYSTEMD);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 1);
        rig_pass(&r, USEC_PER_HOUR);
        assert_int_equal(rig_pending_jobs(&r), 0);
        /* The job of the automatic restart, and up again. */
        uint32_t id = rig_job_new(&r, A);
        u = rig_snapshot(&r, A);
        u.n_restarts++;
        u.invocation = rig_id(r.next_invocation++);
        u.active = UNIT_ACTIVE;
        strcpy(u.sub, "running");
        u.result = RESULT_SUCCESS;
        rig_tell(&r, A, &u, false);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STARTING), "intent"), "systemd-restart");
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_RECOVERED), 1);
        assert_false(supervisor_wants_journal(r.s));
        /* Now systemd gives up. */
        rig_auto_restart(&r, A);
        id = rig_job_new(&r, A);
        u = rig_snapshot(&r, A);
        u.active = UNIT_FAILED;
        u.result = RESULT_START_LIMIT_HIT;
        strcpy(u.sub, "failed");
        rig_tell(&r, A, &u, false);
        rig_job_removed(&r, A, id, JOB_FAILED);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_true(r.jobs[r.answered].job.reset_failed_first);
        /* ResetFailedUnit of our own is no cancellation. */
        u.active = UNIT_INACTIVE;
        u.result = RESULT_SUCCESS;
        rig_tell(&r, A, &u, false);
        rig_job_succeeds(&r);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        rig_done(&r);
}

/* "Start request repeated too quickly": the unit keeps the result of its last end, nothing was started. Its counter counts our
 * own starts, too; so that ours are limited by the budget alone, the next attempt clears it. */
static void test_start_limit_met_by_our_own_starts(void **state) {
        uint32_t id;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_false(r.jobs[r.answered].job.reset_failed_first);
        id = rig_reply(&r);
        rig_job_removed(&r, A, id, JOB_FAILED);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_true(r.jobs[r.answered].job.reset_failed_first);
        rig_job_succeeds(&r);
        /* Only then: a failure after a real start needs no clearing. */
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_false(r.jobs[r.answered].job.reset_failed_first);
        rig_done(&r);
}

static void test_failed_with_restart_gets_a_grace(void **state) {
        UnitSnapshot u;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        u = rig_snapshot(&r, A);
        u.auto_restart = true;
        rig_tell(&r, A, &u, false);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_SYSTEMD);
        rig_pass(&r, USEC_PER_SEC);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_condition_goes_to_a_person(void **state) {
        UnitSnapshot u;
        uint32_t id;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        id = rig_reply(&r);
        u = rig_snapshot(&r, A);
        u.condition_failed = true;
        rig_tell(&r, A, &u, false);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        assert_int_equal(r.last_action_state, ACTION_FAILED);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_grant_and_protection(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "granted=no");
        rig_service(&r, "dbus.service");
        rig_service(&r, B, "Protected=yes");
        rig_service(&r, "c.service", "Recovery=none");
        rig_service(&r, "d.service", "RecoveryBudget=0");
        static const char *const units[] = { A, "dbus.service", B, "c.service", "d.service" };
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                rig_active(&r, units[i], true);
                rig_killed(&r, units[i]);
                assert_int_equal(rig_get(&r, units[i])->phase, RECOVERY_WAIT_PERSON);
                assert_true(!isempty(rig_get(&r, units[i])->phase_detail));
        }
        assert_int_equal(rig_pending_jobs(&r), 0);
        /* The grant comes: now it is ours to repair. */
        rig_service(&r, A, "granted=yes");
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_maintenance(void **state) {
        Rig r;
        Command c = { .verb = VERB_MAINTENANCE,
                      .unit = A,
                      .by = "alice",
                      .maintenance_on = true,
                      .maintenance_for = USEC_PER_HOUR };

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        assert_return_code(supervisor_command(r.s, r.now, &c, NULL, NULL), 0);
        rig_drain(&r);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        /* The clock is set forward and synd restarted: neither ends it. */
        r.now.realtime += USEC_PER_DAY;
        rig_pass(&r, USEC_PER_MINUTE);
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_killed(&r, A);
        assert_true(rig_get(&r, A)->maintenance);
        rig_pass(&r, 58 * USEC_PER_MINUTE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_pass(&r, 2 * USEC_PER_MINUTE);
        assert_false(rig_get(&r, A)->maintenance);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_host_state_closes_the_gate(void **state) {
        static const HostState closed[] = { HOST_RELOADING, HOST_DISCONNECTED };
        Rig r;

        for (size_t i = 0; i < ELEMENTSOF(closed); i++) {
                rig_init(&r);
                rig_service(&r, A);
                rig_active(&r, A, true);
                assert_return_code(supervisor_host(r.s, r.now, closed[i]), 0);
                rig_drain(&r);
                rig_killed(&r, A);
                rig_pass(&r, USEC_PER_MINUTE);
                assert_int_equal(rig_pending_jobs(&r), 0);
                assert_return_code(supervisor_host(r.s, r.now, HOST_RUNNING), 0);
                rig_drain(&r);
                if (closed[i] == HOST_DISCONNECTED) {
                        /* What was known before is not acted upon until it was read again. */
                        UnitSnapshot u = rig_snapshot(&r, A);

                        assert_int_equal(rig_pending_jobs(&r), 0);
                        rig_tell(&r, A, &u, true);
                }
                assert_int_equal(rig_pending_jobs(&r), 1);
                rig_done(&r);
        }
        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        assert_return_code(supervisor_host(r.s, r.now, HOST_STOPPING), 0);
        rig_drain(&r);
        rig_killed(&r, A);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STOPPED), "intent"), "shutdown");
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_killed_is_restarted_at_once),
                cmocka_unit_test(test_backoff_grows_and_resets),
                cmocka_unit_test(test_jitter_stays_in_its_share),
                cmocka_unit_test(test_budget_spent_goes_slow),
                cmocka_unit_test(test_slow_retry_infinity_gives_to_a_person),
                cmocka_unit_test(test_host_budget_is_waited_for),
                cmocka_unit_test(test_failed_start_is_tried_again),
                cmocka_unit_test(test_refused_by_polkit_goes_to_a_person),
                cmocka_unit_test(test_auto_restart_is_left_to_systemd),
                cmocka_unit_test(test_start_limit_met_by_our_own_starts),
                cmocka_unit_test(test_failed_with_restart_gets_a_grace),
                cmocka_unit_test(test_condition_goes_to_a_person),
                cmocka_unit_test(test_grant_and_protection),
                cmocka_unit_test(test_maintenance),
                cmocka_unit_test(test_host_state_closes_the_gate),
        };

        return cmocka_run_group_tests_name("core recovery", tests, NULL, NULL);
}
