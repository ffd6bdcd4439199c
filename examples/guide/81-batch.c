/*
 * 81-batch.c -- a thousand items in batches of fifty, ten batches at a time
 * (the guide's chapter 8.1).
 *
 * A chunk is lent until the next pull; weir_chunks_own makes it the receiver's,
 * so it may wait for its turn and run beside others.  The results keep the order
 * of the items, and a batch that fails says which one it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

enum { ITEMS = 1000, BATCH = 50, AT_ONCE = 10, UNLUCKY = 13 };

struct outcome {
    size_t n;
    uint64_t seq;
    int error;
    char last[24];
};

/* A stand-in for a bulk insert: 100 ms for all of them. */
static int insert(const struct weir_chunk *batch, char *last, size_t size)
{
    const int64_t *item = batch->items;
    int r = weir_sleep(weir_after(WEIR_MS(100)));

    if (r < 0 || weir_job_seq() == UNLUCKY)
        return r < 0 ? r : -EIO;
    snprintf(last, size, "processed_%" PRId64, item[batch->n - 1]);
    return 0;
}

static int process(void *ctx, void *in, void *out)
{
    const struct weir_chunk *batch = in;
    struct outcome *o = out;

    (void)ctx;
    *o = (struct outcome){.n = batch->n, .seq = weir_job_seq()};
    o->error = insert(batch, o->last, sizeof o->last);
    return o->error == -ECANCELED ? -ECANCELED : 1;
}

static int app(void *arg)
{
    weir_stream *s = weir_range(1, ITEMS + 1);
    weir_time start = weir_now();
    struct outcome o, last = {0};
    size_t good = 0;
    int r;

    (void)arg;
    s = weir_chunks_own(weir_chunks(s, BATCH), WEIR_TYPE(int64_t));
    s = weir_buffered(s, process, NULL, WEIR_TYPE(struct outcome), AT_ONCE);
    while ((r = weir_next(s, &o)) > 0) {
        if (o.error < 0) {
            printf("batch %" PRIu64 ": %s\n", o.seq, weir_strerror(o.error));
        } else {
            good += o.n;
            last = o;
        }
    }
    weir_stream_close(&s);
    printf("%zu of %d items in %" PRId64 " ms, the last is %s\n", good, ITEMS,
           (weir_now() - start) / WEIR_MS(1), last.last);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "batch: %s\n", weir_strerror(r));
    return r < 0;
}
