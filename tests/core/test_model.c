/*
 * What many loops rest on, as small machines whose steps are those of the code
 * between two atomic operations; every interleaving is gone through.  A state
 * in which nobody can step has to be an end that is right: so a lost wake, a
 * lost permit or a lost item is found, not hoped against.  Each model has a
 * twin with a known mistake in it, which has to be found.
 */
#include "core/model.h"

/* --- inbox.c: a letter against going to sleep -------------------------- */

enum { I_HEAD, I_AWAKE, I_BELL, I_READ, I_SAW, I_BROKEN = I_SAW + ACTORS, I_WORDS };

/* One posts one letter: weir__inbox_post. */
static bool inbox_post(struct state *s, int a)
{
    uint8_t *v = s->v;

    switch (s->pc[a]) {
    case 0:
        v[I_SAW + a] = v[I_HEAD];
        return go(s, a, 1);
    case 1: /* the exchange fails if another has been quicker */
        if (v[I_SAW + a] != v[I_HEAD]) {
            v[I_SAW + a] = v[I_HEAD];
            return true;
        }
        v[I_HEAD]++;
        return go(s, a, v[I_SAW + a] ? 4 : 2);
    case 2:
        return go(s, a, v[I_AWAKE] ? 4 : 3);
    case 3:
        v[I_BELL] = 1;
        return go(s, a, 4);
    default:
        return false;
    }
}

static bool inbox_read(struct state *s, int then)
{
    s->v[I_READ] += s->v[I_HEAD];
    s->v[I_HEAD] = 0;
    return go(s, 0, then);
}

/* Actor 0 is the loop in weir__inbox_sleep, again and again; the others post. */
static bool inbox_step(struct state *s, int a)
{
    uint8_t *v = s->v;

    if (a > 0)
        return inbox_post(s, a);
    switch (s->pc[0]) {
    case 0: /* says that it sleeps, then looks; the twin has it the wrong way round */
    case 1:
        if ((s->pc[0] == 0) != v[I_BROKEN]) {
            v[I_AWAKE] = 0;
            return go(s, 0, s->pc[0] + 1);
        }
        return go(s, 0, v[I_HEAD] ? 5 : s->pc[0] + 1);
    case 2:
        return v[I_BELL] && go(s, 0, 3); /* epoll_wait */
    case 3:
        v[I_BELL] = 0;
        return go(s, 0, 4);
    case 4:
        return inbox_read(s, 5);
    case 5:
        v[I_AWAKE] = 1;
        return go(s, 0, 6);
    default:
        return inbox_read(s, 0);
    }
}

static bool inbox_right(const struct state *s)
{
    return s->v[I_READ] == 3 && !s->v[I_HEAD];
}

TEST(no_letter_is_left_in_the_inbox_of_a_loop_that_sleeps)
{
    struct model m = {4, inbox_step, inbox_right, {{0}, {0}}}, broken = m;

    broken.start.v[I_BROKEN] = 1;
    expect("inbox", m, broken);
}

/* --- claim and lock, as fiber.c has them -------------------------------- */

/*
 * Fibers 0 and 1 wait, actors 2 and 3 do something to them.  TOLD is what the
 * winner left: 0 nothing, else 1 + why.
 */
enum {
    LOCK,
    CLAIM,
    TOLD = CLAIM + 2,
    LISTED = TOLD + 2,
    GOT = LISTED + 2,
    WON = GOT + 2,
    PERMITS = WON + 2,
    CLOSED,
    FIRST,
    MISTAKE
};
enum { BY_SERVING = 1, BY_CANCEL, BY_CLOSE };

static bool lock_take(struct state *s)
{
    if (s->v[LOCK])
        return false;
    s->v[LOCK] = 1;
    return true;
}

static bool claim_take(struct state *s, int f)
{
    bool won = s->v[CLAIM + f];

    s->v[CLAIM + f] = 0;
    return won;
}

/* FIRST is who stands first when both do. */
static int listed_first(const struct state *s)
{
    if (s->v[LISTED] && s->v[LISTED + 1])
        return s->v[FIRST];
    return s->v[LISTED] ? 0 : s->v[LISTED + 1] ? 1 : -1;
}

static void stand(struct state *s, int f)
{
    if (!s->v[LISTED + !f])
        s->v[FIRST] = (uint8_t)f;
    s->v[LISTED + f] = 1;
}

/* --- sync.c: hand-over against cancel ----------------------------------- */

