/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit names, protection, and the keys of [X-Synos]. */
#include "rig.h"

static const RecoverySettings defaults = {
        .budget = { .limit = 5, .window = 10 * USEC_PER_MINUTE },
        .backoff_base = 500 * USEC_PER_MSEC,
        .backoff_max = USEC_PER_MINUTE,
        .jitter = 0.2,
        .reset_after = 10 * USEC_PER_MINUTE,
        .slow_retry = 5 * USEC_PER_MINUTE,
        .enabled = true,
};

static void test_unit_names(void **state) {
        static const char *const good[] = { "a.service",           "foo@bar.service",   "foo@.service",
                                            "foo@a\\x2db.service", "a-b_c.d:e.service", "x.target",
                                            "foo@a@b.service" };
        static const char *const bad[] = { "",          "a",           ".service",   "a.",
                                           "a.exe",     "a b.service", "@x.service", "a/b.service",
                                           "ä.service", "a\n.service" };
        char name[300];
        char *t;

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(unit_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(unit_name_is_valid(bad[i]));
        memset(name, 'a', sizeof(name));
        strcpy(name + 247, ".service");
        assert_true(unit_name_is_valid(name));
        name[247] = 'a';
        strcpy(name + 248, ".service");
        assert_false(unit_name_is_valid(name));
        assert_return_code(unit_name_template("foo@a\\x2db.service", &t), 0);
        assert_string_equal(t, "foo@.service");
        free(t);
        assert_int_equal(unit_name_template("foo.service", &t), -EINVAL);
        assert_int_equal(unit_name_template("foo@.service", &t), -EINVAL);
}

static void test_protection(void **state) {
        static const char *const guarded[] = { "dbus.service",
                                               "dbus-broker.service",
                                               "systemd-journald.service",
                                               "sshd.service",
                                               "ssh@1-2.service",
                                               "getty@tty1.service",
                                               "serial-getty@ttyS0.service",
                                               "synd.service",
                                               "polkit.service",
                                               "user@1000.service",
                                               "x.socket",
                                               "multi-user.target",
                                               "nonsense" };
        static const char *const open[] = { "nginx.service", "postgresql@15-main.service", "mysystemd-x.service" };

        for (size_t i = 0; i < ELEMENTSOF(guarded); i++)
                assert_true(unit_is_protected_builtin(guarded[i]));
        for (size_t i = 0; i < ELEMENTSOF(open); i++)
                assert_false(unit_is_protected_builtin(open[i]));
}

static void apply(ServiceConfig *c, const char *key, const char *value) {
        assert_return_code(service_config_apply(c, key, value, "/etc/x.conf", 3), 0);
}

static void test_keys(void **state) {
        _cleanup_(service_config_freep) ServiceConfig *c = NULL;

        assert_int_equal(service_config_new("no such", &defaults, &c), -EINVAL);
        assert_return_code(service_config_new("a.service", &defaults, &c), 0);
        assert_string_equal(c->name, "a");
        apply(c, "Name", "lm-studio");
        apply(c, "Type", "intelligence");
        apply(c, "DependsOn", "b.service c.service");
        apply(c, "DependsOn", "d.service b.service");
        apply(c, "RecoveryBudget", "3/1h");
        apply(c, "RecoveryBackoff", "1s..5min");
        apply(c, "RecoveryJitter", "10%");
        apply(c, "RecoveryReset", "2min");
        apply(c, "RecoverySlowRetry", "infinity");
        apply(c, "Recovery", "none");
        apply(c, "Protected", "yes");
        apply(c, "Label", "tier=front owner=web");
        apply(c, "Probe", "tcp://127.0.0.1:5432 role=readiness");
        apply(c, "Supervise", "yes");
        assert_int_equal(c->n_problems, 0);
        assert_int_equal(strv_length(c->depends_on), 3);
        assert_int_equal(c->recovery.budget.limit, 3);
        assert_int_equal(c->recovery.budget.window, USEC_PER_HOUR);
        assert_int_equal(c->recovery.backoff_max, 5 * USEC_PER_MINUTE);
        assert_int_equal(c->recovery.slow_retry, USEC_INFINITY);
        assert_false(c->recovery.enabled);
        assert_true(c->protected_);
        assert_false(c->granted);
        /* Back to the defaults. */
        apply(c, "RecoveryBudget", "");
        apply(c, "RecoveryBackoff", "");
        apply(c, "DependsOn", "");
        apply(c, "Recovery", "");
        apply(c, "Name", "");
        assert_int_equal(c->recovery.budget.limit, 5);
        assert_int_equal(c->recovery.backoff_base, defaults.backoff_base);
        assert_null(c->depends_on);
        assert_true(c->recovery.enabled);
        assert_string_equal(c->name, "a");
        for (size_t i = 0; i < c->n_fields; i++)
                assert_string_not_equal(c->fields[i].key, "DependsOn");
}

static void test_problems(void **state) {
        static const char *const bad[][2] = {
                { "Nonsense", "1" },         { "RecoveryBudget", "5" },       { "RecoveryBudget", "-1/1h" },
                { "RecoveryBudget", "5/0" }, { "RecoveryBackoff", "2s..1s" }, { "RecoveryBackoff", "fast" },
                { "RecoveryJitter", "90%" }, { "RecoveryJitter", "nan" },     { "RecoverySlowRetry", "1ms" },
                { "Recovery", "sometimes" }, { "Recovery", "none restart" },  { "Name", "a b" },
                { "DependsOn", "no/unit" },  { "DependsOn", "t@.service" },   { "DependsOn", "a.service" },
                { "Supervise", "maybe" },    { "Protected", "perhaps" },      { "Label", "novalue" },
                { "RecoveryReset", "0" },    { "RecoveryJitter", "%" },
        };
        _cleanup_(service_config_freep) ServiceConfig *c = NULL;

        assert_return_code(service_config_new("a.service", &defaults, &c), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                apply(c, bad[i][0], bad[i][1]);
                assert_int_equal(c->n_problems, i + 1);
                assert_string_equal(c->problems[i].file, "/etc/x.conf");
                assert_int_equal(c->problems[i].line, 3);
        }
        assert_memory_equal(&c->recovery.budget, &defaults.budget, sizeof(Budget));
        assert_int_equal(strv_length(c->depends_on), 0);
        for (size_t i = 0; i < 1000; i++)
                apply(c, "Nonsense", "x");
        assert_true(c->n_problems <= 64);
}

static void test_runtime_keys_do_not_widen(void **state) {
        assert_true(service_config_key_is_runtime("Name"));
        assert_true(service_config_key_is_runtime("DependsOn"));
        assert_false(service_config_key_is_runtime("Supervise"));
        assert_false(service_config_key_is_runtime("Protected"));
        assert_false(service_config_key_is_runtime("Probe"));
        assert_false(service_config_key_is_runtime("EngineMay"));
        assert_false(service_config_key_is_runtime("nonsense"));
}

static void test_sentences(void **state) {
        UnitSnapshot u = { .result = RESULT_SIGNAL, .exec_code = 2, .exec_status = 9 };
        char *t;

        assert_return_code(unit_failure_sentence(&u, &t), 0);
        assert_string_equal(t, "main process killed by SIGKILL");
        free(t);
        u = (UnitSnapshot){ .result = RESULT_EXIT_CODE, .exec_code = 1, .exec_status = 3 };
        assert_return_code(unit_failure_sentence(&u, &t), 0);
        assert_string_equal(t, "main process exited with status 3");
        free(t);
        u.result = RESULT_SUCCESS;
        assert_return_code(unit_failure_sentence(&u, &t), 0);
        assert_null(t);
        for (int i = 0; i < 30; i++)
                assert_non_null(job_result_sentence((JobResult) i));
        assert_int_equal(job_result_to_errno(JOB_DONE), 0);
        assert_true(job_result_to_errno((JobResult) 77) < 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unit_names),
                cmocka_unit_test(test_protection),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_problems),
                cmocka_unit_test(test_runtime_keys_do_not_widen),
                cmocka_unit_test(test_sentences),
        };

        return cmocka_run_group_tests_name("core configuration", tests, NULL, NULL);
}
