/* Every text is read whole, byte by byte and in odd pieces; the three must give the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "dump/lexer.h"
#include "dump/words.h"

#define END "--\n-- PostgreSQL database dump complete\n--\n\n"

struct seen {
    struct buf text; /* "S<...>" for statements, "C<...>" for COPY, "D<...>" for joined rows, "." for the end of COPY, "!" complete */
    int64_t rows;
    bool in_data;
    int refuse_at; /* the callback fails at this item, counted from 1; 0: never */
    int items;
};

static bool see(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    struct seen *s = arg;
    if (++s->items == s->refuse_at)
        return err_set(err, ERR_FAILED, "refused by the test");
    if (s->in_data && item != LEXER_DATA)
        buf_puts(&s->text, ">");
    if (item == LEXER_DATA && !s->in_data)
        buf_puts(&s->text, "D<");
    s->in_data = item == LEXER_DATA;
    if (item == LEXER_STATEMENT || item == LEXER_COPY) {
        assert_int_equal(text.p[text.n], 0);
        buf_printf(&s->text, "%c<" STR_FMT ">", item == LEXER_COPY ? 'C' : 'S', STR_ARG(text));
    } else if (item == LEXER_DATA) {
        buf_add(&s->text, text.p, text.n);
    } else {
        buf_putc(&s->text, item == LEXER_COPY_END ? '.' : '!');
    }
    s->rows += rows;
    return true;
}

static bool lex(const char *text, size_t size, size_t step, struct seen *seen, struct err *err)
{
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(see, seen);
    bool ok = true;
    for (size_t i = 0; ok && i < size; i += step) {
        /* A copy of exactly that size, so that the address sanitizer sees a read past the piece. */
        size_t n = MIN_OF(step, size - i);
        char *piece = malloc(n);
        memcpy(piece, text + i, n);
        ok = lexer_feed(lexer, piece, n, err);
        free(piece);
    }
    return ok && lexer_end(lexer, err);
}

static const size_t steps[] = {1, 2, 3, 7, 64, 1 << 20};

static void gives_n(const char *text, size_t size, const char *wanted, int64_t rows)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct seen seen = {.text = {.max = 1 << 20}};
        struct err err = {0};
        if (!lex(text, size, steps[i], &seen, &err))
            fail_msg("step %zu: %s\n%s", steps[i], err.message, text);
        assert_string_equal(buf_text(&seen.text), wanted);
        assert_int_equal(seen.rows, rows);
        buf_done(&seen.text);
    }
}

static void gives(const char *text, const char *wanted)
{
    SCOPED(buf_done) struct buf whole = {.max = 1 << 20};
    buf_printf(&whole, "%s%s", text, END);
    SCOPED(buf_done) struct buf all = {.max = 1 << 20};
    buf_printf(&all, "%s!", wanted);
    gives_n(buf_text(&whole), whole.n, buf_text(&all), 0);
}

static void fails_n(const char *text, size_t size, const char *message)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct seen seen = {.text = {.max = 1 << 20}};
        struct err err = {0};
        if (lex(text, size, steps[i], &seen, &err))
            fail_msg("taken: %s", text);
        assert_int_equal(err.code, ERR_DATA);
        if (!strstr(err.message, message))
            fail_msg("step %zu: \"%s\" does not say \"%s\"", steps[i], err.message, message);
        buf_done(&seen.text);
    }
}

static void fails(const char *text, const char *message)
{
    SCOPED(buf_done) struct buf whole = {.max = 1 << 20};
    buf_printf(&whole, "%s%s", text, END);
    fails_n(buf_text(&whole), whole.n, message);
}

static void statements_are_cut_at_their_semicolons(void **state)
{
    (void)state;
    gives("", "");
    gives("SET a = 1;\nSELECT 2;", "S<SET a = 1;>S<SELECT 2;>");
    gives(";;\n ; SELECT 1;", "S<SELECT 1;>");
    gives("select ';', \"a;b\", 'it''s;' ;", "S<select ';', \"a;b\", 'it''s;' ;>");
    gives("select \"a\"\"b;\" ;", "S<select \"a\"\"b;\" ;>");
    gives("CREATE RULE r AS ON UPDATE TO v DO INSTEAD (DELETE FROM a; INSERT INTO b VALUES (1); );",
          "S<CREATE RULE r AS ON UPDATE TO v DO INSTEAD (DELETE FROM a; INSERT INTO b VALUES (1); );>");
    gives("select 1-2/3 - -4 / 5;", "S<select 1-2/3 - -4 / 5;>");
}

