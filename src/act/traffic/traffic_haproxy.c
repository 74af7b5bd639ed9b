/* act/traffic/traffic_haproxy.c -- HAProxy through its runtime API: the servers of the other sites go to maintenance and their sessions
   are cut, then those of the wanted site become ready. Nothing is reloaded. A server-state file carries it over a reload. */
#include "act/host.h"
#include "act/traffic/memory.h"
#include "base/option.h"
#include "io/sock.h"
#include "io/ssh.h"

#include "base/banned.h"

enum { ASK_MS = 3 * MS_SECOND, UP_MS = 5 * MS_SECOND, UP_EVERY_MS = 50, FILE_MS = 10 * MS_SECOND, ANSWER_MAX = 200 * 1024, SAID_MAX = 120 };
/* Of srv_admin_state; 4 only says that the configuration had the server disabled when it was read. */
enum { ADMIN_MAINT = 0x01 | 0x02 | 0x20 | 0x40, ADMIN_DRAIN = 0x08 | 0x10, OP_RUNNING = 2 };

struct site_servers {
    struct mark mark;
    const char *site;
    struct strs names;
};

struct haproxy_options {
    struct host host;
    struct strs addresses, backends, client;
    const char *state_file;
    struct { struct site_servers *p; size_t n, cap; } servers;
};

static const struct option server_options[] = {
    {.key = "site", .type = OPTION_NAME, .offset = offsetof(struct site_servers, site), .required = true, .help = "name of a site", .sample = "production"},
    {.key = "names", .type = OPTION_STRINGS, .offset = offsetof(struct site_servers, names), .required = true,
     .help = "its servers, as the backends call them", .sample = "[production-1, production-2]"},
    OPTION_END,
};

static const struct option options[] = {
    {.key = "address", .type = OPTION_STRINGS, .offset = offsetof(struct haproxy_options, addresses), .fallback = "/run/haproxy/admin.sock",
     .help = "runtime API, level admin: path of its socket, or ADDRESS:PORT; one for each HAProxy, and all must answer",
     .sample = "/run/haproxy/admin.sock"},
    {.key = "backend", .type = OPTION_STRINGS, .offset = offsetof(struct haproxy_options, backends), .required = true,
     .help = "backends that are moved, one or several", .sample = "akig"},
    {.key = "servers", .type = OPTION_LIST, .offset = offsetof(struct haproxy_options, servers), .sub = server_options, .size = sizeof(struct site_servers),
     .help = "servers of each site; a site that is not listed has one server of its own name"},
    {.key = "state_file", .type = OPTION_PATH, .offset = offsetof(struct haproxy_options, state_file),
     .help = "HAProxy's global server-state-file, written after each change so that a reload or a restart keeps it",
     .sample = "/var/lib/haproxy/state/global"},
    {.key = "host", .type = OPTION_HOST, .offset = offsetof(struct haproxy_options, host), .fallback = "local",
     .help = "where the addresses are: local, or a host reached by ssh on which `client:` is run", .sample = "local"},
    {.key = "client", .type = OPTION_ARGV, .offset = offsetof(struct haproxy_options, client), .fallback = "[socat, -t, \"5\", -]",
     .help = "on a host reached by ssh: program that joins its input to the address, which is added as UNIX-CONNECT:PATH or TCP:ADDRESS:PORT"},
    OPTION_END,
};

static const struct haproxy_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

/* ---- asking ---- */

static bool ask_over_ssh(const struct action_ctx *ctx, const char *address, const char *line, struct str *ret, struct err *err)
{
    const struct haproxy_options *o = options_of(ctx);
    struct strs words = {0};
    struct proc_result result;
    for (size_t i = 0; i < o->client.n; i++)
        *vec_add(ctx->arena, &words) = o->client.p[i];
    *vec_add(ctx->arena, &words) = arena_printf(ctx->arena, "%s:%s", *address == '/' ? "UNIX-CONNECT" : "TCP", address);
    if (!host_run(ctx, &o->host, &words, line, action_time(ctx, ASK_MS + 5 * MS_SECOND), &result, err))
        return false;
    if (!proc_ok(&result))
        return err_set(err, ERR_UNAVAILABLE, "`%s` on %s failed with %s", host_words(ctx->arena, &words), host_say(&o->host),
                       host_complaint(ctx->arena, &result));
    *ret = result.out;
    return true;
}

