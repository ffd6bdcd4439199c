/*
 * inbox.c -- a lock-free stack of letters and an eventfd.  Only the letter
 * that makes the stack non-empty rings the bell, and only if the loop does not
 * look by itself: one of many looks in every turn, and for the last time after
 * it has said that it goes to sleep.
 *
 *     the loop:  awake = 0, then look        a letter:  put it in, then ask for awake
 *
 * so one of the two sees the other.
 */
#include "base/arith.h"
#include "core/group.h"
#include "core/inbox.h"
#include "core/lock.h"
#include "sys/clock.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { INBOX_LINGER_NS = 10000, INBOX_PAUSES = 16, INBOX_TRUST = 8, INBOX_AGAIN = 32 };

struct weir__inbox {
    struct weir__letter *head; /* newest first; atomic */
    uint32_t awake;            /* atomic; 0 with one loop: every first letter rings */
    int bell;
    uint32_t trust, naps; /* in a wait before a sleep; sleeps without one */
};

int weir__inbox_open(struct weir__loop *l)
{
    struct weir__inbox *in;
    int r;

    if (l->inbox)
        return 0;
    in = weir__alloc(sizeof *in);
    if (!in)
        return -ENOMEM;
    in->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = in->bell < 0 ? -errno : weir__poller_inbox(l, in->bell);
    if (r < 0) {
        if (in->bell >= 0)
            close(in->bell);
        weir__free(in, sizeof *in);
        return r;
    }
    l->inbox = in;
    return 0;
}

void weir__inbox_ring(struct weir__loop *l)
{
    uint64_t one = 1;

    if (write(l->inbox->bell, &one, sizeof one) < 0)
        return; /* the counter is full: it has been rung */
}

void weir__inbox_post(struct weir__loop *l, struct weir__letter *letter)
{
    struct weir__inbox *in = l->inbox;
    struct weir__letter *before = __atomic_load_n(&in->head, __ATOMIC_RELAXED);

    do
        letter->next = before;
    while (!__atomic_compare_exchange_n(&in->head, &before, letter, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    /* From here on the letter is the loop's, and may be gone. */
    if (!before && !__atomic_load_n(&in->awake, __ATOMIC_SEQ_CST))
        weir__inbox_ring(l);
}

static void inbox_read(struct weir__loop *l)
{
    struct weir__letter *newest, *oldest = NULL;

    newest = __atomic_exchange_n(&l->inbox->head, NULL, __ATOMIC_ACQUIRE);
    while (newest) { /* in the order in which they were posted */
        struct weir__letter *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct weir__letter *letter = oldest;

        bool counted = letter->counted;

        oldest = letter->next;
        letter->fn(letter);
        if (counted)
            weir__group_read(l);
    }
}

void weir__inbox_serve(struct weir__loop *l)
{
    uint64_t count;

    weir__group_stir(l);
    if (read(l->inbox->bell, &count, sizeof count) < 0)
        count = 0;
    inbox_read(l);
}

static bool inbox_any(const struct weir__loop *l)
{
    return __atomic_load_n(&l->inbox->head, __ATOMIC_SEQ_CST) != NULL;
}

void weir__inbox_look(struct weir__loop *l)
{
    if (!inbox_any(l))
        return;
    weir__group_stir(l);
    inbox_read(l);
}

/*
 * A letter often follows soon, and a sleep costs both sides more than a short
 * wait: so whoever has nothing to do waits as long as a sleep and a wake take.
 * Yet where the other loops have no processor, or nothing to say, it is in vain:
 * waits that were so use up the trust that others have earned, and without any
 * only one sleep in INBOX_AGAIN begins with a wait.
 */
static bool inbox_linger(const struct weir__loop *l)
{
    struct weir__inbox *in = l->inbox;
    weir_time until;

    if (!in->trust && ++in->naps % INBOX_AGAIN)
        return inbox_any(l);
    until = weir__sat_add(weir__clock_now(), INBOX_LINGER_NS);
    do {
        for (int i = 0; i < INBOX_PAUSES; i++) {
            if (__atomic_load_n(&in->head, __ATOMIC_RELAXED)) {
                in->trust = in->trust + 2 < INBOX_TRUST ? in->trust + 2 : INBOX_TRUST;
                return true;
            }
            weir__lock_pause();
        }
    } while (weir__clock_now() < until);
    in->trust -= in->trust > 0;
    return false;
}

bool weir__inbox_wait(struct weir__loop *l)
{
    if (!inbox_linger(l))
        return false;
    weir__inbox_look(l);
    return true;
}

void weir__inbox_sleep(struct weir__loop *l, weir_time until)
{
    struct weir__inbox *in = l->inbox;

    if (!l->many) {
        weir__poller_poll(l, until, true);
        return;
    }
    /* An exchange: an emulator of weaker machines (QEMU's aarch64) lets a load overtake a store. */
    (void)__atomic_exchange_n(&in->awake, 0, __ATOMIC_SEQ_CST);
    if (!inbox_any(l))
        weir__poller_poll(l, until, true);
    __atomic_store_n(&in->awake, 1, __ATOMIC_RELAXED);
    weir__inbox_look(l);
}

void weir__inbox_free(struct weir__loop *l)
{
    if (!l->inbox)
        return;
    close(l->inbox->bell);
    weir__free(l->inbox, sizeof *l->inbox);
    l->inbox = NULL;
}
