/* tell/channel_smtp.c -- Notices by mail, handed to a mail server. */
#include "sys/secret.h"
#include "tell/channel.h"
#include "tell/mail.h"

extern const struct channel_ops channel_smtp;

struct smtp_options {
    const char *server;
    bool starttls;
    const char *user;
    struct secret password;
    const char *from;
    int64_t timeout_ms;
    const char *ca_file;
};

#define AT(member) offsetof(struct smtp_options, member)
static const struct option options[] = {
    {.key = "server", .type = OPTION_STRING, .offset = AT(server), .required = true,
     .help = "mail server: smtp://HOST:PORT, or smtps://HOST:PORT for TLS from the start", .sample = "smtp://127.0.0.1:25"},
    {.key = "starttls", .type = OPTION_BOOL, .offset = AT(starttls), .fallback = "false",
     .help = "go over to TLS after connecting, and refuse to go on without it"},
    {.key = "user", .type = OPTION_STRING, .offset = AT(user), .help = "name to log in with"},
    {.key = "password", .type = OPTION_SECRET, .offset = AT(password), .help = "password to log in with",
     .sample = "{file: /etc/bascule/smtp.password}"},
    {.key = "from", .type = OPTION_STRING, .offset = AT(from), .required = true, .help = "address of the sender", .sample = "bascule@akig.com"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "20s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for the whole hand-over"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

struct handle {
    struct arena *arena; /* it lives in it */
    struct http_request *request;
    channel_done_fn *done;
    void *arg;
};

/* What never leaves this machine nobody on the way can read. */
static bool is_here(const char *server)
{
    struct str host = str_of(server + strlen("smtp://")), name;
    if (str_starts(host, "[::1]"))
        return true;
    if (!str_next(&host, '/', &name))
        return false;
    host = name;
    return str_next(&host, ':', &name) &&
           (str_is(name, "localhost") || (str_starts(name, "127.") && strspn(name.p, "0123456789.") == name.n));
}

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct smtp_options *o = conf->options;
    struct str server = str_of(o->server);
    if (!str_starts(server, "smtp://") && !str_starts(server, "smtps://")) {
        err_set(err, ERR_CONFIG, "\"%s\" is not the address of a mail server", o->server);
        return err_hint(err, "write smtp://HOST:PORT or smtps://HOST:PORT");
    }
    if (strchr(o->server, '@'))
        return err_set(err, ERR_CONFIG, "the address of a mail server must not hold a user or a password; use the keys \"user\" and \"password\"");
    if (o->starttls && str_starts(server, "smtps://"))
        return err_set(err, ERR_CONFIG, "\"starttls\" does not go with smtps://, which is encrypted from the start");
    if (o->user && o->password.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "\"user\" needs a \"password\"");
    if (o->user && !o->starttls && str_starts(server, "smtp://") && !is_here(o->server)) {
        err_set(err, ERR_CONFIG, "the password would go to \"%s\" in clear", o->server);
        return err_hint(err, "set starttls: true, or write smtps://HOST:465");
    }
    if (!mail_address_valid(o->from, err)) {
        if (err)
            err->code = ERR_CONFIG;
        return err_prefix(err, "\"from\"");
    }
    return true;
}

static bool address_valid(const char *address, struct err *err)
{
    if (!address)
        return err_set(err, ERR_CONFIG, "a channel of type \"smtp\" needs an address");
    if (mail_address_valid(address, err))
        return true;
    if (err)
        err->code = ERR_CONFIG;
    return false;
}

static void free_handle(struct handle *h)
{
    struct arena *arena = h->arena;
    arena_close(&arena);
}

static void cancel(void **handle)
{
    struct handle *h = TAKE(*handle);
    if (!h)
        return;
    http_cancel(&h->request);
    free_handle(h);
}

static void on_done(void *arg, const struct http_response *response, const struct err *err)
{
    struct handle *h = arg;
    SCOPED(arena_close) struct arena *a = arena_open();
    enum delivery delivery = DELIVERY_RETRY;
    const char *text;
    if (!response) {
        text = arena_strdup(a, err->message);
    } else {
        long class = response->status / 100;
        delivery = class == 2 ? DELIVERY_SENT : class == 5 ? DELIVERY_REFUSED : DELIVERY_RETRY;
        struct str said = str_trim(response->body);
        text = arena_printf(a, "the mail server answered %ld%s" STR_FMT, response->status, said.n ? ": " : "",
                            (int)MIN_OF(said.n, (size_t)200), said.n ? said.p : "");
    }
    channel_done_fn *done = h->done;
    void *done_arg = h->arg;
    free_handle(h);
    done(done_arg, delivery, -1, text);
}

static bool begin(const struct channel_env *env, const struct smtp_options *o, const struct notice *notice, struct handle *h, struct err *err)
{
    struct str message;
    char *password = NULL;
    if (!mail_build(h->arena, o->from, notice, &message, err))
        return false;
    if (o->user && !secret_read(h->arena, &o->password, &password, err))
        return false;
    struct smtp_spec spec = {.url = o->server, .starttls = o->starttls, .user = o->user, .password = password, .from = o->from,
                             .to = notice->address, .message = message.p, .message_size = message.n, .timeout_ms = o->timeout_ms,
                             .ca_file = o->ca_file};
    bool ok = smtp_start(env->http, &spec, on_done, h, &h->request, err); /* copies what it keeps */
    secret_wipe(password);
    return ok;
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    struct arena *arena = arena_open();
    struct handle *h = arena_new(arena, struct handle);
    *h = (struct handle){.arena = arena, .done = done, .arg = arg};
    if (!begin(env, conf->options, notice, h, err)) {
        free_handle(h);
        return false;
    }
    *ret_handle = h;
    return true;
}

const struct channel_ops channel_smtp = {
    .name = "smtp",
    .summary = "mail, handed to a mail server",
    .options = options,
    .options_size = sizeof(struct smtp_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = cancel,
};
