/* test/contract/stores_test.c -- The same questions to every row of store_drivers[]: does it keep what it was given, byte for byte, under
   that name only when it is whole; does it say what is not there; does a backup survive that the store is down, cut off, or taken over by
   strangers? A new row needs an entry in `grounds`, or this test fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "backup/store.h"
#include "io/transfer.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "act/sshfixture.h"

enum { MIB = 1024 * 1024, LARGE = 17 * MIB + 333 };

struct world {
    struct arena *arena;
    char root[64];
    struct ssh_fixture *ssh;
    pid_t server; /* lab/stores.py; 0: stopped */
    int server_in, port;
    struct store_ctx ctx;
    struct backup backup; /* a large one */
};
static struct world *w;

/* ---- what stands behind the stores ---- */

static void server_start(void)
{
    int in[2], out[2];
    char line[32] = "";
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    w->server = fork();
    if (w->server == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        closefrom(3);
        execl("/usr/bin/python3", "python3", LAB "/stores.py", file_join(w->arena, w->root, "objects"), NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    w->server_in = in[1];
    for (size_t n = 0; n + 1 < sizeof(line) && !strchr(line, '\n');) { /* the number may come before its newline */
        ssize_t got = read(out[0], line + n, sizeof(line) - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    close(out[0]);
    int64_t port;
    assert_true(str_int(str_trim(str_of(line)), &port));
    w->port = (int)port;
}

static void server_stop(void)
{
    if (w->server <= 0)
        return;
    close(w->server_in);
    kill(w->server, SIGKILL);
    waitpid(w->server, NULL, 0);
    w->server = 0;
}

static void server_fault(int after)
{
    struct transfer_answer answer;
    struct err err = {0};
    struct transfer_spec spec = {.method = "GET", .url = arena_printf(w->arena, "http://127.0.0.1:%d/fault/%d", w->port, after), .silence_ms = 5000};
    assert_true(transfer_run(w->arena, &spec, &answer, &err));
}

static void *place(const struct store *store, const char *key)
{
    for (const struct option *o = store->ops->options; o->key; o++)
        if (same(o->key, key))
            return (char *)(uintptr_t)store->options + o->offset;
    fail_msg("\"%s\" has no option \"%s\"", store->ops->name, key);
    return NULL;
}

static void set_text(const struct store *store, const char *key, const char *value)
{
    *(const char **)place(store, key) = value;
}

static void set_secret(const struct store *store, const char *key, const char *value)
{
    const char *path = arena_printf(w->arena, "%s/%s.%s", w->root, store->name, key);
    fixture_write(path, 0600, "%s\n", value);
    *(struct secret *)place(store, key) = (struct secret){SECRET_FILE, path};
}

static void folder_ready(const struct store *store)
{
    set_text(store, "folder", file_join(w->arena, w->root, "folder-store"));
}

static void ssh_ready(const struct store *store)
{
    *(struct host *)place(store, "host") = w->ssh->host;
    set_text(store, "folder", file_join(w->arena, w->root, "ssh 'store' $HOME"));
}

static void http_ready(const struct store *store)
{
    set_text(store, "url", arena_printf(w->arena, "http://127.0.0.1:%d/plain", w->port));
    set_text(store, "user", "akig");
    set_secret(store, "password", "s3cret");
}

static void s3_ready(const struct store *store)
{
    set_text(store, "endpoint", arena_printf(w->arena, "http://127.0.0.1:%d/", w->port));
    set_text(store, "region", "eu-west-3");
    set_text(store, "bucket", "bucket");
    set_text(store, "prefix", "pro duction+é/");
    set_text(store, "access_key", "AKIDLAB");
    set_secret(store, "secret_key", "lab/secret+key");
    *(int *)place(store, "part_size") = 5;
    *(bool *)place(store, "path_style") = true;
}

static void wrong_password(const struct store *store)
{
    set_secret(store, "password", "wrong");
}

static void wrong_secret_key(const struct store *store)
{
    set_secret(store, "secret_key", "wrong");
}

static void ssh_stop(void)
{
    ssh_fixture_stop(w->ssh);
}

static void ssh_start(void)
{
    ssh_fixture_start(w->ssh);
}

static const struct ground {
    const char *name;
    void (*ready)(const struct store *store);
    void (*spoil)(const struct store *store); /* makes it a stranger's; NULL: it knows nobody */
    void (*stop)(void), (*start)(void);       /* what it stands on; NULL: cannot be down */
    bool cuts;                                /* the server can be told to cut uploads */
} grounds[] = {
    {"folder", folder_ready, NULL, NULL, NULL, false},
    {"ssh", ssh_ready, NULL, ssh_stop, ssh_start, false},
    {"http", http_ready, wrong_password, server_stop, server_start, true},
    {"s3", s3_ready, wrong_secret_key, server_stop, server_start, true},
};

static const struct ground *ground_of(const struct store_ops *ops)
{
    for (size_t i = 0; i < COUNT_OF(grounds); i++)
        if (same(grounds[i].name, ops->name))
            return &grounds[i];
    fail_msg("there is no ground to test store \"%s\" on", ops->name);
    return NULL;
}

static struct store store_of(size_t i)
{
    const struct store_ops *ops = store_drivers[i];
    struct store store = {.name = ops->name, .ops = ops, .options = arena_alloc(w->arena, ops->options_size)};
    ground_of(ops)->ready(&store);
    return store;
}

/* ---- the world ---- */

static const char *put_file(const char *name, size_t size, unsigned seed)
{
    struct err err = {0};
    const char *path = file_join(w->arena, w->root, name);
    char *data = arena_alloc(w->arena, size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
    assert_true(file_write(path, data, size, 0600, &err));
    return path;
}

static int set_up(void **state)
{
    (void)state;
    w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    COPY_TO(w->root, "/tmp/bascule-stores-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    w->ssh = ssh_fixture_new();
    server_start();
    w->ctx = (struct store_ctx){.arena = w->arena, .control_dir = w->ssh->control};
    const char *path = put_file("akig_backup_full_20251025_153402.sql.gz", LARGE, 1);
    char hex[HASH_HEX_SIZE];
    struct err err = {0};
    assert_true(hash_file(path, hex, &err));
    w->backup = (struct backup){.path = path, .file = file_name_of(path), .snapshot_wall_ms = 1, .bytes = LARGE, .has_manifest = true,
                                .sha256 = arena_strdup(w->arena, hex)};
    assert_true(manifest_write(&w->backup, &(struct manifest){.service = "akig"}, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_stop();
    ssh_fixture_free(&w->ssh);
    fixture_remove(w->root);
    arena_close(&w->arena);
    free(w);
    return 0;
}

#define EACH_STORE(i, store)                                                                                           \
    for (size_t i = 0; store_drivers[i]; i++)                                                                          \
        for (struct store store = store_of(i); store.ops; store.ops = NULL)

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

static size_t count_in(const struct store *store, const char *prefix)
{
    struct store_object *found;
    size_t n;
    struct err err = {0};
    if (!store->ops->list(store, &w->ctx, prefix, &found, &n, &err))
        fail_msg("%s: %s", store->name, err.message);
    return n;
}

static void must(bool ok, const struct store *store, const struct err *err)
{
    if (!ok)
        fail_msg("%s: %s", store->name, err->message);
}

/* ---- the questions ---- */

static void each_says_what_it_is_and_what_it_takes(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        struct err err = {0};
        const struct store_ops *ops = store.ops;
        assert_true(ops->name && ops->summary && ops->options && ops->options_size && ops->valid && ops->list && ops->put && ops->get && ops->remove);
        assert_ptr_equal(store_driver(ops->name), ops);
        for (const struct option *o = ops->options; o->key; o++) {
            assert_true(o->offset < ops->options_size);
            assert_non_null(o->help);
            assert_true(o->required || o->fallback || o->sample);
        }
        must(ops->valid(store.options, &err), &store, &err);
    }
}

static void what_is_put_is_listed_read_and_removed(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        static const size_t sizes[] = {0, 1, 70000, 12 * MIB + 5};
        struct err err = {0};
        assert_int_equal(count_in(&store, "test-"), 0);
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            SCOPED(buf_done) struct buf back = {.max = 32 * MIB}, tail = {.max = 32 * MIB};
            const char *name = arena_printf(w->arena, "test-%zu", k), *path = put_file(name, sizes[k], (unsigned)k);
            struct str wanted;
            must(store.ops->put(&store, &w->ctx, path, name, &err), &store, &err);
            must(store.ops->get(&store, &w->ctx, name, 0, into_buf, &back, &err), &store, &err);
            assert_true(file_read(w->arena, path, 32 * MIB, &wanted, &err));
            assert_int_equal(back.n, wanted.n);
            assert_true(wanted.n == 0 || memcmp(back.p, wanted.p, wanted.n) == 0);
            size_t from = wanted.n / 2;
            if (from) {
                must(store.ops->get(&store, &w->ctx, name, (int64_t)from, into_buf, &tail, &err), &store, &err);
                assert_int_equal(tail.n, wanted.n - from);
                assert_memory_equal(tail.p, wanted.p + from, tail.n);
            }
            if (store.ops->hash) {
                char there[HASH_HEX_SIZE], here[HASH_HEX_SIZE];
                assert_true(hash_file(path, here, &err));
                must(store.ops->hash(&store, &w->ctx, name, there, &err), &store, &err);
                assert_string_equal(there, here);
            }
        }
        assert_int_equal(count_in(&store, "test-"), COUNT_OF(sizes));
        assert_int_equal(count_in(&store, "test-1"), 1);
        assert_int_equal(count_in(&store, "other"), 0);
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            must(store.ops->remove(&store, &w->ctx, arena_printf(w->arena, "test-%zu", k), &err), &store, &err);
            must(store.ops->remove(&store, &w->ctx, arena_printf(w->arena, "test-%zu", k), &err), &store, &err);
        }
        assert_int_equal(count_in(&store, "test-"), 0);
    }
}

static void a_newer_one_replaces_what_was_there(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        SCOPED(buf_done) struct buf back = {.max = MIB};
        struct err err = {0};
        must(store.ops->put(&store, &w->ctx, put_file("one", 5000, 1), "test-x", &err), &store, &err);
        must(store.ops->put(&store, &w->ctx, put_file("two", 300, 2), "test-x", &err), &store, &err);
        must(store.ops->get(&store, &w->ctx, "test-x", 0, into_buf, &back, &err), &store, &err);
        assert_int_equal(back.n, 300);
        assert_int_equal(count_in(&store, "test-"), 1);
        must(store.ops->remove(&store, &w->ctx, "test-x", &err), &store, &err);
    }
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        SCOPED(buf_done) struct buf back = {.max = MIB};
        struct err err = {0};
        assert_false(store.ops->get(&store, &w->ctx, "never-was", 0, into_buf, &back, &err));
        if (err.code != ERR_NOT_FOUND)
            fail_msg("%s: %s", store.name, err.message);
        assert_int_equal(back.n, 0);
    }
}

static void strangers_are_refused(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        const struct ground *g = ground_of(store.ops);
        struct err err = {0};
        if (!g->spoil)
            continue;
        g->spoil(&store);
        assert_false(store_push(&store, &w->ctx, &w->backup, &err));
        if (err.code != ERR_PERMISSION)
            fail_msg("%s: %s", store.name, err.message);
        assert_null(strstr(err.message, "wrong"));
    }
}

static void a_backup_goes_there_and_comes_back(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        struct err err = {0};
        struct backup *there, back;
        size_t n;
        struct backup_place dr = {"akig", file_join(w->arena, w->root, arena_printf(w->arena, "dr-%s", store.name)), NULL};
        must(store_push(&store, &w->ctx, &w->backup, &err), &store, &err);
        must(store_backups(&store, &w->ctx, "akig", &there, &n, &err), &store, &err);
        assert_int_equal(n, 1);
        assert_int_equal(there[0].bytes, LARGE);
        assert_int_equal(there[0].snapshot_wall_ms, INT64_C(1761406442000));
        must(store_fetch(&store, &w->ctx, &dr, w->backup.file, &back, &err), &store, &err);
        assert_string_equal(back.sha256, w->backup.sha256);
        char hex[HASH_HEX_SIZE];
        assert_true(hash_file(back.path, hex, &err));
        assert_string_equal(hex, w->backup.sha256);
        /* A beginning that a former try left is gone on with. */
        const char *partial = arena_printf(w->arena, "%s/.%s.fetched", dr.folder, back.file);
        assert_int_equal(rename(back.path, partial), 0);
        assert_int_equal(truncate(partial, LARGE / 3), 0);
        must(store_fetch(&store, &w->ctx, &dr, w->backup.file, &back, &err), &store, &err);
        assert_true(hash_file(back.path, hex, &err));
        assert_string_equal(hex, w->backup.sha256);
        must(store_remove(&store, &w->ctx, w->backup.file, &err), &store, &err);
        assert_int_equal(count_in(&store, "akig"), 0);
        assert_int_equal(unlink(stores_path(w->arena, w->backup.path)), 0);
    }
}

