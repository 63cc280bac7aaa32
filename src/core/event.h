/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The event record: everything that happens is one. docs and synos-events(7) list the types and their data. */

#include "basic/id.h"
#include "basic/json.h"

/* Values of WIRE.md 3. */
enum { PRIORITY_LOW = 1, PRIORITY_NORMAL = 5, PRIORITY_HIGH = 8, PRIORITY_CRITICAL = 10 };

typedef struct Event {
        uint64_t seq;           /* position in the log, given out by SeqAlloc when the event is made */
        uint64_t cause_seq;     /* the event that led to this one; 0 = a first observation */
        Id128 id;               /* UUIDv7 */
        Id128 correlation;      /* action or request id; null if none */
        Instant time;           /* when it happened; a backfilled event carries the time in the journal */
        const char *type;       /* dotted lower case, a string literal of EVENT_* */
        const char *source;     /* literal: "systemd", "synd", "user", "engine" */
        char *unit;             /* unit name, or NULL for host-wide events */
        int priority;
        Json *data;             /* object; never NULL */
} Event;

void event_done(Event *e);
int event_copy(const Event *e, Event *ret);
/* The JSON form used by D-Bus, Follow and synctl --json:
 * {seq, cause_seq?, id, correlation_id?, time, type, source, unit?, service?, priority, data}. service_name may be NULL. */
int event_to_json(const Event *e, const char *service_name, Json **ret);

/* One counter for the whole process; the log's highest number at start. */
typedef struct SeqAlloc {
        uint64_t last;
} SeqAlloc;
static inline uint64_t seq_next(SeqAlloc *s) {
        return ++s->last;
}

/* Types made by core/. In data: "unit" always; "invocation" (32 hex) where known; "origin": "live"|"backfilled". */
#define EVENT_SERVICE_ADDED "service.added"             /* file, granted */
#define EVENT_SERVICE_REMOVED "service.removed"         /* reason */
#define EVENT_SERVICE_STARTING "service.starting"       /* exactly one for each invocation: intent, by?, n_restarts */
#define EVENT_SERVICE_STARTED "service.started"         /* active: intent, main_pid */
#define EVENT_SERVICE_STOPPED "service.stopped"         /* intent, by?, result, intended:true|false */
#define EVENT_SERVICE_FAILED "service.failed"           /* result, exec_code, exec_status, sub_state, intent */
#define EVENT_SERVICE_RECOVERED "service.recovered"     /* attempts, downtime_usec */
#define EVENT_SERVICE_MAINTENANCE "service.maintenance" /* on, until?, by */
#define EVENT_RECOVERY_SCHEDULED "recovery.scheduled"   /* attempt, delay_usec, mode: backoff|slow, budget_used, budget_limit, rule{file,line}? */
#define EVENT_RECOVERY_WAITING "recovery.waiting"       /* for: systemd-restart|dependency|maintenance|operator|host-budget|grant, detail */
#define EVENT_RECOVERY_CANCELLED "recovery.cancelled"   /* reason */
#define EVENT_RECOVERY_BUDGET_SPENT "recovery.budget-spent" /* limit, window_usec, slow_retry_usec, next */
#define EVENT_RECOVERY_STABLE "recovery.stable"         /* after_usec */
#define EVENT_ACTION_REQUESTED "action.requested"       /* action, verb, by, via?, reason */
#define EVENT_ACTION_FINISHED "action.finished"         /* action, verb, result: done|failed|…, job, job_result?, error?, duration_usec */
#define EVENT_ACTION_REFUSED "action.refused"           /* action?, verb, by, reason */
#define EVENT_GRAPH_PROBLEM "graph.problem"             /* kind: cycle|missing, detail, units */
#define EVENT_SYSTEM_STATE "system.state"               /* state: running|stopping|reloading|… */
/* Types made by manager, eventlog and api. */
#define EVENT_SYND_STARTED "synd.started"               /* version, boot, clean (the last stop was orderly) */
#define EVENT_SYND_STOPPED "synd.stopped"
#define EVENT_USER_REQUEST "user.request"               /* user, uid, verb, service_name, via */
#define EVENT_CONFIG_CHANGED "config.changed"           /* unit?, keys, problems */
#define EVENT_LOG_STALLED "log.stalled"                 /* error */
#define EVENT_LOG_RESUMED "log.resumed"                 /* stalled_usec */
#define EVENT_LOG_TRUNCATED "log.truncated"             /* count, from_seq, to_seq, reason: retention|queue */
#define EVENT_SYSTEM_CLOCK "system.clock"               /* step_usec: realtime moved against boottime */
