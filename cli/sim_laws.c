/*
 * sim_laws.c -- the laws of sim_laws.h.
 *
 * A model draws in double milliseconds: nothing of it leaves the simulator.
 */
#include "sim_laws.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "args.h"

struct sim_law {
    const char *name, *what;
    uint32_t grow, jitter; /* weir's own, when `draw` is NULL */
    double (*draw)(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng);
    int in_post; /* one of the five that the post compares */
};

/* U(low, high) */
static double laws_between(struct weir_rng *rng, double low, double high)
{
    return low + (high - low) * weir_rng_unit(rng);
}

/* b factor^(n-1), capped; n from 1, and no overflow however large. */
static double laws_level(const struct sim_rule *r, double factor, uint64_t n)
{
    return fmin(r->cap, r->base * pow(factor, fmin((double)n - 1, 1000)));
}

static double laws_curl(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    (void)rng;
    return laws_level(r, 2, s->n);
}

static double laws_grpc(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    return laws_level(r, 2, s->n) * laws_between(rng, 0.8, 1.2);
}

static double laws_failsafe(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    return laws_level(r, 2, s->n) * laws_between(rng, 0.75, 1.25);
}

static double laws_cenkalti(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    return laws_level(r, 1.5, s->n) * laws_between(rng, 0.5, 1.5);
}

static double laws_envoy(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    double window = r->base * (pow(2, fmin((double)s->n, 1000)) - 1);

    return laws_between(rng, 0, fmin(window, r->cap));
}

static double laws_tower(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    double v = laws_level(r, 2, s->n);

    return fmin(v + laws_between(rng, 0, 0.99 * v), r->cap);
}

static double laws_resilience4j(const struct sim_rule *r, struct sim_law_state *s,
                                struct weir_rng *rng)
{
    double x = r->base * pow(1.5, fmin((double)s->n - 1, 1000));

    return fmin(x * laws_between(rng, 0.5, 1.5), r->cap);
}

/* Decorrelated "v2": differences of a smooth curve at random points. */
static double laws_polly(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    double t = fmin((double)s->n - 1, 1000) + weir_rng_unit(rng);
    double f = pow(2, t) * tanh(sqrt(4 * t));
    double d = (f - s->last) / 1.4 * r->base;

    s->last = f;
    return fmin(fmax(d, 0), r->cap);
}

static double laws_finagle(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    double most;

    if (s->n == 1) {
        s->last = r->base;
    } else if (!s->stuck) {
        most = s->last * pow(2, fmin((double)s->n - 1, 62));
        s->stuck = most >= r->cap;
        s->last = s->stuck ? r->cap : laws_between(rng, 0, most);
    }
    return fmin(s->last, r->cap);
}

static double laws_finagle_equal(const struct sim_rule *r, struct sim_law_state *s,
                                 struct weir_rng *rng)
{
    double half;

    if (s->n == 1) {
        s->last = r->base;
    } else if (!s->stuck) {
        half = laws_level(r, 2, s->n - 1);
        s->last = half + laws_between(rng, 0, half);
        s->stuck = half >= r->cap || s->last >= r->cap;
        if (s->stuck)
            s->last = r->cap;
    }
    return fmin(s->last, r->cap);
}

static double laws_finagle_decorr(const struct sim_rule *r, struct sim_law_state *s,
                                  struct weir_rng *rng)
{
    s->last = s->n == 1 ? r->base : laws_between(rng, s->last, fmin(3 * s->last, r->cap));
    return s->last;
}

