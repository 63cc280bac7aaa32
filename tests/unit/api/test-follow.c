/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: what is written, resumption, gaps, slow readers, departures. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>

typedef struct Stream {
        int fd;
        char *data;
        size_t size, allocated;
        bool ended;
} Stream;

static void stream_done(Stream *s) {
        if (s->fd >= 0)
                close(s->fd);
        free(s->data);
        *s = (Stream){ .fd = -EBADF };
}

static int open_stream(Fixture *f, sd_bus *client, uint64_t after, const char *filter, Stream *ret) {
        sd_bus_message *reply = NULL;
        int fd, r;

        *ret = (Stream){ .fd = -EBADF };
        r = fixture_call(f, client, MANAGER, "Follow", &reply, "ts", after, filter);
        if (r < 0)
                return r;
        assert_true(sd_bus_message_read(reply, "h", &fd) > 0);
        ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        assert_true(ret->fd >= 0);
        assert_int_equal(fcntl(ret->fd, F_SETFL, O_NONBLOCK), 0);
        sd_bus_message_unref(reply);
        return 0;
}

/* Takes what is there. */
static void stream_read(Stream *s) {
        ssize_t n;

        while (!s->ended) {
                if (s->allocated - s->size < 65536) {
                        s->allocated += 1024 * 1024;
                        s->data = realloc(s->data, s->allocated);
                        assert_non_null(s->data);
                }
                n = read(s->fd, s->data + s->size, s->allocated - s->size - 1);
                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        return;
                }
                s->ended = n == 0;
                s->size += (size_t) n;
                s->data[s->size] = 0;
        }
}

/* The lines so far, as an array. */
static Json *stream_lines(const Stream *s) {
        const char *p = s->data;
        Json *l;

        assert_true(json_new_array(&l) >= 0);
        while (p && *p) {
                const char *end = strchr(p, '\n');
                _cleanup_json_ Json *j = NULL;

                if (!end)
                        break;
                assert_true(json_parse(p, (size_t) (end - p), SIZE_MAX, &j, NULL) >= 0);
                assert_true(json_append(l, j) >= 0);
                p = end + 1;
        }
        return l;
}

typedef struct Wanted {
        Stream *stream;
        uint64_t seq;
} Wanted;

static bool last_is_there(void *userdata) {
        Wanted *w = userdata;
        const char *line;
        char text[64];

        stream_read(w->stream);
        snprintf(text, sizeof(text), "{\"seq\":%" PRIu64 ",", w->seq);
        line = w->stream->data ? strstr(w->stream->data, text) : NULL;
        return line && strchr(line, '\n');
}

static void wait_for_seq(Fixture *f, Stream *s, uint64_t seq) {
        fixture_wait_for(f, last_is_there, &(Wanted){ s, seq });
}

static bool has_ended(void *userdata) {
        Stream *s = userdata;

        stream_read(s);
        return s->ended;
}

static uint64_t emit(Fixture *f, const char *type, size_t padding) {
        _cleanup_free_ char *text = malloc(padding + 1);
        Json *data;

        assert_non_null(text);
        memset(text, 'x', padding);
        text[padding] = 0;
        assert_true(json_new_object(&data) >= 0);
        assert_true(json_set_string(data, "padding", text) >= 0);
        return manager_emit(f->manager, type, "synd", NULL, PRIORITY_NORMAL, 0, ID128_NULL, data);
}

/* Every event from `from` to `to` exactly once, in order. */
static void assert_sequence(const Stream *s, uint64_t from, uint64_t to) {
        _cleanup_json_ Json *l = stream_lines(s);
        uint64_t expected = from;

        assert_string_equal(json_get_string(json_at(l, 0), "type"), "hello");
        for (size_t i = 1; i < json_length(l); i++)
                assert_int_equal(json_get_uint(json_at(l, i), "seq", 0), expected++);
        assert_int_equal(expected, to + 1);
}

static void test_history_then_live(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;
        Stream s;

        for (unsigned i = 0; i < 500; i++)
                last = emit(f, "test.event", 10);
        fixture_settle(f);
        assert_int_equal(open_stream(f, f->user, 0, "", &s), 0);
        wait_for_seq(f, &s, last + 1); /* the one of settle */
        for (unsigned round = 0; round < 20; round++) {
                for (unsigned i = 0; i < 20; i++)
                        last = emit(f, "test.event", 10);
                wait_for_seq(f, &s, last);
        }
        assert_sequence(&s, 1, last);
        {
                _cleanup_json_ Json *l = stream_lines(&s);
                Json *hello = json_at(l, 0);

                assert_true(json_get_uint(hello, "sequence", 0) >= 500);
                assert_int_equal(json_get_uint(hello, "first_seq", 0), 1);
                assert_string_equal(json_get_string(hello, "host_name"), "testhost");
        }
        stream_done(&s);
}

static void test_resume(void **state) {
        Fixture *f = *state;
        uint64_t middle = 0, last = 0;
        Stream s;

        for (unsigned i = 0; i < 100; i++)
                middle = emit(f, "test.event", 10);
        fixture_settle(f);
        assert_int_equal(open_stream(f, f->user, middle - 50, "", &s), 0);
        wait_for_seq(f, &s, middle);
        stream_done(&s);

        for (unsigned i = 0; i < 100; i++)
                last = emit(f, "test.event", 10);
        fixture_restart_bus(f);
        assert_int_equal(open_stream(f, f->user, middle, "", &s), 0);
        wait_for_seq(f, &s, last);
        assert_sequence(&s, middle + 1, last);
        stream_done(&s);
}

