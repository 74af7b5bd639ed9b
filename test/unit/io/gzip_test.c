/* Files are cut at every byte and altered at every byte; nothing of it may pass for a whole file. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/gzip.h"
#include "sys/file.h"

static char folder[] = "/tmp/bascule-gzip-XXXXXX";
static char path_gz[64], path_sql[64];

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_IO, "the sink is full");
}

static void pack(struct buf *to, const char *text, size_t size, size_t step)
{
    struct err err = {0};
    SCOPED(gzip_writer_close) struct gzip_writer *w = gzip_writer_open(6, into_buf, to);
    for (size_t i = 0; i < size; i += step)
        assert_true(gzip_writer_add(w, text + i, MIN_OF(step, size - i), &err));
    assert_true(gzip_writer_end(w, &err));
}

static void put(const char *path, const void *data, size_t size)
{
    struct err err = {0};
    if (!file_write(path, data, size, 0600, &err))
        fail_msg("%s", err.message);
}

/* Reads all of a file, `step` bytes at a time. */
static bool unpack(const char *path, size_t step, struct buf *to, struct buf *raw, struct err *err)
{
    SCOPED(gzip_reader_close) struct gzip_reader *r = NULL;
    if (!gzip_reader_open(path, &r, err))
        return false;
    if (raw)
        gzip_reader_tap(r, into_buf, raw);
    char piece[8192];
    for (size_t n;;) {
        if (!gzip_reader_read(r, piece, step, &n, err))
            return false;
        if (n == 0)
            break;
        assert_true(n <= step);
        buf_add(to, piece, n);
    }
    assert_int_equal(gzip_reader_at(r), gzip_reader_size(r));
    return true;
}

static struct buf sample(void)
{
    struct buf b = {.max = 1 << 24};
    for (int i = 0; b.n < 300000; i++)
        buf_printf(&b, "%d\tcontract %d\t%x\n", i, i * 7919 % 10007, i * 2654435761u);
    return b;
}

static void what_was_packed_comes_back(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf text = sample();
    for (size_t step = 1000; step <= 1000000; step *= 1000) {
        SCOPED(buf_done) struct buf packed = {.max = 1 << 24}, back = {.max = 1 << 24}, raw = {.max = 1 << 24};
        pack(&packed, text.p, text.n, step);
        assert_true(packed.n < text.n / 2);
        put(path_gz, packed.p, packed.n);
        struct err err = {0};
        if (!unpack(path_gz, 8192, &back, &raw, &err))
            fail_msg("%s", err.message);
        assert_int_equal(back.n, text.n);
        assert_memory_equal(back.p, text.p, text.n);
        assert_int_equal(raw.n, packed.n); /* the tap saw the file as it stands */
        assert_memory_equal(raw.p, packed.p, packed.n);
    }
}

