/* dump/index.c -- The extra fields of members, the index in empty members, and the end marker that a cut file lacks. */
#include "dump/index.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/deflate.h"
#include "io/hash.h"
#include "sys/file.h"

enum {
    VERSION = 1,
    GZIP_HEADER = 10,
    FIELD_AT = GZIP_HEADER + 2, /* behind the length of the extra part */
    FIELD_HEADER = 4,
    FIELD_SIZE = 16,            /* of what every member says of itself */
    EMPTY_SIZE = 2 + DEFLATE_TRAILER_SIZE,
    END_FIELD_SIZE = FIELD_SIZE + 3 * 8 + 2 * 4 + HASH_HEX_SIZE / 2,
    END_SIZE = FIELD_AT + FIELD_HEADER + END_FIELD_SIZE + EMPTY_SIZE,
    CHUNK_MAX = 64000,          /* of the index in one member: an extra part has at most 65535 bytes */
    MEMBER_RECORD = 13,
    INDEX_MAX = 256 * 1024 * 1024,
};

static const unsigned char empty[EMPTY_SIZE] = {3}; /* deflate data of nothing, its CRC and its length */

/* ---- numbers, least significant byte first ---- */

static void put(unsigned char **to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*to)++ = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char **from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t) * (*from)++ << (8 * i);
    return value;
}

static void add(struct buf *out, uint64_t value, int bytes)
{
    unsigned char number[8], *p = number;
    put(&p, value, bytes);
    buf_add(out, number, (size_t)bytes);
}

/* ---- members ---- */

/* gzip's header and our field, of which `field` bytes follow altogether. No name and no time: equal data gives equal bytes. */
static void put_header(const struct index_member *m, size_t field, unsigned char to[INDEX_HEADER_SIZE])
{
    static const unsigned char fixed[GZIP_HEADER] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255};
    memcpy(to, fixed, sizeof(fixed));
    unsigned char *p = to + GZIP_HEADER;
    put(&p, field + FIELD_HEADER, 2);
    *p++ = 'B';
    *p++ = 'A';
    put(&p, field, 2);
    *p++ = VERSION;
    *p++ = (unsigned char)m->kind;
    put(&p, 0, 2);
    put(&p, m->packed, 4);
    put(&p, m->unpacked, 4);
    put(&p, m->item, 4);
}

void index_header(const struct index_member *m, unsigned char to[INDEX_HEADER_SIZE])
{
    put_header(m, FIELD_SIZE, to);
}

/* Is it a header of ours? Then what it says, and the bytes of its field. */
static bool take_header(const unsigned char *from, size_t size, struct index_member *ret, size_t *ret_field)
{
    if (size < INDEX_HEADER_SIZE || from[0] != 0x1f || from[1] != 0x8b || from[2] != 8 || from[3] != 4)
        return false;
    const unsigned char *p = from + GZIP_HEADER;
    size_t extra = get(&p, 2);
    bool ours = p[0] == 'B' && p[1] == 'A';
    p += 2;
    size_t field = get(&p, 2);
    if (!ours || field < FIELD_SIZE || extra != field + FIELD_HEADER || *p++ != VERSION)
        return false;
    unsigned kind = *p++;
    p += 2;
    if (kind < MEMBER_SQL || kind > MEMBER_END)
        return false;
    *ret = (struct index_member){.kind = (enum member_kind)kind};
    ret->packed = (uint32_t)get(&p, 4);
    ret->unpacked = (uint32_t)get(&p, 4);
    ret->item = (uint32_t)get(&p, 4);
    *ret_field = field;
    return true;
}

static bool damaged(struct err *err, int64_t at, const char *what)
{
    return err_set(err, ERR_DATA, "the backup is damaged at byte %lld: %s", (long long)at, what);
}

static bool unpack(const void *packed, const struct index_member *m, struct buf *out, struct err *err)
{
    struct index_member said;
    size_t field;
    if (m->packed < INDEX_HEADER_SIZE + EMPTY_SIZE || !take_header(packed, m->packed, &said, &field) || field != FIELD_SIZE ||
        said.kind != m->kind || said.packed != m->packed || said.unpacked != m->unpacked || said.item != m->item)
        return err_set(err, ERR_DATA, "the member there is not what the index says");
    return inflate_whole((const char *)packed + INDEX_HEADER_SIZE, m->packed - INDEX_HEADER_SIZE, m->unpacked, out, err);
}

