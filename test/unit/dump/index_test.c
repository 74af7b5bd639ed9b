/* Members and their index: what was written is found again, gunzip sees one plain text, and nothing cut or altered passes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump/index.h"
#include "dump/rowhash.h"
#include "io/deflate.h"
#include "io/gzip.h"
#include "sys/file.h"

struct world {
    struct arena *arena;
    char folder[64];
    const char *path;
};

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    COPY_TO(w->folder, "/tmp/bascule-index-XXXXXX");
    if (!mkdtemp(w->folder))
        return -1;
    w->arena = arena_open();
    w->path = file_join(w->arena, w->folder, "x.sql.gz");
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    unlink(w->path);
    rmdir(w->folder);
    arena_close(&w->arena);
    free(w);
    return 0;
}

static void add_member(struct world *w, struct index *index, struct buf *file, enum member_kind kind, uint32_t item, const char *text)
{
    struct err err = {0};
    SCOPED(deflater_close) struct deflater *d = deflater_open(DEFLATE_FAST);
    struct index_member *m = &index->members[index->member_count];
    unsigned char header[INDEX_HEADER_SIZE] = {0};
    (void)w;
    *m = (struct index_member){.at = (int64_t)file->n, .unpacked = (uint32_t)strlen(text), .kind = kind, .item = item};
    m->sql_at = index->member_count ? m[-1].sql_at + m[-1].unpacked : 0;
    index->member_count++;
    size_t at = file->n;
    assert_true(buf_add(file, header, sizeof(header)) && deflater_pack(d, text, strlen(text), file, &err));
    m->packed = (uint32_t)(file->n - at);
    index_header(m, header);
    memcpy(file->p + at, header, sizeof(header));
}

static const char *const parts[] = {"--\n-- begin\n\nCREATE TABLE t(a int);\nCOPY public.t (a) FROM stdin;\n", "1\n2\n3\n", "4\n",
                                    "\\.\n\nSELECT 1;\nCREATE INDEX i ON t(a);\n"};
static const enum member_kind kinds[] = {MEMBER_SQL, MEMBER_ROWS, MEMBER_ROWS, MEMBER_SQL};
static const uint32_t owners[] = {0, 1, 1, 1};

/* `more`: tables without rows besides, so that the index needs several members. */
static struct index *example(struct world *w, struct buf *file, size_t more)
{
    struct index *index = arena_new(w->arena, struct index);
    struct err err = {0};
    index->members = arena_array(w->arena, struct index_member, 16);
    index->items = arena_array(w->arena, struct index_item, 4 + more);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        add_member(w, index, file, kinds[i], owners[i], parts[i]);
    int64_t rows = 0;
    uint64_t hash = rows_hash(str_of("1\n2\n3\n4\n"), &rows);
    index->items[index->item_count++] = (struct index_item){.kind = ITEM_PRE_DATA};
    index->items[index->item_count++] = (struct index_item){.kind = ITEM_TABLE, .name = "public.t", .rows = rows, .hash = hash, .offset = 35, .rows_members = 2};
    for (size_t i = 0; i < more; i++)
        index->items[index->item_count++] = (struct index_item){.kind = ITEM_TABLE, .name = arena_printf(w->arena, "app.\"empty %zu\"", i), .member = 3, .offset = 3};
    index->items[index->item_count++] = (struct index_item){.kind = ITEM_OTHER_DATA, .member = 3, .offset = 4};
    index->items[index->item_count++] = (struct index_item){.kind = ITEM_POST_DATA, .member = 3, .offset = 14};
    assert_true(index_tail(index, file, &err));
    return index;
}

