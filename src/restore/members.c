/* restore/members.c -- A file with an index, member by member. The statements are few and read here, with the lexer that reads every
   dump; rows in members of their own are passed by, and read by the session that loads them. As what follows the data is then known
   before the rows are in, an index can be built while the next table loads. */
#include <errno.h>
#include <fcntl.h>

#include "restore/load.h"

enum { SPLIT_BYTES = 64 * 1024 * 1024, RESUME_PARTS = 16 /* of the whole file's rows: what a kill may cost each session */ };

bool load_unchanged(const struct loading *l, struct err *err)
{
    const struct stat *a = &l->r->file;
    struct stat b;
    if (fstat(l->members, &b) != 0)
        return err_os(err, errno, "could not look at \"%s\"", l->r->spec->file);
    bool same_file = a->st_dev == b.st_dev && a->st_ino == b.st_ino && a->st_size == b.st_size && a->st_mtim.tv_sec == b.st_mtim.tv_sec &&
                     a->st_mtim.tv_nsec == b.st_mtim.tv_nsec;
    return same_file || err_set(err, ERR_DATA, "\"%s\" changed while it was being restored", l->r->spec->file);
}

static int64_t bytes_of(const struct index_member *m, size_t n)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += m[i].unpacked;
    return bytes;
}

/* One session a table, except where one table alone would keep the others waiting. Two processors are busy with any two tables. Whoever
   wants to go on after a kill has pieces that are not too large: they cost him the rows' FREEZE. */
static int parts_of(const struct loading *l, int64_t bytes, int64_t all, size_t members)
{
    int jobs = pool_jobs(l->pool);
    bool pays = jobs >= 3 && bytes >= SPLIT_BYTES;
    if (all <= 0 || l->ordered || !(pays || l->r->spec->resume))
        return 1;
    int64_t parts = pays ? MIN_OF(bytes * jobs / all, (int64_t)jobs) : 1;
    if (l->r->spec->resume)
        parts = MAX_OF(parts, bytes * RESUME_PARTS / all);
    return (int)MAX_OF(1, MIN_OF(parts, (int64_t)members));
}

static bool feed(struct loading *l, const struct index_member *m, struct buf *text, struct err *err)
{
    return index_member_read(l->members, m, text, err) && lexer_feed(l->lexer, text->p, text->n, err);
}

/* The ROWS members at `m`, `n` of them, all of one table; `all` bytes of rows are in such members. */
static bool pass_rows(struct loading *l, const struct index *index, size_t at, size_t n, int64_t all, struct buf *text, struct err *err)
{
    const struct index_member *m = &index->members[at];
    const struct index_item *item = m->item < index->item_count ? &index->items[m->item] : NULL;
    if (!item || item->kind != ITEM_TABLE || item->rows_members != n)
        return err_set(err, ERR_DATA, "the index and the members of \"%s\" do not agree", l->r->spec->file);
    if (l->skipping)
        return lexer_skip_rows(l->lexer, item->rows, err);
    if (l->passing) {
        l->copied = item->rows;
        return lexer_skip_rows(l->lexer, item->rows, err);
    }
    if (!l->rows) { /* the dump has a transaction of its own around it */
        for (size_t i = 0; i < n; i++)
            if (!feed(l, &m[i], text, err))
                return false;
        return true;
    }
    int64_t bytes = bytes_of(m, n), taken_over;
    bool left;
    l->copied = item->rows;
    rows_members(l->rows, l->members, m, n, bytes, parts_of(l, bytes, all, n), &left, &taken_over);
    l->r->result->resumed_rows += taken_over;
    l->r->result->resumed_blocks += !left;
    if (!left && taken_over != item->rows)
        return err_set(err, ERR_DATA, "an interrupted run loaded %lld of the %lld rows of table %s", (long long)taken_over, (long long)item->rows, l->what);
    return lexer_skip_rows(l->lexer, item->rows, err);
}

static int64_t all_rows(const struct index *index)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < index->member_count; i++)
        if (index->members[i].kind == MEMBER_ROWS)
            bytes += index->members[i].unpacked;
    return bytes;
}

bool load_members(struct loading *l, const struct index *index, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = INDEX_MEMBER_MAX};
    int64_t all = all_rows(index);
    l->members = open(l->r->spec->file, O_RDONLY | O_CLOEXEC);
    if (l->members < 0)
        return err_os(err, errno, "could not open \"%s\"", l->r->spec->file);
    if (!load_unchanged(l, err))
        return false;
    l->size = l->r->file.st_size;
    for (size_t i = 0, n; i < index->member_count; i += n) {
        const struct index_member *m = &index->members[i];
        for (n = 1; m->kind == MEMBER_ROWS && i + n < index->member_count && m[n].kind == MEMBER_ROWS && m[n].item == m->item; n++)
            ;
        if (m->kind == MEMBER_ROWS ? !pass_rows(l, index, i, n, all, &text, err) : !feed(l, m, &text, err))
            return false;
    }
    return lexer_end(l->lexer, err);
}
