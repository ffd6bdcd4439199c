/*
 * sim_expr.h -- a stack of policies written as a line of text.
 *
 *     retry(5, full, 100ms..30s, budget=20%) > breaker(5, 30s) > rate(100/s) > timeout(each=1s)
 *
 *     stack  = layer { ">" layer }                      outermost first
 *     layer  = ( "observe" | "off" ) "(" layer ")"      the layer's mode
 *            | name [ "(" [ arg { "," arg } ] ")" ]
 *     arg    = value | key "=" value
 *
 * A value without a key is known by its form; sim_expr_help says which.  Blanks
 * mean nothing.  What is wrong is told with its column (from 1), what was
 * expected there, and a guess at an unknown word.  Nothing here allocates but
 * sim_stack_open.
 */
#ifndef WEIR_CLI_SIM_EXPR_H
#define WEIR_CLI_SIM_EXPR_H

#include <stdio.h>
#include <weir.h>

#define SIM_BUDGETS (WEIR_POLICY_LAYERS + 1)
#define SIM_NO_BUDGET UINT32_MAX

/*
 * A hedge is no layer of weir's stacks: weir_hedged runs what stands right of
 * it, so it parts a stack in two.  There is one at most.
 */
struct sim_hedge {
    int there;
    uint32_t at;     /* so many layers stand left of it */
    uint32_t budget; /* index, or SIM_NO_BUDGET: one of its own */
    struct weir_hedge_opts opts;
};

struct sim_expr {
    uint32_t n, budgets;
    struct sim_hedge hedge;
    struct weir_policy_layer layer[WEIR_POLICY_LAYERS]; /* retries have no budget pointer */
    uint32_t budget_of[WEIR_POLICY_LAYERS];             /* index, or SIM_NO_BUDGET */
    struct weir_budget_opts budget[SIM_BUDGETS];
};

struct sim_error {
    size_t column; /* of what is wrong, from 1; in bytes */
    char text[240];
};

/* 0; or -EINVAL, *error filled, and the expression is the empty stack. */
int sim_expr_parse(const char *text, struct sim_expr *out, struct sim_error *error);

/* `COMMAND: column N: text`, then the expression and a caret below the column. */
void sim_error_show(FILE *to, const char *command, const char *text, const struct sim_error *error);

/* The syntax, as a part of a --help. */
extern const char sim_expr_help[];

/* One stack that runs, with budgets of its own.  Must not move while it is open. */
struct sim_stack {
    weir_policy *policy;
    weir_policy *inner; /* what stands right of a hedge; NULL: there is none */
    struct weir_hedge hedge;
    uint32_t hedges; /* of one call, at most */
    struct weir_budget budget[SIM_BUDGETS];
};

/* 0, or the failure of weir_policy_new; close it either way. */
int sim_stack_open(const struct sim_expr *e, struct sim_stack *out);
void sim_stack_close(struct sim_stack *s);

/*
 * What weir_policy_explain says of it, and of its hedge; the bits of
 * weir_policy_lint to *out_lint (or NULL).  0, or negative; -ENOSPC.
 */
int sim_stack_explain(const struct sim_expr *e, char *text, size_t size, int *out_lint);

/* --- between sim_expr.c and sim_expr_args.c ------------------------------------------------- */

struct sim_arg {
    char key[24], value[48]; /* key empty: there is none */
    size_t key_at, value_at; /* columns */
};

struct sim_parse {
    const char *text;
    size_t at; /* offset of the next character */
    struct sim_expr *out;
    struct sim_error *error;
    const struct sim_policy *policy; /* whose arguments are being read */
    void *options;                   /* where they go: its options struct */
    uint64_t given;                  /* which of them were given */
};

/* Always -EINVAL. */
int sim_parse_fail(struct sim_parse *p, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The names of the policies, NULL-ended; the one of that name, or NULL. */
extern const char *const sim_policy_names[];
const struct sim_policy *sim_policy_find(const char *name);
uint32_t sim_policy_kind(const struct sim_policy *policy); /* SIM_LAYER_HEDGE: no layer */

#define SIM_LAYER_HEDGE UINT32_MAX

/* One argument of the layer at index `layer`, and the check when all were read. */
int sim_layer_arg(struct sim_parse *p, uint32_t layer, const struct sim_arg *arg);
int sim_layer_check(struct sim_parse *p, uint32_t layer, size_t column);

#endif
