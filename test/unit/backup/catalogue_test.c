/* The catalogue and the verification on files made here, without a server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "io/gzip.h"
#include "io/hash.h"
#include "sys/file.h"

#define GOOD "COPY public.users (id) FROM stdin;\n1\n2\n3\n\\.\nCOPY \"A b\".c (id) FROM stdin;\n\\.\n--\n-- PostgreSQL database dump complete\n--\n\n"

struct world {
    struct arena *arena;
    char folder[64];
};

static int open_world(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    COPY_TO(w->folder, "/tmp/bascule-catalogue-XXXXXX");
    *state = w;
    return mkdtemp(w->folder) ? 0 : -1;
}

static int close_world(void **state)
{
    struct world *w = *state;
    DIR *dir = opendir(w->folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *path = file_join(w->arena, w->folder, entry->d_name);
        if (unlink(path) != 0)
            rmdir(path);
    }
    closedir(dir);
    int failed = rmdir(w->folder);
    arena_close(&w->arena);
    free(w);
    return failed;
}

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

static const char *put(struct world *w, const char *name, const void *data, size_t size)
{
    struct err err = {0};
    const char *path = file_join(w->arena, w->folder, name);
    if (!file_write(path, data, size, 0600, &err))
        fail_msg("%s", err.message);
    return path;
}

static const char *put_gz(struct world *w, const char *name, const char *sql)
{
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    SCOPED(gzip_writer_close) struct gzip_writer *gz = gzip_writer_open(6, into_buf, &packed);
    struct err err = {0};
    assert_true(gzip_writer_add(gz, sql, strlen(sql), &err) && gzip_writer_end(gz, &err));
    return put(w, name, packed.p, packed.n);
}

static void put_manifest(struct world *w, const char *path, int64_t snapshot_ms, int64_t users)
{
    struct err err = {0};
    struct stat st;
    char sha256[HASH_HEX_SIZE];
    assert_int_equal(stat(path, &st), 0);
    assert_true(hash_file(path, sha256, &err));
    struct backup_table tables[] = {{"public.users", users}, {"\"A b\".c", 0}};
    struct backup b = {.path = path, .file = file_name_of(path), .snapshot_wall_ms = snapshot_ms, .bytes = st.st_size, .sha256 = sha256,
                       .server_version = "15.1", .tables = tables, .table_count = 2, .rows = users};
    assert_true(manifest_write(&b, &(struct manifest){.service = "akig", .tool = "test"}, &err));
    (void)w;
}

static size_t list(struct world *w, struct backup **ret)
{
    struct err err = {0};
    size_t n;
    if (!backup_list(w->arena, &(struct backup_place){"akig", w->folder, NULL}, ret, &n, &err))
        fail_msg("%s", err.message);
    return n;
}

static int64_t moment(const char *iso)
{
    int64_t ms;
    assert_true(moment_parse_iso(iso, &ms));
    return ms;
}

static void only_backups_of_the_service_are_listed(void **state)
{
    struct world *w = *state;
    put_gz(w, "akig_backup_full_20251025_143402.sql.gz", GOOD);
    put_gz(w, "akig_backup_full_20251025_153402.sql.gz", GOOD);
    put(w, "akig_backup_full_20251025_133402.sql", GOOD, strlen(GOOD));
    static const char *const strangers[] = {".akig_backup_full_20251025_163402.sql.gz.partial", "akig_backup_full_20251025_163402.sql.gz.tmp",
                                            "akig2_backup_full_20251025_163402.sql.gz", "akig_backup_incremental_20251025_163402.sql.gz",
                                            "akig_backup_full_2025_1634.sql.gz", "akig_backup_full_20251399_163402.sql.gz", "notes.txt"};
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        put(w, strangers[i], "x", 1);
    assert_int_equal(mkdir(file_join(w->arena, w->folder, "akig_backup_full_20251025_173402.sql.gz"), 0700), 0);
    struct backup *b;
    assert_int_equal(list(w, &b), 3);
    assert_string_equal(b[0].file, "akig_backup_full_20251025_153402.sql.gz");
    assert_int_equal(b[0].snapshot_wall_ms, moment("2025-10-25T15:34:02.000Z"));
    assert_int_equal(b[2].snapshot_wall_ms, moment("2025-10-25T13:34:02.000Z"));
    assert_false(b[0].has_manifest);
    assert_int_equal(b[0].rows, -1);
    assert_null(b[0].damage);
    assert_int_equal(b[0].verified_wall_ms, 0);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
    struct world *w = *state;
    struct backup *b;
    size_t n;
    struct err err = {0};
    assert_false(backup_list(w->arena, &(struct backup_place){"akig", "/nonexistent/backups", NULL}, &b, &n, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void the_manifests_snapshot_counts_and_orders(void **state)
{
    struct world *w = *state;
    /* The file named later holds older data. */
    put_manifest(w, put_gz(w, "akig_backup_full_20251025_150000.sql.gz", GOOD), moment("2025-10-25T12:00:00.500Z"), 3);
    put_manifest(w, put_gz(w, "akig_backup_full_20251025_140000.sql.gz", GOOD), moment("2025-10-25T13:59:58.250Z"), 3);
    struct backup *b;
    assert_int_equal(list(w, &b), 2);
    assert_string_equal(b[0].file, "akig_backup_full_20251025_140000.sql.gz");
    assert_int_equal(b[0].snapshot_wall_ms, moment("2025-10-25T13:59:58.250Z"));
    assert_int_equal(b[0].rows, 3);
    assert_int_equal(b[0].table_count, 2);
    assert_string_equal(b[0].tables[1].name, "\"A b\".c");
    assert_string_equal(b[0].server_version, "15.1");
}

