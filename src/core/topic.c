/*
 * topic.c -- items in counted slots, and a ring of slots for each subscriber.
 *
 * A send fills one slot and enters it in the rings; who takes a slot's last
 * entry moves the item out, others copy.  There are as many slots as all rings
 * can hold, and one, so a send never allocates.  First every ring has the item,
 * then those who wait are given it: no subscriber sees half a send.
 */
#include <weir/topic.h>

#include "core/item.h"
#include "core/select.h"

struct topic_slot {
    struct topic_slot *next; /* while free */
    size_t refs;
};

struct topic_chunk {
    struct topic_chunk *next;
    size_t bytes;
};

struct weir_topic {
    int poison;
    bool closed;
    int why;
    struct weir_type type;
    size_t stride; /* of a slot with its item */
    struct topic_slot *free;
    struct topic_chunk *chunks;
    size_t slots, needed;
    struct weir__list subs;
    void *senders[2];
    struct weir_topic_stats stats;
};

struct topic_mark {
    struct topic_slot *slot;
    uint64_t gap; /* missed before it */
};

struct weir_sub {
    int poison;
    int why; /* once the topic is gone */
    weir_topic *topic;
    struct weir__list link;
    void *receivers[2];
    enum weir_overflow overflow;
    size_t head;
    uint64_t gap, told; /* missed since the newest entry; before the item received last */
    struct weir_sub_stats stats;
    struct topic_mark ring[];
};

static weir_topic topic_poisons[] = {{.poison = -EINVAL}, {.poison = -ENOMEM}};
static weir_sub sub_invalid = {.poison = -EINVAL}, sub_nomem = {.poison = -ENOMEM};

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
static int topic_slots_make(weir_topic *t)
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
static int sub_take(weir_sub *s, void *item)
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
        while (s->stats.length && (w = weir__waiters_first(s->receivers)))
            weir__waiters_wake(w, sub_take(s, w->item));
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
static void topic_serve(weir_topic *t)
{
    struct weir__waiter *w;
    int r;

    if (!weir__waiters_any(t->senders))
        return;
    while ((w = weir__waiters_first(t->senders)) && (r = topic_fits(t)) != WEIR__CHAN_PARK) {
        if (r == 0)
            topic_publish(t, w->item);
        weir__waiters_wake(w, r < 0 ? r : 1);
    }
}

static int topic_open(const weir_topic *t)
{
    if (t->poison)
        return t->poison;
    return !t->closed ? 0 : t->why < 0 ? t->why : WEIR_ECLOSED;
}

int weir_topic_send(weir_topic *t, const void *item, size_t size, weir_time deadline)
{
    int r;

    if (!t || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!t->poison && size != t->type.size)
        return WEIR_ETYPE;
    weir__waiters_charge();
    r = topic_open(t);
    if (r == 0)
        r = weir__waiters_first(t->senders) ? WEIR__CHAN_PARK : topic_fits(t);
    if (r == WEIR__CHAN_PARK)
        return weir__waiters_wait(t->senders, (void *)item, deadline, "topic_send");
    if (r < 0)
        return r;
    topic_publish(t, item);
    return 1;
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
    t->needed = 1;
    if (topic_slots_make(t) < 0) {
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
    if (!t || why > 0)
        return -EINVAL;
    if (t->poison || t->closed)
        return t->poison ? t->poison : WEIR_ECLOSED;
    t->closed = true;
    t->why = why;
    weir__waiters_wake_all(t->senders, why < 0 ? why : WEIR_ECLOSED);
    topic_wake_subs(t, why);
    return 0;
}

/* Off the topic, with what it had queued. */
static void sub_leave(weir_sub *s)
{
    weir_topic *t = s->topic;

    if (!t)
        return;
    while (s->stats.length)
        topic_slot_unref(t, sub_pop(s).slot);
    weir__list_remove(&s->link);
    t->needed -= s->stats.capacity;
    t->stats.subscribers--;
    s->topic = NULL;
    s->why = WEIR_ECLOSED;
}

void weir_topic_free(weir_topic **tp)
{
    weir_topic *t = tp ? *tp : NULL;

    if (!t)
        return;
    *tp = NULL;
    if (t->poison)
        return;
    t->closed = true;
    weir__waiters_wake_all(t->senders, WEIR_ECLOSED);
    topic_wake_subs(t, WEIR_ECLOSED);
    while (!weir__list_empty(&t->subs))
        sub_leave(WEIR__ENTRY(t->subs.next, weir_sub, link));
    for (struct topic_chunk *c = t->chunks, *next; c; c = next) {
        next = c->next;
        weir__free(c, c->bytes);
    }
    weir__free(t, sizeof *t);
}

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
    if (o->capacity == 0 || o->capacity > most || t->needed > most - o->capacity)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return (unsigned)o->overflow > WEIR_FAIL ? -EINVAL : 0;
}

