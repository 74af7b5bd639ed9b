/* agent/answer.c -- What the agent says over HTTP: its state, at once or when it changes; yes or no to load balancers; and commands, which
   are carried out when their signature is right and their nonce was given by us and not used yet. */
#include "agent/agent_internal.h"

#include <sys/random.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "io/signature.h"
#include "io/standing.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { ANSWER_MAX = 8192, WAIT_MAX_MS = 30000, NONCE_LIFE_MS = 30000, NONCE_BYTES = 16, FREEZE_MS = 15000, FREEZE_MAX_MS = 60000 };
enum { HTTP_OK = 200, HTTP_BAD = 400, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_WRONG_METHOD = 405, HTTP_REFUSED = 409, HTTP_UNAVAILABLE = 503 };

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"

static void answer_text(struct httpd_request *r, unsigned status, const char *text)
{
    httpd_answer(r, status, TYPE_TEXT, str_of(text));
}

void answer_error(struct httpd_request *r, unsigned status, const char *text)
{
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, "error", text);
    json_object_end(&j);
    httpd_answer(r, status, TYPE_JSON, buf_str(&out));
}

void answer_json(struct httpd_request *r, struct str text)
{
    httpd_answer(r, HTTP_OK, TYPE_JSON, text);
}

/* ---- the state ---- */

static void put_probes(struct jsonout *j, const struct gauge *g)
{
    json_key(j, "probes");
    json_object(j);
    json_put_int(j, "connect", g->connect_ok ? g->connect_ms : -1);
    json_put_int(j, "read", g->read_ok ? g->read_ms : -1);
    json_put_int(j, "write", g->write_ok ? g->write_ms : -1);
    json_object_end(j);
}

/* in_ms: at the earliest; -1: not without a certificate. */
static void put_takeover(const struct agent *a, struct jsonout *j)
{
    int64_t in_ms = 0, epoch = a->hold ? hold_intent(a->hold, &in_ms) : 0;
    json_key(j, "takeover");
    json_object(j);
    json_put_int(j, "epoch", epoch);
    json_put_text(j, "phase", promotion_phase(a));
    json_put_int(j, "in_ms", !epoch ? 0 : in_ms == TIME_NEVER ? -1 : in_ms);
    json_put_text(j, "why", a->promote_why);
    json_object_end(j);
}

