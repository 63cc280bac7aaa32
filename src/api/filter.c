/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/filter.h"

#define FILTER_WORDS_MAX 256 /* units, services, types or sources of one filter */

static int invalid(sd_bus_error *error, const char *key, const char *what) {
        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "Filter field \"%s\" %s.", key, what);
}

/* A list of strings, or one string. */
static int parse_words(const char *key, Json *v, char ***list, sd_bus_error *error) {
        size_t n = json_type(v) == JSON_ARRAY ? json_length(v) : 1;
        int r;

        if (!IN_SET(json_type(v), JSON_ARRAY, JSON_STRING))
                return invalid(error, key, "must be a string or an array of strings");
        if (n + strv_length(*list) > FILTER_WORDS_MAX)
                return invalid(error, key, "has more than 256 entries");
        for (size_t i = 0; i < n; i++) {
                const char *word = json_string(json_type(v) == JSON_ARRAY ? json_at(v, i) : v);

                if (isempty(word) || strlen(word) > 255)
                        return invalid(error, key, "must hold strings of 1 to 255 bytes");
                r = strv_extend(list, word);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Events keep the name of the unit; a service that is gone can still be asked for by its unit. */
static int add_services(Api *a, Json *v, EventFilter *f, sd_bus_error *error) {
        _cleanup_strv_free_ char **names = NULL;
        const Service *s;
        int r;

        r = parse_words("services", v, &names, error);
        if (r < 0)
                return r;
        STRV_FOREACH (name, names) {
                r = supervisor_find(manager_supervisor(a->manager), *name, &s);
                if (r == -ENOTUNIQ)
                        return sd_bus_error_setf(error, ERROR_AMBIGUOUS_NAME,
                                                 "More than one service is called %s: give the unit.", *name);
                if (r >= 0)
                        r = strv_extend(&f->units, s->config->unit);
                else if (unit_name_is_valid(*name))
                        r = strv_extend(&f->units, *name);
                else
                        return sd_bus_error_setf(error, ERROR_NO_SUCH_SERVICE,
                                                 "There is no service %s (of one that is gone, give the unit).",
                                                 *name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_number(Json *o, const char *key, uint64_t max, uint64_t *ret, sd_bus_error *error) {
        int64_t v = json_get_int(o, key, -1);

        if (json_type(json_get(o, key)) != JSON_INTEGER || v < 0 || (uint64_t) v > max)
                return invalid(error, key, "must be a whole number that is not negative (min_priority: at most 10)");
        *ret = (uint64_t) v;
        return 0;
}

static int parse_since(Json *o, EventFilter *f, sd_bus_error *error) {
        const char *text = json_get_string(o, "since");
        usec_t t;

        if (!text || parse_rfc3339(text, &t) < 0)
                return invalid(error, "since", "must be a time as in RFC 3339");
        f->since_seq_time = t;
        return 0;
}

static int parse_field(Api *a, Json *o, const char *key, Json *v, bool stream, EventFilter *f, sd_bus_error *error) {
        uint64_t n = 0;
        int r;

        if (streq(key, "units"))
                return parse_words(key, v, &f->units, error);
        if (streq(key, "services"))
                return add_services(a, v, f, error);
        if (streq(key, "types"))
                return parse_words(key, v, &f->types, error);
        if (streq(key, "sources"))
                return parse_words(key, v, &f->sources, error);
        if (streq(key, "since"))
                return parse_since(o, f, error);
        if (streq(key, "correlation")) {
                if (!json_string(v) || id128_from_string(json_string(v), &f->correlation) < 0)
                        return invalid(error, key, "must be a UUID");
                return 0;
        }
        if (streq(key, "min_priority")) {
                r = parse_number(o, key, PRIORITY_CRITICAL, &n, error);
                f->min_priority = (int) n;
                return r;
        }
        if (streq(key, "up_to") && !stream)
                return parse_number(o, key, INT64_MAX, &f->up_to, error);
        if (streq(key, "newest") && !stream) {
                if (json_type(v) != JSON_BOOL)
                        return invalid(error, key, "must be true or false");
                f->newest = json_get_bool(o, key, false);
                return 0;
        }
        return invalid(error, key, stream ? "is unknown (or makes no sense in a stream)" : "is unknown");
}

int filter_parse(Api *a, const char *text, bool stream, EventFilter *ret, sd_bus_error *error) {
        _cleanup_(event_filter_done) EventFilter f = {};
        _cleanup_json_ Json *o = NULL;
        _cleanup_free_ char *reason = NULL;
        void *state = NULL;
        const char *key;
        Json *v;
        int r;

        if (!isempty(text)) {
                r = json_parse(text, strlen(text), API_ARGUMENT_MAX, &o, &reason);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 || json_type(o) != JSON_OBJECT)
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The filter is no JSON object: %s.",
                                                 reason
                                                                 ?: r == -E2BIG ? "it is longer than 64 KiB"
                                                                                : "it is of another type");
                while (json_next(o, &state, &key, &v)) {
                        r = parse_field(a, o, key, v, stream, &f, error);
                        if (r < 0)
                                return r;
                }
        }
        *ret = f;
        f = (EventFilter){};
        return 0;
}

int event_format(Api *a, const Event *e, char **ret) {
        const Service *s = e->unit ? supervisor_get(manager_supervisor(a->manager), e->unit) : NULL;
        _cleanup_json_ Json *j = NULL;
        int r;

        r = event_to_json(e, s ? s->config->name : NULL, &j);
        return r < 0 ? r : json_format(j, ret);
}

static void free_lines(char **lines, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(lines[i]);
        free(lines);
}

/* Joins lines[first..last) to "[…]". */
static int join_array(char **lines, size_t first, size_t last, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_append(&b, "[");
        for (size_t i = first; i < last; i++) {
                if (i > first)
                        strbuf_append(&b, ",");
                strbuf_append(&b, lines[i]);
        }
        strbuf_append(&b, "]");
        return strbuf_finish(&b, ret);
}

int events_format(Api *a, const Event *events, size_t n, size_t max_size, bool newest, char **ret, bool *ret_cut) {
        char **lines = calloc(n + 1, sizeof(char *));
        size_t size = 0, taken = 0;
        int r = 0;

        if (!lines)
                return -ENOMEM;
        /* From the end that matters, until the limit. */
        for (; taken < n; taken++) {
                size_t i = newest ? n - 1 - taken : taken;

                r = event_format(a, &events[i], &lines[i]);
                if (r < 0)
                        break;
                size += strlen(lines[i]) + 1;
                if (size > max_size && taken > 0)
                        break;
        }
        if (r >= 0)
                r = join_array(lines, newest ? n - taken : 0, newest ? n : taken, ret);
        if (r >= 0)
                *ret_cut = taken < n;
        free_lines(lines, n);
        return r;
}
