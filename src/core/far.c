/*
 * far.c -- a member of a scope that runs on another loop.
 *
 *     home                               the other loop
 *     counts it, posts `start`     ->    a scope of its own under the top, one fiber in it
 *     drained: posts `drain`       ->    says so to who waits for a stop there
 *     cancelled: posts `cancel`    ->    cancels that scope; nothing if the fiber has ended
 *     books the result             <-    the fiber has ended: frees the scope, posts `back`
 *
 * `start` comes before the others, for an inbox keeps the order.  The record is
 * freed by the last of: `back` read, `drain` read, `cancel` read.
 */
#include <string.h>

#include "core/group.h"
#include "core/inbox.h"
#include "core/local.h"

struct weir__far {
    struct weir__letter start, drain, cancel, back;
    struct weir__list link; /* home's */
    weir_scope *home;
    struct weir__loop *to;
    bool drained, cancelled; /* home's: `drain`, `cancel` has been posted */
    int why;
    weir_scope *scope; /* the other loop's; NULL once it has ended */
    int (*fn)(void *);
    void *arg;
    struct weir_go_opts opts;
    struct weir__locals *locals; /* until the fiber has them */
    const void *site;
    char name[16];
    int result;
    uint32_t refs; /* atomic */
};

static void far_unref(struct weir__far *far)
{
    if (__atomic_sub_fetch(&far->refs, 1, __ATOMIC_ACQ_REL) == 0)
        weir__free(far, sizeof *far);
}

/* --- on the other loop ------------------------------------------------- */

static int far_main(void *arg)
{
    struct weir__far *far = arg;
    int r = far->fn(far->arg);

    weir__scope_pens_close(far->scope, weir__self());
    return r;
}

static void far_over(struct weir__far *far)
{
    weir_scope *s = far->scope;

    far->scope = NULL;
    if (s)
        weir__scope_destroy(s);
    __atomic_sub_fetch(&far->to->load, 1, __ATOMIC_RELAXED);
    weir__group_post(far->home->loop, &far->back);
}

/* The fiber that was sent may have started others in its scope: the last one ends it. */
void weir__far_ended(struct weir__far *far, const struct weir__fiber *f, int result)
{
    if (f->arg == far)
        far->result = result;
    if (--far->scope->running == 0)
        far_over(far);
}

/* It did not come to life: whoever waits for its channels must not wait for ever. */
static void far_stillborn(struct weir__far *far)
{
    if (far->scope)
        weir__scope_destroy(far->scope);
    far->scope = NULL;
    weir__locals_leave(far->locals);
    if (far->opts.feeds)
        weir__chan_fed(far->opts.feeds, -ENOMEM);
    if (far->opts.drains)
        weir__chan_drained(far->opts.drains);
    far->result = -ENOMEM;
    far_over(far);
}

static void far_starts(struct weir__letter *letter)
{
    struct weir__far *far = WEIR__ENTRY(letter, struct weir__far, start);
    struct weir__loop *l = far->to;
    struct weir_go_opts opts = {.name = far->name, .stack = far->opts.stack};
    struct weir__fiber *f;

    weir__loop_idles(l, false); /* first: who places fibers must not take it for one that sleeps */
    __atomic_sub_fetch(&l->coming, 1, __ATOMIC_RELEASE);
    far->scope = weir__scope_new(&l->top->node, NULL,
                                 &(struct weir_scope_opts){.on_error = WEIR_KEEP, .name = "far"});
    if (!far->scope || weir__fiber_start(far->scope, far_main, far, &opts, far->site) < 0) {
        far_stillborn(far);
        return;
    }
    far->scope->far = far;
    f = WEIR__ENTRY(far->scope->fibers.next, struct weir__fiber, member);
    f->slots[WEIR__SLOT_LOCALS] = far->locals;
    f->placed = true;
    f->feeds = far->opts.feeds; /* home has counted it in */
    f->drains = far->opts.drains;
}

static void far_drained(struct weir__letter *letter)
{
    struct weir__far *far = WEIR__ENTRY(letter, struct weir__far, drain);

    if (far->scope) {
        far->scope->draining = true;
        weir__wake_all(&far->scope->stop_waiters, 1);
    }
    far_unref(far);
}

weir_scope *weir__far_stand_in(weir_scope *s)
{
    const struct weir__fiber *me = weir__self();

    if (s->poison || !weir__loop_get() || WEIR__LIKELY(s->loop == weir__loop_get()))
        return s;
    for (struct weir__node *n = me ? me->node : NULL; n; n = n->parent) {
        weir_scope *here = (weir_scope *)n;

        if (n->kind == WEIR__NODE_SCOPE && here->far && here->far->home == s)
            return here;
    }
    return NULL;
}

static void far_cancelled(struct weir__letter *letter)
{
    struct weir__far *far = WEIR__ENTRY(letter, struct weir__far, cancel);

    if (far->scope)
        weir__node_cancel(&far->scope->node, far->why);
    far_unref(far);
}

