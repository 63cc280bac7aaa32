/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* synd.conf(5): /etc/synos/synd.conf and drop-ins, then SYNOS_* of the environment. */

#include "basic/conf.h"
#include "core/supervisor.h"

typedef struct SyndConf {
        /* [Synd] */
        int log_level;                          /* LogLevel=info, SYNOS_LOG_LEVEL */
        char *state_dir;                        /* StateDirectory=/var/lib/synos, or $STATE_DIRECTORY */
        char **protected_units;                 /* ProtectedUnits= patterns */
        /* [Recovery] */
        RecoverySettings recovery;              /* Budget= Backoff= Jitter= Reset= SlowRetry= */
        Budget host_budget;                     /* HostBudget=60/10min */
        usec_t job_timeout;                     /* JobTimeout=infinity: our own restarts are cancelled after it */
        /* [EventLog] */
        usec_t log_max_age;                     /* MaxAge=30d */
        uint64_t log_max_size;                  /* MaxSize=512M */
        uint64_t log_hard_max_size;             /* HardMaxSize=1G */
        /* [Limits] */
        uint32_t clients_max;                   /* ClientsMax=256 followers and pending calls together */
        uint32_t client_calls_max;              /* ClientCallsMax=32 pending calls of one client */
        uint32_t client_followers_max;          /* ClientFollowersMax=8 Follow streams of one client */

        ConfigProblem *problems;
        size_t n_problems;
        char **files;                           /* that were read */
} SyndConf;

/* root "" in production. A bad value in a file is a problem and keeps its default; one in the environment is an error
 * (-EINVAL, said in the log), because nobody would see it otherwise. */
int synd_conf_load(const char *root, SyndConf **ret);
SyndConf *synd_conf_free(SyndConf *c);
DEFINE_CLEANUP(SyndConf *, synd_conf_free);

/* Says each in the log: "file:line: reason", without the line where the whole file is meant. */
void config_problems_log(const ConfigProblem *problems, size_t n);
