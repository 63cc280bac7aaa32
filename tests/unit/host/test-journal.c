/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/hash.h"
#include "basic/string.h"
#include "host/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-messages.h>

#define TEST_LIMIT_USEC (20 * USEC_PER_SEC)
#define JOURNAL_REMOTE "/lib/systemd/systemd-journal-remote"
#define OTHER_BOOT "0123456789abcdef0123456789abcdef"
/* A position that no file has: all of this boot is read. */
#define LOST_CURSOR "s=11111111111111111111111111111111;i=1;b=" OTHER_BOOT ";m=1;t=1;x=1"

typedef struct Told {
        JournalFactType type;
        char unit[64];
        uint8_t invocation;
        JournalFact fact;
} Told;

typedef struct Rig {
        sd_event *event;
        JournalReader *reader;
        char *dir;
        char boot[SD_ID128_STRING_MAX];
        usec_t realtime, monotonic; /* of the next entry */
        Told told[4096];
        size_t n_told, n_positions, n_caught_up, n_problems, most_in_bite, in_bite;
        size_t pause_after;
        int problem;
        char *cursor;
} Rig;

/* ---- writing a journal ---- */

typedef struct Entry {
        const char *message_id, *unit, *message;
        uint8_t invocation; /* 0 = none */
        const char *fields; /* more of them, each with its newline */
        const char *pid, *boot;
} Entry;

static void format_entry(Rig *r, const Entry *e, StrBuf *b) {
        strbuf_appendf(b,
                       "__REALTIME_TIMESTAMP=%" PRIu64 "\n__MONOTONIC_TIMESTAMP=%" PRIu64 "\n_BOOT_ID=%s\n_PID=%s\n",
                       r->realtime, r->monotonic, e->boot ?: r->boot, e->pid ?: "1");
        if (e->message_id)
                strbuf_appendf(b, "MESSAGE_ID=%s\n", e->message_id);
        if (e->unit)
                strbuf_appendf(b, "UNIT=%s\n", e->unit);
        if (e->message)
                strbuf_appendf(b, "MESSAGE=%s\n", e->message);
        if (e->invocation)
                strbuf_appendf(b, "INVOCATION_ID=%02x000000000000000000000000000000\n", e->invocation);
        strbuf_appendf(b, "%s\n", e->fields ?: "");
        r->realtime += USEC_PER_MSEC;
        r->monotonic += USEC_PER_MSEC;
}

