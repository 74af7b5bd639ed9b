/* test/unit/observe/observe_support.c -- The bench on which checks are tried. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "observe_support.h"

#include "sys/clock.h"

struct bench *bench_open(void)
{
    struct arena *arena = arena_open();
    struct bench *b = arena_new(arena, struct bench);
    b->arena = arena;
    b->config.path = "/nonexistent/bascule.yaml";
    b->config.state_dir = "/nonexistent";
    b->service = vec_add(arena, &b->config.services);
    b->service->name = "akig";
    struct site *production = vec_add(arena, &b->service->sites);
    production->name = "production";
    struct site *dr = vec_add(arena, &b->service->sites);
    dr->name = "dr";
    dr->role = SITE_DR;
    b->loop = loop_open();
    return b;
}

void bench_close(struct bench **bench)
{
    struct bench *b = *bench;
    observe_close(&b->observe);
    loop_close(&b->loop);
    struct arena *arena = b->arena;
    arena_close(&arena);
    *bench = NULL;
}

/* What config/ does with a table, for the kinds of option that checks have. */
static void set_default(struct bench *b, const struct option *o, char *options)
{
    void *to = options + o->offset;
    int64_t n = 0;
    struct err err;
    if (!o->fallback)
        return;
    switch (o->type) {
    case OPTION_DURATION:
        assert_true(duration_parse(o->fallback, to, &err));
        break;
    case OPTION_INT:
        assert_true(str_int(str_of(o->fallback), &n));
        *(int *)to = (int)n;
        break;
    case OPTION_BOOL:
        *(bool *)to = same(o->fallback, "true");
        break;
    case OPTION_ENUM:
        for (int i = 0; o->names[i]; i++)
            if (same(o->names[i], o->fallback))
                *(int *)to = i;
        break;
    case OPTION_INTS:
        assert_int_equal(o->fallback[0], '[');
        assert_true(str_int((struct str){o->fallback + 1, strcspn(o->fallback + 1, "],")}, &n));
        *vec_add(b->arena, (struct ints *)to) = (int)n;
        break;
    default:
        fail_msg("the bench cannot set the default of option \"%s\"", o->key);
    }
}

struct check_conf *bench_check(struct bench *b, const char *type, const char *id, const char *site, void **options)
{
    const struct check_ops *ops = check_driver(type);
    assert_non_null(ops);
    struct check_conf *conf = vec_add(b->arena, &b->service->checks);
    *conf = (struct check_conf){.id = id, .type = type, .site = site, .interval_ms = 1000, .timeout_ms = 3000, .fall = 1, .rise = 1};
    conf->options = arena_alloc(b->arena, ops->options_size);
    for (const struct option *o = ops->options; o->key; o++)
        set_default(b, o, conf->options);
    if (options)
        *options = conf->options;
    return conf;
}

static void on_result(void *arg, const struct result *result)
{
    struct bench *b = arg;
    if (b->count < BENCH_RESULTS)
        b->results[b->count++] = *result;
}

static void on_over(void *arg)
{
    struct bench *b = arg;
    b->over = true;
}

void bench_watch(struct bench *b)
{
    b->observe = observe_open(b->loop, &b->config, NULL, on_result, b);
}

const struct result *bench_once(struct bench *b)
{
    if (!b->observe)
        bench_watch(b);
    b->over = false;
    b->count = 0;
    observe_once(b->observe, NULL, NULL, on_over, b);
    assert_false(b->over);
    while (!b->over)
        loop_once(b->loop, true);
    assert_int_equal(b->count, observe_count(b->observe));
    return &b->results[0];
}

static void on_time_up(void *arg)
{
    *(bool *)arg = true;
}

void bench_run_for(struct bench *b, int64_t ms)
{
    bool up = false;
    struct loop_timer *timer = loop_timer_new(b->loop, on_time_up, &up);
    loop_timer_set(timer, clock_boot_ms() + ms);
    while (!up)
        loop_once(b->loop, true);
    loop_timer_free(&timer);
}

size_t bench_count(const struct bench *b, const char *check)
{
    size_t n = 0;
    for (size_t i = 0; i < b->count; i++)
        n += same(b->results[i].check, check);
    return n;
}

void assert_result(const struct result *result, enum verdict_state state, const char *words)
{
    if (result->state != state || !strstr(result->text, words))
        fail_msg("%s is %s: %s; expected %s with \"%s\"", result->check, verdict_name(result->state), result->text, verdict_name(state), words);
}

void bench_strs(struct bench *b, struct strs *list, ...)
{
    va_list words;
    *list = (struct strs){0};
    va_start(words, list);
    for (const char *w; (w = va_arg(words, const char *));)
        *vec_add(b->arena, list) = w;
    va_end(words);
}
