/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the parts of the systemd client share: systemd-client.c (connection, manager), unit-watch.c, unit-job.c. */

#include "basic/hash.h"
#include "host/systemd-client.h"
#include "host/unit-properties.h"
#include <sys/queue.h>

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_UNIT_PREFIX SYSTEMD_PATH "/unit"

/* dbus-daemon refuses more than about 128 outstanding replies on one connection. */
#define READS_MAX 100U
#define CALLS_MAX 20U
#define CALL_TIMEOUT_USEC (25 * USEC_PER_SEC)
/* The most properties that one stage of reading a unit asks for. */
#define UNIT_READS_MAX 13U
/* Names in one ListUnitsByNames. */
#define BATCH_MAX 500U
/* A unit whose state cannot be read is given up, as unknown, after so many attempts. */
#define READ_ATTEMPTS_MAX 3U

typedef enum ClientPhase {
        CLIENT_NO_BUS, /* waiting for systemd_client_set_bus */
        CLIENT_NO_SYSTEMD, /* waiting for the owner of org.freedesktop.systemd1 */
        CLIENT_SUBSCRIBING, /* subscribed and reading; the handler was not told yet */
        CLIENT_CONNECTED,
} ClientPhase;

typedef struct WatchedUnit WatchedUnit;

typedef struct UnitRead { /* one outstanding Get */
        WatchedUnit *unit;
        const char *property;
        UnitInterface interface;
        sd_bus_slot *slot;
} UnitRead;

typedef enum ReadStage {
        READ_NONE,
        READ_STATE, /* load, active and sub state, job: by Get, or for many units at once by ListUnitsByNames */
        READ_DETAILS, /* what that state makes interesting */
        READ_RELATIONS, /* of a running unit only after its state was told */
} ReadStage;

struct WatchedUnit {
        unsigned n_ref;
        SystemdClient *client; /* NULL once it is no longer watched */
        char *name, *path;
        char *id_path; /* path of the unit that the name is an alias of, if it is one */
        UnitRaw raw;
        UnitSnapshot told;
        bool service; /* has the Service interface */
        bool known; /* the handler was told since the connection */
        bool stale; /* announced anew while at rest: to be read when it begins to move */

        /* unit-read.c */
        ReadStage stage;
        bool queued; /* the stage waits for room in the window */
        bool batched; /* its state comes with a batch */
        bool initial; /* the read under way is to be told as initial */
        bool state_told; /* by the read under way */
        bool again, again_initial; /* read once more after it */
        bool failed; /* one of the replies was an error */
        unsigned attempts;
        UnitRelations relations; /* what has been read of them */
        UnitRead reads[UNIT_READS_MAX];
        size_t n_reads, n_outstanding;
        TAILQ_ENTRY(WatchedUnit) queue;
};

typedef enum CallStep { CALL_QUEUED, CALL_LOADING, CALL_RESETTING, CALL_SENT, CALL_DONE } CallStep;

struct UnitCall {
        SystemdClient *client; /* NULL when done or the client is gone */
        char *unit, *mode;
        Verb verb;
        bool load_first, reset_failed_first;
        bool lost; /* its connection is gone */
        CallStep step;
        sd_bus_slot *slot;
        sd_event_source *defer; /* tells an error that was known at once */
        int error;
        unit_call_t callback;
        void *userdata;
        TAILQ_ENTRY(UnitCall) queue;
};

/* One ListUnitsByNames. */
typedef struct UnitBatch {
        SystemdClient *client;
        char **names;
        sd_bus_slot *slot;
        TAILQ_ENTRY(UnitBatch) list;
} UnitBatch;

typedef struct ConflictRead ConflictRead;

TAILQ_HEAD(ConflictReadList, ConflictRead);
TAILQ_HEAD(UnitQueue, WatchedUnit);
TAILQ_HEAD(BatchList, UnitBatch);
TAILQ_HEAD(CallQueue, UnitCall);

struct SystemdClient {
        sd_event *event;
        const SystemdHandler *handler;
        void *userdata;

        sd_bus *bus;
        char *owner; /* unique name of PID 1 on this bus; signals of others are forged */
        ClientPhase phase;
        bool subscribed, state_read; /* replies to these have come */
        bool reloading, reload_lost;
        HostState state;
        unsigned version;
        sd_bus_slot *matches[5]; /* as long as the bus */
        size_t n_matches;
        sd_bus_slot *owner_slot, *subscribe_slot, *version_slot, *state_slot;
        sd_event_source *check; /* client_check_connected() from the loop */
        sd_event_source *retry; /* asks again after an unexpected error */

        HashMap *units; /* name → WatchedUnit, one reference */
        HashMap *paths; /* object path → WatchedUnit, borrowed */
        size_t n_unknown;
        struct UnitQueue queue; /* waiting to be read, one reference each */
        struct UnitQueue relations; /* the same, once nothing is in the other queue */
        struct BatchList batches;
        size_t n_queued;

        struct ConflictReadList conflicts;
        size_t n_conflicts;

        struct CallQueue calls; /* all that are not done, in order */
        size_t n_calls; /* of these, sent */

        SystemdClientStats stats;
};

/* True if PID 1 itself sent it. */
bool client_is_from_systemd(const SystemdClient *c, sd_bus_message *m);
/* Tells the handler that all is known, when it is. */
void client_check_connected(SystemdClient *c);

/* unit-watch.c */
WatchedUnit *watched_unit_ref(WatchedUnit *u);
WatchedUnit *watched_unit_unref(WatchedUnit *u);
DEFINE_CLEANUP(WatchedUnit *, watched_unit_unref);
int unit_watch_init(SystemdClient *c);
int unit_watch_on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *error);
void unit_watch_on_new(SystemdClient *c, const char *unit);
void unit_watch_on_removed(SystemdClient *c, const char *unit);
void unit_watch_on_job_new(SystemdClient *c, const char *unit);
/* A read came to its end: the state (told if it is initial or differs), the relations (given away). */
void unit_watch_tell_read(WatchedUnit *u, bool initial);
void unit_watch_tell_relations(WatchedUnit *u);
/* id is the unit that the name leads to. */
void unit_watch_set_id(WatchedUnit *u, const char *id);
/* Nothing is known any more: the connection was lost. */
void unit_watch_reset(SystemdClient *c);
void unit_watch_done(SystemdClient *c);
bool unit_watch_is_loaded(const SystemdClient *c, const char *unit);

/* unit-read.c */
/* Reads one unit; while it is being read: once more afterwards. */
void unit_read_queue(WatchedUnit *u, bool initial);
/* Reads all, and all at once: at the beginning of a connection. After an error the connection is to be begun anew. */
int unit_read_batch(SystemdClient *c);
/* Reads all, one by one. */
void unit_read_all(SystemdClient *c);
/* Sends what the window allows. */
void unit_read_pump(SystemdClient *c);
void unit_read_cancel(SystemdClient *c, WatchedUnit *u);
void unit_read_cancel_batches(SystemdClient *c);

/* unit-conflicts.c */
void conflict_reads_cancel(SystemdClient *c);

/* unit-job.c */
void unit_call_pump(SystemdClient *c);
/* Every call ends with an error. */
void unit_call_fail_all(SystemdClient *c);
void unit_call_detach_all(SystemdClient *c);