/* --- at home ----------------------------------------------------------- */

static void far_comes_back(struct weir__letter *letter)
{
    struct weir__far *far = WEIR__ENTRY(letter, struct weir__far, back);

    weir__list_remove(&far->link);
    weir__scope_far_ended(far->home, far->arg, far->result);
    far_unref(far);
}

/* Once each; the record stays until it is read. */
static void far_tell(struct weir__far *far, bool *told, struct weir__letter *letter)
{
    if (*told)
        return;
    *told = true;
    __atomic_add_fetch(&far->refs, 1, __ATOMIC_RELAXED);
    weir__group_post(far->to, letter);
}

static void far_cancel(struct weir__far *far, int why)
{
    if (!far->cancelled)
        far->why = why;
    far_tell(far, &far->cancelled, &far->cancel);
}

void weir__fars_drain(weir_scope *s)
{
    for (struct weir__list *i = s->fars.next; i != &s->fars; i = i->next) {
        struct weir__far *far = WEIR__ENTRY(i, struct weir__far, link);

        far_tell(far, &far->drained, &far->drain);
    }
}

void weir__fars_cancel(weir_scope *s)
{
    for (struct weir__list *i = s->fars.next; i != &s->fars; i = i->next)
        far_cancel(WEIR__ENTRY(i, struct weir__far, link), s->node.why);
}

static void far_options(struct weir__far *far, const struct weir_go_opts *opts)
{
    far->opts = *opts;
    if (opts->name)
        memcpy(far->name, opts->name, strnlen(opts->name, sizeof far->name - 1));
    if (opts->feeds)
        weir__chan_feeds(opts->feeds);
    if (opts->drains)
        weir__chan_drains(opts->drains);
}

int weir__far_start(struct weir__loop *to, weir_scope *s, int (*fn)(void *), void *arg,
                    const struct weir_go_opts *opts, const void *site)
{
    struct weir__far *far = weir__alloc(sizeof *far);

    if (!far)
        return -ENOMEM;
    far->start = (struct weir__letter){.fn = far_starts, .counted = true};
    far->drain = (struct weir__letter){.fn = far_drained, .counted = true};
    far->cancel = (struct weir__letter){.fn = far_cancelled, .counted = true};
    far->back = (struct weir__letter){.fn = far_comes_back, .counted = true};
    far->home = s;
    far->to = to;
    far->fn = fn;
    far->arg = arg;
    far->refs = 1;
    far->site = site ? site : (const void *)fn;
    far->locals = weir__locals_join(weir__fiber_slot_get(WEIR__SLOT_LOCALS));
    if (opts)
        far_options(far, opts);
    weir__list_append(&s->fars, &far->link);
    s->running++;
    __atomic_add_fetch(&to->load, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&to->coming, 1, __ATOMIC_RELAXED);
    weir__group_post(to, &far->start);
    return 0;
}

/* --- calls ---------------------------------------------------------------- */

static struct weir__loop *far_numbered(uint64_t number)
{
    const struct weir__loop *here = weir__loop_get();

    for (uint32_t i = 0; here && here->many && i < here->group->count; i++)
        if (here->group->loops[i]->number == number)
            return here->group->loops[i];
    return NULL;
}

int weir__far_ask(uint32_t index, int (*fn)(void *), void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "far call"});
    int r = weir_scope_error(s), end;

    if (r == 0)
        r = weir_go_on(s, (int)index, fn, arg, NULL);
    end = weir_scope_close(&s);
    return r < 0 ? r : end;
}

bool weir__far_call(uint64_t number, int (*fn)(void *), void *arg)
{
    const struct weir__loop *to = far_numbered(number);
    struct weir_limit shield;

    if (!to || !weir__self())
        return false;
    (void)weir_shield_init(&shield, INT64_MAX);
    while (weir__far_ask(to->index, fn, arg) == -ENOMEM) {
        (void)weir_yield();
        (void)weir_sleep(weir_after(WEIR_MS(1)));
    }
    (void)weir_limit_fini(&shield, 0);
    return true;
}

/* --- when all loops are still ------------------------------------------ */

bool weir__far_stuck(const struct weir__list *link)
{
    const struct weir__far *far = WEIR__ENTRY(link, struct weir__far, link);
    const struct weir__list *i;

    if (!far->scope)
        return false;
    for (i = far->scope->fibers.next; i != &far->scope->fibers; i = i->next) {
        const struct weir__fiber *f = WEIR__ENTRY(i, struct weir__fiber, member);
        const struct weir__node *n = f->node;

        while (n != &far->scope->node && n->kind == WEIR__NODE_LIMIT)
            n = n->parent;
        if (weir__sleeps(f) && !f->shielded && n == &far->scope->node)
            return true;
    }
    return false;
}
