/*
 * chan_make.c -- how a channel begins: one block for it and its ring.
 */
#include "core/chan.h"

static struct weir_chan chan_poisons[] = {{.poison = -EINVAL}, {.poison = -ENOMEM}};

static weir_chan *chan_poison(int code)
{
    return &chan_poisons[code == -ENOMEM];
}

static int chan_check(const struct weir_type *t, const struct weir_chan_opts *o)
{
    if (t->size == 0 || t->size > 1 << 20 || t->align > 64 || (t->align & (t->align - 1)))
        return -EINVAL;
    if ((unsigned)o->overflow > WEIR_FAIL || o->capacity > SIZE_MAX / 2 / t->size)
        return -EINVAL;
    if (o->capacity == 0 && o->overflow != WEIR_BLOCK && o->overflow != WEIR_FAIL)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return weir__weighed_check(o);
}

/* An allocator aligns for plain types only; `drop` may count on the alignment of its item. */
static size_t chan_slack(const struct weir_type *t)
{
    return t->align > 16 ? t->align : 16;
}

static size_t chan_bytes(const struct weir_type *t, size_t capacity)
{
    return sizeof(weir_chan) + capacity * t->size + chan_slack(t);
}

size_t weir__chan_bytes(const weir_chan *ch)
{
    return chan_bytes(&ch->type, ch->capacity);
}

weir_chan *weir_chan_with(struct weir_type type, const struct weir_chan_opts *opts)
{
    weir_chan *ch;

    if (WEIR_ARG(opts && chan_check(&type, opts) == 0) < 0)
        return chan_poison(-EINVAL);
    ch = weir__alloc(chan_bytes(&type, opts->capacity));
    if (!ch)
        return chan_poison(-ENOMEM);
    ch->ring = (char *)(ch + 1);
    ch->ring += -(uintptr_t)ch->ring & (chan_slack(&type) - 1);
    ch->type = type;
    ch->size = ch->open_size = type.size;
    ch->capacity = ch->stats.capacity = opts->capacity;
    ch->overflow = opts->overflow;
    ch->name = opts->name;
    weir__list_init(&ch->senders);
    weir__list_init(&ch->receivers);
    if (weir__weighed_init(ch, opts) < 0) {
        weir__free(ch, weir__chan_bytes(ch));
        return chan_poison(-ENOMEM);
    }
    return ch;
}

weir_chan *weir_chan_new(struct weir_type type, size_t capacity)
{
    return weir_chan_with(type, &(struct weir_chan_opts){.capacity = capacity});
}
