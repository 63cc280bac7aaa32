/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What "systemctl status synd" shows: how many services there are and how many are down, or why synd is degraded. Follows the
 * changes, at most one message a second. */

#include "synd/manager.h"

typedef struct StatusLine StatusLine;

int status_line_new(Manager *m, StatusLine **ret);
StatusLine *status_line_free(StatusLine *l);
DEFINE_CLEANUP(StatusLine *, status_line_free);

/* The text for these figures and reasons (may be NULL), for tests too. */
int status_line_text(size_t n_services, size_t n_failed, char *const *reasons, char **ret);
