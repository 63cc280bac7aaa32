/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A fuzzer is one file with this function. Built with -Dfuzzing=true it is a libFuzzer program; otherwise fuzz-main.c
 * gives it every file of its corpus, as an ordinary test. A broken promise ends in abort(). */

#include <stdio.h>

#include "basic/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert(3) also there in a release build. */
#define CHECK(condition)                                                                        \
        do {                                                                                    \
                if (!(condition)) {                                                             \
                        fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                                \
                }                                                                               \
        } while (0)
