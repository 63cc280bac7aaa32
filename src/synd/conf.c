/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/conf.h"

#include "basic/log.h"
#include "basic/string.h"
#include "synd/environment.h"

#define DEFAULT_STATE_DIR "/var/lib/synos"
/* Beyond these a file is rubbish, and nobody reads on. */
#define PROBLEMS_MAX 256
#define LIMIT_MAX 65536
#define LOG_SIZE_MIN (1024 * 1024)

static int parse_directory(const char *value, void *data) {
        if (!isempty(value) && *value != '/')
                return -EINVAL;
        return conf_parse_string(value, data);
}

/* None of the limits can be 0: nobody could ask for anything any more. */
static int parse_limit(const char *value, void *data) {
        uint32_t n;
        int r;

        r = safe_atou32(value, &n);
        if (r < 0)
                return r;
        if (n == 0 || n > LIMIT_MAX)
                return -ERANGE;
        *(uint32_t *) data = n;
        return 0;
}

static int parse_log_size(const char *value, void *data) {
        uint64_t size;
        int r;

        r = parse_size(value, &size);
        if (r < 0)
                return r;
        if (size < LOG_SIZE_MIN || size > INT64_MAX)
                return -ERANGE;
        *(uint64_t *) data = size;
        return 0;
}

static int parse_span_positive(const char *value, void *data) {
        usec_t span;
        int r;

        r = parse_span(value, &span);
        if (r < 0)
                return r;
        if (span == 0)
                return -ERANGE;
        *(usec_t *) data = span;
        return 0;
}

/* conf_parse_backoff() fills base and maximum as an array of two. */
static_assert(offsetof(RecoverySettings, backoff_max) == offsetof(RecoverySettings, backoff_base) + sizeof(usec_t),
              "backoff_base and backoff_max must be neighbours");

static const ConfItem items[] = {
        { "Synd", "LogLevel", conf_parse_log_level, offsetof(SyndConf, log_level) },
        { "Synd", "StateDirectory", parse_directory, offsetof(SyndConf, state_dir) },
        { "Synd", "ProtectedUnits", conf_parse_strv, offsetof(SyndConf, protected_units) },
        { "Recovery", "Budget", conf_parse_budget, offsetof(SyndConf, recovery.budget) },
        { "Recovery", "Backoff", conf_parse_backoff, offsetof(SyndConf, recovery.backoff_base) },
        { "Recovery", "Jitter", conf_parse_jitter, offsetof(SyndConf, recovery.jitter) },
        { "Recovery", "Reset", parse_span_positive, offsetof(SyndConf, recovery.reset_after) },
        { "Recovery", "SlowRetry", parse_span_positive, offsetof(SyndConf, recovery.slow_retry) },
        { "Recovery", "JobTimeout", parse_span_positive, offsetof(SyndConf, job_timeout) },
        { "Recovery", "HostBudget", conf_parse_budget, offsetof(SyndConf, host_budget) },
        { "EventLog", "MaxAge", parse_span_positive, offsetof(SyndConf, log_max_age) },
        { "EventLog", "MaxSize", parse_log_size, offsetof(SyndConf, log_max_size) },
        { "EventLog", "HardMaxSize", parse_log_size, offsetof(SyndConf, log_hard_max_size) },
        { "Limits", "ClientsMax", parse_limit, offsetof(SyndConf, clients_max) },
        { "Limits", "ClientCallsMax", parse_limit, offsetof(SyndConf, client_calls_max) },
        { "Limits", "ClientFollowersMax", parse_limit, offsetof(SyndConf, client_followers_max) },
};

static void set_defaults(SyndConf *c) {
        c->log_level = LOG_INFO;
        c->recovery = (RecoverySettings){
                .budget = { .limit = 5, .window = 10 * USEC_PER_MINUTE },
                .backoff_base = 500 * USEC_PER_MSEC,
                .backoff_max = USEC_PER_MINUTE,
                .jitter = 0.2,
                .reset_after = 10 * USEC_PER_MINUTE,
                .slow_retry = 5 * USEC_PER_MINUTE,
                .enabled = true,
        };
        c->host_budget = (Budget){ .limit = 60, .window = 10 * USEC_PER_MINUTE };
        c->job_timeout = USEC_INFINITY;
        c->log_max_age = 30 * USEC_PER_DAY;
        c->log_max_size = UINT64_C(512) * 1024 * 1024;
        c->log_hard_max_size = UINT64_C(1024) * 1024 * 1024;
        c->clients_max = 256;
        c->client_calls_max = 32;
        c->client_followers_max = 8;
}

