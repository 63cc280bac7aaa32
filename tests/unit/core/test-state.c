/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What survives a restart of synd and a reboot of the host; budgets; the same input gives the same output. */
#include "rig.h"

#include "core/budget.h"

#define A "a.service"

static void test_window(void **state) {
        static const Budget b = { .limit = 3, .window = 100 };
        Instant now = { .boottime = 5, .realtime = 1000 };
        _cleanup_(budget_done) BudgetState s = {};

        for (size_t i = 0; i < 3; i++, now.boottime += 10)
                assert_return_code(budget_take(&s, &b, now), 0);
        assert_int_equal(budget_take(&s, &b, now), -EDQUOT);
        assert_int_equal(budget_next(&s, &b, now), 105);
        now.boottime = 104;
        assert_int_equal(budget_take(&s, &b, now), -EDQUOT);
        now.boottime = 105;
        assert_return_code(budget_take(&s, &b, now), 0);
        assert_int_equal(budget_next(&s, &b, now), 115);
        assert_int_equal(budget_next(&s, &(const Budget){}, now), USEC_INFINITY);
}

/* Tokens from before the boot have a boottime "below zero". */
static void test_tokens_older_than_the_boot(void **state) {
        static const Budget b = { .limit = 1, .window = 100 };
        Instant now = { .boottime = 10, .realtime = 1000 };
        _cleanup_(budget_done) BudgetState s = {};

        assert_return_code(budget_add(&s, 90, 910, now), 0);
        assert_int_equal(budget_next(&s, &b, now), 20);
        now.boottime = 20;
        assert_int_equal(budget_next(&s, &b, now), 20);
}

/* What is found so at the start of synd is as old as systemd says, not as the sight of it; clamped to now. */
static void test_found_since(void **state) {
        Rig r;
        UnitSnapshot u;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_pass(&r, USEC_PER_MINUTE);
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_service(&r, "b.service");
        rig_service(&r, "c.service");
        rig_active(&r, A, false);
        assert_int_equal(rig_get(&r, A)->status_since.realtime, r.now.realtime);
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_service(&r, "b.service");
        rig_service(&r, "c.service");
        u = rig_snapshot(&r, A);
        u.active = UNIT_ACTIVE;
        u.invocation = rig_id(10);
        u.state_change = r.now.realtime - USEC_PER_SEC; /* a reload */
        u.active_enter = r.now.realtime - USEC_PER_MINUTE;
        rig_tell(&r, A, &u, true);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        assert_int_equal(rig_get(&r, A)->status_since.realtime, r.now.realtime - USEC_PER_MINUTE);
        assert_int_equal(rig_get(&r, A)->status_since.boottime, r.now.boottime - USEC_PER_MINUTE);

        u = rig_snapshot(&r, "b.service");
        u.active = UNIT_INACTIVE;
        u.inactive_enter = r.now.realtime - 2 * r.now.boottime; /* before the boot: there is no earlier instant */
        rig_tell(&r, "b.service", &u, true);
        assert_int_equal(rig_get(&r, "b.service")->status, SERVICE_STOPPED);
        assert_int_equal(rig_get(&r, "b.service")->status_since.realtime, r.now.realtime - 2 * r.now.boottime);
        assert_int_equal(rig_get(&r, "b.service")->status_since.boottime, 0);

        u = rig_snapshot(&r, "c.service");
        u.active = UNIT_ACTIVE;
        u.invocation = rig_id(77);
        u.active_enter = r.now.realtime + USEC_PER_HOUR; /* the clock was set back */
        rig_tell(&r, "c.service", &u, true);
        assert_int_equal(rig_get(&r, "c.service")->status_since.realtime, r.now.realtime);
        assert_int_equal(rig_last(&r, "c.service", EVENT_SERVICE_STARTED)->time.realtime, r.now.realtime);

        rig_service(&r, "d.service");
        u = rig_snapshot(&r, "d.service");
        u.active = UNIT_INACTIVE; /* never started */
        u.state_change = 0;
        rig_tell(&r, "d.service", &u, true);
        assert_int_equal(rig_get(&r, "d.service")->status_since.boottime, 0);
        assert_int_equal(rig_get(&r, "d.service")->status_since.realtime, r.now.realtime - r.now.boottime);

        /* A change that is seen counts from when it is seen. */
        rig_pass(&r, USEC_PER_SEC);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->status_since.realtime, r.now.realtime);
        rig_done(&r);
}

static void spend(Rig *r) {
        rig_init(r);
        rig_service(r, A, "RecoveryBudget=2/10min", "RecoverySlowRetry=1min");
        rig_active(r, A, true);
        for (size_t i = 0; i < 2; i++) {
                rig_killed(r, A);
                rig_job_succeeds(r);
        }
}

static void test_budget_survives_kill(void **state) {
        Rig r;

        spend(&r);
        rig_pass(&r, USEC_PER_MINUTE);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBudget=2/10min", "RecoverySlowRetry=1min");
        rig_active(&r, A, false);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SLOW);
        assert_int_equal(rig_get(&r, A)->due, r.now.boottime + 9 * USEC_PER_MINUTE);
        assert_int_equal(supervisor_host_budget(r.s)->n_used, 2);
        /* It is no news that it is supervised. */
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_ADDED), 1);
        rig_done(&r);
}

/* synd was killed between an act and the commit of its state: what is known is that a restart was owed and that somebody
 * started the unit. */
static void test_lost_act_takes_its_token(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        assert_int_equal(rig_get(&r, A)->budget.n_used, 1);
        assert_int_equal(supervisor_host_budget(r.s)->n_used, 1);
        /* What is seen being started is attributed by what is seen. */
        rig_killed(&r, A);
        rig_start_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->budget.n_used, 1);
        rig_done(&r);
}

