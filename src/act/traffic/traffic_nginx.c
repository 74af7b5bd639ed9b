/* act/traffic/traffic_nginx.c -- nginx: an include file holds the upstream block. It is replaced by rename, tested with nginx's own
   test, and read by a reload that drops no connection. The text before a switch is kept beside it. */
#include <ctype.h>

#include "act/host.h"
#include "act/traffic/traffic.h"
#include "base/option.h"

#include "base/banned.h"

enum { FILE_MS = 10 * MS_SECOND, COMMAND_MS = 20 * MS_SECOND };

struct nginx_options {
    struct host host;
    const char *include;
    const char *upstream;
    struct strs test, reload;
};

static const struct option options[] = {
    {.key = "host", .type = OPTION_HOST, .offset = offsetof(struct nginx_options, host), .fallback = "local",
     .help = "where nginx runs: local, or a host reached by ssh", .sample = "local"},
    {.key = "include", .type = OPTION_PATH, .offset = offsetof(struct nginx_options, include), .required = true,
     .help = "file that nginx includes at the level of http and that holds nothing but the upstream block; bascule writes it",
     .sample = "/etc/nginx/conf.d/akig-upstream.conf"},
    {.key = "upstream", .type = OPTION_NAME, .offset = offsetof(struct nginx_options, upstream), .required = true,
     .help = "name of that upstream block, as proxy_pass uses it", .sample = "akig"},
    {.key = "test", .type = OPTION_ARGV, .offset = offsetof(struct nginx_options, test), .fallback = "[nginx, -t]",
     .help = "command that says whether the configuration is valid; with sudo where the user of the host is not root", .sample = "[nginx, -t]"},
    {.key = "reload", .type = OPTION_ARGV, .offset = offsetof(struct nginx_options, reload), .fallback = "[systemctl, reload, nginx]",
     .help = "command that makes nginx read its configuration again", .sample = "[systemctl, reload, nginx]"},
    OPTION_END,
};

static const struct nginx_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static char *previous_of(const struct action_ctx *ctx)
{
    return arena_printf(ctx->arena, "%s.bascule-previous", options_of(ctx)->include);
}

/* ---- the text ---- */

/* "host:port", "[::1]:8080", "unix:/run/app.sock": nothing that could end the directive. */
static bool upstream_is_good(const char *address)
{
    if (!address || !*address)
        return false;
    for (const char *p = address; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".:-_[]/", *p))
            return false;
    return true;
}

static char *text_for(struct arena *arena, const struct nginx_options *o, const struct site *site)
{
    return arena_printf(arena,
                        "# written by bascule: site %s\n"
                        "# Changes made here are lost at the next switch; the text before it is kept in %s.bascule-previous\n"
                        "upstream %s {\n    server %s;\n}\n",
                        site->name, o->include, o->upstream, site->application.upstream);
}

/* The words of nginx's language, without comments: "upstream", "akig", "{", "server", "127.0.0.1:80", ";", "}". */
static struct strs tokens_of(struct arena *arena, struct str text)
{
    struct strs ret = {0};
    for (size_t i = 0; i < text.n;) {
        char c = text.p[i];
        if (c == '#') {
            while (i < text.n && text.p[i] != '\n')
                i++;
        } else if (isspace((unsigned char)c)) {
            i++;
        } else if (strchr("{};", c)) {
            *vec_add(arena, &ret) = arena_strndup(arena, &c, 1);
            i++;
        } else {
            size_t from = i;
            while (i < text.n && !isspace((unsigned char)text.p[i]) && !strchr("{};", text.p[i])) /* inside a word, '#' is a character */
                i++;
            *vec_add(arena, &ret) = arena_strndup(arena, text.p + from, MAX_OF(i - from, 1u));
        }
    }
    return ret;
}

/* What nginx would read: the servers of the named upstream block, as far as they take requests. */
static struct strs servers_in(struct arena *arena, struct str text, const char *upstream)
{
    struct strs t = tokens_of(arena, text), ret = {0};
    bool inside = false, down = false;
    const char *server = NULL;
    for (size_t i = 0; i < t.n; i++) {
        if (same(t.p[i], "upstream") && i + 2 < t.n && same(t.p[i + 1], upstream) && same(t.p[i + 2], "{"))
            inside = true;
        else if (same(t.p[i], "}"))
            inside = false;
        else if (inside && same(t.p[i], "server") && i + 1 < t.n)
            server = t.p[++i]; /* whatever it is called: a host may have the name "backup" */
        else if (server && (same(t.p[i], "down") || same(t.p[i], "backup")))
            down = true;
        else if (server && same(t.p[i], ";")) {
            if (!down)
                *vec_add(arena, &ret) = server;
            server = NULL;
            down = false;
        }
    }
    return ret;
}

