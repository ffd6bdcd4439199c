/*
 * The two protocols by which objects between loops end: a block that is held by
 * its handles and by who stands there, and a token's letter to what runs on
 * another loop.
 */
#include "core/model.h"

/* --- waiters.h: a promise, its future, and one who waits ------------------ */

enum {
    B_LOCK,
    B_CLAIM,
    B_TOLD,
    B_LISTED,
    B_WON,
    B_REFS,
    B_FREED,
    B_BAD, /* somebody has touched it after that */
    B_WHY,
    B_TAKEN,
    B_FUTURE,
    B_PROMISE,
    B_GOT,
    B_DROPPED,
    B_LAST, /* which actor has to free it, + 1 */
    B_MISTAKE
};
enum { B_VALUE = 1, B_GONE, B_CANCEL };

static bool block_lock(struct state *s)
{
    s->v[B_BAD] |= s->v[B_FREED];
    if (s->v[B_LOCK])
        return false;
    s->v[B_LOCK] = 1;
    return true;
}

/* The end of a section, in which actor `a` may have given up a hold. */
static void block_unlock(struct state *s, int a, bool gives)
{
    if (gives && --s->v[B_REFS] == 0)
        s->v[B_LAST] = (uint8_t)(a + 1);
    s->v[B_LOCK] = 0;
}

static void block_free_if_last(struct state *s, int a)
{
    if (s->v[B_LAST] == a + 1)
        s->v[B_FREED]++;
}

enum { B_NOT_HELD = 1, B_NOT_CLAIMED }; /* mistakes */

/* Pops the waiter; whoever has its claim decides how its wait ends, and tells after the section. */
static bool block_wake(struct state *s, uint8_t what)
{
    bool won = s->v[B_LISTED] && (s->v[B_CLAIM] || s->v[B_MISTAKE] == B_NOT_CLAIMED);

    s->v[B_LISTED] = 0;
    if (won) {
        s->v[B_CLAIM] = 0;
        s->v[B_WON] = what;
    }
    return won;
}

static void block_tell(struct state *s)
{
    if (s->v[B_WON])
        s->v[B_TOLD] = s->v[B_WON];
    s->v[B_WON] = 0;
}

static bool block_waiter(struct state *s)
{
    uint8_t *v = s->v;

    switch (s->pc[0]) {
    case 0:
        return block_lock(s) && go(s, 0, 1);
    case 1:
        if (v[B_WHY]) {
            v[B_GOT] += v[B_WHY] == B_VALUE && !v[B_TAKEN];
            v[B_TAKEN] |= v[B_WHY] == B_VALUE;
            block_unlock(s, 0, false);
            return go(s, 0, 9);
        }
        v[B_CLAIM] = v[B_LISTED] = 1;
        v[B_REFS] += v[B_MISTAKE] != B_NOT_HELD;
        block_unlock(s, 0, false);
        return go(s, 0, 2);
    case 2: /* parked */
        if (!v[B_TOLD])
            return false;
        v[B_GOT] += v[B_TOLD] == B_VALUE;
        return go(s, 0, 3);
    case 3:
        return block_lock(s) && go(s, 0, 4);
    case 4:
        v[B_LISTED] = 0;
        block_unlock(s, 0, v[B_MISTAKE] != B_NOT_HELD);
        return go(s, 0, 5);
    case 5:
        block_free_if_last(s, 0);
        return go(s, 0, 9);
    default:
        return false;
    }
}

static void block_end_left(struct state *s)
{
    uint8_t *v = s->v;

    v[B_DROPPED] += !v[B_FUTURE] && !v[B_PROMISE] && v[B_WHY] == B_VALUE && !v[B_TAKEN];
}

/* Frees the future once somebody stands there, or has what it came for. */
static bool block_future(struct state *s)
{
    switch (s->pc[1]) {
    case 0:
        return s->pc[0] >= 2 && block_lock(s) && go(s, 1, 1);
    case 1:
        (void)block_wake(s, B_GONE);
        s->v[B_FUTURE] = 0;
        block_end_left(s);
        block_unlock(s, 1, true);
        return go(s, 1, 2);
    case 2:
        block_tell(s);
        block_free_if_last(s, 1);
        return go(s, 1, 9);
    default:
        return false;
    }
}

