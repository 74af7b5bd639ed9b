/* io/http.c -- One HTTP exchange. The address comes from dns and is given by CURLOPT_CONNECT_TO, not CURLOPT_RESOLVE: that keys
   kept-alive connections by address, so that traffic moved by a DNS change is not watched over a connection to the old site. */
#include "io/http.h"

#include <curl/curl.h>
#include <strings.h>

#include "io/http_internal.h"
#include "sys/clock.h"

#define DEFAULT_MAX_BODY ((size_t)1 << 20)

struct transfer {
    struct http_request base; /* first */
    CURL *easy;
    bool added;
    struct curl_slist *headers, *connect_to;
    char why[CURL_ERROR_SIZE];
    struct buf body;
    const char *want_header, *header;
    int64_t retry_after_ms;
    bool *sent;
};

/* ---- what curl hands over ---- */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct transfer *t = arg;
    return buf_add(&t->body, data, size) ? size : 0;
}

/* More than a year is as good as a year, and does not overflow in whoever adds to it. */
static int64_t parse_retry_after(struct str value)
{
    const int64_t longest = 365 * MS_DAY;
    int64_t seconds = 0;
    char text[64];
    if (str_int(value, &seconds))
        return seconds < 0 ? -1 : MIN_OF(seconds, longest / MS_SECOND) * MS_SECOND;
    if (value.n >= sizeof(text))
        return -1;
    memcpy(text, value.p, value.n);
    text[value.n] = 0;
    time_t moment = curl_getdate(text, NULL);
    if (moment < 0)
        return -1;
    int64_t wait_s = (int64_t)moment - clock_wall_ms() / MS_SECOND;
    return MAX_OF(MIN_OF(wait_s, longest / MS_SECOND), 0) * MS_SECOND;
}

static bool is_header(struct str name, const char *wanted)
{
    return wanted && strlen(wanted) == name.n && !strncasecmp(name.p, wanted, name.n);
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct transfer *t = arg;
    struct str value = {data, size}, name;
    if (str_starts(value, "HTTP/")) { /* a new answer begins: what an interim one (100) said does not count */
        t->header = NULL;
        t->retry_after_ms = -1;
    } else if (str_next(&value, ':', &name) && value.p) {
        value = str_trim(value);
        if (is_header(name, t->want_header) && value.n <= 4096)
            t->header = str_dup(t->base.arena, value);
        if (is_header(name, "Retry-After"))
            t->retry_after_ms = parse_retry_after(value);
    }
    return size;
}

/* A connection stands, new or kept, and the request is about to leave. */
static int on_leaving(void *arg, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct transfer *t = arg;
    *t->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- the end ---- */

void http_transfer_ended(void *easy, int code)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct transfer *t = (struct transfer *)(void *)private;
    struct http_response response = {.retry_after_ms = t->retry_after_ms, .header = t->header, .body = buf_str(&t->body)};
    struct err err = {0};
    if (code == CURLE_OK) {
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response.status);
        char *type = NULL;
        curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
        response.content_type = type;
        response.took_ms = clock_boot_ms() - t->base.started_ms;
    } else if (t->body.over) {
        err_set(&err, ERR_LIMIT, "the answer of \"%s\" is larger than %zu bytes", t->base.host, t->body.max);
    } else {
        if (t->sent && curl_identity_refused(code, t->why))
            *t->sent = false;
        curl_error(easy, code, t->base.host, t->base.port, t->why, &err);
    }
    request_finish(&t->base, code == CURLE_OK ? &response : NULL, &err);
}

static void release(struct http_request *r)
{
    struct transfer *t = CONTAINER_OF(r, struct transfer, base);
    if (t->added)
        curl_multi_remove_handle(http_multi(r->http), t->easy);
    if (t->easy)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    buf_done(&t->body);
}

/* ---- the beginning ---- */

static void begin(struct http_request *r, const char *address)
{
    struct transfer *t = CONTAINER_OF(r, struct transfer, base);
    if (!same(address, r->host)) {
        t->connect_to = curl_slist_append(NULL, connect_to(r->arena, address));
        curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
    }
    t->added = true;
    curl_multi_add_handle(http_multi(r->http), t->easy);
}

static bool add_header(struct transfer *t, const char *header, struct err *err)
{
    if (!text_is_one_line(header) || !strchr(header, ':'))
        return err_set(err, ERR_USAGE, "a request header holds a line break or no colon");
    struct curl_slist *longer = curl_slist_append(t->headers, header);
    if (!longer)
        abort();
    t->headers = longer;
    return true;
}

