/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/event-filter.h"
#include "synctl/event-view.h"
#include "synctl/list-view.h"
#include "synctl/stream.h"

#include <signal.h>
#include <stdio.h>

#define FOLLOW_HISTORY 10

typedef struct Show {
        Ctl *c;
        sd_event *event;
        usec_t until;
        uint32_t left; /* --follow ends after so many more; UINT32_MAX = never */
        int status;
} Show;

static int put_event(const Show *s, const Json *event, StrBuf *b) {
        if (s->until > 0 && json_get_time(event, "time") > s->until)
                return 0;
        if (!s->c->o.json)
                return event_line(event, &s->c->term, s->c->o.full, realtime_now(), b);
        _cleanup_free_ char *text = NULL;
        int r = json_format(event, &text);
        return r < 0 ? r : strbuf_appendf(b, "%s\n", text);
}

static int put_page(const Show *s, const Json *page, StrBuf *b) {
        int r = 0;

        for (size_t i = 0; i < json_length(page) && r >= 0; i++)
                r = put_event(s, json_at(page, i), b);
        return r;
}

static uint64_t page_seq(const Json *page, bool last) {
        size_t n = json_length(page);
        return n == 0 ? 0 : json_get_uint(json_at(page, last ? n - 1 : 0), "seq", 0);
}

static void note_gap(const Ctl *c, uint64_t asked, uint64_t first) {
        if (asked > 0 && asked + 1 < first)
                ctl_note(c, "Events %" PRIu64 " to %" PRIu64 " are no longer in the log.", asked + 1, first - 1);
}

/* False when whoever reads us left. */
static bool flush_page(StrBuf *b) {
        if (b->length > 0)
                fputs(b->data, stdout);
        strbuf_done(b);
        *b = (StrBuf){};
        return fflush(stdout) == 0;
}

/* From the beginning forward, page by page; a page is printed when it is there. */
static int list_forward(Show *s, EventSelection *sel, StrBuf *b) {
        Ctl *c = s->c;
        bool more = true;

        for (bool first_page = true; more && sel->limit > 0; first_page = false) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_json_ Json *page = NULL;
                uint64_t first;
                int r = events_ask(c, sel, &e, &page, &more, &first);
                if (r < 0)
                        return client_error(c, "list events", NULL, &e, r);
                if (first_page)
                        note_gap(c, sel->after, first);
                if (put_page(s, page, b) < 0)
                        return ctl_oom();
                /* A long history is not gathered for nothing when no pager shows it. */
                if (!c->term.tty && !flush_page(b))
                        return 0;
                sel->after = MAX(sel->after, page_seq(page, true));
                sel->limit -= MIN(sel->limit, (uint32_t) json_length(page));
                if (json_length(page) == 0)
                        break;
        }
        return 0;
}

/* The number of the newest event of all: what comes after it is new. */
static int ask_newest(Ctl *c, uint64_t *ret) {
        EventSelection newest = { .newest = true, .limit = 1 };
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *page = NULL;

        int r = events_ask(c, &newest, &e, &page, NULL, NULL);
        if (r < 0)
                return client_error(c, "list events", NULL, &e, r);
        *ret = page_seq(page, true);
        return 0;
}

/* The newest ones: pages come from the end backwards and are printed the other way round. */
static int list_newest(Show *s, EventSelection *sel, StrBuf *b) {
        enum { PAGES_MAX = 4096 };
        Ctl *c = s->c;
        Json *pages[PAGES_MAX];
        size_t n = 0;
        bool more = true;
        int status = 0;

        while (status == 0 && more && sel->limit > 0 && n < PAGES_MAX) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                int r = events_ask(c, sel, &e, pages + n, &more, NULL);
                if (r < 0) {
                        status = client_error(c, "list events", NULL, &e, r);
                        break;
                }
                const Json *page = pages[n++];
                if (json_length(page) == 0)
                        break;
                sel->after = MAX(sel->after, n == 1 ? page_seq(page, true) : 0);
                sel->up_to = page_seq(page, false) - 1;
                sel->limit -= MIN(sel->limit, (uint32_t) json_length(page));
                if (sel->up_to == 0)
                        break;
        }
        while (n > 0) {
                n--;
                if (status == 0 && put_page(s, pages[n], b) < 0)
                        status = ctl_oom();
                json_unref(pages[n]);
        }
        return status;
}

