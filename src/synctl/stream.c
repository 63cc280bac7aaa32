/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/stream.h"

#include <fcntl.h>

#define LINE_MAX_SIZE (1024 * 1024)

struct Stream {
        Ctl *c;
        sd_event *event;
        const StreamHandler *handler;
        void *userdata;
        char *filter;
        uint64_t after;
        int fd;
        sd_event_source *io, *retry;
        sd_bus_slot *match;
        LineBuffer lines;
        bool was_lost;
};

void line_buffer_done(LineBuffer *l) {
        strbuf_done(&l->b);
        *l = (LineBuffer){ .dropped = l->dropped };
}

void line_buffer_feed(LineBuffer *l, const char *data, size_t n, size_t max,
                      void (*line)(const char *line, void *userdata), void *userdata) {
        while (n > 0) {
                const char *end = memchr(data, '\n', n);
                size_t k = end ? (size_t) (end - data) : n;

                if (!l->skipping && (l->b.length + k > max || strbuf_append_n(&l->b, data, k) < 0))
                        l->skipping = true;
                if (end && l->skipping)
                        l->dropped++;
                else if (end)
                        line(l->b.data ?: "", userdata);
                if (end || l->skipping) {
                        strbuf_done(&l->b);
                        l->b = (StrBuf){};
                }
                if (end)
                        l->skipping = false;
                k += end != NULL;
                data += k;
                n -= k;
        }
}

static void stream_line(const char *text, void *userdata) {
        Stream *s = userdata;
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *reason = NULL;

        /* What is no JSON comes from no synd that we know. */
        if (json_parse(text, strlen(text), LINE_MAX_SIZE, &j, &reason) < 0)
                return;
        const char *type = json_get_string(j, "type") ?: "";
        if (streq(type, "hello")) {
                if (s->was_lost && s->handler->back)
                        s->handler->back(s->after, s->userdata);
                s->was_lost = false;
        } else if (streq(type, "gap")) {
                uint64_t to = json_get_uint(j, "to", 0);
                if (s->handler->gap)
                        s->handler->gap(json_get_uint(j, "from", 0), to, json_get_string(j, "reason"), text,
                                        s->userdata);
                /* The numbers began anew: so do we. */
                s->after = streq(json_get_string(j, "reason") ?: "", "reset") ? 0 : MAX(s->after, to);
        } else {
                s->handler->event(j, text, s->userdata);
                s->after = json_get_uint(j, "seq", s->after);
        }
}

static void stream_close(Stream *s) {
        s->io = sd_event_source_disable_unref(s->io);
        if (s->fd >= 0)
                close(s->fd);
        s->fd = -EBADF;
        line_buffer_done(&s->lines);
}

static int stream_open(Stream *s, sd_bus_error *e);

/* synd may be there although the stream ended (it refused a limit, say): a new attempt at most once a second. */
static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Stream *s = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        if (s->fd >= 0)
                return 0;
        int r = stream_open(s, &e);
        if (r < 0 && !client_error_no_synd(&e) && !sd_bus_error_has_name(&e, SD_BUS_ERROR_NO_REPLY)) {
                int status = client_error(s->c, "follow the events", NULL, &e, r);
                if (s->handler->failed)
                        s->handler->failed(status, s->userdata);
        }
        return 0;
}

static void retry_after(Stream *s, usec_t span) {
        (void) sd_event_source_set_time_relative(s->retry, span);
        (void) sd_event_source_set_enabled(s->retry, SD_EVENT_ONESHOT);
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Stream *s = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 && !isempty(after) && s->fd < 0)
                retry_after(s, 0);
        return 0;
}

static bool synd_is_there(Stream *s) {
        sd_bus_message *reply = NULL;
        int there = 0;

        int r = sd_bus_call_method(s->c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "NameHasOwner", NULL, &reply, "s", SYND_BUS_NAME);
        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &there);
        sd_bus_message_unref(reply);
        return r >= 0 && there;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Stream *s = userdata;
        char chunk[16 * 1024];

        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                line_buffer_feed(&s->lines, chunk, (size_t) n, LINE_MAX_SIZE, stream_line, s);
                return 0;
        }
        stream_close(s);
        if (!s->was_lost && s->handler->lost)
                s->handler->lost(s->userdata);
        s->was_lost = true;
        if (synd_is_there(s))
                retry_after(s, USEC_PER_SEC);
        return 0;
}

static int stream_open(Stream *s, sd_bus_error *e) {
        sd_bus_message *reply = NULL;
        int fd;

        int r = client_manager(s->c, "Follow", e, &reply, "ts", s->after, s->filter);
        if (r >= 0)
                r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0) {
                s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                r = s->fd < 0 ? -errno : 0;
        }
        sd_bus_message_unref(reply);
        if (r < 0)
                return r;
        int flags = fcntl(s->fd, F_GETFL);
        if (flags >= 0)
                (void) fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
        r = sd_event_add_io(s->event, &s->io, s->fd, EPOLLIN, on_io, s);
        if (r < 0)
                stream_close(s);
        return r;
}

Stream *stream_free(Stream *s) {
        if (!s)
                return NULL;
        stream_close(s);
        sd_event_source_disable_unref(s->retry);
        sd_bus_slot_unref(s->match);
        free(s->filter);
        free(s);
        return NULL;
}

int stream_new(Ctl *c, sd_event *event, const EventSelection *selection, const StreamHandler *handler, void *userdata,
               Stream **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_(stream_freep) Stream *s = calloc(1, sizeof(Stream));

        if (!s)
                return ctl_oom();
        s->c = c;
        s->event = event;
        s->handler = handler;
        s->userdata = userdata;
        s->after = selection->after;
        s->fd = -EBADF;
        int r = event_selection_format(selection, true, &s->filter);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &s->retry, CLOCK_MONOTONIC, 0, 0, on_retry, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->retry, SD_EVENT_OFF);
        /* The match first: a restart between the two is then seen. */
        if (r >= 0)
                r = sd_bus_add_match(c->bus, &s->match,
                                     "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                     "member='NameOwnerChanged',arg0='" SYND_BUS_NAME "'",
                                     on_owner, s);
        if (r >= 0)
                r = stream_open(s, &e);
        if (r < 0)
                return client_error(c, "follow the events", NULL, &e, r);
        *ret = TAKE_PTR(s);
        return 0;
}
