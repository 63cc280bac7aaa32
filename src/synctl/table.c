/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/table.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct Cell {
        char *text;
        Style style;
        uint32_t width;
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        Cell *cells;
        size_t n_cells, allocated;
};

int table_new(const TableColumn *columns, size_t n_columns, Table **ret) {
        Table *t = calloc(1, sizeof(Table));

        assert(n_columns > 0);
        if (!t)
                return -ENOMEM;
        t->columns = columns;
        t->n_columns = n_columns;
        *ret = t;
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

int table_add(Table *t, Style style, const char *text) {
        if (t->n_cells == t->allocated) {
                size_t n = MAX((size_t) 64, t->allocated * 2);
                Cell *cells = reallocarray(t->cells, n, sizeof(Cell));
                if (!cells)
                        return -ENOMEM;
                t->cells = cells;
                t->allocated = n;
        }
        Cell *c = t->cells + t->n_cells;
        int r = text_clean(text, &c->text);
        if (r < 0)
                return r;
        c->style = style;
        c->width = (uint32_t) text_width(c->text);
        t->n_cells++;
        return 0;
}

int table_addf(Table *t, Style style, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        int r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return table_add(t, style, text);
}

size_t table_rows(const Table *t) {
        return t->n_cells / t->n_columns;
}

/* Widths that fit: the widest column that may shrink gives up its columns first. Hidden columns get SIZE_MAX. */
static void table_fit(const Table *t, const Term *term, bool legend, bool full, size_t *widths) {
        size_t total = 0;

        for (size_t c = 0; c < t->n_columns; c++) {
                const TableColumn *k = t->columns + c;
                bool filled = false;
                widths[c] = legend ? text_width(k->header) : 0;
                for (size_t i = c; i < t->n_cells; i += t->n_columns) {
                        widths[c] = MAX(widths[c], (size_t) t->cells[i].width);
                        filled = filled || t->cells[i].width > 0;
                }
                if (k->hide_empty && !filled)
                        widths[c] = SIZE_MAX;
                else
                        total += widths[c] + (c + 1 == t->n_columns ? 0 : k->narrow_gap ? 1 : 2);
        }
        for (size_t c = 0; c + 1 < t->n_columns && !full && term->columns > 0 && total > term->columns; c++)
                if (t->columns[c].expendable && widths[c] != SIZE_MAX) {
                        total -= widths[c] + 2;
                        widths[c] = SIZE_MAX;
                }
        while (!full && term->columns > 0 && total > term->columns) {
                size_t widest = SIZE_MAX;
                for (size_t c = 0; c < t->n_columns; c++) {
                        const TableColumn *k = t->columns + c;
                        if (widths[c] == SIZE_MAX || k->shrink_to == 0 || widths[c] <= k->shrink_to)
                                continue;
                        if (widest == SIZE_MAX || widths[c] >= widths[widest])
                                widest = c;
                }
                if (widest == SIZE_MAX)
                        return;
                widths[widest]--;
                total--;
        }
}

static void table_line(const Table *t, const Term *term, const Cell *cells, bool full, const size_t *widths,
                       StrBuf *b) {
        size_t last = 0;

        for (size_t c = 0; c < t->n_columns; c++)
                if (widths[c] != SIZE_MAX && (cells ? cells[c].width > 0 : true))
                        last = c;
        for (size_t c = 0; c <= last; c++) {
                const TableColumn *k = t->columns + c;
                const char *text = cells ? cells[c].text : k->header;
                Style style = cells ? cells[c].style : STYLE_HEADER;
                _cleanup_free_ char *shortened = NULL;

                if (widths[c] == SIZE_MAX)
                        continue;
                if (!full && (cells ? cells[c].width : text_width(text)) > widths[c] &&
                    text_shorten(term, text, widths[c], &shortened) >= 0)
                        text = shortened;
                if (style != STYLE_NONE)
                        strbuf_append(b, term_style(term, style));
                /* Blanks behind the last column would only make lines wrap. */
                text_pad(b, text, c == last && !k->right ? 0 : widths[c], k->right);
                if (style != STYLE_NONE)
                        strbuf_append(b, term_style(term, STYLE_NONE));
                if (c < last)
                        strbuf_append(b, k->narrow_gap ? " " : "  ");
        }
        strbuf_append(b, "\n");
}

void table_format(const Table *t, const Term *term, bool legend, bool full, StrBuf *b) {
        _cleanup_free_ size_t *widths = calloc(t->n_columns, sizeof(size_t));

        if (!widths) {
                b->failed = true;
                return;
        }
        assert(t->n_cells % t->n_columns == 0);
        table_fit(t, term, legend, full, widths);
        if (legend)
                table_line(t, term, NULL, full, widths, b);
        for (size_t i = 0; i < t->n_cells; i += t->n_columns)
                table_line(t, term, t->cells + i, full, widths, b);
}