static void test_from_now_on(void **state) {
        Fixture *f = *state;
        uint64_t before, last;
        Stream s;

        before = emit(f, "test.event", 10);
        fixture_settle(f);
        assert_int_equal(open_stream(f, f->user, UINT64_MAX, "", &s), 0);
        last = emit(f, "test.event", 10);
        wait_for_seq(f, &s, last);
        assert_true(before < last);
        assert_sequence(&s, last, last);
        stream_done(&s);
}

static void test_filter(void **state) {
        Fixture *f = *state;
        _cleanup_json_ Json *l = NULL;
        uint64_t last;
        Stream s;

        for (unsigned i = 0; i < 200; i++)
                (void) emit(f, i % 50 == 0 ? "test.wanted" : "test.other", 10);
        fixture_settle(f);
        assert_int_equal(open_stream(f, f->user, 0, "{\"types\":[\"test.wanted\"]}", &s), 0);
        for (unsigned i = 0; i < 200; i++)
                (void) emit(f, i % 50 == 0 ? "test.wanted" : "test.other", 10);
        last = emit(f, "test.wanted", 10);
        wait_for_seq(f, &s, last);
        l = stream_lines(&s);
        assert_int_equal(json_length(l), 1 + 4 + 4 + 1);
        stream_done(&s);
}

static void test_numbers_that_began_anew(void **state) {
        Fixture *f = *state;
        _cleanup_json_ Json *l = NULL;
        uint64_t last;
        Stream s;

        last = emit(f, "test.event", 10);
        fixture_settle(f);
        assert_int_equal(open_stream(f, f->user, 5000, "", &s), 0);
        wait_for_seq(f, &s, last);
        l = stream_lines(&s);
        assert_string_equal(json_get_string(json_at(l, 1), "type"), "gap");
        assert_string_equal(json_get_string(json_at(l, 1), "reason"), "reset");
        assert_int_equal(json_get_uint(json_at(l, 2), "seq", 0), 1);
        stream_done(&s);
}

/* A reader that pauses loses nothing, and costs only its share of memory; one that reads beside it is not held up. */
static void test_slow_reader(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;
        Stream slow, fast;

        assert_int_equal(open_stream(f, f->user, 0, "", &slow), 0);
        assert_int_equal(open_stream(f, f->user, 0, "", &fast), 0);
        for (unsigned i = 0; i < 3000; i++) {
                last = emit(f, "test.event", 300);
                if (i % 100 == 99)
                        wait_for_seq(f, &fast, last);
        }
        wait_for_seq(f, &fast, last);
        assert_sequence(&fast, 1, last);
        wait_for_seq(f, &slow, last);
        assert_sequence(&slow, 1, last);
        stream_done(&slow);
        stream_done(&fast);
}

/* Longer than the socket and the buffer of a stream together. */
static void test_long_events(void **state) {
        Fixture *f = *state;
        uint64_t last = 0;
        Stream s;

        assert_int_equal(open_stream(f, f->user, 0, "", &s), 0);
        for (unsigned i = 0; i < 20; i++)
                last = emit(f, "test.event", 200 * 1024);
        wait_for_seq(f, &s, last);
        assert_sequence(&s, 1, last);
        stream_done(&s);
}

static uint64_t streams_now(Fixture *f) {
        _cleanup_json_ Json *j = fixture_call_json(f, f->root, "Dump", NULL);

        return json_get_uint(json_get(j, "api"), "streams", 99);
}

static bool no_streams(void *userdata) {
        return streams_now(userdata) == 0;
}

static void test_ends_with_reader_and_client(void **state) {
        Fixture *f = *state;
        sd_bus *client = fixture_connect(f, true);
        Stream s;

        assert_int_equal(open_stream(f, f->user, 0, "", &s), 0);
        assert_int_equal(streams_now(f), 1);
        stream_done(&s);
        fixture_ask_until(f, no_streams, f);

        assert_int_equal(open_stream(f, client, 0, "", &s), 0);
        sd_bus_close_unref(client);
        fixture_wait_for(f, has_ended, &s);
        fixture_ask_until(f, no_streams, f);
        stream_done(&s);
}

static void test_ends_with_the_bus(void **state) {
        Fixture *f = *state;
        Stream s;

        assert_int_equal(open_stream(f, f->user, 0, "", &s), 0);
        fixture_restart_bus(f);
        fixture_wait_for(f, has_ended, &s);
        fixture_ask_until(f, no_streams, f);
        stream_done(&s);
}

static void test_only_reading(void **state) {
        Fixture *f = *state;
        Stream s;

        assert_int_equal(open_stream(f, f->user, 0, "", &s), 0);
        assert_true(send(s.fd, "x", 1, MSG_NOSIGNAL) < 0);
        assert_int_equal(errno, EPIPE);
        stream_done(&s);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                T(test_history_then_live),
                T(test_resume),
                T(test_from_now_on),
                T(test_filter),
                T(test_numbers_that_began_anew),
                T(test_slow_reader),
                T(test_long_events),
                T(test_ends_with_reader_and_client),
                T(test_ends_with_the_bus),
                T(test_only_reading),
        };

        if (fixture_unavailable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