/* Appends to a file, by the program that systemd has for that. */
static void write_text(const Rig *r, const char *file, const char *text) {
        _cleanup_free_ char *output = NULL;
        int fds[2], status;
        size_t n = strlen(text);
        pid_t pid;

        assert_return_code(str_printf(&output, "--output=%s/%s.journal", r->dir, file), 0);
        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                dup2(fds[0], STDIN_FILENO);
                dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
                execl(JOURNAL_REMOTE, "systemd-journal-remote", output, "-", NULL);
                _exit(127);
        }
        close(fds[0]);
        while (n > 0) {
                ssize_t k = write(fds[1], text, n);

                assert_true(k > 0);
                text += k;
                n -= (size_t) k;
        }
        close(fds[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void write_entries(Rig *r, const char *file, const Entry *entries, size_t n) {
        _cleanup_strbuf_ StrBuf b = {};

        for (size_t i = 0; i < n; i++)
                format_entry(r, entries + i, &b);
        assert_false(b.failed);
        write_text(r, file, b.data);
}

static void write_starts(Rig *r, const char *file, unsigned n) {
        _cleanup_free_ Entry *entries = calloc(n, sizeof(Entry));

        assert_non_null(entries);
        for (unsigned i = 0; i < n; i++)
                entries[i] = (Entry){ .message_id = SD_MESSAGE_UNIT_STARTING_STR,
                                      .unit = "many.service",
                                      .message = "Starting many.service...",
                                      .invocation = (uint8_t) (i % 250 + 1) };
        write_entries(r, file, entries, n);
}

/* ---- reading it ---- */

static void on_fact(JournalReader *j, const JournalFact *f, void *userdata) {
        Rig *r = userdata;
        Told *t = r->told + r->n_told++;

        assert_true(r->n_told < ELEMENTSOF(r->told));
        *t = (Told){ .type = f->type, .invocation = f->invocation.bytes[0], .fact = *f };
        snprintf(t->unit, sizeof(t->unit), "%s", f->unit);
        r->in_bite++;
        if (r->pause_after > 0 && r->n_told == r->pause_after)
                journal_reader_pause(j, true);
}

static void on_position(JournalReader *j, const char *cursor, void *userdata) {
        Rig *r = userdata;

        r->n_positions++;
        r->most_in_bite = MAX(r->most_in_bite, r->in_bite);
        r->in_bite = 0;
        assert_return_code(free_and_strdup(&r->cursor, cursor), 0);
}

static void on_caught_up(JournalReader *j, void *userdata) {
        Rig *r = userdata;

        assert_int_equal(r->in_bite, 0); /* all of it was followed by its position */
        r->n_caught_up++;
}

static void on_problem(JournalReader *j, int error, const char *text, void *userdata) {
        Rig *r = userdata;

        r->n_problems++;
        r->problem = error;
}

static void open_reader(Rig *r, const char *cursor) {
        static const JournalHandler handler = {
                .fact = on_fact,
                .position = on_position,
                .caught_up = on_caught_up,
                .problem = on_problem,
        };

        r->reader = journal_reader_free(r->reader);
        r->n_told = r->n_positions = r->n_caught_up = r->n_problems = r->most_in_bite = r->in_bite = 0;
        assert_return_code(journal_reader_new(r->event, r->dir, cursor, &handler, r, &r->reader), 0);
}

static void wait_until(Rig *r, const size_t *counter, size_t n) {
        usec_t end = boottime_now() + TEST_LIMIT_USEC;

        while (*counter < n) {
                if (boottime_now() >= end)
                        fail_msg("Waited in vain; %zu facts, %zu times caught up", r->n_told, r->n_caught_up);
                assert_return_code(sd_event_run(r->event, USEC_PER_SEC), 0);
        }
}

static int set_up(void **state) {
        Rig *r = calloc(1, sizeof(*r));
        sd_id128_t boot;

        assert_non_null(r);
        r->dir = strdup("/tmp/synos-test-journal-XXXXXX");
        assert_non_null(r->dir);
        assert_non_null(mkdtemp(r->dir));
        assert_return_code(sd_id128_get_boot(&boot), 0);
        sd_id128_to_string(boot, r->boot);
        assert_return_code(sd_event_new(&r->event), 0);
        r->realtime = realtime_now() - USEC_PER_HOUR;
        r->monotonic = USEC_PER_SEC;
        *state = r;
        return 0;
}

static int tear_down(void **state) {
        Rig *r = *state;
        DIR *d = opendir(r->dir);
        struct dirent *e;

        journal_reader_free(r->reader);
        sd_event_unref(r->event);
        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        if (d)
                closedir(d);
        (void) rmdir(r->dir);
        free(r->cursor);
        free(r->dir);
        free(r);
        return 0;
}

/* ---- facts ---- */

static void test_facts(void **state) {
        static const Entry entries[] = {
                /* systemd 252, Type=notify */
                { SD_MESSAGE_UNIT_STARTING_STR, "n.service", "Starting n.service...", 1, "JOB_TYPE=start\n" },
                { SD_MESSAGE_UNIT_STARTED_STR, "n.service", "Started n.service.", 1, "JOB_RESULT=done\n" },
                { SD_MESSAGE_UNIT_STOPPING_STR, "n.service", "Stopping n.service...", 1 },
                { SD_MESSAGE_UNIT_SUCCESS_STR, "n.service", "n.service: Deactivated successfully.", 1 },
                { SD_MESSAGE_UNIT_STOPPED_STR, "n.service", "Stopped n.service.", 1, "JOB_RESULT=done\n" },
                /* Type=simple has no "Starting" */
                { SD_MESSAGE_UNIT_STARTED_STR, "s@a\\x2db.service", "Started a thing.", 2, "JOB_RESULT=done\n" },
                { SD_MESSAGE_UNIT_PROCESS_EXIT_STR, "s@a\\x2db.service",
                  "s@a\\x2db.service: Main process exited, code=killed, status=9/KILL", 2,
                  "EXIT_CODE=killed\nEXIT_STATUS=9\n" },
                { SD_MESSAGE_UNIT_FAILURE_RESULT_STR, "s@a\\x2db.service",
                  "s@a\\x2db.service: Failed with result 'signal'.", 2, "UNIT_RESULT=signal\n" },
                { SD_MESSAGE_UNIT_RESTART_SCHEDULED_STR, "s@a\\x2db.service", "Scheduled restart job", 2,
                  "N_RESTARTS=7\n" },
                /* a control process, a failed job, another process, no unit, no message id */
                { SD_MESSAGE_UNIT_PROCESS_EXIT_STR, "p.service",
                  "p.service: Control process exited, code=exited, status=1/FAILURE", 3,
                  "EXIT_CODE=exited\nEXIT_STATUS=1\n" },
                { SD_MESSAGE_UNIT_FAILED_STR, "p.service", "Dependency failed for p.service.", 3,
                  "JOB_RESULT=dependency\n" },
                { SD_MESSAGE_UNIT_STARTED_STR, "forged.service", "Started forged.service.", 4, NULL, "999" },
                { SD_MESSAGE_UNIT_STARTED_STR, NULL, "Started nothing.", 4 },
                { SD_MESSAGE_UNIT_STARTED_STR, "not a unit", "Started something.", 4 },
                { NULL, "n.service", "n.service: Consumed 3ms CPU time.", 1 },
                /* conditions, in the words of 252 and 257: of no invocation, whatever the entry says */
                { SD_MESSAGE_UNIT_STARTED_STR, "c.service",
                  "c.service was skipped because of an unmet condition check (X=y).", 5, "JOB_RESULT=done\n" },
                { SD_MESSAGE_UNIT_STARTED_STR, "c.service", "c.service skipped, unmet condition check X=y", 5,
                  "JOB_RESULT=done\n" },
                { SD_MESSAGE_UNIT_SKIPPED_STR, "x.service", "x.service: Skipped due to 'exec-condition'.", 6,
                  "UNIT_RESULT=exec-condition\n" },
                /* Type=oneshot: finished after it was deactivated */
                { SD_MESSAGE_UNIT_STARTING_STR, "o.service", "Starting o.service...", 7 },
                { SD_MESSAGE_UNIT_SUCCESS_STR, "o.service", "o.service: Deactivated successfully.", 7 },
                { SD_MESSAGE_UNIT_STARTED_STR, "o.service", "Finished o.service.", 7, "JOB_RESULT=done\n" },
                /* words of the future */
                { SD_MESSAGE_UNIT_FAILURE_RESULT_STR, "f.service", "f.service: Failed with result 'boredom'.", 8,
                  "UNIT_RESULT=boredom\n" },
                { SD_MESSAGE_UNIT_PROCESS_EXIT_STR, "f.service",
                  "f.service: Main process exited, code=melted, status=1/X", 8, "EXIT_CODE=melted\nEXIT_STATUS=1\n" },
        };
        static const struct {
                JournalFactType type;
                const char *unit;
                uint8_t invocation;
        } expected[] = {
                { FACT_STARTING, "n.service", 1 },        { FACT_STARTED, "n.service", 1 },
                { FACT_STOPPING, "n.service", 1 },        { FACT_STOPPED, "n.service", 1 },
                { FACT_STOPPED, "n.service", 1 },         { FACT_STARTING, "s@a\\x2db.service", 2 },
                { FACT_STARTED, "s@a\\x2db.service", 2 }, { FACT_EXITED, "s@a\\x2db.service", 2 },
                { FACT_FAILED, "s@a\\x2db.service", 2 },  { FACT_RESTART_SCHEDULED, "s@a\\x2db.service", 2 },
                { FACT_SKIPPED, "c.service", 0 },         { FACT_SKIPPED, "c.service", 0 },
                { FACT_SKIPPED, "x.service", 6 },         { FACT_STARTING, "o.service", 7 },
                { FACT_STOPPED, "o.service", 7 },         { FACT_FAILED, "f.service", 8 },
        };
        Rig *r = *state;
        usec_t first = r->realtime;

        write_entries(r, "a", entries, ELEMENTSOF(entries));
        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_caught_up, 1);
        for (size_t i = 0; i < MIN(r->n_told, ELEMENTSOF(expected)); i++) {
                assert_string_equal(r->told[i].unit, expected[i].unit);
                assert_int_equal(r->told[i].type, expected[i].type);
                assert_int_equal(r->told[i].invocation, expected[i].invocation);
        }
        assert_int_equal(r->n_told, ELEMENTSOF(expected));

        assert_int_equal(r->told[1].fact.job_result, JOB_DONE);
        assert_int_equal(r->told[3].fact.result, RESULT_SUCCESS);
        assert_int_equal(r->told[7].fact.exec_code, CLD_KILLED);
        assert_int_equal(r->told[7].fact.exec_status, 9);
        assert_int_equal(r->told[8].fact.result, RESULT_SIGNAL);
        assert_int_equal(r->told[9].fact.n_restarts, 7);
        assert_int_equal(r->told[12].fact.result, RESULT_EXEC_CONDITION);
        assert_int_equal(r->told[15].fact.result, RESULT_UNKNOWN);

        assert_int_equal(r->told[0].fact.time.realtime, first);
        /* One second of CLOCK_MONOTONIC is at least one of CLOCK_BOOTTIME. */
        assert_in_range(r->told[0].fact.time.boottime, USEC_PER_SEC, boottime_now());
}

static void test_source_time(void **state) {
        Rig *r = *state;
        char fields[128];
        const Entry entry = { SD_MESSAGE_UNIT_STARTING_STR, "n.service", "Starting n.service...", 1, fields };

        snprintf(fields, sizeof(fields), "_SOURCE_REALTIME_TIMESTAMP=%" PRIu64 "\n", r->realtime - 300);
        write_entries(r, "a", &entry, 1);
        /* A clock step between sending and writing is no delay. */
        snprintf(fields, sizeof(fields), "_SOURCE_REALTIME_TIMESTAMP=%" PRIu64 "\n", r->realtime - USEC_PER_HOUR);
        write_entries(r, "a", &entry, 1);
        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 2);
        assert_int_equal(r->told[1].fact.time.realtime - r->told[0].fact.time.realtime, USEC_PER_MSEC + 300);
        assert_in_range(r->told[1].fact.time.boottime - r->told[0].fact.time.boottime, USEC_PER_MSEC + 200,
                        USEC_PER_MSEC + 400);
}

