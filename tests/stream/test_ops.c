/*
 * test_ops.c -- further stages, one promise of ops.h a test; what holds for
 * all of them is in test_operators.c.
 */
#include "stream/ints.h"

/* --- one in, at most one out ----------------------------------------------------------------- */

struct numbered {
    uint64_t index;
    int64_t item;
};

struct numbered_wide {
    uint64_t index;
    struct wide item;
};

static void numbered_wide_drop(void *p)
{
    wide_drop(&((struct numbered_wide *)p)->item);
}

SIM_TEST(enumerate_numbers_from_any_first_and_wraps)
{
    struct numbered got[10];
    size_t n;
    weir_stream *s = weir_enumerate(INTS(5, 6, 7), UINT64_MAX, WEIR_TYPE(struct numbered));

    EQ(weir_collect(&s, got, 10, &n), 0);
    EQ(n, 3);
    OK(got[0].index == UINT64_MAX && got[0].item == 5);
    OK(got[1].index == 0 && got[1].item == 6);
    OK(got[2].index == 1 && got[2].item == 7);
    return 0;
}

SIM_TEST(enumerate_moves_items_of_any_alignment)
{
    struct weir_type t = WEIR_TYPE(struct numbered_wide);
    static struct numbered_wide got[8];
    int64_t left = 6;
    size_t n;
    weir_stream *s;

    wides = 0;
    t.drop = numbered_wide_drop;
    s = weir_enumerate(weir_unfold(wide_next, &left, wide_type()), 0, t);
    EQ(weir_collect(&s, got, 8, &n), 0);
    EQ(n, 6);
    for (size_t i = 0; i < n; i++) {
        OK(got[i].index == i && got[i].item.n == 6 - (int64_t)i);
        t.drop(&got[i]);
    }
    EQ(wides, 0);
    refuses(weir_enumerate(weir_range(0, 3), 0, WEIR_TYPE(int64_t)), WEIR_ETYPE);
    t.drop = NULL;
    refuses(weir_enumerate(weir_unfold(wide_next, &left, wide_type()), 0, t), -EINVAL);
    refuses(weir_enumerate(NULL, 0, t), -EINVAL);
    return 0;
}

static int fails_at_3(void *ctx, void *in, void *out)
{
    (void)out;
    *(int *)ctx += 1;
    return *(int64_t *)in == 3 ? -EIO : 0;
}

SIM_TEST(inspect_sees_all_and_its_failure_comes_after_what_it_let_pass)
{
    int seen = 0;

    EXPECT(weir_inspect(weir_range(0, 10), fails_at_3, &seen), -EIO, 0, 1, 2);
    EQ(seen, 4);
    EXPECT(weir_inspect(INTS(1, 2), fails_at_3, &seen), 0, 1, 2);
    EXPECT_NONE(weir_inspect(INTS(3, 2), fails_at_3, &seen), -EIO);
    refuses(weir_inspect(weir_range(0, 1), NULL, NULL), -EINVAL);
    return 0;
}

static int is_small(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)out;
    *(int *)ctx += 1;
    return n < 0 ? -EIO : n < 3;
}

SIM_TEST(skip_while_asks_no_more_once_one_has_passed)
{
    int asked = 0;

    EXPECT(weir_skip_while(INTS(1, 2, 3, 1, 2), is_small, &asked), 0, 3, 1, 2);
    EQ(asked, 3);
    EXPECT_NONE(weir_skip_while(INTS(1, 2), is_small, &asked), 0);
    EXPECT_NONE(weir_skip_while(INTS(1, -1, 5), is_small, &asked), -EIO);
    EXPECT(weir_skip_while(INTS(4, -1), is_small, &asked), 0, 4, -1);
    refuses(weir_skip_while(weir_range(0, 1), NULL, NULL), -EINVAL);
    return 0;
}

