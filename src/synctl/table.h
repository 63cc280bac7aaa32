/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A table of text with columns as wide as needed; columns that may shrink are shortened to fit the terminal. */

#include "synctl/text.h"

typedef struct Table Table;

typedef struct TableColumn {
        const char *header;
        bool right; /* numbers */
        bool narrow_gap; /* one space to the next column instead of two */
        bool expendable; /* left out where the table would have to be shortened */
        bool hide_empty; /* left out when no row has something in it */
        unsigned shrink_to; /* may be shortened down to so many columns; 0 = never */
} TableColumn;

/* columns must outlive the table. */
int table_new(const TableColumn *columns, size_t n_columns, Table **ret);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free);
#define _cleanup_table_ _cleanup_(table_freep)

/* Cells come row by row, from left to right; text is cleaned and copied, NULL is empty. -ENOMEM. */
int table_add(Table *t, Style style, const char *text);
int table_addf(Table *t, Style style, const char *format, ...) _printf_(3, 4);
size_t table_rows(const Table *t);
/* full: nothing is shortened. */
void table_format(const Table *t, const Term *term, bool legend, bool full, StrBuf *b);
