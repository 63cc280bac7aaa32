/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service that is killed: tells the driver when its main() began, then waits for the next SIGKILL. */
#include "bench.h"

int main(int argc, char *argv[]) {
        uint64_t now = bench_now();

        if (argc != 2)
                return 2;
        (void) bench_tell("main", argv[1], now);
        for (;;)
                pause();
}
