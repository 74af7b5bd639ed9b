/* The encoders against a real server: what they turn must give the very row that the text gives, byte for byte, and what the server
   refuses they must never turn. With arguments, SEED and VALUES: only the random values, as many of each type. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/pg.h"
#include "pgfixture.h"
#include "restore/binary.h"
#include "restore/binary_values.h"

enum { MS = 60 * 1000, BATCH = 2000 };

struct world {
    struct arena *arena;
    struct pg_fixture *fixture;
    struct pg *pg;
    uint64_t seed;
    size_t values;
};
static struct world *w;

static void run(const char *sql)
{
    struct err err = {0};
    if (!pg_script(w->pg, sql, MS, &err))
        fail_msg("%s: %s", sql, err.message);
}

static const char *ask(const char *sql)
{
    struct err err = {0};
    struct pg_rows *rows;
    if (!pg_exec(w->pg, w->arena, sql, NULL, 0, MS, &rows, &err))
        fail_msg("%s: %s", sql, err.message);
    return pg_count(rows) ? pg_text(rows, 0, 0) : "";
}

static struct pg *connect_to(const char *dbname)
{
    struct err err = {0};
    struct pg *pg = NULL;
    if (!pg_open(&w->fixture->target, dbname, MS, &pg, &err))
        fail_msg("%s", err.message);
    return pg;
}

static int open_server(void **state)
{
    (void)state;
    w->arena = arena_open();
    w->fixture = pg_fixture_new();
    pg_fixture_sql(w->fixture, w->arena, NULL, "CREATE DATABASE u TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
    pg_fixture_sql(w->fixture, w->arena, NULL, "CREATE DATABASE l TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    w->pg = connect_to("u");
    run("SET client_encoding = 'UTF8'; SET synchronous_commit = off; SET client_min_messages = error;"
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'it''s', E'\\u00e9mu');"
        "CREATE EXTENSION citext; CREATE SCHEMA s; CREATE DOMAIN positive AS int4 NOT NULL CHECK (value > 0); CREATE DOMAIN shorter AS varchar(10); CREATE DOMAIN short AS shorter");
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    pg_close(&w->pg);
    pg_fixture_free(&w->fixture);
    arena_close(&w->arena);
    return 0;
}

/* ---- one table by text, the same by binary ---- */

static struct binary *plan_in(struct pg *pg, const char *table, const char *copy)
{
    struct err err = {0};
    struct binary *b;
    if (!binary_new(w->arena, pg, table, str_of(copy), &b, &err))
        fail_msg("%s", err.message);
    return b;
}

#define COPY_BIN "COPY public.bin (id, v) FROM stdin;"
#define COPY_TXT "COPY public.txt (id, v) FROM stdin;"

static bool copy(const char *sql, const struct buf *data, struct err *err)
{
    return pg_copy_in_begin(w->pg, sql, MS, err) && pg_copy_in_put(w->pg, data->p, data->n, MS, err) && pg_copy_in_end(w->pg, NULL, MS, NULL, err);
}

static struct binary *tables_of(const char *type)
{
    run(arena_printf(w->arena, "DROP TABLE IF EXISTS txt, bin; CREATE TABLE txt (id int4, v %s); CREATE TABLE bin (id int4, v %s)", type, type));
    struct binary *b = plan_in(w->pg, "public.bin", COPY_BIN);
    if (!b)
        fail_msg("no encoder for %s", type);
    return b;
}

struct batch {
    const struct kind *kind;
    const struct binary *b;
    struct buf text, binary; /* of the values that were turned */
    size_t tried, turned;
};

static bool try_value(struct batch *batch, const char *value, size_t n)
{
    SCOPED(buf_done) struct buf row = {.max = 1 << 20};
    buf_printf(&row, "%zu\t", batch->tried++);
    buf_add(&row, value, n);
    buf_putc(&row, '\n');
    size_t before = batch->binary.n;
    int64_t rows = 0;
    if (binary_rows(batch->b, buf_str(&row), &batch->binary, &rows) != BINARY_OK) {
        assert_int_equal(batch->binary.n, before);
        return false;
    }
    assert_int_equal(rows, 1);
    assert_true(buf_add(&batch->text, row.p, row.n));
    batch->turned++;
    return true;
}

