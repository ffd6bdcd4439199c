/*
 * hash.c -- SipHash-1-3, bytes read as little-endian words.
 */
#include "base/hash.h"

#include <string.h>

#include "base/rand.h"

struct hash_state {
    uint64_t a, b, c, d;
};

struct weir__hash_key weir__hash_key_new(void)
{
    struct weir__hash_key key = {{weir__seed_next(), weir__seed_next()}};

    return key;
}

static inline uint64_t hash_rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void hash_round(struct hash_state *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = hash_rotl(s->b, 13) ^ s->a;
    s->d = hash_rotl(s->d, 16) ^ s->c;
    s->a = hash_rotl(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = hash_rotl(s->b, 17) ^ s->c;
    s->d = hash_rotl(s->d, 21) ^ s->a;
    s->c = hash_rotl(s->c, 32);
}

static inline uint64_t hash_word(const unsigned char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

static inline void hash_take(struct hash_state *s, uint64_t word)
{
    s->d ^= word;
    hash_round(s);
    s->a ^= word;
}

uint64_t weir__hash(const struct weir__hash_key *key, const void *data, size_t len)
{
    struct hash_state s = {key->k[0] ^ 0x736f6d6570736575u, key->k[1] ^ 0x646f72616e646f6du,
                           key->k[0] ^ 0x6c7967656e657261u, key->k[1] ^ 0x7465646279746573u};
    const unsigned char *p = data;
    uint64_t last = (uint64_t)len << 56;
    size_t words = len / 8, rest = len % 8;

    for (; words; words--, p += 8)
        hash_take(&s, hash_word(p));
    for (size_t i = 0; i < rest; i++)
        last |= (uint64_t)p[i] << 8 * i;
    hash_take(&s, last);
    s.c ^= 0xff;
    for (int i = 0; i < 3; i++)
        hash_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
