/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A modelled systemd: units with their types and Restart=, jobs and transactions, signals in the order of the bus, a journal
 * that lags. What it does is the truth; what synd knows of it are the messages that were delivered. Sources: systemd's
 * job.c, transaction.c, service.c, dbus-unit.c of version 252. */

#include "core/supervisor.h"

#define MODEL_UNITS 10
#define MODEL_MESSAGES 4096
#define MODEL_REQUESTS 64

typedef enum MType { M_SIMPLE, M_NOTIFY, M_ONESHOT, M_ONESHOT_REMAIN } MType;
typedef enum MRestart { M_NO, M_ON_FAILURE, M_ALWAYS } MRestart;
typedef enum MState { M_DEAD, M_FAILED, M_STARTING, M_RUNNING, M_STOPPING, M_AUTO_RESTART } MState;
typedef enum MJobType { MJ_NONE, MJ_START, MJ_STOP, MJ_RESTART, MJ_RELOAD } MJobType;

/* Who is really behind a job or a state: the ground truth that the supervisor has to guess. */
typedef enum Cause {
        C_NONE,
        C_PERSON,
        C_CONFLICT,
        C_DEPENDENCY,
        C_ISOLATE,
        C_SHUTDOWN,
        C_RESET,
        C_VICTIM, /* stopped because what it is bound to failed */
        C_SYSTEMD, /* Restart= */
        C_SYND,
} Cause;

typedef struct MJob {
        MJobType type;
        uint32_t id;
        Cause cause;
        bool running, announced;
        bool stopped; /* RESTART: the stop half is through */
        bool effective; /* it stopped something that ran */
} MJob;

typedef struct MUnit {
        char name[64];
        bool declared, granted;
        MType type;
        MRestart restart;
        usec_t restart_usec, start_time, stop_time;
        uint32_t requires, binds_to, part_of, wants, conflicts, depends_on; /* bit sets of units */

        MState state;
        UnitSnapshot now, sent;
        bool dirty;
        usec_t timer; /* of the present state; infinity = none */
        MJob job;
        bool broken; /* its process cannot live */
        bool condition_false, masked;
        usec_t starts[5]; /* the newest starts, for the start limit */
        unsigned n_starts;
        UnitResult end; /* how the running stop will end */
} MUnit;

typedef enum MessageType { MSG_UNIT, MSG_JOB_NEW, MSG_JOB_REMOVED, MSG_REPLY, MSG_HOST } MessageType;
typedef struct Message {
        MessageType type;
        int unit; /* -1: the target of an isolate */
        bool initial;
        UnitSnapshot u;
        uint32_t job;
        MJobType job_type;
        Cause cause;
        JobResult result;
        bool effective;
        Id128 action;
        int error;
        HostState host;
} Message;

typedef struct Request {
        Id128 action;
        int unit;
        Verb verb;
        bool reset_failed_first, automatic;
} Request;

typedef struct JournalLine {
        JournalFact fact;
        int unit;
        usec_t readable; /* journald lets its readers have it then */
} JournalLine;

typedef struct Model {
        Prng *prng;
        usec_t now; /* since the beginning of the simulation, over all boots */
        usec_t boot_start;
        int64_t clock_offset; /* of realtime */
        Id128 boot;
        unsigned boots;
        MUnit units[MODEL_UNITS];
        uint32_t next_job;
        uint64_t next_invocation;
        bool stopping; /* shutdown under way */
        bool subscribed; /* somebody listens */
        Message inbox[MODEL_MESSAGES];
        size_t inbox_head, n_inbox;
        Request requests[MODEL_REQUESTS];
        size_t n_requests;
        JournalLine *journal;
        size_t n_journal, journal_allocated;
        struct {
                int unit;
                Id128 id;
        } * invocations; /* all, in order */
        size_t n_invocations, invocations_allocated;
        bool trace;
        void (*lost)(void *userdata, const Message *m); /* a message that nobody gets */
        void *userdata;
} Model;

void model_init(Model *m, Prng *prng);
void model_done(Model *m);
Instant model_instant(const Model *m);
/* Runs everything that is due at m->now; then sends what is pending. */
void model_run(Model *m);
/* The next time at which something happens by itself. */
usec_t model_next(const Model *m);
bool model_is_up(const MUnit *u);
bool model_is_down(const MUnit *u);

/* What people and fate do. */
void model_crash(Model *m, int unit, UnitResult result);
void model_exit(Model *m, int unit);
int model_job(Model *m, int unit, MJobType type, Cause cause, bool fail_mode, uint32_t *ret_id);
void model_reset_failed(Model *m, int unit, Cause cause);
void model_isolate(Model *m, uint32_t keep);
void model_shutdown(Model *m);
void model_reboot(Model *m);
void model_request(Model *m, const Request *r);
/* The whole state, as it is read at start and after a lost connection. */
void model_send_initial(Model *m);
void model_send_host(Model *m, HostState state);
bool model_pop(Model *m, Message *ret);
void model_drop_inbox(Model *m);
