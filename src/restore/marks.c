/* restore/marks.c -- One table without an index: it is written row by row and read once, whole. Everybody may add to it, since a dump may
   change to any role before a statement. */
#include "restore/marks.h"

enum { FORMAT = 1 }; /* of the rows and of the numbering: goes up with either */

#define TABLE MARKS_SCHEMA ".done"

struct marks {
    VEC(struct mark) all; /* sorted; what an interrupted run left */
    bool ended;
};

static const char *head_of(const struct restoring *r)
{
    return arena_printf(r->arena, "%d, bascule " BASCULE_VERSION ", %s, %s", FORMAT, r->sha256, r->spec->only ? r->spec->only : "");
}

static struct marks *marks_new(struct restoring *r)
{
    return arena_new(r->arena, struct marks);
}

bool marks_begin(struct restoring *r, struct pg *pg, struct err *err)
{
    const char *sql = arena_printf(
        r->arena,
        "BEGIN; CREATE SCHEMA " MARKS_SCHEMA "; CREATE TABLE " TABLE " (kind int, item bigint, part bigint, size bigint, rows bigint, note text);"
        " GRANT USAGE ON SCHEMA " MARKS_SCHEMA " TO PUBLIC; GRANT INSERT ON " TABLE " TO PUBLIC;"
        " INSERT INTO " TABLE " VALUES (%d, 0, 0, 0, 0, %s || ', ' || current_user); COMMIT",
        MARK_HEAD, pg_literal(pg, r->arena, head_of(r)));
    r->marks = marks_new(r);
    return pg_script(pg, sql, RESTORE_QUICK_MS, err) || err_prefix(err, "making the table of what is done");
}

/* ---- adding ---- */

/* Notes are names and sentences; quotes are doubled and a backslash means itself only with E, whatever the session's settings are. */
static void put_note(struct buf *sql, const char *note)
{
    buf_puts(sql, "E'");
    for (const char *p = note; *p; p++)
        buf_printf(sql, "%s%c", *p == '\'' || *p == '\\' ? (*p == '\'' ? "'" : "\\") : "", *p);
    buf_puts(sql, "'");
}

const char *marks_add(const struct marks *marks, struct arena *arena, const struct mark *mark)
{
    SCOPED(buf_done) struct buf sql = {.max = 64 * 1024};
    if (!marks || marks->ended)
        return "";
    buf_printf(&sql, "INSERT INTO " TABLE " VALUES (%d, %lld, %lld, %lld, %lld, ", mark->kind, (long long)mark->item, (long long)mark->part,
               (long long)mark->size, (long long)mark->rows);
    if (mark->note)
        put_note(&sql, mark->note);
    else
        buf_puts(&sql, "NULL");
    buf_puts(&sql, ");");
    return arena_strdup(arena, buf_text(&sql));
}

/* ---- reading ---- */

static int by_place(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->part > y->part) - (x->part < y->part);
}

