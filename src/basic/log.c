/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/log.h"

#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/string.h"

/* One datagram holds at most this much; journald itself takes more only through a memory file descriptor. */
#define ENTRY_MAX (48 * 1024)
#define MESSAGE_TEXT_MAX (32 * 1024)
/* One write that a pipe takes whole (PIPE_BUF of pipe(7)). */
#define CONSOLE_LINE_MAX 3500

typedef struct Logger {
        pthread_mutex_t lock; /* over all but the two atomics: the writer thread logs as well */
        char *identifier;
        LogTarget target;
        bool journal, colour; /* what the target came to */
        int fd;
        struct sockaddr_un address;
        uint64_t unreported; /* drops that no line has told yet */
        atomic_int max_level;
        _Atomic uint64_t dropped;
} Logger;

static Logger logger = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .target = LOG_TARGET_AUTO,
        .fd = -EBADF,
        .address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" },
        .max_level = LOG_INFO,
};

typedef struct Entry {
        int level, error;
        const char *message, *message_id;
        const char *file, *func;
        int line;
        const char *const *fields;
} Entry;

static const char *const log_targets[] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_CONSOLE] = "console",
        [LOG_TARGET_NULL] = "null",
};
DEFINE_STRING_TABLE(log_target, LogTarget, log_targets)

static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t) level < ELEMENTSOF(levels) ? levels[level] : NULL;
}

int log_level_from_string(const char *s) {
        if (!s)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(s, levels[i]))
                        return (int) i;
        if (s[0] >= '0' && s[0] <= '7' && !s[1])
                return s[0] - '0';
        /* What other loggers call these two. */
        if (streq(s, "error"))
                return LOG_ERR;
        return streq(s, "warn") ? LOG_WARNING : -EINVAL;
}

/* True when systemd has connected our standard error to the journal (systemd.exec(5), $JOURNAL_STREAM). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;
        int end = 0;

        if (!stream || sscanf(stream, "%llu:%llu%n", &device, &inode, &end) != 2 || stream[end])
                return false;
        return fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

static bool stderr_has_colour(void) {
        const char *term = getenv("TERM");

        return isatty(STDERR_FILENO) && !getenv("NO_COLOR") && term && !streq(term, "dumb");
}

static void resolve_target(void) {
        const int size = 1024 * 1024;

        logger.journal = logger.target == LOG_TARGET_JOURNAL ||
                         (logger.target == LOG_TARGET_AUTO && !isatty(STDERR_FILENO) && stderr_is_journal());
        logger.colour = stderr_has_colour();
        if (logger.journal && logger.fd < 0) {
                logger.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (logger.fd >= 0)
                        (void) setsockopt(logger.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        }
}

void log_open(const char *identifier, LogTarget target) {
        int saved = errno;

        pthread_mutex_lock(&logger.lock);
        (void) free_and_strdup(&logger.identifier, identifier);
        logger.target = target;
        resolve_target();
        pthread_mutex_unlock(&logger.lock);
        errno = saved;
}

void log_close(void) {
        pthread_mutex_lock(&logger.lock);
        closep(&logger.fd);
        logger.fd = -EBADF;
        logger.journal = false;
        free(TAKE_PTR(logger.identifier));
        pthread_mutex_unlock(&logger.lock);
}

int log_set_journal_socket(const char *path) {
        assert(path);
        if (strlen(path) >= sizeof logger.address.sun_path)
                return -ENAMETOOLONG;
        pthread_mutex_lock(&logger.lock);
        strcpy(logger.address.sun_path, path);
        pthread_mutex_unlock(&logger.lock);
        return 0;
}

void log_set_max_level(int level) {
        logger.max_level = CLAMP(level, LOG_EMERG, LOG_DEBUG);
}

int log_get_max_level(void) {
        return logger.max_level;
}

void log_set_target(LogTarget target) {
        int saved = errno;

        pthread_mutex_lock(&logger.lock);
        logger.target = target;
        resolve_target();
        pthread_mutex_unlock(&logger.lock);
        errno = saved;
}

LogTarget log_get_target(void) {
        LogTarget t;

        pthread_mutex_lock(&logger.lock);
        t = logger.target;
        pthread_mutex_unlock(&logger.lock);
        return t;
}

uint64_t log_dropped(void) {
        return logger.dropped;
}

/* A name that journald accepts from a client: no leading underscore, at most 64 of A-Z 0-9 _. */
static bool field_name_is_valid(const char *s, size_t n) {
        if (n == 0 || n > 64 || s[0] == '_' || (s[0] >= '0' && s[0] <= '9'))
                return false;
        return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") >= n;
}

/* The native protocol: "NAME=value\n", or with a newline inside "NAME\n", the length as 64 bit little endian, the value,
 * "\n". A value that does not fit is cut, and *truncated is set. */
static void add_field_n(StrBuf *b, const char *name, size_t n_name, const char *value, bool *truncated) {
        size_t used = b->length + n_name + 64, n = strlen(value);
        uint64_t le;

        if (used >= ENTRY_MAX) {
                *truncated = true;
                return;
        }
        if (n > ENTRY_MAX - used) {
                n = ENTRY_MAX - used;
                *truncated = true;
        }
        strbuf_append_n(b, name, n_name);
        if (memchr(value, '\n', n)) {
                le = htole64(n);
                strbuf_append(b, "\n");
                strbuf_append_n(b, (const char *) &le, sizeof le);
        } else
                strbuf_append(b, "=");
        strbuf_append_n(b, value, n);
        strbuf_append(b, "\n");
}

static void add_field(StrBuf *b, const char *name, const char *value, bool *truncated) {
        if (value)
                add_field_n(b, name, strlen(name), value, truncated);
}

