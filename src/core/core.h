/*
 * core.h -- what the files of the core share: fibers, cancel nodes, the loop.
 *
 * A fiber is READY (on the ready queue), RUNNING (loop->current), PARKED (on
 * whatever lists its waiters stand in) or DONE.  It leaves PARKED through
 * weir__wake only, and only once per park: whoever comes second (a timer, a
 * cancel, another channel of a select) finds it awake and passes on.  So a
 * waiter may stand in a list although its fiber is awake; the fiber removes it
 * when it runs, and others skip it.
 */
#ifndef WEIR__CORE_H
#define WEIR__CORE_H

#include <stdbool.h>
#include <weir/run.h>
#include <weir/scope.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/list.h"
#include "core/annotate.h"
#include "core/switch.h"

struct weir__loop;
struct weir__fiber;
struct weir__group;
struct weir__far;

/* What comes to a loop from elsewhere; it belongs to the loop until `fn` runs. */
struct weir__letter {
    struct weir__letter *next;
    void (*fn)(struct weir__letter *l); /* runs on the loop's stack */
    bool counted;                       /* between loops: until it is read nothing is still */
};

/* --- timers ------------------------------------------------------------ */

struct weir__timer {
    weir_time at;
    void (*fire)(struct weir__timer *t); /* on the loop's stack; may arm it again */
    uint32_t pos;                        /* 1 + its place in the heap; 0: not armed */
};

/* Arms or moves it; needs a loop.  0 or -ENOMEM. */
WEIR_API int weir__timer_arm(struct weir__timer *t, weir_time at);
WEIR_API void weir__timer_stop(struct weir__timer *t);

/* --- cancel nodes ------------------------------------------------------ */

/*
 * Scopes, limits and shields are nodes of one tree.  `why` is 0 or the reason;
 * it is handed down to all nodes below, except through a shield.
 */
enum weir__node_kind { WEIR__NODE_SCOPE, WEIR__NODE_LIMIT, WEIR__NODE_SHIELD };

struct weir__node {
    struct weir__node *parent;
    struct weir__list children, sibling;
    struct weir__fiber *owner; /* whose innermost node it is or was; NULL: a pen's */
    struct weir__timer timer;
    int why;
    uint8_t kind;
    bool expired;   /* its own deadline is the cause */
    bool inherited; /* the cause lies above */
};

void weir__node_init(struct weir__node *n, struct weir__node *parent, struct weir__fiber *owner,
                     enum weir__node_kind kind);
void weir__node_leave(struct weir__node *n);
void weir__node_cancel(struct weir__node *n, int why);
/* Arms the node's deadline; one that has passed cancels at once. */
int weir__node_deadline(struct weir__node *n, weir_time deadline);

/* --- fibers ------------------------------------------------------------ */

/*
 * On a loop that is alone and its own master a fiber parks as PARKED, and waking
 * it is a store and a push.  Where a wake has more to do (a host has to be told,
 * another thread may be waking it too) it parks as AWAITED, and weir__wake goes
 * round by weir__wake_awaited.
 */
enum weir__fiber_state { WEIR__READY, WEIR__RUNNING, WEIR__PARKED, WEIR__AWAITED, WEIR__DONE };
/* NEST: a struct weir__nest; LOCALS: a struct weir__locals */
enum { WEIR__SLOT_TRY, WEIR__SLOT_JOB, WEIR__SLOT_NEST, WEIR__SLOT_LOCALS, WEIR__SLOTS };

struct weir__waiter {
    struct weir__list link;
    struct weir__fiber *fiber;
    void *item;
    union {
        size_t size;
        uint32_t *lock; /* many loops, in a select: that of what it stands for */
    };
    uint32_t index;
};

