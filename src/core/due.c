/*
 * due.c -- a heap of slots by (instant, order of setting).
 *
 *     slot:  free, in the list of free ones   or   at heap[pos - 1] == slot
 *     key:   generation of the slot, and its number + 1
 *
 * One receiver at a time holds `turn` and waits for the first instant; all
 * others stand in the semaphore's queue, so they are served in their order.
 * `news` tells the one in front that another item has become the first.
 */
#include <weir/due.h>
#include <weir/sync.h>

#include "core/door.h"
#include "core/item.h"

enum { DUE_FIRST = 16, DUE_NONE = -1, DUE_WAIT = 2 };

struct due_slot {
    weir_time at;
    uint64_t seq;
    uint32_t pos; /* 1 + its place in the heap; 0: free */
    uint32_t generation;
    int64_t next; /* free one; DUE_NONE ends the list */
};

struct weir_due {
    int poison;
    struct weir_type type;
    size_t most, room, length; /* room: slots there are */
    struct due_slot *slots;
    uint32_t *heap;
    char *memory, *items; /* the items lie in it, aligned */
    int64_t free;
    uint64_t seq;
    struct weir_sem turn;
    struct weir_event news;
    bool closed, freed;
    int why;
    uint32_t users; /* inside a receive: the last of them frees what has been freed */
    uint32_t lock;  /* of many loops */
};

static struct weir_due due_poisons[] = {
    {.poison = -EINVAL}, {.poison = -ENOMEM}, {.poison = WEIR_ENOFIBER}};

static weir_due *due_poison(int code)
{
    return &due_poisons[code == -ENOMEM ? 1 : code == WEIR_ENOFIBER ? 2 : 0];
}

/* --- memory ------------------------------------------------------------ */

static size_t due_item_bytes(const weir_due *d, size_t room)
{
    return room * d->type.size + (d->type.align > 16 ? d->type.align : 0);
}

static void due_arrays_free(weir_due *d, size_t room)
{
    weir__free(d->slots, room * sizeof *d->slots);
    weir__free(d->heap, room * sizeof *d->heap);
    weir__free(d->memory, due_item_bytes(d, room));
}

/* Twice the room; nothing has changed if this fails. */
static int due_grow(weir_due *d)
{
    size_t room = d->room ? d->room * 2 : DUE_FIRST;
    weir_due big = {.type = d->type};

    if (room > d->most)
        room = d->most;
    big.slots = weir__alloc(room * sizeof *big.slots);
    big.heap = weir__alloc(room * sizeof *big.heap);
    big.memory = weir__alloc(due_item_bytes(d, room));
    if (!big.slots || !big.heap || !big.memory) {
        due_arrays_free(&big, room);
        return -ENOMEM;
    }
    big.items = weir__item_place(big.memory, &d->type);
    if (d->room) {
        memcpy(big.slots, d->slots, d->room * sizeof *d->slots);
        memcpy(big.heap, d->heap, d->length * sizeof *d->heap);
        memcpy(big.items, d->items, d->room * d->type.size);
    }
    for (size_t i = room; i-- > d->room; d->free = (int64_t)i)
        big.slots[i].next = d->free;
    due_arrays_free(d, d->room);
    d->slots = big.slots;
    d->heap = big.heap;
    d->memory = big.memory;
    d->items = big.items;
    d->room = room;
    return 0;
}

static void due_destroy(weir_due *d)
{
    due_arrays_free(d, d->room);
    weir__free(d, sizeof *d);
}

weir_due *weir_due_new(struct weir_type type, size_t most)
{
    weir_due *d;

    if (weir__outside())
        return due_poison(WEIR_ENOFIBER); /* it could neither use it nor free it */
    if (weir__item_check(&type) < 0 || most == 0 || most > (size_t)1 << 31)
        return due_poison(-EINVAL);
    d = weir__alloc(sizeof *d);
    if (!d)
        return due_poison(-ENOMEM);
    d->type = type;
    d->most = most;
    d->free = DUE_NONE;
    (void)weir_sem_init(&d->turn, 1);
    weir_event_init(&d->news);
    return d;
}

/* --- the heap ---------------------------------------------------------- */

