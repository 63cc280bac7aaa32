/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>

#include "basic/log.h"
#include "basic/string.h"
#include "synd/conf.h"

static char root[64];

static void put_file(const char *path, const char *text) {
        char full[256];
        FILE *f;

        snprintf(full, sizeof full, "%s/%s", root, path);
        for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
        f = fopen(full, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static int setup(void **state) {
        log_open("test-conf", LOG_TARGET_NULL);
        assert_int_equal(clearenv(), 0);
        strcpy(root, "/tmp/synos-test-synd-conf.XXXXXX");
        assert_non_null(mkdtemp(root));
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        log_close();
        return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_defaults(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;

        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->log_level, LOG_INFO);
        assert_string_equal(c->state_dir, "/var/lib/synos");
        assert_null(c->protected_units);
        assert_int_equal(c->recovery.budget.limit, 5);
        assert_int_equal(c->recovery.budget.window, 10 * USEC_PER_MINUTE);
        assert_int_equal(c->recovery.backoff_base, 500 * USEC_PER_MSEC);
        assert_int_equal(c->recovery.backoff_max, USEC_PER_MINUTE);
        assert_true(c->recovery.jitter == 0.2);
        assert_int_equal(c->recovery.slow_retry, 5 * USEC_PER_MINUTE);
        assert_true(c->recovery.enabled);
        assert_int_equal(c->host_budget.limit, 60);
        assert_true(c->job_timeout == USEC_INFINITY);
        assert_int_equal(c->log_max_age, 30 * USEC_PER_DAY);
        assert_int_equal(c->log_max_size, 512 << 20);
        assert_int_equal(c->log_hard_max_size, 1 << 30);
        assert_int_equal(c->clients_max, 256);
        assert_int_equal(c->n_problems, 0);
        assert_int_equal(strv_length(c->files), 0);
        assert_null(synd_conf_free(NULL));
}

static void test_files(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;

        put_file("usr/lib/synos/synd.conf", "[Synd]\nLogLevel=emerg\n");
        put_file("etc/synos/synd.conf", "[Synd]\nLogLevel=debug\nProtectedUnits=vpn-*.service a.service\n"
                                        "[Recovery]\nBudget=3/1h\nBackoff=1s..5min\nJitter=10%\nReset=1h\n"
                                        "SlowRetry=infinity\nHostBudget=0\n");
        put_file("etc/synos/synd.conf.d/50-a.conf",
                 "[Synd]\nStateDirectory=/srv/synos\nProtectedUnits=b@\\x2d.service\n"
                 "[EventLog]\nMaxAge=infinity\nMaxSize=1G\nHardMaxSize=2G\n"
                 "[Limits]\nClientsMax=1\nClientCallsMax=2\nClientFollowersMax=3\n");
        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->n_problems, 0);
        assert_int_equal(c->log_level, LOG_DEBUG);
        assert_int_equal(strv_length(c->protected_units), 3);
        assert_string_equal(c->protected_units[2], "b@\\x2d.service");
        assert_string_equal(c->state_dir, "/srv/synos");
        assert_int_equal(c->recovery.budget.limit, 3);
        assert_int_equal(c->recovery.budget.window, USEC_PER_HOUR);
        assert_int_equal(c->recovery.backoff_base, USEC_PER_SEC);
        assert_int_equal(c->recovery.backoff_max, 5 * USEC_PER_MINUTE);
        assert_true(c->recovery.jitter == 0.1);
        assert_int_equal(c->recovery.reset_after, USEC_PER_HOUR);
        assert_int_equal(c->recovery.slow_retry, USEC_INFINITY);
        assert_int_equal(c->host_budget.limit, 0);
        assert_int_equal(c->log_max_age, USEC_INFINITY);
        assert_int_equal(c->log_max_size, 1 << 30);
        assert_int_equal(c->log_hard_max_size, UINT64_C(2) << 30);
        assert_int_equal(c->clients_max, 1);
        assert_int_equal(c->client_calls_max, 2);
        assert_int_equal(c->client_followers_max, 3);
        assert_int_equal(strv_length(c->files), 2);
        assert_non_null(endswith(c->files[0], "/etc/synos/synd.conf"));
}

static void test_problems(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;

        put_file("etc/synos/synd.conf", "[Synd]\nLogLevel=loud\nStateDirectory=relative\nNonsense=1\n"
                                        "[Recovery]\nBudget=x\nJitter=2\nReset=0\n[EventLog]\nMaxSize=1K\nMaxAge=\n"
                                        "[Limits]\nClientsMax=0\n[Nonsense]\nk=v\n");
        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->n_problems, 10);
        for (size_t i = 0; i < c->n_problems; i++) {
                static const unsigned lines[] = { 2, 3, 4, 6, 7, 8, 10, 11, 13, 15 };

                assert_non_null(endswith(c->problems[i].file, "/etc/synos/synd.conf"));
                assert_int_equal(c->problems[i].line, lines[i]);
        }
        assert_string_equal(c->problems[0].reason, "bad value 'loud' for LogLevel=, ignoring");
        assert_string_equal(c->problems[2].reason, "unknown key 'Nonsense', ignoring");
        assert_string_equal(c->problems[8].reason, "value '0' for ClientsMax= is out of range, ignoring");
        assert_int_equal(c->log_level, LOG_INFO);
        assert_string_equal(c->state_dir, "/var/lib/synos");
        assert_int_equal(c->recovery.budget.limit, 5);
        assert_true(c->recovery.jitter == 0.2);
        assert_int_equal(c->recovery.reset_after, 10 * USEC_PER_MINUTE);
        assert_int_equal(c->clients_max, 256);
}

