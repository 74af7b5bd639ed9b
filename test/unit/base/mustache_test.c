/* The language case by case, as its specification has them; what is refused, and where; limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/mustache.h"

static struct arena *a;
static struct mustache_value root;

/* name: "Anna & <Co>", empty: "", yes, no, list: three maps {n: 1..3, last}, none: an empty list, words: two texts,
   map: {inner: {leaf: "deep"}, name: "in the map"}, lines: "<\n->" */
static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    root = (struct mustache_value){.kind = MUSTACHE_MAP};
    mustache_put(a, &root, "name", "Anna & <Co>");
    mustache_put(a, &root, "empty", "");
    mustache_put(a, &root, "null", NULL);
    mustache_put_bool(a, &root, "yes", true);
    mustache_put_bool(a, &root, "no", false);
    mustache_put(a, &root, "lines", "<\n->");
    struct mustache_value *list = mustache_put_list(a, &root, "list");
    for (int i = 1; i <= 3; i++) {
        struct mustache_value *item = mustache_add_map(a, list);
        mustache_put(a, item, "n", arena_printf(a, "%d", i));
        mustache_put_bool(a, item, "last", i == 3);
    }
    mustache_put_list(a, &root, "none");
    struct mustache_value *words = mustache_put_list(a, &root, "words");
    mustache_add_text(a, words, "one");
    mustache_add_text(a, words, "two");
    struct mustache_value *map = mustache_put_list(a, &root, "map");
    map->kind = MUSTACHE_MAP;
    mustache_put(a, map, "name", "in the map");
    struct mustache_value *inner = mustache_put_list(a, map, "inner");
    inner->kind = MUSTACHE_MAP;
    mustache_put(a, inner, "leaf", "deep");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static const struct {
    const char *name, *text;
} partials[] = {
    {"text", "from partial"}, {"name", "*{{name}}*"}, {"lines", "|\n{{{lines}}}\n|\n"}, {"two", ">\n>"}, {"again", "{{#yes}}x{{> again}}{{/yes}}"},
    {"storm", "{{> storm}}{{> storm}}{{> storm}}{{> storm}}{{> storm}}{{> storm}}{{> storm}}{{> storm}}"},
};

static const struct mustache *read_text(const char *name, const char *text)
{
    const struct mustache *m = NULL;
    struct err err = {0};
    if (!mustache_read(a, name, str_of(text), &m, &err))
        fail_msg("%s", err.message);
    return m;
}

static const struct mustache *partial(void *arg, struct str name)
{
    (void)arg;
    for (size_t i = 0; i < COUNT_OF(partials); i++)
        if (str_is(name, partials[i].name))
            return read_text(partials[i].name, partials[i].text);
    return NULL;
}

static char *rendered(const char *text, size_t max)
{
    SCOPED(buf_done) struct buf out = {.max = max};
    const struct mustache_env env = {.escape = mustache_escape_html, .partial = partial};
    mustache_render(read_text("t", text), &root, &env, &out);
    return arena_strdup(a, buf_text(&out));
}

