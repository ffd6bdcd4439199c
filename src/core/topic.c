/*
 * topic.c -- items in counted slots, and a ring of slots for each subscriber.
 *
 * A send fills one slot and enters it in the rings; who takes a slot's last
 * entry moves the item out, others copy.  There are as many slots as all rings
 * can hold, and one, so a send never allocates.  First every ring has the item,
 * then those who wait are given it: no subscriber sees half a send.
 *
 * The topic is a block, its owner's and its subscriptions', and its lock is theirs
 * too: who waits on a subscription holds the topic, and looks at it no more.
 */
#include "core/topic.h"

#include "core/item.h"

static weir_topic topic_poisons[] = {{.poison = -EINVAL}, {.poison = -ENOMEM}};

static void *topic_item(const weir_topic *t, struct topic_slot *slot)
{
    return weir__item_place(slot + 1, &t->type);
}

/* --- slots --------------------------------------------------------------- */

static struct topic_slot *topic_slot_take(weir_topic *t)
{
    struct topic_slot *slot = t->free;

    weir__check(slot);
    t->free = slot->next;
    slot->refs = 0;
    return slot;
}

static void topic_slot_give(weir_topic *t, struct topic_slot *slot)
{
    slot->next = t->free;
    t->free = slot;
}

/* Gives up one entry of a ring; the last one drops the item. */
static void topic_slot_unref(weir_topic *t, struct topic_slot *slot)
{
    if (--slot->refs)
        return;
    weir__item_drop(&t->type, topic_item(t, slot));
    topic_slot_give(t, slot);
}

/* As many slots as are needed. */
int weir__topic_slots_make(weir_topic *t)
{
    size_t n = t->needed > t->slots ? t->needed - t->slots : 0;
    size_t bytes = sizeof(struct topic_chunk) + n * t->stride;
    struct topic_chunk *c;

    if (n == 0)
        return 0;
    c = weir__alloc(bytes);
    if (!c)
        return -ENOMEM;
    c->bytes = bytes;
    c->next = t->chunks;
    t->chunks = c;
    t->slots += n;
    for (size_t i = 0; i < n; i++)
        topic_slot_give(t, (struct topic_slot *)(void *)((char *)(c + 1) + i * t->stride));
    return 0;
}

/* --- rings ---------------------------------------------------------------- */

static bool sub_full(const weir_sub *s)
{
    return s->stats.length == s->stats.capacity;
}

static void sub_push(weir_sub *s, struct topic_slot *slot)
{
    size_t at = s->head + s->stats.length++;

    if (at >= s->stats.capacity)
        at -= s->stats.capacity;
    s->ring[at] = (struct topic_mark){slot, s->gap};
    s->gap = 0;
    slot->refs++;
    if (s->stats.length > s->stats.high_water)
        s->stats.high_water = s->stats.length;
}

static struct topic_mark sub_pop(weir_sub *s)
{
    struct topic_mark m = s->ring[s->head];

    if (++s->head == s->stats.capacity)
        s->head = 0;
    s->stats.length--;
    return m;
}

/* Loses the oldest; what was missed before it is missed before the next. */
static void sub_lose(weir_sub *s)
{
    struct topic_mark m = sub_pop(s);

    topic_slot_unref(s->topic, m.slot);
    s->stats.missed++;
    if (s->stats.length)
        s->ring[s->head].gap += m.gap + 1;
    else
        s->gap += m.gap + 1;
}

static void sub_enter(weir_sub *s, struct topic_slot *slot)
{
    if (sub_full(s) && s->overflow == WEIR_DROP_NEWEST) {
        s->gap++;
        s->stats.missed++;
        return;
    }
    if (s->overflow == WEIR_LATEST && sub_full(s))
        while (s->stats.length)
            sub_lose(s);
    else if (sub_full(s))
        sub_lose(s);
    sub_push(s, slot);
}

