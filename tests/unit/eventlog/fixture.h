/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A log in a directory of its own, with the loop that watches it. */

#include "basic/string.h"
#include "eventlog/eventlog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define WAIT_USEC (20 * USEC_PER_SEC)

typedef struct Fixture {
        char *dir, *path;
        EventLogConfig config;
        SeqAlloc seq;
        EventLog *log;
        sd_event *event;
        UuidGen ids;
        Prng prng;
        uint64_t seed;

        uint64_t durable;
        unsigned n_durable, n_stalled, n_resumed;
        int last_error;
        char *damaged;

        /* The last answer. */
        bool answered;
        int answer_error;
        Event *answer;
        size_t n_answer;
        bool answer_more;
        uint64_t answer_first;
        char *answer_text;
} Fixture;

/* SEED in the environment replays a failure. */
void fixture_init(Fixture *f);
void fixture_done(Fixture *f);
/* Opens and attaches; the counters above begin anew. */
void fixture_open(Fixture *f);
int fixture_try_open(Fixture *f);
void fixture_close(Fixture *f);

/* Appends an event with the next number, which is returned; r gets what eventlog_append() said (may be NULL). */
uint64_t fixture_append(Fixture *f, const char *type, const char *unit, int priority, int *r);
uint64_t fixture_append_full(Fixture *f, Event *e, size_t padding, int *r);

/* Runs the loop until the condition holds; fails the test after WAIT_USEC. */
typedef bool (*condition_t)(Fixture *f, uint64_t argument);
void fixture_wait(Fixture *f, condition_t condition, uint64_t argument);
void fixture_wait_durable(Fixture *f, uint64_t seq);
/* Pokes the writer until it made a whole turn: what was asked of it before has been looked at. */
void fixture_wait_turn(Fixture *f);

/* Ask and wait; the answer is in f. */
void fixture_query(Fixture *f, const EventFilter *filter, size_t limit);
void fixture_chain(Fixture *f, uint64_t seq);
void fixture_check(Fixture *f);
/* seqs of the last answer must be these, ended by 0. */
void fixture_assert_seqs(Fixture *f, const uint64_t *seqs);
#define ASSERT_SEQS(f, ...) fixture_assert_seqs(f, (const uint64_t[]){ __VA_ARGS__ __VA_OPT__(, ) 0 })

/* All numbers in the file in ascending order, read by a connection of our own while the log is closed or open. */
size_t file_seqs(const char *path, uint64_t **ret);
int64_t file_int(const char *path, const char *sql);