static void strings_follow_the_servers_rules(void **state)
{
    (void)state;
    gives("select E'a\\';b' ; select 1;", "S<select E'a\\';b' ;>S<select 1;>");
    gives("select e'\\\\'; select 2;", "S<select e'\\\\';>S<select 2;>");
    gives("select E'a''\\';b'; select 1;", "S<select E'a''\\';b';>S<select 1;>");
    gives("select 'a\\'; select ';' ;", "S<select 'a\\';>S<select ';' ;>");
    gives("select namE'a\\'; select 1;", "S<select namE'a\\';>S<select 1;>"); /* E ends a name here */
    gives("select U&'\\0041;'; select U&\"d\\0061;\";", "S<select U&'\\0041;';>S<select U&\"d\\0061;\";>");
    gives("select E'a' -- x;\n 'b\\';c' ; select 3;", "S<select E'a' -- x;\n 'b\\';c' ;>S<select 3;>");
    gives("select 'a'\n'b\\' ; select 3;", "S<select 'a'\n'b\\' ;>S<select 3;>");
    gives("SET standard_conforming_strings = off;\nselect 'a\\';b';", "S<SET standard_conforming_strings = off;>S<select 'a\\';b';>");
    gives("SET standard_conforming_strings to 'off';SET standard_conforming_strings = on; select '\\';",
          "S<SET standard_conforming_strings to 'off';>S<SET standard_conforming_strings = on;>S<select '\\';>");
}

static void dollar_quotes_need_their_own_tag(void **state)
{
    (void)state;
    gives("select $$a;b$$;", "S<select $$a;b$$;>");
    gives("select $x$ $$ ; $y$ $x ; $x$;", "S<select $x$ $$ ; $y$ $x ; $x$;>");
    gives("select $ab$ $$ab$; select 1;", "S<select $ab$ $$ab$;>S<select 1;>");
    gives("select $_$ $a$_$; select $1;", "S<select $_$ $a$_$;>S<select $1;>");
    gives("select a$b$; select $1, $2;", "S<select a$b$;>S<select $1, $2;>"); /* a dollar inside a name */
    gives("select $fn$\n--\n-- Name: fake\n\\restrict x\n\\.\nCOPY a FROM stdin;\n$fn$;",
          "S<select $fn$\n--\n-- Name: fake\n\\restrict x\n\\.\nCOPY a FROM stdin;\n$fn$;>");
}

static void comments_nest_and_vanish_between_statements(void **state)
{
    (void)state;
    gives("-- ; '\n/* ; /* ' ; */ ; */ select 1; /***/ select /* ; */ 2 -- ;\n;", "S<select 1;>S<select /* ; */ 2 -- ;\n;>");
    gives("/* **/ select 1; /*/ */ select 2; /* /*/ */ */ select 3;", "S<select 1;>S<select 2;>S<select 3;>");
}

static void atomic_bodies_hold_semicolons(void **state)
{
    (void)state;
    gives("CREATE FUNCTION f() RETURNS int LANGUAGE sql\n BEGIN ATOMIC\n SELECT CASE WHEN a THEN CASE WHEN b THEN 1 END END;\n"
          " SELECT 2;\nEND;\nselect 1;",
          "S<CREATE FUNCTION f() RETURNS int LANGUAGE sql\n BEGIN ATOMIC\n SELECT CASE WHEN a THEN CASE WHEN b THEN 1 END END;\n"
          " SELECT 2;\nEND;>S<select 1;>");
    gives("create or replace procedure p() begin /* x */ atomic select 1; end; select 1;",
          "S<create or replace procedure p() begin /* x */ atomic select 1; end;>S<select 1;>");
    gives("CREATE FUNCTION s.begin() RETURNS int AS $$x$$; select 1;", "S<CREATE FUNCTION s.begin() RETURNS int AS $$x$$;>S<select 1;>");
    gives("CREATE FUNCTION f() BEGIN ATOMIC SELECT \"end\"; END; select 1;", "S<CREATE FUNCTION f() BEGIN ATOMIC SELECT \"end\"; END;>S<select 1;>");
    gives("BEGIN;\nselect 1;\nCOMMIT;", "S<BEGIN;>S<select 1;>S<COMMIT;>");
}

