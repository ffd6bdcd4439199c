/*
 * list.h -- an intrusive circular list.  A node that is on no list points at
 * itself, so removing it twice is harmless.
 */
#ifndef WEIR__LIST_H
#define WEIR__LIST_H

#include <stdbool.h>
#include <stddef.h>

struct weir__list {
    struct weir__list *next, *prev;
};

#define WEIR__ENTRY(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void weir__list_init(struct weir__list *l)
{
    l->next = l->prev = l;
}

static inline bool weir__list_empty(const struct weir__list *l)
{
    return l->next == l;
}

static inline void weir__list_append(struct weir__list *head, struct weir__list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline void weir__list_remove(struct weir__list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}

#endif
