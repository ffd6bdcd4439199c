/*
 * Items come out when they are due, in the order of their instants; a key moves
 * one or takes it out; who waits is served in turn.
 */
#include <stdbool.h>
#include <weir.h>

#include "core/world.h"

struct letter {
    int id;
    bool full;
};

static int dropped;

static void letter_drop(void *item)
{
    dropped += ((struct letter *)item)->full;
}

static struct weir_type letter_type(void)
{
    struct weir_type t = WEIR_TYPE(struct letter);

    t.drop = letter_drop;
    return t;
}

static weir_due *due_new(size_t most)
{
    weir_due *d = weir_due_new(letter_type(), most);

    EQ(weir_due_error(d), 0);
    dropped = 0;
    return d;
}

static int add(weir_due *d, int id, weir_time at, uint64_t *key)
{
    struct letter l = {id, true};

    return weir_due_add(d, &l, sizeof l, at, key);
}

static int get(weir_due *d, weir_time deadline)
{
    struct letter l;
    int r = weir_due_recv(d, &l, sizeof l, deadline);

    return r > 0 ? l.id : r == 0 ? WEIR_ECLOSED : r;
}

SIM_TEST(items_come_out_at_their_instants_in_their_order)
{
    static const int ms[] = {30, 10, 20, 10, 0, 20, 5}, order[] = {4, 6, 1, 3, 2, 5, 0};
    weir_due *d = due_new(100);
    weir_time began = weir_now();

    for (int i = 0; i < 7; i++)
        EQ(add(d, i, began + WEIR_MS(ms[i]), NULL), 0);
    EQ(weir_due_length(d), 7);
    for (int i = 0; i < 7; i++) {
        EQ(get(d, WEIR_NEVER), order[i]);
        EQ(weir_now() - began, WEIR_MS(ms[order[i]]));
    }
    weir_due_free(&d);
    EQ(d, NULL);
    EQ(dropped, 0);
    return 0;
}

SIM_TEST(nothing_comes_before_its_instant)
{
    weir_due *d = due_new(4);
    weir_time at = weir_after(WEIR_MS(10));

    EQ(get(d, 0), -EAGAIN);
    EQ(add(d, 1, at, NULL), 0);
    EQ(get(d, 0), -EAGAIN);
    EQ(get(d, at - 1), -ETIMEDOUT);
    EQ(weir_now(), at - 1);
    EQ(get(d, at - 1), -ETIMEDOUT);
    EQ(get(d, at), 1); /* due at the very deadline */
    EQ(weir_now(), at);
    EQ(add(d, 2, 0, NULL), 0); /* 0 and the past: at once */
    EQ(add(d, 3, at - WEIR_MS(5), NULL), 0);
    EQ(get(d, at - 1), 2);
    EQ(get(d, 0), 3);
    weir_due_free(&d);
    return 0;
}

SIM_TEST(a_key_moves_an_item_or_takes_it_out)
{
    weir_due *d = due_new(4);
    weir_time began = weir_now();
    uint64_t a, b, c;
    struct letter l;

    EQ(add(d, 1, began + WEIR_MS(10), &a), 0);
    EQ(add(d, 2, began + WEIR_MS(20), &b), 0);
    EQ(add(d, 3, WEIR_NEVER, &c), 0);
    OK(a && b && c && a != b && b != c);
    EQ(weir_due_reset(d, a, began + WEIR_MS(30)), 0);
    EQ(weir_due_reset(d, c, began + WEIR_MS(25)), 0);
    EQ(get(d, WEIR_NEVER), 2);
    EQ(weir_due_reset(d, b, 0), -ENOENT); /* it is out */
    EQ(weir_due_remove(d, b, NULL, 0), -ENOENT);
    EQ(get(d, WEIR_NEVER), 3);
    EQ(weir_due_remove(d, a, &l, sizeof l), 0);
    EQ(l.id, 1);
    EQ(dropped, 0);
    EQ(weir_due_length(d), 0);
    EQ(add(d, 4, WEIR_NEVER, &c), 0); /* a key of a place used again is another one */
    OK(c != a && c != b);
    EQ(weir_due_reset(d, a, 0), -ENOENT);
    EQ(weir_due_reset(d, 0, 0), -ENOENT);
    EQ(weir_due_reset(d, UINT64_MAX, 0), -ENOENT);
    EQ(weir_due_remove(d, c, NULL, 0), 0);
    EQ(dropped, 1);
    weir_due_free(&d);
    return 0;
}

/* --- waiting ----------------------------------------------------------- */

struct waits {
    weir_due *d;
    weir_time deadline, when;
    int result;
};

static int waits(void *arg)
{
    struct waits *w = arg;

    w->result = get(w->d, w->deadline);
    w->when = weir_now();
    return 0;
}

