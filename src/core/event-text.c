/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event-text.h"

#include "core/event.h"
#include "core/service.h"

static const char *text(const Json *d, const char *key, const char *fallback) {
        return json_get_string(d, key) ?: fallback;
}

/* ", by systemctl" style tails, only when there is something to say. */
static int tail(StrBuf *b, const char *before, const char *word, const char *after) {
        return isempty(word) ? 0 : strbuf_appendf(b, "%s%s%s", before, word, after);
}

/* Microseconds say nothing to people: 1s 209ms, 493ms, and only below that 735us. */
static int append_span(StrBuf *b, const Json *d, const char *key) {
        _cleanup_free_ char *span = NULL;
        usec_t usec = json_get_uint(d, key, 0);
        int r;

        r = format_span(usec, usec < USEC_PER_SEC ? 1 : 2, &span);
        return r < 0 ? r : strbuf_append(b, span);
}

static const char *intent_words(const Json *d) {
        static const char *const table[] = {
                [INTENT_NONE] = "",
                [INTENT_OPERATOR] = "on request",
                [INTENT_SYSTEMD_RESTART] = "by the unit's own Restart=",
                [INTENT_DEPENDENCY] = "through a dependency",
                [INTENT_CONFLICT] = "by a conflict",
                [INTENT_TRANSACTION] = "by a larger transaction",
                [INTENT_TRIGGER] = "by its trigger",
                [INTENT_SYND] = "by synd",
                [INTENT_COMMAND] = "by command",
                [INTENT_SHUTDOWN] = "by the shutdown",
                [INTENT_BOOT] = "at boot",
        };
        Intent i = intent_from_string(text(d, "intent", "none"));

        return (int) i < 0 || (size_t) i >= ELEMENTSOF(table) ? "" : table[i];
}

static void text_lifecycle(StrBuf *b, const char *word, const Json *d) {
        (void) strbuf_append(b, word);
        (void) tail(b, " ", intent_words(d), "");
        (void) tail(b, " (", json_get_string(d, "by"), ")");
        if (streq(text(d, "origin", "live"), "backfilled"))
                (void) strbuf_append(b, ", from the journal");
}

static void text_starting(StrBuf *b, const Json *d) {
        text_lifecycle(b, "starting", d);
}

static void text_started(StrBuf *b, const Json *d) {
        text_lifecycle(b, "started", d);
}

static void text_stopped(StrBuf *b, const Json *d) {
        text_lifecycle(b, streq(text(d, "intent", "none"), "none") ? "exited by itself" : "stopped", d);
}

static void text_failed(StrBuf *b, const Json *d) {
        UnitSnapshot u = {
                .active = UNIT_FAILED,
                .exec_code = (int32_t) json_get_int(d, "exec_code", 0),
                .exec_status = (int32_t) json_get_int(d, "exec_status", 0),
        };
        _cleanup_free_ char *why = NULL;
        int result = unit_result_from_string(json_get_string(d, "result"));

        u.result = result < 0 ? RESULT_UNKNOWN : (UnitResult) result;
        (void) unit_failure_sentence(&u, &why);
        text_lifecycle(b, "failed", d);
        (void) tail(b, ": ", why, "");
}

static void text_recovered(StrBuf *b, const Json *d) {
        uint64_t n = json_get_uint(d, "attempts", 0);

        /* Whether it stays so is another event's matter (recovery.stable). */
        (void) strbuf_append(b, "up again after ");
        (void) append_span(b, d, "downtime_usec");
        if (n > 1)
                (void) strbuf_appendf(b, ", at attempt %" PRIu64, n);
}

static void text_scheduled(StrBuf *b, const Json *d) {
        uint64_t delay = json_get_uint(d, "delay_usec", 0);

        (void) strbuf_append(b, streq(text(d, "mode", ""), "slow") ? "slow retry " : "restart ");
        if (delay == 0)
                (void) strbuf_append(b, "at once");
        else {
                (void) strbuf_append(b, "in ");
                (void) append_span(b, d, "delay_usec");
        }
        (void) strbuf_appendf(b, " (attempt %" PRIu64 ", budget %" PRIu64 "/%" PRIu64 " used)", json_get_uint(d, "attempt", 0),
                              json_get_uint(d, "budget_used", 0), json_get_uint(d, "budget_limit", 0));
}