/* 1, or why the copy failed: then it is still there. */
int weir__sub_take(weir_sub *s, void *item)
{
    weir_topic *t = s->topic;
    struct topic_slot *slot = s->ring[s->head].slot;
    int r = 0;

    if (slot->refs > 1)
        r = weir__item_clone(&t->type, item, topic_item(t, slot));
    else
        memcpy(item, topic_item(t, slot), t->type.size);
    if (r < 0)
        return r;
    s->told = sub_pop(s).gap;
    s->stats.received++;
    if (--slot->refs == 0)
        topic_slot_give(t, slot);
    return 1;
}

/* --- sending --------------------------------------------------------------- */

/* 0: it can be sent now; WEIR__CHAN_PARK; WEIR_EFULL. */
static int topic_fits(const weir_topic *t)
{
    int r = 0;

    for (struct weir__list *i = t->subs.next; i != &t->subs; i = i->next) {
        const weir_sub *s = WEIR__ENTRY(i, weir_sub, link);

        if (!sub_full(s))
            continue;
        if (s->overflow == WEIR_FAIL)
            return WEIR_EFULL;
        if (s->overflow == WEIR_BLOCK)
            r = WEIR__CHAN_PARK;
    }
    return r;
}

static void topic_hand_out(weir_topic *t)
{
    for (struct weir__list *i = t->subs.next; i != &t->subs; i = i->next) {
        weir_sub *s = WEIR__ENTRY(i, weir_sub, link);
        struct weir__waiter *w;

        /* a copy that fails leaves the item to the next */
        while (s->stats.length && (w = weir__waiters_take(s->receivers, 1))) {
            int r = weir__sub_take(s, w->item);

            if (r < 0)
                weir__waiter_tell(w, r);
        }
    }
}

static void topic_publish(weir_topic *t, const void *item)
{
    struct topic_slot *slot = topic_slot_take(t);

    memcpy(topic_item(t, slot), item, t->type.size);
    slot->refs = 1; /* ours, so that it outlives its entries until all are made */
    t->stats.sent++;
    t->stats.unheard += weir__list_empty(&t->subs);
    for (struct weir__list *i = t->subs.next; i != &t->subs; i = i->next)
        sub_enter(WEIR__ENTRY(i, weir_sub, link), slot);
    topic_slot_unref(t, slot);
    topic_hand_out(t);
}

/* There is room: those who wait to send, in order. */
void weir__topic_serve(weir_topic *t)
{
    struct weir__waiter *w;
    int r;

    if (!weir__waiters_any(t->senders))
        return;
    while ((w = weir__waiters_first(t->senders)) && (r = topic_fits(t)) != WEIR__CHAN_PARK) {
        if (weir__waiters_wake(w, r < 0 ? r : 1) && r == 0)
            topic_publish(t, w->item);
    }
}

static int topic_open(const weir_topic *t)
{
    return !t->closed ? 0 : t->why < 0 ? t->why : WEIR_ECLOSED;
}

/* 1, WEIR__CHAN_PARK, or why not. */
static int topic_send_now(weir_topic *t, const void *item)
{
    int r = topic_open(t);

    if (r == 0)
        r = weir__waiters_first(t->senders) ? WEIR__CHAN_PARK : topic_fits(t);
    if (r < 0)
        return r;
    topic_publish(t, item);
    return 1;
}

