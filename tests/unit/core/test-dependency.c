/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root is repaired, the victims come back; what a person took down stays down. */
#include "rig.h"

#include <stdio.h>

#define ROOT "root.service"
#define MID "mid.service"
#define LEAF "leaf.service"

static void setup(Rig *r) {
        rig_init(r);
        rig_service(r, ROOT);
        rig_service(r, MID, "DependsOn=" ROOT);
        rig_service(r, LEAF, "DependsOn=" MID);
        rig_active(r, ROOT, true);
        rig_active(r, MID, true);
        rig_active(r, LEAF, true);
}

static void test_failed_dependency_first(void **state) {
        Rig r;

        setup(&r);
        rig_killed(&r, ROOT);
        rig_killed(&r, LEAF);
        rig_killed(&r, MID);
        assert_int_equal(r.n_jobs, 1);
        assert_int_equal(rig_get(&r, MID)->phase, RECOVERY_WAIT_DEPENDENCY);
        assert_int_equal(rig_get(&r, LEAF)->phase, RECOVERY_WAIT_DEPENDENCY);
        assert_int_equal(rig_get(&r, LEAF)->budget.n_used, 0);
        assert_non_null(strstr(rig_get(&r, LEAF)->phase_detail, ROOT));
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 2);
        assert_string_equal(r.jobs[1].job.unit, MID);
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 3);
        assert_string_equal(r.jobs[2].job.unit, LEAF);
        rig_job_succeeds(&r);
        assert_int_equal(rig_get(&r, LEAF)->status, SERVICE_RUNNING);
        rig_done(&r);
}

static void test_dependency_stopped_by_operator(void **state) {
        Rig r;

        setup(&r);
        rig_stop_by_operator(&r, ROOT);
        rig_killed(&r, MID);
        assert_int_equal(r.n_jobs, 0);
        assert_int_equal(rig_get(&r, MID)->phase, RECOVERY_WAIT_DEPENDENCY);
        assert_non_null(strstr(rig_get(&r, MID)->phase_detail, "on purpose"));
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(r.n_jobs, 0);
        rig_start_by_operator(&r, ROOT);
        assert_int_equal(r.n_jobs, 1);
        assert_string_equal(r.jobs[0].job.unit, MID);
        rig_done(&r);
}

static void test_two_that_need_each_other(void **state) {
        Rig r;

        rig_init(&r);
        rig_service(&r, ROOT, "DependsOn=" LEAF);
        rig_service(&r, LEAF, "DependsOn=" ROOT);
        rig_active(&r, ROOT, true);
        rig_active(&r, LEAF, true);
        rig_killed(&r, ROOT);
        rig_killed(&r, LEAF);
        assert_true(r.n_jobs >= 1);
        rig_pass(&r, USEC_PER_SEC);
        assert_int_equal(rig_count(&r, NULL, EVENT_GRAPH_PROBLEM), 1);
        rig_done(&r);
}

/* BindsTo=: PID 1 tells of the failed root, then stops what is bound to it. */
static void bind(Rig *r) {
        char *root[] = { (char *) ROOT, NULL };
        UnitRelations rel = { .binds_to = root };

        rig_init(r);
        rig_service(r, ROOT, "RecoveryBackoff=1s");
        rig_service(r, LEAF);
        rig_relations(r, LEAF, &rel);
        rig_active(r, ROOT, true);
        rig_active(r, LEAF, true);
}

static void test_victim_comes_back(void **state) {
        const Event *e;
        Rig r;

        bind(&r);
        rig_killed(&r, ROOT);
        rig_stop_by_operator(&r, LEAF); /* looks the same: a job */
        assert_int_equal(rig_get(&r, LEAF)->stop_intent, INTENT_DEPENDENCY);
        assert_int_equal(rig_get(&r, LEAF)->phase, RECOVERY_WAIT_DEPENDENCY);
        assert_int_equal(rig_get(&r, LEAF)->status, SERVICE_STOPPED);
        rig_pass(&r, USEC_PER_SEC);
        assert_int_equal(r.n_jobs, 1);
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 2);
        assert_string_equal(r.jobs[1].job.unit, LEAF);
        rig_job_succeeds(&r);
        assert_int_equal(rig_get(&r, LEAF)->status, SERVICE_RUNNING);
        /* The victim's chain leads to the failure of the root. */
        e = rig_last(&r, LEAF, EVENT_ACTION_REQUESTED);
        while (e->cause_seq != 0 && !streq(e->type, EVENT_SERVICE_FAILED))
                e = rig_seq(&r, e->cause_seq);
        assert_string_equal(e->unit, ROOT);
        rig_done(&r);
}

static void test_root_stopped_by_operator_makes_no_victims(void **state) {
        uint32_t root, leaf;
        Rig r;

        bind(&r);
        root = rig_job_new(&r, ROOT);
        leaf = rig_job_new(&r, LEAF);
        rig_exited(&r, LEAF);
        rig_job_removed(&r, LEAF, leaf, JOB_DONE);
        rig_exited(&r, ROOT);
        rig_job_removed(&r, ROOT, root, JOB_DONE);
        assert_int_equal(rig_get(&r, LEAF)->stop_intent, INTENT_DEPENDENCY);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(r.n_jobs, 0);
        rig_start_by_operator(&r, ROOT);
        assert_int_equal(r.n_jobs, 0);
        rig_done(&r);
}