static void copy_data_passes_unchanged(void **state)
{
    (void)state;
    const char *text = "COPY public.t (a, b) FROM stdin;\n1\tx\n\\N\t\\\\.\n\\\\.\n;'$$--\n\\.\nselect 1;\nCOPY n  FROM stdin;\n\n\n\\.\n"
                       "COPY e FROM STDIN;\n\\.\ncopy c (\"from\") from stdin ; \r\n1\n\\.\r\n" END;
    gives_n(text, strlen(text),
            "C<COPY public.t (a, b) FROM stdin;>D<1\tx\n\\N\t\\\\.\n\\\\.\n;'$$--\n>.S<select 1;>C<COPY n  FROM stdin;>D<\n\n>."
            "C<COPY e FROM STDIN;>.C<copy c (\"from\") from stdin ;>D<1\n>.!",
            7);
}

static void a_copy_that_is_not_from_stdin_is_refused(void **state)
{
    (void)state;
    fails("COPY t FROM '/etc/passwd';", "line 1: a COPY that is not just");
    fails("\n\nCOPY t FROM PROGRAM 'id';", "line 3: a COPY that is not just");
    fails("COPY t TO PROGRAM 'id';", "a COPY that is not just");
    fails("COPY t FROM stdin WITH (FORMAT csv);\n", "a COPY that is not just");
    fails("COPY t FROM stdin; 1\n\\.\n", "something follows COPY");
}

static void psql_commands_are_never_obeyed(void **state)
{
    (void)state;
    gives("\\restrict Abc123\n\nselect 1;\n\\unrestrict Abc123\n", "S<select 1;>");
    fails("\\connect other\n", "line 1: the psql command \"\\connect\"");
    fails("select 1;\n\\! touch /tmp/x\n", "line 2: the psql command \"\\\"");
    fails("\\restrict `id`\n", "the psql command \"\\restrict\"");
    fails("\\restrict a\n\\unrestrict b\n", "line 2: the psql command \"\\unrestrict\"");
    fails("\\restrict a b\n", "\\restrict");
    fails("\\unrestrict a\n", "\\unrestrict");
    fails("\\restrict a\n\\restrict a\n", "line 2");
    fails("\\restrict \n", "\\restrict");
    fails("select 1 \\gexec\n", "a backslash outside quotes");
    fails("select 1; \\gexec\n", "in the middle of a line");
    fails("  \\echo\n", "in the middle of a line");
    fails("- x\n", "not SQL");
    fails("/ x\n", "not SQL");
}

static void a_cut_dump_is_never_taken(void **state)
{
    (void)state;
    const char *text = "\\restrict Key1\nSET a = 'b';\nCREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;\nCOPY t (a) FROM stdin;\n1\n2\n\\.\n"
                       "select $x$ ; $x$; /* c */ select \"q\";\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict Key1";
    for (size_t n = 0; n < strlen(text); n++)
        for (size_t step = 1; step < 64; step *= 4) {
            struct seen seen = {.text = {.max = 1 << 16}};
            struct err err = {0};
            if (lex(text, n, step, &seen, &err))
                fail_msg("taken when cut at byte %zu", n);
            assert_int_equal(err.code, ERR_DATA);
            buf_done(&seen.text);
        }
    struct seen seen = {.text = {.max = 1 << 16}};
    struct err err = {0};
    assert_true(lex(text, strlen(text), 1, &seen, &err));
    buf_done(&seen.text);
}

static void the_cut_is_named(void **state)
{
    (void)state;
    fails_n("select 1;\n\nselect\n 2", 20, "cut off inside the statement that begins on line 3");
    fails_n("COPY t FROM stdin;\n1\n2", 22, "line 3: the dump is cut off inside the rows of the COPY on line 1");
    fails_n("select 1;\n", 10, "its last line");
    fails_n("", 0, "its last line");
    fails_n(END "select 1;\n", strlen(END) + 10, "its last line");
    fails_n("select 1; -- PostgreSQL database dump complete\n", 47, "its last line");
}

static void zero_bytes_are_damage(void **state)
{
    (void)state;
    fails_n("select 1;\n\0\0" END, 12 + strlen(END), "line 2: a zero byte");
    fails_n("COPY t FROM stdin;\n1\n\0\n\\.\n" END, 27 + strlen(END), "a zero byte in the data");
    fails_n("select '\0';" END, 11 + strlen(END), "a zero byte");
}

static void encodings_that_hide_quotes_are_refused(void **state)
{
    (void)state;
    fails("SET client_encoding = 'SJIS';\n", "encoding");
    gives("SET client_encoding = 'LATIN1';", "S<SET client_encoding = 'LATIN1';>");
}

