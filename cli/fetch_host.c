/*
 * fetch_host.c -- admission, learning, waits and timeouts of one host.
 * Promises: pure state; time and randomness are arguments; a 429 is never a
 * breaker failure; a pause only ever extends.
 */
#include "fetch_host.h"

#include <stdlib.h>
#include <string.h>

void fetch_list_push(struct fetch_list *l, struct fetch_job *job)
{
    job->next = NULL;
    if (l->tail != NULL)
        l->tail->next = job;
    else
        l->head = job;
    l->tail = job;
    l->n++;
}

struct fetch_job *fetch_list_pop(struct fetch_list *l)
{
    struct fetch_job *job = l->head;
    if (job == NULL)
        return NULL;
    l->head = job->next;
    if (l->head == NULL)
        l->tail = NULL;
    l->n--;
    job->next = NULL;
    return job;
}

struct fetch_host *fetch_host_new(const struct fetch_policy *p, const char *origin, size_t len)
{
    struct fetch_host *h = calloc(1, sizeof *h + len + 1);
    if (h == NULL)
        return NULL;
    h->origin = (char *)(h + 1);
    memcpy(h->origin, origin, len);
    if (p->has_host_rate && weir_rate_init(&h->rate, &p->host_rate) < 0)
        goto fail;
    if (p->has_breaker) {
        h->breaker = calloc(1, sizeof *h->breaker);
        if (h->breaker == NULL || weir_breaker_init(h->breaker, &p->breaker) < 0)
            goto fail;
    }
    return h;
fail:
    fetch_host_free(&h);
    return NULL;
}

void fetch_host_free(struct fetch_host **h)
{
    if (*h == NULL)
        return;
    free((*h)->breaker);
    free(*h);
    *h = NULL;
}

static bool host_full(const struct fetch_host *h, const struct fetch_policy *p)
{
    return h->running >= p->per_host || (h->allow > 0 && h->running >= h->allow);
}

int64_t fetch_host_admit(struct fetch_host *h, const struct fetch_policy *p, struct fetch_job *job,
                         weir_time now, weir_span *out_wait)
{
    if (h->paused_until > now)
        return h->paused_until - now;
    if (host_full(h, p))
        return WEIR_EFULL;
    if (h->gap > 0 && now < h->paced_next)
        return h->paced_next - now;
    if (p->has_host_rate) {
        int64_t wait = weir_rate_peek(&h->rate, 1, now);
        if (wait != 0)
            return wait > 0 ? wait : WEIR_S(1);
    }
    if (h->breaker != NULL) {
        int64_t wait = weir_breaker_take(h->breaker, now, &job->work->token);
        *out_wait = wait > 0 ? wait : WEIR_S(1);
        if (wait != 0)
            return WEIR_EOPEN;
    }
    if (p->has_host_rate && weir_rate_take(&h->rate, 1, now) != 0)
        return WEIR_S(1); /* cannot happen: it was peeked at this very instant */
    h->paced_next = now + h->gap;
    return 0;
}

static enum weir_breaker_outcome host_verdict(const struct fetch_result *r)
{
    if (fetch_outcome_is_left(r->outcome) || r->outcome == FETCH_BREAKER_OPEN)
        return WEIR_BREAKER_IGNORED;
    if (r->outcome == FETCH_OK || r->outcome == FETCH_TOO_LARGE ||
        r->outcome == FETCH_REDIRECT_LOOP)
        return WEIR_BREAKER_OK;
    if (r->outcome != FETCH_HTTP)
        return WEIR_BREAKER_FAILED;
    if (r->status == 429)
        return WEIR_BREAKER_IGNORED;
    return r->status >= 500 ? WEIR_BREAKER_FAILED : WEIR_BREAKER_OK;
}

/* Some of a wait drawn at random, so that those who were told the same do not come together. */
static weir_span host_spread(const struct fetch_policy *p, struct weir_rng *rng)
{
    weir_span most = p->backoff.base > 0 ? p->backoff.base : WEIR_MS(100);
    if (p->backoff.jitter == WEIR_JITTER_NONE)
        return 0;
    return 1 + (weir_span)weir_rng_below(rng, (uint64_t)most);
}

static weir_span host_gap_within(weir_span gap)
{
    return gap < FETCH_GAP_LEAST ? 0 : gap < FETCH_GAP_MOST ? gap : FETCH_GAP_MOST;
}

/* A pause begins: the pace after it is what got through since the last one. */
static void host_pace(struct fetch_host *h, weir_time now, weir_time until)
{
    weir_span oks = (weir_span)(h->oks - h->paced_oks);
    weir_span since = h->paced_from;
    h->gap_goal = h->gap > 0 ? 2 * h->gap : oks > 0 ? 2 * (now - since) / oks : 0;
    h->gap = oks > 0 ? host_gap_within((until - since) / oks) : FETCH_GAP_MOST;
    h->paced_from = until;
    h->paced_oks = h->oks;
}

static void host_pace_up(struct fetch_host *h)
{
    weir_span slow = h->gap - h->gap / 16, fast = h->gap / 2;
    h->gap = host_gap_within(h->gap <= h->gap_goal ? slow
                             : fast > h->gap_goal  ? fast
                                                   : h->gap_goal);
}

