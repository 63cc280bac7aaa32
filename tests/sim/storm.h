/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One simulated host under a seeded storm of faults, people and restarts. */

#include "check.h"

typedef struct StormResult {
        bool ok;
        char reason[512];
        uint64_t hash;
        size_t steps, events, automatic;
        usec_t simulated;
} StormResult;

void storm_run(uint64_t seed, unsigned steps, bool trace, StormResult *ret);
