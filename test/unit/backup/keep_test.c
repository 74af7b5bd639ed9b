/* Keeping backups: seals, pruning, copies in a store and back. A folder plays the store; a store that fails on purpose plays the rest. */
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
#include "backup/past.h"
#include "backup/prune.h"
#include "io/gzip.h"
#include "sys/clock.h"
#include "sys/file.h"

#define GOOD "COPY public.users (id) FROM stdin;\n1\n2\n3\n\\.\n--\n-- PostgreSQL database dump complete\n--\n\n"
#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct world {
    struct arena *arena;
    char root[64];
    struct keyring keys;
    struct backup_place place;
    struct store_folder_options away;
    struct store store;
    struct store_ctx ctx;
};

static int open_world(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    COPY_TO(w->root, "/tmp/bascule-keep-XXXXXX");
    *state = w;
    if (!mkdtemp(w->root))
        return -1;
    w->place = (struct backup_place){"akig", file_join(w->arena, w->root, "here"), &w->keys};
    w->away.folder = file_join(w->arena, w->root, "away");
    w->store = (struct store){"offsite", &store_folder, &w->away};
    w->ctx = (struct store_ctx){.arena = w->arena};
    return mkdir(w->place.folder, 0700) || mkdir(w->away.folder, 0700);
}

static void clear(struct world *w, const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        (void)unlink(file_join(w->arena, folder, entry->d_name));
    if (dir)
        closedir(dir);
    (void)rmdir(folder);
}

static int close_world(void **state)
{
    struct world *w = *state;
    clear(w, w->place.folder);
    clear(w, w->away.folder);
    clear(w, file_join(w->arena, w->root, "dr"));
    int failed = rmdir(w->root);
    arena_close(&w->arena);
    free(w);
    return failed;
}

static void use_key(struct world *w, const char *key, const char *old)
{
    w->keys.n = 0;
    if (key)
        assert_true(seal_key_parse(str_of(key), &w->keys.keys[w->keys.n++]));
    if (old)
        assert_true(seal_key_parse(str_of(old), &w->keys.keys[w->keys.n++]));
}

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

static const char *put_gz(struct world *w, const char *name, const char *sql)
{
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    SCOPED(gzip_writer_close) struct gzip_writer *gz = gzip_writer_open(6, into_buf, &packed);
    struct err err = {0};
    const char *path = file_join(w->arena, w->place.folder, name);
    assert_true(gzip_writer_add(gz, sql, strlen(sql), &err) && gzip_writer_end(gz, &err));
    assert_true(file_write(path, packed.p, packed.n, 0600, &err));
    return path;
}

static int64_t moment(const char *iso)
{
    int64_t ms;
    assert_true(moment_parse_iso(iso, &ms));
    return ms;
}

/* Whole and verified, with the seal of the key in use, if any. */
static struct backup make_good(struct world *w, const char *at)
{
    int64_t ms = moment(at);
    struct err err = {0};
    struct stat st;
    static struct backup_table tables[] = {{.name = "public.users", .rows = 3}};
    const char *path = put_gz(w, arena_printf(w->arena, "akig_backup_full_%s.sql.gz", moment_file(w->arena, ms)), GOOD);
    char hex[HASH_HEX_SIZE];
    assert_int_equal(stat(path, &st), 0);
    assert_true(hash_file(path, hex, &err));
    struct backup b = {.path = path, .file = file_name_of(path), .snapshot_wall_ms = ms, .bytes = st.st_size, .rows = 3, .tables = tables,
                       .table_count = 1, .sha256 = arena_strdup(w->arena, hex), .keys = &w->keys, .opens = &w->keys, .has_manifest = true};
    if (!manifest_write(&b, &(struct manifest){.service = "akig", .tool = "test"}, &err) || !backup_mark_verified(&b, "read", &err))
        fail_msg("%s", err.message);
    return b;
}

static size_t list(struct world *w, struct backup **ret)
{
    struct err err = {0};
    size_t n;
    if (!backup_list(w->arena, &w->place, ret, &n, &err))
        fail_msg("%s", err.message);
    return n;
}

/* ---- seals ---- */

