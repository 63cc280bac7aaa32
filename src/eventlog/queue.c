/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/queue.h"
#include "basic/hash.h"
#include "basic/string.h"

/* Copies s behind *p and moves *p on; NULL stays NULL. */
static const char *text_put(char **p, const char *s) {
        if (!s)
                return NULL;
        size_t n = strlen(s) + 1;
        char *start = memcpy(*p, s, n);
        *p += n;
        return start;
}

static size_t text_size(const char *s) {
        return s ? strlen(s) + 1 : 0;
}

int item_new_event(const Event *e, Item **ret) {
        _cleanup_free_ char *json = NULL;

        int r = json_format(e->data, &json);
        if (r < 0)
                return r;
        size_t size = sizeof(Item) + text_size(e->type) + text_size(e->source) + text_size(e->unit) + text_size(json);
        Item *i = malloc(size);
        if (!i)
                return -ENOMEM;
        *i = (Item){
                .kind = ITEM_EVENT,
                .priority = e->priority,
                .size = size,
                .seq = e->seq,
                .cause_seq = e->cause_seq,
                .id = e->id,
                .correlation = e->correlation,
                .time = e->time,
        };
        char *p = i->text;
        i->type = text_put(&p, e->type);
        i->source = text_put(&p, e->source);
        i->name = text_put(&p, e->unit);
        i->value = text_put(&p, json);
        *ret = i;
        return 0;
}

int item_new_value(ItemKind kind, const char *name, const char *value, uint64_t seq, Item **ret) {
        size_t size = sizeof(Item) + text_size(name) + text_size(value);
        Item *i = malloc(size);
        if (!i)
                return -ENOMEM;
        *i = (Item){ .kind = kind, .size = size, .seq = seq };
        char *p = i->text;
        i->name = text_put(&p, name);
        i->value = text_put(&p, value);
        *ret = i;
        return 0;
}

Item *item_free(Item *i) {
        free(i);
        return NULL;
}

static void list_append(ItemList *l, Item *i) {
        i->prev = l->tail;
        i->next = NULL;
        if (l->tail)
                l->tail->next = i;
        else
                l->head = i;
        l->tail = i;
        l->n++;
        l->bytes += i->size;
}

static void list_unlink(ItemList *l, Item *i) {
        if (i->prev)
                i->prev->next = i->next;
        else
                l->head = i->next;
        if (i->next)
                i->next->prev = i->prev;
        else
                l->tail = i->prev;
        /* Its group ends one earlier now. In the staged list the end is not known yet, nor needed. */
        if (!i->open && !i->staged && i->prev)
                i->prev->open = false;
        l->n--;
        l->bytes -= i->size;
        i->prev = i->next = NULL;
}

void item_list_clear(ItemList *l) {
        for (Item *i = l->head, *next; i; i = next) {
                next = i->next;
                item_free(i);
        }
        *l = (ItemList){};
}

static int item_class(const Item *i) {
        if (i->kind != ITEM_EVENT || i->priority > PRIORITY_NORMAL)
                return -1;
        return i->priority <= PRIORITY_LOW ? DROP_LOW : DROP_NORMAL;
}

static void class_link(Queue *q, Item *i) {
        int c = item_class(i);
        if (c < 0)
                return;
        i->class_prev = q->newest[c];
        i->class_next = NULL;
        if (q->newest[c])
                q->newest[c]->class_next = i;
        else
                q->oldest[c] = i;
        q->newest[c] = i;
}

static void class_unlink(Queue *q, Item *i) {
        int c = item_class(i);
        if (c < 0)
                return;
        if (i->class_prev)
                i->class_prev->class_next = i->class_next;
        else
                q->oldest[c] = i->class_next;
        if (i->class_next)
                i->class_next->class_prev = i->class_prev;
        else
                q->newest[c] = i->class_prev;
        i->class_prev = i->class_next = NULL;
}

void queue_init(Queue *q, size_t max_events, size_t max_bytes, uint64_t seed) {
        *q = (Queue){ .max_events = max_events, .max_bytes = max_bytes };
        uuidgen_init(&q->ids, seed);
}

void queue_done(Queue *q) {
        item_list_clear(&q->ready);
        item_list_clear(&q->staged);
        *q = (Queue){};
}

static void queue_append(Queue *q, Item *i) {
        i->staged = q->depth > 0;
        if (i->staged) {
                i->open = true;
                list_append(&q->staged, i);
                return;
        }
        list_append(&q->ready, i);
        class_link(q, i);
}

static void queue_unlink(Queue *q, Item *i) {
        if (!i->staged)
                class_unlink(q, i);
        list_unlink(i->staged ? &q->staged : &q->ready, i);
}

/* Turns a waiting event into the marker of what is dropped; its place and number stay. */
static void item_become_marker(Queue *q, Item *i, Instant now) {
        if (!i->staged)
                class_unlink(q, i);
        i->kind = ITEM_TRUNCATED;
        i->priority = PRIORITY_HIGH;
        i->count = 1;
        i->to_seq = i->seq;
        i->cause_seq = 0;
        i->id = uuidgen_v7(&q->ids, now.realtime);
        i->correlation = ID128_NULL;
        i->time = now;
        i->type = EVENT_LOG_TRUNCATED;
        i->source = "synd";
        i->name = i->value = NULL;
        q->marker = i;
}

