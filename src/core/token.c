/*
 * token.c -- a tree of reasons.  A token that is cancelled wakes who waits for
 * it, cancels the limits of what runs under it, and goes on below.
 *
 * With many loops one lock of the group guards all trees: a token may have its
 * relatives anywhere.  What runs on another loop is cancelled there, by a letter
 * in its record, and does not return before that has been read.  A deadline is
 * armed where the token was made, and so the token has to end there.
 */
#include <weir/token.h>

#include "core/door.h"
#include "core/group.h"
#include "core/select.h"

_Static_assert(sizeof(struct weir__timer) <= sizeof(((struct weir_token *)NULL)->timer),
               "a token has room for its timer");

/* A limit round what runs under a token. */
struct token_run {
    struct weir__letter letter; /* first: to its loop, when it is cancelled elsewhere */
    struct weir__list link;
    struct weir__node node;
    struct weir__fiber *fiber;
    int why;
    bool sent;          /* under the lock */
    bool read, awaited; /* its loop's */
};

static uint32_t *token_lock(void *object)
{
    struct weir__loop *l = weir__loop_get();

    (void)object;
    return l && weir__many(l) ? &l->group->tokens : NULL;
}

static struct weir__loop *token_guard(void)
{
    uint32_t *lock = token_lock(NULL);

    return WEIR__UNLIKELY(lock) ? weir__guard(lock) : NULL;
}

static void token_unguard(struct weir__loop *g)
{
    if (WEIR__UNLIKELY(g))
        weir__unguard(g, &g->group->tokens);
}

static void token_why_set(struct weir_token *t, int why)
{
    __atomic_store_n(&t->why, why, __ATOMIC_RELAXED);
}

static struct weir__timer *token_timer(struct weir_token *t)
{
    return (struct weir__timer *)(void *)t->timer;
}

static struct weir__list *token_link(struct weir_token *t)
{
    return (struct weir__list *)(void *)t->link;
}

static struct weir_token *token_of(struct weir__list *link)
{
    return WEIR__ENTRY(link, struct weir_token, link);
}

/* Whether its timer, if it has one, is this loop's. */
static bool token_here(const struct weir_token *t)
{
    const struct weir__loop *l = weir__loop_get();

    return !t->home || !l || !l->many || t->home == l->index + 1;
}

static void token_run_cancel(struct token_run *run, int why)
{
    if (run->fiber->loop == weir__loop_get()) {
        if (!run->node.why)
            weir__node_cancel(&run->node, why);
    } else if (!run->sent) {
        run->sent = true;
        run->why = why;
        weir__group_post(run->fiber->loop, &run->letter);
    }
}

static void token_fire(struct weir_token *t, int why)
{
    struct weir__list *runs = weir__list_of(t->runs);

    token_why_set(t, why);
    if (token_here(t))
        weir__timer_stop(token_timer(t));
    weir__waiters_wake_all(t->waiters, why);
    for (struct weir__list *i = runs->next; i != runs; i = i->next)
        token_run_cancel(WEIR__ENTRY(i, struct token_run, link), why);
}

/* The next of the subtree of `top` in pre-order; NULL at its end. */
static struct weir_token *token_following(struct weir_token *top, struct weir_token *t, bool down)
{
    struct weir__list *children = weir__list_of(t->children);

    if (down && !weir__list_empty(children))
        return token_of(children->next);
    while (t != top && token_link(t)->next == weir__list_of(t->parent->children))
        t = t->parent;
    return t == top ? NULL : token_of(token_link(t)->next);
}

static void token_cancel_now(struct weir_token *top, int why)
{
    for (struct weir_token *t = top; t;) {
        bool reached = !t->why; /* else what is below has its reason too */

        if (reached)
            token_fire(t, why);
        t = token_following(top, t, reached);
    }
}

int weir_token_cancel(struct weir_token *t, int why)
{
    struct weir__loop *g;

    if (!t || why >= 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_token, .op = WEIR__OUT_CLOSE, .object = t, .code = why});
    g = token_guard();
    token_cancel_now(t, why);
    token_unguard(g);
    return 0;
}

static void token_expire(struct weir__timer *timer)
{
    (void)weir_token_cancel(WEIR__ENTRY(timer, struct weir_token, timer), -ETIMEDOUT);
}

/* --- making and ending ----------------------------------------------------- */

static int token_arm(struct weir_token *t, struct weir__loop *l, weir_time deadline)
{
    if (deadline <= l->now) {
        t->why = -ETIMEDOUT;
        return 0;
    }
    t->home = l->index + 1;
    return weir__timer_arm(token_timer(t), deadline);
}

static int token_grow(struct weir_token *t, struct weir_token *parent, weir_time deadline)
{
    int r = 0;

    t->why = parent ? parent->why : 0;
    if (!t->why && deadline != WEIR_NEVER)
        r = token_arm(t, weir__loop_get(), deadline);
    if (r == 0 && parent) {
        t->parent = parent;
        weir__list_append(weir__list_of(parent->children), token_link(t));
    }
    return r;
}

int weir_token_init(struct weir_token *t, struct weir_token *parent, weir_time deadline)
{
    struct weir__loop *g;
    int r;

    if (!t)
        return -EINVAL;
    *t = (struct weir_token){0};
    weir__list_init(token_link(t));
    token_timer(t)->fire = token_expire;
    if (weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_token, WEIR__OUT_INIT, t, parent, 0, deadline);
    if (deadline != WEIR_NEVER && !weir__loop_get())
        return WEIR_ENOFIBER;
    g = token_guard();
    r = token_grow(t, parent, deadline);
    token_unguard(g);
    return r;
}

