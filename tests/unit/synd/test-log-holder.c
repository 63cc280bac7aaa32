/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/log-holder.h"

#include "basic/string.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

static char path[] = "/tmp/test-log-holder-XXXXXX";

static void nobody(void **state) {
        pid_t pid = 0;

        assert_int_equal(log_holder(path, &pid), -ESRCH);
        assert_int_equal(pid, 0);
        assert_int_equal(log_holder("/nonexistent/file", &pid), -ENOENT);
        assert_int_equal(log_holder_in("/nonexistent/locks", path, &pid), -ENOENT);
}

static void ourselves(void **state) {
        int r, fd = open(path, O_RDWR | O_CLOEXEC);
        pid_t pid = 0;

        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        r = log_holder(path, &pid);
        close(fd);
        /* Some file systems show other numbers in /proc/locks than in stat(2). */
        if (r == -ESRCH)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(pid, getpid());
}

static void others_are_not_it(void **state) {
        char locks[] = "/tmp/test-log-holder-locks-XXXXXX";
        int fd = mkstemp(locks);
        struct stat st;
        pid_t pid = 0;
        FILE *f;

        assert_true(fd >= 0);
        assert_int_equal(stat(path, &st), 0);
        f = fdopen(fd, "w");
        assert_non_null(f);
        unsigned major = major(st.st_dev), minor = minor(st.st_dev);
        unsigned long long inode = st.st_ino;
        fprintf(f, "rubbish\n1: POSIX  ADVISORY  WRITE 11 %02x:%02x:%llu 0 EOF\n", major, minor, inode);
        fprintf(f, "1: -> FLOCK  ADVISORY  WRITE 12 %02x:%02x:%llu 0 EOF\n", major, minor, inode);
        fprintf(f, "2: FLOCK  ADVISORY  WRITE 13 %02x:%02x:%llu 0 EOF\n", major, minor, inode + 1);
        fprintf(f, "3: FLOCK  ADVISORY  WRITE -1 %02x:%02x:%llu 0 EOF\n", major, minor, inode);
        fflush(f);
        assert_int_equal(log_holder_in(locks, path, &pid), -ESRCH);
        fprintf(f, "4: FLOCK  ADVISORY  WRITE 14 %02x:%02x:%llu 0 EOF\n", major, minor, inode);
        fclose(f);
        assert_int_equal(log_holder_in(locks, path, &pid), 0);
        assert_int_equal(pid, 14);
        (void) unlink(locks);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody),
                cmocka_unit_test(ourselves),
                cmocka_unit_test(others_are_not_it),
        };
        int r, fd = mkstemp(path);

        if (fd < 0)
                return 1;
        close(fd);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) unlink(path);
        return r;
}
