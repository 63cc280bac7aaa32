/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/thread.h"
#include <signal.h>
#include <time.h>

/* SQLite needs little; sanitizers want more than the few dozen KiB that would do without. Only touched pages count. */
#define STACK_SIZE (1024 * 1024)

int thread_start(pthread_t *ret, const char *name, void *(*main)(void *), void *userdata) {
        pthread_attr_t attr;
        sigset_t all, before;

        sigfillset(&all);
        int r = pthread_attr_init(&attr);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        r = pthread_create(ret, &attr, main, userdata);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        if (r != 0)
                return -r;
        (void) pthread_setname_np(*ret, name);
        return 0;
}

void thread_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, usec_t until) {
        struct timespec ts = {
                .tv_sec = (time_t) (until / USEC_PER_SEC),
                .tv_nsec = (long) (until % USEC_PER_SEC) * 1000,
        };

        (void) pthread_cond_timedwait(c, lock, &ts);
}

bool thread_wait_flag(pthread_cond_t *c, pthread_mutex_t *lock, const bool *flag, usec_t until) {
        while (!*flag && monotonic_now() < until)
                thread_wait_until(c, lock, until);
        return *flag;
}

void thread_notify(int eventfd) {
        uint64_t one = 1;

        /* Fails only when 2^64 - 2 wake-ups wait already. */
        if (write(eventfd, &one, sizeof(one)) < 0)
                return;
}
