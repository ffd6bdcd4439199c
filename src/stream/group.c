/*
 * group.c -- a stream of streams, one a key, and no deadlock.
 *
 * The pump puts an item into the queue of its key's group and hands a new
 * group out through the main outlet; it makes room there first, so a group
 * that exists can be delivered.  Keys, queues and the main queue are bounded.
 * A full queue holds the pump up only for as long as that may be no deadlock:
 * if nobody pulls the full one while others wait for theirs, all end in
 * WEIR_EFULL after `patience`.
 */
#include "stream/fan.h"

#include "core/chan.h"

enum { GROUP_QUEUE = 1024 }; /* groups that wait to be handed out */

struct group_by {
    struct weir__pump pump;
    weir_key_fn *key;
    void *ctx;
    struct weir_group_opts opts;
    struct weir__table table;  /* key -> outlet */
    struct weir__list idle;    /* outlets, the one idle longest first */
    struct weir__outlet *main; /* NULL once closed */
};

static void group_drop(void *item)
{
    struct weir_group *g = item;

    weir_stream_close(&g->items);
}

static void group_forget(struct group_by *g, struct weir__outlet *o)
{
    if (weir__table_get(&g->table, o->key) == o)
        weir__table_remove(&g->table, o->key);
    weir__list_remove(&o->link);
}

/* Parks until the outlet may have room, or has gone: 0.  WEIR_EFULL when patience is at an end. */
static int group_wait(struct group_by *g, struct weir__outlet **slot, uint64_t key)
{
    int r = 0;

    weir__pump_patient(&g->pump);
    while (r == 0) {
        struct weir__outlet *o = slot ? *slot : weir__table_get(&g->table, key);

        if (!o || weir__outlet_room(o))
            return 0;
        r = weir__pump_wait(&g->pump, g->opts.patience);
    }
    return r;
}

/* Makes place for one more: 1, 0 if its item is to be dropped, or negative. */
static int group_admit(struct group_by *g)
{
    struct weir__list *at;

    if (g->table.n < g->opts.most)
        return 1;
    if (g->opts.at_most == WEIR_GROUP_DROP)
        return 0;
    for (at = g->idle.next; g->opts.at_most == WEIR_GROUP_EVICT && at != &g->idle; at = at->next) {
        struct weir__outlet *o = WEIR__ENTRY(at, struct weir__outlet, link);

        if (o->ch->length)
            continue;
        group_forget(g, o);
        (void)weir_chan_close(o->ch, 0);
        return 1;
    }
    return WEIR_EFULL;
}

/* A new group, handed out: 1; 0 if nobody takes groups or there is no place; negative. */
static int group_open(struct group_by *g, uint64_t key)
{
    struct weir_outlet_opts opts = {.capacity = g->opts.capacity, .overflow = g->opts.overflow};
    struct weir__outlet *o;
    struct weir_group made;
    int r = group_wait(g, &g->main, 0);

    if (r == 0 && g->main)
        r = group_admit(g);
    if (r <= 0 || !g->main)
        return r < 0 ? r : 0;
    o = weir__outlet_new(&g->pump, g->pump.type, &opts, NULL, &r);
    if (!o)
        return r;
    o->key = key;
    made = (struct weir_group){key, o->me};
    if (weir__table_put(&g->table, key, o) < 0) {
        weir_stream_close(&made.items); /* not the last: the main outlet is there */
        return -ENOMEM;
    }
    weir__list_append(&g->idle, &o->link);
    weir__check(weir__outlet_try(g->main, &made));
    return 1;
}

static int group_give(struct group_by *g, uint64_t key, void *item)
{
    int r = 1;

    while (r > 0) {
        struct weir__outlet *o = weir__table_get(&g->table, key);

        if (!o) {
            r = group_open(g, key);
        } else if (weir__outlet_try(o, item)) {
            weir__list_remove(&o->link);
            weir__list_append(&g->idle, &o->link);
            return 0;
        } else {
            r = group_wait(g, NULL, key);
            r = r == 0 ? 1 : r;
        }
    }
    weir__item_drop(&g->pump.type, item);
    g->pump.left++;
    return r;
}

static int group_route(struct weir__pump *p, void *item)
{
    struct group_by *g = (struct group_by *)p;
    uint64_t key = 0;
    int r = g->key(g->ctx, item, &key);

    if (r > 0)
        return group_give(g, key, item);
    weir__item_drop(&p->type, item);
    p->left++;
    return r;
}

static void group_finish(struct weir__pump *p, int code)
{
    struct group_by *g = (struct group_by *)p;
    struct weir__table_entry *e;
    size_t at = 0;

    while ((e = weir__table_next(&g->table, &at)))
        (void)weir_chan_close(((struct weir__outlet *)e->value)->ch, code);
    if (g->main)
        (void)weir_chan_close(g->main->ch, code);
}

static void group_gone(struct weir__pump *p, struct weir__outlet *o)
{
    struct group_by *g = (struct group_by *)p;

    if (o == g->main)
        g->main = NULL;
    else
        group_forget(g, o);
}

static void group_free(struct weir__pump *p)
{
    struct group_by *g = (struct group_by *)p;

    weir__table_free(&g->table);
    weir__free(g, sizeof *g);
}

static const struct weir__pump_ops group_ops = {
    "group_by", NULL, group_route, group_finish, group_gone, group_free,
};

static int group_check(const struct weir_group_opts *o, const weir_stream *s)
{
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    if (o->capacity > SIZE_MAX / 2 / s->type.size)
        return -EINVAL;
    if (o->most > 1 << 24 || (unsigned)o->at_most > WEIR_GROUP_EVICT)
        return -EINVAL;
    return (unsigned)o->overflow > WEIR_FAIL || o->patience < 0 ? -EINVAL : 0;
}

static struct weir_group_opts group_defaults(const struct weir_group_opts *opts)
{
    struct weir_group_opts o = opts ? *opts : (struct weir_group_opts){0};

    o.most = o.most ? o.most : 1024;
    o.patience = o.patience ? o.patience : WEIR_S(10);
    return o;
}

static weir_stream *group_make(struct group_by *g, weir_stream *s)
{
    struct weir_type type = WEIR_TYPE(struct weir_group);
    struct weir_outlet_opts main = {.capacity = GROUP_QUEUE};
    int r = 0;

    if (weir__pump_init(&g->pump, &group_ops, s, 1) < 0) {
        weir__free(g, sizeof *g);
        return weir__stream_refuse(-ENOMEM, s, NULL);
    }
    type.drop = group_drop;
    if (g->opts.most < main.capacity)
        main.capacity = g->opts.most;
    g->pump.watches = true;
    g->main = weir__outlet_new(&g->pump, type, &main, NULL, &r);
    if (!g->main) {
        weir__pump_unref(&g->pump);
        return weir__stream_poison(r);
    }
    g->pump.refs--;
    return g->main->me;
}

weir_stream *weir_group_by(weir_stream *s, weir_key_fn *key, void *ctx,
                           const struct weir_group_opts *opts)
{
    struct weir_group_opts o = group_defaults(opts);
    struct group_by *g;
    int r = weir__stream_check(s);

    if (r == 0)
        r = key ? group_check(&o, s) : -EINVAL;
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    g = weir__alloc(sizeof *g);
    if (!g)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    g->key = key;
    g->ctx = ctx;
    g->opts = o;
    weir__list_init(&g->idle);
    return group_make(g, s);
}