/* A person stops the leaf long after the root failed: no victim. */
static void test_late_stop_is_no_victim(void **state) {
        Rig r;

        bind(&r);
        UnitRelations rel = {};
        char *root[] = { (char *) ROOT, NULL };
        rel.requires = root;
        rig_relations(&r, LEAF, &rel);
        rig_killed(&r, ROOT);
        rig_stop_by_operator(&r, LEAF);
        rig_pass(&r, USEC_PER_SEC);
        rig_job_succeeds(&r);
        rig_pass(&r, USEC_PER_DAY);
        assert_int_equal(r.n_jobs, 1);
        assert_int_equal(rig_get(&r, LEAF)->status, SERVICE_STOPPED);
        rig_done(&r);
}

static void test_start_spoiled_by_dependency(void **state) {
        char *root[] = { (char *) ROOT, NULL };
        UnitRelations rel = { .requires = root };
        uint32_t leaf;
        Rig r;

        bind(&r);
        rig_relations(&r, LEAF, &rel);
        rig_stop_by_operator(&r, LEAF);
        rig_killed(&r, ROOT);
        leaf = rig_job_new(&r, LEAF);
        rig_job_removed(&r, LEAF, leaf, JOB_DEPENDENCY);
        assert_int_equal(rig_get(&r, LEAF)->phase, RECOVERY_WAIT_DEPENDENCY);
        rig_pass(&r, USEC_PER_SEC);
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 2);
        assert_string_equal(r.jobs[1].job.unit, LEAF);
        rig_done(&r);
}

/* Fifty units hang on one that dies: it is restarted once, and the others come back with it. */
static void test_tree_of_fifty(void **state) {
        char *root[] = { (char *) "n0.service", NULL };
        uint32_t jobs[50];
        char name[32];
        Rig r;

        rig_init(&r);
        for (unsigned i = 0; i < 50; i++) {
                UnitRelations rel = { .binds_to = i > 0 ? root : NULL };

                snprintf(name, sizeof(name), "n%u.service", i);
                rig_service(&r, name);
                rig_relations(&r, name, &rel);
                rig_active(&r, name, true);
        }
        rig_killed(&r, "n0.service");
        for (unsigned i = 1; i < 50; i++) {
                snprintf(name, sizeof(name), "n%u.service", i);
                jobs[i] = rig_job_new(&r, name);
        }
        for (unsigned i = 1; i < 50; i++) {
                snprintf(name, sizeof(name), "n%u.service", i);
                rig_exited(&r, name);
                rig_job_removed(&r, name, jobs[i], JOB_DONE);
                assert_int_equal(rig_get(&r, name)->phase, RECOVERY_WAIT_DEPENDENCY);
        }
        assert_int_equal(r.n_jobs, 1);
        rig_job_succeeds(&r);
        assert_int_equal(r.n_jobs, 50);
        while (rig_pending_jobs(&r) > 0)
                rig_job_succeeds(&r);
        for (unsigned i = 0; i < 50; i++) {
                snprintf(name, sizeof(name), "n%u.service", i);
                assert_int_equal(rig_get(&r, name)->status, SERVICE_RUNNING);
                assert_int_equal(rig_count(&r, name, EVENT_ACTION_REQUESTED), 1);
        }
        rig_done(&r);
}

static void test_edges_and_problems(void **state) {
        char *wants[] = { (char *) ROOT, (char *) LEAF, NULL }, *after[] = { (char *) ROOT, NULL };
        UnitRelations rel = { .wants = wants, .after = after };
        _cleanup_strv_free_ char **problems = NULL;
        Edge *edges;
        size_t n;
        Rig r;

        setup(&r);
        rig_relations(&r, MID, &rel);
        assert_return_code(supervisor_edges(r.s, MID, &edges, &n), 0);
        assert_int_equal(n, 3); /* depends-on root, wants+after root, and leaf's depends-on */
        free(edges);
        rig_service(&r, "x.service", "DependsOn=gone.service");
        assert_return_code(supervisor_graph_problems(r.s, &problems), 0);
        assert_int_equal(strv_length(problems), 1);
        assert_non_null(strstr(problems[0], "gone.service"));
        rig_done(&r);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failed_dependency_first),
                cmocka_unit_test(test_dependency_stopped_by_operator),
                cmocka_unit_test(test_two_that_need_each_other),
                cmocka_unit_test(test_victim_comes_back),
                cmocka_unit_test(test_root_stopped_by_operator_makes_no_victims),
                cmocka_unit_test(test_late_stop_is_no_victim),
                cmocka_unit_test(test_start_spoiled_by_dependency),
                cmocka_unit_test(test_tree_of_fifty),
                cmocka_unit_test(test_edges_and_problems),
        };

        return cmocka_run_group_tests_name("core dependency", tests, NULL, NULL);
}
