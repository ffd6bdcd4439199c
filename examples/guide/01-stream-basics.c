/*
 * 01-stream-basics.c -- making streams and working on them (the guide's code
 * example 1).
 *
 * A few calls build a stream and run nothing; the last one pulls it to its end
 * and closes it.  A call that failed is a stream that answers its code, so the
 * end is the only place to look for an error.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

struct word {
    char text[24];
};

/* What weir_enumerate makes of a word. */
struct numbered {
    uint64_t index;
    struct word word;
};

struct person {
    const char *name;
    int age;
};

/* Two kernels: they work on whole batches, with no call an item. */
WEIR_FILTER(even, int64_t, x % 2 == 0)
WEIR_MAP(square, int64_t, int64_t, x *x)

static int add(void *ctx, void *in, void *acc)
{
    (void)ctx;
    *(int64_t *)acc += *(int64_t *)in;
    return 1;
}

static int sum_of_squares(void)
{
    weir_stream *s = weir_range(1, 11);
    int64_t sum = 0;
    int r;

    s = weir_apply(s, even, WEIR_TYPE(int64_t));
    s = weir_apply(s, square, WEIR_TYPE(int64_t));
    r = weir_fold(&s, add, NULL, &sum);
    printf("the sum of the even squares: %" PRId64 "\n", sum);
    return r;
}

static int process(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_after(WEIR_MS(50)));

    (void)ctx;
    if (r < 0)
        return r;
    snprintf(((struct word *)out)->text, sizeof(struct word), "processed_%s", *(const char **)in);
    return 1;
}

static int say_numbered(void *ctx, void *in, void *out)
{
    const struct numbered *n = in;

    (void)ctx, (void)out;
    printf(" %" PRIu64 ":%s", n->index, n->word.text);
    return 1;
}

/* `then` is the stage whose callback may park. */
static int process_all(void)
{
    static const char *const in[] = {"a", "b", "c"};
    weir_stream *s = weir_array(in, 3, WEIR_TYPE(const char *));
    int r;

    s = weir_then(s, process, NULL, WEIR_TYPE(struct word));
    s = weir_enumerate(s, 1, WEIR_TYPE(struct numbered));
    r = weir_for_each(&s, say_numbered, NULL);
    putchar('\n');
    return r;
}

/* A tick says its number and when it was due: no clock is asked what was meant. */
static int ticks(void)
{
    weir_time start = weir_now();
    weir_stream *s =
        weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(100), .first_now = 1});
    struct weir_tick t;
    int r;

    s = weir_take(s, 5);
    while ((r = weir_next(s, &t)) > 0)
        printf("tick %" PRIu64 " at %" PRId64 " ms\n", t.seq, (t.due - start) / WEIR_MS(1));
    weir_stream_close(&s);
    return r;
}

static int say_int(void *ctx, void *in, void *out)
{
    (void)ctx, (void)out;
    printf(" %d", *(int *)in);
    return 1;
}

static int running_total(void *total, void *in, void *out)
{
    *(int *)out = *(int *)total += *(int *)in;
    return 1;
}

static int chain_and_scan(void)
{
    static const int first[] = {1, 2, 3}, second[] = {4, 5, 6};
    weir_stream *s =
        weir_chain(weir_array(first, 3, WEIR_TYPE(int)), weir_array(second, 3, WEIR_TYPE(int)));
    int total = 0, r;

    s = weir_scan(s, running_total, &total, WEIR_TYPE(int));
    printf("running totals:");
    r = weir_for_each(&s, say_int, NULL);
    putchar('\n');
    return r;
}

static int pair(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx, (void)n;
    *(struct person *)out = (struct person){*(const char **)in[0], *(int *)in[1]};
    return 1;
}

/* The ages end first; the name that was already pulled is not lost in silence. */
static void left_over(void *ctx, size_t source, void *item)
{
    (void)ctx, (void)source;
    printf("nobody's age: %s\n", *(const char **)item);
}

static int say_person(void *ctx, void *in, void *out)
{
    const struct person *p = in;

    (void)ctx, (void)out;
    printf("%s is %d\n", p->name, p->age);
    return 1;
}

static int zip(void)
{
    static const char *const names[] = {"Alice", "Bob", "Carol", "Dave"};
    static const int ages[] = {30, 25, 35};
    weir_stream *s = weir_zip(WEIR_STREAMS(weir_array(names, 4, WEIR_TYPE(const char *)),
                                           weir_array(ages, 3, WEIR_TYPE(int))),
                              pair, NULL, WEIR_TYPE(struct person),
                              &(struct weir_heads_opts){.on_drop = left_over});

    return weir_for_each(&s, say_person, NULL);
}

static int app(void *arg)
{
    int r;

    (void)arg;
    if ((r = sum_of_squares()) < 0 || (r = process_all()) < 0 || (r = ticks()) < 0 ||
        (r = chain_and_scan()) < 0)
        return r;
    return zip();
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "stream-basics: %s\n", weir_strerror(r));
    return r < 0;
}
