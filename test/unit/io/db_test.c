/* The wrapper of SQLite: identity of a file, transactions, values, and errors told apart. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/db.h"

struct place {
    char dir[64], path[96];
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    COPY_TO(p->dir, "/tmp/bascule-db-XXXXXX");
    if (!p || !mkdtemp(p->dir))
        return -1;
    snprintf(p->path, sizeof(p->path), "%s/x.db", p->dir);
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", p->path, ends[i]);
        unlink(path);
    }
    int failed = rmdir(p->dir);
    free(p);
    return failed;
}

static struct db_spec spec_of(const struct place *p)
{
    return (struct db_spec){.path = p->path, .write = true, .create = true, .durable = true, .busy_ms = 100, .application_id = 7, .format = 3};
}

static struct db *opened(const struct db_spec *spec)
{
    struct err err = {0};
    struct db *db = NULL;
    if (!db_open(spec, &db, &err))
        fail_msg("%s", err.message);
    return db;
}

/* A stamped file with table t(a, b). */
static struct db *made(const struct place *p)
{
    struct err err = {0};
    struct db_spec spec = spec_of(p);
    struct db *db = opened(&spec);
    assert_true(db_empty(db));
    assert_true(db_begin(db, &err) && db_stamp(db, &err));
    assert_true(db_run(db, "CREATE TABLE t (a INTEGER, b TEXT NOT NULL)", &err));
    assert_true(db_commit(db, &err));
    assert_false(db_empty(db));
    return db;
}

static int64_t count(struct db *db)
{
    struct err err = {0};
    int64_t n = -1;
    assert_true(db_ask_int(db, "SELECT count(*) FROM t", &n, &err));
    return n;
}

static void values_survive(void **state)
{
    struct err err = {0};
    struct db *db = made(*state);
    struct db_stmt *put, *get;
    bool row;
    assert_true(db_prepare(db, "INSERT INTO t VALUES (?1, ?2)", &put, &err));
    const int64_t numbers[] = {0, INT64_MIN, INT64_MAX};
    const struct str texts[] = {STR(""), {.p = NULL}, STR("a\0b")};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        db_bind_int(put, 1, numbers[i]);
        db_bind_text(put, 2, texts[i]);
        assert_true(db_step(put, &row, &err));
        assert_false(row);
        db_reset(put);
    }
    assert_true(db_prepare(db, "SELECT a, b FROM t ORDER BY rowid", &get, &err));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_true(db_step(get, &row, &err));
        assert_true(row);
        assert_int_equal(db_int(get, 0), numbers[i]);
        assert_int_equal(db_text(get, 1).n, texts[i].n);
        assert_memory_equal(db_text(get, 1).p, texts[i].n ? texts[i].p : "", texts[i].n);
    }
    assert_true(db_step(get, &row, &err));
    assert_false(row);
    db_finish(&get);
    db_finish(&put);
    db_finish(&put);
    db_close(&db);
    db_close(&db);
}

static void a_rollback_leaves_nothing(void **state)
{
    struct err err = {0};
    struct db *db = made(*state);
    assert_true(db_begin(db, &err));
    assert_true(db_run(db, "INSERT INTO t VALUES (1, 'x')", &err));
    db_rollback(db);
    db_rollback(db);
    assert_int_equal(count(db), 0);
    assert_false(db_begin(db, &err) && db_run(db, "INSERT INTO t VALUES (1, NULL)", &err));
    assert_int_equal(err.code, ERR_REFUSED);
    db_rollback(db);
    db_close(&db);
}

static void a_wrong_parameter_is_an_error(void **state)
{
    struct err err = {0};
    struct db *db = made(*state);
    struct db_stmt *stmt;
    bool row;
    assert_true(db_prepare(db, "INSERT INTO t VALUES (?1, 'x')", &stmt, &err));
    db_bind_int(stmt, 2, 1);
    assert_false(db_step(stmt, &row, &err));
    db_reset(stmt);
    db_bind_int(stmt, 1, 1);
    assert_true(db_step(stmt, &row, &err));
    db_finish(&stmt);
    assert_false(db_prepare(db, "SELEKT 1", &stmt, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    db_close(&db);
}

static void one_writer_at_a_time(void **state)
{
    struct err err = {0};
    struct db *a = made(*state);
    struct db_spec spec = spec_of(*state);
    struct db *b = opened(&spec);
    assert_true(db_begin(a, &err));
    assert_false(db_begin(b, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(err.retryable);
    assert_int_equal(count(b), 0); /* readers are not kept waiting */
    assert_true(db_commit(a, &err));
    assert_true(db_begin(b, &err));
    db_rollback(b);
    db_close(&b);
    db_close(&a);
}

static void readers_cannot_write(void **state)
{
    struct err err = {0};
    struct db *db = made(*state);
    struct db_spec spec = spec_of(*state);
    spec.write = spec.create = false;
    struct db *reader = opened(&spec);
    assert_int_equal(count(reader), 0);
    assert_false(db_run(reader, "INSERT INTO t VALUES (1, 'x')", &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    db_close(&reader);
    db_close(&db);
}

static void what_is_not_ours_is_refused(void **state)
{
    struct err err = {0};
    struct db *db = made(*state);
    db_close(&db);
    struct db_spec spec = spec_of(*state);
    spec.application_id = 8;
    assert_false(db_open(&spec, &db, &err));
    assert_int_equal(err.code, ERR_DATA);
    spec = spec_of(*state);
    spec.format = 2;
    assert_false(db_open(&spec, &db, &err));
    assert_int_equal(err.code, ERR_DATA);
    spec.format = 4; /* older than known is for the caller */
    db = opened(&spec);
    db_close(&db);
}

static void absent_folders_and_files_are_told(void **state)
{
    struct err err = {0};
    struct db *db;
    struct db_spec spec = spec_of(*state);
    spec.create = false;
    assert_false(db_open(&spec, &db, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    spec.create = true;
    spec.path = "/nonexistent/folder/x.db";
    assert_false(db_open(&spec, &db, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void the_file_is_not_for_everybody(void **state)
{
    struct place *p = *state;
    struct stat st;
    mode_t before = umask(0);
    struct db *db = made(p);
    umask(before);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    db_close(&db);
}

static void room_is_told(void **state)
{
    (void)state;
    assert_true(db_free_bytes("/tmp") > 0);
    assert_int_equal(db_free_bytes("/nonexistent"), -1);
    assert_true(db_disk_full(&(struct err){.code = ERR_IO, .os = ENOSPC}));
    assert_false(db_disk_full(&(struct err){.code = ERR_IO, .os = EIO}));
    assert_false(db_disk_full(&(struct err){.code = ERR_DATA, .os = ENOSPC}));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        TEST(values_survive),
        TEST(a_rollback_leaves_nothing),
        TEST(a_wrong_parameter_is_an_error),
        TEST(one_writer_at_a_time),
        TEST(readers_cannot_write),
        TEST(what_is_not_ours_is_refused),
        TEST(absent_folders_and_files_are_told),
        TEST(the_file_is_not_for_everybody),
        cmocka_unit_test(room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
