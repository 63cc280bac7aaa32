/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-recovery UNIT COUNT [durable|-] [PAUSE-MSEC]: kills UNIT's process COUNT times, each time after it came back, and prints as one line of
 * JSON how long it took from the kill to the new main(), to the peer's sight of it ("seen"), and with "durable" to the event in
 * synd's log as a Follow stream tells it. As root, on a throwaway host. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#define LIMIT_MSEC 60000

typedef struct Series {
        double *values; /* ms */
        size_t n;
} Series;

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static void print_series(const char *name, Series *s, bool first) {
        if (s->n == 0)
                return;
        qsort(s->values, s->n, sizeof(double), compare);
        printf("%s\"%s\":{\"n\":%zu,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"max\":%.2f}", first ? "" : ",", name, s->n,
               s->values[s->n / 2], s->values[s->n * 9 / 10], s->values[s->n * 99 / 100], s->values[s->n - 1]);
}

static int follow(const char *unit, int *ret_fd) {
        sd_bus *bus = NULL;
        sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char filter[400];
        uint64_t seq;
        int r, fd;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return r;
        r = sd_bus_get_property_trivial(bus, "org.synos.Supervisor1", "/org/synos/Supervisor1", "org.synos.Supervisor1.Manager",
                                        "EventSequence", &error, 't', &seq);
        if (r < 0)
                return r;
        snprintf(filter, sizeof(filter), "{\"units\":[\"%s\"],\"types\":[\"service.failed\"]}", unit);
        r = sd_bus_call_method(bus, "org.synos.Supervisor1", "/org/synos/Supervisor1", "org.synos.Supervisor1.Manager",
                               "Follow", &error, &reply, "ts", seq, filter);
        if (r < 0) {
                fprintf(stderr, "Follow: %s\n", error.message);
                return r;
        }
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;
        *ret_fd = dup(fd); /* the bus stays open: the stream ends with it */
        return *ret_fd < 0 ? -errno : 0;
}

static int bind_socket(void) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = BENCH_SOCKET };
        int fd;

        (void) unlink(BENCH_SOCKET);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -1;
        {
                char command[] = "chmod 0666 " BENCH_SOCKET;

                if (system(command) != 0)
                        return -1;
        }
        return fd;
}

/* Counts the lines of the stream that are failures of the unit. */
static size_t read_stream(int fd) {
        static char buffer[65536];
        ssize_t n = read(fd, buffer, sizeof(buffer) - 1);
        size_t hits = 0;

        if (n <= 0)
                return 0;
        buffer[n] = 0;
        for (char *p = buffer; (p = strstr(p, "\"service.failed\"")); p++)
                hits++;
        return hits;
}

int main(int argc, char *argv[]) {
        Series to_main = {}, to_seen = {}, to_durable = {};
        const char *unit;
        size_t count;
        bool durable;
        int pause_msec = 30;
        int fd, stream = -1, pid = 0;

        if (argc < 3)
                return 2;
        unit = argv[1];
        count = (size_t) atoi(argv[2]);
        durable = argc > 3 && strcmp(argv[3], "durable") == 0;
        if (argc > 4)
                pause_msec = atoi(argv[4]);
        to_main.values = calloc(count, sizeof(double));
        to_seen.values = calloc(count, sizeof(double));
        to_durable.values = calloc(count, sizeof(double));
        fd = bind_socket();
        if (fd < 0)
                return 1;
        if (durable && follow(unit, &stream) < 0)
                return 1;
        {
                char command[400];

                snprintf(command, sizeof(command), "systemctl restart --no-block %s", unit);
                if (system(command) != 0)
                        return 1;
        }

        srandom(1);
        for (size_t i = 0; i <= count; i++) {
                bool got_main = false, got_durable = !durable || i == 0;
                uint64_t killed = bench_now();

                if (i > 0 && kill(pid, SIGKILL) < 0) {
                        perror("kill");
                        return 1;
                }
                while (!got_main || !got_durable) {
                        struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = stream, .events = POLLIN } };
                        char word[16], name[300], text[400];
                        unsigned long long nsec;
                        ssize_t n;
                        int sender;

                        if (poll(p, stream >= 0 ? 2 : 1, LIMIT_MSEC) <= 0) {
                                fprintf(stderr, "%s did not come back within the limit (round %zu)\n", unit, i);
                                return 1;
                        }
                        if (stream >= 0 && (p[1].revents & POLLIN) && read_stream(stream) > 0 && i > 0 && !got_durable) {
                                to_durable.values[to_durable.n++] = (double) (bench_now() - killed) / 1e6;
                                got_durable = true;
                        }
                        if (!(p[0].revents & POLLIN))
                                continue;
                        n = recv(fd, text, sizeof(text) - 1, 0);
                        if (n <= 0)
                                continue;
                        text[n] = 0;
                        if (sscanf(text, "%15s %299s %d %llu", word, name, &sender, &nsec) != 4 || strcmp(name, unit) != 0)
                                continue;
                        if (strcmp(word, "main") == 0) {
                                pid = sender;
                                got_main = true;
                                if (i > 0)
                                        to_main.values[to_main.n++] = (double) (nsec - killed) / 1e6;
                        } else if (strcmp(word, "seen") == 0 && i > 0 && nsec > killed && to_seen.n < count)
                                to_seen.values[to_seen.n++] = (double) (nsec - killed) / 1e6;
                }
                /* A random phase: neither timers nor caches of anybody may fall into step with us. */
                (void) poll(NULL, 0, pause_msec + (int) (random() % 60));
        }

        printf("{");
        print_series("main", &to_main, true);
        print_series("seen", &to_seen, false);
        print_series("durable", &to_durable, false);
        printf("}\n");
        return 0;
}
