/*
 * chaos_faults.c -- the fault list, and the draw that picks from it.
 *
 * Everything here is a pure function of its arguments; the promise and the
 * formula are in chaos_faults.h.
 */
#include "chaos_faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"

static const struct {
    const char *name;
    enum chaos_kind kind;
    weir_span span; /* its default; 0: it takes none */
} chaos_kind_table[] = {
    {"reset", CHAOS_RESET, 0},           {"truncate", CHAOS_TRUNCATE, 0},
    {"hang", CHAOS_HANG, WEIR_S(30)},    {"slow", CHAOS_SLOW, WEIR_S(2)},
    {"drip", CHAOS_DRIP, WEIR_S(1)},     {"bad-chunk", CHAOS_BAD_CHUNK, 0},
    {"bad-length", CHAOS_BAD_LENGTH, 0},
};

enum { CHAOS_KIND_ROWS = sizeof chaos_kind_table / sizeof *chaos_kind_table };

/* --- the draw ------------------------------------------------------------------------------ */

static uint64_t chaos_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t chaos_path_hash(const char *path, size_t path_size)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < path_size; i++)
        h = (h ^ (unsigned char)path[i]) * 1099511628211u;
    return h;
}

uint64_t chaos_draw(uint64_t seed, uint64_t path_hash, uint32_t attempt, enum chaos_use use)
{
    return chaos_mix(chaos_mix(chaos_mix(seed) ^ path_hash) ^ ((uint64_t)attempt * 8 + use));
}

const struct chaos_fault *chaos_fault_pick(const struct chaos_spec *spec, uint64_t seed,
                                           const char *path, size_t path_size, uint32_t attempt)
{
    uint64_t draw, hash = chaos_path_hash(path, path_size);
    uint32_t at;

    draw = chaos_draw(seed, hash, attempt, CHAOS_USE_FAULT);
    at = (uint32_t)(draw % 1000000);
    for (size_t i = 0; i < spec->n; i++) {
        if (at < spec->fault[i].ppm)
            return &spec->fault[i];
        at -= spec->fault[i].ppm;
    }
    return NULL;
}

/* --- the list ------------------------------------------------------------------------------ */

static int chaos_spec_unknown(const char *name, char *why, size_t why_size)
{
    const char *names[CHAOS_KIND_ROWS + 1];
    const char *guess;

    for (size_t i = 0; i < CHAOS_KIND_ROWS; i++)
        names[i] = chaos_kind_table[i].name;
    names[CHAOS_KIND_ROWS] = NULL;
    guess = args_suggest(name, names);
    if (guess)
        snprintf(why, why_size, "unknown fault '%s'; did you mean '%s'?", name, guess);
    else
        snprintf(why, why_size,
                 "unknown fault '%s'; a status such as 503, or reset, truncate, hang, slow, drip, "
                 "bad-chunk, bad-length",
                 name);
    return -EINVAL;
}

/* The first field of an entry: a status or a name. */
static int chaos_entry_name(const char *name, struct chaos_fault *f, char *why, size_t why_size)
{
    uint64_t status;

    if (args_parse_uint(name, &status) == 0) {
        if (status < 400 || status > 599) {
            snprintf(why, why_size, "'%s' is not a failing status, 400 to 599", name);
            return -EINVAL;
        }
        f->kind = CHAOS_STATUS;
        f->status = (uint16_t)status;
        snprintf(f->name, sizeof f->name, "%u", (unsigned)status);
        return 0;
    }
    for (size_t i = 0; i < CHAOS_KIND_ROWS; i++)
        if (strcmp(chaos_kind_table[i].name, name) == 0) {
            f->kind = chaos_kind_table[i].kind;
            f->span = chaos_kind_table[i].span;
            snprintf(f->name, sizeof f->name, "%s", name);
            return 0;
        }
    return chaos_spec_unknown(name, why, why_size);
}

