/*
 * sim_service.c -- the world of sim_service.h, an event at a time.
 *
 * Time is whole nanoseconds from 0, as a double in the heap (exact below
 * 2^53); the stacks are told WEIR_EPOCH more.
 */
#include "sim_service.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim_heap.h"

enum service_what { SV_BEGIN, SV_ENTER, SV_TIMEOUT, SV_HEDGE, SV_ARRIVE, SV_SERVED, SV_ANSWER };
enum service_answer { SV_OK, SV_REFUSED, SV_ERROR };
enum service_state { SV_FREE, SV_WAITING, SV_TRYING };

enum { SV_TRIES = 9 };

struct service_call {
    struct weir_pass pass;
    struct sim_service *world;
    struct service_call *next; /* free, or woken */
    weir_span begin;
    uint32_t index, life, enters; /* life: of this memory; enters: only the latest is heeded */
    int state, woken;
    struct sim_stack *stack;
    struct service_call *hedged;          /* the call that this is a try of; NULL: none */
    struct service_call *tries[SV_TRIES]; /* of the attempt under way; NULL: over */
    uint32_t sent, over;
    int first, last; /* what the first of them failed with; what this one did last */
    enum weir_class first_class, last_class;
};

struct service_request {
    uint32_t call, life, attempt;
};

enum { SV_BLOCK = 1024 };

struct sim_service {
    struct sim_service_opts o;
    struct sim_service_sum *sum;
    struct sim_heap heap;
    struct weir_rng arrivals, work;
    struct sim_stack *stack;
    weir_span now;
    struct service_call **block; /* calls do not move */
    uint32_t blocks, made;
    struct service_call *free, *woken, **woken_end;
    struct service_request *queue; /* a ring of o.queue */
    uint32_t head, queued, busy;
    struct sim_record *record;
    size_t records, room;
    int failed;
};

/* --- small things -------------------------------------------------------------------------- */

static void service_push(struct sim_service *w, enum service_what what, weir_span at,
                         const struct service_request *q, uint32_t extra)
{
    struct sim_event e = {.at = (double)at, .what = what, .who = q->call, .tag = q->life};

    e.what |= q->attempt << 8; /* attempts beyond 2^24 are the same to the world */
    e.extra = extra;
    if (sim_heap_push(&w->heap, e) < 0)
        w->failed = -ENOMEM;
}

static struct service_request service_request_of(const struct sim_event *e)
{
    return (struct service_request){e->who, e->tag, e->what >> 8};
}

static weir_span service_exponential(struct weir_rng *rng, double mean)
{
    return (weir_span)llround(-log(1 - weir_rng_unit(rng)) * mean);
}

static int service_in_fault(const struct sim_service *w)
{
    return w->now >= w->o.fault_at && w->now - w->o.fault_at < w->o.fault_for;
}

/* Does the fault hit this one? */
static int service_hit(struct sim_service *w, enum sim_fault fault)
{
    return w->o.fault == fault && service_in_fault(w) &&
           weir_rng_below(&w->work, 1000000) < w->o.share;
}

static struct service_call *service_call_at(const struct sim_service *w, uint32_t index)
{
    return &w->block[index / SV_BLOCK][index % SV_BLOCK];
}

/* --- calls --------------------------------------------------------------------------------- */

static int service_grow(struct sim_service *w)
{
    struct service_call **more = realloc(w->block, (w->blocks + 1) * sizeof *more);

    if (!more)
        return -ENOMEM;
    w->block = more;
    if (!(more[w->blocks] = calloc(SV_BLOCK, sizeof **more)))
        return -ENOMEM;
    w->blocks++;
    return 0;
}

static struct service_call *service_call_new(struct sim_service *w)
{
    struct service_call *c = w->free;

    if (c) {
        w->free = c->next;
        return c;
    }
    if (w->made == w->blocks * SV_BLOCK && service_grow(w) < 0)
        return NULL;
    c = service_call_at(w, w->made);
    c->index = w->made++;
    c->world = w;
    return c;
}

