/*
 * runtime.h -- the least that fibers on one thread can cost on x86-64: stacks
 * in slabs with a guard page, the record at the top of its own stack, an
 * inline switch that ends in a jump, one queue, a ring that wakes on empty and
 * full only, a 4-ary heap of timers.
 *
 * No cancel, no deadline, no check, no type, no I/O: a floor, not a library.
 * All of it is inline, so that the compiler may do its best.
 */
#ifndef FLOOR_RUNTIME_H
#define FLOOR_RUNTIME_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "../bench.h"

#define FLOOR_INLINE static inline __attribute__((always_inline, unused))
#define FLOOR_APART static __attribute__((noinline, unused))

enum { FLOOR_STACK = 65536, FLOOR_SLAB = 1024, FLOOR_GUARD_INSTALL = 102 };

struct floor_fiber {
    void *sp;
    struct floor_fiber *next, *joiner;
    void (*fn)(void *);
    void *arg;
    bool done;
};

static struct floor_fiber floor_main, *floor_me = &floor_main, *floor_head;
static struct floor_fiber **floor_tail = &floor_head, *floor_free;
static char *floor_slab;
static size_t floor_slab_left;
static long floor_live;

FLOOR_INLINE void floor_ready(struct floor_fiber *f)
{
    f->next = NULL;
    *floor_tail = f;
    floor_tail = &f->next;
}

