/*
 * 04-channel-stream.c -- the receiving end of a channel as a stream (the
 * guide's code example 4).
 *
 * The producer is a fiber of a scope that feeds the channel: its result is the
 * stream's end.  Once the fourth item is there nobody wants another: the
 * channel is shut, and the producer's next send says so.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

static int producer(void *arg)
{
    weir_chan *ch = arg;
    int r = 0;

    for (int i = 0; i < 20 && r >= 0; i++) {
        r = weir_send(ch, &i, WEIR_NEVER);
        if (r < 0)
            printf("the producer stops at item %d: %s\n", i, weir_strerror(r));
        else
            r = weir_sleep(weir_after(WEIR_MS(50)));
    }
    return r == -EPIPE ? 0 : r; /* to be wanted no more is no failure */
}

WEIR_FILTER(multiple_of_3, int, x % 3 == 0)
WEIR_MAP(tenfold, int, int, x * 10)

static int app(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 32);
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *s = weir_from_chan(ch);
    int out[4], r, r_collect;
    size_t n;

    (void)arg;
    r = weir_go_with(scope, producer, ch, &(struct weir_go_opts){.feeds = ch});
    if (r < 0)
        weir_chan_close(ch, r); /* else the collector would wait for it */
    s = weir_apply(s, multiple_of_3, WEIR_TYPE(int));
    s = weir_apply(s, tenfold, WEIR_TYPE(int));
    s = weir_take(s, 4);
    r_collect = weir_collect(&s, out, 4, &n);
    for (size_t i = 0; i < n; i++)
        printf("%d ", out[i]);
    puts("are the first four");
    weir_chan_shut(ch);
    r = weir_scope_close(&scope);
    weir_chan_free(&ch);
    return r < 0 ? r : r_collect;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "channel-stream: %s\n", weir_strerror(r));
    return r < 0;
}
