/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of core/ share; nobody else includes it.
 *
 * Every public function is bracketed by supervisor_enter(), which notes the time, and supervisor_leave(), which lets the
 * waiting ones look again, stores what became dirty and returns the first error. Inside, lack of memory is latched in
 * s->error, so that the decisions read as decisions. */

#include "core/budget.h"
#include "core/supervisor.h"

enum {
        INVOCATIONS_MAX = 64, /* remembered for each service */
        INVOCATIONS_STORED = 32, /* of them in the durable state */
        HELD_MAX = 32, /* events of one service that wait for the journal */
        ACTIONS_KEPT = 256, /* finished actions */
        JOBS_KEPT = 512, /* records of jobs that ended */
        REMOVED_MAX = 256, /* ids of jobs that ended lately */
        DENIALS_MAX = 3, /* times that polkit may say no before a person is called */
        STEPS_MAX = 256, /* units that one START may touch */
        TRANSACTION_JOBS = 8, /* that many jobs at once that nobody explains are a transaction */
};

#define HOLD_TIME USEC_PER_SEC /* events wait at most so long for the journal */
#define SYSTEMD_GRACE \
        (250 * USEC_PER_MSEC) /* "failed" of a unit with Restart= may be about to turn into auto-restart */
#define CANCEL_GRACE (250 * USEC_PER_MSEC) /* a cancelled job is followed by the one that replaced it */
#define REFUSAL_GRACE USEC_PER_SEC /* a refused start is not tried again earlier */
#define VICTIM_TIME USEC_PER_SEC /* BindsTo= stops its dependents in the same turn of PID 1's loop */
#define SAME_BREATH (100 * USEC_PER_MSEC) /* the same, when it must not be anything else */
#define SAME_TRANSACTION USEC_PER_SEC /* jobs of one transaction are announced together */
#define CLOCK_STEP USEC_PER_SEC

/* A held event has no place in the log yet: it carries a provisional number, which is replaced everywhere on release. */
#define SEQ_PROVISIONAL (UINT64_C(1) << 63)
static inline bool seq_is_provisional(uint64_t seq) {
        return (seq & SEQ_PROVISIONAL) != 0;
}

/* As others may see it: 0 until it has its place. */
static inline uint64_t seq_public(uint64_t seq) {
        return seq_is_provisional(seq) ? 0 : seq;
}

typedef struct Invocation {
        Id128 id;
        uint64_t seq; /* service.starting */
        uint64_t started_seq; /* service.started */
        bool started, ended;
        bool failed; /* the end was a failure */
        bool stopping; /* the journal told of a wanted stop */
        bool told; /* the journal told of the end of this one, the current one, before the signals did; then: */
        bool told_failed;
        UnitResult told_result;
        Instant told_at;
        int exec_code, exec_status;
} Invocation;

typedef struct ActionStep {
        char *unit;
        Verb verb;
} ActionStep;

typedef struct ActionFull {
        Action a; /* first, so that an Action * is one */
        uint64_t requested_seq, finished_seq; /* may be provisional, unlike those in a */
        ActionStep *steps;
        size_t n_steps, step;
        bool asked, replied; /* of the present step: EFFECT_JOB is out; its answer came */
        Id128 correlation;
        Id128 invocation_before; /* of the step's unit */
        uint32_t early_job; /* a job that ended before the answer came, 0 = none */
        JobResult early_result;
        Service *service; /* of the present step */
} ActionFull;

typedef struct JobRecord {
        uint32_t id;
        usec_t created, removed; /* boottime */
        bool pending;
        bool ours;
        bool no_victim; /* replaced a stop of a victim */
        bool victim; /* stops a unit because what it is bound to had failed */
        char *victim_of;
} JobRecord;