SIM_TEST(step_by_keeps_the_first_and_each_nth)
{
    EXPECT(weir_step_by(weir_range(0, 8), 3), 0, 0, 3, 6);
    EXPECT(weir_step_by(weir_range(0, 3), 1), 0, 0, 1, 2);
    EXPECT(weir_step_by(weir_range(0, 500), UINT64_MAX), 0, 0);
    EXPECT(weir_step_by(weir_range(0, 1000), 300), 0, 0, 300, 600, 900); /* over batches */
    EXPECT_NONE(weir_step_by(weir_range(0, 0), 2), 0);
    refuses(weir_step_by(weir_range(0, 8), 0), -EINVAL);
    return 0;
}

static int key_tens(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    *(char *)out = (char)(n / 10);
    return n < 0 ? -EIO : n != 99; /* 99 has no key */
}

SIM_TEST(distinct_until_changed_drops_neighbours_of_one_key)
{
    struct weir_type key = WEIR_TYPE(int64_t);

    EXPECT(weir_distinct_until_changed(INTS(1, 1, 2, 1, 1), NULL, NULL, key), 0, 1, 2, 1);
    EXPECT(weir_distinct_until_changed(INTS(10, 19, 21, 12, 99, 13, -1, 5), key_tens, NULL, key),
           -EIO, 10, 21, 12);
    EXPECT(weir_distinct_until_changed(INTS(0, 0), NULL, NULL, key), 0, 0); /* zero is a key too */
    refuses(weir_distinct_until_changed(weir_range(0, 1), key_tens, NULL, wide_type()), -EINVAL);
    refuses(weir_distinct_until_changed(weir_empty(wide_type()), NULL, NULL, key), -EINVAL);
    return 0;
}

SIM_TEST(distinct_remembers_the_last_max_keys)
{
    struct weir_type key = WEIR_TYPE(int64_t);

    EXPECT(weir_distinct(INTS(1, 2, 1, 3, 2), NULL, NULL, key, 3), 0, 1, 2, 3);
    /* 1 is forgotten when 3 comes, 2 when 1 comes again */
    EXPECT(weir_distinct(INTS(1, 2, 3, 1, 3, 2), NULL, NULL, key, 2), 0, 1, 2, 3, 1, 2);
    EXPECT(weir_distinct(INTS(4, 4, 5, 4), NULL, NULL, key, 1), 0, 4, 5, 4);
    EXPECT(weir_distinct(INTS(10, 25, 11, 99, -1, 30), key_tens, NULL, key, 8), -EIO, 10, 25);
    refuses(weir_distinct(weir_range(0, 1), NULL, NULL, key, 0), -EINVAL);
    refuses(weir_distinct(weir_range(0, 1), NULL, NULL, key, SIZE_MAX), -EINVAL);
    refuses(weir_distinct(weir_range(0, 1), key_tens, NULL, (struct weir_type){0}, 3), -EINVAL);
    return 0;
}

static int random_key(void *ctx, void *in, void *out)
{
    uint64_t *x = ctx;

    (void)in;
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    *(int64_t *)out = (int64_t)(*x >> 33) % 40;
    return 1;
}

/* The table against a plain list of the last keys. */
SIM_TEST(distinct_agrees_with_a_list)
{
    enum { N = 3000, MAX = 16 };
    uint64_t x = test_random();
    int64_t ring[MAX], item;
    size_t n = 0, head = 0;
    weir_stream *s =
        weir_distinct(weir_map(weir_range(0, N), random_key, &x, INT), NULL, NULL, INT, MAX);
    uint64_t y = x;

    for (int i = 0; i < N; i++) {
        bool seen = false;

        random_key(&y, NULL, &item);
        for (size_t k = 0; k < n; k++)
            seen = seen || ring[k] == item;
        if (seen)
            continue;
        int64_t got;
        EQ(weir_next(s, &got), 1);
        EQ(got, item);
        ring[n < MAX ? n++ : head] = item;
        head = n < MAX || got != ring[head] ? head : (head + 1) % MAX;
    }
    EQ(weir_next(s, &item), 0);
    weir_stream_close(&s);
    return 0;
}

struct sum {
    int64_t total, stop_at;
    int steps, lasts;
};