static bool ask_here(const struct action_ctx *ctx, const char *address, const char *line, struct str *ret, struct err *err)
{
    SCOPED(buf_done) struct buf answer = {.max = ANSWER_MAX};
    if (!sock_ask(address, line, action_time(ctx, ASK_MS), &answer, err))
        return false;
    ret->n = answer.n;
    ret->p = arena_strndup(ctx->arena, buf_text(&answer), answer.n);
    return true;
}

/* One command for each connection: the answer ends where the connection does, so nothing has to be guessed about its shape. */
static bool ask(const struct action_ctx *ctx, const char *address, const char *command, struct str *ret, struct err *err)
{
    const char *line = arena_printf(ctx->arena, "%s\n", command);
    bool ok = host_is_local(&options_of(ctx)->host) ? ask_here(ctx, address, line, ret, err) : ask_over_ssh(ctx, address, line, ret, err);
    if (!ok) {
        err_prefix(err, "HAProxy at \"%s\"", address);
        return err->code == ERR_PERMISSION ? err_hint(err, "whoever runs bascule must be allowed to write to the socket: `mode` and `group` of `stats socket`")
                                           : false;
    }
    *ret = str_trim(*ret);
    return true;
}

static char *said(const struct action_ctx *ctx, struct str answer)
{
    char *line = arena_strndup(ctx->arena, answer.n ? answer.p : "", MIN_OF(answer.n, (size_t)SAID_MAX));
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = ' ';
    return line;
}

/* A command that changes something says nothing when it was done. */
static bool order(const struct action_ctx *ctx, const char *address, const char *command, struct err *err)
{
    struct str answer;
    if (!ask(ctx, address, command, &answer, err))
        return false;
    if (!answer.n)
        return true;
    bool denied = !strncmp(answer.p, "Permission denied", strlen("Permission denied"));
    err_set(err, denied ? ERR_PERMISSION : ERR_FAILED, "HAProxy at \"%s\" answers to \"%s\": %s", address, command, said(ctx, answer));
    return denied ? err_hint(err, "write `level admin` at the line `stats socket` of its configuration") : false;
}

/* ---- what stands there ---- */

enum state { STATE_READY, STATE_DRAIN, STATE_MAINT, STATE_MAX };
static const char *const state_words[STATE_MAX] = {"ready", "drain", "maint"};

struct server {
    const char *address, *backend, *name;
    const struct site *site; /* NULL: of none */
    enum state state;
    bool running;
};

struct view {
    struct server *p;
    size_t n, cap;
};

static const struct site_servers *listed(const struct haproxy_options *o, const char *site)
{
    for (size_t i = 0; i < o->servers.n; i++)
        if (same(o->servers.p[i].site, site))
            return &o->servers.p[i];
    return NULL;
}

static const struct site *site_of(const struct service *service, const struct haproxy_options *o, struct str server)
{
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *site = &service->sites.p[i];
        const struct site_servers *list = listed(o, site->name);
        if (!list && str_is(server, site->name))
            return site;
        for (size_t k = 0; list && k < list->names.n; k++)
            if (str_is(server, list->names.p[k]))
                return site;
    }
    return NULL;
}

static struct str field(struct str line, size_t number)
{
    struct str rest = line, one = {0};
    for (size_t i = 0; i <= number; i++)
        if (!str_next(&rest, ' ', &one))
            return (struct str){0};
    return one;
}

