/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/siphash.h"

#include <endian.h>

typedef struct SipState {
        uint64_t v0, v1, v2, v3;
} SipState;

static uint64_t rotl(uint64_t x, unsigned n) {
        return x << n | x >> (64 - n);
}

static void sip_rounds(SipState *s, unsigned n) {
        while (n-- > 0) {
                s->v0 += s->v1;
                s->v2 += s->v3;
                s->v1 = rotl(s->v1, 13) ^ s->v0;
                s->v3 = rotl(s->v3, 16) ^ s->v2;
                s->v0 = rotl(s->v0, 32);
                s->v2 += s->v1;
                s->v0 += s->v3;
                s->v1 = rotl(s->v1, 17) ^ s->v2;
                s->v3 = rotl(s->v3, 21) ^ s->v0;
                s->v2 = rotl(s->v2, 32);
        }
}

static void sip_start(SipState *s, const SipKey *key) {
        *s = (SipState){
                .v0 = key->k[0] ^ UINT64_C(0x736f6d6570736575),
                .v1 = key->k[1] ^ UINT64_C(0x646f72616e646f6d),
                .v2 = key->k[0] ^ UINT64_C(0x6c7967656e657261),
                .v3 = key->k[1] ^ UINT64_C(0x7465646279746573),
        };
}

static void sip_word(SipState *s, uint64_t m, unsigned rounds) {
        s->v3 ^= m;
        sip_rounds(s, rounds);
        s->v0 ^= m;
}

static void sip_input(SipState *s, const uint8_t *p, size_t size, unsigned rounds) {
        uint64_t last = (uint64_t) size << 56, m;

        for (; size >= sizeof m; p += sizeof m, size -= sizeof m) {
                memcpy(&m, p, sizeof m);
                sip_word(s, le64toh(m), rounds);
        }
        for (size_t i = 0; i < size; i++)
                last |= (uint64_t) p[i] << (8 * i);
        sip_word(s, last, rounds);
}

uint64_t siphash13(const SipKey *key, const void *data, size_t size) {
        SipState s;

        sip_start(&s, key);
        sip_input(&s, data, size, 1);
        s.v2 ^= 0xff;
        sip_rounds(&s, 3);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void siphash24_128(const SipKey *key, const void *data, size_t size, uint8_t ret[static 16]) {
        uint64_t half;
        SipState s;

        sip_start(&s, key);
        s.v1 ^= 0xee;
        sip_input(&s, data, size, 2);

        s.v2 ^= 0xee;
        sip_rounds(&s, 4);
        half = htole64(s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
        memcpy(ret, &half, sizeof half);

        s.v1 ^= 0xdd;
        sip_rounds(&s, 4);
        half = htole64(s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
        memcpy(ret + 8, &half, sizeof half);
}
