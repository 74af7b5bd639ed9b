/* tell/channel_webhook.c -- Notices as JSON to any address, signed after Standard Webhooks, so that the receiver knows who sent them. */
#include <inttypes.h>

#include "base/base64.h"
#include "io/hash.h"
#include "sys/clock.h"
#include "tell/handover.h"
#include "tell/notice_json.h"

extern const struct channel_ops channel_webhook;

struct webhook_options {
    struct secret url, secret, old_secret, authorization;
    int64_t timeout_ms;
    const char *ca_file;
};

#define AT(member) offsetof(struct webhook_options, member)
static const struct option options[] = {
    {.key = "url", .type = OPTION_SECRET, .offset = AT(url), .required = true, .help = "address that gets a POST for each notice",
     .sample = "{file: /etc/bascule/webhook.url}"},
    {.key = "secret", .type = OPTION_SECRET, .offset = AT(secret),
     .help = "signs each message (Standard Webhooks): whsec_ and base64 of 24 to 64 bytes", .sample = "{file: /etc/bascule/webhook.secret}"},
    {.key = "old_secret", .type = OPTION_SECRET, .offset = AT(old_secret), .help = "the secret before it: signs too, until the receiver has the new one"},
    {.key = "authorization", .type = OPTION_SECRET, .offset = AT(authorization), .help = "value of the header Authorization, as Bearer TOKEN"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "20s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for the whole exchange"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

enum { BODY_MAX = 4000, PAYLOAD_MAX = 128 * 1024, KEY_BYTES_MIN = 24, KEY_BYTES_MAX = 64 }; /* Standard Webhooks wants payloads under 20 KB */

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct webhook_options *o = conf->options;
    if (o->url.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "a channel of type \"webhook\" needs \"url\"");
    return o->secret.source != SECRET_NONE || o->old_secret.source == SECRET_NONE ||
           err_set(err, ERR_CONFIG, "\"old_secret\" is there beside \"secret\", not without it");
}

static bool address_valid(const char *address, struct err *err)
{
    if (!address)
        return true;
    err_set(err, ERR_CONFIG, "a channel of type \"webhook\" takes no address");
    return err_hint(err, "the channel has its own; make one channel for each");
}

static struct str payload(struct arena *arena, const struct notice *notice)
{
    struct buf out SCOPED(buf_done) = {.max = PAYLOAD_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, "type", notice_type(arena, notice));
    json_put_text(&j, "timestamp", moment_iso(arena, notice->wall_ms));
    json_key(&j, "data");
    json_object(&j);
    notice_put_json(&j, notice, BODY_MAX);
    json_object_end(&j);
    json_object_end(&j);
    return (struct str){.p = arena_strndup(arena, buf_text(&out), out.n), .n = out.n};
}

/* "v1,BASE64" of id.timestamp.body. What is signed names the moment, so that nobody can send it again later. */
static bool add_signature(struct handover *h, const char *secret, struct str text, struct buf *to, struct err *err)
{
    static const char prefix[] = "whsec_";
    struct buf key SCOPED(buf_done) = {.max = KEY_BYTES_MAX};
    struct str encoded = str_of(secret);
    if (str_starts(encoded, prefix))
        encoded = str_of(secret + sizeof(prefix) - 1);
    if (!base64_decode(&key, encoded) || key.n < KEY_BYTES_MIN)
        return err_set(err, ERR_CONFIG, "the secret of channel \"%s\" is not whsec_ and base64 of %d to %d bytes", h->notice->channel, KEY_BYTES_MIN,
                       KEY_BYTES_MAX);
    unsigned char mac[HMAC_SIZE];
    hash_hmac(buf_str(&key), text, mac);
    buf_puts(to, to->n ? " v1," : "v1,");
    (void)base64_add(to, mac, sizeof(mac));
    explicit_bzero(key.p, key.n);
    return true;
}

/* NULL in *ret when there is nothing to sign with. */
static bool sign(struct handover *h, const struct webhook_options *o, const char *id, int64_t now_s, struct str body, const char **ret, struct err *err)
{
    struct buf to SCOPED(buf_done) = {.max = 512};
    const struct secret *const secrets[] = {&o->secret, &o->old_secret};
    struct str text = str_of(arena_printf(h->arena, "%s.%" PRId64 ".%.*s", id, now_s, (int)body.n, body.p));
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        char *secret;
        if (!handover_secret(h, secrets[i], &secret, err) || (secret && !add_signature(h, secret, text, &to, err)))
            return false;
    }
    *ret = to.n ? arena_printf(h->arena, "webhook-signature: %s", buf_text(&to)) : NULL;
    return true;
}

static bool authorize(struct handover *h, const struct webhook_options *o, const char **ret, struct err *err)
{
    char *value;
    if (!handover_secret(h, &o->authorization, &value, err) || (value && !handover_line_is_clean("the value of \"authorization\"", value, err)))
        return false;
    *ret = value ? arena_printf(h->arena, "Authorization: %s", value) : NULL;
    return true;
}

static void on_answer(struct handover *h, const struct http_response *response)
{
    handover_end_by_status(h, response, handover_said(h, response->body));
}

static bool begin(struct handover *h, const struct webhook_options *o, struct err *err)
{
    const char *url, *signature, *authorization, *id = arena_printf(h->arena, "msg_%s", notice_identity(h->arena, h->notice));
    int64_t now_s = clock_wall_ms() / MS_SECOND;
    struct str body = payload(h->arena, h->notice);
    if (!handover_url(h, &o->url, &url, err) || !sign(h, o, id, now_s, body, &signature, err) || !authorize(h, o, &authorization, err))
        return false;
    const char *const headers[] = {"Content-Type: application/json",
                                   arena_printf(h->arena, "webhook-id: %s", id),
                                   arena_printf(h->arena, "webhook-timestamp: %" PRId64, now_s),
                                   signature ? signature : authorization,
                                   signature ? authorization : NULL,
                                   NULL};
    struct http_spec spec = {.method = "POST", .url = url, .headers = headers, .body = body.p, .body_size = body.n};
    h->ca_file = o->ca_file;
    return handover_send(h, &spec, on_answer, err);
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct webhook_options *o = conf->options;
    SCOPED(handover_free) struct handover *h = handover_new(env, notice, "the webhook", o->timeout_ms, done, arg);
    if (!begin(h, o, err))
        return false;
    *ret_handle = TAKE(h);
    return true;
}

const struct channel_ops channel_webhook = {
    .name = "webhook",
    .summary = "JSON to any address, signed after Standard Webhooks",
    .options = options,
    .options_size = sizeof(struct webhook_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = handover_cancel,
};