static int build_entry(const Entry *e, StrBuf *b) {
        bool truncated = strlen(e->message) > MESSAGE_TEXT_MAX;
        char *cut = truncated ? strndup(e->message, MESSAGE_TEXT_MAX) : NULL;

        strbuf_appendf(b, "PRIORITY=%d\n", e->level);
        add_field(b, "SYSLOG_IDENTIFIER", logger.identifier, &truncated);
        if (e->file)
                strbuf_appendf(b, "CODE_FILE=%s\nCODE_LINE=%d\nCODE_FUNC=%s\n", e->file, e->line, e->func);
        if (e->error != 0)
                strbuf_appendf(b, "ERRNO=%d\n", e->error);
        add_field(b, "MESSAGE_ID", e->message_id, &truncated);
        add_field(b, "MESSAGE", cut ?: e->message, &truncated);
        free(cut);
        for (const char *const *f = e->fields; f && *f; f++) {
                const char *eq = strchr(*f, '=');

                if (eq && field_name_is_valid(*f, (size_t) (eq - *f)))
                        add_field_n(b, *f, (size_t) (eq - *f), eq + 1, &truncated);
        }
        if (truncated)
                strbuf_appendf(b, "SYNOS_TRUNCATED=the entry was longer than %d bytes\n", ENTRY_MAX);
        return b->failed ? -ENOMEM : 0;
}

static int send_to_journal(const Entry *e) {
        _cleanup_strbuf_ StrBuf b = {};
        ssize_t n;
        int r;

        if (logger.fd < 0)
                return -ENOTCONN;
        r = build_entry(e, &b);
        if (r < 0)
                return r;
        n = sendto(logger.fd, b.data, b.length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &logger.address,
                   sizeof logger.address);
        return n < 0 ? -errno : 0;
}

/* Only if it can be done at once: a stopped terminal or a full pipe must not stop us. */
static int write_to_console(const Entry *e) {
        static const char *const colours[] = {
                [LOG_EMERG] = "\x1b[1;31m",
                [LOG_ALERT] = "\x1b[1;31m",
                [LOG_CRIT] = "\x1b[1;31m",
                [LOG_ERR] = "\x1b[1;31m",
                [LOG_WARNING] = "\x1b[1;33m",
                [LOG_NOTICE] = "\x1b[1m",
                [LOG_INFO] = "",
                [LOG_DEBUG] = "\x1b[2m",
        };
        const char *colour = logger.colour ? colours[e->level] : "";
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        _cleanup_free_ char *text = NULL, *line = NULL;
        int r;

        /* What is in the text may come from a stranger; a terminal would obey it. */
        r = str_sanitize(e->message, CONSOLE_LINE_MAX, &text);
        if (r < 0)
                return r;
        r = str_printf(&line, "%s%s%s\n", colour, text, *colour ? "\x1b[0m" : "");
        if (r < 0)
                return r;
        if (poll(&p, 1, 0) < 0)
                return -errno;
        if (!(p.revents & POLLOUT))
                return -EAGAIN;
        return write(STDERR_FILENO, line, strlen(line)) < 0 ? -errno : 0;
}

static int emit(const Entry *e) {
        int r;

        if (logger.target == LOG_TARGET_NULL)
                return 0;
        if (!logger.journal)
                return write_to_console(e);
        r = send_to_journal(e);
        /* No journal any more, as opposed to one that is slow: what we were given as standard error may still work. */
        if (r < 0 && r != -EAGAIN && logger.target == LOG_TARGET_AUTO)
                r = write_to_console(e);
        return r;
}

/* The line that tells of dropped ones goes before the first that gets through again. */
static int report_drops(void) {
        char text[80];
        int r;

        if (logger.unreported == 0)
                return 0;
        (void) snprintf(text, sizeof text, "%llu log messages were dropped", (unsigned long long) logger.unreported);
        r = emit(&(Entry){ .level = LOG_WARNING, .message = text });
        if (r >= 0)
                logger.unreported = 0;
        return r;
}

static void submit(const Entry *e) {
        int saved = errno, r;

        pthread_mutex_lock(&logger.lock);
        r = report_drops();
        if (r >= 0)
                r = emit(e);
        if (r < 0) {
                logger.unreported++;
                logger.dropped++;
        }
        pthread_mutex_unlock(&logger.lock);
        errno = saved;
}

/* An unformatted text is better than none when memory is short. */
_printf_(2, 0) static const char *format_message(char **storage, const char *format, va_list ap) {
        if (vasprintf(storage, format, ap) < 0) {
                *storage = NULL;
                return format;
        }
        return *storage;
}

int log_full(int level, int error, const char *file, int line, const char *func, const char *format, ...) {
        _cleanup_free_ char *storage = NULL;
        int saved = errno;
        va_list ap;

        error = abs(error);
        if (level > logger.max_level)
                return -error;
        if (error != 0)
                errno = error;
        va_start(ap, format);
        submit(&(Entry){
                        .level = CLAMP(level, LOG_EMERG, LOG_DEBUG),
                        .error = error,
                        .message = format_message(&storage, format, ap),
                        .file = file,
                        .line = line,
                        .func = func,
        });
        va_end(ap);
        errno = saved;
        return -error;
}

void log_message(int level, const char *message_id, const char *const *fields, const char *format, ...) {
        _cleanup_free_ char *storage = NULL;
        int saved = errno;
        va_list ap;

        if (level > logger.max_level)
                return;
        va_start(ap, format);
        submit(&(Entry){
                        .level = CLAMP(level, LOG_EMERG, LOG_DEBUG),
                        .message = format_message(&storage, format, ap),
                        .message_id = message_id,
                        .fields = fields,
        });
        va_end(ap);
        errno = saved;
}
