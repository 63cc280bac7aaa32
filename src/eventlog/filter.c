/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/string.h"
#include "eventlog/eventlog.h"
#include "eventlog/select.h"

void event_filter_done(EventFilter *f) {
        f->units = strv_free(f->units);
        f->types = strv_free(f->types);
        f->sources = strv_free(f->sources);
        *f = (EventFilter){};
}

int event_filter_copy(const EventFilter *f, EventFilter *ret) {
        _cleanup_strv_free_ char **units = NULL, **types = NULL, **sources = NULL;
        int r = 0;

        if (f->units)
                r = strv_copy(f->units, &units);
        if (r >= 0 && f->types)
                r = strv_copy(f->types, &types);
        if (r >= 0 && f->sources)
                r = strv_copy(f->sources, &sources);
        if (r < 0)
                return r;
        *ret = *f;
        ret->units = TAKE_PTR(units);
        ret->types = TAKE_PTR(types);
        ret->sources = TAKE_PTR(sources);
        return 0;
}

bool type_pattern_is_prefix(const char *pattern, size_t *ret_length) {
        size_t n = strlen(pattern);

        *ret_length = n;
        if (n == 0)
                return false;
        if (pattern[n - 1] == '*') {
                *ret_length = n - 1;
                return true;
        }
        return pattern[n - 1] == '.';
}

/* An empty list is no condition, as no list is. */
static bool list_matches(char *const *l, const char *s) {
        return !l || !*l || (s && strv_contains(l, s));
}

static bool type_matches(char *const *patterns, const char *type) {
        if (!patterns || !*patterns)
                return true;
        STRV_FOREACH (p, patterns) {
                size_t n;

                if (type_pattern_is_prefix(*p, &n) ? strncmp(*p, type, n) == 0 : streq(*p, type))
                        return true;
        }
        return false;
}

bool event_filter_match(const EventFilter *f, const Event *e) {
        if (e->seq <= f->after || (f->up_to > 0 && e->seq > f->up_to))
                return false;
        if (f->since_seq_time > 0 && e->time.realtime < f->since_seq_time)
                return false;
        if (!list_matches(f->units, e->unit) || !list_matches(f->sources, e->source))
                return false;
        if (e->priority < f->min_priority)
                return false;
        if (!id128_is_null(f->correlation) && !id128_equal(f->correlation, e->correlation))
                return false;
        return type_matches(f->types, e->type);
}
