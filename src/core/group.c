/*
 * group.c -- the threads of weir_config.loops, and when all of them are still.
 */
#include "core/group.h"

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

#include "core/inbox.h"

struct weir__helper {
    struct weir__loop loop;
    struct weir__letter stop;
    pthread_t thread;
    sem_t up;
    int result; /* of coming up */
};

/* --- letters and stillness --------------------------------------------- */

void weir__group_post(struct weir__loop *to, struct weir__letter *letter)
{
    __atomic_add_fetch(&to->group->stir, 1, __ATOMIC_RELAXED);
    weir__inbox_post(to, letter);
}

void weir__group_read(struct weir__loop *l)
{
    __atomic_sub_fetch(&l->group->stir, 1, __ATOMIC_RELEASE);
}

void weir__group_stir(struct weir__loop *l)
{
    if (!l->still)
        return;
    l->still = false;
    __atomic_add_fetch(&l->group->stir, 1, __ATOMIC_RELAXED);
}

/* On the stuck node's own loop. */
static void group_cut(struct weir__letter *letter)
{
    struct weir__group *g = WEIR__ENTRY(letter, struct weir__group, cut);

    weir__node_cancel(g->stuck, WEIR_EDEADLOCK);
}

/*
 * All are still but this one, which has just found that out: it may read what
 * belongs to the others.  One that wakes by mistake meanwhile touches no fiber.
 */
static void group_deadlock(struct weir__loop *l)
{
    struct weir__group *g = l->group;
    struct weir__loop *owner;

    if (__atomic_load_n(&g->stir, __ATOMIC_ACQUIRE) != 1)
        return; /* another has woken, and will look again */
    g->stuck = weir__group_deadlock(g->loops, g->count, &owner);
    if (owner == l)
        group_cut(&g->cut);
    else
        weir__group_post(owner, &g->cut);
}

void weir__group_sleep(struct weir__loop *l)
{
    l->still = true;
    if (__atomic_sub_fetch(&l->group->stir, 1, __ATOMIC_ACQ_REL) == 0) {
        weir__group_stir(l);
        group_deadlock(l);
        return;
    }
    weir__inbox_sleep(l, WEIR_NEVER);
    weir__group_stir(l);
}

/* --- placement --------------------------------------------------------- */

/* The fibers placed there; a loop that is awake, or soon will be, comes after all that sleep. */
static uint64_t group_load(const struct weir__loop *l)
{
    bool sleeps = !__atomic_load_n(&l->coming, __ATOMIC_ACQUIRE) && weir__loop_idle(l);

    return __atomic_load_n(&l->load, __ATOMIC_RELAXED) + (sleeps ? 0 : (uint64_t)1 << 32);
}

/* The least busy; of equals another than this one, which is busy. */
static struct weir__loop *group_idlest(struct weir__loop *here)
{
    struct weir__group *g = here->group;
    struct weir__loop *best = here;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 1; i <= g->count; i++) {
        struct weir__loop *l = g->loops[(here->index + i) % g->count];
        uint64_t load = group_load(l);

        if (load < least) {
            least = load;
            best = l;
        }
    }
    return best;
}

struct weir__loop *weir__group_pick(struct weir__loop *here, int index)
{
    if (!here->many)
        return index == 0 || index == WEIR_ANY_LOOP ? here : NULL;
    if (index == WEIR_ANY_LOOP)
        return group_idlest(here);
    return index >= 0 && (uint32_t)index < here->group->count ? here->group->loops[index] : NULL;
}

struct weir__loop *weir__group_beyond(struct weir__loop *here, int n)
{
    if (!here->many || n == 0)
        return here;
    if (n == WEIR_ANY_LOOP)
        return group_idlest(here);
    return here->group->loops[(here->index + (uint32_t)n) % here->group->count];
}

int weir_loops(void)
{
    const struct weir__loop *l = weir__loop_get();

    return !l ? WEIR_ENOFIBER : l->many ? (int)l->group->count : 1;
}

int weir_loop_index(void)
{
    const struct weir__loop *l = weir__loop_get();

    return l ? (int)l->index : WEIR_ENOFIBER;
}

