/* io/deflate.c -- ISA-L's one-shot calls, with the trailer checked here: it is what tells a flipped bit from data. */
#include "io/deflate.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "io/deflate_small.h"

struct deflater {
    enum deflate_level level;
    struct isal_zstream stream;
    uint8_t *tables; /* working memory of ISA-L */
    struct smaller *smaller;
};

static void *zeroed(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static uint32_t tables_size(enum deflate_level level)
{
    return level == DEFLATE_FAST ? ISAL_DEF_LVL1_DEFAULT : ISAL_DEF_LVL2_DEFAULT;
}

struct deflater *deflater_open(enum deflate_level level)
{
    struct deflater *d = zeroed(sizeof(*d));
    *d = (struct deflater){
        .level = level,
        .smaller = level == DEFLATE_SMALL ? smaller_open() : NULL,
        .tables = level == DEFLATE_SMALL ? NULL : zeroed(tables_size(level)),
    };
    return d;
}

void deflater_close(struct deflater **deflater)
{
    if (!deflater || !*deflater)
        return;
    smaller_close(&(*deflater)->smaller);
    free((*deflater)->tables);
    free(*deflater);
    *deflater = NULL;
}

/* Data that cannot be packed is stored in blocks of at most 65535 bytes with 5 bytes in front of each, beside less than a hundred. */
static size_t fast_bound(size_t size)
{
    return size + (size / 65535 + 1) * 5 + 512;
}

static size_t pack_fast(struct deflater *d, const void *data, size_t size, void *to, size_t room)
{
    struct isal_zstream *s = &d->stream;
    isal_deflate_init(s);
    s->level = d->level == DEFLATE_FAST ? 1 : 2;
    s->level_buf = d->tables;
    s->level_buf_size = tables_size(d->level);
    s->end_of_stream = 1;
    s->flush = NO_FLUSH;
    s->next_in = (uint8_t *)(uintptr_t)data;
    s->avail_in = (uint32_t)size;
    s->next_out = to;
    s->avail_out = (uint32_t)room;
    return isal_deflate(s) == COMP_OK && s->avail_in == 0 && s->internal_state.state == ZSTATE_END ? s->total_out : 0;
}

static void put_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_u32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

bool deflater_pack(struct deflater *deflater, const void *data, size_t size, struct buf *out, struct err *err)
{
    struct deflater *d = deflater;
    size_t bound = d->smaller ? smaller_bound(d->smaller, size) : fast_bound(size);
    char *to = size <= UINT32_MAX / 2 ? buf_room(out, bound + DEFLATE_TRAILER_SIZE) : NULL;
    if (!to)
        return err_set(err, ERR_LIMIT, "%zu bytes are too many for one gzip member", size);
    size_t n = d->smaller ? smaller_pack(d->smaller, data, size, to, bound) : pack_fast(d, data, size, to, bound);
    if (n == 0)
        return err_set(err, ERR_INTERNAL, "%zu bytes could not be packed", size);
    put_u32((unsigned char *)to + n, crc32_gzip_refl(0, data, size));
    put_u32((unsigned char *)to + n + 4, (uint32_t)size);
    buf_took(out, n + DEFLATE_TRAILER_SIZE);
    return true;
}

bool inflate_whole(const void *packed, size_t packed_size, size_t size, struct buf *out, struct err *err)
{
    const unsigned char *from = packed;
    if (packed_size < DEFLATE_TRAILER_SIZE || packed_size > UINT32_MAX / 2 || size > UINT32_MAX / 2)
        return err_set(err, ERR_DATA, "a gzip member of an impossible size");
    size_t n = packed_size - DEFLATE_TRAILER_SIZE;
    char *to = buf_room(out, size);
    if (!to)
        return err_set(err, ERR_LIMIT, "a gzip member of %zu bytes where %zu are allowed", size, out->max);
    struct inflate_state *state = zeroed(sizeof(*state));
    isal_inflate_init(state);
    state->crc_flag = ISAL_DEFLATE;
    state->next_in = (uint8_t *)(uintptr_t)packed;
    state->avail_in = (uint32_t)n;
    state->next_out = (uint8_t *)to;
    state->avail_out = (uint32_t)size;
    int status = isal_inflate_stateless(state);
    bool whole = status == ISAL_DECOMP_OK && state->avail_out == 0 && state->block_state == ISAL_BLOCK_FINISH && state->avail_in == 0;
    free(state);
    if (!whole)
        return err_set(err, ERR_DATA, "the gzip data is damaged");
    if (get_u32(from + n + 4) != (uint32_t)size || get_u32(from + n) != crc32_gzip_refl(0, (const unsigned char *)to, size))
        return err_set(err, ERR_DATA, "the gzip data is damaged: its checksum is another one");
    buf_took(out, size);
    return true;
}
