/*
 * test_hash.c -- the hash is SipHash-1-3, and its key decides everything.
 */
#include "base/hash.h"
#include "base/rand.h"
#include "harness/test.h"

/* From the definition, a byte at a time and with nothing shared: two rounds would not pass. */
static uint64_t plain_rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void plain_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = plain_rotl(v[1], 13) ^ v[0];
    v[0] = plain_rotl(v[0], 32);
    v[2] += v[3];
    v[3] = plain_rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = plain_rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = plain_rotl(v[1], 17) ^ v[2];
    v[2] = plain_rotl(v[2], 32);
}

static uint64_t plain_hash(const uint64_t k[2], const unsigned char *p, size_t len, int rounds,
                           int last_rounds)
{
    uint64_t v[4] = {k[0] ^ 0x736f6d6570736575u, k[1] ^ 0x646f72616e646f6du,
                     k[0] ^ 0x6c7967656e657261u, k[1] ^ 0x7465646279746573u};
    uint64_t word = 0;

    for (size_t i = 0; i <= len / 8 * 8 + 7; i++) {
        uint64_t byte = i < len ? p[i] : i % 8 == 7 ? len & 255 : 0;
        word |= byte << 8 * (i % 8);
        if (i % 8 != 7)
            continue;
        v[3] ^= word;
        for (int r = 0; r < rounds; r++)
            plain_round(v);
        v[0] ^= word;
        word = 0;
    }
    v[2] ^= 0xff;
    for (int r = 0; r < last_rounds; r++)
        plain_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The published vector of SipHash-2-4 vouches for the plain one. */
TEST(the_plain_one_gives_the_published_vector)
{
    const uint64_t k[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    unsigned char text[15];

    for (int i = 0; i < 15; i++)
        text[i] = (unsigned char)i;
    EQ(plain_hash(k, text, 15, 2, 4), 0xa129ca6149be45e5u);
}

TEST(every_length_hashes_as_defined)
{
    unsigned char text[80];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)test_random();
    for (size_t len = 0; len <= 70; len++)
        for (size_t at = 0; at < 8; at++) {
            struct weir__hash_key key = {{test_random(), test_random()}};
            EQ(weir__hash(&key, text + at, len), plain_hash(key.k, text + at, len, 1, 3));
        }
    EQ(weir__hash(&(struct weir__hash_key){{1, 2}}, NULL, 0),
       plain_hash((uint64_t[]){1, 2}, text, 0, 1, 3));
}

TEST(two_objects_have_two_keys_and_a_seed_repeats_them)
{
    struct weir__hash_key a, b, c;

    weir__seed_set(7);
    a = weir__hash_key_new();
    b = weir__hash_key_new();
    NE(weir__hash(&a, "x", 1), weir__hash(&b, "x", 1));
    weir__seed_set(7);
    c = weir__hash_key_new();
    EQ(weir__hash(&a, "x", 1), weir__hash(&c, "x", 1));
}
