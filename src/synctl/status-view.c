/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/status-view.h"
#include "core/event.h"
#include "synctl/ctl.h"
#include "synctl/event-view.h"
#include "synctl/text.h"

#include <stdio.h>
#include "synctl/when.h"

#define LABEL_WIDTH 12

typedef struct Page {
        StrBuf *b;
        const Term *term;
        bool full;
        usec_t now;
} Page;

/* "     Status: text", wrapped under itself; text may hold escape sequences of term_style(). */
static void page_line(Page *p, const char *label, const char *text) {
        char head[32];
        snprintf(head, sizeof(head), "%s%s", label, *label ? ":" : "");
        text_pad(p->b, head, LABEL_WIDTH - 1, true);
        strbuf_append(p->b, " ");
        text_wrap(p->b, text, p->full ? 0 : p->term->columns, LABEL_WIDTH);
        strbuf_append(p->b, "\n");
}

/* Prints what value holds (cleaned where it came from outside) and empties it. */
static void page_buf(Page *p, const char *label, StrBuf *value) {
        if (value->length > 0)
                page_line(p, label, value->data);
        strbuf_done(value);
        *value = (StrBuf){};
}

/* Text of foreign origin. */
static void add(StrBuf *b, const char *before, const char *foreign, const char *after) {
        _cleanup_free_ char *clean = NULL;

        if (isempty(foreign) || text_clean(foreign, &clean) < 0)
                return;
        strbuf_append(b, before);
        strbuf_append(b, clean);
        strbuf_append(b, after);
}

static const char *get(const Json *o, const char *key) {
        return json_get_string(o, key) ?: "";
}

static void page_title(Page *p, const Json *s) {
        const char *status = get(s, "status");
        Style style = status_style(status);

        strbuf_appendf(p->b, "%s%s%s ", term_style(p->term, style), term_glyph(p->term, status_glyph(status)),
                       style == STYLE_NONE ? "" : term_style(p->term, STYLE_NONE));
        add(p->b, term_style(p->term, STYLE_STRONG), get(s, "name"), term_style(p->term, STYLE_NONE));
        if (!endswith(get(s, "unit"), ".service") || !startswith(get(s, "unit"), get(s, "name")) ||
            strlen(get(s, "unit")) != strlen(get(s, "name")) + 8)
                add(p->b, " (", get(s, "unit"), ")");
        add(p->b, " - ", get(s, "type"), "");
        add(p->b, ": ", get(s, "description"), "");
        strbuf_append(p->b, "\n");
}

static void page_status(Page *p, const Json *s) {
        _cleanup_strbuf_ StrBuf v = {};
        char clock[WHEN_MAX], ago[WHEN_MAX];
        const char *status = get(s, "status");
        Style style = status_style(status);
        usec_t since = json_get_time(s, "status_since");
        double health = json_get_real(s, "health_score", -1);
        const Json *m = json_get(s, "maintenance");

        strbuf_appendf(&v, "%s%s%s", style == STYLE_NONE ? "" : term_style(p->term, style), status,
                       style == STYLE_NONE ? "" : term_style(p->term, STYLE_NONE));
        if (since > 0)
                strbuf_appendf(&v, " since %s (%s)",
                               p->full ? when_full(since, clock) : when_clock(since, p->now, false, clock),
                               when_ago(since, p->now, ago));
        if (health >= 0)
                strbuf_appendf(&v, ", health %.2f", health);
        if (!json_get_bool(s, "seen", true))
                strbuf_append(&v, "; systemd has not told the unit's state yet");
        page_buf(p, "Status", &v);
        if (!json_get_bool(m, "on", false))
                return;
        strbuf_appendf(&v, "%sin maintenance%s", term_style(p->term, STYLE_WARN), term_style(p->term, STYLE_NONE));
        usec_t until = json_get_time(m, "until");
        if (until > 0)
                strbuf_appendf(&v, " until %s (%s)", when_clock(until, p->now, false, clock),
                               when_ago(until, p->now, ago));
        add(&v, ", by ", get(m, "by"), "");
        strbuf_append(&v, ": watched, never acted upon. End it: synctl maintenance off ");
        add(&v, "", get(s, "name"), "");
        page_buf(p, "Mode", &v);
}

