/*
 * 03-generator.c -- streams written as plain loops, and a list that comes in
 * pages (the guide's code example 3).
 *
 * A generator is a function on a fiber of its own that says weir_emit.  Pages
 * have a source for themselves, weir_pages: it ends when the last page says so,
 * stops at a limit, and knows a cursor that goes round in a circle.  The API is
 * a stand-in that parks for 20 ms; its limit is ten requests a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

enum { PAGES = 3, PAGE = 50, LAST_PAGE = 20 };

struct item {
    char name[24];
};

struct api {
    weir_policy *policy;
    weir_time start;
    int circular; /* 1: a broken server, whose third page leads back to the second */
};

static int countdown(weir_generator *g, void *ctx)
{
    int r = 0;

    for (int i = *(int *)ctx; i >= 0 && r >= 0; i--)
        if ((r = weir_sleep(weir_after(WEIR_MS(100)))) == 0)
            r = weir_emit(g, &i);
    return r < 0 ? r : 0;
}

static int say_int(void *ctx, void *in, void *out)
{
    (void)ctx, (void)out;
    printf(" %d", *(int *)in);
    return 1;
}

static int request(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(WEIR_MS(20)));
}

/* One page: 1 another follows, 0 it was the last.  A failure has its own way out. */
static int fetch(void *ctx, weir_page *page)
{
    struct api *api = ctx;
    const char *cursor = weir_page_cursor(page, NULL);
    int number = cursor ? atoi(cursor) : 1, n = number == PAGES ? LAST_PAGE : PAGE, r;
    struct item items[PAGE];
    char next[16];

    if ((r = weir_call(api->policy, request, NULL)) < 0)
        return r;
    for (int i = 0; i < n; i++)
        snprintf(items[i].name, sizeof items[i].name, "item_%d_%d", number, i);
    printf("page %d at %3d ms\n", number, (int)((weir_now() - api->start) / WEIR_MS(1)));
    if ((r = weir_page_add(page, items, (size_t)n)) < 0)
        return r;
    if (number == PAGES && !api->circular)
        return 0;
    snprintf(next, sizeof next, "%d", number == PAGES ? 2 : number + 1);
    r = weir_page_next(page, next, strlen(next));
    return r < 0 ? r : 1;
}

static int all_pages(int circular)
{
    struct api api = {WEIR_POLICY(WEIR_RATE(.per_sec = 10)), weir_now(), circular};
    weir_stream *s = weir_pages(&(struct weir_pages_opts){.fetch = fetch, .prefetch = 1}, &api,
                                WEIR_TYPE(struct item));
    struct item last = {""}, item;
    int n = 0, r;

    while ((r = weir_next(s, &item)) > 0) {
        last = item;
        n++;
    }
    printf("%d items, the last is %s: %s\n", n, last.name, weir_strerror(r));
    weir_stream_close(&s);
    weir_policy_free(&api.policy);
    return r;
}

static int app(void *arg)
{
    int from = 5, r;
    weir_stream *s = weir_generate(countdown, &from, WEIR_TYPE(int));

    (void)arg;
    printf("countdown:");
    r = weir_for_each(&s, say_int, NULL);
    putchar('\n');
    if (r < 0 || (r = all_pages(0)) < 0)
        return r;
    return all_pages(1) == WEIR_EPROTO ? 0 : -EIO; /* this one has to be found out */
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "generator: %s\n", weir_strerror(r));
    return r < 0;
}
