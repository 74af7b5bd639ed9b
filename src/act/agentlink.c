/* act/agentlink.c -- A command is two exchanges: a nonce is fetched, then the order is signed over it and sent. */
#include "act/agentlink.h"

#include <inttypes.h>

#include "base/jsonout.h"
#include "io/dns.h"
#include "io/http.h"
#include "io/json.h"
#include "io/signature.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { BODY_MAX = 64 * 1024, HTTP_OK = 200, NAME_MS = 2000 };

struct call {
    struct agent_answer answer; /* first, so that it leads back to the call */
    struct agentlink *link;
    struct http_request *request;
    const struct site *site;
    const char *path, *members; /* members NULL: a question */
    char *token;                /* NULL: a question */
    char *sent;                 /* body of the order, once it was signed */
    int64_t epoch, began_ms, until_ms;
    bool ordering;              /* the nonce is there */
};

struct agentlink {
    struct arena *arena;
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct loop_timer *timer;
    VEC(struct call *) calls;
    size_t under_way;
    bool rang;
};

static void ring(void *arg)
{
    ((struct agentlink *)arg)->rang = true;
}

struct agentlink *agentlink_open(void)
{
    struct arena *a = arena_open();
    struct agentlink *l = arena_new(a, struct agentlink);
    *l = (struct agentlink){.arena = a, .loop = loop_open()};
    l->dns = dns_open(l->loop, NAME_MS);
    l->http = http_open(l->loop, l->dns);
    l->timer = loop_timer_new(l->loop, ring, l);
    return l;
}

void agentlink_close(struct agentlink **link)
{
    if (!link || !*link)
        return;
    struct agentlink *l = TAKE(*link);
    for (size_t i = 0; i < l->calls.n; i++) {
        if (l->calls.p[i]->request)
            http_cancel(&l->calls.p[i]->request);
        secret_wipe(l->calls.p[i]->token);
    }
    loop_timer_free(&l->timer);
    http_close(&l->http);
    dns_close(&l->dns);
    loop_close(&l->loop);
    struct arena *a = l->arena; /* l lives in it */
    arena_close(&a);
}

/* ---- one call ---- */

static void finish(struct call *c, bool ok)
{
    c->answer.over = true;
    c->answer.ok = ok;
    c->answer.took_ms = clock_boot_ms() - c->began_ms;
    c->link->under_way--;
    if (c->token)
        secret_wipe(c->token);
    c->token = NULL;
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err);

static void send_it(struct call *c, const char *method, const char *path, const char *signature)
{
    struct agentlink *l = c->link;
    int64_t left = c->until_ms - clock_boot_ms();
    const char *headers[] = {"Content-Type: application/json", signature ? arena_printf(l->arena, SIGNATURE_COMMAND_HEADER ": %s", signature) : NULL, NULL};
    struct http_spec spec = {.method = method, .url = arena_printf(l->arena, "%s%s", c->site->agent.url, path), .headers = headers,
                             .body = signature ? c->sent : NULL, .body_size = signature ? strlen(c->sent) : 0, .timeout_ms = MAX_OF(left, 1), .max_body = BODY_MAX};
    if (!http_start(l->http, &spec, on_answer, c, &c->request, &c->answer.err))
        finish(c, false);
}

