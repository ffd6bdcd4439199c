/*
 * hash.c -- SipHash-1-3, and folded products for what is short; bytes read as little-endian words.
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

/* The bytes after the last whole word as one more; where there was a word, the read overlaps it. */
static inline uint64_t hash_rest(const unsigned char *p, size_t len)
{
    size_t rest = len % 8;
    uint64_t word = 0;

    if (len >= 8)
        return hash_word(p + rest - 8) >> 8 >> (56 - 8 * rest);
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
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

    for (size_t words = len / 8; words; words--, p += 8)
        hash_take(&s, hash_word(p));
    hash_take(&s, (uint64_t)len << 56 | hash_rest(p, len));
    s.c ^= 0xff;
    hash_round(&s);
    hash_round(&s);
    hash_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 hash_wide;

static inline uint64_t hash_half(const unsigned char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap32(w);
#endif
    return w;
}

/* To 16 bytes as two words, which may overlap: with the length, no two texts have the same. */
static inline void hash_pair(const unsigned char *p, size_t len, uint64_t *x, uint64_t *y)
{
    if (len >= 8) {
        *x = hash_word(p);
        *y = hash_word(p + len - 8);
    } else if (len >= 4) {
        *x = hash_half(p);
        *y = hash_half(p + len - 4);
    } else {
        *x = hash_rest(p, len);
        *y = 0;
    }
}

uint64_t weir__hash_short(const struct weir__hash_key *key, const void *data, size_t len)
{
    uint64_t x, y;
    hash_wide m;

    if (len > 16)
        return weir__hash(key, data, len);
    hash_pair(data, len, &x, &y);
    m = (hash_wide)(x ^ key->k[0]) * (y ^ key->k[1]);
    m = (hash_wide)((uint64_t)m ^ key->k[1]) * ((uint64_t)(m >> 64) ^ (key->k[0] + len));
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}
#else
uint64_t weir__hash_short(const struct weir__hash_key *key, const void *data, size_t len)
{
    return weir__hash(key, data, len);
}
#endif
