/* trafficworld_simple.c -- nginx, and commands of the operator's own. */
#include "trafficworld.h"

#include <unistd.h>

#include "act/edgefixture.h"
#include "act/host.h"
#include "sys/file.h"

/* ---- nginx: asked in depth by traffic_test.c ---- */

static void nginx_open(struct world *w)
{
    struct edge_fixture *edge = edge_fixture_new();
    w->more = edge;
    w->service = edge->service;
    w->service.sites.p = w->sites;
    for (int i = 0; i < 2; i++)
        w->sites[i] = edge->sites[i];
    w->options = edge->options;
}

static void nginx_close(struct world *w)
{
    struct edge_fixture *edge = w->more;
    edge_fixture_free(&edge);
}

static char *nginx_state(struct world *w)
{
    return arena_strdup(w->arena, edge_fixture_include(w->more));
}

const struct world_kind world_nginx = {"nginx", "nginx", nginx_open, nginx_close, nginx_state};

/* ---- command ---- */

static char *where_file(struct world *w)
{
    return arena_printf(w->arena, "%s/where", w->folder);
}

static void says_where(struct world *w, void *arg, char *to, size_t size)
{
    struct str text;
    (void)arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (file_read(arena, where_file(w), 100, &text, NULL) && !file_exists(arena_printf(arena, "%s/%.*s.down", w->folder, (int)str_trim(text).n, text.p)))
        str_copy(to, size, str_dup(arena, str_trim(text)));
}

static void command_open(struct world *w)
{
    const char *script = arena_printf(w->arena, "%s/edge", w->folder);
    int port = world_port(w);
    fixture_write(where_file(w), 0644, "production\n");
    fixture_write(script, 0755,
                  "#!/bin/sh\nset -e\nwhere=%s\necho \"$*\" >>%s/calls\n"
                  "case $1 in\nshow) test -e \"$where\" || exit 3; cat \"$where\" ;;\n"
                  "switch|undo) echo \"$2\" >\"$where.new\"; mv \"$where.new\" \"$where\" ;;\n*) exit 64 ;;\nesac\n",
                  where_file(w), w->folder);
    world_serve(w, w->address, port, NULL, says_where, NULL);
    w->service.public_url = arena_printf(w->arena, "http://%s:%d", w->address, port);
    *(struct strs *)world_option(w, "show") = world_words(w, script, "show", NULL);
    *(struct strs *)world_option(w, "switch") = world_words(w, script, "switch", NULL);
    *(struct strs *)world_option(w, "undo") = world_words(w, script, "undo", NULL);
    *(int64_t *)world_option(w, "timeout") = 5000;
}

static char *command_state(struct world *w)
{
    struct str text = {0};
    return file_read(w->arena, where_file(w), 100, &text, NULL) ? str_dup(w->arena, text) : arena_strdup(w->arena, "");
}

const struct world_kind world_command = {"command", "command", command_open, NULL, command_state};

static void what_the_commands_say_counts(struct world *w)
{
    struct err err;
    const struct site *site;
    const char *script = arena_printf(w->arena, "%s/edge", w->folder);
    *(struct strs *)world_option(w, "switch") = world_words(w, "sh", "-c", "echo the edge is out of order >&2; exit 1", "sh", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "exit code 1: the edge is out of order"));
    assert_non_null(strstr(err.message, "the state before it is back"));
    *(struct strs *)world_option(w, "switch") = world_words(w, "true", NULL); /* it lies */
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "yet the users are sent to site \"production\""));
    /* It does its work and then fails: what it did is taken back by its own undo. */
    *(struct strs *)world_option(w, "switch") = world_words(w, "sh", "-c", arena_printf(w->arena, "%s switch \"$1\"; exit 9", script), "sh", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "exit code 9"));
    assert_string_equal(command_state(w), "production\n");
    unlink(where_file(w));
    err = (struct err){0};
    assert_false(traffic_driver("command")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND); /* exit 3 */
    fixture_write(where_file(w), 0644, "atlantis\n");
    err = (struct err){0};
    assert_false(traffic_driver("command")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "\"atlantis\", which is no site"));
}

static void a_command_that_hangs_is_ended(struct world *w)
{
    struct err err;
    *(int64_t *)world_option(w, "timeout") = 300;
    *(struct strs *)world_option(w, "switch") = world_words(w, "sleep", "1000", "#", NULL);
    *(struct strs *)world_option(w, "switch") = world_words(w, "sh", "-c", "exec sleep 1000", "sh", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "no answer within"));
    assert_string_equal(command_state(w), "production\n");
}

static void the_site_is_one_word_and_no_shell_reads_it(struct world *w)
{
    w->sites[1].name = "$(touch x); dr";
    const char *before = command_state(w);
    struct err err = {0};
    assert_true(traffic_driver("command")->point(&w->ctx, &w->sites[1], &err));
    assert_string_equal(command_state(w), "$(touch x); dr\n");
    assert_true(traffic_driver("command")->put_back(&w->ctx, &err));
    assert_string_equal(command_state(w), before);
}

const struct world_test command_tests[] = {
    {"what_the_commands_say_counts", what_the_commands_say_counts},
    {"a_command_that_hangs_is_ended", a_command_that_hangs_is_ended},
    {"the_site_is_one_word_and_no_shell_reads_it", the_site_is_one_word_and_no_shell_reads_it},
    {NULL, NULL},
};