static void set_method(struct transfer *t, const struct http_spec *spec)
{
    const char *method = spec->method ? spec->method : "GET";
    if (same(method, "HEAD"))
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    else if (!same(method, "GET") || spec->body)
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
    if (spec->body) {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_size);
        curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, spec->body);
    }
}

static void set_identity(struct transfer *t, const struct http_spec *spec)
{
    if (spec->ca_file)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, spec->ca_file);
    if (!spec->cert_file)
        return;
    curl_easy_setopt(t->easy, CURLOPT_SSLCERT, spec->cert_file);
    curl_easy_setopt(t->easy, CURLOPT_SSLKEY, spec->key_file);
    curl_easy_setopt(t->easy, CURLOPT_KEYPASSWD, ""); /* OpenSSL would ask at the terminal */
}

static void set_up(struct transfer *t, const struct http_spec *spec)
{
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_URL, spec->url);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*"); /* a proxy's name would be resolved by curl, blocking */
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "bascule");
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 8192L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    /* The deadline is ours, kept by request_go; curl's own limit on connecting must not end before it unasked. */
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(spec->connect_ms > 0 ? spec->connect_ms : t->base.timeout_ms + MS_MINUTE));
    if (spec->fresh_connection) {
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    if (t->sent) {
        curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_leaving);
        curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    }
    set_identity(t, spec);
    set_method(t, spec);
}

static bool set_headers(struct transfer *t, const struct http_spec *spec, struct err *err)
{
    for (size_t i = 0; spec->headers && spec->headers[i]; i++)
        if (!add_header(t, spec->headers[i], err))
            return false;
    return !spec->body || add_header(t, "Expect:", err); /* curl would wait a second for a 100 that few servers send */
}

static bool method_is_good(const char *method, struct err *err)
{
    for (const char *p = method ? method : "GET"; *p; p++)
        if ((*p < 'A' || *p > 'Z') && *p != '-')
            return err_set(err, ERR_USAGE, "\"%s\" is not a request method", method);
    return true;
}

static int port_of(const char *scheme)
{
    return !strcasecmp(scheme, "https") ? 443 : 80;
}

static const char *const schemes[] = {"http", "https", NULL};
static const struct http_kind http_kind = {.size = sizeof(struct transfer), .schemes = schemes, .port = port_of, .begin = begin, .release = release};

bool http_start(struct http *http, const struct http_spec *spec, http_done_fn *done, void *arg, struct http_request **ret, struct err *err)
{
    if (!method_is_good(spec->method, err))
        return false;
    struct http_request *r = request_new(http, &http_kind, spec->url, spec->timeout_ms, done, arg, err);
    if (!r)
        return false;
    struct transfer *t = CONTAINER_OF(r, struct transfer, base);
    t->easy = curl_easy_init();
    if (!t->easy)
        abort();
    t->body.max = spec->max_body ? spec->max_body : DEFAULT_MAX_BODY;
    t->want_header = arena_strdup(r->arena, spec->want_header);
    t->retry_after_ms = -1;
    t->sent = spec->sent;
    if (!set_headers(t, spec, err)) {
        request_free(r);
        return false;
    }
    set_up(t, spec);
    if (ret)
        *ret = r;
    request_go(r);
    return true;
}

/* ---- the blocking form ---- */

struct fetch {
    struct arena *arena;
    struct http_response *response;
    bool over, good;
    struct err err;
};

static void on_fetched(void *arg, const struct http_response *response, const struct err *err)
{
    struct fetch *f = arg;
    f->over = true;
    f->good = response != NULL;
    if (!response) {
        f->err = *err;
        return;
    }
    *f->response = *response;
    f->response->body.p = arena_strndup(f->arena, response->body.n ? response->body.p : "", response->body.n);
    f->response->header = arena_strdup(f->arena, response->header);
    f->response->content_type = arena_strdup(f->arena, response->content_type);
}

bool http_fetch(struct arena *arena, const struct http_spec *spec, struct http_response *ret, struct err *err)
{
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, spec->timeout_ms);
    SCOPED(http_close) struct http *http = http_open(loop, dns);
    struct fetch f = {.arena = arena, .response = ret};
    if (!http_start(http, spec, on_fetched, &f, NULL, err))
        return false;
    while (!f.over)
        loop_once(loop, true);
    if (!f.good && err)
        *err = f.err;
    return f.good;
}
