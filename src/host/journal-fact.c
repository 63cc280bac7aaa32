/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/journal-fact.h"

#include "basic/hash.h"
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-messages.h>

/* A failed start job (SD_MESSAGE_UNIT_FAILED) is not among them: the failure of the unit itself has its own message with
 * its result, and a job that failed by its dependency says nothing about the unit's last invocation, which it names. */
static const struct {
        const char *id;
        JournalFactType type;
} messages[] = {
        { SD_MESSAGE_UNIT_STARTING_STR, FACT_STARTING },
        { SD_MESSAGE_UNIT_STARTED_STR, FACT_STARTED },
        { SD_MESSAGE_UNIT_STOPPING_STR, FACT_STOPPING },
        { SD_MESSAGE_UNIT_STOPPED_STR, FACT_STOPPED },
        { SD_MESSAGE_UNIT_SUCCESS_STR, FACT_STOPPED },
        { SD_MESSAGE_UNIT_FAILURE_RESULT_STR, FACT_FAILED },
        { SD_MESSAGE_UNIT_PROCESS_EXIT_STR, FACT_EXITED },
        { SD_MESSAGE_UNIT_RESTART_SCHEDULED_STR, FACT_RESTART_SCHEDULED },
        { SD_MESSAGE_UNIT_SKIPPED_STR, FACT_SKIPPED },
};

#define MEMORY_MAX 8192U

typedef struct Seen {
        Id128 started, ended;
} Seen;

struct JournalMemory {
        HashMap *units; /* unit → Seen */
};

int journal_memory_new(JournalMemory **ret) {
        _cleanup_(journal_memory_freep) JournalMemory *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        r = hashmap_new(&m->units, free_);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

JournalMemory *journal_memory_free(JournalMemory *m) {
        if (!m)
                return NULL;
        hashmap_free(m->units);
        free(m);
        return NULL;
}

/* NULL when there is no memory: then the fact is told as it is. */
static Seen *memory_get(JournalMemory *m, const char *unit) {
        Seen *s = hashmap_get(m->units, unit);

        if (s)
                return s;
        if (hashmap_size(m->units) >= MEMORY_MAX) {
                HashMap *empty = NULL;

                if (hashmap_new(&empty, free_) < 0)
                        return NULL;
                hashmap_free(m->units);
                m->units = empty;
        }
        s = calloc(1, sizeof(*s));
        if (s && hashmap_put(m->units, unit, s) < 0)
                s = free_(s);
        return s;
}

int journal_fact_add_matches(sd_journal *j) {
        int r;

        /* _PID is set by journald from the socket's credentials: no other process can write it. */
        r = sd_journal_add_match(j, "_PID=1", 0);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(messages); i++) {
                char match[sizeof("MESSAGE_ID=") + 32];

                memcpy(match, "MESSAGE_ID=", strlen("MESSAGE_ID="));
                memcpy(match + strlen("MESSAGE_ID="), messages[i].id, 33);
                r = sd_journal_add_match(j, match, 0);
        }
        return r < 0 ? r : 0;
}

/* Copies the value of a field, cut off at the buffer's end. Its length, -ENOENT when the entry has no such field. */
static int get_field(sd_journal *j, const char *field, char *buffer, size_t size) {
        const void *data;
        size_t length, skip = strlen(field) + 1;
        int r;

        r = sd_journal_get_data(j, field, &data, &length);
        if (r < 0)
                return r;
        if (length < skip)
                return -EBADMSG;
        length = MIN(length - skip, size - 1);
        memcpy(buffer, (const char *) data + skip, length);
        buffer[length] = 0;
        return (int) length;
}

static int get_number(sd_journal *j, const char *field, uint64_t *ret) {
        char buffer[24];
        int r;

        r = get_field(j, field, buffer, sizeof(buffer));
        if (r < 0)
                return r;
        return safe_atou64(buffer, ret);
}

static Id128 get_id(sd_journal *j, const char *field) {
        char buffer[64];
        Id128 id;

        if (get_field(j, field, buffer, sizeof(buffer)) < 0 || id128_from_string(buffer, &id) < 0)
                return ID128_NULL;
        return id;
}

/* PID 1 uses the message of a started unit also for one that its conditions kept from starting; only the text differs.
 * It is not translated. */
static bool was_skipped(const char *text) {
        if (!startswith(text, "Started ") && !startswith(text, "Finished "))
                return true;
        return strstr(text, " was skipped because ") || strstr(text, " skipped, unmet ");
}

