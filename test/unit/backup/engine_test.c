/* The engine against pg_dump itself: the same text, whatever is read by whom and by how many, and nothing under a name when it fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "backup/snapshot.h"
#include "dump/index.h"
#include "dump/rowhash.h"
#include "io/gzip.h"
#include "io/pg.h"
#include "pgfixture.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { TEXT_MAX = 256 * 1024 * 1024 };

struct world {
    struct arena *arena;
    struct pg_fixture *pg;
    char root[64];
    const char *folder, *scratch;
};

/* Tables of several pieces; the one between has lost its rows; names that want quoting and escaping everywhere. */
static const char more[] =
    "CREATE TABLE app.many AS SELECT i AS id, md5(i::text) AS t, i % 7 = 0 AS b, NULLIF(i % 3, 0) AS n FROM generate_series(1, 50000) i;"
    "CREATE TABLE app.hollow AS SELECT i FROM generate_series(1, 20000) i; DELETE FROM app.hollow;"
    "CREATE TABLE app.holes AS SELECT i, repeat('x', i % 50) AS t FROM generate_series(1, 30000) i; DELETE FROM app.holes WHERE i BETWEEN 5000 AND 25000;"
    "CREATE TABLE app.toasted AS SELECT i, (SELECT string_agg(md5((i * 1000 + k)::text), '') FROM generate_series(1, 300) k) AS t FROM generate_series(1, 300) i;"
    "CREATE TABLE \"Odd;Schema -- Name: x\".\"a\"\"b.*|(x)\nnew line\" AS SELECT i AS \"select\", i AS \"A\\b\" FROM generate_series(1, 3000) i;"
    "CREATE TABLE app.gen(i int, twice int GENERATED ALWAYS AS (i * 2) STORED, dropped int, t text); ALTER TABLE app.gen DROP COLUMN dropped;"
    "INSERT INTO app.gen(i, t) SELECT i, E'\\\\.\\n\\t\\\\N' || chr(233) FROM generate_series(1, 3000) i;"
    "INSERT INTO app.inh SELECT i FROM generate_series(1, 2000) i; INSERT INTO app.inh_c SELECT i, i FROM generate_series(1, 2000) i;"
    "CREATE TABLE app.space(i int); SELECT lo_from_bytea(0, decode(repeat('ab', 100000), 'hex'));"
    "CREATE MATERIALIZED VIEW app.mv_many AS SELECT count(*) FROM app.many;";

static int open_cluster(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct err err = {0};
    struct str hostile;
    w->arena = arena_open();
    w->pg = pg_fixture_new();
    COPY_TO(w->root, "/tmp/bascule-engine-XXXXXX");
    if (!mkdtemp(w->root) || !file_read(w->arena, HOSTILE_SQL, 1 << 20, &hostile, &err))
        return -1;
    w->folder = file_join(w->arena, w->root, "backups");
    w->scratch = file_join(w->arena, w->root, "scratch");
    pg_fixture_sql(w->pg, w->arena, NULL, "CREATE DATABASE hostile");
    pg_fixture_sql(w->pg, w->arena, "hostile", hostile.p);
    pg_fixture_sql(w->pg, w->arena, "hostile", more);
    pg_fixture_sql(w->pg, w->arena, NULL, "CREATE DATABASE bank");
    pg_fixture_sql(w->pg, w->arena, "bank",
                   "CREATE TABLE account(id int PRIMARY KEY, amount int NOT NULL, pad text); INSERT INTO account SELECT i, 100, repeat('p', 100) FROM"
                   " generate_series(1, 40000) i; CREATE TABLE other(i int)");
    *state = w;
    return 0;
}

static void empty_folder(const char *folder)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (!same(entry->d_name, ".") && !same(entry->d_name, ".."))
            unlink(file_join(arena, folder, entry->d_name));
    if (dir)
        closedir(dir);
}

static int close_cluster(void **state)
{
    struct world *w = *state;
    empty_folder(w->folder);
    empty_folder(w->scratch);
    empty_folder(w->root);
    rmdir(w->folder);
    rmdir(w->scratch);
    rmdir(w->root);
    pg_fixture_free(&w->pg);
    arena_close(&w->arena);
    free(w);
    return 0;
}

static int begin_empty(void **state)
{
    empty_folder(((struct world *)*state)->folder);
    return 0;
}

