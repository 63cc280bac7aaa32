/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands through synd: carried out in order, or refused with a reason before anything is done. */
#include "rig.h"

#define A "a.service"
#define B "b.service"
#define C "c.service"

static void assert_refused(Rig *r, Verb verb, const char *unit, int error, const char *word) {
        _cleanup_free_ char *refusal = NULL;
        size_t jobs = r->n_jobs, refused = rig_count(r, unit, EVENT_ACTION_REFUSED);

        assert_int_equal(rig_command(r, verb, unit, &refusal), error);
        assert_non_null(refusal);
        assert_non_null(strstr(refusal, word));
        assert_int_equal(r->n_jobs, jobs);
        if (supervisor_get(r->s, unit))
                assert_int_equal(rig_count(r, unit, EVENT_ACTION_REFUSED), refused + 1);
}

static void test_refusals(void **state) {
        UnitSnapshot u;
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "granted=no");
        rig_service(&r, B, "Protected=yes");
        rig_service(&r, C);
        rig_active(&r, A, true);
        rig_active(&r, C, true);
        assert_refused(&r, VERB_STOP, "nothing.service", -ENOENT, "nothing.service");
        assert_refused(&r, VERB_STOP, A, -EPERM, "synctl adopt " A);
        assert_refused(&r, VERB_STOP, B, -EPERM, "protected");
        assert_refused(&r, VERB_REWEIGHT, C, -EOPNOTSUPP, "reweight");
        assert_return_code(rig_command(&r, VERB_STOP, C, NULL), 0);
        assert_refused(&r, VERB_START, C, -EBUSY, "alice");
        rig_job_succeeds(&r);
        u = rig_snapshot(&r, C);
        u.load = UNIT_MASKED;
        rig_tell(&r, C, &u, false);
        assert_refused(&r, VERB_START, C, -EHOSTDOWN, "masked");
        assert_return_code(supervisor_host(r.s, r.now, HOST_DISCONNECTED), 0);
        rig_drain(&r);
        assert_refused(&r, VERB_STOP, C, -ENOTCONN, "systemd");
        assert_return_code(supervisor_host(r.s, r.now, HOST_STOPPING), 0);
        rig_drain(&r);
        assert_refused(&r, VERB_STOP, C, -ESHUTDOWN, "down");
        rig_done(&r);
}

static void test_stop_holds_until_started(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        assert_return_code(rig_command(&r, VERB_STOP, A, NULL), 0);
        assert_false(r.jobs[0].job.automatic);
        rig_job_succeeds(&r);
        assert_int_equal(r.last_action_state, ACTION_DONE);
        assert_int_equal(rig_get(&r, A)->stop_intent, INTENT_COMMAND);
        assert_string_equal(rig_get(&r, A)->stop_by, "alice");
        rig_restart_synd(&r);
        rig_service(&r, A);
        rig_killed(&r, A);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_start_by_operator(&r, A);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        rig_done(&r);
}

static void test_stop_cancels_the_recovery(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=10s");
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_return_code(rig_command(&r, VERB_STOP, A, NULL), 0);
        assert_int_equal(rig_count(&r, A, EVENT_RECOVERY_CANCELLED), 1);
        rig_job_removed(&r, A, rig_reply(&r), JOB_DONE);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_command_takes_over_from_recovery(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        rig_killed(&r, A);
        assert_int_equal(rig_pending_jobs(&r), 1);
        assert_return_code(rig_command(&r, VERB_STOP, A, NULL), 0);
        assert_int_equal(rig_pending_jobs(&r), 2);
        /* The late answer to the cancelled one is nobody's. */
        (void) rig_reply(&r);
        rig_job_removed(&r, A, rig_reply(&r), JOB_DONE);
        assert_int_equal(r.last_action_state, ACTION_DONE);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_start_takes_dependencies_first(void **state) {
        const Action *a;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_service(&r, B, "DependsOn=" A);
        rig_service(&r, C, "DependsOn=" B " " A);
        rig_exited(&r, A);
        rig_exited(&r, B);
        rig_exited(&r, C);
        assert_return_code(rig_command(&r, VERB_START, C, NULL), 0);
        assert_int_equal(r.n_jobs, 1);
        assert_string_equal(r.jobs[0].job.unit, A);
        a = supervisor_action(r.s, r.last_action);
        assert_non_null(a);
        assert_int_equal(a->state, ACTION_RUNNING);
        assert_string_equal(a->progress, "starting " A " first");
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 2);
        assert_string_equal(r.jobs[1].job.unit, B);
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 3);
        rig_job_succeeds(&r);
        assert_int_equal(r.last_action_state, ACTION_DONE);
        assert_int_equal(rig_get(&r, C)->start_intent, INTENT_COMMAND);
        assert_int_equal(rig_count(&r, C, EVENT_ACTION_FINISHED), 1);
        rig_done(&r);
}

