/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event log beside plain SQLite that inserts the same rows with the same durability, in the same directory and run. */
#include "basic/string.h"
#include "eventlog/eventlog.h"
#include "eventlog/store.h"
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

enum { SINGLE = 2000, BATCHED = 102400, GROUP = 256, ROUNDS = 20 };

typedef struct Bench {
        sd_event *event;
        EventLog *log;
        SeqAlloc seq;
        UuidGen ids;
        uint64_t durable;
} Bench;

static void fail(const char *what, int r) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static void make_event(Bench *b, Event *e, Json *data) {
        *e = (Event){
                .seq = seq_next(&b->seq),
                .time = instant_now(),
                .type = EVENT_SERVICE_FAILED,
                .source = "systemd",
                .unit = (char *) "worker@17.service",
                .priority = PRIORITY_HIGH,
                .data = data,
        };
        e->id = uuidgen_v7(&b->ids, e->time.realtime);
}

static Json *make_data(void) {
        Json *data = NULL;

        fail("data", json_new_object(&data));
        fail("data", json_set_string(data, "unit", "worker@17.service"));
        fail("data", json_set_string(data, "invocation", "0123456789abcdef0123456789abcdef"));
        fail("data", json_set_string(data, "result", "exit-code"));
        fail("data", json_set_string(data, "origin", "live"));
        fail("data", json_set_int(data, "exec_status", 1));
        return data;
}

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void print_latency(const char *name, usec_t *t, size_t n) {
        qsort(t, n, sizeof(*t), compare_usec);
        printf("%-44s p50 %6" PRIu64 " us   p90 %6" PRIu64 " us   p99 %6" PRIu64 " us   max %6" PRIu64 " us\n", name,
               t[n / 2], t[n * 9 / 10], t[n * 99 / 100], t[n - 1]);
}

static double rate(const char *name, size_t n, usec_t took) {
        double r = (double) n * (double) USEC_PER_SEC / (double) MAX(took, (usec_t) 1);

        printf("%-44s %10.0f events/s\n", name, r);
        return r;
}

/* ---- plain SQLite: the store's own statements, no threads ---- */

static usec_t plain(Bench *b, Store *s, size_t n, size_t group, usec_t *latencies) {
        _cleanup_json_ Json *data = make_data();
        usec_t start = monotonic_now();

        for (size_t done = 0; done < n; done += group) {
                usec_t from = monotonic_now();
                fail("begin", store_begin(s));
                for (size_t k = 0; k < group; k++) {
                        Event e;
                        Item *i;

                        make_event(b, &e, data);
                        fail("item", item_new_event(&e, &i));
                        fail("insert", store_write(s, i));
                        item_free(i);
                }
                fail("commit", store_end(s, 0));
                if (latencies)
                        latencies[done / group] = monotonic_now() - from;
                fail("checkpoint", store_checkpoint(s, group == 1));
        }
        return monotonic_now() - start;
}

/* ---- the log ---- */

static void on_durable(EventLog *l, uint64_t seq, void *userdata) {
        Bench *b = userdata;

        b->durable = seq;
}

static void wait_durable(Bench *b) {
        while (b->durable < b->seq.last)
                fail("loop", sd_event_run(b->event, UINT64_MAX));
}

static usec_t log_single(Bench *b, size_t n, usec_t *latencies) {
        _cleanup_json_ Json *data = make_data();
        usec_t start = monotonic_now();

        for (size_t k = 0; k < n; k++) {
                Event e;

                usec_t from = monotonic_now();
                make_event(b, &e, data);
                fail("append", eventlog_append(b->log, &e));
                wait_durable(b);
                latencies[k] = monotonic_now() - from;
        }
        return monotonic_now() - start;
}

