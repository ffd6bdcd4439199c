/*
 * keyed.c -- a set of streams by key, which changes while it is pulled.
 *
 * Each stream has an inlet.  The pens of the inlets belong to the scope in
 * which the map was built, whoever inserts.  Ends are items, so that whoever
 * pulls knows when a key has gone.
 */
#include "stream/fan.h"

struct keyed_entry {
    struct weir__inlet in;
    uint64_t key;
};

struct keyed {
    struct weir__inlets set; /* `all` is not used: entries are in the table */
    struct weir__table table;
    struct weir__pen pen; /* of the keeper; and it tells whether the scope is there */
    struct weir_stream_map_opts opts;
    struct weir_type type;
    struct weir__slots lent;
    weir_stream *me;
    bool is_lent, started, finished;
    int cut;                   /* the map itself has been cancelled */
    uint64_t in, out, dropped; /* `in`: of streams that have gone */
};

/* --- entries ---------------------------------------------------------------- */

/* Out of the table already; waits for its fiber.  What it held is dropped and counted. */
static void keyed_entry_free(struct keyed *m, struct keyed_entry *e)
{
    struct weir__inlet *i = &e->in;

    i->mute = true;
    weir__list_remove(&i->link);
    weir__inlet_stop(i);
    m->in += i->taken;
    m->dropped += i->n;
    weir__inlet_fini(i);
    weir__free(e, sizeof *e);
}

static int keyed_entry_start(struct keyed *m, struct keyed_entry *e)
{
    return m->started ? weir__inlet_start(&e->in) : 0;
}

/* Wakes a pull of an empty map that holds when the scope of the map ends. */
static int keyed_keeper(void *arg)
{
    struct keyed *m = arg;

    m->cut = weir__pen_told(&m->pen, weir_sleep(WEIR_NEVER));
    weir_event_set(&m->set.news);
    return 0;
}

/* --- pulling ------------------------------------------------------------------- */

static void keyed_reuse(struct keyed *m)
{
    if (m->is_lent)
        weir__item_drop(&m->type, m->lent.items);
    m->is_lent = false;
}

static int keyed_start(struct keyed *m)
{
    struct weir__table_entry *t;
    size_t at = 0;

    int kept = 0;

    if (m->started)
        return 0;
    if (m->opts.hold)
        kept = weir__pen_go(&m->pen, keyed_keeper, m, "stream_map");
    if (kept < 0)
        return kept;
    m->started = true;
    while ((t = weir__table_next(&m->table, &at))) {
        struct keyed_entry *e = t->value;
        int r = keyed_entry_start(m, e);

        if (r < 0)
            weir__inlet_fail(&e->in, r);
    }
    return 0;
}

/* One event of the next that has news; false if it had none after all. */
static bool keyed_event(struct keyed *m, struct weir__inlet *i, struct weir_keyed *out)
{
    struct keyed_entry *e = WEIR__ENTRY(i, struct keyed_entry, in);

    if (i->n) {
        memcpy(m->lent.items, weir__inlet_head(i), m->type.size);
        weir__inlet_pass(i);
        if (i->ended)
            weir__inlet_ready(i);
        m->is_lent = true;
        m->out++;
        *out = (struct weir_keyed){e->key, 1, m->lent.items};
        return true;
    }
    if (!i->ended)
        return false;
    *out = (struct weir_keyed){e->key, i->end, NULL};
    weir__table_remove(&m->table, e->key);
    keyed_entry_free(m, e);
    return true;
}

static ssize_t keyed_pull(void *self, void *items, size_t max)
{
    struct keyed *m = self;
    struct weir__inlet *i;
    int r;

    (void)max; /* one: the item is lent */
    keyed_reuse(m);
    r = keyed_start(m);
    while (r == 0) {
        while ((i = weir__inlet_next(&m->set)))
            if (keyed_event(m, i, items))
                return 1;
        if (!m->table.n && (!m->opts.hold || m->finished))
            return 0;
        r = m->cut ? m->cut : m->pen.dead ? -ECANCELED : weir__inlets_wait(&m->set);
    }
    return r;
}

static void keyed_close(void *self, int why)
{
    struct keyed *m = self;
    struct weir__table_entry *t;
    size_t at = 0;

    (void)why;
    keyed_reuse(m);
    weir__pen_cancel(&m->pen, -ECANCELED);
    while ((t = weir__table_next(&m->table, &at)))
        weir__pen_cancel(&((struct keyed_entry *)t->value)->in.pen, -ECANCELED);
    for (at = 0; (t = weir__table_next(&m->table, &at));)
        keyed_entry_free(m, t->value);
    weir__pen_join(&m->pen);
    weir__table_free(&m->table);
    weir__slots_free(&m->lent);
    weir__free(m, sizeof *m);
}