/* ---- positions ---- */

static void test_first_start(void **state) {
        Rig *r = *state;
        _cleanup_free_ char *cursor = NULL;

        write_starts(r, "a", 3);
        open_reader(r, NULL);
        wait_until(r, &r->n_caught_up, 1);
        /* No history, but a position from which the next one can go on. */
        assert_int_equal(r->n_told, 0);
        assert_int_equal(r->n_positions, 1);
        cursor = strdup(r->cursor);

        write_starts(r, "a", 2);
        write_starts(r, "b", 1); /* a new file */
        wait_until(r, &r->n_told, 3);
        assert_int_equal(r->n_problems, 0);

        open_reader(r, cursor);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 3);
        assert_int_equal(r->n_problems, 0);

        open_reader(r, r->cursor);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 0);
}

static void test_empty(void **state) {
        Rig *r = *state;

        open_reader(r, NULL);
        wait_until(r, &r->n_caught_up, 1);
        write_starts(r, "a", 2);
        wait_until(r, &r->n_told, 2);
}

static void test_bites(void **state) {
        Rig *r = *state;

        write_starts(r, "a", 1000);
        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 1000);
        assert_int_equal(r->most_in_bite, 256);
        assert_int_equal(r->n_positions, 4);
        assert_int_equal(r->n_caught_up, 1);
}

