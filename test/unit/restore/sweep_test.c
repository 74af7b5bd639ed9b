/* Files that were cut or altered, by the thousand: whatever was done to one, it is refused, or says the very same. And a file with an
   index, into a server: by several sessions, one table of it, and never by halves. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/index.h"
#include "dump/lexer.h"
#include "io/gzip.h"
#include "io/hash.h"
#include "io/pg.h"
#include "restore/scratch.h"
#include "sys/file.h"
#include "world.h"

static const char *ours; /* of ours, with large tables */
static struct str bytes; /* of that file */
static char truth[HASH_HEX_SIZE];

static const char source[] =
    "CREATE TABLE parents (id int PRIMARY KEY, name text NOT NULL UNIQUE, at timestamptz, amount numeric(12,2));"
    "INSERT INTO parents SELECT i, md5(i::text), timestamptz '2025-01-01 00:00Z' + i * interval '1 min', i / 7.0 FROM generate_series(1, 120000) i;"
    "CREATE TABLE children (id bigserial PRIMARY KEY, parent int REFERENCES parents, note text, tags text[], doc jsonb);"
    "INSERT INTO children (parent, note, tags, doc) SELECT 1 + i * 7919 % 120000, CASE WHEN i % 9 > 0 THEN repeat(md5(i::text), 2) || E'\\n\\\\.' END,"
    " ARRAY[i::text, NULL], jsonb_build_object('i', i) FROM generate_series(1, 90000) i;"
    "CREATE INDEX children_parent ON children (parent); CREATE TABLE small (a int, b text); INSERT INTO small VALUES (1, 'x'), (2, NULL);"
    "CREATE VIEW v AS SELECT p.id, count(*) AS n FROM parents p JOIN children c ON c.parent = p.id GROUP BY p.id;"
    "CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM children; CREATE INDEX mvi ON mv (n)";

static const char fingerprint[] =
    "SELECT (SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM parents p) || (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM children c)"
    " || (SELECT count(*) FROM small) || (SELECT n FROM mv) || (SELECT string_agg(conname || convalidated, ',' ORDER BY conname) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace) || (SELECT string_agg(indexdef, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public')";

/* ---- reading a file as a restore does, without a server ---- */

static bool hash_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    (void)rows;
    (void)err;
    if (item == LEXER_STATEMENT || item == LEXER_COPY || item == LEXER_DATA)
        hash_add(arg, text.p, text.n);
    return true;
}

static bool read_members(const char *path, const struct index *index, struct lexer *lexer, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = 1 << 26};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = true;
    for (size_t i = 0; ok && i < index->member_count; i++)
        ok = index_member_read(fd, &index->members[i], &text, err) && lexer_feed(lexer, text.p, text.n, err);
    close(fd);
    return ok && lexer_end(lexer, err);
}

static bool read_stream(const char *path, struct lexer *lexer, struct err *err)
{
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    static char piece[1 << 18];
    if (!gzip_reader_open(path, &reader, err))
        return false;
    for (size_t n;;) {
        if (!gzip_reader_read(reader, piece, sizeof(piece), &n, err))
            return false;
        if (!n)
            return lexer_end(lexer, err);
        if (!lexer_feed(lexer, piece, n, err))
            return false;
    }
}

/* The hash of all that a restore would be given; false when it is refused. */
static bool read_file(const char *path, char hex[HASH_HEX_SIZE], struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    SCOPED(hash_close) struct hash *hash = hash_open();
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(hash_item, hash);
    struct index *index = NULL;
    bool ok = index_read(own, path, &index, err) && (index ? read_members(path, index, lexer, err) : read_stream(path, lexer, err));
    hash_end(hash, hex);
    return ok;
}

static uint32_t seed = 12345;
static size_t any(size_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (size_t)(((uint64_t)seed * below) >> 32);
}

static void refused_without_a_server(const char *path, const char *how, size_t at)
{
    char hex[HASH_HEX_SIZE];
    struct err err = {0};
    if (read_file(path, hex, &err))
        fail_msg("%s at %zu was not seen", how, at);
    assert_true(err.message[0] != 0);
}

