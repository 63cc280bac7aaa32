/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/top-view.h"
#include "synctl/list-view.h"
#include "synctl/text.h"
#include "synctl/when.h"

static const char *const help_lines[] = {
        "q          leave",
        "j k  ↓ ↑   move the cursor (also PgDn, PgUp, Home, End)",
        "Enter      the service's whole status; q or Enter goes back",
        "s          next order: trouble, restarts, last change, name",
        "?  h       this help",
        "",
        "The screen follows synd's signals; only the ages are counted here.",
};

void top_model_done(TopModel *m) {
        service_list_done(&m->list);
        for (size_t i = 0; i < TOP_EVENTS_MAX; i++)
                free(m->events[i]);
        free(m->page);
        *m = (TopModel){};
}

static const char *order_name(TopOrder o) {
        static const char *const names[_TOP_ORDER_MAX] = { "trouble", "restarts", "last change", "name" };
        return names[o];
}

static int by_name(const ServiceRow *a, const ServiceRow *b) {
        int r = strcmp(a->name, b->name);
        return r != 0 ? r : strcmp(a->unit, b->unit);
}

static int by_restarts(const void *x, const void *y) {
        const ServiceRow *a = x, *b = y;

        if (a->restarts != b->restarts)
                return a->restarts > b->restarts ? -1 : 1;
        return by_name(a, b);
}

static int by_trouble(const void *x, const void *y) {
        const ServiceRow *a = x, *b = y;
        unsigned ra = status_rank(a->status), rb = status_rank(b->status);

        return ra != rb ? (ra < rb ? -1 : 1) : by_restarts(x, y);
}

static int by_change(const void *x, const void *y) {
        const ServiceRow *a = x, *b = y;

        if (a->since != b->since)
                return a->since > b->since ? -1 : 1;
        return by_name(a, b);
}

static int by_name_only(const void *x, const void *y) {
        return by_name(x, y);
}

void top_model_sort(TopModel *m) {
        static int (*const orders[_TOP_ORDER_MAX])(const void *, const void *) = { by_trouble, by_restarts, by_change,
                                                                                   by_name_only };
        const char *unit = m->selected < m->list.n ? m->list.rows[m->selected].unit : NULL;

        if (m->list.n > 1)
                qsort(m->list.rows, m->list.n, sizeof(ServiceRow), orders[m->order]);
        for (size_t i = 0; unit && i < m->list.n; i++)
                if (streq(m->list.rows[i].unit, unit)) {
                        m->selected = i;
                        break;
                }
}

void top_model_set(TopModel *m, ServiceList *l) {
        /* At the top the cursor stays at the top: there is the trouble. */
        _cleanup_free_ char *unit =
                        m->selected > 0 && m->selected < m->list.n ? strdup(m->list.rows[m->selected].unit) : NULL;
        size_t selected = m->selected;

        service_list_done(&m->list);
        m->list = *l;
        *l = (ServiceList){};
        m->selected = SIZE_MAX;
        top_model_sort(m);
        m->selected = m->list.n == 0 ? 0 : MIN(selected, m->list.n - 1);
        for (size_t i = 0; unit && i < m->list.n; i++)
                if (streq(m->list.rows[i].unit, unit))
                        m->selected = i;
}

void top_model_add_event(TopModel *m, char *line) {
        size_t at = m->n_events++ % TOP_EVENTS_MAX;

        free(m->events[at]);
        m->events[at] = line;
}

/* ---- the frame ---- */

typedef struct Frame {
        StrBuf *b;
        const Term *term;
        unsigned line; /* lines that are out */
} Frame;

static void frame_line(Frame *f, const char *text) {
        if (f->line >= f->term->rows)
                return;
        if (f->line++ > 0)
                strbuf_append(f->b, "\n");
        strbuf_append(f->b, text);
}

static void frame_text(Frame *f, Style style, const char *text) {
        _cleanup_free_ char *cut = NULL, *line = NULL;

        if (text_shorten(f->term, text, f->term->columns, &cut) < 0 ||
            str_printf(&line, "%s%s%s", style == STYLE_NONE ? "" : term_style(f->term, style), cut,
                       style == STYLE_NONE ? "" : term_style(f->term, STYLE_NONE)) < 0)
                return;
        frame_line(f, line);
}

static void frame_fill(Frame *f, unsigned until) {
        while (f->line < until)
                frame_line(f, "");
}

static void frame_head(Frame *f, const TopModel *m, usec_t now) {
        _cleanup_strbuf_ StrBuf b = {};
        char clock[WHEN_MAX], ago[WHEN_MAX];

        strbuf_appendf(&b, "synctl top  %s  ", when_clock(now, now, false, clock));
        list_summary(&m->list, &b);
        frame_text(f, STYLE_STRONG, b.data ?: "");
        if (m->lost) {
                strbuf_done(&b);
                b = (StrBuf){};
                strbuf_appendf(&b, "synd went away %s; what you see is as it was then. It goes on when synd is back.",
                               when_ago(m->lost_since, now, ago));
                frame_text(f, STYLE_BAD, b.data ?: "");
        } else
                frame_text(f, STYLE_WARN, m->note ?: "");
}

