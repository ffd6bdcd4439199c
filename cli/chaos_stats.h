/*
 * chaos_stats.h -- what the server saw, and the attempts of each path.
 *
 * The state is bounded: at most CHAOS_PATHS_MAX paths and CHAOS_PATHS_BYTES
 * bytes of their names are kept, and one counter for each of the first
 * CHAOS_SECONDS_MAX seconds; together at most 73 MiB.  A path beyond that
 * shares one of 65,536 attempt counters by its hash: its attempts still go up,
 * but it is in no list and its Retry-After is not checked (`untracked`).
 *
 * Time is an argument, in nanoseconds of any clock that does not run back.
 */
#ifndef WEIR_CLI_CHAOS_STATS_H
#define WEIR_CLI_CHAOS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "chaos_faults.h"

#define CHAOS_PATHS_BYTES ((size_t)32 << 20)

enum {
    CHAOS_PATHS_MAX = 1 << 20,
    CHAOS_SECONDS_MAX = 3600,
    CHAOS_SHARED = 1 << 16,
    CHAOS_STRIKES = 3 /* so many answers with Retry-After and no success between pause the client */
};

/*
 * A request that was on its way when the third answer was sent is none of the
 * client's faults: for this long after it nothing counts as client-wide.
 */
#define CHAOS_GRACE WEIR_MS(100)

enum chaos_cause { CHAOS_BY_FIRST, CHAOS_BY_RATE, CHAOS_BY_DOWN, CHAOS_CAUSES };

struct chaos_path {
    uint64_t hash;
    int64_t retry_at; /* its own Retry-After; 0: none */
    uint32_t name, size, attempts, successes;
};

struct chaos_stats {
    int64_t start;
    uint64_t requests, attempts, successes, bad_requests, client_gone;
    uint64_t early_path, early_client;
    uint64_t connections, open, open_max, in_flight, in_flight_max;
    uint64_t by_fault[CHAOS_FAULTS_MAX], by_cause[CHAOS_CAUSES], untracked;
    uint32_t per_second[CHAOS_SECONDS_MAX], seconds;
    uint32_t strikes;
    int64_t pause_from, pause_until;
    struct chaos_path *path;
    uint32_t paths, path_room, *slot, slots; /* slot: index + 1 into path, 0 is empty */
    char *names;
    size_t names_used, names_room;
    uint32_t shared[CHAOS_SHARED];
};

/* Zero, counting from `now`; connections that are open stay counted. */
void chaos_stats_reset(struct chaos_stats *s, int64_t now);
void chaos_stats_free(struct chaos_stats *s);

/* A request has arrived: counts it, judges whether it came too early.  Its path's entry or NULL. */
struct chaos_path *chaos_stats_arrive(struct chaos_stats *s, const char *path, size_t size,
                                      int64_t now);

/* The attempt's number, from 1; `p` as arrive gave it. */
uint32_t chaos_stats_attempt(struct chaos_stats *s, const char *path, size_t size,
                             struct chaos_path *p);

/* An answer with Retry-After goes out now.  Call it just before the write. */
void chaos_stats_retry_after(struct chaos_stats *s, const char *path, size_t size, uint32_t seconds,
                             int64_t now);

/* A good answer was written in full. */
void chaos_stats_success(struct chaos_stats *s, const char *path, size_t size);

/*
 * The whole of it as JSON, with one entry a path if `with_paths`.  A string of
 * *out_size bytes to be freed, or NULL: no memory.
 */
char *chaos_stats_json(const struct chaos_stats *s, const struct chaos_spec *spec, uint64_t seed,
                       int64_t now, int with_paths, size_t *out_size);

#endif