/* Short of memory, a problem goes untold; what it is about keeps its default all the same. */
static void add_problem(const char *file, unsigned line, const char *reason, void *userdata) {
        SyndConf *c = userdata;
        ConfigProblem p = { .line = line }, *grown;

        if (c->n_problems >= PROBLEMS_MAX)
                return;
        if (c->n_problems == PROBLEMS_MAX - 1)
                reason = "too many problems, the further ones are not listed";
        grown = reallocarray(c->problems, c->n_problems + 1, sizeof *grown);
        if (!grown)
                return;
        c->problems = grown;
        p.file = strdup(file);
        p.reason = strdup(reason);
        if (!p.file || !p.reason) {
                free(p.file);
                free(p.reason);
                return;
        }
        c->problems[c->n_problems++] = p;
}

static int list_files(const char *root, char ***ret) {
        _cleanup_free_ char *lib = NULL, *run = NULL, *etc = NULL;
        int r;

        r = str_printf(&lib, "%s/usr/lib", root);
        if (r >= 0)
                r = str_printf(&run, "%s/run", root);
        if (r >= 0)
                r = str_printf(&etc, "%s/etc", root);
        if (r < 0)
                return r;
        return conf_files_list("synos/synd.conf", (const char *const[]){ lib, run, etc, NULL }, ret);
}

/* $STATE_DIRECTORY is a list when the unit has several (systemd.exec(5)); ours is the first. */
static int default_state_dir(SyndConf *c) {
        const char *s = getenv("STATE_DIRECTORY");
        size_t n = s ? strcspn(s, ":") : 0;

        if (c->state_dir)
                return 0;
        c->state_dir = n > 0 && *s == '/' ? strndup(s, n) : strdup(DEFAULT_STATE_DIR);
        return c->state_dir ? 0 : -ENOMEM;
}

static int apply_environment(SyndConf *c) {
        const char *level = getenv("SYNOS_LOG_LEVEL");
        int r;

        r = synd_environment_check();
        if (r < 0)
                return r; /* said there */
        if (!isempty(level))
                c->log_level = log_level_from_string(level);
        return default_state_dir(c);
}

/* What is only wrong together. */
static void check_together(SyndConf *c) {
        const char *file = c->files ? c->files[strv_length(c->files) - 1] : "(default)";

        if (c->log_hard_max_size < c->log_max_size) {
                add_problem(file, 0, "HardMaxSize= is below MaxSize=, using MaxSize= for both", c);
                c->log_hard_max_size = c->log_max_size;
        }
}

int synd_conf_load(const char *root, SyndConf **ret) {
        _cleanup_(synd_conf_freep) SyndConf *c = NULL;
        int r;

        assert(root);
        assert(ret);
        c = calloc(1, sizeof *c);
        if (!c)
                return -ENOMEM;
        set_defaults(c);
        r = list_files(root, &c->files);
        if (r < 0)
                return log_error_errno(r, "Cannot list the configuration files: %m");
        r = conf_load(c->files, items, ELEMENTSOF(items), c, add_problem, c);
        if (r < 0)
                return log_error_errno(r, "Cannot load the configuration: %m");
        check_together(c);
        r = apply_environment(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

SyndConf *synd_conf_free(SyndConf *c) {
        if (!c)
                return NULL;
        free(c->state_dir);
        strv_free(c->protected_units);
        strv_free(c->files);
        for (size_t i = 0; i < c->n_problems; i++) {
                free(c->problems[i].file);
                free(c->problems[i].reason);
        }
        free(c->problems);
        free(c);
        return NULL;
}

void config_problems_log(const ConfigProblem *problems, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (problems[i].line > 0)
                        log_warning("%s:%u: %s", problems[i].file, problems[i].line, problems[i].reason);
                else
                        log_warning("%s: %s", problems[i].file, problems[i].reason);
}