/* Lives at the top of its own stack, so an idle fiber is one resident page. */
struct weir__fiber {
    void *sp;
    struct weir__fiber *next; /* ready queue, or free list */
    struct weir__node *node;  /* innermost */
    uint8_t state;
    bool shielded; /* the present park cannot be cancelled */
    bool placed;   /* many loops: it counts in its loop's `load` */
    uint8_t class;
    bool awaiting; /* it has opened its claim and not parked yet */
    int wake;
    struct weir__waiter *hit; /* the waiter that woke it, if one did */

    struct weir__loop *loop;
    weir_scope *scope; /* it was started in */
    struct weir__list member;
    int (*fn)(void *);
    void *arg;
    const void *site; /* where it was started: an address in the code that called weir_go */
    weir_chan *feeds, *drains;
    struct weir__timer timer;
    void *slots[WEIR__SLOTS];
    const char *waits; /* static text: "recv", "sleep" ...; valid while parked */
    const void *waits_on;
    weir_time since;
    char name[16];
    char *stack;
    size_t stack_size;
    void *tsan, *asan;
    unsigned valgrind;
    uint32_t claim;             /* many loops: 1 while it may be woken, and one can; atomic */
    struct weir__letter letter; /* the one who did, on another loop, tells it by this */
};

struct weir__heap_slot {
    weir_time at;
    uint64_t seq;
    struct weir__timer *timer;
};

struct weir__call {
    int (*fn)(void *);
    void *arg;
    struct weir__fiber *fiber;
};

enum { WEIR__CLASSES = 13, WEIR__TURN = WEIR_TURN };

struct weir__loop {
    struct weir__fiber *current;
    struct weir__fiber *ready_head, **ready_tail;
    uint32_t turn;         /* switches left before I/O and timers get their turn */
    uint32_t budget;       /* operations the running fiber has left before it must yield */
    weir_time now, turned; /* the idea of now; when this turn began */
    size_t live;           /* fibers that have not ended */
    uint64_t rng;
    bool sim;
    bool many;      /* one of several; never changes */
    uint8_t parked; /* how fibers park here: WEIR__PARKED or WEIR__AWAITED; never changes */
    bool resting;   /* hosted, and between two steps */

    struct weir__fiber root; /* the loop's own stack, never parked in a list */
    struct weir__call call;

    struct weir__heap_slot *heap;
    uint32_t heap_len, heap_cap;
    uint64_t heap_seq;

    struct weir__fiber *free[WEIR__CLASSES];
    struct weir__slab *slabs, *open[WEIR__CLASSES]; /* all; the one with room left */
    weir_scope *top;
    struct weir__list doors; /* open to other threads */

    uint64_t number;           /* from 1; no other loop of this process has or had it */
    struct weir__group *group; /* of many */
    uint32_t index;
    uint32_t holding; /* locks of objects; what is woken meanwhile waits for their end */
    struct weir__fiber *woken, **woken_tail;
    bool still;      /* asleep with nothing of its own to wake it */
    bool stopping;   /* of a helper: no more fibers will come */
    uint32_t load;   /* fibers placed here, those on their way included; atomic */
    uint32_t coming; /* those on their way; atomic */

    struct weir__poller *poller;   /* NULL until a descriptor is waited on */
    struct weir__inbox *inbox;     /* NULL until another thread may knock */
    struct weir__offload *offload; /* NULL until used */
    struct weir__watchdog *watchdog;
    struct weir__stackuse *stackuse; /* NULL if not asked for */
    void *signal_stack;              /* of the overflow handler; NULL if none */
    struct weir_config config;
    struct weir_alloc alloc_before; /* of this thread, when the loop came up */
    uint64_t turns;                 /* read by the watchdog's thread */
};

/* The first fiber of a loop. */
struct weir__main {
    int (*fn)(void *);
    void *arg;
    int result;
};

/* The build's `threads` option; false: what is there for several loops only folds away. */
#ifndef WEIR_THREADS
#define WEIR_THREADS 1
#endif

extern WEIR_API __thread struct weir__loop *weir__loop_here;
extern __thread struct weir__loop *weir__solo_here; /* the same if it is alone, else NULL */

