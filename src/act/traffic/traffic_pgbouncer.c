/* act/traffic/traffic_pgbouncer.c -- PgBouncer: an include file says where its databases are. The databases are paused, or cut off when the
   old server lets no transaction end, the file is replaced and read, and they are resumed: clients stay connected and wait meanwhile. */
#include <ctype.h>

#include "act/host.h"
#include "act/traffic/memory.h"
#include "base/option.h"
#include "io/pg.h"

#include "base/banned.h"

enum { ADMIN_MS = 5 * MS_SECOND, FILE_MS = 10 * MS_SECOND, PORT = 5432 };

struct server {
    struct mark mark;
    const char *site, *host;
    int port;
};

struct pgbouncer_options {
    struct host host;
    const char *admin_host, *user, *include, *parameters;
    int admin_port;
    struct secret password;
    struct strs databases;
    int64_t pause_ms;
    struct { struct server *p; size_t n, cap; } servers;
};

static const struct option server_options[] = {
    {.key = "site", .type = OPTION_NAME, .offset = offsetof(struct server, site), .required = true, .help = "name of a site", .sample = "production"},
    {.key = "host", .type = OPTION_STRING, .offset = offsetof(struct server, host), .required = true,
     .help = "PostgreSQL of the site as PgBouncer reaches it", .sample = "192.0.2.10"},
    {.key = "port", .type = OPTION_INT, .offset = offsetof(struct server, port), .fallback = "5432", .min = 1, .max = 65535, .help = "its port"},
    OPTION_END,
};

#define AT(member) .offset = offsetof(struct pgbouncer_options, member)
static const struct option options[] = {
    {.key = "admin_host", .type = OPTION_STRING, AT(admin_host), .fallback = "/var/run/postgresql", .help = "where its admin console is reached: a host, or the folder of its socket"},
    {.key = "admin_port", .type = OPTION_INT, AT(admin_port), .fallback = "6432", .min = 1, .max = 65535, .help = "port of the console"},
    {.key = "user", .type = OPTION_STRING, AT(user), .fallback = "pgbouncer", .help = "user of the console, one of `admin_users`"},
    {.key = "password", .type = OPTION_SECRET, AT(password), .help = "its password", .sample = "{file: /etc/bascule/pgbouncer.password}"},
    {.key = "include", .type = OPTION_PATH, AT(include), .required = true,
     .help = "file that pgbouncer.ini names by %include and that holds nothing but these databases; bascule writes it",
     .sample = "/etc/pgbouncer/bascule.ini"},
    {.key = "database", .type = OPTION_STRINGS, AT(databases), .required = true, .help = "databases that are moved, as clients name them", .sample = "akig"},
    {.key = "parameters", .type = OPTION_STRING, AT(parameters), .help = "what else stands in their lines", .sample = "pool_size=20"},
    {.key = "pause", .type = OPTION_DURATION, AT(pause_ms), .fallback = "2s", .min = 1, .max = 10 * MS_MINUTE,
     .help = "how long transactions may go on; after it they and their clients are cut off"},
    {.key = "servers", .type = OPTION_LIST, AT(servers), .sub = server_options, .size = sizeof(struct server),
     .help = "PostgreSQL of each site; a site that is not listed: its `database:`"},
    {.key = "host", .type = OPTION_HOST, AT(host), .fallback = "local", .help = "where the file is: local, or a host reached by ssh", .sample = "local"},
    OPTION_END,
};
#undef AT

static const struct pgbouncer_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static struct server server_of(const struct pgbouncer_options *o, const struct site *site)
{
    for (size_t i = 0; i < o->servers.n; i++)
        if (same(o->servers.p[i].site, site->name))
            return o->servers.p[i];
    return (struct server){.site = site->name, .host = site->database.at.host, .port = site->database.at.port ? site->database.at.port : PORT};
}

/* ---- the console ---- */

/* PAUSE and KILL take the name of a database as it is written, in small letters, or quoted. */
static char *quoted(struct arena *arena, const char *database)
{
    return arena_printf(arena, "\"%s\"", database); /* valid() has seen to it that there is no quote in it */
}

static bool connect_console(const struct action_ctx *ctx, struct pg **ret, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    const struct pgtarget at = {.host = o->admin_host, .port = o->admin_port, .dbname = "pgbouncer", .user = o->user, .password = o->password};
    return pg_open(&at, NULL, action_time(ctx, ADMIN_MS), ret, err) || err_prefix(err, "admin console of PgBouncer");
}

static bool console(const struct action_ctx *ctx, const char *command, int64_t timeout_ms, struct pg_rows **ret, struct err *err)
{
    SCOPED(pg_close) struct pg *pg = NULL;
    return connect_console(ctx, &pg, err) &&
           (pg_simple(pg, ctx->arena, command, action_time(ctx, timeout_ms), ret, err) || err_prefix(err, "PgBouncer: %s", command));
}

