/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fuzz.h"

/* Memory of exactly the size, so that a sanitizer sees every byte read too far. */
static int run_file(int directory, const char *name) {
        _cleanup_free_ uint8_t *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        size_t n = 0;

        fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        data = malloc(MAX((size_t) st.st_size, (size_t) 1));
        if (!data)
                return -ENOMEM;
        while (n < (size_t) st.st_size) {
                ssize_t k = read(fd, data + n, (size_t) st.st_size - n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        return -EIO;
                n += (size_t) k;
        }
        (void) LLVMFuzzerTestOneInput(data, n);
        return 0;
}

int main(int argc, char **argv) {
        struct dirent **entries;
        unsigned n_run = 0;
        int directory, n, r;

        if (argc != 2) {
                fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
                return 2;
        }
        directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        n = directory >= 0 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
        if (n < 0) {
                fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
                return 1;
        }
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.') {
                        fprintf(stderr, "%s\n", entries[i]->d_name);
                        r = run_file(directory, entries[i]->d_name);
                        if (r < 0) {
                                fprintf(stderr, "%s: %s\n", entries[i]->d_name, strerror(-r));
                                return 1;
                        }
                        n_run++;
                }
                free(entries[i]);
        }
        free(entries);
        close(directory);
        printf("%u passed, 0 failed\n", n_run);
        return n_run > 0 ? 0 : 1;
}
