/*
 * pool_world.h -- what the tests of pools share: a farm, whose objects are numbered, take
 * time to make and to look at, and are counted.
 */
#ifndef TESTS_STORE_POOL_WORLD_H
#define TESTS_STORE_POOL_WORLD_H

#include <errno.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

enum { MOST = 4096 };

static struct farm {
    int made, live, most, checked, creating;
    uint8_t gone[MOST];   /* destroyed, by number */
    int why[MOST];        /* for this reason */
    uint8_t sick[MOST];   /* a check finds it bad */
    weir_span dial, look; /* how long a create and a check take */
    int fails;            /* creates that fail from now on */
    int code;
} farm;

static inline int farm_create(void *ctx, void **object)
{
    int r;

    (void)ctx;
    farm.creating++;
    r = weir_sleep(weir_after(farm.dial));
    farm.creating--;
    if (r < 0)
        return r;
    if (farm.fails) {
        farm.fails--;
        return farm.code;
    }
    *object = (void *)(intptr_t)++farm.made;
    if (++farm.live > farm.most)
        farm.most = farm.live;
    return 0;
}

static inline int farm_check(void *ctx, void *object)
{
    int r = weir_sleep(weir_after(farm.look));

    (void)ctx;
    farm.checked++;
    EQ(farm.gone[(intptr_t)object], 0);
    return r < 0 ? r : farm.sick[(intptr_t)object] ? -EPIPE : 0;
}

static inline void farm_destroy(void *ctx, void *object, int why)
{
    intptr_t n = (intptr_t)object;

    (void)ctx;
    EQ(farm.gone[n], 0);
    OK(weir_sleep(weir_after(WEIR_MS(1))) == 0 || test_fault_hit()); /* whoever calls it */
    farm.gone[n] = 1;
    farm.why[n] = why;
    farm.live--;
}

static inline struct weir_pool_opts opts(uint32_t max)
{
    return (struct weir_pool_opts){
        .create = farm_create, .check = farm_check, .destroy = farm_destroy, .max = max};
}

static inline weir_pool *pool_of(struct weir_pool_opts o)
{
    memset(&farm, 0, sizeof farm);
    farm.code = -ECONNREFUSED;
    farm.dial = WEIR_MS(10);
    return weir_pool_new(&o);
}

/* total = idle + used + making, and total <= max. */
static inline struct weir_pool_stats look(weir_pool *p)
{
    struct weir_pool_stats s;

    EQ(weir_pool_stats(p, &s), 0);
    LE(s.idle + s.used + s.making, s.total);
    return s;
}

static inline void gone(weir_pool **p)
{
    weir_pool_free(p);
    OK(*p == NULL);
    EQ(farm.live, 0);
}

#endif
