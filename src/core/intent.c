/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who caused a start or a stop. JobNew does not tell the type of the job nor who asked; what tells is which other units
 * got jobs in the same breath, and what the unit does. */
#include "core/supervisor-internal.h"

static bool near(usec_t a, usec_t b) {
        return MAX(a, b) - MIN(a, b) <= SAME_TRANSACTION;
}

void *job_record_free(void *p) {
        JobRecord *j = p;

        if (j)
                free(j->victim_of);
        return free_(j);
}

JobRecord *job_record(const Supervisor *s, const char *unit) {
        return hashmap_get(s->jobs, unit);
}

/* Records of jobs that ended long ago explain nothing any more. */
static void prune_records(Supervisor *s) {
        const char *unit;
        JobRecord *j;

        if (hashmap_size(s->jobs) <= JOBS_KEPT)
                return;
        for (HashIter i = {}; hashmap_next(s->jobs, &i, &unit, (void **) &j);)
                if (!j->pending && usec_sub(s->now.boottime, j->removed) > VICTIM_TIME)
                        job_record_free(hashmap_remove(s->jobs, unit));
}

void job_record_new(Supervisor *s, const char *unit, uint32_t id) {
        JobRecord *j = job_record(s, unit);

        if (!j) {
                prune_records(s);
                if (hashmap_size(s->jobs) > 16 * JOBS_KEPT)
                        return;
                j = calloc(1, sizeof(JobRecord));
                if (!j) {
                        latch(s, -ENOMEM);
                        return;
                }
                int r = hashmap_put(s->jobs, unit, j);
                if (r < 0) {
                        latch(s, r);
                        free(j);
                        return;
                }
        }
        free(j->victim_of);
        *j = (JobRecord){
                .id = id,
                .created = s->now.boottime,
                .pending = true,
                /* What is bound is stopped once for a failure; whoever replaces that stop has his own reasons. */
                .no_victim = (j->victim || j->no_victim) && near(j->removed, s->now.boottime),
        };
}

void job_record_removed(Supervisor *s, const char *unit, uint32_t id) {
        JobRecord *j = job_record(s, unit);

        s->removed[s->n_removed++ % REMOVED_MAX] = id;
        if (j && j->id == id) {
                j->pending = false;
                j->removed = s->now.boottime;
        }
}

bool job_was_removed(const Supervisor *s, uint32_t id) {
        for (size_t i = 0; i < MIN(s->n_removed, (size_t) REMOVED_MAX); i++)
                if (s->removed[i] == id)
                        return true;
        return false;
}

void jobs_forget_all(Supervisor *s) {
        const char *unit;
        JobRecord *j;
        Service *svc;

        for (HashIter i = {}; hashmap_next(s->jobs, &i, &unit, (void **) &j);)
                job_record_free(hashmap_remove(s->jobs, unit));
        /* A new PID 1 may count from the start again. */
        s->n_removed = 0;
        HASHMAP_FOREACH (svc, s->services)
                priv(svc)->job = 0;
}

/* Jobs of one transaction are announced before any of them ends. */
static bool same_transaction(const JobRecord *j, const JobRecord *own) {
        return near(j->created, own->created) && (j->pending || j->removed >= own->created);
}

/* A job of that unit belongs to what happens to svc: it is pending, or came together with the service's own. */
static bool job_goes_along(const Supervisor *s, const char *unit, const JobRecord *own) {
        const JobRecord *j = job_record(s, unit);

        if (!j)
                return false;
        return own ? same_transaction(j, own) : j->pending;
}

void foreign_job_seen(Supervisor *s, Service *svc, uint32_t id, bool initial) {
        ServicePriv *p = priv(svc);
        JobRecord *own;

        if (p->job == id || id == 0 || job_was_removed(s, id))
                return;
        p->job = id;
        p->job_invocation = initial ? svc->unit.invocation : p->current;
        p->job_condition_failed = svc->unit.condition_failed;
        own = job_record(s, svc->config->unit);
        if (!own || own->id != id) {
                job_record_new(s, svc->config->unit, id);
                own = job_record(s, svc->config->unit);
        }
        /* One that was found may be older than any failure that is known; what is down or
         * going down already is not stopped. */
        if (!own || own->no_victim || initial || !IN_SET(unit_class(&svc->unit), CLASS_UP, CLASS_STARTING))
                return;
        /* PID 1 stops what is bound to a unit in the turn in which that unit fails, and tells of the failure first. */
        STRV_FOREACH (b, svc->relations.binds_to) {
                Service *root = find_service(s, *b);

                if (root && priv(root)->owed && root->unit.active == UNIT_FAILED && priv(root)->job == 0 &&
                    usec_sub(s->now.boottime, priv(root)->failed_at.boottime) <= VICTIM_TIME) {
                        own->victim = true;
                        set_string(s, &own->victim_of, *b);
                        return;
                }
        }
}

const char *victim_root(Supervisor *s, Service *svc) {
        const UnitRelations *r = &svc->relations;
        char *const *lists[] = { r->binds_to, r->requires, r->requisite, r->part_of };
        const JobRecord *own = job_record(s, svc->config->unit);

        if (!own)
                return NULL;
        if (own->victim) {
                const JobRecord *j = job_record(s, own->victim_of);

                /* Another unit that this one hangs on got a job as well, and is no victim: the stop came from there. */
                for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                        STRV_FOREACH (u, lists[i]) {
                                const JobRecord *o = job_record(s, *u);

                                if (o && !o->ours && !o->victim && !streq(*u, own->victim_of) &&
                                    MAX(o->created, own->created) - MIN(o->created, own->created) <= SAME_BREATH)
                                        return NULL;
                        }
                /* A job of the failed unit itself in the same breath: a person stopped it, and this one with it. */
                return j && !j->ours && j->created >= own->created ? NULL : own->victim_of;
        }
        /* A stop that went on from a unit that is a victim itself. */
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                STRV_FOREACH (u, lists[i]) {
                        const JobRecord *j = job_record(s, *u);

                        if (j && j->victim && near(j->created, own->created) && find_service(s, *u) &&
                            victim_root(s, find_service(s, *u)))
                                return *u;
                }
        return NULL;
}

