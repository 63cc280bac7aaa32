/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/service.h"

#include <signal.h>

static const char *const service_status_table[] = {
        [SERVICE_UNKNOWN] = "unknown",   [SERVICE_STARTING] = "starting", [SERVICE_RUNNING] = "running",
        [SERVICE_STOPPING] = "stopping", [SERVICE_STOPPED] = "stopped",   [SERVICE_FAILED] = "failed",
        [SERVICE_DEGRADED] = "degraded",
};
DEFINE_STRING_TABLE(service_status, ServiceStatus, service_status_table)

static const char *const intent_table[] = {
        [INTENT_NONE] = "none",
        [INTENT_OPERATOR] = "operator",
        [INTENT_SYSTEMD_RESTART] = "systemd-restart",
        [INTENT_DEPENDENCY] = "dependency",
        [INTENT_CONFLICT] = "conflict",
        [INTENT_TRANSACTION] = "transaction",
        [INTENT_TRIGGER] = "trigger",
        [INTENT_SYND] = "synd",
        [INTENT_COMMAND] = "command",
        [INTENT_SHUTDOWN] = "shutdown",
        [INTENT_BOOT] = "boot",
};
DEFINE_STRING_TABLE(intent, Intent, intent_table)

static const char *const recovery_phase_table[] = {
        [RECOVERY_IDLE] = "idle",
        [RECOVERY_BACKOFF] = "backoff",
        [RECOVERY_SLOW] = "slow",
        [RECOVERY_ACTING] = "acting",
        [RECOVERY_SETTLING] = "settling",
        [RECOVERY_WAIT_SYSTEMD] = "wait-systemd",
        [RECOVERY_WAIT_DEPENDENCY] = "wait-dependency",
        [RECOVERY_WAIT_PERSON] = "wait-person",
};
DEFINE_STRING_TABLE(recovery_phase, RecoveryPhase, recovery_phase_table)

static int main_process_sentence(const UnitSnapshot *u, char **ret) {
        const char *name;

        switch (u->exec_code) {
        case CLD_EXITED:
                return str_printf(ret, "main process exited with status %" PRIi32, u->exec_status);
        case CLD_KILLED:
        case CLD_DUMPED:
                name = sigabbrev_np(u->exec_status);
                if (name)
                        return str_printf(ret, "main process killed by SIG%s%s", name,
                                          u->exec_code == CLD_DUMPED ? " (core dumped)" : "");
                return str_printf(ret, "main process killed by signal %" PRIi32, u->exec_status);
        default:
                return str_printf(ret, "result '%s'", strnull(unit_result_to_string(u->result)));
        }
}

int unit_failure_sentence(const UnitSnapshot *u, char **ret) {
        assert(u);
        assert(ret);
        switch (u->result) {
        case RESULT_SUCCESS:
                *ret = NULL;
                return 0;
        case RESULT_RESOURCES:
                return str_printf(ret, "could not be started: resources are missing (file, user, memory, limit)");
        case RESULT_PROTOCOL:
                return str_printf(ret, "did not keep to the start protocol of its Type=");
        case RESULT_TIMEOUT:
                return str_printf(ret, "did not start, reload or stop in time");
        case RESULT_WATCHDOG:
                return str_printf(ret, "did not send its watchdog sign in time");
        case RESULT_START_LIMIT_HIT:
                return str_printf(ret, "was started too often in a short time (start limit hit)");
        case RESULT_OOM_KILL:
                return str_printf(ret, "a process was killed for lack of memory");
        case RESULT_EXEC_CONDITION:
                return str_printf(ret, "its ExecCondition= was not met");
        default:
                return main_process_sentence(u, ret);
        }
}
