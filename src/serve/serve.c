/* serve/serve.c -- The routes. What one turn of the loop brought is handed on as one, so that it costs one write to the disk; only then
   are its senders answered. */
#include "serve/serve.h"

#include "base/base64.h"
#include "base/jsonout.h"
#include "io/hash.h"
#include "io/httpd.h"
#include "sys/clock.h"
#include "sys/secret.h"

enum { TURN_ROWS_MAX = 20000, ANSWER_MAX = 4096, CREDENTIALS_MAX = 8192 };
enum { OK = 200, ACCEPTED = 202, NO_CONTENT = 204, BAD_REQUEST = 400, UNAUTHORIZED = 401, NOT_FOUND = 404, NOT_ALLOWED = 405, TOO_LARGE = 413, NOT_NOW = 503 };

/* Whoever waits for the end of the turn. */
struct waiting {
    struct httpd_request *request;
    const char *dedup_key; /* PagerDuty's form of an answer; NULL: Alertmanager's */
};

struct serve {
    const struct config *config;
    struct serve_callbacks callbacks;
    struct httpd *httpd;
    struct arena *arena;
    char token[HASH_HEX_SIZE]; /* its hash; "": none is asked for */
    struct intake in;          /* of this turn; its arena is NULL between turns */
    VEC(struct waiting) waiting;
};

/* ---- who may ---- */

static void hash_text(const char *text, size_t n, char hex[HASH_HEX_SIZE])
{
    struct hash *hash = hash_open();
    hash_add(hash, text, n);
    hash_end(hash, hex);
    hash_close(&hash);
}

/* Hashes are compared, so how long it takes tells nothing of the token. */
static bool is_token(const struct serve *s, const char *text, size_t n)
{
    char hex[HASH_HEX_SIZE];
    hash_text(text, n, hex);
    return same(hex, s->token);
}

/* "Bearer TOKEN", or the password of "Basic ...". */
static bool may(const struct serve *s, const char *authorization)
{
    static const char bearer[] = "Bearer ", basic[] = "Basic ";
    if (!*s->token)
        return true;
    if (!authorization)
        return false;
    if (strncasecmp(authorization, bearer, strlen(bearer)) == 0)
        return is_token(s, authorization + strlen(bearer), strlen(authorization + strlen(bearer)));
    SCOPED(buf_done) struct buf plain = {.max = CREDENTIALS_MAX};
    if (strncasecmp(authorization, basic, strlen(basic)) != 0 || !base64_decode(&plain, str_of(authorization + strlen(basic))))
        return false;
    const char *colon = memchr(buf_text(&plain), ':', plain.n);
    return colon && is_token(s, colon + 1, plain.n - (size_t)(colon + 1 - plain.p));
}

/* ---- answers ---- */

static void answer_json(struct httpd_request *request, unsigned status, const struct buf *json)
{
    httpd_answer(request, status, "application/json", buf_str(json));
}

/* {"status":"error","errorType":"...","error":"..."}, as Alertmanager and Prometheus say it. */
static void answer_error(struct httpd_request *request, unsigned status, const char *kind, const char *text)
{
    SCOPED(buf_done) struct buf json = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&json);
    json_object(&j);
    json_put_text(&j, "status", "error");
    json_put_text(&j, "errorType", kind);
    json_put_text(&j, "error", text);
    json_object_end(&j);
    answer_json(request, status, &json);
}

static void answer_pagerduty(struct httpd_request *request, unsigned status, const char *word, const char *message, const char *dedup_key, const char *error)
{
    SCOPED(buf_done) struct buf json = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&json);
    json_object(&j);
    json_put_text(&j, "status", word);
    json_put_text(&j, "message", message);
    if (dedup_key)
        json_put_text(&j, "dedup_key", dedup_key);
    if (error) {
        json_key(&j, "errors");
        json_array(&j);
        json_text(&j, error);
        json_array_end(&j);
    }
    json_object_end(&j);
    answer_json(request, status, &json);
}

/* Data that cannot be read is the sender's fault and stays so; a full table is ours and passes. */
static unsigned status_of(const struct err *err)
{
    return err->code == ERR_LIMIT ? TOO_LARGE : err->code == ERR_DATA ? BAD_REQUEST : NOT_NOW;
}

/* ---- alerts ---- */

static struct intake *turn_of(struct serve *s)
{
    if (!s->in.arena)
        s->in = (struct intake){.arena = arena_open(), .config = s->config, .wall_ms = clock_wall_ms()};
    return &s->in;
}

static bool has_room(struct serve *s, struct httpd_request *request)
{
    if (turn_of(s)->rows.n < TURN_ROWS_MAX)
        return true;
    answer_error(request, NOT_NOW, "unavailable", "too many alerts at once");
    return false;
}

static void await(struct serve *s, struct httpd_request *request, const char *dedup_key)
{
    *vec_add(s->in.arena, &s->waiting) = (struct waiting){.request = request, .dedup_key = dedup_key};
}

static void take_alerts(struct serve *s, struct httpd_request *request, bool (*read)(struct intake *in, struct str body, struct err *err))
{
    struct err err = {0};
    if (!has_room(s, request))
        return;
    if (read(turn_of(s), request->body, &err))
        await(s, request, NULL);
    else
        answer_error(request, status_of(&err), "bad_data", err.message);
}

static void post_webhook(struct serve *s, struct httpd_request *request, const char *rest UNUSED)
{
    take_alerts(s, request, intake_alertmanager);
}

static void post_alerts(struct serve *s, struct httpd_request *request, const char *rest UNUSED)
{
    take_alerts(s, request, intake_prometheus);
}