static void token_end(struct weir_token *t)
{
    struct weir__list *children = weir__list_of(t->children), *runs = weir__list_of(t->runs);

    weir__timer_stop(token_timer(t));
    weir__waiters_wake_all(t->waiters, WEIR_ECLOSED);
    while (!weir__list_empty(runs))
        weir__list_remove(runs->next);
    while (!weir__list_empty(children)) {
        struct weir_token *c = token_of(children->next);

        weir__list_remove(token_link(c));
        c->parent = t->parent;
        if (c->parent)
            weir__list_append(weir__list_of(c->parent->children), token_link(c));
    }
    weir__list_remove(token_link(t));
    t->parent = NULL;
    t->home = 0;
}

int weir_token_fini(struct weir_token *t)
{
    struct weir__loop *g;
    int r;

    if (!t)
        return 0;
    if (weir__outside())
        return weir__out_call(weir__out_token, WEIR__OUT_FINI, t, NULL, 0, 0);
    g = token_guard();
    r = token_here(t) ? 0 : -EXDEV;
    if (r == 0)
        token_end(t);
    token_unguard(g);
    return r;
}

int weir_token_why(const struct weir_token *t)
{
    return t ? __atomic_load_n(&t->why, __ATOMIC_RELAXED) : -EINVAL;
}

/* --- waiting and running ------------------------------------------------------ */

/* A reason may be any number: that it came through the queue is what tells. */
static int token_stand(struct weir_token *t, weir_time deadline, struct weir__loop *g)
{
    struct weir__waiter w;
    bool served = false;
    int r;

    weir__waiter_init(&w, NULL, NULL);
    if (!g) {
        r = weir__waiters_stand(t->waiters, &w, deadline, "token_wait");
        return r != WEIR_ENOFIBER && r != WEIR_ECLOSED && weir__self()->hit == &w ? 0 : r;
    }
    r = weir__waiters_stand_many(t->waiters, &w, deadline, "token_wait", g, token_lock(NULL),
                                 &served);
    if (!served)
        token_unguard(g);
    return served && r != WEIR_ECLOSED ? 0 : r;
}

int weir_token_wait(struct weir_token *t, weir_time deadline)
{
    struct weir__loop *g;
    int r;

    if (!t || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_token, WEIR__OUT_WAIT, t, NULL, 0, deadline);
    weir__waiters_charge();
    g = token_guard();
    r = t->why ? 0 : -EAGAIN;
    if (r < 0 && deadline != 0)
        return token_stand(t, deadline, g);
    token_unguard(g);
    return r;
}

/* On the loop of what runs. */
static void token_letter_read(struct weir__letter *letter)
{
    struct token_run *run = WEIR__ENTRY(letter, struct token_run, letter);

    if (!run->node.why)
        weir__node_cancel(&run->node, run->why);
    run->read = true;
    if (run->awaited)
        (void)weir__wake(run->fiber, 0, NULL);
}

/* 0, or the reason: then it is not entered. */
static int token_run_enter(struct token_run *run, struct weir_token *t, struct weir__fiber *me)
{
    struct weir__loop *g = token_guard();
    int r = t->why;

    if (r == 0) {
        run->letter = (struct weir__letter){.fn = token_letter_read, .counted = true};
        run->fiber = me;
        run->sent = run->read = run->awaited = false;
        weir__list_init(&run->link);
        weir__list_append(weir__list_of(t->runs), &run->link);
        weir__node_init(&run->node, me->node, me, WEIR__NODE_LIMIT);
        me->node = &run->node;
    }
    token_unguard(g);
    return r;
}

static void token_run_leave(struct token_run *run, struct weir__fiber *me)
{
    struct weir__loop *g = token_guard();

    weir__list_remove(&run->link); /* from here on nobody writes */
    token_unguard(g);
    run->awaited = true;
    while (run->sent && !run->read)
        weir__wait_shielded(me, "token", run);
}

int weir_token_run(struct weir_token *t, int (*fn)(void *), void *arg)
{
    struct weir__fiber *me = weir__self();
    struct token_run run;
    struct weir__node *outer;
    int r;

    if (!t || !fn)
        return -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_token, .op = WEIR__OUT_RUN, .object = t, .fn = fn, .item = arg});
    if (!me)
        return WEIR_ENOFIBER;
    outer = me->node;
    r = token_run_enter(&run, t, me);
    if (r < 0)
        return r;
    r = fn(arg);
    weir__check(me->node == &run.node); /* else a scope or a limit was left open */
    token_run_leave(&run, me);
    me->node = outer;
    weir__node_leave(&run.node);
    return r == -ECANCELED && run.node.why && !outer->why ? run.node.why : r;
}

/* --- select ---------------------------------------------------------------- */

static int token_case(const struct weir_select *c)
{
    (void)c;
    return 0;
}

static int token_look(void *object, void *item)
{
    const struct weir_token *t = object;

    (void)item;
    return t->why ? t->why : WEIR__CHAN_PARK;
}

static bool token_ready(const void *object)
{
    return ((const struct weir_token *)object)->why;
}

static void **token_queue(void *object)
{
    return ((struct weir_token *)object)->waiters;
}

const struct weir__select_kind weir__select_token = {token_case,  token_look, token_ready,
                                                     token_queue, token_lock, false};
