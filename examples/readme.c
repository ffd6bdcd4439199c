#include <stdio.h>
#include <weir.h>
static int fetch(void *ctx, void *in, void *out) /* fails twice, then works */
{
    (void)ctx;
    weir_sleep(weir_after(WEIR_MS(10)));
    *(int64_t *)out = *(int64_t *)in * *(int64_t *)in;
    return weir_try_info().attempt < 3 ? WEIR_EPROTO : 1;
}
static int app(void *arg)
{
    weir_policy *retry = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_MS(20)));
    struct weir_par_opts many = {.limit = 8, .ordered = 1, .policy = retry};
    weir_stream *s = weir_par_map(weir_range(0, 10), fetch, arg, WEIR_TYPE(int64_t), &many);
    int64_t x, r;
    while ((r = weir_next(s, &x)) > 0)
        printf("%lld%c", (long long)x, x == 81 ? '\n' : ' ');
    weir_stream_close(&s);
    weir_policy_free(&retry);
    return (int)r;
}
int main(void)
{
    return weir_run(NULL, app, NULL) < 0;
}
