/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/unit-name.h"
#include "core/unit.h"

int unit_name_complete(const char *name, char **ret) {
        return str_printf(ret, "%s%s", name, unit_name_is_valid(name) ? "" : ".service");
}

int assignments_to_json(char *const *assignments, size_t n, Json **ret, const char **ret_bad) {
        _cleanup_json_ Json *o = NULL;

        int r = json_new_object(&o);
        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *a = assignments[i], *equals = strchr(a, '=');
                _cleanup_free_ char *key = NULL;

                if (!equals || equals == a) {
                        *ret_bad = a;
                        return -EINVAL;
                }
                key = strndup(a, (size_t) (equals - a));
                if (!key)
                        return -ENOMEM;
                Json *old = json_get(o, key);
                if (!old)
                        r = json_set_string(o, key, equals + 1);
                else if (json_type(old) == JSON_ARRAY)
                        r = json_append_string(old, equals + 1);
                else { /* the second value of a key makes a list of it */
                        _cleanup_json_ Json *list = NULL;
                        r = json_new_array(&list);
                        if (r >= 0)
                                r = json_append(list, old);
                        if (r >= 0)
                                r = json_append_string(list, equals + 1);
                        if (r >= 0)
                                r = json_set(o, key, list);
                }
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

bool unit_name_is_template(const char *unit) {
        const char *at = strchr(unit, '@');
        return at && at[1] == '.' && !strchr(at + 2, '.');
}