/* Under the lock: permits to those who stand; they are told after it (WON). */
static void sem_serve(struct state *s)
{
    int f;

    while (s->v[PERMITS] && (f = listed_first(s)) >= 0) {
        s->v[LISTED + f] = 0;
        if (claim_take(s, f)) {
            s->v[PERMITS]--;
            s->v[WON + f] = 1;
        }
    }
}

static void tell_won(struct state *s)
{
    for (int f = 0; f < 2; f++) {
        if (s->v[WON + f])
            s->v[TOLD + f] = BY_SERVING;
        s->v[WON + f] = 0;
    }
}

static bool sem_fiber(struct state *s, int f)
{
    uint8_t *v = s->v;

    switch (s->pc[f]) {
    case 0:
        if (!lock_take(s))
            return false;
        return go(s, f, 1);
    case 1:
        if (v[PERMITS] && listed_first(s) < 0) {
            v[PERMITS]--;
            v[GOT + f] = BY_SERVING;
            v[LOCK] = 0;
            return go(s, f, 9);
        }
        v[CLAIM + f] = 1;
        stand(s, f);
        v[LOCK] = 0;
        return go(s, f, 2);
    case 2: /* parked */
        if (!v[TOLD + f])
            return false;
        v[GOT + f] = v[TOLD + f];
        return go(s, f, v[TOLD + f] == BY_SERVING ? 9 : 3);
    case 3:
        return lock_take(s) && go(s, f, 4);
    case 4: /* it gave up: those behind it may go on */
        v[LISTED + f] = 0;
        sem_serve(s);
        v[LOCK] = 0;
        return go(s, f, 5);
    case 5:
        tell_won(s);
        return go(s, f, 9);
    default:
        return false;
    }
}

static bool sem_step(struct state *s, int a)
{
    uint8_t *v = s->v;

    if (a < 2)
        return sem_fiber(s, a);
    if (a == 2) { /* gives one back */
        switch (s->pc[2]) {
        case 0:
            return lock_take(s) && go(s, 2, 1);
        case 1:
            v[PERMITS]++;
            if (!v[MISTAKE]) /* the twin leaves it to those who come */
                sem_serve(s);
            v[LOCK] = 0;
            return go(s, 2, 2);
        case 2:
            tell_won(s);
            return go(s, 2, 3);
        default:
            return false;
        }
    }
    if (s->pc[3] == 0 && s->pc[0] >= 2) { /* cancels the first fiber once it stands */
        if (claim_take(s, 0))
            v[TOLD] = BY_CANCEL;
        return go(s, 3, 1);
    }
    return false;
}

/* One permit: somebody has it, or it is free and nobody waits for it. */
static bool sem_right(const struct state *s)
{
    int got = (s->v[GOT] == BY_SERVING) + (s->v[GOT + 1] == BY_SERVING);
    bool stuck = s->pc[0] < 9 || s->pc[1] < 9;

    return !s->v[LOCK] && got + s->v[PERMITS] == 1 && !(stuck && s->v[PERMITS]);
}

TEST(a_permit_is_neither_lost_nor_doubled_when_hand_over_meets_cancel)
{
    struct model m = {4, sem_step, sem_right, {{0}, {0}}}, broken = m;

    broken.start.v[MISTAKE] = 1;
    expect("semaphore", m, broken);
}

/* --- chan_end.c: close against parked senders ---------------------------- */

static bool close_fiber(struct state *s, int f)
{
    uint8_t *v = s->v;

    switch (s->pc[f]) {
    case 0:
        if (v[MISTAKE]) /* looks before it has the lock */
            return go(s, f, v[CLOSED] ? 8 : 1);
        return go(s, f, 1);
    case 1:
        return lock_take(s) && go(s, f, 2);
    case 2:
        if (v[CLOSED] && !v[MISTAKE]) {
            v[LOCK] = 0;
            return go(s, f, 8);
        }
        v[CLAIM + f] = 1;
        stand(s, f);
        v[LOCK] = 0;
        return go(s, f, 3);
    case 3:
        if (!v[TOLD + f])
            return false;
        v[GOT + f] = v[TOLD + f];
        return go(s, f, v[TOLD + f] == BY_CANCEL ? 4 : 9);
    case 4:
        return lock_take(s) && go(s, f, 5);
    case 5:
        v[LISTED + f] = 0;
        v[LOCK] = 0;
        return go(s, f, 9);
    case 8:
        v[GOT + f] = BY_CLOSE;
        return go(s, f, 9);
    default:
        return false;
    }
}