static int sum_step(void *ctx, void *in, void *out)
{
    struct sum *s = ctx;
    int64_t n = *(int64_t *)in;

    s->steps++;
    if (n < 0)
        return (int)n;
    s->total += n;
    *(int64_t *)out = s->total;
    if (n == 7)
        return WEIR_SCAN_SKIP;
    if (n == 8)
        return WEIR_SCAN_STOP;
    return s->stop_at && s->total >= s->stop_at ? WEIR_SCAN_LAST : WEIR_SCAN_EMIT;
}

static int sum_final(void *ctx, void *in, void *out)
{
    struct sum *s = ctx;

    (void)in;
    s->lasts++;
    *(int64_t *)out = s->total * 100;
    return s->total < 1000;
}

SIM_TEST(scan_until_emits_skips_stops_and_says_a_last_word)
{
    struct sum s = {0};

    EXPECT(weir_scan_until(INTS(1, 7, 2), sum_step, sum_final, &s, INT), 0, 1, 10, 1000);
    EQ(s.lasts, 1);
    s = (struct sum){0};
    EXPECT(weir_scan_until(INTS(1, 8, 2), sum_step, sum_final, &s, INT), 0, 1, 900);
    EQ(s.steps, 2);
    s = (struct sum){.stop_at = 3};
    EXPECT(weir_scan_until(INTS(1, 2, 3), sum_step, NULL, &s, INT), 0, 1, 3);
    EQ(s.steps, 2);
    s = (struct sum){0};
    EXPECT(weir_scan_until(INTS(1, -EIO, 3), sum_step, sum_final, &s, INT), -EIO, 1);
    EQ(s.lasts, 0); /* not after a failure */
    s = (struct sum){0};
    EXPECT(weir_scan_until(weir_range(0, 0), sum_step, sum_final, &s, INT), 0, 0);
    s = (struct sum){.total = 2000};
    EXPECT_NONE(weir_scan_until(weir_range(0, 0), sum_step, sum_final, &s, INT), 0);
    EXPECT_NONE(weir_scan_until(weir_fail(INT, -EIO), sum_step, sum_final, &s, INT), -EIO);
    refuses(weir_scan_until(weir_range(0, 1), NULL, sum_final, &s, INT), -EINVAL);
    return 0;
}

static weir_stream *counted_take(int64_t *left)
{
    return weir_unfold(wide_next, left, wide_type());
}

static int stop_at_once(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return WEIR_SCAN_STOP;
}

SIM_TEST(scan_until_takes_nothing_beyond_its_end)
{
    int64_t left = 5;

    wides = 0;
    EXPECT_NONE(weir_scan_until(counted_take(&left), stop_at_once, NULL, NULL, INT), 0);
    EQ(left, 4);
    EQ(wides, 0);
    return 0;
}

/* --- one in, several out --------------------------------------------------------------------- */

static int n_of_n(void *ctx, void *in, uint64_t k, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    *(int64_t *)out = n;
    return n < 0 && k == 1 ? -EIO : (int64_t)k < (n < 0 ? 5 : n);
}

SIM_TEST(map_concat_gives_what_each_item_holds)
{
    int64_t x;
    weir_stream *s;

    EXPECT(weir_map_concat(INTS(2, 0, 3), n_of_n, NULL, INT), 0, 2, 2, 3, 3, 3);
    EXPECT(weir_map_concat(INTS(1, -4, 3), n_of_n, NULL, INT), -EIO, 1, -4);
    EXPECT_NONE(weir_map_concat(weir_range(0, 1), n_of_n, NULL, INT), 0);
    s = weir_map_concat(INTS(1000), n_of_n, NULL, INT); /* more than a batch */
    for (int i = 0; i < 1000; i++)
        EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), 0);
    weir_stream_close(&s);
    refuses(weir_map_concat(weir_range(0, 1), NULL, NULL, INT), -EINVAL);
    return 0;
}

static int no_clone(void *to, const void *from)
{
    (void)to;
    (void)from;
    return -ENOSPC;
}

static int count_up(void *ctx, void *in, void *out)
{
    (void)in;
    *(int64_t *)out = ++*(int64_t *)ctx;
    return 1;
}

