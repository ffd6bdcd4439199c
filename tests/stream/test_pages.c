/*
 * test_pages.c -- a list by pages: numbers and cursors, the limit, a cursor
 * that comes back, fetching ahead.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

#define INT WEIR_TYPE(int64_t)

/* A list of `pages` pages of `each` items; `cursors` names the page that follows, if not NULL. */
static struct list {
    int pages, each, fetched, fails_at;
    const char *const *cursors;
    weir_span nap;
    char seen[256]; /* the cursors that were asked for */
} list;

static int list_fetch(void *ctx, weir_page *page)
{
    struct list *l = ctx;
    int number = (int)weir_page_number(page), r = 0;
    size_t n;
    const char *cursor = weir_page_cursor(page, &n);

    EQ(cursor ? strlen(cursor) : 0, n);
    if (l->nap && (r = weir_sleep(weir_after(l->nap))) < 0)
        return r;
    strcat(strcat(l->seen, cursor ? cursor : "-"), " ");
    EQ(number, l->fetched);
    l->fetched++;
    if (l->fails_at && l->fetched == l->fails_at)
        return -EBADMSG;
    for (int64_t i = 0; i < l->each && r == 0; i++)
        r = weir_page_add(page, &(int64_t){number * l->each + i}, 1);
    if (r == 0 && l->cursors && l->cursors[number])
        r = weir_page_next(page, l->cursors[number], strlen(l->cursors[number]));
    return r < 0 ? r : number + 1 < l->pages;
}

static weir_stream *pages(uint32_t prefetch, uint32_t limit)
{
    struct weir_pages_opts o = {.fetch = list_fetch, .prefetch = prefetch, .limit = limit};

    return weir_pages(&o, &list, INT);
}

static void expect(weir_stream *s, int end, size_t want)
{
    int64_t got[64];
    size_t n;

    EQ(weir_collect(&s, got, 64, &n), end);
    EQ(n, want);
    for (size_t i = 0; i < n; i++)
        EQ(got[i], (int64_t)i);
}

SIM_TEST(pages_by_number_come_in_order)
{
    for (uint32_t prefetch = 0; prefetch < 4; prefetch++) {
        list = (struct list){.pages = 5, .each = 3};
        expect(pages(prefetch, 0), 0, 15);
        EQ(list.fetched, 5);
        list = (struct list){.pages = 4, .each = 0}; /* empty pages are no end */
        expect(pages(prefetch, 0), 0, 0);
        EQ(list.fetched, 4);
        list = (struct list){.pages = 5, .each = 2, .fails_at = 3};
        expect(pages(prefetch, 0), -EBADMSG, 4);
    }
    return 0;
}

SIM_TEST(each_fetch_gets_the_cursor_of_the_page_before)
{
    static const char *const cursors[] = {"a", "bb", "ccc", NULL};

    list = (struct list){.pages = 4, .each = 1, .cursors = cursors};
    expect(pages(0, 0), 0, 4);
    STREQ(list.seen, "- a bb ccc ");
    return 0;
}

SIM_TEST(a_cursor_that_comes_back_is_an_error_after_its_items)
{
    static const char *const again[] = {"a", "a", "a"}, *const round[] = {"a", "b", "c", "b", "c"};

    list = (struct list){.pages = 100, .each = 2, .cursors = again};
    expect(pages(0, 0), WEIR_EPROTO, 4);
    EQ(list.fetched, 2);
    list = (struct list){.pages = 100, .each = 2, .cursors = round};
    expect(pages(2, 0), WEIR_EPROTO, 8);
    EQ(list.fetched, 4);
    return 0;
}

static int long_list(void *ctx, weir_page *page)
{
    uint64_t number = weir_page_number(page);
    char text[32];

    (void)ctx;
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    EQ(weir_page_add(page, &(int64_t){(int64_t)number}, 1), 0);
    EQ(weir_page_next(page, text, strlen(text)), 0);
    return number < 20000;
}

SIM_TEST(many_different_cursors_are_no_false_alarm)
{
    weir_stream *s = weir_pages(&(struct weir_pages_opts){.fetch = long_list}, NULL, INT);
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, 20001);
    return 0;
}

SIM_TEST(the_limit_is_an_error_and_no_silent_end)
{
    list = (struct list){.pages = 5, .each = 2};
    expect(pages(0, 3), WEIR_ETOOLARGE, 6);
    EQ(list.fetched, 3);
    list = (struct list){.pages = 3, .each = 2};
    expect(pages(0, 3), 0, 6); /* exactly so many are fine */
    list = (struct list){.pages = 3, .each = 2};
    expect(pages(1, UINT32_MAX), 0, 6);
    return 0;
}

SIM_TEST(pages_are_fetched_ahead_and_no_further)
{
    weir_stream *s;
    int64_t x;

    list = (struct list){.pages = 10, .each = 2, .nap = WEIR_MS(10)};
    s = pages(2, 0);
    world_settle();
    EQ(list.fetched, 0); /* building starts nothing */
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(list.fetched, 3); /* the one that is being read, and two */
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(list.fetched, 4);
    weir_stream_close(&s);
    list = (struct list){.pages = 3, .each = 2, .nap = WEIR_MS(10)};
    s = pages(0, 0);
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(list.fetched, 1);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_fetch_that_is_cut_short_is_made_again)
{
    for (uint32_t prefetch = 0; prefetch < 2; prefetch++) {
        struct weir_limit l;
        int64_t x;

        list = (struct list){.pages = 2, .each = 1, .nap = WEIR_MS(10)};
        weir_stream *s = pages(prefetch, 0);
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(4))), 0);
        EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
        EQ(weir_next(s, &x), 1);
        EQ(x, 0);
        EQ(weir_next(s, &x), 1);
        EQ(weir_next(s, &x), 0);
        weir_stream_close(&s);
    }
    return 0;
}

static int odd_calls(void *ctx, weir_page *page)
{
    int32_t small = 1;
    int64_t two[2] = {7, 8};

    (void)ctx;
    EQ(weir_page_add(page, &small, 1), WEIR_ETYPE);
    EQ(weir_page_put(page, NULL, 8, 1), -EINVAL);
    EQ(weir_page_put(page, two, 8, 0), 0);
    EQ(weir_page_add(NULL, two, 2), -EINVAL);
    EQ(weir_page_add(page, two, 2), 0);
    EQ(weir_page_next(page, "", 0), -EINVAL);
    EQ(weir_page_next(page, NULL, 3), -EINVAL);
    EQ(weir_page_next(page, two, (64 << 10) + 1), -EINVAL);
    EQ(weir_page_next(NULL, "a", 1), -EINVAL);
    EQ(weir_page_number(NULL), 0);
    OK(weir_page_cursor(page, NULL) == NULL);
    return 0;
}

SIM_TEST(pages_refuse_what_makes_no_sense)
{
    struct weir_pages_opts o = {.fetch = odd_calls};
    weir_stream *s = weir_pages(&o, NULL, INT);
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, 2);
    EQ(weir_error(weir_pages(NULL, NULL, INT)), -EINVAL);
    EQ(weir_error(weir_pages(&(struct weir_pages_opts){0}, NULL, INT)), -EINVAL);
    o.reserved[1] = 1;
    EQ(weir_error(weir_pages(&o, NULL, INT)), -EINVAL);
    o = (struct weir_pages_opts){.fetch = odd_calls, .prefetch = UINT32_MAX};
    EQ(weir_error(weir_pages(&o, NULL, INT)), -EINVAL);
    return 0;
}
