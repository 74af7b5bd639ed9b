/* Restores into a real PostgreSQL: what must come back, what must be refused, and every place at which a run can be killed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/backup.h"
#include "io/gzip.h"
#include "io/hash.h"
#include "io/pg.h"
#include "restore/restore.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "world.h"

#define END "--\n-- PostgreSQL database dump complete\n--\n\n"

static int open_cluster(void **state)
{
    world_open(state);
    pg_fixture_stop(w->pg);
    pg_fixture_configure(w->pg, "max_prepared_transactions = 2");
    pg_fixture_start(w->pg);
    w->target.dbname = "akig";
    return 0;
}

/* Every test begins with an "akig" that holds the one row 'old', and nothing else beside it. */
static int fresh(void **state)
{
    *state = w;
    struct str rest = str_of(sql(NULL, "SELECT datname FROM pg_database WHERE datname LIKE 'akig%'")), name;
    while (rest.n && str_next(&rest, '\n', &name)) {
        sql(NULL, arena_printf(w->arena, "ALTER DATABASE \"" STR_FMT "\" ALLOW_CONNECTIONS true", STR_ARG(name)));
        sql(NULL, arena_printf(w->arena, "DROP DATABASE \"" STR_FMT "\" WITH (FORCE)", STR_ARG(name)));
    }
    sql(NULL, "CREATE DATABASE akig");
    sql("akig", "CREATE TABLE which(v text); INSERT INTO which VALUES ('old')");
    return 0;
}

static const char *put_text(const char *name, const char *text)
{
    return put(name, text, strlen(text));
}

/* A plain dump with a table "which" that says 'new', and more. */
static const char *dump_with(const char *more)
{
    return put_text("more.sql", arena_printf(w->arena, "SET client_encoding = 'UTF8';\nCREATE TABLE public.which (v text);\n"
                                                  "COPY public.which (v) FROM stdin;\nnew\n\\.\n%s\n%s", more, END));
}

static struct restore_spec spec_of(const char *file)
{
    return (struct restore_spec){.target = &w->target, .admin_dbname = "postgres", .file = file, .tag = "7.restore.1", .keep_old = true};
}

static void must_restore(const struct restore_spec *spec, struct restore_result *ret)
{
    struct err err = {0};
    if (!restore_run(w->arena, spec, ret, &err))
        fail_msg("%s (%s)", err.message, err.hint);
}

static const char *databases(void)
{
    return sql(NULL, "SELECT string_agg(regexp_replace(datname, '[0-9]{8}_[0-9]{6}$', 'T') || CASE WHEN datallowconn THEN '' ELSE '!' END, ' '"
                     " ORDER BY datname) FROM pg_database WHERE datname LIKE 'akig%'");
}

/* The final name holds what it held, takes connections, and nothing stands beside it. */
static void assert_untouched(void)
{
    assert_string_equal(databases(), "akig");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "old");
}

static void refuses(const struct restore_spec *spec, const char *says)
{
    struct restore_result result;
    struct err err = {0};
    if (restore_run(w->arena, spec, &result, &err))
        fail_msg("it was restored, though: %s", says);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    assert_untouched();
}

static void refuses_dump(const char *more, const char *says)
{
    struct restore_spec spec = spec_of(dump_with(more));
    refuses(&spec, says);
}

static bool has_note(const struct restore_result *result, const char *words)
{
    for (size_t i = 0; i < result->note_count; i++)
        if (strstr(result->notes[i], words))
            return true;
    return false;
}

/* ---- what comes back ---- */

static void unpack(const char *path, struct buf *to)
{
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    struct err err = {0};
    char piece[4096];
    assert_true(gzip_reader_open(path, &reader, &err));
    for (size_t n = 1; n;) {
        assert_true(gzip_reader_read(reader, piece, sizeof(piece), &n, &err));
        assert_true(buf_add(to, piece, n));
    }
}

