/* A restore that is killed, or whose server is, wherever it happens to be; and one that goes on with what it had loaded. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/gzip.h"
#include "io/hash.h"
#include "io/pg.h"
#include "restore/restore.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "world.h"

enum { KILL_TIMEOUT_MS = 120 * 1000, POINTS = 5, ROWS = 52002 };

static const char *ours;  /* of ours, with an index */
static const char *plain; /* the same without: as pg_dump writes it */
static const char *truth; /* fingerprint of the source */
static int runs;

/* Every way to be a unit of work: large tables, small ones, large objects (a transaction of the dump), a sequence, keys, an index that
   fails until a later one of its statements has run, a trigger, a view with rows, a partitioned table, a role that is missing. */
static const char source[] =
    "CREATE TABLE parents (id int PRIMARY KEY, name text NOT NULL UNIQUE, at timestamptz, amount numeric(12,2));"
    "INSERT INTO parents SELECT i, md5(i::text), timestamptz '2025-01-01 00:00Z' + i * interval '1 min', i / 7.0 FROM generate_series(1, 30000) i;"
    "CREATE TABLE children (id bigserial PRIMARY KEY, parent int REFERENCES parents, note text);"
    "INSERT INTO children (parent, note) SELECT 1 + i * 7919 % 24000, repeat(md5(i::text), 2) FROM generate_series(1, 12000) i;"
    "CREATE INDEX children_parent ON children (parent); CREATE INDEX children_note ON children (note);"
    "CREATE TABLE third (a int PRIMARY KEY, b text); INSERT INTO third SELECT i, md5(i::text) FROM generate_series(1, 6000) i;"
    "CREATE TABLE empty (a int); CREATE TABLE small (a int, b text); INSERT INTO small VALUES (1, 'x'), (2, NULL);"
    "CREATE TABLE parted (a int, b text) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (2000);"
    "CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (2000) TO (6000);"
    "INSERT INTO parted SELECT i, md5(i::text) FROM generate_series(1, 4000) i; CREATE INDEX parted_a ON parted (a);"
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER small_touch BEFORE INSERT ON small FOR EACH ROW EXECUTE FUNCTION touch();"
    "CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM children; CREATE INDEX mvi ON mv (n);"
    "SELECT lo_from_bytea(4711, 'large'); CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no drops'; END$$;"
    "CREATE EVENT TRIGGER never ON sql_drop EXECUTE FUNCTION refuse()";

static const char fingerprint[] =
    "SELECT (SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM parents p) || (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM children c)"
    " || (SELECT md5(string_agg(t::text, '' ORDER BY a)) FROM third t) || (SELECT md5(string_agg(t::text, '' ORDER BY a)) FROM parted t)"
    " || (SELECT count(*) FROM small) || (SELECT count(*) FROM empty) || (SELECT n FROM mv) || encode(lo_get(4711), 'escape')"
    " || (SELECT last_value FROM children_id_seq)"
    " || (SELECT string_agg(conname || convalidated, ',' ORDER BY conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace)"
    " || (SELECT string_agg(indexdef, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public')"
    " || (SELECT count(*) FROM pg_index WHERE NOT indisvalid) || (SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal)"
    " || (SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%')";

static const char *put_plain(void)
{
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    SCOPED(buf_done) struct buf text = {.max = 1 << 28};
    struct err err = {0};
    static char piece[1 << 16];
    if (!gzip_reader_open(ours, &reader, &err))
        fail_msg("%s", err.message);
    buf_puts(&text, "ALTER SCHEMA public OWNER TO nobody_here;\n");
    for (size_t n = 1; n;) {
        assert_true(gzip_reader_read(reader, piece, sizeof(piece), &n, &err));
        assert_true(buf_add(&text, piece, n));
    }
    char *end = strstr(buf_text(&text), "--\n-- PostgreSQL database dump complete");
    assert_non_null(end);
    const char *trailer = arena_strdup(w->arena, end);
    text.n = (size_t)(end - text.p);
    buf_printf(&text, "GRANT SELECT ON TABLE public.small TO nobody_here;\n\n%s", trailer);
    return put("plain.sql", text.p, text.n);
}

static int open_world(void **state)
{
    world_open(state);
    w->target.dbname = "copy";
    ours = world_backup(source);
    plain = put_plain();
    truth = sql("source", fingerprint);
    return 0;
}