/* ---- the sweeps ---- */

static void a_thousand_cuts_are_seen(void **state)
{
    (void)state;
    const char *path = file_join(w->arena, w->folder, "cut.sql.gz");
    put("cut.sql.gz", bytes.p, bytes.n);
    size_t at = bytes.n;
    for (int i = 0; i < 1000; i++) { /* ever shorter, so that one file serves for all */
        at -= 1 + any(2 * bytes.n / 1000 - 1);
        if (at == 0 || at > bytes.n)
            break;
        assert_int_equal(truncate(path, (off_t)at), 0);
        refused_without_a_server(path, "a cut", at);
    }
}

static void a_cut_at_every_member_is_seen(void **state)
{
    (void)state;
    struct index *index;
    struct err err = {0};
    assert_true(index_read(w->arena, ours, &index, &err));
    assert_non_null(index);
    assert_true(index->member_count > 10);
    const char *path = put("cut.sql.gz", bytes.p, bytes.n);
    for (size_t i = index->member_count; i-- > 0;) {
        const struct index_member *m = &index->members[i];
        assert_int_equal(truncate(path, (off_t)(m->at + m->packed)), 0);
        refused_without_a_server(path, "a cut behind the member", i);
        assert_int_equal(truncate(path, (off_t)m->at + 1), 0);
        refused_without_a_server(path, "a cut in the member", i);
    }
}

/* Some bits of gzip's header mean nothing (its time, the system it comes from): then the same must come out. */
static void flipped_bits_are_seen_or_change_nothing(void **state)
{
    (void)state;
    char *copy = arena_dup(w->arena, bytes.p, bytes.n);
    int seen = 0;
    for (int i = 0; i < 150; i++) {
        size_t at = i < 100 ? any(bytes.n) : bytes.n - 1 - any(MIN_OF(bytes.n, 4000)); /* the index, too */
        copy[at] ^= (char)(1 << any(8));
        char hex[HASH_HEX_SIZE];
        struct err err = {0};
        bool read = read_file(put("flip.sql.gz", copy, bytes.n), hex, &err);
        if (read && !same(hex, truth))
            fail_msg("byte %zu was altered, and other data came out", at);
        seen += !read;
        copy[at] = bytes.p[at];
    }
    assert_true(seen > 130);
}

static void cuts_between_rows_are_seen(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf text = {.max = 1 << 24};
    buf_puts(&text, "CREATE TABLE t (a int, b text);\nCOPY t (a, b) FROM stdin;\n");
    for (int i = 0; i < 1200; i++)
        buf_printf(&text, "%d\trow %d \\\\.\n", i, i * 7);
    buf_puts(&text, "\\.\n\nALTER TABLE ONLY t\n    ADD CONSTRAINT k PRIMARY KEY (a);\n\n--\n-- PostgreSQL database dump complete\n--\n\n");
    SCOPED(hash_close) struct hash *hash = hash_open();
    int cuts = 0;
    for (size_t n = 0; n < text.n - 1; n++) {
        if (text.p[n] != '\n' || text.n - n < 8)
            continue;
        SCOPED(lexer_close) struct lexer *lexer = lexer_open(hash_item, hash);
        struct err err = {0};
        if (lexer_feed(lexer, text.p, n + 1, &err) && lexer_end(lexer, &err))
            fail_msg("a cut behind byte %zu was not seen", n);
        cuts++;
    }
    assert_true(cuts > 1200);
}

/* ---- with a server ---- */

static struct restore_spec spec_of(const char *file)
{
    return (struct restore_spec){.target = &w->target, .admin_dbname = "postgres", .file = file, .tag = "sweep", .keep_old = true, .jobs = 3};
}

