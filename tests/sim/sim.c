/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sim --seeds FROM..TO [--steps N] [--jobs N] [--twice-every N] [--verbose] | sim --seed N [--steps N] --trace
 * Every N-th seed (all with 1; the default is 10) is run twice; what the supervisor puts out must be the same, bit for bit. */
#include "storm.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/wait.h>

typedef struct Totals {
        uint64_t passed, failed, events, automatic, simulated_seconds;
} Totals;

typedef struct Options {
        uint64_t from, to;
        unsigned steps, jobs, twice_every;
        bool trace, verbose;
} Options;

static bool run_seed(uint64_t seed, const Options *o, Totals *totals) {
        StormResult a, b;

        storm_run(seed, o->steps, o->trace, &a);
        if (a.ok && !o->trace && seed % o->twice_every == 0) {
                storm_run(seed, o->steps, false, &b);
                if (b.hash != a.hash) {
                        a.ok = false;
                        strcpy(a.reason, "the same seed gave other decisions");
                }
        }
        totals->events += a.events;
        totals->automatic += a.automatic;
        totals->simulated_seconds += a.simulated / USEC_PER_SEC;
        if (!a.ok)
                printf("seed %" PRIu64 " failed: %s\n  replay: sim --seed %" PRIu64 " --steps %u --trace\n", seed,
                       a.reason, seed, o->steps);
        else if (o->verbose)
                printf("seed %" PRIu64 ": %zu turns, %zu events, %zu automatic actions, %" PRIu64 " s\n", seed,
                       a.steps, a.events, a.automatic, a.simulated / USEC_PER_SEC);
        return a.ok;
}

static void run_share(const Options *o, unsigned share, Totals *totals) {
        for (uint64_t seed = o->from + share; seed <= o->to; seed += o->jobs) {
                bool ok = run_seed(seed, o, totals);

                totals->passed += ok;
                totals->failed += !ok;
        }
}

/* Each worker writes its totals into a pipe. */
static int run_parallel(const Options *o, Totals *ret) {
        int fds[2];

        if (pipe(fds) < 0)
                return -errno;
        fflush(stdout);
        for (unsigned i = 0; i < o->jobs; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        return -errno;
                if (pid == 0) {
                        Totals t = {};

                        run_share(o, i, &t);
                        fflush(stdout);
                        _exit(write(fds[1], &t, sizeof(t)) == sizeof(t) ? 0 : 1);
                }
        }
        close(fds[1]);
        for (Totals t; read(fds[0], &t, sizeof(t)) == sizeof(t);) {
                ret->passed += t.passed;
                ret->failed += t.failed;
                ret->events += t.events;
                ret->automatic += t.automatic;
                ret->simulated_seconds += t.simulated_seconds;
        }
        close(fds[0]);
        for (unsigned i = 0; i < o->jobs; i++) {
                int status;

                if (wait(&status) < 0 || status != 0)
                        ret->failed++;
        }
        return 0;
}

static int parse_range(const char *s, Options *o) {
        _cleanup_free_ char *copy = strdup(s);
        char *dots = copy ? strstr(copy, "..") : NULL;

        if (!dots)
                return -EINVAL;
        *dots = 0;
        if (safe_atou64(copy, &o->from) < 0 || safe_atou64(dots + 2, &o->to) < 0 || o->to < o->from)
                return -EINVAL;
        return 0;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "seeds", required_argument, NULL, 's' },       { "seed", required_argument, NULL, 'n' },
                { "steps", required_argument, NULL, 'k' },       { "jobs", required_argument, NULL, 'j' },
                { "twice-every", required_argument, NULL, 'w' }, { "trace", no_argument, NULL, 't' },
                { "verbose", no_argument, NULL, 'v' },           {},
        };
        Options o = { .from = 1, .to = 100, .steps = 60, .jobs = 1, .twice_every = 10 };
        Totals t = {};
        int c, r = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 's':
                        r = parse_range(optarg, &o);
                        break;
                case 'n':
                        r = safe_atou64(optarg, &o.from);
                        o.to = o.from;
                        break;
                case 'k':
                        r = safe_atou32(optarg, &o.steps);
                        break;
                case 'j':
                        r = safe_atou32(optarg, &o.jobs);
                        break;
                case 'w':
                        r = safe_atou32(optarg, &o.twice_every);
                        break;
                case 't':
                        o.trace = true;
                        break;
                case 'v':
                        o.verbose = true;
                        break;
                default:
                        r = -EINVAL;
                }
                if (r < 0 || o.jobs == 0 || o.twice_every == 0 || o.jobs > 256) {
                        fprintf(stderr, "sim --seeds FROM..TO [--steps N] [--jobs N] [--twice-every N] [--verbose] | "
                                        "sim --seed N --trace\n");
                        return 2;
                }
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (o.jobs == 1)
                run_share(&o, 0, &t);
        else if (run_parallel(&o, &t) < 0)
                return 1;
        printf("%" PRIu64 " events, %" PRIu64 " automatic actions, %" PRIu64 " hours of host time\n", t.events,
               t.automatic, t.simulated_seconds / 3600);
        printf("%" PRIu64 " passed, %" PRIu64 " failed\n", t.passed, t.failed);
        return t.failed > 0 || t.passed == 0;
}
