/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Other programs: the pager, journalctl, pkttyagent, the grant helper. */

#include "basic/macro.h"
#include <sys/types.h>

/* Runs "sh -c command" with its standard input in *ret_fd (write end) and our standard output. env: name, value
 * pairs up to NULL. */
int exec_filter(const char *command, const char *const *env, int *ret_fd, pid_t *ret_pid);

/* Runs argv (found by PATH), waits at most timeout_sec seconds, then kills it. ret_out gets at most 1 MiB of
 * standard output as text (the rest is dropped), ret_err the first 4 KiB of standard error; either may be NULL.
 * Returns the exit status, or -ENOENT (no such program), -ETIMEDOUT, -EPROTO (killed by a signal), … */
int exec_capture(const char *const *argv, unsigned timeout_sec, char **ret_out, char **ret_err);

/* Replaces this process; returns only on error (negative errno). */
int exec_replace(const char *const *argv);

/* Starts the polkit agent of the terminal (when standard input is one), so that a password can be asked for;
 * returns at once when there is none. The agent ends with exec_agent_close(). */
void exec_agent_open(void);
void exec_agent_close(void);
