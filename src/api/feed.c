/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/feed.h"
#include "api/filter.h"
#include "api/follow.h"

#define FEED_MAX 512 /* events; a power of two */
#define SIGNALS_PER_SECOND 200 /* of Event; more are only counted */

typedef struct Item {
        Event event;
        char *line; /* made when first needed */
} Item;

struct Feed {
        Api *api;
        Item items[FEED_MAX]; /* a ring, ascending seq */
        size_t first, n;
        uint64_t complete_after; /* every event with a higher seq is in the ring */
        uint64_t durable, made;
        uint64_t signalled; /* up to here each event was signalled or counted as skipped */

        sd_event_source *window; /* fires at the end of a second in which events were skipped */
        usec_t window_start; /* boottime */
        unsigned window_signals;
        uint64_t skipped, skipped_first, skipped_last; /* since the last EventsSkipped */
};

static Item *item_at(Feed *f, size_t i) {
        return &f->items[(f->first + i) % FEED_MAX];
}

static void drop_oldest(Feed *f) {
        Item *i = item_at(f, 0);

        f->complete_after = i->event.seq;
        event_done(&i->event);
        free(i->line);
        *i = (Item){};
        f->first = (f->first + 1) % FEED_MAX;
        f->n--;
}

/* ---- the signal ---- */

static void tell_skipped(Feed *f) {
        if (f->skipped == 0 || !api_may_signal(f->api))
                return;
        (void) sd_bus_emit_signal(f->api->bus, API_ROOT, API_MANAGER_INTERFACE, "EventsSkipped", "ttt", f->skipped,
                                  f->skipped_first, f->skipped_last);
        f->skipped = 0;
}

static int on_window(sd_event_source *source, uint64_t usec, void *userdata) {
        tell_skipped(userdata);
        return 0;
}

static void skip(Feed *f, uint64_t seq) {
        f->api->stats.events_skipped++;
        if (f->skipped++ == 0)
                f->skipped_first = seq;
        f->skipped_last = seq;
        (void) sd_event_source_set_time(f->window, usec_add(f->window_start, USEC_PER_SEC));
        (void) sd_event_source_set_enabled(f->window, SD_EVENT_ONESHOT);
}

static const char *item_line(Feed *f, Item *i) {
        if (!i->line)
                (void) event_format(f->api, &i->event, &i->line);
        return i->line;
}

static void signal_item(Feed *f, Item *i, usec_t now) {
        const char *line;

        f->signalled = i->event.seq;
        if (!f->api->named)
                return;
        if (usec_sub(now, f->window_start) >= USEC_PER_SEC) {
                tell_skipped(f);
                f->window_start = now;
                f->window_signals = 0;
        }
        if (f->window_signals >= SIGNALS_PER_SECOND || !api_may_signal(f->api) || !(line = item_line(f, i))) {
                skip(f, i->event.seq);
                return;
        }
        f->window_signals++;
        (void) sd_bus_emit_signal(f->api->bus, API_ROOT, API_MANAGER_INTERFACE, "Event", "tsss", i->event.seq,
                                  i->event.type, i->event.unit ?: "", line);
}

/* ---- the ring ---- */

int feed_new(Api *a, Feed **ret) {
        Feed *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->api = a;
        f->durable = eventlog_durable_seq(manager_eventlog(a->manager));
        f->signalled = f->durable;
        /* Events that were made before we listened may become durable later: only the first that we see tells. */
        f->complete_after = UINT64_MAX;
        r = sd_event_add_time(a->event, &f->window, CLOCK_BOOTTIME, 0, 10 * USEC_PER_MSEC, on_window, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->window, SD_EVENT_OFF);
        if (r < 0) {
                feed_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

Feed *feed_free(Feed *f) {
        if (!f)
                return NULL;
        while (f->n > 0)
                drop_oldest(f);
        sd_event_source_disable_unref(f->window);
        free(f);
        return NULL;
}

void feed_event(Feed *f, const Event *e) {
        Item *i;

        f->made = MAX(f->made, e->seq);
        if (f->complete_after == UINT64_MAX)
                f->complete_after = e->seq - 1;
        if (f->n == FEED_MAX) {
                /* Not durable for long (the log is stalled), or followed by someone. */
                if (f->api->named && item_at(f, 0)->event.seq > f->signalled) {
                        f->signalled = item_at(f, 0)->event.seq;
                        skip(f, f->signalled);
                }
                drop_oldest(f);
        }
        i = item_at(f, f->n);
        if ((f->n > 0 && e->seq <= item_at(f, f->n - 1)->event.seq) || event_copy(e, &i->event) < 0) {
                /* Whoever is behind this event reads it from the log. */
                while (f->n > 0)
                        drop_oldest(f);
                f->complete_after = MAX(f->complete_after, e->seq);
                return;
        }
        f->n++;
}

void feed_durable(Feed *f, uint64_t seq) {
        usec_t now = boottime_now();

        f->durable = seq;
        for (size_t i = 0; i < f->n; i++) {
                Item *item = item_at(f, i);

                if (item->event.seq > seq)
                        break;
                if (item->event.seq > f->signalled)
                        signal_item(f, item, now);
        }
        if (f->api->n_followers > 0)
                follow_wake(f->api);
        /* Without streams nobody needs what was signalled. */
        while (f->api->n_followers == 0 && f->n > 0 && item_at(f, 0)->event.seq <= seq)
                drop_oldest(f);
}

uint64_t feed_durable_seq(const Feed *f) {
        return f->durable;
}

uint64_t feed_made_seq(const Feed *f) {
        return MAX(f->made, eventlog_durable_seq(manager_eventlog(f->api->manager)));
}

bool feed_covers(const Feed *f, uint64_t after) {
        return after >= f->complete_after;
}

const char *feed_next(Feed *f, uint64_t after, const Event **ret_event) {
        size_t low = 0, high = f->n;
        Item *i;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (item_at(f, middle)->event.seq <= after)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == f->n)
                return NULL;
        i = item_at(f, low);
        if (i->event.seq > f->durable)
                return NULL;
        *ret_event = &i->event;
        return item_line(f, i);
}
