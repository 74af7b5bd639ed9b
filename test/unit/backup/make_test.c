/* Backups of a real PostgreSQL, and everything that can go wrong on the way to a file with its final name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "io/hash.h"
#include "io/json.h"
#include "pgfixture.h"
#include "sys/clock.h"
#include "sys/file.h"

struct world {
    struct arena *arena;
    struct pg_fixture *pg;
    struct pgtarget target;
    char root[64];
    const char *folder, *scratch, *fakes, *path;
};
static struct world *one; /* a cluster for all tests, a folder for each */

static int open_cluster(void **state)
{
    struct world *w = one = calloc(1, sizeof(*w));
    w->arena = arena_open();
    w->pg = pg_fixture_new();
    w->target = w->pg->target;
    w->target.dbname = "akig";
    w->path = arena_strdup(w->arena, getenv("PATH"));
    pg_fixture_sql(w->pg, w->arena, NULL, "CREATE DATABASE akig");
    pg_fixture_sql(w->pg, w->arena, "akig",
                   "CREATE TABLE users(id int PRIMARY KEY, t text); INSERT INTO users SELECT i, md5(i::text) FROM generate_series(1, 20000) i;"
                   "CREATE TABLE \"Odd; name\"(a int); INSERT INTO \"Odd; name\" VALUES (1), (2); CREATE TABLE empty(a int);");
    *state = w;
    return 0;
}

static int close_cluster(void **state)
{
    (void)state;
    pg_fixture_free(&one->pg);
    arena_close(&one->arena);
    free(one);
    return 0;
}

static int open_folders(void **state)
{
    COPY_TO(one->root, "/tmp/bascule-make-XXXXXX");
    if (!mkdtemp(one->root))
        return -1;
    one->folder = file_join(one->arena, one->root, "backups");
    one->scratch = file_join(one->arena, one->root, "scratch");
    one->fakes = file_join(one->arena, one->root, "fakes");
    *state = one;
    return 0;
}

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *path = file_join(one->arena, folder, entry->d_name);
        if (!same(entry->d_name, ".") && !same(entry->d_name, "..") && unlink(path) != 0)
            rmdir(path);
    }
    if (dir)
        closedir(dir);
}

static int remove_folders(void **state)
{
    (void)state;
    setenv("PATH", one->path, 1);
    empty_folder(one->folder);
    empty_folder(one->scratch);
    empty_folder(one->fakes);
    empty_folder(one->root);
    return rmdir(one->root);
}

static size_t files_in(const char *folder, const char *ending)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name), end = strlen(ending);
        n += length >= end && same(entry->d_name + length - end, ending) && !same(entry->d_name, ".") && !same(entry->d_name, "..");
    }
    if (dir)
        closedir(dir);
    return n;
}

static void assert_nothing_left(struct world *w)
{
    assert_int_equal(files_in(w->folder, ".gz"), 0);
    assert_int_equal(files_in(w->folder, ".partial"), 0);
    assert_int_equal(files_in(w->folder, ".json"), 0);
    assert_int_equal(files_in(w->scratch, ""), 0);
}

/* A pg_dump of our own in front of the real one. */
static void fake_pg_dump(struct world *w, const char *script)
{
    struct err err = {0};
    assert_true(file_mkdirs(w->fakes, 0755, &err));
    const char *text = arena_printf(w->arena, "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'pg_dump (PostgreSQL) 15.99'; exit; }\n%s\n", script);
    assert_true(file_write(file_join(w->arena, w->fakes, "pg_dump"), text, strlen(text), 0755, &err));
    setenv("PATH", arena_printf(w->arena, "%s:%s", w->fakes, w->path), 1);
}

static bool make(struct world *w, struct backup *b, struct err *err)
{
    struct backup_spec spec = {.target = &w->target, .service = "akig", .folder = w->folder, .scratch_dir = w->scratch};
    return backup_make(w->arena, &spec, b, err);
}

static void must_make(struct world *w, struct backup *b)
{
    struct err err = {0};
    if (!make(w, b, &err))
        fail_msg("%s", err.message);
}

static int64_t rows_of(const struct backup *b, const char *table)
{
    for (size_t i = 0; i < b->table_count; i++)
        if (same(b->tables[i].name, table))
            return b->tables[i].rows;
    return -1;
}

