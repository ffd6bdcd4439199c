/*
 * chan.c -- a channel, plain or weighed, under any policy, against an array:
 * what a send or a receive that never parks answers, what is queued, what was
 * dropped, and that no item is dropped twice or lost.
 */
#include <errno.h>
#include <string.h>
#include <weir.h>

#include "fuzz.h"

enum { CHAN_ITEMS = 4096, CHAN_MOST = 8 };

struct item {
    uint32_t id, weight;
};

static uint8_t dropped[CHAN_ITEMS];

static void item_drop(void *p)
{
    const struct item *i = p;

    if (i->id) {
        HOLDS(!dropped[i->id]);
        dropped[i->id] = 1;
    }
}

static uint64_t item_weight(void *ctx, const void *item)
{
    (void)ctx;
    return ((const struct item *)item)->weight;
}

struct model {
    struct weir_chan_opts opts;
    struct item queue[CHAN_MOST];
    size_t n;
    uint64_t drops;
    bool closed;
};

static uint64_t model_weight(const struct model *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->n; i++)
        sum += m->queue[i].weight;
    return sum;
}

static void model_drop_first(struct model *m)
{
    memmove(m->queue, m->queue + 1, --m->n * sizeof *m->queue);
    m->drops++;
}

static bool model_fits(const struct model *m, const struct item *i)
{
    return m->n < m->opts.capacity &&
           (!m->opts.weigh || model_weight(m) + i->weight <= m->opts.weight);
}

static int model_send(struct model *m, struct item i)
{
    if (m->closed)
        return WEIR_ECLOSED;
    if (m->opts.weigh && i.weight > m->opts.weight)
        return WEIR_ETOOLARGE;
    if (!model_fits(m, &i)) {
        switch (m->opts.overflow) {
        case WEIR_BLOCK:
            return -EAGAIN;
        case WEIR_FAIL:
            return WEIR_EFULL;
        case WEIR_DROP_NEWEST:
            m->drops++;
            return 1;
        case WEIR_DROP_OLDEST:
            while (!model_fits(m, &i))
                model_drop_first(m);
            break;
        case WEIR_LATEST:
            while (m->n)
                model_drop_first(m);
            break;
        }
    }
    m->queue[m->n++] = i;
    return 1;
}

static int model_recv(struct model *m, struct item *out)
{
    if (!m->n)
        return m->closed ? 0 : -EAGAIN;
    *out = m->queue[0];
    model_drop_first(m);
    m->drops--;
    return 1;
}

static void same(weir_chan *ch, const struct model *m)
{
    struct weir_chan_stats s;

    HOLDS(weir_chan_stats(ch, &s) == 0);
    HOLDS(s.length == m->n && s.dropped == m->drops);
    HOLDS(s.weight == (m->opts.weigh ? model_weight(m) : 0));
    HOLDS(s.high_water <= m->opts.capacity);
    HOLDS(s.high_weight <= m->opts.weight);
}

static int operations(void *arg)
{
    struct bytes *b = arg;
    struct weir_type type = WEIR_TYPE(struct item);
    struct model m = {.opts = {.capacity = 1 + byte(b) % CHAN_MOST,
                               .overflow = (enum weir_overflow)(byte(b) % 5)}};
    uint32_t sent = 0, kept = 0, got = 0, gone = 0;
    weir_chan *ch;

    if (byte(b) % 2) {
        m.opts.weigh = item_weight;
        m.opts.weight = 1 + byte(b) % 40;
    }
    type.drop = item_drop;
    memset(dropped, 0, sizeof dropped);
    ch = weir_chan_with(type, &m.opts);
    HOLDS(weir_chan_error(ch) == 0);
    while (bytes_left(b) && sent + kept < CHAN_ITEMS - 1) {
        uint8_t op = byte(b);
        struct item i = {sent + kept + 1, byte(b) % 50}, want = {0}, have = {0};

        if (op % 16 == 15) {
            HOLDS(weir_chan_close(ch, 0) == (m.closed ? WEIR_ECLOSED : 0));
            m.closed = true;
        } else if (op % 2) {
            int r = weir_send(ch, &i, 0);

            HOLDS(r == model_send(&m, i));
            sent += r > 0;
            kept += r <= 0;
        } else {
            HOLDS(weir_recv(ch, &have, 0) == model_recv(&m, &want));
            HOLDS(have.id == want.id && have.weight == want.weight);
            got += have.id != 0;
        }
        same(ch, &m);
    }
    weir_chan_free(&ch);
    for (uint32_t i = 0; i < CHAN_ITEMS; i++)
        gone += dropped[i];
    HOLDS(sent == got + gone);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, data + size};

    HOLDS(weir_sim_run(1, NULL, operations, &b) == 0);
    return 0;
}
