/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who has the event log open, for the message that a second synd gets. */

#include "basic/macro.h"
#include <sys/types.h>

/* The process that holds an flock(2) on the file, by proc_locks(5). -ESRCH when nobody is found (also on file systems that
 * show another inode there than stat(2) does). */
int log_holder(const char *path, pid_t *ret);
/* The same from a file with the text of /proc/locks. */
int log_holder_in(const char *locks, const char *path, pid_t *ret);
