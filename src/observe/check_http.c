/* observe/check_http.c -- An address answers with an accepted status, soon enough, and with the JSON it should. */
#include "io/http.h"
#include "io/json.h"
#include "observe/drivers.h"

struct http_options {
    const char *url, *path;
    struct ints accept;
    const char *json;
    int64_t slow_ms;
    bool fresh;
    int errors, errors_over; /* percent of so many requests */
};

enum { OVER_MOST = 1024 };

struct http_check {
    struct check check; /* first */
    struct http_request *request;
    uint64_t failed[OVER_MOST / 64]; /* a bit for each of the last requests, a ring */
    int asked, next;                 /* how many stand in it, and where the next one goes */
};

enum { BODY_MOST = 256 * 1024 };

static bool is_accepted(const struct ints *accept, long status)
{
    for (size_t i = 0; i < accept->n; i++)
        if (accept->p[i] == status)
            return true;
    return accept->n == 0 && status == 200;
}

/* "status=ok": does the member of the body hold that text? The sentence when not, else NULL. */
static const char *json_problem(struct arena *arena, const char *assertion, struct str body)
{
    const char *equals = strchr(assertion, '=');
    const char *path = arena_strndup(arena, assertion, (size_t)(equals - assertion));
    const struct json *root;
    struct err err = {0};
    if (!json_parse(arena, body, &root, &err))
        return arena_printf(arena, "the body is not JSON: %s", err.message);
    const struct json *value = json_path(root, path);
    const char *text = json_scalar(arena, value);
    if (!value)
        return arena_printf(arena, "the body has no member \"%s\"", path);
    if (!text || !same(text, equals + 1))
        return arena_printf(arena, "\"%s\" is \"%s\" instead of \"%s\"", path, text ? text : "(an object or array)", equals + 1);
    return NULL;
}

/* Takes one more into the ring; the errors in it, -1: too few were asked to speak of a rate. */
static int errors_now(struct http_check *self, bool failed)
{
    const struct http_options *o = self->check.conf->options;
    int size = o->errors_over, errors = 0;
    uint64_t bit = UINT64_C(1) << (self->next % 64);
    self->failed[self->next / 64] = failed ? self->failed[self->next / 64] | bit : self->failed[self->next / 64] & ~bit;
    self->next = (self->next + 1) % size;
    self->asked = MIN_OF(self->asked + 1, size);
    for (int i = 0; i < self->asked; i++)
        errors += (int)(self->failed[i / 64] >> (i % 64) & 1);
    return self->asked == size ? errors : -1;
}

static void judge_answer(struct check *check, const struct http_response *r)
{
    struct http_check *self = CONTAINER_OF(check, struct http_check, check);
    const struct http_options *o = check->conf->options;
    const char *problem = o->json && is_accepted(&o->accept, r->status) ? json_problem(check->arena, o->json, r->body) : NULL;
    long long took = r->took_ms;
    int errors = o->errors ? errors_now(self, problem || !is_accepted(&o->accept, r->status)) : -1;
    if (!is_accepted(&o->accept, r->status))
        check_report(check, VERDICT_DOWN, "status %ld is not accepted, after %lld ms", r->status, took);
    else if (problem)
        check_report(check, VERDICT_DOWN, "status %ld in %lld ms, but %s", r->status, took, problem);
    else if (o->slow_ms && took > o->slow_ms)
        check_report(check, VERDICT_WARNING, "status %ld, but only after %.1f s; slow is over %.1f s", r->status, (double)took / 1000.0,
                     (double)o->slow_ms / 1000.0);
    else if (errors >= 0 && errors * 100 > o->errors * o->errors_over)
        check_report(check, VERDICT_WARNING, "status %ld in %lld ms, but %d of the last %d requests failed, more than %d %%", r->status, took, errors,
                     o->errors_over, o->errors);
    else
        check_report(check, VERDICT_UP, "status %ld in %lld ms", r->status, took);
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err)
{
    struct http_check *self = arg;
    self->request = NULL;
    if (response)
        judge_answer(&self->check, response);
    else {
        if (((const struct http_options *)self->check.conf->options)->errors)
            (void)errors_now(self, true);
        check_report(&self->check, VERDICT_DOWN, "%s", err->message);
    }
}