static const char *databases(void)
{
    return sql(NULL, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'copy%'");
}

static void drop_copy(void)
{
    sql(NULL, "DROP DATABASE IF EXISTS copy WITH (FORCE)");
}

static void must_restore(const struct restore_spec *spec, struct restore_result *ret)
{
    struct err err = {0};
    if (!restore_run(w->arena, spec, ret, &err))
        fail_msg("%s (%s)", err.message, err.hint);
}

static void a_file_with_an_index_comes_back(void **state)
{
    (void)state;
    struct restore_result result;
    for (int jobs = 1; jobs <= 4; jobs += 3) {
        drop_copy();
        struct restore_spec spec = spec_of(ours);
        spec.jobs = jobs;
        spec.assertions = (const char *const[]){"SELECT count(*) = 90000 FROM children", "SELECT true"};
        spec.assertion_count = 2;
        must_restore(&spec, &result);
        assert_int_equal(result.rows, 210002);
        assert_int_equal(result.foreign_keys, 1);
        assert_string_equal(sql("copy", fingerprint), sql("source", fingerprint));
        assert_string_equal(sql("copy", "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'public'"), "4");
    }
    drop_copy();
}

static void a_dump_of_pg_dump_comes_back(void **state)
{
    (void)state;
    struct restore_result result;
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    SCOPED(buf_done) struct buf text = {.max = 1 << 28};
    struct err err = {0};
    assert_true(gzip_reader_open(ours, &reader, &err));
    for (size_t n = 1; n;) { /* what ours says without its index is what pg_dump writes */
        static char piece[1 << 16];
        assert_true(gzip_reader_read(reader, piece, sizeof(piece), &n, &err));
        assert_true(buf_add(&text, piece, n));
    }
    struct restore_spec spec = spec_of(put("plain.sql", text.p, text.n));
    must_restore(&spec, &result);
    assert_int_equal(result.rows, 210002);
    assert_string_equal(sql("copy", fingerprint), sql("source", fingerprint));
    drop_copy();
}

static void one_table_comes_back_under_a_name_of_its_own(void **state)
{
    (void)state;
    struct restore_result result;
    struct restore_spec spec = spec_of(ours);
    spec.only = "children";
    must_restore(&spec, &result);
    assert_int_equal(result.rows, 90000);
    assert_int_equal(result.foreign_keys, 0);
    assert_string_equal(sql("copy", "SELECT (SELECT count(*) FROM children), (SELECT count(*) FROM parents), (SELECT count(*) FROM pg_indexes"
                                    " WHERE tablename = 'children')"), "90000|0|2");
    struct err err = {0};
    assert_false(restore_run(w->arena, &spec, &result, &err)); /* not over a database that is there */
    assert_int_equal(err.code, ERR_REFUSED);
    assert_string_equal(sql("copy", "SELECT count(*) FROM children"), "90000");
    drop_copy();
    spec.only = "public.nothing";
    assert_false(restore_run(w->arena, &spec, &result, &err));
    assert_non_null(strstr(err.message, "no COPY of a table public.nothing"));
    assert_string_equal(databases(), "");
}

static void refuses(const struct restore_spec *spec, const char *says)
{
    struct restore_result result;
    struct err err = {0};
    if (restore_run(w->arena, spec, &result, &err))
        fail_msg("it was restored, though: %s", says);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    assert_string_equal(databases(), "");
}

static void what_is_damaged_leaves_nothing(void **state)
{
    (void)state;
    struct index *index;
    struct err err = {0};
    assert_true(index_read(w->arena, ours, &index, &err));
    char *copy = arena_dup(w->arena, bytes.p, bytes.n);
    size_t tried = 0;
    for (size_t i = 0; i < index->member_count; i += 5) { /* a row, an index, the schema: whatever falls there */
        size_t at = (size_t)index->members[i].at + INDEX_HEADER_SIZE + (index->members[i].packed - INDEX_HEADER_SIZE) / 2;
        copy[at] ^= 0x10;
        struct restore_spec spec = spec_of(put("flip.sql.gz", copy, bytes.n));
        refuses(&spec, "flip.sql.gz");
        copy[at] = bytes.p[at];
        tried++;
    }
    assert_true(tried >= 3);
    struct restore_spec spec = spec_of(put("cut.sql.gz", bytes.p, (size_t)index->members[index->member_count / 2].at));
    refuses(&spec, "cut off");
}

static void assertions_must_be_true(void **state)
{
    (void)state;
    struct restore_spec spec = spec_of(ours);
    spec.assertion_count = 1;
    spec.assertions = (const char *const[]){"SELECT count(*) > 90000 FROM children"};
    refuses(&spec, "gives \"f\", not true");
    spec.assertions = (const char *const[]){"SELECT nosuch()"};
    refuses(&spec, "nosuch");
}

/* ---- a server of its own ---- */

static const char *on_scratch(const char *folder, const char *text)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pgtarget target = {.host = folder, .port = w->target.port, .user = "postgres", .dbname = "copy", .sslmode = "prefer"};
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    struct err err = {0};
    if (!pg_open(&target, NULL, 10000, &pg, &err) || !pg_exec(pg, own, text, NULL, 0, 60000, &rows, &err))
        fail_msg("%s", err.message);
    return arena_strdup(w->arena, pg_text(rows, 0, 0));
}

