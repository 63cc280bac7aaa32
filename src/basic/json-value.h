/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Makers of single values and members, for the reader and writer of JSON text. Others use basic/json.h. */

#include "basic/json.h"

int json_new_bool(bool value, Json **ret);
int json_new_int(int64_t value, Json **ret);
int json_new_uint(uint64_t value, Json **ret);
int json_new_real(double value, Json **ret);
int json_new_string(const char *s, size_t n, Json **ret); /* valid UTF-8 without NUL */

/* The value moves into the container on success; a NULL value is a JSON null. json_object_insert: -EEXIST. */
int json_object_insert(Json *o, const char *key, Json *value);
int json_array_insert(Json *array, Json *value);

bool json_value_bool(const Json *j);
double json_value_real(const Json *j);
/* True when the integer is *ret_signed, false when it is *ret_unsigned, being too large for the other. */
bool json_value_int(const Json *j, int64_t *ret_signed, uint64_t *ret_unsigned);
