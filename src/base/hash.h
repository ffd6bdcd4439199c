/*
 * hash.h -- a hash of bytes that nobody can aim: SipHash-1-3.
 *
 * Who does not know the key cannot find texts that collide (Aumasson and
 * Bernstein, 2012; one round a word and three at the end, as in the tables of
 * other languages), so a table keyed by what strangers send stays a table.
 */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <weir/base.h>

struct weir__hash_key {
    uint64_t k[2];
};

/* A key that no other object has; from weir__seed_next. */
WEIR_API struct weir__hash_key weir__hash_key_new(void);

/* The hash of len bytes at data (which may be NULL for none). */
WEIR_API uint64_t weir__hash(const struct weir__hash_key *key, const void *data, size_t len);

/*
 * Another one, where a lookup is most of the work: to 16 bytes two folded
 * products with the key, a quarter of the instructions; more bytes as above.
 * Two texts whose key is unknown have the same first product with a chance of
 * about 2^-64.  What is lost: that is all.  From hashes that can be seen the key
 * might be worked out, which SipHash forbids; so they must stay inside.
 */
uint64_t weir__hash_short(const struct weir__hash_key *key, const void *data, size_t len);

#endif
