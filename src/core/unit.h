/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What systemd says of a unit, as values. Words that a newer systemd may add become *_UNKNOWN and are treated with
 * care (no action is taken on a state that is not understood). Sources: systemctl(1), org.freedesktop.systemd1(5). */

#include "basic/id.h"
#include "basic/string.h"

typedef enum UnitLoad {
        UNIT_LOAD_UNKNOWN, UNIT_STUB, UNIT_LOADED, UNIT_NOT_FOUND, UNIT_BAD_SETTING, UNIT_ERROR, UNIT_MERGED, UNIT_MASKED,
} UnitLoad;
DECLARE_STRING_TABLE(unit_load, UnitLoad);

typedef enum UnitActive {
        UNIT_ACTIVE_UNKNOWN, UNIT_ACTIVE, UNIT_RELOADING, UNIT_INACTIVE, UNIT_FAILED, UNIT_ACTIVATING, UNIT_DEACTIVATING,
        UNIT_IN_MAINTENANCE, UNIT_REFRESHING,
} UnitActive;
DECLARE_STRING_TABLE(unit_active, UnitActive);

/* Service.Result */
typedef enum UnitResult {
        RESULT_UNKNOWN, RESULT_SUCCESS, RESULT_RESOURCES, RESULT_PROTOCOL, RESULT_TIMEOUT, RESULT_EXIT_CODE, RESULT_SIGNAL,
        RESULT_CORE_DUMP, RESULT_WATCHDOG, RESULT_START_LIMIT_HIT, RESULT_OOM_KILL, RESULT_EXEC_CONDITION,
} UnitResult;
DECLARE_STRING_TABLE(unit_result, UnitResult);

typedef enum JobResult {
        JOB_RESULT_UNKNOWN, JOB_DONE, JOB_CANCELED, JOB_TIMEOUT, JOB_FAILED, JOB_DEPENDENCY, JOB_SKIPPED, JOB_INVALID,
        JOB_ASSERT, JOB_UNSUPPORTED, JOB_COLLECTED, JOB_ONCE, JOB_FROZEN, JOB_CONCURRENCY,
} JobResult;
DECLARE_STRING_TABLE(job_result, JobResult);
/* Negative errno for a result (0 for done), and one sentence for people ("a dependency failed", …). */
int job_result_to_errno(JobResult r);
const char *job_result_sentence(JobResult r);

/* What is asked of a unit: by people, by the engine, by us. */
typedef enum Verb {
        VERB_START, VERB_STOP, VERB_RESTART, VERB_RELOAD, VERB_RESET_FAILED, VERB_CHECK, VERB_MAINTENANCE, VERB_REWEIGHT,
        VERB_CONFIGURE,
        _VERB_MAX,
} Verb;
DECLARE_STRING_TABLE(verb, Verb);

/* The state of one unit as last signalled. Spans of time are not kept, only points; 0 = never. */
typedef struct UnitSnapshot {
        UnitLoad load;
        UnitActive active;
        char sub[32];                   /* SubState, truncated */
        UnitResult result;
        Id128 invocation;
        uint32_t job_id;                /* Unit.Job: 0 = no job pending */
        uint32_t main_pid;
        int32_t exec_code;              /* ExecMainCode: CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 = none */
        int32_t exec_status;            /* exit status or signal number */
        uint32_t n_restarts;            /* systemd's own automatic restarts; may go backwards after reset-failed */
        bool condition_failed;          /* ConditionResult=no with a ConditionTimestamp */
        bool auto_restart;              /* Restart= is not "no": systemd restarts this unit itself */
        usec_t restart_usec;            /* RestartUSec */
        usec_t state_change;            /* StateChangeTimestamp, realtime */
        usec_t active_enter, inactive_enter; /* realtime */
} UnitSnapshot;

/* systemd's own relations of a unit (names of units; NULL = none). Only services and what connects them matter. */
typedef struct UnitRelations {
        char **requires, **wants, **binds_to, **requisite, **part_of, **upholds;
        char **after;
        char **conflicts;               /* Conflicts= and ConflictedBy= together */
        char **triggered_by;            /* sockets, timers, paths that may start it at any time */
} UnitRelations;
void unit_relations_done(UnitRelations *r);
int unit_relations_copy(const UnitRelations *r, UnitRelations *ret);

/* True for a syntactically valid unit name of any type, at most 255 bytes (systemd.unit(5)). */
bool unit_name_is_valid(const char *name) _pure_;
/* "foo@bar.service" → "foo@.service"; -EINVAL when it is no instance. */
int unit_name_template(const char *name, char **ret);
/* fnmatch(3) against a pattern list, as for ProtectedUnits=. */
bool unit_name_matches(const char *name, char *const *patterns);
/* The built-in list of DESIGN 8 that no grant can open: PID 1's own, systemd-*, dbus*, polkit*, ssh*, getty*, synd*, …;
 * true for everything that is not a .service too. */
bool unit_is_protected_builtin(const char *name) _pure_;
