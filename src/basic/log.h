/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Structured logging to the journal (native protocol, non-blocking datagrams), or to stderr when there is no journal
 * or stderr is a terminal. Logging drops rather than blocks, and counts what it drops. Levels are syslog(3)'s. */

#include "basic/macro.h"
#include <syslog.h>

typedef enum LogTarget { LOG_TARGET_AUTO, LOG_TARGET_JOURNAL, LOG_TARGET_CONSOLE, LOG_TARGET_NULL } LogTarget;
DECLARE_STRING_TABLE(log_target, LogTarget);
/* "debug" … "emerg", and "0" … "7": -EINVAL. */
int log_level_from_string(const char *s);
const char *log_level_to_string(int level);

void log_open(const char *identifier, LogTarget target);
void log_close(void);
void log_set_max_level(int level);
int log_get_max_level(void);
void log_set_target(LogTarget target);
LogTarget log_get_target(void);
uint64_t log_dropped(void);
/* Where the journal listens, if not at /run/systemd/journal/socket: for tests. -ENAMETOOLONG. */
int log_set_journal_socket(const char *path);

/* Return -abs(error) (0 when error is 0), so that "return log_error_errno(r, …)" works. The error text is appended
 * by "%m"; errno is set for it. */
int log_full(int level, int error, const char *file, int line, const char *func, const char *format, ...) _printf_(6, 7);
#define log_full_errno(level, error, ...) log_full(level, error, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_debug(...) ((void) log_full_errno(LOG_DEBUG, 0, __VA_ARGS__))
#define log_info(...) ((void) log_full_errno(LOG_INFO, 0, __VA_ARGS__))
#define log_notice(...) ((void) log_full_errno(LOG_NOTICE, 0, __VA_ARGS__))
#define log_warning(...) ((void) log_full_errno(LOG_WARNING, 0, __VA_ARGS__))
#define log_error(...) ((void) log_full_errno(LOG_ERR, 0, __VA_ARGS__))
#define log_debug_errno(e, ...) log_full_errno(LOG_DEBUG, e, __VA_ARGS__)
#define log_warning_errno(e, ...) log_full_errno(LOG_WARNING, e, __VA_ARGS__)
#define log_error_errno(e, ...) log_full_errno(LOG_ERR, e, __VA_ARGS__)

/* One line an operator needs: MESSAGE_ID and own fields. fields are "KEY=value" strings ending with NULL; what they
 * hold is sent as it is (values may contain newlines). */
void log_message(int level, const char *message_id, const char *const *fields, const char *format, ...) _printf_(4, 5);