static inline struct weir__loop *weir__loop_get(void)
{
    return weir__loop_here;
}

/* Whether it is one of several. */
static inline bool weir__many(const struct weir__loop *l)
{
    return WEIR_THREADS && l->many;
}

/* Atomic for the watchdog's eyes only. */
static inline void weir__current_set(struct weir__loop *l, struct weir__fiber *f)
{
    __atomic_store_n(&l->current, f, __ATOMIC_RELAXED);
}

/* The running fiber, or NULL off a fiber (also on the loop's own stack). */
static inline struct weir__fiber *weir__self(void)
{
    struct weir__loop *l = weir__loop_here;

    return WEIR__LIKELY(l && l->current != &l->root) ? l->current : NULL;
}

/*
 * Other loops may ask for the state of a fiber of many loops: it is never
 * PARKED, so they go round by the claim.
 */
static inline void weir__state_set(struct weir__fiber *f, uint8_t state)
{
    __atomic_store_n(&f->state, state, __ATOMIC_RELAXED);
}

/*
 * What belongs to one loop, that of its first use, keeps in a word which: 0
 * none yet, else 1 + the index.  0, or -EXDEV on any other loop.
 */
int weir__home_many(uint32_t *home);

static inline int weir__home(uint32_t *home)
{
    return !WEIR_THREADS || WEIR__LIKELY(weir__solo_here) ? 0 : weir__home_many(home);
}

int weir__loop_run(const struct weir_config *config, bool sim, uint64_t seed, int (*fn)(void *),
                   void *arg);
int weir__loop_configure(struct weir_config *c, const struct weir_config *given);
/* Makes it this thread's loop, with a scope to start fibers in; on failure nothing is left. */
int weir__loop_up(struct weir__loop *l, bool sim, uint64_t seed);
int weir__loop_main(struct weir__loop *l, struct weir__main *m);
/* Runs until no fiber is left. */
void weir__loop_drive(struct weir__loop *l);
/* One turn that never blocks; fibers may be ready after it. */
void weir__loop_pass(struct weir__loop *l);
int weir__loop_result(const struct weir__loop *l, const struct weir__main *m);
void weir__loop_down(struct weir__loop *l);
void weir__loop_idles(struct weir__loop *l, bool idle);

/* Of any loop, by any thread: whether it sleeps. */
static inline bool weir__loop_idle(const struct weir__loop *l)
{
    return __atomic_load_n(&l->turns, __ATOMIC_RELAXED) >> 63;
}

void weir__loop_deadlock(struct weir__loop *l);
/* All loops are still: the node to cancel, and whose it is. */
struct weir__node *weir__group_deadlock(struct weir__loop *const *loops, uint32_t n,
                                        struct weir__loop **owner);