static void host_asked(struct fetch_host *h, const struct fetch_policy *p, weir_time began,
                       weir_span wait, weir_time now, struct weir_rng *rng)
{
    h->asked++;
    if (h->gap > 0 && began >= h->paced_from) /* not one from before the pause */
        h->gap = h->gap_goal = host_gap_within(2 * h->gap);
    bool pause = p->ra.scope == FETCH_RA_HOST ||
                 (p->ra.scope == FETCH_RA_AUTO && h->asked >= FETCH_PAUSE_AFTER);
    if (!pause)
        return;
    weir_time until = now + wait + host_spread(p, rng);
    if (now >= h->paused_until)
        host_pace(h, now, until);
    if (until > h->paused_until)
        h->paused_until = until;
    h->allow = 1;
}

static void host_succeeded(struct fetch_host *h, const struct fetch_policy *p, weir_span took)
{
    h->oks++;
    h->asked = 0;
    h->timeouts = 0;
    host_pace_up(h);
    fetch_hist_add(&h->hist, took);
    if (h->allow > 0 && ++h->allow >= p->per_host)
        h->allow = 0;
}

static bool host_auto_hit(const struct fetch_policy *p, const struct fetch_job *job,
                          enum fetch_outcome o)
{
    return p->timeout_auto && job->work->limit < p->max_time &&
           (o == FETCH_TIMEOUT_TOTAL || o == FETCH_TIMEOUT_TTFB || o == FETCH_TIMEOUT_CONNECT);
}

/* The pace is measured from the first attempt on. */
static void host_seen(struct fetch_host *h, const struct fetch_job *job)
{
    if (h->paced_from == 0)
        h->paced_from = fetch_job_try(job)->start;
}

void fetch_host_learn(struct fetch_host *h, const struct fetch_policy *p, struct fetch_job *job,
                      const struct fetch_result *r, weir_time now, struct weir_rng *rng)
{
    weir_span wait = r->outcome == FETCH_HTTP ? fetch_ra_wait(&p->ra, r->retry_after) : -1;
    host_seen(h, job);
    if (h->breaker != NULL)
        (void)weir_breaker_done(h->breaker, &job->work->token, host_verdict(r), now, rng);
    if (r->outcome == FETCH_OK)
        host_succeeded(h, p, now - fetch_job_try(job)->start);
    else if (wait >= 0)
        host_asked(h, p, fetch_job_try(job)->start, wait, now, rng);
    if (host_auto_hit(p, job, r->outcome)) {
        job->work->auto_timeouts++;
        h->timeouts++;
    }
}

weir_span fetch_host_limit(const struct fetch_host *h, const struct fetch_policy *p,
                           const struct fetch_job *job)
{
    if (!p->timeout_auto || h->hist.total < FETCH_AUTO_SAMPLES)
        return p->max_time;
    weir_span limit = FETCH_AUTO_FACTOR * fetch_hist_quantile(&h->hist, 990);
    if (limit < FETCH_AUTO_FLOOR)
        limit = FETCH_AUTO_FLOOR;
    for (uint32_t n = job->work->auto_timeouts + h->timeouts / 8; n > 0 && limit < p->max_time; n--)
        limit *= 2;
    return limit < p->max_time ? limit : p->max_time;
}

/*
 * The window doubles with each failure, but only by the root of two if the
 * host delivered something to others since this item failed last: then the
 * item had bad luck, and the host is not the one that needs the quiet.
 */
static weir_span host_draw(const struct fetch_policy *p, struct fetch_job *job,
                           struct weir_rng *rng)
{
    struct weir_backoff law;
    if (p->backoff.jitter == WEIR_JITTER_DECORRELATED) {
        (void)weir_backoff_init(&law, &p->backoff);
        return weir_backoff_next(&law, &job->work->backoff, rng);
    }
    struct weir_backoff_opts o = p->backoff;
    (void)weir_backoff_init(&law, &o);
    weir_span v = weir_backoff_level(&law, job->work->level / 2 + 1);
    if (job->work->level % 2 == 1)
        v = v > o.cap / 2 ? o.cap : v + v / 100 * 41;
    o.base = v < o.cap ? v : o.cap;
    o.grow = WEIR_GROW_FIXED;
    struct weir_backoff_state at_start = {0, 0, 0};
    (void)weir_backoff_init(&law, &o);
    return weir_backoff_next(&law, &at_start, rng);
}

weir_span fetch_host_wait(const struct fetch_host *h, const struct fetch_policy *p,
                          struct fetch_job *job, const struct fetch_result *r, struct weir_rng *rng)
{
    if (job->attempts > 1)
        job->work->level += h->oks > job->work->host_ok_seen ? 1 : 2;
    job->work->host_ok_seen = h->oks;
    weir_span wait = host_draw(p, job, rng);
    weir_span asked = r->outcome == FETCH_HTTP ? fetch_ra_wait(&p->ra, r->retry_after) : -1;
    if (asked < 0)
        return wait;
    weir_span told = asked + host_spread(p, rng);
    return told > wait ? told : wait;
}