static const char *lsn_say(uint64_t lsn, char *to, size_t size)
{
    snprintf(to, size, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
    return to;
}

static void put_state(const struct agent *a, struct buf *out)
{
    const struct gauge *g = &a->gauge;
    char identifier[32], end[32];
    const char *lsn;
    int64_t timeline = 0;
    struct jsonout j = jsonout(out);
    snprintf(identifier, sizeof(identifier), "%llu", (unsigned long long)a->system_identifier);
    json_object(&j);
    json_put_int(&j, "serial", a->serial);
    json_put_text(&j, "site", a->spec->site->name);
    json_put_text(&j, "pg", agent_state_name(a->state));
    json_put_int(&j, "since_ms_ago", clock_boot_ms() - a->since_ms);
    json_put_text(&j, "why", a->why);
    json_put_text(&j, "cause", cause_name(a->cause));
    put_probes(&j, g);
    json_put_int(&j, "epoch", a->epoch);
    json_key(&j, "lease");
    json_object(&j);
    json_put_int(&j, "valid_ms", a->hold ? hold_valid_ms(a->hold) : 0);
    json_put_text(&j, "by", a->hold ? hold_by(a->hold) : "none");
    if (a->hold) {
        json_put_int(&j, "other_seen_ms_ago", hold_other_seen_ms(a->hold));
        json_put_int(&j, "looked_ms_ago", hold_looked_ms(a->hold));
    }
    json_object_end(&j);
    json_put_int(&j, "timeline", g->timeline);
    json_put_text(&j, "lsn", g->lsn);
    json_put_text(&j, "received", g->received);
    json_put_text(&j, "replayed", g->replayed);
    json_put_int(&j, "lag_bytes", g->lag_bytes);
    json_put_int(&j, "lag_ms", g->lag_ms);
    json_put_bool(&j, "receiving", g->receiving);
    json_put_int(&j, "restarts", a->restarts);
    json_put_int(&j, "stopped", a->stopped);
    json_put_int(&j, "paused_ms", pause_left_ms(a));
    json_put_text(&j, "system_identifier", a->system_identifier ? identifier : "");
    json_put_text(&j, "armed", a->hold ? hold_armed(a->hold) : "none");
    if (a->wal_end)
        json_put_text(&j, "wal_end", lsn_say(a->wal_end, end, sizeof(end)));
    json_put_int(&j, "wal_timeline", a->wal_end && a->hold && hold_last(a->hold, &lsn, &timeline) ? timeline : 0);
    json_put_text(&j, "named", a->hold ? hold_named(a->hold) : "");
    json_put_int(&j, "wrote", a->hold ? hold_wrote(a->hold) : 0);
    json_put_int(&j, "certified", a->hold ? hold_certified(a->hold) : 0);
    json_put_bool(&j, "follows", agent_is_standby(a) && !a->promoting);
    put_takeover(a, &j);
    json_object_end(&j);
}

static void answer_state(const struct agent *a, struct httpd_request *r)
{
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    put_state(a, &out);
    httpd_answer(r, HTTP_OK, TYPE_JSON, buf_str(&out));
}

static void set_poll_timer(struct agent *a)
{
    int64_t next = TIME_NEVER;
    for (size_t i = 0; i < AGENT_POLLS_MAX; i++)
        if (a->polls[i].request)
            next = MIN_OF(next, a->polls[i].until_ms);
    if (next != TIME_NEVER)
        loop_timer_set(a->poll_timer, next);
}

void agent_told(struct agent *a)
{
    a->serial++;
    answer_polls(a, true);
}

static void on_poll_timer(void *arg)
{
    answer_polls(arg, false);
}

void answer_polls(struct agent *a, bool all)
{
    int64_t now = clock_boot_ms();
    for (size_t i = 0; i < AGENT_POLLS_MAX; i++)
        if (a->polls[i].request && (all || now >= a->polls[i].until_ms))
            answer_state(a, TAKE(a->polls[i].request));
    if (a->poll_timer)
        set_poll_timer(a);
}

/* Waits for a change after the serial that the asker knows. When too many wait, the newest is answered at once. */
static void take_state(struct agent *a, struct httpd_request *r)
{
    const char *after = httpd_argument(r, "after"), *wait = httpd_argument(r, "wait");
    int64_t serial = -1, ms = 0;
    if ((after && !str_int(str_of(after), &serial)) || (wait && (!str_int(str_of(wait), &ms) || ms < 0))) {
        answer_error(r, HTTP_BAD, "after and wait are numbers");
        return;
    }
    for (size_t i = 0; ms > 0 && serial == a->serial && i < AGENT_POLLS_MAX; i++)
        if (!a->polls[i].request) {
            if (!a->poll_timer)
                a->poll_timer = loop_timer_new(a->loop, on_poll_timer, a);
            a->polls[i] = (struct agent_poll){r, clock_boot_ms() + MIN_OF(ms, WAIT_MAX_MS)};
            set_poll_timer(a);
            return;
        }
    answer_state(a, r);
}

/* ---- for load balancers ---- */

static bool lag_fits(const struct gauge *g, const char *limit)
{
    struct err err = {0};
    int64_t n;
    if (!limit)
        return true;
    if (str_int(str_of(limit), &n))
        return g->lag_bytes >= 0 && g->lag_bytes <= n;
    return duration_parse(limit, &n, &err) && g->lag_ms >= 0 && g->lag_ms <= n;
}

/* Yes is 200, no is 503 with the reason. */
static bool take_role(struct agent *a, struct httpd_request *r)
{
    bool primary = a->state == AGENT_PRIMARY, standby = a->state == AGENT_STANDBY, yes;
    if (same(r->path, "/primary"))
        yes = primary;
    else if (same(r->path, "/replica"))
        yes = standby && lag_fits(&a->gauge, httpd_argument(r, "lag"));
    else if (same(r->path, "/health") || same(r->path, "/read-only"))
        yes = primary || standby;
    else
        return false;
    char text[AGENT_WHY_SIZE + 32];
    snprintf(text, sizeof(text), "%s: %s\n", agent_state_name(a->state), a->why);
    answer_text(r, yes ? HTTP_OK : HTTP_UNAVAILABLE, text);
    return true;
}

/* ---- commands ---- */

static void take_nonce(struct agent *a, struct httpd_request *r)
{
    unsigned char random[NONCE_BYTES];
    struct agent_nonce *n = &a->nonces[a->nonce_next++ % AGENT_NONCES_MAX];
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        answer_error(r, HTTP_UNAVAILABLE, "no random numbers are to be had");
        return;
    }
    for (size_t i = 0; i < NONCE_BYTES; i++)
        snprintf(n->text + 2 * i, 3, "%02x", random[i]);
    n->until_ms = clock_boot_ms() + NONCE_LIFE_MS;
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, "nonce", n->text);
    json_put_int(&j, "epoch", a->epoch);
    json_object_end(&j);
    httpd_answer(r, HTTP_OK, TYPE_JSON, buf_str(&out));
}

