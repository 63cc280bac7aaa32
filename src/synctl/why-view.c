/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/why-view.h"
#include "core/event.h"
#include "synctl/event-view.h"
#include "synctl/text.h"
#include "synctl/when.h"

#include <signal.h>

#define LEAVES_MAX 8
#define NEWEST_SHOWN 6
#define OLDEST_SHOWN 2

typedef struct Why {
        const Term *term;
        bool full;
        usec_t now;
        StrBuf *b;
        char *name; /* the service of the line above: it is not said again */
} Why;

static const char *get(const Json *o, const char *key) {
        return json_get_string(o, key) ?: "";
}

/* A line of the tree: branches in front, wrapped lines below the text. text is clean, and may hold styles. */
static void put(Why *w, size_t depth, const char *branch, const char *text) {
        size_t indent = 3 * depth;

        for (size_t i = 1; i < depth; i++)
                strbuf_append(w->b, "   ");
        if (depth > 0)
                strbuf_appendf(w->b, "%s ", branch);
        text_wrap(w->b, text, w->full ? 0 : w->term->columns, indent);
        strbuf_append(w->b, "\n");
}

/* Facts below an event, e.g. the rule that applied; printed as leaves. */
typedef struct Leaves {
        char *text[LEAVES_MAX];
        size_t n;
} Leaves;

static void leaves_done(Leaves *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->text[i]);
}

static void leaf(Leaves *l, StrBuf *b) {
        if (l->n < LEAVES_MAX && b->length > 0 && text_clean(b->data, l->text + l->n) >= 0)
                l->n++;
        strbuf_done(b);
        *b = (StrBuf){};
}

static void leaf_rule(Leaves *l, const Json *d) {
        const Json *rule = json_get(d, "rule");
        const char *file = json_get_string(rule, "file");
        _cleanup_strbuf_ StrBuf b = {};

        if (!file)
                return;
        strbuf_appendf(&b, "rule: %s%s", get(rule, "key"), isempty(get(rule, "key")) ? "" : "=");
        if (!isempty(get(rule, "value")))
                strbuf_append(&b, get(rule, "value"));
        strbuf_appendf(&b, "%s%s", b.length > 6 ? "   " : "", file);
        if (json_get_uint(rule, "line", 0) > 0)
                strbuf_appendf(&b, ":%" PRIu64, json_get_uint(rule, "line", 0));
        leaf(l, &b);
}

static const char *code_word(int64_t code) {
        return code == CLD_EXITED ? "exited" : code == CLD_KILLED ? "killed" : code == CLD_DUMPED ? "dumped" : NULL;
}

/* What systemd says of the end, in its own names. */
static void leaf_unit(Leaves *l, const Json *d) {
        int64_t code = json_get_int(d, "exec_code", 0), status = json_get_int(d, "exec_status", 0);
        const char *word = code_word(code), *signal = word && code != CLD_EXITED ? sigabbrev_np((int) status) : NULL;
        _cleanup_strbuf_ StrBuf b = {};

        if (isempty(get(d, "result")))
                return;
        strbuf_appendf(&b, "unit: Result=%s", get(d, "result"));
        /* The words that only say again what Result= says are left out. */
        if (word)
                strbuf_appendf(&b, ", ExecMainStatus=%" PRId64 "%s%s%s", status, signal ? " (SIG" : "", signal ?: "",
                               signal ? ")" : "");
        if (!isempty(get(d, "sub_state")) && !streq(get(d, "sub_state"), "failed"))
                strbuf_appendf(&b, ", SubState=%s", get(d, "sub_state"));
        if (!isempty(get(d, "invocation")))
                strbuf_appendf(&b, ", invocation %.8s", get(d, "invocation"));
        leaf(l, &b);
}

static void leaf_intent(Leaves *l, const Json *d) {
        const char *intent = json_get_string(d, "intent");
        _cleanup_strbuf_ StrBuf b = {};

        if (!intent)
                return;
        if (streq(intent, "none"))
                strbuf_append(&b, "intent: nobody asked for it (no job, no operator, no conflict)");
        else
                strbuf_appendf(&b, "intent: %s", intent);
        if (!isempty(get(d, "by")))
                strbuf_appendf(&b, ", %s", get(d, "by"));
        leaf(l, &b);
}

static void leaf_job(Leaves *l, const Json *d) {
        _cleanup_strbuf_ StrBuf b = {};

        if (json_get_uint(d, "job", 0) > 0)
                strbuf_appendf(&b, "job %" PRIu64, json_get_uint(d, "job", 0));
        if (!isempty(get(d, "job_result")))
                strbuf_appendf(&b, "%sresult %s", b.length ? ", " : "job: ", get(d, "job_result"));
        leaf(l, &b);
}

static void leaf_plain(Leaves *l, const Json *d, const char *key, const char *before) {
        _cleanup_strbuf_ StrBuf b = {};

        if (isempty(get(d, key)))
                return;
        strbuf_appendf(&b, "%s%s", before, get(d, key));
        leaf(l, &b);
}

/* What an event says besides its sentence, by its family. */
static void collect(Leaves *l, const Json *event) {
        const char *type = get(event, "type");
        const Json *d = json_get(event, "data");

        leaf_rule(l, d);
        if (streq(type, EVENT_SERVICE_FAILED) || streq(type, EVENT_SERVICE_STOPPED)) {
                leaf_unit(l, d);
                leaf_intent(l, d);
        } else if (startswith(type, "action.")) {
                leaf_job(l, d);
                if (streq(type, EVENT_ACTION_REQUESTED))
                        leaf_plain(l, d, "action", "action ");
        } else if (streq(type, EVENT_USER_REQUEST))
                leaf_plain(l, d, "via", "via ");
}