weir_sub *weir_topic_subscribe(weir_topic *t, const struct weir_sub_opts *opts)
{
    int r = sub_check(t, opts);
    weir_sub *s;

    if (r < 0)
        return r == -ENOMEM ? &sub_nomem : &sub_invalid;
    s = weir__alloc(sub_bytes(opts->capacity));
    if (!s)
        return &sub_nomem;
    t->needed += opts->capacity;
    if (topic_slots_make(t) < 0) {
        t->needed -= opts->capacity;
        weir__free(s, sub_bytes(opts->capacity));
        return &sub_nomem;
    }
    s->topic = t;
    s->overflow = opts->overflow;
    s->stats.capacity = opts->capacity;
    weir__list_append(&t->subs, &s->link);
    t->stats.subscribers++;
    return s;
}

void weir_sub_free(weir_sub **sp)
{
    weir_sub *s = sp ? *sp : NULL;
    weir_topic *t;

    if (!s)
        return;
    *sp = NULL;
    if (s->poison)
        return;
    t = s->topic;
    weir__waiters_wake_all(s->receivers, WEIR_ECLOSED);
    sub_leave(s);
    weir__free(s, sub_bytes(s->stats.capacity));
    if (t)
        topic_serve(t); /* it may have been the one that was full */
}

/* --- receiving ----------------------------------------------------------------- */

static int sub_look(void *object, void *item)
{
    weir_sub *s = object;
    int r;

    if (s->poison || !s->topic)
        return s->poison ? s->poison : s->why;
    if (!s->stats.length)
        return s->topic->closed ? s->topic->why : WEIR__CHAN_PARK;
    r = sub_take(s, item);
    topic_serve(s->topic);
    return r;
}

static int sub_case(const struct weir_select *c)
{
    const weir_sub *s = c->object;

    if (!c->item)
        return -EINVAL;
    return s->poison || !s->topic || c->size == s->topic->type.size ? 0 : WEIR_ETYPE;
}

static void **sub_queue(void *object)
{
    return ((weir_sub *)object)->receivers;
}

const struct weir__select_kind weir__select_sub = {sub_case, sub_look, sub_queue};

int weir_sub_recv(weir_sub *s, void *item, size_t size, weir_time deadline)
{
    int r;

    if (!s || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (s->topic && size != s->topic->type.size)
        return WEIR_ETYPE;
    weir__waiters_charge();
    r = sub_look(s, item);
    if (r != WEIR__CHAN_PARK)
        return r;
    return weir__waiters_wait(s->receivers, item, deadline, "hear");
}

/* --- asking --------------------------------------------------------------------- */

uint64_t weir_sub_gap(const weir_sub *s)
{
    return s ? s->told : 0;
}

int weir_sub_stats(const weir_sub *s, struct weir_sub_stats *out)
{
    if (!s || !out)
        return -EINVAL;
    if (s->poison)
        return s->poison;
    *out = s->stats;
    return 0;
}

int weir_topic_stats(const weir_topic *t, struct weir_topic_stats *out)
{
    if (!t || !out)
        return -EINVAL;
    if (t->poison)
        return t->poison;
    *out = t->stats;
    return 0;
}

int weir_topic_error(const weir_topic *t)
{
    return t ? t->poison : -EINVAL;
}

int weir_sub_error(const weir_sub *s)
{
    return s ? s->poison : -EINVAL;
}
