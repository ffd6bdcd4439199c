/*
 * sub.c -- a subscription of a topic: joining, receiving, leaving.  Who waits on
 * one holds the topic, and looks at the subscription no more.
 */
#include "core/topic.h"

static weir_sub sub_invalid = {.poison = -EINVAL}, sub_nomem = {.poison = -ENOMEM};
static weir_sub sub_cancelled = {.poison = -ECANCELED};

/* --- joining and leaving ------------------------------------------------------ */

static size_t sub_bytes(size_t capacity)
{
    return sizeof(weir_sub) + capacity * sizeof(struct topic_mark);
}

static int sub_check(const weir_topic *t, const struct weir_sub_opts *o)
{
    size_t most;

    if (!t || !o)
        return -EINVAL;
    if (t->poison)
        return t->poison;
    most = SIZE_MAX / 4 / (t->stride + sizeof(struct topic_mark));
    if (o->capacity == 0 || o->capacity > most)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return (unsigned)o->overflow > WEIR_FAIL ? -EINVAL : 0;
}

/* 0, or -EINVAL, -ENOMEM: then nothing has changed. */
static int sub_enlist(weir_topic *t, weir_sub *s)
{
    size_t most = SIZE_MAX / 4 / (t->stride + sizeof(struct topic_mark));

    if (t->needed > most - s->stats.capacity)
        return -EINVAL;
    t->needed += s->stats.capacity;
    if (weir__topic_slots_make(t) < 0) {
        t->needed -= s->stats.capacity;
        return -ENOMEM;
    }
    weir__list_append(&t->subs, &s->link);
    t->stats.subscribers++;
    t->block.refs++;
    return 0;
}

static weir_sub *sub_poison(int code)
{
    return code == -ENOMEM ? &sub_nomem : code == -ECANCELED ? &sub_cancelled : &sub_invalid;
}

weir_sub *weir_topic_subscribe(weir_topic *t, const struct weir_sub_opts *opts)
{
    int r = sub_check(t, opts);
    struct weir__loop *g;
    weir_sub *s;

    if (r < 0)
        return sub_poison(r);
    if (weir__outside()) {
        s = sub_poison(-ECANCELED);
        (void)weir__out(&(struct weir__out){.make = weir__out_topic,
                                            .op = WEIR__OUT_NEW,
                                            .object = t,
                                            .item = &s,
                                            .ctx = (void *)opts});
        return s;
    }
    s = weir__alloc(sub_bytes(opts->capacity));
    if (!s)
        return &sub_nomem;
    s->topic = t;
    s->overflow = opts->overflow;
    s->stats.capacity = opts->capacity;
    weir__list_init(&s->link);
    g = weir__guard(&t->block.lock);
    r = sub_enlist(t, s);
    weir__unguard(g, &t->block.lock);
    if (r == 0)
        return s;
    weir__free(s, sub_bytes(opts->capacity));
    return sub_poison(r);
}

void weir_sub_free(weir_sub **sp)
{
    weir_sub *s = sp ? *sp : NULL;
    struct weir__loop *g;
    weir_topic *t;

    if (!s)
        return;
    if (!s->poison && weir__outside()) {
        (void)weir__out_call(weir__out_topic, WEIR__OUT_FREE_OTHER, sp, NULL, 0, 0);
        return;
    }
    *sp = NULL;
    if (s->poison)
        return;
    t = s->topic;
    g = weir__guard(&t->block.lock);
    weir__waiters_wake_all(s->receivers, WEIR_ECLOSED);
    if (!t->freed) {
        weir__sub_leave(s);
        weir__topic_serve(t); /* it may have been the one that was full */
    }
    t->block.refs--;
    weir__block_unguard(g, &t->block);
    weir__free(s, sub_bytes(s->stats.capacity));
}

/* --- receiving ----------------------------------------------------------------- */

static int sub_look(void *object, void *item)
{
    weir_sub *s = object;
    int r;

    if (s->poison || s->topic->freed)
        return s->poison ? s->poison : WEIR_ECLOSED;
    if (!s->stats.length)
        return s->topic->closed ? s->topic->why : WEIR__CHAN_PARK;
    r = weir__sub_take(s, item);
    weir__topic_serve(s->topic);
    return r;
}

static bool sub_ready(const void *object)
{
    const weir_sub *s = object;

    return s->poison || s->topic->closed || s->stats.length;
}

static int sub_case(const struct weir_select *c)
{
    const weir_sub *s = c->object;

    if (!c->item)
        return -EINVAL;
    return s->poison || c->size == s->topic->type.size ? 0 : WEIR_ETYPE;
}

static void **sub_queue(void *object)
{
    return ((weir_sub *)object)->receivers;
}

static uint32_t *sub_lock(void *object)
{
    weir_sub *s = object;

    return s->poison ? NULL : &s->topic->block.lock;
}

const struct weir__select_kind weir__select_sub = {sub_case,  sub_look, sub_ready,
                                                   sub_queue, sub_lock, true};

int weir_sub_recv(weir_sub *s, void *item, size_t size, weir_time deadline)
{
    struct weir__loop *g;
    weir_topic *t;
    int r;

    if (!s || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (s->poison || size != s->topic->type.size)
        return s->poison ? s->poison : WEIR_ETYPE;
    if (weir__outside())
        return weir__out_call(weir__out_topic, WEIR__OUT_RECV, s, item, size, deadline);
    weir__waiters_charge();
    t = s->topic;
    g = weir__guard(&t->block.lock);
    r = sub_look(s, item);
    if (r == WEIR__CHAN_PARK)
        return weir__block_wait(&t->block, s->receivers, item, deadline, "hear", g);
    weir__unguard(g, &t->block.lock);
    return r;
}

/* --- asking --------------------------------------------------------------------- */

uint64_t weir_sub_gap(const weir_sub *s)
{
    struct weir__loop *g;
    uint64_t told = 0;

    if (!s || s->poison)
        return 0;
    if (weir__outside()) {
        (void)weir__out_call(weir__out_topic, WEIR__OUT_GAP, (void *)s, &told, 0, 0);
        return told;
    }
    g = weir__guard(&s->topic->block.lock);
    told = s->told;
    weir__unguard(g, &s->topic->block.lock);
    return told;
}

int weir_sub_stats(const weir_sub *s, struct weir_sub_stats *out)
{
    struct weir__loop *g;

    if (!s || !out)
        return -EINVAL;
    if (s->poison)
        return s->poison;
    if (weir__outside())
        return weir__out_call(weir__out_topic, WEIR__OUT_GET, (void *)s, out, 0, 0);
    g = weir__guard(&s->topic->block.lock);
    *out = s->stats;
    weir__unguard(g, &s->topic->block.lock);
    return 0;
}

int weir_sub_error(const weir_sub *s)
{
    return s ? s->poison : -EINVAL;
}
