/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that something else wrote into. */
#include "fixture.h"
#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));

        fixture_init(f);
        fixture_open(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        fixture_done(*state);
        free(*state);
        return 0;
}

static uint64_t fill(Fixture *f, int n) {
        uint64_t last = 0;

        for (int i = 0; i < n; i++) {
                Event e = { .type = "test.event", .unit = (char *) "a.service", .priority = PRIORITY_NORMAL };
                last = fixture_append_full(f, &e, 300, NULL);
        }
        eventlog_put(f->log, "budget", "{\"n\":1}");
        eventlog_put_cursor(f->log, "journal", "s=1");
        eventlog_sink_register(f->log, "postgres");
        eventlog_sink_advance(f->log, "postgres", 17);
        fixture_wait_durable(f, last);
        return last;
}

static off_t file_size(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static void overwrite(const char *path, off_t offset, size_t n, int byte) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        _cleanup_free_ char *bytes = malloc(n);

        assert_true(fd >= 0);
        memset(bytes, byte, n);
        assert_int_equal(pwrite(fd, bytes, n, offset), n);
}

/* The old file is kept, byte for byte, and the log works on. */
static void assert_begun_anew(Fixture *f, off_t size) {
        assert_non_null(f->damaged);
        assert_non_null(startswith(f->damaged, f->path));
        assert_int_equal(file_size(f->damaged), size);
        uint64_t seq = fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL);
        fixture_wait_durable(f, seq);
        fixture_query(f, &(EventFilter){}, 10);
        ASSERT_SEQS(f, seq);
        fixture_check(f);
        assert_string_equal(f->answer_text, "ok");
        fixture_close(f);
        fixture_open(f);
        assert_null(f->damaged);
        assert_int_equal(f->seq.last, seq);
}

static void overwritten_header(void **state) {
        Fixture *f = *state;

        uint64_t last = fill(f, 100);

        fixture_close(f);
        off_t size = file_size(f->path);
        overwrite(f->path, 0, 100, 0xa5);
        fixture_open(f);
        assert_true(f->seq.last > last);
        assert_int_equal(eventlog_durable_seq(f->log), f->seq.last);
        /* Also when the next process comes before the next event. */
        last = f->seq.last;
        _cleanup_free_ char *damaged = TAKE_PTR(f->damaged);
        fixture_close(f);
        fixture_open(f);
        assert_null(f->damaged);
        assert_int_equal(f->seq.last, last);
        f->damaged = TAKE_PTR(damaged);
        assert_begun_anew(f, size);
        /* And again: the numbers still rise. */
        last = fill(f, 100);
        fixture_close(f);
        overwrite(f->path, 0, 100, 0xa5);
        fixture_open(f);
        assert_non_null(f->damaged);
        assert_true(f->seq.last >= last);
        assert_true(f->seq.last < UINT64_C(1) << 53);
}

static void not_a_database(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        FILE *file = fopen(f->path, "we");
        for (int i = 0; i < 10000; i++)
                fputs("This is a shopping list. ", file);
        assert_int_equal(fclose(file), 0);
        fixture_open(f);
        assert_begun_anew(f, 250000);
}

static void somebody_elses_database(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        unlink(f->path);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs(a); INSERT INTO theirs VALUES(1)", NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
        off_t size = file_size(f->path);
        fixture_open(f);
        assert_begun_anew(f, size);
}

static int any_state(const char *key, const char *json, void *userdata) {
        unsigned *n = userdata;

        assert_string_equal(key, "budget");
        assert_string_equal(json, "{\"n\":1}");
        (*n)++;
        return 0;
}

