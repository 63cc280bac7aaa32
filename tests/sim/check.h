/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Looks at everything that the supervisor puts out and holds it against what it could know. */

#include "model.h"

#include <setjmp.h>

typedef struct LogEntry {
        uint64_t seq, cause;
        const char *type;
        int unit;
        bool automatic; /* an action.requested of the supervisor itself */
        Id128 invocation;
} LogEntry;

typedef struct Check {
        Model *m;
        Supervisor *s;
        jmp_buf failed;
        char reason[512];
        bool trace;

        /* What synd was told, with the truth behind it. */
        struct {
                Cause down_by;
                uint32_t pending; /* foreign job */
                bool cancelled; /* a job of it was cancelled since it was last started */
                Id128 invocation;
                bool doubtful; /* a connection was lost: how it ended may be known to nobody */
                bool forgotten; /* its log is not complete */
                bool seen;
                usec_t maintenance_until; /* model time; 0 = none, infinity = until switched off */
                usec_t *acts;
                size_t n_acts;
                size_t first_invocation; /* index into the model's list */
        } units[MODEL_UNITS];
        HostState host;
        usec_t *acts; /* of the whole host */
        size_t n_acts;
        Budget host_budget;

        LogEntry *log; /* by seq - 1 */
        size_t n_log, log_allocated;
        HashMap *states;
        uint64_t hash;
        size_t effects, automatic, events;
} Check;

#define CHECK_FAIL(c, ...) check_fail(c, __VA_ARGS__)
void check_fail(Check *c, const char *format, ...) _printf_(2, 3) __attribute__((noreturn));

int check_init(Check *c, Model *m);
void check_done(Check *c);
/* Before a message is handed to the supervisor. */
void check_message(Check *c, const Message *m);
/* A message that nobody will get. */
void check_lost(void *userdata, const Message *m);
/* Takes all effects out; requests go to the model. */
void check_drain(Check *c);
/* What must hold whenever the supervisor rests. */
void check_step(Check *c);
/* What must hold when all is quiet and healed. */
void check_end(Check *c);