SIM_TEST(an_earlier_item_is_seen_by_one_who_waits_for_a_later)
{
    weir_due *d = due_new(4);
    struct waits w = {d, WEIR_NEVER, 0, 0};
    weir_scope *s = weir_scope_open(NULL);
    weir_time began = weir_now();
    uint64_t key;

    EQ(add(d, 1, began + WEIR_S(9), &key), 0);
    GO(s, waits, &w);
    world_settle();
    EQ(add(d, 2, began + WEIR_MS(5), NULL), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.result, 2);
    EQ(w.when, began + WEIR_MS(5));

    s = weir_scope_open(NULL);
    GO(s, waits, &w);
    world_settle();
    EQ(weir_due_reset(d, key, began + WEIR_MS(7)), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.when, began + WEIR_MS(7));

    EQ(add(d, 3, began + WEIR_MS(20), &key), 0); /* and one that is put off is waited for */
    s = weir_scope_open(NULL);
    GO(s, waits, &w);
    world_settle();
    EQ(weir_due_reset(d, key, began + WEIR_MS(40)), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.when, began + WEIR_MS(40));
    weir_due_free(&d);
    return 0;
}

SIM_TEST(who_has_waited_longest_is_served)
{
    weir_due *d = due_new(8);
    struct waits w[4];
    weir_scope *s = weir_scope_open(NULL);
    weir_time began = weir_now();

    for (int i = 0; i < 4; i++) {
        w[i] = (struct waits){d, i == 1 ? began + WEIR_MS(1) : WEIR_NEVER, 0, 0};
        GO(s, waits, &w[i]);
        world_settle();
    }
    EQ(add(d, 1, 0, NULL), 0);
    EQ(get(d, 0), -EAGAIN); /* it is somebody's */
    world_settle();
    EQ(w[0].result, 1);
    for (int i = 2; i <= 3; i++)
        EQ(add(d, i, began + WEIR_MS(i), NULL), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w[1].result, -ETIMEDOUT);
    EQ(w[2].result, 2);
    EQ(w[3].result, 3);
    weir_due_free(&d);
    return 0;
}

SIM_TEST(a_cancel_in_front_lets_the_next_one_wait)
{
    weir_due *d = due_new(8);
    struct waits first = {d, WEIR_NEVER, 0, 0}, second = first;
    weir_scope *s = weir_scope_open(NULL), *t = weir_scope_open(NULL);
    weir_time at = weir_after(WEIR_MS(8));

    EQ(add(d, 7, at, NULL), 0);
    GO(t, waits, &first);
    world_settle();
    GO(s, waits, &second);
    world_settle();
    EQ(weir_scope_cancel(t, -ECANCELED), 0);
    EQ(weir_scope_close(&t), -ECANCELED);
    EQ(first.result, -ECANCELED);
    EQ(weir_scope_close(&s), 0);
    EQ(second.result, 7);
    EQ(second.when, at);
    weir_due_free(&d);
    return 0;
}

/* --- ends -------------------------------------------------------------- */

SIM_TEST(after_the_close_comes_what_is_in_it_and_then_the_reason)
{
    weir_due *d = due_new(4);
    uint64_t key;

    EQ(add(d, 1, weir_after(WEIR_MS(3)), NULL), 0);
    EQ(weir_due_close(d, -EIO), 0);
    EQ(weir_due_close(d, 0), WEIR_ECLOSED);
    EQ(add(d, 2, 0, NULL), WEIR_ECLOSED);
    EQ(get(d, WEIR_NEVER), 1);
    EQ(get(d, WEIR_NEVER), -EIO);
    weir_due_free(&d);

    d = due_new(4);
    EQ(add(d, 1, WEIR_NEVER, &key), 0);
    EQ(weir_due_close(d, 0), 0);
    {
        struct waits w[2] = {{d, WEIR_NEVER, 0, 0}, {d, WEIR_NEVER, 0, 0}};
        weir_scope *s = weir_scope_open(NULL);

        GO(s, waits, &w[0]);
        GO(s, waits, &w[1]);
        world_settle();
        EQ(weir_due_remove(d, key, NULL, 0), 0); /* the last: that is the end */
        EQ(weir_scope_close(&s), 0);
        EQ(w[0].result, WEIR_ECLOSED); /* get() for 0 */
        EQ(w[1].result, WEIR_ECLOSED);
    }
    weir_due_free(&d);
    return 0;
}

SIM_TEST(a_free_wakes_whoever_waits_and_drops_what_is_left)
{
    weir_due *d = due_new(8);
    struct waits w[3];
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 3; i++) {
        w[i] = (struct waits){d, WEIR_NEVER, 0, 0};
        GO(s, waits, &w[i]);
    }
    world_settle();
    for (int i = 0; i < 5; i++)
        EQ(add(d, i, WEIR_NEVER, NULL), 0);
    weir_due_free(&d);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 3; i++)
        EQ(w[i].result, WEIR_ECLOSED);
    EQ(dropped, 5);
    weir_due_free(&d);
    weir_due_free(NULL);
    return 0;
}

