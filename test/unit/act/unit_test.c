/* The words that control a unit, and what its answers are taken for. systemctl is a script of ours, found first in PATH. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "act/unit.h"
#include "sys/file.h"

#include "sshfixture.h"

struct world {
    struct arena *arena;
    struct action_ctx ctx;
    struct host local, ops, root;
    struct unit named, commands;
    char folder[64], old_path[4096];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-unit.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->old_path, sizeof(w->old_path), "%s", getenv("PATH"));
    setenv("PATH", arena_printf(w->arena, "%s:%s", w->folder, w->old_path), 1);
    fixture_write(arena_printf(w->arena, "%s/systemctl", w->folder), 0755,
                  "#!/bin/sh\nhere=${0%%/*}\ncase $1 in\nis-active) cat $here/active; [ \"$(cat $here/active)\" = active ];;\n"
                  "is-enabled) cat $here/enabled; false;;\n*) echo \"$*\" >>$here/calls;;\nesac\n");
    w->ctx = (struct action_ctx){.arena = w->arena};
    w->ops = (struct host){.address = "h", .user = "ops"};
    w->root = (struct host){.address = "h", .user = "root"};
    w->named = (struct unit){.name = "postgresql@15-main"};
    const char *yes[] = {"true", NULL};
    w->commands = (struct unit){.start = host_argv(w->arena, yes), .stop = host_argv(w->arena, yes)};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    setenv("PATH", w->old_path, 1);
    fixture_remove(w->folder);
    arena_close(&w->arena);
    free(w);
    return 0;
}

static const char *words(struct world *w, const struct host *host, const struct unit *unit, enum unit_verb verb)
{
    struct strs s = unit_words(w->arena, host, unit, verb);
    return s.n ? host_words(w->arena, &s) : NULL;
}

static void a_name_means_systemd(void **state)
{
    struct world *w = *state;
    static const char *const wanted[UNIT_VERB_MAX] = {
        "systemctl start postgresql@15-main",
        "systemctl stop postgresql@15-main",
        "systemctl restart postgresql@15-main",
        "systemctl is-active postgresql@15-main",
        "systemctl mask postgresql@15-main",
        "systemctl unmask postgresql@15-main",
        "systemctl kill -s KILL postgresql@15-main",
        "journalctl -u postgresql@15-main -n 20 --no-pager -o short-iso",
    };
    for (enum unit_verb v = 0; v < UNIT_VERB_MAX; v++) {
        assert_string_equal(words(w, &w->root, &w->named, v), wanted[v]);
        const char *as_ops = words(w, &w->ops, &w->named, v);
        if (v == UNIT_STATUS)
            assert_string_equal(as_ops, wanted[v]);
        else
            assert_string_equal(as_ops, arena_printf(w->arena, "sudo -n %s", wanted[v]));
    }
}

static void commands_come_first_and_kill_falls_back_to_stop(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    assert_string_equal(words(w, &w->local, &w->commands, UNIT_START), "true");
    assert_string_equal(words(w, &w->local, &w->commands, UNIT_KILL), "true");
    assert_null(words(w, &w->local, &w->commands, UNIT_MASK));
    assert_null(words(w, &w->local, &w->commands, UNIT_RESTART));
    assert_false(unit_can(w->arena, &w->local, &w->commands, UNIT_RESTART, "dr.database", &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.message, "nobody says how to restart \"dr.database\"");
    assert_non_null(strstr(err.hint, "`restart:`"));
    assert_true(unit_can(w->arena, &w->local, &w->named, UNIT_RESTART, "dr.database", &err));
    w->commands.name = "x";
    assert_string_equal(words(w, &w->root, &w->commands, UNIT_START), "true");
    assert_string_equal(words(w, &w->root, &w->commands, UNIT_RESTART), "systemctl restart x");
}

static enum unit_state state_of(struct world *w, const struct unit *unit, char *say, size_t size)
{
    enum unit_state state;
    struct err err = {0};
    if (!unit_state(&w->ctx, &w->local, unit, 5000, &state, say, size, &err))
        fail_msg("%s", err.message);
    return state;
}

static void what_systemd_says_is_understood(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *word;
        enum unit_state wanted;
    } cases[] = {
        {"active", UNIT_IS_RUNNING},        {"reloading", UNIT_IS_RUNNING},    {"inactive", UNIT_IS_NOT_RUNNING}, {"failed", UNIT_IS_NOT_RUNNING},
        {"activating", UNIT_IS_UNCLEAR},    {"deactivating", UNIT_IS_UNCLEAR}, {"", UNIT_IS_UNCLEAR},             {"unknown", UNIT_IS_UNCLEAR},
    };
    char say[256];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_write(arena_printf(w->arena, "%s/active", w->folder), 0644, "%s\n", cases[i].word);
        assert_int_equal(state_of(w, &w->named, say, sizeof(say)), cases[i].wanted);
        assert_non_null(strstr(say, "postgresql@15-main"));
    }
}

static void a_status_command_speaks_by_its_exit_code(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *script;
        enum unit_state wanted;
    } cases[] = {
        {"exit 0", UNIT_IS_RUNNING},
        {"echo no server running; exit 3", UNIT_IS_NOT_RUNNING},
        {"exit 1", UNIT_IS_NOT_RUNNING},
        {"/nonexistent/program", UNIT_IS_UNCLEAR}, /* 127 says nothing about the service: nobody is fenced by a typing mistake */
        {"kill -9 $$", UNIT_IS_UNCLEAR},
        {"sleep 100", UNIT_IS_UNCLEAR},
    };
    char say[256];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *argv[] = {"sh", "-c", cases[i].script, NULL};
        struct unit unit = {.status = host_argv(w->arena, argv)};
        enum unit_state got;
        assert_true(unit_state(&w->ctx, &w->local, &unit, 1500, &got, say, sizeof(say), NULL));
        assert_int_equal(got, cases[i].wanted);
    }
}

static void a_mask_is_seen_where_it_can_be(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *word;
        enum unit_masked wanted;
    } cases[] = {{"masked", UNIT_IS_MASKED}, {"masked-runtime", UNIT_IS_MASKED}, {"enabled", UNIT_IS_NOT_MASKED}, {"", UNIT_MASK_UNKNOWN}};
    enum unit_masked got;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_write(arena_printf(w->arena, "%s/enabled", w->folder), 0644, "%s\n", cases[i].word);
        assert_true(unit_masked(&w->ctx, &w->local, &w->named, 5000, &got, NULL));
        assert_int_equal(got, cases[i].wanted);
    }
    assert_true(unit_masked(&w->ctx, &w->local, &w->commands, 5000, &got, NULL));
    assert_int_equal(got, UNIT_MASK_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_name_means_systemd),
        T(commands_come_first_and_kill_falls_back_to_stop),
        T(what_systemd_says_is_understood),
        T(a_status_command_speaks_by_its_exit_code),
        T(a_mask_is_seen_where_it_can_be),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
