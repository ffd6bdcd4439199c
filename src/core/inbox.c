/*
 * inbox.c -- a lock-free stack of letters and an eventfd.  Only the letter
 * that makes the stack non-empty rings the bell.
 */
#include "core/group.h"
#include "core/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

struct weir__inbox {
    struct weir__letter *head; /* newest first; atomic */
    int bell;
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
    while (!__atomic_compare_exchange_n(&in->head, &before, letter, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    /* From here on the letter is the loop's, and may be gone. */
    if (!before)
        weir__inbox_ring(l);
}

void weir__inbox_serve(struct weir__loop *l)
{
    struct weir__letter *newest, *oldest = NULL;
    uint64_t count;

    weir__group_stir(l);
    if (read(l->inbox->bell, &count, sizeof count) < 0)
        count = 0;
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

void weir__inbox_free(struct weir__loop *l)
{
    if (!l->inbox)
        return;
    close(l->inbox->bell);
    weir__free(l->inbox, sizeof *l->inbox);
    l->inbox = NULL;
}