/* Senders of this form have no header to show; their routing_key is the token. */
static void post_event(struct serve *s, struct httpd_request *request, const char *rest UNUSED)
{
    struct err err = {0};
    struct pagerduty_said said;
    if (!has_room(s, request))
        return;
    size_t before = turn_of(s)->rows.n;
    bool ok = intake_pagerduty(turn_of(s), request->body, &said, &err);
    if (*s->token && !is_token(s, said.routing_key, strlen(said.routing_key)) && !may(s, request->authorization)) {
        s->in.rows.n = before;
        answer_pagerduty(request, BAD_REQUEST, "invalid event", "Event object is invalid", NULL, "'routing_key' is invalid");
    } else if (ok) {
        await(s, request, said.dedup_key);
    } else {
        answer_pagerduty(request, status_of(&err), "invalid event", "Event object is invalid", NULL, err.message);
    }
}

static void end_turn(struct serve *s)
{
    struct err err = {0};
    bool ok = s->in.rows.n == 0 || s->callbacks.take(s->callbacks.arg, s->in.rows.p, s->in.rows.n, &err);
    for (size_t i = 0; i < s->waiting.n; i++) {
        const struct waiting *w = &s->waiting.p[i];
        if (!ok)
            answer_error(w->request, NOT_NOW, "unavailable", err.message);
        else if (w->dedup_key)
            answer_pagerduty(w->request, ACCEPTED, "success", "Event processed", w->dedup_key, NULL);
        else
            httpd_answer(w->request, OK, "application/json", STR("{\"status\":\"success\"}"));
    }
}

static void on_turn(void *arg)
{
    struct serve *s = arg;
    if (!s->in.arena)
        return;
    end_turn(s);
    arena_close(&s->in.arena);
    s->in = (struct intake){0};
    memset(&s->waiting, 0, sizeof(s->waiting)); /* it lived in the turn's arena */
}

/* ---- heartbeats, health ---- */

/* A dead man's switch that arrives as an alert counts while it fires; its end is no sign of life. */
static bool says_resolved(struct str body)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    const struct json *root;
    return body.n && json_parse(scratch, body, &root, NULL) && same(json_string(json_get(root, "status")), "resolved");
}

static void post_heartbeat(struct serve *s, struct httpd_request *request, const char *name)
{
    struct err err = {0};
    if (says_resolved(request->body) || s->callbacks.beat(s->callbacks.arg, name, &err))
        httpd_answer(request, NO_CONTENT, NULL, STR(""));
    else if (err.code == ERR_NOT_FOUND)
        answer_error(request, NOT_FOUND, "not_found", err.message);
    else
        answer_error(request, NOT_NOW, "unavailable", err.message);
}

static void get_health(struct serve *s, struct httpd_request *request, const char *rest UNUSED)
{
    SCOPED(buf_done) struct buf json = {.max = ANSWER_MAX};
    bool well = s->callbacks.health(s->callbacks.arg, &json);
    answer_json(request, well ? OK : NOT_NOW, &json);
}

/* ---- routes ---- */

static const struct route {
    const char *method, *path;
    bool open;   /* no token is asked for here */
    bool prefix; /* what follows the path is a name */
    void (*handle)(struct serve *s, struct httpd_request *request, const char *rest);
} routes[] = {
    {"POST", "/api/v2/alerts", false, false, post_alerts},
    {"POST", "/alerts/alertmanager", false, false, post_webhook},
    {"POST", "/v2/enqueue", true, false, post_event}, /* its token stands in the body */
    {"POST", "/heartbeat/", false, true, post_heartbeat},
    {"GET", "/healthz", true, false, get_health},
};

static const struct route *route_of(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (routes[i].prefix ? str_starts(str_of(path), routes[i].path) && path[strlen(routes[i].path)] : same(path, routes[i].path))
            return &routes[i];
    return NULL;
}

static void on_request(void *arg, struct httpd_request *request)
{
    struct serve *s = arg;
    const struct route *route = route_of(request->path);
    bool head = same(request->method, "HEAD");
    if (!route)
        answer_error(request, NOT_FOUND, "not_found", "there is nothing here");
    else if (!same(head ? "GET" : request->method, route->method))
        answer_error(request, NOT_ALLOWED, "not_allowed", "not by this method");
    else if (!route->open && !may(s, request->authorization))
        answer_error(request, UNAUTHORIZED, "unauthorized", "show the token: Authorization: Bearer TOKEN");
    else
        route->handle(s, request, request->path + strlen(route->path));
}

static bool read_token(struct serve *s, struct err *err)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    char *token = NULL;
    if (!secret_read(scratch, &s->config->serve.token, &token, err))
        return err_prefix(err, "the token of serve");
    if (token && !*token)
        return err_set(err, ERR_CONFIG, "the token of serve is empty");
    if (token)
        hash_text(token, strlen(token), s->token);
    secret_wipe(token);
    return true;
}

bool serve_open(struct loop *loop, const struct config *config, const struct serve_callbacks *callbacks, struct serve **ret, struct err *err)
{
    struct arena *arena = arena_open();
    struct serve *s = arena_new(arena, struct serve);
    *s = (struct serve){.config = config, .callbacks = *callbacks, .arena = arena};
    struct httpd_spec spec = {.listen = config->serve.listen, .request = on_request, .turn = on_turn, .arg = s};
    if (!read_token(s, err) || !httpd_open(loop, &spec, &s->httpd, err)) {
        arena_close(&arena);
        return false;
    }
    *ret = s;
    return true;
}

void serve_close(struct serve **serve)
{
    if (!serve || !*serve)
        return;
    struct serve *s = TAKE(*serve);
    httpd_close(&s->httpd);
    arena_close(&s->in.arena);
    struct arena *arena = s->arena;
    arena_close(&arena);
}