SIM_TEST(intersperse_stands_between_items_only)
{
    struct weir_type t = INT;
    int64_t zero = 0, items[] = {1, 2}, got[4];
    size_t n;

    EXPECT(weir_intersperse(INTS(1, 2, 3), &zero), 0, 1, 0, 2, 0, 3);
    EXPECT(weir_intersperse(INTS(1), &zero), 0, 1);
    EXPECT_NONE(weir_intersperse(weir_range(0, 0), &zero), 0);
    EXPECT(weir_intersperse(weir_chain(INTS(1, 2), weir_fail(INT, -EIO)), &zero), -EIO, 1, 0, 2);
    refuses(weir_intersperse(weir_range(0, 1), NULL), -EINVAL);
    weir_stream *s = weir_array(items, 2, t);
    t.drop = wide_drop;
    refuses(weir_intersperse(weir_empty(t), &zero), -EINVAL); /* cannot be doubled */
    EQ(weir_collect(&s, got, 4, &n), 0);
    t = INT;
    t.clone = no_clone;
    EXPECT(weir_intersperse(weir_unfold(count_up, &zero, t), &items[0]), -ENOSPC, 1);
    return 0;
}

SIM_TEST(intersperse_takes_no_more_than_it_can_give)
{
    struct wide zero = {0, 0}, *w;
    static struct wide got[8];
    int64_t left = 10;
    weir_stream *s = weir_intersperse(counted_take(&left), &zero);

    wides = 0;
    EQ(weir_pull(s, got, 3), 1);
    EQ(left, 9);
    EQ(weir_pull(s, got + 1, 1), 1); /* the separator: it had to see that an item follows */
    EQ(left, 8);
    weir_stream_close(&s);
    EQ(wides, 2); /* one item and one clone: the held one was dropped */
    for (w = got; w < got + 2; w++)
        wide_drop(w);
    EQ(wides, 0);
    s = weir_intersperse(weir_repeat(&zero, wide_type()), &zero);
    EQ(weir_pull(s, got, 5), 5);
    EQ(wides, 5); /* three items, and the two between them; none is held */
    EQ(weir_pull(s, got + 5, 2), 2);
    EQ(wides, 7);
    weir_stream_close(&s);
    for (w = got; w < got + 7; w++)
        wide_drop(w);
    EQ(wides, 0);
    return 0;
}

/* --- looking around -------------------------------------------------------------------------- */

SIM_TEST(windows_slide_by_one)
{
    struct weir_chunk c;
    weir_stream *s = weir_sliding(weir_range(0, 300), 3);
    int64_t n = 0;

    while (weir_next(s, &c) == 1) {
        int64_t *p = c.items;

        EQ(c.n, 3);
        OK(p[0] == n && p[1] == n + 1 && p[2] == n + 2);
        n++;
    }
    EQ(n, 298);
    weir_stream_close(&s);
    s = weir_pairwise(weir_range(0, 2));
    EQ(weir_next(s, &c), 1);
    EQ(((int64_t *)c.items)[1], 1);
    EQ(weir_next(s, &c), 0);
    weir_stream_close(&s);
    s = weir_pairwise(weir_range(0, 1)); /* too few for a window */
    EQ(weir_next(s, &c), 0);
    weir_stream_close(&s);
    refuses(weir_sliding(weir_range(0, 3), 0), -EINVAL);
    refuses(weir_sliding(weir_range(0, 3), SIZE_MAX), -EINVAL);
    return 0;
}

SIM_TEST(peek_shows_what_the_next_pull_gives)
{
    weir_stream *s = weir_peekable(weir_range(0, 2)), *plain = weir_range(0, 1), *p = NULL;
    void *item = NULL;
    int64_t x;

    for (int64_t i = 0; i < 2; i++) {
        EQ(weir_peek(s, &item), 1);
        EQ(weir_peek(s, &item), 1);
        EQ(*(int64_t *)item, i);
        EQ(weir_next(s, &x), 1);
        EQ(x, i);
    }
    EQ(weir_peek(s, &item), 0);
    EQ(weir_next(s, &x), 0);
    EQ(weir_peek(s, NULL), -EINVAL);
    EQ(weir_peek(plain, &item), -EINVAL);
    EQ(weir_peek(p, &item), -EINVAL);
    weir_stream_close(&s);
    weir_stream_close(&plain);
    refuses(weir_peekable(NULL), -EINVAL);
    return 0;
}

