/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "api/feed.h"
#include "api/filter.h"
#include "api/follow.h"
#include "basic/log.h"
#include <sys/epoll.h>
#include <sys/socket.h>

#define STREAM_BUFFER_MAX (16 * 1024) /* bytes that wait for the reader, besides one event and what the kernel holds */
#define STREAM_SOCKET_BUFFER (32 * 1024)
#define STREAM_BATCH 64 /* events of one query */
#define STREAM_QUERIES_MAX 16 /* under way for all streams together, so that they leave room for others */

struct Follower {
        Api *api;
        Client *client;
        Follower *next, *prev; /* of the client */
        int fd;
        sd_event_source *io;
        EventFilter filter;
        uint64_t cursor; /* everything up to here was written or does not match */
        uint64_t query_up_to;
        EventQuery *query;
        bool wants_query;
        bool from_start; /* after=0: what retention took long ago is no gap */
        StrBuf buffer;
        size_t written; /* of buffer */
        uint32_t events; /* epoll mask in force */
};

static int follower_pump(Follower *f);

Follower *follower_free(Follower *f) {
        if (!f)
                return NULL;
        if (f->prev)
                f->prev->next = f->next;
        else
                f->client->followers = f->next;
        if (f->next)
                f->next->prev = f->prev;
        f->client->n_followers--;
        f->api->n_followers--;

        event_query_free(f->query);
        sd_event_source_disable_unref(f->io);
        if (f->fd >= 0)
                close(f->fd);
        event_filter_done(&f->filter);
        strbuf_done(&f->buffer);
        client_release(f->client);
        free(f);
        return NULL;
}

/* ---- writing ---- */

static int watch(Follower *f, uint32_t events) {
        int r;

        if (f->events == events)
                return 0;
        r = sd_event_source_set_io_events(f->io, events);
        if (r >= 0)
                f->events = events;
        return r;
}

/* 1: all is written; 0: the reader is slow, go on when the socket has room; negative: the reader is gone. */
static int flush_buffer(Follower *f) {
        while (f->written < f->buffer.length) {
                ssize_t n = send(f->fd, f->buffer.data + f->written, f->buffer.length - f->written,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return watch(f, EPOLLOUT);
                if (n < 0)
                        return -errno;
                f->written += (size_t) n;
        }
        f->buffer.length = f->written = 0;
        /* One long event must not cost memory for ever. */
        if (f->buffer.allocated > 2 * STREAM_BUFFER_MAX)
                strbuf_done(&f->buffer);
        if (watch(f, 0) < 0)
                return -EIO;
        return 1;
}

static int put_line(Follower *f, const char *line) {
        int r = strbuf_append(&f->buffer, line);

        return r < 0 ? r : strbuf_append(&f->buffer, "\n");
}

static int put_json(Follower *f, Json *j) {
        _cleanup_free_ char *line = NULL;
        int r = json_format(j, &line);

        return r < 0 ? r : put_line(f, line);
}

static int put_hello(Follower *f, uint64_t sequence, uint64_t first) {
        Manager *m = f->api->manager;
        _cleanup_json_ Json *j = NULL;
        char id[UUID_STRING_MAX];
        int r;

        if ((r = json_new_object(&j)) < 0 || (r = json_set_string(j, "type", "hello")) < 0 ||
            (r = json_set_uint(j, "sequence", sequence)) < 0 || (r = json_set_uint(j, "first_seq", first)) < 0 ||
            (r = json_set_string(j, "host_id", uuid_to_string(manager_host_id(m), id))) < 0 ||
            (r = json_set_string(j, "host_name", manager_host_name(m))) < 0 ||
            (r = json_set_string(j, "version", SYNOS_VERSION)) < 0)
                return r;
        return put_json(f, j);
}

/* What the reader will never get: from and to are both missing. reason: "retention", or "reset" when the numbers began anew. */
static int put_gap(Follower *f, uint64_t from, uint64_t to, const char *reason) {
        _cleanup_json_ Json *j = NULL;
        int r;

        if ((r = json_new_object(&j)) < 0 || (r = json_set_string(j, "type", "gap")) < 0 ||
            (r = json_set_uint(j, "from", from)) < 0 || (r = json_set_uint(j, "to", to)) < 0 ||
            (r = json_set_string(j, "reason", reason)) < 0)
                return r;
        return put_json(f, j);
}

/* ---- reading, from the feed or from the log ---- */

static int take_from_feed(Follower *f, uint64_t durable) {
        const Event *e;
        const char *line;
        int r;

        while (f->buffer.length < STREAM_BUFFER_MAX) {
                line = feed_next(f->api->feed, f->cursor, &e);
                if (!line) {
                        f->cursor = MAX(f->cursor, durable);
                        return 0;
                }
                if (event_filter_match(&f->filter, e)) {
                        r = put_line(f, line);
                        if (r < 0)
                                return r;
                }
                f->cursor = e->seq;
        }
        return 0;
}

static int take_from_log(Follower *f, const Event *events, size_t n, bool more, uint64_t first_seq) {
        int r;

        if (first_seq > 0 && f->cursor + 1 < first_seq) {
                if (!f->from_start) {
                        r = put_gap(f, f->cursor + 1, first_seq - 1, "retention");
                        if (r < 0)
                                return r;
                }
                f->cursor = first_seq - 1;
        }
        f->from_start = false;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *line = NULL;

                if (f->buffer.length >= STREAM_BUFFER_MAX)
                        return 0; /* the rest is asked for again */
                r = event_format(f->api, &events[i], &line);
                if (r >= 0)
                        r = put_line(f, line);
                if (r < 0)
                        return r;
                f->cursor = events[i].seq;
        }
        if (!more)
                f->cursor = MAX(f->cursor, f->query_up_to);
        return 0;
}

