/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/unit.h"

#include <fnmatch.h>

#define UNIT_NAME_MAX 255

static const char *const unit_load_table[] = {
        [UNIT_LOAD_UNKNOWN] = "unknown",    [UNIT_STUB] = "stub",
        [UNIT_LOADED] = "loaded",           [UNIT_NOT_FOUND] = "not-found",
        [UNIT_BAD_SETTING] = "bad-setting", [UNIT_ERROR] = "error",
        [UNIT_MERGED] = "merged",           [UNIT_MASKED] = "masked",
};
DEFINE_STRING_TABLE(unit_load, UnitLoad, unit_load_table)

static const char *const unit_active_table[] = {
        [UNIT_ACTIVE_UNKNOWN] = "unknown",
        [UNIT_ACTIVE] = "active",
        [UNIT_RELOADING] = "reloading",
        [UNIT_INACTIVE] = "inactive",
        [UNIT_FAILED] = "failed",
        [UNIT_ACTIVATING] = "activating",
        [UNIT_DEACTIVATING] = "deactivating",
        [UNIT_IN_MAINTENANCE] = "maintenance",
        [UNIT_REFRESHING] = "refreshing",
};
DEFINE_STRING_TABLE(unit_active, UnitActive, unit_active_table)

static const char *const unit_result_table[] = {
        [RESULT_UNKNOWN] = "unknown",     [RESULT_SUCCESS] = "success",
        [RESULT_RESOURCES] = "resources", [RESULT_PROTOCOL] = "protocol",
        [RESULT_TIMEOUT] = "timeout",     [RESULT_EXIT_CODE] = "exit-code",
        [RESULT_SIGNAL] = "signal",       [RESULT_CORE_DUMP] = "core-dump",
        [RESULT_WATCHDOG] = "watchdog",   [RESULT_START_LIMIT_HIT] = "start-limit-hit",
        [RESULT_OOM_KILL] = "oom-kill",   [RESULT_EXEC_CONDITION] = "exec-condition",
};
DEFINE_STRING_TABLE(unit_result, UnitResult, unit_result_table)

static const char *const job_result_table[] = {
        [JOB_RESULT_UNKNOWN] = "unknown", [JOB_DONE] = "done",
        [JOB_CANCELED] = "canceled",      [JOB_TIMEOUT] = "timeout",
        [JOB_FAILED] = "failed",          [JOB_DEPENDENCY] = "dependency",
        [JOB_SKIPPED] = "skipped",        [JOB_INVALID] = "invalid",
        [JOB_ASSERT] = "assert",          [JOB_UNSUPPORTED] = "unsupported",
        [JOB_COLLECTED] = "collected",    [JOB_ONCE] = "once",
        [JOB_FROZEN] = "frozen",          [JOB_CONCURRENCY] = "concurrency",
};
DEFINE_STRING_TABLE(job_result, JobResult, job_result_table)

static const char *const verb_table[] = {
        [VERB_START] = "start",
        [VERB_STOP] = "stop",
        [VERB_RESTART] = "restart",
        [VERB_RELOAD] = "reload",
        [VERB_RESET_FAILED] = "reset-failed",
        [VERB_CHECK] = "check",
        [VERB_MAINTENANCE] = "maintenance",
        [VERB_REWEIGHT] = "reweight",
        [VERB_CONFIGURE] = "configure",
};
DEFINE_STRING_TABLE(verb, Verb, verb_table)

/* systemd's word → errno → sentence, in one table. */
static const struct {
        int error;
        const char *sentence;
} job_results[] = {
        [JOB_RESULT_UNKNOWN] = { -EPROTO, "the job ended in a way that is not known to this version" },
        [JOB_DONE] = { 0, "the job is done" },
        [JOB_CANCELED] = { -ECANCELED, "the job was cancelled or replaced by another one" },
        [JOB_TIMEOUT] = { -ETIME, "the job took too long" },
        [JOB_FAILED] = { -EIO, "the unit failed" },
        [JOB_DEPENDENCY] = { -EHOSTDOWN, "a dependency failed" },
        [JOB_SKIPPED] = { -ENOEXEC, "the job was skipped" },
        [JOB_INVALID] = { -ENOEXEC, "the unit does not support this" },
        [JOB_ASSERT] = { -EPROTO, "an Assert…= of the unit is not met" },
        [JOB_UNSUPPORTED] = { -EOPNOTSUPP, "this kind of unit is not supported on this host" },
        [JOB_COLLECTED] = { -ECANCELED, "the unit was unloaded while the job waited" },
        [JOB_ONCE] = { -ESTALE, "the unit may run only once a boot" },
        [JOB_FROZEN] = { -EAGAIN, "the unit is frozen" },
        [JOB_CONCURRENCY] = { -EAGAIN, "the concurrency limit of its slice is reached" },
};

