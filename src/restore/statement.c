/* restore/statement.c -- Statements by their first words; roles by asking the server. */
#include "restore/statement.h"

#include "dump/words.h"
#include "restore/settings.h"

/* ---- what it is ---- */

static bool is_one_of(struct str word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (word_is(word, words[i]))
            return true;
    return false;
}

enum statement_kind statement_kind(struct str sql)
{
    static const char *const calls[] = {"setval", "lo_create", "lo_open", "lo_close", "lowrite", "lo_unlink"};
    static const char *const frames[] = {"BEGIN", "COMMIT"};
    static const char *const makers[] = {"CREATE", "ALTER", "COMMENT", "GRANT", "REVOKE", "SECURITY", "REFRESH"};
    struct str rest = sql, first, schema, call, second = {0};
    if (words_begin(sql, "SET session_replication_role"))
        return STATEMENT_UNCERTAIN; /* keys and triggers do not look at what comes now */
    SCOPED(arena_close) struct arena *own = arena_open();
    const char *name;
    if (settings_is(own, sql, &name))
        return STATEMENT_SETTING;
    if (!words_next(&rest, &first))
        return STATEMENT_UNCERTAIN;
    if (is_one_of(first, frames, COUNT_OF(frames)))
        return STATEMENT_QUIET;
    if (word_is(first, "SELECT") && words_next(&rest, &schema) && word_is(schema, "pg_catalog") && words_next(&rest, &call))
        return is_one_of(call, calls, COUNT_OF(calls)) ? STATEMENT_QUIET : STATEMENT_UNCERTAIN;
    if (!is_one_of(first, makers, COUNT_OF(makers)) || !words_next(&rest, &second))
        return STATEMENT_UNCERTAIN;
    return STATEMENT_KNOWN;
}

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