/* The place of a column by its name: newer versions add columns. False when there is none. */
static bool column(struct str head, const char *name, size_t *ret)
{
    struct str rest = head, one;
    for (size_t i = 0; str_next(&rest, ' ', &one); i++)
        if (str_is(one, name)) {
            *ret = i - 1; /* the head begins with "#" */
            return i > 0;
        }
    return false;
}

/* Adds the servers of our sites in an answer to `show servers state`. False when it is none. */
static bool read_state(struct arena *arena, const struct service *service, const struct haproxy_options *o, struct str text, const char *address,
                       const char *backend, struct view *view)
{
    struct str rest = text, version, head, line;
    size_t be, name, op, admin;
    if (!str_next(&rest, '\n', &version) || !str_is(str_trim(version), "1") || !str_next(&rest, '\n', &head) || !str_starts(head, "# ") ||
        !column(head, "be_name", &be) || !column(head, "srv_name", &name) || !column(head, "srv_op_state", &op) || !column(head, "srv_admin_state", &admin))
        return false;
    while (str_next(&rest, '\n', &line)) {
        int64_t op_state, admin_state;
        const struct site *site = site_of(service, o, field(line, name));
        if (!site || !str_is(field(line, be), backend))
            continue;
        if (!str_int(field(line, op), &op_state) || !str_int(field(line, admin), &admin_state))
            return false;
        *vec_add(arena, view) = (struct server){
            .address = address,
            .backend = backend,
            .name = str_dup(arena, field(line, name)),
            .site = site,
            .state = admin_state & ADMIN_MAINT ? STATE_MAINT : admin_state & ADMIN_DRAIN ? STATE_DRAIN : STATE_READY,
            .running = op_state == OP_RUNNING,
        };
    }
    return true;
}

static bool look_at(const struct action_ctx *ctx, const char *address, const char *backend, struct view *view, struct err *err)
{
    const struct service *service = ctx->service;
    const struct haproxy_options *o = options_of(ctx);
    struct str answer;
    size_t from = view->n;
    if (!ask(ctx, address, arena_printf(ctx->arena, "show servers state %s", backend), &answer, err))
        return false;
    if (str_starts(answer, "Can't find backend"))
        return err_set(err, ERR_NOT_FOUND, "HAProxy at \"%s\" has no backend \"%s\"", address, backend);
    if (str_starts(answer, "Permission denied"))
        return err_set(err, ERR_PERMISSION, "HAProxy at \"%s\" answers: %s", address, said(ctx, answer));
    if (!read_state(ctx->arena, service, o, answer, address, backend, view))
        return err_set(err, ERR_PROTOCOL, "what answers at \"%s\" does not speak like HAProxy's runtime API: \"%s\"", address, said(ctx, answer));
    for (size_t i = 0; i < service->sites.n; i++) {
        bool found = false;
        for (size_t k = from; k < view->n; k++)
            found |= view->p[k].site == &service->sites.p[i];
        if (!found) {
            err_set(err, ERR_NOT_FOUND, "backend \"%s\" of HAProxy at \"%s\" has no server of site \"%s\"", backend, address, service->sites.p[i].name);
            return err_hint(err, "name the server \"%s\", or list it under `servers:`", service->sites.p[i].name);
        }
    }
    return true;
}

static bool look(const struct action_ctx *ctx, struct view *ret, struct err *err)
{
    const struct haproxy_options *o = options_of(ctx);
    *ret = (struct view){0};
    for (size_t i = 0; i < o->addresses.n; i++)
        for (size_t k = 0; k < o->backends.n; k++)
            if (!look_at(ctx, o->addresses.p[i], o->backends.p[k], ret, err))
                return false;
    return true;
}