static void every_case(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"no tags { here } }}\n", "no tags { here } }}\n"},
        {"Hello, {{name}}!", "Hello, Anna &amp; &lt;Co&gt;!"},
        {"Hello, {{{name}}}!", "Hello, Anna & <Co>!"},
        {"Hello, {{&name}}!", "Hello, Anna & <Co>!"},
        {"|{{ name }}|{{{ name }}}|", "|Anna &amp; &lt;Co&gt;|Anna & <Co>|"},
        {"|{{empty}}|{{null}}|{{absent}}|{{yes}}|{{no}}|{{list}}|", "|||||||"},
        {"{{map.inner.leaf}}|{{map.inner.absent}}|{{map.absent.leaf}}|{{absent.inner}}", "deep|||"},
        {"{{#map}}{{inner.leaf}} {{name}} {{yes}}{{/map}}", "deep in the map "},
        {"  {{name}}  \n", "  Anna &amp; &lt;Co&gt;  \n"},      /* a variable keeps its surroundings */
        {"{{#yes}}on{{/yes}}{{#no}}off{{/no}}{{#absent}}?{{/absent}}{{#empty}}e{{/empty}}{{#null}}n{{/null}}", "on"},
        {"{{^yes}}on{{/yes}}{{^no}}off{{/no}}{{^absent}}?{{/absent}}{{^empty}}e{{/empty}}{{^none}}n{{/none}}{{^list}}l{{/list}}", "off?en"},
        {"{{#name}}<{{{.}}}>{{/name}}", "<Anna & <Co>>"},
        {"{{#list}}{{n}}{{^last}}, {{/last}}{{/list}}", "1, 2, 3"},
        {"{{#words}}({{.}}){{/words}}", "(one)(two)"},
        {"{{#none}}x{{/none}}", ""},
        {"{{#list}}{{#yes}}{{n}}{{/yes}}{{/list}}", "123"},    /* from the inside out */
        {"{{#list}}{{#list}}{{n}}{{/list}};{{/list}}", "123;123;123;"},
        {"a{{! nothing }}b", "ab"},
        {"a {{! over\n lines }} b\n", "a  b\n"},
        {"begin\n{{! alone }}\nend\n", "begin\nend\n"},
        {"begin\n  {{! alone }}  \nend\n", "begin\nend\n"},
        {"begin\r\n{{! alone }}\r\nend\r\n", "begin\r\nend\r\n"},
        {"{{! at the top }}\nend", "end"},
        {"begin\n  {{! at the end }}", "begin\n"},
        {"|\n{{#yes}}\n-\n{{/yes}}\n|\n", "|\n-\n|\n"},
        {"|\n  {{#yes}}\n-\n  {{/yes}}\n|\n", "|\n-\n|\n"},
        {"| {{#yes}}\t|\t{{/yes}} |\n", "| \t|\t |\n"},
        {"{{#yes}}{{#yes}}\nx\n{{/yes}}{{/yes}}\n", "\nx\n\n"}, /* two on a line: neither has it to itself */
        {"|\n{{^no}}\n-\n{{/no}}\n|\n", "|\n-\n|\n"},
        {"\"{{> text}}\"", "\"from partial\""},
        {"\"{{> absent}}\"", "\"\""},
        {"{{> name}}", "*Anna &amp; &lt;Co&gt;*"},
        {"{{#map}}{{> name}}{{/map}}", "*in the map*"},
        {"  {{yes}}  {{> two}}\n", "    >\n>\n"},             /* not alone: no indentation */
        {"|\n {{> two}}\n|", "|\n >\n >|"},
        {"\\\n {{> lines}}\n/\n", "\\\n |\n <\n->\n |\n/\n"},
        {"{{{lines}}}", "<\n->"},
        {"'\"", "'\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *got = rendered(cases[i].text, 4096);
        if (!same(got, cases[i].expected))
            fail_msg("\"%s\" gives \"%s\" and not \"%s\"", cases[i].text, got, cases[i].expected);
    }
}

