/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A live stream of events (Manager.Follow) that survives a restart of synd: it waits for synd's name to come back
 * and goes on after the last event it gave out. */

#include "synctl/event-filter.h"
#include <systemd/sd-event.h>

typedef struct Stream Stream;

typedef struct StreamHandler {
        /* An event. text is the line as it came, without the newline. */
        void (*event)(const Json *event, const char *text, void *userdata);
        /* Events from..to will never come. text as above. */
        void (*gap)(uint64_t from, uint64_t to, const char *reason, const char *text, void *userdata);
        /* synd went away; the stream waits. */
        void (*lost)(void *userdata);
        /* synd is back; what follows comes after this event. */
        void (*back)(uint64_t after, void *userdata);
        /* The stream cannot go on; status is an exit status, the reason was said. */
        void (*failed)(int status, void *userdata);
} StreamHandler;

/* The bus of c must be attached to event. selection->after tells where to begin. 0 or an exit status after saying
 * why. Every handler may be NULL, except event. */
int stream_new(Ctl *c, sd_event *event, const EventSelection *selection, const StreamHandler *handler, void *userdata,
               Stream **ret);
Stream *stream_free(Stream *s);
DEFINE_CLEANUP(Stream *, stream_free);

/* Splits bytes into lines: calls line for each whole one. Lines longer than max are dropped and counted in
 * *dropped. For Stream and its tests. */
typedef struct LineBuffer {
        StrBuf b;
        bool skipping;
        uint64_t dropped;
} LineBuffer;
void line_buffer_feed(LineBuffer *l, const char *data, size_t n, size_t max,
                      void (*line)(const char *line, void *userdata), void *userdata);
void line_buffer_done(LineBuffer *l);
