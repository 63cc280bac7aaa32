/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live screen. It is drawn when something changed (signals and the stream of events), and once a second for the
 * ages. */
#include "synctl/event-view.h"
#include "synctl/list-view.h"
#include "synctl/status-view.h"
#include "synctl/stream.h"
#include "synctl/top-view.h"

#include <signal.h>
#include <stdio.h>
#include <termios.h>

#define REFRESH_DELAY (100 * USEC_PER_MSEC) /* many signals of one moment make one question */
#define EVENTS_AT_START 20

typedef struct Top {
        Ctl *c;
        sd_event *event;
        TopModel model;
        sd_event_source *refresh; /* armed when the list is to be asked for */
        struct termios before;
        bool raw, dirty;
        int status;
        unsigned note_seconds; /* until the note fades */
} Top;

static void put(const char *s) {
        (void) !write(STDOUT_FILENO, s, strlen(s));
}

static int screen_enter(Top *t) {
        struct termios raw;

        if (tcgetattr(STDIN_FILENO, &t->before) < 0)
                return -errno;
        raw = t->before;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
                return -errno;
        t->raw = true;
        put("\033[?1049h\033[?25l");
        return 0;
}

static void screen_leave(Top *t) {
        if (!t->raw)
                return;
        put("\033[?25h\033[?1049l");
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
        t->raw = false;
}

static void draw(Top *t) {
        _cleanup_strbuf_ StrBuf frame = {}, out = {};

        t->dirty = false;
        if (top_format(&t->model, &t->c->term, realtime_now(), &frame) < 0)
                return;
        strbuf_append(&out, "\033[H");
        /* Each line clears what was behind it: no flicker of a cleared screen. */
        for (const char *p = frame.data ?: ""; *p;) {
                size_t n = strcspn(p, "\n");
                strbuf_append_n(&out, p, n);
                strbuf_append(&out, p[n] ? "\033[K\r\n" : "\033[K");
                p += n + (p[n] == '\n');
        }
        strbuf_append(&out, "\033[J");
        if (!out.failed)
                put(out.data);
}

static void note(Top *t, const char *text) {
        t->model.note = text;
        t->note_seconds = 5;
        t->dirty = true;
}

/* ---- what comes from synd ---- */

static void want_refresh(Top *t) {
        int on;

        if (sd_event_source_get_enabled(t->refresh, &on) >= 0 && on != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(t->refresh, REFRESH_DELAY);
        (void) sd_event_source_set_enabled(t->refresh, SD_EVENT_ONESHOT);
}

static int on_refresh(sd_event_source *s, uint64_t usec, void *userdata) {
        Top *t = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};

        /* While synd is away the stream waits for it, and what is shown is marked as old. */
        if (services_ask(t->c, &e, &l) < 0)
                return 0;
        top_model_set(&t->model, &l);
        draw(t);
        return 0;
}

static int on_signal_of_synd(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        want_refresh(userdata);
        return 0;
}

static void add_event_line(Top *t, const Json *event) {
        _cleanup_strbuf_ StrBuf b = {};
        Term wide = t->c->term; /* the frame cuts, to the width of its moment */
        char *line = NULL;

        if (wide.columns >= EVENT_WIDE)
                wide.columns = 0;
        if (event_line(event, &wide, false, realtime_now(), &b) < 0 || b.length == 0)
                return;
        b.data[--b.length] = 0; /* the newline */
        if (strbuf_finish(&b, &line) >= 0)
                top_model_add_event(&t->model, line);
}

static void on_event(const Json *event, const char *text, void *userdata) {
        add_event_line(userdata, event);
        want_refresh(userdata);
}

static void on_gap(uint64_t from, uint64_t to, const char *reason, const char *text, void *userdata) {
        note(userdata, "Some events are no longer in the log and are missing below.");
        want_refresh(userdata);
}

static void on_lost(void *userdata) {
        Top *t = userdata;

        t->model.lost = true;
        t->model.lost_since = realtime_now();
        draw(t);
}

static void on_back(uint64_t after, void *userdata) {
        Top *t = userdata;

        t->model.lost = false;
        note(t, "synd is back; the screen goes on.");
        want_refresh(t);
}

static void on_failed(int status, void *userdata) {
        Top *t = userdata;

        t->status = status;
        (void) sd_event_exit(t->event, status);
}

/* ---- keys ---- */

