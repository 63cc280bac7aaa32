/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/service-name.h"

#include "basic/string.h"
#include "core/unit.h"

#define SUFFIX ".service"

/* Lengths of the parts of a valid name. */
typedef struct Parts {
        size_t prefix; /* before '@' or the suffix */
        const char *instance; /* behind '@', NULL when plain */
        size_t instance_length;
} Parts;

static Parts name_parts(const char *name) {
        size_t stem = strlen(name) - strlen(SUFFIX);
        const char *at = memchr(name, '@', stem);

        if (!at)
                return (Parts){ .prefix = stem };
        return (Parts){
                .prefix = (size_t) (at - name),
                .instance = at + 1,
                .instance_length = stem - (size_t) (at + 1 - name),
        };
}

ServiceNameKind service_name_kind(const char *name) {
        const char *e = endswith(name, SUFFIX);

        if (!e || e == name || !unit_name_is_valid(name))
                return SERVICE_NAME_INVALID;

        Parts p = name_parts(name);
        if (!p.instance)
                return SERVICE_NAME_PLAIN;
        return p.instance_length == 0 ? SERVICE_NAME_TEMPLATE : SERVICE_NAME_INSTANCE;
}

bool service_name_same_instance(const char *a, const char *b) {
        Parts p = name_parts(a), q = name_parts(b);

        return p.instance_length == q.instance_length && memcmp(p.instance, q.instance, p.instance_length) == 0;
}

int service_name_instantiate(const char *name, const char *instance, char **ret) {
        _cleanup_free_ char *s = NULL;
        int r;

        if (service_name_kind(name) != SERVICE_NAME_TEMPLATE || service_name_kind(instance) != SERVICE_NAME_INSTANCE) {
                s = strdup(name);
                if (!s)
                        return -ENOMEM;
        } else {
                Parts p = name_parts(name), q = name_parts(instance);

                r = str_printf(&s, "%.*s@%.*s" SUFFIX, (int) p.prefix, name, (int) q.instance_length, q.instance);
                if (r < 0)
                        return r;
                if (!unit_name_is_valid(s))
                        return -EINVAL;
        }

        *ret = TAKE_PTR(s);
        return 0;
}

bool service_name_is_truncated(const char *name) {
        Parts p = name_parts(name);

        return p.prefix > 0 && name[p.prefix - 1] == '-';
}

/* Length of the prefix cut behind its last dash, or 0: "foo-bar" → "foo-"; a trailing dash is passed over once, so that
 * "foo-bar-" → "foo-" and "foo-" → nothing. A leading dash gives nothing. */
static size_t truncated_prefix(const char *prefix, size_t length) {
        bool passed = false;

        for (;;) {
                const char *dash = length > 0 ? memrchr(prefix, '-', length) : NULL;
                size_t n;

                if (!dash || dash == prefix)
                        return 0;
                n = (size_t) (dash - prefix);
                if (n + 1 < length || passed)
                        return n + 1;
                length = n;
                passed = true;
        }
}

static int add_levels(char ***levels, const char *prefix, size_t length, const char *instance,
                      size_t instance_length) {
        const char *at = instance ? "@" : "";
        _cleanup_free_ char *name = NULL;
        size_t cut;
        int r;

        r = str_printf(&name, "%.*s%s%.*s" SUFFIX, (int) length, prefix, at, (int) instance_length, instance ?: "");
        if (r < 0)
                return r;
        if (!strv_contains(*levels, name)) {
                r = strv_extend(levels, name);
                if (r < 0)
                        return r;
        }

        if (instance && instance_length > 0) {
                r = add_levels(levels, prefix, length, instance, 0);
                if (r < 0)
                        return r;
        }
        cut = truncated_prefix(prefix, length);
        return cut > 0 ? add_levels(levels, prefix, cut, instance, instance_length) : 0;
}

int service_name_drop_in_levels(const char *name, char ***ret) {
        _cleanup_strv_free_ char **levels = NULL;
        Parts p = name_parts(name);
        int r;

        r = add_levels(&levels, name, p.prefix, p.instance, p.instance_length);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(levels);
        return 0;
}