SIM_TEST(what_is_wrong_is_refused)
{
    weir_due *bad = weir_due_new(letter_type(), 0), *d = due_new(2);
    struct letter l = {1, true};
    uint64_t key;

    EQ(weir_due_error(bad), -EINVAL);
    EQ(weir_due_error(NULL), -EINVAL);
    EQ(weir_error(d), 0);
    EQ(add(bad, 1, 0, NULL), -EINVAL);
    EQ(get(bad, 0), -EINVAL);
    EQ(weir_due_reset(bad, 1, 0), -EINVAL);
    EQ(weir_due_remove(bad, 1, NULL, 0), -EINVAL);
    EQ(weir_due_close(bad, 0), -EINVAL);
    EQ(weir_stream_error(weir_from_due(bad)), -EINVAL);
    EQ(weir_stream_error(weir_from_due(NULL)), -EINVAL);
    weir_due_free(&bad);
    EQ(weir_due_error(weir_due_new(letter_type(), ((size_t)1 << 31) + 1)), -EINVAL);
    EQ(weir_due_error(weir_due_new((struct weir_type){0}, 1)), -EINVAL);
    EQ(weir_due_add(d, &l, sizeof l - 1, 0, NULL), WEIR_ETYPE);
    EQ(weir_due_add(d, NULL, sizeof l, 0, NULL), -EINVAL);
    EQ(weir_due_add(d, &l, sizeof l, WEIR_S(1), NULL), -EINVAL); /* a span */
    EQ(weir_due_add(d, &l, sizeof l, -1, NULL), -EINVAL);
    EQ(weir_due_recv(d, &l, sizeof l + 1, 0), WEIR_ETYPE);
    EQ(weir_due_recv(d, NULL, sizeof l, 0), -EINVAL);
    EQ(weir_due_recv(d, &l, sizeof l, 5), -EINVAL);
    EQ(weir_due_close(d, 1), -EINVAL);
    EQ(add(d, 1, 0, &key), 0);
    EQ(weir_due_reset(d, key, 17), -EINVAL);
    EQ(weir_due_remove(d, key, &l, 1), WEIR_ETYPE);
    EQ(add(d, 2, 0, NULL), 0);
    EQ(add(d, 3, 0, NULL), WEIR_EFULL);
    EQ(dropped, 0);
    EQ(get(d, 0), 1);
    EQ(add(d, 3, 0, NULL), 0);
    weir_due_free(&d);
    EQ(dropped, 2);
    return 0;
}

/* --- a model ----------------------------------------------------------- */

enum { KEYS = 200 };

struct modelled {
    uint64_t key;
    weir_time at;
    int order;
    bool in;
};

/* The item that a list without cleverness would give. */
static int model_first(const struct modelled *m)
{
    int best = -1;

    for (int i = 0; i < KEYS; i++)
        if (m[i].in && (best < 0 || m[i].at < m[best].at ||
                        (m[i].at == m[best].at && m[i].order < m[best].order)))
            best = i;
    return best;
}

SIM_TEST(whatever_is_done_it_is_a_sorted_list)
{
    struct modelled m[KEYS] = {{0}};
    weir_due *d = due_new(KEYS);
    int order = 0;

    for (int step = 0; step < 3000; step++) {
        int i = (int)(test_random() % KEYS), want;
        weir_time at = weir_now() + (weir_span)(test_random() % 50);

        if (!m[i].in) {
            EQ(add(d, i, at, &m[i].key), 0);
            m[i] = (struct modelled){m[i].key, at, order++, true};
        } else if (test_random() % 3) {
            EQ(weir_due_reset(d, m[i].key, at), 0);
            m[i].at = at;
            m[i].order = order++;
        } else {
            EQ(weir_due_remove(d, m[i].key, NULL, 0), 0);
            m[i].in = false;
        }
        if (test_random() % 4 == 0 && (want = model_first(m)) >= 0) {
            weir_time due = m[want].at > weir_now() ? m[want].at : weir_now();

            EQ(get(d, WEIR_NEVER), want);
            EQ(weir_now(), due);
            m[want].in = false;
        }
    }
    weir_due_free(&d);
    return 0;
}

static int life(void *arg)
{
    weir_due *d = weir_due_new(letter_type(), 40);
    int in = 0, out = 0;
    uint64_t key = 0;

    (void)arg;
    dropped = 0;
    for (int i = 0; i < 20; i++) { /* grows once */
        int r = add(d, i, weir_after(WEIR_US(i)), &key);

        in += r == 0;
        if (r < 0)
            EQ(r, -ENOMEM);
    }
    if (in)
        EQ(weir_due_reset(d, key, 0), 0);
    for (int r; in > out && (r = get(d, weir_after(WEIR_MS(1)))) != WEIR_ECLOSED; out++)
        if (r < 0)
            break;
    weir_due_free(&d);
    EQ(in, out + dropped);
    return 0;
}