/* Called by a stack with its lock held: the call is looked at after the event at hand. */
static void service_wake(void *ctx)
{
    struct service_call *c = ctx;

    if (c->woken || c->state != SV_WAITING)
        return;
    c->woken = 1;
    c->next = NULL;
    *c->world->woken_end = c;
    c->world->woken_end = &c->next;
}

static void service_record(struct sim_service *w, weir_span begin, weir_span took, int good,
                           int local)
{
    if (w->records == w->room) {
        size_t room = w->room ? 2 * w->room : 4096;
        struct sim_record *more = realloc(w->record, room * sizeof *more);
        if (!more) {
            w->failed = -ENOMEM;
            return;
        }
        w->record = more;
        w->room = room;
    }
    w->record[w->records++] =
        (struct sim_record){begin, took, (uint8_t)(good != 0), (uint8_t)(local != 0)};
}

/* Nothing happens to it any more. */
static void service_release(struct sim_service *w, struct service_call *c)
{
    c->state = SV_FREE;
    c->life++;
    if (!c->woken) {
        c->next = w->free;
        w->free = c;
    }
}

/* --- hedges: what src/call/hedge.c does on fibers ------------------------------------------- */

static void service_ended(struct sim_service *w, struct service_call *c, int result,
                          enum weir_class cls);
static void service_go_on(struct sim_service *w, struct service_call *c);

/* The tries of an attempt that is over. */
static void service_give_up(struct sim_service *w, struct service_call *c)
{
    for (uint32_t i = 0; i < c->sent; i++) {
        if (!c->tries[i])
            continue;
        weir_pass_abandon(&c->tries[i]->pass, WEIR_EPOCH + w->now);
        service_release(w, c->tries[i]);
        c->tries[i] = NULL;
    }
    c->sent = 0;
}

/* Those that are overtaken, or out of time, and past the delay: so long at least. */
static void service_overtaken(struct sim_service *w, struct service_call *c)
{
    struct weir_hedge *h = &c->stack->hedge;
    weir_span delay = weir_hedge_delay(h, WEIR_EPOCH + w->now);

    for (uint32_t i = 0; i < c->sent; i++)
        if (c->tries[i] && w->now - c->tries[i]->begin >= delay)
            weir_hedge_record(h, w->now - c->tries[i]->begin, WEIR_EPOCH + w->now);
}

/* When the next one goes, if this one has not answered by then. */
static void service_plan_hedge(struct sim_service *w, struct service_call *c)
{
    struct weir_hedge *h = &c->stack->hedge;
    weir_span delay = weir_hedge_delay(h, WEIR_EPOCH + w->now);
    weir_time deadline = weir_pass_deadline(&c->pass);
    struct service_request q = {c->index, c->life, weir_pass_attempt(&c->pass) & 0xffffff};

    if (delay == WEIR_NEVER || c->sent >= SV_TRIES || c->sent >= 1 + c->stack->hedges)
        return;
    if (delay < WEIR_MIN(1440) * 366 && WEIR_EPOCH + w->now + delay < deadline)
        service_push(w, SV_HEDGE, w->now + delay, &q, 0);
}

static void service_try(struct sim_service *w, struct service_call *c)
{
    struct service_call *t = service_call_new(w);

    if (!t) {
        w->failed = -ENOMEM;
        return;
    }
    *t = (struct service_call){.world = w, .index = t->index, .life = t->life, .enters = t->enters};
    t->begin = w->now;
    t->state = SV_WAITING;
    t->stack = c->stack;
    t->hedged = c;
    c->tries[c->sent++] = t;
    service_plan_hedge(w, c);
    weir_pass_begin(&t->pass, c->stack->inner, WEIR_EPOCH + w->now, weir_pass_deadline(&c->pass),
                    service_wake, t);
    weir_pass_within(&t->pass, &c->pass);
    service_go_on(w, t);
}

