/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/budget.h"

/* More tokens than any limit allows are never kept (conf_parse_budget() has the same bound). */
#define TOKENS_MAX 10000

void budget_done(BudgetState *b) {
        if (!b)
                return;
        free(b->used);
        *b = (BudgetState){};
}

static usec_t token_age(const BudgetState *b, size_t i, Instant now) {
        return now.boottime - b->used[i].boottime;
}

size_t budget_used(BudgetState *b, const Budget *limits, Instant now) {
        size_t old = 0;

        while (old < b->n_used && token_age(b, old, now) >= limits->window)
                old++;
        if (old > 0) {
                b->n_used -= old;
                memmove(b->used, b->used + old, b->n_used * sizeof(Instant));
        }
        return b->n_used;
}

usec_t budget_next(BudgetState *b, const Budget *limits, Instant now) {
        size_t n;

        if (limits->limit == 0)
                return USEC_INFINITY;
        n = budget_used(b, limits, now);
        if (n < limits->limit)
                return now.boottime;
        return now.boottime + (limits->window - token_age(b, n - limits->limit, now));
}

static int budget_append(BudgetState *b, size_t at, Instant t) {
        Instant *n;

        if (b->n_used >= TOKENS_MAX)
                return -ENOBUFS;
        n = reallocarray(b->used, b->n_used + 1, sizeof(Instant));
        if (!n)
                return -ENOMEM;
        b->used = n;
        memmove(b->used + at + 1, b->used + at, (b->n_used - at) * sizeof(Instant));
        b->used[at] = t;
        b->n_used++;
        return 0;
}

int budget_take(BudgetState *b, const Budget *limits, Instant now) {
        if (budget_next(b, limits, now) > now.boottime)
                return -EDQUOT;
        return budget_append(b, b->n_used, now);
}

int budget_add(BudgetState *b, usec_t age, usec_t realtime, Instant now) {
        Instant t = { .realtime = realtime, .boottime = now.boottime - age };
        size_t at = b->n_used;

        while (at > 0 && token_age(b, at - 1, now) < age)
                at--;
        return budget_append(b, at, t);
}

void budget_rebase(BudgetState *b, Instant now) {
        for (size_t i = 0; i < b->n_used; i++)
                b->used[i].realtime = usec_sub(now.realtime, token_age(b, i, now));
}