static int peek_never(void *arg)
{
    void *item;

    return weir_peek(arg, &item);
}

SIM_TEST(a_peek_is_a_pull)
{
    weir_stream *s = weir_peekable(weir_never(INT));
    weir_scope *scope = weir_scope_open(NULL);
    int64_t x;
    void *item;

    GO(scope, peek_never, s);
    world_settle();
    EQ(weir_peek(s, &item), -EBUSY);
    EQ(weir_next(s, &x), -EBUSY);
    EQ(weir_scope_cancel(scope, -ESTALE), 0);
    EQ(weir_scope_close(&scope), -ESTALE);
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_peek(s, &item)),
       -ETIMEDOUT); /* that one is over: its cancel is no end */
    weir_stream_close(&s);
    return 0;
}

/* --- any alignment --------------------------------------------------------------------------- */

static weir_stream *wide_inner(void *ctx, void *item)
{
    struct wide w = *(struct wide *)item;

    (void)ctx;
    EQ((uintptr_t)item % 64, 0);
    ((struct wide *)item)->owned = 0;
    return weir_once(&w, wide_type());
}

static int wide_twice(void *ctx, void *in, uint64_t k, void *out)
{
    (void)ctx;
    EQ((uintptr_t)in % 64, 0);
    return k < 2 ? wide_clone(out, in), 1 : 0;
}

static int wide_check(void *ctx, void *in, void *out)
{
    EQ((uintptr_t)in % 64, 0);
    *(int64_t *)ctx += 1;
    (void)out;
    return 1;
}

static int wide_step(void *ctx, void *in, void *out)
{
    (void)ctx;
    EQ((uintptr_t)in % 64, 0);
    memcpy(out, in, sizeof(struct wide));
    ((struct wide *)in)->owned = 0;
    return 1;
}

static int wide_more(void *ctx, const void *a, const void *b)
{
    const struct wide *x = a, *y = b;

    (void)ctx;
    EQ(((uintptr_t)a | (uintptr_t)b) % 64, 0);
    return (x->n > y->n) - (x->n < y->n);
}

/* Memory that is aligned as malloc promises, and never by chance any better. */
static void *skewed_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
    char *raw = NULL;

    if (size && posix_memalign((void **)&raw, 64, size + 16) != 0)
        return NULL;
    if (size && p)
        memcpy(raw + 16, p, old_size < size ? old_size : size);
    if (p)
        free((char *)p - 16);
    (void)ctx;
    return raw ? raw + 16 : NULL;
}

static int aligned_pipeline(void *arg)
{
    static const struct wide separator = {5, 0};
    int64_t left = 20, seen = 0;
    struct wide least;
    weir_stream *s = counted_take(&left);

    (void)arg;
    wides = 0;
    s = weir_inspect(s, wide_check, &seen);
    s = weir_flat_map(s, wide_inner, NULL, wide_type());
    s = weir_flat_map_unordered(s, wide_inner, NULL, wide_type(), 3);
    s = weir_map_concat(s, wide_twice, NULL, wide_type());
    s = weir_scan_until(s, wide_step, NULL, NULL, wide_type());
    s = weir_intersperse(s, &separator);
    s = weir_peekable(s);
    EQ(weir_min(&s, wide_more, NULL, &least), 1);
    EQ(least.n, 1);
    EQ(seen, 20);
    wide_drop(&least);
    EQ(wides, 0);
    return 0;
}

TEST(every_operator_keeps_the_alignment)
{
    struct weir_config c = {.alloc = {skewed_realloc, NULL}};

    EQ(weir_sim_run(test_seed(), &c, aligned_pipeline, NULL), 0);
}