/* What the server reads itself, it must refuse in both forms. Then every value is tried alone. */
static void compare_alone(struct batch *batch)
{
    struct str rest = buf_str(&batch->text), line;
    while (rest.n && str_next(&rest, '\n', &line)) {
        SCOPED(buf_done) struct buf row = {.max = 1 << 20}, tuple = {.max = 1 << 20};
        struct err err = {0};
        int64_t rows;
        buf_printf(&row, STR_FMT "\n", STR_ARG(line));
        buf_add(&tuple, binary_header, BINARY_HEADER_SIZE);
        assert_int_equal(binary_rows(batch->b, buf_str(&row), &tuple, &rows), BINARY_OK);
        buf_add(&tuple, binary_trailer, BINARY_TRAILER_SIZE);
        bool as_text = copy(COPY_TXT, &row, &err), as_binary = copy("COPY public.bin (id, v) FROM stdin WITH (FORMAT binary);", &tuple, &err);
        if (as_text != as_binary)
            fail_msg("%s: text is %s, binary is not: %s", batch->kind->type, as_text ? "taken" : "refused", buf_text(&row));
    }
}

static void load_both(struct batch *batch)
{
    SCOPED(buf_done) struct buf tuples = {.max = 1 << 26};
    struct err err = {0};
    buf_add(&tuples, binary_header, BINARY_HEADER_SIZE);
    buf_add(&tuples, batch->binary.p, batch->binary.n);
    buf_add(&tuples, binary_trailer, BINARY_TRAILER_SIZE);
    bool taken = copy(COPY_TXT, &batch->text, &err);
    if (!taken && batch->kind->server_reads) {
        compare_alone(batch);
        return;
    }
    if (!taken)
        fail_msg("%s: turned, but the server refuses the text: %s", batch->kind->type, err.message);
    if (!copy(binary_statement(w->arena, STR(COPY_BIN), "FORMAT binary"), &tuples, &err))
        fail_msg("%s: the server refuses the binary form: %s", batch->kind->type, err.message);
}

/* *= compares the bytes of rows, so that -0 is not 0 and 1.0 is not 1.00. */
static void compare(struct batch *batch)
{
    if (batch->turned)
        load_both(batch);
    const char *other = ask("SELECT coalesce(t.id, b.id) || ': ' || coalesce(t.v::text, 'NULL') || ' is not ' || coalesce(b.v::text, 'NULL')"
                            " FROM txt t FULL JOIN bin b USING (id) WHERE t.id IS NULL OR b.id IS NULL OR NOT t *= b LIMIT 1");
    if (*other)
        fail_msg("%s: %s", batch->kind->type, other);
    run("TRUNCATE txt, bin");
    buf_clear(&batch->text);
    buf_clear(&batch->binary);
    batch->turned = 0;
}

static void batch_done(struct batch *batch)
{
    buf_done(&batch->text);
    buf_done(&batch->binary);
}

static struct batch batch_of(const struct kind *kind)
{
    return (struct batch){.kind = kind, .b = tables_of(kind->type), .text = {.max = 1 << 26}, .binary = {.max = 1 << 26}};
}

/* ---- the proofs ---- */

static void every_sample_gives_the_row_that_its_text_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < kind_count; i++) {
        SCOPED(batch_done) struct batch batch = batch_of(&kinds[i]);
        for (const char *const *s = kinds[i].samples; *s; s++)
            try_value(&batch, *s, strlen(*s));
        compare(&batch);
    }
}

/* The server's own words, through its own COPY TO, and back. */
static void all_that_the_server_writes_is_turned(void **state)
{
    (void)state;
    run("SET TimeZone = 'Asia/Kolkata'");
    for (size_t i = 0; i < kind_count; i++) {
        SCOPED(batch_done) struct batch batch = batch_of(&kinds[i]);
        run(arena_printf(w->arena, "INSERT INTO txt SELECT g, %s FROM generate_series(1, 2000) g", kinds[i].canonical));
        const char *text = pg_fixture_sql(w->fixture, w->arena, "u", "SET TimeZone = 'America/St_Johns'; COPY txt TO STDOUT");
        struct str rest = str_of(text), line, id;
        run("TRUNCATE txt");
        while (rest.n && str_next(&rest, '\n', &line)) {
            assert_true(str_next(&line, '\t', &id));
            if (!try_value(&batch, line.p, line.n))
                fail_msg("%s: not turned: " STR_FMT, kinds[i].type, STR_ARG(line));
        }
        assert_int_equal(batch.turned, 2000);
        compare(&batch);
    }
    run("RESET TimeZone");
}

