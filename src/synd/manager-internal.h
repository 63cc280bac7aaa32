/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Shared by the manager's own files only. */

#include "host/clock-watch.h"
#include "host/journal.h"
#include "host/unit-file.h"
#include "synd/bus-link.h"
#include "synd/heartbeat.h"
#include "synd/manager.h"

#define MANAGER_LISTENERS_MAX 8
#define MANAGER_REASONS_MAX 6

typedef struct ListenerSlot {
        const ManagerListener *listener;
        void *userdata;
} ListenerSlot;

struct Manager {
        sd_event *event;
        const char *root;               /* "" in production */
        SyndConf *conf;
        char host_name[65];
        Id128 host_id, boot_id;
        Instant started;

        SeqAlloc seq;
        UuidGen uuids;
        EventLog *log;
        Supervisor *supervisor;
        BusLink *bus;
        SystemdClient *systemd;
        JournalReader *journal;
        ClockWatch *clock;
        Heartbeat *heartbeat;
        sd_event_source *deadline;      /* supervisor_next() */
        sd_event_source *job_deadline;  /* the earliest of jobs */
        sd_event_source *catch_up;      /* the journal has this long before we go on without it */
        sd_bus_slot *list_slot;         /* instances of declared templates */

        HashMap *scan;                  /* unit → UnitDeclaration, from files */
        HashMap *runtime;               /* unit → Json, run-time fields */
        HashMap *instances;             /* unit → name: instances of declared templates that systemd has loaded */
        HashMap *calls;                 /* serial → PendingCall */
        HashMap *jobs;                  /* job id → PendingJob */
        uint64_t call_serial;

        ListenerSlot listeners[MANAGER_LISTENERS_MAX];
        size_t n_listeners;

        bool connected;                 /* systemd is known and watched */
        bool ready;                     /* the first states were judged */
        bool stopping;
        bool draining;
        bool in_bite;                   /* between eventlog_begin and _end of a bite of the journal */
        int journal_error;
        char *damaged_log;              /* where the file went that was damaged when we started, or NULL */
        char *reasons[MANAGER_REASONS_MAX];
        uint64_t announced_state;
        uint64_t journal_facts;
};

/* Calls one member of every listener that has it. */
#define TELL(m, member, ...)                                                            \
        for (size_t i_ = 0; i_ < (m)->n_listeners; i_++)                                \
                if ((m)->listeners[i_].listener->member)                                \
                        (m)->listeners[i_].listener->member(__VA_ARGS__ __VA_OPT__(, ) (m)->listeners[i_].userdata)

/* manager.c */
void manager_drain(Manager *m);
void manager_update_state(Manager *m);

/* manager-units.c */
int manager_restore(Manager *m);
int manager_scan(Manager *m);
void manager_unit_seen(Manager *m, const char *unit);
void manager_list_instances(Manager *m);
/* Declares (again) or forgets one unit by what files and registrations say now. */
int manager_declare(Manager *m, const char *unit);

/* One run-time field: a string, or an array for several assignments of the same key. */
int manager_apply_field(ServiceConfig *c, const char *key, Json *value);

/* manager-jobs.c */
void manager_job(Manager *m, const Effect *e);
void manager_job_removed(Manager *m, uint32_t id);
void manager_jobs_lost(Manager *m);
void *pending_call_free(void *p);

/* manager-host.c */
int manager_host_setup(Manager *m);
int manager_host_start(Manager *m);