static void flush_out(Show *s, StrBuf *b) {
        if (!flush_page(b))
                (void) sd_event_exit(s->event, CTL_OK);
}

static void on_event(const Json *event, const char *text, void *userdata) {
        Show *s = userdata;
        _cleanup_strbuf_ StrBuf b = {};

        if (s->left == 0) /* one read can bring several */
                return;

        if (s->c->o.json)
                strbuf_appendf(&b, "%s\n", text);
        else
                (void) event_line(event, &s->c->term, s->c->o.full, realtime_now(), &b);
        flush_out(s, &b);
        if (s->left != UINT32_MAX && --s->left == 0)
                (void) sd_event_exit(s->event, CTL_OK);
}

static void on_gap(uint64_t from, uint64_t to, const char *reason, const char *text, void *userdata) {
        Show *s = userdata;
        _cleanup_strbuf_ StrBuf b = {};

        if (s->c->o.json)
                strbuf_appendf(&b, "%s\n", text);
        else
                strbuf_appendf(&b, "%s-- gap: events %" PRIu64 " to %" PRIu64 " are gone (%s) --%s\n",
                               term_style(&s->c->term, STYLE_WARN), from, to, reason ?: "retention",
                               term_style(&s->c->term, STYLE_NONE));
        flush_out(s, &b);
}

static void on_lost(void *userdata) {
        ctl_note(((Show *) userdata)->c, "synd went away; waiting for it to come back.");
}

static void on_back(uint64_t after, void *userdata) {
        ctl_note(((Show *) userdata)->c, "synd is back; going on after event %" PRIu64 ".", after);
}

static void on_failed(int status, void *userdata) {
        Show *s = userdata;

        s->status = status;
        (void) sd_event_exit(s->event, status);
}

static int follow(Show *s, const EventSelection *sel) {
        static const StreamHandler handler = {
                .event = on_event,
                .gap = on_gap,
                .lost = on_lost,
                .back = on_back,
                .failed = on_failed,
        };
        _cleanup_(stream_freep) Stream *stream = NULL;
        Ctl *c = s->c;

        int r = sd_event_new(&s->event);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, s->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return client_error(c, "follow the events", NULL, NULL, r);
        int status = stream_new(c, s->event, sel, &handler, s, &stream);
        if (status == 0) {
                r = sd_event_loop(s->event);
                status = r < 0 ? client_error(c, "follow the events", NULL, NULL, r) : s->status;
        }
        stream = stream_free(stream);
        (void) sd_bus_detach_event(c->bus);
        s->event = sd_event_unref(s->event);
        return status;
}

int verb_events(Ctl *c) {
        Show s = { .c = c, .left = UINT32_MAX };
        EventSelection sel;
        _cleanup_strbuf_ StrBuf b = {};

        int r = event_selection_from_options(&c->o, realtime_now(), &sel);
        if (r != 0)
                return r;
        if (c->o.follow && c->o.until)
                return ctl_fail(CTL_USAGE, "--follow and --until exclude each other.");
        s.until = sel.until;
        r = client_open(c);
        if (r != 0)
                return r;
        signal(SIGPIPE, SIG_IGN);
        if (c->o.follow && sel.newest && !c->o.limit)
                sel.limit = FOLLOW_HISTORY;
        /* With a limit it counts what comes, so that a script can wait for the next one. */
        if (c->o.follow && sel.newest && c->o.limit)
                r = ask_newest(c, &sel.after);
        else
                r = sel.newest ? list_newest(&s, &sel, &b) : list_forward(&s, &sel, &b);
        if (r != 0)
                return r;
        if (c->o.limit)
                s.left = sel.limit;
        if (!c->o.follow)
                return ctl_print_buf(c, &b);
        if (b.length > 0)
                fputs(b.data, stdout);
        if (fflush(stdout) != 0 || s.left == 0)
                return CTL_OK;
        return follow(&s, &sel);
}
