/* backup/cutter.c -- One open member, packed and spooled when it is full. */
#include "backup/cutter.h"

#include "dump/rowhash.h"

struct cutter {
    struct spool *spool;
    struct deflater *deflater;
    struct buf text, packed;
    size_t lane, item_lane;
    enum member_kind kind;
    size_t items, members;   /* of this lane so far */
    uint32_t first_item;     /* that the open member's first byte belongs to */
    bool in_rows;            /* of cutter_rows */
    size_t rows_from, hashed; /* in the text: where rows begin, up to where they are counted */
    int64_t rows;            /* not handed on yet, */
    uint64_t hash;
    size_t rows_members;     /* likewise */
    size_t paced;            /* of the text */
};

struct cutter *cutter_open(struct spool *spool, enum deflate_level level)
{
    struct cutter *c = calloc(1, sizeof(*c));
    if (!c) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    c->spool = spool;
    c->deflater = deflater_open(level);
    c->text.max = INDEX_MEMBER_MAX;
    c->packed.max = (size_t)INDEX_MEMBER_MAX + INDEX_MEMBER_MAX / 8;
    return c;
}

void cutter_close(struct cutter **cutter)
{
    if (!cutter || !*cutter)
        return;
    deflater_close(&(*cutter)->deflater);
    buf_done(&(*cutter)->text);
    buf_done(&(*cutter)->packed);
    free(*cutter);
    *cutter = NULL;
}

static void begin_member(struct cutter *c, enum member_kind kind)
{
    c->kind = kind;
    c->first_item = (uint32_t)c->items - 1;
}

void cutter_begin(struct cutter *cutter, size_t lane)
{
    cutter->lane = cutter->item_lane = lane;
    cutter->items = cutter->members = 0;
    cutter->in_rows = false;
    cutter->paced = 0;
    buf_clear(&cutter->text);
    begin_member(cutter, MEMBER_SQL);
}

static bool pace(struct cutter *c, struct err *err)
{
    size_t n = c->text.n - c->paced;
    c->paced = c->text.n;
    return spool_pace(c->spool, n, err);
}

/* Packs the first `n` bytes of the open member as a member of its own; what is behind them begins the next, of `next` kind. */
static bool put_member(struct cutter *c, size_t n, enum member_kind next, struct err *err)
{
    static const char header[INDEX_HEADER_SIZE];
    struct index_member m = {.kind = c->kind, .unpacked = (uint32_t)n, .item = c->first_item};
    if (!pace(c, err))
        return false;
    buf_clear(&c->packed);
    if (!buf_add(&c->packed, header, sizeof(header)) || !deflater_pack(c->deflater, buf_text(&c->text), n, &c->packed, err))
        return false;
    m.packed = (uint32_t)c->packed.n;
    if (!spool_put(c->spool, c->lane, &m, c->packed.p, err))
        return false;
    c->members++;
    c->rows_members += c->kind == MEMBER_ROWS;
    buf_consume(&c->text, n);
    c->paced = c->text.n;
    begin_member(c, next);
    return true;
}

static void hand_on_rows(struct cutter *c)
{
    if (c->rows || c->rows_members)
        spool_rows(c->spool, c->item_lane, c->rows, c->hash, c->rows_members);
    c->rows = 0;
    c->hash = 0;
    c->rows_members = 0;
}

bool cutter_end(struct cutter *cutter, struct err *err)
{
    if (cutter->text.n && !put_member(cutter, cutter->text.n, MEMBER_SQL, err))
        return false;
    hand_on_rows(cutter);
    spool_lane_end(cutter->spool, cutter->lane);
    return true;
}

static bool too_long(struct err *err, const char *what)
{
    return err_set(err, ERR_LIMIT, "a %s of more than %d MiB cannot be backed up", what, INDEX_MEMBER_MAX >> 20);
}

/* ---- statements ---- */

