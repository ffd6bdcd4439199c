/*
 * sim_aws.c -- the world of sim_aws.h, an event at a time.
 *
 * Where the server takes no time, what a client does between two arrivals at
 * the server touches nobody else, so those events are not made: the draws are
 * the same, the hops are added up.
 */
#include "sim_aws.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "sim_heap.h"

enum aws_what { AWS_READ, AWS_WRITE, AWS_SERVED, AWS_ANSWER, AWS_GIVE_UP };

struct aws_client {
    struct sim_law_state law;
    double done;      /* when it got its success */
    uint32_t request; /* of the one whose answer it waits for; others are stale */
    uint32_t version, writing;
    int over;
};

/* A request in the server's queue. */
struct aws_request {
    uint32_t who, request, version, writing;
};

struct sim_aws {
    struct sim_heap heap;
    struct aws_client *client;
    struct aws_request *queue; /* a ring */
    size_t queued, head, queue_room;
    double *done; /* for the median */
    uint32_t room;
    /* the run */
    struct weir_rng rng;
    const struct sim_rule *rule;
    struct sim_aws_opts o;
    double now, spare;
    int has_spare, failed;
    uint32_t version, busy, left;
    struct sim_aws_run run;
};

struct sim_aws *sim_aws_new(uint32_t clients)
{
    struct sim_aws *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->room = clients;
    w->client = calloc(clients, sizeof *w->client);
    w->done = calloc(clients, sizeof *w->done);
    if (!w->client || !w->done)
        sim_aws_free(&w);
    return w;
}

void sim_aws_free(struct sim_aws **w)
{
    if (!*w)
        return;
    sim_heap_free(&(*w)->heap);
    free((*w)->client);
    free((*w)->done);
    free((*w)->queue);
    free(*w);
    *w = NULL;
}

/* --- chance and time ----------------------------------------------------------------------- */

