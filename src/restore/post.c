/* restore/post.c -- A reader of the four statements that take nearly all the time after the data. ADD PRIMARY KEY locks its table
   against everything while it builds; CREATE UNIQUE INDEX lets other indexes be built beside it, and USING INDEX then takes no time.
   ADD FOREIGN KEY locks both its tables while it looks at every row; NOT VALID and VALIDATE hold almost nothing for that time. */
#include "restore/post.h"

#include <strings.h>

/* ---- a cursor over the text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static void blanks(struct str *s)
{
    while (s->n && is_blank(*s->p)) {
        s->p++;
        s->n--;
    }
}

static void advance(struct str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* One keyword after another, separated by blanks; nothing is taken when not all are there. */
static bool eat(struct str *s, const char *keywords)
{
    struct str at = *s, wanted = str_of(keywords), word;
    while (str_next(&wanted, ' ', &word)) {
        blanks(&at);
        if (at.n < word.n || strncasecmp(at.p, word.p, word.n) != 0 || (at.n > word.n && is_word(at.p[word.n])))
            return false;
        advance(&at, word.n);
    }
    *s = at;
    return true;
}

static size_t identifier(struct str s)
{
    size_t n = 0;
    if (s.n && s.p[0] == '"') {
        for (n = 1; n < s.n; n++)
            if (s.p[n] == '"' && !(n + 1 < s.n && s.p[n + 1] == '"'))
                return n + 1;
            else if (s.p[n] == '"')
                n++;
        return 0;
    }
    while (n < s.n && is_word(s.p[n]))
        n++;
    return n;
}

/* name, or schema.name */
static bool eat_name(struct str *s, struct str *ret)
{
    struct str at = *s;
    blanks(&at);
    *ret = (struct str){at.p, 0};
    for (int parts = 1;; parts++) {
        size_t n = identifier(at);
        if (!n || parts > 2)
            return false;
        advance(&at, n);
        if (!at.n || *at.p != '.')
            break;
        advance(&at, 1);
    }
    ret->n = (size_t)(at.p - ret->p);
    *s = at;
    return true;
}

/* ( ... ) with its parentheses; quotes of both kinds are passed over. Anything with a backslash, dollar or comment in it is not for us. */
static bool eat_parens(struct str *s, struct str *ret, int *ret_items)
{
    struct str at = *s;
    int depth = 0, items = 1;
    char quote = 0;
    blanks(&at);
    if (!at.n || *at.p != '(')
        return false;
    for (size_t i = 0; i < at.n; i++) {
        char c = at.p[i];
        if (c == '\\' || c == '$')
            return false;
        if (quote) {
            quote = c == quote ? 0 : quote;
            continue;
        }
        quote = c == '\'' || c == '"' ? c : 0;
        depth += (c == '(') - (c == ')');
        items += c == ',' && depth == 1;
        if (depth == 0) {
            *ret = (struct str){at.p, i + 1};
            *ret_items = items;
            advance(&at, i + 1);
            *s = at;
            return true;
        }
    }
    return false;
}

static bool at_end(struct str s)
{
    blanks(&s);
    return s.n == 1 && *s.p == ';';
}

/* ---- the statements ---- */

static struct post other(void)
{
    return (struct post){.kind = POST_OTHER};
}

static struct post read_index(struct arena *arena, struct str sql, struct str rest, bool unique)
{
    struct str name, table, columns, method;
    int count = 1;
    if (!eat_name(&rest, &name) || !eat(&rest, "ON") || eat(&rest, "ONLY") || !eat_name(&rest, &table))
        return other();
    if (eat(&rest, "USING") && eat_name(&rest, &method) && !eat_parens(&rest, &columns, &count))
        count = 1; /* an expression that we do not read; the statement goes to the server as it is, so that is no matter */
    return (struct post){.kind = POST_INDEX, .unique = unique, .table = str_dup(arena, table), .name = str_dup(arena, name), .columns = count,
                         .build = str_dup(arena, sql)};
}