struct row {
    const char *host, *database;
    int64_t port;
    bool paused;
};

static const char *cell(const struct pg_rows *rows, size_t row, const char *column)
{
    for (size_t i = 0; i < pg_columns(rows); i++)
        if (same(pg_column_name(rows, i), column))
            return pg_text(rows, row, i);
    return NULL;
}

/* *ret has one row for each database of ours, in their order. */
static bool show_databases(const struct action_ctx *ctx, struct row *ret, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct pg_rows *rows;
    if (!console(ctx, "SHOW DATABASES", ADMIN_MS, &rows, err))
        return false;
    for (size_t k = 0; k < o->databases.n; k++) {
        bool found = false;
        for (size_t i = 0; i < pg_count(rows) && !found; i++) {
            if (!same(cell(rows, i, "name"), o->databases.p[k]))
                continue;
            found = true;
            ret[k] = (struct row){.host = cell(rows, i, "host"), .database = o->databases.p[k], .paused = same(cell(rows, i, "paused"), "1")};
            if (!str_int(str_of(cell(rows, i, "port")), &ret[k].port))
                return err_set(err, ERR_PROTOCOL, "what answers as PgBouncer's console shows database \"%s\" without a port", o->databases.p[k]);
        }
        if (!found) {
            err_set(err, ERR_NOT_FOUND, "PgBouncer has no database \"%s\"", o->databases.p[k]);
            return err_hint(err, "pgbouncer.ini must have the line: %%include %s", o->include);
        }
    }
    return true;
}

static bool all_at(const struct action_ctx *ctx, const struct row *rows, const struct site *site)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct server s = server_of(o, site);
    for (size_t i = 0; i < o->databases.n; i++)
        if (!same(rows[i].host, s.host) || rows[i].port != s.port)
            return false;
    return true;
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct row *rows = arena_array(ctx->arena, struct row, o->databases.n);
    if (!show_databases(ctx, rows, err))
        return false;
    for (size_t i = 0; i < ctx->service->sites.n; i++)
        if (all_at(ctx, rows, &ctx->service->sites.p[i])) {
            *ret = &ctx->service->sites.p[i];
            return true;
        }
    return err_set(err, ERR_NOT_FOUND, "PgBouncer sends database \"%s\" to \"%s\" port %lld, and all of them to no single site", rows[0].database,
                   rows[0].host ? rows[0].host : "", (long long)rows[0].port);
}

/* ---- changing ---- */

static char *text_for(struct arena *arena, const struct pgbouncer_options *o, const struct site *site)
{
    struct server s = server_of(o, site);
    char *text = arena_printf(arena, "; written by bascule: site %s. Changes made here are lost at the next switch\n[databases]\n", site->name);
    for (size_t i = 0; i < o->databases.n; i++)
        text = arena_printf(arena, "%s%s = host=%s port=%d %s\n", text, o->databases.p[i], s.host, s.port, o->parameters ? o->parameters : "");
    return text;
}

/* A server that is gone lets no transaction end, nor does a client that holds one open: KILL ends them, and pauses too. */
static bool stop_clients(const struct action_ctx *ctx, const char *database, struct err *err)
{
    struct pg_rows *rows;
    struct err slow = {0};
    if (console(ctx, arena_printf(ctx->arena, "PAUSE %s", quoted(ctx->arena, database)), options_of(ctx)->pause_ms, &rows, &slow))
        return true;
    report_progress(ctx->report, 0, 0, "clients of database %s are cut off: %s", database, slow.message);
    return console(ctx, arena_printf(ctx->arena, "KILL %s", quoted(ctx->arena, database)), ADMIN_MS, &rows, err);
}

static bool resume(const struct action_ctx *ctx, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct row *now = arena_array(ctx->arena, struct row, o->databases.n);
    struct pg_rows *rows;
    if (!show_databases(ctx, now, err))
        return false;
    for (size_t i = 0; i < o->databases.n; i++)
        if (now[i].paused && !console(ctx, arena_printf(ctx->arena, "RESUME %s", quoted(ctx->arena, now[i].database)), ADMIN_MS, &rows, err))
            return false;
    return true;
}

/* An empty text stands for "there was no file". */
static bool put_text(const struct action_ctx *ctx, const char *text, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    if (*text)
        return host_write(ctx, &o->host, o->include, text, action_time(ctx, FILE_MS), err);
    return host_remove(ctx, &o->host, o->include, action_time(ctx, FILE_MS), err);
}

static bool make(const struct action_ctx *ctx, const char *text, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct pg_rows *rows;
    for (size_t i = 0; i < o->databases.n; i++)
        if (!stop_clients(ctx, o->databases.p[i], err))
            return false;
    return put_text(ctx, text, err) && console(ctx, "RELOAD", ADMIN_MS, &rows, err) && resume(ctx, err);
}