static void sign_and_send(struct call *c, const struct json *given)
{
    char signature[SIGNATURE_COMMAND_SIZE];
    SCOPED(buf_done) struct buf out = {.max = BODY_MAX};
    struct jsonout j = jsonout(&out);
    const char *nonce = json_string(json_get(given, "nonce"));
    int64_t epoch = 0;
    if (!nonce || !json_integer(json_get(given, "epoch"), &epoch)) {
        err_set(&c->answer.err, ERR_PROTOCOL, "it gave no nonce");
        finish(c, false);
        return;
    }
    json_object(&j);
    json_put_text(&j, "nonce", nonce);
    json_put_int(&j, "epoch", c->epoch >= 0 ? c->epoch : epoch);
    json_object_end(&j);
    out.n--; /* the brace, which comes after the further members */
    bool whole = buf_printf(&out, "%s%s}", *c->members ? "," : "", c->members) && !out.over;
    if (!whole) {
        err_set(&c->answer.err, ERR_LIMIT, "the order is too long");
        finish(c, false);
        return;
    }
    c->sent = arena_strdup(c->link->arena, buf_text(&out));
    signature_command(c->token, "POST", c->path, str_of(c->sent), signature);
    c->ordering = true;
    send_it(c, "POST", c->path, signature);
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err)
{
    struct call *c = arg;
    const struct json *body = NULL;
    struct err bad = {0};
    c->request = NULL;
    if (!response) {
        c->answer.err = *err;
        finish(c, false);
        return;
    }
    /* What it says lives as long as the link. */
    struct str text = {str_dup(c->link->arena, response->body), response->body.n};
    bool parsed = json_parse(c->link->arena, text, &body, &bad);
    if (response->status == HTTP_OK && parsed) {
        if (c->token && !c->ordering) {
            sign_and_send(c, body);
            return;
        }
        c->answer.body = body;
        finish(c, true);
        return;
    }
    const char *why = parsed ? json_string(json_get(body, "error")) : NULL;
    enum err_code code = response->status == 409 ? ERR_REFUSED : response->status == 503 ? ERR_UNAVAILABLE : response->status == 403 ? ERR_PERMISSION : response->status == 422 ? ERR_DATA : ERR_PROTOCOL;
    err_set(&c->answer.err, code, "%s", why ? why : response->status == HTTP_OK ? bad.message : "it gave no reason");
    finish(c, false);
}

static struct call *begin(struct agentlink *link, const struct site *site, const char *path, int64_t timeout_ms)
{
    struct call *c = arena_new(link->arena, struct call);
    int64_t now = clock_boot_ms();
    *c = (struct call){.link = link, .site = site, .path = arena_strdup(link->arena, path), .began_ms = now, .until_ms = now + timeout_ms};
    *vec_add(link->arena, &link->calls) = c;
    link->under_way++;
    if (site->agent.url)
        return c;
    err_set(&c->answer.err, ERR_CONFIG, "site \"%s\" has no agent in the configuration", site->name);
    finish(c, false);
    return c;
}

struct agent_answer *agentlink_ask(struct agentlink *link, const struct site *site, const char *path, int64_t timeout_ms)
{
    struct call *c = begin(link, site, path, timeout_ms);
    if (!c->answer.over)
        send_it(c, "GET", c->path, NULL);
    return &c->answer;
}

struct agent_answer *agentlink_order(struct agentlink *link, const struct site *site, const char *path, int64_t epoch, const char *members, int64_t timeout_ms)
{
    struct call *c = begin(link, site, path, timeout_ms);
    c->members = members ? arena_strdup(link->arena, members) : "";
    c->epoch = epoch;
    if (c->answer.over)
        return &c->answer;
    if (!secret_read(link->arena, &site->agent.token, &c->token, &c->answer.err))
        finish(c, false);
    else if (!c->token)
        err_set(&c->answer.err, ERR_CONFIG, "site \"%s\" has no agent.token, without which its agent takes no orders", site->name), finish(c, false);
    else
        send_it(c, "GET", "/v1/nonce", NULL);
    return &c->answer;
}

bool agentlink_turn(struct agentlink *link, int64_t ms)
{
    size_t before = link->under_way;
    if (!before)
        return false;
    link->rang = false;
    loop_timer_set(link->timer, clock_boot_ms() + MAX_OF(ms, 0));
    while (!link->rang && link->under_way == before && loop_once(link->loop, true))
        ;
    loop_timer_cancel(link->timer);
    return true;
}

bool agentlink_finish(struct agentlink *link, const struct agent_answer *answer, const struct site *site, struct err *err)
{
    while (!answer->over)
        if (!agentlink_turn(link, MS_SECOND))
            return err_set(err, ERR_INTERNAL, "the agent of site \"%s\" was not asked", site->name);
    if (answer->ok)
        return true;
    if (err)
        *err = answer->err;
    return err_prefix(err, "the agent of site \"%s\"", site->name);
}

