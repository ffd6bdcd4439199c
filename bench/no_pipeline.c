/*
 * no_pipeline.c -- stands for pipeline.c where there is no cJSON.
 */
#include "workloads.h"

const struct bench_case pipeline_cases[] = {{0}};
