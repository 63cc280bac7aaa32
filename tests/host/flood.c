/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many calls of one D-Bus method over the system bus by one connection, for tests: how long each takes, how each ends.
 *
 *      flood [-n CALLS] [-p PARALLEL] [-g GAP_MS] [-k SECONDS] NAME PATH INTERFACE MEMBER [SIGNATURE ARG…]
 *
 * -p: so many are under way at once (1). -g: pause after each answer, when one is under way at a time. -k: descriptors in
 * the answers are kept open, and the connection too, for that long after the last answer.
 * Arguments: s, t, u, b; a string "@N" stands for N bytes. Prints one line: how many answers of each kind ("ok" or the name of the
 * error, without what is before its last dot), then the milliseconds from call to answer. */
#include "basic/macro.h"
#include "basic/string.h"
#include "basic/time.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#define KINDS_MAX 16
#define CALL_TIMEOUT (120 * USEC_PER_SEC)

typedef struct Flood {
        sd_bus *bus;
        char **words; /* NAME PATH INTERFACE MEMBER [SIGNATURE ARG…] */
        size_t calls, parallel, sent, answered;
        usec_t *began, *took;
        struct {
                char word[64];
                size_t n;
        } kinds[KINDS_MAX];
} Flood;

static Flood flood = { .calls = 1, .parallel = 1 };

_Noreturn static void fail(const char *what, int r) {
        fprintf(stderr, "flood: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static void count(const char *word) {
        for (size_t i = 0; i < KINDS_MAX; i++) {
                if (flood.kinds[i].n == 0)
                        snprintf(flood.kinds[i].word, sizeof(flood.kinds[i].word), "%s", word);
                else if (!streq(flood.kinds[i].word, word))
                        continue;
                flood.kinds[i].n++;
                return;
        }
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        size_t i = (size_t) (uintptr_t) userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *dot = e && e->name ? strrchr(e->name, '.') : NULL;

        flood.took[i] = boottime_now() - flood.began[i];
        count(!e ? "ok" : dot ? dot + 1 : "?");
        flood.answered++;
        sd_bus_message_ref(m); /* and the descriptors in it: they end with the process */
        return 0;
}

static int append_string(sd_bus_message *m, const char *arg) {
        if (arg[0] != '@')
                return sd_bus_message_append(m, "s", arg);

        size_t n = strtoul(arg + 1, NULL, 10);
        _cleanup_free_ char *s = malloc(n + 1);
        if (!s)
                return -ENOMEM;
        memset(s, 'x', n);
        s[n] = 0;
        return sd_bus_message_append(m, "s", s);
}

static int append_arguments(sd_bus_message *m, char **words) {
        int r = 0;

        if (!words[0])
                return 0;
        char **arg = words + 1;
        for (const char *type = words[0]; *type && r >= 0; type++, arg++) {
                if (!*arg)
                        return -EINVAL;
                if (*type == 's')
                        r = append_string(m, *arg);
                else if (*type == 't')
                        r = sd_bus_message_append(m, "t", (uint64_t) strtoull(*arg, NULL, 10));
                else if (*type == 'u')
                        r = sd_bus_message_append(m, "u", (uint32_t) strtoul(*arg, NULL, 10));
                else
                        r = *type == 'b' ? sd_bus_message_append(m, "b", streq(*arg, "true")) : -EINVAL;
        }
        return r;
}

static int send_one(void) {
        sd_bus_message *m = NULL;
        char **w = flood.words;

        int r = sd_bus_message_new_method_call(flood.bus, &m, w[0], w[1], w[2], w[3]);
        if (r >= 0)
                r = append_arguments(m, w + 4);
        if (r >= 0) {
                flood.began[flood.sent] = boottime_now();
                r = sd_bus_call_async(flood.bus, NULL, m, on_answer, (void *) (uintptr_t) flood.sent, CALL_TIMEOUT);
                flood.sent++;
        }
        sd_bus_message_unref(m);
        return r;
}

static void turn(void) {
        int r = sd_bus_process(flood.bus, NULL);

        if (r == 0)
                r = sd_bus_wait(flood.bus, CALL_TIMEOUT);
        if (r < 0 && r != -EINTR)
                fail("the connection ended", r);
}

static int by_size(const void *a, const void *b) {
        usec_t x = *(const usec_t *) a, y = *(const usec_t *) b;
        return x < y ? -1 : x > y;
}

static void report(usec_t all) {
        const double ms = (double) USEC_PER_MSEC;
        size_t n = flood.calls;

        printf("calls=%zu", n);
        for (size_t i = 0; i < KINDS_MAX && flood.kinds[i].n > 0; i++)
                printf(" %s=%zu", flood.kinds[i].word, flood.kinds[i].n);
        qsort(flood.took, n, sizeof(usec_t), by_size);
        printf(" min=%.1f median=%.1f p95=%.1f max=%.1f all=%.0f ms\n", (double) flood.took[0] / ms,
               (double) flood.took[n / 2] / ms, (double) flood.took[n * 95 / 100] / ms,
               (double) flood.took[n - 1] / ms, (double) all / ms);
        fflush(stdout);
}

int main(int argc, char *argv[]) {
        unsigned long gap = 0, keep = 0;

        for (int c; (c = getopt(argc, argv, "+n:p:g:k:")) >= 0;) {
                unsigned long v = strtoul(optarg ?: "", NULL, 10);
                if (c == 'n' && v > 0)
                        flood.calls = v;
                else if (c == 'p' && v > 0)
                        flood.parallel = v;
                else if (c == 'g')
                        gap = v;
                else if (c == 'k')
                        keep = v;
                else
                        fail("wrong option", -EINVAL);
        }
        flood.words = argv + optind;
        if (argc - optind < 4)
                fail("NAME PATH INTERFACE MEMBER", -EINVAL);
        flood.began = calloc(flood.calls, sizeof(usec_t));
        flood.took = calloc(flood.calls, sizeof(usec_t));
        int r = flood.began && flood.took ? sd_bus_open_system(&flood.bus) : -ENOMEM;
        if (r < 0)
                fail("the system bus", r);

        usec_t start = boottime_now();
        while (flood.answered < flood.calls) {
                while (flood.sent < flood.calls && flood.sent - flood.answered < flood.parallel) {
                        if (gap > 0 && flood.sent > 0)
                                (void) poll(NULL, 0, (int) gap);
                        r = send_one();
                        if (r < 0)
                                fail("cannot call", r);
                }
                turn();
        }
        report(boottime_now() - start);

        if (keep > 0)
                (void) poll(NULL, 0, (int) keep * 1000);
        return 0;
}
