/*
 * 02-custom-stream.c -- a source of one's own: prime numbers (the guide's code
 * example 2).
 *
 * pull() fills as much of the array as is cheap.  Finding a prime is a long
 * computation, so it passes a checkpoint as it goes: others get their turn, and
 * a cancel is seen between two divisions, not between two primes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

struct primes {
    uint64_t next, max; /* next: 0 once the last number has been looked at */
};

/* 1, 0, or -ECANCELED.  i <= n / i cannot overflow, as i * i <= n would. */
static int is_prime(uint64_t n)
{
    int r;

    for (uint64_t i = 2; i <= n / i; i++) {
        if (n % i == 0)
            return 0;
        if ((r = weir_checkpoint()) < 0)
            return r;
    }
    return n >= 2;
}

/* What was found before a cancel is given; the number that was cut is looked at again. */
static ssize_t primes_pull(void *self, void *items, size_t max)
{
    struct primes *p = self;
    uint64_t *out = items;
    size_t n = 0;

    while (n < max && p->next != 0 && p->next <= p->max) {
        int r = is_prime(p->next);

        if (r < 0)
            return n > 0 ? (ssize_t)n : r;
        if (r == 1)
            out[n++] = p->next;
        p->next++; /* behind the largest of all numbers comes 0 */
    }
    return (ssize_t)n;
}

static void primes_close(void *self, int why)
{
    (void)self, (void)why; /* nothing is held */
}

static const struct weir_stream_ops primes_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, primes_pull, primes_close};

static int list(uint64_t from, uint64_t to)
{
    struct primes p = {from, to};
    weir_stream *s = weir_stream_new(&primes_ops, &p, WEIR_TYPE(uint64_t));
    uint64_t found[16];
    size_t n;
    int r = weir_collect(&s, found, 16, &n);

    printf("%zu primes:", n);
    for (size_t i = 0; i < n; i++)
        printf(" %" PRIu64, found[i]);
    putchar('\n');
    return r;
}

static int search(void *arg)
{
    struct primes p = {UINT64_C(1) << 62, UINT64_MAX};
    weir_stream *s = weir_stream_new(&primes_ops, &p, WEIR_TYPE(uint64_t));
    int r = weir_count(&s, arg);

    printf("the search ended: %s\n", weir_strerror(r));
    return r;
}

/* A search of centuries beside somebody who waits: neither hangs the other. */
static int give_up(void)
{
    weir_scope *s = weir_scope_open(NULL);
    uint64_t n = 0;
    int r = weir_go(s, search, &n);

    for (int turn = 0; turn < 100 && r == 0; turn++)
        r = weir_yield();
    weir_scope_cancel(s, WEIR_ENOTRUN);
    r = weir_scope_close(&s);
    return r == WEIR_ENOTRUN ? 0 : r;
}

static int app(void *arg)
{
    int r;

    (void)arg;
    if ((r = list(2, 50)) < 0 || (r = list(UINT64_MAX - 2, UINT64_MAX)) < 0)
        return r;
    return give_up();
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "custom-stream: %s\n", weir_strerror(r));
    return r < 0;
}