static void random_values_are_never_turned_wrongly(void **state)
{
    (void)state;
    uint64_t seed = w->seed;
    size_t tried = 0, turned = 0;
    for (size_t i = 0; i < kind_count; i++) {
        SCOPED(batch_done) struct batch batch = batch_of(&kinds[i]);
        SCOPED(buf_done) struct buf value = {.max = 1 << 16};
        size_t of_kind = 0;
        for (size_t n = 0; n < w->values; n++) {
            kind_value(&kinds[i], &seed, &value);
            of_kind += try_value(&batch, buf_text(&value), value.n);
            if (batch.tried % BATCH == 0)
                compare(&batch);
        }
        compare(&batch);
        assert_true(of_kind > 0);
        tried += batch.tried;
        turned += of_kind;
    }
    print_message("seed %" PRIu64 ": %zu values of %zu types, %zu turned\n", w->seed, tried, kind_count, turned);
}

/* What a session may have set changes nothing that is turned. */
static void settings_of_the_session_do_not_matter(void **state)
{
    (void)state;
    static const char *const settings[] = {"SET DateStyle = 'SQL, DMY'", "SET DateStyle = 'German'", "SET DateStyle = 'Postgres, MDY'",
                                           "SET TimeZone = 'Pacific/Apia'", "SET extra_float_digits = 0", "SET array_nulls = off",
                                           "SET standard_conforming_strings = off", "SET bytea_output = escape"};
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        run(settings[i]);
        every_sample_gives_the_row_that_its_text_gives(state);
        run("RESET ALL; SET client_min_messages = error; SET client_encoding = 'UTF8'");
    }
}

/* ---- plans ---- */

static void what_has_no_encoder_gives_no_plan(void **state)
{
    (void)state;
    run("CREATE TYPE s.citext; CREATE FUNCTION s.citext_in(cstring) RETURNS s.citext LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
        "CREATE FUNCTION s.citext_out(s.citext) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
        "CREATE TYPE s.citext (INPUT = s.citext_in, OUTPUT = s.citext_out, LIKE = text);"
        "CREATE TYPE pair AS (a int, b int); CREATE TABLE odd (id int4, p point, x xml, c pair, r int4range, m money, n numeric(5,-2), i interval minute to second,"
        " g int GENERATED ALWAYS AS (id + 1) STORED, ok text, like_it s.citext, \"A, b\"\"(\" int8, pp pair[], b box[], d public.positive[])");
    static const char *const bad[] = {"p", "x", "c", "r", "m", "n", "i", "missing", "pp", "b", "d", "like_it", "ctid", ""};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(plan_in(w->pg, "public.odd", arena_printf(w->arena, "COPY public.odd (%s) FROM stdin;", bad[i])));
    assert_non_null(plan_in(w->pg, "public.odd", "COPY public.odd (ok, id, \"A, b\"\"(\") FROM stdin;"));
    assert_null(plan_in(w->pg, "public.nosuch", "COPY public.nosuch (ok) FROM stdin;"));
    static const char *const other[] = {"COPY public.odd FROM stdin;", "COPY public.odd (ok) FROM stdin WITH (FORMAT csv);", "COPY public.odd (ok) TO stdout;",
                                        "COPY public.odd (ok) FROM 'stdin';", "COPY public.odd (ok) FROM stdin NULL 'x';", "COPY public.odd (ok) FROM PROGRAM 'stdin';",
                                        "COPY public.odd (ok) FROM stdin WHERE id > 1;", "COPY public.odd (ok)) FROM stdin;"};
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        assert_null(plan_in(w->pg, "public.odd", other[i]));
        assert_null(binary_statement(w->arena, str_of(other[i]), "FORMAT binary"));
    }
    assert_string_equal(binary_statement(w->arena, STR("COPY a.b (c, \"D\") FROM stdin;\n"), "FORMAT binary, FREEZE"),
                        "COPY a.b (c, \"D\") FROM stdin WITH (FORMAT binary, FREEZE);");
}

static void intervals_are_read_only_in_the_style_they_have(void **state)
{
    (void)state;
    run("DROP TABLE IF EXISTS spans; CREATE TABLE spans (i interval); SET IntervalStyle = 'sql_standard'");
    assert_null(plan_in(w->pg, "public.spans", "COPY public.spans (i) FROM stdin;"));
    run("RESET IntervalStyle");
    assert_non_null(plan_in(w->pg, "public.spans", "COPY public.spans (i) FROM stdin;"));
}

static enum binary_result turn(const struct binary *b, const char *rows, struct buf *out)
{
    int64_t count;
    return binary_rows(b, str_of(rows), out, &count);
}

