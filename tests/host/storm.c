/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs inside a test host; linked statically, so that it runs on any suite.
 *
 *   storm work DIR NAME [notify] [flaky]
 *           The process of a unit. Appends its $INVOCATION_ID to DIR/NAME, tells systemd that it is ready (notify), and
 *           waits for its end; flaky: every second one exits with 1 at once.
 *
 *   storm kill UNITS KILLS INTERVAL_MS SEED [UNIT TIMES] [run TIMES COMMAND…]
 *           Kills a process of a unit of the storm, storm-1.service to storm-UNITS.service, chosen at random, every
 *           INTERVAL_MS, KILLS times; and, at random moments in between, UNIT as a whole TIMES times, and runs COMMAND
 *           TIMES times. What is down is passed over: each kill hits. Prints what it did as one JSON object. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 512
#define PIDS_MAX 16
#define KILLS_MAX 1000000
/* A storm that finds nothing to kill for so long is over: nobody brings the units back. */
#define STARVED_SECONDS 60
#define NSEC_PER_MSEC INT64_C(1000000)

static void fail(const char *what) {
        fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
        exit(2);
}

static long number(const char *text, long max) {
        char *end;
        long n;

        errno = 0;
        n = strtol(text, &end, 10);
        if (errno != 0 || *end || end == text || n < 0 || n > max) {
                fprintf(stderr, "storm: '%s' is no number up to %ld\n", text, max);
                exit(2);
        }
        return n;
}

/* ---- work ---- */

/* The lines of the file are all of one length; returns how many there are now. */
static long append_line(const char *path, const char *text) {
        char line[64];
        struct stat st;
        int fd, n;

        n = snprintf(line, sizeof(line), "%s\n", text);
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                fail(path);
        if (n < 0 || (size_t) n >= sizeof(line) || write(fd, line, (size_t) n) != n || fstat(fd, &st) < 0)
                fail(path);
        close(fd);
        return st.st_size / n;
}

/* sd_notify(3), without its library. */
static void notify_ready(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;
        int fd;

        if (n == 0 || n >= sizeof(to.sun_path)) {
                errno = EINVAL;
                fail("$NOTIFY_SOCKET");
        }
        memcpy(to.sun_path, path, n);
        if (to.sun_path[0] == '@')
                to.sun_path[0] = 0;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *) &to,
                             (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n)) < 0)
                fail("cannot notify");
        close(fd);
}

static int work(const char *dir, const char *name, char **words) {
        const char *id = getenv("INVOCATION_ID");
        bool notify = false, flaky = false;
        char path[PATH_SIZE];
        long runs;

        for (; *words; words++) {
                notify = notify || strcmp(*words, "notify") == 0;
                flaky = flaky || strcmp(*words, "flaky") == 0;
        }
        if (!id) {
                errno = EINVAL;
                fail("$INVOCATION_ID");
        }
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        runs = append_line(path, id);
        if (flaky && runs % 2 == 0)
                return 1;
        if (notify)
                notify_ready();
        for (;;)
                pause();
}

/* ---- kill ---- */

static uint64_t random_state;

/* xorshift64*: the same storm again for the same seed. */
static uint64_t random_next(void) {
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return random_state * UINT64_C(2685821657736338717);
}

static long random_below(long n) {
        return (long) (random_next() % (uint64_t) n);
}

static FILE *open_cgroup(const char *unit) {
        static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified" };
        char path[PATH_SIZE];
        FILE *f = NULL;

        for (size_t i = 0; !f && i < sizeof(roots) / sizeof(roots[0]); i++) {
                snprintf(path, sizeof(path), "%s/system.slice/%s/cgroup.procs", roots[i], unit);
                f = fopen(path, "re");
        }
        return f;
}

/* The number of processes that it hit. last: the one hit before, which may not be gone yet and counts once; may be NULL. */
static int kill_unit(const char *unit, long *last) {
        long pids[PIDS_MAX];
        int n = 0, hit = 0;
        FILE *f = open_cgroup(unit);

        if (!f)
                return 0;
        while (n < PIDS_MAX && fscanf(f, "%ld", &pids[n]) == 1)
                n++;
        fclose(f);
        if (last && n > 0) {
                if (pids[0] == *last)
                        return 0;
                *last = pids[0];
        }
        for (int i = 0; i < n; i++)
                if (pids[i] > 1 && kill((pid_t) pids[i], SIGKILL) == 0)
                        hit++;
        return hit;
}

static void sleep_until(struct timespec *next, int64_t add_nsec) {
        int64_t nsec = next->tv_nsec + add_nsec;

        next->tv_sec += nsec / (1000 * NSEC_PER_MSEC);
        next->tv_nsec = nsec % (1000 * NSEC_PER_MSEC);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
                ;
}

static bool kill_one_of(long units) {
        char unit[64];

        /* Most are up: a few draws find one; then one after the other. */
        for (long i = 0, k = random_below(units); i < 2 * units; i++) {
                k = i < units ? random_below(units) : (k + 1) % units;
                snprintf(unit, sizeof(unit), "storm-%ld.service", k + 1);
                if (kill_unit(unit, NULL) > 0)
                        return true;
        }
        return false;
}

