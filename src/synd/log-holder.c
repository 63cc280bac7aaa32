/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/log-holder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int log_holder_in(const char *locks, const char *path, pid_t *ret) {
        char line[256], type[16];
        unsigned long long inode;
        unsigned major, minor;
        struct stat st;
        int pid = 0, r = -ESRCH;
        FILE *f;

        if (stat(path, &st) < 0)
                return -errno;
        f = fopen(locks, "re");
        if (!f)
                return -errno;
        while (r < 0 && fgets(line, sizeof(line), f))
                /* "2: FLOCK  ADVISORY  WRITE 4711 fe:01:131147 0 EOF"; waiters have "->" behind the number. */
                if (sscanf(line, "%*u: %15s %*s %*s %d %x:%x:%llu", type, &pid, &major, &minor, &inode) == 5 &&
                    strcmp(type, "FLOCK") == 0 && pid > 0 && makedev(major, minor) == st.st_dev && inode == st.st_ino)
                        r = 0;
        fclose(f);
        if (r >= 0)
                *ret = pid;
        return r;
}

int log_holder(const char *path, pid_t *ret) {
        return log_holder_in("/proc/locks", path, ret);
}