static void age_is_never_told_too_young(void **state)
{
    struct world *w = *state;
    const char *path = put_gz(w, "akig_backup_full_20251025_150000.sql.gz", GOOD);
    struct backup *b;
    setenv("TZ", "XXX-2", 1); /* two hours before UTC: 15:00 there is 13:00 UTC */
    tzset();
    assert_int_equal(list(w, &b), 1);
    assert_int_equal(b[0].snapshot_wall_ms, moment("2025-10-25T13:00:00.000Z"));
    setenv("TZ", "XXX+5", 1);
    tzset();
    assert_int_equal(list(w, &b), 1);
    assert_int_equal(b[0].snapshot_wall_ms, moment("2025-10-25T15:00:00.000Z"));
    setenv("TZ", "UTC", 1);
    tzset();
    struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}}; /* written in 2023: named for a future then */
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(list(w, &b), 1);
    assert_int_equal(b[0].snapshot_wall_ms, INT64_C(1700000000000));
}

static void damage_shows_without_reading(void **state)
{
    struct world *w = *state;
    put(w, "akig_backup_full_20251025_100000.sql.gz", "", 0);
    const char *cut = put_gz(w, "akig_backup_full_20251025_110000.sql.gz", GOOD);
    put_manifest(w, cut, moment("2025-10-25T11:00:00.000Z"), 3);
    assert_int_equal(truncate(cut, 40), 0);
    put_gz(w, "akig_backup_full_20251025_120000.sql.gz", GOOD);
    put(w, "akig_backup_full_20251025_120000.sql.gz.manifest.json", "{\"bytes\": 1,", 12);
    put_gz(w, "akig_backup_full_20251025_130000.sql.gz", GOOD);
    put(w, "akig_backup_full_20251025_130000.sql.gz.manifest.json", "{}", 2);
    static const char negative[] = "{\"snapshot_ms\": 1, \"bytes\": 1, \"took_ms\": 1, \"sha256\": \"\", \"tables\": [{\"name\": \"t\", \"rows\": -1}]}";
    put_gz(w, "akig_backup_full_20251025_090000.sql.gz", GOOD);
    put(w, "akig_backup_full_20251025_090000.sql.gz.manifest.json", negative, strlen(negative));
    struct backup *b;
    assert_int_equal(list(w, &b), 5);
    assert_non_null(strstr(b[4].damage, "lacks what a manifest must say"));
    assert_non_null(strstr(b[0].damage, "lacks what a manifest must say"));
    assert_non_null(strstr(b[1].damage, "its manifest cannot be used"));
    assert_non_null(strstr(b[2].damage, "the file has 40 bytes, its manifest says"));
    assert_string_equal(b[3].damage, "the file is empty");
    struct err err = {0};
    for (int i = 0; i < 4; i++)
        assert_false(backup_verify(w->arena, &b[i], NULL, &err));
}