static void life_run(void *arg)
{
    (void)world_run(life, arg);
}

TEST(whatever_fails_no_item_is_lost)
{
    EVERY_POINT(life_run, NULL);
}

static int adds_some(void *arg)
{
    for (int i = 0; i < 6; i++) {
        EQ(add(arg, i, weir_after(WEIR_MS(2)), NULL), 0);
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    }
    return weir_due_close(arg, 0);
}

SIM_TEST(as_a_stream_it_ends_with_the_queue)
{
    weir_due *d = due_new(8);
    weir_stream *s = weir_from_due(d);
    weir_scope *scope = weir_scope_open(NULL);
    struct letter out[8];
    size_t n;

    GO(scope, adds_some, d);
    EQ(weir_collect(&s, out, 8, &n), 0);
    EQ(n, 6);
    for (int i = 0; i < 6; i++)
        EQ(out[i].id, i);
    EQ(weir_scope_close(&scope), 0);
    weir_due_free(&d);
    return 0;
}

/* --- many loops -------------------------------------------------------- */

enum { CROWD = 3, EACH = 150 };

struct crowd {
    weir_due *d;
    int taken, removed, added;
};

static int crowd_adds(void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < EACH; i++) {
        uint64_t key;

        EQ(add(c->d, i, weir_after(WEIR_US(i % 7 * 10)), &key), 0);
        c->added++;
        if (i % 3 == 0)
            (void)weir_due_reset(c->d, key, weir_after(WEIR_US(20)));
        if (i % 5 == 0)
            c->removed += weir_due_remove(c->d, key, NULL, 0) == 0;
        if (i % 4 == 0)
            (void)weir_yield();
    }
    return 0;
}

static int crowd_takes(void *arg)
{
    struct crowd *c = arg;
    struct letter l;
    int r;

    while ((r = weir_due_recv(c->d, &l, sizeof l, WEIR_NEVER)) > 0)
        c->taken++;
    return r;
}

static int crowd(void *arg)
{
    weir_due *d = weir_due_new(WEIR_TYPE(struct letter), CROWD * EACH);
    weir_scope *in = weir_scope_open(NULL), *out = weir_scope_open(NULL);
    struct crowd c[2 * CROWD] = {{0}}, sum = {0};

    (void)arg;
    for (int i = 0; i < CROWD; i++) {
        c[i].d = c[CROWD + i].d = d;
        EQ(weir_go_on(out, (i + 1) % 3, crowd_takes, &c[i], NULL), 0);
        EQ(weir_go_on(in, i, crowd_adds, &c[CROWD + i], NULL), 0);
    }
    while (weir_scope_running(in))
        EQ(weir_sleep(weir_after(WEIR_US(200))), 0);
    EQ(weir_due_close(d, 0), 0);
    EQ(weir_scope_close(&out), 0);
    EQ(weir_scope_close(&in), 0);
    for (int i = 0; i < 2 * CROWD; i++) {
        sum.taken += c[i].taken;
        sum.removed += c[i].removed;
        sum.added += c[i].added;
    }
    EQ(sum.added, CROWD * EACH);
    EQ(sum.taken + sum.removed, sum.added);
    weir_due_free(&d);
    return 0;
}

TEST(loops_share_a_queue)
{
    NEEDS_THREADS();
    struct weir_config c = {.loops = 3};

    EQ(weir_run(&c, crowd, NULL), 0);
}

static int freed_takes(void *arg)
{
    struct letter l;

    EQ(weir_due_recv(arg, &l, sizeof l, WEIR_NEVER), WEIR_ECLOSED);
    return 0;
}

static int freed(void *arg)
{
    weir_due *d = weir_due_new(WEIR_TYPE(struct letter), 4);
    weir_scope *s = weir_scope_open(NULL), *t = weir_scope_open(NULL);

    (void)arg;
    for (int i = 0; i < 6; i++)
        EQ(weir_go_on(s, i % 3, freed_takes, d, NULL), 0);
    for (int i = 0; i < 3; i++) /* those who were sent there before wait by then */
        EQ(weir_go_on(t, i, fiber_nothing, NULL, NULL), 0);
    EQ(weir_scope_close(&t), 0);
    weir_due_free(&d);
    return weir_scope_close(&s);
}

TEST(a_free_reaches_those_on_other_loops)
{
    NEEDS_THREADS();
    struct weir_config c = {.loops = 3};

    EQ(weir_run(&c, freed, NULL), 0);
}