static void move(Top *t, ssize_t by) {
        TopModel *m = &t->model;

        if (m->page) {
                m->page_offset = by < 0 ? m->page_offset - MIN(m->page_offset, (size_t) -by)
                                        : m->page_offset + (size_t) by;
                return;
        }
        if (m->list.n == 0)
                return;
        if (by < 0)
                m->selected -= MIN(m->selected, (size_t) -by);
        else
                m->selected = MIN(m->selected + (size_t) by, m->list.n - 1);
}

static void open_page(Top *t) {
        TopModel *m = &t->model;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *service = NULL;
        _cleanup_strbuf_ StrBuf b = {};

        if (m->selected >= m->list.n || m->lost)
                return;
        if (client_json(t->c, "Describe", &e, &service, "s", m->list.rows[m->selected].unit) < 0 ||
            status_format(service, NULL, NULL, NULL, &t->c->term, false, realtime_now(), &b) < 0) {
                note(t, "The service cannot be shown now.");
                return;
        }
        m->page_offset = 0;
        (void) strbuf_finish(&b, &m->page);
}

static bool close_page(TopModel *m) {
        bool open = m->page || m->help;

        free(TAKE_PTR(m->page));
        m->help = false;
        return open;
}

typedef enum Key {
        KEY_NONE,
        KEY_UP,
        KEY_DOWN,
        KEY_PAGE_UP,
        KEY_PAGE_DOWN,
        KEY_HOME,
        KEY_END,
        KEY_ENTER,
        KEY_QUIT,
        KEY_SORT,
        KEY_HELP,
        KEY_ESCAPE,
        KEY_REDRAW,
} Key;

/* One key from the bytes of the terminal; *ret_n: bytes taken. */
static Key key_decode(const char *s, size_t n, size_t *ret_n) {
        static const struct {
                const char *bytes;
                Key key;
        } keys[] = {
                { "\033[A", KEY_UP },   { "\033OA", KEY_UP },       { "\033[B", KEY_DOWN },
                { "\033OB", KEY_DOWN }, { "\033[5~", KEY_PAGE_UP }, { "\033[6~", KEY_PAGE_DOWN },
                { "\033[H", KEY_HOME }, { "\033[1~", KEY_HOME },    { "\033OH", KEY_HOME },
                { "\033[F", KEY_END },  { "\033[4~", KEY_END },     { "\033OF", KEY_END },
                { "k", KEY_UP },        { "j", KEY_DOWN },          { "g", KEY_HOME },
                { "G", KEY_END },       { "\n", KEY_ENTER },        { "\r", KEY_ENTER },
                { "q", KEY_QUIT },      { "s", KEY_SORT },          { "?", KEY_HELP },
                { "h", KEY_HELP },      { "\f", KEY_REDRAW },       { " ", KEY_PAGE_DOWN },
        };
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                size_t k = strlen(keys[i].bytes);
                if (k <= n && memcmp(s, keys[i].bytes, k) == 0) {
                        *ret_n = k;
                        return keys[i].key;
                }
        }
        *ret_n = 1;
        if (s[0] == '\033') {
                /* an unknown sequence goes as a whole, a lone ESC is a key */
                while (*ret_n < n && s[*ret_n] != '\033' && !(*ret_n > 2 && s[*ret_n - 1] >= '@'))
                        (*ret_n)++;
                return n == 1 ? KEY_ESCAPE : KEY_NONE;
        }
        return KEY_NONE;
}

static void press(Top *t, Key key) {
        TopModel *m = &t->model;
        ssize_t screen = MAX((ssize_t) t->c->term.rows / 2, (ssize_t) 1);

        switch (key) {
        case KEY_UP:
                move(t, -1);
                break;
        case KEY_DOWN:
                move(t, 1);
                break;
        case KEY_PAGE_UP:
                move(t, -screen);
                break;
        case KEY_PAGE_DOWN:
                move(t, screen);
                break;
        case KEY_HOME:
                move(t, -100000);
                break;
        case KEY_END:
                move(t, 100000);
                break;
        case KEY_ENTER:
                if (!close_page(m))
                        open_page(t);
                break;
        case KEY_ESCAPE:
                (void) close_page(m);
                break;
        case KEY_QUIT:
                if (!close_page(m))
                        (void) sd_event_exit(t->event, CTL_OK);
                break;
        case KEY_SORT:
                m->order = (m->order + 1) % _TOP_ORDER_MAX;
                top_model_sort(m);
                m->selected = 0;
                break;
        case KEY_HELP:
                m->help = !m->help;
                break;
        case KEY_REDRAW:
                put("\033[2J");
                break;
        case KEY_NONE:
                break;
        }
        t->dirty = true;
}