static struct backup_spec spec_for(struct world *w, struct pgtarget *target, const char *dbname)
{
    *target = w->pg->target;
    target->dbname = dbname;
    return (struct backup_spec){.target = target, .service = "akig", .folder = w->folder, .scratch_dir = w->scratch};
}

static void must_make(struct world *w, const struct backup_spec *spec, struct backup *b)
{
    struct err err = {0};
    if (!backup_make(w->arena, spec, b, &err))
        fail_msg("%s", err.message);
}

static void read_text(const char *path, struct buf *to)
{
    struct err err = {0};
    SCOPED(gzip_reader_close) struct gzip_reader *r = NULL;
    assert_true(gzip_reader_open(path, &r, &err));
    for (size_t n = 1; n;) {
        char *room = buf_room(to, 65536);
        assert_non_null(room);
        if (!gzip_reader_read(r, room, 65536, &n, &err))
            fail_msg("%s", err.message);
        buf_took(to, n);
    }
}

static void read_pg_dump(struct world *w, const char *dbname, struct buf *to)
{
    const char *path = file_join(w->arena, w->root, "reference.sql");
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 1);
        char port[16];
        snprintf(port, sizeof(port), "%d", w->pg->target.port);
        execl("/usr/lib/postgresql/15/bin/pg_dump", "pg_dump", "-h", w->pg->target.host, "-p", port, "-U", "postgres", dbname, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    read_text(path, to);
    unlink(path);
}

/* The lines, but for the random keys of \restrict. */
static char **lines_of(struct world *w, struct buf *text, size_t *ret)
{
    VEC(char *) lines = {0};
    for (char *p = text->p, *end = p + text->n; p < end;) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        assert_non_null(newline);
        *newline = 0;
        if (strncmp(p, "\\restrict ", 10) != 0 && strncmp(p, "\\unrestrict ", 12) != 0)
            *vec_add(w->arena, &lines) = p;
        p = newline + 1;
    }
    *ret = lines.n;
    return lines.p;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void assert_same_lines(struct world *w, struct buf *ours, struct buf *theirs, bool in_order)
{
    size_t n, m;
    char **a = lines_of(w, ours, &n), **b = lines_of(w, theirs, &m);
    if (!in_order) {
        qsort(a, n, sizeof(*a), by_text);
        qsort(b, m, sizeof(*b), by_text);
    }
    for (size_t i = 0; i < MIN_OF(n, m); i++)
        if (!same(a[i], b[i]))
            fail_msg("line %zu: \"%.200s\", expected \"%.200s\"", i, a[i], b[i]);
    assert_int_equal(n, m);
}