static void one_that_is_down_costs_no_backup_and_is_tried_again(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        const struct ground *g = ground_of(store.ops);
        struct err err = {0};
        struct store_record *records;
        size_t n;
        if (!g->stop)
            continue;
        g->stop();
        int64_t began = clock_boot_ms();
        assert_false(store_push(&store, &w->ctx, &w->backup, &err));
        if ((err.code != ERR_UNAVAILABLE && err.code != ERR_TIMEOUT) || !err.retryable)
            fail_msg("%s: %s", store.name, err.message);
        assert_true(clock_boot_ms() - began < 20000);
        store_records(w->arena, &w->backup, &records, &n);
        assert_int_equal(n, 1);
        assert_int_equal(records[0].state, STORE_PENDING);
        assert_non_null(records[0].why);
        g->start();
        g->ready(&store); /* the port may be another one */
        err = (struct err){0};
        must(store_push(&store, &w->ctx, &w->backup, &err), &store, &err);
        store_records(w->arena, &w->backup, &records, &n);
        assert_int_equal(records[0].state, STORE_STORED);
        assert_int_equal(records[0].tries, 2);
        must(store_remove(&store, &w->ctx, w->backup.file, &err), &store, &err);
        assert_int_equal(unlink(stores_path(w->arena, w->backup.path)), 0);
    }
}

