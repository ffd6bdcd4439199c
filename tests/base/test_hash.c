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

/* --- the short one ----------------------------------------------------------------------- */

TEST(a_short_text_hashes_by_its_bytes_its_length_and_the_key)
{
    unsigned char text[40], moved[48] = {0};

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)test_random();
    for (size_t len = 0; len <= 32; len++) {
        struct weir__hash_key key = {{test_random(), test_random()}}, other = key;
        uint64_t hash = weir__hash_short(&key, text, len);

        memcpy(moved + len % 8, text, len);
        EQ(weir__hash_short(&key, moved + len % 8, len), hash);
        for (int i = 0; i < 2; i++) {
            other.k[i] ^= (uint64_t)1 << test_random() % 64;
            NE(weir__hash_short(&other, text, len), hash);
        }
        for (size_t bit = 0; bit < 8 * len; bit++) {
            text[bit / 8] ^= 1 << bit % 8;
            NE(weir__hash_short(&key, text, len), hash);
            text[bit / 8] ^= 1 << bit % 8;
        }
        if (len > 16)
            EQ(hash, weir__hash(&key, text, len));
    }
    (void)weir__hash_short(&(struct weir__hash_key){{1, 2}}, NULL, 0);
}

/* Texts that read as the same words differ in their length alone. */
TEST(a_short_text_and_a_longer_one_of_the_same_bytes_differ)
{
    static const unsigned char same[17] = {0};
    struct weir__hash_key key = {{test_random(), test_random()}};

    for (size_t a = 0; a <= 16; a++)
        for (size_t b = 0; b < a; b++)
            NE(weir__hash_short(&key, same, a), weir__hash_short(&key, same, b));
}

enum { AIMED = 4096 };

/* The most of so many texts in one of as many places. */
static int crowd_of(const struct weir__hash_key *key, int shift, int words, size_t len)
{
    static int in[AIMED];
    int most = 0;

    memset(in, 0, sizeof in);
    for (uint64_t i = 0; i < AIMED; i++) {
        uint64_t word = i << shift, text[2] = {words & 1 ? word : 0, words & 2 ? word : 0};
        int *n = &in[weir__hash_short(key, text, len) % AIMED];

        most = ++*n > most ? *n : most;
    }
    return most;
}

/*
 * Where the first word, the last, or both count up, anywhere in it: at random it is 6 or
 * 7, and 15 once in 10^9.
 */
TEST(short_texts_that_differ_little_do_not_crowd)
{
    for (int shift = 0; shift <= 52; shift += 4)
        for (int words = 1; words <= 3; words++) {
            struct weir__hash_key key = {{test_random(), test_random()}};

            LE(crowd_of(&key, shift, words, 16), 14);
            if (words & 1)
                LE(crowd_of(&key, shift, words, 8), 14);
        }
}