/* All by pg_dump, and all by us in small pieces. The order of tables may differ; that every COPY block is whole the lexer sees to. */
static void the_text_is_that_of_pg_dump(void **state)
{
    struct world *w = *state;
    struct pgtarget target;
    struct backup b;
    SCOPED(buf_done) struct buf theirs = {.max = TEXT_MAX}, copy = {.max = TEXT_MAX};
    read_pg_dump(w, "hostile", &theirs);
    static const struct {
        int64_t large_min, piece;
        bool in_order;
    } cases[] = {{INT64_MAX, 0, true}, {1, 64 * 1024, false}, {0, 0, true}, {1, 1, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct backup_spec spec = spec_for(w, &target, "hostile");
        spec.large_min = cases[i].large_min;
        spec.piece_bytes = cases[i].piece;
        spec.jobs = 3;
        must_make(w, &spec, &b);
        SCOPED(buf_done) struct buf ours = {.max = TEXT_MAX};
        read_text(b.path, &ours);
        buf_clear(&copy);
        buf_add(&copy, theirs.p, theirs.n);
        assert_int_equal(b.sql_bytes, ours.n);
        assert_same_lines(w, &ours, &copy, cases[i].in_order);
    }
}

static void the_number_of_sessions_changes_nothing(void **state)
{
    struct world *w = *state;
    struct pgtarget target;
    struct backup b;
    SCOPED(buf_done) struct buf one = {.max = TEXT_MAX};
    for (int jobs = 1; jobs <= 5; jobs += 2) {
        struct backup_spec spec = spec_for(w, &target, "hostile");
        spec.large_min = 1;
        spec.piece_bytes = 32 * 1024;
        spec.jobs = jobs;
        spec.level = (enum backup_level)(jobs % BACKUP_LEVEL_MAX);
        must_make(w, &spec, &b);
        SCOPED(buf_done) struct buf text = {.max = TEXT_MAX}, copy = {.max = TEXT_MAX};
        read_text(b.path, &text);
        if (jobs == 1)
            buf_add(&one, text.p, text.n);
        buf_add(&copy, one.p, one.n);
        assert_same_lines(w, &text, &copy, true);
    }
}

static struct str item_rows(int fd, const struct index *index, const struct index_item *item, struct buf *to)
{
    struct err err = {0};
    SCOPED(buf_done) struct buf text = {.max = INDEX_MEMBER_MAX};
    buf_clear(to);
    assert_true(index_member_read(fd, &index->members[item->member], &text, &err));
    const char *copy = text.p + item->offset;
    assert_int_equal(strncmp(copy, "COPY ", 5), 0);
    assert_int_equal(strncmp(copy + 5, item->name, strlen(item->name)), 0);
    const char *from = strstr(copy, " FROM stdin;\n");
    assert_non_null(from);
    from += 13;
    if (item->rows_members == 0) {
        const char *end = strncmp(from, "\\.\n", 3) == 0 ? from - 1 : strstr(from, "\n\\.\n");
        assert_non_null(end);
        buf_add(to, from, (size_t)(end + 1 - from));
    } else {
        assert_true(from == text.p + text.n);
    }
    for (size_t i = 1; i <= item->rows_members; i++) {
        assert_true(index_member_read(fd, &index->members[item->member + i], &text, &err));
        buf_add(to, text.p, text.n);
    }
    return buf_str(to);
}

struct heard {
    uint64_t hash;
    int64_t rows;
};

static bool hear(void *arg, const char *row, size_t n, struct err *err)
{
    struct heard *h = arg;
    (void)err;
    h->hash += row_hash(row, n - 1);
    h->rows++;
    return true;
}

/* Every table is found by the index, its rows add up to what the index and the manifest say, and to what the server says. */
static void the_index_finds_every_table(void **state)
{
    struct world *w = *state;
    struct pgtarget target;
    struct backup b;
    struct err err = {0};
    for (int64_t large_min = 1; large_min < 100000000; large_min *= 100000) {
        struct backup_spec spec = spec_for(w, &target, "hostile");
        spec.large_min = large_min;
        spec.piece_bytes = 100000;
        must_make(w, &spec, &b);
        struct index *index;
        if (!index_read(w->arena, b.path, &index, &err) || !index)
            fail_msg("%s", err.message);
        int fd = open(b.path, O_RDONLY);
        size_t tables = 0, kinds[ITEM_KIND_MAX] = {0};
        SCOPED(pg_close) struct pg *pg = NULL;
        assert_true(pg_open(&target, "hostile", 5000, &pg, &err));
        SCOPED(buf_done) struct buf rows = {.max = TEXT_MAX};
        for (size_t i = 0; i < index->item_count; i++) {
            const struct index_item *item = &index->items[i];
            kinds[item->kind]++;
            if (item->kind != ITEM_TABLE)
                continue;
            int64_t n = 0;
            uint64_t hash = rows_hash(item_rows(fd, index, item, &rows), &n);
            if (n != item->rows)
                fail_msg("%s: %lld rows, the index says %lld, in %zu members", item->name, (long long)n, (long long)item->rows, item->rows_members);
            assert_true(hash == item->hash);
            assert_string_equal(b.tables[tables].name, item->name);
            assert_true(b.tables[tables].has_hash && b.tables[tables].hash == hash && b.tables[tables].rows == n);
            struct heard heard = {0};
            bool ended = false;
            assert_true(pg_copy_out_begin(pg, arena_printf(w->arena, "COPY %s TO STDOUT", item->name), 5000, &err));
            while (!ended)
                assert_true(pg_copy_out_some(pg, 5000, hear, &heard, &ended, &err));
            assert_true(heard.hash == hash && heard.rows == n);
            tables++;
        }
        close(fd);
        assert_int_equal(tables, b.table_count);
        assert_int_equal(kinds[ITEM_PRE_DATA], 1);
        assert_int_equal(kinds[ITEM_POST_DATA], 1);
        assert_true(kinds[ITEM_OTHER_DATA] >= 1);
    }
}

static void the_manifest_keeps_hashes_and_place(void **state)
{
    struct world *w = *state;
    struct pgtarget target;
    struct backup b, *list;
    struct err err = {0};
    size_t n;
    struct backup_spec spec = spec_for(w, &target, "hostile");
    spec.level = BACKUP_FAST;
    spec.jobs = 2;
    must_make(w, &spec, &b);
    struct backup_place place = {.service = "akig", .folder = w->folder};
    assert_true(backup_list(w->arena, &place, &list, &n, &err));
    assert_int_equal(n, 1);
    assert_non_null(strchr(list[0].snapshot_lsn, '/'));
    assert_string_equal(list[0].snapshot_lsn, b.snapshot_lsn);
    assert_string_equal(list[0].level, "fast");
    assert_int_equal(list[0].jobs, 2);
    assert_int_equal(list[0].sql_bytes, b.sql_bytes);
    for (size_t i = 0; i < b.table_count; i++)
        assert_true(list[0].tables[i].has_hash && list[0].tables[i].hash == b.tables[i].hash);
    if (!backup_verify(w->arena, &list[0], NULL, &err))
        fail_msg("%s", err.message);
}

/* ---- while the application works ---- */

struct busy {
    struct world *w;
    bool made;
    struct err err;
    char path[256];        /* of what was made */
    int64_t rows, sql_bytes;
    int64_t max_rate;
    int64_t took_ms;
};

static void *make_slowly(void *arg)
{
    struct busy *busy = arg;
    struct pgtarget target;
    struct backup_spec spec = spec_for(busy->w, &target, "bank");
    SCOPED(arena_close) struct arena *arena = arena_open();
    spec.large_min = 1;
    spec.piece_bytes = 256 * 1024;
    spec.jobs = 2;
    spec.max_rate = busy->max_rate;
    int64_t began = clock_boot_ms();
    struct backup b;
    busy->made = backup_make(arena, &spec, &b, &busy->err);
    busy->took_ms = clock_boot_ms() - began;
    if (busy->made) {
        COPY_TO(busy->path, b.path);
        busy->rows = b.rows;
        busy->sql_bytes = b.sql_bytes;
    }
    return NULL;
}

static void wait_for_sessions(struct world *w, const char *condition)
{
    for (int i = 0; i < 1000; i++) {
        char *n = pg_fixture_sql(w->pg, w->arena, "bank", arena_printf(w->arena, "SELECT count(*) FROM pg_stat_activity WHERE %s", condition));
        if (!same(n, "0"))
            return;
        usleep(10000);
    }
    fail_msg("no session where %s", condition);
}

/* Money moves between accounts while rows are copied in pieces by two sessions: the sum in the file is that of one moment. And the dump
   takes as long as its rate wants. */
static void one_moment_is_dumped_at_the_pace_asked_for(void **state)
{
    struct world *w = *state;
    struct busy busy = {.w = w, .max_rate = 1500000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_slowly, &busy), 0);
    wait_for_sessions(w, "query LIKE 'COPY%account%' AND pid <> pg_backend_pid()");
    for (int i = 0; i < 20; i++)
        pg_fixture_sql(w->pg, w->arena, "bank",
                       arena_printf(w->arena, "UPDATE account SET amount = amount + CASE WHEN id <= 20000 THEN -1 ELSE 1 END WHERE id %% 20 = %d;"
                                              "INSERT INTO account VALUES (%d, 1000000)", i, 100000 + i));
    pthread_join(thread, NULL);
    if (!busy.made)
        fail_msg("%s", busy.err.message);
    assert_int_equal(busy.rows, 40000);
    int64_t least_ms = busy.sql_bytes * 1000 / busy.max_rate;
    assert_in_range(busy.took_ms, least_ms * 9 / 10 - 300, least_ms * 3 + 5000);
    SCOPED(buf_done) struct buf text = {.max = TEXT_MAX};
    read_text(busy.path, &text);
    size_t n;
    char **lines = lines_of(w, &text, &n);
    int64_t sum = 0, rows = 0;
    for (size_t i = 0; i < n; i++) {
        char *tab = strchr(lines[i], '\t');
        if (tab && strstr(tab, "\tppp")) {
            sum += strtol(tab + 1, NULL, 10);
            rows++;
        }
    }
    assert_int_equal(rows, 40000);
    assert_int_equal(sum, 4000000);
    pg_fixture_sql(w->pg, w->arena, "bank", "DELETE FROM account WHERE id > 40000; UPDATE account SET amount = 100");
}

