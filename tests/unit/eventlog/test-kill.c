/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SIGKILL at random moments. What a child told us is durable must be in the file, in order and without gaps, and what it
 * put into one transaction must be there together. */
#include "fixture.h"
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20 };

typedef struct Child {
        Fixture *f;
        int fd;
        sd_event_source *tick;
} Child;

static void child_durable(EventLog *l, uint64_t seq, void *userdata) {
        Child *c = userdata;

        if (write(c->fd, &seq, sizeof(seq)) != sizeof(seq) || sd_event_source_set_enabled(c->tick, SD_EVENT_ON) < 0)
                _exit(2);
}

/* Groups of two events and a cursor that names the second, some alone, some many at once. */
static int child_tick(sd_event_source *s, void *userdata) {
        Child *c = userdata;
        Fixture *f = c->f;

        for (uint64_t k = prng_below(&f->prng, 8) ? 1 : prng_below(&f->prng, 100); k > 0; k--) {
                char value[32];

                eventlog_begin(f->log);
                fixture_append(f, "test.first", "a.service", PRIORITY_HIGH, NULL);
                Event e = { .type = "test.second", .priority = PRIORITY_HIGH };
                uint64_t seq = fixture_append_full(f, &e, prng_below(&f->prng, 300), NULL);
                snprintf(value, sizeof(value), "%" PRIu64, seq);
                eventlog_put_cursor(f->log, "journal", value);
                eventlog_end(f->log);
        }
        EventLogStats stats;
        eventlog_stats(f->log, &stats);
        return sd_event_source_set_enabled(s, stats.queued_events < 2000 ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void child_main(Fixture *f, int fd, uint64_t seed) {
        static const EventLogHandler handler = { .durable = child_durable };
        Child c = { .f = f, .fd = fd };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prng_seed(&f->prng, seed);
        if (sd_event_new(&f->event) < 0 || eventlog_open(&f->config, &f->seq, &f->log, NULL) < 0 ||
            eventlog_attach(f->log, f->event, &handler, &c) < 0 ||
            sd_event_add_defer(f->event, &c.tick, child_tick, &c) < 0 ||
            sd_event_source_set_enabled(c.tick, SD_EVENT_ON) < 0)
                _exit(3);
        (void) sd_event_loop(f->event);
        _exit(4);
}

/* Runs one child until it has reported `reports` times, kills it, and returns the highest number it called durable. */
static uint64_t run_child(Fixture *f, unsigned reports, usec_t delay) {
        uint64_t seq, durable = 0;
        int fds[2], status;
        unsigned n = 0;

        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(fds[0]);
                child_main(f, fds[1], f->seed + reports);
        }
        close(fds[1]);
        while (n < reports && read(fds[0], &seq, sizeof(seq)) == sizeof(seq)) {
                durable = seq;
                n++;
        }
        assert_int_equal(n, reports);
        /* The moment is random; nothing is waited for here. */
        struct timespec ts = { .tv_nsec = (long) delay * 1000 };
        nanosleep(&ts, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(fds[0], &seq, sizeof(seq)) == sizeof(seq))
                durable = seq;
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        return durable;
}

static void nothing_durable_is_lost(void **state) {
        Fixture f;
        uint64_t before = 0;

        fixture_init(&f);
        f.config.max_size = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
                _cleanup_free_ uint64_t *seqs = NULL;
                _cleanup_free_ char *cursor = NULL;
                uint64_t durable = run_child(&f, 1 + (unsigned) prng_below(&f.prng, 60), prng_below(&f.prng, 20000));

                assert_true(durable > before);
                fixture_open(&f);
                assert_null(f.damaged);
                assert_true(f.seq.last >= durable);
                before = f.seq.last;
                assert_int_equal(eventlog_load_cursor(f.log, "journal", &cursor), 0);
                fixture_check(&f);
                assert_string_equal(f.answer_text, "ok");
                fixture_close(&f);

                size_t n = file_seqs(f.path, &seqs);
                assert_int_equal(n, before);
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(seqs[i], i + 1);
                /* Whole groups, with their cursor. */
                assert_int_equal(before % 2, 0);
                assert_int_equal(strtoull(cursor, NULL, 10), before);
        }
        print_message("%" PRIu64 " events over %d kills\n", before, ROUNDS);
        fixture_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_durable_is_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