static bool due_before(const weir_due *d, uint32_t a, uint32_t b)
{
    const struct due_slot *x = &d->slots[a], *y = &d->slots[b];

    return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

static void due_place(weir_due *d, size_t at, uint32_t slot)
{
    d->heap[at] = slot;
    d->slots[slot].pos = (uint32_t)at + 1;
}

static size_t due_up(weir_due *d, size_t at, uint32_t slot)
{
    while (at && due_before(d, slot, d->heap[(at - 1) / 2])) {
        due_place(d, at, d->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return at;
}

static size_t due_down(weir_due *d, size_t at, uint32_t slot)
{
    for (size_t kid; (kid = 2 * at + 1) < d->length; at = kid) {
        if (kid + 1 < d->length && due_before(d, d->heap[kid + 1], d->heap[kid]))
            kid++;
        if (!due_before(d, d->heap[kid], slot))
            break;
        due_place(d, at, d->heap[kid]);
    }
    return at;
}

/* Puts a slot where it belongs, from `at`, which holds nothing else. */
static void due_settle(weir_due *d, size_t at, uint32_t slot)
{
    size_t up = due_up(d, at, slot);

    due_place(d, up == at ? due_down(d, at, slot) : up, slot);
}

/* Out of the heap; its item has been moved out. */
static void due_unhook(weir_due *d, uint32_t slot)
{
    size_t at = d->slots[slot].pos - 1;
    uint32_t last = d->heap[--d->length];

    if (last != slot)
        due_settle(d, at, last);
    d->slots[slot].pos = 0;
    d->slots[slot].generation++;
    d->slots[slot].next = d->free;
    d->free = slot;
}

static void *due_item(const weir_due *d, uint32_t slot)
{
    return d->items + slot * d->type.size;
}

static void due_give(weir_due *d, uint32_t slot, void *item)
{
    memcpy(item, due_item(d, slot), d->type.size);
    due_unhook(d, slot);
}

/* --- adding and moving -------------------------------------------------- */

static uint64_t due_key(const weir_due *d, uint32_t slot)
{
    return (uint64_t)d->slots[slot].generation << 32 | (slot + 1u);
}

/* The slot of a key; false if its item is out. */
static bool due_find(const weir_due *d, uint64_t key, uint32_t *out_slot)
{
    uint32_t slot = (uint32_t)key - 1;

    if (slot >= d->room || !d->slots[slot].pos || d->slots[slot].generation != key >> 32)
        return false;
    *out_slot = slot;
    return true;
}

static int due_args(const weir_due *d)
{
    if (!d)
        return -EINVAL;
    if (d->poison)
        return d->poison;
    return weir__outside() ? WEIR_ENOFIBER : 0;
}

/* The first instant may be another one: whoever waits for it looks again. */
static void due_news(weir_due *d, uint32_t slot)
{
    if (d->heap[0] == slot)
        weir_event_set(&d->news);
}

static int due_add_now(weir_due *d, const void *item, weir_time at, uint64_t *out_key)
{
    uint32_t slot;

    if (d->closed)
        return WEIR_ECLOSED;
    if (d->length == d->most)
        return WEIR_EFULL;
    if (d->free == DUE_NONE && due_grow(d) < 0)
        return -ENOMEM;
    slot = (uint32_t)d->free;
    d->free = d->slots[slot].next;
    d->slots[slot].at = at;
    d->slots[slot].seq = d->seq++;
    memcpy(due_item(d, slot), item, d->type.size);
    due_settle(d, d->length++, slot);
    due_news(d, slot);
    if (out_key)
        *out_key = due_key(d, slot);
    return 0;
}

static void due_charge(void)
{
    struct weir__fiber *me = weir__self();

    if (me)
        weir__charge(me->loop);
}

int weir_due_add(weir_due *d, const void *item, size_t size, weir_time at, uint64_t *out_key)
{
    int r = due_args(d);
    struct weir__loop *g;

    if (r < 0 || !item || weir__deadline_check(at) < 0)
        return r < 0 ? r : -EINVAL;
    if (size != d->type.size)
        return WEIR_ETYPE;
    g = weir__guard(&d->lock);
    r = due_add_now(d, item, at, out_key);
    weir__unguard(g, &d->lock);
    due_charge();
    return r;
}

int weir_due_reset(weir_due *d, uint64_t key, weir_time at)
{
    int r = due_args(d);
    struct weir__loop *g;
    uint32_t slot;

    if (r < 0 || weir__deadline_check(at) < 0)
        return r < 0 ? r : -EINVAL;
    g = weir__guard(&d->lock);
    if (due_find(d, key, &slot)) {
        d->slots[slot].at = at;
        d->slots[slot].seq = d->seq++;
        due_settle(d, d->slots[slot].pos - 1, slot);
        due_news(d, slot);
    } else {
        r = -ENOENT;
    }
    weir__unguard(g, &d->lock);
    due_charge();
    return r;
}

int weir_due_remove(weir_due *d, uint64_t key, void *out_item, size_t size)
{
    int r = due_args(d);
    struct weir__loop *g;
    uint32_t slot;

    if (r < 0)
        return r;
    if (out_item && size != d->type.size)
        return WEIR_ETYPE;
    g = weir__guard(&d->lock);
    if (!due_find(d, key, &slot)) {
        r = -ENOENT;
    } else if (out_item) {
        due_give(d, slot, out_item);
    } else {
        weir__item_drop(&d->type, due_item(d, slot));
        due_unhook(d, slot);
    }
    if (d->closed && !d->length) /* whoever waits for it waits for the end now */
        weir_event_set(&d->news);
    weir__unguard(g, &d->lock);
    due_charge();
    return r;
}

/* --- receiving --------------------------------------------------------- */

/* 1, the end, or DUE_WAIT and until when. */
static int due_look(weir_due *d, void *item, weir_time *until)
{
    struct weir__loop *g = weir__guard(&d->lock);
    int r = DUE_WAIT;

    *until = d->length ? d->slots[d->heap[0]].at : WEIR_NEVER;
    if (d->freed) {
        r = WEIR_ECLOSED;
    } else if (d->length && *until <= weir_now()) {
        due_give(d, d->heap[0], item);
        r = 1;
    } else if (!d->length && d->closed) {
        r = d->why;
    } else {
        weir_event_clear(&d->news);
    }
    weir__unguard(g, &d->lock);
    return r;
}

/* In front of all others. */
static int due_wait(weir_due *d, void *item, weir_time deadline)
{
    weir_time until;
    int r;

    while ((r = due_look(d, item, &until)) == DUE_WAIT) {
        r = weir_event_wait(&d->news, until < deadline ? until : deadline);
        if (r < 0 && (r != -ETIMEDOUT || until > deadline))
            break;
    }
    return r;
}

static void due_leave(weir_due *d)
{
    struct weir__loop *g = weir__guard(&d->lock);
    bool last = --d->users == 0 && d->freed;

    weir__unguard(g, &d->lock);
    if (last)
        due_destroy(d);
}

int weir_due_recv(weir_due *d, void *item, size_t size, weir_time deadline)
{
    int r = due_args(d);
    struct weir__loop *g;

    if (r < 0 || !item || weir__deadline_check(deadline) < 0)
        return r < 0 ? r : -EINVAL;
    if (size != d->type.size)
        return WEIR_ETYPE;
    g = weir__guard(&d->lock);
    d->users++;
    weir__unguard(g, &d->lock);
    r = weir_sem_take(&d->turn, 1, deadline);
    if (r == 0) {
        r = due_wait(d, item, deadline);
        (void)weir_sem_give(&d->turn, 1);
    }
    due_leave(d);
    return r;
}

/* --- ends -------------------------------------------------------------- */

int weir_due_close(weir_due *d, int why)
{
    int r = why > 0 ? -EINVAL : due_args(d);
    struct weir__loop *g;

    if (r < 0)
        return r;
    g = weir__guard(&d->lock);
    if (d->closed) {
        r = WEIR_ECLOSED;
    } else {
        d->closed = true;
        d->why = why;
        weir_event_set(&d->news);
    }
    weir__unguard(g, &d->lock);
    return r;
}

void weir_due_free(weir_due **dp)
{
    weir_due *d = dp ? *dp : NULL;
    struct weir__loop *g;
    bool last;

    if (!d || (!d->poison && weir__outside()))
        return;
    *dp = NULL;
    if (d->poison)
        return;
    g = weir__guard(&d->lock);
    d->closed = d->freed = true;
    while (d->length) {
        weir__item_drop(&d->type, due_item(d, d->heap[0]));
        due_unhook(d, d->heap[0]);
    }
    weir_sem_close(&d->turn);
    weir_event_set(&d->news);
    last = d->users == 0;
    weir__unguard(g, &d->lock);
    if (last)
        due_destroy(d);
}

/* --- asking ------------------------------------------------------------ */

int weir_due_error(const weir_due *d)
{
    return d ? d->poison : -EINVAL;
}

size_t weir_due_length(const weir_due *d)
{
    return d ? __atomic_load_n(&d->length, __ATOMIC_RELAXED) : 0; /* a hint with many loops */
}

struct weir_type weir_due_type(const weir_due *d)
{
    return d ? d->type : (struct weir_type){0};
}
