/* tell/channel_sms.c -- Short messages through Twilio's API, or what speaks its form. What the provider took is not yet on a telephone: its
   status is asked until it says so, and a message that did not arrive counts as such. */
#include <inttypes.h>
#include <time.h>

#include "base/base64.h"
#include "io/json.h"
#include "sys/clock.h"
#include "tell/gsm.h"
#include "tell/handover.h"

extern const struct channel_ops channel_sms;

struct sms_options {
    const char *account;
    struct secret token;
    const char *from;
    const char *server;
    int segments;
    int64_t validity_ms, confirm_ms, timeout_ms;
    const char *ca_file;
};

#define AT(member) offsetof(struct sms_options, member)
static const struct option options[] = {
    {.key = "account", .type = OPTION_NAME, .offset = AT(account), .required = true, .help = "account there (AC...)",
     .sample = "AC00000000000000000000000000000000"},
    {.key = "token", .type = OPTION_SECRET, .offset = AT(token), .required = true, .help = "its token", .sample = "{file: /etc/bascule/sms.token}"},
    {.key = "from", .type = OPTION_STRING, .offset = AT(from), .required = true,
     .help = "number or name that is shown as the sender, or a messaging service (MG...)", .sample = "\"+33644600000\""},
    {.key = "server", .type = OPTION_URL, .offset = AT(server), .fallback = "https://api.twilio.com", .help = "where the API is"},
    {.key = "segments", .type = OPTION_INT, .offset = AT(segments), .fallback = "1", .min = 1, .max = 10,
     .help = "messages one notice may take (160 characters in one, 153 each in several); the rest is cut"},
    {.key = "validity", .type = OPTION_DURATION, .offset = AT(validity_ms), .fallback = "1h", .min = 60000, .max = 4 * MS_HOUR,
     .help = "after this long without a telephone to take it the message is thrown away"},
    {.key = "confirm", .type = OPTION_DURATION, .offset = AT(confirm_ms), .fallback = "10s", .min = 0, .max = 5 * MS_MINUTE,
     .help = "how long is asked whether it arrived; after it, that the provider took it is enough"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "10s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for each exchange"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

enum { NUMBER_DIGITS_MIN = 7, NUMBER_DIGITS_MAX = 15, SENDER_NAME_MAX = 11, ASK_EVERY_MS = 1000, LOOK_BACK = 50, CLOCKS_DIFFER_MS = 30 * 1000 };

struct sms {
    const struct sms_options *o;
    const char *messages; /* .../Accounts/AC.../Messages, without .json */
    const char *authorization;
    const char *text;
    const char *id;       /* SM...; NULL: not taken yet */
    const char *status;   /* the newest that was said */
    int segments;
    int64_t confirm_until_boot_ms;
};

/* ---- what is configured ---- */

static bool is_number(const char *text)
{
    size_t digits = text[0] == '+' ? strspn(text + 1, "0123456789") : 0;
    return digits >= NUMBER_DIGITS_MIN && digits <= NUMBER_DIGITS_MAX && text[1] != '0' && text[1 + digits] == 0;
}

/* A number, a name of up to eleven letters, or a messaging service. */
static bool is_sender(const char *text)
{
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ");
    bool service = str_starts(str_of(text), "MG") && name == 34 && !text[name];
    return is_number(text) || service || (name > 0 && name <= SENDER_NAME_MAX && !text[name]);
}

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct sms_options *o = conf->options;
    if (!o->account || o->token.source == SECRET_NONE || !o->from)
        return err_set(err, ERR_CONFIG, "a channel of type \"sms\" needs \"account\", \"token\" and \"from\"");
    if (is_sender(o->from))
        return true;
    err_set(err, ERR_CONFIG, "\"from\" is neither a telephone number nor a sender's name of up to %d letters", SENDER_NAME_MAX);
    return err_hint(err, "write a number as +33612345678");
}

static bool address_valid(const char *address, struct err *err)
{
    if (address && is_number(address))
        return true;
    err_set(err, ERR_CONFIG, "a channel of type \"sms\" needs a telephone number");
    return err_hint(err, "write it with the country's code and without blanks: \"+33612345678\"");
}

/* ---- requests ---- */

static void add_encoded(struct buf *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (const char *p = text; *p; p++)
        if (strchr(plain, *p))
            buf_putc(to, *p);
        else
            buf_printf(to, "%%%02X", (unsigned char)*p);
}

static void add_field(struct buf *to, const char *name, const char *value)
{
    buf_printf(to, "%s%s=", to->n ? "&" : "", name);
    add_encoded(to, value);
}

static struct str form(struct handover *h, const struct sms *s)
{
    struct buf SCOPED(buf_done) out = {.max = 64 * 1024};
    add_field(&out, "To", h->notice->address);
    add_field(&out, str_starts(str_of(s->o->from), "MG") && strlen(s->o->from) == 34 ? "MessagingServiceSid" : "From", s->o->from);
    add_field(&out, "Body", s->text);
    add_field(&out, "ValidityPeriod", arena_printf(h->arena, "%" PRId64, s->o->validity_ms / MS_SECOND));
    return str_of(arena_strdup(h->arena, buf_text(&out)));
}

static struct http_spec ask(struct handover *h, const char *method, const char *url)
{
    const struct sms *s = h->own;
    h->deadline_boot_ms = clock_boot_ms() + s->o->timeout_ms;
    return (struct http_spec){.method = method, .url = url,
                              .headers = handover_headers(h, "application/x-www-form-urlencoded", s->authorization, NULL, NULL)};
}

/* ---- has it arrived? ---- */

static void taken(struct handover *h, const char *more)
{
    const struct sms *s = h->own;
    handover_end(h, DELIVERY_SENT, -1, "%s took it as %s (%d message%s): %s%s", h->name, s->id, s->segments, s->segments == 1 ? "" : "s", s->status, more);
}

/* What a telephone, or the network before it, will not take at any time. 30001 (queue full), 30003 (unreachable), 30008 (unknown) and
   whatever else may be otherwise in a minute. */
static bool is_final(int64_t code)
{
    static const int64_t final[] = {30002, 30004, 30005, 30006, 30007, 30011, 30032, 30034};
    for (size_t i = 0; i < COUNT_OF(final); i++)
        if (final[i] == code)
            return true;
    return false;
}

static void did_not_arrive(struct handover *h, const struct json *message)
{
    const struct sms *s = h->own;
    int64_t code = 0;
    if (!json_integer(json_get(message, "error_code"), &code))
        code = 0;
    const char *why = json_string(json_get(message, "error_message"));
    handover_end(h, is_final(code) ? DELIVERY_REFUSED : DELIVERY_RETRY, -1, "%s took it as %s, but it is %s: error %" PRId64 "%s%s", h->name, s->id,
                 s->status, code, why ? " " : "", why ? handover_said(h, str_of(why)) : "");
}

static void ask_status(struct handover *h);

/* Goes by what was said last. */
static void follow(struct handover *h, const struct json *message)
{
    struct sms *s = h->own;
    const char *status = json_string(json_get(message, "status"));
    s->status = status ? handover_said(h, str_of(status)) : "of unknown status";
    if (same(status, "undelivered") || same(status, "failed") || same(status, "canceled"))
        did_not_arrive(h, message);
    else if (same(status, "delivered") || same(status, "read"))
        taken(h, "");
    else if (clock_boot_ms() + ASK_EVERY_MS > s->confirm_until_boot_ms)
        taken(h, ", not confirmed yet");
    else
        handover_pause(h, ASK_EVERY_MS, ask_status);
}

static void on_status(struct handover *h, const struct http_response *response)
{
    const struct json *message;
    if (response->status == 200 && json_parse(h->arena, response->body, &message, NULL))
        follow(h, message);
    else
        taken(h, ", its status could not be asked");
}

/* It was taken, whatever becomes of the question: sending it once more would ring twice. */
static void on_no_status(struct handover *h, const char *why)
{
    (void)why;
    taken(h, ", its status could not be asked");
}

static void ask_status(struct handover *h)
{
    const struct sms *s = h->own;
    struct http_spec spec = ask(h, "GET", arena_printf(h->arena, "%s/%s.json", s->messages, s->id));
    h->on_silence = on_no_status;
    handover_go_on(h, &spec, on_status);
}

static bool is_id(const char *text)
{
    return text && *text && strlen(text) <= 64 && !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")];
}

/* ---- handing over ---- */

/* {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400} */
static const char *said(struct handover *h, const struct json *answer, struct str body)
{
    const char *message = json_string(json_get(answer, "message"));
    const char *code = json_scalar(h->arena, json_get(answer, "code"));
    if (!message)
        return handover_said(h, body);
    return handover_said(h, str_of(arena_printf(h->arena, "%s%s%s", code ? code : "", code ? " " : "", message)));
}

static void on_sent(struct handover *h, const struct http_response *response)
{
    struct sms *s = h->own;
    const struct json *answer = NULL;
    bool read = json_parse(h->arena, response->body, &answer, NULL);
    const char *id = json_string(json_get(answer, "sid"));
    if (handover_judge(response->status) != DELIVERY_SENT) {
        handover_end_by_status(h, response, said(h, read ? answer : NULL, response->body));
    } else if (!is_id(id)) {
        handover_end(h, DELIVERY_RETRY, -1, "%s answered %ld without the number of a message", h->name, response->status); /* something in between */
    } else {
        s->id = arena_strdup(h->arena, id);
        s->confirm_until_boot_ms = clock_boot_ms() + s->o->confirm_ms;
        follow(h, answer);
    }
}

static bool send_it(struct handover *h, struct err *err)
{
    const struct sms *s = h->own;
    struct http_spec spec = ask(h, "POST", arena_printf(h->arena, "%s.json", s->messages));
    struct str body = form(h, s);
    spec.body = body.p;
    spec.body_size = body.n;
    h->on_silence = NULL;
    return handover_send(h, &spec, on_sent, err);
}

/* ---- was it sent before? ---- */

/* "Sat, 25 Oct 2025 15:34:02 +0000" */
static bool parse_date(const char *text, int64_t *ret_wall_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    char month[4] = "";
    if (!text || sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d +0000", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return false;
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3)
        return false;
    tm.tm_mon = (int)(at - months) / 3;
    tm.tm_year -= 1900;
    *ret_wall_ms = (int64_t)timegm(&tm) * MS_SECOND;
    return true;
}

/* The same words to the same number, since the notice was ordered, and not failed. */
static bool is_ours(const struct handover *h, const struct json *message)
{
    const struct sms *s = h->own;
    const char *status = json_string(json_get(message, "status"));
    int64_t created_ms;
    return is_id(json_string(json_get(message, "sid"))) && same(json_string(json_get(message, "to")), h->notice->address) &&
           same(json_string(json_get(message, "body")), s->text) && !same(status, "failed") && !same(status, "undelivered") && !same(status, "canceled") &&
           parse_date(json_string(json_get(message, "date_created")), &created_ms) && created_ms + CLOCKS_DIFFER_MS > h->notice->wall_ms;
}

static void send_after_all(struct handover *h)
{
    struct err err = {0};
    if (!send_it(h, &err))
        handover_end(h, DELIVERY_REFUSED, -1, "%s", err.message);
}

static void on_list(struct handover *h, const struct http_response *response)
{
    struct sms *s = h->own;
    const struct json *answer;
    if (response->status == 200 && json_parse(h->arena, response->body, &answer, NULL)) {
        const struct json *messages = json_get(answer, "messages");
        for (size_t i = 0; i < json_count(messages); i++) {
            const struct json *message = json_at(messages, i);
            if (!is_ours(h, message))
                continue;
            s->id = json_string(json_get(message, "sid"));
            s->confirm_until_boot_ms = clock_boot_ms() + s->o->confirm_ms;
            follow(h, message);
            return;
        }
    }
    send_after_all(h); /* a provider without such a list gets it perhaps twice, which beats not at all */
}

static bool look_back(struct handover *h, struct err *err)
{
    const struct sms *s = h->own;
    struct buf SCOPED(buf_done) query = {.max = 256};
    add_field(&query, "To", h->notice->address);
    struct http_spec spec = ask(h, "GET", arena_printf(h->arena, "%s.json?%s&PageSize=%d", s->messages, buf_text(&query), LOOK_BACK));
    return handover_send(h, &spec, on_list, err);
}

/* ---- the driver ---- */

static bool make_authorization(struct handover *h, struct sms *s, struct err *err)
{
    char *token;
    struct buf SCOPED(buf_done) value = {.max = 2 * SECRET_MAX};
    if (!handover_secret(h, &s->o->token, &token, err))
        return false;
    char *pair = arena_printf(h->arena, "%s:%s", s->o->account, token ? token : "");
    handover_hide(h, pair);
    buf_puts(&value, "Authorization: Basic ");
    (void)base64_add(&value, pair, strlen(pair));
    char *line = arena_strdup(h->arena, buf_text(&value));
    handover_hide(h, line);
    s->authorization = line;
    return true;
}

static bool begin(struct handover *h, const struct sms_options *o, struct err *err)
{
    struct sms *s = arena_new(h->arena, struct sms);
    h->own = s;
    h->ca_file = o->ca_file;
    s->o = o;
    if (!h->notice->address || !is_number(h->notice->address))
        return err_set(err, ERR_DATA, "contact \"%s\" has no usable telephone number", h->notice->contact);
    const char *brief = h->notice->brief && *h->notice->brief ? h->notice->brief : h->notice->subject;
    s->text = gsm_cut(h->arena, gsm_text(h->arena, brief), o->segments);
    s->segments = gsm_segments(s->text);
    if (!s->segments)
        return err_set(err, ERR_DATA, "the notice has no text that a telephone can show");
    s->messages = arena_printf(h->arena, "%s/2010-04-01/Accounts/%s/Messages", o->server, o->account);
    return make_authorization(h, s, err) && (h->notice->unsure ? look_back(h, err) : send_it(h, err));
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct sms_options *o = conf->options;
    SCOPED(handover_free) struct handover *h = handover_new(env, notice, "the SMS provider", o->timeout_ms, done, arg);
    if (!begin(h, o, err))
        return false;
    *ret_handle = TAKE(h);
    return true;
}

const struct channel_ops channel_sms = {
    .name = "sms",
    .summary = "short messages through Twilio, or what speaks its form",
    .options = options,
    .options_size = sizeof(struct sms_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = handover_cancel,
};