static bool role_is_missing(struct restoring *r, const char *role)
{
    static const char *const always[] = {"public", "current_user", "session_user", "current_role"};
    for (size_t i = 0; i < COUNT_OF(always); i++)
        if (same(role, always[i]))
            return false;
    struct pg_rows *rows;
    const char *params[] = {role};
    return pg_exec(r->admin, r->arena, "SELECT 1 FROM pg_roles WHERE rolname = $1", params, 1, RESTORE_QUICK_MS, &rows, NULL) &&
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
static bool names_missing_role(struct restoring *r, struct str sql)
{
    struct arena *arena = r->arena;
    char *role = words_begin(sql, "SET SESSION AUTHORIZATION") ? authorization_role(arena, sql) : NULL;
    if (role && role_is_missing(r, role)) {
        remember_role(r, role);
        return true;
    }
    bool missing = false;
    struct str word, before = {0};
    while (words_next(&sql, &word)) {
        bool follows = word_is(before, "TO") || word_is(before, "FROM") || word_is(before, "ROLE") || word_is(before, "BY");
        role = follows ? word_name(arena, word) : NULL;
        if (role && role_is_missing(r, role)) {
            remember_role(r, role);
            missing = true;
        }
        before = word;
    }
    return missing;
}

/* ---- extensions ---- */

static bool is_missing_extension(struct restoring *r, struct str sql, const char **ret)
{
    struct str word = {0};
    struct pg_rows *rows;
    int at = words_begin(sql, "CREATE EXTENSION IF NOT EXISTS") ? 5 : 2;
    for (int i = 0; i <= at; i++)
        if (!words_next(&sql, &word))
            return false;
    const char *params[] = {*ret = word_name(r->arena, word)};
    return pg_exec(r->admin, r->arena, "SELECT 1 FROM pg_available_extensions WHERE name = $1", params, 1, RESTORE_QUICK_MS, &rows, NULL) &&
           pg_count(rows) == 0;
}

/* They stand near the beginning of a dump, with little between them: all that are missing can be told at once. One that is there and needs
   one that is missing fails too, and is not named. */
static bool remember_extension(struct restoring *r, struct str sql)
{
    const char *name;
    if (!words_begin(sql, "CREATE EXTENSION"))
        return false;
    if (!is_missing_extension(r, sql, &name))
        return r->missing_extensions.n > 0;
    *vec_add(r->arena, &r->missing_extensions) = name;
    return true;
}

static bool stands_among_extensions(struct str sql)
{
    return words_begin(sql, "CREATE EXTENSION") || words_begin(sql, "CREATE SCHEMA") || words_begin(sql, "ALTER SCHEMA") ||
           words_begin(sql, "COMMENT ON SCHEMA");
}

bool statement_nothing_missing(const struct restoring *r, struct err *err)
{
    SCOPED(buf_done) struct buf names = {.max = 400};
    const struct strs *all = &r->missing_extensions;
    for (size_t i = 0; i < all->n; i++)
        buf_printf(&names, "%s\"%s\"", i ? ", " : "", all->p[i]);
    if (!all->n)
        return true;
    err_set(err, ERR_NOT_FOUND, "this server lacks the extension%s %s%s", all->n > 1 ? "s" : "", buf_text(&names), names.over ? ", ..." : "");
    return err_hint(err, "install the packages that bring them on the server, then restore again");
}

/* ---- running it ---- */

bool statement_allowed(struct str sql, struct err *err)
{
    if (!is_server_wide(sql))
        return true;
    err_set(err, ERR_DATA, "a statement that changes the whole server, not one database");
    return err_hint(err, "dump one database without --create, and roles apart with pg_dumpall --globals-only");
}

/* A statement that refuses a transaction runs between two rows: found with the first alone, nobody knows how far it came. */
static bool run_between(struct restoring *r, struct pg *pg, struct str sql, const struct mark *mark, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct mark begun = *mark;
    begun.kind = MARK_BEGUN;
    return pg_script(pg, marks_add(r->marks, own, &begun), RESTORE_QUICK_MS, err) && pg_script(pg, sql.p, RESTORE_LONG_MS, err) &&
           pg_script(pg, marks_add(r->marks, own, mark), RESTORE_QUICK_MS, err);
}

/* Several statements in one message are one transaction. */
static bool run_marked(struct restoring *r, struct pg *pg, struct str sql, const struct mark *mark, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    const char *row = mark ? marks_add(r->marks, own, mark) : "";
    if (!*row)
        return pg_script(pg, sql.p, RESTORE_LONG_MS, err);
    struct err why = {0};
    if (pg_script(pg, arena_printf(own, "%s\n;%s", sql.p, row), RESTORE_LONG_MS, &why))
        return true;
    if (same(pg_sqlstate(pg), "25001")) /* cannot run inside a transaction */
        return run_between(r, pg, sql, mark, err);
    if (err)
        *err = why;
    return false;
}

/* It is not asked again whether roles are missing that may have been made meanwhile: what was left out stays left out. */
static bool mark_left_out(struct restoring *r, struct pg *pg, const struct mark *mark, size_t known, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    SCOPED(buf_done) struct buf sql = {.max = 1 << 20};
    buf_puts(&sql, marks_add(r->marks, own, &(struct mark){.kind = MARK_LEFT_OUT}));
    for (size_t i = known; i < r->missing_roles.n; i++)
        buf_puts(&sql, marks_add(r->marks, own, &(struct mark){.kind = MARK_ROLE, .note = r->missing_roles.p[i]}));
    if (mark)
        buf_puts(&sql, marks_add(r->marks, own, mark));
    return !sql.n || pg_in_transaction(pg) || pg_script(pg, buf_text(&sql), RESTORE_QUICK_MS, err);
}

void statement_recall(struct restoring *r)
{
    size_t n;
    const struct mark *found = marks_all(r->marks, MARK_ROLE, &n);
    for (size_t i = 0; i < n; i++)
        if (found[i].note)
            remember_role(r, found[i].note);
    marks_all(r->marks, MARK_LEFT_OUT, &n);
    r->result->skipped += (int64_t)n;
}

bool statement_run(struct restoring *r, struct pg *pg, struct str sql, const struct mark *mark, bool *ret_done, struct err *err)
{
    if (!statement_allowed(sql, err))
        return false;
    *ret_done = false;
    if (words_begin(sql, "COMMENT ON DATABASE"))
        return true; /* old versions of pg_dump write it; it would land on the database that is still in use */
    if (r->missing_extensions.n && words_begin(sql, "COMMENT ON EXTENSION"))
        return true;
    if (r->missing_extensions.n && statement_kind(sql) != STATEMENT_SETTING && !stands_among_extensions(sql))
        return statement_nothing_missing(r, err);
    size_t known = r->missing_roles.n;
    if (run_marked(r, pg, sql, mark, err)) {
        *ret_done = true;
        return true;
    }
    const char *state = pg_sqlstate(pg);
    if ((same(state, "42704") || same(state, "22023")) && is_about_roles(sql) && names_missing_role(r, sql)) {
        r->result->skipped++;
        return mark_left_out(r, pg, mark, known, err);
    }
    return remember_extension(r, sql);
}

void statement_note_roles(struct restoring *r)
{
    SCOPED(buf_done) struct buf names = {.max = 400};
    for (size_t i = 0; i < r->missing_roles.n; i++)
        buf_printf(&names, "%s\"%s\"", i ? ", " : "", r->missing_roles.p[i]);
    if (r->missing_roles.n)
        restoring_note(r, "%lld statements were left out because this server lacks the roles %s%s; what they would own belongs to \"%s\"",
                       (long long)r->result->skipped, buf_text(&names), names.over ? ", ..." : "",
                       r->spec->target->user ? r->spec->target->user : "the restoring user");
}