static bool use_nonce(struct agent *a, const char *text)
{
    for (size_t i = 0; text && i < AGENT_NONCES_MAX; i++) {
        struct agent_nonce *n = &a->nonces[i];
        if (!*n->text || !signature_same(n->text, text))
            continue;
        *n->text = 0; /* once, whatever comes of it */
        return clock_boot_ms() <= n->until_ms;
    }
    return false;
}

/* Signature first: what is not signed is not even read. */
static bool is_authentic(struct agent *a, const struct httpd_request *r, struct arena *arena, const struct json **ret, int64_t *ret_epoch, struct err *err)
{
    char signature[SIGNATURE_COMMAND_SIZE];
    if (!a->token)
        return err_set(err, ERR_PERMISSION, "this agent has no token, so it takes no commands");
    signature_command(a->token, r->method, r->path, r->body, signature);
    if (!signature_same(signature, httpd_header(r, SIGNATURE_COMMAND_HEADER)))
        return err_set(err, ERR_PERMISSION, "the signature is missing or wrong");
    if (!json_parse(arena, r->body, ret, err))
        return false;
    if (!use_nonce(a, json_string(json_get(*ret, "nonce"))))
        return err_set(err, ERR_PERMISSION, "the nonce is not one that was given, or was used already; GET /v1/nonce gives one");
    if (!json_integer(json_get(*ret, "epoch"), ret_epoch) || *ret_epoch < 0)
        return err_set(err, ERR_DATA, "\"epoch\" is missing");
    return true;
}

static bool wants_certificate(const struct httpd_request *r)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    const struct json *body;
    bool wanted = false;
    return json_parse(arena, r->body, &body, &err) && json_truth(json_get(body, "certificate"), &wanted) && wanted;
}

/* The certificate is signed over the question and the epoch, so that nobody on the way can say in our name that we are stopped. */
void answer_stopped(struct agent *a, const char *evidence)
{
    struct httpd_request *r = TAKE(a->stopping);
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    char proof[SIGNATURE_COMMAND_SIZE], verb[64];
    struct err err = {0};
    int64_t epoch = 0;
    if (!r)
        return;
    if (a->hold && wants_certificate(r) && !hold_certify(a->hold, &epoch, &err)) {
        answer_error(r, (unsigned)err_http_status(err.code), err.message);
        return;
    }
    json_object(&j);
    json_put_bool(&j, "stopped", true);
    json_put_text(&j, "evidence", evidence);
    if (epoch) {
        snprintf(verb, sizeof(verb), "STOPPED %lld", (long long)epoch);
        signature_command(a->token, verb, r->path, r->body, proof);
        json_put_text(&j, "site", a->spec->site->name);
        json_put_int(&j, "wrote", epoch);
        json_put_text(&j, "proof", proof);
    }
    json_object_end(&j);
    httpd_answer(r, HTTP_OK, TYPE_JSON, buf_str(&out));
}

