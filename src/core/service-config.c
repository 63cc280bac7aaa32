/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/service.h"

#include "basic/conf.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_LENGTH_MAX 128
#define TYPE_LENGTH_MAX 32
#define TEXT_LENGTH_MAX 1024
#define FIELDS_MAX 1024
#define PROBLEMS_MAX 64
#define BUDGET_LIMIT_MAX 10000

/* ---- parsers shared with synd.conf ---- */

int conf_parse_budget(const char *value, void *data) {
        _cleanup_free_ char *copy = NULL;
        char *slash;
        Budget b = {};
        int r;

        assert(data);
        if (isempty(value))
                return -EINVAL;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        slash = strchr(copy, '/');
        if (slash)
                *slash = 0;
        r = safe_atou32(strstrip(copy), &b.limit);
        if (r < 0)
                return r;
        if (b.limit > BUDGET_LIMIT_MAX)
                return -ERANGE;
        if (slash) {
                r = parse_span(strstrip(slash + 1), &b.window);
                if (r < 0)
                        return r;
        }
        if (b.limit > 0 && (b.window == 0 || b.window == USEC_INFINITY))
                return -EINVAL;
        *(Budget *) data = b;
        return 0;
}

int conf_parse_backoff(const char *value, void *data) {
        _cleanup_free_ char *copy = NULL;
        usec_t base, max, *ret = data;
        char *dots;
        int r;

        assert(data);
        if (isempty(value))
                return -EINVAL;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        dots = strstr(copy, "..");
        if (dots)
                *dots = 0;
        r = parse_span(strstrip(copy), &base);
        if (r < 0)
                return r;
        max = base;
        if (dots) {
                r = parse_span(strstrip(dots + 2), &max);
                if (r < 0)
                        return r;
        }
        if (base == USEC_INFINITY || max == USEC_INFINITY || max < base)
                return -EINVAL;
        ret[0] = base;
        ret[1] = max;
        return 0;
}

int conf_parse_jitter(const char *value, void *data) {
        _cleanup_free_ char *copy = NULL;
        size_t n;
        bool percent;
        double d;
        int r;

        assert(data);
        if (isempty(value))
                return -EINVAL;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        n = strlen(copy);
        percent = copy[n - 1] == '%';
        if (percent)
                copy[n - 1] = 0;
        r = safe_atod(percent ? strstrip(copy) : copy, &d);
        if (r < 0)
                return r;
        if (percent)
                d /= 100.0;
        if (!(d >= 0.0 && d <= 0.5))
                return -ERANGE;
        *(double *) data = d;
        return 0;
}

static int parse_recovery(const char *value, void *data) {
        _cleanup_strv_free_ char **words = NULL;
        bool enabled = false, none = false;
        int r;

        r = strv_split(value, " \t", &words);
        if (r < 0)
                return r;
        STRV_FOREACH (w, words) {
                if (streq(*w, "restart"))
                        enabled = true;
                else if (streq(*w, "none"))
                        none = true;
                else if (!streq(*w, "restart-dependents") && !streq(*w, "stop"))
                        return -EINVAL;
        }
        if (none && strv_length(words) > 1)
                return -EINVAL;
        *(bool *) data = enabled;
        return 0;
}

/* A span that must not be zero nor endless: a stable period. */
static int parse_finite_span(const char *value, void *data) {
        usec_t u;
        int r;

        r = parse_span(value, &u);
        if (r < 0)
                return r;
        if (u == 0 || u == USEC_INFINITY)
                return -EINVAL;
        *(usec_t *) data = u;
        return 0;
}

static int parse_slow_retry(const char *value, void *data) {
        usec_t u;
        int r;

        r = parse_span(value, &u);
        if (r < 0)
                return r;
        if (u < USEC_PER_SEC)
                return -ERANGE;
        *(usec_t *) data = u;
        return 0;
}