static void what_is_refused_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a {{name", "t:1:3: a tag is not closed"},
        {"a {{{name}} b", "t:1:3: a tag is not closed"},
        {"é {{}}", "t:1:3: a tag without a name"},
        {"\n\n  {{ }}", "t:3:3: a tag without a name"},
        {"{{#yes}} x", "t:1:1: never closed: section \"yes\""},
        {"x\n{{#yes}}{{#no}}{{/no}}", "t:2:1: never closed: section \"yes\""},
        {"{{/yes}}", "t:1:1: nothing is open that could be closed by \"yes\""},
        {"{{#yes}}{{/no}}{{/yes}}", "t:1:9: another section is open than \"no\""},
        {"{{a b}}", "t:1:1: no name: \"a b\""},
        {"{{ & name }}", "t:1:1: no name: \"& name\""},
        {"{{a..b}}", "t:1:1: no name: \"a..b\""},
        {"{{.a}}", "t:1:1: no name: \".a\""},
        {"{{a.}}", "t:1:1: no name: \"a.\""},
        {"{{<%name%>}}", "t:1:1: other delimiters and inheritance are not understood"},
        {"{{=<% %>=}}", "t:1:1: other delimiters and inheritance are not understood"},
        {"{{$block}}", "t:1:1: other delimiters and inheritance are not understood"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct mustache *m = NULL;
        struct err err = {0};
        if (mustache_read(a, "t", str_of(cases[i].text), &m, &err))
            fail_msg("\"%s\" is taken", cases[i].text);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void depth_and_size_have_limits(void **state)
{
    (void)state;
    const struct mustache *m = NULL;
    struct err err = {0};
    const char *deep = "";
    for (int i = 0; i < MUSTACHE_DEPTH_MAX; i++)
        deep = arena_printf(a, "{{#yes}}%s{{/yes}}", deep);
    assert_true(mustache_read(a, "t", str_of(deep), &m, &err));
    assert_false(mustache_read(a, "t", str_of(arena_printf(a, "{{#yes}}%s{{/yes}}", deep)), &m, &err));
    assert_non_null(strstr(err.message, "nested too deeply"));
    char *large = arena_alloc(a, MUSTACHE_TEXT_MAX + 2);
    memset(large, 'x', MUSTACHE_TEXT_MAX + 1);
    assert_false(mustache_read(a, "t", str_of(large), &m, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    large[MUSTACHE_TEXT_MAX] = 0;
    assert_true(mustache_read(a, "t", str_of(large), &m, &err));
}

static void a_partial_that_calls_itself_ends(void **state)
{
    (void)state;
    char *got = rendered("{{> again}}", 4096);
    assert_int_equal(strlen(got), MUSTACHE_DEPTH_MAX);
    assert_string_equal(rendered("{{> storm}}", 4096), ""); /* 8 to the power of 16 of them, if nobody counted */
}

static void output_stays_within_its_limit(void **state)
{
    (void)state;
    char *got = rendered("{{#list}}{{#list}}{{#list}}{{#list}}xxxxxxxxxx{{/list}}{{/list}}{{/list}}{{/list}}", 100);
    assert_true(strlen(got) <= 100);
}

static bool is_known(void *arg, struct str name)
{
    (void)arg;
    return str_is(name, "name") || str_is(name, "yes");
}

static bool has_partial(void *arg, struct str name)
{
    (void)arg;
    return str_is(name, "text");
}

static void names_are_held_against_what_is_promised(void **state)
{
    (void)state;
    const struct mustache_names names = {.known = is_known, .partial = has_partial};
    static const struct {
        const char *text, *message; /* NULL: right */
    } cases[] = {
        {"{{name}} {{#yes}}{{{name}}}{{/yes}} {{> text}}", NULL},
        {"{{nmae}}", "t:1:1: there is no value \"nmae\""},
        {"{{#yes}}\n {{&nmae}}{{/yes}}", "t:2:2: there is no value \"nmae\""},
        {"{{^no}}{{/no}}", "t:1:1: there is no value \"no\""},
        {"x {{> txet}}", "t:1:3: there is no partial \"txet\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        bool right = mustache_check(read_text("t", cases[i].text), &names, &err);
        assert_int_equal(right, cases[i].message == NULL);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
    }
}

static void markup_cannot_be_broken_out_of(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = {.max = 200};
    mustache_escape_html(&out, STR("<a href=\"x\" title='y'>&amp;é"));
    assert_string_equal(buf_text(&out), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;é");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_case),
        TEST(what_is_refused_says_where),
        TEST(depth_and_size_have_limits),
        TEST(a_partial_that_calls_itself_ends),
        TEST(output_stays_within_its_limit),
        TEST(names_are_held_against_what_is_promised),
        TEST(markup_cannot_be_broken_out_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