static bool close_step(struct state *s, int a)
{
    uint8_t *v = s->v;
    int f;

    if (a < 2)
        return close_fiber(s, a);
    if (a == 3) {
        if (s->pc[3] || s->pc[0] < 3)
            return false;
        if (claim_take(s, 0))
            v[TOLD] = BY_CANCEL;
        return go(s, 3, 1);
    }
    switch (s->pc[2]) {
    case 0:
        return lock_take(s) && go(s, 2, 1);
    case 1:
        v[CLOSED] = 1;
        return go(s, 2, 2);
    case 2:
        f = listed_first(s);
        if (f < 0) {
            v[LOCK] = 0;
            return go(s, 2, 3);
        }
        v[LISTED + f] = 0;
        v[WON + f] = claim_take(s, f);
        return true;
    case 3:
        for (f = 0; f < 2; f++)
            if (v[WON + f])
                v[TOLD + f] = BY_CLOSE;
        return go(s, 2, 4);
    default:
        return false;
    }
}

static bool close_right(const struct state *s)
{
    return !s->v[LOCK] && s->v[GOT] && s->v[GOT + 1] == BY_CLOSE && !s->v[LISTED] &&
           !s->v[LISTED + 1];
}

TEST(a_close_wakes_every_sender_that_stands_or_comes)
{
    struct model m = {4, close_step, close_right, {{0}, {0}}}, broken = m;

    broken.start.v[MISTAKE] = 1;
    expect("close", m, broken);
}

/* --- select.c: over two channels of other loops -------------------------- */

/* v[i]: lock of channel i; queued items; whether the selecting fiber stands there. */
enum { S_LOCK, S_ITEMS = 2, S_STANDS = 4, S_CLAIM = 6, S_TOLD, S_GOT, S_MISTAKE };

static bool select_fiber(struct state *s)
{
    uint8_t *v = s->v;
    int i = s->pc[0] >= 10; /* the channel it stands up at */

    switch (s->pc[0] % 10) {
    case 0:
        v[S_CLAIM] |= i == 0; /* opened once */
        if (v[S_LOCK + i])
            return false;
        v[S_LOCK + i] = 1;
        return go(s, 0, s->pc[0] + 1);
    case 1:
        if (v[S_ITEMS + i] && !v[S_MISTAKE]) { /* it can go on by now; the twin does not look */
            bool ours = v[S_CLAIM];

            v[S_CLAIM] = 0;
            if (ours) { /* tries again: the first try takes it */
                v[S_ITEMS + i]--;
                v[S_GOT]++;
            }
            v[S_LOCK + i] = 0;
            return go(s, 0, ours ? 4 : 2);
        }
        v[S_STANDS + i] = 1;
        v[S_LOCK + i] = 0;
        return go(s, 0, i ? 2 : 10);
    case 2:
        if (!v[S_TOLD])
            return false;
        v[S_GOT]++;
        return go(s, 0, 4);
    case 4: /* leaves both, each under its lock */
        if (v[S_LOCK])
            return false;
        v[S_STANDS] = 0;
        return go(s, 0, 5);
    case 5:
        if (v[S_LOCK + 1])
            return false;
        v[S_STANDS + 1] = 0;
        return go(s, 0, 9);
    default:
        return false;
    }
}

static bool select_step(struct state *s, int a)
{
    uint8_t *v = s->v;
    int i = a - 1;

    if (a == 0)
        return select_fiber(s);
    switch (s->pc[a]) {
    case 0:
        if (v[S_LOCK + i])
            return false;
        v[S_LOCK + i] = 1;
        return go(s, a, 1);
    case 1: {
        bool won = v[S_STANDS + i] && v[S_CLAIM];

        if (v[S_STANDS + i]) { /* popped, whoever wins */
            v[S_STANDS + i] = 0;
            v[S_CLAIM] = 0;
        }
        v[S_ITEMS + i] += !won;
        v[S_LOCK + i] = 0;
        return go(s, a, won ? 2 : 3);
    }
    case 2:
        v[S_TOLD]++;
        return go(s, a, 3);
    default:
        return false;
    }
}

static bool select_right(const struct state *s)
{
    const uint8_t *v = s->v;

    return s->pc[0] == 9 && v[S_GOT] == 1 && v[S_ITEMS] + v[S_ITEMS + 1] == 1 && v[S_TOLD] <= 1;
}

TEST(a_select_over_loops_takes_one_item_and_leaves_the_other)
{
    struct model m = {3, select_step, select_right, {{0}, {0}}}, broken = m;

    broken.start.v[S_MISTAKE] = 1;
    expect("select", m, broken);
}
