/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/journal.h"

#include "host/journal-fact.h"
#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#define BITE_MAX 256U
#define LOOK_INTERVAL_USEC (5 * USEC_PER_MSEC)
#define LOOK_MAX_USEC (500 * USEC_PER_MSEC)
#define REOPEN_MIN_USEC (1 * USEC_PER_SEC)
#define REOPEN_MAX_USEC (30 * USEC_PER_SEC)
/* Files came or went: opened again when all was read, so that directories that are new are found too; not more often. */
#define REOPEN_INTERVAL_USEC (10 * USEC_PER_SEC)
/* After a long pause the kernel may have dropped what it wanted to tell of new files. */
#define PAUSE_REOPEN_USEC (10 * USEC_PER_SEC)
/* Below the bus: what the signals tell is told first. */
#define READER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct JournalReader {
        sd_event *event;
        const JournalHandler *handler;
        void *userdata;
        char *dir;
        Id128 boot;

        sd_journal *journal; /* NULL while it cannot be opened */
        JournalMemory *memory;
        char *cursor; /* of the last entry that was told, NULL = none yet */
        usec_t cursor_time; /* its realtime */
        bool position_due; /* the cursor was set by seeking and was not told yet */
        bool this_boot_only; /* the cursor was lost: pass over older boots */
        bool told_caught_up; /* nothing new since caught_up */
        bool invalidated; /* files came or went since it was opened */
        usec_t opened; /* boottime of the last success, 0 = never */
        unsigned stuck, failures; /* errors without progress; failed attempts to open */
        usec_t paused_since; /* boottime, 0 = not paused */
        usec_t look_until; /* boottime, 0 = not looking */

        sd_event_source *io; /* the journal's inotify */
        sd_event_source *defer; /* the next bite */
        sd_event_source *timer; /* reopen, or the journal's own time-out where inotify does not work */
        sd_event_source *look;
        sd_event_source *parent; /* inotify of the directory in which a persistent journal may be set up */
};

static int reader_open(JournalReader *j);
static void reader_failed(JournalReader *j, int error, const char *text);

static void reader_problem(JournalReader *j, int error, const char *text) {
        if (j->handler->problem)
                j->handler->problem(j, error, text, j->userdata);
}

static void reader_close(JournalReader *j) {
        j->io = sd_event_source_disable_unref(j->io);
        if (j->journal)
                sd_journal_close(j->journal);
        j->journal = NULL;
}

static int reader_arm(sd_event_source *s, usec_t boottime) {
        int r;

        r = sd_event_source_set_time(s, boottime);
        if (r >= 0)
                r = sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return r;
}

static void reader_schedule(JournalReader *j) {
        if (!j->paused_since && j->journal)
                (void) sd_event_source_set_enabled(j->defer, SD_EVENT_ONESHOT);
}

/* Remembers the current entry as told. */
static int reader_save_cursor(JournalReader *j) {
        _cleanup_free_ char *cursor = NULL;
        uint64_t t;
        int r;

        r = sd_journal_get_cursor(j->journal, &cursor);
        if (r < 0)
                return r;
        r = sd_journal_get_realtime_usec(j->journal, &t);
        if (r < 0)
                return r;
        free(j->cursor);
        j->cursor = TAKE_PTR(cursor);
        j->cursor_time = t;
        return 0;
}

static void reader_tell_position(JournalReader *j) {
        j->position_due = false;
        if (j->handler->position)
                j->handler->position(j, j->cursor ?: "", j->userdata);
}

/* Tells the current entry. */
static int reader_tell(JournalReader *j) {
        char unit[UNIT_NAME_BUFFER];
        JournalFact f;
        bool starting;
        int r;

        r = journal_fact_read(j->journal, j->memory, j->boot, unit, &f, &starting);
        if (r <= 0)
                return r;
        if (j->this_boot_only && !id128_equal(f.boot, j->boot))
                return 0;
        if (starting) {
                JournalFact first = f;

                first.type = FACT_STARTING;
                first.job_result = JOB_RESULT_UNKNOWN;
                j->handler->fact(j, &first, j->userdata);
        }
        j->handler->fact(j, &f, j->userdata);
        return 1;
}

