/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of effects, the making of events, and those that are held back until the journal has caught up. */
#include "core/supervisor-internal.h"

static const char *const origin_table[] = { [ORIGIN_LIVE] = "live", [ORIGIN_BACKFILLED] = "backfilled" };
DEFINE_STRING_TABLE(origin, Origin, origin_table)

void effect_done(Effect *e) {
        if (!e)
                return;
        event_done(&e->event);
        free(e->job.unit);
        free(e->state.key);
        free(e->state.json);
        *e = (Effect){};
}

Effect *effect_push(Supervisor *s, EffectType type) {
        Effect *e;

        if (s->effects_head > 0 && s->effects_head == s->n_effects)
                s->effects_head = s->n_effects = 0;
        if (s->n_effects == s->effects_allocated) {
                size_t n = s->effects_allocated ? 2 * s->effects_allocated : 16;
                Effect *new = reallocarray(s->effects, n, sizeof(Effect));

                if (!new) {
                        latch(s, -ENOMEM);
                        return NULL;
                }
                s->effects = new;
                s->effects_allocated = n;
        }
        e = &s->effects[s->n_effects++];
        *e = (Effect){ .type = type };
        return e;
}

int supervisor_pop(Supervisor *s, Effect *ret) {
        assert(s);
        assert(ret);
        if (s->effects_head == s->n_effects)
                return 0;
        *ret = s->effects[s->effects_head++];
        return 1;
}

void effects_forget_service(Supervisor *s, const Service *svc) {
        size_t n = s->effects_head;

        for (size_t i = s->effects_head; i < s->n_effects; i++)
                if (s->effects[i].service != svc)
                        s->effects[n++] = s->effects[i];
        s->n_effects = n;
}

/* ---- events ---- */

static Event *held_push(Supervisor *s, Service *svc) {
        if (s->n_held == s->held_allocated) {
                size_t n = s->held_allocated ? 2 * s->held_allocated : 8;
                HeldEvent *new = reallocarray(s->held, n, sizeof(HeldEvent));

                if (!new) {
                        latch(s, -ENOMEM);
                        return NULL;
                }
                s->held = new;
                s->held_allocated = n;
        }
        s->held[s->n_held] = (HeldEvent){ .service = svc };
        priv(svc)->n_held++;
        return &s->held[s->n_held++].event;
}

Event *emit(Supervisor *s, Service *svc, const char *type, uint64_t cause, int priority, EmitFlags flags) {
        bool hold = false;
        Event *e;

        if (svc && !(flags & EMIT_DIRECT)) {
                /* Released when this input is through: numbers that are in hand now must stay what they are. */
                s->held_overflow = s->held_overflow || priv(svc)->n_held >= HELD_MAX;
                hold = priv(svc)->holding || priv(svc)->n_held > 0 || seq_is_provisional(cause);
        }
        if (hold)
                e = held_push(s, svc);
        else {
                Effect *f = effect_push(s, EFFECT_EVENT);

                e = f ? &f->event : NULL;
        }
        if (!e)
                return NULL;
        /* A backfilled event goes before what is held: it cannot name a held one as its cause. */
        if (!hold && seq_is_provisional(cause))
                cause = 0;
        *e = (Event){
                .seq = hold ? SEQ_PROVISIONAL | ++s->provisional : seq_next(s->seq),
                .cause_seq = cause,
                .id = uuidgen_v7(&s->uuids, s->now.realtime),
                .time = s->now,
                .type = type,
                .source = "synd",
                .priority = priority,
        };
        latch(s, json_new_object(&e->data));
        if (svc) {
                set_string(s, &e->unit, svc->config->unit);
                event_string(s, e, "unit", svc->config->unit);
                event_string(s, e, "origin",
                             origin_to_string(flags & EMIT_BACKFILLED ? ORIGIN_BACKFILLED : ORIGIN_LIVE));
                if (!hold)
                        svc->last_event_seq = e->seq;
        }
        return e;
}

uint64_t event_seq(const Event *e) {
        return e ? e->seq : 0;
}

void event_string(Supervisor *s, Event *e, const char *key, const char *value) {
        if (e && e->data)
                latch(s, json_set_string(e->data, key, value));
}

void event_uint(Supervisor *s, Event *e, const char *key, uint64_t value) {
        if (e && e->data)
                latch(s, json_set_uint(e->data, key, value));
}

void event_int(Supervisor *s, Event *e, const char *key, int64_t value) {
        if (e && e->data)
                latch(s, json_set_int(e->data, key, value));
}