static void a_verification_is_remembered(void **state)
{
    struct world *w = *state;
    const char *path = put_gz(w, "akig_backup_full_20251025_150000.sql.gz", GOOD);
    struct backup *b;
    struct err err = {0};
    list(w, &b);
    if (!backup_verify(w->arena, &b[0], NULL, &err))
        fail_msg("%s", err.message);
    assert_int_equal(b[0].rows, 3);
    list(w, &b);
    assert_int_not_equal(b[0].verified_wall_ms, 0);
    assert_string_equal(b[0].verified_how, "read");
    assert_int_equal(b[0].rows, 3); /* counted once, known from then on */
    assert_true(backup_mark_verified(&b[0], "restored", &err));
    list(w, &b);
    assert_string_equal(b[0].verified_how, "restored");
    /* The record is about the file as it was. */
    struct timespec times[2] = {{.tv_sec = 1800000000}, {.tv_sec = 1800000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    list(w, &b);
    assert_int_equal(b[0].verified_wall_ms, 0);
    assert_null(b[0].verified_how);
}

static void what_is_wrong_is_named_and_remembered(void **state)
{
    struct world *w = *state;
    put_gz(w, "akig_backup_full_20251025_150000.sql.gz", "COPY t FROM stdin;\n1\n");
    put_manifest(w, put_gz(w, "akig_backup_full_20251025_140000.sql.gz", GOOD), moment("2025-10-25T14:00:00.000Z"), 4);
    const char *wrong = put_gz(w, "akig_backup_full_20251025_130000.sql.gz", GOOD);
    put_manifest(w, wrong, moment("2025-10-25T13:00:00.000Z"), 3);
    SCOPED(buf_done) struct buf text = {.max = 1 << 16}; /* the same rows in other bytes of the same length */
    struct str old;
    struct err err = {0};
    assert_true(file_read(w->arena, wrong, 1 << 16, &old, &err));
    buf_add(&text, old.p, old.n);
    text.p[4] ^= 1; /* the time stamp in gzip's header: content and CRC stay right */
    put(w, file_name_of(wrong), text.p, text.n);
    struct backup *b;
    list(w, &b);
    static const char *const wanted[] = {"cut off inside the rows", "has 3 rows in the file, its manifest says 4", "the checksum of the file"};
    for (int i = 0; i < 3; i++) {
        assert_null(b[i].damage);
        assert_false(backup_verify(w->arena, &b[i], NULL, &err));
        assert_int_equal(err.code, ERR_DATA);
        assert_non_null(strstr(err.message, wanted[i]));
    }
    list(w, &b);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(b[i].damage, wanted[i]));
}

static void the_newest_good_one_is_taken_and_the_others_are_said(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup found;
    SCOPED(buf_done) struct buf skipped = {.max = 1 << 16};
    assert_false(backup_newest_good(w->arena, &(struct backup_place){"akig", w->folder, NULL}, NULL, &skipped, &found, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "there is no backup of \"akig\""));
    put(w, "akig_backup_full_20251025_180000.sql.gz", "", 0);
    put_gz(w, "akig_backup_full_20251025_170000.sql.gz", "select 1;\n");
    assert_false(backup_newest_good(w->arena, &(struct backup_place){"akig", w->folder, NULL}, NULL, &skipped, &found, &err));
    assert_non_null(strstr(err.message, "none of the 2 backups"));
    buf_clear(&skipped);
    put_gz(w, "akig_backup_full_20251025_160000.sql.gz", GOOD);
    put_gz(w, "akig_backup_full_20251025_150000.sql.gz", GOOD);
    assert_true(backup_newest_good(w->arena, &(struct backup_place){"akig", w->folder, NULL}, NULL, &skipped, &found, &err));
    assert_string_equal(found.file, "akig_backup_full_20251025_160000.sql.gz");
    assert_non_null(strstr(buf_text(&skipped), "akig_backup_full_20251025_180000.sql.gz: the file is empty\n"));
    assert_non_null(strstr(buf_text(&skipped), "akig_backup_full_20251025_170000.sql.gz: "));
    assert_non_null(strstr(buf_text(&skipped), "its last line"));
    int lines = 0;
    for (size_t i = 0; i < skipped.n; i++)
        lines += skipped.p[i] == '\n';
    assert_int_equal(lines, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(only_backups_of_the_service_are_listed), TEST(a_folder_that_is_not_there_is_said),
        TEST(the_manifests_snapshot_counts_and_orders), TEST(age_is_never_told_too_young),
        TEST(damage_shows_without_reading),           TEST(a_verification_is_remembered),
        TEST(what_is_wrong_is_named_and_remembered),  TEST(the_newest_good_one_is_taken_and_the_others_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
