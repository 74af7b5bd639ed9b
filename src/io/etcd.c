/* io/etcd.c -- A call's way to an answer: endpoint after endpoint within one deadline, a token before it, and the memory of whether an
   attempt whose answer was lost may have been carried out. */
#include "io/etcd.h"

#include <string.h>

#include "base/jsonout.h"
#include "io/dns.h"
#include "io/etcd_words.h"
#include "io/http_internal.h"
#include "sys/clock.h"
#include "sys/secret.h"

/* Between one round over all endpoints and the next: while a new leader is chosen, each says at once that there is none. */
enum { PAUSE_MS = 100, TOKEN_ANSWER_MAX = 64 << 10 };
/* Tokens for one call: one member takes what another has given out, but not after it was started anew. */
enum { TOKENS_MAX = 2 };

struct etcd {
    struct arena *arena;
    struct etcd_spec spec;
    const char **urls;          /* no slash at the end */
    size_t preferred;           /* who answered last, or comes after the one that did not */
    char *token;                /* malloc'ed; NULL: none was asked for yet, "": this etcd has no users */
    struct loop *loop, *own_loop;
    struct dns *dns;
    struct http *http, *own_http;
    struct etcd_call *calls;
};

struct etcd_call {
    struct etcd *etcd;
    struct etcd_call *next, **link;
    struct arena *arena, *answers;
    struct etcd_request request; /* what is needed to read the answer */
    struct buf body;
    etcd_done_fn *done;
    void *arg;
    struct http_request *http;
    struct loop_timer *pause;
    int64_t timeout_ms, deadline_ms, sent_ms;
    size_t endpoint, tried;      /* tried: in this round */
    const char **reasons;        /* of each endpoint, its last */
    struct err telling;          /* the failure that says most, and whose it was */
    size_t telling_at;
    bool changes;
    bool sent;                   /* the attempt under way may have reached etcd */
    bool perhaps_done;           /* an earlier one may have, and what became of it is not known */
    bool asking_token, in_done;
    int tokens_asked;
};

/* ---- opening ---- */

/* "https://host:port" and nothing more: a name and password in it would end in messages. */
static bool endpoint_is_good(const char *url)
{
    const char *host = str_starts(str_of(url), "https://") ? url + 8 : str_starts(str_of(url), "http://") ? url + 7 : "";
    size_t n = strcspn(host, "/@?# \t");
    return n > 0 && (!host[n] || same(host + n, "/"));
}

static bool spec_is_good(const struct etcd_spec *spec, struct err *err)
{
    if (!spec->endpoint_count || spec->endpoint_count > ETCD_ENDPOINTS_MAX)
        return err_set(err, ERR_CONFIG, "etcd needs 1 to %d endpoints, not %zu", ETCD_ENDPOINTS_MAX, spec->endpoint_count);
    for (size_t i = 0; i < spec->endpoint_count; i++)
        if (!endpoint_is_good(spec->endpoints[i]))
            return err_set(err, ERR_CONFIG, "endpoint %zu of etcd is not of the form \"https://host:2379\"", i + 1);
    if (!spec->cert_file != !spec->key_file)
        return err_set(err, ERR_CONFIG, "etcd needs both the file of our certificate and that of its key, or neither");
    if (spec->timeout_ms <= 0)
        return err_set(err, ERR_CONFIG, "etcd needs a time within which it has to answer");
    return true;
}

static void copy_spec(struct etcd *e, const struct etcd_spec *spec)
{
    e->spec = (struct etcd_spec){
        .endpoint_count = spec->endpoint_count,
        .ca_file = arena_strdup(e->arena, spec->ca_file),
        .cert_file = arena_strdup(e->arena, spec->cert_file),
        .key_file = arena_strdup(e->arena, spec->key_file),
        .user = arena_strdup(e->arena, spec->user),
        .password = {spec->password.source, arena_strdup(e->arena, spec->password.ref)},
        .timeout_ms = spec->timeout_ms,
    };
    e->urls = arena_array(e->arena, const char *, spec->endpoint_count);
    for (size_t i = 0; i < spec->endpoint_count; i++) {
        size_t n = strlen(spec->endpoints[i]);
        e->urls[i] = arena_strndup(e->arena, spec->endpoints[i], n - (spec->endpoints[i][n - 1] == '/'));
    }
}

bool etcd_open(const struct etcd_spec *spec, struct http *http, struct etcd **ret, struct err *err)
{
    if (!spec_is_good(spec, err))
        return false;
    struct etcd *e = calloc(1, sizeof(*e));
    if (!e)
        abort();
    e->arena = arena_open();
    copy_spec(e, spec);
    if (!http) {
        e->own_loop = loop_open();
        e->dns = dns_open(e->own_loop, spec->timeout_ms);
        http = e->own_http = http_open(e->own_loop, e->dns);
    }
    e->http = http;
    e->loop = http_loop(http);
    *ret = e;
    return true;
}