/* Loops that are all still, into the log of `to`: a line for each scope, fiber and ring. */
void weir__dump_still(struct weir__loop *const *loops, uint32_t n, struct weir__loop *to);
void weir__log(struct weir__loop *l, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Makes a fiber in `s`; ready to run.  0 or -ENOMEM; the fiber counts in the
 * scope from here on.  A `site` of NULL is fn itself.
 */
int weir__fiber_start(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts,
                      const void *site);
/* Where a site is, as text: function + offset (file + offset), as far as that is known. */
enum { WEIR__SITE_TEXT = 128 };
const char *weir__site_text(char out_text[WEIR__SITE_TEXT], const void *site);
uint8_t weir__fiber_class(size_t stack); /* of a stack size, for weir__loop.free */
void weir__fiber_pools_free(struct weir__loop *l);
struct weir__fiber *weir__ready_pick(struct weir__loop *l);

static inline void weir__ready_push(struct weir__loop *l, struct weir__fiber *f)
{
    f->next = NULL;
    *l->ready_tail = f;
    l->ready_tail = &f->next;
}

static inline struct weir__fiber *weir__ready_pop(struct weir__loop *l)
{
    struct weir__fiber *f = l->ready_head;

    if (WEIR__UNLIKELY(l->sim))
        return weir__ready_pick(l);
    if (f && !(l->ready_head = f->next))
        l->ready_tail = &l->ready_head;
    return f;
}

/* From `me` to `to`; returns when somebody switches back. */
static inline __attribute__((always_inline)) void
weir__switch_to(struct weir__loop *l, struct weir__fiber *me, struct weir__fiber *to)
{
    weir__current_set(l, to);
    l->budget = WEIR__TURN;
    WEIR__TSAN_SWITCH(to->tsan);
    WEIR__ASAN_LEAVE(&me->asan, to->stack, to->stack_size);
    weir__switch(&me->sp, to->sp);
    WEIR__ASAN_ENTER(me->asan, NULL, NULL);
    weir__state_set(me, WEIR__RUNNING);
}

/* Gives the thread away.  The caller is already on whatever will wake it. */
static inline __attribute__((always_inline)) void weir__park(struct weir__loop *l,
                                                             struct weir__fiber *me)
{
    struct weir__fiber *to = &l->root;

    if (WEIR__LIKELY(l->ready_head && --l->turn))
        to = weir__ready_pop(l);
    if (WEIR__LIKELY(to != me))
        weir__switch_to(l, me, to);
    else
        weir__state_set(me, WEIR__RUNNING);
}

bool weir__wake_awaited(struct weir__fiber *f, int result, struct weir__waiter *hit);
bool weir__sleeps_awaited(const struct weir__fiber *f);

/* Whether the fiber sleeps and somebody may still wake it. */
static inline bool weir__sleeps(const struct weir__fiber *f)
{
    return __atomic_load_n(&f->state, __ATOMIC_RELAXED) == WEIR__PARKED || weir__sleeps_awaited(f);
}

/*
 * True if the fiber was parked and is ready now because of this call.  With
 * many loops: because this call won the claim; it runs when it is told.
 */
static inline bool weir__wake(struct weir__fiber *f, int result, struct weir__waiter *hit)
{
    if (WEIR__UNLIKELY(__atomic_load_n(&f->state, __ATOMIC_RELAXED) != WEIR__PARKED))
        return weir__wake_awaited(f, result, hit);
    f->state = WEIR__READY;
    f->wake = result;
    f->hit = hit;
    weir__ready_push(f->loop, f);
    return true;
}

/* What a wait has to see to when it is not simply for ever: 0, or why it must not park. */
int weir__wait_begin(struct weir__fiber *me, weir_time deadline);

/*
 * Many loops.  A fiber opens its claim before it shows a waiter to anybody;
 * whoever takes the claim, and nobody else, decides how the wait ends.  One
 * that has to give up takes its own, or else has been woken and parks for the
 * letter.  weir__wait opens it where the caller has not.
 */
void weir__claim_open(struct weir__fiber *me);
static inline bool weir__claim_take(struct weir__fiber *f)
{
    return __atomic_exchange_n(&f->claim, 0, __ATOMIC_ACQ_REL) == 1;
}
int weir__wait_many(struct weir__fiber *me, weir_time deadline, const char *what, const void *on);
int weir__wait_parked_many(struct weir__fiber *me, const char *what, const void *on);

/*
 * The lock of an object: nothing with one loop (NULL), and from the first
 * operation on with many.  Wakes between the two are told after the second.
 */
void weir__guard_take(struct weir__loop *l, uint32_t *lock);
void weir__guard_give(struct weir__loop *l, uint32_t *lock);

struct weir__loop *weir__guard_many(uint32_t *lock);

static inline struct weir__loop *weir__guard(uint32_t *lock)
{
    return !WEIR_THREADS || WEIR__LIKELY(weir__solo_here) ? NULL : weir__guard_many(lock);
}

static inline void weir__unguard(struct weir__loop *guard, uint32_t *lock)
{
    if (WEIR_THREADS && WEIR__UNLIKELY(guard))
        weir__guard_give(guard, lock);
}

/* On a loop that is alone. */
static inline __attribute__((always_inline)) int
weir__wait_parked_solo(struct weir__fiber *me, const char *what, const void *on)
{
    struct weir__loop *l = me->loop;

    me->state = l->parked;
    me->hit = NULL;
    me->waits = what;
    me->waits_on = on;
    me->since = l->now;
    weir__park(l, me);
    return me->wake;
}

/*
 * Parks the running fiber until weir__wake, the deadline (-ETIMEDOUT) or a
 * cancel (-ECANCELED); a deadline of 0 or one that has passed never parks
 * (-EAGAIN, -ETIMEDOUT).  The caller has put its waiters in lists and removes
 * them whatever the result.  `me->hit` is the waiter that woke it.  Inline, so
 * that the switch is one call below the public function: a return that was not
 * predicted costs more than all the rest.
 */
static inline __attribute__((always_inline)) int
weir__wait_solo(struct weir__fiber *me, weir_time deadline, const char *what, const void *on)
{
    if (WEIR__UNLIKELY(deadline != WEIR_NEVER || me->node->why || weir__fault.at)) {
        int r = weir__wait_begin(me, deadline);

        me->hit = NULL;
        if (r < 0)
            return r;
    }
    (void)weir__wait_parked_solo(me, what, on);
    if (WEIR__UNLIKELY(me->timer.pos))
        weir__timer_stop(&me->timer);
    return me->wake;
}

/* On any loop. */
static inline __attribute__((always_inline)) int
weir__wait(struct weir__fiber *me, weir_time deadline, const char *what, const void *on)
{
    if (WEIR__UNLIKELY(weir__many(me->loop)))
        return weir__wait_many(me, deadline, what, on);
    return weir__wait_solo(me, deadline, what, on);
}

/* The same, deaf to cancel and without a deadline. */
int weir__wait_shielded(struct weir__fiber *me, const char *what, const void *on);

/* 0, or -EINVAL for a span taken for an instant. */
static inline int weir__deadline_check(weir_time deadline)
{
    return WEIR_ARG(deadline >= WEIR_EPOCH || deadline == 0);
}

static inline void weir__waiter_init(struct weir__waiter *w, struct weir__fiber *f, void *item)
{
    weir__list_init(&w->link);
    w->fiber = f;
    w->item = item;
    w->size = 0;
    w->index = 0;
}

/* Wakes the first waiter of a list that still sleeps; the woken one, off the list, or NULL. */
static inline struct weir__waiter *weir__wake_first(struct weir__list *list, int result)
{
    while (!weir__list_empty(list)) {
        struct weir__waiter *w = WEIR__ENTRY(list->next, struct weir__waiter, link);

        weir__list_remove(&w->link);
        if (weir__wake(w->fiber, result, w))
            return w;
    }
    return NULL;
}

void weir__wake_all(struct weir__list *list, int result);

/* Lists inside public structs are two pointers, zero until first used. */
static inline struct weir__list *weir__list_of(void *words[2])
{
    struct weir__list *list = (struct weir__list *)(void *)words;

    if (!list->next)
        weir__list_init(list);
    return list;
}

/* Charges the running fiber one operation; yields when its share is used up. */
void weir__budget_spent(struct weir__loop *l);
static inline void weir__charge(struct weir__loop *l)
{
    if (WEIR__UNLIKELY(--l->budget == 0))
        weir__budget_spent(l);
}

void *weir__fiber_slot_get(int slot);
void weir__fiber_slot_set(int slot, void *value);

/* --- scopes ------------------------------------------------------------ */

struct weir_scope {
    struct weir__node node; /* first: a scope is a node */
    int poison;             /* the code of a poisoned handle */
    struct weir__list fibers, pens;
    struct weir__list fars; /* members that run on other loops; counted in `running` */
    struct weir__far *far;  /* it stands for a scope of another loop; NULL for all others */
    size_t running;
    size_t promised; /* places kept for those that have been woken to take them */
    struct weir_scope_opts opts;
    int first; /* the first cause */
    bool draining;
    bool plain;          /* not draining, and no limit or spread: weir_go just starts */
    uint8_t stack_class; /* of fibers started here */
    struct weir__list go_waiters, next_waiters, end_waiters, stop_waiters;
    struct weir__fiber *nexter; /* stands before all in next_waiters; or NULL */
    struct weir_done *done;
    size_t done_head, done_len, keeps; /* a ring of so many; SIZE_MAX: results are not kept */
    struct weir__loop *loop;
    struct weir__pen *pen; /* it is this pen's; NULL for a fiber's own */
    uint32_t joiners;      /* of a pen: the last one frees it */
};

weir_scope *weir__scope_new(struct weir__node *parent, struct weir__fiber *owner,
                            const struct weir_scope_opts *opts);
void weir__scope_destroy(weir_scope *s);
int weir__scope_admit(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts,
                      const void *site);
/* The same on the loop `to`; NULL: on the least busy one. */
int weir__scope_admit_on(struct weir__loop *to, weir_scope *s, int (*fn)(void *), void *arg,
                         const struct weir_go_opts *opts, const void *site);
void weir__scope_ended(weir_scope *s, struct weir__fiber *f, int result);
void weir__scope_far_ended(weir_scope *s, void *arg, int result);
void weir__scope_join(weir_scope *s, struct weir__fiber *me, const char *what);
/* Waits for fibers and pens. */
void weir__scope_empty(weir_scope *s, struct weir__fiber *me, const char *what);
/* Cancels and joins what was built in the scope and owns fibers. */
void weir__scope_pens_close(weir_scope *s, struct weir__fiber *me);
bool weir__scope_has_pens(const weir_scope *s);
/* Leaves whatever the fiber left open; WEIR_ELEAK if a scope was, else `result`. */
int weir__scope_unwind(struct weir__fiber *me, int result);

/* --- channel ends held by fibers --------------------------------------- */

void weir__chan_feeds(weir_chan *ch);
void weir__chan_fed(weir_chan *ch, int result);
void weir__chan_drains(weir_chan *ch);
void weir__chan_drained(weir_chan *ch);

/* --- descriptors ------------------------------------------------------- */

/*
 * Events on a descriptor for code that runs on the loop's stack.  `fn` may set
 * or delete any watch.  Level-triggered; registration is lazy: asking for no
 * events only records it.
 */
struct weir__watch {
    int fd;
    int events;
    void (*fn)(struct weir__watch *w, int events);
};

WEIR_API int weir__watch_set(struct weir__watch *w, int fd, int events);
WEIR_API void weir__watch_del(struct weir__watch *w);

/* Handles what is ready; waits until `until` at most if `block`.  How many fired. */
int weir__poller_poll(struct weir__loop *l, weir_time until, bool block);
/* Waiters and watches that something outside may wake. */
size_t weir__poller_pending(const struct weir__loop *l);
void weir__poller_free(struct weir__loop *l);
/* The descriptor that is readable when a hosted loop has something to do; negative errno. */
int weir__poller_host(struct weir__loop *l);
/* Makes it readable at the first timer, if there is one. */
void weir__poller_alarm(struct weir__loop *l);
/* As weir_fd_wait, for one who has just met EAGAIN: trusts the edge, saves a poll(2). */
int weir__fd_wait_edge(int fd, int events, weir_time deadline);

size_t weir__offload_pending(const struct weir__loop *l);
void weir__offload_free(struct weir__loop *l);

int weir__watchdog_start(struct weir__loop *l);
void weir__watchdog_stop(struct weir__loop *l);
int weir__overflow_catch(struct weir__loop *l);
void weir__overflow_release(struct weir__loop *l);

bool weir__timer_next(const struct weir__loop *l, weir_time *at);
void weir__timer_run(struct weir__loop *l);
void weir__timer_free(struct weir__loop *l);

#endif