/* Pages of the events are gone: state, cursors and the numbers are still readable, and go on. */
static void overwritten_pages(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *cursor = NULL;
        unsigned n = 0;
        uint64_t seq, last = fill(f, 2000);

        fixture_close(f);
        off_t size = file_size(f->path);
        int64_t page = file_int(f->path, "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf'"
                                         " ORDER BY path LIMIT 1 OFFSET 20");
        overwrite(f->path, (page - 1) * 4096, 4096, 0xff);
        fixture_open(f);
        assert_non_null(f->damaged);
        assert_int_equal(f->seq.last, last);
        assert_int_equal(eventlog_load(f->log, "", any_state, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(eventlog_load_cursor(f->log, "journal", &cursor), 0);
        assert_string_equal(cursor, "s=1");
        assert_int_equal(eventlog_load_sink(f->log, "postgres", &seq), 0);
        assert_int_equal(seq, 17);
        assert_begun_anew(f, size);
        assert_true(f->seq.last > last);
}

static void truncated(void **state) {
        Fixture *f = *state;

        fill(f, 2000);
        fixture_close(f);
        off_t size = file_size(f->path) / 2 / 4096 * 4096;
        assert_int_equal(truncate(f->path, size), 0);
        fixture_open(f);
        assert_begun_anew(f, size);
}

static void empty_file(void **state) {
        Fixture *f = *state;

        fixture_close(f);
        assert_int_equal(truncate(f->path, 0), 0);
        fixture_open(f);
        assert_null(f->damaged);
        fixture_wait_durable(f, fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL));
}

/* Random bytes anywhere: never a crash or a refusal, and if the log says it is fine, it takes events and gives them back. */
static void random_bytes(void **state) {
        Fixture *f = *state;

        for (unsigned round = 0; round < 40; round++) {
                fill(f, 300);
                fixture_close(f);
                off_t size = file_size(f->path);
                for (unsigned k = 1 + (unsigned) prng_below(&f->prng, 4); k > 0; k--)
                        overwrite(f->path, (off_t) prng_below(&f->prng, (uint64_t) size - 64),
                                  1 + prng_below(&f->prng, 64), (int) prng_below(&f->prng, 256));
                int r = fixture_try_open(f);
                /* Bytes 60 to 63 are the version number: it may look newer. */
                if (r == -EPROTONOSUPPORT) {
                        assert_int_equal(unlink(f->path), 0);
                        fixture_open(f);
                } else
                        assert_int_equal(r, 0);
                uint64_t seq = fixture_append(f, "test.event", NULL, PRIORITY_NORMAL, NULL);
                fixture_wait_durable(f, seq);
                fixture_query(f, &(EventFilter){ .after = seq - 1 }, 10);
                ASSERT_SEQS(f, seq);
        }
}

static bool was_stalled(Fixture *f, uint64_t n) {
        return f->n_stalled >= n && f->n_resumed >= n;
}

/* Damage that shows while the log is in use: reported, moved aside, and nothing that was appended since is lost. */
static void damage_while_running(void **state) {
        Fixture *f = *state;
        uint64_t last = fill(f, 2000);
        glob_t g;

        fixture_close(f);
        fixture_open(f);
        /* Through a connection of SQLite's own process-wide kind the file's locks are kept; a plain close() of a descriptor
         * of this file here would drop them, hence a child. */
        int64_t page = file_int(f->path, "SELECT rootpage FROM sqlite_schema WHERE name = 'events'");
        int64_t unit_page = file_int(f->path, "SELECT rootpage FROM sqlite_schema WHERE name = 'events_unit'");
        pid_t pid = fork();
        if (pid == 0) {
                overwrite(f->path, (page - 1) * 4096, 4096, 0xff);
                overwrite(f->path, (unit_page - 1) * 4096, 4096, 0xff);
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        for (int i = 0; i < 3000; i++) {
                Event e = { .type = "test.event", .unit = (char *) "b.service", .priority = PRIORITY_NORMAL };
                last = fixture_append_full(f, &e, 300, NULL);
        }
        fixture_wait_durable(f, last);
        fixture_wait(f, was_stalled, 1);
        assert_int_equal(f->last_error, 0);
        _cleanup_free_ char *pattern = NULL;
        assert_true(str_printf(&pattern, "%s.damaged-*Z", f->path) >= 0);
        assert_int_equal(glob(pattern, 0, NULL, &g), 0);
        assert_int_equal(g.gl_pathc, 1);
        globfree(&g);
        fixture_query(f, &(EventFilter){ .newest = true }, 1);
        ASSERT_SEQS(f, last);
        fixture_check(f);
        assert_string_equal(f->answer_text, "ok");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(overwritten_header),
                TEST(not_a_database),
                TEST(somebody_elses_database),
                TEST(overwritten_pages),
                TEST(truncated),
                TEST(empty_file),
                TEST(random_bytes),
                TEST(damage_while_running),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
