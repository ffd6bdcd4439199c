/*
 * fetch_sched.c -- the coordinator's mind.
 * Invariant: a host with queued items is in the ring (it may start one), in
 * the heap (not before an instant) or FULL (not before one of its attempts
 * ends); a host without items is in the idle list.
 */
#include "fetch_sched.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SCHED_NODE_JOB = 1, SCHED_NODE_HOST };

#define SCHED_OWNER(node, T) ((struct T *)(void *)((char *)(node)-offsetof(struct T, node)))

static void sched_link(struct fetch_host *list, struct fetch_host *h)
{
    h->prev = list->prev;
    h->next = list;
    list->prev->next = h;
    list->prev = h;
}

static void sched_unlink(struct fetch_host *h)
{
    if (h->next == NULL)
        return;
    h->prev->next = h->next;
    h->next->prev = h->prev;
    h->prev = h->next = NULL;
}

int fetch_sched_init(struct fetch_sched *s, const struct fetch_policy *policy)
{
    memset(s, 0, sizeof *s);
    if (policy->jobs == 0 || policy->per_host == 0 || policy->window == 0)
        return -EINVAL;
    s->policy = *policy;
    if (policy->has_rate && weir_rate_init(&s->rate, &policy->rate) < 0)
        return -EINVAL;
    weir_rng_init(&s->rng, policy->seed, 0);
    s->ring.prev = s->ring.next = &s->ring;
    s->idle.prev = s->idle.next = &s->idle;
    s->table_size = 2048;
    while (s->table_size < policy->window && s->table_size < 65536)
        s->table_size *= 2;
    s->table = calloc(s->table_size, sizeof *s->table);
    return s->table != NULL ? 0 : -ENOMEM;
}

void fetch_sched_fini(struct fetch_sched *s)
{
    for (size_t i = 0; i < s->table_size && s->table != NULL; i++) {
        for (struct fetch_host *h = s->table[i], *next; h != NULL; h = next) {
            next = h->hash_next;
            fetch_host_free(&h);
        }
    }
    free(s->table);
    fetch_heap_fini(&s->heap);
    memset(s, 0, sizeof *s);
}

uint32_t fetch_sched_room(const struct fetch_sched *s)
{
    return s->held < s->policy.window ? s->policy.window - s->held : 0;
}

/* --- hosts ---------------------------------------------------------------- */

static uint64_t sched_hash(const char *p, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
    }
    return h ^ h >> 29;
}

static void sched_forget(struct fetch_sched *s)
{
    struct fetch_host *h = s->idle.next;
    struct fetch_host **at = &s->table[h->hash % s->table_size];
    while (*at != h)
        at = &(*at)->hash_next;
    *at = h->hash_next;
    sched_unlink(h);
    fetch_host_free(&h);
    s->hosts--;
}

static struct fetch_host *sched_host(struct fetch_sched *s, const char *origin, size_t len)
{
    uint64_t hash = sched_hash(origin, len);
    struct fetch_host **at = &s->table[hash % s->table_size];
    for (struct fetch_host *h = *at; h != NULL; h = h->hash_next)
        if (h->hash == hash && strncasecmp(h->origin, origin, len) == 0 && h->origin[len] == 0)
            return h;
    if (s->hosts >= FETCH_HOSTS_KEPT && s->idle.next != &s->idle)
        sched_forget(s);
    struct fetch_host *h = fetch_host_new(&s->policy, origin, len);
    if (h == NULL)
        return NULL;
    h->hash = hash;
    at = &s->table[hash % s->table_size];
    h->hash_next = *at;
    *at = h;
    s->hosts++;
    sched_link(&s->idle, h);
    return h;
}

static void sched_host_leave(struct fetch_sched *s, struct fetch_host *h)
{
    sched_unlink(h);
    fetch_heap_remove(&s->heap, &h->node);
}

/* The host may have something to start: it takes its turn behind the others. */
static void sched_host_ready(struct fetch_sched *s, struct fetch_host *h)
{
    if (h->place == FETCH_HOST_READY || h->fresh.n + h->again.n == 0)
        return;
    sched_host_leave(s, h);
    h->place = FETCH_HOST_READY;
    sched_link(&s->ring, h);
}

static void sched_host_until(struct fetch_sched *s, struct fetch_host *h, weir_time at)
{
    sched_host_leave(s, h);
    h->place = FETCH_HOST_TIMED;
    h->node.kind = SCHED_NODE_HOST;
    if (fetch_heap_push(&s->heap, &h->node, at) < 0) {
        h->place = FETCH_HOST_READY; /* no memory: ask again instead of being told */
        sched_link(&s->ring, h);
    }
}

static void sched_host_rest(struct fetch_sched *s, struct fetch_host *h)
{
    sched_host_leave(s, h);
    h->place = h->held > 0 ? FETCH_HOST_FULL : FETCH_HOST_IDLE;
    if (h->place == FETCH_HOST_IDLE)
        sched_link(&s->idle, h);
}