static void other_encodings_take_only_ascii(void **state)
{
    (void)state;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = 1 << 16};
    struct pg *latin SCOPED(pg_close) = connect_to("l");
    assert_true(pg_script(latin, "SET client_encoding = 'UTF8'; CREATE TABLE t (v text)", MS, &err));
    struct binary *b = plan_in(latin, "public.t", "COPY public.t (v) FROM stdin;");
    assert_non_null(b);
    assert_int_equal(turn(b, "plain\n", &out), BINARY_OK);
    assert_int_equal(turn(b, "\xc3\xa9\n", &out), BINARY_UNSURE);
    run("CREATE TABLE t (v text); SET client_encoding = 'SJIS'");
    assert_null(plan_in(w->pg, "public.t", "COPY public.t (v) FROM stdin;"));
    run("SET client_encoding = 'LATIN1'");
    b = plan_in(w->pg, "public.t", "COPY public.t (v) FROM stdin;");
    assert_int_equal(turn(b, "\xc3\xa9\n", &out), BINARY_UNSURE);
    run("SET client_encoding = 'UTF8'");
    b = plan_in(w->pg, "public.t", "COPY public.t (v) FROM stdin;");
    assert_int_equal(turn(b, "\xc3\xa9\n", &out), BINARY_OK);
}

/* ---- rows ---- */

static void rows_that_are_not_whole_are_unsure(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = {.max = 1 << 16};
    const struct binary *b = tables_of("text");
    static const char *const bad[] = {"1", "1\n", "1\ta", "1\ta\tb\n", "1\ta\n2\n", "\n", "1\ta\n\\.\n", "1\ta\r\n", "1\ta\\", "1\ta\\\n", "1\\\ta\n"};
    buf_puts(&out, "before");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (turn(b, bad[i], &out) != BINARY_UNSURE)
            fail_msg("turned: %s", bad[i]);
        assert_string_equal(out.p, "before");
        assert_false(out.over);
    }
    int64_t rows = 0;
    assert_int_equal(binary_rows(b, (struct str){"1\ta\0b\n", 6}, &out, &rows), BINARY_UNSURE);
    assert_int_equal(binary_rows(b, STR(""), &out, &rows), BINARY_OK);
    assert_int_equal(rows, 0);
    assert_int_equal(out.n, 6);
    assert_int_equal(binary_rows(b, STR("1\t\n2\t\\N\n"), &out, &rows), BINARY_OK);
    assert_int_equal(rows, 2);
    static const char two[] = "before\0\2\0\0\0\4\0\0\0\1\0\0\0\0\0\2\0\0\0\4\0\0\0\2\377\377\377\377";
    assert_int_equal(out.n, sizeof(two) - 1);
    assert_memory_equal(out.p, two, out.n);
}

static void a_full_buffer_is_unsure_and_unchanged(void **state)
{
    (void)state;
    const struct binary *b = tables_of("text");
    static const char rows[] = "1\tabcdefghijklmnopqrstuvwxyz\n2\tabcdefghijklmnopqrstuvwxyz\n";
    SCOPED(buf_done) struct buf all = {.max = 1 << 16};
    assert_int_equal(turn(b, rows, &all), BINARY_OK);
    bool fitted = false;
    for (size_t max = 0; max < all.n + 200; max++) {
        SCOPED(buf_done) struct buf out = {.max = max};
        bool has = buf_putc(&out, 'x');
        bool fits = turn(b, rows, &out) == BINARY_OK;
        assert_true(fits || !fitted); /* once it fits, it fits with more */
        fitted = fits;
        assert_int_equal(out.n, fits ? all.n + 1 : has);
        assert_int_equal(out.over, !has);
        if (fits)
            assert_memory_equal(out.p + 1, all.p, all.n);
    }
    assert_true(fitted);
}

int main(int argc, char **argv)
{
    struct world world = {.seed = argc > 2 ? strtoull(argv[1], NULL, 10) : 1, .values = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000};
    w = &world;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_values_are_never_turned_wrongly),
        cmocka_unit_test(every_sample_gives_the_row_that_its_text_gives),
        cmocka_unit_test(all_that_the_server_writes_is_turned),
        cmocka_unit_test(settings_of_the_session_do_not_matter),
        cmocka_unit_test(what_has_no_encoder_gives_no_plan),
        cmocka_unit_test(intervals_are_read_only_in_the_style_they_have),
        cmocka_unit_test(other_encodings_take_only_ascii),
        cmocka_unit_test(rows_that_are_not_whole_are_unsure),
        cmocka_unit_test(a_full_buffer_is_unsure_and_unchanged),
    };
    const struct CMUnitTest random[] = {cmocka_unit_test(random_values_are_never_turned_wrongly)};
    return argc > 2 ? cmocka_run_group_tests(random, open_server, close_server) : cmocka_run_group_tests(tests, open_server, close_server);
}