/* The number of entries that were read into *ret, also on error. */
static int reader_read_entries(JournalReader *j, unsigned *ret, bool *ret_corrupt) {
        int r;

        r = sd_journal_process(j->journal);
        if (r < 0)
                return r;
        /* All answers mean that there may be a next entry; a new file appears in the iteration by itself, at its place. */
        if (r == SD_JOURNAL_INVALIDATE)
                j->invalidated = true;
        while (*ret < BITE_MAX && !j->paused_since) {
                r = sd_journal_next(j->journal);
                if (r <= 0)
                        return r;
                (*ret)++;
                r = reader_tell(j);
                if (r == -EBADMSG)
                        *ret_corrupt = true; /* this entry only: the file may go on behind it */
                else if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads one bite. The number of entries, or a negative errno after which the journal has to be opened again. */
static int reader_bite(JournalReader *j) {
        bool corrupt = false;
        unsigned n = 0;
        int r, k = 0;

        r = reader_read_entries(j, &n, &corrupt);
        if (n > 0) {
                k = reader_save_cursor(j);
                if (k >= 0)
                        j->stuck = 0;
                j->told_caught_up = false;
        }
        /* Also after an error: the facts of this bite were told and are to be committed. */
        if (n > 0 || j->position_due)
                reader_tell_position(j);
        if (corrupt)
                reader_problem(j, -EBADMSG, "Broken entries in the journal, passed over");
        if (r < 0 || k < 0)
                return r < 0 ? r : k;
        return (int) n;
}

/* Closes and opens at the cursor, from the loop. */
static void reader_reopen(JournalReader *j, usec_t boottime) {
        reader_close(j);
        (void) reader_arm(j->timer, boottime);
}

static void reader_caught_up(JournalReader *j) {
        usec_t now = boottime_now();
        uint64_t timeout;

        if (!j->told_caught_up) {
                j->told_caught_up = true;
                j->look_until = 0;
                (void) sd_event_source_set_enabled(j->look, SD_EVENT_OFF);
                if (j->handler->caught_up)
                        j->handler->caught_up(j, j->userdata);
        }
        if (j->paused_since)
                return;
        if (j->invalidated && now >= j->opened + REOPEN_INTERVAL_USEC)
                return reader_reopen(j, now);
        if (j->invalidated)
                (void) reader_arm(j->timer, j->opened + REOPEN_INTERVAL_USEC);
        /* On network file systems inotify tells nothing; sd-journal then asks to be called again. The clock is
         * CLOCK_MONOTONIC. */
        else if (sd_journal_get_timeout(j->journal, &timeout) >= 0 && timeout != UINT64_MAX)
                (void) reader_arm(j->timer, usec_add(now, MAX(usec_sub(timeout, monotonic_now()), USEC_PER_SEC)));
}

static void reader_files_changed(JournalReader *j) {
        j->invalidated = true;
        if (j->journal && j->told_caught_up)
                reader_caught_up(j);
}

static void reader_dispatch(JournalReader *j) {
        int r;

        if (!j->journal || j->paused_since)
                return;
        r = reader_bite(j);
        if (r < 0)
                return reader_failed(j, r, "Cannot read the journal, opening it again");
        if (j->paused_since)
                return;
        if ((unsigned) r >= BITE_MAX)
                return reader_schedule(j);
        reader_caught_up(j);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        reader_dispatch(userdata);
        return 0;
}

static int on_defer(sd_event_source *s, void *userdata) {
        reader_dispatch(userdata);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        JournalReader *j = userdata;
        int r;

        if (j->journal) {
                reader_dispatch(j);
                return 0;
        }
        r = reader_open(j);
        if (r < 0)
                reader_failed(j, r, "Cannot open the journal, trying again");
        return 0;
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata) {
        JournalReader *j = userdata;

        /* Entries are in the mapped file as soon as journald wrote them; only its wake-up comes late. */
        reader_dispatch(j);
        if (j->look_until > 0 && boottime_now() < j->look_until)
                (void) reader_arm(j->look, boottime_now() + LOOK_INTERVAL_USEC);
        else if (j->look_until > 0) {
                /* In vain: perhaps not all is being read that there is. */
                j->look_until = 0;
                reader_files_changed(j);
        }
        return 0;
}

static int on_parent(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        /* sd-journal does not watch for a journal directory that was not there when it was opened. */
        if (event->len > 0 && streq(event->name, "journal"))
                reader_files_changed(userdata);
        return 0;
}

/* Closes and opens again: at once for the first error since the last progress, then with growing delays. */
static void reader_failed(JournalReader *j, int error, const char *text) {
        usec_t delay = REOPEN_MIN_USEC << MIN(j->failures, 5U);

        reader_problem(j, error, text);
        if (j->journal)
                j->stuck++;
        j->failures++;
        reader_close(j);
        (void) reader_arm(j->timer, boottime_now() + (j->failures == 1 ? 0 : MIN(delay, REOPEN_MAX_USEC)));
}

/* The realtime (hexadecimal, microseconds) in a cursor: "s=…;i=…;b=…;m=…;t=…;x=…". */
static int cursor_realtime(const char *cursor, usec_t *ret) {
        const char *p = strstr(cursor, ";t=");
        char *end;
        unsigned long long t;

        if (!p)
                return -EINVAL;
        errno = 0;
        t = strtoull(p + 3, &end, 16);
        if (errno != 0 || end == p + 3 || (*end != ';' && *end != 0))
                return -EINVAL;
        *ret = t;
        return 0;
}

/* To before the first entry of this boot that is younger than `after`; all of this boot if that lies in the future. */
static int reader_seek_boot(JournalReader *j, usec_t after) {
        sd_id128_t boot;
        int r;

        j->this_boot_only = true;
        if (after > 0 && after <= realtime_now())
                return sd_journal_seek_realtime_usec(j->journal, after + 1);
        memcpy(boot.bytes, j->boot.bytes, sizeof(boot.bytes));
        r = sd_journal_seek_monotonic_usec(j->journal, boot, 0);
        return r < 0 ? sd_journal_seek_head(j->journal) : 0;
}

/* Behind everything: a first start has no history of its own. */
static int reader_seek_tail(JournalReader *j) {
        int r;

        r = sd_journal_seek_tail(j->journal);
        if (r < 0)
                return r;
        r = sd_journal_previous(j->journal);
        if (r < 0)
                return r;
        if (r == 0) /* no entry yet: all that come are new */
                return sd_journal_seek_head(j->journal);
        j->position_due = true;
        return reader_save_cursor(j);
}

static int reader_seek_cursor(JournalReader *j) {
        usec_t t = j->cursor_time;
        int r;

        r = sd_journal_seek_cursor(j->journal, j->cursor);
        if (r >= 0) {
                r = sd_journal_next(j->journal);
                if (r > 0)
                        r = sd_journal_test_cursor(j->journal, j->cursor);
        }
        if (r > 0) /* on the entry that was told last */
                return 0;
        if (r < 0 && r != -EINVAL)
                return r;

        if (t == 0 && cursor_realtime(j->cursor, &t) < 0)
                t = 0;
        /* What we read ourselves may go; at a start it may be that more than that is gone. */
        if (j->opened > 0 && t > realtime_now())
                return reader_seek_tail(j);
        if (j->opened == 0)
                reader_problem(j, -ENODATA, "The journal no longer has the entry read last, going on behind it");
        return reader_seek_boot(j, t);
}

static int reader_seek(JournalReader *j) {
        if (!j->cursor) /* there was no entry at the start */
                return j->opened == 0 ? reader_seek_tail(j) : sd_journal_seek_head(j->journal);
        /* What cannot be read twice at the same place is jumped over, further each time. */
        if (j->stuck >= 2 && j->stuck < 20 && j->cursor_time > 0)
                return sd_journal_seek_realtime_usec(j->journal, j->cursor_time + (USEC_PER_MSEC << j->stuck));
        if (j->stuck >= 20)
                return reader_seek_tail(j);
        return reader_seek_cursor(j);
}

/* sd-journal passes over files that it may not read; without this a missing permission would look like silence. */
static int check_access(const char *dir) {
        static const char *const dirs[] = { "/run/log/journal/", "/var/log/journal/" };
        char id[SD_ID128_STRING_MAX];
        bool denied = false;
        sd_id128_t machine;
        int r;

        if (dir)
                return access(dir, R_OK | X_OK) < 0 ? -errno : 0;
        r = sd_id128_get_machine(&machine);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                _cleanup_free_ char *path = NULL;

                r = str_printf(&path, "%s%s/system.journal", dirs[i], sd_id128_to_string(machine, id));
                if (r < 0)
                        return r;
                if (access(path, R_OK) >= 0)
                        return 0;
                denied = denied || IN_SET(errno, EACCES, EPERM);
        }
        return denied ? -EACCES : 0;
}

/* Journal flags are the directory's business when one is given. */
static int open_journal(const char *dir, sd_journal **ret) {
        if (dir)
                return sd_journal_open_directory(ret, dir, 0);
        return sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
}

static int reader_open(JournalReader *j) {
        int r, fd;

        r = check_access(j->dir);
        if (r < 0)
                return r;
        r = open_journal(j->dir, &j->journal);
        if (r < 0)
                return r;
        /* Right away: only now inotify is set up, and nothing is missed that happens while we seek. */
        fd = sd_journal_get_fd(j->journal);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(j->event, &j->io, fd, EPOLLIN, on_io, j);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(j->io, READER_PRIORITY);
        (void) sd_event_source_set_description(j->io, "journal");
        if (j->paused_since)
                (void) sd_event_source_set_enabled(j->io, SD_EVENT_OFF);

        r = journal_fact_add_matches(j->journal);
        if (r < 0)
                return r;
        r = reader_seek(j);
        if (r < 0)
                return r;
        j->failures = 0;
        j->invalidated = false;
        if (j->opened == 0)
                j->told_caught_up = false;
        j->opened = boottime_now();
        reader_schedule(j);
        return 0;
}

static int reader_add_sources(JournalReader *j) {
        int r;

        r = sd_event_add_defer(j->event, &j->defer, on_defer, j);
        if (r < 0)
                return r;
        r = sd_event_add_time(j->event, &j->timer, CLOCK_BOOTTIME, 0, 1, on_timer, j);
        if (r < 0)
                return r;
        r = sd_event_add_time(j->event, &j->look, CLOCK_BOOTTIME, 0, 1, on_look, j);
        if (r < 0)
                return r;
        if (!j->dir)
                (void) sd_event_add_inotify(j->event, &j->parent, "/var/log", IN_CREATE | IN_MOVED_TO | IN_ONLYDIR,
                                            on_parent, j);

        sd_event_source *const sources[] = { j->defer, j->timer, j->look };
        for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                r = sd_event_source_set_enabled(sources[i], SD_EVENT_OFF);
                if (r >= 0)
                        r = sd_event_source_set_priority(sources[i], READER_PRIORITY);
                if (r < 0)
                        return r;
        }
        return 0;
}

