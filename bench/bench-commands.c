/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-commands COUNT COMMAND -- COMMAND [-- COMMAND…]: runs the commands in turn, COUNT times each, and prints the percentiles
 * of their run times and the ratio to the first as one line of JSON. Their output is thrown away. */
#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#define COMMANDS_MAX 6
extern char **environ;

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double run(char **command) {
        posix_spawn_file_actions_t actions;
        uint64_t start = bench_now();
        int status;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0)
                exit(1);
        posix_spawn_file_actions_destroy(&actions);
        if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
                exit(1);
        return (double) (bench_now() - start) / 1e6;
}

int main(int argc, char *argv[]) {
        char **commands[COMMANDS_MAX];
        double *values[COMMANDS_MAX], first = 0;
        size_t n = 0, count;

        if (argc < 3)
                return 2;
        count = (size_t) atoi(argv[1]);
        commands[n++] = argv + 2;
        for (int i = 2; i < argc; i++)
                if (strcmp(argv[i], "--") == 0 && n < COMMANDS_MAX) {
                        argv[i] = NULL;
                        commands[n++] = argv + i + 1;
                }
        for (size_t c = 0; c < n; c++)
                values[c] = calloc(count, sizeof(double));
        for (size_t i = 0; i < count; i++)
                for (size_t c = 0; c < n; c++)
                        values[c][i] = run(commands[c]);

        printf("[");
        for (size_t c = 0; c < n; c++) {
                double *v = values[c];

                qsort(v, count, sizeof(double), compare);
                first = c == 0 ? v[count / 2] : first;
                printf("%s{\"command\":\"%s %s\",\"p50\":%.2f,\"p99\":%.2f,\"ratio\":%.2f}", c ? "," : "", commands[c][0],
                       commands[c][1] ? commands[c][1] : "", v[count / 2], v[count * 99 / 100], v[count / 2] / first);
        }
        printf("]\n");
        return 0;
}