static void gzip_itself_reads_it(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    pack(&packed, "select 1;\n", 10, 3);
    put(path_gz, packed.p, packed.n);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("gzip", "gzip", "-t", path_gz, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void several_members_are_one_text(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    pack(&packed, "one ", 4, 4);
    pack(&packed, "", 0, 1);
    pack(&packed, "two", 3, 1);
    buf_add(&packed, "\0\0\0\0\0", 5); /* padding, as tapes leave it */
    put(path_gz, packed.p, packed.n);
    for (size_t step = 1; step < 10; step++) {
        SCOPED(buf_done) struct buf back = {.max = 100};
        struct err err = {0};
        if (!unpack(path_gz, step, &back, NULL, &err))
            fail_msg("%s", err.message);
        assert_string_equal(buf_text(&back), "one two");
    }
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    pack(&packed, "select 1; select 2; select 3; a few words more", 46, 46);
    for (size_t n = 0; n < packed.n; n++) {
        put(path_gz, packed.p, n);
        SCOPED(buf_done) struct buf back = {.max = 1 << 20};
        struct err err = {0};
        if (unpack(path_gz, 8192, &back, NULL, &err))
            fail_msg("taken when cut at byte %zu of %zu", n, packed.n);
        assert_int_equal(err.code, ERR_DATA);
    }
}

static void an_altered_byte_is_an_error(void **state)
{
    (void)state;
    const char *text = "select 1; select 2; select 3; a few words more";
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20};
    pack(&packed, text, 46, 46);
    int refused = 0;
    for (size_t i = 0; i < packed.n; i++) {
        packed.p[i] ^= 0x10;
        put(path_gz, packed.p, packed.n);
        packed.p[i] ^= 0x10;
        SCOPED(buf_done) struct buf back = {.max = 1 << 20};
        struct err err = {0};
        if (!unpack(path_gz, 8192, &back, NULL, &err)) {
            assert_int_equal(err.code, ERR_DATA);
            refused++;
        } else { /* time stamp, hints and system of the header mean nothing for the text */
            assert_in_range(i, 3, 9);
            assert_string_equal(buf_text(&back), text);
        }
    }
    assert_true(refused >= (int)packed.n - 7);
}

static void bytes_after_the_end_are_an_error(void **state)
{
    (void)state;
    static const char *const tails[] = {"x", "garbage that is long enough", "\x1f", "\0\0x", "\0\x1f\x8b\x08"};
    static const size_t sizes[] = {1, 27, 1, 3, 4};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, back = {.max = 1 << 20};
        pack(&packed, "select 1;", 9, 9);
        buf_add(&packed, tails[i], sizes[i]);
        put(path_gz, packed.p, packed.n);
        struct err err = {0};
        if (unpack(path_gz, 8192, &back, NULL, &err))
            fail_msg("tail %zu was taken", i);
        assert_int_equal(err.code, ERR_DATA);
    }
}

/* Gives the bytes of a buffer, `step` at a time. */
struct drip {
    struct str left;
    size_t step;
    bool closed;
};

static bool drip_read(void *arg, void *to, size_t size, size_t *ret_n, struct err *err)
{
    struct drip *d = arg;
    (void)err;
    *ret_n = MIN_OF(MIN_OF(d->step, size), d->left.n);
    memcpy(to, d->left.p, *ret_n);
    d->left = (struct str){d->left.p + *ret_n, d->left.n - *ret_n};
    return true;
}

static void drip_close(void *arg)
{
    ((struct drip *)arg)->closed = true;
}

static bool unpack_drips(struct str packed, size_t step, struct buf *to, struct err *err)
{
    struct drip drip = {.left = packed, .step = step};
    struct gzip_reader *r = gzip_reader_over(&(struct gzip_source){.read = drip_read, .close = drip_close, .arg = &drip, .size = (int64_t)packed.n});
    char piece[777];
    size_t n = 1;
    bool ok = true;
    while (ok && n) {
        ok = gzip_reader_read(r, piece, sizeof(piece), &n, err);
        if (ok)
            assert_true(buf_add(to, piece, n));
    }
    gzip_reader_close(&r);
    assert_true(drip.closed);
    return ok;
}

static void a_source_may_give_any_pieces(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf text = sample(), packed = {.max = 1 << 24};
    pack(&packed, text.p, text.n / 2, 1 << 20);
    pack(&packed, text.p + text.n / 2, text.n - text.n / 2, 1 << 20);
    for (size_t step = 1; step < 1000000; step *= 31) {
        SCOPED(buf_done) struct buf back = {.max = 1 << 24};
        struct err err = {0};
        if (!unpack_drips(buf_str(&packed), step, &back, &err))
            fail_msg("%s", err.message);
        assert_int_equal(back.n, text.n);
        assert_memory_equal(back.p, text.p, text.n);
    }
    for (size_t n = packed.n - 300; n < packed.n; n++) { /* the last member's end and trailer */
        SCOPED(buf_done) struct buf back = {.max = 1 << 24};
        struct err err = {0};
        assert_false(unpack_drips((struct str){packed.p, n}, 1 << 20, &back, &err));
        assert_int_equal(err.code, ERR_DATA);
    }
}