/* As fast as the queue takes them; never more than half of it waits. */
static usec_t log_batched(Bench *b, size_t n, usec_t *in_append) {
        _cleanup_json_ Json *data = make_data();
        usec_t start = monotonic_now();

        for (size_t k = 0; k < n; k++) {
                Event e;

                usec_t from = monotonic_now();
                make_event(b, &e, data);
                fail("append", eventlog_append(b->log, &e));
                *in_append += monotonic_now() - from;
                while (b->seq.last > b->durable + 20000)
                        fail("loop", sd_event_run(b->event, UINT64_MAX));
        }
        wait_durable(b);
        return monotonic_now() - start;
}

static long resident_kib(void) {
        FILE *f = fopen("/proc/self/statm", "re");
        long size = 0, resident = 0;

        if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
                fail("statm", -EIO);
        fclose(f);
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

int main(int argc, char *argv[]) {
        static usec_t plain_latency[SINGLE], log_latency[SINGLE];
        _cleanup_free_ char *dir = NULL, *plain_path = NULL, *log_path = NULL;
        Store store = {};
        Bench b = {};
        static const EventLogHandler handler = { .durable = on_durable };

        fail("path", str_printf(&dir, "%s/bench-eventlog-XXXXXX", argc > 1 ? argv[1] : getenv("TMPDIR") ?: "/var/tmp"));
        if (!mkdtemp(dir))
                fail("directory", -errno);
        fail("path", str_printf(&plain_path, "%s/plain.db", dir));
        fail("path", str_printf(&log_path, "%s/events.db", dir));
        uuidgen_init(&b.ids, random_u64());
        fail("loop", sd_event_new(&b.event));
        db_setup();

        long before = resident_kib();
        (void) sqlite3_memory_highwater(1);
        fail("open", eventlog_open(&(EventLogConfig){ .path = log_path }, &b.seq, &b.log, NULL));
        fail("attach", eventlog_attach(b.log, b.event, &handler, &b));

        /* Memory before plain SQLite has its own. */
        (void) log_single(&b, SINGLE / ROUNDS, log_latency);
        long after = resident_kib();
        sqlite3_int64 high = sqlite3_memory_highwater(0);

        fail("open", store_open(&store, plain_path));
        /* By turns, so that what else the machine does hits both alike. */
        usec_t plain_single = 0, plain_batched = 0, log_alone = 0, log_many = 0, in_append = 0;
        for (size_t k = 0; k < ROUNDS; k++) {
                size_t n = SINGLE / ROUNDS;

                plain_single += plain(&b, &store, n, 1, plain_latency + k * n);
                b.durable = 0;
                log_alone += log_single(&b, n, log_latency + k * n);
        }
        for (size_t k = 0; k < 4; k++) {
                plain_batched += plain(&b, &store, BATCHED / 4, GROUP, NULL);
                log_many += log_batched(&b, BATCHED / 4, &in_append);
        }
        store_close(&store);
        EventLogStats s;
        eventlog_stats(b.log, &s);

        printf("one event a commit:\n");
        double a = rate("  plain SQLite, WAL, synchronous=FULL", SINGLE, plain_single);
        double c = rate("  event log, append to durable callback", SINGLE, log_alone);
        printf("%-44s %10.2f\n", "  ratio", c / a);
        print_latency("  plain SQLite, BEGIN to COMMIT", plain_latency, SINGLE);
        print_latency("  event log, append to durable callback", log_latency, SINGLE);
        printf("many events:\n");
        a = rate("  plain SQLite, 256 a commit", BATCHED, plain_batched);
        c = rate("  event log, group commit", BATCHED, log_many);
        printf("%-44s %10.2f\n", "  ratio", c / a);
        printf("%-44s %10.2f us\n", "  loop time in eventlog_append()", (double) in_append / BATCHED);
        printf("%-44s %10" PRIu64 " of %d events, longest %" PRIu64 " us\n", "  commits",
               s.commits - SINGLE - SINGLE / ROUNDS, BATCHED, s.commit_max);
        printf("memory:\n");
        printf("%-44s %10ld KiB\n", "  resident grown by, one event a commit", after - before);
        printf("%-44s %10lld KiB\n", "  SQLite's most", (long long) high / 1024);

        b.log = eventlog_close(b.log);
        sd_event_unref(b.event);
        return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
