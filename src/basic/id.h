/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* 128-bit ids: invocation, boot and machine ids (32 hex digits), UUIDs (with dashes), and the PRNG they are made with. */

#include "basic/time.h"

typedef struct Id128 {
        uint8_t bytes[16];
} Id128;
#define ID128_NULL ((Id128) {})
#define ID128_STRING_MAX 33
#define UUID_STRING_MAX 37

bool id128_is_null(Id128 id);
bool id128_equal(Id128 a, Id128 b);
const char *id128_to_string(Id128 id, char buf[static ID128_STRING_MAX]);
const char *uuid_to_string(Id128 id, char buf[static UUID_STRING_MAX]);
/* Accepts both forms. -EINVAL. */
int id128_from_string(const char *s, Id128 *ret);

/* xoshiro256**-quality generator, seedable so that the simulator replays exactly. Not for secrets. */
typedef struct Prng {
        uint64_t s[4];
} Prng;
void prng_seed(Prng *p, uint64_t seed);
uint64_t prng_next(Prng *p);
/* Uniform in [0, n); n > 0. */
uint64_t prng_below(Prng *p, uint64_t n);
/* Uniform in [0, 1). */
double prng_double(Prng *p);
/* For seeds and secrets: getrandom(2); never fails after boot. */
uint64_t random_u64(void);

/* RFC 9562 version 7 from a realtime and 74 random bits; monotonic within one generator (same-ms ids increase). */
typedef struct UuidGen {
        Prng prng;
        uint64_t last_msec;
        uint16_t counter;
} UuidGen;
void uuidgen_init(UuidGen *g, uint64_t seed);
Id128 uuidgen_v7(UuidGen *g, usec_t realtime);
/* Name-based (RFC 9562 version 8, own hash of namespace and name): the same input gives the same id for ever. */
Id128 uuid_from_name(Id128 name_space, const char *name);
