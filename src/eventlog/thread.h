/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The little that the two threads of the log need. */

#include "basic/time.h"
#include <pthread.h>

/* A thread with all signals blocked (the loop handles them) and a small stack. */
int thread_start(pthread_t *ret, const char *name, void *(*main)(void *), void *userdata);
/* Waits until a moment of CLOCK_MONOTONIC or a signal of c, whose clock that must be. */
void thread_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, usec_t until);
/* The same until *flag is true; false when the time is over. */
bool thread_wait_flag(pthread_cond_t *c, pthread_mutex_t *lock, const bool *flag, usec_t until);
/* Wakes the loop that watches this eventfd. */
void thread_notify(int eventfd);
