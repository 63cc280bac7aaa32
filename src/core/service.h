/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A supervised service: its declaration ([X-Synos] and run-time registration, merged) and its state. Others read these
 * structs; only core/ writes them. */

#include "core/event.h"
#include "core/unit.h"

typedef enum ServiceStatus {
        SERVICE_UNKNOWN, SERVICE_STARTING, SERVICE_RUNNING, SERVICE_STOPPING, SERVICE_STOPPED, SERVICE_FAILED, SERVICE_DEGRADED,
} ServiceStatus;
DECLARE_STRING_TABLE(service_status, ServiceStatus);

/* Who caused a start or a stop. */
typedef enum Intent {
        INTENT_NONE,            /* nobody asked for it: for a stop this is a failure or an exit by itself */
        INTENT_OPERATOR,        /* a job nobody else explains: systemctl, a script, dpkg */
        INTENT_SYSTEMD_RESTART, /* the unit's own Restart= */
        INTENT_DEPENDENCY,      /* PartOf=, BindsTo=, Requires=, Wants=, Upholds= of another unit's job */
        INTENT_CONFLICT,        /* Conflicts= with a unit that is being started */
        INTENT_TRANSACTION,     /* isolate and other large transactions */
        INTENT_TRIGGER,         /* socket, timer, path */
        INTENT_SYND,            /* our own recovery */
        INTENT_COMMAND,         /* a person or client through synd */
        INTENT_SHUTDOWN,
        INTENT_BOOT,
} Intent;
DECLARE_STRING_TABLE(intent, Intent);

typedef struct Budget {         /* RecoveryBudget=5/10min */
        uint32_t limit;         /* 0 = never act */
        usec_t window;
} Budget;

/* conf_parser_t's, shared by [X-Synos] and synd.conf. */
int conf_parse_budget(const char *value, void *data);   /* Budget: "5/10min", "0" */
int conf_parse_backoff(const char *value, void *data);  /* usec_t[2]: "500ms..1min", "1s" (no growth), "0" */
int conf_parse_jitter(const char *value, void *data);   /* double 0..0.5: "0.2", "20%" */

typedef struct ConfigField {    /* one assignment that is in force, for synctl cat */
        char *key, *value;
        char *file;             /* path, "(runtime)" or "(default)" */
        unsigned line;
} ConfigField;

typedef struct ConfigProblem {
        char *file;
        unsigned line;
        char *reason;
} ConfigProblem;

typedef struct RecoverySettings {
        Budget budget;                          /* RecoveryBudget=, default 5/10min */
        usec_t backoff_base, backoff_max;       /* RecoveryBackoff=500ms..1min; 0 = at once */
        double jitter;                          /* share of the delay that is random: 0.2 = ±20 % */
        usec_t reset_after;                     /* RecoveryReset=10min: stable so long → base delay, burst budget mode again */
        usec_t slow_retry;                      /* RecoverySlowRetry=5min: interval once the budget is spent; infinity = give up */
        bool enabled;                           /* Recovery= contains restart (default); Recovery=none switches it off */
} RecoverySettings;

typedef struct ServiceConfig {
        char *unit;                     /* canonical unit name */
        char *name;                     /* Name=, default: unit without .service */
        char *type;                     /* Type=, default "infrastructure" */
        char *version, *description;
        char **depends_on;              /* DependsOn=, unit names */
        char **labels;                  /* Label=key=value … */
        RecoverySettings recovery;
        RecoverySettings defaults;      /* what an empty assignment goes back to */
        bool granted;                   /* root-owned files of the unit say Supervise=yes, and it is not protected */
        bool protected_;                /* Protected=yes, or on a protected list: only observed */
        bool runtime;                   /* (also) registered at run time */
        ConfigField *fields;
        size_t n_fields;
        ConfigProblem *problems;
        size_t n_problems;
} ServiceConfig;

/* Defaults come from synd.conf ([Recovery]). */
int service_config_new(const char *unit, const RecoverySettings *defaults, ServiceConfig **ret);
ServiceConfig *service_config_free(ServiceConfig *c);
DEFINE_CLEANUP(ServiceConfig *, service_config_free);
/* Applies one assignment of [X-Synos] (an empty value resets a list or goes back to the default). A bad value or an
 * unknown key becomes a ConfigProblem and changes nothing: returns 0 then; negative only for -ENOMEM. Keys of section 3
 * of the design that belong to later layers (Probe=, JournalRule=, Attention=, …) are kept in fields as they are. */
int service_config_apply(ServiceConfig *c, const char *key, const char *value, const char *file, unsigned line);
int service_config_add_problem(ServiceConfig *c, const char *file, unsigned line, const char *format, ...) _printf_(4, 5);
/* Keys that may be set at run time (they do not widen synd's power): "Name", "Type", "DependsOn", "RecoveryBudget", … */
bool service_config_key_is_runtime(const char *key) _pure_;

typedef enum RecoveryPhase {
        RECOVERY_IDLE,
        RECOVERY_BACKOFF,               /* a restart is due at `due` */
        RECOVERY_SLOW,                  /* budget spent, the next slow try is due at `due` */
        RECOVERY_ACTING,                /* our job is under way */
        RECOVERY_SETTLING,              /* up again, not yet stable for reset_after */
        RECOVERY_WAIT_SYSTEMD,          /* the unit's own Restart= owns it */
        RECOVERY_WAIT_DEPENDENCY,       /* the root is elsewhere */
        RECOVERY_WAIT_PERSON,           /* maintenance, no grant, protected, recovery off, condition failed, slow_retry=infinity */
} RecoveryPhase;
DECLARE_STRING_TABLE(recovery_phase, RecoveryPhase);

/* Tokens of a budget: the times of the actions that still count. The array never passes the limit. */
typedef struct BudgetState {
        Instant *used;
        size_t n_used;
} BudgetState;

typedef struct Service {
        Id128 id;                       /* from host id and unit name */
        ServiceConfig *config;
        UnitRelations relations;
        UnitSnapshot unit;
        bool seen;                      /* a snapshot has arrived */

        ServiceStatus status;
        Instant status_since;
        double health_score;            /* 1 running, 0 failed, 0.5 starting; -1 = nothing to say (stopped, unknown) */
        Intent start_intent, stop_intent;
        char *stop_by;                  /* unit or person behind the last stop, or NULL */
        char *last_error;               /* one sentence, or NULL */
        Instant last_error_at;
        uint64_t restarts;              /* recoveries by synd since the service was added */
        uint64_t errors;

        RecoveryPhase phase;
        char *phase_detail;             /* one sentence for people: what it waits for */
        uint32_t attempt;               /* of the present failure, for the backoff */
        bool slow;                      /* the budget was spent and the service was not stable since */
        usec_t due;                     /* boottime; USEC_INFINITY = nothing planned */
        BudgetState budget;

        bool maintenance;
        usec_t maintenance_until;       /* realtime; USEC_INFINITY = until switched off */
        char *maintenance_by;

        uint64_t last_event_seq;        /* newest event of this service */
        uint64_t failure_seq;           /* the service.failed the recovery answers to; 0 = none */
        void *priv;                     /* core/ only */
} Service;

/* One line for people, e.g. "main process killed by SIGKILL"; NULL text for success. */
int unit_failure_sentence(const UnitSnapshot *u, char **ret);
