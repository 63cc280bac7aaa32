/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One frame of the live screen, from values. */

#include "synctl/services.h"

typedef enum TopOrder { TOP_BY_TROUBLE, TOP_BY_RESTARTS, TOP_BY_CHANGE, TOP_BY_NAME, _TOP_ORDER_MAX } TopOrder;

#define TOP_EVENTS_MAX 64

typedef struct TopModel {
        ServiceList list;
        TopOrder order;
        size_t selected, offset; /* row under the cursor, first row shown */
        char *events[TOP_EVENTS_MAX]; /* ring of formatted lines, without newline */
        size_t n_events; /* ever added */
        bool lost; /* synd is away */
        usec_t lost_since;
        bool help;
        const char *note; /* one line that fades, or NULL */
        char *page; /* text shown instead of the list, or NULL */
        size_t page_offset;
} TopModel;
void top_model_done(TopModel *m);

/* Takes new rows over and keeps the cursor on the service it was on. */
void top_model_set(TopModel *m, ServiceList *l);
void top_model_sort(TopModel *m);
/* Takes line over. */
void top_model_add_event(TopModel *m, char *line);
/* The frame: exactly term->rows lines, the last without a newline. Moves offset so that the cursor is in sight. */
int top_format(TopModel *m, const Term *term, usec_t now, StrBuf *b);