static size_t queries_under_way(Api *a) {
        size_t n = 0;
        Client *c;

        HASHMAP_FOREACH (c, a->clients)
                for (const Follower *f = c->followers; f; f = f->next)
                        n += f->query != NULL;
        return n;
}

static void on_query(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                     void *userdata) {
        Follower *f = userdata;
        Api *a = f->api;
        int r = error;

        if (r >= 0)
                r = take_from_log(f, events, n, more, first_seq);
        f->query = event_query_free(f->query);
        if (r >= 0)
                r = follower_pump(f);
        if (r < 0)
                follower_free(f);
        follow_resume(a);
}

static int start_query(Follower *f) {
        EventFilter filter;
        int r;

        f->wants_query = true;
        if (queries_under_way(f->api) >= STREAM_QUERIES_MAX)
                return 0;
        f->query_up_to = feed_durable_seq(f->api->feed);
        filter = f->filter; /* its vectors are only read */
        filter.after = f->cursor;
        filter.up_to = f->query_up_to;
        r = eventlog_query(manager_eventlog(f->api->manager), &filter, STREAM_BATCH, on_query, f, &f->query);
        if (r == -EBUSY)
                return 0; /* tried again when another query ends or something new is durable */
        if (r < 0)
                return r;
        f->wants_query = false;
        return 0;
}

void follow_resume(Api *a) {
        Client *c;

        HASHMAP_FOREACH (c, a->clients)
                for (Follower *f = c->followers; f; f = f->next)
                        if (f->wants_query && start_query(f) >= 0 && !f->query)
                                return;
}

/* Goes on until the reader or the log has to be waited for. Negative: end the stream. */
static int follower_pump(Follower *f) {
        uint64_t durable = feed_durable_seq(f->api->feed);
        int r;

        for (;;) {
                r = flush_buffer(f);
                if (r <= 0)
                        return r;
                if (f->query || f->cursor >= durable)
                        return 0;
                if (!feed_covers(f->api->feed, f->cursor))
                        return start_query(f);
                f->from_start = f->wants_query = false;
                r = take_from_feed(f, durable);
                if (r < 0)
                        return r;
        }
}

void follow_wake(Api *a) {
        _cleanup_free_ Follower **all = NULL;
        size_t n = 0;
        Client *c;

        /* A stream may end, and with it its client: the map is not walked meanwhile. */
        all = calloc(a->n_followers + 1, sizeof(Follower *));
        if (!all)
                return; /* the next events wake them */
        HASHMAP_FOREACH (c, a->clients)
                for (Follower *f = c->followers; f; f = f->next)
                        all[n++] = f;
        for (size_t i = 0; i < n; i++)
                if (follower_pump(all[i]) < 0)
                        follower_free(all[i]);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Follower *f = userdata;

        if (revents & (EPOLLERR | EPOLLHUP) || follower_pump(f) < 0)
                follower_free(f);
        return 0;
}

/* ---- start ---- */

static int open_stream(Follower *f, int *ret_reader) {
        const int size = STREAM_SOCKET_BUFFER;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        f->fd = fds[0];
        *ret_reader = fds[1];
        /* One way, and no more in the kernel than a stream needs. */
        if (shutdown(fds[1], SHUT_WR) < 0 || setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
                return -errno;
        return sd_event_add_io(f->api->event, &f->io, f->fd, 0, on_io, f);
}

static Follower *follower_add(Client *c) {
        Follower *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        f->api = c->api;
        f->client = c;
        f->fd = -EBADF;
        f->next = c->followers;
        if (f->next)
                f->next->prev = f;
        c->followers = f;
        c->n_followers++;
        c->api->n_followers++;
        c->api->stats.followers_total++;
        return f;
}

/* Where to begin: UINT64_MAX is "from now on"; a number that was never given out means that the log began anew. */
static int set_cursor(Follower *f, uint64_t after, uint64_t durable) {
        /* An answer or a signal may have told a number that is not durable yet: that is only waited for. */
        if (after == UINT64_MAX) {
                f->cursor = durable;
                return 0;
        }
        f->cursor = after;
        f->from_start = after == 0;
        if (after <= feed_made_seq(f->api->feed))
                return 0;
        f->cursor = 0;
        f->from_start = true;
        return put_gap(f, 0, 0, "reset");
}

static int follower_begin(Follower *f, Request *r, int *ret_reader) {
        EventLogStats stats;
        uint64_t durable;
        int k;

        f->filter = r->filter;
        r->filter = (EventFilter){};
        k = open_stream(f, ret_reader);
        if (k < 0)
                return k;
        eventlog_stats(manager_eventlog(f->api->manager), &stats);
        durable = feed_durable_seq(f->api->feed);
        k = put_hello(f, durable, stats.first_seq);
        return k < 0 ? k : set_cursor(f, r->after, durable);
}

int follow_start(Request *r, sd_bus_error *error) {
        uint32_t max = manager_conf(r->api->manager)->client_followers_max;
        _cleanup_close_ int reader = -EBADF;
        Follower *f;
        int k;

        if (r->client->n_followers >= max) {
                r->api->stats.refused_limit++;
                return sd_bus_error_setf(error, ERROR_LIMIT_REACHED, "Too many streams of one client (at most %u): close one first.",
                                         max);
        }
        f = follower_add(r->client);
        if (!f)
                return -ENOMEM;
        k = follower_begin(f, r, &reader);
        if (k >= 0)
                k = sd_bus_reply_method_return(r->message, "h", reader);
        if (k < 0) {
                follower_free(f);
                return k;
        }
        if (follower_pump(f) < 0)
                follower_free(f); /* answered already: the client sees the end of the stream */
        return 0;
}