static void test_start_fails_with_its_dependency(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=1h");
        rig_service(&r, B, "DependsOn=" A);
        rig_exited(&r, A);
        rig_exited(&r, B);
        assert_return_code(rig_command(&r, VERB_START, B, NULL), 0);
        rig_job_fails(&r);
        assert_int_equal(r.last_action_state, ACTION_FAILED);
        assert_non_null(strstr(rig_text(rig_last(&r, B, EVENT_ACTION_FINISHED), "error"), A));
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_start_refuses_what_cannot_be(void **state) {
        Command m = { .verb = VERB_MAINTENANCE,
                      .unit = A,
                      .by = "alice",
                      .maintenance_on = true,
                      .maintenance_for = USEC_INFINITY };
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "DependsOn=" C);
        rig_service(&r, B, "DependsOn=" A);
        rig_service(&r, C, "DependsOn=" B);
        rig_exited(&r, A);
        rig_exited(&r, B);
        rig_exited(&r, C);
        assert_refused(&r, VERB_START, A, -EHOSTDOWN, "cycle");
        rig_done(&r);

        rig_init(&r);
        rig_service(&r, A, "granted=no");
        rig_service(&r, B, "DependsOn=" A);
        rig_exited(&r, A);
        rig_exited(&r, B);
        assert_refused(&r, VERB_START, B, -EHOSTDOWN, A);
        rig_service(&r, A);
        assert_return_code(supervisor_command(r.s, r.now, &m, NULL, NULL), 0);
        rig_drain(&r);
        assert_refused(&r, VERB_START, B, -EHOSTDOWN, "maintenance");
        rig_done(&r);
}

static void test_restart_and_reload_and_reset(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "RecoveryBackoff=1h");
        rig_active(&r, A, true);
        assert_return_code(rig_command(&r, VERB_RESTART, A, NULL), 0);
        rig_job_succeeds(&r);
        assert_int_equal(rig_count(&r, A, EVENT_SERVICE_STARTING), 2);
        assert_string_equal(rig_text(rig_last(&r, A, EVENT_SERVICE_STOPPED), "intent"), "command");
        assert_return_code(rig_command(&r, VERB_RELOAD, A, NULL), 0);
        rig_job_succeeds(&r);
        assert_int_equal(r.last_action_state, ACTION_DONE);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_RUNNING);
        rig_killed(&r, A);
        assert_return_code(rig_command(&r, VERB_RESET_FAILED, A, NULL), 0);
        (void) rig_reply(&r);
        rig_exited(&r, A);
        assert_int_equal(rig_get(&r, A)->status, SERVICE_STOPPED);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(rig_pending_jobs(&r), 0);
        rig_done(&r);
}

static void test_finished_actions_are_bounded(void **state) {
        const Action *a;
        void *it = NULL;
        size_t n = 0;
        Rig r;

        rig_init(&r);
        rig_service(&r, A);
        rig_active(&r, A, true);
        for (unsigned i = 0; i < 400; i++) {
                assert_return_code(rig_command(&r, VERB_RELOAD, A, NULL), 0);
                rig_job_succeeds(&r);
        }
        while (supervisor_next_action(r.s, &it, &a))
                n++;
        assert_int_equal(n, 256);
        rig_done(&r);
}

static void test_find_by_any_name(void **state) {
        const Service *svc;
        char buf[UUID_STRING_MAX];
        Rig r;

        rig_init(&r);
        rig_service(&r, A, "Name=first");
        rig_service(&r, B, "Name=first");
        rig_service(&r, C, "Name=third");
        assert_return_code(supervisor_find(r.s, "third", &svc), 0);
        assert_string_equal(svc->config->unit, C);
        assert_int_equal(supervisor_find(r.s, "first", &svc), -ENOTUNIQ);
        assert_return_code(supervisor_find(r.s, "a", &svc), 0);
        assert_string_equal(svc->config->unit, A);
        assert_return_code(supervisor_find(r.s, uuid_to_string(svc->id, buf), &svc), 0);
        assert_string_equal(svc->config->unit, A);
        assert_int_equal(supervisor_find(r.s, "zzz", &svc), -ENOENT);
        assert_int_equal(supervisor_count(r.s), 3);
        assert_return_code(supervisor_forget(r.s, r.now, B, "its section is gone"), 0);
        rig_drain(&r);
        assert_return_code(supervisor_find(r.s, "first", &svc), 0);
        assert_int_equal(supervisor_forget(r.s, r.now, B, "again"), -ENOENT);
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_stop_holds_until_started),
                cmocka_unit_test(test_stop_cancels_the_recovery),
                cmocka_unit_test(test_command_takes_over_from_recovery),
                cmocka_unit_test(test_start_takes_dependencies_first),
                cmocka_unit_test(test_start_fails_with_its_dependency),
                cmocka_unit_test(test_start_refuses_what_cannot_be),
                cmocka_unit_test(test_restart_and_reload_and_reset),
                cmocka_unit_test(test_finished_actions_are_bounded),
                cmocka_unit_test(test_find_by_any_name),
        };

        return cmocka_run_group_tests_name("core command", tests, NULL, NULL);
}