/* The one site whose servers take users, in every backend. */
static bool site_in(const struct action_ctx *ctx, const struct view *view, const struct site **ret, struct err *err)
{
    const struct site *site = NULL;
    const struct haproxy_options *o = options_of(ctx);
    for (size_t i = 0; i < view->n; i++) {
        const struct server *s = &view->p[i];
        if (s->state == STATE_MAINT)
            continue;
        if (site && site != s->site)
            return err_set(err, ERR_NOT_FOUND, "HAProxy sends users to servers of site \"%s\" and of site \"%s\": \"%s/%s\" at \"%s\" is not in maintenance",
                           site->name, s->site->name, s->backend, s->name, s->address);
        site = s->site;
    }
    for (size_t i = 0; site && i < o->addresses.n; i++)
        for (size_t k = 0; k < o->backends.n; k++) {
            bool served = false;
            for (size_t n = 0; n < view->n; n++)
                served |= same(view->p[n].address, o->addresses.p[i]) && same(view->p[n].backend, o->backends.p[k]) && view->p[n].state != STATE_MAINT;
            if (!served)
                return err_set(err, ERR_NOT_FOUND, "backend \"%s\" of HAProxy at \"%s\" has every server in maintenance", o->backends.p[k], o->addresses.p[i]);
        }
    if (!site)
        return err_set(err, ERR_NOT_FOUND, "every server of backend \"%s\" is in maintenance", o->backends.p[0]);
    *ret = site;
    return true;
}

/* ---- changing it ---- */

static bool set_state(const struct action_ctx *ctx, const struct server *s, enum state state, struct err *err)
{
    return order(ctx, s->address, arena_printf(ctx->arena, "set server %s/%s state %s", s->backend, s->name, state_words[state]), err);
}

static bool is_as_wanted(const struct view *wanted, const struct view *now, bool running, struct err *err)
{
    for (size_t i = 0; i < wanted->n; i++) {
        const struct server *w = &wanted->p[i], *found = NULL;
        for (size_t k = 0; k < now->n; k++)
            if (same(now->p[k].address, w->address) && same(now->p[k].backend, w->backend) && same(now->p[k].name, w->name))
                found = &now->p[k];
        if (!found || found->state != w->state)
            return err_set(err, ERR_FAILED, "server \"%s/%s\" at \"%s\" was told to be %s and is %s", w->backend, w->name, w->address,
                           state_words[w->state], found ? state_words[found->state] : "gone");
        if (running && w->state == STATE_READY && !found->running)
            return err_set(err, ERR_FAILED, "server \"%s/%s\" at \"%s\" is ready, but HAProxy's check finds it down", w->backend, w->name, w->address);
    }
    return true;
}

struct settling {
    const struct action_ctx *ctx;
    const struct view *wanted;
};

static bool has_settled(void *arg, struct err *err)
{
    const struct settling *s = arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct action_ctx once = *s->ctx;
    struct view now;
    once.arena = arena;
    return look(&once, &now, err) && is_as_wanted(s->wanted, &now, true, err);
}

/* What survives a reload. HAProxy itself reads it only when it starts. */
static bool save_state(const struct action_ctx *ctx, struct err *err)
{
    const struct haproxy_options *o = options_of(ctx);
    struct str answer;
    if (!o->state_file)
        return true;
    if (!ask(ctx, o->addresses.p[0], "show servers state", &answer, err))
        return false;
    return host_write(ctx, &o->host, o->state_file, arena_printf(ctx->arena, "%.*s\n", (int)answer.n, answer.p), action_time(ctx, FILE_MS), err) ||
           err_prefix(err, "keeping the state of the servers for a reload");
}

/* Out first, in afterwards: at no moment do two sites take users. Sessions are cut also at servers that were in maintenance already, since
   whoever put them there may have been killed before. */
