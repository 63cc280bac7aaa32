/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/exec.h"
#include "basic/string.h"
#include "basic/time.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static pid_t agent_pid;

/* In the child: standard signals, no surprise from what the parent ignored. */
static void child_reset(void) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

int exec_filter(const char *command, const char *const *env, int *ret_fd, pid_t *ret_pid) {
        int p[2];

        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        _cleanup_close_ int in = p[0], out = p[1];
        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                child_reset();
                if (dup2(in, STDIN_FILENO) < 0)
                        _exit(127);
                for (size_t i = 0; env && env[i]; i += 2)
                        (void) setenv(env[i], env[i + 1], 1);
                execl("/bin/sh", "sh", "-c", command, NULL);
                _exit(127);
        }
        *ret_fd = TAKE_FD(out);
        *ret_pid = pid;
        return 0;
}

static int reap(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (!WIFEXITED(status))
                return -EPROTO;
        return WEXITSTATUS(status);
}

typedef struct Stream {
        StrBuf text;
        size_t limit;
} Stream;

/* Reads what is there: false at the end. What is beyond the limit is read and dropped, so that the child can go on. */
static bool stream_read(Stream *s, int fd) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        if (n == 0)
                return false;
        for (ssize_t i = 0; i < n; i++) /* text only: a NUL byte would hide what follows */
                if (!chunk[i])
                        chunk[i] = '?';
        strbuf_append_n(&s->text, chunk, MIN((size_t) n, s->limit - MIN(s->limit, s->text.length)));
        return true;
}

static int stream_both(Stream *out, int out_fd, Stream *err, int err_fd, usec_t deadline) {
        struct pollfd p[2] = { { .fd = out_fd, .events = POLLIN }, { .fd = err_fd, .events = POLLIN } };

        while (p[0].fd >= 0 || p[1].fd >= 0) {
                usec_t left = usec_sub(deadline, boottime_now());
                if (left == 0)
                        return -ETIMEDOUT;
                int r = poll(p, 2, (int) MIN(left / USEC_PER_MSEC + 1, (usec_t) INT32_MAX));
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r <= 0)
                        continue;
                if (p[0].revents && !stream_read(out, out_fd))
                        p[0].fd = -1;
                if (p[1].revents && !stream_read(err, err_fd))
                        p[1].fd = -1;
        }
        return 0;
}

static void child_run(const char *const *argv, int out, int err, int report) {
        child_reset();
        /* What is captured is read, not shown: $SYSTEMD_COLORS=1 is meant for us. */
        (void) setenv("SYSTEMD_COLORS", "0", 1);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
            dup2(err, STDERR_FILENO) >= 0)
                execvp(argv[0], (char *const *) argv);
        int e = errno;
        (void) !write(report, &e, sizeof(e));
        _exit(127);
}

int exec_capture(const char *const *argv, unsigned timeout_sec, char **ret_out, char **ret_err) {
        Stream out = { .limit = 1024 * 1024 }, err = { .limit = 4096 };
        int o[2], e[2], x[2], failure = 0;

        if (pipe2(o, O_CLOEXEC) < 0)
                return -errno;
        _cleanup_close_ int o0 = o[0], o1 = o[1];
        if (pipe2(e, O_CLOEXEC) < 0)
                return -errno;
        _cleanup_close_ int e0 = e[0], e1 = e[1];
        if (pipe2(x, O_CLOEXEC) < 0)
                return -errno;
        _cleanup_close_ int x0 = x[0], x1 = x[1];

        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_run(argv, o1, e1, x1);
        close(TAKE_FD(o1));
        close(TAKE_FD(e1));
        close(TAKE_FD(x1));
        int r = stream_both(&out, o0, &err, e0, usec_add(boottime_now(), timeout_sec * USEC_PER_SEC));
        if (r < 0)
                (void) kill(pid, SIGKILL);
        int status = reap(pid);
        if (read(x0, &failure, sizeof(failure)) == sizeof(failure) && failure > 0)
                r = -failure;
        if (r >= 0 && ret_out)
                r = strbuf_finish(&out.text, ret_out);
        if (r >= 0 && ret_err)
                r = strbuf_finish(&err.text, ret_err);
        strbuf_done(&out.text);
        strbuf_done(&err.text);
        return r < 0 ? r : status;
}

int exec_replace(const char *const *argv) {
        execvp(argv[0], (char *const *) argv);
        return -errno;
}

/* pkttyagent closes the descriptor given by --notify-fd once it is registered; only then asking makes sense. */
void exec_agent_open(void) {
        int p[2];

        if (agent_pid > 0 || geteuid() == 0 || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || pipe2(p, 0) < 0)
                return;
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
                char fd[16];
                child_reset();
                /* It must not outlive us, whatever ends us. */
                (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != parent)
                        _exit(127);
                signal(SIGINT, SIG_IGN);
                close(p[0]);
                snprintf(fd, sizeof(fd), "%d", p[1]);
                execl("/usr/bin/pkttyagent", "pkttyagent", "--notify-fd", fd, "--fallback", NULL);
                _exit(127);
        }
        close(p[1]);
        if (pid > 0) {
                struct pollfd wait = { .fd = p[0], .events = POLLIN };
                (void) poll(&wait, 1, 5000);
                agent_pid = pid;
        }
        close(p[0]);
}

void exec_agent_close(void) {
        if (agent_pid <= 0)
                return;
        (void) kill(agent_pid, SIGTERM);
        (void) kill(agent_pid, SIGCONT);
        (void) reap(agent_pid);
        agent_pid = 0;
}
