/*
 * chaos_stats.c -- counting, and the bounded map from path to attempts.
 *
 * The map is open addressing over an array of entries that only grows until a
 * reset; at most three quarters of the slots are used.  Paths are told apart
 * by their bytes, the hash only finds them.
 */
#include "chaos_stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos_body.h"

void chaos_stats_reset(struct chaos_stats *s, int64_t now)
{
    uint64_t open = s->open, in_flight = s->in_flight;

    chaos_stats_free(s);
    memset(s, 0, sizeof *s);
    s->start = now;
    s->open = s->open_max = s->connections = open;
    s->in_flight = s->in_flight_max = in_flight;
}

void chaos_stats_free(struct chaos_stats *s)
{
    free(s->path);
    free(s->slot);
    free(s->names);
    s->path = NULL;
    s->slot = NULL;
    s->names = NULL;
    s->paths = s->path_room = s->slots = 0;
    s->names_used = s->names_room = 0;
}

/* --- the map ------------------------------------------------------------------------------- */

/* The slot of this path, or the empty one where it belongs. */
static uint32_t *chaos_map_slot(const struct chaos_stats *s, uint64_t hash, const char *path,
                                size_t size)
{
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & (s->slots - 1);

    for (;; at = (at + 1) & (s->slots - 1)) {
        const struct chaos_path *p;

        if (!s->slot[at])
            return &s->slot[at];
        p = &s->path[s->slot[at] - 1];
        if (p->hash == hash && p->size == size && memcmp(s->names + p->name, path, size) == 0)
            return &s->slot[at];
    }
}

static int chaos_map_rehash(struct chaos_stats *s)
{
    uint32_t slots = s->slots ? s->slots * 2 : 1024, *slot = calloc(slots, sizeof *slot);

    if (!slot)
        return 0;
    free(s->slot);
    s->slot = slot;
    s->slots = slots;
    for (uint32_t i = 0; i < s->paths; i++) {
        const struct chaos_path *p = &s->path[i];
        *chaos_map_slot(s, p->hash, s->names + p->name, p->size) = i + 1;
    }
    return 1;
}

static int chaos_map_room(struct chaos_stats *s, size_t size)
{
    if (s->paths == CHAOS_PATHS_MAX || s->names_used + size > CHAOS_PATHS_BYTES)
        return 0;
    if (!s->path || s->paths == s->path_room) {
        uint32_t room = s->path_room ? s->path_room * 2 : 512;
        struct chaos_path *path = realloc(s->path, room * sizeof *path);
        if (!path)
            return 0;
        s->path = path;
        s->path_room = room;
    }
    if (s->names_used + size > s->names_room) {
        size_t room = (s->names_room ? s->names_room * 2 : 16384) + size;
        char *names;
        if (room > CHAOS_PATHS_BYTES)
            room = CHAOS_PATHS_BYTES;
        if (!(names = realloc(s->names, room)))
            return 0;
        s->names = names;
        s->names_room = room;
    }
    return (s->paths + 1) * 4 <= s->slots * 3 || chaos_map_rehash(s);
}

static struct chaos_path *chaos_map_find(const struct chaos_stats *s, const char *path, size_t size)
{
    uint32_t at = s->slots ? *chaos_map_slot(s, chaos_path_hash(path, size), path, size) : 0;

    return at ? &s->path[at - 1] : NULL;
}

/* The path's entry, made if there is room; NULL if there is none. */
static struct chaos_path *chaos_map_get(struct chaos_stats *s, const char *path, size_t size)
{
    uint64_t hash = chaos_path_hash(path, size);
    struct chaos_path *p = chaos_map_find(s, path, size);

    if (p)
        return p;
    if (!chaos_map_room(s, size))
        return NULL;
    p = &s->path[s->paths];
    *p = (struct chaos_path){.hash = hash, .name = (uint32_t)s->names_used, .size = (uint32_t)size};
    memcpy(s->names + s->names_used, path, size);
    s->names_used += size;
    *chaos_map_slot(s, hash, path, size) = ++s->paths;
    return p;
}

/* --- what happens -------------------------------------------------------------------------- */

static void chaos_stats_second(struct chaos_stats *s, int64_t now)
{
    int64_t at = (now - s->start) / WEIR_S(1);

    if (at < 0 || at >= CHAOS_SECONDS_MAX)
        return;
    s->per_second[at]++;
    if (s->seconds < (uint32_t)at + 1)
        s->seconds = (uint32_t)at + 1;
}

struct chaos_path *chaos_stats_arrive(struct chaos_stats *s, const char *path, size_t size,
                                      int64_t now)
{
    struct chaos_path *p = chaos_map_get(s, path, size);

    s->requests++;
    chaos_stats_second(s, now);
    if (now < s->pause_until && now > s->pause_from + CHAOS_GRACE)
        s->early_client++;
    if (!p)
        s->untracked++;
    else if (now < p->retry_at)
        s->early_path++;
    return p;
}

uint32_t chaos_stats_attempt(struct chaos_stats *s, const char *path, size_t size,
                             struct chaos_path *p)
{
    s->attempts++;
    if (p)
        return ++p->attempts;
    return ++s->shared[chaos_path_hash(path, size) % CHAOS_SHARED];
}