/* Two frames by zstd itself; cut anywhere, and with each byte altered. */
static void zstd_is_read_too(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, back = {.max = 1 << 20};
    struct err err = {0};
    put(path_sql, "select 1; select 2;\n", 20);
    const char *command = "zstd -q -f \"$1\" -o \"$1.one\" && cat \"$1.one\" \"$1.one\" > \"$1\"; rm -f \"$1.one\"";
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sh", "sh", "-c", command, "sh", path_sql, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    int fd = open(path_sql, O_RDONLY);
    char *to = buf_room(&packed, 1000);
    buf_took(&packed, (size_t)read(fd, to, 1000));
    close(fd);
    assert_true(packed.n > 40);
    if (!unpack(path_sql, 7, &back, NULL, &err))
        fail_msg("%s", err.message);
    assert_string_equal(back.p, "select 1; select 2;\nselect 1; select 2;\n");
    for (size_t n = 4; n < packed.n; n++) {
        buf_clear(&back);
        bool ok = unpack_drips((struct str){packed.p, n}, 1 << 20, &back, &err);
        if (ok) /* between the frames: the dump inside tells that it is cut */
            assert_int_equal(n, packed.n / 2);
    }
    for (size_t i = 4; i < packed.n; i++) {
        packed.p[i] ^= 0x10;
        buf_clear(&back);
        if (unpack_drips(buf_str(&packed), 1 << 20, &back, &err))
            assert_string_equal(back.p, "select 1; select 2;\nselect 1; select 2;\n");
        packed.p[i] ^= 0x10;
    }
}

static void plain_text_passes_as_it_is(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf text = sample();
    put(path_sql, text.p, text.n);
    SCOPED(buf_done) struct buf back = {.max = 1 << 24};
    struct err err = {0};
    assert_true(unpack(path_sql, 1021, &back, NULL, &err));
    assert_int_equal(back.n, text.n);
    assert_memory_equal(back.p, text.p, text.n);
    put(path_sql, "x", 1);
    buf_clear(&back);
    assert_true(unpack(path_sql, 1021, &back, NULL, &err));
    assert_string_equal(buf_text(&back), "x");
}

static void what_is_no_backup_is_named(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf back = {.max = 1 << 24};
    struct err err = {0};
    put(path_gz, "select 1;", 9);
    assert_false(unpack(path_gz, 100, &back, NULL, &err));
    assert_non_null(strstr(err.message, "does not begin like a gzip file"));
    put(path_sql, "", 0);
    assert_false(unpack(path_sql, 100, &back, NULL, &err));
    assert_non_null(strstr(err.message, "empty"));
    assert_false(unpack(folder, 100, &back, NULL, &err));
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_false(unpack("/nonexistent/x.gz", 100, &back, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_failing_sink_stops_the_writer(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf text = sample(), small = {.max = 1000};
    struct err err = {0};
    SCOPED(gzip_writer_close) struct gzip_writer *w = gzip_writer_open(1, into_buf, &small);
    bool ok = gzip_writer_add(w, text.p, text.n, &err) && gzip_writer_end(w, &err);
    assert_false(ok);
    assert_string_equal(err.message, "the sink is full");
}

static int open_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path_gz, sizeof(path_gz), "%s/a.sql.gz", folder);
    snprintf(path_sql, sizeof(path_sql), "%s/a.sql", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_gz);
    unlink(path_sql);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),     cmocka_unit_test(gzip_itself_reads_it),
        cmocka_unit_test(several_members_are_one_text),   cmocka_unit_test(a_file_cut_anywhere_is_an_error),
        cmocka_unit_test(an_altered_byte_is_an_error),    cmocka_unit_test(bytes_after_the_end_are_an_error),
        cmocka_unit_test(plain_text_passes_as_it_is),     cmocka_unit_test(what_is_no_backup_is_named),
        cmocka_unit_test(a_source_may_give_any_pieces),   cmocka_unit_test(zstd_is_read_too),
        cmocka_unit_test(a_failing_sink_stops_the_writer),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