static void forget_token(struct etcd *e)
{
    secret_wipe(e->token);
    free(e->token);
    e->token = NULL;
}

static void keep_token(struct etcd *e, const char *token)
{
    forget_token(e);
    e->token = strdup(token);
    if (!e->token)
        abort();
}

static void call_free(struct etcd_call *c)
{
    http_cancel(&c->http);
    loop_timer_free(&c->pause);
    buf_done(&c->body);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    arena_close(&c->arena);
    free(c);
}

void etcd_close(struct etcd **etcd)
{
    if (!etcd || !*etcd)
        return;
    struct etcd *e = *etcd;
    for (struct etcd_call *c = e->calls, *next; c; c = next) {
        next = c->next;
        call_free(c);
    }
    forget_token(e);
    http_close(&e->own_http);
    dns_close(&e->dns);
    loop_close(&e->own_loop);
    arena_close(&e->arena);
    free(e);
    *etcd = NULL;
}

/* ---- the end of a call ---- */

static void finish(struct etcd_call *c, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct err why = {0};
    if (outcome != ETCD_ANSWERED)
        why = *err;
    if (outcome == ETCD_NOT_DONE && c->perhaps_done)
        outcome = ETCD_UNKNOWN; /* this attempt did nothing; one before it may have */
    if (outcome == ETCD_UNKNOWN)
        err_prefix(&why, "it is not known whether etcd made the change");
    c->in_done = true;
    c->done(c->arg, outcome, answer, outcome == ETCD_ANSWERED ? NULL : &why);
    call_free(c);
}

/* All endpoints were asked in vain: who said what. The most telling failure gives the code. */
static void finish_without(struct etcd_call *c)
{
    const struct etcd *e = c->etcd;
    SCOPED(buf_done) struct buf text = {.max = sizeof(c->telling.message)};
    for (size_t i = 0; i < e->spec.endpoint_count; i++)
        if (c->reasons[i])
            buf_printf(&text, "%s%s: %s", text.n ? "; " : "", e->urls[i], c->reasons[i]);
    struct err err = c->telling;
    bool down = err.code == ERR_NONE || err.code == ERR_UNAVAILABLE || err.code == ERR_TIMEOUT;
    if (down) {
        err_set(&err, ERR_UNAVAILABLE, "no answer of etcd within %.1f s: %s", (double)c->timeout_ms / 1000.0, text.n ? buf_text(&text) : "there was no time to ask");
        err_hint(&err, "etcd answers while more than half of its members are up and see each other: \"etcdctl endpoint status\" on one of them");
    } else if (e->spec.endpoint_count > 1) {
        err_prefix(&err, "%s", e->urls[c->telling_at]);
    }
    finish(c, ETCD_NOT_DONE, NULL, &err);
}

/* ---- attempts ---- */

static void try_now(struct etcd_call *c);

static bool says_more(const struct err *a, const struct err *b)
{
    bool a_down = a->code == ERR_UNAVAILABLE || a->code == ERR_TIMEOUT || a->code == ERR_NONE;
    bool b_down = b->code == ERR_UNAVAILABLE || b->code == ERR_TIMEOUT || b->code == ERR_NONE;
    return b_down || !a_down;
}

static void on_pause_over(void *arg)
{
    try_now(arg);
}

/* This endpoint did not answer: the next one, and after all of them another round, while there is time and hope. */
static void go_on(struct etcd_call *c, const struct err *err)
{
    struct etcd *e = c->etcd;
    c->reasons[c->endpoint] = arena_strdup(c->arena, err->message);
    if (says_more(err, &c->telling)) {
        c->telling = *err;
        c->telling_at = c->endpoint;
    }
    c->endpoint = (c->endpoint + 1) % e->spec.endpoint_count;
    e->preferred = c->endpoint;
    c->tried++;
    int64_t now = clock_boot_ms();
    bool all = c->tried == e->spec.endpoint_count;
    bool hope = c->telling.code == ERR_UNAVAILABLE || c->telling.code == ERR_TIMEOUT;
    if (now >= c->deadline_ms || (all && (!hope || now + PAUSE_MS >= c->deadline_ms))) {
        finish_without(c);
    } else if (!all) {
        try_now(c);
    } else {
        c->tried = 0;
        loop_timer_set(c->pause, now + PAUSE_MS);
    }
}