static bool block_promise(struct state *s)
{
    uint8_t *v = s->v;

    switch (s->pc[2]) {
    case 0:
        return block_lock(s) && go(s, 2, 1);
    case 1: /* sends; to nobody: the value stays its own */
        v[B_DROPPED] += !v[B_FUTURE];
        if (v[B_FUTURE]) {
            v[B_WHY] = B_VALUE;
            v[B_TAKEN] = block_wake(s, B_VALUE);
        }
        block_unlock(s, 2, false);
        return go(s, 2, 2);
    case 2:
        block_tell(s);
        return go(s, 2, 3);
    case 3:
        return block_lock(s) && go(s, 2, 4);
    case 4:
        v[B_PROMISE] = 0;
        block_end_left(s);
        block_unlock(s, 2, true);
        return go(s, 2, 5);
    case 5:
        block_free_if_last(s, 2);
        return go(s, 2, 9);
    default:
        return false;
    }
}

static bool block_step(struct state *s, int a)
{
    switch (a) {
    case 0:
        return block_waiter(s);
    case 1:
        return block_future(s);
    case 2:
        return block_promise(s);
    default: /* a cancel of the one who waits */
        if (s->pc[3] || s->pc[0] < 2)
            return false;
        if (s->v[B_CLAIM])
            s->v[B_TOLD] = B_CANCEL;
        s->v[B_CLAIM] = 0;
        return go(s, 3, 1);
    }
}

static bool block_right(const struct state *s)
{
    const uint8_t *v = s->v;

    return s->pc[0] == 9 && s->pc[1] == 9 && s->pc[2] == 9 && !v[B_LOCK] && !v[B_BAD] &&
           v[B_FREED] == 1 && v[B_GOT] + v[B_DROPPED] == 1;
}

TEST(a_block_is_freed_once_after_all_and_its_value_is_had_or_dropped_once)
{
    struct model m = {4, block_step, block_right, {{0}, {0}}}, broken;

    m.start.v[B_REFS] = 2;
    m.start.v[B_FUTURE] = m.start.v[B_PROMISE] = 1;
    broken = m;
    broken.start.v[B_MISTAKE] = B_NOT_HELD; /* who stands there does not hold it */
    expect("block", m, broken);
    broken.start.v[B_MISTAKE] = B_NOT_CLAIMED; /* it is handed to who has just given up */
    expect("block", m, broken);
}

/* --- token.c: the letter to what runs on another loop ---------------------- */

enum { T_LOCK, T_WHY, T_LISTED, T_SENT, T_POSTED, T_READ, T_GONE, T_BAD, T_RAN, T_MISTAKE };

static bool token_lock(struct state *s)
{
    if (s->v[T_LOCK])
        return false;
    s->v[T_LOCK] = 1;
    return true;
}

static bool token_runner(struct state *s)
{
    uint8_t *v = s->v;

    switch (s->pc[0]) {
    case 0:
        return token_lock(s) && go(s, 0, 1);
    case 1:
        v[T_LISTED] = !v[T_WHY];
        v[T_LOCK] = 0;
        return go(s, 0, v[T_WHY] ? 9 : 2);
    case 2: /* it runs, and ends by itself or by the letter */
        v[T_RAN] = 1;
        return go(s, 0, 3);
    case 3:
        return token_lock(s) && go(s, 0, 4);
    case 4:
        v[T_LISTED] = v[T_LOCK] = 0;
        return go(s, 0, 5);
    case 5:
        if (v[T_SENT] && !v[T_READ] && !v[T_MISTAKE]) /* the twin does not wait for it */
            return false;
        v[T_GONE] = 1;
        return go(s, 0, 9);
    default:
        return false;
    }
}

static bool token_step(struct state *s, int a)
{
    uint8_t *v = s->v;

    if (a == 0)
        return token_runner(s);
    if (a == 1) { /* its loop reads the letter, which lies in the record */
        if (!v[T_POSTED])
            return false;
        v[T_BAD] |= v[T_GONE];
        v[T_POSTED] = 0;
        v[T_READ] = 1;
        return true;
    }
    switch (s->pc[a]) {
    case 0:
        return token_lock(s) && go(s, a, 1);
    case 1:
        if (!v[T_WHY]) {
            v[T_WHY] = (uint8_t)a;
            v[T_BAD] |= v[T_LISTED] && v[T_GONE];
            if (v[T_LISTED])
                v[T_SENT] = v[T_POSTED] = 1;
        }
        v[T_LOCK] = 0;
        return go(s, a, 9);
    default:
        return false;
    }
}

static bool token_right(const struct state *s)
{
    const uint8_t *v = s->v;

    return s->pc[0] == 9 && !v[T_LOCK] && !v[T_BAD] && !v[T_POSTED] && v[T_WHY] &&
           v[T_READ] == v[T_SENT] && v[T_RAN] == v[T_GONE];
}

TEST(a_tokens_letter_is_read_before_the_record_it_lies_in_is_gone)
{
    struct model m = {4, token_step, token_right, {{0}, {0}}}, broken = m;

    broken.start.v[T_MISTAKE] = 1;
    expect("token", m, broken);
}
