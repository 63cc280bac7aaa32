/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The decisions of synd, as a pure state machine: observations and commands go in with their time, effects come out as
 * values. No I/O, no clock, no globals: the same inputs and seed give the same effects, bit for bit. */

#include "basic/hash.h"
#include "core/service.h"

typedef struct Supervisor Supervisor;

typedef struct SupervisorConfig {
        RecoverySettings defaults;
        Budget host_budget;             /* all automatic actions of the host together, default 60/10min */
        char **protected_units;         /* patterns, besides the built-in ones */
        Id128 host_id, boot_id;
} SupervisorConfig;

/* Every seq of every event comes from seq (shared with the other makers of events); seed feeds ids and jitter. */
int supervisor_new(const SupervisorConfig *config, SeqAlloc *seq, uint64_t seed, Supervisor **ret);
Supervisor *supervisor_free(Supervisor *s);
DEFINE_CLEANUP(Supervisor *, supervisor_free);
/* New defaults after a reload of synd.conf; services keep their own settings (they are declared again by the caller). */
int supervisor_configure(Supervisor *s, Instant now, const SupervisorConfig *config);

/* ---- effects ---- */
typedef enum EffectType {
        EFFECT_EVENT,           /* append to the log */
        EFFECT_JOB,             /* ask systemd; answer with supervisor_job_replied() */
        EFFECT_STATE,           /* store (json) or delete (NULL) the durable state under key; commit with the events before it */
        EFFECT_CHANGED,         /* properties of the service changed: tell the bus */
        EFFECT_ACTION,          /* an action reached its end: answer who waits for it */
} EffectType;

typedef struct Action Action;

typedef struct Effect {
        EffectType type;
        Event event;                            /* EVENT */
        struct {
                Id128 action;
                char *unit;
                Verb verb;                      /* START, STOP, RESTART, RELOAD, RESET_FAILED */
                bool reset_failed_first;        /* ResetFailedUnit before the job (start-limit-hit) */
                bool automatic;                 /* ours: job mode "fail" so that we never replace another's job; else "replace" */
        } job;
        struct {
                char *key;                      /* "service/<unit>", "host" */
                char *json;
        } state;
        const Service *service;                 /* CHANGED; valid until the next call into the supervisor */
        const Action *action;                   /* ACTION; the same */
} Effect;
void effect_done(Effect *e);
/* Takes the oldest effect: 1, or 0 when there is none. Call after each input until it gives 0. */
int supervisor_pop(Supervisor *s, Effect *ret);

/* ---- observations ---- */
typedef enum Origin { ORIGIN_LIVE, ORIGIN_BACKFILLED } Origin;
DECLARE_STRING_TABLE(origin, Origin);

/* Adds or replaces the declaration (config is taken over, also on error). */
int supervisor_declare(Supervisor *s, Instant now, ServiceConfig *config);
/* Leaves supervision; pending recoveries are cancelled. -ENOENT. */
int supervisor_forget(Supervisor *s, Instant now, const char *unit, const char *reason);
/* Relations as systemd has them (after load and after each daemon-reload). Copied. */
int supervisor_relations(Supervisor *s, Instant now, const char *unit, const UnitRelations *r);
/* The unit must not run together with another one, of which that has become known only now. */
int supervisor_conflict(Supervisor *s, Instant now, const char *unit, const char *with);
/* True while some service waits to be brought back: what is started meanwhile may conflict with it. */
bool supervisor_recovering(const Supervisor *s);
/* The whole present state of a unit, each time something in it changed, in the order of the bus. Units that are not
 * declared are ignored (0). initial: this is not a change but the state found at start or after a lost connection. */
int supervisor_unit(Supervisor *s, Instant now, const char *unit, const UnitSnapshot *u, bool initial);
/* JobNew/JobRemoved of any unit on the host, supervised or not (needed for intent). */
int supervisor_job_new(Supervisor *s, Instant now, const char *unit, uint32_t job_id);
/* JOB_RESULT_UNKNOWN is for the caller alone: nobody will see the end of this job (the connection was lost). */
int supervisor_job_removed(Supervisor *s, Instant now, const char *unit, uint32_t job_id, JobResult result);

/* What PID 1 wrote to the journal about a unit, in journal order. The supervisor makes an event of it only if the signals
 * did not tell (the invocation is not known yet, or its end is missing): these are marked backfilled. */
typedef enum JournalFactType {
        FACT_STARTING,          /* job started; also "Started" when STARTING was not logged (Type=simple logs only this) */
        FACT_STARTED, FACT_FAILED, FACT_STOPPING, FACT_STOPPED,
        FACT_EXITED,            /* main process exited: exec_code, exec_status */
        FACT_RESTART_SCHEDULED, FACT_SKIPPED,
} JournalFactType;
typedef struct JournalFact {
        JournalFactType type;
        const char *unit;
        Id128 invocation, boot;
        Instant time;           /* boottime 0 when of another boot */
        UnitResult result;      /* FAILED */
        JobResult job_result;
        int exec_code, exec_status;
        uint32_t n_restarts;
} JournalFact;
int supervisor_journal(Supervisor *s, Instant now, const JournalFact *f);
/* True while an invocation may be missing (the signals skipped one): the caller looks at the journal at once. */
bool supervisor_wants_journal(const Supervisor *s);

