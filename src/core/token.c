/*
 * token.c -- a tree of reasons.  A token that is cancelled wakes who waits for
 * it, cancels the limits of what runs under it, and goes on below.
 */
#include <weir/token.h>

#include "core/select.h"

_Static_assert(sizeof(struct weir__timer) <= sizeof(((struct weir_token *)NULL)->timer),
               "a token has room for its timer");

/* A limit round what runs under a token. */
struct token_run {
    struct weir__list link;
    struct weir__node node;
};

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

static void token_fire(struct weir_token *t, int why)
{
    struct weir__list *runs = weir__list_of(t->runs);

    t->why = why;
    weir__timer_stop(token_timer(t));
    weir__waiters_wake_all(t->waiters, why);
    for (struct weir__list *i = runs->next; i != runs; i = i->next) {
        struct token_run *run = WEIR__ENTRY(i, struct token_run, link);

        if (!run->node.why)
            weir__node_cancel(&run->node, why);
    }
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

int weir_token_cancel(struct weir_token *top, int why)
{
    if (!top || why >= 0)
        return -EINVAL;
    for (struct weir_token *t = top; t;) {
        bool reached = !t->why; /* else what is below has its reason too */

        if (reached)
            token_fire(t, why);
        t = token_following(top, t, reached);
    }
    return 0;
}

static void token_expire(struct weir__timer *timer)
{
    (void)weir_token_cancel(WEIR__ENTRY(timer, struct weir_token, timer), -ETIMEDOUT);
}

int weir_token_init(struct weir_token *t, struct weir_token *parent, weir_time deadline)
{
    struct weir__loop *l = weir__loop_get();
    int r = 0;

    if (!t)
        return -EINVAL;
    *t = (struct weir_token){0};
    weir__list_init(token_link(t));
    token_timer(t)->fire = token_expire;
    if (weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (deadline != WEIR_NEVER && !l)
        return WEIR_ENOFIBER;
    t->why = parent ? parent->why : 0;
    if (!t->why && deadline != WEIR_NEVER && deadline <= l->now)
        t->why = -ETIMEDOUT;
    else if (!t->why && deadline != WEIR_NEVER)
        r = weir__timer_arm(token_timer(t), deadline);
    if (r == 0 && parent) {
        t->parent = parent;
        weir__list_append(weir__list_of(parent->children), token_link(t));
    }
    return r;
}

void weir_token_fini(struct weir_token *t)
{
    struct weir__list *children, *runs;

    if (!t)
        return;
    children = weir__list_of(t->children);
    runs = weir__list_of(t->runs);
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
}

int weir_token_why(const struct weir_token *t)
{
    return t ? t->why : -EINVAL;
}

int weir_token_wait(struct weir_token *t, weir_time deadline)
{
    struct weir__waiter w;
    int r;

    if (!t || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    weir__waiters_charge();
    if (t->why)
        return 0;
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, NULL);
    r = weir__waiters_stand(t->waiters, &w, deadline, "token_wait");
    /* A reason may be any number: that it came through the queue is what tells. */
    return r != WEIR_ENOFIBER && r != WEIR_ECLOSED && weir__self()->hit == &w ? 0 : r;
}

int weir_token_run(struct weir_token *t, int (*fn)(void *), void *arg)
{
    struct weir__fiber *me = weir__self();
    struct token_run run;
    struct weir__node *outer;
    int r;

    if (!t || !fn)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    if (t->why)
        return t->why;
    outer = me->node;
    weir__node_init(&run.node, outer, me, WEIR__NODE_LIMIT);
    weir__list_init(&run.link);
    weir__list_append(weir__list_of(t->runs), &run.link);
    me->node = &run.node;
    r = fn(arg);
    weir__check(me->node == &run.node); /* else a scope or a limit was left open */
    weir__list_remove(&run.link);
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

static void **token_queue(void *object)
{
    return ((struct weir_token *)object)->waiters;
}

const struct weir__select_kind weir__select_token = {token_case, token_look, token_queue};
