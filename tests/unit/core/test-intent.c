/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody asked for is never undone. */
#include "rig.h"

#define A "a.service"
#define B "b.service"

static void setup(Rig *r) {
        rig_init(r);
        rig_service(r, A);
        rig_active(r, A, true);
}

static void test_operator_stop(void **state) {
        Rig r;

        setup(&r);
        rig_stop_by_operator(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_STOPPED);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_OPERATOR);
        assert_true(json_get_bool(rig_last(&r, A, EVENT_SERVICE_STOPPED)->data, "intended", false));
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_start_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->start_intent, INTENT_OPERATOR);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

/* The targets of a boot that goes on have jobs, too; they have nothing to do with a later stop. */
static void test_operator_stop_while_targets_wait(void **state) {
        Rig r;

        setup(&r);
        (void) rig_job_new(&r, "graphical.target");
        rig_pass(&r, USEC_PER_MINUTE);
        rig_stop_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_OPERATOR);
        rig_done(&r);
}

/* The unit ends badly while it is being stopped: still wanted. */
static void test_operator_stop_that_fails(void **state) {
        uint32_t id;
        Rig r;

        setup(&r);
        id = rig_job_new(&r, A);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 0);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STOPPED), 1);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

/* The Job property alone tells of the job (JobNew was before our time). */
static void test_job_known_by_property_only(void **state) {
        UnitSnapshot u;
        Rig r;

        setup(&r);
        u = rig_snapshot(&r, A);
        u.job_id = 77;
        u.active = UNIT_DEACTIVATING;
        rig_tell(&r, A, &u, false);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_job_removed(&r, A, 77, JOB_DONE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_OPERATOR);
        rig_done(&r);
}

static void test_operator_restart(void **state) {
        uint32_t id;
        Rig r;

        setup(&r);
        id = rig_job_new(&r, A);
        rig_exited(&r, A);
        rig_active(&r, A, true);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTING), 2);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STOPPED), 1);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 0);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        assert_false(supervisor_wants_journal(r.s));
        rig_done(&r);
}

static void test_operator_start_that_fails(void **state) {
        UnitSnapshot u;
        uint32_t id;
        Rig r;

        setup(&r);
        rig_stop_by_operator(&r, A);
        id = rig_job_new(&r, A);
        u = rig_snapshot(&r, A);
        u.active = UNIT_ACTIVATING;
        u.invocation = rig_id(99);
        rig_tell(&r, A, &u, false);
        rig_killed(&r, A);
        rig_job_removed(&r, A, id, JOB_FAILED);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_FAILED), 1);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_stop_of_a_failed_unit_cancels(void **state) {
        uint32_t id;
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        id = rig_job_new(&r, A);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_CANCELLED), 1);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_reset_failed_cancels(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        rig_exited(&r, A);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_CANCELLED), 1);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_STOPPED);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_clean_exit_is_left_alone(void **state) {
        Rig r;

        setup(&r);
        rig_exited(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STOPPED), "intent"), "none");
        assert_false(json_get_bool(rig_last(&r, A, EVENT_SERVICE_STOPPED)->data, "intended", true));
        rig_done(&r);
}

static void test_conflict_and_transaction_and_dependency(void **state) {
        char *conflicts[] = { (char *) "rival.service", NULL }, *parents[] = { (char *) "parent.service", NULL };
        UnitRelations rel = { .conflicts = conflicts, .part_of = parents };
        Rig r;

        setup(&r);
        rig_relations(&r, A, &rel);
        (void) rig_job_new(&r, "rival.service");
        rig_stop_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_CONFLICT);
        assert_string_equal(rig_get(&r, A)->stop_by, "rival.service");
        rig_done(&r);

        setup(&r);
        rig_relations(&r, A, &rel);
        uint32_t parent = rig_job_new(&r, "parent.service");
        rig_stop_by_operator(&r, A);
        rig_job_removed(&r, "parent.service", parent, JOB_DONE);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_DEPENDENCY);
        rig_done(&r);

        setup(&r);
        uint32_t rescue = rig_job_new(&r, "rescue.target"), other = rig_job_new(&r, "remote-fs.target"),
                 own = rig_job_new(&r, A);
        rig_job_removed(&r, "rescue.target", rescue, JOB_DONE);
        rig_exited(&r, A);
        rig_job_removed(&r, A, own, JOB_DONE);
        rig_job_removed(&r, "remote-fs.target", other, JOB_DONE);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_TRANSACTION);
        assert_string_equal(rig_get(&r, A)->stop_by, "rescue.target");
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);

        /* What was over before explains nothing. */
        setup(&r);
        rig_relations(&r, A, &rel);
        STRV_FOREACH (u, ((char *[]){ (char *) "rival.service", (char *) "parent.service", (char *) "rescue.target",
                                      NULL }))
                rig_job_removed(&r, *u, rig_job_new(&r, *u), JOB_DONE);
        rig_pass(&r, USEC_PER_MSEC);
        rig_stop_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_OPERATOR);
        rig_done(&r);
}