static void test_budget_survives_reboot_and_clock(void **state) {
        Rig r;

        spend(&r);
        rig_pass(&r, USEC_PER_MINUTE);
        /* Off for two minutes, and the clock came back an hour early: the tokens are as young as they were. */
        r.now.realtime -= USEC_PER_HOUR;
        rig_reboot(&r);
        rig_service(&r, A, "RecoveryBudget=2/10min", "RecoverySlowRetry=1min");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_SLOW);
        assert_true(rig_get(&r, A)->due >= r.now.boottime + 9 * USEC_PER_MINUTE);
        rig_done(&r);

        /* Off for an hour: all free. */
        spend(&r);
        r.now.realtime += USEC_PER_HOUR;
        rig_reboot(&r);
        rig_service(&r, A, "RecoveryBudget=2/10min", "RecoverySlowRetry=1min", "RecoveryReset=1s");
        rig_active(&r, A, true);
        rig_pass(&r, 2 * USEC_PER_SEC);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

/* The clock is set forward an hour and the host rebooted at once: no token got older by that. */
static void test_clock_step_before_reboot(void **state) {
        Rig r;

        spend(&r);
        r.now.realtime += USEC_PER_HOUR;
        assert_return_code(supervisor_tick(r.s, r.now), 0);
        rig_drain(&r);
        rig_reboot(&r);
        rig_service(&r, A, "RecoveryBudget=2/10min", "RecoverySlowRetry=1min");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_backoff_goes_on(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        rig_pass(&r, 6 * USEC_PER_SEC);
        rig_restart_synd(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_BACKOFF);
        assert_int_equal(rig_get(&r, A)->due, r.now.boottime + 4 * USEC_PER_SEC);
        rig_pass(&r, 4 * USEC_PER_SEC);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

/* synd dies between the job and its end: the action gets an end, and the start its cause. */
static void test_killed_in_the_middle_of_an_action(void **state) {
        uint64_t requested;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        requested = rig_last(&r, A, EVENT_ACTION_REQUESTED)->seq;
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_pass(&r, 2 * USEC_PER_SEC);
        assert_int_equal(rig_last(&r, A, EVENT_ACTION_FINISHED)->cause_seq, requested);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_ACTION_FINISHED), "result"), "done");
        assert_int_equal(rig_last(&r, A, EVENT_SERVICE_STARTING)->cause_seq, requested);
        assert_int_equal(rig_get(&r, A)->budget.n_used, 1);
        rig_done(&r);
}

static void test_broken_state_starts_fresh(void **state) {
        static const char *const bad[] = { "", "{", "[]", "nonsense", "{\"tokens\":7}" };
        Rig r;

        rig_init(&r);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(supervisor_restore(r.s, r.now, "service/" A, bad[i]), -EBADMSG);
        assert_return_code(supervisor_restore(r.s, r.now, "host", bad[4]), 0);
        assert_return_code(supervisor_restore(r.s, r.now, "service/" A,
                                              "{\"tokens\":[\"x\",\"1 2 3\",4],\"invocations\":\"zz;;a b c d;1 2 3\","
                                              "\"phase\":\"??\",\"attempt\":-1,\"boot\":\"q\",\"surprise\":{}}"),
                           0);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_FAILED);
        rig_done(&r);
}

static void test_same_input_same_output(void **state) {
        Rig r[2];

        for (size_t i = 0; i < 2; i++) {
                rig_init(&r[i]);
                rig_service(&r[i], A, "RecoveryBackoff=1s..1h", "RecoveryJitter=50%");
                rig_active(&r[i], A, true);
                for (size_t k = 0; k < 5; k++) {
                        rig_killed(&r[i], A);
                        rig_pass(&r[i], 30 * USEC_PER_MINUTE);
                        if (rig_pending_jobs(&r[i]) > 0)
                                rig_job_succeeds(&r[i]);
                }
        }
        assert_int_equal(r[0].n_events, r[1].n_events);
        assert_string_equal(r[0].order, r[1].order);
        for (size_t k = 0; k < r[0].n_events; k++) {
                assert_true(id128_equal(r[0].events[k].id, r[1].events[k].id));
                assert_int_equal(r[0].events[k].time.boottime, r[1].events[k].time.boottime);
        }
        rig_done(&r[0]);
        rig_done(&r[1]);
}

/* As many as conf_parse_budget() allows. */
static void test_the_largest_budget_is_restored(void **state) {
        _cleanup_strbuf_ StrBuf b = {};
        Rig r;

        rig_init(&r);
        strbuf_append(&b, "{\"version\":1,\"tokens\":[");
        for (unsigned i = 0; i < 10000; i++)
                strbuf_appendf(&b, "%s\"3600000000 %" PRIu64 "\"", i > 0 ? "," : "", r.now.realtime);
        strbuf_append(&b, "]}");
        assert_return_code(supervisor_restore(r.s, r.now, "host", b.data), 0);
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_found_since),
                cmocka_unit_test(test_tokens_older_than_the_boot),
                cmocka_unit_test(test_budget_survives_kill),
                cmocka_unit_test(test_lost_act_takes_its_token),
                cmocka_unit_test(test_budget_survives_reboot_and_clock),
                cmocka_unit_test(test_clock_step_before_reboot),
                cmocka_unit_test(test_backoff_goes_on),
                cmocka_unit_test(test_killed_in_the_middle_of_an_action),
                cmocka_unit_test(test_broken_state_starts_fresh),
                cmocka_unit_test(test_same_input_same_output),
                cmocka_unit_test(test_the_largest_budget_is_restored),
        };

        return cmocka_run_group_tests_name("core state", tests, NULL, NULL);
}