int weir_topic_send(weir_topic *t, const void *item, size_t size, weir_time deadline)
{
    struct weir__loop *g;
    int r;

    if (!t || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (t->poison || size != t->type.size)
        return t->poison ? t->poison : WEIR_ETYPE;
    if (weir__outside())
        return weir__out_call(weir__out_topic, WEIR__OUT_SEND, t, item, size, deadline);
    weir__waiters_charge();
    g = weir__guard(&t->block.lock);
    r = topic_send_now(t, item);
    if (r == WEIR__CHAN_PARK)
        return weir__block_wait(&t->block, t->senders, (void *)item, deadline, "topic_send", g);
    weir__unguard(g, &t->block.lock);
    return r;
}

/* --- making and freeing ------------------------------------------------------ */

weir_topic *weir_topic_new(struct weir_type type)
{
    weir_topic *t;

    if (weir__item_check(&type) < 0 || !weir__item_copies(&type))
        return &topic_poisons[0];
    t = weir__alloc(sizeof *t);
    if (!t)
        return &topic_poisons[1];
    t->type = type;
    t->stride = (sizeof(struct topic_slot) + weir__item_room(&type) + 15) & ~(size_t)15;
    weir__list_init(&t->subs);
    t->block.bytes = sizeof *t;
    t->block.refs = 1;
    t->needed = 1;
    if (weir__topic_slots_make(t) < 0) {
        weir__free(t, sizeof *t);
        return &topic_poisons[1];
    }
    return t;
}

static void topic_wake_subs(weir_topic *t, int why)
{
    for (struct weir__list *i = t->subs.next; i != &t->subs; i = i->next)
        weir__waiters_wake_all(WEIR__ENTRY(i, weir_sub, link)->receivers, why);
}

int weir_topic_close(weir_topic *t, int why)
{
    struct weir__loop *g;
    int r;

    if (!t || why > 0 || t->poison)
        return t && why <= 0 ? t->poison : -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_topic, .op = WEIR__OUT_CLOSE, .object = t, .code = why});
    g = weir__guard(&t->block.lock);
    r = t->closed ? WEIR_ECLOSED : 0;
    if (r == 0) {
        t->closed = true;
        t->why = why;
        weir__waiters_wake_all(t->senders, why < 0 ? why : WEIR_ECLOSED);
        topic_wake_subs(t, why);
    }
    weir__unguard(g, &t->block.lock);
    return r;
}

/* Off the topic, with what it had queued. */
void weir__sub_leave(weir_sub *s)
{
    weir_topic *t = s->topic;

    while (s->stats.length)
        topic_slot_unref(t, sub_pop(s).slot);
    weir__list_remove(&s->link);
    t->needed -= s->stats.capacity;
    t->stats.subscribers--;
}

/* All but the block, which its subscriptions may still hold. */
static void topic_empty(weir_topic *t)
{
    t->closed = t->freed = true;
    weir__waiters_wake_all(t->senders, WEIR_ECLOSED);
    topic_wake_subs(t, WEIR_ECLOSED);
    while (!weir__list_empty(&t->subs))
        weir__sub_leave(WEIR__ENTRY(t->subs.next, weir_sub, link));
    for (struct topic_chunk *c = t->chunks, *next; c; c = next) {
        next = c->next;
        weir__free(c, c->bytes);
    }
}

void weir_topic_free(weir_topic **tp)
{
    weir_topic *t = tp ? *tp : NULL;
    struct weir__loop *g;

    if (!t)
        return;
    if (!t->poison && weir__outside()) {
        (void)weir__out_call(weir__out_topic, WEIR__OUT_FREE, tp, NULL, 0, 0);
        return;
    }
    *tp = NULL;
    if (t->poison)
        return;
    g = weir__guard(&t->block.lock);
    topic_empty(t);
    t->block.refs--;
    weir__block_unguard(g, &t->block);
}

/* --- asking --------------------------------------------------------------------- */

int weir_topic_stats(const weir_topic *t, struct weir_topic_stats *out)
{
    weir_topic *mine = (weir_topic *)t;
    struct weir__loop *g;

    if (!t || !out)
        return -EINVAL;
    if (t->poison)
        return t->poison;
    if (weir__outside())
        return weir__out_call(weir__out_topic, WEIR__OUT_STATS, mine, out, 0, 0);
    g = weir__guard(&mine->block.lock);
    *out = t->stats;
    weir__unguard(g, &mine->block.lock);
    return 0;
}

int weir_topic_error(const weir_topic *t)
{
    return t ? t->poison : -EINVAL;
}