/* The unit's own ConflictedBy= is empty while the other one is not loaded. */
static void test_conflict_that_only_the_rival_tells(void **state) {
        char *conflicts[] = { (char *) A, NULL };
        UnitRelations rel = { .conflicts = conflicts };
        Rig r;

        setup(&r);
        rig_service(&r, B);
        rig_relations(&r, B, &rel);
        uint32_t rival = rig_job_new(&r, B);
        rig_stop_by_operator(&r, A);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_CONFLICT);
        assert_string_equal(rig_get(&r, A)->stop_by, B);
        rig_job_removed(&r, B, rival, JOB_DONE);
        rig_done(&r);

        /* The other one is nobody's, and became known when it was started. */
        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        assert_false(supervisor_recovering(r.s));
        rig_killed(&r, A);
        assert_true(supervisor_recovering(r.s));
        rig_job_removed(&r, "rival.service", rig_job_new(&r, "rival.service"), JOB_DONE);
        assert_return_code(supervisor_conflict(r.s, r.now, A, "rival.service"), 0);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        rig_done(&r);

        /* It was started while the failed one waits. */
        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_service(&r, B);
        rig_relations(&r, B, &rel);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        rig_start_by_operator(&r, B);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        rig_done(&r);
}

/* A cancelled job is followed by the one that replaced it. */
static void test_replaced_job(void **state) {
        uint32_t first, second;
        Rig r;

        setup(&r);
        first = rig_job_new(&r, A);
        rig_killed(&r, A);
        rig_job_removed(&r, A, first, JOB_CANCELED);
        assert_int_equal(rig_pending_jobs(&r), 0);
        second = rig_job_new(&r, A);
        rig_pass(&r, USEC_PER_MINUTE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_job_removed(&r, A, second, JOB_DONE);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_OPERATOR);
        rig_done(&r);
}

/* Somebody stops the unit while our restart is under way. */
static void test_stop_during_our_start(void **state) {
        uint32_t ours, theirs;
        Rig r;

        setup(&r);
        rig_killed(&r, A);
        ours = rig_reply(&r);
        rig_job_removed(&r, A, ours, JOB_CANCELED);
        theirs = rig_job_new(&r, A);
        rig_job_removed(&r, A, theirs, JOB_DONE);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_IDLE);
        rig_done(&r);
}

/* Somebody's job is pending when our wait is over: his comes first. */
static void test_foreign_job_holds_our_start(void **state) {
        uint32_t id;
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=1s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        id = rig_job_new(&r, A);
        rig_pass(&r, USEC_PER_MINUTE);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_active(&r, A, true);
        rig_job_removed(&r, A, id, JOB_DONE);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_RECOVERED), 1);
        assert_int_equal(rig_get(&r, A)->restarts, 0);
        rig_done(&r);
}

static void test_masked_while_running(void **state) {
        UnitSnapshot u;
        Rig r;

        setup(&r);
        u = rig_snapshot(&r, A);
        u.load = UNIT_MASKED;
        u.active = UNIT_FAILED;
        u.result = RESULT_SIGNAL;
        rig_tell(&r, A, &u, false);
        assert_int_equal(rig_get(&r, A)->phase, RECOVERY_WAIT_PERSON);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_found_failed_at_first_sight(void **state) {
        UnitSnapshot u = { .load = UNIT_LOADED, .active = UNIT_FAILED, .sub = "failed", .result = RESULT_EXIT_CODE };
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_service(&r, B);
        /* Never started in this boot: left as it is. */
        rig_tell(&r, A, &u, true);
        assert_int_equal(rig_pending_jobs(&r), 0);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_FAILED);
        u.active_enter = u.inactive_enter = r.now.realtime - 5;
        u.invocation = rig_id(9);
        rig_tell(&r, B, &u, true);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_operator_stop),
                cmocka_unit_test(test_operator_stop_while_targets_wait),
                cmocka_unit_test(test_operator_stop_that_fails),
                cmocka_unit_test(test_job_known_by_property_only),
                cmocka_unit_test(test_operator_restart),
                cmocka_unit_test(test_operator_start_that_fails),
                cmocka_unit_test(test_stop_of_a_failed_unit_cancels),
                cmocka_unit_test(test_reset_failed_cancels),
                cmocka_unit_test(test_clean_exit_is_left_alone),
                cmocka_unit_test(test_conflict_and_transaction_and_dependency),
                cmocka_unit_test(test_conflict_that_only_the_rival_tells),
                cmocka_unit_test(test_replaced_job),
                cmocka_unit_test(test_stop_during_our_start),
                cmocka_unit_test(test_foreign_job_holds_our_start),
                cmocka_unit_test(test_masked_while_running),
                cmocka_unit_test(test_found_failed_at_first_sight),
        };

        return cmocka_run_group_tests_name("core intent", tests, NULL, NULL);
}
