/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The thread that owns the writing connection: takes what waits, commits it as a group, keeps trying when the disk is
 * full, checkpoints and removes old events when there is nothing better to do. */

#include "eventlog/eventlog.h"
#include "eventlog/retention.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct Writer {
        /* Shared with the loop, under lock; nobody holds it during I/O. */
        pthread_mutex_t lock;
        pthread_cond_t wake, ended;
        Queue queue;
        bool closing, poked, has_ended;
        usec_t closing_until; /* CLOCK_MONOTONIC */
        char *damaged; /* last file moved aside while running */
        struct {
                bool set; /* the thread takes them over at its next turn */
                usec_t max_age;
                uint64_t max_size, hard_max_size;
        } limits;

        /* Written by the thread, read by anyone. */
        _Atomic uint64_t durable_seq, first_seq, db_bytes, commits, failed_commits, progress, refused;
        _Atomic usec_t commit_last, commit_max;
        _Atomic int error; /* 0: writing works */
        _Atomic uint64_t generation; /* grows when the file is another one, so that readers open it again */

        /* The thread's own. */
        char *path;
        int lock_fd; /* flock()ed as long as we use the file */
        int notify_fd;
        Store store;
        Retention retention;
        ItemList batch;
        usec_t retry_at, maintain_at;
        usec_t quiet_at; /* when a checkpoint may be thought to disturb nobody; 0: none is wanted */
        uint64_t bytes_since_retention;
        unsigned n_damaged;
        pthread_t thread;
        bool running;
} Writer;

/* Opens the file (see eventlog_open()); *ret_damaged may be NULL. notify_fd is an eventfd, borrowed. */
int writer_init(Writer *w, const EventLogConfig *config, int notify_fd, char **ret_damaged);
int writer_start(Writer *w);
/* Waits until what is queued is written, at most this long. True when the thread has ended and writer_done() may follow. */
bool writer_stop(Writer *w, usec_t timeout);
void writer_done(Writer *w);

/* Numbers of all events so far are at most this. */
uint64_t writer_last_seq(const Writer *w);
