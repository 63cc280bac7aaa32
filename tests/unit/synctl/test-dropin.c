/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/dropin.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char root[] = "/tmp/test-synctl-dropin-XXXXXX";

static int run(const char *format, const char *argument) {
        char command[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(command, sizeof(command), format, argument);
#pragma GCC diagnostic pop
        return system(command);
}

static int setup(void **state) {
        return mkdtemp(root) && run("mkdir -p %s/etc/systemd/system", root) == 0 ? 0 : -1;
}

static int teardown(void **state) {
        return run("rm -rf %s", root) == 0 ? 0 : -1;
}

static DropInState look(const char *unit, char **ret_content) {
        _cleanup_free_ char *path = NULL;
        DropInState state;

        assert_int_equal(dropin_look(root, unit, &state, &path, ret_content), 0);
        assert_contains(path, "/50-synos.conf");
        return state;
}

static void test_cycle(void **state) {
        char *lines[] = { (char *) "Type=integration", (char *) "RecoveryBudget=5/10min", NULL };
        _cleanup_free_ char *text = NULL, *content = NULL;
        const char *bad = NULL;
        char path[256];
        struct stat st;

        assert_int_equal(look("web.service", NULL), DROPIN_ABSENT);
        assert_int_equal(dropin_text("web.service", lines, &text, &bad), 0);
        assert_contains(text, "[X-Synos]\nSupervise=yes\nType=integration\nRecoveryBudget=5/10min\n");
        mode_t old = umask(0077); /* root's umask must not hide the file from systemd and synd */
        assert_int_equal(dropin_write(root, "web.service", text), 0);
        umask(old);
        assert_int_equal(look("web.service", &content), DROPIN_OURS);
        assert_string_equal(content, text);
        snprintf(path, sizeof(path), "%s/etc/systemd/system/web.service.d/50-synos.conf", root);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        snprintf(path, sizeof(path), "%s/etc/systemd/system/web.service.d", root);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(st.st_nlink, 2);
        assert_int_equal(dropin_remove(root, "web.service"), 0);
        assert_int_equal(access(path, F_OK), -1); /* nothing else was in it */
        assert_int_equal(dropin_remove(root, "web.service"), -ENOENT);
}

static void test_foreign(void **state) {
        _cleanup_free_ char *content = NULL;

        assert_int_equal(run("mkdir -p %s/etc/systemd/system/db.service.d", root), 0);
        assert_int_equal(run("printf '[X-Synos]\\nSupervise=yes\\n' >%s/etc/systemd/system/db.service.d/50-synos.conf",
                             root),
                         0);
        assert_int_equal(look("db.service", &content), DROPIN_FOREIGN);
        assert_int_equal(run("ln -sf /dev/null %s/etc/systemd/system/db.service.d/50-synos.conf", root), 0);
        assert_int_equal(look("db.service", NULL), DROPIN_FOREIGN);
        assert_int_equal(run("touch %s/etc/systemd/system/db.service.d/other.conf", root), 0);
        assert_int_equal(dropin_remove(root, "db.service"), 0);
        assert_int_equal(run("test -e %s/etc/systemd/system/db.service.d/other.conf", root), 0);
}

static void test_bad_lines(void **state) {
        static const char *const bad_lines[] = { "Type",     "=x",        "Supervise=no", "Type=a\nSupervise=yes",
                                                 "Type=a\\", "[Service]", "Type =x",      "Type=\xff" };
        const char *bad = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad_lines); i++) {
                char *lines[] = { (char *) bad_lines[i], NULL };
                _cleanup_free_ char *text = NULL;
                assert_int_equal(dropin_text("web.service", lines, &text, &bad), -EINVAL);
                assert_ptr_equal(bad, bad_lines[i]);
                assert_null(text);
        }
}

static void test_bad_names(void **state) {
        _cleanup_free_ char *path = NULL;
        DropInState state_;

        assert_int_equal(dropin_look(root, "../x.service", &state_, &path, NULL), -EINVAL);
        assert_int_equal(dropin_write(root, "a/b.service", "x"), -EINVAL);
        assert_int_equal(dropin_remove(root, ""), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cycle),
                cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_bad_names),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