static void end_scratch(const char *folder)
{
    const char *line = arena_printf(w->arena, "%s/data/postmaster.pid", folder);
    struct str pid = {0};
    struct err err = {0};
    int64_t number = 0;
    assert_true(file_read(w->arena, line, 4096, &pid, &err));
    struct str rest = pid, first;
    assert_true(str_next(&rest, '\n', &first) && str_int(first, &number));
    assert_int_equal(kill((pid_t)number, SIGINT), 0);
    for (int i = 0; i < 600 && file_exists(line); i++)
        usleep(50000); /* between looks */
    assert_false(file_exists(line));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void a_server_of_its_own_is_made_and_made_safe(void **state)
{
    (void)state;
    char folder[] = "/tmp/bascule-scratch-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct restore_spec spec = spec_of(ours);
    struct scratch_spec scratch = {.folder = folder};
    struct scratch_result made;
    struct err err = {0};
    spec.assertion_count = 1;
    spec.assertions = (const char *const[]){"SELECT false"};
    assert_false(restore_scratch(w->arena, &spec, &scratch, &made, &err)); /* and nothing is left, or the next would be refused */
    assert_non_null(strstr(err.message, "not true"));
    spec.assertion_count = 0;
    const char *marked = arena_printf(w->arena, "%s/NOT-RESTORED-YET", folder);
    assert_true(file_write(marked, "", 0, 0600, &err)); /* as a killed run leaves it */
    if (!restore_scratch(w->arena, &spec, &scratch, &made, &err))
        fail_msg("%s (%s)", err.message, err.hint);
    assert_false(file_exists(marked));
    assert_int_equal(made.restored.rows, 210002);
    assert_string_equal(on_scratch(folder, fingerprint), sql("source", fingerprint));
    assert_string_equal(on_scratch(folder, "SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'full_page_writes',"
                                           " 'wal_level', 'autovacuum', 'synchronous_commit', 'listen_addresses')"), "on on on  on replica");
    assert_false(restore_scratch(w->arena, &spec, &scratch, &made, &err)); /* what is whole is not made again */
    assert_int_equal(err.code, ERR_REFUSED);
    end_scratch(folder);
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int open_world(void **state)
{
    struct err err = {0};
    world_open(state);
    w->target.dbname = "copy";
    ours = world_backup(source);
    assert_true(file_read(w->arena, ours, 1 << 28, &bytes, &err));
    assert_true(read_file(ours, truth, &err));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_cuts_are_seen),
        cmocka_unit_test(a_cut_at_every_member_is_seen),
        cmocka_unit_test(flipped_bits_are_seen_or_change_nothing),
        cmocka_unit_test(cuts_between_rows_are_seen),
        cmocka_unit_test(a_file_with_an_index_comes_back),
        cmocka_unit_test(a_dump_of_pg_dump_comes_back),
        cmocka_unit_test(one_table_comes_back_under_a_name_of_its_own),
        cmocka_unit_test(what_is_damaged_leaves_nothing),
        cmocka_unit_test(assertions_must_be_true),
        cmocka_unit_test(a_server_of_its_own_is_made_and_made_safe),
    };
    return cmocka_run_group_tests(tests, open_world, world_close);
}