/* A try ended by itself: a success is the answer, the last failure means the first one's. */
static void service_try_over(struct sim_service *w, struct service_call *t, int result)
{
    struct service_call *c = t->hedged;
    weir_span took = w->now - t->begin;
    enum weir_class cls = result == t->last ? t->last_class : WEIR_CLASS_AUTO;
    int first = c->tries[0] == t;

    for (uint32_t i = 0; i < c->sent; i++)
        if (c->tries[i] == t)
            c->tries[i] = NULL;
    service_release(w, t);
    c->over++;
    if (first) {
        c->first = result;
        c->first_class = cls;
    }
    if (result >= 0) {
        weir_hedge_record(&c->stack->hedge, took, WEIR_EPOCH + w->now);
        service_ended(w, c, result, WEIR_CLASS_OK);
    } else if (c->over == c->sent) {
        service_ended(w, c, c->first, c->first_class);
    }
}

static void service_hedge(struct sim_service *w, struct service_call *c)
{
    if (weir_hedge_take(&c->stack->hedge, WEIR_EPOCH + w->now) == 0)
        service_try(w, c);
}

/* --- attempts ------------------------------------------------------------------------------ */

static void service_over(struct sim_service *w, struct service_call *c, int64_t result)
{
    int local = result == WEIR_EOPEN || result == WEIR_ERATE || result == WEIR_EFULL ||
                result == WEIR_ESHED;

    if (c->hedged) {
        service_try_over(w, c, (int)result);
        return;
    }
    service_record(w, c->begin, w->now - c->begin, result >= 0, local);
    service_release(w, c);
}

/* The attempt begins: to the server, or to the tries of a hedge. */
static void service_attempt(struct sim_service *w, struct service_call *c)
{
    struct service_request q = {c->index, c->life, weir_pass_attempt(&c->pass) & 0xffffff};
    weir_time deadline = weir_pass_deadline(&c->pass);
    int outer = c->hedged && deadline >= weir_pass_deadline(&c->hedged->pass);

    c->state = SV_TRYING;
    if (deadline != WEIR_NEVER && !outer) /* else who it is a try of has it */
        service_push(w, SV_TIMEOUT, deadline - WEIR_EPOCH, &q, 0);
    if (c->hedged || !c->stack->inner) {
        service_push(w, SV_ARRIVE, w->now + w->o.hop, &q, 0);
        return;
    }
    c->over = 0;
    weir_hedge_begin(&c->stack->hedge, WEIR_EPOCH + w->now);
    service_try(w, c);
}

/* Lets a call go on as far as it can now. */
static void service_go_on(struct sim_service *w, struct service_call *c)
{
    int64_t wait = weir_pass_enter(&c->pass, WEIR_EPOCH + w->now);
    struct service_request q = {c->index, c->life, 0};

    if (wait < 0) {
        service_over(w, c, wait);
    } else if (wait == 0) {
        service_attempt(w, c);
    } else {
        c->state = SV_WAITING;
        c->enters++;
        if (wait < WEIR_MIN(1440) * 366)
            service_push(w, SV_ENTER, w->now + wait, &q, c->enters);
    }
}

static void service_ended(struct sim_service *w, struct service_call *c, int result,
                          enum weir_class cls)
{
    struct weir_retry_outcome outcome = {.result = result, .cls = cls};
    struct service_request q = {c->index, c->life, 0};
    int end = 0;
    int64_t wait;

    if (result >= 0 || result == -ETIMEDOUT)
        service_overtaken(w, c);
    service_give_up(w, c);
    c->last = result;
    c->last_class = cls;
    wait =
        weir_pass_done(&c->pass, weir_pass_attempt(&c->pass), &outcome, WEIR_EPOCH + w->now, &end);
    if (wait <= 0) {
        service_over(w, c, wait < 0 ? wait : end);
        return;
    }
    c->state = SV_WAITING;
    c->enters++;
    service_push(w, SV_ENTER, w->now + wait, &q, c->enters);
}