/* ---- what they say ---- */

#define TAKE_TEXT(array, json) take_text((array), sizeof(array), json)
static void take_text(char *to, size_t size, const struct json *json)
{
    const char *text = json_string(json);
    str_copy(to, size, text ? text : "");
}

static int64_t number(const struct json *json, int64_t otherwise)
{
    int64_t n;
    return json_integer(json, &n) ? n : otherwise;
}

static uint64_t position(const struct json *json)
{
    uint64_t lsn;
    return lsn_parse(str_of(json_string(json)), &lsn) ? lsn : 0;
}

bool agent_said(const struct agent_answer *answer, struct agent_said *ret, struct err *err)
{
    const struct json *b = answer->body, *takeover = json_get(b, "takeover");
    if (!answer->over || !answer->ok || !json_string(json_get(b, "pg")) || !json_string(json_get(b, "site")))
        return err_set(err, ERR_PROTOCOL, "the agent's answer about its state is not understood");
    *ret = (struct agent_said){
        .serial = number(json_get(b, "serial"), 0), .since_ms_ago = number(json_get(b, "since_ms_ago"), 0), .epoch = number(json_get(b, "epoch"), 0),
        .wrote = number(json_get(b, "wrote"), 0), .lease_ms = number(json_path(b, "lease.valid_ms"), 0), .other_seen_ms = number(json_path(b, "lease.other_seen_ms_ago"), -1), .timeline = number(json_get(b, "timeline"), 0),
        .restarts = number(json_get(b, "restarts"), 0), .lag_bytes = number(json_get(b, "lag_bytes"), -1), .lag_ms = number(json_get(b, "lag_ms"), -1),
        .lsn = position(json_get(b, "lsn")), .received = position(json_get(b, "received")), .replayed = position(json_get(b, "replayed")),
        .wal_end = position(json_get(b, "wal_end")), .wal_timeline = number(json_get(b, "wal_timeline"), 0),
        .writable = number(json_path(b, "probes.write"), -1) >= 0, .takeover_epoch = number(json_get(takeover, "epoch"), 0),
        .takeover_in_ms = number(json_get(takeover, "in_ms"), 0), .certified = number(json_get(b, "certified"), 0)};
    if (!json_truth(json_get(b, "follows"), &ret->follows))
        ret->follows = false;
    if (!json_truth(json_get(b, "receiving"), &ret->receiving))
        ret->receiving = false;
    TAKE_TEXT(ret->site, json_get(b, "site"));
    TAKE_TEXT(ret->pg, json_get(b, "pg"));
    TAKE_TEXT(ret->cause, json_get(b, "cause"));
    TAKE_TEXT(ret->why, json_get(b, "why"));
    TAKE_TEXT(ret->cluster, json_get(b, "system_identifier"));
    TAKE_TEXT(ret->lease_by, json_path(b, "lease.by"));
    TAKE_TEXT(ret->armed, json_get(b, "armed"));
    TAKE_TEXT(ret->named, json_get(b, "named"));
    TAKE_TEXT(ret->takeover_phase, json_get(takeover, "phase"));
    TAKE_TEXT(ret->takeover_why, json_get(takeover, "why"));
    return true;
}

/* ---- orders ---- */

static const char *member_text(struct agentlink *link, const char *key, const char *value)
{
    SCOPED(buf_done) struct buf out = {.max = BODY_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, key, value);
    json_object_end(&j);
    return arena_printf(link->arena, "%.*s", (int)out.n - 2, buf_text(&out) + 1); /* without its braces */
}

struct agent_answer *agentlink_stop(struct agentlink *link, const struct site *site, int64_t epoch, const char *mode, bool certificate, int64_t timeout_ms)
{
    const char *members = arena_printf(link->arena, "%s,\"certificate\":%s", member_text(link, "mode", mode), certificate ? "true" : "false");
    return agentlink_order(link, site, "/v1/stop", epoch, members, timeout_ms);
}