int weir__home_many(uint32_t *home)
{
    const struct weir__loop *l = weir__loop_get();
    uint32_t mine, had = 0;

    if (!l || !l->many)
        return 0;
    mine = l->index + 1;
    if (__atomic_compare_exchange_n(home, &had, mine, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return 0;
    return had == mine ? 0 : -EXDEV;
}

/* --- threads ----------------------------------------------------------- */

static int group_loop_up(struct weir__loop *l, struct weir__group *g, uint32_t index)
{
    int r;

    l->many = true;
    l->group = g;
    l->index = index;
    l->woken_tail = &l->woken;
    g->loops[index] = l;
    r = weir__loop_up(l, false, 0);
    if (r < 0)
        return r;
    l->parked = WEIR__AWAITED;
    r = weir__inbox_open(l);
    if (r < 0)
        weir__loop_down(l);
    return r;
}

static void group_stop(struct weir__letter *letter)
{
    WEIR__ENTRY(letter, struct weir__helper, stop)->loop.stopping = true;
}

static void *group_help(void *arg)
{
    struct weir__helper *h = arg;

    h->result = group_loop_up(&h->loop, h->loop.group, h->loop.index);
    if (h->result < 0) {
        sem_post(&h->up);
        return NULL;
    }
    sem_post(&h->up);
    weir__loop_drive(&h->loop);
    pthread_barrier_wait(&h->loop.group->quiet);
    weir__loop_down(&h->loop);
    return NULL;
}

static int group_helper_start(struct weir__group *g, uint32_t index,
                              const struct weir_config *config)
{
    struct weir__helper *h = &g->helpers[index - 1];
    sigset_t all, before;
    char name[16];
    int r;

    h->loop.config = *config;
    h->loop.group = g;
    h->loop.index = index;
    h->stop = (struct weir__letter){.fn = group_stop, .counted = true};
    sem_init(&h->up, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's own threads */
    r = -pthread_create(&h->thread, NULL, group_help, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0) {
        snprintf(name, sizeof name, "weir/%u", index);
        pthread_setname_np(h->thread, name);
        while (sem_wait(&h->up) < 0)
            ;
        r = h->result;
        if (r < 0)
            pthread_join(h->thread, NULL);
    }
    sem_destroy(&h->up);
    return r;
}

/*
 * Ends the loops 1 .. n.  Who posts a letter looks at the inbox once more after
 * it may have been read, so none is freed before all are past their last.
 */
static void group_helpers_end(struct weir__group *g, uint32_t n)
{
    pthread_barrier_init(&g->quiet, NULL, n + 1);
    for (uint32_t i = 0; i < n; i++)
        weir__group_post(&g->helpers[i].loop, &g->helpers[i].stop);
    pthread_barrier_wait(&g->quiet);
    for (uint32_t i = 0; i < n; i++)
        pthread_join(g->helpers[i].thread, NULL);
    pthread_barrier_destroy(&g->quiet);
}

/* Until the first fiber has ended; with loop 0 up. */
static int group_main(struct weir__group *g, struct weir__loop *first, struct weir__main *m)
{
    uint32_t up = 1;
    int r = 0;

    while (up < g->count && r == 0)
        if ((r = group_helper_start(g, up, &first->config)) == 0)
            up++;
    if (r == 0)
        r = weir__loop_main(first, m);
    if (r == 0) {
        weir__loop_drive(first);
        r = weir__loop_result(first, m);
    }
    group_helpers_end(g, up - 1);
    return r;
}

/* The tables come from the runtime's allocator, and go before it does. */
static int group_tables(struct weir__group *g, uint32_t count)
{
    g->count = g->stir = count;
    g->cut = (struct weir__letter){.fn = group_cut, .counted = true};
    g->loops = weir__alloc(count * sizeof *g->loops);
    g->helpers = weir__alloc((count - 1) * sizeof *g->helpers);
    return g->loops && g->helpers ? 0 : -ENOMEM;
}

static void group_tables_free(struct weir__group *g)
{
    weir__free(g->loops, g->count * sizeof *g->loops);
    weir__free(g->helpers, (g->count - 1) * sizeof *g->helpers);
}

int weir__group_run(const struct weir_config *config, struct weir__main *m)
{
    struct weir_alloc before = weir__alloc_use(&config->alloc);
    struct weir__group g = {0};
    struct weir__loop first = {.config = *config};
    int r = group_tables(&g, config->loops);

    if (r == 0)
        r = group_loop_up(&first, &g, 0);
    if (r == 0) {
        r = group_main(&g, &first, m);
        weir__loop_down(&first);
    }
    group_tables_free(&g);
    weir__alloc_use(&before);
    return r;
}