static int compare_longs(const void *a, const void *b) {
        long x = *(const long *) a, y = *(const long *) b;

        return (x > y) - (x < y);
}

/* What is done at random moments of the storm, told by the number of kills before. */
typedef struct Moments {
        long *at, n, next;
} Moments;

static void moments_draw(Moments *m, long times, long kills) {
        m->n = times;
        m->at = calloc((size_t) times + 1, sizeof(long));
        if (!m->at)
                fail("memory");
        for (long i = 0; i < times; i++)
                m->at[i] = random_below(kills);
        qsort(m->at, (size_t) times, sizeof(long), compare_longs);
}

static bool moments_due(const Moments *m, long done) {
        return m->next < m->n && m->at[m->next] < done;
}

typedef struct Storm {
        long units, kills, interval_ms, seed;
        long done, idle, starved; /* steps without a hit; of them since the last one */
        const char *unit; /* killed as a whole */
        long unit_pid;
        Moments unit_moments;
        char **command; /* run one after the other */
        Moments command_moments;
        pid_t running;
        long failed; /* commands */
} Storm;

static void storm_reap(Storm *s, int flags) {
        int status;

        if (s->running > 0 && waitpid(s->running, &status, flags) == s->running) {
                s->running = 0;
                if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                        s->failed++;
        }
}

static void storm_run_command(Storm *s) {
        s->running = fork();
        if (s->running < 0)
                fail("fork");
        if (s->running == 0) {
                execvp(s->command[0], s->command);
                _exit(127);
        }
        s->command_moments.next++;
}

static bool storm_is_over(const Storm *s) {
        return s->done >= s->kills && s->unit_moments.next >= s->unit_moments.n &&
               s->command_moments.next >= s->command_moments.n;
}

static void storm_step(Storm *s) {
        if (s->done < s->kills && kill_one_of(s->units)) {
                s->done++;
                s->starved = 0;
        } else {
                s->idle++;
                s->starved++;
        }
        /* One that is just down is tried again at the next step: it is hit as often as was asked for. */
        if (moments_due(&s->unit_moments, s->done) && kill_unit(s->unit, &s->unit_pid) > 0)
                s->unit_moments.next++;
        storm_reap(s, WNOHANG);
        if (moments_due(&s->command_moments, s->done) && s->running == 0)
                storm_run_command(s);
}

static int storm_kill(Storm *s) {
        long starved_max = STARVED_SECONDS * 1000 / s->interval_ms;
        struct timespec next, begin, end;

        clock_gettime(CLOCK_MONOTONIC, &begin);
        next = begin;
        while (!storm_is_over(s) && s->starved < starved_max) {
                storm_step(s);
                sleep_until(&next, s->interval_ms * NSEC_PER_MSEC);
        }
        storm_reap(s, 0);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("{\"kills\":%ld,\"idle\":%ld,\"unit_kills\":%ld,\"commands\":%ld,\"failed\":%ld,\"seconds\":%.1f}\n",
               s->done, s->idle, s->unit_moments.next, s->command_moments.next, s->failed,
               (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9);
        return storm_is_over(s) && s->failed == 0 ? 0 : 1;
}

static int usage(void) {
        fprintf(stderr, "usage: storm work DIR NAME [notify] [flaky]\n"
                        "       storm kill UNITS KILLS INTERVAL_MS SEED [UNIT TIMES] [run TIMES COMMAND…]\n");
        return 2;
}

static int parse_kill(char **argv, Storm *s) {
        long times = 0;

        *s = (Storm){ .units = number(argv[0], 10000),
                      .kills = number(argv[1], KILLS_MAX),
                      .interval_ms = number(argv[2], 60000),
                      .seed = number(argv[3], INT32_MAX) };
        if (s->units == 0 || s->kills == 0 || s->interval_ms == 0)
                return usage();
        argv += 4;
        random_state = (uint64_t) s->seed * 2 + 1;
        if (argv[0] && argv[1] && strcmp(argv[0], "run") != 0) {
                s->unit = argv[0];
                times = number(argv[1], 10000);
                argv += 2;
        }
        moments_draw(&s->unit_moments, times, s->kills);
        times = 0;
        if (argv[0] && argv[1] && argv[2]) {
                if (strcmp(argv[0], "run") != 0)
                        return usage();
                times = number(argv[1], 10000);
                s->command = argv + 2;
        } else if (argv[0])
                return usage();
        moments_draw(&s->command_moments, times, s->kills);
        return 0;
}

int main(int argc, char *argv[]) {
        Storm s;
        int r;

        if (argc >= 4 && strcmp(argv[1], "work") == 0)
                return work(argv[2], argv[3], argv + 4);
        if (argc < 6 || strcmp(argv[1], "kill") != 0)
                return usage();
        r = parse_kill(argv + 2, &s);
        if (r == 0)
                r = storm_kill(&s);
        free(s.unit_moments.at);
        free(s.command_moments.at);
        return r;
}
