/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The SYNOS_* variables of the older orchestrator. Those that are not used yet are checked all the same: a value that
 * would have no meaning is better told at once. */

#include "basic/macro.h"

/* 0, or -EINVAL when a variable that is set and not empty does not parse; each is said in the log, secrets without
 * their value. */
int synd_environment_check(void);
