/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A supervisor with a clock in the hand and everything that it put out, kept for questions. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/supervisor.h"

typedef struct Rig {
        Supervisor *s;
        SeqAlloc seq;
        Instant now;
        SupervisorConfig config;
        Event *events;
        size_t n_events;
        Effect *jobs; /* EFFECT_JOB in order */
        size_t n_jobs, answered;
        char *order; /* one letter an effect: e j s c a */
        size_t n_order;
        HashMap *states; /* key → json text */
        Id128 last_action; /* of the last EFFECT_ACTION */
        ActionState last_action_state;
        uint32_t next_job;
        uint8_t next_invocation;
} Rig;

void rig_init(Rig *r);
void rig_done(Rig *r);
/* Ends this synd and starts another one from the stored state. The clock goes on. */
void rig_restart_synd(Rig *r);
void rig_reboot(Rig *r);
void rig_drain(Rig *r);
/* Lets time pass; ticks at each deadline on the way. */
void rig_pass(Rig *r, usec_t span);

/* A declared, granted service with RecoveryBackoff=0, no jitter, unless settings say otherwise: "Key=value" lines. */
void rig_declare(Rig *r, const char *unit, const char *const *settings);
#define rig_service(r, unit, ...) rig_declare(r, unit, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
void rig_relations(Rig *r, const char *unit, const UnitRelations *rel);

/* What systemd tells. */
UnitSnapshot rig_snapshot(Rig *r, const char *unit);
void rig_tell(Rig *r, const char *unit, const UnitSnapshot *u, bool initial);
void rig_active(Rig *r, const char *unit, bool new_invocation);
void rig_killed(Rig *r, const char *unit); /* failed by SIGKILL */
void rig_exited(Rig *r, const char *unit); /* inactive, success */
void rig_auto_restart(Rig *r, const char *unit);
uint32_t rig_job_new(Rig *r, const char *unit);
void rig_job_removed(Rig *r, const char *unit, uint32_t id, JobResult result);
/* A whole job of somebody else. */
void rig_start_by_operator(Rig *r, const char *unit);
void rig_stop_by_operator(Rig *r, const char *unit);
/* Answers the oldest unanswered EFFECT_JOB; returns its job id. */
uint32_t rig_reply(Rig *r);
/* … and lets it succeed (start) or fail. */
void rig_job_succeeds(Rig *r);
void rig_job_fails(Rig *r);
void rig_fact(Rig *r, const char *unit, JournalFactType type, Id128 invocation);
Id128 rig_id(uint8_t n);

/* Questions. */
const Service *rig_get(Rig *r, const char *unit);
size_t rig_count(Rig *r, const char *unit, const char *type);
const Event *rig_last(Rig *r, const char *unit, const char *type);
const Event *rig_seq(Rig *r, uint64_t seq);
const char *rig_text(const Event *e, const char *key);
size_t rig_pending_jobs(Rig *r);
int rig_command(Rig *r, Verb verb, const char *unit, char **ret_refusal);