static const char *address(struct arena *arena, const struct check_conf *conf, const struct site *site)
{
    const struct http_options *o = conf->options;
    const char *base = o->url ? o->url : site->application.url, *path = o->path ? o->path : "";
    size_t n = strlen(base);
    if (*path == '/' && n && base[n - 1] == '/')
        n--;
    return arena_printf(arena, "%.*s%s", (int)n, base, path);
}

static void start(struct check *check)
{
    struct http_check *self = CONTAINER_OF(check, struct http_check, check);
    const struct http_options *o = check->conf->options;
    struct err err = {0};
    struct http_spec spec = {
        .url = address(check->arena, check->conf, check->site),
        .timeout_ms = check->conf->timeout_ms + MS_SECOND, /* the scheduler's deadline comes first */
        .max_body = BODY_MOST,
        .fresh_connection = o->fresh,
    };
    if (!http_start(check->env->http, &spec, on_answer, self, &self->request, &err))
        check_report(check, VERDICT_UNKNOWN, "%s", err.message);
}

static void cancel(struct check *check)
{
    struct http_check *self = CONTAINER_OF(check, struct http_check, check);
    if (self->request && ((const struct http_options *)check->conf->options)->errors)
        (void)errors_now(self, true); /* its time was over */
    http_cancel(&self->request);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct http_options *o = conf->options;
    const struct site *site = conf->site ? service_site(service, conf->site) : NULL;
    if (!o->url && !site) {
        err_set(err, ERR_CONFIG, "a check of type \"http\" needs a \"url\", or a site whose application has one");
        return err_hint(err, "add \"url: https://...\" or \"site: NAME\" to the check");
    }
    if (!o->url && !site->application.url) {
        err_set(err, ERR_CONFIG, "the application of site \"%s\" has no \"url\"", site->name);
        return err_hint(err, "add it there, or give the check a \"url\" of its own");
    }
    if (o->path && o->path[0] != '/')
        return err_set(err, ERR_CONFIG, "path \"%s\" does not begin with \"/\"", o->path);
    if (o->json && (!strchr(o->json, '=') || o->json[0] == '=')) {
        err_set(err, ERR_CONFIG, "\"%s\" is not an assertion about JSON", o->json);
        return err_hint(err, "write MEMBER=TEXT, for example status=ok or database.state=up");
    }
    return true;
}

#define AT(member) .offset = offsetof(struct http_options, member)
static const struct option options[] = {
    {"url", OPTION_URL, AT(url), .help = "address asked; when absent that of the site's application", .sample = "https://akig.com/api/health"},
    {"path", OPTION_STRING, AT(path), .help = "path added to the address", .sample = "/api/health"},
    {"accept", OPTION_INTS, AT(accept), .fallback = "[200]", .min = 100, .max = 599, .help = "status codes that count as up"},
    {"json", OPTION_STRING, AT(json), .help = "member of the JSON body that must equal a text, MEMBER=TEXT; dots go deeper", .sample = "status=ok"},
    {"slow", OPTION_DURATION, AT(slow_ms), .max = MS_HOUR, .help = "a later answer is a warning", .sample = "5s"},
    {"errors", OPTION_INT, AT(errors), .fallback = "0", .max = 100, .help = "percent of failed requests above which it is a warning; 0: not looked at"},
    {"errors_over", OPTION_INT, AT(errors_over), .fallback = "200", .min = 10, .max = OVER_MOST, .help = "of how many of the last requests"},
    {"fresh", OPTION_BOOL, AT(fresh), .fallback = "false", .help = "a new connection for every run"},
    OPTION_END,
};

const struct check_ops check_http = {
    .name = "http",
    .summary = "an HTTP address answers with an accepted status, in time, with the right JSON",
    .options = options,
    .options_size = sizeof(struct http_options),
    .check_size = sizeof(struct http_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
