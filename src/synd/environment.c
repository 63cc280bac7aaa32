/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/environment.h"

#include "basic/log.h"
#include "basic/string.h"
#include "basic/time.h"

static bool is_port(const char *s) {
        uint32_t port;

        return safe_atou32(s, &port) >= 0 && port >= 1 && port <= UINT16_MAX;
}

static bool is_boolean(const char *s) {
        return parse_boolean(s) >= 0;
}

static bool is_number(const char *s) {
        uint32_t n;

        return safe_atou32(s, &n) >= 0;
}

static bool is_span(const char *s) {
        usec_t span;

        return parse_span(s, &span) >= 0 && span > 0;
}

static bool is_level(const char *s) {
        return log_level_from_string(s) >= 0;
}

static bool is_path(const char *s) {
        return *s == '/';
}

static bool is_text(const char *s) {
        return utf8_is_valid(s, strlen(s));
}

/* "SCHEME://SOMETHING" with one of the schemes that follow each other in a list that ends with "". */
static bool has_scheme(const char *s, const char *schemes) {
        for (; *schemes; schemes += strlen(schemes) + 1) {
                const char *rest = startswith(s, schemes);

                if (rest && startswith(rest, "://") && rest[3])
                        return is_text(s);
        }
        return false;
}

/* libpq takes a URL or "key=value" words. */
static bool is_database(const char *s) {
        return has_scheme(s, "postgres\0postgresql\0") || (!strstr(s, "://") && strchr(s, '=') && is_text(s));
}

static bool is_redis(const char *s) {
        return has_scheme(s, "redis\0rediss\0unix\0");
}

/* A list of servers. */
static bool is_nats(const char *s) {
        _cleanup_strv_free_ char **l = NULL;

        if (strv_split(s, ", ", &l) < 0 || !l)
                return false;
        STRV_FOREACH (i, l)
                if (!has_scheme(*i, "nats\0tls\0ws\0wss\0"))
                        return false;
        return true;
}

static const struct {
        const char *name;
        bool (*valid)(const char *s);
        const char *expected;
        bool secret; /* the value, or a part of it, must not be shown */
} variables[] = {
        { "SYNOS_LOG_LEVEL", is_level, "a log level (debug … emerg)", false },
        { "SYNOS_PORT", is_port, "a port from 1 to 65535", false },
        { "SYNOS_DATABASE_URL", is_database, "a postgresql:// URL", true },
        { "SYNOS_REDIS_URL", is_redis, "a redis:// URL", true },
        { "SYNOS_REDIS_PASSWORD", is_text, "UTF-8 text", true },
        { "SYNOS_REDIS_DB", is_number, "a number", false },
        { "SYNOS_NATS_URL", is_nats, "one or more nats:// URLs", true },
        { "SYNOS_NATS_USERNAME", is_text, "UTF-8 text", false },
        { "SYNOS_NATS_PASSWORD", is_text, "UTF-8 text", true },
        { "SYNOS_JWT_SECRET", is_text, "UTF-8 text", true },
        { "SYNOS_TOKEN_EXPIRY", is_span, "a time span (seconds without a unit)", false },
        { "SYNOS_ENABLE_AUTH", is_boolean, "a boolean", false },
        { "SYNOS_ENABLE_TLS", is_boolean, "a boolean", false },
        { "SYNOS_CERT_FILE", is_path, "an absolute path", false },
        { "SYNOS_KEY_FILE", is_path, "an absolute path", false },
        { "SYNOS_READ_TIMEOUT", is_span, "a time span (seconds without a unit)", false },
        { "SYNOS_WRITE_TIMEOUT", is_span, "a time span (seconds without a unit)", false },
};

int synd_environment_check(void) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *value = getenv(variables[i].name);
                _cleanup_free_ char *shown = NULL;

                if (isempty(value) || variables[i].valid(value))
                        continue;
                r = -EINVAL;
                if (variables[i].secret || str_sanitize(value, 100, &shown) < 0)
                        log_error("Environment variable %s is not %s.", variables[i].name, variables[i].expected);
                else
                        log_error("Environment variable %s is not %s: \"%s\".", variables[i].name,
                                  variables[i].expected, shown);
        }
        return r;
}