bool index_member_unpack(const void *packed, const struct index_member *m, struct buf *out, struct err *err)
{
    buf_clear(out);
    return unpack(packed, m, out, err) || err_prefix(err, "the backup is damaged at byte %lld", (long long)m->at);
}

static bool read_at(int fd, int64_t at, void *to, size_t size, struct err *err)
{
    for (char *p = to; size;) {
        ssize_t n = pread(fd, p, size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_os(err, errno, "could not read at byte %lld", (long long)at);
            if (err)
                err->code = ERR_IO;
            return false;
        }
        if (n == 0)
            return damaged(err, at, "it is cut off");
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool index_member_read(int fd, const struct index_member *m, struct buf *out, struct err *err)
{
    SCOPED(buf_done) struct buf packed = {.max = m->packed};
    if (m->packed < INDEX_HEADER_SIZE)
        return damaged(err, m->at, "a member without a header");
    char *to = buf_room(&packed, m->packed);
    return read_at(fd, m->at, to, m->packed, err) && index_member_unpack(to, m, out, err);
}

/* ---- the index as bytes ---- */

static bool encode(const struct index *index, struct buf *to)
{
    for (size_t i = 0; i < index->member_count; i++) {
        const struct index_member *m = &index->members[i];
        add(to, m->packed, 4);
        add(to, m->unpacked, 4);
        add(to, (uint64_t)m->kind, 1);
        add(to, m->item, 4);
    }
    for (size_t i = 0; i < index->item_count; i++) {
        const struct index_item *item = &index->items[i];
        size_t n = item->name ? strlen(item->name) : 0;
        add(to, (uint64_t)item->kind, 1);
        add(to, n, 2);
        buf_add(to, item->name, n);
        add(to, (uint64_t)item->rows, 8);
        add(to, item->hash, 8);
        add(to, item->member, 4);
        add(to, item->offset, 4);
        add(to, item->rows_members, 4);
    }
    return !to->over;
}

static void sum_up(const struct index *index, int64_t *ret_packed, int64_t *ret_unpacked)
{
    *ret_packed = *ret_unpacked = 0;
    for (size_t i = 0; i < index->member_count; i++) {
        *ret_packed += index->members[i].packed;
        *ret_unpacked += index->members[i].unpacked;
    }
}

static void put_digest(struct str data, unsigned char **to)
{
    char hex[HASH_HEX_SIZE];
    SCOPED(hash_close) struct hash *hash = hash_open();
    hash_add(hash, data.p, data.n);
    hash_end(hash, hex);
    for (size_t i = 0; i < HASH_HEX_SIZE / 2; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1]};
        *(*to)++ = (unsigned char)strtoul(pair, NULL, 16);
    }
}

bool index_tail(const struct index *index, struct buf *out, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = INDEX_MAX};
    if (index->member_count > UINT32_MAX || index->item_count > UINT32_MAX || !encode(index, &text))
        return err_set(err, ERR_LIMIT, "the backup has too many parts for its index");
    int64_t index_at, sql_bytes;
    sum_up(index, &index_at, &sql_bytes);
    unsigned char header[INDEX_HEADER_SIZE], end[END_FIELD_SIZE - FIELD_SIZE], *p = end;
    for (size_t at = 0; at < text.n; at += CHUNK_MAX) {
        size_t n = MIN_OF(text.n - at, (size_t)CHUNK_MAX);
        put_header(&(struct index_member){.kind = MEMBER_INDEX, .packed = (uint32_t)(INDEX_HEADER_SIZE + n + EMPTY_SIZE)}, FIELD_SIZE + n, header);
        buf_add(out, header, sizeof(header));
        buf_add(out, text.p + at, n);
        buf_add(out, empty, sizeof(empty));
    }
    put(&p, (uint64_t)index_at, 8);
    put(&p, text.n, 8);
    put(&p, (uint64_t)sql_bytes, 8);
    put(&p, index->member_count, 4);
    put(&p, index->item_count, 4);
    put_digest(buf_str(&text), &p);
    put_header(&(struct index_member){.kind = MEMBER_END, .packed = END_SIZE}, END_FIELD_SIZE, header);
    buf_add(out, header, sizeof(header));
    buf_add(out, end, sizeof(end));
    buf_add(out, empty, sizeof(empty));
    return !out->over || err_set(err, ERR_LIMIT, "the index of the backup is too large");
}

/* ---- reading ---- */

struct reading {
    struct arena *arena;
    int fd;
    int64_t size;
    int64_t index_at, sql_bytes;
    size_t text_size, members, items;
    unsigned char digest[HASH_HEX_SIZE / 2];
};