static bool do_stop(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    const char *mode = json_string(json_get(body, "mode"));
    char evidence[AGENT_WHY_SIZE] = "";
    if (mode && !same(mode, "immediate") && !same(mode, "fast"))
        return err_set(err, ERR_USAGE, "mode is immediate or fast, not \"%s\"", mode);
    if (same(mode, "fast"))
        return agent_stop_fast(a, r, err);
    if (!agent_stop_now(a, "told to by a signed command", evidence, sizeof(evidence), err))
        return false;
    struct httpd_request *waits = a->stopping;
    a->stopping = r;
    answer_stopped(a, evidence);
    a->stopping = waits; /* told when the pidfd has told us */
    return true;
}

static bool do_start(struct agent *a, struct httpd_request *r, const struct json *body UNUSED, struct err *err)
{
    if (!agent_allow(a, err))
        return false;
    if (!postmaster_pid(a->postmaster) && !postmaster_find(a->postmaster, err) && !agent_start_postgres(a, err))
        return false;
    a->wanted = true;
    httpd_answer(r, HTTP_OK, TYPE_JSON, STR("{\"started\":true}"));
    return true;
}

static bool do_freeze(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    int64_t ms = FREEZE_MS;
    const struct json *for_ms = json_get(body, "for_ms");
    if (for_ms && (!json_integer(for_ms, &ms) || ms < 0 || ms > FREEZE_MAX_MS))
        return err_set(err, ERR_USAGE, "for_ms is a number up to %d", FREEZE_MAX_MS);
    bool none_new = false;
    if (json_get(body, "none_new") && !json_truth(json_get(body, "none_new"), &none_new))
        return err_set(err, ERR_USAGE, "none_new is true or false");
    if (ms > 0)
        return freeze_postgres(a, r, ms, none_new, err);
    freeze_thaw(a, false);
    answer_json(r, STR("{\"frozen\":false}"));
    return true;
}

static void on_told(void *arg, const struct err *err)
{
    struct agent *a = arg;
    struct httpd_request *r = TAKE(a->told);
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    if (err) {
        answer_error(r, (unsigned)err_http_status(err->code), err->message);
        return;
    }
    agent_resume(a);
    json_object(&j);
    put_takeover(a, &j);
    json_object_end(&j);
    answer_json(r, buf_str(&out));
}

static size_t read_certificates(const struct json *list, struct hold_certificate *to)
{
    size_t n = 0;
    for (size_t i = 0; i < json_count(list) && n < HOLD_CERTIFICATES_MAX; i++) {
        const struct json *c = json_at(list, i);
        const char *site = json_string(json_get(c, "site")), *how = json_string(json_get(c, "how"));
        if (site && json_integer(json_get(c, "epoch"), &to[n].epoch) && COPY_TO(to[n].site, site)) {
            COPY_TO(to[n].how, how ? how : "");
            n++;
        }
    }
    return n;
}

static bool do_promote(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    struct hold_certificate certificates[HOLD_CERTIFICATES_MAX];
    int64_t epoch = 0;
    if (!a->hold)
        return err_set(err, ERR_REFUSED, "this agent lives by no lease, and promotes nothing");
    if (a->told)
        return err_set(err, ERR_UNAVAILABLE, "it is being told to take over by somebody else");
    size_t n = read_certificates(json_get(body, "certificates"), certificates);
    if (!json_integer(json_get(body, "epoch"), &epoch) || !hold_take_over(a->hold, epoch, certificates, n, on_told, a, err))
        return false;
    a->told = r;
    return true;
}

static bool do_follow(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    const char *name = json_string(json_get(body, "site"));
    const struct site *site = name ? service_site(a->spec->service, name) : NULL;
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    if (!site || site == a->spec->site)
        return err_set(err, ERR_USAGE, "\"site\" names the site to follow");
    if (a->hold && same(hold_named(a->hold), a->spec->site->name))
        return err_set(err, ERR_REFUSED, "epoch %lld names this site: it follows nobody", (long long)hold_epoch(a->hold));
    if (!follow_site(a, site, err))
        return false;
    agent_resume(a);
    json_object(&j);
    json_put_text(&j, "follows", name);
    json_object_end(&j);
    answer_json(r, buf_str(&out));
    return true;
}