/* --- items ---------------------------------------------------------------- */

static void sched_end(struct fetch_job *job, enum fetch_outcome o, const char *problem,
                      weir_time now)
{
    job->state = FETCH_DONE;
    job->outcome = o;
    job->problem = problem;
    job->end = now;
    if (o != FETCH_OK)
        fetch_job_body_drop(job);
}

static const char *sched_stop_text(enum fetch_outcome why)
{
    return why == FETCH_DEADLINE ? "the job's deadline came first"
           : why == FETCH_HALTED ? "stopped by --halt"
                                 : "cancelled";
}

static void sched_stop_job(struct fetch_sched *s, struct fetch_job *job, weir_time now)
{
    sched_end(job, s->stop, sched_stop_text(s->stop), now);
    fetch_list_push(&s->over, job);
}

int fetch_sched_add(struct fetch_sched *s, struct fetch_job *job, weir_time now)
{
    if (job->url != NULL && s->stop != FETCH_OK) {
        sched_stop_job(s, job, now);
    } else if (job->url != NULL) {
        struct fetch_host *h = sched_host(s, job->url, job->origin_len);
        if (h == NULL)
            return -ENOMEM;
        job->host = h;
        if (h->held++ == 0)
            sched_host_rest(s, h);
        job->due = now;
        fetch_list_push(&h->fresh, job);
        sched_host_ready(s, h);
        s->queued++;
    } else {
        fetch_list_push(&s->over, job);
    }
    s->held++;
    return 0;
}

/* Items whose time has come are queued again, hosts whose time has come get their turn. */
static void sched_tick(struct fetch_sched *s, weir_time now)
{
    for (struct fetch_node *node; (node = fetch_heap_pop(&s->heap, now)) != NULL;) {
        if (node->kind == SCHED_NODE_HOST) {
            struct fetch_host *h = SCHED_OWNER(node, fetch_host);
            h->place = FETCH_HOST_FULL;
            sched_host_ready(s, h);
            continue;
        }
        struct fetch_job *job = SCHED_OWNER(node, fetch_work)->job;
        job->state = FETCH_QUEUED;
        s->waiting--;
        s->queued++;
        fetch_list_push(&job->host->again, job);
        if (job->host->place != FETCH_HOST_TIMED)
            sched_host_ready(s, job->host);
    }
}

static struct fetch_job *sched_take(struct fetch_sched *s, struct fetch_host *h)
{
    struct fetch_job *job = fetch_list_pop(h->again.n > 0 ? &h->again : &h->fresh);
    s->queued--;
    return job;
}

/* Charges the limits and marks the attempt as started.  NULL: no memory, try later. */
static struct fetch_job *sched_start(struct fetch_sched *s, struct fetch_host *h,
                                     struct fetch_job *job, weir_time now)
{
    if (job->due < h->paused_until)
        job->due = h->paused_until;
    if (fetch_job_start(job, now) < 0) {
        if (h->breaker != NULL)
            (void)weir_breaker_done(h->breaker, &job->work->token, WEIR_BREAKER_IGNORED, now,
                                    &s->rng);
        sched_host_until(s, h, now + WEIR_MS(10));
        return NULL;
    }
    if (s->policy.has_rate && weir_rate_take(&s->rate, 1, now) != 0)
        s->rate_at = now + WEIR_MS(1);
    (void)sched_take(s, h);
    job->work->limit = fetch_host_limit(h, &s->policy, job);
    h->running++;
    s->running++;
    s->requests++;
    return job;
}

/* One turn of the host in front: an item to act on, or NULL and the host has left the ring. */
static struct fetch_job *sched_turn(struct fetch_sched *s, struct fetch_host *h, weir_time now)
{
    weir_span open_for = 0;
    struct fetch_job *job = h->again.n > 0 ? h->again.head : h->fresh.head;
    if (job == NULL) {
        sched_host_rest(s, h);
        return NULL;
    }
    int64_t wait = fetch_job_prepare(job) < 0
                       ? WEIR_MS(10) /* no memory: try later */
                       : fetch_host_admit(h, &s->policy, job, now, &open_for);
    if (wait == WEIR_EOPEN && s->policy.breaker_fail) {
        job = sched_take(s, h);
        sched_end(job, FETCH_BREAKER_OPEN, "the host's breaker is open", now);
        return job;
    }
    if (wait == WEIR_EOPEN)
        wait = open_for;
    if (wait > 0)
        sched_host_until(s, h, now + wait);
    else if (wait < 0)
        sched_host_rest(s, h);
    if (wait != 0)
        return NULL;
    job = sched_start(s, h, job, now);
    if (job != NULL) {
        sched_unlink(h);
        h->place = FETCH_HOST_FULL;
        sched_host_ready(s, h);
    }
    return job;
}

