/* test/unit/observe/observe_support.h -- A configuration with one service and one or two sites, checks with default options, and the
   results they give. Shared with the contract test of checks. */
#pragma once
#include "observe/check.h"
#include "observe/observe.h"

enum { BENCH_RESULTS = 2048 };

struct bench {
    struct arena *arena;
    struct config config;
    struct service *service;
    struct loop *loop;
    struct observe *observe;
    struct result results[BENCH_RESULTS];
    size_t count;
    bool over;
};

struct bench *bench_open(void); /* service "akig" with local sites "production" and "dr" */
void bench_close(struct bench **bench);
/* A check with every option at its default, as the configuration would read it. `options` gets its struct, to be changed. */
struct check_conf *bench_check(struct bench *bench, const char *type, const char *id, const char *site, void **options);
void bench_watch(struct bench *bench); /* opens observe over the checks added so far */
const struct result *bench_once(struct bench *bench); /* runs each check once; the first result */
void bench_run_for(struct bench *bench, int64_t ms);
size_t bench_count(const struct bench *bench, const char *check);
/* Fails the test, printing the result, unless it is of this state and its sentence holds `words`. */
void assert_result(const struct result *result, enum verdict_state state, const char *words);
void bench_strs(struct bench *bench, struct strs *list, ...); /* ended by NULL */