/* The end marker is the last END_SIZE bytes of the file or nowhere. */
static bool take_end(struct reading *r, struct err *err)
{
    unsigned char bytes[END_SIZE];
    struct index_member m;
    size_t field;
    int64_t at = r->size - END_SIZE;
    if (at < 0)
        return false;
    if (!read_at(r->fd, at, bytes, sizeof(bytes), err))
        return false;
    if (!take_header(bytes, sizeof(bytes), &m, &field) || m.kind != MEMBER_END || field != END_FIELD_SIZE || m.packed != END_SIZE ||
        m.unpacked != 0 || memcmp(bytes + END_SIZE - EMPTY_SIZE, empty, EMPTY_SIZE) != 0)
        return false;
    const unsigned char *p = bytes + INDEX_HEADER_SIZE;
    uint64_t index_at = get(&p, 8), text_size = get(&p, 8), sql_bytes = get(&p, 8);
    r->members = get(&p, 4);
    r->items = get(&p, 4);
    memcpy(r->digest, p, sizeof(r->digest));
    r->index_at = (int64_t)MIN_OF(index_at, (uint64_t)INT64_MAX);
    r->sql_bytes = (int64_t)MIN_OF(sql_bytes, (uint64_t)INT64_MAX);
    r->text_size = MIN_OF(text_size, (uint64_t)SIZE_MAX / 2);
    return true;
}

static bool begins_as_ours(struct reading *r, bool *ret, struct err *err)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_member m;
    size_t field;
    *ret = false;
    if (r->size < INDEX_HEADER_SIZE)
        return true;
    if (!read_at(r->fd, 0, bytes, sizeof(bytes), err))
        return false;
    *ret = take_header(bytes, sizeof(bytes), &m, &field);
    return true;
}

/* The bytes of the index out of the members between `index_at` and the end marker. */
static bool gather(const struct reading *r, struct buf *text, struct err *err)
{
    unsigned char header[INDEX_HEADER_SIZE], tail[EMPTY_SIZE];
    int64_t at = r->index_at, end = r->size - END_SIZE;
    while (at < end) {
        struct index_member m;
        size_t field;
        if (end - at < INDEX_HEADER_SIZE + EMPTY_SIZE)
            return damaged(err, at, "a piece of the index does not fit");
        if (!read_at(r->fd, at, header, sizeof(header), err))
            return false;
        if (!take_header(header, sizeof(header), &m, &field) || m.kind != MEMBER_INDEX || m.unpacked != 0 || m.item != 0)
            return damaged(err, at, "a piece of the index is missing");
        size_t n = field - FIELD_SIZE;
        if (m.packed != INDEX_HEADER_SIZE + n + EMPTY_SIZE || m.packed > end - at || n > r->text_size - text->n)
            return damaged(err, at, "a piece of the index has a wrong size");
        char *to = buf_room(text, n);
        if (!to)
            return damaged(err, at, "the index is too long");
        if (!read_at(r->fd, at + INDEX_HEADER_SIZE, to, n, err) ||
            !read_at(r->fd, at + INDEX_HEADER_SIZE + (int64_t)n, tail, sizeof(tail), err))
            return false;
        buf_took(text, n);
        if (memcmp(tail, empty, sizeof(tail)) != 0)
            return damaged(err, at, "a piece of the index is not empty");
        at += m.packed;
    }
    unsigned char digest[HASH_HEX_SIZE / 2], *p = digest;
    put_digest(buf_str(text), &p);
    if (text->n != r->text_size || memcmp(digest, r->digest, sizeof(digest)) != 0)
        return damaged(err, r->index_at, "the index has another checksum than the end marker says");
    return true;
}

static bool decode_members(const struct reading *r, const unsigned char **p, struct index *index)
{
    int64_t at = 0, sql_at = 0;
    index->members = arena_array(r->arena, struct index_member, r->members);
    index->member_count = r->members;
    for (size_t i = 0; i < r->members; i++) {
        struct index_member *m = &index->members[i];
        *m = (struct index_member){.at = at, .sql_at = sql_at};
        m->packed = (uint32_t)get(p, 4);
        m->unpacked = (uint32_t)get(p, 4);
        unsigned kind = (unsigned)get(p, 1);
        m->kind = (enum member_kind)kind;
        m->item = (uint32_t)get(p, 4);
        at += m->packed;
        sql_at += m->unpacked;
        if (m->packed < INDEX_HEADER_SIZE + EMPTY_SIZE || m->unpacked > INDEX_MEMBER_MAX || m->item >= MAX_OF(r->items, (size_t)1) ||
            (kind != MEMBER_SQL && kind != MEMBER_ROWS) || (i == 0 && kind != MEMBER_SQL) || at > r->index_at)
            return false;
    }
    return at == r->index_at && sql_at == r->sql_bytes;
}