static bool read_text(const struct action_ctx *ctx, const char **ret, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct str text;
    struct err unread = {0};
    if (host_read(ctx, &o->host, o->include, action_time(ctx, FILE_MS), &text, &unread)) {
        *ret = str_dup(ctx->arena, text);
        return true;
    }
    *ret = "";
    if (unread.code == ERR_NOT_FOUND)
        return true;
    *err = unread;
    return false;
}

static bool arrived(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct site *now;
    if (!read_back(ctx, &now, err))
        return false;
    if (now == site)
        return true;
    err_set(err, ERR_FAILED, "PgBouncer read its configuration anew and still sends its databases to site \"%s\"", now->name);
    return err_hint(err, "pgbouncer.ini must have the line: %%include %s", options_of(ctx)->include);
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const char *before;
    struct err second = {0};
    struct row *now = arena_array(ctx->arena, struct row, options_of(ctx)->databases.n);
    if (!show_databases(ctx, now, err) || !read_text(ctx, &before, err) || !memory_keep(ctx, site, before, err))
        return false;
    if (make(ctx, text_for(ctx->arena, options_of(ctx), site), err) && arrived(ctx, site, err))
        return true;
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    return memory_back(ctx->arena, make(&unhurried, before, &second), &second, err);
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str text;
    return memory_text(ctx, &text, err) && make(ctx, str_dup(ctx->arena, text), err);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct pgbouncer_options *o = options_of(ctx);
    struct row *rows = arena_array(ctx->arena, struct row, o->databases.n);
    struct server s = server_of(o, site);
    const char *before;
    if (!show_databases(ctx, rows, err) || !read_text(ctx, &before, err))
        return err_prefix(err, "before any change");
    for (size_t i = 0; i < o->databases.n; i++)
        buf_printf(out, "PgBouncer: PAUSE %s (KILL after %s), \"%s\" on %s says host=%s port=%d instead of %s port %lld, RELOAD, RESUME\n", o->databases.p[i],
                   duration_say(ctx->arena, o->pause_ms), o->include, host_say(&o->host), s.host, s.port, rows[i].host ? rows[i].host : "",
                   (long long)rows[i].port);
    return true;
}

/* ---- the driver ---- */

static bool word_is_good(const char *word, const char *also)
{
    if (!word || !*word)
        return false;
    for (const char *p = word; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(also, *p))
            return false;
    return true;
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct pgbouncer_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!o->databases.n)
        return err_set(err, ERR_CONFIG, "there is no database to move");
    for (size_t i = 0; i < o->databases.n; i++)
        if (!word_is_good(o->databases.p[i], "_-."))
            return err_set(err, ERR_CONFIG, "\"%s\" cannot be the name of a database in PgBouncer's file", o->databases.p[i]);
    if (o->parameters && (strpbrk(o->parameters, "\r\n") || strstr(o->parameters, "host=") || strstr(o->parameters, "port=")))
        return err_set(err, ERR_CONFIG, "`parameters:` is one line without host= and port=");
    for (size_t i = 0; i < service->sites.n; i++) {
        struct server s = server_of(o, &service->sites.p[i]);
        if (!word_is_good(s.host, "_-.:/"))
            return err_set(err, ERR_CONFIG, "site \"%s\": \"%s\" is no host that PgBouncer could be given", s.site, s.host ? s.host : "");
        for (size_t k = 0; k < i; k++) {
            struct server other = server_of(o, &service->sites.p[k]);
            if (same(other.host, s.host) && other.port == s.port)
                return err_set(err, ERR_CONFIG, "sites \"%s\" and \"%s\" have the same server \"%s\" port %d", other.site, s.site, s.host, s.port);
        }
    }
    return true;
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct pgbouncer_options *o = service->traffic.options;
    const char *psql = arena_printf(arena, "psql -h %s -p %d -U %s -d pgbouncer -c", o->admin_host, o->admin_port, o->user);
    for (size_t i = 0; i < o->databases.n; i++) /* KILL pauses too, and needs no patience */
        buf_printf(out, "%s 'KILL \"%s\"'\n", psql, o->databases.p[i]);
    buf_printf(out, "{traffic.pipe} 'sudo tee %s' <<'END'\n%sEND\n%s RELOAD\n", o->include, text_for(arena, o, to), psql);
    for (size_t i = 0; i < o->databases.n; i++)
        buf_printf(out, "%s 'RESUME \"%s\"'\n", psql, o->databases.p[i]);
}

extern const struct traffic_ops traffic_pgbouncer;
const struct traffic_ops traffic_pgbouncer = {
    .name = "pgbouncer",
    .by_hand = {.en = "# clients are cut off, and wait until RESUME\n{traffic.commands}", .fr = "# les clients sont coupés et attendent RESUME\n{traffic.commands}"},
    .commands = commands,
    .summary = "PgBouncer: its databases are paused, pointed to the site's PostgreSQL and resumed; clients stay connected",
    .options = options,
    .options_size = sizeof(struct pgbouncer_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
};
