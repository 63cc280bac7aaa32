/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real file system without room: a small tmpfs in a mount namespace of our own. */
#include "fixture.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char ballast_path[4096];

static int enter_namespace(void) {
        if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return -errno;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return 0;
}

static int mount_small(const char *dir) {
        return mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m") < 0 ? -errno : 0;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        fixture_init(f);
        assert_int_equal(mount_small(f->dir), 0);
        snprintf(ballast_path, sizeof(ballast_path), "%s/ballast", f->dir);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
        fixture_done(f);
        free(f);
        return 0;
}

static void fill_disk(void) {
        _cleanup_close_ int fd = open(ballast_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        char block[4096] = {};

        assert_true(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        assert_int_equal(errno, ENOSPC);
}

static void free_disk(void) {
        assert_int_equal(unlink(ballast_path), 0);
}

static uint64_t append_some(Fixture *f, int n) {
        uint64_t last = 0;

        for (int i = 0; i < n; i++) {
                Event e = { .type = "test.event", .unit = (char *) "a.service", .priority = PRIORITY_HIGH };
                last = fixture_append_full(f, &e, 500, NULL);
        }
        return last;
}

static bool is_stalled_or_durable(Fixture *f, uint64_t seq) {
        return f->n_stalled > f->n_resumed || f->durable >= seq;
}

/* Appends until nothing more goes in (old blocks of the files may have room for a while); the last number. */
static uint64_t append_until_stalled(Fixture *f) {
        uint64_t last;

        do {
                last = append_some(f, 500);
                fixture_wait(f, is_stalled_or_durable, last);
        } while (f->n_stalled == f->n_resumed);
        return last;
}

static bool is_resumed(Fixture *f, uint64_t n) {
        return f->n_resumed >= n;
}

static bool has_failed_commits(Fixture *f, uint64_t n) {
        EventLogStats s;

        eventlog_stats(f->log, &s);
        return s.failed_commits >= n;
}

static void assert_all_there(Fixture *f, uint64_t last) {
        _cleanup_free_ uint64_t *seqs = NULL;
        size_t n = file_seqs(f->path, &seqs);

        assert_int_equal(n, last);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(seqs[i], i + 1);
}

static void stalls_once_and_goes_on(void **state) {
        Fixture *f = *state;
        EventLogStats s;

        fixture_open(f);
        uint64_t before = append_some(f, 100);
        fixture_wait_durable(f, before);
        for (unsigned round = 1; round <= 2; round++) {
                fill_disk();
                uint64_t last = append_until_stalled(f);
                assert_int_equal(f->n_stalled, round);
                assert_int_equal(f->last_error, -ENOSPC);
                /* It tries again by itself, shows life, and keeps what waits. */
                eventlog_stats(f->log, &s);
                fixture_wait(f, has_failed_commits, s.failed_commits + 2);
                fixture_wait_turn(f);
                assert_int_equal(f->n_stalled, round);
                eventlog_stats(f->log, &s);
                assert_int_equal(s.state, EVENTLOG_STALLED);
                assert_int_equal(s.error, -ENOSPC);
                assert_true(s.queued_events > 0);
                assert_true(s.durable_seq < last);
                /* What is on disk can still be read. */
                fixture_query(f, &(EventFilter){}, 1);
                ASSERT_SEQS(f, 1);

                free_disk();
                fixture_wait_durable(f, last);
                fixture_wait(f, is_resumed, round);
                assert_int_equal(f->last_error, 0);
                eventlog_stats(f->log, &s);
                assert_int_equal(s.state, EVENTLOG_OK);
                assert_int_equal(s.dropped, 0);
                assert_all_there(f, last);
        }
}

static void the_queue_is_bounded_while_stalled(void **state) {
        Fixture *f = *state;
        EventLogStats s;
        int r;

        f->config.queue_max_events = 1000;
        fixture_open(f);
        fixture_wait_durable(f, append_some(f, 10));
        fill_disk();
        uint64_t high = append_until_stalled(f);
        /* All of these are let go of, but for the newest. */
        for (int i = 0; i < 5000; i++)
                fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, &r);
        uint64_t last = append_some(f, 100);
        eventlog_put(f->log, "budget", "{\"n\":9}");
        eventlog_stats(f->log, &s);
        assert_true(s.queued_events <= 1001);
        assert_true(s.dropped >= 4000);
        free_disk();
        fixture_wait_durable(f, last);

        /* Every important event is there, the markers account for all that is missing. */
        char sql[256];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM events WHERE priority = 8 AND type = 'test.event'");
        assert_int_equal(file_int(f->path, sql), (int64_t) high + 100);
        snprintf(sql, sizeof(sql),
                 "SELECT sum(CASE type WHEN 'log.truncated' THEN json_extract(json, '$.count') ELSE 1 END)"
                 " FROM events");
        assert_int_equal(file_int(f->path, sql), (int64_t) last);
        assert_int_equal(file_int(f->path, "SELECT sum(json_extract(json, '$.count')) FROM events"
                                           " WHERE type = 'log.truncated'"),
                         (int64_t) s.dropped);
        assert_int_equal(file_int(f->path, "SELECT count(*) FROM state WHERE json = '{\"n\":9}'"), 1);
}

/* A stop while the disk is full waits a little, and what was durable stays intact. */
static void close_while_stalled(void **state) {
        Fixture *f = *state;

        fixture_open(f);
        uint64_t durable = append_some(f, 100);
        fixture_wait_durable(f, durable);
        fill_disk();
        append_until_stalled(f);
        durable = eventlog_durable_seq(f->log);
        usec_t start = monotonic_now();
        fixture_close(f);
        assert_true(monotonic_now() - start < 50 * USEC_PER_SEC);
        free_disk();
        fixture_open(f);
        assert_null(f->damaged);
        assert_int_equal(f->seq.last, durable);
        assert_all_there(f, durable);
        uint64_t last = append_some(f, 10);
        fixture_wait_durable(f, last);
}

static void room_during_close_is_used(void **state) {
        Fixture *f = *state;

        fixture_open(f);
        fixture_wait_durable(f, append_some(f, 100));
        fill_disk();
        uint64_t last = append_until_stalled(f);
        free_disk();
        fixture_close(f);
        assert_all_there(f, last);
}

static void cannot_even_start(void **state) {
        Fixture *f = *state;

        fill_disk();
        assert_int_equal(fixture_try_open(f), -ENOSPC);
        free_disk();
        fixture_open(f);
        assert_null(f->damaged);
        fixture_wait_durable(f, append_some(f, 10));
}

/* Full disks at random moments of many small commits and checkpoints. */
static void random_storm(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;

        /* Room for the file at its limit and a whole WAL, so that only the ballast is too much. */
        assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, "size=12m"), 0);
        f->config.max_size = 1024 * 1024;
        fixture_open(f);
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned k = (unsigned) prng_below(&f->prng, 40); k > 0; k--) {
                        last = append_some(f, (int) prng_below(&f->prng, 60) + 1);
                        assert_true(sd_event_run(f->event, prng_below(&f->prng, 3000)) >= 0);
                }
                fill_disk();
                last = append_some(f, 1000);
                /* Old blocks may have room for it all. */
                fixture_wait(f, is_stalled_or_durable, last);
                free_disk();
                fixture_wait_durable(f, last);
        }
        fixture_check(f);
        assert_string_equal(f->answer_text, "ok");
        _cleanup_free_ uint64_t *seqs = NULL;
        size_t n = file_seqs(f->path, &seqs);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(seqs[i], last - n + 1 + i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(stalls_once_and_goes_on), TEST(the_queue_is_bounded_while_stalled),
                TEST(close_while_stalled),     TEST(room_during_close_is_used),
                TEST(cannot_even_start),       TEST(random_storm),
        };
        int r = enter_namespace();
        if (r < 0) {
                print_message("SKIP: no mount namespace: %s\n", strerror(-r));
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
