/* yaml_test.c -- The tree and its places, limits against hostile files, and writing that reads back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "io/yaml.h"
#include "sys/file.h"

static struct yaml_doc *parse(struct arena *a, const char *text)
{
    return yaml_parse(a, "test.yaml", str_of(text));
}

static const char *first_problem(struct arena *a, const char *text)
{
    struct yaml_doc *doc = parse(a, text);
    assert_true(doc->problems.n >= 1);
    const struct yaml_problem *p = &doc->problems.p[0];
    return arena_printf(a, "%d:%d: %s", p->line, p->column, p->text);
}

static void every_node_knows_its_place(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct yaml_doc *doc = parse(a, "a: 1\nbé: {c: [x, \"y z\"]}\n");
    assert_int_equal(doc->problems.n, 0);
    const struct yaml_node *list = yaml_get(yaml_get(doc->root, "bé"), "c");
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->n, 2);
    assert_int_equal(list->items[1]->line, 2);
    assert_int_equal(list->items[1]->column, 13); /* characters, not bytes */
    assert_true(list->items[1]->quoted);
    assert_string_equal(list->items[1]->text, "y z");
    assert_false(list->items[0]->quoted);
    assert_int_equal(doc->root->keys[1]->column, 1);
    assert_true(str_is(yaml_line(doc, 1), "a: 1"));
    assert_int_equal(yaml_line(doc, 9).n, 0);
    assert_null(yaml_get(doc->root, "absent"));
    assert_null(yaml_get(list, "c"));
    assert_null(yaml_get(NULL, "c"));
}

static void nothing_is_null_only_without_quotes(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct yaml_doc *doc = parse(a, "a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\nf: |\n  \n");
    for (const char *key = "abc"; *key; key++)
        assert_true(yaml_is_null(yaml_get(doc->root, (char[]){*key, 0})));
    for (const char *key = "def"; *key; key++)
        assert_false(yaml_is_null(yaml_get(doc->root, (char[]){*key, 0})));
}

static void an_alias_is_a_copy_at_its_own_place(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct yaml_doc *doc = parse(a, "a: &x {k: [1, 2]}\nb: *x\nc: &y one\nd: *y\n");
    const struct yaml_node *first = yaml_get(doc->root, "a"), *second = yaml_get(doc->root, "b");
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->line, 2);
    assert_string_equal(yaml_get(second, "k")->items[1]->text, "2");
    assert_string_equal(yaml_get(doc->root, "d")->text, "one");
    assert_string_equal(first_problem(a, "a: &x [1, *x]"), "1:11: alias \"*x\" stands inside what it refers to");
    assert_string_equal(first_problem(a, "a: *x"), "1:4: alias \"*x\" refers to no anchor before it");
}

static void a_key_that_stands_twice_is_named_with_both_places(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct yaml_doc *doc = parse(a, "a: 1\nb: {c: 1, c: 2}\na: 3\n");
    assert_int_equal(doc->problems.n, 2);
    assert_string_equal(doc->problems.p[0].text, "key \"c\" stands twice: first in line 2, column 5");
    assert_int_equal(doc->problems.p[0].column, 11);
    assert_string_equal(doc->problems.p[1].text, "key \"a\" stands twice: first in line 1, column 1");
    assert_string_equal(yaml_get(doc->root, "a")->text,
                        "1"); /* the tree is there, so that other mistakes are found too */
}

static void mistakes_of_syntax_have_a_place_and_a_hint(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(first_problem(a, "a: 1\nb: \"open\nc: 2\n"),
                        "2:4: not valid YAML: the quote that opens here is never closed");
    assert_non_null(strstr(parse(a, "a:\n\tb: 1\n")->problems.p[0].hint, "tab"));
    assert_non_null(strstr(parse(a, "a: x: y\n")->problems.p[0].hint, "quotes"));
    assert_string_equal(first_problem(a, "a: b\nc: \xC3\x28\n"), "2:4: byte 0xC3 cannot stand here: not UTF-8");
    assert_string_equal(first_problem(a, "a: \x01"), "1:4: byte 0x01 cannot stand here: a control character");
    assert_string_equal(first_problem(a, "a: \"\\x01\""), "1:4: the text holds control characters");
    assert_string_equal(first_problem(a, "a: \"\\0\""), "1:4: the text holds control characters");
    assert_string_equal(first_problem(a, "a: !!int 1"), "1:4: tags (!name) are not used here");
    assert_string_equal(first_problem(a, "a: 1\n---\nb: 2\n"), "2:1: a second document begins here");
    assert_string_equal(first_problem(a, "{[a]: 1}"), "1:2: a key must be plain text");
    assert_null(parse(a, "a: \"open\n")->root);
    assert_null(parse(a, "# empty\n")->root);
    assert_null(parse(a, "")->root);
    assert_int_equal(parse(a, "")->problems.n, 0);
}