void event_bool(Supervisor *s, Event *e, const char *key, bool value) {
        if (e && e->data)
                latch(s, json_set_bool(e->data, key, value));
}

void event_uuid(Supervisor *s, Event *e, const char *key, Id128 id) {
        char buf[UUID_STRING_MAX];

        event_string(s, e, key, uuid_to_string(id, buf));
}

void event_invocation(Supervisor *s, Event *e, Id128 id) {
        char buf[ID128_STRING_MAX];

        if (!id128_is_null(id))
                event_string(s, e, "invocation", id128_to_string(id, buf));
}

/* ---- holding ---- */

void hold_begin(Supervisor *s, Service *svc, Id128 invocation) {
        ServicePriv *p = priv(svc);

        if (!p->holding)
                p->hold_until = usec_add(s->now.boottime, HOLD_TIME);
        p->holding = true;
        p->hold_invocation = invocation;
        note(s, svc);
}

static void resolve(uint64_t *p, uint64_t old, uint64_t new) {
        if (*p == old)
                *p = new;
}

/* A held event got its place: whoever remembers the provisional number learns the real one. */
static void resolve_everywhere(Supervisor *s, uint64_t old, uint64_t new) {
        Service *svc;

        HASHMAP_FOREACH (svc, s->services) {
                ServicePriv *p = priv(svc);

                if (p->failure_seq == old)
                        p->failure_seq = svc->failure_seq = new;
                resolve(&p->wait_seq, old, new);
                resolve(&p->end_seq, old, new);
                for (size_t i = 0; i < p->n_invocations; i++) {
                        resolve(&p->invocations[i].seq, old, new);
                        resolve(&p->invocations[i].started_seq, old, new);
                }
        }
        for (size_t i = 0; i < s->n_actions; i++) {
                ActionFull *a = s->actions[i];

                if (a->requested_seq == old)
                        a->requested_seq = a->a.requested_seq = new;
                if (a->finished_seq == old)
                        a->finished_seq = a->a.finished_seq = new;
        }
        for (size_t i = 0; i < s->n_held; i++)
                resolve(&s->held[i].event.cause_seq, old, new);
}

static bool held_is_blocked(const Supervisor *s, size_t at) {
        const HeldEvent *h = &s->held[at];

        if (priv(h->service)->holding)
                return true;
        for (size_t i = 0; i < s->n_held; i++)
                if (s->held[i].event.seq == h->event.cause_seq)
                        return true;
        /* An earlier one of the same service still waits, or would have gone already. */
        for (size_t i = 0; i < at; i++)
                if (s->held[i].service == h->service)
                        return true;
        return false;
}

static void held_release(Supervisor *s, size_t at) {
        HeldEvent h = s->held[at];
        uint64_t old = h.event.seq;
        Effect *f;

        memmove(s->held + at, s->held + at + 1, (--s->n_held - at) * sizeof(HeldEvent));
        priv(h.service)->n_held--;
        f = effect_push(s, EFFECT_EVENT);
        if (!f) {
                event_done(&h.event);
                return;
        }
        h.event.seq = seq_next(s->seq);
        if (seq_is_provisional(h.event.cause_seq))
                h.event.cause_seq = 0;
        f->event = h.event;
        resolve_everywhere(s, old, h.event.seq);
        h.service->last_event_seq = h.event.seq;
        touch_state(s, h.service);
}

void hold_end(Supervisor *s, Service *svc) {
        priv(svc)->holding = false;
        note(s, svc);
        for (size_t i = 0; i < s->n_held;) {
                if (held_is_blocked(s, i))
                        i++;
                else {
                        held_release(s, i);
                        i = 0;
                }
        }
}

/* Too many are held for one service: they go out although the journal is not there yet. */
void hold_limit(Supervisor *s) {
        Service *svc;

        if (!s->held_overflow)
                return;
        s->held_overflow = false;
        HASHMAP_FOREACH (svc, s->services)
                if (priv(svc)->n_held >= HELD_MAX)
                        hold_end(s, svc);
}

/* The service goes away: its events go out, whatever they wait for. */
void hold_flush(Supervisor *s, Service *svc) {
        hold_end(s, svc);
        for (size_t i = 0; i < s->n_held;) {
                if (s->held[i].service != svc) {
                        i++;
                        continue;
                }
                held_release(s, i);
        }
}

void held_done(Supervisor *s) {
        for (size_t i = 0; i < s->n_held; i++)
                event_done(&s->held[i].event);
        s->held = free_(s->held);
        s->n_held = s->held_allocated = 0;
}