static void the_callbacks_error_names_the_line(void **state)
{
    (void)state;
    struct seen seen = {.text = {.max = 1 << 16}, .refuse_at = 2};
    struct err err = {0};
    const char *text = "select 1;\n\nselect\n2;\n" END;
    assert_false(lex(text, strlen(text), 1, &seen, &err));
    assert_string_equal(err.message, "line 3: refused by the test");
    buf_done(&seen.text);
}

static void the_longest_statement_is_bounded(void **state)
{
    (void)state;
    struct seen seen = {.text = {.max = 1 << 16}};
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(see, &seen);
    struct err err = {0};
    assert_true(lexer_feed(lexer, "select '", 8, &err));
    char *piece = malloc(1 << 20);
    memset(piece, 'x', 1 << 20);
    int fed = 0;
    while (lexer_feed(lexer, piece, 1 << 20, &err))
        assert_in_range(++fed, 1, 64);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(fed, 63);
    free(piece);
}

static void a_row_of_any_length_passes_in_pieces(void **state)
{
    (void)state;
    struct seen seen = {.text = {.max = 16}}; /* the text itself is dropped, rows are counted */
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(see, &seen);
    struct err err = {0};
    assert_true(lexer_feed(lexer, "COPY t FROM stdin;\n", 19, &err));
    char *piece = malloc(1 << 20);
    memset(piece, 'x', 1 << 20);
    for (int i = 0; i < 80; i++)
        assert_true(lexer_feed(lexer, piece, 1 << 20, &err));
    free(piece);
    assert_int_equal(seen.rows, 0);
    assert_true(lexer_feed(lexer, "\n\\.\n" END, 4 + strlen(END), &err));
    assert_int_equal(seen.rows, 1);
    assert_true(lexer_end(lexer, &err));
    buf_done(&seen.text);
}

static void tables_of_copy_come_as_written(void **state)
{
    (void)state;
    struct str table;
    assert_true(lexer_copy_table(STR("COPY public.contracts (id, x) FROM stdin;"), &table));
    assert_true(str_is(table, "public.contracts"));
    assert_true(lexer_copy_table(STR("copy \"Weird;S -- x\".\"T\"\"a (b\"(c) FROM stdin;"), &table));
    assert_true(str_is(table, "\"Weird;S -- x\".\"T\"\"a (b\""));
    assert_false(lexer_copy_table(STR("COPY \"open"), &table));
    assert_false(lexer_copy_table(STR("SELECT 1;"), &table));
    assert_false(lexer_copy_table(STR("COPYx y"), &table));
}

static void words_are_told_from_what_looks_like_them(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct str rest = STR("GRANT a ON \"T TO x\" /* TO y /* */ */ -- TO z\n 'TO q' $$TO r$$ $t$ $$ TO $t$ E'\\' TO' 1e5 TO \"Role\"\"1\", BoB2;"), word;
    const char *wanted[] = {"GRANT", "a", "ON", "\"T TO x\"", "TO", "\"Role\"\"1\"", "BoB2"};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_true(words_next(&rest, &word));
        assert_true(str_is(word, wanted[i]));
    }
    assert_false(words_next(&rest, &word));
    assert_string_equal(word_name(a, STR("\"Role\"\"1\"")), "Role\"1");
    assert_string_equal(word_name(a, STR("BoB2")), "bob2");
    assert_true(words_begin(STR("/* x */ alter  Table ONLY a OWNER"), "ALTER * only"));
    assert_false(words_begin(STR("ALTER"), "ALTER TABLE"));
    assert_false(words_begin(STR("\"ALTER\" x"), "ALTER"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_cut_at_their_semicolons),
        cmocka_unit_test(strings_follow_the_servers_rules),
        cmocka_unit_test(dollar_quotes_need_their_own_tag),
        cmocka_unit_test(comments_nest_and_vanish_between_statements),
        cmocka_unit_test(atomic_bodies_hold_semicolons),
        cmocka_unit_test(copy_data_passes_unchanged),
        cmocka_unit_test(a_copy_that_is_not_from_stdin_is_refused),
        cmocka_unit_test(psql_commands_are_never_obeyed),
        cmocka_unit_test(a_cut_dump_is_never_taken),
        cmocka_unit_test(the_cut_is_named),
        cmocka_unit_test(zero_bytes_are_damage),
        cmocka_unit_test(encodings_that_hide_quotes_are_refused),
        cmocka_unit_test(the_callbacks_error_names_the_line),
        cmocka_unit_test(the_longest_statement_is_bounded),
        cmocka_unit_test(a_row_of_any_length_passes_in_pieces),
        cmocka_unit_test(tables_of_copy_come_as_written),
        cmocka_unit_test(words_are_told_from_what_looks_like_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