/* One megabyte made of the same few bytes, each of which has brought a YAML reader down somewhere. */
static void hostile_files_end_at_a_limit(void **state)
{
    static const char *const pieces[] = {"[", "{",  "- ", "? ",  "{a: ", "&a ", "*a ", "!",
                                         "%", "\"", "'",  "|\n", ": ",   "a: ", "[a,", "\n "};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        SCOPED(arena_close) struct arena *a = arena_open();
        SCOPED(buf_done) struct buf text = {.max = YAML_SIZE_MAX};
        while (buf_puts(&text, pieces[i]))
            ;
        parse(a, buf_text(&text)); /* comes back; the test's own time limit is the judge */
        assert_true(arena_used(a) < 64 * 1024 * 1024);
    }
}

static void depth_nodes_keys_anchors_and_size_have_limits(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf laughs = {.max = 4096}, keys = {.max = 65536}, big = {.max = 2 * YAML_SIZE_MAX};
    assert_non_null(strstr(first_problem(a, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
                           "nested deeper than 32 levels"));
    buf_puts(&laughs, "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++)
        buf_printf(&laughs, "l%d: &l%d [*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d]\n", i, i, i - 1, i - 1, i - 1, i - 1,
                   i - 1, i - 1, i - 1, i - 1);
    assert_non_null(strstr(first_problem(a, buf_text(&laughs)), "more than 50000 values"));
    for (int i = 0; i <= YAML_KEYS_MAX; i++)
        buf_printf(&keys, "k%d: 1\n", i);
    assert_non_null(strstr(first_problem(a, buf_text(&keys)), "more than 1000 keys"));
    while (big.n <= YAML_SIZE_MAX)
        buf_puts(&big, "# a comment that fills the file\n");
    assert_non_null(strstr(first_problem(a, buf_text(&big)), "larger than the limit"));
}

static void a_file_is_read_or_the_reason_told(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    struct yaml_doc *doc = NULL;
    char folder[] = "/tmp/bascule-yaml-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const char *path = arena_printf(a, "%s/x.yaml", folder);
    assert_false(yaml_read(a, path, &doc, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(file_write(path, "a: 1\r\nb: 2\r\n", 12, 0644, &err));
    assert_true(yaml_read(a, path, &doc, &err));
    assert_string_equal(yaml_get(doc->root, "b")->text, "2"); /* line ends of other systems do no harm */
    assert_true(str_is(yaml_line(doc, 1), "a: 1"));
    unlink(path);
    rmdir(folder);
}

static void what_is_written_reads_back(void **state)
{
    static const char *const texts[] = {"plain",       "",
                                        "null",        "true",
                                        "No",          "1",
                                        "-1",          "1.5",
                                        "0x10",        "127.0.0.1",
                                        "a: b",        "a #b",
                                        "#a",          "- a",
                                        "[a]",         "{a}",
                                        "a, b",        "\"q\"",
                                        "it's",        "'",
                                        "back\\slash", "two\nlines",
                                        "tab\there",   " lead",
                                        "trail ",      "é€😀",
                                        "*x",          "&x",
                                        "!t",          "%p",
                                        "@at",         "`b",
                                        "key:",        ":",
                                        "?",           "-",
                                        "|",           ">",
                                        "~",           "https://akig.com/a?b=c",
                                        "100 % of it", "smtp://127.0.0.1:25"};
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf out = {.max = 65536}, flow = {.max = 65536};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_printf(&out, "k%zu: ", i);
        yaml_put_scalar(&out, texts[i]);
        buf_putc(&out, '\n');
    }
    const struct yaml_doc *doc = parse(a, buf_text(&out));
    assert_int_equal(doc->problems.n, 0);
    yaml_put_flow(&flow, doc->root);
    const struct yaml_doc *again = parse(a, buf_text(&flow));
    assert_int_equal(again->problems.n, 0);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_string_equal(doc->root->items[i]->text, texts[i]);
        assert_string_equal(again->root->items[i]->text, texts[i]);
        assert_false(yaml_is_null(doc->root->items[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_place),
        cmocka_unit_test(nothing_is_null_only_without_quotes),
        cmocka_unit_test(an_alias_is_a_copy_at_its_own_place),
        cmocka_unit_test(a_key_that_stands_twice_is_named_with_both_places),
        cmocka_unit_test(mistakes_of_syntax_have_a_place_and_a_hint),
        cmocka_unit_test(hostile_files_end_at_a_limit),
        cmocka_unit_test(depth_nodes_keys_anchors_and_size_have_limits),
        cmocka_unit_test(a_file_is_read_or_the_reason_told),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