/* Marsaglia's polar method: two at a time. */
static double aws_normal(struct sim_aws *w)
{
    double u, v, s;

    if (w->has_spare) {
        w->has_spare = 0;
        return w->spare;
    }
    do {
        u = 2 * weir_rng_unit(&w->rng) - 1;
        v = 2 * weir_rng_unit(&w->rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    s = sqrt(-2 * log(s) / s);
    w->spare = v * s;
    w->has_spare = 1;
    return u * s;
}

static double aws_hop(struct sim_aws *w)
{
    return fabs(w->o.hop + (w->o.hop_sd > 0 ? w->o.hop_sd * aws_normal(w) : 0));
}

static void aws_push(struct sim_aws *w, enum aws_what what, uint32_t who, double in, uint32_t tag)
{
    struct sim_event e = {.at = w->now + in, .who = who, .what = what, .tag = tag};

    if (sim_heap_push(&w->heap, e) < 0)
        w->failed = 1;
}

/* --- clients ------------------------------------------------------------------------------- */

/* A request goes out: it is at the server after a hop and `wait`. */
static void aws_ask(struct sim_aws *w, uint32_t who, int writing, double wait)
{
    struct aws_client *c = &w->client[who];

    c->request++;
    c->writing = (uint32_t)writing;
    aws_push(w, writing ? AWS_WRITE : AWS_READ, who, aws_hop(w) + wait, c->request);
    if (w->o.timeout > 0)
        aws_push(w, AWS_GIVE_UP, who, wait + w->o.timeout, c->request);
}

static void aws_back_off(struct sim_aws *w, uint32_t who)
{
    aws_ask(w, who, 0, sim_rule_next(w->rule, &w->client[who].law, &w->rng));
}

static void aws_succeed(struct sim_aws *w, uint32_t who, double at)
{
    w->client[who].over = 1;
    w->client[who].done = at;
    w->left--;
    if (at > w->run.time)
        w->run.time = at;
}

/* --- a server that takes no time ----------------------------------------------------------- */

/* The answer travels back, and the write travels here. */
static void aws_read_at_once(struct sim_aws *w, uint32_t who)
{
    double in = aws_hop(w);

    w->run.requests++;
    w->client[who].version = w->version;
    aws_push(w, AWS_WRITE, who, in + aws_hop(w), 0);
}

static void aws_write_at_once(struct sim_aws *w, uint32_t who)
{
    struct aws_client *c = &w->client[who];
    double in = aws_hop(w);

    w->run.requests++;
    w->run.calls++;
    if (c->version == w->version) {
        w->version++;
        aws_succeed(w, who, w->now + in);
        return;
    }
    w->run.lost++;
    in += aws_hop(w);
    aws_push(w, AWS_READ, who, in + sim_rule_next(w->rule, &c->law, &w->rng), 0);
}

/* --- a server that takes time -------------------------------------------------------------- */

enum { AWS_LOST, AWS_WON, AWS_REFUSED };

static void aws_answer(struct sim_aws *w, const struct aws_request *q, uint32_t answer)
{
    struct sim_event e = {.at = w->now + aws_hop(w),
                          .who = q->who,
                          .what = AWS_ANSWER,
                          .tag = q->request,
                          .extra = answer << 30 | q->version};

    if (sim_heap_push(&w->heap, e) < 0)
        w->failed = 1;
}

static void aws_serve(struct sim_aws *w, const struct aws_request *q)
{
    struct sim_event e = {.at = w->now + w->o.service,
                          .who = q->who,
                          .what = AWS_SERVED,
                          .tag = q->request,
                          .extra = q->writing << 30 | q->version};

    w->busy++;
    if (sim_heap_push(&w->heap, e) < 0)
        w->failed = 1;
}

static int aws_enqueue(struct sim_aws *w, struct aws_request q)
{
    if (w->queued == w->queue_room) {
        size_t room = w->queue_room ? 2 * w->queue_room : 256;
        struct aws_request *more = malloc(room * sizeof *more);
        if (!more)
            return -ENOMEM;
        for (size_t i = 0; i < w->queued; i++)
            more[i] = w->queue[(w->head + i) % w->queue_room];
        free(w->queue);
        w->queue = more;
        w->queue_room = room;
        w->head = 0;
    }
    w->queue[(w->head + w->queued++) % w->queue_room] = q;
    return 0;
}

static void aws_arrive(struct sim_aws *w, const struct sim_event *e)
{
    struct aws_request q = {.who = e->who,
                            .request = e->tag,
                            .version = w->client[e->who].version,
                            .writing = e->what == AWS_WRITE};

    w->run.requests++;
    if (w->o.service > 0 && w->busy >= w->o.servers) {
        if (w->o.queue && w->queued >= w->o.queue) {
            w->run.refused++;
            w->run.calls += q.writing;
            aws_answer(w, &q, AWS_REFUSED);
        } else if (aws_enqueue(w, q) < 0) {
            w->failed = 1;
        }
        return;
    }
    aws_serve(w, &q);
}

/* The server has done a request: the row is read or written now. */
static void aws_served(struct sim_aws *w, const struct sim_event *e)
{
    struct aws_request q = {.who = e->who,
                            .request = e->tag,
                            .version = e->extra & 0x3fffffff,
                            .writing = e->extra >> 30};

    w->busy--;
    if (q.writing) {
        int won = q.version == (w->version & 0x3fffffff);
        w->run.calls++;
        w->run.lost += !won;
        w->version += (uint32_t)won;
        aws_answer(w, &q, won ? AWS_WON : AWS_LOST);
    } else {
        q.version = w->version & 0x3fffffff;
        aws_answer(w, &q, AWS_WON);
    }
    if (w->queued) {
        q = w->queue[w->head];
        w->head = (w->head + 1) % w->queue_room;
        w->queued--;
        aws_serve(w, &q);
    }
}

static void aws_answered(struct sim_aws *w, const struct sim_event *e)
{
    struct aws_client *c = &w->client[e->who];

    if (c->over || e->tag != c->request)
        return;
    if (e->extra >> 30 != AWS_WON) {
        aws_back_off(w, e->who);
    } else if (c->writing) {
        aws_succeed(w, e->who, w->now);
    } else {
        c->version = e->extra & 0x3fffffff;
        aws_ask(w, e->who, 1, 0);
    }
}

static void aws_give_up(struct sim_aws *w, const struct sim_event *e)
{
    struct aws_client *c = &w->client[e->who];

    if (c->over || e->tag != c->request)
        return;
    w->run.late++;
    aws_back_off(w, e->who);
}

/* --- a run --------------------------------------------------------------------------------- */

static void aws_handle(struct sim_aws *w, const struct sim_event *e, int at_once)
{
    switch (e->what) {
    case AWS_READ:
        at_once ? aws_read_at_once(w, e->who) : aws_arrive(w, e);
        return;
    case AWS_WRITE:
        at_once ? aws_write_at_once(w, e->who) : aws_arrive(w, e);
        return;
    case AWS_SERVED:
        aws_served(w, e);
        return;
    case AWS_ANSWER:
        aws_answered(w, e);
        return;
    default:
        aws_give_up(w, e);
    }
}

static int aws_less(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double aws_median(struct sim_aws *w)
{
    uint32_t n = w->o.clients;

    for (uint32_t i = 0; i < n; i++)
        w->done[i] = w->client[i].done;
    qsort(w->done, n, sizeof *w->done, aws_less);
    return (w->done[(n - 1) / 2] + w->done[n / 2]) / 2;
}

static void aws_start(struct sim_aws *w, const struct sim_rule *rule, const struct sim_aws_opts *o,
                      uint64_t seed, uint32_t trial)
{
    weir_rng_init(&w->rng, seed, (uint64_t)o->clients << 32 | trial);
    sim_heap_clear(&w->heap);
    w->rule = rule;
    w->o = *o;
    if (!w->o.most_calls)
        w->o.most_calls = 100000000;
    w->queued = w->head = 0;
    w->now = 0;
    w->has_spare = w->failed = 0;
    w->version = w->busy = 0;
    w->left = o->clients;
    w->run = (struct sim_aws_run){.time = 0};
    for (uint32_t i = 0; i < o->clients; i++)
        w->client[i] = (struct aws_client){.over = 0};
}

int sim_aws_run(struct sim_aws *w, const struct sim_rule *rule, const struct sim_aws_opts *o,
                uint64_t seed, uint32_t trial, struct sim_aws_run *out)
{
    int at_once = o->service <= 0 && o->timeout <= 0;
    struct sim_event e;

    aws_start(w, rule, o, seed, trial);
    for (uint32_t i = 0; i < o->clients; i++)
        if (at_once)
            aws_push(w, AWS_READ, i, aws_hop(w), 0);
        else
            aws_ask(w, i, 0, 0);
    while (w->left && w->heap.n && !w->failed && w->run.requests < 2 * w->o.most_calls) {
        e = sim_heap_pop(&w->heap);
        w->now = e.at;
        aws_handle(w, &e, at_once);
    }
    w->run.endless = w->left > 0;
    w->run.median = aws_median(w);
    *out = w->run;
    return w->failed ? -ENOMEM : 0;
}

/* --- many runs ----------------------------------------------------------------------------- */

/* Welford's: *mean and *squares after the k-th value, k from 1. */
static void aws_gather(struct sim_stat *s, double value, uint32_t k)
{
    double off = value - s->mean;

    s->mean += off / k;
    s->sd += off * (value - s->mean);
}

static void aws_settle(struct sim_stat *s, uint32_t n)
{
    s->sd = n > 1 ? sqrt(s->sd / (n - 1)) : 0;
}

int sim_aws_cell(struct sim_aws *w, const struct sim_rule *rule, const struct sim_aws_opts *o,
                 uint64_t seed, uint32_t trials, struct sim_aws_cell *out)
{
    struct sim_aws_cell c = {.clients = o->clients, .trials = trials};
    struct sim_aws_run run;
    int r;

    for (uint32_t k = 1; k <= trials; k++) {
        if ((r = sim_aws_run(w, rule, o, seed, k - 1, &run)) < 0)
            return r;
        aws_gather(&c.calls, (double)run.calls, k);
        aws_gather(&c.time, run.time, k);
        aws_gather(&c.median, run.median, k);
        c.requests += (double)run.requests / trials;
        c.refused += (double)run.refused / trials;
        c.late += (double)run.late / trials;
        c.endless |= run.endless;
    }
    aws_settle(&c.calls, trials);
    aws_settle(&c.time, trials);
    aws_settle(&c.median, trials);
    *out = c;
    return 0;
}
