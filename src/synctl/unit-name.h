/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names and fields of units as people type them. */

#include "basic/json.h"
#include "basic/string.h"

/* "web" → "web.service"; names with a suffix stay. */
int unit_name_complete(const char *name, char **ret);
/* KEY=VALUE words → object; a key given several times becomes an array. -EINVAL with the word in ret_bad. */
int assignments_to_json(char *const *assignments, size_t n, Json **ret, const char **ret_bad);
/* "foo@bar.service" → true; "foo@.service" is a template, not an instance. */
bool unit_name_is_template(const char *unit) _pure_;
