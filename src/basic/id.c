/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/id.h"

#include <endian.h>
#include <sys/random.h>

#include "basic/siphash.h"

bool id128_is_null(Id128 id) {
        return id128_equal(id, ID128_NULL);
}

bool id128_equal(Id128 a, Id128 b) {
        return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static const char hex_digits[] = "0123456789abcdef";

const char *id128_to_string(Id128 id, char buf[static ID128_STRING_MAX]) {
        for (size_t i = 0; i < sizeof id.bytes; i++) {
                buf[2 * i] = hex_digits[id.bytes[i] >> 4];
                buf[2 * i + 1] = hex_digits[id.bytes[i] & 15];
        }
        buf[ID128_STRING_MAX - 1] = '\0';
        return buf;
}

static bool dash_before(size_t byte) {
        return IN_SET(byte, 4u, 6u, 8u, 10u);
}

const char *uuid_to_string(Id128 id, char buf[static UUID_STRING_MAX]) {
        char *p = buf;

        for (size_t i = 0; i < sizeof id.bytes; i++) {
                if (dash_before(i))
                        *p++ = '-';
                *p++ = hex_digits[id.bytes[i] >> 4];
                *p++ = hex_digits[id.bytes[i] & 15];
        }
        *p = '\0';
        return buf;
}

static int unhex(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

int id128_from_string(const char *s, Id128 *ret) {
        bool dashes;
        Id128 id;

        assert(ret);
        if (!s)
                return -EINVAL;
        dashes = strlen(s) == UUID_STRING_MAX - 1;
        if (!dashes && strlen(s) != ID128_STRING_MAX - 1)
                return -EINVAL;
        for (size_t i = 0; i < sizeof id.bytes; i++) {
                int high, low;

                if (dashes && dash_before(i) && *s++ != '-')
                        return -EINVAL;
                high = unhex(*s++);
                if (high < 0)
                        return -EINVAL;
                low = unhex(*s++);
                if (low < 0)
                        return -EINVAL;
                id.bytes[i] = (uint8_t) (high << 4 | low);
        }
        *ret = id;
        return 0;
}

static uint64_t rotl(uint64_t x, unsigned n) {
        return x << n | x >> (64 - n);
}

/* splitmix64: spreads any seed, also 0, over the whole state. */
void prng_seed(Prng *p, uint64_t seed) {
        assert(p);
        for (size_t i = 0; i < ELEMENTSOF(p->s); i++) {
                uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

                z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
                z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
                p->s[i] = z ^ z >> 31;
        }
}

/* xoshiro256** (Blackman, Vigna). */
uint64_t prng_next(Prng *p) {
        uint64_t *s, result, t;

        assert(p);
        s = p->s;
        result = rotl(s[1] * 5, 7) * 9;
        t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
}

uint64_t prng_below(Prng *p, uint64_t n) {
        uint64_t x, refuse;

        assert(n > 0);
        /* The lowest 2^64 mod n values would make small results likelier. */
        refuse = -n % n;
        do
                x = prng_next(p);
        while (x < refuse);
        return x % n;
}

double prng_double(Prng *p) {
        return (double) (prng_next(p) >> 11) * 0x1p-53;
}

uint64_t random_u64(void) {
        uint64_t x;

        for (;;) {
                ssize_t n = getrandom(&x, sizeof x, 0);

                if (n == sizeof x)
                        return x;
                /* Reads this small are whole once the pool is ready (random(7)); only a signal may come before. */
                if (n >= 0 || errno != EINTR)
                        abort();
        }
}

void uuidgen_init(UuidGen *g, uint64_t seed) {
        assert(g);
        *g = (UuidGen){};
        prng_seed(&g->prng, seed);
}

/* RFC 9562, 6.2, method 1: the 12 bits behind the version count within a millisecond, from a random start whose
 * highest bit is 0. A clock that is set back, or more ids than the counter holds, push the time part forward instead. */
Id128 uuidgen_v7(UuidGen *g, usec_t realtime) {
        uint64_t msec, high, low;
        Id128 id;

        assert(g);
        msec = realtime / USEC_PER_MSEC & ((UINT64_C(1) << 48) - 1);
        if (msec > g->last_msec) {
                g->last_msec = msec;
                g->counter = (uint16_t) (prng_next(&g->prng) >> 53);
        } else if (++g->counter > 0xfff) {
                g->last_msec++;
                g->counter = (uint16_t) (prng_next(&g->prng) >> 53);
        }
        high = htobe64(g->last_msec << 16 | UINT64_C(0x7000) | g->counter);
        low = htobe64(prng_next(&g->prng) >> 2 | UINT64_C(1) << 63);
        memcpy(id.bytes, &high, sizeof high);
        memcpy(id.bytes + 8, &low, sizeof low);
        return id;
}

/* SipHash-2-4 with 128-bit output over the name, keyed with the 16 bytes of the namespace; then version 8 and the RFC's
 * variant are set. Not a secret and no signature: only the same answer on every machine and in every release. */
Id128 uuid_from_name(Id128 name_space, const char *name) {
        SipKey key;
        Id128 id;

        assert(name);
        memcpy(&key, name_space.bytes, sizeof key);
        key = (SipKey){ { le64toh(key.k[0]), le64toh(key.k[1]) } };
        siphash24_128(&key, name, strlen(name), id.bytes);
        id.bytes[6] = (uint8_t) ((id.bytes[6] & 0x0f) | 0x80);
        id.bytes[8] = (uint8_t) ((id.bytes[8] & 0x3f) | 0x80);
        return id;
}