static void save(struct world *w, const void *data, size_t size)
{
    int fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static void what_was_written_is_found_again(void **state)
{
    struct world *w = *state;
    SCOPED(buf_done) struct buf file = {.max = 1 << 24}, text = {.max = 1 << 20};
    for (size_t more = 0; more <= 10000; more += 5000) {
        struct err err = {0};
        buf_clear(&file);
        struct index *wrote = example(w, &file, more), *read = NULL;
        save(w, file.p, file.n);
        if (!index_read(w->arena, w->path, &read, &err))
            fail_msg("%s", err.message);
        assert_int_equal(read->member_count, wrote->member_count);
        assert_int_equal(read->item_count, 4 + more);
        int fd = open(w->path, O_RDONLY);
        for (size_t i = 0; i < read->member_count; i++) {
            assert_memory_equal(&read->members[i], &wrote->members[i], sizeof(read->members[i]));
            assert_true(index_member_read(fd, &read->members[i], &text, &err));
            assert_string_equal(text.p, parts[i]);
        }
        close(fd);
        for (size_t i = 0; i < read->item_count; i++) {
            const struct index_item *a = &read->items[i], *b = &wrote->items[i];
            assert_true(a->kind == b->kind && same(a->name, b->name) && a->rows == b->rows && a->hash == b->hash && a->member == b->member &&
                        a->offset == b->offset && a->rows_members == b->rows_members);
        }
    }
}

static void gzip_and_our_own_reader_see_one_text(void **state)
{
    struct world *w = *state;
    SCOPED(buf_done) struct buf file = {.max = 1 << 24};
    struct err err = {0};
    char text[4096], again[4096];
    example(w, &file, 6000);
    save(w, file.p, file.n);
    const char *out = file_join(w->arena, w->folder, "out"), *command[] = {"sh", "-c", "gzip -dc \"$1\" >\"$2\" && gzip -t \"$1\"", "sh", w->path, out, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], (char *const *)command);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct str plain;
    assert_true(file_read(w->arena, out, sizeof(text), &plain, &err));
    unlink(out);
    snprintf(text, sizeof(text), "%s%s%s%s", parts[0], parts[1], parts[2], parts[3]);
    assert_string_equal(plain.p, text);
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    assert_true(gzip_reader_open(w->path, &reader, &err));
    size_t n = 0;
    for (size_t got; gzip_reader_read(reader, again + n, sizeof(again) - n, &got, &err) && got;)
        n += got;
    assert_int_equal(n, plain.n);
    assert_memory_equal(again, text, n);
}

static void no_cut_passes(void **state)
{
    struct world *w = *state;
    SCOPED(buf_done) struct buf file = {.max = 1 << 24};
    example(w, &file, 0);
    for (size_t n = INDEX_HEADER_SIZE; n < file.n; n++) {
        struct err err = {0};
        struct index *index = NULL;
        save(w, file.p, n);
        if (index_read(w->arena, w->path, &index, &err))
            fail_msg("cut at %zu of %zu bytes, and nobody noticed", n, file.n);
        assert_int_equal(err.code, ERR_DATA);
    }
}

/* A flipped bit is found by reading index and members; only in the first header may the file turn into a foreign one, and never then
   is the index given. */
static void no_flipped_bit_passes(void **state)
{
    struct world *w = *state;
    SCOPED(buf_done) struct buf file = {.max = 1 << 24}, text = {.max = 1 << 20};
    struct index *wrote = example(w, &file, 0);
    for (size_t bit = 0; bit < file.n * 8; bit++) {
        struct err err = {0};
        struct index *index = NULL;
        file.p[bit / 8] = (char)(file.p[bit / 8] ^ (1 << (bit % 8)));
        save(w, file.p, file.n);
        bool ok = index_read(w->arena, w->path, &index, &err);
        int fd = open(w->path, O_RDONLY);
        for (size_t i = 0; ok && index && i < index->member_count; i++) {
            ok = index_member_read(fd, &index->members[i], &text, &err);
            /* gzip's own time and flags mean nothing, and zeros at the end of deflate data are not looked at */
            if (ok && !same(buf_text(&text), parts[i]))
                fail_msg("bit %zu: other text", bit);
        }
        close(fd);
        file.p[bit / 8] = (char)(file.p[bit / 8] ^ (1 << (bit % 8)));
        if (ok && index)
            for (size_t i = 0; i < index->item_count; i++)
                assert_true(index->items[i].hash == wrote->items[i].hash && index->items[i].member == wrote->items[i].member);
    }
}

static void a_foreign_file_has_no_index(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        size_t n;
    } files[] = {{"", 0}, {"--\n-- PostgreSQL database dump\n--\n and so on, longer than a header is", 68}, {"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0", 20}};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct err err = {0};
        struct index unused, *index = &unused;
        save(w, files[i].text, files[i].n);
        assert_true(index_read(w->arena, w->path, &index, &err));
        assert_null(index);
    }
    struct err err = {0};
    struct index *index;
    unlink(w->path);
    assert_false(index_read(w->arena, w->path, &index, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void row_hashes_add_up_in_any_order(void **state)
{
    (void)state;
    int64_t rows = 0;
    uint64_t whole = rows_hash(str_of("a\tb\n\nc\n"), &rows);
    assert_int_equal(rows, 3);
    assert_true(whole == row_hash("c", 1) + row_hash("", 0) + row_hash("a\tb", 3));
    assert_true(whole != rows_hash(str_of("a\tb\n\nd\n"), &rows));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_found_again), TEST(gzip_and_our_own_reader_see_one_text), TEST(no_cut_passes),
        TEST(no_flipped_bit_passes),           TEST(a_foreign_file_has_no_index),          cmocka_unit_test(row_hashes_add_up_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