/* Each run has a tag of its own, as the tool gives them. */
static struct restore_spec spec_of(const char *file)
{
    return (struct restore_spec){.target = &w->target, .admin_dbname = "postgres", .file = file, .keep_old = true, .jobs = 2,
                                 .tag = arena_printf(w->arena, "run%d", ++runs)};
}

static const char *databases(void)
{
    return sql(NULL, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'copy%'");
}

static int fresh(void **state)
{
    *state = w;
    struct str rest = str_of(databases()), name;
    while (rest.n && str_next(&rest, ' ', &name))
        sql(NULL, arena_printf(w->arena, "DROP DATABASE \"" STR_FMT "\" WITH (FORCE)", STR_ARG(name)));
    return 0;
}

static bool has_note(const struct restore_result *result, const char *says)
{
    for (size_t i = 0; i < result->note_count; i++)
        if (strstr(result->notes[i], says))
            return true;
    return false;
}

static const char *notes_of(const struct restore_result *result)
{
    const char *all = "";
    for (size_t i = 0; i < result->note_count; i++)
        all = arena_printf(w->arena, "%s%s\n", all, result->notes[i]);
    return all;
}

/* ---- a run that is killed ---- */

struct left {
    int64_t marks, rows; /* committed when it was killed */
    bool killed;
};

/* Restores in a child; *ret what was committed when it had set `marks` marks, or when it ended before. */
static void run_until(const struct restore_spec *spec, int64_t marks, bool server, struct left *ret)
{
    static const char ask[] = "SELECT count(*), coalesce(sum(rows) FILTER (WHERE kind = 5), 0) FROM bascule_restoring.done";
    const char *temp = arena_printf(w->arena, "copy_restoring_%s", spec->tag);
    struct pg *pg = NULL;
    struct err err = {0};
    struct pg_rows *rows;
    int status;
    int64_t deadline = clock_boot_ms() + KILL_TIMEOUT_MS;
    *ret = (struct left){0};
    pid_t pid = fork();
    if (pid == 0) {
        struct restore_result result;
        _exit(restore_run(w->arena, spec, &result, &err) ? 0 : 1);
    }
    while (ret->marks < marks && waitpid(pid, &status, WNOHANG) == 0) {
        SCOPED(arena_close) struct arena *own = arena_open();
        assert_true(clock_boot_ms() < deadline);
        if (!pg && !pg_open(&w->target, temp, 5000, &pg, &err))
            continue;
        if (pg_exec(pg, own, ask, NULL, 0, 5000, &rows, &err)) {
            ret->marks = pg_int(rows, 0, 0);
            ret->rows = pg_int(rows, 0, 1);
        } else if (ret->marks) {
            break; /* the table is gone: what follows must not find us in the database */
        }
    }
    pg_close(&pg);
    ret->killed = ret->marks >= marks;
    if (!ret->killed) {
        waitpid(pid, &status, 0);
        return;
    }
    if (server)
        pg_fixture_kill(w->pg);
    else
        kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (server)
        pg_fixture_start(w->pg);
    else
        assert_true(WIFSIGNALED(status));
}

static void must_be_whole(const struct restore_result *result)
{
    assert_int_equal(result->rows, ROWS);
    assert_int_equal(result->foreign_keys, 1);
    assert_string_equal(sql("copy", fingerprint), truth);
    assert_string_equal(databases(), "copy");
    assert_string_equal(sql("copy", "SELECT to_regnamespace('bascule_restoring') IS NULL"), "t");
}

static void must_resume(const char *file, struct restore_result *ret)
{
    struct err err = {0};
    struct restore_spec spec = spec_of(file);
    spec.resume = true;
    spec.assertions = (const char *const[]){"SELECT count(*) = 12000 FROM children"};
    spec.assertion_count = 1;
    if (!restore_run(w->arena, &spec, ret, &err))
        fail_msg("%s (%s)", err.message, err.hint);
    must_be_whole(ret);
}

/* How many marks a whole run sets, nearly: the poll may miss the last ones. */
static int64_t marks_of_a_run(const char *file, bool resume)
{
    struct left left;
    struct restore_spec spec = spec_of(file);
    spec.resume = resume;
    run_until(&spec, INT64_MAX, false, &left);
    assert_string_equal(databases(), "copy");
    assert_string_equal(sql("copy", fingerprint), truth);
    fresh((void **)&w);
    return left.marks;
}

static void kill_and_resume(const char *file, bool pieces, bool server)
{
    int64_t all = marks_of_a_run(file, pieces);
    int resumed = 0, late = 0;
    assert_true(all > 8);
    for (int i = 0; i < POINTS; i++) {
        struct left left;
        struct restore_result result;
        struct restore_spec spec = spec_of(file);
        spec.resume = pieces;
        fresh((void **)&w);
        run_until(&spec, 1 + (all - 1) * i / (POINTS - 1), server, &left);
        if (!left.killed)
            continue; /* it was faster than we looked */
        must_resume(file, &result);
        print_message("    killed at mark %lld of %lld, %lld rows in: %s%lld rows taken over, %lld of %lld blocks, %lld statements\n",
                      (long long)left.marks, (long long)all, (long long)left.rows, result.resumed ? "" : "began anew, ",
                      (long long)result.resumed_rows, (long long)result.resumed_blocks, (long long)result.blocks,
                      (long long)result.resumed_statements);
        assert_int_equal(result.skipped, same(file, plain) ? 2 : 0);
        if (result.resumed) {
            assert_true(server || result.resumed_rows >= left.rows); /* with a server's crash the last ones may be lost */
            assert_true(has_note(&result, "these were taken over"));
            resumed++;
            late += result.resumed_statements > 0;
        } else {
            assert_true(left.marks <= 3);
            assert_true(has_note(&result, "began anew"));
        }
    }
    assert_true(resumed >= POINTS / 2);
    assert_true(late > 0 || server);
}

static void a_killed_run_is_gone_on_with(void **state)
{
    (void)state;
    kill_and_resume(ours, false, false);
}

static void in_pieces_less_is_lost(void **state)
{
    (void)state;
    kill_and_resume(ours, true, false);
}

static void a_plain_file_is_gone_on_with(void **state)
{
    (void)state;
    kill_and_resume(plain, false, false);
}

static void a_killed_server_is_gone_on_with(void **state)
{
    (void)state;
    kill_and_resume(ours, true, true);
}

/* Twice killed, and with other numbers of sessions. */
static void a_run_that_goes_on_may_be_killed_too(void **state)
{
    (void)state;
    struct left left;
    struct restore_result result;
    int64_t all = marks_of_a_run(ours, true), before = 0;
    for (int i = 1; i <= 3; i++) {
        struct restore_spec spec = spec_of(ours);
        spec.resume = true;
        spec.jobs = i;
        run_until(&spec, all * i / 4, false, &left);
        assert_true(left.killed);
        assert_true(left.rows >= before);
        before = left.rows;
    }
    must_resume(ours, &result);
    assert_true(result.resumed);
    assert_true(result.resumed_rows >= before);
}

/* ---- what is not gone on with ---- */

static void half_a_run(const char *file)
{
    struct left left;
    struct restore_spec spec = spec_of(file);
    run_until(&spec, 6, false, &left);
    assert_true(left.killed);
}

static void another_file_begins_anew(void **state)
{
    (void)state;
    struct restore_result result;
    SCOPED(buf_done) struct buf text = {.max = 1 << 28};
    struct str bytes;
    struct err err = {0};
    assert_true(file_read(w->arena, plain, 1 << 28, &bytes, &err));
    buf_puts(&text, "--\n-- altered\n--\n");
    buf_add(&text, bytes.p, bytes.n);
    half_a_run(plain);
    must_resume(put("altered.sql", text.p, text.n), &result);
    assert_false(result.resumed);
    assert_true(has_note(&result, "was being loaded from another file: the restore began anew"));
}

static void a_damaged_file_is_refused_and_nothing_is_left(void **state)
{
    (void)state;
    struct restore_result result;
    struct str bytes;
    struct err err = {0};
    assert_true(file_read(w->arena, ours, 1 << 28, &bytes, &err));
    char *copy = arena_dup(w->arena, bytes.p, bytes.n);
    copy[bytes.n / 2] ^= 0x10;
    half_a_run(ours);
    struct restore_spec spec = spec_of(put("flip.sql.gz", copy, bytes.n));
    spec.resume = true;
    assert_false(restore_run(w->arena, &spec, &result, &err));
    assert_non_null(strstr(err.message, "flip.sql.gz"));
    assert_string_equal(databases(), "");
}

static void without_the_wish_it_begins_anew(void **state)
{
    (void)state;
    struct restore_result result;
    struct err err = {0};
    half_a_run(ours);
    struct restore_spec spec = spec_of(ours);
    if (!restore_run(w->arena, &spec, &result, &err))
        fail_msg("%s", err.message);
    must_be_whole(&result);
    assert_false(result.resumed);
    assert_true(has_note(&result, "left by a run that did not end, was dropped"));
}

static void with_nothing_to_go_on_with_it_says_so(void **state)
{
    (void)state;
    struct restore_result result;
    must_resume(ours, &result);
    assert_false(result.resumed);
    assert_true(has_note(&result, "no interrupted restore of this file was found"));
}

static void begins_anew_because(const char *altered, const char *says)
{
    struct restore_result result;
    fresh((void **)&w);
    half_a_run(ours);
    sql(databases(), altered);
    must_resume(ours, &result);
    assert_false(result.resumed);
    if (!has_note(&result, says))
        fail_msg("no note says \"%s\":\n%s", says, notes_of(&result));
}

static void any_doubt_begins_anew(void **state)
{
    (void)state;
    begins_anew_because("DROP SCHEMA bascule_restoring CASCADE", "nothing in it says how far it came");
    begins_anew_because("UPDATE bascule_restoring.done SET note = '0' || note WHERE kind = 0", "another version");
    begins_anew_because("DELETE FROM bascule_restoring.done WHERE kind = 1", "had not come to the data");
    begins_anew_because("INSERT INTO bascule_restoring.done VALUES (11, 99999, 0, 0, 0, NULL)", "cannot be undone");
    begins_anew_because("CREATE UNLOGGED TABLE u (a int)", "UNLOGGED");
}

/* Of a table of which rows are missing, or are there twice, nothing gets the name. */
static void what_is_taken_over_is_counted(void **state)
{
    (void)state;
    struct restore_result result;
    struct left left;
    struct err err = {0};
    struct restore_spec spec = spec_of(ours);
    int64_t all = marks_of_a_run(ours, false);
    run_until(&spec, all - 2, false, &left);
    assert_true(left.killed);
    sql(databases(), "DELETE FROM third WHERE a = (SELECT min(a) FROM third)");
    spec = spec_of(ours);
    spec.resume = true;
    assert_false(restore_run(w->arena, &spec, &result, &err));
    assert_non_null(strstr(err.message, "table public.third holds 5999 rows after the restore, the file holds 6000"));
    assert_string_equal(databases(), "");
}

static const char inserts[] = "CREATE TABLE public.t (a int);\nCREATE TABLE public.u (a int);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n"
                              "INSERT INTO public.u SELECT g FROM generate_series(1, 9) g;\n"
                              "SELECT pg_catalog.pg_sleep(5);\n--\n-- PostgreSQL database dump complete\n--\n\n";

static void a_dump_that_changes_rows_by_itself_begins_anew(void **state)
{
    (void)state;
    struct left left;
    struct restore_result result;
    struct err err = {0};
    struct str text = str_of(inserts);
    struct restore_spec spec = spec_of(put("inserts.sql", text.p, text.n));
    run_until(&spec, 5, false, &left); /* head, schema, order, rows, never */
    assert_true(left.killed);
    spec = spec_of(spec.file);
    spec.resume = true;
    spec.assertions = (const char *const[]){"SELECT count(*) = 9 FROM u"};
    spec.assertion_count = 1;
    if (!restore_run(w->arena, &spec, &result, &err))
        fail_msg("%s", err.message);
    assert_false(result.resumed);
    assert_true(has_note(&result, "may change rows by itself"));
    assert_string_equal(databases(), "copy");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(a_killed_run_is_gone_on_with),
        TEST(in_pieces_less_is_lost),
        TEST(a_plain_file_is_gone_on_with),
        TEST(a_killed_server_is_gone_on_with),
        TEST(a_run_that_goes_on_may_be_killed_too),
        TEST(another_file_begins_anew),
        TEST(a_damaged_file_is_refused_and_nothing_is_left),
        TEST(without_the_wish_it_begins_anew),
        TEST(with_nothing_to_go_on_with_it_says_so),
        TEST(any_doubt_begins_anew),
        TEST(what_is_taken_over_is_counted),
        TEST(a_dump_that_changes_rows_by_itself_begins_anew),
    };
    return cmocka_run_group_tests(tests, open_world, world_close);
}
