/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Makes facts of PID 1's journal entries: which MESSAGE_IDs (sd-messages.h), which fields (systemd.journal-fields(7), and
 * what systemd 252 and 257 were seen to write). */

#include "core/supervisor.h"
#include <systemd/sd-journal.h>

#define UNIT_NAME_BUFFER 256 /* the longest unit name and its NUL */

/* Adds the matches for PID 1's unit messages. */
int journal_fact_add_matches(sd_journal *j);

/* What was seen of a unit's last invocation, so that each start and end is told once. Bounded: the whole memory is
 * forgotten when it is full, after which a fact may be told twice. */
typedef struct JournalMemory JournalMemory;
int journal_memory_new(JournalMemory **ret);
JournalMemory *journal_memory_free(JournalMemory *m);
DEFINE_CLEANUP(JournalMemory *, journal_memory_free);

/* Decodes the current entry. 1: *ret is filled (unit points into unit_buffer); a "Started" of a unit whose "Starting" was
 * not logged has *ret_starting set: FACT_STARTING with the same contents is to be told before. 0: nothing of interest.
 * Negative errno of sd-journal, -EBADMSG. boot: the present boot, whose entries get a boottime. */
int journal_fact_read(sd_journal *j, JournalMemory *memory, Id128 boot, char unit_buffer[static UNIT_NAME_BUFFER],
                      JournalFact *ret, bool *ret_starting);