/* Keys of \restrict differ from dump to dump. */
static void drop_keys(struct buf *text)
{
    SCOPED(buf_done) struct buf kept = {.max = 1 << 24};
    struct str rest = buf_str(text), line;
    while (str_next(&rest, '\n', &line))
        if (!str_starts(line, "\\restrict ") && !str_starts(line, "\\unrestrict "))
            buf_printf(&kept, STR_FMT "\n", STR_ARG(line));
    buf_clear(text);
    assert_true(buf_add(text, kept.p, kept.n));
}

static void dump(const char *dbname, struct backup *ret)
{
    struct err err = {0};
    struct pgtarget target = w->target;
    target.dbname = dbname;
    struct backup_spec spec = {.target = &target, .service = "akig", .folder = w->folder, .scratch_dir = w->folder};
    if (!backup_make(w->arena, &spec, ret, &err))
        fail_msg("%s", err.message);
}

static void the_hostile_schema_comes_back_as_it_was(void **state)
{
    (void)state;
    sql(NULL, "CREATE DATABASE hostile TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
    struct str schema;
    struct err err = {0};
    if (!file_read(w->arena, SOURCE_DIR "/hostile.sql", 1 << 20, &schema, &err))
        fail_msg("%s", err.message);
    sql("hostile", schema.p);
    struct backup before, after;
    dump("hostile", &before);
    struct restore_count *counts = arena_array(w->arena, struct restore_count, before.table_count);
    for (size_t i = 0; i < before.table_count; i++)
        counts[i] = (struct restore_count){before.tables[i].name, before.tables[i].rows};
    struct restore_spec spec = spec_of(before.path);
    spec.counts = counts;
    spec.count_count = before.table_count;
    spec.critical_tables = (const char *const[]){"app.users", "\"Odd;Schema -- Name: x\".\"Ta;ble -- Type: TABLE; Schema: -\""};
    spec.critical_count = 2;
    struct restore_result result;
    must_restore(&spec, &result);
    assert_int_equal(result.rows, before.rows);
    assert_int_equal(result.skipped, 0);
    assert_int_equal(result.foreign_keys, 5); /* mails, a, b, tree, ev_note; fk_nv is not valid */
    assert_true(has_note(&result, "fk_nv"));
    assert_string_equal(result.sha256, before.sha256);
    dump("akig", &after);
    SCOPED(buf_done) struct buf one = {.max = 1 << 24}, two = {.max = 1 << 24};
    unpack(before.path, &one);
    unpack(after.path, &two);
    drop_keys(&one);
    drop_keys(&two);
    assert_string_equal(buf_text(&one), buf_text(&two));
    assert_string_equal(sql("akig", "SELECT encode(lo_get(424242), 'hex')"), "deadbeef");
}

static void an_encrypted_dump_comes_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct backup b;
    struct keyring keys = {.n = 1};
    struct pgtarget source = w->target;
    assert_true(seal_key_parse(STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &keys.keys[0]));
    source.dbname = "secret";
    sql(NULL, "CREATE DATABASE secret");
    sql("secret", "CREATE TABLE t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 50000) i; ALTER TABLE t ADD PRIMARY KEY (i)");
    struct backup_spec make = {.target = &source, .service = "akig", .folder = w->folder, .scratch_dir = w->folder, .keys = &keys, .encrypt = true};
    if (!backup_make(w->arena, &make, &b, &err))
        fail_msg("%s", err.message);
    struct restore_spec spec = spec_of(b.path);
    struct restore_result result;
    assert_false(restore_run(w->arena, &spec, &result, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    spec.keys = keys.keys;
    spec.key_count = keys.n;
    must_restore(&spec, &result);
    assert_int_equal(result.rows, 50000);
    assert_string_equal(sql("akig", "SELECT md5(string_agg(t::text, ',' ORDER BY i)) FROM t"),
                        sql("secret", "SELECT md5(string_agg(t::text, ',' ORDER BY i)) FROM t"));
    sql(NULL, "DROP DATABASE secret");
}

static void a_dump_of_inserts_comes_back(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(put_text("inserts.sql", "CREATE TABLE public.which (v text);\nINSERT INTO public.which VALUES ('new\n;--');\n"
                                                          "INSERT INTO public.which VALUES ('two');\n" END));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_int_equal(result.rows, 2);
    assert_string_equal(sql("akig", "SELECT count(*) FROM which WHERE v = E'new\\n;--'"), "1");
}

static void the_old_one_is_kept_and_its_sessions_end(void **state)
{
    (void)state;
    struct pg *session SCOPED(pg_close) = NULL;
    struct err err = {0};
    assert_true(pg_open(&w->target, NULL, 5000, &session, &err));
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_string_equal(databases(), "akig akig_before_T");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "new");
    assert_string_equal(sql(result.old_name, "SELECT v FROM which"), "old");
    assert_false(pg_script(session, "INSERT INTO which VALUES ('lost')", 5000, &err));
    assert_true(result.took_ms >= result.load_ms);
    assert_string_equal(sql("akig", "SELECT count(*) FROM pg_stats WHERE tablename = 'which'"), "1"); /* ANALYZE ran */
    spec.tag = "8.restore.1"; /* and once more within the same second */
    must_restore(&spec, &result);
    assert_string_equal(databases(), "akig akig_before_T akig_before_T");
}

static void a_first_restore_needs_no_old_one(void **state)
{
    (void)state;
    sql(NULL, "DROP DATABASE akig");
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_null(result.old_name);
    assert_string_equal(databases(), "akig");
}

static void what_belongs_to_the_old_one_goes_over(void **state)
{
    (void)state;
    sql(NULL, "CREATE ROLE app_owner");
    sql(NULL, "CREATE ROLE \"App User\"");
    sql(NULL, "ALTER DATABASE akig OWNER TO app_owner; REVOKE ALL ON DATABASE akig FROM PUBLIC;"
              "GRANT CONNECT, TEMPORARY ON DATABASE akig TO \"App User\" WITH GRANT OPTION; ALTER DATABASE akig CONNECTION LIMIT 77;"
              "ALTER DATABASE akig SET search_path TO \"$user\", public, \"Od d\"; ALTER DATABASE akig SET work_mem TO '8MB';"
              "ALTER ROLE \"App User\" IN DATABASE akig SET app.name TO 'it''s, so'; COMMENT ON DATABASE akig IS 'ours since 2019'");
    static const char ask[] = "SELECT pg_get_userbyid(datdba), datconnlimit, datacl::text, (SELECT string_agg(setrole::regrole || setconfig::text, ' '"
                              " ORDER BY setrole::regrole::text) FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = 'akig'";
    const char *before = sql(NULL, ask);
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_int_equal(result.note_count, 0);
    assert_string_equal(sql(NULL, ask), before);
    assert_int_equal(strncmp(sql(NULL, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'akig'"),
                             "ours since 2019\nbascule-restore {", 33), 0);
}

static void the_heartbeat_is_the_recovery_point(void **state)
{
    (void)state;
    struct restore_result result;
    struct restore_spec spec = spec_of(dump_with("CREATE TABLE public.bascule_heartbeat (id smallint, beat_ms bigint);\n"
                                                 "COPY public.bascule_heartbeat (id, beat_ms) FROM stdin;\n1\t1761400000123\n\\.\n"));
    must_restore(&spec, &result);
    assert_int_equal(result.heartbeat_wall_ms, INT64_C(1761400000123));
}

static void roles_that_are_missing_are_left_out_and_said(void **state)
{
    (void)state;
    struct restore_result result;
    struct restore_spec spec = spec_of(dump_with(
        "ALTER TABLE public.which OWNER TO nobody_here;\nGRANT SELECT ON TABLE public.which TO \"No Body\" WITH GRANT OPTION;\n"
        "REVOKE ALL ON TABLE public.which FROM nobody_here;\nGRANT SELECT ON TABLE public.which TO PUBLIC;\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE nobody_here IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;\n"
        "SET SESSION AUTHORIZATION 'nobody_here';\nRESET SESSION AUTHORIZATION;\n"));
    must_restore(&spec, &result);
    assert_int_equal(result.skipped, 5);
    assert_true(has_note(&result, "\"nobody_here\", \"No Body\""));
    assert_string_equal(sql("akig", "SELECT has_table_privilege('public', 'which', 'SELECT')"), "t");
    fresh(state);
    refuses_dump("GRANT SELECT ON TABLE public.nothing TO PUBLIC;", "line 6");
    refuses_dump("GRANT USAGE ON TYPE public.nothing TO PUBLIC;", "nothing"); /* the same SQLSTATE, but no role is missing */
}

/* ---- what is refused ---- */

static void extensions_that_are_missing_are_all_named(void **state)
{
    (void)state;
    static const char two[] = "CREATE SCHEMA x;\nCREATE EXTENSION IF NOT EXISTS nosuch_a WITH SCHEMA x;\nCOMMENT ON EXTENSION nosuch_a IS 'a';\n"
                              "CREATE EXTENSION IF NOT EXISTS plpgsql;\nCREATE EXTENSION \"No;such b\";\n";
    struct restore_spec spec = spec_of(put_text("two.sql", arena_printf(w->arena, "%sCREATE TABLE t (a x.nosuch);\n%s", two, END)));
    refuses(&spec, "lacks the extensions \"nosuch_a\", \"No;such b\"");
    spec.file = put_text("two.sql", arena_printf(w->arena, "%s%s", two, END)); /* nothing behind them */
    refuses(&spec, "lacks the extensions \"nosuch_a\", \"No;such b\"");
    spec.file = put_text("one.sql", "CREATE EXTENSION nosuch;\nCOPY public.which (v) FROM stdin;\nnew\n\\.\n" END);
    refuses(&spec, "lacks the extension \"nosuch\"");
    refuses_dump("CREATE EXTENSION plpgsql;", "line 6: extension \"plpgsql\" already exists");
}

static void errors_name_the_line_and_leave_nothing(void **state)
{
    (void)state;
    refuses_dump("\n\nSELECT nosuch();", "line 8");
    refuses_dump("CREATE TABLE public.n (a int);\nCOPY public.n (a) FROM stdin;\n1\nx\n\\.\n", "table public.n");
    refuses_dump("\\connect other\n", "\\connect");
    refuses_dump("\\! touch /tmp/bascule-restore-was-here\n", "psql command");
    refuses_dump("COPY public.t FROM PROGRAM 'touch /tmp/x';", "FROM stdin");
    refuses_dump("/* x */ copy (SELECT 1) TO '/tmp/x';", "FROM stdin");
    refuses_dump("CREATE DATABASE other;", "changes the whole server");
    refuses_dump("drop /* x */ database akig;", "changes the whole server");
    refuses_dump("ALTER SYSTEM SET work_mem = '1GB';", "changes the whole server");
    refuses_dump("ALTER USER postgres PASSWORD 'x';", "changes the whole server");
    refuses_dump("COPY public.which FROM PROGRAM 'echo x';", "COPY");
    assert_false(file_exists("/tmp/bascule-restore-was-here"));
}

static void cut_and_altered_files_leave_nothing(void **state)
{
    (void)state;
    struct backup b;
    dump("akig", &b);
    struct str bytes;
    struct err err = {0};
    assert_true(file_read(w->arena, b.path, 1 << 20, &bytes, &err));
    for (size_t n = 0; n < bytes.n; n += bytes.n / 5 + 1) {
        const char *path = file_join(w->arena, w->folder, "cut.sql.gz");
        assert_true(file_write(path, bytes.p, n, 0600, &err));
        struct restore_spec spec = spec_of(path);
        refuses(&spec, n ? "cut off" : "empty");
    }
    struct restore_spec spec = spec_of(put_text("cut.sql", "CREATE TABLE public.which (v text);\nCOPY public.which (v) FROM stdin;\nnew\n"));
    refuses(&spec, "cut off");
    spec.file = put_text("cut.sql", "CREATE TABLE public.which (v text);\n");
    refuses(&spec, "dump complete");
    spec.file = "/nonexistent/file.sql.gz";
    refuses(&spec, "/nonexistent/file.sql.gz");
}

static void counts_and_critical_tables_must_be_right(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(dump_with(""));
    spec.critical_tables = (const char *const[]){"which", "contracts"};
    spec.critical_count = 2;
    refuses(&spec, "critical table \"contracts\"");
    spec = spec_of(dump_with(""));
    struct restore_count two[] = {{"public.which", 2}}, other[] = {{"public.which", 1}, {"public.users", 0}};
    spec.counts = two;
    spec.count_count = 1;
    refuses(&spec, "1 rows of table public.which, its manifest says 2");
    spec.counts = other;
    spec.count_count = 2;
    refuses(&spec, "table public.users");
    /* Rows that went in and are gone again: only counting in the database shows it. */
    refuses_dump("DELETE FROM public.which;", "table public.which holds 0 rows after the restore, the file holds 1");
}

static const char parents[] = "CREATE TABLE public.p (a int, \"B b\" text, PRIMARY KEY (a, \"B b\"));\n"
                              "CREATE TABLE public.c (a int, \"B b\" text, FOREIGN KEY (a, \"B b\") REFERENCES public.p%s);\n"
                              "SET session_replication_role = replica;\nCOPY public.p (a, \"B b\") FROM stdin;\n1\tx\n\\.\n"
                              "COPY public.c (a, \"B b\") FROM stdin;\n%s\\.\nSET session_replication_role = origin;\n";

static void orphans_behind_a_valid_key_are_found(void **state)
{
    (void)state;
    refuses_dump(arena_printf(w->arena, parents, "", "1\tx\n2\tx\n1\ty\n"), "has 2 rows without their parent");
    refuses_dump(arena_printf(w->arena, parents, " MATCH FULL", "1\tx\n1\t\\N\n"), "has 1 rows without their parent");
    struct restore_result result;
    struct restore_spec spec = spec_of(dump_with(arena_printf(w->arena, parents, "", "1\tx\n2\t\\N\n\\N\ty\n\\N\t\\N\n")));
    must_restore(&spec, &result);
    assert_int_equal(result.foreign_keys, 1);
    fresh(state);
    spec = spec_of(dump_with(arena_printf(w->arena, parents, " MATCH FULL", "1\tx\n\\N\t\\N\n")));
    must_restore(&spec, &result);
    assert_int_equal(result.foreign_keys, 1);
}

static void a_sequence_behind_its_column_is_said(void **state)
{
    (void)state;
    struct restore_result result;
    struct restore_spec spec = spec_of(dump_with("CREATE TABLE public.s (id bigserial);\nCOPY public.s (id) FROM stdin;\n5\n\\.\n"
                                                 "SELECT pg_catalog.setval('public.s_id_seq', 4, true);\n"));
    must_restore(&spec, &result);
    assert_true(has_note(&result, "public.s_id_seq stands at 4, below the largest s.id, 5"));
    fresh(state);
    spec = spec_of(dump_with("CREATE TABLE public.s (id bigserial);\nCOPY public.s (id) FROM stdin;\n5\n\\.\n"
                             "SELECT pg_catalog.setval('public.s_id_seq', 5, true);\n"));
    must_restore(&spec, &result);
    assert_int_equal(result.note_count, 0);
}

static void impossible_wishes_are_refused(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(dump_with(""));
    spec.tag = "a b";
    refuses(&spec, "tag");
    spec.tag = NULL;
    refuses(&spec, "tag");
    spec.tag = "0123456789012345678901234567890123456789012345678901234567890123456789";
    refuses(&spec, "63 bytes");
    spec = spec_of(dump_with(""));
    spec.keep_old = false;
    refuses(&spec, "always kept");
    spec = spec_of(dump_with(""));
    spec.admin_dbname = "akig";
    refuses(&spec, "are both \"akig\"");
}

/* ---- once, and only one at a time ---- */

static bool done_already(const struct restore_spec *spec)
{
    bool done;
    struct err err = {.code = ERR_REFUSED}; /* as long as the server still ends the session of the run before */
    for (int k = 0; k < 200 && err.code == ERR_REFUSED; k++)
        if (restore_done_already(w->arena, spec, &done, &err))
            return done;
    fail_msg("%s", err.message);
    return false;
}

static void it_knows_what_it_restored(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    assert_false(done_already(&spec));
    must_restore(&spec, &result);
    for (int i = 0; i < 50; i++)
        assert_true(done_already(&spec)); /* at once: each gives the lock back before it returns */
    spec.tag = "7.restore.2";
    assert_false(done_already(&spec));
    spec = spec_of(dump_with("-- another file\n"));
    assert_false(done_already(&spec));
    sql(NULL, "DROP DATABASE akig WITH (FORCE)");
    spec = spec_of(dump_with(""));
    assert_false(done_already(&spec));
    assert_string_equal(databases(), "akig_before_T"); /* kept on purpose: not taken for an interrupted swap */
}

static void two_restores_do_not_meet(void **state)
{
    (void)state;
    struct pg *other SCOPED(pg_close) = NULL;
    struct err err = {0};
    bool done;
    assert_true(pg_open(&w->target, "postgres", 5000, &other, &err));
    assert_true(pg_script(other, "SELECT pg_advisory_lock(hashtextextended('bascule restore ' || 'akig', 0))", 5000, &err));
    struct restore_spec spec = spec_of(dump_with(""));
    assert_false(restore_done_already(w->arena, &spec, &done, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    pg_close(&other);
    struct restore_result result;
    must_restore(&spec, &result);
}

/* ---- killed half-way: each state is built, then found by the next run ---- */

static void mark_temp(const char *name, const char *mark_state)
{
    sql(NULL, arena_printf(w->arena, "COMMENT ON DATABASE \"%s\" IS 'bascule-restore {\"state\":\"%s\",\"tag\":\"7.restore.1\",\"sha256\":\"%s\","
                                     "\"at_ms\":1}'", name, mark_state, "0"));
}

static void make_temp(const char *name, const char *mark_state)
{
    sql(NULL, arena_printf(w->arena, "CREATE DATABASE \"%s\"", name));
    sql(name, "CREATE TABLE which(v text); INSERT INTO which VALUES ('new')");
    if (mark_state)
        mark_temp(name, mark_state);
}

static void killed_while_loading(void **state)
{
    (void)state;
    make_temp("akig_restoring_7.restore.1", NULL);    /* killed before it was marked */
    make_temp("akig_restoring_6.restore.9", "loading"); /* another run's */
    sql(NULL, "CREATE DATABASE akig_restoring_by_hand"); /* nobody's */
    struct restore_spec spec = spec_of(dump_with(""));
    assert_false(done_already(&spec));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_true(has_note(&result, "\"akig_restoring_7.restore.1\", left by a run that did not end"));
    assert_true(has_note(&result, "\"akig_restoring_6.restore.9\", left by"));
    assert_string_equal(databases(), "akig akig_before_T akig_restoring_by_hand");
}

static void killed_after_closing_the_old_one(void **state)
{
    (void)state;
    make_temp("akig_restoring_7.restore.1", "verified");
    sql(NULL, "ALTER DATABASE akig ALLOW_CONNECTIONS false");
    struct restore_spec spec = spec_of(dump_with(""));
    assert_false(done_already(&spec));
    assert_string_equal(sql("akig", "SELECT v FROM which"), "old"); /* open again */
    struct restore_result result;
    must_restore(&spec, &result);
    assert_string_equal(databases(), "akig akig_before_T");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "new");
}

static void closed_by_somebody_else_stays_closed(void **state)
{
    (void)state;
    sql(NULL, "ALTER DATABASE akig ALLOW_CONNECTIONS false");
    struct restore_spec spec = spec_of(dump_with(""));
    assert_false(done_already(&spec));
    assert_string_equal(databases(), "akig!");
}

static void killed_between_the_renames_is_finished(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(dump_with(""));
    char sha256[HASH_HEX_SIZE];
    struct err err = {0};
    assert_true(hash_file(spec.file, sha256, &err));
    make_temp("akig_restoring_7.restore.1", "verified");
    sql(NULL, arena_printf(w->arena, "COMMENT ON DATABASE \"akig_restoring_7.restore.1\" IS 'bascule-restore {\"state\":\"verified\","
                                     "\"tag\":\"7.restore.1\",\"sha256\":\"%s\",\"at_ms\":1}'", sha256));
    sql(NULL, "ALTER DATABASE akig ALLOW_CONNECTIONS false");
    sql(NULL, "ALTER DATABASE akig RENAME TO akig_before_20251025_153402");
    assert_true(done_already(&spec)); /* finished, and it is what was asked for */
    assert_string_equal(databases(), "akig akig_before_T");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "new");
}

static void killed_between_the_renames_is_undone(void **state)
{
    (void)state;
    sql(NULL, "CREATE DATABASE akig_before_20240101_000000"); /* kept from an earlier restore */
    sql(NULL, "ALTER DATABASE akig ALLOW_CONNECTIONS false");
    sql(NULL, "ALTER DATABASE akig RENAME TO akig_before_20251025_153402");
    make_temp("akig_restoring_7.restore.1", "loading"); /* not verified: it may not take the name */
    struct restore_spec spec = spec_of(put_text("bad.sql", "SELECT nosuch();\n" END));
    struct restore_result result;
    struct err err = {0};
    assert_false(restore_run(w->arena, &spec, &result, &err));
    assert_string_equal(databases(), "akig akig_before_T");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "old");
}

static void a_swap_that_cannot_be_made_is_taken_back(void **state)
{
    (void)state;
    pg_fixture_sql(w->pg, w->arena, "akig", "BEGIN; INSERT INTO which VALUES ('prepared'); PREPARE TRANSACTION 'stays'");
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    struct err err = {0};
    bool restored = restore_run(w->arena, &spec, &result, &err);
    pg_fixture_sql(w->pg, w->arena, "akig", "ROLLBACK PREPARED 'stays'"); /* works: the old one takes connections again */
    assert_false(restored);
    assert_non_null(strstr(err.message, "which is unchanged"));
    assert_untouched();
}

/* Between CREATE DATABASE and its mark: known by being closed, without a word, and without anybody ever in it. */
static void killed_before_the_mark(void **state)
{
    (void)state;
    sql(NULL, "CREATE DATABASE \"akig_restoring_6.restore.9\" TEMPLATE template0 ALLOW_CONNECTIONS false");
    make_temp("akig_restoring_closed_by_hand", NULL);
    sql(NULL, "ALTER DATABASE akig_restoring_closed_by_hand ALLOW_CONNECTIONS false");
    sql(NULL, "CREATE DATABASE akig_restoring_new_by_hand TEMPLATE template0");
    sql(NULL, "CREATE DATABASE akig_restoring_said TEMPLATE template0 ALLOW_CONNECTIONS false");
    sql(NULL, "COMMENT ON DATABASE akig_restoring_said IS 'mine'");
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    must_restore(&spec, &result);
    assert_true(has_note(&result, "\"akig_restoring_6.restore.9\", left by"));
    assert_string_equal(databases(), "akig akig_before_T akig_restoring_closed_by_hand! akig_restoring_new_by_hand akig_restoring_said!");
}

/* The server's own synchronous_commit is off here, as it is elsewhere for speed: what was said to be done is done all the same. */
static void a_server_that_crashes_afterwards_has_the_new_one(void **state)
{
    (void)state;
    assert_string_equal(sql(NULL, "SHOW synchronous_commit"), "off");
    struct restore_spec spec = spec_of(dump_with(""));
    struct restore_result result;
    must_restore(&spec, &result);
    pg_fixture_kill(w->pg);
    pg_fixture_start(w->pg);
    assert_string_equal(databases(), "akig akig_before_T");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "new");
}