/* Lines of the table: those in colour, and plain ones for the line under the cursor. */
static int table_lines(const TopModel *m, const Term *term, usec_t now, char ***ret, char ***ret_plain) {
        _cleanup_strbuf_ StrBuf colored = {}, plain = {};
        Term monochrome = *term;

        monochrome.colors = false;
        int r = list_format_table(&m->list, term, now, &colored);
        if (r >= 0)
                r = list_format_table(&m->list, &monochrome, now, &plain);
        if (r >= 0)
                r = strv_split(colored.data ?: "", "\n", ret);
        return r < 0 ? r : strv_split(plain.data ?: "", "\n", ret_plain);
}

static int frame_table(Frame *f, TopModel *m, usec_t now, unsigned until) {
        _cleanup_strv_free_ char **lines = NULL, **plain = NULL;
        size_t room = until > f->line + 1 ? until - f->line - 1 : 0;

        if (m->list.n == 0) {
                frame_text(f, STYLE_NONE,
                           m->lost ? "" : "No services. To have one supervised, as root: synctl adopt UNIT");
                return 0;
        }
        int r = table_lines(m, f->term, now, &lines, &plain);
        if (r < 0)
                return r;
        if (m->selected < m->offset)
                m->offset = m->selected;
        if (room > 0 && m->selected >= m->offset + room)
                m->offset = m->selected - room + 1;
        if (m->offset + room > m->list.n)
                m->offset = m->list.n > room ? m->list.n - room : 0;
        frame_line(f, lines[0]);
        for (size_t i = m->offset; i < m->list.n && i < m->offset + room; i++) {
                if (i == m->selected) {
                        _cleanup_strbuf_ StrBuf b = {};
                        strbuf_append(&b, term_style(f->term, STYLE_REVERSE));
                        text_pad(&b, plain[i + 1], f->term->columns, false);
                        strbuf_append(&b, term_style(f->term, STYLE_NONE));
                        frame_line(f, b.data ?: "");
                } else
                        frame_line(f, lines[i + 1]);
        }
        return 0;
}

static void frame_events(Frame *f, const TopModel *m, unsigned n) {
        size_t have = MIN(m->n_events, (size_t) TOP_EVENTS_MAX), shown = MIN(have, (size_t) n);

        for (size_t i = m->n_events - shown; i < m->n_events; i++) {
                _cleanup_free_ char *cut = NULL, *line = NULL;
                /* A cut line may have lost the end of its style. */
                if (text_shorten(f->term, m->events[i % TOP_EVENTS_MAX] ?: "", f->term->columns, &cut) >= 0 &&
                    str_printf(&line, "%s%s", cut, term_style(f->term, STYLE_NONE)) >= 0)
                        frame_line(f, line);
        }
}

static int frame_page(Frame *f, TopModel *m, const char *const *lines, size_t n) {
        size_t room = f->term->rows > f->line + 1 ? f->term->rows - f->line - 1 : 0;

        if (m->page_offset + room > n)
                m->page_offset = n > room ? n - room : 0;
        for (size_t i = m->page_offset; i < n && i < m->page_offset + room; i++)
                frame_line(f, lines[i]);
        return 0;
}

/* strv_split() drops empty lines, and a page needs them. */
static int split_lines(const char *text, char ***ret) {
        _cleanup_strv_free_ char **l = NULL;
        int r = 0;

        while (*text && r >= 0) {
                size_t n = strcspn(text, "\n");
                char *line = strndup(text, n);
                r = line ? strv_consume(&l, line) : -ENOMEM;
                text += n + (text[n] == '\n');
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

int top_format(TopModel *m, const Term *term, usec_t now, StrBuf *b) {
        Frame f = { .b = b, .term = term };
        /* A fifth of the screen tells what happens. */
        unsigned events = term->rows >= 15 ? MIN(term->rows / 5, 12u) : 0;
        unsigned until = term->rows - 1 - (events > 0 ? events + 1 : 0);
        int r = 0;

        frame_head(&f, m, now);
        if (m->page) {
                _cleanup_strv_free_ char **lines = NULL;
                r = split_lines(m->page, &lines);
                if (r >= 0)
                        r = frame_page(&f, m, (const char *const *) lines, strv_length(lines));
        } else if (m->help)
                for (size_t i = 0; i < ELEMENTSOF(help_lines); i++)
                        frame_text(&f, STYLE_NONE, help_lines[i]);
        else {
                r = frame_table(&f, m, now, until);
                frame_fill(&f, until);
                if (events > 0) {
                        frame_text(&f, STYLE_HEADER, "LATELY");
                        frame_events(&f, m, events);
                }
        }
        if (r < 0)
                return r;
        frame_fill(&f, term->rows - 1);
        _cleanup_free_ char *foot = NULL;
        if (str_printf(&foot, "q leave   ? help   s order: %s   Enter status", order_name(m->order)) < 0)
                return -ENOMEM;
        frame_text(&f, STYLE_DIM, m->page || m->help ? "q back   j k move" : foot);
        return b->failed ? -ENOMEM : 0;
}