static void a_backup_is_whole_counted_and_verified(void **state)
{
    struct world *w = *state;
    struct backup b, *listed;
    struct err err = {0};
    int64_t before = clock_wall_ms();
    must_make(w, &b);
    assert_in_range(b.snapshot_wall_ms, before - 1, clock_wall_ms());
    assert_int_equal(b.rows, 20002);
    assert_int_equal(rows_of(&b, "public.users"), 20000);
    assert_int_equal(rows_of(&b, "public.\"Odd; name\""), 2);
    assert_int_equal(rows_of(&b, "public.empty"), 0);
    assert_int_equal(files_in(w->folder, ".partial"), 0);
    assert_int_equal(files_in(w->scratch, ""), 0);
    size_t n;
    assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, NULL}, &listed, &n, &err));
    assert_int_equal(n, 1);
    assert_true(listed[0].has_manifest);
    assert_null(listed[0].damage);
    assert_string_equal(listed[0].verified_how, "read");
    assert_string_equal(listed[0].sha256, b.sha256);
    assert_int_equal(listed[0].snapshot_wall_ms, b.snapshot_wall_ms);
    assert_int_equal(strncmp(listed[0].server_version, "15.", 3), 0);
    assert_string_equal(listed[0].system_identifier,
                        pg_fixture_sql(w->pg, w->arena, NULL, "SELECT system_identifier FROM pg_control_system()"));
    assert_true(backup_verify(w->arena, &listed[0], NULL, &err));
}

static struct keyring ring(const char *first, const char *second)
{
    struct keyring keys = {0};
    const char *const given[] = {first, second};
    for (size_t i = 0; i < 2; i++)
        if (given[i])
            assert_true(seal_key_parse(str_of(given[i]), &keys.keys[keys.n++]));
    return keys;
}

static void an_encrypted_backup_is_read_with_its_key_only(void **state)
{
    static const char a[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const char b_hex[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct world *w = *state;
    struct backup b, *listed;
    struct err err = {0};
    size_t n;
    struct str file;
    struct keyring key = ring(a, NULL), next = ring(b_hex, a), other = ring(b_hex, NULL), none = {0};
    struct backup_spec spec = {.target = &w->target, .service = "akig", .folder = w->folder, .scratch_dir = w->scratch, .encrypt = true};
    assert_false(backup_make(w->arena, &spec, &b, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    spec.keys = &key;
    if (!backup_make(w->arena, &spec, &b, &err))
        fail_msg("%s", err.message);
    assert_true(b.sealed && b.encrypted && b.rows == 20002);
    assert_non_null(strstr(b.file, ".sql.gz.enc"));
    assert_true(file_read(w->arena, b.path, 64 << 20, &file, &err));
    assert_int_equal(file.n, b.bytes);
    assert_memory_equal(file.p, "BASCENC1", 8);
    const struct keyring *const good[] = {&key, &next}; /* the key, and after it was changed */
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, good[i]}, &listed, &n, &err));
        assert_int_equal(n, 1);
        assert_null(listed[0].damage);
        assert_true(listed[0].sealed && listed[0].encrypted && listed[0].verified_wall_ms);
        if (!backup_verify(w->arena, &listed[0], NULL, &err))
            fail_msg("%s", err.message);
    }
    assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, &other}, &listed, &n, &err));
    assert_non_null(strstr(listed[0].damage, "another key"));
    assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, &none}, &listed, &n, &err));
    assert_false(backup_verify(w->arena, &listed[0], NULL, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    for (size_t at = 5; at < file.n; at += file.n / 50) { /* one bit, anywhere */
        ((char *)(uintptr_t)file.p)[at] ^= 1;
        assert_true(file_write(b.path, file.p, file.n, 0600, &err));
        ((char *)(uintptr_t)file.p)[at] ^= 1;
        assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, &key}, &listed, &n, &err));
        assert_false(backup_verify(w->arena, &listed[0], NULL, &err));
    }
}

static void two_in_one_second_have_two_names(void **state)
{
    struct world *w = *state;
    struct backup a, b, *listed;
    struct err err = {0};
    size_t n;
    must_make(w, &a);
    must_make(w, &b);
    assert_string_not_equal(a.file, b.file);
    assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, NULL}, &listed, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(listed[0].file, b.file);
}