FLOOR_INLINE void floor_switch(void **from, void *to)
{
    register void **save __asm__("rdi") = from;
    register void *load __asm__("rsi") = to;

    __asm__ volatile("push %%rbp\n\t"
                     "push %%rbx\n\t"
                     "sub $128, %%rsp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov %1, %%rsp\n\t"
                     "pop %%rcx\n\t"
                     "jmp *%%rcx\n"
                     "1:\n\t"
                     "add $128, %%rsp\n\t"
                     "pop %%rbx\n\t"
                     "pop %%rbp\n\t"
                     : "+r"(save), "+r"(load)
                     :
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
}

/* --- timers -------------------------------------------------------------------- */

struct floor_timer {
    int64_t at;
    struct floor_fiber *fiber;
};

static struct floor_timer *floor_heap;
static size_t floor_heap_len, floor_heap_cap;

FLOOR_INLINE void floor_timer_push(int64_t at, struct floor_fiber *f)
{
    size_t i = floor_heap_len++;

    if (i == floor_heap_cap) {
        floor_heap_cap = floor_heap_cap ? floor_heap_cap * 2 : 1024;
        floor_heap = realloc(floor_heap, floor_heap_cap * sizeof *floor_heap);
        bench_check(floor_heap, "no memory");
    }
    for (; i && floor_heap[(i - 1) / 4].at > at; i = (i - 1) / 4)
        floor_heap[i] = floor_heap[(i - 1) / 4];
    floor_heap[i] = (struct floor_timer){at, f};
}

FLOOR_APART struct floor_fiber *floor_timer_pop(void)
{
    struct floor_fiber *f = floor_heap[0].fiber;
    struct floor_timer last = floor_heap[--floor_heap_len];
    size_t i = 0, child;

    while ((child = i * 4 + 1) < floor_heap_len) {
        size_t least = child;

        for (size_t k = child + 1; k < child + 4 && k < floor_heap_len; k++)
            if (floor_heap[k].at < floor_heap[least].at)
                least = k;
        if (floor_heap[least].at >= last.at)
            break;
        floor_heap[i] = floor_heap[least];
        i = least;
    }
    floor_heap[i] = last;
    return f;
}

/* Nothing is ready: sleeps until a timer is due. */
FLOOR_APART void floor_idle(void)
{
    while (!floor_head) {
        int64_t now = bench_clock(), wait;

        bench_check(floor_heap_len > 0, "deadlock");
        wait = floor_heap[0].at - now;
        if (wait > 0) {
            struct timespec t = {wait / 1000000000, wait % 1000000000};

            nanosleep(&t, NULL);
            now = bench_clock();
        }
        while (floor_heap_len && floor_heap[0].at <= now)
            floor_ready(floor_timer_pop());
    }
}

/* --- fibers -------------------------------------------------------------------- */

FLOOR_INLINE struct floor_fiber *floor_next(void)
{
    struct floor_fiber *f;

    if (__builtin_expect(!floor_head, 0))
        floor_idle();
    f = floor_head;
    if (!(floor_head = f->next))
        floor_tail = &floor_head;
    floor_me = f;
    return f;
}

FLOOR_INLINE void floor_park(void)
{
    struct floor_fiber *me = floor_me, *to = floor_next();

    if (to != me)
        floor_switch(&me->sp, to->sp);
}

FLOOR_INLINE void floor_yield(void)
{
    floor_ready(floor_me);
    floor_park();
}

FLOOR_INLINE void floor_sleep(int64_t until)
{
    floor_timer_push(until, floor_me);
    floor_park();
}

FLOOR_APART void floor_entry(void)
{
    struct floor_fiber *me = floor_me;
    void *gone;

    me->fn(me->arg);
    me->done = true;
    floor_live--;
    if (me->joiner)
        floor_ready(me->joiner);
    me->next = floor_free; /* used again only after the switch below */
    floor_free = me;
    floor_switch(&gone, floor_next()->sp);
    __builtin_unreachable();
}

FLOOR_APART void floor_grow(void)
{
    size_t size = (size_t)FLOOR_SLAB * FLOOR_STACK;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;

    floor_slab = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    bench_check(floor_slab != MAP_FAILED, "no memory");
    for (size_t i = 0; i < FLOOR_SLAB; i++) {
        char *guard = floor_slab + i * FLOOR_STACK;
        bool done = madvise(guard, 4096, FLOOR_GUARD_INSTALL) == 0;

        bench_check(done || mprotect(guard, 4096, PROT_NONE) == 0, "no guard");
    }
    floor_slab_left = FLOOR_SLAB;
}

FLOOR_INLINE struct floor_fiber *floor_take(void)
{
    struct floor_fiber *f = floor_free;

    if (f) {
        floor_free = f->next;
        return f;
    }
    if (!floor_slab_left)
        floor_grow();
    floor_slab_left--;
    floor_slab += FLOOR_STACK;
    return (void *)(floor_slab - 128);
}

FLOOR_INLINE struct floor_fiber *floor_spawn(void (*fn)(void *), void *arg)
{
    struct floor_fiber *f = floor_take();
    void **sp = (void **)((char *)f - 16);

    *--sp = NULL;
    *--sp = (void *)floor_entry;
    *f = (struct floor_fiber){.sp = sp, .fn = fn, .arg = arg};
    floor_live++;
    floor_ready(f);
    return f;
}

FLOOR_INLINE void floor_join(struct floor_fiber *f)
{
    if (f->done)
        return;
    f->joiner = floor_me;
    floor_park();
}

/* Returns when every fiber but this one has ended; sleeps with them while all sleep. */
FLOOR_INLINE void floor_join_all(void)
{
    while (floor_live)
        if (floor_head)
            floor_yield();
        else
            floor_sleep(bench_clock() + 5000000);
}

/* --- channels: any number of senders, one receiver -------------------------------- */

struct floor_chan {
    int64_t *items;
    unsigned len, cap, head;
    struct floor_fiber *receiver, *senders, **senders_tail;
};

FLOOR_INLINE void floor_chan_init(struct floor_chan *c, unsigned cap)
{
    *c = (struct floor_chan){.items = calloc(cap, sizeof *c->items), .cap = cap};
    bench_check(c->items, "no memory");
}

FLOOR_INLINE void floor_send(struct floor_chan *c, int64_t x)
{
    unsigned at;

    while (c->len == c->cap) {
        struct floor_fiber *me = floor_me;

        me->next = NULL;
        if (!c->senders)
            c->senders_tail = &c->senders;
        *c->senders_tail = me;
        c->senders_tail = &me->next;
        floor_park();
    }
    at = c->head + c->len;
    c->items[at >= c->cap ? at - c->cap : at] = x;
    if (c->len++ == 0 && c->receiver) {
        struct floor_fiber *f = c->receiver;

        c->receiver = NULL;
        floor_ready(f);
    }
}

FLOOR_INLINE int64_t floor_recv(struct floor_chan *c)
{
    int64_t x;

    while (!c->len) {
        c->receiver = floor_me;
        floor_park();
    }
    x = c->items[c->head];
    if (++c->head == c->cap)
        c->head = 0;
    c->len--;
    if (c->senders) {
        struct floor_fiber *f = c->senders;

        c->senders = f->next;
        floor_ready(f);
    }
    return x;
}

#endif
