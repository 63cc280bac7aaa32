/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/log.h"
#include "basic/string.h"

/* A journal of our own: a bound datagram socket that the test reads. */
typedef struct Fake {
        char directory[64];
        struct sockaddr_un address;
        int fd;
} Fake;

static int setup(void **state) {
        static Fake fake;

        strcpy(fake.directory, "/tmp/synos-test-log.XXXXXX");
        assert_non_null(mkdtemp(fake.directory));
        fake.address.sun_family = AF_UNIX;
        snprintf(fake.address.sun_path, sizeof fake.address.sun_path, "%s/socket", fake.directory);
        fake.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fake.fd >= 0);
        assert_int_equal(bind(fake.fd, (struct sockaddr *) &fake.address, sizeof fake.address), 0);
        assert_int_equal(log_set_journal_socket(fake.address.sun_path), 0);
        log_open("test-log", LOG_TARGET_JOURNAL);
        log_set_max_level(LOG_INFO);
        *state = &fake;
        return 0;
}

static int teardown(void **state) {
        Fake *f = *state;

        log_close();
        close(f->fd);
        unlink(f->address.sun_path);
        assert_int_equal(rmdir(f->directory), 0);
        return 0;
}

/* The next datagram, or -EAGAIN. A datagram on a local socket is there when sendto(2) has returned. */
static ssize_t receive(Fake *f, char *buf, size_t size) {
        ssize_t n = recv(f->fd, buf, size - 1, 0);

        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

static void test_fields(void **state) {
        static char buf[65536];

        errno = EBUSY;
        assert_int_equal(log_error_errno(-ENOENT, "cannot open %s: %m", "it"), -ENOENT);
        assert_int_equal(errno, EBUSY);
        assert_true(receive(*state, buf, sizeof buf) > 0);
        assert_non_null(strstr(buf, "PRIORITY=3\n"));
        assert_non_null(strstr(buf, "SYSLOG_IDENTIFIER=test-log\n"));
        assert_non_null(strstr(buf, "test-log.c\nCODE_LINE="));
        assert_non_null(strstr(buf, "CODE_FUNC=test_fields\n"));
        assert_non_null(strstr(buf, "ERRNO=2\n"));
        assert_non_null(strstr(buf, "MESSAGE=cannot open it: No such file or directory\n"));
        assert_int_equal(log_full_errno(LOG_WARNING, 0, "nothing"), 0);
        assert_true(receive(*state, buf, sizeof buf) > 0);
        assert_null(strstr(buf, "ERRNO="));
}

static void test_levels(void **state) {
        static char buf[65536];

        log_debug("too low");
        assert_int_equal(log_debug_errno(EIO, "too low"), -EIO);
        assert_int_equal(receive(*state, buf, sizeof buf), -EAGAIN);
        log_set_max_level(LOG_DEBUG);
        log_debug("now");
        assert_true(receive(*state, buf, sizeof buf) > 0);
        log_set_max_level(99);
        assert_int_equal(log_get_max_level(), LOG_DEBUG);

        assert_int_equal(log_level_from_string("debug"), LOG_DEBUG);
        assert_int_equal(log_level_from_string("emerg"), LOG_EMERG);
        assert_int_equal(log_level_from_string("4"), LOG_WARNING);
        assert_int_equal(log_level_from_string("8"), -EINVAL);
        assert_int_equal(log_level_from_string("44"), -EINVAL);
        assert_int_equal(log_level_from_string("loud"), -EINVAL);
        assert_int_equal(log_level_from_string(NULL), -EINVAL);
        assert_string_equal(log_level_to_string(LOG_NOTICE), "notice");
        assert_null(log_level_to_string(8));
        assert_null(log_level_to_string(-1));
        assert_int_equal(log_target_from_string("journal"), LOG_TARGET_JOURNAL);
        assert_int_equal(log_target_from_string("syslog"), -EINVAL);
}

static void test_newlines_and_names(void **state) {
        const char *const fields[] = {
                "SYNOS_UNIT=foo@a\\x2db.service", "SYNOS_TEXT=a\nb", "_FORGED=1", "lower=1", "NOEQUALS", "=x", NULL
        };
        static const char text[] = "SYNOS_TEXT\n\3\0\0\0\0\0\0\0a\nb\n";
        static char buf[65536];
        ssize_t n;

        log_message(LOG_NOTICE, "0123456789abcdef0123456789abcdef", fields, "one\nMESSAGE=two");
        n = receive(*state, buf, sizeof buf);
        assert_true(n > 0);
        assert_non_null(strstr(buf, "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"));
        assert_non_null(memmem(buf, (size_t) n, "SYNOS_UNIT=foo@a\\x2db.service\n", 30));
        assert_non_null(memmem(buf, (size_t) n, text, sizeof text - 1));
        /* The newline in the message must not start a field. */
        assert_non_null(memmem(buf, (size_t) n, "MESSAGE\n\x0f\0\0\0\0\0\0\0one\nMESSAGE=two\n", 32));
        assert_null(memmem(buf, (size_t) n, "FORGED", 6));
        assert_null(memmem(buf, (size_t) n, "lower", 5));
        assert_null(memmem(buf, (size_t) n, "NOEQUALS", 8));
}

static void test_truncates(void **state) {
        static char buf[1 << 20], big[200000];
        const char *const fields[] = { big, "SYNOS_LAST=1", NULL };
        ssize_t n;

        memset(big, 'x', sizeof big - 1);
        memcpy(big, "SYNOS_BIG=", 10);
        log_message(LOG_INFO, NULL, fields, "%s", big);
        n = receive(*state, buf, sizeof buf);
        assert_in_range(n, 40 * 1024, 50 * 1024);
        assert_non_null(strstr(buf, "\nSYNOS_TRUNCATED="));
        assert_int_equal(buf[n - 1], '\n');
        log_info("short");
        assert_true(receive(*state, buf, sizeof buf) > 0);
        assert_null(strstr(buf, "SYNOS_TRUNCATED"));
}

static void test_drops(void **state) {
        static char buf[65536];
        uint64_t before = log_dropped(), dropped;
        unsigned received = 0;
        char expected[100];

        /* Nobody reads: the queue of the socket fills, and logging must neither block nor lose count. */
        for (unsigned i = 0; i < 100000 && log_dropped() == before; i++)
                log_info("flood");
        assert_int_equal(log_dropped(), before + 1);
        for (unsigned i = 0; i < 9; i++)
                log_info("flood");
        dropped = log_dropped() - before;
        assert_int_equal(dropped, 10);

        while (receive(*state, buf, sizeof buf) > 0)
                received++;
        assert_true(received > 0);
        log_info("back");
        assert_true(receive(*state, buf, sizeof buf) > 0);
        snprintf(expected, sizeof expected, "MESSAGE=%d log messages were dropped\n", 10);
        assert_non_null(strstr(buf, expected));
        assert_true(receive(*state, buf, sizeof buf) > 0);
        assert_non_null(strstr(buf, "MESSAGE=back\n"));
        log_info("again");
        assert_true(receive(*state, buf, sizeof buf) > 0);
        assert_non_null(strstr(buf, "MESSAGE=again\n"));
}

/* Runs with standard error replaced by a pipe; gives what was written. */
static void with_stderr_pipe(void (*f)(void), char *buf, size_t size) {
        int saved = dup(STDERR_FILENO), p[2];
        ssize_t n;

        assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        assert_true(dup2(p[1], STDERR_FILENO) >= 0);
        f();
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(saved);
        close(p[1]);
        n = read(p[0], buf, size - 1);
        buf[MAX(n, (ssize_t) 0)] = '\0';
        close(p[0]);
}

static void log_to_console(void) {
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_open("test-log", LOG_TARGET_AUTO);
        log_warning("bad unit %s", "a\x1b[31m.service");
}

static void log_to_stream(void) {
        struct stat st;
        char stream[64];

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        log_open("test-log", LOG_TARGET_AUTO);
        log_warning("to the journal");
        assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
        log_open("test-log", LOG_TARGET_AUTO);
        log_warning("to the console");
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void log_without_reader(void) {
        uint64_t before = log_dropped();

        log_open("test-log", LOG_TARGET_CONSOLE);
        for (unsigned i = 0; i < 100000 && log_dropped() == before; i++)
                log_info("a line that fills the pipe");
        assert_int_equal(log_dropped(), before + 1);
}

static void log_null(void) {
        log_set_target(LOG_TARGET_NULL);
        assert_int_equal(log_get_target(), LOG_TARGET_NULL);
        log_error("nowhere");
}

static void test_console(void **state) {
        static char buf[1 << 20], datagram[65536];

        with_stderr_pipe(log_null, buf, sizeof buf);
        assert_string_equal(buf, "");
        with_stderr_pipe(log_to_console, buf, sizeof buf);
        assert_string_equal(buf, "bad unit a\\x1b[31m.service\n");
        assert_int_equal(receive(*state, datagram, sizeof datagram), -EAGAIN);
        with_stderr_pipe(log_to_stream, buf, sizeof buf);
        assert_string_equal(buf, "to the console\n");
        assert_true(receive(*state, datagram, sizeof datagram) > 0);
        assert_non_null(strstr(datagram, "MESSAGE=to the journal\n"));
        with_stderr_pipe(log_without_reader, buf, sizeof buf);
        assert_non_null(startswith(buf, "a line that fills the pipe\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
                cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
                cmocka_unit_test_setup_teardown(test_newlines_and_names, setup, teardown),
                cmocka_unit_test_setup_teardown(test_truncates, setup, teardown),
                cmocka_unit_test_setup_teardown(test_drops, setup, teardown),
                cmocka_unit_test_setup_teardown(test_console, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