static bool site_in(const struct action_ctx *ctx, struct str text, const struct site **ret, struct err *err)
{
    const struct nginx_options *o = options_of(ctx);
    struct strs servers = servers_in(ctx->arena, text, o->upstream);
    if (servers.n != 1)
        return err_set(err, ERR_NOT_FOUND, "\"%s\" directs upstream \"%s\" to %zu servers, so to no single site", o->include, o->upstream, servers.n);
    for (size_t i = 0; i < ctx->service->sites.n; i++)
        if (same(ctx->service->sites.p[i].application.upstream, servers.p[0])) {
            *ret = &ctx->service->sites.p[i];
            return true;
        }
    return err_set(err, ERR_NOT_FOUND, "\"%s\" directs upstream \"%s\" to \"%s\", which is no site of service \"%s\"", o->include, o->upstream,
                   servers.p[0], ctx->service->name);
}

/* ---- the driver ---- */

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct nginx_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!o->test.n || !o->reload.n)
        return err_set(err, ERR_CONFIG, "traffic of service \"%s\": `test:` and `reload:` must be commands", service->name);
    for (size_t i = 0; i < service->sites.n; i++) {
        const char *address = service->sites.p[i].application.upstream;
        if (!upstream_is_good(address)) {
            err_set(err, ERR_CONFIG, "site \"%s\": `application.upstream` \"%s\" is no address that nginx could be given", service->sites.p[i].name,
                    address ? address : "");
            return err_hint(err, "write HOST:PORT as nginx reaches the application of that site");
        }
        for (size_t k = 0; k < i; k++)
            if (same(address, service->sites.p[k].application.upstream))
                return err_set(err, ERR_CONFIG, "sites \"%s\" and \"%s\" have the same `application.upstream`", service->sites.p[k].name,
                               service->sites.p[i].name);
    }
    return true;
}

static bool read_file(const struct action_ctx *ctx, const char *path, struct str *ret, struct err *err)
{
    return host_read(ctx, &options_of(ctx)->host, path, action_time(ctx, FILE_MS), ret, err);
}

static bool write_text(const struct action_ctx *ctx, const char *path, const char *text, struct err *err)
{
    return host_write(ctx, &options_of(ctx)->host, path, text, action_time(ctx, FILE_MS), err);
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    struct str text;
    return read_file(ctx, options_of(ctx)->include, &text, err) && site_in(ctx, text, ret, err);
}

static bool command(const struct action_ctx *ctx, const struct strs *words, const char *what, struct err *err)
{
    struct proc_result result;
    if (!host_run(ctx, &options_of(ctx)->host, words, NULL, action_time(ctx, COMMAND_MS), &result, err))
        return err_prefix(err, "%s", what);
    return proc_ok(&result) || err_set(err, ERR_FAILED, "%s: `%s` failed with %s", what, host_words(ctx->arena, words),
                                       host_complaint(ctx->arena, &result));
}

static bool test_config(const struct action_ctx *ctx, struct err *err)
{
    return command(ctx, &options_of(ctx)->test, "nginx does not accept its configuration", err);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct nginx_options *o = options_of(ctx);
    if (!test_config(ctx, err))
        return err_prefix(err, "before any change");
    buf_printf(out, "writes \"%s\" on %s: upstream \"%s\" becomes \"%s\"\n", o->include, host_say(&o->host), o->upstream, site->application.upstream);
    buf_printf(out, "$ %s\n$ %s\n", host_words(ctx->arena, &o->test), host_words(ctx->arena, &o->reload));
    return true;
}

/* An empty text stands for "there was no file". */
static bool put_text(const struct action_ctx *ctx, const char *text, struct err *err)
{
    const struct nginx_options *o = options_of(ctx);
    if (*text)
        return write_text(ctx, o->include, text, err);
    return host_remove(ctx, &o->host, o->include, action_time(ctx, FILE_MS), err);
}

/* The state before a switch is that before its first try: a switch that was killed half-way and is repeated must not keep its own text. */
static bool keep_previous(const struct action_ctx *ctx, const char *old, const char *new, struct err *err)
{
    struct str kept;
    struct err unread = {0};
    if (same(old, new)) {
        if (read_file(ctx, previous_of(ctx), &kept, &unread))
            return true;
        if (unread.code != ERR_NOT_FOUND) {
            *err = unread;
            return false;
        }
    }
    return write_text(ctx, previous_of(ctx), old, err) || err_prefix(err, "keeping the state before the switch");
}