/* The attempt under way may have reached etcd, and what it answered, if anything, does not tell what it did. */
static void lost(struct etcd_call *c, const struct err *err)
{
    c->perhaps_done = c->perhaps_done || c->changes;
    if (c->request.repeatable)
        go_on(c, err);
    else
        finish(c, ETCD_UNKNOWN, NULL, err);
}

static void on_answer(struct etcd_call *c, const struct http_response *response)
{
    struct etcd *e = c->etcd;
    struct err err = {0};
    struct etcd_answer answer = {0};
    switch (etcd_read(c->answers, &c->request, response->status, response->body, &answer, &err)) {
    case ETCD_SAID_ANSWER:
        e->preferred = c->endpoint;
        answer.sent_ms = c->sent_ms;
        answer.endpoint = arena_strdup(c->answers, e->urls[c->endpoint]);
        finish(c, ETCD_ANSWERED, &answer, NULL);
        return;
    case ETCD_SAID_TOKEN:
        forget_token(e);
        if (e->spec.user && c->tokens_asked < TOKENS_MAX)
            try_now(c);
        else
            finish(c, ETCD_NOT_DONE, NULL, &err);
        return;
    case ETCD_SAID_REFUSED:
        finish(c, ETCD_NOT_DONE, NULL, &err);
        return;
    case ETCD_SAID_NO_LEADER:
        go_on(c, &err);
        return;
    case ETCD_SAID_UNSURE:
        lost(c, &err);
        return;
    }
}

static void on_token(struct etcd_call *c, const struct http_response *response)
{
    struct err err = {0};
    const char *token;
    switch (etcd_read_token(c->arena, response->status, response->body, &token, &err)) {
    case ETCD_SAID_ANSWER:
        keep_token(c->etcd, token);
        try_now(c);
        return;
    case ETCD_SAID_REFUSED:
    case ETCD_SAID_TOKEN:
        err_prefix(&err, "asking for a token as \"%s\"", c->etcd->spec.user);
        finish(c, ETCD_NOT_DONE, NULL, &err);
        return;
    case ETCD_SAID_NO_LEADER:
    case ETCD_SAID_UNSURE:
        go_on(c, &err);
        return;
    }
}

static void on_http(void *arg, const struct http_response *response, const struct err *err)
{
    struct etcd_call *c = arg;
    bool token = c->asking_token;
    c->http = NULL;
    c->asking_token = false;
    if (response)
        (token ? on_token : on_answer)(c, response);
    else if (token || !c->sent)
        go_on(c, err);
    else
        lost(c, err);
}

/* Without a leader a member says so at once, instead of after its own seven seconds. */
#define WANTS_LEADER "Grpc-Metadata-Hasleader: true"

static bool post(struct etcd_call *c, const char *path, struct str body, const char *token, struct err *err)
{
    struct etcd *e = c->etcd;
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *authorization = token && token[0] ? arena_printf(arena, "Authorization: %s", token) : NULL;
    const char *const headers[] = {"Content-Type: application/json", WANTS_LEADER, authorization, NULL};
    int64_t left = c->deadline_ms - clock_boot_ms();
    bool may_repeat = c->request.repeatable || c->asking_token;
    /* Who answered last may take half of the time; a dead one leaves the others the rest. */
    int64_t share = MAX_OF(c->tried + 1 < e->spec.endpoint_count ? left / 2 : left, 1);
    struct http_spec spec = {
        .method = "POST",
        .url = arena_printf(arena, "%s%s", e->urls[c->endpoint], path),
        .headers = headers,
        .body = body.p,
        .body_size = body.n,
        .timeout_ms = may_repeat ? share : MAX_OF(left, 1),
        .connect_ms = share,
        .max_body = c->asking_token ? TOKEN_ANSWER_MAX : ETCD_ANSWER_MAX,
        /* libcurl sends a request once more when a kept connection turns out to be dead: not this one. */
        .fresh_connection = !may_repeat,
        .ca_file = e->spec.ca_file,
        .cert_file = e->spec.cert_file,
        .key_file = e->spec.key_file,
        .sent = &c->sent,
    };
    c->sent = false;
    c->sent_ms = clock_boot_ms();
    bool started = http_start(e->http, &spec, on_http, c, &c->http, err);
    if (authorization)
        secret_wipe(authorization);
    return started;
}

static bool ask_for_token(struct etcd_call *c, struct err *err)
{
    struct etcd *e = c->etcd;
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf body = {.max = 4 * SECRET_MAX * 6};
    char *password = NULL;
    if (!secret_read(arena, &e->spec.password, &password, err))
        return err_prefix(err, "the password of etcd's user \"%s\"", e->spec.user);
    struct jsonout j = jsonout(&body);
    json_object(&j);
    json_put_text(&j, "name", e->spec.user);
    json_put_text(&j, "password", password ? password : "");
    json_object_end(&j);
    c->asking_token = true;
    c->tokens_asked++;
    bool started = post(c, "/v3/auth/authenticate", buf_str(&body), NULL, err);
    if (body.p)
        explicit_bzero(body.p, body.n);
    secret_wipe(password);
    return started;
}