static void text_waiting(StrBuf *b, const Json *d) {
        (void) strbuf_appendf(b, "recovery waits: %s", json_get_string(d, "detail") ?: text(d, "for", "something"));
}

static void text_cancelled(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "recovery cancelled");
        (void) tail(b, ": ", json_get_string(d, "reason"), "");
}

static void text_budget_spent(StrBuf *b, const Json *d) {
        (void) strbuf_appendf(b, "recovery budget spent: %" PRIu64 " in ", json_get_uint(d, "limit", 0));
        (void) append_span(b, d, "window_usec");
        if (json_get(d, "slow_retry_usec")) {
                (void) strbuf_append(b, ", trying every ");
                (void) append_span(b, d, "slow_retry_usec");
                (void) strbuf_append(b, " from now on");
        } else
                (void) strbuf_append(b, ", giving up until a person acts");
}

static void text_stable(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "stable for ");
        (void) append_span(b, d, "after_usec");
}

static void text_maintenance(StrBuf *b, const Json *d) {
        const char *until = text(d, "until", "");

        (void) strbuf_appendf(b, "maintenance %s", json_get_bool(d, "on", false) ? "on" : "off");
        /* RFC 3339 in UTC, to the minute. */
        if (strlen(until) > 16 && until[10] == 'T')
                (void) strbuf_appendf(b, " until %.10s %.5s UTC", until, until + 11);
        else
                (void) tail(b, " until ", until, "");
        (void) tail(b, " (", json_get_string(d, "by"), ")");
}

static void text_action(StrBuf *b, const Json *d, const char *what) {
        (void) strbuf_appendf(b, "%s %s", text(d, "verb", "action"), what);
}

static void text_requested(StrBuf *b, const Json *d) {
        text_action(b, d, "requested");
        (void) tail(b, " by ", json_get_string(d, "by"), "");
        (void) tail(b, ": ", json_get_string(d, "reason"), "");
}

static void text_finished(StrBuf *b, const Json *d) {
        text_action(b, d, text(d, "result", "finished"));
        if (json_get(d, "duration_usec")) {
                (void) strbuf_append(b, " in ");
                (void) append_span(b, d, "duration_usec");
        }
        (void) tail(b, ": ", json_get_string(d, "error"), "");
}

static void text_refused(StrBuf *b, const Json *d) {
        text_action(b, d, "refused");
        (void) tail(b, ": ", json_get_string(d, "reason"), "");
}

static void text_added(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, json_get_bool(d, "granted", false) ? "supervised" : "observed only, not granted");
        (void) tail(b, " (", json_get_string(d, "file"), ")");
}

static void text_removed(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "left supervision");
        (void) tail(b, ": ", json_get_string(d, "reason"), "");
}

static void text_request(StrBuf *b, const Json *d) {
        (void) strbuf_appendf(b, "%s asked by %s", text(d, "verb", "something"), text(d, "user", "somebody"));
        (void) tail(b, " over ", json_get_string(d, "via"), "");
}

static void text_graph(StrBuf *b, const Json *d) {
        const Json *units = json_get(d, "units");
        bool cycle = streq(text(d, "kind", ""), "cycle");
        const char *between = cycle ? ", " : " needs ";

        (void) strbuf_append(b, cycle ? "dependency cycle" : "missing dependency");
        for (size_t i = 0; i < json_length(units); i++)
                (void) strbuf_appendf(b, "%s%s", i == 0 ? ": " : i == 1 ? between : ", ",
                                      strnull(json_string(json_at(units, i))));
}