static size_t files_in(const char *folder, const char *ending)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name), end = strlen(ending);
        n += length >= end && same(entry->d_name + length - end, ending);
    }
    if (dir)
        closedir(dir);
    return n;
}

/* Each session that reads is ended in turn, pg_dump's among them; then the whole server. */
static void a_session_that_is_lost_leaves_nothing(void **state)
{
    struct world *w = *state;
    static const char *const victims[] = {"query LIKE 'COPY%account%' AND pid <> pg_backend_pid()", "application_name = 'bascule' AND query LIKE '%pg_export_snapshot%'",
                                          "SERVER"};
    for (size_t i = 0; i < COUNT_OF(victims); i++) {
        struct busy busy = {.w = w, .max_rate = 400000};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, make_slowly, &busy), 0);
        wait_for_sessions(w, victims[0]);
        if (same(victims[i], "SERVER"))
            pg_fixture_kill(w->pg);
        else
            pg_fixture_sql(w->pg, w->arena, "bank",
                           arena_printf(w->arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE %s", i ? "query LIKE 'COPY%account%'" : victims[i]));
        pthread_join(thread, NULL);
        if (same(victims[i], "SERVER"))
            pg_fixture_start(w->pg);
        assert_false(busy.made);
        assert_true(busy.took_ms < 20000);
        assert_int_equal(files_in(w->folder, ".gz"), 0);
        assert_int_equal(files_in(w->folder, ".partial"), 0);
        assert_int_equal(files_in(w->folder, ".json"), 0);
        assert_int_equal(files_in(w->scratch, ""), files_in(w->scratch, "."));
    }
}

