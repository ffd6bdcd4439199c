/*
 * scope.c -- where fibers are started, and where they are waited for.
 */
#include <string.h>
#include <weir/chan.h>

#include "core/core.h"
#include "core/door.h"
#include "core/group.h"
#include "core/pen.h"

/* --- making and freeing ------------------------------------------------ */

static struct weir_scope scope_poisons[] = {
    {.poison = -EINVAL}, {.poison = -ENOMEM}, {.poison = WEIR_ENOFIBER}};

static weir_scope *scope_poison(int code)
{
    for (size_t i = 1; i < sizeof scope_poisons / sizeof *scope_poisons; i++)
        if (scope_poisons[i].poison == code)
            return &scope_poisons[i];
    return &scope_poisons[0];
}

static size_t scope_done_bytes(const weir_scope *s)
{
    return s->opts.results * sizeof *s->done;
}

static weir_scope *scope_alloc(const struct weir_scope_opts *opts)
{
    weir_scope *s = weir__alloc(sizeof *s);

    if (!s)
        return NULL;
    s->opts = opts ? *opts : (struct weir_scope_opts){0};
    if (s->opts.results && !(s->done = weir__alloc(scope_done_bytes(s)))) {
        weir__free(s, sizeof *s);
        return NULL;
    }
    return s;
}

weir_scope *weir__scope_new(struct weir__node *parent, struct weir__fiber *owner,
                            const struct weir_scope_opts *opts)
{
    weir_scope *s = scope_alloc(opts);

    if (!s)
        return NULL;
    weir__node_init(&s->node, parent, owner, WEIR__NODE_SCOPE);
    weir__list_init(&s->fibers);
    weir__list_init(&s->fars);
    weir__list_init(&s->pens);
    weir__list_init(&s->go_waiters);
    weir__list_init(&s->next_waiters);
    weir__list_init(&s->end_waiters);
    weir__list_init(&s->stop_waiters);
    s->loop = weir__loop_get();
    s->plain = !s->opts.limit && !s->opts.spread;
    s->keeps = s->opts.results ? s->opts.results : SIZE_MAX;
    s->stack_class = weir__fiber_class(s->opts.stack ? s->opts.stack : s->loop->config.stack);
    return s;
}

void weir__scope_destroy(weir_scope *s)
{
    if (!s)
        return;
    weir__node_leave(&s->node);
    weir__wake_all(&s->stop_waiters, 1);
    weir__wake_all(&s->go_waiters, -ECANCELED);
    weir__free(s->done, scope_done_bytes(s));
    weir__free(s, sizeof *s);
}

static int scope_opts_check(const struct weir_scope_opts *o)
{
    if (!o)
        return 0;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    if (weir__deadline_check(o->deadline) < 0 || o->stack > 64 << 20)
        return -EINVAL;
    if (o->results > 1 << 24 || (unsigned)o->on_error > WEIR_KEEP || o->spread > 1)
        return -EINVAL;
    return 0;
}

weir_scope *weir_scope_open(const struct weir_scope_opts *opts)
{
    struct weir__fiber *me = weir__self();
    weir_scope *s;

    if (!me)
        return scope_poison(WEIR_ENOFIBER);
    if (scope_opts_check(opts) < 0)
        return scope_poison(-EINVAL);
    s = weir__scope_new(me->node, me, opts);
    if (!s)
        return scope_poison(-ENOMEM);
    if (opts && opts->deadline && weir__node_deadline(&s->node, opts->deadline) < 0) {
        weir__scope_destroy(s);
        return scope_poison(-ENOMEM);
    }
    me->node = &s->node;
    return s;
}

/* --- starting ---------------------------------------------------------- */

/* Whoever stands in weir_scope_next longest: `nexter`, then the list. */
static inline bool scope_wake_next(weir_scope *s)
{
    struct weir__fiber *f = s->nexter;

    s->nexter = NULL;
    if (WEIR__LIKELY(f && weir__wake(f, 0, NULL)))
        return true;
    return weir__wake_first(&s->next_waiters, 0) != NULL;
}

static __attribute__((noinline)) void scope_wake_nexts(weir_scope *s)
{
    while (scope_wake_next(s))
        ;
}

static inline void scope_emptied(weir_scope *s)
{
    if (!weir__list_empty(&s->end_waiters))
        weir__wake_all(&s->end_waiters, 0);
    if (WEIR__UNLIKELY(s->nexter || !weir__list_empty(&s->next_waiters)))
        scope_wake_nexts(s);
}

static bool scope_full(const weir_scope *s)
{
    return s->opts.limit && s->running + s->promised >= s->opts.limit;
}

/* Hands a free place to the first that waits for one; nobody can take it in between. */
static void scope_pass_room(weir_scope *s)
{
    if (!scope_full(s) && weir__wake_first(&s->go_waiters, 1))
        s->promised++;
}