static const char *intent_words(const char *intent) {
        static const struct {
                const char *intent, *words;
        } table[] = {
                { "none", "" },
                { "operator", "by an operator" },
                { "systemd-restart", "by its Restart=" },
                { "dependency", "through a dependency" },
                { "conflict", "by a conflict" },
                { "transaction", "by a larger transaction" },
                { "trigger", "by its trigger" },
                { "synd", "by synd" },
                { "command", "by command" },
                { "shutdown", "by the shutdown" },
                { "boot", "at boot" },
        };
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(table[i].intent, intent))
                        return table[i].words;
        return NULL;
}

/* The reason of the present state in words: the failure, or who started or stopped it. */
static void page_why(Page *p, const Json *s) {
        _cleanup_strbuf_ StrBuf v = {};
        const char *status = get(s, "status");
        const Json *systemd = json_get(s, "systemd");
        bool up = streq(status, "running") || streq(status, "starting") || streq(status, "degraded");
        char clock[WHEN_MAX], ago[WHEN_MAX];
        usec_t at = json_get_time(s, "last_error_at");

        if (!up || !streq(status, "running"))
                add(&v, "", get(s, "last_error"), "");
        if (v.length > 0 && at > 0)
                strbuf_appendf(&v, " at %s", when_clock(at, p->now, true, clock));
        if (v.length == 0) {
                const char *words = intent_words(get(s, up ? "start_intent" : "stop_intent"));
                if (words && !*words)
                        /* Nobody caused it as far as synd saw. */
                        strbuf_append(&v, up                                             ? "it was up when synd first saw it"
                                          : streq(status, "failed")                      ? ""
                                          : json_get_time(systemd, "inactive_enter") > 0 ? "it ended by itself"
                                                                                         : "not started since the boot");
                else if (words && !streq(status, "failed"))
                        strbuf_appendf(&v, "%s %s", up ? "started" : "stopped", words);
                if (v.length > 0 && !up)
                        add(&v, " (", get(s, "stop_by"), ")");
        }
        page_buf(p, "Why", &v);
        if (streq(status, "running") && at > 0) {
                add(&v, "", get(s, "last_error"), "");
                if (v.length > 0)
                        strbuf_appendf(&v, " (%s)", when_ago(at, p->now, ago));
                page_buf(p, "Last error", &v);
        }
}

static void add_budget(StrBuf *v, const Json *r) {
        const Json *budget = json_get(r, "budget");
        char span[WHEN_MAX];
        uint64_t limit = json_get_uint(budget, "limit", 0);

        if (limit == 0) {
                strbuf_append(v, "RecoveryBudget=0: synd never restarts it");
                return;
        }
        strbuf_appendf(v, "budget %" PRIu64 "/%" PRIu64 " in ", json_get_uint(budget, "used", 0), limit);
        strbuf_append(v, when_span(json_get_uint(budget, "window_usec", 0), span));
        if (json_type(json_get(r, "slow_retry_usec")) == JSON_INTEGER) {
                strbuf_append(v, ", then every ");
                strbuf_append(v, when_span(json_get_uint(r, "slow_retry_usec", 0), span));
        } else
                strbuf_append(v, ", then it waits for a person");
}

/* What synd does next. */
static void page_next(Page *p, const Json *s) {
        const Json *r = json_get(s, "recovery");
        _cleanup_strbuf_ StrBuf v = {};
        char clock[WHEN_MAX], ago[WHEN_MAX];
        usec_t due = json_get_time(r, "due"), stable = json_get_time(r, "stable_at");

        if (!r)
                return;
        if (!json_get_bool(r, "enabled", true)) {
                page_line(p, "Recovery", "off (Recovery=none)");
                return;
        }
        if (due > 0) {
                strbuf_appendf(&v, "restart at %s (%s)", when_clock(due, p->now, false, clock),
                               when_age(due, p->now, ago));
                if (streq(get(r, "mode"), "slow"))
                        strbuf_append(&v, ", slow retry: the budget is spent");
        } else if (stable > 0)
                strbuf_appendf(&v, "up again, stable if it stays so until %s", when_clock(stable, p->now, false, clock));
        else if (!isempty(get(r, "detail")))
                add(&v, "", get(r, "detail"), "");
        else if (!streq(get(r, "phase"), "idle"))
                add(&v, "", get(r, "phase"), "");
        if (v.length > 0)
                strbuf_append(&v, "; ");
        add_budget(&v, r);
        page_buf(p, due > 0 ? "Next" : "Recovery", &v);
}