/* The first that does not stand before `key`. */
static size_t lower(const struct marks *m, const struct mark *key)
{
    size_t low = 0, high = m->all.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_place(&m->all.p[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct mark *between(const struct marks *m, const struct mark *first, const struct mark *last, size_t *ret_n)
{
    size_t from = m ? lower(m, first) : 0, to = m ? lower(m, last) : 0;
    *ret_n = to - from;
    return to > from ? &m->all.p[from] : NULL;
}

const struct mark *marks_find(const struct marks *marks, enum mark_kind kind, int64_t item, int64_t part)
{
    size_t n;
    return between(marks, &(struct mark){.kind = kind, .item = item, .part = part}, &(struct mark){.kind = kind, .item = item, .part = part + 1}, &n);
}

const struct mark *marks_of(const struct marks *marks, enum mark_kind kind, int64_t item, size_t *ret_n)
{
    return between(marks, &(struct mark){.kind = kind, .item = item}, &(struct mark){.kind = kind, .item = item + 1}, ret_n);
}

const struct mark *marks_all(const struct marks *marks, enum mark_kind kind, size_t *ret_n)
{
    return between(marks, &(struct mark){.kind = kind}, &(struct mark){.kind = kind + 1}, ret_n);
}

static void take_rows(struct marks *m, struct arena *arena, const struct pg_rows *rows)
{
    for (size_t i = 0; i < pg_count(rows); i++)
        *vec_add(arena, &m->all) = (struct mark){.kind = (enum mark_kind)pg_int(rows, i, 0), .item = pg_int(rows, i, 1), .part = pg_int(rows, i, 2),
                                                 .size = pg_int(rows, i, 3), .rows = pg_int(rows, i, 4), .note = arena_strdup(arena, pg_text(rows, i, 5))};
    if (m->all.n)
        qsort(m->all.p, m->all.n, sizeof(*m->all.p), by_place);
}

/* Why there is no going on; NULL: there is. */
static const char *doubt(struct restoring *r, const struct marks *m, const char *user)
{
    size_t n;
    const struct mark *found = marks_all(m, MARK_HEAD, &n);
    if (n != 1 || !same(found->note, arena_printf(r->arena, "%s, %s", head_of(r), user)))
        return "another version of bascule, another user or other options loaded it";
    if ((found = marks_all(m, MARK_NEVER, &n)))
        return found->note ? found->note : "it cannot be gone on with";
    if (!marks_all(m, MARK_SCHEMA, &n))
        return "it had not come to the data";
    found = marks_all(m, MARK_BEGUN, &n);
    for (size_t i = 0; i < n; i++)
        if (!marks_find(m, MARK_STATEMENT, found[i].item, 0))
            return "it ended in the middle of a statement that cannot be undone";
    return NULL;
}

/* After a crash the server empties what is UNLOGGED, and the rows of this table stay. */
static const char ask_state[] =
    "SELECT (to_regclass('" TABLE "') IS NOT NULL)::int, current_user,"
    " EXISTS (SELECT FROM pg_class WHERE relpersistence = 'u' AND oid >= 16384)::int";

bool marks_read(struct restoring *r, struct marks **ret, const char **ret_why, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *state, *rows;
    *ret_why = NULL;
    if (!pg_open(r->spec->target, r->temp, RESTORE_CONNECT_MS, &pg, err) || !pg_exec(pg, r->arena, ask_state, NULL, 0, RESTORE_QUICK_MS, &state, err))
        return false;
    if (!pg_int(state, 0, 0)) {
        *ret_why = "nothing in it says how far it came";
        return true;
    }
    if (pg_int(state, 0, 2)) {
        *ret_why = "it has UNLOGGED tables, which a server that crashed empties";
        return true;
    }
    if (!pg_exec(pg, r->arena, "SELECT kind, item, part, size, rows, note FROM " TABLE, NULL, 0, RESTORE_LONG_MS, &rows, err))
        return false;
    struct marks *m = marks_new(r);
    take_rows(m, r->arena, rows);
    *ret_why = doubt(r, m, pg_text(state, 0, 1));
    *ret = m;
    return true;
}

/* ---- the end ---- */

/* Event triggers of the dump must not see our table go; who may make any, may pass them by. */
static const char drop[] =
    "SET synchronous_commit = off; SET statement_timeout = 0; SET lock_timeout = 0; SET default_transaction_read_only = off;"
    " SET client_min_messages = warning;"
    " SELECT set_config('session_replication_role', 'replica', false) WHERE EXISTS (SELECT FROM pg_event_trigger)"
    " AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);"
    " DROP SCHEMA IF EXISTS " MARKS_SCHEMA " CASCADE";

bool marks_end(struct restoring *r, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    if (!r->marks || r->marks->ended)
        return true;
    r->marks->ended = true;
    return (pg_open(r->spec->target, r->temp, RESTORE_CONNECT_MS, &pg, err) && pg_script(pg, drop, RESTORE_QUICK_MS, err)) ||
           err_prefix(err, "taking away the table of what is done");
}
