/* restore/settings.c -- A handful of names at a time, so lists are searched from the front. */
#include "restore/settings.h"

#include <ctype.h>

#include "dump/words.h"

static const char *lower(struct arena *arena, struct str text)
{
    char *name = str_dup(arena, text);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

/* SELECT pg_catalog.set_config('search_path', '', false); the name is the first string. */
static bool config_call(struct arena *arena, struct str sql, const char **ret_name)
{
    if (!words_begin(sql, "SELECT pg_catalog set_config") && !words_begin(sql, "SELECT set_config"))
        return false;
    const char *from = memchr(sql.p, '\'', sql.n);
    const char *to = from ? memchr(from + 1, '\'', sql.n - (size_t)(from + 1 - sql.p)) : NULL;
    if (!to)
        return false;
    *ret_name = lower(arena, (struct str){from + 1, (size_t)(to - from - 1)});
    return true;
}

bool settings_is(struct arena *arena, struct str sql, const char **ret_name)
{
    struct str rest = sql, word;
    if (!words_next(&rest, &word))
        return false;
    if (!word_is(word, "SET") && !word_is(word, "RESET"))
        return config_call(arena, sql, ret_name);
    if (!words_next(&rest, &word))
        return false;
    if (word_is(word, "SESSION")) {
        if (!words_next(&rest, &word))
            return false;
        if (word_is(word, "AUTHORIZATION")) {
            *ret_name = "session authorization";
            return true;
        }
    }
    *ret_name = lower(arena, word);
    return true;
}

static const struct setting *find(const struct settings *all, const char *name)
{
    for (size_t i = 0; all && i < all->n; i++)
        if (same(all->p[i].name, name))
            return &all->p[i];
    return NULL;
}

const struct settings *settings_with(struct arena *arena, const struct settings *old, const char *name, struct str sql)
{
    const struct setting *known = find(old, name);
    if (known && str_is(sql, known->sql))
        return old;
    struct settings *all = arena_new(arena, struct settings);
    size_t n = old ? old->n : 0;
    all->p = arena_array(arena, struct setting, n + 1);
    for (size_t i = 0; i < n; i++)
        if (&old->p[i] != known)
            all->p[all->n++] = old->p[i];
    all->p[all->n++] = (struct setting){name, str_dup(arena, sql)};
    return all;
}

void settings_change(const struct settings *from, const struct settings *to, struct buf *out)
{
    if (from == to)
        return;
    for (size_t i = 0; from && i < from->n; i++)
        if (!find(to, from->p[i].name))
            buf_printf(out, "RESET %s;", from->p[i].name);
    for (size_t i = 0; to && i < to->n; i++) {
        const struct setting *known = find(from, to->p[i].name);
        if (!known || !same(known->sql, to->p[i].sql))
            buf_printf(out, "%s\n", to->p[i].sql);
    }
}