static const struct sim_law laws[] = {
    {"none", "no wait", WEIR_GROW_NONE, WEIR_JITTER_NONE, NULL, 1},
    {"exponential", "exponential, no jitter", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_NONE, NULL, 1},
    {"equal", "exponential, equal jitter", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_EQUAL, NULL, 1},
    {"full", "exponential, full jitter", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_FULL, NULL, 1},
    {"decorrelated", "decorrelated jitter", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_DECORRELATED, NULL,
     1},
    {"fixed", "always the same, no jitter", WEIR_GROW_FIXED, WEIR_JITTER_NONE, NULL, 0},
    {"linear", "linear, no jitter", WEIR_GROW_LINEAR, WEIR_JITTER_NONE, NULL, 0},
    {"percent", "exponential, +-20 %", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_PERCENT, NULL, 0},
    {"fibonacci", "fibonacci, no jitter", WEIR_GROW_FIBONACCI, WEIR_JITTER_NONE, NULL, 0},
    {"curl", "curl --retry: doubling, no jitter", 0, 0, laws_curl, 0},
    {"grpc", "gRPC: doubling, capped, then +-20 %", 0, 0, laws_grpc, 0},
    {"failsafe", "failsafe-go: doubling, capped, then +-25 %", 0, 0, laws_failsafe, 0},
    {"cenkalti", "cenkalti/backoff: x1.5, capped, then +-50 %", 0, 0, laws_cenkalti, 0},
    {"envoy", "Envoy: full jitter below b (2^n - 1)", 0, 0, laws_envoy, 0},
    {"tower", "tower: doubling, jitter 0.99, then capped", 0, 0, laws_tower, 0},
    {"resilience4j", "resilience4j: x1.5, +-50 %, then capped", 0, 0, laws_resilience4j, 0},
    {"polly", "Polly v8: decorrelated v2, then capped", 0, 0, laws_polly, 0},
    {"finagle", "Finagle: exponentialJittered", 0, 0, laws_finagle, 0},
    {"finagle-equal", "Finagle: equalJittered", 0, 0, laws_finagle_equal, 0},
    {"finagle-decorr", "Finagle: decorrelatedJittered", 0, 0, laws_finagle_decorr, 0},
};

enum { LAWS = sizeof laws / sizeof *laws };

const char *sim_law_name(size_t index)
{
    return index < LAWS ? laws[index].name : NULL;
}

const char *sim_law_what(size_t index)
{
    return index < LAWS ? laws[index].what : NULL;
}

/* --- by name ------------------------------------------------------------------------------- */

static const char *const laws_groups[] = {"aws", "weir", "libs", "all"};

/* Is law i meant by this word? */
static int laws_named(size_t i, const char *word)
{
    if (strcmp(word, laws[i].name) == 0 || strcmp(word, "all") == 0)
        return 1;
    if (strcmp(word, "aws") == 0)
        return laws[i].in_post;
    if (strcmp(word, "weir") == 0)
        return !laws[i].draw;
    return strcmp(word, "libs") == 0 && laws[i].draw;
}

static const char *laws_guess(const char *word)
{
    const char *names[LAWS + 5];
    size_t n = 0;

    for (; n < LAWS; n++)
        names[n] = laws[n].name;
    for (size_t i = 0; i < 4; i++)
        names[n++] = laws_groups[i];
    names[n] = NULL;
    return args_suggest(word, names);
}

int sim_law_list(const char *text, size_t out[SIM_LAWS_MAX], char bad[32], const char **guess)
{
    int n = 0, found;
    size_t length;

    for (;; text += length + 1) {
        length = strcspn(text, ",");
        memset(bad, 0, 32);
        memcpy(bad, text, length < 31 ? length : 31);
        found = 0;
        for (size_t i = 0; length < 31 && i < LAWS; i++) {
            int known = 0;
            if (!laws_named(i, bad))
                continue;
            found = 1;
            for (int k = 0; k < n; k++)
                known |= out[k] == i;
            if (!known)
                out[n++] = i;
        }
        if (!found) {
            *guess = laws_guess(bad);
            return -EINVAL;
        }
        if (!text[length])
            return n;
    }
}

/* --- drawing ------------------------------------------------------------------------------- */

int sim_rule_init(struct sim_rule *r, size_t law, weir_span base, weir_span cap)
{
    weir_span first = base;

    if (law >= LAWS || base < 1 || cap < base || cap > WEIR_MIN(1440))
        return -EINVAL;
    r->law = &laws[law];
    r->base = (double)base / 1e6;
    r->cap = (double)cap / 1e6;
    if (laws[law].draw)
        return 0;
    if (laws[law].jitter != WEIR_JITTER_DECORRELATED)
        first = 2 * base < cap ? 2 * base : cap;
    return weir_backoff_init(&r->weir, &(struct weir_backoff_opts){.base = first,
                                                                   .cap = cap,
                                                                   .grow = laws[law].grow,
                                                                   .jitter = laws[law].jitter});
}

double sim_rule_next(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng)
{
    if (!r->law->draw)
        return (double)weir_backoff_next(&r->weir, &s->weir, rng) / 1e6;
    s->n++;
    return r->law->draw(r, s, rng);
}