int job_result_to_errno(JobResult r) {
        if ((int) r < 0 || (size_t) r >= ELEMENTSOF(job_results))
                r = JOB_RESULT_UNKNOWN;
        return job_results[r].error;
}

const char *job_result_sentence(JobResult r) {
        if ((int) r < 0 || (size_t) r >= ELEMENTSOF(job_results))
                r = JOB_RESULT_UNKNOWN;
        return job_results[r].sentence;
}

void unit_relations_done(UnitRelations *r) {
        if (!r)
                return;
        strv_free(r->requires);
        strv_free(r->wants);
        strv_free(r->binds_to);
        strv_free(r->requisite);
        strv_free(r->part_of);
        strv_free(r->upholds);
        strv_free(r->after);
        strv_free(r->conflicts);
        strv_free(r->triggered_by);
        *r = (UnitRelations){};
}

int unit_relations_copy(const UnitRelations *r, UnitRelations *ret) {
        _cleanup_(unit_relations_done) UnitRelations n = {};
        int q;

        assert(r);
        assert(ret);
        if ((q = strv_copy(r->requires, &n.requires)) < 0 || (q = strv_copy(r->wants, &n.wants)) < 0 ||
            (q = strv_copy(r->binds_to, &n.binds_to)) < 0 || (q = strv_copy(r->requisite, &n.requisite)) < 0 ||
            (q = strv_copy(r->part_of, &n.part_of)) < 0 || (q = strv_copy(r->upholds, &n.upholds)) < 0 ||
            (q = strv_copy(r->after, &n.after)) < 0 || (q = strv_copy(r->conflicts, &n.conflicts)) < 0 ||
            (q = strv_copy(r->triggered_by, &n.triggered_by)) < 0)
                return q;
        *ret = n;
        n = (UnitRelations){};
        return 0;
}

static bool unit_name_char(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && strchr(":-_.\\", c));
}

bool unit_name_is_valid(const char *name) {
        static const char *const types[] = { "service", "socket", "target", "device", "mount", "automount",
                                             "swap",    "timer",  "path",   "slice",  "scope" };
        const char *dot, *at;
        bool known = false;

        if (isempty(name) || strlen(name) > UNIT_NAME_MAX)
                return false;
        dot = strrchr(name, '.');
        if (!dot || dot == name)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                known = known || streq(dot + 1, types[i]);
        if (!known)
                return false;
        at = memchr(name, '@', (size_t) (dot - name));
        if (at == name)
                return false;
        for (const char *p = name; p < dot; p++)
                /* An instance may hold further '@', the prefix may not: the first one separates. */
                if (!unit_name_char(*p) && !(*p == '@' && at))
                        return false;
        return true;
}

int unit_name_template(const char *name, char **ret) {
        const char *at, *dot;

        assert(ret);
        if (!unit_name_is_valid(name))
                return -EINVAL;
        at = strchr(name, '@');
        dot = strrchr(name, '.');
        if (!at || at > dot || at + 1 == dot)
                return -EINVAL;
        return str_printf(ret, "%.*s%s", (int) (at + 1 - name), name, dot);
}

bool unit_name_matches(const char *name, char *const *patterns) {
        if (!name)
                return false;
        STRV_FOREACH (p, patterns)
                if (fnmatch(*p, name, FNM_NOESCAPE) == 0)
                        return true;
        return false;
}

bool unit_is_protected_builtin(const char *name) {
        /* What keeps the host alive and reachable, what decides who may do what, and ourselves. */
        static const char *const patterns[] = {
                "init*.service",    "systemd-*.service",  "dbus*.service",
                "polkit*.service",  "ssh*.service",       "getty*.service",
                "*-getty*.service", "autovt@*.service",   "debug-shell.service",
                "rescue*.service",  "emergency*.service", "initrd-*.service",
                "synd*.service",    "user@*.service",     "user-runtime-dir@*.service",
        };

        if (!name || !endswith(name, ".service"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(patterns); i++)
                if (fnmatch(patterns[i], name, FNM_NOESCAPE) == 0)
                        return true;
        return false;
}
