/*
 * fiber.c -- the life of a fiber, from stack to free list.
 *
 *     weir_go -> READY -> RUNNING <-> PARKED
 *                            |
 *                            v
 *                          DONE -> its stack, still warm, waits for the next
 *
 * weir__ready_push, weir__switch_to, weir__wait and weir__wake are the only
 * ones that change the state.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/group.h"
#include "core/inbox.h"
#include "core/local.h"
#include "core/lock.h"
#include "core/stackuse.h"
#include "sys/clock.h"
#include "sys/pages.h"

/* --- stacks ------------------------------------------------------------ */

enum { FIBER_STACK_LEAST = 16 << 10, FIBER_SLAB_FIRST = 16, FIBER_SLAB_MOST = 1024 };
enum { FIBER_SHIFTS = 8, FIBER_SHIFT = 192 };

struct weir__slab {
    struct weir__slab *next;
    char *base;
    size_t size, count, used; /* bytes a stack; stacks; those that have been taken once */
};

uint8_t weir__fiber_class(size_t size)
{
    uint8_t c = 0;

    while (((size_t)FIBER_STACK_LEAST << c) < size)
        c++;
    return c;
}

/* Slabs double, so that one fiber costs little and a million few mappings. */
static struct weir__slab *fiber_slab_add(struct weir__loop *l, int class)
{
    struct weir__slab *before = l->open[class], *slab = weir__alloc(sizeof *slab);

    if (!slab)
        return NULL;
    slab->size = (size_t)FIBER_STACK_LEAST << class;
    slab->count = before ? before->count * 2 : FIBER_SLAB_FIRST;
    if (slab->count > FIBER_SLAB_MOST)
        slab->count = FIBER_SLAB_MOST;
    if (slab->size > 1 << 20)
        slab->count = 1;
    slab->base = weir__pages_slab(slab->size, slab->count);
    if (!slab->base) {
        weir__free(slab, sizeof *slab);
        return NULL;
    }
    slab->next = l->slabs;
    return l->slabs = l->open[class] = slab;
}

/*
 * The record of the i-th stack, on its first page: taking it is what makes the
 * page resident.  Neighbours are shifted against each other, or the records of
 * all fibers would share the few cache lines that one page offset maps to.
 */
static struct weir__fiber *fiber_record(const struct weir__slab *slab, size_t i)
{
    size_t record = (sizeof(struct weir__fiber) + 63) & ~(size_t)63;
    size_t shift = i % FIBER_SHIFTS * FIBER_SHIFT;

    return (void *)(slab->base + (i + 1) * slab->size - shift - record);
}

static void fiber_told(struct weir__letter *letter);
static void fiber_timeout(struct weir__timer *t);
static void fiber_entry(void);

static struct weir__fiber *fiber_carve(struct weir__loop *l, struct weir__slab *slab, int class)
{
    struct weir__fiber *f = fiber_record(slab, slab->used);

    f->stack = slab->base + slab->used++ * slab->size + WEIR__PAGE;
    f->stack_size = (size_t)((char *)f - f->stack);
    f->class = (uint8_t) class;
    f->loop = l;
    f->sp = weir__switch_prepare(f, fiber_entry);
    f->timer = (struct weir__timer){.fire = fiber_timeout};
    f->letter = (struct weir__letter){.fn = fiber_told, .counted = true};
    f->tsan = WEIR__TSAN_NEW();
    f->valgrind = WEIR__VG_REGISTER(f->stack, (char *)f);
    return f;
}

static struct weir__fiber *fiber_take_new(struct weir__loop *l, int class)
{
    struct weir__slab *slab = l->open[class];

    if (!slab || slab->used == slab->count)
        slab = fiber_slab_add(l, class);
    return slab ? fiber_carve(l, slab, class) : NULL;
}

static struct weir__fiber *fiber_take(struct weir__loop *l, int class)
{
    struct weir__fiber *f = l->free[class];

    if (!f)
        return fiber_take_new(l, class);
    l->free[class] = f->next;
    return f;
}

static void fiber_slab_free(struct weir__slab *slab)
{
    for (size_t i = 0; i < slab->used; i++) {
        struct weir__fiber *f = fiber_record(slab, i);

        WEIR__TSAN_FREE(f->tsan);
        WEIR__VG_DEREGISTER(f->valgrind);
    }
    WEIR__ASAN_CLEAR(slab->base, slab->size * slab->count);
    weir__pages_free(slab->base, slab->size, slab->count);
    weir__free(slab, sizeof *slab);
}

