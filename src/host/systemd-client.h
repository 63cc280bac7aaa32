/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Asynchronous client of org.freedesktop.systemd1 on the system bus: connection (comes back by itself after a restart of
 * dbus or of PID 1), subscription, unit states, jobs. All that it tells goes through one handler, in the order of the bus.
 * Facts leaned on: a unit's pending PropertiesChanged is sent before its job's JobRemoved; JobNew or the Job property
 * comes no later than the state change that the job causes. */

#include "core/supervisor.h"
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

typedef struct SystemdClient SystemdClient;

typedef struct SystemdHandler {
        /* Connection to the bus and to PID 1: true once subscribed and every watched unit was read again (the initial
         * states were given before this call); false when it was lost. */
        void (*connected)(SystemdClient *c, bool connected, void *userdata);
        /* A watched unit changed: the whole merged state. initial: read again, not a change (start, reconnection,
         * daemon-reload). Each PropertiesChanged gives one call. */
        void (*unit)(SystemdClient *c, const char *unit, const UnitSnapshot *u, bool initial, void *userdata);
        void (*relations)(SystemdClient *c, const char *unit, const UnitRelations *r, void *userdata);
        /* Any unit of the host. */
        void (*job_new)(SystemdClient *c, const char *unit, uint32_t id, void *userdata);
        void (*job_removed)(SystemdClient *c, const char *unit, uint32_t id, JobResult result, void *userdata);
        /* The answer to systemd_client_read_conflicts(), for each watched unit in it. */
        void (*conflict)(SystemdClient *c, const char *unit, const char *with, void *userdata);
        /* A unit that is not watched was loaded (UnitNew): it may be an instance of a declared template. */
        void (*unit_new)(SystemdClient *c, const char *unit, void *userdata);
        /* daemon-reload (or reexec) began/ended. After its end the caller scans unit files again. */
        void (*reloading)(SystemdClient *c, bool active, void *userdata);
        /* Manager.SystemState changed to starting/running/degraded/stopping/…: by the StartupFinished signal, jobs of
         * shutdown targets, and right after each connected(true). STARTING, RUNNING, STOPPING (rescue and emergency mode
         * too) or UNKNOWN. */
        void (*system_state)(SystemdClient *c, HostState state, void *userdata);
} SystemdHandler;

/* bus: a connected (or connecting) asynchronous system bus connection owned by the caller, who hands in a new one with
 * systemd_client_set_bus after it broke (NULL = none). */
int systemd_client_new(sd_event *event, const SystemdHandler *handler, void *userdata, SystemdClient **ret);
SystemdClient *systemd_client_free(SystemdClient *c);
DEFINE_CLEANUP(SystemdClient *, systemd_client_free);
int systemd_client_set_bus(SystemdClient *c, sd_bus *bus);

/* Watches a unit; its state and relations are fetched (at most 100 requests outstanding, then queued) and given with
 * initial=true. Watching twice is harmless. */
int systemd_client_watch(SystemdClient *c, const char *unit);
void systemd_client_unwatch(SystemdClient *c, const char *unit);

/* Reads the state of a watched unit again; it arrives with initial=false if it differs. -ENOENT when not watched. */
int systemd_client_refresh(SystemdClient *c, const char *unit);

/* Asks which watched units a unit that is not watched, but loaded, conflicts with. -ENOTCONN, -ENOBUFS with too many such
 * questions under way (counted). */
int systemd_client_read_conflicts(SystemdClient *c, const char *unit);

/* One unit action: match is in place already (Subscribe + JobRemoved), LoadUnit when it is not loaded, the job, its reply.
 * The end comes through job_removed. cb: job_id, or a negative errno with the error text of systemd or polkit. Freeing the call
 * cancels the wait, not the job. Verbs START STOP RESTART RELOAD RESET_FAILED. mode: "fail" or "replace". time-out of the
 * reply: 25 s. */
typedef struct UnitCall UnitCall;
typedef void (*unit_call_t)(UnitCall *u, uint32_t job_id, int error, const char *error_text, void *userdata);
int systemd_client_call(SystemdClient *c, const char *unit, Verb verb, const char *mode, bool reset_failed_first,
                        unit_call_t cb, void *userdata, UnitCall **ret);
UnitCall *unit_call_free(UnitCall *u);
DEFINE_CLEANUP(UnitCall *, unit_call_free);
/* CancelJob, for a job of ours that passed its time limit. */
int systemd_client_cancel_job(SystemdClient *c, uint32_t job_id);

typedef struct SystemdClientStats {
        uint64_t signals, property_reads, calls, reconnects, conflicts_dropped;
        size_t outstanding, queued;
} SystemdClientStats;
void systemd_client_stats(const SystemdClient *c, SystemdClientStats *ret);
/* Version as in "252": 0 when not known yet. */
unsigned systemd_client_version(const SystemdClient *c);