static int chaos_entry_retry_after(const char *text, struct chaos_fault *f, char *why,
                                   size_t why_size)
{
    weir_span span;

    if (f->kind != CHAOS_STATUS) {
        snprintf(why, why_size, "'%s' takes no retry-after: only a status does", f->name);
        return -EINVAL;
    }
    if (args_parse_span(text, &span) < 0 || span < WEIR_S(1) || span % WEIR_S(1) ||
        span > WEIR_S(86400)) {
        snprintf(why, why_size, "retry-after=%s: whole seconds, 1 to 86400", text);
        return -EINVAL;
    }
    f->retry_after = (uint32_t)(span / WEIR_S(1));
    return 0;
}

/* A field after the first: a share, a span, or retry-after=SECONDS. */
static int chaos_entry_field(const char *text, struct chaos_fault *f, char *why, size_t why_size)
{
    static const char retry_after[] = "retry-after=";
    size_t n = strlen(text);
    weir_span span;

    if (n && text[n - 1] == '%') {
        if (args_parse_percent(text, &f->ppm) == 0)
            return 0;
        snprintf(why, why_size, "%s:%s: a share is 0%% to 100%%", f->name, text);
        return -EINVAL;
    }
    if (strncmp(text, retry_after, sizeof retry_after - 1) == 0)
        return chaos_entry_retry_after(text + sizeof retry_after - 1, f, why, why_size);
    if (args_parse_span(text, &span) < 0 || span < 1) {
        snprintf(why, why_size,
                 "%s:%s: expected a share (30%%), a time (2s) or retry-after=SECONDS", f->name,
                 text);
        return -EINVAL;
    }
    if (!f->span) {
        snprintf(why, why_size, "%s:%s: only hang, slow and drip take a time; a share needs its %%",
                 f->name, text);
        return -EINVAL;
    }
    f->span = span;
    return 0;
}

static int chaos_entry_parse(char *text, struct chaos_fault *f, char *why, size_t why_size)
{
    char *save = NULL, *field = strtok_r(text, ":", &save);
    int r;

    *f = (struct chaos_fault){.ppm = 10000};
    if (!field) {
        snprintf(why, why_size, "an entry is empty");
        return -EINVAL;
    }
    if ((r = chaos_entry_name(field, f, why, why_size)) < 0)
        return r;
    while ((field = strtok_r(NULL, ":", &save)))
        if ((r = chaos_entry_field(field, f, why, why_size)) < 0)
            return r;
    return 0;
}

/* Adds an entry: no name twice, at most all attempts in sum. */
static int chaos_spec_add(struct chaos_spec *spec, const struct chaos_fault *f, char *why,
                          size_t why_size)
{
    uint64_t sum = f->ppm;

    if (spec->n == CHAOS_FAULTS_MAX) {
        snprintf(why, why_size, "more than %d faults", CHAOS_FAULTS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < spec->n; i++) {
        sum += spec->fault[i].ppm;
        if (strcmp(spec->fault[i].name, f->name) == 0) {
            snprintf(why, why_size, "'%s' is there twice", f->name);
            return -EINVAL;
        }
    }
    if (sum > 1000000) {
        snprintf(why, why_size, "the shares come to more than 100%% at '%s'", f->name);
        return -EINVAL;
    }
    spec->fault[spec->n++] = *f;
    return 0;
}

int chaos_spec_parse(const char *text, struct chaos_spec *out, char *why, size_t why_size)
{
    struct chaos_spec spec = {.n = 0};
    struct chaos_fault f;
    char entry[80];

    for (;;) {
        size_t n = strcspn(text, ",");
        int r;

        if (n >= sizeof entry) {
            snprintf(why, why_size, "an entry is too long: '%.40s...'", text);
            return -EINVAL;
        }
        memcpy(entry, text, n);
        entry[n] = '\0';
        if ((r = chaos_entry_parse(entry, &f, why, why_size)) < 0 ||
            (r = chaos_spec_add(&spec, &f, why, why_size)) < 0)
            return r;
        if (text[n] == '\0')
            break;
        text += n + 1;
    }
    *out = spec;
    return 0;
}