static bool do_lost(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    int64_t timeline = 0;
    uint64_t fork = 0;
    if (!json_integer(json_get(body, "timeline"), &timeline) || timeline <= 0 || timeline > UINT32_MAX || !lsn_parse(str_of(json_string(json_get(body, "fork"))), &fork) || !fork)
        return err_set(err, ERR_USAGE, "\"timeline\" and \"fork\" say where another parted from this one");
    return lost_read(a, r, timeline, fork, err);
}

static bool do_pause(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    int64_t for_ms = 0;
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    if (!json_integer(json_get(body, "for_ms"), &for_ms) || for_ms < 0)
        return err_set(err, ERR_USAGE, "\"for_ms\" is missing: so long nothing is started by itself, 0 ends it");
    if (!pause_set(a, for_ms, err))
        return false;
    json_object(&j);
    json_put_int(&j, "paused_ms", pause_left_ms(a));
    json_object_end(&j);
    httpd_answer(r, HTTP_OK, TYPE_JSON, buf_str(&out));
    return true;
}

/* The answer is signed over the question, so that nobody on the way can grant in our name. */
static bool do_grant(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err)
{
    int64_t epoch = 0;
    const char *site = json_string(json_get(body, "site")), *armed = json_string(json_get(body, "armed"));
    char proof[SIGNATURE_COMMAND_SIZE];
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    if (!a->hold || !site || !json_integer(json_get(body, "epoch"), &epoch))
        return err_set(err, ERR_REFUSED, a->hold ? "\"site\" is missing" : "this agent lives by no lease, and grants none");
    bool granted = hold_grant(a->hold, epoch, site, armed && !same(armed, "none"), err);
    if (!granted && err->code != ERR_REFUSED)
        return false;
    signature_command(a->token, granted ? "GRANTED" : "REFUSED", r->path, r->body, proof);
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_bool(&j, "granted", granted);
    json_put_text(&j, "proof", proof);
    if (!granted)
        json_put_text(&j, "why", err->message);
    json_object_end(&j);
    httpd_answer(r, HTTP_OK, TYPE_JSON, buf_str(&out));
    return true;
}

static const struct {
    const char *path;
    bool any_epoch; /* it says itself what is wrong with one that is over */
    bool (*run)(struct agent *a, struct httpd_request *r, const struct json *body, struct err *err); /* answers when true */
} orders[] = {
    {"/v1/stop", false, do_stop},
    {"/v1/start", false, do_start},
    {"/v1/freeze", false, do_freeze},
    {"/v1/promote", false, do_promote},
    {"/v1/follow", false, do_follow},
    {"/v1/pause", false, do_pause},
    {"/v1/lost", false, do_lost},
    {"/v1/grant", true, do_grant},
};

static bool take_order(struct agent *a, struct httpd_request *r)
{
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        if (!same(r->path, orders[i].path))
            continue;
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct err err = {0};
        const struct json *body;
        int64_t epoch;
        if (!same(r->method, "POST"))
            answer_error(r, HTTP_WRONG_METHOD, "POST it");
        else if (!is_authentic(a, r, arena, &body, &epoch, &err) || (!orders[i].any_epoch && !agent_note_epoch(a, epoch, &err)) ||
                 !orders[i].run(a, r, body, &err))
            answer_error(r, (unsigned)err_http_status(err.code), err.message);
        return true;
    }
    return false;
}

void answer_request(void *agent, struct httpd_request *r)
{
    struct agent *a = agent;
    bool asks = same(r->method, "GET") || same(r->method, "HEAD") || same(r->method, "OPTIONS");
    if (take_order(a, r))
        return;
    if (!asks)
        answer_error(r, HTTP_WRONG_METHOD, "GET it");
    else if (same(r->path, "/v1/state"))
        take_state(a, r);
    else if (same(r->path, "/v1/nonce"))
        take_nonce(a, r);
    else if (!take_role(a, r))
        answer_error(r, HTTP_NOT_FOUND, "there is nothing of that name");
}