static int scope_wait_room(weir_scope *s, struct weir__fiber *me)
{
    struct weir__waiter w;
    int r;

    if (!me)
        return WEIR_ENOFIBER;
    weir__waiter_init(&w, me, NULL);
    weir__list_append(&s->go_waiters, &w.link);
    r = weir__wait(me, WEIR_NEVER, "go", s);
    weir__list_remove(&w.link);
    return r;
}

/* Why nothing more starts here, or 0. */
static int scope_refuses(const weir_scope *s)
{
    if (s->node.why || s->draining)
        return -ECANCELED;
    return s->done_len + s->running >= s->keeps ? -EAGAIN : 0;
}

static int scope_start_on(struct weir__loop *to, weir_scope *s, int (*fn)(void *), void *arg,
                          const struct weir_go_opts *opts, const void *site)
{
    return to == s->loop ? weir__fiber_start(s, fn, arg, opts, site)
                         : weir__far_start(to, s, fn, arg, opts, site);
}

/* Where it is chosen last, the choice is the newest. */
static int scope_place(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts,
                       const void *site)
{
    struct weir__loop *to = weir__group_pick(s->loop, WEIR_ANY_LOOP);
    int r = scope_start_on(to, s, fn, arg, opts, site);

    if (r == 0 && to == s->loop && weir__many(to)) { /* what goes elsewhere is counted by far.c */
        WEIR__ENTRY(s->fibers.prev, struct weir__fiber, member)->placed = true;
        __atomic_add_fetch(&to->load, 1, __ATOMIC_RELAXED);
    }
    return r;
}

__attribute__((noinline)) int weir__scope_admit_on(struct weir__loop *to, weir_scope *s,
                                                   int (*fn)(void *), void *arg,
                                                   const struct weir_go_opts *opts,
                                                   const void *site)
{
    int r = scope_refuses(s);

    if (r == 0 && scope_full(s)) {
        r = scope_wait_room(s, weir__self());
        if (r < 0)
            return r;
        s->promised--;
        r = scope_refuses(s);
    }
    if (r == 0)
        r = to ? scope_start_on(to, s, fn, arg, opts, site) : scope_place(s, fn, arg, opts, site);
    if (r < 0) {
        scope_pass_room(s);
        if (!s->running && !s->promised)
            scope_emptied(s);
    }
    return r;
}

int weir__scope_admit(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts,
                      const void *site)
{
    if (WEIR__LIKELY(!s->node.why && s->plain && s->done_len + s->running < s->keeps))
        return weir__fiber_start(s, fn, arg, opts, site);
    return weir__scope_admit_on(s->opts.spread ? NULL : s->loop, s, fn, arg, opts, site);
}

/* A scope is used on its own loop only; what is sent there by others goes by letter. */
static int scope_here(const weir_scope *s)
{
    const struct weir__loop *l = weir__loop_get();

    if (s->poison)
        return s->poison;
    return s->loop == l ? 0 : l ? -EXDEV : WEIR_ENOFIBER;
}

static int scope_go_check(const weir_scope *s, int (*fn)(void *))
{
    return WEIR_ARG(s && fn) < 0 ? -EINVAL : scope_here(s);
}

static int scope_go_opts_check(const struct weir_go_opts *opts)
{
    int r = 0;

    if (opts &&
        (opts->reserved[0] || opts->reserved[1] || opts->reserved[2] || opts->stack > 64 << 20))
        return -EINVAL;
    if (opts && opts->feeds && (r = weir_chan_error(opts->feeds)) < 0)
        return r;
    if (opts && opts->drains && (r = weir_chan_error(opts->drains)) < 0)
        return r;
    return 0;
}

int weir_go_with(weir_scope *s, int (*fn)(void *), void *arg, const struct weir_go_opts *opts)
{
    int r = scope_go_check(s, fn);

    if (r == 0)
        r = scope_go_opts_check(opts);
    return r < 0 ? r : weir__scope_admit(s, fn, arg, opts, __builtin_return_address(0));
}

int weir_go_on(weir_scope *s, int loop, int (*fn)(void *), void *arg,
               const struct weir_go_opts *opts)
{
    int r = scope_go_check(s, fn);
    struct weir__loop *to;

    if (r == 0)
        r = scope_go_opts_check(opts);
    if (r < 0)
        return r;
    to = weir__group_pick(s->loop, loop);
    if (!to)
        return -EINVAL;
    return weir__scope_admit_on(loop == WEIR_ANY_LOOP ? NULL : to, s, fn, arg, opts,
                                __builtin_return_address(0));
}

int weir_go(weir_scope *s, int (*fn)(void *), void *arg)
{
    int r = scope_go_check(s, fn);

    return r < 0 ? r : weir__scope_admit(s, fn, arg, NULL, __builtin_return_address(0));
}

/* --- ending ------------------------------------------------------------ */

static inline void scope_keep_result(weir_scope *s, void *arg, int result)
{
    size_t at = s->done_head + s->done_len++;

    if (at >= s->keeps)
        at -= s->keeps;
    s->done[at] = (struct weir_done){result, arg};
    scope_wake_next(s);
}