static bool make(const struct action_ctx *ctx, const struct view *wanted, bool running, struct err *err)
{
    struct view now;
    for (size_t i = 0; i < wanted->n; i++) {
        const struct server *s = &wanted->p[i];
        if (s->state == STATE_MAINT && (!set_state(ctx, s, STATE_MAINT, err) ||
                                        !order(ctx, s->address, arena_printf(ctx->arena, "shutdown sessions server %s/%s", s->backend, s->name), err)))
            return false;
    }
    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->p[i].state != STATE_MAINT && !set_state(ctx, &wanted->p[i], wanted->p[i].state, err))
            return false;
    struct settling settling = {ctx, wanted};
    if (running ? !action_wait(ctx, UP_MS, UP_EVERY_MS, has_settled, &settling, err) : !look(ctx, &now, err) || !is_as_wanted(wanted, &now, false, err))
        return false;
    return save_state(ctx, err);
}

/* An address is kept as its number: a socket may be moved to another path between a switch and its undoing. */
static char *print_view(struct arena *arena, const struct haproxy_options *o, const struct view *view)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < view->n; i++) {
        size_t number = 0;
        while (number < o->addresses.n && o->addresses.p[number] != view->p[i].address)
            number++;
        text = arena_printf(arena, "%s%s %s %s %zu\n", text, state_words[view->p[i].state], view->p[i].backend, view->p[i].name, number);
    }
    return text;
}

static bool parse_view(struct arena *arena, const struct haproxy_options *o, struct str text, struct view *ret, struct err *err)
{
    struct str line, rest = text;
    *ret = (struct view){0};
    while (str_next(&rest, '\n', &line)) {
        if (!line.n)
            continue;
        struct server s = {.state = STATE_MAX};
        int64_t number;
        struct str word = field(line, 0);
        for (size_t i = 0; i < STATE_MAX; i++)
            if (str_is(word, state_words[i]))
                s.state = (enum state)i;
        s.backend = str_dup(arena, field(line, 1));
        s.name = str_dup(arena, field(line, 2));
        if (s.state == STATE_MAX || !*s.backend || !*s.name || !str_int(field(line, 3), &number) || number < 0 || (size_t)number >= o->addresses.n)
            return err_set(err, ERR_DATA, "the state that was kept cannot be read: \"%.*s\"", (int)MIN_OF(line.n, 80u), line.p);
        s.address = o->addresses.p[number];
        *vec_add(arena, ret) = s;
    }
    return ret->n || err_set(err, ERR_DATA, "the state that was kept is empty");
}

/* ---- the driver ---- */

static bool word_is_good(const char *word)
{
    return word && *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == strlen(word);
}

static bool words_are_good(const struct strs *words, const char *what, struct err *err)
{
    if (!words->n)
        return err_set(err, ERR_CONFIG, "HAProxy: there is no %s", what);
    for (size_t i = 0; i < words->n; i++)
        if (!word_is_good(words->p[i]))
            return err_set(err, ERR_CONFIG, "\"%s\" cannot be the name of a %s of HAProxy", words->p[i], what);
    return true;
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct haproxy_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err) || !words_are_good(&o->backends, "backend", err))
        return false;
    if (!o->addresses.n || (o->state_file && o->addresses.n > 1))
        return err_set(err, ERR_CONFIG, o->addresses.n ? "`state_file:` is that of one HAProxy, and there are several addresses" : "there is no address");
    for (size_t i = 0; i < o->addresses.n; i++)
        if (!sock_address_is_good(o->addresses.p[i])) {
            err_set(err, ERR_CONFIG, "\"%s\" is no address of a runtime API", o->addresses.p[i]);
            return err_hint(err, "write the path of its socket, or ADDRESS:PORT without a name to resolve");
        }
    for (size_t i = 0; i < o->servers.n; i++) {
        const struct site_servers *s = &o->servers.p[i];
        bool known = false;
        for (size_t k = 0; k < service->sites.n; k++)
            known |= same(service->sites.p[k].name, s->site);
        if (!known || listed(o, s->site) != s)
            return err_set(err, ERR_CONFIG, known ? "site \"%s\" is listed twice under `servers:`" : "`servers:` names a site \"%s\" that is none", s->site);
        if (!words_are_good(&s->names, "server", err))
            return false;
        for (size_t k = 0; k < s->names.n; k++) {
            const struct site *owner = site_of(service, o, str_of(s->names.p[k]));
            if (!owner || !same(owner->name, s->site))
                return err_set(err, ERR_CONFIG, "server \"%s\" belongs to two sites", s->names.p[k]);
        }
    }
    return true;
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    struct view view;
    return look(ctx, &view, err) && site_in(ctx, &view, ret, err);
}

