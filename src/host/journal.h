/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reader of PID 1's own messages in the journal (by MESSAGE_ID, UNIT=, INVOCATION_ID=), from a cursor, in the loop, in
 * bounded bites. History and proof, never the path of detection: journald wakes its readers late. */

#include "core/supervisor.h"
#include <systemd/sd-event.h>

typedef struct JournalReader JournalReader;

typedef struct JournalHandler {
        /* One fact; strings are borrowed. */
        void (*fact)(JournalReader *j, const JournalFact *f, void *userdata);
        /* After a bite that advanced: the cursor up to which all facts were given. The caller commits it with the events. */
        void (*position)(JournalReader *j, const char *cursor, void *userdata);
        /* The tail was reached (the first time and after each burst). */
        void (*caught_up)(JournalReader *j, void *userdata);
        /* Something to tell: a lost cursor (vacuumed or of another machine: starts at the oldest entry of this boot), a
         * corrupt file, reopened after EBADMSG. */
        void (*problem)(JournalReader *j, int error, const char *text, void *userdata);
} JournalHandler;

/* cursor NULL: only from now on (a first start has no history of its own). dir NULL: the system journal. Opening may take
 * some ms and is done once at start. -EACCES when the user may not read it. */
int journal_reader_new(sd_event *event, const char *dir, const char *cursor, const JournalHandler *handler, void *userdata,
                       JournalReader **ret);
JournalReader *journal_reader_free(JournalReader *j);
DEFINE_CLEANUP(JournalReader *, journal_reader_free);
/* Looks at once and then every 5 ms for at most 500 ms, until caught_up after new entries: for a suspected gap. */
int journal_reader_look(JournalReader *j);
/* Stops/resumes reading (back-pressure when the event log is full). */
void journal_reader_pause(JournalReader *j, bool pause);
