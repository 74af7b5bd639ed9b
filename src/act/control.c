/* act/control.c -- pg_controldata prints "Label:   value" a line, in English where LC_ALL is C. */
#include "act/control.h"

#include <stdio.h>
#include <strings.h>

#include "io/standing.h"

#include "base/banned.h"

enum { SLOT_MAX = 63 };

static struct str value_of(struct str text, const char *label)
{
    struct str line;
    size_t n = strlen(label);
    while (str_next(&text, '\n', &line))
        if (line.n > n && memcmp(line.p, label, n) == 0 && line.p[n] == ':')
            return str_trim((struct str){.p = line.p + n + 1, .n = line.n - n - 1});
    return (struct str){.p = "", .n = 0};
}

static bool is_on(struct str text, const char *label)
{
    struct str value = value_of(text, label);
    return value.n && !str_is(value, "off") && !str_is(value, "0");
}

bool control_parse(struct str text, struct control *ret, struct err *err)
{
    struct str cluster = value_of(text, "Database system identifier"), state = value_of(text, "Database cluster state");
    struct control c = {0};
    if (!cluster.n || cluster.n >= sizeof(c.cluster) || !state.n || state.n >= sizeof(c.state) ||
        !lsn_parse(value_of(text, "Latest checkpoint location"), &c.checkpoint) ||
        !str_int(value_of(text, "Latest checkpoint's TimeLineID"), &c.timeline))
        return err_set(err, ERR_PROTOCOL, "what pg_controldata says is not understood: \"%.*s\"", (int)MIN_OF(text.n, (size_t)100), text.n ? text.p : "");
    snprintf(c.cluster, sizeof(c.cluster), STR_FMT, STR_ARG(cluster));
    snprintf(c.state, sizeof(c.state), STR_FMT, STR_ARG(state));
    c.was_primary = same(c.state, "shut down");
    c.clean = c.was_primary || same(c.state, "shut down in recovery");
    c.rewindable = is_on(text, "wal_log_hints setting") || is_on(text, "Data page checksum version");
    *ret = c;
    return true;
}

/* ---- following ---- */

/* As libpq reads it: in single quotes, with \ before those and before itself. */
static void put_word(struct buf *out, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "%s%s='", out->n ? " " : "", key);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *value);
    }
    buf_putc(out, '\'');
}

char *following_conninfo(struct arena *arena, const struct following *f)
{
    SCOPED(buf_done) struct buf out = {.max = 8192};
    put_word(&out, "host", f->host);
    put_word(&out, "port", arena_printf(arena, "%d", f->port ? f->port : 5432));
    put_word(&out, "user", f->user);
    put_word(&out, "password", f->password);
    put_word(&out, "sslmode", f->sslmode);
    put_word(&out, "application_name", f->name);
    put_word(&out, "connect_timeout", "3");
    return arena_strdup(arena, buf_text(&out));
}

/* As PostgreSQL reads its files: in single quotes, which are doubled within, as \ is. */
static void put_setting(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s = '", key);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            buf_putc(out, *value);
        buf_putc(out, *value);
    }
    buf_puts(out, "'\n");
}

static bool sets(struct str line, const char *key)
{
    line = str_trim(line);
    size_t n = strlen(key);
    return line.n > n && strncasecmp(line.p, key, n) == 0 && strchr(" \t=", line.p[n]);
}

void following_settings(struct str before, const struct following *f, struct buf *out)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct str line;
    while (before.n && str_next(&before, '\n', &line)) {
        if (sets(line, "primary_conninfo") || sets(line, "primary_slot_name") || sets(line, "recovery_target_timeline") || (!line.n && !before.p))
            continue;
        buf_printf(out, STR_FMT "\n", STR_ARG(line));
    }
    put_setting(out, "primary_conninfo", following_conninfo(a, f));
    put_setting(out, "primary_slot_name", f->slot ? f->slot : "");
    put_setting(out, "recovery_target_timeline", "latest");
}

char *following_slot(struct arena *arena, const char *site)
{
    char *name = arena_strndup(arena, site, MIN_OF(strlen(site), (size_t)SLOT_MAX));
    for (char *p = name; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    }
    return name;
}