/* The attempt of a request, if somebody still waits for it. */
static struct service_call *service_trying(const struct sim_service *w,
                                           const struct service_request *q)
{
    struct service_call *c = service_call_at(w, q->call);

    if (c->life != q->life || c->state != SV_TRYING ||
        (weir_pass_attempt(&c->pass) & 0xffffff) != q->attempt)
        return NULL;
    return c;
}

static void service_plan_begin(struct sim_service *w)
{
    double rate = sim_service_rate(&w->o);
    struct service_request none = {0, 0, 0};
    weir_span at;

    if (w->o.fault == SIM_SURGE && service_in_fault(w))
        rate *= w->o.factor;
    at = w->now + service_exponential(&w->arrivals, 1e9 / rate);
    if (at < w->o.duration)
        service_push(w, SV_BEGIN, at, &none, 0);
}

static void service_begin(struct sim_service *w)
{
    uint64_t instance = weir_rng_below(&w->arrivals, w->o.instances);
    struct service_call *c = service_call_new(w);

    if (!c) {
        w->failed = -ENOMEM;
        return;
    }
    c->begin = w->now;
    c->woken = 0;
    c->state = SV_WAITING;
    c->stack = &w->stack[instance];
    c->hedged = NULL;
    c->sent = 0;
    weir_pass_begin(&c->pass, c->stack->policy, WEIR_EPOCH + w->now, WEIR_NEVER, service_wake, c);
    service_go_on(w, c);
    service_plan_begin(w);
}

/* --- the server ---------------------------------------------------------------------------- */

static void service_answer(struct sim_service *w, const struct service_request *q,
                           enum service_answer answer)
{
    service_push(w, SV_ANSWER, w->now + w->o.hop, q, answer);
}

static void service_serve(struct sim_service *w, const struct service_request *q)
{
    double mean = (double)w->o.service;

    if (service_hit(w, SIM_SLOW))
        mean *= w->o.factor;
    w->busy++;
    service_push(w, SV_SERVED, w->now + service_exponential(&w->work, mean), q, 0);
}

static void service_arrive(struct sim_service *w, const struct service_request *q)
{
    weir_span width = (w->o.duration + SIM_BUCKETS - 1) / SIM_BUCKETS;

    w->sum->sent++;
    w->sum->fault_sent += (uint64_t)service_in_fault(w);
    if (w->now < w->o.duration)
        w->sum->bucket[w->now / width].sent++;
    if (service_hit(w, SIM_DOWN)) {
        service_answer(w, q, SV_REFUSED);
    } else if (service_hit(w, SIM_ERROR)) {
        service_answer(w, q, SV_ERROR);
    } else if (service_hit(w, SIM_HANG)) {
        return;
    } else if (w->busy < w->o.servers) {
        service_serve(w, q);
    } else if (w->queued < w->o.queue) {
        w->queue[(w->head + w->queued++) % w->o.queue] = *q;
    } else {
        service_answer(w, q, SV_ERROR);
    }
}

static void service_served(struct sim_service *w, const struct service_request *q)
{
    struct service_request next;

    w->busy--;
    w->sum->served++;
    w->sum->vain += service_trying(w, q) == NULL;
    service_answer(w, q, SV_OK);
    if (w->queued) {
        next = w->queue[w->head];
        w->head = (w->head + 1) % w->o.queue;
        w->queued--;
        service_serve(w, &next);
    }
}

/* --- the loop ------------------------------------------------------------------------------ */

