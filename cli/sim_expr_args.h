/*
 * sim_expr_args.h -- tables of options: what sim_expr_args.c, _retry.c and _load.c share.
 *
 * Every function here is 0, or -EINVAL with the message and its column set.
 */
#ifndef WEIR_CLI_SIM_EXPR_ARGS_H
#define WEIR_CLI_SIM_EXPR_ARGS_H

#include <stddef.h>

#include "sim_expr.h"

enum sim_option_type { SIM_COUNT, SIM_SPAN, SIM_PERCENT, SIM_OWN, SIM_FLAG };

struct sim_option {
    const char *name;
    enum sim_option_type type;
    size_t offset;     /* of the field in the options struct; not for SIM_OWN and SIM_FLAG */
    uint32_t min, max; /* of a count */
    int (*own)(struct sim_parse *p, uint32_t layer, const struct sim_arg *a);
};

struct sim_policy {
    uint32_t kind;                    /* enum weir_layer_kind, or SIM_LAYER_HEDGE */
    const struct sim_option *options; /* ends with a NULL name; at most 64 */
    int (*bare)(struct sim_parse *p, uint32_t layer, const struct sim_arg *a);
    int (*check)(struct sim_parse *p, uint32_t layer, size_t column);
};

/* Those of sim_expr_load.c. */
extern const struct sim_policy sim_adaptive, sim_shed, sim_hedge;

extern const struct sim_option sim_retry_options[];
int sim_retry_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a);
int sim_retry_check(struct sim_parse *p, uint32_t layer, size_t column);

/* Budgets: the next free one; "20%" in thousandths, 0 if it is none; the one that `outer` means. */
uint32_t sim_budget_new(struct sim_parse *p);
uint32_t sim_budget_ratio(const char *text, uint32_t most);
uint32_t sim_budget_outer(const struct sim_parse *p, uint32_t layer);

/* Sets an option by its name, whether that was written or understood. */
int sim_option_set(struct sim_parse *p, uint32_t layer, const char *name, const struct sim_arg *a);

/* "30s..5m" into two options. */
int sim_option_set_range(struct sim_parse *p, uint32_t layer, const char *low, const char *high,
                         const struct sim_arg *a);

/* Was an option of this layer given? */
int sim_option_given(const struct sim_parse *p, uint32_t layer, const char *name);

int sim_option_count(struct sim_parse *p, const struct sim_option *o, const struct sim_arg *a,
                     uint32_t *field);
int sim_option_span(struct sim_parse *p, const struct sim_option *o, const struct sim_arg *a,
                    weir_span *field);

/* Always -EINVAL: a word that is not known, with a guess from `more` (or NULL) and the options. */
int sim_option_unknown(struct sim_parse *p, uint32_t layer, const char *word, size_t column,
                       const char *const *more, const char *expected);

int sim_arg_is_number(const char *value);

/* "1.5" in thousandths: 1500; -EINVAL without a message. */
int sim_arg_milli(const char *value, uint64_t *out);

/* nowait and max_wait exclude each other. */
int sim_waits_check(struct sim_parse *p, uint32_t layer, size_t column, const char *name);

#endif