static void page_unit(Page *p, const Json *s) {
        const Json *u = json_get(s, "systemd");
        _cleanup_strbuf_ StrBuf v = {};
        char span[WHEN_MAX];

        if (!u)
                return;
        add(&v, "", get(u, "active_state"), "");
        if (!streq(get(u, "sub_state"), get(u, "active_state")))
                add(&v, " (", get(u, "sub_state"), ")");
        if (!streq(get(u, "load_state"), "loaded"))
                add(&v, ", ", get(u, "load_state"), "");
        if (json_get_uint(u, "main_pid", 0) > 0)
                strbuf_appendf(&v, ", main PID %" PRIu64, json_get_uint(u, "main_pid", 0));
        if (!streq(get(u, "result"), "success"))
                add(&v, ", result ", get(u, "result"), "");
        if (json_get_bool(u, "condition_failed", false))
                strbuf_append(&v, ", a start condition was not met");
        if (json_get_bool(u, "auto_restart", false)) {
                strbuf_append(&v, ", restarts itself after ");
                strbuf_append(&v, when_span(json_get_uint(u, "restart_usec", 0), span));
        } else
                strbuf_append(&v, ", Restart=no");
        if (json_get_uint(u, "n_restarts", 0) > 0)
                strbuf_appendf(&v, " (%" PRIu64 " times)", json_get_uint(u, "n_restarts", 0));
        if (!isempty(get(u, "invocation")))
                strbuf_appendf(&v, ", invocation %.8s", get(u, "invocation"));
        page_buf(p, "Unit", &v);
        if (json_get_uint(s, "restarts", 0) > 0 || json_get_uint(s, "errors", 0) > 0) {
                uint64_t errors = json_get_uint(s, "errors", 0);
                strbuf_appendf(&v, "%" PRIu64 " by synd; %" PRIu64 " failure%s seen", json_get_uint(s, "restarts", 0),
                               errors, errors == 1 ? "" : "s");
                page_buf(p, "Restarts", &v);
        }
}

/* The neighbours with the state of those that are in trouble. */
static void add_side(Page *p, StrBuf *v, const Json *edges, const char *unit, bool needs) {
        bool first = true;

        for (size_t i = 0; i < json_length(edges); i++) {
                const Json *e = json_at(edges, i);
                const char *other = get(e, needs ? "to" : "from"), *status = get(e, "status");
                if (!streq(get(e, needs ? "from" : "to"), unit))
                        continue;
                add(v, first ? "" : ", ", isempty(get(e, "name")) ? other : get(e, "name"), "");
                first = false;
                if (json_get_bool(e, "missing", false))
                        strbuf_appendf(v, " (%smissing%s)", term_style(p->term, STYLE_BAD),
                                       term_style(p->term, STYLE_NONE));
                else if (!isempty(status) && !streq(status, "running"))
                        strbuf_appendf(v, " (%s%s%s)", term_style(p->term, status_style(status)), status,
                                       term_style(p->term, STYLE_NONE));
        }
        if (first)
                strbuf_append(v, "-");
}

static void page_dependencies(Page *p, const Json *s) {
        const Json *edges = json_get(s, "dependencies");
        _cleanup_strbuf_ StrBuf v = {};

        if (json_length(edges) == 0)
                return;
        strbuf_append(&v, "needs ");
        add_side(p, &v, edges, get(s, "unit"), true);
        strbuf_append(&v, "; needed by ");
        add_side(p, &v, edges, get(s, "unit"), false);
        page_buf(p, "Deps", &v);
}

