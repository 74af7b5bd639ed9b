/* restore/load.c -- The file, statement by statement and row by row, into the temporary database. Nothing in it may reach beyond that
   database, and nothing that fails is passed over, except statements about roles that this server has not. */
#include "io/gzip.h"
#include "dump/lexer.h"
#include "restore/restore_internal.h"
#include "dump/words.h"

enum { PIECE = 256 * 1024, COPY_MS = 10 * 60 * 1000 };

struct loading {
    struct restoring *r;
    struct pg *pg;
    struct gzip_reader *reader;
    struct hash *hash;
    int64_t copied; /* rows of the COPY that runs, as the lexer counts them */
    bool complete;
};

/* ---- what may be run ---- */

/* Things of the whole server: a dump of one database holds none, and restoring one must not change another. */
static bool is_server_wide(struct str sql)
{
    static const char *const verbs[] = {"CREATE", "ALTER", "DROP"}, *const kinds[] = {"DATABASE", "ROLE", "USER", "GROUP", "TABLESPACE"};
    struct str rest = sql, verb, kind, next = {0};
    if (!words_next(&rest, &verb) || !words_next(&rest, &kind))
        return false;
    for (size_t v = 0; v < COUNT_OF(verbs); v++)
        for (size_t k = 0; word_is(verb, verbs[v]) && k < COUNT_OF(kinds); k++)
            if (word_is(kind, kinds[k]))
                return !(word_is(kind, "USER") && words_next(&rest, &next) && word_is(next, "MAPPING"));
    return words_begin(sql, "ALTER SYSTEM");
}

static bool is_about_roles(struct str sql)
{
    if (words_begin(sql, "GRANT") || words_begin(sql, "REVOKE") || words_begin(sql, "ALTER DEFAULT PRIVILEGES") ||
        words_begin(sql, "SET SESSION AUTHORIZATION"))
        return true;
    if (!words_begin(sql, "ALTER"))
        return false;
    struct str word, before = {0};
    bool owner = false;
    while (words_next(&sql, &word)) {
        owner |= word_is(word, "TO") && word_is(before, "OWNER");
        before = word;
    }
    return owner;
}

static bool role_is_missing(struct loading *l, const char *role)
{
    static const char *const always[] = {"public", "current_user", "session_user", "current_role"};
    for (size_t i = 0; i < COUNT_OF(always); i++)
        if (same(role, always[i]))
            return false;
    struct pg_rows *rows;
    const char *params[] = {role};
    return pg_exec(l->r->admin, l->r->arena, "SELECT 1 FROM pg_roles WHERE rolname = $1", params, 1, RESTORE_QUICK_MS, &rows, NULL) &&
           pg_count(rows) == 0;
}

static void remember_role(struct restoring *r, const char *role)
{
    for (size_t i = 0; i < r->missing_roles.n; i++)
        if (same(r->missing_roles.p[i], role))
            return;
    *vec_add(r->arena, &r->missing_roles) = role;
}

/* "SET SESSION AUTHORIZATION 'x'" is the one form whose role stands in a string. */
static char *authorization_role(struct arena *arena, struct str sql)
{
    const char *from = memchr(sql.p, '\'', sql.n), *to = memrchr(sql.p, '\'', sql.n);
    return from && to > from ? arena_strndup(arena, from + 1, (size_t)(to - from - 1)) : NULL;
}

/* A role follows TO, FROM, ROLE or BY. */
static bool names_missing_role(struct loading *l, struct str sql)
{
    struct arena *arena = l->r->arena;
    char *role = words_begin(sql, "SET SESSION AUTHORIZATION") ? authorization_role(arena, sql) : NULL;
    if (role && role_is_missing(l, role)) {
        remember_role(l->r, role);
        return true;
    }
    bool missing = false;
    struct str word, before = {0};
    while (words_next(&sql, &word)) {
        bool follows = word_is(before, "TO") || word_is(before, "FROM") || word_is(before, "ROLE") || word_is(before, "BY");
        role = follows ? word_name(arena, word) : NULL;
        if (role && role_is_missing(l, role)) {
            remember_role(l->r, role);
            missing = true;
        }
        before = word;
    }
    return missing;
}

static bool run_statement(struct loading *l, struct str sql, struct err *err)
{
    if (is_server_wide(sql)) {
        err_set(err, ERR_DATA, "a statement that changes the whole server, not one database");
        return err_hint(err, "dump one database without --create, and roles apart with pg_dumpall --globals-only");
    }
    if (words_begin(sql, "COMMENT ON DATABASE"))
        return true; /* old versions of pg_dump write it; it would land on the database that is still in use */
    if (pg_script(l->pg, sql.p, RESTORE_LONG_MS, err))
        return true;
    const char *state = pg_sqlstate(l->pg);
    if ((same(state, "42704") || same(state, "22023")) && is_about_roles(sql) && names_missing_role(l, sql)) {
        l->r->result->skipped++;
        return true;
    }
    return false;
}

