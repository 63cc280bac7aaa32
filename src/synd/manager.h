/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Owns everything and wires it: eyes (systemd client, unit files, journal) → supervisor → log and hands. The api/ layer reads
 * and commands it through this header and listens to it; the manager knows nothing of the api/. */

#include "core/supervisor.h"
#include "eventlog/eventlog.h"
#include "host/systemd-client.h"
#include "synd/conf.h"

typedef struct Manager Manager;

/* conf is taken over, also on error. root is "" in production. Opens the log, restores, scans the unit files and connects as
 * soon as the loop runs; says READY=1 by itself once the first states are known. */
int manager_new(sd_event *event, const char *root, SyndConf *conf, Manager **ret);
/* Flushes the log. */
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free);
/* Records the end; the caller leaves the loop then. */
void manager_stop(Manager *m);

/* ---- what others read ---- */
sd_event *manager_event(Manager *m);
const Supervisor *manager_supervisor(const Manager *m);
EventLog *manager_eventlog(Manager *m);
const SyndConf *manager_conf(const Manager *m);
const char *manager_host_name(const Manager *m);
Id128 manager_host_id(const Manager *m);
/* "starting" (until the first states are known), "running", "degraded" (log stalled, no systemd, no journal; reasons in
 * ret_reasons if given, borrowed), "stopping". */
const char *manager_state(const Manager *m, char *const **ret_reasons);
Instant manager_started(const Manager *m);
/* Loop, bus, journal, log figures and checks for Dump, doctor and later metrics. */
int manager_dump(Manager *m, Json **ret);

/* ---- listening ---- */
typedef struct ManagerListener {
        void (*event)(const Event *e, void *userdata);                  /* made now; not yet durable */
        void (*durable)(uint64_t seq, void *userdata);                  /* durable up to seq */
        void (*service_added)(const Service *s, void *userdata);
        void (*service_changed)(const Service *s, void *userdata);
        void (*service_removed)(const char *unit, void *userdata);
        void (*state_changed)(void *userdata);
        void (*action_finished)(const Action *a, void *userdata);
} ManagerListener;
/* At most 8 listeners; listener must outlive the manager or be removed. */
int manager_listen(Manager *m, const ManagerListener *listener, void *userdata);
void manager_unlisten(Manager *m, const ManagerListener *listener, void *userdata);

/* ---- commands, already authorised by the gate ---- */
typedef struct Caller {
        uint32_t uid;
        const char *user;       /* name, or NULL */
        const char *via;        /* "dbus" */
} Caller;
/* Records a user.request event, then commands the supervisor. As supervisor_command(). The end of the action is told to the
 * listeners (action_finished). */
int manager_command(Manager *m, const Caller *caller, const Command *c, Id128 *ret_action, char **ret_refusal);
/* Look at the unit again now: re-reads its state from systemd; finished when answered. */
int manager_check(Manager *m, const Caller *caller, const char *unit, char **ret_refusal);

/* Run-time registration: fields is an object of [X-Synos] keys (plus "Supervise" is refused) → string or array of strings.
 * The unit must exist or the name be valid; stored in the log, survives a restart, overrides the file field by field.
 * -EINVAL with ret_refusal naming the field, -EPERM for fields only a file can grant. */
int manager_register(Manager *m, const Caller *caller, const char *unit, Json *fields, char **ret_refusal);
/* Forgets the run-time fields; the unit leaves supervision unless its files have a section. -ENOENT. */
int manager_unregister(Manager *m, const Caller *caller, const char *unit, char **ret_refusal);
/* synd.conf, drop-ins and unit files again; nothing is lost. */
int manager_reload(Manager *m, const Caller *caller);
/* Makes an event from outside core/ (seq and id are given by the manager); data is taken over. Returns its seq. */
uint64_t manager_emit(Manager *m, const char *type, const char *source, const char *unit, int priority,
                      uint64_t cause_seq, Id128 correlation, Json *data);