static void service_handle(struct sim_service *w, const struct sim_event *e)
{
    struct service_request q = service_request_of(e);
    struct service_call *c;

    switch (e->what & 0xff) {
    case SV_BEGIN:
        service_begin(w);
        return;
    case SV_ARRIVE:
        service_arrive(w, &q);
        return;
    case SV_SERVED:
        service_served(w, &q);
        return;
    case SV_ENTER:
        c = service_call_at(w, q.call);
        if (c->life == q.life && c->state == SV_WAITING && c->enters == e->extra)
            service_go_on(w, c);
        return;
    default:
        if (!(c = service_trying(w, &q)))
            return;
        if ((e->what & 0xff) == SV_HEDGE)
            service_hedge(w, c);
        else if ((e->what & 0xff) == SV_TIMEOUT)
            service_ended(w, c, -ETIMEDOUT, WEIR_CLASS_AUTO);
        else if (e->extra == SV_REFUSED)
            service_ended(w, c, -ECONNREFUSED, WEIR_CLASS_AUTO);
        else
            service_ended(w, c, e->extra == SV_OK ? 1 : -EIO,
                          e->extra == SV_OK ? WEIR_CLASS_OK : WEIR_CLASS_SERVER);
    }
}

static void service_run_woken(struct sim_service *w)
{
    struct service_call *c;

    while ((c = w->woken)) {
        if (!(w->woken = c->next))
            w->woken_end = &w->woken;
        c->woken = 0;
        if (c->state == SV_WAITING) {
            service_go_on(w, c);
        } else if (c->state == SV_FREE) {
            c->next = w->free;
            w->free = c;
        }
    }
}

/* What is under way when nothing more can happen, or it has lasted too long. */
static void service_end(struct sim_service *w)
{
    for (uint32_t i = 0; i < w->made; i++) {
        struct service_call *c = service_call_at(w, i);
        if (c->state == SV_FREE)
            continue;
        weir_pass_abandon(&c->pass, WEIR_EPOCH + w->now);
        if (!c->hedged)
            service_record(w, c->begin, WEIR_NEVER, 0, 0);
        c->state = SV_FREE;
    }
}

static int service_open(struct sim_service *w, const struct sim_expr *e)
{
    int r = 0;

    w->stack = calloc(w->o.instances, sizeof *w->stack);
    w->queue = calloc(w->o.queue ? w->o.queue : 1, sizeof *w->queue);
    if (!w->stack || !w->queue)
        return -ENOMEM;
    for (uint32_t i = 0; r == 0 && i < w->o.instances; i++) {
        r = sim_stack_open(e, &w->stack[i]);
        if (r == 0)
            weir_policy_seed(w->stack[i].policy, w->o.seed + i * 0x9e3779b97f4a7c15u + 1);
        if (r == 0 && w->stack[i].inner)
            weir_policy_seed(w->stack[i].inner, ~w->o.seed + i * 0x9e3779b97f4a7c15u);
    }
    return r;
}

static void service_close(struct sim_service *w)
{
    for (uint32_t i = 0; w->stack && i < w->o.instances; i++)
        sim_stack_close(&w->stack[i]);
    for (uint32_t i = 0; i < w->blocks; i++)
        free(w->block[i]);
    free(w->block);
    free(w->stack);
    free(w->queue);
    free(w->record);
    sim_heap_free(&w->heap);
}

int sim_service_run(const struct sim_service_opts *o, const struct sim_expr *stack,
                    struct sim_service_sum *out)
{
    struct sim_service w = {.o = *o, .sum = out};
    struct sim_event e;
    int r;

    memset(out, 0, sizeof *out);
    w.woken_end = &w.woken;
    weir_rng_init(&w.arrivals, o->seed, 1);
    weir_rng_init(&w.work, o->seed, 2);
    if ((r = service_open(&w, stack)) == 0)
        service_plan_begin(&w);
    while (r == 0 && w.heap.n) {
        e = sim_heap_pop(&w.heap);
        if (e.at > (double)(o->duration + SIM_GRACE))
            break;
        w.now = (weir_span)e.at;
        service_handle(&w, &e);
        service_run_woken(&w);
        r = w.failed;
    }
    if (r == 0) {
        service_end(&w);
        r = w.failed ? w.failed : sim_service_sum(o, w.record, w.records, out);
    }
    service_close(&w);
    return r;
}