static bool decode_item(const struct reading *r, const unsigned char **p, const unsigned char *end, struct index_item *item)
{
    if (end - *p < 3)
        return false;
    unsigned kind = (unsigned)get(p, 1);
    size_t n = get(p, 2);
    if (kind >= ITEM_KIND_MAX || (size_t)(end - *p) < n + 28 || (n > 0) != (kind == ITEM_TABLE) || memchr(*p, 0, n))
        return false;
    item->kind = (enum item_kind)kind;
    item->name = n ? arena_strndup(r->arena, (const char *)*p, n) : NULL;
    *p += n;
    item->rows = (int64_t)get(p, 8);
    item->hash = get(p, 8);
    item->member = get(p, 4);
    item->offset = (uint32_t)get(p, 4);
    item->rows_members = get(p, 4);
    return item->rows >= 0;
}

/* Does the item stand where it says: in an SQL member, with as many ROWS members of its own behind it? */
static bool item_stands(const struct index *index, size_t number, size_t *rows_seen)
{
    const struct index_item *item = &index->items[number];
    if (item->member >= index->member_count || index->members[item->member].kind != MEMBER_SQL ||
        item->offset > index->members[item->member].unpacked || item->rows_members > index->member_count - item->member - 1)
        return false;
    for (size_t i = 1; i <= item->rows_members; i++) {
        const struct index_member *m = &index->members[item->member + i];
        if (m->kind != MEMBER_ROWS || m->item != number)
            return false;
    }
    *rows_seen += item->rows_members;
    return true;
}

static bool decode_items(const struct reading *r, const unsigned char **p, const unsigned char *end, struct index *index)
{
    index->items = arena_array(r->arena, struct index_item, r->items);
    index->item_count = r->items;
    size_t rows_seen = 0, rows_members = 0;
    for (size_t i = 0; i < r->items; i++) {
        struct index_item *item = &index->items[i];
        if (!decode_item(r, p, end, item) || !item_stands(index, i, &rows_seen))
            return false;
        if (i && (item->member < item[-1].member || (item->member == item[-1].member && item->offset < item[-1].offset)))
            return false;
    }
    for (size_t i = 0; i < index->member_count; i++)
        rows_members += index->members[i].kind == MEMBER_ROWS;
    return *p == end && rows_seen == rows_members;
}

static bool decode(const struct reading *r, const struct buf *text, struct index **ret, struct err *err)
{
    struct index *index = arena_new(r->arena, struct index);
    const unsigned char *p = (const unsigned char *)buf_text(text), *end = p + text->n;
    bool fits = r->members <= text->n / MEMBER_RECORD && r->items <= (text->n - r->members * MEMBER_RECORD) / 31;
    if (!fits || !decode_members(r, &p, index) || !decode_items(r, &p, end, index))
        return damaged(err, r->index_at, "the index contradicts itself");
    *ret = index;
    return true;
}

static bool read_index(struct reading *r, struct index **ret, struct err *err)
{
    bool ours;
    struct err own = {0};
    if (!begins_as_ours(r, &ours, err))
        return false;
    if (!take_end(r, &own)) {
        if (own.code != ERR_NONE) {
            if (err)
                *err = own;
            return false;
        }
        *ret = NULL;
        return !ours || err_set(err, ERR_DATA, "the backup is cut off: its end marker is missing or damaged");
    }
    if (!ours)
        return damaged(err, 0, "the header of its first member is not what it was");
    if (r->index_at > r->size - END_SIZE || r->text_size > INDEX_MAX || (int64_t)r->text_size > r->size)
        return damaged(err, r->size - END_SIZE, "the end marker contradicts the file");
    SCOPED(buf_done) struct buf text = {.max = r->text_size};
    return gather(r, &text, err) && decode(r, &text, ret, err);
}

bool index_read(struct arena *arena, const char *path, struct index **ret, struct err *err)
{
    SCOPED(file_close) int fd = -1;
    struct reading r = {.arena = arena};
    if (!file_open(path, &fd, &r.size, err))
        return false;
    r.fd = fd;
    return read_index(&r, ret, err);
}
