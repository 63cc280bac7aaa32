/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard output with the pager by systemd's rules, and words on standard error. */
#include "synctl/ctl.h"
#include "synctl/exec.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

static _printf_(1, 0) void say(const char *format, va_list ap) {
        fflush(stdout);
        fputs("synctl: ", stderr);
        vfprintf(stderr, format, ap);
        fputc('\n', stderr);
}

int ctl_fail(int code, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(format, ap);
        va_end(ap);
        return code;
}

void ctl_note(const Ctl *c, const char *format, ...) {
        va_list ap;

        if (c->o.quiet)
                return;
        va_start(ap, format);
        say(format, ap);
        va_end(ap);
}

int ctl_oom(void) {
        return ctl_fail(CTL_FAILED, "Out of memory.");
}

/* Someone else's privileges are in use: then only a pager that cannot start other programs. */
static bool pager_secure(void) {
        int r = parse_boolean(getenv("SYSTEMD_PAGERSECURE") ?: "");

        if (r >= 0)
                return r > 0;
        return geteuid() != getuid() || getenv("SUDO_UID") || getenv("PKEXEC_UID");
}

/* The pager's command line, or NULL for none. */
static const char *pager_command(bool secure) {
        const char *p = getenv("SYSTEMD_PAGER");

        if (!p)
                p = getenv("PAGER");
        if (p && (!*p || streq(p, "cat")))
                return NULL;
        /* Where it is not installed, no shell complains: the text comes without it. */
        return secure || !p ? "command -v less >/dev/null || exit 127; exec less" : p;
}

static bool needs_pager(const Ctl *c, const char *text) {
        unsigned lines = 0;

        if (c->o.no_pager || !c->term.tty)
                return false;
        for (const char *p = text; (p = strchr(p, '\n')); p++)
                if (++lines >= c->term.rows)
                        return true;
        return false;
}

int ctl_write(int fd, const char *text) {
        for (size_t n = strlen(text); n > 0;) {
                ssize_t k = write(fd, text, n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                text += k;
                n -= (size_t) k;
        }
        return 0;
}

static bool page(const char *text) {
        bool secure = pager_secure();
        const char *command = pager_command(secure);
        _cleanup_close_ int fd = -EBADF;
        pid_t pid;

        if (!command)
                return false;
        const char *const env[] = { "LESS",
                                    getenv("SYSTEMD_LESS") ?: "FRSXMK",
                                    "LESSCHARSET",
                                    getenv("SYSTEMD_LESSCHARSET") ?: "utf-8",
                                    secure ? "LESSSECURE" : NULL,
                                    "1",
                                    NULL };
        if (exec_filter(command, env, &fd, &pid) < 0)
                return false;
        /* A pager that is left early is no failure. */
        signal(SIGPIPE, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        (void) ctl_write(fd, text);
        close(TAKE_FD(fd));
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        signal(SIGINT, SIG_DFL);
        return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

int ctl_print(const Ctl *c, const char *text) {
        fflush(stdout);
        if (needs_pager(c, text) && page(text))
                return CTL_OK;
        int r = ctl_write(STDOUT_FILENO, text);
        if (r < 0 && r != -EPIPE) {
                errno = -r;
                return ctl_fail(CTL_FAILED, "Cannot write to standard output: %m");
        }
        return CTL_OK;
}

int ctl_print_buf(const Ctl *c, StrBuf *b) {
        _cleanup_free_ char *text = NULL;

        if (strbuf_finish(b, &text) < 0)
                return ctl_oom();
        return ctl_print(c, text);
}