/* Somebody waits to alter a table that the snapshot's session has locked: another session would wait behind him for ever. */
static void who_cannot_lock_at_once_is_done_without(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct pgtarget target = w->pg->target;
    target.dbname = "bank";
    struct snapshot snapshot;
    struct large_table *tables;
    size_t count;
    assert_true(snapshot_open(w->arena, &target, &snapshot, &err));
    assert_true(snapshot_large_tables(w->arena, &snapshot, 1, 0, &tables, &count, &err));
    assert_int_equal(count, 1);
    assert_string_equal(tables[0].name, "public.account");
    struct pg *other = NULL;
    assert_true(snapshot_join(w->arena, &snapshot, &target, tables, count, &other, &err));
    assert_non_null(other);
    pg_close(&other);
    pid_t pid = fork();
    if (pid == 0) {
        char port[16];
        snprintf(port, sizeof(port), "%d", target.port);
        execlp("psql", "psql", "-Xq", "-h", target.host, "-p", port, "-U", "postgres", "-d", "bank", "-c", "ALTER TABLE account ADD COLUMN late int",
               (char *)NULL);
        _exit(127);
    }
    wait_for_sessions(w, "query LIKE 'ALTER TABLE account%' AND wait_event_type = 'Lock'");
    if (!snapshot_join(w->arena, &snapshot, &target, tables, count, &other, &err))
        fail_msg("%s", err.message);
    assert_null(other);
    snapshot_close(&snapshot);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pg_fixture_sql(w->pg, w->arena, "bank", "ALTER TABLE account DROP COLUMN late");
}

/* To ask how large a table is takes a lock already; what has an end elsewhere has one there. */
static void a_locked_table_is_waited_for_and_not_for_ever(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct pgtarget target;
    struct backup b;
    SCOPED(pg_close) struct pg *app = NULL;
    struct backup_spec spec = spec_for(w, &target, "bank");
    spec.lock_wait_ms = 200;
    assert_true(pg_open(&target, NULL, 5000, &app, &err));
    static const char *const tables[] = {"account" /* ours */, "other" /* pg_dump's */};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        assert_true(pg_script(app, arena_printf(w->arena, "BEGIN; LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", tables[i]), 5000, &err));
        assert_false(backup_make(w->arena, &spec, &b, &err));
        if (!strstr(err.message, "lock timeout"))
            fail_msg("%s: %s", tables[i], err.message);
        assert_true(pg_script(app, "ROLLBACK", 5000, &err));
    }
    must_make(w, &spec, &b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin_empty)
    const struct CMUnitTest tests[] = {
        TEST(the_text_is_that_of_pg_dump),
        TEST(the_number_of_sessions_changes_nothing),
        TEST(the_index_finds_every_table),
        TEST(the_manifest_keeps_hashes_and_place),
        TEST(one_moment_is_dumped_at_the_pace_asked_for),
        TEST(a_session_that_is_lost_leaves_nothing),
        TEST(who_cannot_lock_at_once_is_done_without),
        TEST(a_locked_table_is_waited_for_and_not_for_ever),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
