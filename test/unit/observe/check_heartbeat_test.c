/* A heartbeat that came is well, one that fell silent is down; and nobody is blamed for what nobody was there to take. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "observe_support.h"
#include "sys/beat.h"

static char folder[] = "/tmp/bascule-heartbeat-XXXXXX";

static int set_up(void **state)
{
    struct bench *b = bench_open();
    struct check_conf *conf = bench_check(b, "heartbeat", "job", NULL, NULL);
    for (const struct option *o = check_driver("heartbeat")->options; o->key; o++)
        if (same(o->key, "name"))
            *(const char **)(void *)((char *)conf->options + o->offset) = "nightly";
        else
            *(int64_t *)(void *)((char *)conf->options + o->offset) = 400;
    conf->interval_ms = 50;
    conf->timeout_ms = 1000;
    b->config.state_dir = folder;
    *state = b;
    COPY_TO(folder, "/tmp/bascule-heartbeat-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    (void)unlink(arena_printf(b->arena, "%s/heartbeats/nightly", folder));
    (void)unlink(arena_printf(b->arena, "%s/heartbeats/%s", folder, BEAT_LISTENING));
    (void)rmdir(arena_printf(b->arena, "%s/heartbeats", folder));
    (void)rmdir(folder);
    bench_close((struct bench **)state);
    return 0;
}

static const struct result *last(const struct bench *b)
{
    assert_true(b->count > 0);
    return &b->results[b->count - 1];
}

static void one_that_came_is_well_until_it_falls_silent(void **state)
{
    struct bench *b = *state;
    struct err err = {0};
    assert_true(beat_write(folder, BEAT_LISTENING, &err));
    assert_true(beat_write(folder, "nightly", &err));
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 200);
    assert_result(last(b), VERDICT_UP, "the heartbeat \"nightly\" came last ");
    bench_run_for(b, 700);
    assert_result(last(b), VERDICT_DOWN, "it must come within 400 ms");
    assert_true(beat_write(folder, "nightly", &err));
    bench_run_for(b, 150);
    assert_result(last(b), VERDICT_UP, "came last");
}

static void silence_is_counted_from_when_it_was_listened_for(void **state)
{
    struct bench *b = *state;
    struct err err = {0};
    assert_result(bench_once(b), VERDICT_UNKNOWN, "never came; it is listened for since less than 400 ms");
    assert_true(beat_write(folder, BEAT_LISTENING, &err));
    observe_begin(b->observe);
    bench_run_for(b, 150);
    assert_result(last(b), VERDICT_UNKNOWN, "never came; it is listened for since less than 400 ms");
    bench_run_for(b, 500);
    assert_result(last(b), VERDICT_DOWN, "never came; it must come within 400 ms");
    assert_true(beat_write(folder, BEAT_LISTENING, &err)); /* a restart */
    bench_run_for(b, 100);
    assert_result(last(b), VERDICT_UNKNOWN, "never came");
}

static void the_name_is_known_of_this_check_alone(void **state)
{
    struct bench *b = *state;
    assert_string_equal(check_heartbeat_name(&b->service->checks.p[0]), "nightly");
    assert_null(check_heartbeat_name(&(struct check_conf){.type = "disk"}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_came_is_well_until_it_falls_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_is_counted_from_when_it_was_listened_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_name_is_known_of_this_check_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