const char *find_rival(const Supervisor *s, const Service *svc,
                       bool (*holds)(const Supervisor *s, const char *rival, const Service *svc)) {
        Service *other;

        STRV_FOREACH (c, svc->relations.conflicts)
                if (holds(s, *c, svc))
                        return *c;
        HASHMAP_FOREACH (other, s->services)
                if (other != svc && strv_contains(other->relations.conflicts, svc->config->unit) &&
                    holds(s, other->config->unit, svc))
                        return other->config->unit;
        return NULL;
}

static bool is_conflict(const Supervisor *s, const char *unit, const Service *svc) {
        const Service *other = find_service(s, unit);

        if (!job_goes_along(s, unit, job_record(s, svc->config->unit)))
                return false;
        /* Being stopped itself, it did not push anybody away. */
        return !other || !other->seen || !IN_SET(unit_class(&other->unit), CLASS_DOWN, CLASS_STOPPING);
}

/* PID 1 numbers the jobs of a transaction from the one that was asked for: the first target among them is what was isolated. */
static Intent transaction_of(const Supervisor *s, const JobRecord *own, const char **ret_by) {
        uint32_t first = UINT32_MAX;
        size_t along = 0;
        const char *unit;
        JobRecord *j;

        for (HashIter i = {}; hashmap_next(s->jobs, &i, &unit, (void **) &j);) {
                /* What was pending before, such as the targets of a boot that goes on, explains nothing. */
                if (own ? !same_transaction(j, own) : !j->pending)
                        continue;
                along++;
                if (endswith(unit, ".target") && j->id < first) {
                        first = j->id;
                        *ret_by = unit;
                }
        }
        return *ret_by || along >= TRANSACTION_JOBS ? INTENT_TRANSACTION : INTENT_OPERATOR;
}

Intent stop_intent_of(Supervisor *s, Service *svc, const char **ret_by) {
        const UnitRelations *r = &svc->relations;
        char *const *lists[] = { r->binds_to, r->part_of, r->requires, r->requisite };
        const ServicePriv *p = priv(svc);
        const JobRecord *own = job_record(s, svc->config->unit);
        const ActionFull *a = action_on(svc);

        *ret_by = NULL;
        if (s->host == HOST_STOPPING)
                return INTENT_SHUTDOWN;
        if (a) {
                *ret_by = a->a.by;
                return a->a.automatic ? INTENT_SYND : INTENT_COMMAND;
        }
        if (job_goes_along(s, "shutdown.target", own))
                return INTENT_SHUTDOWN;
        if (svc->unit.n_restarts > p->n_restarts)
                return INTENT_SYSTEMD_RESTART;
        *ret_by = find_rival(s, svc, is_conflict);
        if (*ret_by)
                return INTENT_CONFLICT;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                STRV_FOREACH (u, lists[i])
                        if (job_goes_along(s, *u, own)) {
                                *ret_by = *u;
                                return INTENT_DEPENDENCY;
                        }
        return transaction_of(s, own, ret_by);
}

static const char *pulled_in_by(const Supervisor *s, const Service *svc, const JobRecord *own) {
        const char *unit = svc->config->unit;
        Service *other;

        HASHMAP_FOREACH (other, s->services) {
                const UnitRelations *r = &other->relations;

                if (other != svc && job_goes_along(s, other->config->unit, own) &&
                    (strv_contains(r->requires, unit) || strv_contains(r->wants, unit) ||
                     strv_contains(r->binds_to, unit) || strv_contains(r->upholds, unit)))
                        return other->config->unit;
        }
        return NULL;
}

Intent start_intent_of(Supervisor *s, Service *svc, const UnitSnapshot *old, bool initial, const char **ret_by,
                       uint64_t *ret_cause) {
        const ServicePriv *p = priv(svc);
        const JobRecord *own = job_record(s, svc->config->unit);
        const ActionFull *a = action_on(svc);

        *ret_by = NULL;
        *ret_cause = 0;
        if (a) {
                *ret_by = a->a.automatic ? NULL : a->a.by;
                *ret_cause = a->requested_seq;
                return a->a.automatic ? INTENT_SYND : INTENT_COMMAND;
        }
        if (p->lost_action_seq != 0) {
                *ret_cause = p->lost_action_seq;
                return INTENT_SYND;
        }
        if ((old && unit_class(old) == CLASS_AUTO_RESTART) || svc->unit.n_restarts > p->n_restarts) {
                *ret_cause = p->end_seq;
                return INTENT_SYSTEMD_RESTART;
        }
        if (s->host == HOST_STARTING || (s->journal_starting && s->host != HOST_RUNNING))
                return INTENT_BOOT;
        if (initial && p->job == 0)
                return INTENT_NONE;
        *ret_by = pulled_in_by(s, svc, own);
        if (*ret_by)
                return INTENT_DEPENDENCY;
        if (svc->relations.triggered_by) {
                *ret_by = svc->relations.triggered_by[0];
                return INTENT_TRIGGER;
        }
        return INTENT_OPERATOR;
}
