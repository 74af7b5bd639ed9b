/* show_test.c -- The tables the other way round: what is shown reads back as the same, samples load, secrets stay out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config/load.h"
#include "config/tables.h"
#include "fakes.h"
#include "io/yaml.h"

static struct config *load(struct arena *a, const char *text)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    struct err err = {0};
    struct config *config = NULL;
    setenv("BASCULE_PLAYBOOKS", PLAYBOOKS, 1);
    setenv("BASCULE_CHECKLISTS", CHECKLISTS, 1);
    if (!config_load_text(a, "/nowhere/x.yaml", str_of(text), &fake_hooks, &config, &problems, &err))
        fail_msg("%s\n%s", buf_text(&problems), text);
    return config;
}

static const char *sample(struct arena *a, const struct config_hooks *hooks, enum language language)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    config_sample(&out, hooks, language);
    assert_false(out.over);
    return arena_strdup(a, buf_text(&out));
}

static const char *shown(struct arena *a, const struct config *config)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    config_show(&out, config, &fake_hooks);
    return arena_strdup(a, buf_text(&out));
}

static const char *replaced(struct arena *a, const char *text, const char *old, const char *new)
{
    for (const char *at; (at = strstr(text, old));)
        text = arena_printf(a, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return text;
}

static void what_is_shown_reads_back_as_the_same(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *first = shown(a, load(a, sample(a, &fake_hooks, LANGUAGE_EN)));
    const char *again = shown(a, load(a, replaced(a, first, "\"***\"", "/a/secret")));
    assert_string_equal(first, again);
    assert_non_null(strstr(first, "timeout: 5s")); /* a default */
    assert_non_null(strstr(first, "playbook failover: " PLAYBOOKS "/failover.yaml"));
}

static void secrets_are_shown_as_stars(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *text = shown(a, load(a, sample(a, &fake_hooks, LANGUAGE_EN)));
    assert_non_null(strstr(text, "password: {file: \"***\"}"));
    assert_non_null(strstr(text, "url: {file: \"***\"}"));
    assert_null(strstr(text, "pg.password"));
    assert_null(strstr(text, "slack.url"));
}

static void the_sample_loads_in_both_languages(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *en = sample(a, &fake_hooks, LANGUAGE_EN), *fr = sample(a, &fake_hooks, LANGUAGE_FR);
    assert_non_null(strstr(fr, "# Configuration de bascule"));
    assert_string_equal(shown(a, load(a, en)), shown(a, load(a, fr)));
}

/* Every key of every table stands in the sample: in force, or commented out. */
static void check_keys(const char *text, const struct option *table)
{
    for (const struct option *o = table; o->key; o++) {
        char key[64];
        snprintf(key, sizeof(key), "%s:", o->key);
        if (!strstr(text, key))
            fail_msg("the sample does not show \"%s\"", o->key);
        assert_non_null(o->help);
        if (o->sub)
            check_keys(text, o->sub);
    }
}

static void the_sample_shows_every_key(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *text = sample(a, &fake_hooks, LANGUAGE_EN);
    check_keys(text, config_options);
    for (size_t i = 0; i < fake_hooks.driver_count; i++)
        check_keys(text, fake_hooks.drivers[i].options);
}

/* Lines that are commented out are YAML when the mark is taken away. */
static void what_is_commented_out_is_valid_yaml(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct str rest = str_of(sample(a, &fake_hooks, LANGUAGE_EN)), line;
    int found = 0;
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        const char *colon = line.n > 2 ? memchr(line.p, ':', line.n) : NULL;
        if (!str_starts(line, "# ") || !colon ||
            !str_is_name((struct str){.p = line.p + 2, .n = (size_t)(colon - line.p) - 2}))
            continue;
        const struct yaml_doc *doc = yaml_parse(a, "line", (struct str){.p = line.p + 2, .n = line.n - 2});
        if (doc->problems.n)
            fail_msg("%.*s: %s", (int)line.n, line.p, doc->problems.p[0].text);
        found++;
    }
    assert_true(found > 20);
}

static void a_program_without_drivers_leaves_them_out(void **state)
{
    static const struct config_hooks none = {0};
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *text = sample(a, &none, LANGUAGE_EN);
    assert_null(strstr(text, "type: postgres"));
    assert_null(strstr(text, "\n    traffic:"));
    assert_int_equal(yaml_parse(a, "sample", str_of(text))->problems.n, 0);
}

static void the_manual_names_every_key(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    config_manual(&out, &fake_hooks);
    assert_non_null(strstr(buf_text(&out), "### `services[].sites[].database.unit`"));
    assert_non_null(
        strstr(buf_text(&out), "| `interval` | duration, from 50ms to 7d | `10s` | from one run to the next |"));
    assert_non_null(strstr(buf_text(&out), "### check `http`"));
    assert_non_null(strstr(buf_text(&out), "| `over_rto` |"));
    assert_non_null(strstr(buf_text(&out), "## host\n"));
    assert_int_equal(out.p[out.n - 1], '\n');
    assert_int_not_equal(out.p[out.n - 2], '\n');
}

/* The tables themselves: defaults and samples must be readable by the very readers they are meant for. */
static void check_table(const struct option *table)
{
    for (const struct option *o = table; o->key; o++) {
        SCOPED(arena_close) struct arena *a = arena_open();
        const char *texts[] = {o->fallback, o->sample};
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            if (texts[i] && yaml_parse(a, o->key, str_of(texts[i]))->problems.n)
                fail_msg("\"%s\" of %s is not YAML", texts[i], o->key);
        assert_false(o->required && o->fallback);
        assert_true(o->type != OPTION_ENUM || o->names);
        assert_true((o->type == OPTION_GROUP || o->type == OPTION_LIST) == (o->sub != NULL));
        assert_true((o->type == OPTION_LIST) == (o->size > 0));
        if (o->sub)
            check_table(o->sub);
    }
}

static void tables_are_sound(void **state)
{
    (void)state;
    check_table(config_options);
    check_table(playbook_options);
    check_table(host_options);
    check_table(secret_options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_reads_back_as_the_same),
        cmocka_unit_test(secrets_are_shown_as_stars),
        cmocka_unit_test(the_sample_loads_in_both_languages),
        cmocka_unit_test(the_sample_shows_every_key),
        cmocka_unit_test(what_is_commented_out_is_valid_yaml),
        cmocka_unit_test(a_program_without_drivers_leaves_them_out),
        cmocka_unit_test(the_manual_names_every_key),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
