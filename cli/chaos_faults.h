/*
 * chaos_faults.h -- which fault an attempt meets: a pure function.
 *
 *     fault = f(seed, path, attempt number)
 *
 * No clock, no state, no chance beyond the hash below, so two clients that ask
 * for the same paths meet the same faults, in whatever order they ask.
 *
 *     h    = 14695981039346656037                         FNV-1a, 64 bits
 *     h    = (h ^ byte) * 1099511628211                   for each byte of the path
 *     draw = mix(mix(mix(seed) ^ h) ^ attempt * 8 + use)  mix: splitmix64's finalizer
 *
 * `use` keeps the draws of one attempt apart (enum chaos_use).  The fault is
 * the entry of the list in whose share draw mod 1,000,000 falls, the shares
 * laid end to end in the order written.
 */
#ifndef WEIR_CLI_CHAOS_FAULTS_H
#define WEIR_CLI_CHAOS_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include <weir/base.h>

enum chaos_kind {
    CHAOS_STATUS,     /* answers `status` in place of the document */
    CHAOS_RESET,      /* a TCP reset before any byte of an answer */
    CHAOS_TRUNCATE,   /* part of the declared body, then a clean close */
    CHAOS_HANG,       /* silence for `span`, then a close */
    CHAOS_SLOW,       /* `span` late, then a correct answer */
    CHAOS_DRIP,       /* a correct answer whose body takes `span` */
    CHAOS_BAD_CHUNK,  /* a chunked body with a broken chunk size in it */
    CHAOS_BAD_LENGTH, /* the whole body under a greater Content-Length, then a close */
    CHAOS_KINDS
};

enum chaos_use { CHAOS_USE_FAULT, CHAOS_USE_LATENCY, CHAOS_USE_CUT };

enum { CHAOS_FAULTS_MAX = 16 };

struct chaos_fault {
    enum chaos_kind kind;
    uint32_t ppm;         /* its share of the attempts, in millionths */
    weir_span span;       /* hang, slow, drip */
    uint16_t status;      /* CHAOS_STATUS */
    uint32_t retry_after; /* seconds, for the header of that name; 0: no header */
    char name[12];        /* "503", "reset": as in the list and in /__stats */
};

struct chaos_spec {
    size_t n;
    struct chaos_fault fault[CHAOS_FAULTS_MAX];
};

/*
 * Reads a list such as 503:30%,429:5%:retry-after=2,reset:3%,hang:1%:30s.  A
 * share left out is 1%; a span left out is 30 s (hang), 2 s (slow), 1 s
 * (drip).  0, or -EINVAL with a sentence in `why` that names the entry.
 */
int chaos_spec_parse(const char *text, struct chaos_spec *out, char *why, size_t why_size);

/* The fault of attempt 1, 2, ... at a path, or NULL: this attempt is answered well. */
const struct chaos_fault *chaos_fault_pick(const struct chaos_spec *spec, uint64_t seed,
                                           const char *path, size_t path_size, uint32_t attempt);

/* The hash of the path alone. */
uint64_t chaos_path_hash(const char *path, size_t path_size);

/* The draw as written above, from the path's hash. */
uint64_t chaos_draw(uint64_t seed, uint64_t path_hash, uint32_t attempt, enum chaos_use use);

#endif