static int on_keys(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Top *t = userdata;
        char bytes[64];

        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
                return 0;
        if (n <= 0 && (events & EPOLLHUP || n < 0))
                return sd_event_exit(t->event, CTL_OK); /* the terminal is gone */
        for (size_t at = 0; at < (size_t) n;) {
                size_t taken;
                press(t, key_decode(bytes + at, (size_t) n - at, &taken));
                at += taken;
        }
        if (t->dirty)
                draw(t);
        return 0;
}

static int on_second(sd_event_source *s, uint64_t usec, void *userdata) {
        Top *t = userdata;

        if (t->note_seconds > 0 && --t->note_seconds == 0)
                t->model.note = NULL;
        draw(t);
        (void) sd_event_source_set_time_relative(s, USEC_PER_SEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Top *t = userdata;

        if (si->ssi_signo != SIGWINCH)
                return sd_event_exit(t->event, CTL_OK);
        term_size(&t->c->term);
        put("\033[2J");
        draw(t);
        return 0;
}

/* ---- the whole ---- */

static int prepare(Top *t) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
        sd_bus *bus = t->c->bus;
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&set, signals[i]);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int r = sd_event_new(&t->event);
        for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
                r = sd_event_add_signal(t->event, NULL, signals[i], on_signal, t);
        if (r >= 0)
                r = sd_bus_attach_event(bus, t->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_add_io(t->event, NULL, STDIN_FILENO, EPOLLIN, on_keys, t);
        if (r >= 0)
                r = sd_event_add_time_relative(t->event, NULL, CLOCK_MONOTONIC, USEC_PER_SEC, 0, on_second, t);
        if (r >= 0)
                r = sd_event_add_time_relative(t->event, &t->refresh, CLOCK_MONOTONIC, 0, 0, on_refresh, t);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, SYND_BUS_NAME, NULL, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", on_signal_of_synd, t);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, SYND_BUS_NAME, SYND_PATH, SYND_MANAGER, "ServiceAdded",
                                        on_signal_of_synd, t);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, SYND_BUS_NAME, SYND_PATH, SYND_MANAGER, "ServiceRemoved",
                                        on_signal_of_synd, t);
        return r;
}

/* What happened before we came, and where the stream goes on. */
static uint64_t history(Top *t) {
        const EventSelection s = { .newest = true, .limit = EVENTS_AT_START };
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *events = NULL;
        uint64_t last = 0;

        if (events_ask(t->c, &s, &e, &events, NULL, NULL) < 0)
                return 0;
        for (size_t i = 0; i < json_length(events); i++) {
                add_event_line(t, json_at(events, i));
                last = json_get_uint(json_at(events, i), "seq", last);
        }
        return last;
}

static int live(Top *t) {
        static const StreamHandler handler = {
                .event = on_event,
                .gap = on_gap,
                .lost = on_lost,
                .back = on_back,
                .failed = on_failed,
        };
        _cleanup_(stream_freep) Stream *stream = NULL;
        EventSelection selection = {};

        int r = prepare(t);
        if (r < 0)
                return client_error(t->c, "show the live screen", NULL, NULL, r);
        selection.after = history(t);
        int status = stream_new(t->c, t->event, &selection, &handler, t, &stream);
        if (status != 0)
                return status;
        r = screen_enter(t);
        if (r < 0)
                return client_error(t->c, "show the live screen", NULL, NULL, r);
        draw(t);
        r = sd_event_loop(t->event);
        screen_leave(t);
        return r < 0 ? client_error(t->c, "show the live screen", NULL, NULL, r) : t->status;
}

int verb_top(Ctl *c) {
        Top t = { .c = c };
        const char *terminal = getenv("TERM");

        int status = services_load(c, "show the live screen", &t.model.list);
        if (status != 0)
                return status;
        top_model_sort(&t.model);
        if (!c->o.json && c->term.tty && isatty(STDIN_FILENO) > 0 && !isempty(terminal) && !streq(terminal, "dumb"))
                status = live(&t);
        else {
                /* No terminal to live on: the same order, once. */
                _cleanup_strbuf_ StrBuf b = {};
                _cleanup_json_ Json *a = NULL;
                if (c->o.json)
                        status = list_to_json(&t.model.list, &a) < 0 ? ctl_oom() : ctl_print_json(c, a);
                else if (list_format(&t.model.list, &c->term, !c->o.no_legend, c->o.full, realtime_now(), &b) < 0)
                        status = ctl_oom();
                else
                        status = ctl_print_buf(c, &b);
        }
        sd_event_source_disable_unref(t.refresh);
        (void) sd_bus_detach_event(c->bus);
        sd_event_unref(t.event);
        top_model_done(&t.model);
        return status;
}