/* A failure.  A -ECANCELED of a scope that has been cancelled is an echo, not a cause. */
static __attribute__((noinline)) void scope_note(weir_scope *s, int result)
{
    if (result == -ECANCELED && s->node.why)
        return;
    if (!s->first && !s->node.why)
        s->first = result;
    if (s->opts.on_error == WEIR_FAIL_FAST)
        weir__node_cancel(&s->node, result);
}

static inline void scope_member_ended(weir_scope *s, void *arg, int result)
{
    s->running--;
    if (WEIR__UNLIKELY(result < 0))
        scope_note(s, result);
    if (s->opts.results)
        scope_keep_result(s, arg, result);
    if (WEIR__UNLIKELY(!weir__list_empty(&s->go_waiters)))
        scope_pass_room(s);
    if (s->running == 0 && s->promised == 0)
        scope_emptied(s);
}

void weir__scope_far_ended(weir_scope *s, void *arg, int result)
{
    scope_member_ended(s, arg, result);
}

static __attribute__((noinline, cold)) void scope_placed_ended(weir_scope *s, struct weir__fiber *f,
                                                               int result)
{
    if (s->far) {
        weir__far_ended(s->far, f, result);
        return;
    }
    __atomic_sub_fetch(&s->loop->load, 1, __ATOMIC_RELAXED);
    weir__scope_far_ended(s, f->arg, result);
}

void weir__scope_ended(weir_scope *s, struct weir__fiber *f, int result)
{
    weir__list_remove(&f->member);
    if (WEIR_THREADS && WEIR__UNLIKELY(f->placed || s->far))
        scope_placed_ended(s, f, result);
    else
        scope_member_ended(s, f->arg, result);
}

/* Word by word: a wide load of what has just been stored in narrow ones would wait for them. */
static void scope_take_result(weir_scope *s, struct weir_done *out)
{
    const struct weir_done *d = &s->done[s->done_head];

    out->result = d->result;
    out->arg = d->arg;
    if (++s->done_head == s->keeps)
        s->done_head = 0;
    s->done_len--;
}

static __attribute__((noinline)) int scope_next_behind(weir_scope *s, struct weir__fiber *me,
                                                       weir_time deadline)
{
    struct weir__waiter w;
    int r;

    weir__waiter_init(&w, me, NULL);
    weir__list_append(&s->next_waiters, &w.link);
    r = weir__wait(me, deadline, "scope_next", s);
    weir__list_remove(&w.link);
    return r;
}

/* One fiber, as a rule, stands here: it needs no waiter. */
static inline __attribute__((always_inline)) int
scope_next_stand(weir_scope *s, struct weir__fiber *me, weir_time deadline)
{
    int r;

    if (WEIR__UNLIKELY(s->nexter || !weir__list_empty(&s->next_waiters)))
        return scope_next_behind(s, me, deadline);
    s->nexter = me;
    r = weir__wait(me, deadline, "scope_next", s);
    if (s->nexter == me)
        s->nexter = NULL;
    return r;
}

enum { SCOPE_AGAIN = 2 };

/* SCOPE_AGAIN: it has been woken, and another took the result. */
static inline __attribute__((always_inline)) int
scope_next_once(weir_scope *s, struct weir__fiber *me, struct weir_done *out, weir_time deadline)
{
    int r;

    if (WEIR__UNLIKELY(!s->done_len)) {
        if (!s->running)
            return 0;
        if (!me)
            return WEIR_ENOFIBER;
        r = scope_next_stand(s, me, deadline);
        if (WEIR__UNLIKELY(!s->done_len))
            return r < 0 ? r : SCOPE_AGAIN;
    }
    scope_take_result(s, out);
    return 1;
}

static __attribute__((noinline)) int scope_next_more(weir_scope *s, struct weir__fiber *me,
                                                     struct weir_done *out, weir_time deadline)
{
    int r;

    while ((r = scope_next_once(s, me, out, deadline)) == SCOPE_AGAIN)
        ;
    return r;
}

int weir_scope_next(weir_scope *s, struct weir_done *out, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    int r;

    if (!s || !out || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (s->poison || !s->opts.results)
        return s->poison ? s->poison : -EINVAL;
    if (me && me->loop != s->loop)
        return -EXDEV;
    r = scope_next_once(s, me, out, deadline);
    return WEIR__LIKELY(r != SCOPE_AGAIN) ? r : scope_next_more(s, me, out, deadline);
}

int weir_scope_cancel(weir_scope *s, int why)
{
    if (!s || why >= 0)
        return -EINVAL;
    if (s->poison)
        return s->poison;
    if (weir__outside())
        return weir__outside_scope_cancel(s, why);
    if (s->loop != weir__loop_get())
        return scope_here(s);
    weir__node_cancel(&s->node, why);
    return 0;
}

int weir_scope_error(const weir_scope *s)
{
    return s ? s->poison : -EINVAL;
}

int weir_scope_why(const weir_scope *s)
{
    return !s ? -EINVAL : s->poison ? s->poison : s->node.why;
}

size_t weir_scope_running(const weir_scope *s)
{
    return s && !s->poison ? s->running : 0;
}
