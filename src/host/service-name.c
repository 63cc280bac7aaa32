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

typedef struct Levels {
        char **names;
        bool generic; /* leave out what only one instance has */
} Levels;

static int add_level(Levels *l, const char *prefix, size_t length, const char *instance, size_t instance_length) {
        _cleanup_free_ char *name = NULL;
        int r;

        if (l->generic && instance_length > 0)
                return 0;
        r = str_printf(&name, "%.*s%s%.*s" SUFFIX, (int) length, prefix, instance ? "@" : "", (int) instance_length,
                       instance ?: "");
        if (r < 0)
                return r;
        return strv_contains(l->names, name) ? 0 : strv_consume(&l->names, TAKE_PTR(name));
}

/* PID 1's recursion: the name; for an instance its template with all that follows from it; the truncated name with all
 * that follows from it. A template loses its '@' when it is truncated, an instance keeps its instance. */
static int add_levels(Levels *l, const char *prefix, size_t length, const char *instance, size_t instance_length) {
        size_t cut = truncated_prefix(prefix, length);
        int r;

        r = add_level(l, prefix, length, instance, instance_length);
        if (r < 0)
                return r;
        if (instance_length > 0) {
                r = add_levels(l, prefix, length, instance, 0);
                if (r < 0)
                        return r;
        }
        return cut > 0 ? add_levels(l, prefix, cut, instance_length > 0 ? instance : NULL, instance_length) : 0;
}

int service_name_drop_in_levels(const char *name, char ***ret) {
        Parts p = name_parts(name);
        Levels l = { .generic = p.instance && p.instance_length == 0 };
        int r;

        r = add_levels(&l, name, p.prefix, p.instance, l.generic ? 1 : p.instance_length);
        if (r < 0) {
                strv_free(l.names);
                return r;
        }

        *ret = l.names;
        return 0;
}
