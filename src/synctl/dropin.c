/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/ctl.h"
#include "synctl/dropin.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define MARK "# Written by 'synctl adopt'; 'synctl release"
#define CONTENT_MAX (64 * 1024)

static int paths(const char *root, const char *unit, char **ret_directory, char **ret_file) {
        _cleanup_free_ char *directory = NULL, *file = NULL;

        if (strchr(unit, '/') || isempty(unit) || unit[0] == '.')
                return -EINVAL;
        int r = str_printf(&directory, "%s" DROPIN_DIRECTORY "/%s.d", root, unit);
        if (r >= 0)
                r = str_printf(&file, "%s/" DROPIN_FILE, directory);
        if (r < 0)
                return r;
        *ret_directory = TAKE_PTR(directory);
        *ret_file = TAKE_PTR(file);
        return 0;
}

static int read_file(int fd, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        char chunk[4096];
        ssize_t n;

        while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
                if (n < 0)
                        return -errno;
                if (b.length + (size_t) n > CONTENT_MAX)
                        return -EFBIG;
                strbuf_append_n(&b, chunk, (size_t) n);
        }
        return strbuf_finish(&b, ret);
}

int dropin_look(const char *root, const char *unit, DropInState *ret_state, char **ret_path, char **ret_content) {
        _cleanup_free_ char *directory = NULL, *file = NULL, *content = NULL;
        struct stat st;
        DropInState state = DROPIN_FOREIGN;

        int r = paths(root, unit, &directory, &file);
        if (r < 0)
                return r;
        if (lstat(file, &st) < 0) {
                if (!IN_SET(errno, ENOENT, ENOTDIR))
                        return -errno;
                state = DROPIN_ABSENT;
        } else if (S_ISREG(st.st_mode)) {
                _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                if (fd < 0)
                        return -errno;
                r = read_file(fd, &content);
                if (r < 0 && r != -EFBIG)
                        return r;
                state = content && startswith(content, MARK) ? DROPIN_OURS : DROPIN_FOREIGN;
        }
        *ret_state = state;
        *ret_path = TAKE_PTR(file);
        if (ret_content)
                *ret_content = TAKE_PTR(content);
        return 0;
}

static bool line_is_sound(const char *line) {
        size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

        if (n == 0 || line[n] != '=' || !utf8_is_valid(line, strlen(line)))
                return false;
        /* A backslash at the end would swallow the next line. */
        if (strpbrk(line, "\n\r") || endswith(line, "\\"))
                return false;
        return !startswith(line, "Supervise=");
}

int dropin_text(const char *unit, char *const *lines, char **ret, const char **ret_bad) {
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_appendf(&b, MARK " %s' removes it. Fields: synos.unit(5).\n[X-Synos]\nSupervise=yes\n", unit);
        STRV_FOREACH (line, lines) {
                if (!line_is_sound(*line)) {
                        *ret_bad = *line;
                        return -EINVAL;
                }
                strbuf_appendf(&b, "%s\n", *line);
        }
        return strbuf_finish(&b, ret);
}

static int write_synced(int fd, const char *text) {
        int r = ctl_write(fd, text);

        return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

static int make_directory(const char *path) {
        if (mkdir(path, 0755) >= 0)
                /* umask may have taken more than is right for a directory that systemd and synd read. */
                return chmod(path, 0755) < 0 ? -errno : 0;
        return errno == EEXIST ? 0 : -errno;
}

int dropin_write(const char *root, const char *unit, const char *text) {
        _cleanup_free_ char *directory = NULL, *file = NULL;
        char temporary[64];

        int r = paths(root, unit, &directory, &file);
        if (r >= 0)
                r = make_directory(directory);
        if (r < 0)
                return r;
        _cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        /* systemd reads only names ending in ".conf": a half-written file is never seen. */
        snprintf(temporary, sizeof(temporary), ".#" DROPIN_FILE "-%ld.tmp", (long) getpid());
        _cleanup_close_ int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;
        r = fchmod(fd, 0644) < 0 ? -errno : write_synced(fd, text);
        if (r >= 0 && renameat(dir, temporary, dir, DROPIN_FILE) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir, temporary, 0);
        else if (fsync(dir) < 0)
                r = -errno;
        return r;
}

int dropin_remove(const char *root, const char *unit) {
        _cleanup_free_ char *directory = NULL, *file = NULL;

        int r = paths(root, unit, &directory, &file);
        if (r < 0)
                return r;
        if (unlink(file) < 0)
                return -errno;
        (void) rmdir(directory); /* stays when something else is in it */
        return 0;
}
