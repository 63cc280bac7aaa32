/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-c has a type of the name that is our question. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

#include "basic/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/json-value.h"
#include "basic/string.h"

/* json-c holds the values; the text is read and written by json-text.c, because the answers of json-c's own tokener
 * differ between its versions and it accepts duplicate keys. In json-c a JSON null is a NULL pointer. */

Json *json_ref(Json *j) {
        return json_object_get(j);
}

Json *json_unref(Json *j) {
        (void) json_object_put(j);
        return NULL;
}

JsonType json_type(const Json *j) {
        switch (json_object_get_type(j)) {
        case json_type_boolean:
                return JSON_BOOL;
        case json_type_int:
                return JSON_INTEGER;
        case json_type_double:
                return JSON_REAL;
        case json_type_string:
                return JSON_STRING;
        case json_type_array:
                return JSON_ARRAY;
        case json_type_object:
                return JSON_OBJECT;
        case json_type_null:
        default:
                return JSON_NULL;
        }
}

static int new_value(Json *j, Json **ret) {
        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}

int json_new_object(Json **ret) {
        return new_value(json_object_new_object(), ret);
}

int json_new_array(Json **ret) {
        /* json-c's default of 32 places would let a short text of empty arrays take much memory. */
        return new_value(json_object_new_array_ext(4), ret);
}

int json_new_bool(bool value, Json **ret) {
        return new_value(json_object_new_boolean(value), ret);
}

int json_new_int(int64_t value, Json **ret) {
        return new_value(json_object_new_int64(value), ret);
}

int json_new_uint(uint64_t value, Json **ret) {
        return new_value(json_object_new_uint64(value), ret);
}

int json_new_real(double value, Json **ret) {
        if (!isfinite(value))
                return -EINVAL;
        return new_value(json_object_new_double(value), ret);
}

int json_new_string(const char *s, size_t n, Json **ret) {
        if (n > INT32_MAX / 2)
                return -E2BIG;
        return new_value(json_object_new_string_len(s, (int) n), ret);
}

/* Broken UTF-8 becomes U+FFFD, byte by byte. */
static int sanitize(const char *s, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        size_t n = strlen(s);

        while (n > 0) {
                size_t k = 1;

                /* A sequence is whole at exactly one length. */
                while (k <= MIN(n, (size_t) 4) && !utf8_is_valid(s, k))
                        k++;
                if (k <= MIN(n, (size_t) 4))
                        strbuf_append_n(&b, s, k);
                else {
                        strbuf_append(&b, "\xef\xbf\xbd");
                        k = 1;
                }
                s += k;
                n -= k;
        }
        return strbuf_finish(&b, ret);
}

static int new_sanitized(const char *s, Json **ret) {
        _cleanup_free_ char *clean = NULL;
        int r;

        if (!utf8_is_valid(s, strlen(s))) {
                r = sanitize(s, &clean);
                if (r < 0)
                        return r;
                s = clean;
        }
        return json_new_string(s, strlen(s), ret);
}

int json_object_insert(Json *o, const char *key, Json *value) {
        if (json_object_object_get_ex(o, key, NULL))
                return -EEXIST;
        return json_object_object_add(o, key, value) < 0 ? -ENOMEM : 0;
}

int json_array_insert(Json *array, Json *value) {
        return json_object_array_add(array, value) < 0 ? -ENOMEM : 0;
}

/* Takes value over, also on error: "r" is what making it has returned. */
static int set(Json *o, const char *key, int r, Json *value) {
        _cleanup_free_ char *clean = NULL;
        _cleanup_json_ Json *v = value;

        assert(json_type(o) == JSON_OBJECT);
        assert(key);
        if (r < 0)
                return r;
        if (!utf8_is_valid(key, strlen(key))) {
                r = sanitize(key, &clean);
                if (r < 0)
                        return r;
                key = clean;
        }
        if (json_object_object_add(o, key, v) < 0)
                return -ENOMEM;
        TAKE_PTR(v);
        return 0;
}

int json_set_string(Json *o, const char *key, const char *value) {
        Json *v = NULL;
        int r;

        if (!value)
                return 0;
        r = new_sanitized(value, &v);
        return set(o, key, r, v);
}

int json_set_stringf(Json *o, const char *key, const char *format, ...) {
        _cleanup_free_ char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0) {
                s = NULL;
                return -ENOMEM;
        }
        return json_set_string(o, key, s);
}

int json_set_bool(Json *o, const char *key, bool value) {
        Json *v = NULL;
        int r = json_new_bool(value, &v);

        return set(o, key, r, v);
}

int json_set_int(Json *o, const char *key, int64_t value) {
        Json *v = NULL;
        int r = json_new_int(value, &v);

        return set(o, key, r, v);
}

int json_set_uint(Json *o, const char *key, uint64_t value) {
        Json *v = NULL;
        int r = json_new_uint(value, &v);

        return set(o, key, r, v);
}