bool agentlink_stopped(const struct agent_answer *answer, int64_t *ret_epoch, char *evidence, size_t size, struct err *err)
{
    const struct call *c = (const struct call *)answer;
    const char *told = json_string(json_get(answer->body, "evidence")), *proof = json_string(json_get(answer->body, "proof"));
    char verb[64], wanted[SIGNATURE_COMMAND_SIZE];
    bool stopped = false;
    int64_t epoch = 0;
    char *token = NULL;
    if (!answer->over || !answer->ok || !json_truth(json_get(answer->body, "stopped"), &stopped) || !stopped || !told)
        return err_set(err, ERR_FAILED, "the agent of site \"%s\" did not say that it was stopped", c->site->name);
    str_copy(evidence, size, told);
    *ret_epoch = 0;
    if (!json_integer(json_get(answer->body, "wrote"), &epoch))
        return true;
    if (!secret_read(c->link->arena, &c->site->agent.token, &token, err))
        return false;
    snprintf(verb, sizeof(verb), "STOPPED %" PRId64, epoch);
    signature_command(token ? token : "", verb, c->path, str_of(c->sent), wanted);
    secret_wipe(token);
    if (!token || !signature_same(wanted, proof) || !same(json_string(json_get(answer->body, "site")), c->site->name))
        return err_set(err, ERR_PERMISSION, "the certificate of site \"%s\" is not signed by its agent", c->site->name);
    *ret_epoch = epoch;
    return true;
}

struct agent_answer *agentlink_start(struct agentlink *link, const struct site *site, int64_t epoch, int64_t timeout_ms)
{
    return agentlink_order(link, site, "/v1/start", epoch, NULL, timeout_ms);
}

struct agent_answer *agentlink_freeze(struct agentlink *link, const struct site *site, int64_t epoch, int64_t for_ms, bool none_new, int64_t timeout_ms)
{
    const char *members = arena_printf(link->arena, "\"for_ms\":%" PRId64 ",\"none_new\":%s", for_ms, none_new ? "true" : "false");
    return agentlink_order(link, site, "/v1/freeze", epoch, members, timeout_ms);
}

struct agent_answer *agentlink_promote(struct agentlink *link, const struct site *site, int64_t epoch, const struct agent_certificate *certificates, size_t count,
                                       int64_t timeout_ms)
{
    SCOPED(buf_done) struct buf out = {.max = BODY_MAX};
    struct jsonout j = jsonout(&out);
    json_array(&j);
    for (size_t i = 0; i < count; i++) {
        json_object(&j);
        json_put_text(&j, "site", certificates[i].site);
        json_put_int(&j, "epoch", certificates[i].epoch);
        json_put_text(&j, "how", certificates[i].how);
        json_object_end(&j);
    }
    json_array_end(&j);
    return agentlink_order(link, site, "/v1/promote", epoch, arena_printf(link->arena, "\"certificates\":%s", out.over ? "[]" : buf_text(&out)), timeout_ms);
}

struct agent_answer *agentlink_follow(struct agentlink *link, const struct site *site, int64_t epoch, const struct site *of, int64_t timeout_ms)
{
    return agentlink_order(link, site, "/v1/follow", epoch, member_text(link, "site", of->name), timeout_ms);
}

struct agent_answer *agentlink_lost(struct agentlink *link, const struct site *site, int64_t timeline, uint64_t fork, int64_t timeout_ms)
{
    const char *members = arena_printf(link->arena, "\"timeline\":%" PRId64 ",%s", timeline, member_text(link, "fork", lsn_print(link->arena, fork)));
    return agentlink_order(link, site, "/v1/lost", -1, members, timeout_ms);
}

bool agentlink_lost_said(const struct agent_answer *answer, struct parted *ret, struct err *err)
{
    struct parted p = {.fork = position(json_get(answer->body, "fork")), .end = position(json_get(answer->body, "end"))};
    if (!answer->over || !answer->ok || !p.fork || p.end < p.fork || !json_integer(json_get(answer->body, "transactions"), &p.transactions) ||
        !json_integer(json_get(answer->body, "probes"), &p.probes) || p.transactions < 0 || p.probes < 0)
        return err_set(err, ERR_PROTOCOL, "the agent's answer about what was lost is not understood");
    *ret = p;
    return true;
}