/* False: it could not even begin, and `err` says why. */
static bool begin_attempt(struct etcd_call *c, struct err *err)
{
    if (c->etcd->spec.user && !c->etcd->token)
        return ask_for_token(c, err);
    return post(c, etcd_path(&c->request), buf_str(&c->body), c->etcd->token, err);
}

static void try_now(struct etcd_call *c)
{
    struct err err = {0};
    if (!begin_attempt(c, &err))
        finish(c, ETCD_NOT_DONE, NULL, &err);
}

/* ---- asking ---- */

static const struct etcd_op *copy_ops(struct arena *arena, const struct etcd_op *ops, size_t count)
{
    struct etcd_op *copy = count ? arena_dup(arena, ops, sizeof(*ops) * count) : NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i].key = arena_strdup(arena, ops[i].key);
        copy[i].value = (struct str){0}; /* is in the body */
    }
    return copy;
}

static void copy_request(struct etcd_call *c, const struct etcd_request *r)
{
    c->request = *r;
    c->request.compares = NULL; /* in the body; how many there are tells whether they could fail */
    c->request.ops = copy_ops(c->arena, r->ops, r->op_count);
    c->request.otherwise = copy_ops(c->arena, r->otherwise, r->otherwise_count);
    c->changes = etcd_changes(r);
    /* A lease granted twice lapses by itself; renewed or revoked twice it is what it is after once. */
    c->request.repeatable = r->repeatable || !c->changes || r->kind != ETCD_TXN;
    c->timeout_ms = r->timeout_ms > 0 ? r->timeout_ms : c->etcd->spec.timeout_ms;
    c->deadline_ms = clock_boot_ms() + c->timeout_ms;
}

/* `answers`: where what is read lives; NULL: with the call. */
static struct etcd_call *start(struct etcd *e, const struct etcd_request *request, struct arena *answers, etcd_done_fn *done, void *arg, struct err *err)
{
    struct etcd_call *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    *c = (struct etcd_call){.etcd = e, .arena = arena_open(), .done = done, .arg = arg, .endpoint = e->preferred, .next = e->calls, .link = &e->calls};
    if (c->next)
        c->next->link = &c->next;
    e->calls = c;
    c->answers = answers ? answers : c->arena;
    c->body.max = ETCD_REQUEST_MAX;
    c->reasons = arena_array(c->arena, const char *, e->spec.endpoint_count);
    c->pause = loop_timer_new(e->loop, on_pause_over, c);
    copy_request(c, request);
    if (etcd_write(request, &c->body, err) && begin_attempt(c, err))
        return c;
    call_free(c);
    return NULL;
}

bool etcd_start(struct etcd *e, const struct etcd_request *request, etcd_done_fn *done, void *arg, struct etcd_call **ret, struct err *err)
{
    struct etcd_call *c = start(e, request, NULL, done, arg, err);
    if (c && ret)
        *ret = c;
    return c != NULL;
}

void etcd_cancel(struct etcd_call **call)
{
    if (!call || !*call)
        return;
    struct etcd_call *c = *call;
    *call = NULL;
    if (!c->in_done)
        call_free(c);
}

const struct etcd_value *etcd_answer_value(const struct etcd_answer *answer, size_t op)
{
    return op < answer->result_count && answer->results[op].count ? &answer->results[op].values[0] : NULL;
}

/* ---- the blocking form ---- */

struct asked {
    struct etcd_answer *answer;
    struct err *err;
    enum etcd_outcome outcome;
    bool over;
};

static void on_asked(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct asked *a = arg;
    a->over = true;
    a->outcome = outcome;
    if (answer)
        *a->answer = *answer;
    else if (a->err)
        *a->err = *err;
}

enum etcd_outcome etcd_ask(struct etcd *e, struct arena *arena, const struct etcd_request *request, struct etcd_answer *ret, struct err *err)
{
    struct asked a = {.answer = ret, .err = err};
    if (!e->own_loop) {
        err_set(err, ERR_INTERNAL, "etcd was asked to block on a loop that is not its own");
        return ETCD_NOT_DONE;
    }
    struct etcd_call *c = start(e, request, arena, on_asked, &a, err);
    if (!c)
        return ETCD_NOT_DONE;
    while (!a.over)
        loop_once(e->own_loop, true);
    return a.outcome;
}