void chaos_stats_retry_after(struct chaos_stats *s, const char *path, size_t size, uint32_t seconds,
                             int64_t now)
{
    struct chaos_path *p = chaos_map_find(s, path, size);
    int64_t until = now + WEIR_S((int64_t)seconds);

    if (p)
        p->retry_at = until;
    if (++s->strikes < CHAOS_STRIKES)
        return;
    if (now >= s->pause_until)
        s->pause_from = now;
    if (s->pause_until < until)
        s->pause_until = until;
}

void chaos_stats_success(struct chaos_stats *s, const char *path, size_t size)
{
    struct chaos_path *p = chaos_map_find(s, path, size);

    s->successes++;
    s->strikes = 0;
    if (p)
        p->successes++;
}

/* --- JSON ---------------------------------------------------------------------------------- */

struct chaos_text {
    char *text;
    size_t used, room;
    int failed;
};

static int chaos_text_room(struct chaos_text *t, size_t size)
{
    if (!t->failed && t->room - t->used <= size) {
        size_t room = t->room * 2 + size + 4096;
        char *text = realloc(t->text, room);
        if (text) {
            t->text = text;
            t->room = room;
        } else {
            t->failed = 1;
        }
    }
    return !t->failed;
}

static void chaos_text_add(struct chaos_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void chaos_text_add(struct chaos_text *t, const char *format, ...)
{
    va_list ap;

    if (!chaos_text_room(t, 512))
        return;
    va_start(ap, format);
    t->used += (size_t)vsnprintf(t->text + t->used, 512, format, ap);
    va_end(ap);
}

static void chaos_text_number(struct chaos_text *t, const char *name, uint64_t n)
{
    chaos_text_add(t, "\"%s\":%llu,", name, (unsigned long long)n);
}

static void chaos_text_faults(struct chaos_text *t, const struct chaos_stats *s,
                              const struct chaos_spec *spec)
{
    static const char *const causes[CHAOS_CAUSES] = {"first-n", "rate-limit", "down"};

    chaos_text_add(t, "\"faults\":{");
    for (size_t i = 0; i < spec->n; i++)
        chaos_text_number(t, spec->fault[i].name, s->by_fault[i]);
    for (int i = 0; i < CHAOS_CAUSES; i++)
        chaos_text_add(t, "\"%s\":%llu%s", causes[i], (unsigned long long)s->by_cause[i],
                       i + 1 < CHAOS_CAUSES ? "," : "},");
}

static void chaos_text_seconds(struct chaos_text *t, const struct chaos_stats *s, int64_t now)
{
    double elapsed = (double)(now - s->start) / 1e9;

    chaos_text_add(t, "\"seconds\":%.3f,\"rate\":%.1f,\"per_second\":[", elapsed,
                   elapsed > 0 ? (double)s->requests / elapsed : 0.0);
    for (uint32_t i = 0; i < s->seconds; i++)
        chaos_text_add(t, "%s%u", i ? "," : "", (unsigned)s->per_second[i]);
    chaos_text_add(t, "],");
}

static void chaos_text_paths(struct chaos_text *t, const struct chaos_stats *s)
{
    chaos_text_add(t, ",\"by_path\":{");
    for (uint32_t i = 0; i < s->paths && !t->failed; i++) {
        const struct chaos_path *p = &s->path[i];

        chaos_text_add(t, "%s\"", i ? ",\n" : "\n");
        if (chaos_text_room(t, (size_t)p->size * 6))
            t->used += chaos_json_escape(t->text + t->used, s->names + p->name, p->size);
        chaos_text_add(t, "\":{\"attempts\":%u,\"successes\":%u}", (unsigned)p->attempts,
                       (unsigned)p->successes);
    }
    chaos_text_add(t, "}");
}

char *chaos_stats_json(const struct chaos_stats *s, const struct chaos_spec *spec, uint64_t seed,
                       int64_t now, int with_paths, size_t *out_size)
{
    struct chaos_text t = {0};

    chaos_text_add(&t, "{");
    chaos_text_number(&t, "v", 1);
    chaos_text_number(&t, "seed", seed);
    chaos_text_number(&t, "requests", s->requests);
    chaos_text_number(&t, "attempts", s->attempts);
    chaos_text_number(&t, "successes", s->successes);
    chaos_text_number(&t, "bad_requests", s->bad_requests);
    chaos_text_number(&t, "client_gone", s->client_gone);
    chaos_text_faults(&t, s, spec);
    chaos_text_seconds(&t, s, now);
    chaos_text_add(&t, "\"retry_after_violations\":{\"path\":%llu,\"client\":%llu},",
                   (unsigned long long)s->early_path, (unsigned long long)s->early_client);
    chaos_text_add(&t, "\"connections\":{\"total\":%llu,\"open\":%llu,\"most\":%llu},",
                   (unsigned long long)s->connections, (unsigned long long)s->open,
                   (unsigned long long)s->open_max);
    chaos_text_number(&t, "in_flight", s->in_flight);
    chaos_text_number(&t, "in_flight_most", s->in_flight_max);
    chaos_text_number(&t, "untracked", s->untracked);
    chaos_text_add(&t, "\"paths\":%u", (unsigned)s->paths);
    if (with_paths)
        chaos_text_paths(&t, s);
    chaos_text_add(&t, "}\n");
    if (t.failed) {
        free(t.text);
        return NULL;
    }
    *out_size = t.used;
    return t.text;
}
