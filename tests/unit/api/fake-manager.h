/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The manager's contract (synd/manager.h) with a real supervisor and a real event log behind it, and a systemd made of values
 * in front: jobs are answered at once or held back, states are given by the test. */

#include "synd/manager.h"

typedef struct FakeOptions {
        const char *dir; /* for the event log */
        uint32_t clients_max, client_calls_max, client_followers_max; /* 0 = default of synd.conf */
} FakeOptions;

int fake_manager_new(sd_event *event, const FakeOptions *options, Manager **ret);
Manager *fake_manager_free(Manager *m);

/* Declares a service; extra may be NULL or KEY, VALUE, …, NULL assignments. */
void fake_declare(Manager *m, const char *unit, bool granted, const char *const *assignments);
void fake_forget(Manager *m, const char *unit);
/* The unit is seen active or failed (SIGKILL). */
void fake_active(Manager *m, const char *unit);
void fake_killed(Manager *m, const char *unit);
/* While true, jobs get an id but do not end until fake_finish_jobs(). */
void fake_hold_jobs(Manager *m, bool hold);
void fake_finish_jobs(Manager *m);
void fake_set_state(Manager *m, const char *state, const char *reason);

typedef struct FakeCalls {
        unsigned commands, checks, registers, unregisters, reloads, jobs;
        uint32_t uid; /* of the last caller */
        char user[64], via[16], unit[256], verb[32];
} FakeCalls;
const FakeCalls *fake_calls(const Manager *m);