static void test_pause(void **state) {
        Rig *r = *state;

        write_starts(r, "a", 1000);
        r->pause_after = 300;
        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_positions, 2);
        /* Nothing is due while it is paused. */
        assert_int_equal(sd_event_run(r->event, 20 * USEC_PER_MSEC), 0);
        assert_int_equal(r->n_told, 300);
        assert_int_equal(r->n_caught_up, 0);
        assert_return_code(journal_reader_look(r->reader), 0);
        assert_int_equal(sd_event_run(r->event, 20 * USEC_PER_MSEC), 0);

        journal_reader_pause(r->reader, false);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 1000);
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(r->told[i].invocation, i % 250 + 1);
}

static void test_look(void **state) {
        Rig *r = *state;
        usec_t end;

        write_starts(r, "a", 1);
        open_reader(r, NULL);
        wait_until(r, &r->n_caught_up, 1);
        assert_return_code(journal_reader_look(r->reader), 0);
        write_starts(r, "a", 1);
        wait_until(r, &r->n_told, 1);
        wait_until(r, &r->n_caught_up, 2);

        /* Looking comes to an end by itself. */
        assert_return_code(journal_reader_look(r->reader), 0);
        end = boottime_now() + TEST_LIMIT_USEC;
        while (sd_event_run(r->event, 100 * USEC_PER_MSEC) > 0)
                assert_true(boottime_now() < end);
}

