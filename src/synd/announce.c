/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/announce.h"

#include "basic/string.h"
#include "basic/log.h"
#include "core/event-text.h"

#include <stdio.h>

/* Everything else is in the event log only. The ids are ours for ever: data/synos.catalog and synd(8) name them. */
static const struct {
        const char *type;
        int level;
        const char *message_id;
} announced[] = {
        { EVENT_SERVICE_FAILED, LOG_WARNING, "6f0d4c1b52cf4f8ea0c3a7bd4b1ff7a1" },
        { EVENT_SERVICE_RECOVERED, LOG_NOTICE, "0c0f7f4b8b0c4a6f8b1e5d7a2c9f6e32" },
        { EVENT_SERVICE_MAINTENANCE, LOG_NOTICE, "b52c6d0e6c3a4c0d9d8f1a7be0c45d93" },
        { EVENT_RECOVERY_SCHEDULED, LOG_NOTICE, "2d9a5e7c41b84d0b9e6fd3c80a17b5f4" },
        { EVENT_RECOVERY_WAITING, LOG_NOTICE, "e1b7a9d35f6c42d7a0c4be92f83d6015" },
        { EVENT_RECOVERY_BUDGET_SPENT, LOG_WARNING, "9a4be8d02c7f45a6b3d1f05e6c8a7296" },
        { EVENT_ACTION_REFUSED, LOG_NOTICE, "47c3d8a19b0e4f25a6d7c2e18f5b9037" },
        { EVENT_GRAPH_PROBLEM, LOG_WARNING, "d80e6b3f7a1c49529c4a5df2b7e13068" },
        { EVENT_LOG_STALLED, LOG_ERR, "3b6f1a8d9e2c47f0b5d4c7a06e1f8299" },
        { EVENT_LOG_RESUMED, LOG_NOTICE, "75d2c9e04a8b4136bf0e3d8a1c6f790a" },
        { EVENT_LOG_TRUNCATED, LOG_WARNING, "c4a7f3e8b1d0456299e8d5b07f2a6c1b" },
        { EVENT_SYSTEM_CLOCK, LOG_NOTICE, "18e5d7b6c2f94a03a1c8e4d6907b3f5c" },
};

void announce_event(const Event *e) {
        char type[80], unit[320], seq[48];
        _cleanup_free_ char *sentence = NULL;
        size_t i;

        for (i = 0; i < ELEMENTSOF(announced); i++)
                if (streq(announced[i].type, e->type))
                        break;
        if (i == ELEMENTSOF(announced) || event_text(e->type, e->data, &sentence) < 0)
                return;

        snprintf(type, sizeof(type), "SYNOS_EVENT=%s", e->type);
        snprintf(seq, sizeof(seq), "SYNOS_SEQ=%" PRIu64, e->seq);
        snprintf(unit, sizeof(unit), "SYNOS_UNIT=%s", strnull(e->unit));
        log_message(announced[i].level, announced[i].message_id,
                    (const char *const[]) { type, seq, e->unit ? unit : NULL, NULL }, "%s%s%s.",
                    e->unit ?: "", e->unit ? ": " : "", sentence);
}
