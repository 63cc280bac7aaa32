/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Messages of the benchmark's parts to its driver, as datagrams: "WORD UNIT PID NSEC" with CLOCK_MONOTONIC nanoseconds. Kept
 * free of everything else: the stamp must measure exec and main(), not a library's constructors. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BENCH_SOCKET "/run/bench.sock"

static inline uint64_t bench_now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

static inline int bench_tell(const char *word, const char *unit, uint64_t nsec) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = BENCH_SOCKET };
        char text[400];
        int fd, n, r;

        n = snprintf(text, sizeof(text), "%s %s %d %llu", word, unit, (int) getpid(), (unsigned long long) nsec);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -1;
        r = (int) sendto(fd, text, (size_t) n, 0, (struct sockaddr *) &sa, sizeof(sa));
        close(fd);
        return r;
}
