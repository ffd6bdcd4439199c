/*
 * flights_world.h -- what the tests of singleflight share: loads of a number that are
 * counted, and callers that know what they should get.
 */
#ifndef TESTS_CALL_FLIGHTS_WORLD_H
#define TESTS_CALL_FLIGHTS_WORLD_H

#include <weir/singleflight.h>

#include "core/world.h"

struct world {
    weir_flights *set;
    weir_span takes;
    int fail; /* what loads return; 0: success */
    int loads, ended, running, most;
    int cancelled;       /* loads that were cut */
    int key;             /* for callers */
    int want, got_value; /* of callers: what they should get; how many did */
    int got_error, got_cancel;
    int code; /* the last error */
};

static inline int load_number(void *ctx, const void *key, size_t len, void *out)
{
    struct world *w = ctx;
    int number, r;

    EQ(len, sizeof number);
    memcpy(&number, key, sizeof number);
    w->loads++;
    if (++w->running > w->most)
        w->most = w->running;
    r = weir_sleep(weir_after(w->takes));
    w->running--;
    w->ended++;
    if (r < 0)
        w->cancelled++;
    if (r < 0 || w->fail)
        return r < 0 ? r : w->fail;
    *(int *)out = number * 10;
    return 0;
}

static inline weir_flights *numbers(struct world *w)
{
    return weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_number, .ctx = w});
}

static inline int ask(struct world *w, int key)
{
    int value = -7, r = weir_flights_run(w->set, &key, sizeof key, &value, sizeof value);

    if (r >= 0) {
        EQ(value, key * 10);
        w->got_value++;
    } else {
        EQ(value, -7); /* not written */
        w->code = r;
        if (r == -ECANCELED)
            w->got_cancel++;
        else
            w->got_error++;
    }
    return r;
}

static inline int asker(void *arg)
{
    struct world *w = arg;
    (void)ask(w, w->key);
    return 0;
}

struct numbered {
    struct world *w;
    int key;
};

static inline int asker_of(void *arg)
{
    struct numbered *n = arg;
    (void)ask(n->w, n->key);
    return 0;
}

#endif
