/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The drop-in that adopt writes and release removes: <root>/etc/systemd/system/UNIT.d/50-synos.conf. */

#include "basic/string.h"

#define DROPIN_DIRECTORY "/etc/systemd/system"
#define DROPIN_FILE "50-synos.conf"

typedef enum DropInState {
        DROPIN_ABSENT,
        DROPIN_OURS, /* begins with our mark */
        DROPIN_FOREIGN, /* another hand wrote it, or it is no regular file */
} DropInState;

/* path: of the file (for messages), always set. content is set for OURS and FOREIGN regular files. -EINVAL for a
 * name with a slash; other errors of the file system. */
int dropin_look(const char *root, const char *unit, DropInState *ret_state, char **ret_path, char **ret_content);
/* The text of a new drop-in: the mark, Supervise=yes, and KEY=VALUE lines. -EINVAL with the line in ret_bad (no
 * "=", an unknown shape of key, a line break, another Supervise=). */
int dropin_text(const char *unit, char *const *lines, char **ret, const char **ret_bad);
/* Writes atomically (new file, fsync, rename), mode 0644, directory 0755. */
int dropin_write(const char *root, const char *unit, const char *text);
/* Removes the file, and the directory if nothing else is in it. */
int dropin_remove(const char *root, const char *unit);
