/*
 * fuzz.h -- what the targets share: bytes read as operations, and promises
 * that end the program when they are broken.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(x)                                                                                   \
    ((x) ? (void)0                                                                                 \
         : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x), abort()))

struct bytes {
    const uint8_t *at, *end;
};

static inline bool bytes_left(const struct bytes *b)
{
    return b->at < b->end;
}

/* The next byte; 0 once they are used up. */
static inline uint8_t byte(struct bytes *b)
{
    return b->at < b->end ? *b->at++ : 0;
}

static inline uint32_t number(struct bytes *b, uint32_t below)
{
    uint32_t n = byte(b);

    n = n << 8 | byte(b);
    n = n << 8 | byte(b);
    return n % below;
}

#endif