/* The file that says Supervise=yes. */
static void page_grant(Page *p, const Json *s) {
        const Json *fields = json_get(s, "fields");
        _cleanup_strbuf_ StrBuf v = {};
        const char *file = NULL;
        uint64_t line = 0;

        for (size_t i = 0; i < json_length(fields); i++)
                if (streq(get(json_at(fields, i), "key"), "Supervise")) {
                        file = json_get_string(json_at(fields, i), "file");
                        line = json_get_uint(json_at(fields, i), "line", 0);
                }
        if (json_get_bool(s, "protected", false))
                strbuf_append(&v, "no: the unit is protected, synd only observes it");
        else if (json_get_bool(s, "granted", false)) {
                strbuf_append(&v, "start stop restart reload reset-failed");
                add(&v, " (by ", file, line > 0 ? "" : ")");
                if (file && line > 0)
                        strbuf_appendf(&v, ":%" PRIu64 ")", line);
        } else {
                strbuf_appendf(&v, "%sno%s: synd observes it and never acts. As root: synctl adopt ",
                               term_style(p->term, STYLE_WARN), term_style(p->term, STYLE_NONE));
                add(&v, "", get(s, "unit"), "");
        }
        page_buf(p, "Granted", &v);
}

static void page_problems(Page *p, const Json *s) {
        const Json *problems = json_get(s, "problems");

        for (size_t i = 0; i < json_length(problems); i++) {
                const Json *o = json_at(problems, i);
                _cleanup_strbuf_ StrBuf v = {};
                strbuf_append(&v, term_style(p->term, STYLE_WARN));
                add(&v, "", get(o, "file"), "");
                char line[TEXT_LINE_MAX];
                strbuf_appendf(&v, "%s%s ", text_line(json_get_uint(o, "line", 0), line),
                               term_style(p->term, STYLE_NONE));
                add(&v, "", get(o, "reason"), "");
                page_buf(p, i == 0 ? "Config" : "", &v);
        }
}

static void page_events(Page *p, const Json *events) {
        bool first = true;

        for (size_t i = 0; i < json_length(events); i++) {
                const Json *e = json_at(events, i);
                _cleanup_strbuf_ StrBuf v = {};
                _cleanup_free_ char *sentence = NULL;
                char clock[WHEN_MAX];
                /* The start that a recovery ends in is told by the recovery. */
                if (streq(get(e, "type"), EVENT_SERVICE_STARTING) &&
                    streq(get(json_at(events, i + 1), "type"), EVENT_SERVICE_RECOVERED))
                        continue;
                if (event_sentence(e, &sentence) < 0)
                        continue;
                Style style = event_style(e);
                strbuf_appendf(&v, "%s %s%s%s", when_clock(json_get_time(e, "time"), p->now, true, clock),
                               style == STYLE_NONE ? "" : term_style(p->term, style), sentence,
                               style == STYLE_NONE ? "" : term_style(p->term, STYLE_NONE));
                page_buf(p, first ? "Lately" : "", &v);
                first = false;
        }
}

int status_format(const Json *service, const Json *events, const char *log, const char *log_hint, const Term *term,
                  bool full, usec_t now, StrBuf *b) {
        Page p = { .b = b, .term = term, .full = full, .now = now };

        page_title(&p, service);
        page_status(&p, service);
        page_why(&p, service);
        page_next(&p, service);
        page_unit(&p, service);
        page_dependencies(&p, service);
        page_grant(&p, service);
        page_problems(&p, service);
        page_events(&p, events);
        if (!isempty(log)) {
                strbuf_append(b, "\n");
                strbuf_append(b, log);
                if (log[strlen(log) - 1] != '\n')
                        strbuf_append(b, "\n");
        }
        if (log_hint)
                strbuf_appendf(b, "\n%s%s%s\n", term_style(term, STYLE_DIM), log_hint, term_style(term, STYLE_NONE));
        return b->failed ? -ENOMEM : 0;
}

int status_exit(const Json *service) {
        const char *active = get(json_get(service, "systemd"), "active_state");

        return streq(active, "active") || streq(active, "reloading") || streq(active, "refreshing") ? CTL_OK
                                                                                                    : CTL_NOT_ACTIVE;
}