static void an_upload_that_is_cut_off_is_never_seen(void **state)
{
    (void)state;
    EACH_STORE(i, store) {
        struct err err = {0};
        if (!ground_of(store.ops)->cuts)
            continue;
        for (int after = 0; after < 6; after++) {
            struct backup *there;
            size_t n;
            server_fault(after);
            bool pushed = store_push(&store, &w->ctx, &w->backup, &err);
            server_fault(-1);
            must(store_backups(&store, &w->ctx, "akig", &there, &n, &err), &store, &err);
            if (n != (pushed ? 1 : 0))
                fail_msg("%s: cut off after %d, pushed %d, %zu are seen", store.name, after, pushed, n);
            if (pushed)
                break;
        }
        err = (struct err){0};
        must(store_push(&store, &w->ctx, &w->backup, &err), &store, &err);
        must(store_remove(&store, &w->ctx, w->backup.file, &err), &store, &err);
        assert_int_equal(unlink(stores_path(w->arena, w->backup.path)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_says_what_it_is_and_what_it_takes),
        cmocka_unit_test(what_is_put_is_listed_read_and_removed),
        cmocka_unit_test(a_newer_one_replaces_what_was_there),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(a_backup_goes_there_and_comes_back),
        cmocka_unit_test(one_that_is_down_costs_no_backup_and_is_tried_again),
        cmocka_unit_test(an_upload_that_is_cut_off_is_never_seen),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