typedef enum HostState { HOST_UNKNOWN, HOST_STARTING, HOST_RUNNING, HOST_RELOADING, HOST_STOPPING, HOST_DISCONNECTED } HostState;
DECLARE_STRING_TABLE(host_state, HostState);
/* No automatic action while RELOADING, STOPPING or DISCONNECTED; after those it re-judges what it missed. */
int supervisor_host(Supervisor *s, Instant now, HostState state);

/* Time passes: call when supervisor_next() is due (calling earlier is harmless). */
int supervisor_tick(Supervisor *s, Instant now);
usec_t supervisor_next(const Supervisor *s);    /* boottime of the next deadline, USEC_INFINITY = none */

/* ---- commands: people and clients, already authorised ---- */
typedef struct Command {
        Verb verb;              /* START STOP RESTART RELOAD RESET_FAILED, MAINTENANCE */
        const char *unit;
        const char *by;         /* "alice", "uid 1000", "engine" */
        const char *via;        /* "dbus", "rest", "nats" */
        uint64_t cause_seq;     /* the user.request event */
        Id128 correlation;
        bool ignore_dependencies;
        bool maintenance_on;    /* MAINTENANCE */
        usec_t maintenance_for; /* span; USEC_INFINITY = until switched off */
} Command;
/* Plans the action. A refusal is no error of the call: ret_refusal gets the reason (a sentence, to be freed), an
 * action.refused event is made, and -EPERM (not granted, protected), -EBUSY (an action is under way), -ENOENT (no such
 * service), -EHOSTDOWN (a dependency cannot be met), -ESHUTDOWN (host stopping), -ENOTCONN is returned. START first
 * starts what it depends on, in order, each awaited until it is up. */
int supervisor_command(Supervisor *s, Instant now, const Command *c, Id128 *ret_action, char **ret_refusal);

/* systemd's answer to EFFECT_JOB: job_id, or error (negative errno) with its text. The end of the job comes by
 * supervisor_job_removed(), or is made up by the caller with JOB_TIMEOUT after its own time limit. RESET_FAILED has no job:
 * job_id 0 and no error means done. */
int supervisor_job_replied(Supervisor *s, Instant now, Id128 action, uint32_t job_id, int error, const char *error_text);

typedef enum ActionState { ACTION_RUNNING, ACTION_DONE, ACTION_FAILED, ACTION_CANCELLED } ActionState;
DECLARE_STRING_TABLE(action_state, ActionState);
struct Action {
        Id128 id;
        Verb verb;
        char *unit;
        char *by, *via, *reason;
        bool automatic;
        ActionState state;
        uint32_t job_id;
        JobResult job_result;
        int error;
        char *error_text;       /* a sentence */
        char *progress;         /* "starting postgresql.service first" */
        Instant created, finished;
        uint64_t requested_seq, finished_seq; /* 0 until the event has its place in the log (at most 1 s later) */
};
/* Running actions and the last 256 finished ones; NULL if unknown. */
const Action *supervisor_action(const Supervisor *s, Id128 id);
/* In order of creation. *state starts as NULL. */
bool supervisor_next_action(const Supervisor *s, void **state, const Action **ret);

/* ---- durable state ---- */
/* Gives back what EFFECT_STATE stored, before the first declaration. Tokens of another boot are aged by realtime and never
 * younger than now. Unknown fields are ignored; broken json is reported with -EBADMSG and starts fresh. */
int supervisor_restore(Supervisor *s, Instant now, const char *key, const char *json);

/* ---- reading ---- */
const Service *supervisor_get(const Supervisor *s, const char *unit);
/* By unit name, service name, "NAME" without .service, or service id (UUID text): -ENOENT; -ENOTUNIQ for a name two share. */
int supervisor_find(const Supervisor *s, const char *name, const Service **ret);
size_t supervisor_count(const Supervisor *s);
const HashMap *supervisor_services(const Supervisor *s);        /* unit → Service */
HostState supervisor_host_state(const Supervisor *s);
const BudgetState *supervisor_host_budget(const Supervisor *s);

/* Dependency graph: DependsOn= merged with systemd's Requires, BindsTo, Requisite, Wants+After, Upholds among the declared
 * services. */
typedef enum EdgeKind { EDGE_DEPENDS_ON, EDGE_REQUIRES, EDGE_BINDS_TO, EDGE_WANTS, EDGE_PART_OF, EDGE_UPHOLDS } EdgeKind;
DECLARE_STRING_TABLE(edge_kind, EdgeKind);
typedef struct Edge {
        const char *from, *to;  /* from needs to */
        EdgeKind kind;
        bool missing;           /* `to` is not known to systemd */
} Edge;
/* Edges of one unit (needs and needed by), or of all with unit NULL. *ret is an array to be freed; strings are borrowed. */
int supervisor_edges(const Supervisor *s, const char *unit, Edge **ret, size_t *ret_n);
/* Sentences about cycles and missing dependencies. */
int supervisor_graph_problems(const Supervisor *s, char ***ret);