typedef struct ServicePriv {
        Invocation *invocations; /* oldest first */
        size_t n_invocations;
        Id128 current; /* the invocation last seen in a snapshot */
        uint32_t n_restarts; /* at that time */

        uint32_t job; /* foreign job that is pending, 0 = none */
        Id128 job_invocation; /* the invocation when it came */
        bool job_condition_failed; /* condition_failed when it came */

        bool judged; /* the present "down" was judged */
        bool up; /* it was up when last judged: goes into the durable state */
        UnitActive judged_active;
        UnitResult judged_result;
        bool owed; /* failed and not asked to be down: we owe a recovery */
        bool operator_stopped;
        bool gave_up; /* systemd's own Restart= will not come any more */
        bool victim; /* down because another failed */
        char *victim_of;
        char *refused; /* systemd or polkit refused: a person is needed */
        char *displaced_by; /* a conflicting unit was started after this one failed */
        bool host_wait_told;
        uint64_t wait_seq; /* the newest recovery.* event: cause of the next */
        uint64_t failure_seq; /* may be provisional, unlike that of the Service */
        uint64_t end_seq; /* service.failed or .stopped of the last end */
        Instant failed_at; /* the last failure */
        Instant down_since; /* when the owed recovery began */
        uint32_t tries; /* of the present failure: for service.recovered */
        enum { FOUND_NOT, FOUND_FIRST, FOUND_KNOWN } found; /* down when looked at, a job keeps it from being judged */
        usec_t judge_at; /* boottime: judge a doubtful end then; infinity = none */
        bool judge_as_failure;
        usec_t maintenance_due; /* boottime; infinity = none */
        Id128 lost_action; /* an action that was under way when synd ended */
        uint64_t lost_action_seq;

        bool holding;
        Id128 hold_invocation;
        usec_t hold_until;
        size_t n_held;

        ActionFull *action; /* running, this unit is its target or its present step */
        unsigned denials; /* by polkit, one after the other */
        bool stale; /* the connection was lost: the state was not read again yet */
        bool wants_journal; /* counted in n_wants_journal */
        bool own_reset; /* "failed" turning into "inactive" is our own ResetFailedUnit */
        bool start_limited; /* our last start made no invocation: the unit's start limit counts our starts, too */
        usec_t not_before; /* boottime: no act earlier, somebody's job may be about to appear */
        bool restored; /* from the state of this boot */
        uint64_t mark, reach_mark; /* graph walks */
        bool dirty_state, dirty_changed, listed;
} ServicePriv;

static inline ServicePriv *priv(const Service *svc) {
        return svc->priv;
}

/* The running action whose present step acts on this unit. */
static inline ActionFull *action_on(const Service *svc) {
        ActionFull *a = priv(svc)->action;

        return a && a->asked && a->service == svc ? a : NULL;
}

static inline bool job_is_pending(const Service *svc) {
        return priv(svc)->job != 0 || action_on(svc);
}

typedef struct HeldEvent {
        Event event;
        Service *service;
} HeldEvent;

struct Supervisor {
        SupervisorConfig config;
        SeqAlloc *seq;
        Prng prng;
        UuidGen uuids;
        Instant now;
        int error;

        HashMap *services; /* unit → Service */
        HashMap *jobs; /* unit → JobRecord */
        HashMap *restored; /* unit → Json, not yet declared */
        uint32_t removed[REMOVED_MAX];
        size_t n_removed;

        HostState host;
        BudgetState host_budget;
        bool host_dirty;

        Effect *effects;
        size_t effects_head, n_effects, effects_allocated;
        HeldEvent *held;
        size_t n_held, held_allocated;
        uint64_t provisional;
        bool held_overflow;

        ActionFull **actions;
        size_t n_actions, actions_allocated;

        Service **dirty;
        size_t n_dirty, dirty_allocated;
        size_t n_wants_journal;
        bool recheck; /* the state of some service changed: who waits for another looks again */

        usec_t next;
        bool next_valid;
        bool from_other_boot; /* what was restored is of another boot */
        Id128 journal_boot; /* of the last fact */
        bool journal_starting, journal_stopping; /* that boot was not up yet; it was going down */
        usec_t clock_offset; /* realtime - boottime, modulo 2^64 */
        bool clock_known;
        usec_t graph_at;
        char **graph_known;
        uint64_t mark;
};

