/*
 * cache_lore.c -- what an entry is worth: the hits to come for the time it is kept.
 *
 * Keys of the same heat, that is used as often lately and not for the same
 * time, are taken for alike.  For each class and age the traffic tells how many
 * were asked for, and what is seen of the entries and of those who left tells
 * how many there were: their ratio is the chance to be asked for in the next
 * moment.  From these chances
 *
 *     worth = max over t of  P(asked for before t) / E(time until then, at most t)
 *
 * which is what keeping the entry for the best time t gives for the room
 * (Gittins, 1979; hit density: Beckmann, Chen, Cidon, 2018).  What is known
 * fades: a twentieth each time that as many requests have come as the index has
 * sixteenths of slots, or 128.
 *
 * Twelve bits of a hash tell who left: of keys that are all new one in 256 at most
 * is taken for another that comes back.  So where fewer than one request in 64
 * was for a key that is known, as in a scan, that teaches nothing, and what was
 * worth more stays so; before the first eviction it counts as 512 such requests.
 */
#include <string.h>

#include "store/cache.h"

enum { LORE_PARTS = 16, LORE_LEAST = 128, LORE_GHOSTS = 4096, LORE_THIN = 64 };

#define LORE_FADE 0.95f

/* --- its memory ---------------------------------------------------------------------- */

static void lore_forget(struct weir__cache_lore *l)
{
    weir__free(l->ghosts, l->ghost_sets * WEIR__GHOST_WAYS * sizeof *l->ghosts);
    l->ghosts = NULL;
    l->ghost_sets = 0;
}

/* Eight times as many as the index has slots; without memory they are forgotten. */
static void lore_fit(weir_cache *c)
{
    size_t ghosts = c->cap * 8 < LORE_GHOSTS ? LORE_GHOSTS : c->cap * 8;
    struct weir__cache_lore *l = c->lore;

    if (l->ghost_sets == ghosts / WEIR__GHOST_WAYS)
        return;
    lore_forget(l);
    l->ghosts = weir__alloc(ghosts * sizeof *l->ghosts);
    l->ghost_sets = l->ghosts ? ghosts / WEIR__GHOST_WAYS : 0;
}

void weir__cache_lore_free(weir_cache *c)
{
    if (c->lore)
        lore_forget(c->lore);
    weir__free(c->lore, sizeof *c->lore);
    c->lore = NULL;
}

uint32_t *weir__cache_ghosts(const weir_cache *c, uint64_t hash)
{
    const struct weir__cache_lore *l = c->lore;

    return l && l->ghosts ? l->ghosts + (hash >> 32 & (l->ghost_sets - 1)) * WEIR__GHOST_WAYS
                          : NULL;
}

/* --- worth ------------------------------------------------------------------------------ */

/* A stretch of ages: the chance to be asked for in it, the time spent in it, that chance's rest. */
struct lore_stretch {
    float asked, time, left;
};

/* The first age of a bucket. */
static float lore_age(int bucket)
{
    return bucket < 4 ? (float)bucket : (float)((uint64_t)(4 + bucket % 4) << (bucket / 4 - 1));
}

/* `rate` is that of the class below, and becomes that of this one. */
static struct lore_stretch lore_bucket(const weir_cache *c, int class, int age, float *rate)
{
    const struct weir__cache_lore *l = c->lore;
    float width = (lore_age(age + 1) - lore_age(age)) * (float)((uint64_t)1 << c->shift);
    /*
     * Half the index's size of keys like those of the class below: what little evidence
     * there is weighs little.
     */
    float few = (float)c->cap / 2, chance;

    *rate = (l->hits[class][age] + few * *rate) / (l->alive[class][age] + few);
    chance = *rate * width / (1 + *rate * width / 2);
    chance = chance < 1 ? chance : 1;
    return (struct lore_stretch){chance, width * (1 - chance / 2), 1 - chance};
}

/*
 * From the oldest age down: a stretch takes in what follows it as long as that gives
 * more for the time.
 */
static void lore_judge(weir_cache *c, int class, float *rates)
{
    struct lore_stretch s[WEIR__HEAT_AGES];
    int n = 0;

    for (int age = WEIR__HEAT_AGES - 1; age >= 0; age--) {
        struct lore_stretch now = lore_bucket(c, class, age, &rates[age]);

        for (; n && now.asked * s[n - 1].time <= s[n - 1].asked * now.time; n--) {
            now.asked += now.left * s[n - 1].asked;
            now.time += now.left * s[n - 1].time;
            now.left *= s[n - 1].left;
        }
        s[n++] = now;
        c->lore->worth[class][age] = now.asked / now.time;
    }
}

/* --- learning ----------------------------------------------------------------------------- */

/* The hits of the class, with those since the last time. */
static float lore_take_in(struct weir__cache_lore *l, int class)
{
    float sum = 0;

    for (int age = 0; age < WEIR__HEAT_AGES; age++) {
        l->hits[class][age] += (float)l->asked[class][age];
        sum += l->hits[class][age];
    }
    memset(l->asked[class], 0, sizeof l->asked[class]);
    return sum;
}

/* Whether the hits are more than keys that are taken for others. */
static bool lore_take_in_all(weir_cache *c)
{
    struct weir__cache_lore *l = c->lore;
    float sum = 0;

    for (int class = 0; class < WEIR__HEAT_CLASSES; class ++)
        sum += lore_take_in(l, class);
    l->requests += (float)(c->clock - l->learned);
    l->learned = c->clock;
    return sum * LORE_THIN >= l->requests;
}

static void lore_fade(struct weir__cache_lore *l, int class)
{
    for (int age = 0; age < WEIR__HEAT_AGES; age++) {
        l->hits[class][age] *= LORE_FADE;
        l->alive[class][age] *= LORE_FADE;
    }
}

static void lore_fade_all(struct weir__cache_lore *l)
{
    for (int class = 0; class < WEIR__HEAT_CLASSES; class ++)
        lore_fade(l, class);
    l->requests *= LORE_FADE;
}

void weir__cache_learn(weir_cache *c)
{
    float rates[WEIR__HEAT_AGES] = {0};
    uint64_t every = c->cap / LORE_PARTS < LORE_LEAST ? LORE_LEAST : c->cap / LORE_PARTS;

    if (!c->lore) {
        c->lore = weir__alloc(sizeof *c->lore);
        if (!c->lore)
            return;
        c->lore->learned = c->lore->evicted = c->clock;
        c->lore->requests = 4 * LORE_LEAST;
    }
    lore_fit(c);
    if (c->clock - c->lore->learned < every)
        return;
    if (lore_take_in_all(c))
        for (int class = 0; class < WEIR__HEAT_CLASSES; class ++)
            lore_judge(c, class, rates);
    lore_fade_all(c->lore);
}