static void a_sealed_backup_is_told_from_an_altered_one(void **state)
{
    struct world *w = *state;
    struct backup *b;
    struct str text;
    struct err err = {0};
    use_key(w, KEY_A, NULL);
    struct backup good = make_good(w, "2025-10-25T10:00:00Z");
    assert_int_equal(list(w, &b), 1);
    assert_null(b[0].damage);
    assert_true(b[0].sealed);
    assert_int_not_equal(b[0].verified_wall_ms, 0);
    assert_true(backup_verify(w->arena, &b[0], NULL, &err));
    const char *manifest = manifest_path(w->arena, good.path);
    assert_true(file_read(w->arena, manifest, 100000, &text, &err));
    for (size_t i = 0; i + 1 < text.n; i++) { /* the newline at the end may go */
        char *altered = arena_dup(w->arena, text.p, text.n);
        altered[i] ^= 1;
        assert_true(file_write(manifest, altered, text.n, 0600, &err));
        list(w, &b);
        if (!b[0].damage)
            fail_msg("byte %zu may be altered", i);
        assert_false(backup_verify(w->arena, &b[0], NULL, &err));
    }
    assert_true(file_write(manifest, text.p, text.n, 0600, &err));
    list(w, &b);
    assert_null(b[0].damage);
    use_key(w, KEY_B, NULL); /* a stranger's key, or ours after a change */
    list(w, &b);
    assert_non_null(strstr(b[0].damage, "sealed with another key"));
    use_key(w, KEY_B, KEY_A);
    list(w, &b);
    assert_null(b[0].damage);
    assert_true(b[0].sealed);
}

static void without_a_seal_nothing_is_believed_once_there_is_a_key(void **state)
{
    struct world *w = *state;
    struct backup *b;
    struct err err = {0};
    make_good(w, "2025-10-25T10:00:00Z");
    put_gz(w, "akig_backup_full_20251025_110000.sql.gz", GOOD); /* pg_dump | gzip */
    assert_int_equal(list(w, &b), 2);
    assert_null(b[0].damage);
    assert_null(b[1].damage);
    assert_false(b[1].sealed);
    use_key(w, KEY_A, NULL);
    list(w, &b);
    assert_non_null(strstr(b[0].damage, "no manifest"));
    assert_non_null(strstr(b[1].damage, "bears no seal"));
    SCOPED(buf_done) struct buf skipped = {.max = 4096};
    struct backup found;
    assert_false(backup_newest_good(w->arena, &w->place, NULL, &skipped, &found, &err));
    for (int i = 0; i < 2; i++) {
        assert_false(backup_verify(w->arena, &b[i], NULL, &err));
        if (!backup_seal(w->arena, &b[i], NULL, &err))
            fail_msg("%s", err.message);
    }
    list(w, &b);
    for (int i = 0; i < 2; i++) {
        assert_null(b[i].damage);
        assert_true(b[i].sealed && b[i].has_manifest && b[i].rows == 3 && b[i].verified_wall_ms);
    }
    assert_true(backup_verify(w->arena, &b[0], NULL, &err));
}

static void a_manifest_does_not_fit_another_file(void **state)
{
    struct world *w = *state;
    struct backup *b;
    use_key(w, KEY_A, NULL);
    struct backup old = make_good(w, "2025-10-25T10:00:00Z"), new = make_good(w, "2025-10-25T11:00:00Z");
    assert_int_equal(rename(old.path, new.path), 0);
    assert_int_equal(rename(manifest_path(w->arena, old.path), manifest_path(w->arena, new.path)), 0);
    list(w, &b);
    assert_non_null(strstr(b[0].damage, "is sealed for another file"));
}

static void a_forged_verification_is_none(void **state)
{
    struct world *w = *state;
    struct backup *b;
    struct err err = {0};
    use_key(w, KEY_A, NULL);
    struct backup good = make_good(w, "2025-10-25T10:00:00Z");
    struct keyring none = {0};
    good.keys = &none;
    assert_true(backup_mark_verified(&good, "restored", &err));
    list(w, &b);
    assert_int_equal(b[0].verified_wall_ms, 0);
}

