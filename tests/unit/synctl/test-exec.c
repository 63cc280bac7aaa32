/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "basic/time.h"
#include "synctl/exec.h"

static int sh(const char *script, unsigned seconds, char **out, char **err) {
        return exec_capture((const char *const[]){ "sh", "-c", script, NULL }, seconds, out, err);
}

static void test_capture(void **state) {
        _cleanup_free_ char *out = NULL, *err = NULL, *big = NULL;

        assert_int_equal(sh("echo out; echo err >&2; exit 3", 20, &out, &err), 3);
        assert_string_equal(out, "out\n");
        assert_string_equal(err, "err\n");
        /* More than is kept does not stop the child. */
        assert_int_equal(sh("head -c 3000000 /dev/zero | tr '\\0' x", 20, &big, NULL), 0);
        assert_int_equal(strlen(big), 1024 * 1024);
}

static void test_failures(void **state) {
        usec_t before = boottime_now();

        assert_int_equal(exec_capture((const char *const[]){ "/nonexistent/program", NULL }, 20, NULL, NULL), -ENOENT);
        assert_int_equal(sh("kill -9 $$", 20, NULL, NULL), -EPROTO);
        assert_int_equal(sh("exec sleep 600", 1, NULL, NULL), -ETIMEDOUT);
        assert_true(boottime_now() - before < 60 * USEC_PER_SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_capture), cmocka_unit_test(test_failures) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