void weir__fiber_pools_free(struct weir__loop *l)
{
    for (struct weir__slab *s = l->slabs, *next; s; s = next) {
        next = s->next;
        fiber_slab_free(s);
    }
    l->slabs = NULL;
}

/* --- start and end ----------------------------------------------------- */

static __attribute__((noinline, cold)) void fiber_locals_leave(struct weir__fiber *me)
{
    struct weir__locals *t = me->slots[WEIR__SLOT_LOCALS];

    me->slots[WEIR__SLOT_LOCALS] = NULL; /* a `drop` finds none */
    weir__locals_leave(t);
}

static __attribute__((noinline)) void fiber_ends_leave(struct weir__fiber *me, int result)
{
    if (me->feeds)
        weir__chan_fed(me->feeds, result);
    if (me->drains)
        weir__chan_drained(me->drains);
    me->feeds = me->drains = NULL;
}

/* One life after another: who takes the stack again finds it here, behind the switch. */
static void fiber_entry(void)
{
    struct weir__loop *l = weir__loop_get();
    struct weir__fiber *me = l->current, *to;
    weir_scope *scope;
    int r;

    WEIR__OUTERMOST();
    for (;;) {
        scope = me->scope;
        WEIR__ASAN_ENTER(NULL, NULL, NULL);
        weir__state_set(me, WEIR__RUNNING);
        r = me->fn(me->arg);
        if (WEIR__UNLIKELY(me->node != &scope->node))
            r = weir__scope_unwind(me, r);
        if (WEIR__UNLIKELY(me->slots[WEIR__SLOT_LOCALS] != NULL))
            fiber_locals_leave(me);
        if (WEIR__UNLIKELY(l->stackuse != NULL))
            weir__stackuse_note(l, me);
        if (WEIR__UNLIKELY(me->feeds || me->drains))
            fiber_ends_leave(me, r);
        weir__state_set(me, WEIR__DONE);
        weir__scope_ended(scope, me, r);
        l->live--;
        me->next = l->free[me->class]; /* used again only after the switch below */
        l->free[me->class] = me;
        to = WEIR__LIKELY(l->ready_head && --l->turn) ? weir__ready_pop(l) : &l->root;
        weir__current_set(l, to);
        l->budget = WEIR__TURN;
        WEIR__TSAN_SWITCH(to->tsan);
        WEIR__ASAN_LEAVE(NULL, to->stack, to->stack_size);
        weir__switch(&me->sp, to->sp);
    }
}

static void fiber_timeout(struct weir__timer *t)
{
    weir__wake(WEIR__ENTRY(t, struct weir__fiber, timer), -ETIMEDOUT, NULL);
}

static void fiber_name(struct weir__fiber *f, const char *name)
{
    size_t n = strnlen(name, sizeof f->name - 1);

    memcpy(f->name, name, n);
    f->name[n] = '\0';
}

/*
 * What the one before left in the record.  Its timer is stopped, the ends of its channels it has
 * let go itself.
 */
static inline void fiber_prepare(struct weir__fiber *f, weir_scope *s, int (*fn)(void *), void *arg,
                                 const void *site)
{
    f->node = &s->node;
    f->scope = s;
    f->fn = fn;
    f->arg = arg;
    f->site = site ? site : (const void *)fn;
    weir__state_set(f, WEIR__READY);
    f->shielded = f->placed = false;
    f->name[0] = '\0';
    f->waits = NULL;
    memset(f->slots, 0, sizeof f->slots);
    WEIR__ASAN_CLEAR(f->stack, f->stack_size);
    if (WEIR__ASAN) /* the last frame went with its fake stack */
        f->sp = weir__switch_prepare(f, fiber_entry);
}

static inline void fiber_join_scope(struct weir__loop *l, weir_scope *s, struct weir__fiber *f)
{
    weir__list_append(&s->fibers, &f->member);
    s->running++;
    l->live++;
    weir__ready_push(l, f);
}

static void fiber_options(struct weir__fiber *f, const struct weir_go_opts *opts)
{
    if (opts->name)
        fiber_name(f, opts->name);
    if ((f->feeds = opts->feeds))
        weir__chan_feeds(f->feeds);
    if ((f->drains = opts->drains))
        weir__chan_drains(f->drains);
}