/* supervisor.c */
void supervisor_enter(Supervisor *s, Instant now);
int supervisor_leave(Supervisor *s);
void latch(Supervisor *s, int r);
void set_string(Supervisor *s, char **p, const char *value);
void set_stringf(Supervisor *s, char **p, const char *format, ...) _printf_(3, 4);
Service *find_service(const Supervisor *s, const char *unit);
void note(Supervisor *s, Service *svc); /* its deadlines may have changed */
void touch_state(Supervisor *s, Service *svc); /* store it at the end of this call */
void touch(Supervisor *s, Service *svc); /* tell the bus (and store) */
void lost_action_judge(Supervisor *s, Service *svc); /* judge.c */
void set_status(Supervisor *s, Service *svc, ServiceStatus status);
bool host_allows_action(const Supervisor *s);
typedef enum UnitClass {
        CLASS_UNKNOWN,
        CLASS_UP,
        CLASS_STARTING,
        CLASS_STOPPING,
        CLASS_DOWN,
        CLASS_AUTO_RESTART
} UnitClass;
UnitClass unit_class(const UnitSnapshot *u);
/* Since when it is in this class, realtime; 0 = systemd does not say. */
usec_t unit_class_since(const UnitSnapshot *u);

/* effect.c */
Effect *effect_push(Supervisor *s, EffectType type);
void effects_forget_service(Supervisor *s, const Service *svc);
typedef enum EmitFlags { EMIT_LIVE = 0, EMIT_BACKFILLED = 1 << 0, EMIT_DIRECT = 1 << 1 } EmitFlags;
/* DIRECT: passes by what is held. The event is valid until the next call into effect.c; NULL for lack of memory (the setters below accept it). */
Event *emit(Supervisor *s, Service *svc, const char *type, uint64_t cause, int priority, EmitFlags flags);
uint64_t event_seq(const Event *e);
void event_string(Supervisor *s, Event *e, const char *key, const char *value);
void event_uint(Supervisor *s, Event *e, const char *key, uint64_t value);
void event_int(Supervisor *s, Event *e, const char *key, int64_t value);
void event_bool(Supervisor *s, Event *e, const char *key, bool value);
void event_uuid(Supervisor *s, Event *e, const char *key, Id128 id);
void event_invocation(Supervisor *s, Event *e, Id128 id);
void hold_begin(Supervisor *s, Service *svc, Id128 invocation);
void hold_end(Supervisor *s, Service *svc);
void hold_limit(Supervisor *s);
void hold_flush(Supervisor *s, Service *svc);
void held_done(Supervisor *s);

/* invocation.c */
/* A point in realtime as an instant of this boot, never in the future; 0 = now. */
Instant instant_of(const Supervisor *s, usec_t realtime);
Invocation *invocation_find(const Service *svc, Id128 id);
Invocation *invocation_add(Supervisor *s, Service *svc, Id128 id);
Invocation *invocation_current(const Service *svc);
/* Logs service.starting when the snapshot shows a new invocation. */
void invocation_track(Supervisor *s, Service *svc, const UnitSnapshot *old, bool was_seen, bool initial);
void invocation_started(Supervisor *s, Service *svc);
/* service.failed or service.stopped of the current invocation; returns its seq. */
uint64_t invocation_failed(Supervisor *s, Service *svc, const char *result);
uint64_t invocation_stopped(Supervisor *s, Service *svc, Intent intent, const char *by, bool intended, uint64_t cause);

/* intent.c */
JobRecord *job_record(const Supervisor *s, const char *unit);
void job_record_new(Supervisor *s, const char *unit, uint32_t id);
void job_record_removed(Supervisor *s, const char *unit, uint32_t id);
bool job_was_removed(const Supervisor *s, uint32_t id);
/* A unit that svc must not run together with and about which holds, other than svc; NULL = none. PID 1 knows of ConflictedBy=
 * only while the other one is loaded, so what the others say counts as well. */