int json_set_real(Json *o, const char *key, double value) {
        Json *v = NULL;
        int r = json_new_real(value, &v);

        return set(o, key, r, v);
}

int json_set_null(Json *o, const char *key) {
        return set(o, key, 0, NULL);
}

int json_set_time(Json *o, const char *key, usec_t realtime) {
        char buf[FORMAT_RFC3339_MAX];

        if (realtime == 0 || realtime == USEC_INFINITY)
                return 0;
        return json_set_string(o, key, format_rfc3339(realtime, buf));
}

int json_set_strv(Json *o, const char *key, char *const *l) {
        _cleanup_json_ Json *a = NULL;
        int r;

        r = json_new_array(&a);
        if (r < 0)
                return r;
        STRV_FOREACH (s, l) {
                r = json_append_string(a, *s);
                if (r < 0)
                        return r;
        }
        return json_set(o, key, a);
}

int json_set(Json *o, const char *key, Json *value) {
        if (!value)
                return 0;
        return set(o, key, 0, json_ref(value));
}

int json_append(Json *array, Json *value) {
        int r;

        assert(json_type(array) == JSON_ARRAY);
        if (!value)
                return 0;
        r = json_array_insert(array, json_ref(value));
        if (r < 0)
                json_unref(value);
        return r;
}

int json_append_string(Json *array, const char *value) {
        _cleanup_json_ Json *v = NULL;
        int r;

        if (!value)
                return 0;
        r = new_sanitized(value, &v);
        if (r < 0)
                return r;
        return json_append(array, v);
}

Json *json_get(const Json *o, const char *key) {
        Json *v = NULL;

        if (json_type(o) != JSON_OBJECT || !json_object_object_get_ex(o, key, &v))
                return NULL;
        return v;
}

const char *json_string(const Json *j) {
        /* json-c's accessor is not const because it makes text of other types. */
        return json_type(j) == JSON_STRING ? json_object_get_string((Json *) j) : NULL;
}

const char *json_get_string(const Json *o, const char *key) {
        return json_string(json_get(o, key));
}

bool json_get_bool(const Json *o, const char *key, bool fallback) {
        const Json *v = json_get(o, key);

        return json_type(v) == JSON_BOOL ? json_object_get_boolean(v) : fallback;
}

/* An integer is kept as int64_t or uint64_t; asked for the other one, json-c goes to the nearest value in range. */
int64_t json_get_int(const Json *o, const char *key, int64_t fallback) {
        const Json *v = json_get(o, key);

        if (json_type(v) != JSON_INTEGER || json_object_get_uint64(v) > INT64_MAX)
                return fallback;
        return json_object_get_int64(v);
}

uint64_t json_get_uint(const Json *o, const char *key, uint64_t fallback) {
        const Json *v = json_get(o, key);

        if (json_type(v) != JSON_INTEGER || json_object_get_int64(v) < 0)
                return fallback;
        return json_object_get_uint64(v);
}

double json_get_real(const Json *o, const char *key, double fallback) {
        const Json *v = json_get(o, key);

        return IN_SET(json_type(v), JSON_REAL, JSON_INTEGER) ? json_object_get_double(v) : fallback;
}

usec_t json_get_time(const Json *o, const char *key) {
        usec_t t;

        return parse_rfc3339(json_get_string(o, key), &t) < 0 ? 0 : t;
}

int json_get_strv(const Json *o, const char *key, char ***ret) {
        _cleanup_strv_free_ char **l = NULL;
        const Json *a = json_get(o, key);
        int r;

        assert(ret);
        for (size_t i = 0; i < json_length(a); i++) {
                const char *s = json_string(json_at(a, i));

                if (!s)
                        return -EINVAL;
                r = strv_extend(&l, s);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

size_t json_length(const Json *a) {
        return json_type(a) == JSON_ARRAY ? json_object_array_length(a) : 0;
}

Json *json_at(const Json *a, size_t i) {
        return i < json_length(a) ? json_object_array_get_idx(a, i) : NULL;
}

bool json_next(const Json *o, void **state, const char **ret_key, Json **ret_value) {
        struct lh_entry *e;

        assert(state);
        if (json_type(o) != JSON_OBJECT)
                return false;
        e = *state;
        e = e ? lh_entry_next(e) : lh_table_head(json_object_get_object(o));
        if (!e)
                return false;
        *state = e;
        if (ret_key)
                *ret_key = lh_entry_k(e);
        if (ret_value)
                *ret_value = lh_entry_v(e);
        return true;
}

bool json_value_bool(const Json *j) {
        return json_object_get_boolean(j);
}

double json_value_real(const Json *j) {
        return json_object_get_double(j);
}

bool json_value_int(const Json *j, int64_t *ret_signed, uint64_t *ret_unsigned) {
        *ret_unsigned = json_object_get_uint64(j);
        *ret_signed = json_object_get_int64(j);
        return *ret_unsigned <= INT64_MAX;
}