/* Gives back the memory of a marker's former text; the accounting follows. */
static void marker_shrink(Queue *q, Item *i) {
        ItemList *l = i->staged ? &q->staged : &q->ready;
        Item *small = realloc(i, sizeof(Item));
        if (!small)
                return;
        l->bytes -= small->size - sizeof(Item);
        small->size = sizeof(Item);
        if (small->prev)
                small->prev->next = small;
        else
                l->head = small;
        if (small->next)
                small->next->prev = small;
        else
                l->tail = small;
        q->marker = small;
}

/* i is linked. */
static void queue_drop(Queue *q, Item *i, Instant now) {
        Item *old = q->marker;

        q->dropped++;
        if (old && old->seq < i->seq) {
                old->count++;
                old->to_seq = MAX(old->to_seq, i->seq);
                queue_unlink(q, i);
                item_free(i);
                return;
        }
        item_become_marker(q, i, now);
        if (old) {
                i->count += old->count;
                i->to_seq = MAX(i->to_seq, old->to_seq);
                queue_unlink(q, old);
                item_free(old);
        }
        marker_shrink(q, i);
}

static bool queue_fits(const Queue *q, size_t size, size_t times) {
        return queue_items(q) < q->max_events * times && queue_bytes(q) + size <= q->max_bytes * times;
}

static int value_key(const Item *i, char **ret) {
        return str_printf(ret, "%d %s", (int) i->kind, i->name);
}

static bool item_is_value(const Item *i) {
        return IN_SET(i->kind, ITEM_STATE, ITEM_CURSOR, ITEM_SINK_ADVANCE);
}

/* Removes values that a later one of the same name replaces. Done only in need, and only when enough new ones came
 * since the last time, so that it costs little for each push. */
static int queue_compact(Queue *q) {
        _cleanup_(hashmap_freep) HashMap *seen = NULL;

        if (q->n_values <= 2 * q->n_values_kept + 16)
                return 0;
        int r = hashmap_new(&seen, NULL);
        if (r < 0)
                return r;
        for (Item *i = q->ready.tail, *prev; i; i = prev) {
                _cleanup_free_ char *key = NULL;

                prev = i->prev;
                if (!item_is_value(i))
                        continue;
                r = value_key(i, &key);
                if (r < 0)
                        return r;
                r = hashmap_put(seen, key, q);
                if (r == -EEXIST) {
                        queue_unlink(q, i);
                        item_free(i);
                        q->n_values--;
                } else if (r < 0)
                        return r;
        }
        q->n_values_kept = hashmap_size(seen);
        return 0;
}

static void queue_make_room(Queue *q, size_t size, int highest_class, Instant now) {
        if (queue_fits(q, size, 1))
                return;
        (void) queue_compact(q); /* out of memory: the events below go instead */
        for (int c = 0; c <= highest_class; c++)
                while (!queue_fits(q, size, 1) && q->oldest[c])
                        queue_drop(q, q->oldest[c], now);
}

int queue_push_event(Queue *q, Item *i, Instant now) {
        int c = item_class(i);
        queue_make_room(q, i->size, c < 0 ? DROP_NORMAL : c, now);
        bool fits = queue_fits(q, i->size, 1);
        queue_append(q, i);
        if (fits)
                return 0;
        queue_drop(q, i, now);
        return -ENOBUFS;
}

int queue_push_value(Queue *q, Item *i, Instant now) {
        queue_make_room(q, i->size, DROP_NORMAL, now);
        if (!queue_fits(q, i->size, 2)) {
                item_free(i);
                return -ENOBUFS;
        }
        queue_append(q, i);
        if (item_is_value(i))
                q->n_values++;
        return 0;
}

void queue_begin(Queue *q) {
        q->depth++;
}

void queue_end(Queue *q) {
        assert(q->depth > 0);
        if (--q->depth > 0)
                return;
        ItemList *s = &q->staged;
        if (s->n == 0)
                return;
        s->tail->open = false;
        for (Item *i = s->head; i; i = i->next) {
                i->staged = false;
                class_link(q, i);
        }
        s->head->prev = q->ready.tail;
        if (q->ready.tail)
                q->ready.tail->next = s->head;
        else
                q->ready.head = s->head;
        q->ready.tail = s->tail;
        q->ready.n += s->n;
        q->ready.bytes += s->bytes;
        *s = (ItemList){};
}

void queue_take(Queue *q, size_t max_n, size_t max_bytes, ItemList *ret) {
        ItemList *l = &q->ready;
        Item *last = NULL; /* the last that a transaction may end with */
        size_t n = 0, bytes = 0, last_n = 0, last_bytes = 0;

        assert(ret->n == 0);
        for (Item *i = l->head; i; i = i->next) {
                n++;
                bytes += i->size;
                if (last && (n > max_n || bytes > max_bytes))
                        break;
                if (!i->open)
                        last = i, last_n = n, last_bytes = bytes;
        }
        if (!last)
                return;
        for (Item *i = l->head;; i = i->next) {
                class_unlink(q, i);
                if (item_is_value(i))
                        q->n_values--;
                if (i == q->marker)
                        q->marker = NULL;
                if (i == last)
                        break;
        }
        *ret = (ItemList){ .head = l->head, .tail = last, .n = last_n, .bytes = last_bytes };
        l->head = last->next;
        if (l->head)
                l->head->prev = NULL;
        else
                l->tail = NULL;
        last->next = NULL;
        l->n -= last_n;
        l->bytes -= last_bytes;
        q->taken_n += last_n;
        q->taken_bytes += last_bytes;
}

void queue_settle(Queue *q) {
        q->taken_n = q->taken_bytes = 0;
}