/* [NULLS NOT DISTINCT] (columns) [INCLUDE (columns)] [WITH (options)] [DEFERRABLE [INITIALLY DEFERRED]] ; */
static struct post read_key(struct arena *arena, struct str rest, struct str table, struct str name, bool primary)
{
    struct str columns, include = {0}, with = {0};
    int count, unused;
    bool distinct = !eat(&rest, "NULLS NOT DISTINCT");
    if (!eat_parens(&rest, &columns, &count) || memmem(columns.p, columns.n, "WITHOUT", 7))
        return other();
    if (eat(&rest, "INCLUDE") && !eat_parens(&rest, &include, &unused))
        return other();
    if (eat(&rest, "WITH") && !eat_parens(&rest, &with, &unused))
        return other();
    const char *when = eat(&rest, "DEFERRABLE INITIALLY DEFERRED") ? " DEFERRABLE INITIALLY DEFERRED"
                       : eat(&rest, "DEFERRABLE")                  ? " DEFERRABLE"
                                                                   : "";
    if (!at_end(rest) || (primary && !distinct))
        return other();
    return (struct post){
        .kind = POST_KEY,
        .unique = true,
        .table = str_dup(arena, table),
        .name = str_dup(arena, name),
        .columns = count,
        .build = arena_printf(arena, "CREATE UNIQUE INDEX " STR_FMT " ON " STR_FMT " " STR_FMT "%s" STR_FMT "%s%s" STR_FMT, STR_ARG(name),
                              STR_ARG(table), STR_ARG(columns), include.n ? " INCLUDE " : "", STR_ARG(include),
                              distinct ? "" : " NULLS NOT DISTINCT", with.n ? " WITH " : "", STR_ARG(with)),
        .attach = arena_printf(arena, "ALTER TABLE ONLY " STR_FMT " ADD CONSTRAINT " STR_FMT " %s USING INDEX " STR_FMT "%s", STR_ARG(table),
                               STR_ARG(name), primary ? "PRIMARY KEY" : "UNIQUE", STR_ARG(name), when),
    };
}

/* As the server prints keywords: in capitals, which a bare name never holds. */
static bool holds(struct str s, const char *keyword)
{
    return memmem(s.p, s.n, keyword, strlen(keyword)) != NULL;
}

static struct post read_foreign(struct arena *arena, struct str sql, struct str rest, struct str table, struct str name)
{
    struct str columns, refers;
    int count;
    if (!eat_parens(&rest, &columns, &count) || !eat(&rest, "REFERENCES") || !eat_name(&rest, &refers))
        return other();
    if (holds(columns, "PERIOD ") || holds(rest, "ENFORCED") || !rest.n || rest.p[rest.n - 1] != ';')
        return other();
    bool valid = !holds(rest, "NOT VALID");
    struct post p = {.kind = POST_FOREIGN, .table = str_dup(arena, table), .refers = str_dup(arena, refers), .name = str_dup(arena, name),
                     .columns = count, .attach = str_dup(arena, sql)};
    if (valid) {
        p.attach = arena_printf(arena, STR_FMT " NOT VALID", (int)sql.n - 1, sql.p);
        p.build = arena_printf(arena, "ALTER TABLE ONLY " STR_FMT " VALIDATE CONSTRAINT " STR_FMT, STR_ARG(table), STR_ARG(name));
    }
    return p;
}

struct post post_read(struct arena *arena, struct str sql)
{
    struct str rest = sql, table, name;
    if (eat(&rest, "CREATE INDEX"))
        return read_index(arena, sql, rest, false);
    if (eat(&rest, "CREATE UNIQUE INDEX"))
        return read_index(arena, sql, rest, true);
    if (!eat(&rest, "ALTER TABLE"))
        return other();
    /* Without ONLY the statement goes on to children and partitions, whose locks we do not know. */
    if (!eat(&rest, "ONLY") || !eat_name(&rest, &table) || !eat(&rest, "ADD CONSTRAINT") || !eat_name(&rest, &name))
        return other();
    if (eat(&rest, "PRIMARY KEY"))
        return read_key(arena, rest, table, name, true);
    if (eat(&rest, "UNIQUE"))
        return read_key(arena, rest, table, name, false);
    if (eat(&rest, "FOREIGN KEY"))
        return read_foreign(arena, sql, rest, table, name);
    if (eat(&rest, "EXCLUDE"))
        return (struct post){.kind = POST_EXCLUDE, .table = str_dup(arena, table), .name = str_dup(arena, name), .columns = 2,
                             .attach = str_dup(arena, sql)};
    return other();
}
