/* fuzz_index.c -- Any file: its index is read, or there is none, or it is refused with a reason; and what an index says lies within the file and
   within itself. With an even first byte the rest becomes the bytes of an index in a file that is right in all else, checksum included:
   behind four bytes for the numbers of members and items. */
#include <sys/mman.h>
#include <unistd.h>

#include "dump/index.h"
#include "io/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { END_SIZE = 114, UNPACK_MOST = 1 << 20, FILE_MOST = 1 << 20 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void number(struct buf *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_putc(to, (char)(value >> (8 * i)));
}

static void header(struct buf *to, int kind, size_t packed, size_t field)
{
    buf_add(to, "\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
    number(to, field + 4, 2);
    buf_puts(to, "BA");
    number(to, field, 2);
    number(to, 1, 1);
    number(to, (uint64_t)kind, 1);
    number(to, 0, 2);
    number(to, packed, 4);
    number(to, 0, 8);
}

static void empty_body(struct buf *to)
{
    buf_add(to, "\3\0\0\0\0\0\0\0\0\0", 10);
}

static void digest(struct buf *to, const uint8_t *data, size_t size)
{
    char hex[HASH_HEX_SIZE];
    SCOPED(hash_close) struct hash *hash = hash_open();
    hash_add(hash, data, size);
    hash_end(hash, hex);
    for (size_t i = 0; i < HASH_HEX_SIZE / 2; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1]};
        number(to, strtoul(pair, NULL, 16), 1);
    }
}

static uint64_t get(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* The file around an index. False when the members would make it too long. */
static bool build(const uint8_t *data, size_t size, struct buf *file)
{
    if (size < 4 || size > 60000)
        return false;
    size_t members = get(data, 2), items = get(data + 2, 2);
    data += 4;
    size -= 4;
    uint64_t index_at = 0, sql_bytes = 0;
    for (size_t i = 0; i < members && (i + 1) * 13 <= size; i++) {
        index_at += get(data + i * 13, 4);
        sql_bytes += get(data + i * 13 + 4, 4);
    }
    if (index_at > FILE_MOST)
        return false;
    header(file, 1, index_at, 16);
    while (file->n < index_at)
        buf_putc(file, 0);
    index_at = file->n;
    if (size) {
        header(file, 3, 32 + size + 10, 16 + size);
        buf_add(file, data, size);
        empty_body(file);
    }
    header(file, 4, END_SIZE, 72);
    number(file, index_at, 8);
    number(file, size, 8);
    number(file, sql_bytes, 8);
    number(file, members, 4);
    number(file, items, 4);
    digest(file, data, size);
    empty_body(file);
    return !file->over;
}

static void check_index(int fd, const struct index *index, int64_t size)
{
    SCOPED(buf_done) struct buf text = {.max = UNPACK_MOST};
    for (size_t i = 0; i < index->member_count; i++) {
        const struct index_member *m = &index->members[i];
        struct err err = {0};
        check(m->at >= 0 && m->at + m->packed <= size && m->unpacked <= INDEX_MEMBER_MAX);
        check(m->kind == MEMBER_SQL || m->kind == MEMBER_ROWS);
        check(m->item < index->item_count || m->kind == MEMBER_SQL);
        if (i < 50 && !index_member_read(fd, m, &text, &err))
            check(err.code != ERR_NONE && *err.message);
    }
    for (size_t i = 0; i < index->item_count; i++) {
        const struct index_item *item = &index->items[i];
        check(item->member + item->rows_members < index->member_count && index->members[item->member].kind == MEMBER_SQL);
        check((item->kind == ITEM_TABLE) == (item->name != NULL) && item->rows >= 0);
        for (size_t k = 1; k <= item->rows_members; k++)
            check(index->members[item->member + k].kind == MEMBER_ROWS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf file = {.max = 2 * FILE_MOST};
    struct err err = {0};
    struct index *index = NULL;
    char path[64];
    if (size < 1 || (data[0] % 2 ? !buf_add(&file, data + 1, size - 1) : !build(data + 1, size - 1, &file)))
        return 0;
    int fd = memfd_create("backup", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, buf_text(&file), file.n) == (ssize_t)file.n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!index_read(arena, path, &index, &err))
        check(err.code != ERR_NONE && *err.message);
    else if (index)
        check_index(fd, index, (int64_t)file.n);
    close(fd);
    return 0;
}