static bool read_old(const struct action_ctx *ctx, const char **ret, struct err *err)
{
    struct str text;
    struct err unread = {0};
    if (read_file(ctx, options_of(ctx)->include, &text, &unread)) {
        *ret = str_dup(ctx->arena, text);
        return true;
    }
    if (unread.code != ERR_NOT_FOUND) {
        *err = unread;
        return false;
    }
    *ret = "";
    return true;
}

/* The failure that made it necessary stays in err; what became of the way back is added to it. */
static bool back_to(const struct action_ctx *hurried, const char *old, bool reload, struct err *err)
{
    struct action_ctx unhurried = *hurried, *ctx = &unhurried;
    struct err second = {0};
    unhurried.budget_ms = 0; /* the way back is not cut short by a budget that the way there has used up */
    char *first = arena_strdup(ctx->arena, err->message);
    enum err_code code = err->code;
    bool ok = put_text(ctx, old, &second) && (!reload || command(ctx, &options_of(ctx)->reload, "nginx could not be reloaded", &second));
    if (ok)
        return err_set(err, code, "%s; the file before it is back%s", first, reload ? "" : " and nothing was reloaded");
    err_set(err, code, "%s; and the file before it could not be put back: %s", first, second.message);
    return err_hint(err, "it is kept as \"%s\" on %s", previous_of(ctx), host_say(&options_of(ctx)->host));
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct nginx_options *o = options_of(ctx);
    const char *old, *new = text_for(ctx->arena, o, site);
    if (!read_old(ctx, &old, err) || !keep_previous(ctx, old, new, err) || !write_text(ctx, o->include, new, err))
        return false;
    if (!test_config(ctx, err))
        return back_to(ctx, old, false, err);
    if (!command(ctx, &o->reload, "nginx could not be reloaded", err))
        return back_to(ctx, old, true, err);
    return true;
}

static bool can_put_back(const struct action_ctx *ctx, bool *ret, struct err *err)
{
    struct str text;
    *ret = read_file(ctx, previous_of(ctx), &text, err);
    return *ret || err->code == ERR_NOT_FOUND;
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str previous;
    const char *old;
    if (!read_file(ctx, previous_of(ctx), &previous, err))
        return err_prefix(err, "there is no state to go back to");
    if (!read_old(ctx, &old, err) || !put_text(ctx, str_dup(ctx->arena, previous), err))
        return false;
    if (!test_config(ctx, err))
        return back_to(ctx, old, false, err);
    return command(ctx, &options_of(ctx)->reload, "nginx could not be reloaded", err);
}

static bool forget(const struct action_ctx *ctx, struct err *err)
{
    return host_remove(ctx, &options_of(ctx)->host, previous_of(ctx), action_time(ctx, FILE_MS), err);
}

extern const struct traffic_ops traffic_nginx;
const struct traffic_ops traffic_nginx = {
    .name = "nginx",
    .by_hand = {.en = "# on the reverse proxy: the file that defines the upstream holds one server, make it the one of {standby}\n"
                      "{traffic.shell} 'sudo cp {traffic.include} {traffic.include}.before'\n"
                      "echo 'upstream {traffic.upstream} { server {standby.upstream}; }' | {traffic.pipe} 'sudo tee {traffic.include}'\n"
                      "{traffic.test} && {traffic.reload}\n\n"
                      "# the test complained? nothing was reloaded: put the old file back\n"
                      "# {traffic.shell} 'sudo cp {traffic.include}.before {traffic.include}'",
                .fr = "# sur le reverse proxy : le fichier qui définit l'upstream ne contient qu'un serveur, mettre celui de {standby}\n"
                      "{traffic.shell} 'sudo cp {traffic.include} {traffic.include}.before'\n"
                      "echo 'upstream {traffic.upstream} { server {standby.upstream}; }' | {traffic.pipe} 'sudo tee {traffic.include}'\n"
                      "{traffic.test} && {traffic.reload}\n\n"
                      "# le test se plaint ? rien n'a été rechargé : remettre l'ancien fichier\n"
                      "# {traffic.shell} 'sudo cp {traffic.include}.before {traffic.include}'"},
    .summary = "nginx as reverse proxy: an include file with the upstream block, tested and reloaded",
    .options = options,
    .options_size = sizeof(struct nginx_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = can_put_back,
    .put_back = put_back,
    .forget = forget,
};
