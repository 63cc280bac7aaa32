/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/describe.h"

static void redact(const char *in, const char *out) {
        _cleanup_free_ char *got = NULL;

        assert_int_equal(describe_redact(in, &got), 0);
        assert_string_equal(got, out);
}

static void test_redact(void **state) {
        redact("", "");
        redact(NULL, "");
        redact("http://127.0.0.1:8081/health interval=5s", "http://127.0.0.1:8081/health interval=5s");
        redact("postgres://synos:geheim@db:5432/synos role=readiness",
               "postgres://synos:***@db:5432/synos role=readiness");
        redact("a://u:p@h b://v:q@i", "a://u:***@h b://v:***@i");
        redact("redis://:secret@h/0", "redis://:***@h/0");
        /* The last @ ends the user part (RFC 3986 leaves no @ in a host). */
        redact("x://u:p@ss@h/", "x://u:***@h/");
        redact("http://u@h/ http://h/a:b@c", "http://u@h/ http://h/a:b@c");
        redact("://", "://");
        redact("x://u:p@", "x://u:***@");
}

static void test_budget_counts_the_window(void **state) {
        Instant used[] = { { .boottime = 10 * USEC_PER_SEC },
                           { .boottime = 50 * USEC_PER_SEC },
                           { .boottime = 99 * USEC_PER_SEC } };
        const BudgetState b = { .used = used, .n_used = 3 };
        const Budget limit = { .limit = 5, .window = 60 * USEC_PER_SEC };

        assert_int_equal(describe_budget_used(&b, &limit, 60 * USEC_PER_SEC), 3);
        assert_int_equal(describe_budget_used(&b, &limit, 100 * USEC_PER_SEC), 2);
        assert_int_equal(describe_budget_used(&b, &limit, 1000 * USEC_PER_SEC), 0);
}

static void test_due_is_told_on_the_wall_clock(void **state) {
        const Instant now = { .realtime = 5000 * USEC_PER_SEC, .boottime = 100 * USEC_PER_SEC };
        Service s = { .due = USEC_INFINITY, .phase = RECOVERY_BACKOFF };

        assert_int_equal(describe_due(&s, now), 0);
        s.due = 160 * USEC_PER_SEC;
        assert_int_equal(describe_due(&s, now), 5060 * USEC_PER_SEC);
        s.phase = RECOVERY_SLOW;
        assert_int_equal(describe_due(&s, now), 5060 * USEC_PER_SEC);
        s.phase = RECOVERY_SETTLING; /* then it is the time when it counts as stable, and no attempt is planned */
        assert_int_equal(describe_due(&s, now), 0);
        s.phase = RECOVERY_BACKOFF;
        s.due = 90 * USEC_PER_SEC; /* overdue is due now */
        assert_int_equal(describe_due(&s, now), 5000 * USEC_PER_SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_redact),
                cmocka_unit_test(test_budget_counts_the_window),
                cmocka_unit_test(test_due_is_told_on_the_wall_clock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
