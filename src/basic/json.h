/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The only door to json-c. A Json is a reference-counted value; setters take nothing over unless they say so. */

#include "basic/time.h"

typedef struct json_object Json;

Json *json_ref(Json *j);
Json *json_unref(Json *j); /* returns NULL */
DEFINE_CLEANUP(Json *, json_unref);
#define _cleanup_json_ _cleanup_(json_unrefp)

typedef enum JsonType {
        JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT,
} JsonType;
JsonType json_type(const Json *j);

/* Strict: whole input, valid UTF-8, at most max_size bytes and 32 levels, no NaN, no duplicate keys, no trailing text, no
 * "\u0000", no lone surrogates, no integer beyond int64_t and uint64_t, at most 65536 objects and arrays. A null is a NULL
 * pointer. -EINVAL and -E2BIG with a reason and the byte offset in ret_error if given, -ENOMEM. */
int json_parse(const char *text, size_t size, size_t max_size, Json **ret, char **ret_error);
/* Compact, keys in order of insertion. */
int json_format(const Json *j, char **ret);
int json_format_pretty(const Json *j, char **ret);

int json_new_object(Json **ret);
int json_new_array(Json **ret);

/* Setters replace; a NULL string or value adds nothing and returns 0. Invalid UTF-8 is sanitised. */
int json_set_string(Json *o, const char *key, const char *value);
int json_set_stringf(Json *o, const char *key, const char *format, ...) _printf_(3, 4);
int json_set_bool(Json *o, const char *key, bool value);
int json_set_int(Json *o, const char *key, int64_t value);
int json_set_uint(Json *o, const char *key, uint64_t value);
int json_set_real(Json *o, const char *key, double value); /* -EINVAL when not finite */
int json_set_null(Json *o, const char *key);
int json_set_time(Json *o, const char *key, usec_t realtime); /* RFC 3339; 0 and infinity add nothing */
int json_set_strv(Json *o, const char *key, char *const *l);
int json_set(Json *o, const char *key, Json *value);       /* takes its own reference */
int json_append(Json *array, Json *value);                  /* takes its own reference */
int json_append_string(Json *array, const char *value);

/* Getters: borrowed results, NULL/false/default when absent or of another type. */
Json *json_get(const Json *o, const char *key);
const char *json_get_string(const Json *o, const char *key);
bool json_get_bool(const Json *o, const char *key, bool fallback);
int64_t json_get_int(const Json *o, const char *key, int64_t fallback);
uint64_t json_get_uint(const Json *o, const char *key, uint64_t fallback);
double json_get_real(const Json *o, const char *key, double fallback);
/* RFC 3339 string to usec; 0 when absent or broken. */
usec_t json_get_time(const Json *o, const char *key);
int json_get_strv(const Json *o, const char *key, char ***ret); /* absent gives an empty NULL vector */
size_t json_length(const Json *a);
Json *json_at(const Json *a, size_t i);
const char *json_string(const Json *j);                      /* the value itself */
/* Iterates an object in order. *state starts as NULL. */
bool json_next(const Json *o, void **state, const char **ret_key, Json **ret_value);