/* The real thing: a run killed with -9 wherever it happens to be. */
static void killed_anywhere_the_name_is_old_or_new(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf rows = {.max = 1 << 22};
    for (int i = 0; i < 3000; i++)
        buf_printf(&rows, "%d\trow %d\n", i, i);
    struct restore_spec spec = spec_of(dump_with(arena_printf(
        w->arena, "CREATE TABLE public.t (id int, v text);\nCOPY public.t (id, v) FROM stdin;\n%s\\.\nALTER TABLE public.t ADD PRIMARY KEY (id);\n",
        buf_text(&rows))));
    struct restore_result result;
    int64_t whole_ms = INT64_MAX; /* how long does it take here, when nothing else goes on? */
    for (int i = 0; i < 3; i++) {
        must_restore(&spec, &result);
        whole_ms = MIN_OF(whole_ms, result.took_ms + 30);
    }
    int kills = 0;
    for (int i = 0; i < 16; i++) {
        fresh(state);
        pid_t pid = fork();
        if (pid == 0) {
            struct err err = {0};
            bool done = restore_run(w->arena, &spec, &result, &err);
            _exit(done ? 0 : 1);
        }
        usleep((useconds_t)(whole_ms * 1000 * i / 15));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        kills += WIFSIGNALED(status);
        bool done = false;
        struct err err = {0};
        /* The lock is free as soon as the server has seen that the dead one's connection is gone. */
        for (int k = 0; k < 200 && !restore_done_already(w->arena, &spec, &done, &err); k++)
            usleep(50000);
        const char *which = sql("akig", "SELECT v FROM which");
        assert_string_equal(which, done ? "new" : "old");
        if (!done)
            must_restore(&spec, &result);
        assert_string_equal(databases(), "akig akig_before_T");
        assert_string_equal(sql("akig", "SELECT count(*) FROM t"), "3000");
    }
    assert_true(kills >= 7); /* else the delays were wrong and nothing was shown */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(the_hostile_schema_comes_back_as_it_was),
        TEST(an_encrypted_dump_comes_back),
        TEST(a_dump_of_inserts_comes_back),
        TEST(the_old_one_is_kept_and_its_sessions_end),
        TEST(a_first_restore_needs_no_old_one),
        TEST(what_belongs_to_the_old_one_goes_over),
        TEST(the_heartbeat_is_the_recovery_point),
        TEST(roles_that_are_missing_are_left_out_and_said),
        TEST(extensions_that_are_missing_are_all_named),
        TEST(errors_name_the_line_and_leave_nothing),
        TEST(cut_and_altered_files_leave_nothing),
        TEST(counts_and_critical_tables_must_be_right),
        TEST(orphans_behind_a_valid_key_are_found),
        TEST(a_sequence_behind_its_column_is_said),
        TEST(impossible_wishes_are_refused),
        TEST(it_knows_what_it_restored),
        TEST(two_restores_do_not_meet),
        TEST(killed_while_loading),
        TEST(killed_before_the_mark),
        TEST(killed_after_closing_the_old_one),
        TEST(closed_by_somebody_else_stays_closed),
        TEST(killed_between_the_renames_is_finished),
        TEST(killed_between_the_renames_is_undone),
        TEST(a_swap_that_cannot_be_made_is_taken_back),
        TEST(a_server_that_crashes_afterwards_has_the_new_one),
        TEST(killed_anywhere_the_name_is_old_or_new),
    };
    return cmocka_run_group_tests(tests, open_cluster, world_close);
}