/* ---- items of the lexer ---- */

static void progress(struct loading *l)
{
    const struct table_rows *last = l->r->tables.n ? &l->r->tables.p[l->r->tables.n - 1] : NULL;
    restoring_progress(l->r, gzip_reader_at(l->reader), gzip_reader_size(l->reader), "%s", last ? last->name : "schema");
}

static bool begin_copy(struct loading *l, struct str sql, struct err *err)
{
    struct str table;
    if (!lexer_copy_table(sql, &table))
        return err_set(err, ERR_DATA, "a COPY without a table");
    vec_add(l->r->arena, &l->r->tables)->name = str_dup(l->r->arena, table);
    l->copied = 0;
    return pg_copy_in_begin(l->pg, sql.p, RESTORE_QUICK_MS, err);
}

static bool end_copy(struct loading *l, struct err *err)
{
    int64_t taken;
    struct table_rows *table = &l->r->tables.p[l->r->tables.n - 1];
    if (!pg_copy_in_end(l->pg, NULL, RESTORE_LONG_MS, &taken, err))
        return err_prefix(err, "table %s", table->name);
    if (taken != l->copied)
        return err_set(err, ERR_DATA, "the server took %lld of the %lld rows of table %s", (long long)taken, (long long)l->copied, table->name);
    table->rows = l->copied;
    l->r->result->rows += l->copied;
    return true;
}

static bool load_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    struct loading *l = arg;
    switch (item) {
    case LEXER_STATEMENT:
        return run_statement(l, text, err);
    case LEXER_COPY:
        return begin_copy(l, text, err);
    case LEXER_DATA:
        l->copied += rows;
        return pg_copy_in_put(l->pg, text.p, text.n, COPY_MS, err) || err_prefix(err, "table %s", l->r->tables.p[l->r->tables.n - 1].name);
    case LEXER_COPY_END:
        return end_copy(l, err);
    case LEXER_COMPLETE:
        l->complete = true;
        return true;
    }
    return true;
}

/* ---- the whole ---- */

static bool hash_tap(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    hash_add(arg, data, size);
    return true;
}

static bool load_all(struct loading *l, struct lexer *lexer, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    char *piece = arena_alloc(own, PIECE);
    for (size_t n;;) {
        if (!gzip_reader_read(l->reader, piece, PIECE, &n, err))
            return false;
        if (n == 0)
            return lexer_end(lexer, err);
        if (!lexer_feed(lexer, piece, n, err))
            return false;
        progress(l);
    }
}

/* Settings that a role or the server may have set otherwise. Commits need not be durable one by one: that of the swap is, and makes
   everything before it so. */
static const char session[] = "SET synchronous_commit = off; SET statement_timeout = 0; SET lock_timeout = 0;"
                              " SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = on;"
                              " SET default_transaction_read_only = off; SET client_min_messages = warning; SET row_security = off";

static void note_roles(struct restoring *r)
{
    SCOPED(buf_done) struct buf names = {.max = 400};
    for (size_t i = 0; i < r->missing_roles.n; i++)
        buf_printf(&names, "%s\"%s\"", i ? ", " : "", r->missing_roles.p[i]);
    if (r->missing_roles.n)
        restoring_note(r, "%lld statements were left out because this server lacks the roles %s%s; what they would own belongs to \"%s\"",
                       (long long)r->result->skipped, buf_text(&names), names.over ? ", ..." : "",
                       r->spec->target->user ? r->spec->target->user : "the restoring user");
}

bool restore_load(struct restoring *r, struct err *err)
{
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    if (!gzip_reader_open(r->spec->file, &reader, err))
        return false;
    SCOPED(hash_close) struct hash *hash = hash_open();
    gzip_reader_tap(reader, hash_tap, hash);
    struct pg *pg SCOPED(pg_close) = NULL;
    if (!pg_open(r->spec->target, r->temp, RESTORE_CONNECT_MS, &pg, err) || !pg_script(pg, session, RESTORE_QUICK_MS, err))
        return false;
    struct loading l = {.r = r, .pg = pg, .reader = reader, .hash = hash};
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(load_item, &l);
    if (!load_all(&l, lexer, err) || !l.complete)
        return err_prefix(err, "loading \"%s\"", r->spec->file);
    hash_end(hash, r->sha256);
    note_roles(r);
    restoring_progress(r, gzip_reader_size(reader), gzip_reader_size(reader), "statistics");
    return (pg_script(pg, "RESET ALL", RESTORE_QUICK_MS, err) && pg_script(pg, "ANALYZE", RESTORE_LONG_MS, err)) ||
           err_prefix(err, "gathering statistics");
}