/* "[14:03:12.231, seq 88121, +27ms]": so long after the line below it */
static void add_when(const Why *w, StrBuf *b, const Json *event, const Json *cause) {
        char clock[WHEN_MAX], span[WHEN_MAX];
        usec_t at = json_get_time(event, "time"), before = cause ? json_get_time(cause, "time") : 0;

        strbuf_appendf(b, " %s[%s, seq %" PRIu64, term_style(w->term, STYLE_DIM), when_clock(at, w->now, true, clock),
                       json_get_uint(event, "seq", 0));
        if (before > 0 && at >= before + USEC_PER_MSEC)
                strbuf_appendf(b, ", +%s", when_span(at - before, span));
        if (!cause && streq(get(json_get(event, "data"), "origin"), "live"))
                strbuf_append(b, ", seen live");
        strbuf_appendf(b, "]%s", term_style(w->term, STYLE_NONE));
}

static int requested_sentence(const Json *event, char **ret) {
        _cleanup_free_ char *raw = NULL;
        const Json *d = json_get(event, "data");

        int r = str_printf(&raw, "%s by %s", get(d, "verb"), get(d, "by"));
        return r < 0 ? r : text_clean(raw, ret);
}

static void put_event(Why *w, const Json *event, size_t depth, const Json *cause) {
        _cleanup_free_ char *sentence = NULL, *name = NULL;
        _cleanup_strbuf_ StrBuf b = {};
        Leaves l = {};
        Style style = event_style(event);

        int r = cause && streq(get(event, "type"), EVENT_ACTION_REQUESTED) && streq(get(event, "source"), "synd")
                                /* its reason is the line below */
                                ? requested_sentence(event, &sentence)
                                : event_sentence(event, &sentence);
        if (r < 0 ||
            text_clean(json_get_string(event, "service") ?: get(event, "unit"), &name) < 0)
                return;
        if (!streq_ptr(w->name, name) && *name)
                strbuf_appendf(&b, "%s: ", name);
        free(w->name);
        w->name = TAKE_PTR(name);
        strbuf_appendf(&b, "%s%s%s", style == STYLE_NONE ? "" : term_style(w->term, style), sentence,
                       style == STYLE_NONE ? "" : term_style(w->term, STYLE_NONE));
        add_when(w, &b, event, cause);
        put(w, depth, term_glyph(w->term, GLYPH_TREE_RIGHT), b.data ?: "");
        collect(&l, event);
        for (size_t i = 0; i < l.n; i++)
                put(w, depth + 1, term_glyph(w->term, i + 1 == l.n && !cause ? GLYPH_TREE_RIGHT : GLYPH_TREE_BRANCH),
                    l.text[i]);
        leaves_done(&l);
}

static void put_left_out(Why *w, size_t depth, size_t n, uint64_t seq) {
        _cleanup_free_ char *text = NULL;

        if (str_printf(&text, "%s%s %zu records between (synctl why %" PRIu64 ", or all with --full)%s",
                       term_style(w->term, STYLE_DIM), term_glyph(w->term, GLYPH_ELLIPSIS), n, seq,
                       term_style(w->term, STYLE_NONE)) >= 0)
                put(w, depth, term_glyph(w->term, GLYPH_TREE_RIGHT), text);
}

int why_format(const Json *explanation, const Term *term, bool full, usec_t now, StrBuf *b) {
        Why w = { .term = term, .full = full, .now = now, .b = b };
        const Json *chain = json_get(explanation, "chain");
        size_t n = json_length(chain);
        bool unbroken = true;

        /* The chain comes in the order of time; people ask from the end. Of a long one the middle is left out. */
        size_t depth = 0,
               left_out = !full && n > NEWEST_SHOWN + OLDEST_SHOWN + 1 ? n - NEWEST_SHOWN - OLDEST_SHOWN : 0;
        for (size_t i = n; i > 0; i--) {
                const Json *event = json_at(chain, i - 1), *cause = i > 1 ? json_at(chain, i - 2) : NULL;
                if (cause && json_get_uint(event, "cause_seq", 0) != json_get_uint(cause, "seq", 0))
                        unbroken = false;
                if (left_out > 0 && i == n - NEWEST_SHOWN)
                        put_left_out(&w, depth++, left_out, json_get_uint(event, "seq", 0));
                if (left_out == 0 || i > n - NEWEST_SHOWN || i <= OLDEST_SHOWN)
                        put_event(&w, event, depth++, cause);
        }
        uint64_t first_cause = n > 0 ? json_get_uint(json_at(chain, 0), "cause_seq", 0) : 0;
        strbuf_appendf(b, "%schain: %zu record%s, %s%s\n", term_style(term, STYLE_DIM), n, n == 1 ? "" : "s",
                       !unbroken                                   ? "NOT linked to each other"
                       : first_cause > 0                           ? "its begin is no longer in the log"
                       : json_get_bool(explanation, "more", false) ? "cut at its oldest end"
                                                                   : "from the first observation on",
                       term_style(term, STYLE_NONE));
        free(w.name);
        return b->failed ? -ENOMEM : 0;
}
