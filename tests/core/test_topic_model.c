/*
 * test_topic_model.c -- a topic does what the plainest model does, and allocates
 * nothing once its subscriptions are there.
 */
#include "core/topic_world.h"

/* --- no allocation in a steady state ---------------------------------------------- */

SIM_TEST(sends_and_receives_allocate_nothing)
{
    weir_topic *t = weir_topic_new(WEIR_TYPE(int));
    weir_sub *a = subscribe(t, 3, WEIR_DROP_OLDEST), *b = subscribe(t, 5, WEIR_DROP_NEWEST);
    uint64_t before = test_alloc_calls();
    for (int i = 0; i < 100; i++) {
        EQ(tell(t, i, 0), 1);
        if (i % 7 == 0)
            (void)hear_all(b);
    }
    (void)hear_all(a);
    EQ(test_alloc_calls(), before);
    weir_sub_free(&a);
    a = subscribe(t, 3, WEIR_BLOCK); /* in the place of the one before: its slots are there */
    EQ(test_alloc_calls(), before + 1);
    weir_sub_free(&a);
    weir_sub_free(&b);
    weir_topic_free(&t);
    return 0;
}

/* --- a model ------------------------------------------------------------------------ */

enum { MODEL_SUBS = 4, MODEL_CAP = 4 };

/* What a subscription would hold, in the plainest form. */
struct model {
    weir_sub *s;
    enum weir_overflow overflow;
    int cap, n, q[MODEL_CAP];
    uint64_t missed;
};

static void model_shift(struct model *m, int by)
{
    m->n -= by;
    memmove(m->q, m->q + by, (size_t)m->n * sizeof *m->q);
}

static void model_add(struct model *m, int v)
{
    if (m->n == m->cap) {
        m->missed += m->overflow == WEIR_LATEST ? (uint64_t)m->n : 1;
        if (m->overflow == WEIR_DROP_NEWEST)
            return;
        model_shift(m, m->overflow == WEIR_LATEST ? m->n : 1);
    }
    m->q[m->n++] = v;
}

static int model_send(const struct model *m)
{
    int r = 1;
    for (int i = 0; i < MODEL_SUBS; i++)
        if (m[i].s && m[i].n == m[i].cap) {
            if (m[i].overflow == WEIR_FAIL)
                return WEIR_EFULL;
            if (m[i].overflow == WEIR_BLOCK)
                r = -EAGAIN;
        }
    return r;
}

static void model_toggle(weir_topic *t, struct model *m)
{
    if (m->s) {
        weir_sub_free(&m->s);
        return;
    }
    *m = (struct model){.overflow = test_random() % 5, .cap = 1 + (int)(test_random() % MODEL_CAP)};
    m->s = subscribe(t, (size_t)m->cap, m->overflow);
}

static void model_hear(struct model *m)
{
    struct weir_sub_stats st;
    int v, r = weir_hear(m->s, &v, 0);
    EQ(r, m->n ? 1 : -EAGAIN);
    if (r == 1) {
        EQ(v, m->q[0]);
        model_shift(m, 1);
        item_drop(&v);
    }
    EQ(weir_sub_stats(m->s, &st), 0);
    EQ(st.length, m->n);
    EQ(st.missed, m->missed);
}

SIM_TEST(a_topic_does_what_the_plainest_model_does)
{
    weir_topic *t = weir_topic_new(item_type());
    struct model m[MODEL_SUBS] = {{0}};
    live = 0;
    for (int i = 1; i < 3000; i++) {
        struct model *one = &m[test_random() % MODEL_SUBS];
        if (test_random() % 16 == 0) {
            model_toggle(t, one);
        } else if (test_random() % 2) {
            int want = model_send(m);
            EQ(tell(t, i, 0), want);
            for (int k = 0; k < MODEL_SUBS && want == 1; k++)
                if (m[k].s)
                    model_add(&m[k], i);
        } else if (one->s) {
            model_hear(one);
        }
    }
    for (int k = 0; k < MODEL_SUBS; k++)
        weir_sub_free(&m[k].s);
    weir_topic_free(&t);
    EQ(live, 0);
    return 0;
}