bool cutter_sql(struct cutter *cutter, const char *text, size_t n, bool cut, struct err *err)
{
    struct cutter *c = cutter;
    if (!buf_add(&c->text, text, n))
        return too_long(err, "statement");
    return !cut || c->text.n < CUTTER_MEMBER || put_member(c, c->text.n, MEMBER_SQL, err);
}

void cutter_item(struct cutter *cutter, enum item_kind kind, struct str name, size_t ahead)
{
    struct cutter *c = cutter;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct index_item item = {.kind = kind, .name = name.n ? str_dup(arena, name) : NULL, .member = c->members,
                              .offset = (uint32_t)(c->text.n + ahead)};
    spool_item(c->spool, c->lane, &item);
    c->items++;
    if (c->text.n + ahead == 0)
        c->first_item = (uint32_t)c->items - 1;
}

/* ---- rows in a stream ---- */

static void count_rows(struct cutter *c)
{
    const char *from = c->text.p + c->hashed, *last = memrchr(from, '\n', c->text.n - c->hashed);
    if (!last)
        return;
    c->hash += rows_hash((struct str){from, (size_t)(last + 1 - from)}, &c->rows);
    c->hashed = (size_t)(last + 1 - c->text.p);
}

bool cutter_rows(struct cutter *cutter, const char *text, size_t n, struct err *err)
{
    struct cutter *c = cutter;
    if (!c->in_rows) {
        c->in_rows = true;
        c->rows_from = c->hashed = c->text.n;
        c->item_lane = c->lane;
    }
    if (!buf_add(&c->text, text, n))
        return too_long(err, "row");
    count_rows(c);
    if (c->kind == MEMBER_SQL && c->hashed - c->rows_from > CUTTER_INLINE_MAX) {
        if (!put_member(c, c->rows_from, MEMBER_ROWS, err))
            return false;
        c->hashed -= c->rows_from;
        c->rows_from = 0;
    }
    if (c->kind == MEMBER_SQL || c->hashed < CUTTER_MEMBER)
        return true;
    size_t whole = c->hashed;
    c->hashed = 0;
    return put_member(c, whole, MEMBER_ROWS, err);
}

bool cutter_rows_end(struct cutter *cutter, struct err *err)
{
    struct cutter *c = cutter;
    bool ok = true;
    if (c->in_rows && c->hashed != c->text.n)
        return err_set(err, ERR_DATA, "the last row of a table has no end");
    if (c->kind == MEMBER_ROWS) {
        ok = c->text.n == 0 || put_member(c, c->text.n, MEMBER_SQL, err);
        begin_member(c, MEMBER_SQL);
    }
    hand_on_rows(c);
    c->in_rows = false;
    return ok;
}

/* ---- rows one by one ---- */

bool cutter_rows_member(struct cutter *cutter, size_t item_lane, struct err *err)
{
    struct cutter *c = cutter;
    c->item_lane = item_lane;
    if (c->kind == MEMBER_SQL && c->text.n && !put_member(c, c->text.n, MEMBER_ROWS, err))
        return false;
    begin_member(c, MEMBER_ROWS);
    return c->rows_members || put_member(c, c->text.n, MEMBER_ROWS, err);
}

bool cutter_row(struct cutter *cutter, const char *row, size_t n, size_t item_lane, struct err *err)
{
    struct cutter *c = cutter;
    if (c->kind == MEMBER_SQL) {
        if (c->text.n && !put_member(c, c->text.n, MEMBER_ROWS, err))
            return false;
        begin_member(c, MEMBER_ROWS);
        c->item_lane = item_lane;
    }
    if (c->text.n && c->text.n + n > CUTTER_MEMBER && !put_member(c, c->text.n, MEMBER_ROWS, err))
        return false;
    if (!buf_add(&c->text, row, n))
        return too_long(err, "row");
    c->hash += row_hash(row, n - 1);
    c->rows++;
    return true;
}