static void a_damaged_backup_is_not_sealed(void **state)
{
    struct world *w = *state;
    struct backup *b;
    struct err err = {0};
    put_gz(w, "akig_backup_full_20251025_110000.sql.gz", "COPY t FROM stdin;\n1\n");
    list(w, &b);
    assert_false(backup_seal(w->arena, &b[0], NULL, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    use_key(w, KEY_A, NULL);
    list(w, &b);
    assert_false(backup_seal(w->arena, &b[0], NULL, &err));
    assert_int_equal(err.code, ERR_DATA);
    assert_false(file_exists(manifest_path(w->arena, b[0].path)));
}

/* ---- pruning ---- */

static size_t files_in(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static void what_no_rule_keeps_goes_with_its_records(void **state)
{
    struct world *w = *state;
    struct retention rule = {.keep_ms = 2 * MS_HOUR, .newest = 1};
    struct prune_result r;
    struct err err = {0};
    int held;
    struct backup *b;
    for (int i = 0; i < 6; i++)
        make_good(w, arena_printf(w->arena, "2025-10-25T1%d:00:00Z", i));
    int64_t now = moment("2025-10-25T15:30:00Z");
    assert_true(backup_prune(w->arena, &w->place, &rule, now, true, &r, &err));
    assert_int_equal(r.count, 6);
    assert_int_equal(r.removed, 4);
    assert_true(r.freed_bytes > 0);
    assert_int_equal(files_in(w->place.folder), 18);
    list(w, &b);
    assert_true(backup_hold(&b[4], &held, &err)); /* somebody restores it */
    assert_true(backup_prune(w->arena, &w->place, &rule, now, false, &r, &err));
    assert_int_equal(r.removed, 3);
    assert_int_equal(r.kept_in_use, 1);
    assert_string_equal(r.lines[4].why, "in use");
    assert_int_equal(files_in(w->place.folder), 9);
    close(held);
    assert_true(backup_prune(w->arena, &w->place, &rule, now, false, &r, &err));
    assert_int_equal(r.removed, 1);
    assert_int_equal(files_in(w->place.folder), 6);
    assert_false(backup_hold(&b[4], &held, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void one_prune_at_a_time(void **state)
{
    struct world *w = *state;
    struct prune_result r;
    struct err err = {0};
    int lock;
    make_good(w, "2025-10-25T10:00:00Z");
    assert_true(file_lock(file_join(w->arena, w->place.folder, ".akig.prune.lock"), &lock, &err));
    assert_false(backup_prune(w->arena, &w->place, &(struct retention){.newest = 1}, 0, false, &r, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    close(lock);
}

static void leftovers_are_swept_when_they_are_old(void **state)
{
    struct world *w = *state;
    struct prune_result r;
    struct err err = {0};
    struct backup gone = make_good(w, "2025-10-25T10:00:00Z"), stays = make_good(w, "2025-10-25T11:00:00Z");
    assert_int_equal(unlink(gone.path), 0); /* killed between the file and its records */
    const char *piece = file_join(w->arena, w->place.folder, ".akig_backup_full_20251025_120000.sql.gz.fetched");
    const char *foreign = file_join(w->arena, w->place.folder, ".notes.fetched");
    assert_true(file_write(piece, "x", 1, 0600, &err) && file_write(foreign, "x", 1, 0600, &err));
    assert_true(backup_prune(w->arena, &w->place, &(struct retention){.keep_ms = MS_DAY, .newest = 1}, clock_wall_ms(), false, &r, &err));
    assert_true(file_exists(manifest_path(w->arena, gone.path)) && file_exists(piece));
    assert_true(backup_prune(w->arena, &w->place, &(struct retention){.keep_ms = MS_DAY, .newest = 1}, clock_wall_ms() + 2 * MS_DAY, false, &r, &err));
    assert_false(file_exists(manifest_path(w->arena, gone.path)) || file_exists(verified_path(w->arena, gone.path)) || file_exists(piece));
    assert_true(file_exists(manifest_path(w->arena, stays.path)) && file_exists(stays.path) && file_exists(foreign));
}

/* ---- stores ---- */

static void a_backup_goes_to_a_store_and_comes_back(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup *there, back;
    struct store_record *records;
    size_t n;
    use_key(w, KEY_A, NULL);
    struct backup b = make_good(w, "2025-10-25T10:00:00Z");
    assert_true(store_mark_pending(&b, "offsite", &err));
    store_records(w->arena, &b, &records, &n);
    assert_int_equal(n, 1);
    assert_int_equal(records[0].state, STORE_PENDING);
    if (!store_push(&w->store, &w->ctx, &b, &err))
        fail_msg("%s", err.message);
    store_records(w->arena, &b, &records, &n);
    assert_int_equal(n, 1);
    assert_int_equal(records[0].state, STORE_STORED);
    assert_int_equal(records[0].tries, 1);
    assert_true(store_mark_pending(&b, "offsite", &err));
    store_records(w->arena, &b, &records, &n);
    assert_int_equal(records[0].state, STORE_STORED);
    assert_true(store_backups(&w->store, &w->ctx, "akig", &there, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(there[0].file, b.file);
    assert_int_equal(there[0].bytes, b.bytes);
    struct backup_place dr = {"akig", file_join(w->arena, w->root, "dr"), &w->keys};
    if (!store_fetch(&w->store, &w->ctx, &dr, b.file, &back, &err))
        fail_msg("%s", err.message);
    assert_string_equal(back.sha256, b.sha256);
    assert_true(back.sealed && !back.damage && backup_verify(w->arena, &back, NULL, &err));
    assert_int_equal(files_in(dr.folder), 3);
}

static void a_manifest_alone_or_a_file_alone_is_no_backup(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup *there, b = make_good(w, "2025-10-25T10:00:00Z");
    size_t n;
    assert_true(store_folder.put(&w->store, &w->ctx, b.path, b.file, &err));
    assert_true(store_backups(&w->store, &w->ctx, "akig", &there, &n, &err));
    assert_int_equal(n, 0);
}

static void what_a_store_holds_damaged_is_not_taken(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup back, b = make_good(w, "2025-10-25T10:00:00Z");
    struct str text;
    assert_true(store_push(&w->store, &w->ctx, &b, &err));
    const char *copy = file_join(w->arena, w->away.folder, b.file);
    assert_true(file_read(w->arena, copy, 100000, &text, &err));
    char *altered = arena_dup(w->arena, text.p, text.n);
    altered[text.n / 2] ^= 1;
    struct backup_place dr = {"akig", file_join(w->arena, w->root, "dr"), NULL};
    assert_true(file_write(copy, altered, text.n, 0600, &err));
    assert_false(store_fetch(&w->store, &w->ctx, &dr, b.file, &back, &err));
    assert_int_equal(err.code, ERR_DATA);
    assert_int_equal(files_in(dr.folder), 0);
    assert_true(file_write(copy, text.p, text.n - 3, 0600, &err)); /* cut there */
    assert_false(store_fetch(&w->store, &w->ctx, &dr, b.file, &back, &err));
    assert_int_equal(files_in(dr.folder), 0);
    assert_true(file_write(copy, text.p, text.n, 0600, &err));
    /* A former try left a beginning that is not of this file. */
    assert_true(file_write(arena_printf(w->arena, "%s/.%s.fetched", dr.folder, b.file), "nonsense", 8, 0600, &err));
    if (!store_fetch(&w->store, &w->ctx, &dr, b.file, &back, &err))
        fail_msg("%s", err.message);
    use_key(w, KEY_B, NULL);
    struct backup_place strict = {"akig", file_join(w->arena, w->root, "dr"), &w->keys};
    clear(w, strict.folder);
    assert_false(store_fetch(&w->store, &w->ctx, &strict, b.file, &back, &err));
    assert_non_null(strstr(err.message, "bears no seal"));
    assert_int_equal(files_in(strict.folder), 0);
}

/* Keeps what is put under it, wrongly or not at all. */
static bool put_wrong(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    (void)path;
    const struct store_folder_options *o = store->options;
    return file_write(file_join(ctx->arena, o->folder, name), "other bytes", 11, 0600, err);
}

static bool put_never(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    (void)store, (void)ctx, (void)path, (void)name;
    return err_set(err, ERR_UNAVAILABLE, "the store is down");
}

static void a_store_that_is_down_or_lies_leaves_a_pending_record(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup *l, b = make_good(w, "2025-10-25T10:00:00Z");
    struct store_record *records;
    size_t n;
    struct store_ops ops = store_folder;
    w->store.ops = &ops;
    ops.put = put_never;
    assert_false(store_push(&w->store, &w->ctx, &b, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    ops.put = put_wrong;
    assert_false(store_push(&w->store, &w->ctx, &b, &err));
    assert_int_equal(err.code, ERR_DATA);
    assert_non_null(strstr(err.message, "reads back other than it was sent"));
    assert_int_equal(files_in(w->away.folder), 0);
    store_records(w->arena, &b, &records, &n);
    assert_int_equal(records[0].state, STORE_PENDING);
    assert_int_equal(records[0].tries, 2);
    assert_non_null(strstr(records[0].why, "reads back"));
    assert_int_equal(list(w, &l), 1); /* and the backup is as it was */
    assert_true(backup_verify(w->arena, &l[0], NULL, &err));
    w->store.ops = &store_folder;
    assert_true(store_push(&w->store, &w->ctx, &b, &err));
}

static void what_is_damaged_here_is_not_sent(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct backup *l, b = make_good(w, "2025-10-25T10:00:00Z");
    assert_int_equal(truncate(b.path, b.bytes - 1), 0);
    list(w, &l);
    assert_false(store_push(&w->store, &w->ctx, &l[0], &err));
    assert_int_equal(err.code, ERR_REFUSED);
    put_gz(w, "akig_backup_full_20251025_110000.sql.gz", GOOD);
    list(w, &l);
    assert_false(store_push(&w->store, &w->ctx, &l[0], &err)); /* nobody could tell whether it arrived whole */
    assert_int_equal(files_in(w->away.folder), 0);
}

static void the_rules_are_kept_in_a_store_too(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct prune_result r;
    for (int i = 0; i < 5; i++) {
        struct backup b = make_good(w, arena_printf(w->arena, "2025-10-25T1%d:00:00Z", i));
        assert_true(store_push(&w->store, &w->ctx, &b, &err));
    }
    struct retention rule = {.keep_ms = 2 * MS_HOUR, .newest = 1};
    assert_true(store_prune(&w->store, &w->ctx, "akig", &rule, moment("2025-10-25T15:00:00Z"), false, &r, &err));
    assert_int_equal(r.removed, 3);
    assert_int_equal(files_in(w->away.folder), 4);
}

/* ---- the past ---- */

static void the_past_survives_a_torn_line(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct past *all;
    size_t n;
    assert_true(past_read(w->arena, &w->place, 0, &all, &n, &err));
    assert_int_equal(n, 0);
    assert_true(past_add(&w->place, &(struct past){.what = PAST_BACKUP, .at_wall_ms = 10, .took_ms = 5, .ok = true, .file = "a"}, &err));
    int fd = open(file_join(w->arena, w->place.folder, ".akig.past.jsonl"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"what\":\"back\n", 14), 14);
    close(fd);
    assert_true(past_add(&w->place, &(struct past){.what = PAST_BACKUP, .at_wall_ms = 20, .ok = false, .why = "no \"server\"\nhere"}, &err));
    assert_true(past_read(w->arena, &w->place, 0, &all, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(all[1].why, "no \"server\"\nhere");
    assert_true(past_read(w->arena, &w->place, 15, &all, &n, &err));
    assert_int_equal(n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(a_sealed_backup_is_told_from_an_altered_one),
        TEST(without_a_seal_nothing_is_believed_once_there_is_a_key),
        TEST(a_manifest_does_not_fit_another_file),
        TEST(a_forged_verification_is_none),
        TEST(a_damaged_backup_is_not_sealed),
        TEST(what_no_rule_keeps_goes_with_its_records),
        TEST(one_prune_at_a_time),
        TEST(leftovers_are_swept_when_they_are_old),
        TEST(a_backup_goes_to_a_store_and_comes_back),
        TEST(a_manifest_alone_or_a_file_alone_is_no_backup),
        TEST(what_a_store_holds_damaged_is_not_taken),
        TEST(a_store_that_is_down_or_lies_leaves_a_pending_record),
        TEST(what_is_damaged_here_is_not_sent),
        TEST(the_rules_are_kept_in_a_store_too),
        TEST(the_past_survives_a_torn_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