static void text_system_state(StrBuf *b, const Json *d) {
        static const struct {
                const char *state, *words;
        } table[] = {
                { "starting", "the host is starting" },
                { "running", "the host is up" },
                { "reloading", "systemd reads its units again" },
                { "stopping", "the host is going down" },
                { "disconnected", "the connection to systemd is lost" },
        };
        const char *state = text(d, "state", "unknown");

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].state, state)) {
                        (void) strbuf_append(b, table[i].words);
                        return;
                }
        (void) strbuf_appendf(b, "the state of the host is %s", state);
}

static void text_synd_started(StrBuf *b, const Json *d) {
        (void) strbuf_appendf(b, "synd %s started", text(d, "version", "?"));
}

static void text_synd_stopped(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "synd stopped");
}

static void text_config(StrBuf *b, const Json *d) {
        uint64_t n = json_get_uint(d, "problems", 0);

        const char *key, *before = " at run time: ";
        void *state = NULL;
        Json *v;

        (void) strbuf_append(b, "configuration changed");
        while (json_next(json_get(d, "fields"), &state, &key, &v)) {
                (void) strbuf_appendf(b, "%s%s", before, key);
                before = ", ";
        }
        if (n > 0)
                (void) strbuf_appendf(b, ", %" PRIu64 " problem%s", n, n == 1 ? "" : "s");
}

static void text_stalled(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "the event log cannot be written");
        (void) tail(b, ": ", json_get_string(d, "error"), "");
}

static void text_resumed(StrBuf *b, const Json *d) {
        (void) strbuf_append(b, "the event log is written again");
}

static void text_truncated(StrBuf *b, const Json *d) {
        (void) strbuf_appendf(b, "%" PRIu64 " events dropped from the log", json_get_uint(d, "count", 0));
        (void) tail(b, " (", json_get_string(d, "reason"), ")");
}

static void text_clock(StrBuf *b, const Json *d) {
        int64_t step = json_get_int(d, "step_usec", 0);
        _cleanup_free_ char *span = NULL;

        (void) format_span((usec_t) llabs(step), 2, &span);
        (void) strbuf_appendf(b, "the clock was set %s by %s", step < 0 ? "back" : "forward", strnull(span));
}

static const struct {
        const char *type;
        void (*say)(StrBuf *b, const Json *data);
} texts[] = {
        { EVENT_SERVICE_ADDED, text_added },
        { EVENT_SERVICE_REMOVED, text_removed },
        { EVENT_SERVICE_STARTING, text_starting },
        { EVENT_SERVICE_STARTED, text_started },
        { EVENT_SERVICE_STOPPED, text_stopped },
        { EVENT_SERVICE_FAILED, text_failed },
        { EVENT_SERVICE_RECOVERED, text_recovered },
        { EVENT_SERVICE_MAINTENANCE, text_maintenance },
        { EVENT_RECOVERY_SCHEDULED, text_scheduled },
        { EVENT_RECOVERY_WAITING, text_waiting },
        { EVENT_RECOVERY_CANCELLED, text_cancelled },
        { EVENT_RECOVERY_BUDGET_SPENT, text_budget_spent },
        { EVENT_RECOVERY_STABLE, text_stable },
        { EVENT_ACTION_REQUESTED, text_requested },
        { EVENT_ACTION_FINISHED, text_finished },
        { EVENT_ACTION_REFUSED, text_refused },
        { EVENT_GRAPH_PROBLEM, text_graph },
        { EVENT_SYSTEM_STATE, text_system_state },
        { EVENT_SYND_STARTED, text_synd_started },
        { EVENT_SYND_STOPPED, text_synd_stopped },
        { EVENT_USER_REQUEST, text_request },
        { EVENT_CONFIG_CHANGED, text_config },
        { EVENT_LOG_STALLED, text_stalled },
        { EVENT_LOG_RESUMED, text_resumed },
        { EVENT_LOG_TRUNCATED, text_truncated },
        { EVENT_SYSTEM_CLOCK, text_clock },
};

int event_text(const char *type, const Json *data, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].type, type)) {
                        texts[i].say(&b, data);
                        return strbuf_finish(&b, ret);
                }

        (void) strbuf_append(&b, type);
        return strbuf_finish(&b, ret);
}