/* All but the common case. */
static __attribute__((noinline)) int fiber_start_odd(weir_scope *s, int (*fn)(void *), void *arg,
                                                     const struct weir_go_opts *opts,
                                                     const void *site)
{
    struct weir__loop *l = s->loop;
    struct weir__fiber *f =
        fiber_take(l, opts && opts->stack ? weir__fiber_class(opts->stack) : s->stack_class);

    if (!f)
        return -ENOMEM;
    if (l->stackuse) {
        weir__stackuse_clean(f);
        f->sp = weir__switch_prepare(f, fiber_entry);
    }
    fiber_prepare(f, s, fn, arg, site);
    weir__locals_inherit(f, l);
    if (opts)
        fiber_options(f, opts);
    fiber_join_scope(l, s, f);
    if (l->resting)
        weir__inbox_ring(l);
    return 0;
}

/* The common case, a stack that is warm and nothing to be said about it, calls nothing. */
int weir__fiber_start(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts,
                      const void *site)
{
    struct weir__loop *l = s->loop;
    struct weir__fiber *f = l->free[s->stack_class];

    if (WEIR__UNLIKELY(opts || !f || l->stackuse || l->resting ||
                       l->current->slots[WEIR__SLOT_LOCALS]))
        return fiber_start_odd(s, fn, arg, opts, site);
    l->free[s->stack_class] = f->next;
    fiber_prepare(f, s, fn, arg, site);
    fiber_join_scope(l, s, f);
    return 0;
}

/* --- parking ----------------------------------------------------------- */

/*
 * In a simulation any of the first eight in the queue may be next.  Picking
 * where they leave, not where they join, lets nobody be passed for ever.
 */
struct weir__fiber *weir__ready_pick(struct weir__loop *l)
{
    struct weir__fiber **at = &l->ready_head, *f = *at;
    uint64_t n = 0;

    for (; f && n < 8; f = f->next)
        n++;
    if (n == 0)
        return NULL;
    l->rng = l->rng * 6364136223846793005u + 1442695040888963407u;
    for (n = (l->rng >> 33) % n; n; n--)
        at = &(*at)->next;
    f = *at;
    *at = f->next;
    if (!f->next)
        l->ready_tail = at;
    return f;
}

/* An injected fault at a suspension point: the fiber's scope is cancelled, as a user would. */
static bool fiber_fault(struct weir__fiber *me)
{
    if (!weir__fault_point(WEIR__FAULT_SUSPEND))
        return false;
    weir__node_cancel(&me->scope->node, -ECANCELED);
    return true;
}

int weir__wait_begin(struct weir__fiber *me, weir_time deadline)
{
    if (fiber_fault(me) || me->node->why)
        return -ECANCELED;
    if (deadline <= me->loop->now)
        return deadline ? -ETIMEDOUT : -EAGAIN;
    return weir__timer_arm(&me->timer, deadline);
}

int weir__wait_shielded(struct weir__fiber *me, const char *what, const void *on)
{
    int r;

    me->shielded = true;
    r = weir__many(me->loop) ? weir__wait_parked_many(me, what, on)
                             : weir__wait_parked_solo(me, what, on);
    me->shielded = false;
    return r;
}

/* --- many loops -------------------------------------------------------- */

void weir__claim_open(struct weir__fiber *me)
{
    me->hit = NULL;
    me->awaiting = true;
    __atomic_store_n(&me->claim, 1, __ATOMIC_RELEASE);
}

int weir__wait_parked_many(struct weir__fiber *me, const char *what, const void *on)
{
    if (!me->awaiting)
        weir__claim_open(me);
    me->awaiting = false;
    weir__state_set(me, WEIR__AWAITED);
    me->waits = what;
    me->waits_on = on;
    me->since = me->loop->now;
    weir__park(me->loop, me);
    return me->wake;
}

int weir__wait_many(struct weir__fiber *me, weir_time deadline, const char *what, const void *on)
{
    if (!me->awaiting)
        weir__claim_open(me);
    if (deadline != WEIR_NEVER || me->node->why || weir__fault.at) {
        int r = weir__wait_begin(me, deadline);

        if (r < 0 && weir__claim_take(me)) {
            me->awaiting = false;
            return r;
        }
    }
    (void)weir__wait_parked_many(me, what, on);
    weir__timer_stop(&me->timer);
    return me->wake;
}

/* On its own loop. */
static void fiber_told(struct weir__letter *letter)
{
    struct weir__fiber *f = WEIR__ENTRY(letter, struct weir__fiber, letter);

    weir__state_set(f, WEIR__READY);
    weir__ready_push(f->loop, f);
}

static void fiber_tell(struct weir__loop *here, struct weir__fiber *f)
{
    if (f->loop == here)
        fiber_told(&f->letter);
    else
        weir__group_post(f->loop, &f->letter);
}