static void a_failing_pg_dump_leaves_nothing(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"echo 'pg_dump: error: out of luck' >&2; exit 1", "out of luck"},
        {"printf 'SET row_security = off;\\nCOPY t FROM stdin;\\n1\\n'; exit 1", "exit code 1"},
        {"printf 'SET row_security = off;\\nCOPY t FROM stdin;\\n1\\n'; exit 0", "cut off inside the rows"}, /* it lied */
        {"exit 0", "its last line"},
        {"echo '\\! touch /tmp/bascule-was-here'", "psql command"},
        {"kill -9 $$", "signal 9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct backup b;
        struct err err = {0};
        fake_pg_dump(w, cases[i].script);
        assert_false(make(w, &b, &err));
        if (!strstr(err.message, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
        assert_nothing_left(w);
    }
    assert_false(file_exists("/tmp/bascule-was-here"));
}

static void a_dead_server_and_a_missing_database_leave_nothing(void **state)
{
    struct world *w = *state;
    struct backup b;
    struct err err = {0};
    w->target.dbname = "nosuch";
    bool made = make(w, &b, &err);
    w->target.dbname = "akig";
    assert_false(made);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    int port = w->target.port;
    w->target.port = 1;
    made = make(w, &b, &err);
    w->target.port = port;
    assert_false(made);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_nothing_left(w);
}

static void a_write_that_fails_leaves_older_backups_alone(void **state)
{
    struct world *w = *state;
    struct backup good, b;
    struct err err = {0};
    must_make(w, &good);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 100000, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool made = make(w, &b, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(made);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.os, EFBIG);
    assert_int_equal(files_in(w->folder, ".gz"), 1);
    assert_int_equal(files_in(w->folder, ".partial"), 0);
    assert_int_equal(files_in(w->folder, ".manifest.json"), 1);
    assert_true(backup_verify(w->arena, &good, NULL, &err));
}

static void too_little_room_is_refused_beforehand(void **state)
{
    struct world *w = *state;
    struct backup b;
    struct err err = {0};
    assert_true(file_mkdirs(w->folder, 0700, &err));
    const char *huge = file_join(w->arena, w->folder, "akig_backup_full_20200101_000000.sql.gz");
    assert_true(file_write(huge, "x", 1, 0600, &err));
    assert_int_equal(truncate(huge, INT64_C(4) << 40), 0); /* sparse: 4 TiB by its size */
    assert_false(make(w, &b, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "free"));
    assert_int_equal(files_in(w->folder, ".gz"), 1);
}

static void only_one_runs_at_a_time(void **state)
{
    struct world *w = *state;
    struct backup b;
    struct err err = {0};
    int lock;
    assert_true(file_mkdirs(w->folder, 0700, &err));
    assert_true(file_lock(file_join(w->arena, w->folder, ".akig.backup.lock"), &lock, &err));
    assert_false(make(w, &b, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "another backup of \"akig\""));
    close(lock);
    must_make(w, &b);
}

static void a_killed_backup_is_invisible_and_swept(void **state)
{
    struct world *w = *state;
    fake_pg_dump(w, "while echo '-- on and on' && echo 'select 1;'; do :; done");
    pid_t pid = fork();
    if (pid == 0) {
        struct backup b;
        struct err err = {0};
        bool made = make(w, &b, &err);
        _exit(made);
    }
    for (int i = 0; i < 1000 && files_in(w->folder, ".partial") == 0; i++)
        usleep(10000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(files_in(w->folder, ".partial"), 1);
    struct backup *listed, b;
    size_t n;
    struct err err = {0};
    assert_true(backup_list(w->arena, &(struct backup_place){"akig", w->folder, NULL}, &listed, &n, &err));
    assert_int_equal(n, 0);
    /* Killed a moment later it leaves a record that has not got its name. */
    static const char *const others[] = {".akig_backup_full_20250101_000000.sql.gz.manifest.json.AbC12z", ".akig.past.jsonl", ".akig_backup_full.AbC12z",
                                         ".b_backup_full_20250101_000000.sql.gz.manifest.json.AbC12z"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_true(file_write(file_join(w->arena, w->folder, others[i]), "{", 1, 0600, &err));
    setenv("PATH", w->path, 1);
    must_make(w, &b);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(file_exists(file_join(w->arena, w->folder, others[i])), i > 0);
    assert_int_equal(files_in(w->folder, ".partial"), 0);
    assert_int_equal(files_in(w->folder, ".gz"), 1);
}

static void the_password_reaches_pg_dump_by_file_only(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup b;
    const char *secret = file_join(w->arena, w->root, "password"), *seen = file_join(w->arena, w->root, "seen");
    assert_true(file_write(secret, "s3cret-w0rd\n", 12, 0600, &err));
    fake_pg_dump(w, arena_printf(w->arena, "{ echo \"$@\"; env; } > %s; cat $PGPASSFILE >> %s.file; stat -c %%a $PGPASSFILE >> %s.file; exit 1", seen,
                                 seen, seen));
    w->target.password = (struct secret){SECRET_FILE, secret};
    bool made = make(w, &b, &err);
    w->target.password = (struct secret){0};
    assert_false(made);
    struct str text, file;
    assert_true(file_read(w->arena, seen, 100000, &text, &err));
    assert_true(file_read(w->arena, arena_printf(w->arena, "%s.file", seen), 100000, &file, &err));
    assert_null(strstr(text.p, "s3cret-w0rd"));
    assert_non_null(strstr(text.p, "PGDATABASE=akig"));
    assert_non_null(strstr(file.p, "s3cret-w0rd"));
    assert_non_null(strstr(file.p, "600"));
    assert_nothing_left(w);
}

static void the_manifest_says_what_was_taken(void **state)
{
    struct world *w = *state;
    struct backup b;
    struct err err = {0};
    must_make(w, &b);
    struct str text;
    const struct json *root;
    int64_t value;
    assert_true(file_read(w->arena, manifest_path(w->arena, b.path), 100000, &text, &err));
    assert_true(json_parse(w->arena, text, &root, &err));
    assert_string_equal(json_string(json_get(root, "service")), "akig");
    assert_string_equal(json_string(json_get(root, "database")), "akig");
    assert_int_equal(strncmp(json_string(json_get(root, "tool")), "bascule ", 8), 0);
    assert_true(json_integer(json_get(root, "bytes"), &value));
    assert_int_equal(value, b.bytes);
    assert_true(json_integer(json_get(root, "sql_bytes"), &value));
    assert_true(value > b.bytes);
    assert_true(json_integer(json_get(root, "took_ms"), &value));
    assert_int_equal(value, b.took_ms);
}

static void an_encrypted_backup_is_read_back_through_its_key(void **state)
{
    struct world *w = *state;
    struct backup b;
    struct err err = {0};
    struct keyring keys = {.n = 1};
    memset(keys.keys[0].bytes, 7, sizeof(keys.keys[0].bytes));
    struct backup_spec spec = {.target = &w->target, .service = "akig", .folder = w->folder, .scratch_dir = w->scratch, .keys = &keys, .encrypt = true};
    if (!backup_make(w->arena, &spec, &b, &err))
        fail_msg("%s", err.message);
    struct str text;
    char sha256[HASH_HEX_SIZE];
    assert_true(file_read(w->arena, b.path, 10 << 20, &text, &err));
    assert_true(str_starts(text, "BASCENC1"));
    assert_int_equal(files_in(w->folder, ".sql.gz.enc"), 1);
    assert_int_equal(text.n, b.bytes);
    assert_true(hash_file(b.path, sha256, &err));
    assert_string_equal(sha256, b.sha256);
    assert_int_equal(b.rows, 20002);
    spec.keys = NULL;
    assert_false(backup_make(w->arena, &spec, &b, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        TEST(a_backup_is_whole_counted_and_verified),
        TEST(an_encrypted_backup_is_read_with_its_key_only),
        TEST(two_in_one_second_have_two_names),
        TEST(a_failing_pg_dump_leaves_nothing),
        TEST(a_dead_server_and_a_missing_database_leave_nothing),
        TEST(a_write_that_fails_leaves_older_backups_alone),
        TEST(too_little_room_is_refused_beforehand),
        TEST(only_one_runs_at_a_time),
        TEST(a_killed_backup_is_invisible_and_swept),
        TEST(the_password_reaches_pg_dump_by_file_only),
        TEST(the_manifest_says_what_was_taken),
        TEST(an_encrypted_backup_is_read_back_through_its_key),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