static int read_exit(sd_journal *j, JournalFact *f) {
        static const struct {
                const char *word;
                int code;
        } codes[] = { { "exited", CLD_EXITED }, { "killed", CLD_KILLED }, { "dumped", CLD_DUMPED } };
        char text[512], code[16];
        uint64_t status;

        /* Control processes (ExecStartPre=, ExecStop=, …) have the same MESSAGE_ID. */
        if (get_field(j, "MESSAGE", text, sizeof(text)) < 0 || !strstr(text, ": Main process exited"))
                return 0;
        if (get_field(j, "EXIT_CODE", code, sizeof(code)) < 0 || get_number(j, "EXIT_STATUS", &status) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (streq(codes[i].word, code)) {
                        f->exec_code = codes[i].code;
                        f->exec_status = (int) (status & 0xff);
                        return 1;
                }
        return 0;
}

/* Reads what belongs to the type; may change the type. 1, or 0 when the entry tells nothing. */
static int read_details(sd_journal *j, JournalFact *f) {
        char word[32], text[512];
        uint64_t n;
        int v;

        switch (f->type) {
        case FACT_STARTED:
                if (get_field(j, "MESSAGE", text, sizeof(text)) >= 0 && was_skipped(text))
                        f->type = FACT_SKIPPED;
                break;
        case FACT_EXITED:
                return read_exit(j, f);
        case FACT_RESTART_SCHEDULED:
                if (get_number(j, "N_RESTARTS", &n) >= 0)
                        f->n_restarts = (uint32_t) MIN(n, (uint64_t) UINT32_MAX);
                break;
        default:
                break;
        }
        if (get_field(j, "JOB_RESULT", word, sizeof(word)) >= 0) {
                v = (int) job_result_from_string(word);
                f->job_result = v < 0 ? JOB_RESULT_UNKNOWN : (JobResult) v;
        }
        if (get_field(j, "UNIT_RESULT", word, sizeof(word)) >= 0) {
                v = (int) unit_result_from_string(word);
                f->result = v < 0 ? RESULT_UNKNOWN : (UnitResult) v;
        }
        return 1;
}

/* Both clocks of the entry. The entry's own times are journald's; the time of sending is better and often there. */
static int read_time(sd_journal *j, Id128 boot, JournalFact *f) {
        uint64_t real, source, monotonic, delay = 0;
        sd_id128_t entry_boot;
        int r;

        r = sd_journal_get_realtime_usec(j, &real);
        if (r < 0)
                return r;
        r = sd_journal_get_monotonic_usec(j, &monotonic, &entry_boot);
        if (r < 0)
                return r;
        /* A clock step between sending and writing would make the difference absurd. */
        if (get_number(j, "_SOURCE_REALTIME_TIMESTAMP", &source) >= 0 && source <= real &&
            real - source < USEC_PER_MINUTE)
                delay = real - source;
        f->time.realtime = real - delay;
        memcpy(f->boot.bytes, entry_boot.bytes, sizeof(f->boot.bytes));
        if (id128_equal(f->boot, boot))
                /* Time that the host was suspended since then makes the fact look that much younger. */
                f->time.boottime = usec_add(usec_sub(monotonic, delay), usec_sub(boottime_now(), monotonic_now()));
        return 0;
}

/* Sets *ret_starting; 0 when the fact was told already. */
static int remember(JournalMemory *memory, JournalFact *f, bool *ret_starting) {
        Seen *s;

        *ret_starting = false;
        if (id128_is_null(f->invocation))
                return 1;
        s = memory_get(memory, f->unit);
        switch (f->type) {
        case FACT_STARTING:
                if (s)
                        s->started = f->invocation;
                return 1;
        case FACT_STARTED:
                /* Type=oneshot without RemainAfterExit= is "Finished" after it was deactivated. */
                if (s && id128_equal(s->ended, f->invocation))
                        return 0;
                *ret_starting = !s || !id128_equal(s->started, f->invocation);
                if (s)
                        s->started = f->invocation;
                return 1;
        case FACT_FAILED:
        case FACT_STOPPED:
                if (s)
                        s->ended = f->invocation;
                return 1;
        default:
                return 1;
        }
}

int journal_fact_read(sd_journal *j, JournalMemory *memory, Id128 boot, char unit_buffer[static UNIT_NAME_BUFFER],
                      JournalFact *ret, bool *ret_starting) {
        char id[33];
        JournalFact f = {};
        bool found = false;
        int r;

        r = get_field(j, "MESSAGE_ID", id, sizeof(id));
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (size_t i = 0; i < ELEMENTSOF(messages) && !found; i++) {
                found = streq(messages[i].id, id);
                f.type = messages[i].type;
                if (streq(id, SD_MESSAGE_UNIT_SUCCESS_STR))
                        f.result = RESULT_SUCCESS;
        }
        if (!found)
                return 0;

        r = get_field(j, "UNIT", unit_buffer, UNIT_NAME_BUFFER);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!unit_name_is_valid(unit_buffer))
                return 0;
        f.unit = unit_buffer;

        r = read_details(j, &f);
        if (r <= 0)
                return r;
        /* A unit that its conditions kept from starting still carries the id of the run before. */
        if (f.type != FACT_SKIPPED || !streq(id, SD_MESSAGE_UNIT_STARTED_STR))
                f.invocation = get_id(j, "INVOCATION_ID");
        r = read_time(j, boot, &f);
        if (r < 0)
                return r;
        r = remember(memory, &f, ret_starting);
        if (r <= 0)
                return r;
        *ret = f;
        return 1;
}
