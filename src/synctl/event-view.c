/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/event-view.h"
#include "core/event-text.h"
#include "core/event.h"
#include "synctl/text.h"
#include "synctl/when.h"

static const struct {
        const char *type;
        Style style;
} styles[] = {
        { EVENT_SERVICE_STARTED, STYLE_GOOD },      { EVENT_SERVICE_FAILED, STYLE_BAD },
        { EVENT_SERVICE_RECOVERED, STYLE_GOOD },    { EVENT_SERVICE_MAINTENANCE, STYLE_WARN },
        { EVENT_RECOVERY_SCHEDULED, STYLE_WARN },   { EVENT_RECOVERY_WAITING, STYLE_WARN },
        { EVENT_RECOVERY_BUDGET_SPENT, STYLE_BAD }, { EVENT_RECOVERY_STABLE, STYLE_GOOD },
        { EVENT_ACTION_REFUSED, STYLE_WARN },       { EVENT_GRAPH_PROBLEM, STYLE_WARN },
        { EVENT_LOG_STALLED, STYLE_BAD },           { EVENT_LOG_RESUMED, STYLE_GOOD },
        { EVENT_LOG_TRUNCATED, STYLE_WARN },        { EVENT_SYSTEM_CLOCK, STYLE_WARN },
};

int event_sentence(const Json *event, char **ret) {
        _cleanup_free_ char *raw = NULL;

        int r = event_text(json_get_string(event, "type") ?: "unknown", json_get(event, "data"), &raw);
        return r < 0 ? r : text_clean(raw, ret);
}

Style event_style(const Json *event) {
        const char *type = json_get_string(event, "type") ?: "";

        if (streq(type, EVENT_ACTION_FINISHED)) {
                const char *result = json_get_string(json_get(event, "data"), "result") ?: "";
                return streq(result, "done") ? STYLE_GOOD : streq(result, "failed") ? STYLE_BAD : STYLE_WARN;
        }
        for (size_t i = 0; i < ELEMENTSOF(styles); i++)
                if (streq(styles[i].type, type))
                        return styles[i].style;
        return STYLE_NONE;
}

int event_line(const Json *event, const Term *term, bool full, usec_t now, StrBuf *b) {
        _cleanup_strbuf_ StrBuf line = {};
        _cleanup_free_ char *sentence = NULL, *service = NULL, *plain = NULL, *shown = NULL, *type = NULL;
        char clock[WHEN_MAX], stamp[FORMAT_RFC3339_MAX];
        usec_t time = json_get_time(event, "time");
        int r = event_sentence(event, &sentence);
        if (r >= 0)
                r = text_clean(json_get_string(event, "type") ?: "?", &type);
        if (r >= 0)
                r = text_clean(json_get_string(event, "service") ?: json_get_string(event, "unit") ?: "-", &service);
        if (r < 0)
                return r;
        strbuf_appendf(&line, "%s  %6" PRIu64 "  ",
                       full ? format_rfc3339(time, stamp) : when_clock(time, now, true, clock),
                       json_get_uint(event, "seq", 0));
        bool narrow = !full && term->columns > 0 && term->columns < EVENT_WIDE;
        size_t before = line.length;
        if (narrow)
                text_pad(&line, service, 12, false);
        else
                text_pad(&line, type, 21, false);
        size_t after = line.length;
        if (!narrow) {
                strbuf_append(&line, "  ");
                text_pad(&line, service, 16, false);
        }
        strbuf_appendf(&line, "  %s", sentence);
        r = strbuf_finish(&line, &plain);
        if (r >= 0)
                r = text_shorten(term, plain, full ? 0 : term->columns, &shown);
        if (r < 0)
                return r;
        Style style = event_style(event);
        if (style == STYLE_NONE || strlen(shown) <= after) {
                strbuf_appendf(b, "%s\n", shown);
                return 0;
        }
        strbuf_append_n(b, shown, before);
        strbuf_append(b, term_style(term, style));
        strbuf_append_n(b, shown + before, after - before);
        strbuf_append(b, term_style(term, STYLE_NONE));
        strbuf_appendf(b, "%s\n", shown + after);
        return 0;
}