static const struct weir_stream_ops keyed_ops = {sizeof(struct weir_stream_ops),
                                                 WEIR_STREAM_RESUMABLE, keyed_pull, keyed_close};

static void keyed_books(const void *self, struct weir_fan_stats *out)
{
    const struct keyed *m = self;
    struct weir__table_entry *t;
    size_t at = 0;

    out->in = m->in;
    out->out = m->out;
    out->dropped = m->dropped;
    while ((t = weir__table_next(&m->table, &at))) {
        out->in += ((struct keyed_entry *)t->value)->in.taken;
        out->held += ((struct keyed_entry *)t->value)->in.n;
    }
}

/* --- making and changing ------------------------------------------------------------ */

weir_stream *weir_stream_map(struct weir_type type, const struct weir_stream_map_opts *opts)
{
    struct weir_stream_map_opts o = opts ? *opts : (struct weir_stream_map_opts){0};
    struct keyed *m;
    weir_stream *s;

    for (size_t i = 0; i < sizeof o.reserved / sizeof *o.reserved; i++)
        if (o.reserved[i])
            return weir__stream_poison(-EINVAL);
    if (o.hold > 1 || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    m = weir__alloc(sizeof *m);
    if (!m)
        return weir__stream_poison(-ENOMEM);
    o.most = o.most ? o.most : 65536;
    m->opts = o;
    m->type = type;
    weir__list_init(&m->set.ready);
    weir__pen_init(&m->pen);
    s = weir__slots_make(&m->lent, 1, type.size) == 0
            ? weir_stream_new(&keyed_ops, m, WEIR_TYPE(struct weir_keyed))
            : weir__stream_poison(-ENOMEM);
    if (s->poison) {
        keyed_close(m, s->poison);
        return s;
    }
    s->books = keyed_books;
    m->me = s;
    return s;
}

static struct keyed *keyed_of(const weir_stream *s)
{
    return s && !s->poison && s->ops == &keyed_ops ? s->self : NULL;
}

static int keyed_check(const struct keyed *m, uint64_t key, const weir_stream *s)
{
    if (m->finished || m->pen.dead)
        return m->finished ? -EPIPE : -ECANCELED;
    if (!weir__type_agrees(&m->type, &s->type))
        return WEIR_ETYPE;
    if (weir__table_get(&m->table, key))
        return -EEXIST;
    return m->table.n >= m->opts.most ? WEIR_EFULL : 0;
}

static int keyed_insert(struct keyed *m, uint64_t key, weir_stream *s)
{
    struct weir__inlet_how how = {.cap = 1};
    struct keyed_entry *e = weir__alloc(sizeof *e);
    int r;

    if (!e) {
        weir_stream_close(&s);
        return -ENOMEM;
    }
    e->key = key;
    r = weir__inlet_init(&e->in, &m->set, s, &how);
    weir__pen_beside(&e->in.pen, &m->pen);
    if (r == 0)
        r = weir__table_put(&m->table, key, e);
    if (r == 0) {
        r = keyed_entry_start(m, e);
        if (r < 0)
            weir__table_remove(&m->table, key);
    }
    if (r < 0) {
        keyed_entry_free(m, e);
        return r;
    }
    m->me->ended = false; /* the end of an empty map was not final */
    return 0;             /* whoever pulls is woken by the first that the stream has to say */
}

int weir_stream_map_insert(weir_stream *map, uint64_t key, weir_stream *s)
{
    struct keyed *m = keyed_of(map);
    int r = weir__stream_check(s);

    if (map && map == s)
        return -EINVAL;
    if (!m)
        r = map && map->poison ? map->poison : -EINVAL;
    else if (r == 0)
        r = weir__stream_here(map) ? keyed_check(m, key, s) : -EXDEV;
    if (r < 0) {
        weir_stream_close(&s);
        return r;
    }
    return keyed_insert(m, key, s);
}

int weir_stream_map_remove(weir_stream *map, uint64_t key)
{
    struct keyed *m = keyed_of(map);
    struct keyed_entry *e;

    if (!m)
        return map && map->poison ? map->poison : -EINVAL;
    if (!weir__stream_here(map))
        return -EXDEV;
    e = weir__table_get(&m->table, key);
    if (!e)
        return -ENOENT;
    weir__table_remove(&m->table, key);
    keyed_entry_free(m, e);
    weir_event_set(&m->set.news); /* it may be empty now */
    return 0;
}

int weir_stream_map_finish(weir_stream *map)
{
    struct keyed *m = keyed_of(map);

    if (!m)
        return map && map->poison ? map->poison : -EINVAL;
    if (!weir__stream_here(map))
        return -EXDEV;
    m->finished = true;
    weir_event_set(&m->set.news);
    return 0;
}

size_t weir_stream_map_count(const weir_stream *map)
{
    const struct keyed *m = keyed_of(map);

    return m ? m->table.n : 0;
}
