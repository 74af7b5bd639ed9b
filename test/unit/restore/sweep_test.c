/* Files that were cut or altered, by the thousand: whatever was done to one, it is refused, or says the very same. And a file with an
   index, into a server: by several sessions, one table of it, and never by halves. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/index.h"
#include "dump/lexer.h"
#include "io/gzip.h"
#include "io/hash.h"
#include "io/pg.h"
#include "restore/base.h"
#include "sys/file.h"
#include "sys/proc.h"
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

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

/* What went wrong, with a base backup that must not have been left. */
static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += !same(e->d_name, ".") && !same(e->d_name, "..");
    closedir(dir);
    return n;
}

/* In place, so that it stays the server's. */
static void fixed_rules(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    close(fd);
}

static int give_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    const struct passwd *postgres = getpwnam("postgres");
    return geteuid() == 0 ? lchown(path, postgres->pw_uid, postgres->pw_gid) : 0;
}

static void start_again(const struct scratch_result *made)
{
    struct proc_result result;
    struct err err = {0};
    const char *options = arena_printf(w->arena, "-p %d -k %s -c listen_addresses=''", made->port, made->socket);
    const char *ctl = arena_printf(w->arena, "%s/pg_ctl", made->bin), *log = arena_printf(w->arena, "%s/server.log", made->socket);
    const char *argv[] = {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", ctl, "-D", made->data, "-l", log, "-w", "-o", options,
                          "start", NULL};
    struct proc_spec spec = {.argv = geteuid() == 0 ? argv : argv + 5, .timeout_ms = 120000};
    assert_int_equal(nftw(made->data, give_one, 16, FTW_PHYS), 0);
    assert_true(proc_run(w->arena, &spec, &result, &err));
    if (!proc_ok(&result))
        fail_msg("pg_ctl: %s: " STR_FMT STR_FMT, result.why, STR_ARG(result.out), STR_ARG(result.err));
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

static const char *has_no_base(const struct base_place *place, const struct scratch_result *made, const char *reason)
{
    struct err err = {0};
    const char *base = NULL;
    assert_false(base_take(w->arena, place, made, &base, &err));
    assert_null(base);
    if (!strstr(err.message, reason) || !strstr(err.message, "taking a base backup"))
        fail_msg("%s", err.message);
    const char *again = strstr(err.hint, ": ");
    assert_non_null(again);
    assert_int_equal(entries(place->folder), 1); /* the lock */
    assert_string_equal(on_scratch(made->socket, "SELECT count(*) FROM parents"), "120000"); /* the server is as it was */
    return arena_strdup(w->arena, again + 2);
}

static void the_replication_connection_is_refused(const struct base_place *place, const struct scratch_result *made)
{
    const char *rules = arena_printf(w->arena, "%s/pg_hba.conf", made->data);
    struct str was;
    struct err err = {0};
    assert_true(file_read(w->arena, rules, 1 << 16, &was, &err));
    fixed_rules(rules, str_of(arena_printf(w->arena, "local replication all reject\n" STR_FMT, STR_ARG(was))));
    on_scratch(made->socket, "SELECT pg_reload_conf()");
    const char *again = has_no_base(place, made, "pg_hba.conf rejects replication connection");
    fixed_rules(rules, was);
    on_scratch(made->socket, "SELECT pg_reload_conf()");
    struct proc_result result; /* what the hint says, as a person types it */
    struct proc_spec spec = {.argv = (const char *const[]){"sh", "-c", again, NULL}, .timeout_ms = 120000};
    assert_true(proc_run(w->arena, &spec, &result, &err));
    if (!proc_ok(&result) || !memmem(result.out.p, result.out.n, "backup successfully verified", 28))
        fail_msg("%s: %s: " STR_FMT, again, result.why, STR_ARG(result.err));
    assert_int_equal(entries(place->folder), 2);
    const char *taken = strrchr(again, ' ') + 2;
    assert_int_equal(nftw(arena_strndup(w->arena, taken, strlen(taken) - 1), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A limit on the size of files stands for the full disk where no file system can be mounted: a segment of the log is larger. */
static void the_disk_is_full(const struct base_place *place, const struct scratch_result *made)
{
    struct rlimit old, small;
    bool mounted = mount("bascule-test", place->folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=20m,mode=0700") == 0;
    if (mounted) {
        struct base_place full;
        struct err err = {0};
        print_message("full disk: on a tmpfs of 20 MiB\n");
        assert_true(base_open(w->arena, place->folder, "akig", &full, &err));
        has_no_base(&full, made, "No space left on device");
        base_close(&full);
        assert_int_equal(umount(place->folder), 0);
        return;
    }
    print_message("full disk: by RLIMIT_FSIZE, since mounting is not allowed (%s)\n", strerror(errno));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    has_no_base(place, made, "pg_basebackup: ");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
}

/* What pg_basebackup wrote is read again: here something else stands in its place, which ends well and leaves out a file. */
static void what_is_not_whole_is_seen(const struct base_place *place, const struct scratch_result *made)
{
    char folder[] = "/tmp/bascule-programs-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct scratch_result cut = *made;
    struct err err = {0};
    const char *script = arena_printf(w->arena, "%s/pg_basebackup", folder);
    const char *text = arena_printf(w->arena, "#!/bin/sh\n%s/pg_basebackup \"$@\" && for at; do [ \"$was\" = -D ] && rm \"$at/PG_VERSION\"; was=$at; done; :\n",
                                    made->bin);
    assert_true(file_write(script, text, strlen(text), 0755, &err));
    assert_int_equal(symlink(arena_printf(w->arena, "%s/pg_verifybackup", made->bin), arena_printf(w->arena, "%s/pg_verifybackup", folder)), 0);
    cut.bin = folder;
    has_no_base(place, &cut, "\"PG_VERSION\" is present in the manifest but not on disk");
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The server made here is whole: its base backup is, too, and starts as a server that has the same rows. */
static void its_base_backup_is_a_server(const struct base_place *place, const struct scratch_result *made)
{
    struct err err = {0};
    struct stat st;
    const char *base = NULL;
    if (!base_take(w->arena, place, made, &base, &err))
        fail_msg("%s (%s)", err.message, err.hint);
    assert_int_equal(entries(place->folder), 2);
    assert_true(file_exists(file_join(w->arena, base, "backup_manifest")));
    assert_int_equal(stat(base, &st), 0);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_mode & 0777, 0700);
    const char *lost = arena_printf(w->arena, "%s/data-lost", made->socket);
    end_scratch(made->socket);
    assert_int_equal(rename(made->data, lost), 0);
    assert_int_equal(rename(base, made->data), 0);
    start_again(made);
    assert_string_equal(on_scratch(made->socket, fingerprint), sql("source", fingerprint));
}

static void only_what_killed_runs_left_is_removed(const char *folder)
{
    static const char *const kept[] = {"akig_base_20260101_000000", "akig_base_20260101_000000.partial.old", "akig_base_2026010_000000.partial",
                                       "akig2_base_20260101_000000.partial", "akig_base_20260101-000000.partial"};
    struct base_place place, second;
    struct err err = {0};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_true(file_mkdirs(arena_printf(w->arena, "%s/%s/base", folder, kept[i]), 0700, &err));
    assert_true(file_write(arena_printf(w->arena, "%s/akig_base_20260101_000001.partial", folder), "a file", 6, 0600, &err));
    const char *left = arena_printf(w->arena, "%s/akig_base_20260101_000002.partial", folder);
    assert_true(file_mkdirs(arena_printf(w->arena, "%s/base", left), 0700, &err));
    assert_int_equal(symlink(kept[0], arena_printf(w->arena, "%s/link", left)), 0);
    assert_int_equal(symlink(kept[0], arena_printf(w->arena, "%s/akig_base_20260101_000003.partial", folder)), 0);
    assert_true(base_open(w->arena, folder, "akig", &place, &err));
    assert_int_equal(entries(folder), COUNT_OF(kept) + 3); /* the file, the link and the lock */
    assert_false(file_exists(left));
    assert_true(file_exists(arena_printf(w->arena, "%s/%s/base", folder, kept[0])));
    assert_true(file_mkdirs(left, 0700, &err)); /* of a run that is at it */
    assert_false(base_open(w->arena, folder, "akig", &second, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_true(file_exists(left));
    base_close(&place);
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    err = (struct err){0};
    assert_false(base_open(w->arena, "bases", "akig", &place, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void has_a_base(const struct scratch_result *made)
{
    char folder[] = "/tmp/bascule-bases-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct base_place place;
    struct err err = {0};
    only_what_killed_runs_left_is_removed(folder);
    if (!base_open(w->arena, folder, "akig", &place, &err)) /* which also makes it */
        fail_msg("%s", err.message);
    the_replication_connection_is_refused(&place, made);
    the_disk_is_full(&place, made);
    what_is_not_whole_is_seen(&place, made);
    its_base_backup_is_a_server(&place, made);
    base_close(&place);
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
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
    has_a_base(&made);
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