int journal_reader_new(sd_event *event, const char *dir, const char *cursor, const JournalHandler *handler,
                       void *userdata, JournalReader **ret) {
        _cleanup_(journal_reader_freep) JournalReader *j = NULL;
        sd_id128_t boot;
        int r;

        assert(event && handler && handler->fact && ret);

        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->event = sd_event_ref(event);
        j->handler = handler;
        j->userdata = userdata;
        if ((dir && !(j->dir = strdup(dir))) || (!isempty(cursor) && !(j->cursor = strdup(cursor))))
                return -ENOMEM;
        r = sd_id128_get_boot(&boot);
        if (r < 0)
                return r;
        memcpy(j->boot.bytes, boot.bytes, sizeof(j->boot.bytes));
        r = journal_memory_new(&j->memory);
        if (r < 0)
                return r;
        r = reader_add_sources(j);
        if (r < 0)
                return r;
        r = reader_open(j);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

JournalReader *journal_reader_free(JournalReader *j) {
        if (!j)
                return NULL;
        reader_close(j);
        sd_event_source_disable_unref(j->defer);
        sd_event_source_disable_unref(j->timer);
        sd_event_source_disable_unref(j->look);
        sd_event_source_disable_unref(j->parent);
        journal_memory_free(j->memory);
        sd_event_unref(j->event);
        free(j->cursor);
        free(j->dir);
        free(j);
        return NULL;
}

int journal_reader_look(JournalReader *j) {
        if (j->paused_since || !j->journal)
                return 0;
        j->look_until = boottime_now() + LOOK_MAX_USEC;
        return reader_arm(j->look, boottime_now());
}

void journal_reader_pause(JournalReader *j, bool pause) {
        usec_t paused;

        if (pause == (j->paused_since > 0))
                return;
        if (pause) {
                j->paused_since = boottime_now();
                j->look_until = 0;
                (void) sd_event_source_set_enabled(j->look, SD_EVENT_OFF);
                (void) sd_event_source_set_enabled(j->defer, SD_EVENT_OFF);
                if (j->io)
                        (void) sd_event_source_set_enabled(j->io, SD_EVENT_OFF);
                return;
        }
        paused = boottime_now() - j->paused_since;
        j->paused_since = 0;
        if (!j->journal) /* the timer is on its way */
                return;
        if (paused < PAUSE_REOPEN_USEC) {
                (void) sd_event_source_set_enabled(j->io, SD_EVENT_ON);
                reader_schedule(j);
                return;
        }
        reader_reopen(j, boottime_now());
}