static void aim(struct view *view, const struct site *site)
{
    for (size_t i = 0; i < view->n; i++)
        view->p[i].state = view->p[i].site == site ? STATE_READY : STATE_MAINT;
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    struct view view;
    if (!look(ctx, &view, err))
        return err_prefix(err, "before any change");
    aim(&view, site);
    for (int in = 0; in < 2; in++)
        for (size_t i = 0; i < view.n; i++) {
            const struct server *s = &view.p[i];
            if (in == (s->state == STATE_READY))
                buf_printf(out, "%s: set server %s/%s state %s%s\n", s->address, s->backend, s->name, state_words[s->state],
                           in ? "" : ", and its sessions are cut");
        }
    if (options_of(ctx)->state_file)
        buf_printf(out, "writes \"%s\" on %s, so that a reload keeps it\n", options_of(ctx)->state_file, host_say(&options_of(ctx)->host));
    else
        buf_puts(out, "a reload of HAProxy forgets it: there is no `state_file:`\n");
    return true;
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    struct view before, wanted;
    struct err second = {0};
    if (!look(ctx, &before, err) || !memory_keep(ctx, site, print_view(ctx->arena, options_of(ctx), &before), err))
        return false;
    wanted = before;
    wanted.p = arena_dup(ctx->arena, before.p, before.n * sizeof(*before.p));
    aim(&wanted, site);
    if (make(ctx, &wanted, true, err))
        return true;
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    bool back = make(&unhurried, &before, false, &second);
    return memory_back(ctx->arena, back, &second, err);
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str text;
    struct view wanted;
    return memory_text(ctx, &text, err) && parse_view(ctx->arena, options_of(ctx), text, &wanted, err) && make(ctx, &wanted, false, err);
}

static void commands_of(const struct haproxy_options *o, const char *site, bool in, struct buf *out)
{
    const struct site_servers *list = listed(o, site);
    const struct strs own = {.p = &site, .n = 1}, *names = list ? &list->names : &own;
    for (size_t a = 0; a < o->addresses.n; a++)
        for (size_t b = 0; b < o->backends.n; b++)
            for (size_t n = 0; n < names->n; n++) {
                const char *address = o->addresses.p[a], *backend = o->backends.p[b], *name = names->p[n];
                buf_printf(out, "echo 'set server %s/%s state %s", backend, name, in ? "ready" : "maint");
                if (!in)
                    buf_printf(out, "; shutdown sessions server %s/%s", backend, name);
                buf_printf(out, "' | {traffic.pipe} 'sudo socat - %s:%s'\n", *address == '/' ? "UNIX-CONNECT" : "TCP", address);
            }
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct haproxy_options *o = service->traffic.options;
    (void)arena;
    for (size_t i = 0; i < service->sites.n; i++)
        if (!same(service->sites.p[i].name, to->name))
            commands_of(o, service->sites.p[i].name, false, out);
    commands_of(o, to->name, true, out);
}

extern const struct traffic_ops traffic_haproxy;
const struct traffic_ops traffic_haproxy = {
    .name = "haproxy",
    .by_hand = {.en = "# the servers of the old site go out first and their sessions are cut; an answer is a complaint\n{traffic.commands}",
                .fr = "# les serveurs de l'ancien site sortent d'abord et leurs sessions sont coupées ; une réponse est une plainte\n{traffic.commands}"},
    .commands = commands,
    .summary = "HAProxy through its runtime API: the old site's servers to maintenance, their sessions cut, the new one's ready",
    .options = options,
    .options_size = sizeof(struct haproxy_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
};