struct fetch_job *fetch_sched_next(struct fetch_sched *s, weir_time now)
{
    struct fetch_job *job = fetch_list_pop(&s->over);
    if (job != NULL)
        return job;
    sched_tick(s, now);
    s->rate_at = 0;
    while (s->ring.next != &s->ring && s->running < s->policy.jobs) {
        int64_t wait = s->policy.has_rate ? weir_rate_peek(&s->rate, 1, now) : 0;
        if (wait != 0) {
            s->rate_at = now + (wait > 0 ? wait : WEIR_S(1));
            return NULL;
        }
        job = sched_turn(s, s->ring.next, now);
        if (job != NULL)
            return job;
    }
    return NULL;
}

weir_time fetch_sched_wake(const struct fetch_sched *s)
{
    weir_time at = fetch_heap_next(&s->heap);
    if (s->over.n > 0)
        return 0;
    return s->rate_at > 0 && s->rate_at < at ? s->rate_at : at;
}

static void sched_note(struct fetch_job *job, const struct fetch_result *r, weir_time now)
{
    struct fetch_try *t = fetch_job_try(job);
    t->end = now;
    t->outcome = (uint8_t)r->outcome;
    t->status = (int16_t)r->status;
    t->retry_after = r->retry_after;
    job->work->last = *r;
    job->end = now;
}

static bool sched_again(struct fetch_sched *s, struct fetch_job *job, const struct fetch_result *r,
                        weir_time now)
{
    const struct fetch_policy *p = &s->policy;
    if (!p->retry || job->attempts > p->retries ||
        !fetch_retry_on_has(&p->retry_on, r->outcome, r->status))
        return false;
    if (s->stop != FETCH_OK) {
        sched_end(job, s->stop, sched_stop_text(s->stop), now);
        return false;
    }
    weir_span wait = fetch_host_wait(job->host, p, job, r, &s->rng);
    if (wait >= p->deadline - now) {
        sched_end(job, FETCH_DEADLINE, "the next try would be past the job's deadline", now);
        return false;
    }
    job->work->node.kind = SCHED_NODE_JOB;
    if (fetch_heap_push(&s->heap, &job->work->node, now + wait) < 0)
        return false;
    fetch_job_try(job)->wait = wait;
    job->due = now + wait;
    job->state = FETCH_WAITING;
    s->waiting++;
    return true;
}

bool fetch_sched_done(struct fetch_sched *s, struct fetch_job *job, const struct fetch_result *r,
                      weir_time now)
{
    struct fetch_host *h = job->host;
    sched_note(job, r, now);
    h->running--;
    s->running--;
    fetch_host_learn(h, &s->policy, job, r, now, &s->rng);
    sched_host_ready(s, h);
    if (r->outcome != FETCH_OK)
        fetch_job_body_drop(job);
    if (sched_again(s, job, r, now))
        return false;
    if (job->state != FETCH_DONE)
        sched_end(job, r->outcome,
                  fetch_outcome_is_left(r->outcome) ? sched_stop_text(r->outcome) : NULL, now);
    return true;
}

void fetch_sched_release(struct fetch_sched *s, struct fetch_job **job)
{
    struct fetch_host *h = (*job)->host;
    s->held--;
    if (h != NULL && --h->held == 0)
        sched_host_rest(s, h);
    fetch_job_free(job);
}

static void sched_stop_host(struct fetch_sched *s, struct fetch_host *h, weir_time now)
{
    while (h->fresh.n + h->again.n > 0)
        sched_stop_job(s, sched_take(s, h), now);
    if (h->held > 0)
        sched_host_rest(s, h);
}

void fetch_sched_stop(struct fetch_sched *s, enum fetch_outcome why, weir_time now)
{
    if (s->stop != FETCH_OK)
        return;
    s->stop = why;
    while (s->heap.n > 0) {
        struct fetch_node *node = s->heap.nodes[0];
        fetch_heap_remove(&s->heap, node);
        if (node->kind == SCHED_NODE_JOB) {
            s->waiting--;
            sched_stop_job(s, SCHED_OWNER(node, fetch_work)->job, now);
        }
    }
    for (size_t i = 0; i < s->table_size; i++)
        for (struct fetch_host *h = s->table[i]; h != NULL; h = h->hash_next)
            sched_stop_host(s, h, now);
}

uint32_t fetch_sched_held_back(const struct fetch_sched *s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s->heap.n; i++) {
        const struct fetch_node *node = s->heap.nodes[i];
        if (node->kind == SCHED_NODE_HOST) {
            const struct fetch_host *h = SCHED_OWNER(node, fetch_host);
            n += (uint32_t)(h->fresh.n + h->again.n);
        }
    }
    return n;
}
