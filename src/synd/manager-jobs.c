/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor's jobs: one object for each call that waits for its reply, one for each job that waits for its end. */
#include "synd/manager-internal.h"

#include "basic/log.h"

/* How often it is looked whether a job still exists: its end is signalled, and a lost signal must not block its unit for ever. */
#define JOB_CHECK (5 * USEC_PER_MINUTE)
/* From CancelJob to the JobRemoved that it brings. */
#define CANCEL_GRACE (10 * USEC_PER_SEC)
#define CALLS_MAX 1024

typedef struct PendingCall {
        Manager *manager;
        uint64_t serial;
        Id128 action;
        char *unit;
        bool automatic;
        UnitCall *call;
} PendingCall;

typedef struct PendingJob {
        uint32_t id;
        usec_t deadline;        /* boottime: look again then */
        usec_t limit;           /* boottime: cancel it then; USEC_INFINITY = never */
        char unit[];
} PendingJob;

void *pending_call_free(void *p) {
        PendingCall *c = p;

        if (!c)
                return NULL;
        unit_call_free(c->call);
        free(c->unit);
        return free_(c);
}

static void jobs_arm(Manager *m) {
        usec_t next = USEC_INFINITY;
        PendingJob *j;

        HASHMAP_FOREACH(j, m->jobs)
                next = MIN(next, j->deadline);
        if (next == USEC_INFINITY) {
                if (m->job_deadline)
                        (void) sd_event_source_set_enabled(m->job_deadline, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(m->job_deadline, next);
        (void) sd_event_source_set_enabled(m->job_deadline, SD_EVENT_ONESHOT);
}

static bool job_exists(Manager *m, const PendingJob *j) {
        const Service *svc = supervisor_get(m->supervisor, j->unit);

        return svc && svc->unit.job_id == j->id;
}

static void job_look(Manager *m, PendingJob *j, usec_t now) {
        if (!job_exists(m, j)) {
                (void) supervisor_job_removed(m->supervisor, instant_now(), j->unit, j->id, JOB_RESULT_UNKNOWN);
                free(hashmap_remove_u64(m->jobs, j->id));
                return;
        }
        if (j->limit > now) {
                j->deadline = MIN(usec_add(now, JOB_CHECK), j->limit);
                return;
        }
        log_warning("%s: the start job %u did not end within JobTimeout=, cancelling it.", j->unit, j->id);
        j->limit = USEC_INFINITY;
        j->deadline = usec_add(now, CANCEL_GRACE);
        (void) systemd_client_cancel_job(m->systemd, j->id);
}

static int on_job_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        usec_t now = boottime_now();
        PendingJob *j;

        HASHMAP_FOREACH (j, m->jobs)
                if (j->deadline <= now)
                        job_look(m, j, now);
        jobs_arm(m);
        manager_drain(m);
        return 0;
}

static int jobs_track(Manager *m, const char *unit, uint32_t id, bool automatic) {
        _cleanup_free_ PendingJob *j = NULL;
        usec_t now = boottime_now();
        int r;

        if (!m->job_deadline) {
                r = sd_event_add_time(m->event, &m->job_deadline, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_job_deadline, m);
                if (r < 0)
                        return r;
        }
        j = calloc(1, sizeof(PendingJob) + strlen(unit) + 1);
        if (!j)
                return -ENOMEM;
        j->id = id;
        j->limit = automatic ? usec_add(now, m->conf->job_timeout) : USEC_INFINITY;
        j->deadline = MIN(usec_add(now, JOB_CHECK), j->limit);
        strcpy(j->unit, unit);
        r = hashmap_put_u64(m->jobs, id, j);
        if (r < 0)
                return r == -EEXIST ? 0 : r; /* merged into a job of ours that is already waited for */
        TAKE_PTR(j);
        jobs_arm(m);
        return 0;
}

static void job_reply(Manager *m, Id128 action, uint32_t id, int error, const char *text) {
        int r;

        r = supervisor_job_replied(m->supervisor, instant_now(), action, id, error, text);
        if (r < 0)
                (void) log_error_errno(r, "The supervisor did not take the reply to a job, ignoring: %m");
}

static void on_call(UnitCall *call, uint32_t id, int error, const char *text, void *userdata) {
        PendingCall *c = userdata;
        Manager *m = c->manager;
        int r;

        if (error >= 0 && id > 0) {
                r = jobs_track(m, c->unit, id, c->automatic);
                if (r < 0)
                        (void) log_error_errno(r, "Cannot watch the time of job %u, ignoring: %m", id);
        }
        job_reply(m, c->action, id, error, text);
        pending_call_free(hashmap_remove_u64(m->calls, c->serial));
        manager_drain(m);
}

static int call_start(Manager *m, const Effect *e) {
        PendingCall *c = NULL;
        int r;

        if (hashmap_size(m->calls) >= CALLS_MAX)
                return -EBUSY;
        c = calloc(1, sizeof(PendingCall));
        if (!c)
                return -ENOMEM;
        c->manager = m;
        c->serial = ++m->call_serial;
        c->action = e->job.action;
        c->automatic = e->job.automatic;
        c->unit = strdup(e->job.unit);
        if (!c->unit) {
                pending_call_free(c);
                return -ENOMEM;
        }
        /* "fail": an automatic job never replaces one that somebody else has queued (org.freedesktop.systemd1(5)). */
        r = systemd_client_call(m->systemd, e->job.unit, e->job.verb, e->job.automatic ? "fail" : "replace",
                                e->job.reset_failed_first, on_call, c, &c->call);
        if (r >= 0)
                r = hashmap_put_u64(m->calls, c->serial, c);
        if (r < 0)
                pending_call_free(c);
        return r;
}

void manager_job(Manager *m, const Effect *e) {
        int r;

        r = call_start(m, e);
        if (r < 0)
                job_reply(m, e->job.action, 0, r, strerror(-r));
}

void manager_job_removed(Manager *m, uint32_t id) {
        free(hashmap_remove_u64(m->jobs, id));
}

/* The connection is gone: replies and JobRemoved of what was under way will not come; the states that are read after the
 * reconnection tell how it ended. */
void manager_jobs_lost(Manager *m) {
        PendingCall *c;
        PendingJob *j;

        HASHMAP_FOREACH(c, m->calls) {
                job_reply(m, c->action, 0, -ENOTCONN, "the connection to systemd was lost");
                pending_call_free(hashmap_remove_u64(m->calls, c->serial));
        }
        HASHMAP_FOREACH(j, m->jobs) {
                (void) supervisor_job_removed(m->supervisor, instant_now(), j->unit, j->id, JOB_RESULT_UNKNOWN);
                free(hashmap_remove_u64(m->jobs, j->id));
        }
}