static void test_lost_cursor(void **state) {
        static const Entry entries[] = {
                { SD_MESSAGE_UNIT_STARTING_STR, "old.service", "Starting old.service...", 1, NULL, NULL, OTHER_BOOT },
                { SD_MESSAGE_UNIT_STARTING_STR, "before.service", "Starting before.service...", 2 },
                { SD_MESSAGE_UNIT_STARTING_STR, "after.service", "Starting after.service...", 3 },
        };
        Rig *r = *state;
        _cleanup_free_ char *cursor = NULL, *future = NULL;
        usec_t t = r->realtime;

        write_entries(r, "a", entries, ELEMENTSOF(entries));
        assert_return_code(str_printf(&cursor, "s=11111111111111111111111111111111;i=1;b=%s;m=1;t=%" PRIx64 ";x=1",
                                      r->boot, t + USEC_PER_MSEC),
                           0);
        open_reader(r, cursor);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_problems, 1);
        assert_int_equal(r->problem, -ENODATA);
        assert_int_equal(r->n_told, 1);
        assert_string_equal(r->told[0].unit, "after.service");

        /* The clock was set back since: all of this boot. */
        assert_return_code(str_printf(&future, "s=11111111111111111111111111111111;i=1;b=%s;m=1;t=%" PRIx64 ";x=1",
                                      r->boot, realtime_now() + USEC_PER_HOUR),
                           0);
        open_reader(r, future);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 2);
        assert_string_equal(r->told[0].unit, "before.service");

        open_reader(r, "rubbish");
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_problems, 1);
        assert_int_equal(r->n_told, 2);
}

/* Broken files neither stop the reader nor hide what other files hold. */
static void test_corrupt(void **state) {
        Rig *r = *state;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        char rubbish[4096];
        struct stat st;

        write_starts(r, "a", 500);
        assert_return_code(str_printf(&path, "%s/a.journal", r->dir), 0);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_return_code(fd, errno);
        assert_return_code(fstat(fd, &st), errno);
        for (size_t i = 0; i < sizeof(rubbish); i++)
                rubbish[i] = (char) (i * 37 + 11);
        for (off_t at = 8192; at < st.st_size; at += 16384)
                assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), at), sizeof(rubbish));

        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_caught_up, 1);
        assert_true(r->n_told < 500);
        r->n_told = 0;
        write_starts(r, "b", 2);
        wait_until(r, &r->n_told, 2);
}

/* What was read may be removed under the reader; what comes is still told, once. */
static void test_vacuum(void **state) {
        Rig *r = *state;
        _cleanup_free_ char *path = NULL;

        write_starts(r, "a", 5);
        open_reader(r, LOST_CURSOR);
        wait_until(r, &r->n_caught_up, 1);
        assert_int_equal(r->n_told, 5);
        r->n_problems = 0;
        assert_return_code(str_printf(&path, "%s/a.journal", r->dir), 0);
        assert_return_code(unlink(path), errno);
        write_starts(r, "b", 3);
        wait_until(r, &r->n_told, 8);
        /* And after a pause. */
        journal_reader_pause(r->reader, true);
        write_starts(r, "b", 2);
        journal_reader_pause(r->reader, false);
        wait_until(r, &r->n_told, 10);
        assert_int_equal(r->n_told, 10);
        assert_int_equal(r->n_problems, 0);
}

static void test_no_directory(void **state) {
        static const JournalHandler handler = { .fact = on_fact };
        Rig *r = *state;
        JournalReader *j;

        assert_int_equal(journal_reader_new(r->event, "/nonexistent", NULL, &handler, r, &j), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(test_facts),   TEST(test_source_time), TEST(test_first_start),  TEST(test_empty),
                TEST(test_bites),   TEST(test_pause),       TEST(test_look),         TEST(test_lost_cursor),
                TEST(test_corrupt), TEST(test_vacuum),      TEST(test_no_directory),
        };

        if (access(JOURNAL_REMOTE, X_OK) < 0) {
                puts(JOURNAL_REMOTE " is not installed, which writes the journals of this test; skipping.");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