const char *find_rival(const Supervisor *s, const Service *svc,
                       bool (*holds)(const Supervisor *s, const char *rival, const Service *svc));
void jobs_forget_all(Supervisor *s);
void *job_record_free(void *p);
/* A foreign job on the service: who may be behind it? Called when it appears. */
void foreign_job_seen(Supervisor *s, Service *svc, uint32_t id, bool initial);
/* Stop: fills intent and by (borrowed). */
Intent stop_intent_of(Supervisor *s, Service *svc, const char **ret_by);
Intent start_intent_of(Supervisor *s, Service *svc, const UnitSnapshot *old, bool initial, const char **ret_by,
                       uint64_t *ret_cause);
/* The failed unit that this service is a victim of, by its last job; NULL = none. */
const char *victim_root(Supervisor *s, Service *svc);

/* judge.c */
void service_observe(Supervisor *s, Service *svc, const UnitSnapshot *u, bool initial);
void service_judge(Supervisor *s, Service *svc, bool initial);
void service_failed(Supervisor *s, Service *svc, const char *result);
void service_asked_down(Supervisor *s, Service *svc, Intent intent, const char *by);
void service_dependency_failed(Supervisor *s, Service *svc);
void service_job_ended(Supervisor *s, Service *svc, JobResult result);
void service_tick(Supervisor *s, Service *svc);
usec_t service_next(const Supervisor *s, const Service *svc);
void service_set_maintenance(Supervisor *s, Service *svc, bool on, usec_t span, const char *by, uint64_t cause);

/* recovery.c */
void set_phase(Supervisor *s, Service *svc, RecoveryPhase phase, usec_t due, const char *format, ...) _printf_(5, 6);
/* From now on the service is owed a recovery; cause is the event of its end. */
void recovery_owe(Supervisor *s, Service *svc, uint64_t cause);
void recovery_plan(Supervisor *s, Service *svc);
void recovery_fire(Supervisor *s, Service *svc);
void recovery_cancel(Supervisor *s, Service *svc, const char *reason);
void recovery_up(Supervisor *s, Service *svc);
void recovery_tick(Supervisor *s, Service *svc);

/* graph.c */
/* What keeps the service from being started: a unit that it needs (transitively) and that is down. NULL = nothing. The
 * sentence is for people. */
Service *graph_blocker(Supervisor *s, Service *svc, char **ret_sentence);
/* The units to start, in order, for svc (last). -EHOSTDOWN with a sentence. */
int graph_start_order(Supervisor *s, Service *svc, Service ***ret, size_t *ret_n, char **ret_refusal);
void graph_changed(Supervisor *s);
void graph_tick(Supervisor *s);

/* action.c */
/* Makes the action and its action.requested event. */
ActionFull *action_new(Supervisor *s, Service *svc, Verb verb, bool automatic, const char *by, const char *via,
                       const char *reason, uint64_t cause, Id128 correlation);
void action_add_step(Supervisor *s, ActionFull *a, const char *unit, Verb verb);
void action_run(Supervisor *s, ActionFull *a);
void action_finish(Supervisor *s, ActionFull *a, ActionState state, int error, const char *format, ...) _printf_(5, 6);
ActionFull *action_of_job(const Supervisor *s, const char *unit, uint32_t job_id);
void action_job_ended(Supervisor *s, ActionFull *a, JobResult result);
/* Its job cannot be seen any more (lost connection): judges by the state of the unit. */
void action_resolve_lost(Supervisor *s, Service *svc);
ActionFull *action_full_free(ActionFull *a);

/* restore.c */
void state_store(Supervisor *s, Service *svc);
void state_store_host(Supervisor *s);
void state_apply(Supervisor *s, Service *svc);

Service *service_runtime_free(Service *svc);
