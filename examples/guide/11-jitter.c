/*
 * 11-jitter.c -- backoff with a part of chance, so that those who failed
 * together do not come back together (the guide's code example 11).
 *
 * The laws are pure: time and chance are arguments, so a seed gives the same
 * waits on every machine.  No wait is ever longer than the cap, and none is
 * rounded to nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

enum { DRAWS = 9, CLIENTS = 1000, SLOTS = 50 };

static int draw(const char *name, enum weir_grow grow, enum weir_jitter jitter)
{
    struct weir_backoff law;
    struct weir_backoff_state state = {0};
    struct weir_rng rng;
    int r = weir_backoff_init(
        &law, &(struct weir_backoff_opts){
                  .base = WEIR_MS(500), .cap = WEIR_S(30), .grow = grow, .jitter = jitter});

    weir_rng_init(&rng, 1, 0);
    printf("%-13s", name);
    for (int i = 0; i < DRAWS && r == 0; i++)
        printf(" %6.3f", (double)weir_backoff_next(&law, &state, &rng) / 1e9);
    puts(" s");
    return r;
}

static int draw_all(void)
{
    static const struct {
        const char *name;
        enum weir_grow grow;
        enum weir_jitter jitter;
    } laws[] = {
        {"immediate", WEIR_GROW_NONE, WEIR_JITTER_NONE},
        {"fixed", WEIR_GROW_FIXED, WEIR_JITTER_NONE},
        {"exponential", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_NONE},
        {"full", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_FULL},
        {"equal", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_EQUAL},
        {"decorrelated", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_DECORRELATED},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof laws / sizeof *laws && r == 0; i++)
        r = draw(laws[i].name, laws[i].grow, laws[i].jitter);
    return r;
}

/* Waits of less than a millisecond stay what they are. */
static int small_waits(void)
{
    struct weir_backoff law;
    struct weir_backoff_state state = {0};
    struct weir_rng rng;
    int zero = 0, r;

    r = weir_backoff_init(&law,
                          &(struct weir_backoff_opts){.base = WEIR_US(400), .cap = WEIR_US(900)});
    weir_rng_init(&rng, 2, 0);
    for (int i = 0; i < 1000 && r == 0; i++)
        zero += weir_backoff_next(&law, &state, &rng) == 0;
    printf("of 1000 waits up to 900 us %d are nothing\n", zero);
    return r;
}

struct herd {
    weir_policy *policy;
    weir_time start;
    int slot[SLOTS]; /* second tries, by 10 ms */
};

static int client_try(void *arg)
{
    struct herd *h = arg;

    if (weir_try_info().attempt == 1)
        return -ECONNREFUSED; /* the service is just restarting: all of them fail at once */
    h->slot[(weir_now() - h->start) / WEIR_MS(10) % SLOTS]++;
    return 0;
}

static int client(void *arg)
{
    return weir_call(((struct herd *)arg)->policy, client_try, arg);
}

/* How many of a thousand clients are back within the same 10 ms. */
static int stampede(const char *name, enum weir_jitter jitter)
{
    struct herd h = {.policy = WEIR_POLICY(WEIR_RETRY(.base = WEIR_MS(400), .jitter = jitter)),
                     .start = weir_now()};
    weir_scope *s = weir_scope_open(NULL);
    int most = 0, r = 0, r_close;

    weir_policy_seed(h.policy, 3);
    for (int i = 0; i < CLIENTS && r == 0; i++)
        r = weir_go(s, client, &h);
    r_close = weir_scope_close(&s);
    for (int i = 0; i < SLOTS; i++)
        most = h.slot[i] > most ? h.slot[i] : most;
    printf("%s: up to %d of %d come back within 10 ms\n", name, most, CLIENTS);
    weir_policy_free(&h.policy);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    int r;

    (void)arg;
    if ((r = draw_all()) < 0 || (r = small_waits()) < 0 ||
        (r = stampede("without jitter", WEIR_JITTER_NONE)) < 0)
        return r;
    return stampede("with full jitter", WEIR_JITTER_FULL);
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "jitter: %s\n", weir_strerror(r));
    return r < 0;
}