static void test_problems_are_limited(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_append(&b, "[Synd]\n");
        for (unsigned i = 0; i < 5000; i++)
                strbuf_append(&b, "Nonsense=1\n");
        put_file("etc/synos/synd.conf", b.data);
        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->n_problems, 256);
        assert_non_null(startswith(c->problems[255].reason, "too many problems"));
}

static void test_sizes_together(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;

        put_file("etc/synos/synd.conf", "[EventLog]\nMaxSize=2G\n");
        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->n_problems, 1);
        assert_int_equal(c->log_hard_max_size, UINT64_C(2) << 30);
}

static void test_environment(void **state) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL, *other = NULL;

        put_file("etc/synos/synd.conf", "[Synd]\nLogLevel=err\n");
        assert_int_equal(setenv("SYNOS_LOG_LEVEL", "debug", 1), 0);
        assert_int_equal(setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1), 0);
        assert_int_equal(synd_conf_load(root, &c), 0);
        assert_int_equal(c->log_level, LOG_DEBUG);
        assert_string_equal(c->state_dir, "/var/lib/one");
        /* What the administrator wrote goes before what the service manager offers. */
        put_file("etc/synos/synd.conf", "[Synd]\nStateDirectory=/srv/synos\n");
        assert_int_equal(synd_conf_load(root, &other), 0);
        assert_string_equal(other->state_dir, "/srv/synos");
}

static void test_inherited_environment(void **state) {
        static const struct {
                const char *name, *good, *bad;
        } cases[] = {
                { "SYNOS_LOG_LEVEL", "warn", "loud" },
                { "SYNOS_PORT", "65535", "65536" },
                { "SYNOS_PORT", "1", "0" },
                { "SYNOS_PORT", "8080", "http" },
                { "SYNOS_DATABASE_URL", "postgres://u:p@h/db", "mysql://h" },
                { "SYNOS_DATABASE_URL", "host=/run dbname=x", "h" },
                { "SYNOS_REDIS_URL", "redis://h:6379", "redis://" },
                { "SYNOS_REDIS_DB", "0", "-1" },
                { "SYNOS_NATS_URL", "nats://a:4222,tls://b", "nats://a,b" },
                { "SYNOS_NATS_URL", "nats://a", "," },
                { "SYNOS_JWT_SECRET", "s", "\xff" },
                { "SYNOS_TOKEN_EXPIRY", "3600", "soon" },
                { "SYNOS_READ_TIMEOUT", "30s", "0" },
                { "SYNOS_ENABLE_AUTH", "true", "maybe" },
                { "SYNOS_ENABLE_TLS", "", "2" },
                { "SYNOS_CERT_FILE", "/etc/x.pem", "x.pem" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(synd_conf_freep) SyndConf *c = NULL;
                SyndConf *none = NULL;

                assert_int_equal(setenv(cases[i].name, cases[i].good, 1), 0);
                assert_int_equal(synd_conf_load(root, &c), 0);
                assert_int_equal(setenv(cases[i].name, cases[i].bad, 1), 0);
                assert_int_equal(synd_conf_load(root, &none), -EINVAL);
                assert_null(none);
                assert_int_equal(unsetenv(cases[i].name), 0);
        }
}

/* The message names the variable but must not tell what may be a password. */
static void test_secrets_are_not_logged(void **state) {
        int saved = dup(STDERR_FILENO), p[2];
        SyndConf *none = NULL;
        char buf[4096];
        ssize_t n;

        assert_int_equal(pipe(p), 0);
        assert_int_equal(setenv("SYNOS_DATABASE_URL", "mysql://user:hunter2@h", 1), 0);
        assert_int_equal(setenv("SYNOS_PORT", "abc", 1), 0);
        assert_true(dup2(p[1], STDERR_FILENO) >= 0);
        log_set_target(LOG_TARGET_CONSOLE);
        assert_int_equal(synd_conf_load(root, &none), -EINVAL);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(saved);
        close(p[1]);
        n = read(p[0], buf, sizeof buf - 1);
        assert_true(n > 0);
        buf[n] = '\0';
        close(p[0]);
        assert_non_null(strstr(buf, "SYNOS_DATABASE_URL"));
        assert_null(strstr(buf, "hunter2"));
        assert_non_null(strstr(buf, "SYNOS_PORT is not a port from 1 to 65535: \"abc\""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
                cmocka_unit_test_setup_teardown(test_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_problems, setup, teardown),
                cmocka_unit_test_setup_teardown(test_problems_are_limited, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sizes_together, setup, teardown),
                cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
                cmocka_unit_test_setup_teardown(test_inherited_environment, setup, teardown),
                cmocka_unit_test_setup_teardown(test_secrets_are_not_logged, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