/* The claim has been won: nothing else touches the fiber until it is told. */
static void fiber_claimed(struct weir__fiber *f)
{
    struct weir__loop *here = weir__loop_get();

    if (!here->holding) {
        fiber_tell(here, f);
        return;
    }
    f->next = NULL;
    *here->woken_tail = f;
    here->woken_tail = &f->next;
}

void weir__guard_take(struct weir__loop *l, uint32_t *lock)
{
    weir__lock_take(lock);
    l->holding++;
}

/* Off all loops there is nobody to guard against, or it is the caller's mistake. */
struct weir__loop *weir__guard_many(uint32_t *lock)
{
    struct weir__loop *l = weir__loop_get();

    if (!l || !weir__many(l))
        return NULL;
    weir__guard_take(l, lock);
    return l;
}

void weir__guard_give(struct weir__loop *l, uint32_t *lock)
{
    struct weir__fiber *f = l->woken;

    weir__lock_give(lock);
    if (--l->holding || !f)
        return;
    l->woken = NULL;
    l->woken_tail = &l->woken;
    while (f) {
        struct weir__fiber *next = f->next; /* telling it uses `next` again */

        fiber_tell(l, f);
        f = next;
    }
}

bool weir__sleeps_awaited(const struct weir__fiber *f)
{
    if (weir__many(f->loop))
        return __atomic_load_n(&f->claim, __ATOMIC_RELAXED) != 0;
    return f->state == WEIR__AWAITED;
}

bool weir__wake_awaited(struct weir__fiber *f, int result, struct weir__waiter *hit)
{
    struct weir__loop *l = f->loop;

    if (weir__many(l)) {
        if (!weir__claim_take(f))
            return false;
        f->wake = result;
        f->hit = hit;
        fiber_claimed(f);
        return true;
    }
    if (f->state != WEIR__AWAITED)
        return false;
    weir__state_set(f, WEIR__READY);
    f->wake = result;
    f->hit = hit;
    weir__ready_push(l, f);
    if (l->resting)
        weir__inbox_ring(l);
    return true;
}

void weir__wake_all(struct weir__list *list, int result)
{
    while (weir__wake_first(list, result))
        ;
}

static inline __attribute__((always_inline)) void fiber_requeue(struct weir__loop *l,
                                                                struct weir__fiber *me)
{
    weir__state_set(me, WEIR__READY);
    weir__ready_push(l, me);
    weir__park(l, me);
}

void weir__budget_spent(struct weir__loop *l)
{
    struct weir__fiber *me = l->current;

    l->budget = WEIR__TURN;
    if (me != &l->root)
        fiber_requeue(l, me);
}

/* --- what a fiber can do by itself ------------------------------------- */

int weir_yield(void)
{
    struct weir__fiber *me = weir__self();

    if (!me)
        return WEIR_ENOFIBER;
    fiber_requeue(me->loop, me);
    return me->node->why ? -ECANCELED : 0;
}

/* A turn that has lasted long ends here, whatever is left of it: timers and descriptors wait. */
static void fiber_look_at_clock(struct weir__loop *l)
{
    l->now = weir__clock_now();
    if (l->now - l->turned >= WEIR_MS(1))
        l->turn = l->budget = 1;
}

int weir_checkpoint(void)
{
    struct weir__fiber *me = weir__self();

    if (!me)
        return WEIR_ENOFIBER;
    if (!me->loop->sim)
        fiber_look_at_clock(me->loop);
    weir__charge(me->loop);
    return me->node->why ? -ECANCELED : 0;
}

int weir_sleep(weir_time until)
{
    struct weir__fiber *me = weir__self();
    int r;

    if (weir__deadline_check(until) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    if (until <= me->loop->now) /* still a turn for the others, and a look at the cancel */
        return weir_yield();
    r = weir__wait(me, until, "sleep", NULL);
    return r == -ETIMEDOUT ? 0 : r;
}

void weir_name(const char *name)
{
    struct weir__fiber *me = weir__self();

    if (me && name)
        fiber_name(me, name);
}

void *weir__fiber_slot_get(int slot)
{
    struct weir__fiber *me = weir__self();

    return me ? me->slots[slot] : NULL;
}

void weir__fiber_slot_set(int slot, void *value)
{
    struct weir__fiber *me = weir__self();

    if (me)
        me->slots[slot] = value;
}

weir_time weir_now(void)
{
    struct weir__loop *l = weir__loop_get();

    return l && !l->resting ? l->now : weir__clock_now();
}

weir_time weir_after(weir_span span)
{
    weir_time now = weir_now();

    if (span <= 0)
        return now;
    return span > WEIR_NEVER - now ? WEIR_NEVER : now + span;
}
