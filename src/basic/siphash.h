/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): keyed, so that whoever chooses the input cannot
 * choose the collisions. */

#include "basic/macro.h"

typedef struct SipKey {
        uint64_t k[2];
} SipKey;

/* SipHash-1-3: for hash tables that live in this process only. */
uint64_t siphash13(const SipKey *key, const void *data, size_t size);
/* SipHash-2-4 with 128 bits of output, in the byte order of the paper's reference: for values that are stored. */
void siphash24_128(const SipKey *key, const void *data, size_t size, uint8_t ret[static 16]);
