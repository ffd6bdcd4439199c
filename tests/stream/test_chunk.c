/*
 * test_chunk.c -- chunks owned and lent, made and undone; one at a time.
 */
#include <unistd.h>

#include "stream/ints.h"

static weir_stream *wide_source(int64_t *left)
{
    return weir_unfold(wide_next, left, wide_type());
}

SIM_TEST(chunks_undone_are_what_they_were_made_of)
{
    EXPECT(weir_unchunk(weir_chunks(weir_range(0, 10), 4), INT), 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    EXPECT(weir_unchunk(weir_chunks_own(weir_chunks(weir_range(0, 5), 2), INT), INT), 0, 0, 1, 2, 3,
           4);
    EXPECT_NONE(weir_unchunk(weir_chunks(weir_empty(INT), 4), INT), 0);
    EXPECT(weir_unchunk(weir_chunks(weir_chain(INTS(1, 2, 3), weir_fail(INT, -EIO)), 2), INT), -EIO,
           1, 2, 3);
    return 0;
}

SIM_TEST(an_owned_chunk_outlives_the_stream_it_came_from)
{
    int64_t left = 6;
    weir_stream *s = weir_chunks_own(weir_chunks(wide_source(&left), 4), wide_type());
    struct weir_chunk a, b, none;
    struct wide kept;

    wides = 0;
    EQ(weir_next(s, &a), 1);
    EQ(weir_next(s, &b), 1);
    EQ(weir_next(s, &none), 0);
    weir_stream_close(&s);
    EQ(a.n, 4u);
    EQ(b.n, 2u);
    EQ(((struct wide *)a.items)[3].n, 3);
    EQ(((struct wide *)b.items)[0].n, 2);
    EQ((uintptr_t)a.items % 64, 0u);
    memcpy(&kept, a.items, sizeof kept); /* moved out */
    memset(a.items, 0, sizeof kept);
    EQ(wides, 6);
    weir_chunk_item().drop(&a);
    weir_chunk_item().drop(&b);
    weir_chunk_item().drop(&b); /* an empty one */
    EQ(wides, 1);
    wide_drop(&kept);
    return 0;
}

static int sum_slowly(void *ctx, void *in, void *out)
{
    struct weir_chunk *c = in;
    int64_t sum = 0;
    int r = weir_sleep(weir_after(WEIR_MS(100)));

    (void)ctx;
    for (size_t i = 0; i < c->n; i++)
        sum += ((int64_t *)c->items)[i];
    *(int64_t *)out = sum;
    return r < 0 ? r : 1;
}

/* Lent ones would all be the last one by then. */
SIM_TEST(guide_8_1_twenty_batches_of_fifty_are_worked_on_ten_at_a_time)
{
    weir_stream *s = weir_chunks_own(weir_chunks(weir_range(1, 1001), 50), INT);
    int64_t sum = 0, x, n = 0;

    s = weir_buffered(s, sum_slowly, NULL, INT, 10);
    for (; weir_next(s, &x) == 1; n++) {
        EQ(x, 50 * (50 * n) + 1275);
        sum += x;
    }
    EQ(n, 20);
    EQ(sum, 500500);
    EQ(world_age(), WEIR_MS(200));
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(what_is_no_chunk_or_of_another_type_is_refused)
{
    refuses(weir_unchunk(weir_range(0, 1), INT), WEIR_ETYPE);
    refuses(weir_chunks_own(weir_range(0, 1), INT), WEIR_ETYPE);
    refuses(weir_chunks_own(weir_chunks_own(weir_chunks(weir_range(0, 1), 1), INT), INT),
            WEIR_ETYPE);
    refuses(weir_unchunk(weir_chunks(weir_range(0, 1), 1), (struct weir_type){0}), -EINVAL);
    refuses(weir_unchunk(NULL, INT), -EINVAL);
    refuses(weir_chunks_own(NULL, INT), -EINVAL);
    refuses(weir_unbatch(NULL), -EINVAL);
    refuses(weir_unbatch(weir_fail(INT, 1)), -EINVAL);
    weir_stream *s =
        weir_unchunk(weir_chunks_own(weir_chunks(weir_range(0, 8), 4), INT), WEIR_TYPE(char));
    char c;

    EQ(weir_next(s, &c), WEIR_ETYPE);
    EQ(weir_next(s, &c), WEIR_ETYPE);
    weir_stream_close(&s);
    return 0;
}

static const char *const verses[] = {"so much depends", "", "upon"};

static weir_stream *lines_of_a_pipe(int *fd)
{
    int fds[2];

    EQ(pipe(fds), 0);
    EQ(write(fds[1], "so much depends\n\nupon", 21), 21);
    close(fds[1]);
    *fd = fds[0];
    return weir_lines(fds[0], 0);
}

/* Lent ones would all have the text of the last. */
SIM_TEST(lines_that_are_owned_stay_what_they_were)
{
    struct weir_line lines[4];
    size_t n;
    int fd;
    weir_stream *s = weir_lines_own(lines_of_a_pipe(&fd));

    EQ(weir_collect(&s, lines, 4, &n), 0);
    EQ(n, 3u);
    for (size_t i = 0; i < n; i++) {
        EQ(lines[i].len, strlen(verses[i]));
        STREQ(lines[i].text, verses[i]);
        weir_line_item().drop(&lines[i]);
        weir_line_item().drop(&lines[i]);
    }
    close(fd);
    return 0;
}

SIM_TEST(a_line_is_no_chunk)
{
    int fd;

    refuses(weir_chunks_own(lines_of_a_pipe(&fd), WEIR_TYPE(char)), WEIR_ETYPE);
    close(fd);
    refuses(weir_lines_own(weir_chunks(weir_range(0, 3), 2)), WEIR_ETYPE);
    refuses(weir_lines_own(weir_range(0, 3)), WEIR_ETYPE);
    refuses(weir_lines_own(NULL), -EINVAL);
    return 0;
}

static int count(void *ctx, void *in, void *out)
{
    ++*(int *)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return 1;
}

SIM_TEST(above_unbatch_nothing_is_done_that_nobody_asked_for)
{
    int64_t x[4];
    int asked = 0;
    weir_stream *s = weir_unbatch(weir_map(weir_range(0, 100), count, &asked, INT));

    EQ(weir_pull(s, x, 4), 1);
    EQ(weir_pull(s, x, 4), 1);
    EQ(x[0], 1);
    EQ(asked, 2);
    weir_stream_close(&s);
    return 0;
}
