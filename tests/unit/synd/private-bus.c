/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "private-bus.h"

#include "basic/string.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define WAIT_LIMIT (20 * USEC_PER_SEC)

int private_bus_unavailable(void) {
        if (system("dbus-daemon --version >/dev/null 2>&1") == 0)
                return 0;
        printf("no dbus-daemon here, skipping\n");
        return 77;
}

static void socket_path(const PrivateBus *b, char *ret, size_t n) {
        assert_true(snprintf(ret, n, "%s/bus", b->dir) < (int) n);
}

void private_bus_init(PrivateBus *b) {
        char path[80];
        FILE *f;

        *b = (PrivateBus) { .mute_fd = -EBADF };
        strcpy(b->dir, "/tmp/test-synd-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        snprintf(b->address, sizeof(b->address), "unix:path=%s/bus", b->dir);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", b->address, true), 0);

        snprintf(path, sizeof(path), "%s/bus.conf", b->dir);
        f = fopen(path, "we");
        assert_non_null(f);
        fprintf(f,
                "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth><policy context='default'>"
                "<allow user='*'/><allow own='*'/><allow send_type='method_call'/><allow receive_type='method_return'/>"
                "<allow receive_type='error'/></policy></busconfig>",
                b->address);
        fclose(f);
}

static void remove_socket(const PrivateBus *b) {
        char path[80];

        socket_path(b, path, sizeof(path));
        (void) unlink(path);
}

void private_bus_done(PrivateBus *b) {
        char path[80];

        private_bus_kill(b);
        snprintf(path, sizeof(path), "%s/bus.conf", b->dir);
        (void) unlink(path);
        (void) rmdir(b->dir);
}

void private_bus_start(PrivateBus *b) {
        char config[100], print[32], address[200];
        int fds[2];

        assert_true(b->daemon == 0);
        remove_socket(b);
        snprintf(config, sizeof(config), "--config-file=%s/bus.conf", b->dir);
        assert_int_equal(pipe(fds), 0);
        snprintf(print, sizeof(print), "--print-address=%d", fds[1]);
        b->daemon = fork();
        assert_true(b->daemon >= 0);
        if (b->daemon == 0) {
                close(fds[0]);
                unsetenv("NOTIFY_SOCKET"); /* it is not ours to report */
                /* Without privileges it complains that it cannot raise its limits. */
                if (!freopen("/dev/null", "we", stderr))
                        _exit(127);
                execlp("dbus-daemon", "dbus-daemon", "--nofork", config, print, NULL);
                _exit(127);
        }
        close(fds[1]);
        /* It prints the address when it listens. */
        assert_true(read(fds[0], address, sizeof(address)) > 0);
        close(fds[0]);
}

void private_bus_kill(PrivateBus *b) {
        if (b->daemon > 0) {
                kill(b->daemon, SIGKILL);
                waitpid(b->daemon, NULL, 0);
                b->daemon = 0;
        }
        closep(&b->mute_fd);
        b->mute_fd = -EBADF;
        remove_socket(b);
}

void private_bus_start_mute(PrivateBus *b) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        remove_socket(b);
        socket_path(b, a.sun_path, sizeof(a.sun_path));
        b->mute_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(b->mute_fd >= 0);
        assert_int_equal(bind(b->mute_fd, (struct sockaddr *) &a, sizeof(a)), 0);
        assert_int_equal(listen(b->mute_fd, 16), 0);
}

void run_until(sd_event *event, condition_t condition, void *userdata) {
        usec_t limit = monotonic_now() + WAIT_LIMIT;

        while (!condition(userdata)) {
                assert_true(monotonic_now() < limit);
                assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        }
}

void run_for(sd_event *event, usec_t span) {
        usec_t now, limit = monotonic_now() + span;

        while ((now = monotonic_now()) < limit)
                assert_true(sd_event_run(event, limit - now) >= 0);
}