static int parse_word(const char *value, size_t max, const char *extra, char **ret) {
        size_t n = strlen(value);

        if (n == 0 || n > max)
                return -EINVAL;
        for (const char *p = value; *p; p++)
                if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                      strchr(extra, *p)))
                        return -EINVAL;
        return free_and_strdup(ret, value) < 0 ? -ENOMEM : 0;
}

static int parse_name(const char *value, void *data) {
        return parse_word(value, NAME_LENGTH_MAX, "._-@:", data);
}

static int parse_type(const char *value, void *data) {
        return parse_word(value, TYPE_LENGTH_MAX, "_-", data);
}

static int parse_text(const char *value, void *data) {
        size_t n = strlen(value);

        if (n > TEXT_LENGTH_MAX || !utf8_is_valid(value, n))
                return -EINVAL;
        return free_and_strdup(data, value) < 0 ? -ENOMEM : 0;
}

static int parse_units(const char *value, void *data) {
        _cleanup_strv_free_ char **words = NULL;
        char ***l = data;
        int r;

        r = strv_split(value, " \t,", &words);
        if (r < 0)
                return r;
        STRV_FOREACH (w, words)
                if (!unit_name_is_valid(*w) || strstr(*w, "@."))
                        return -EINVAL;
        STRV_FOREACH (w, words)
                if (!strv_contains(*l, *w)) {
                        r = strv_extend(l, *w);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int parse_labels(const char *value, void *data) {
        _cleanup_strv_free_ char **words = NULL;
        char ***l = data;
        int r;

        r = strv_split(value, " \t", &words);
        if (r < 0)
                return r;
        STRV_FOREACH (w, words)
                if (!strchr(*w, '=') || **w == '=' || !utf8_is_valid(*w, strlen(*w)))
                        return -EINVAL;
        STRV_FOREACH (w, words)
                if (!strv_contains(*l, *w)) {
                        r = strv_extend(l, *w);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* ---- the table of keys ---- */

typedef enum KeyKind { KEY_SCALAR, KEY_LIST, KEY_LATER } KeyKind;

typedef struct Key {
        const char *key;
        KeyKind kind;
        bool runtime;
        conf_parser_t parse;
        size_t offset;
        const char *expected;
} Key;

#define FIELD(f) offsetof(ServiceConfig, f)
static const Key keys[] = {
        { "Supervise", KEY_SCALAR, false, NULL, 0, "yes or no" },
        { "Protected", KEY_SCALAR, false, conf_parse_bool, FIELD(protected_), "yes or no" },
        { "Name", KEY_SCALAR, true, parse_name, FIELD(name), "letters, digits and . _ - @ :" },
        { "Type", KEY_SCALAR, true, parse_type, FIELD(type), "one word" },
        { "Version", KEY_SCALAR, true, parse_text, FIELD(version), "a short text" },
        { "Description", KEY_SCALAR, true, parse_text, FIELD(description), "a short text" },
        { "DependsOn", KEY_LIST, true, parse_units, FIELD(depends_on), "names of units" },
        { "Label", KEY_LIST, true, parse_labels, FIELD(labels), "key=value" },
        { "Recovery", KEY_SCALAR, false, parse_recovery, FIELD(recovery.enabled),
          "restart, restart-dependents, stop, or none" },
        { "RecoveryBudget", KEY_SCALAR, true, conf_parse_budget, FIELD(recovery.budget),
          "a number up to 10000 and a span, as in 5/10min" },
        { "RecoveryBackoff", KEY_SCALAR, true, conf_parse_backoff, FIELD(recovery.backoff_base),
          "two spans as in 500ms..1min" },
        { "RecoveryJitter", KEY_SCALAR, true, conf_parse_jitter, FIELD(recovery.jitter), "0 to 50%" },
        { "RecoveryReset", KEY_SCALAR, true, parse_finite_span, FIELD(recovery.reset_after), "a span of time" },
        { "RecoverySlowRetry", KEY_SCALAR, true, parse_slow_retry, FIELD(recovery.slow_retry),
          "a span of at least 1s, or infinity" },
        { "Probe", KEY_LATER, false, NULL, 0, NULL },
        { "JournalRule", KEY_LATER, false, NULL, 0, NULL },
        { "Attention", KEY_LATER, false, NULL, 0, NULL },
        { "CPUWeightRange", KEY_LATER, false, NULL, 0, NULL },
        { "IOWeightRange", KEY_LATER, false, NULL, 0, NULL },
        { "MemoryLowMax", KEY_LATER, false, NULL, 0, NULL },
        { "EngineMay", KEY_LATER, false, NULL, 0, NULL },
};

_Static_assert(offsetof(RecoverySettings, backoff_max) == offsetof(RecoverySettings, backoff_base) + sizeof(usec_t),
               "conf_parse_backoff() writes both");

static _pure_ const Key *key_find(const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (streq(keys[i].key, key))
                        return &keys[i];
        return NULL;
}

bool service_config_key_is_runtime(const char *key) {
        const Key *k = key ? key_find(key) : NULL;

        return k && k->runtime;
}

/* ---- the object ---- */

static int default_name(const char *unit, char **ret) {
        const char *end = endswith(unit, ".service");

        return str_printf(ret, "%.*s", (int) (end ? (size_t) (end - unit) : strlen(unit)), unit);
}

int service_config_new(const char *unit, const RecoverySettings *defaults, ServiceConfig **ret) {
        _cleanup_(service_config_freep) ServiceConfig *c = NULL;
        int r;

        assert(ret);
        assert(defaults);
        if (!unit_name_is_valid(unit))
                return -EINVAL;
        c = calloc(1, sizeof(ServiceConfig));
        if (!c)
                return -ENOMEM;
        c->recovery = c->defaults = *defaults;
        c->unit = strdup(unit);
        c->type = strdup("infrastructure");
        if (!c->unit || !c->type)
                return -ENOMEM;
        r = default_name(unit, &c->name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static void config_field_done(ConfigField *f) {
        free(f->key);
        free(f->value);
        free(f->file);
}

ServiceConfig *service_config_free(ServiceConfig *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_fields; i++)
                config_field_done(&c->fields[i]);
        free(c->fields);
        for (size_t i = 0; i < c->n_problems; i++) {
                free(c->problems[i].file);
                free(c->problems[i].reason);
        }
        free(c->problems);
        free(c->unit);
        free(c->name);
        free(c->type);
        free(c->version);
        free(c->description);
        strv_free(c->depends_on);
        strv_free(c->labels);
        free(c);
        return NULL;
}

int service_config_add_problem(ServiceConfig *c, const char *file, unsigned line, const char *format, ...) {
        _cleanup_free_ char *reason = NULL, *copy = NULL;
        ConfigProblem *n;
        va_list ap;
        int r;

        assert(c);
        if (c->n_problems >= PROBLEMS_MAX)
                return 0;
        va_start(ap, format);
        r = vasprintf(&reason, format, ap);
        va_end(ap);
        if (r < 0) {
                reason = NULL;
                return -ENOMEM;
        }
        copy = strdup(file ?: "");
        if (!copy)
                return -ENOMEM;
        n = reallocarray(c->problems, c->n_problems + 1, sizeof(ConfigProblem));
        if (!n)
                return -ENOMEM;
        c->problems = n;
        c->problems[c->n_problems++] = (ConfigProblem){
                .file = TAKE_PTR(copy),
                .line = line,
                .reason = TAKE_PTR(reason),
        };
        return 0;
}

static void drop_fields(ServiceConfig *c, const char *key) {
        size_t n = 0;

        for (size_t i = 0; i < c->n_fields; i++) {
                if (streq(c->fields[i].key, key))
                        config_field_done(&c->fields[i]);
                else
                        c->fields[n++] = c->fields[i];
        }
        c->n_fields = n;
}

static int add_field(ServiceConfig *c, const char *key, const char *value, const char *file, unsigned line) {
        ConfigField f = {}, *n;

        n = reallocarray(c->fields, c->n_fields + 1, sizeof(ConfigField));
        if (!n)
                return -ENOMEM;
        c->fields = n;
        f = (ConfigField){ .key = strdup(key), .value = strdup(value), .file = strdup(file ?: ""), .line = line };
        if (!f.key || !f.value || !f.file) {
                config_field_done(&f);
                return -ENOMEM;
        }
        c->fields[c->n_fields++] = f;
        return 0;
}

/* An empty assignment: back to what a fresh declaration has. */
static int reset_key(ServiceConfig *c, const Key *k) {
        const RecoverySettings *d = &c->defaults;

        if (streq(k->key, "Name")) {
                char *n;
                int r = default_name(c->unit, &n);

                if (r < 0)
                        return r;
                free(c->name);
                c->name = n;
        } else if (streq(k->key, "Type"))
                return free_and_strdup(&c->type, "infrastructure") < 0 ? -ENOMEM : 0;
        else if (streq(k->key, "Version"))
                c->version = free_(c->version);
        else if (streq(k->key, "Description"))
                c->description = free_(c->description);
        else if (streq(k->key, "DependsOn"))
                c->depends_on = strv_free(c->depends_on);
        else if (streq(k->key, "Label"))
                c->labels = strv_free(c->labels);
        else if (streq(k->key, "Protected"))
                c->protected_ = false;
        else if (streq(k->key, "Recovery"))
                c->recovery.enabled = d->enabled;
        else if (streq(k->key, "RecoveryBudget"))
                c->recovery.budget = d->budget;
        else if (streq(k->key, "RecoveryBackoff")) {
                c->recovery.backoff_base = d->backoff_base;
                c->recovery.backoff_max = d->backoff_max;
        } else if (streq(k->key, "RecoveryJitter"))
                c->recovery.jitter = d->jitter;
        else if (streq(k->key, "RecoveryReset"))
                c->recovery.reset_after = d->reset_after;
        else if (streq(k->key, "RecoverySlowRetry"))
                c->recovery.slow_retry = d->slow_retry;
        return 0;
}

int service_config_apply(ServiceConfig *c, const char *key, const char *value, const char *file, unsigned line) {
        const Key *k;
        int r;

        assert(c);
        assert(key);
        k = key_find(key);
        if (!k)
                return service_config_add_problem(c, file, line, "unknown key '%s', ignoring", key);
        if (isempty(value)) {
                drop_fields(c, key);
                return reset_key(c, k);
        }
        if (c->n_fields >= FIELDS_MAX)
                return service_config_add_problem(c, file, line, "too many assignments, ignoring %s=", key);
        if (streq(key, "Supervise"))
                r = parse_boolean(value) < 0 ? -EINVAL : 0;
        else if (k->parse)
                r = k->parse(value, (uint8_t *) c + k->offset);
        else
                r = utf8_is_valid(value, strlen(value)) ? 0 : -EINVAL;
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                _cleanup_free_ char *shown = NULL;

                r = str_sanitize(value, 80, &shown);
                if (r < 0)
                        return r;
                return service_config_add_problem(c, file, line, "%s=%s is not understood (expected %s), ignoring",
                                                  key, shown, k->expected ?: "UTF-8 text");
        }
        if (streq(key, "DependsOn") && strv_contains(c->depends_on, c->unit)) {
                r = service_config_add_problem(c, file, line, "%s depends on itself, ignoring that", c->unit);
                if (r < 0)
                        return r;
                for (size_t i = 0, j = 0, n = strv_length(c->depends_on); i <= n; i++) {
                        if (c->depends_on[i] && streq(c->depends_on[i], c->unit))
                                free(c->depends_on[i]);
                        else
                                c->depends_on[j++] = c->depends_on[i];
                }
        }
        if (k->kind == KEY_SCALAR)
                drop_fields(c, key);
        return add_field(c, key, value, file, line);
}
