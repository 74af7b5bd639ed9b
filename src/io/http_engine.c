/* io/http_engine.c -- libcurl's multi interface joined to the loop, and the life of a request: name, transfer, deadline, callback. */
#include <curl/curl.h>
#include <signal.h>
#include <strings.h>

#include "io/http_internal.h"
#include "sys/clock.h"

enum {
    IDLE_CONNECTIONS = 256,   /* kept alive: one for each host that a large configuration watches */
};

struct http {
    struct loop *loop;
    struct dns *dns;
    CURLM *multi;
    struct loop_timer *timer;
    struct http_request *requests;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- joining curl to the loop ---- */

static void act(struct http *http, curl_socket_t fd, int bits)
{
    int running, left;
    curl_multi_socket_action(http->multi, fd, bits, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left));)
        if (m->msg == CURLMSG_DONE)
            http_transfer_ended(m->easy_handle, (int)m->data.result);
}

struct socket_watch {
    struct http *http;
    curl_socket_t fd;
    struct loop_fd *watch;
};

static void on_socket(void *arg, int ready)
{
    struct socket_watch *w = arg;
    struct http *http = w->http; /* w may be gone after the call */
    act(http, w->fd, (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http *http = arg;
    struct socket_watch *w = socket_arg;
    int wanted = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    if (what == CURL_POLL_REMOVE) {
        if (w)
            loop_fd_free(&w->watch);
        free(w);
        curl_multi_assign(http->multi, fd, NULL);
    } else if (w) {
        loop_fd_want(w->watch, wanted);
    } else {
        w = must(calloc(1, sizeof(*w)));
        *w = (struct socket_watch){.http = http, .fd = fd};
        w->watch = loop_fd_new(http->loop, fd, wanted, on_socket, w);
        curl_multi_assign(http->multi, fd, w);
    }
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct http *http = arg;
    if (timeout_ms < 0)
        loop_timer_cancel(http->timer);
    else
        loop_timer_set(http->timer, clock_boot_ms() + timeout_ms);
    return 0;
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

struct http *http_open(struct loop *loop, struct dns *dns)
{
    struct http *http = must(calloc(1, sizeof(*http)));
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http->loop = loop;
    http->dns = dns;
    http->timer = loop_timer_new(loop, on_timer, http);
    http->multi = must(curl_multi_init());
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return http;
}

void http_close(struct http **http)
{
    if (!http || !*http)
        return;
    struct http *h = *http;
    for (struct http_request *r = h->requests, *next; r; r = next) {
        next = r->next;
        request_free(r);
    }
    curl_multi_cleanup(h->multi);
    loop_timer_free(&h->timer);
    curl_global_cleanup();
    free(h);
    *http = NULL;
}

struct loop *http_loop(struct http *http)
{
    return http->loop;
}

void *http_multi(struct http *http)
{
    return http->multi;
}

/* ---- the life of a request ---- */

static void on_deadline(void *arg)
{
    struct http_request *r = arg;
    if (!r->failed)
        err_set(&r->err, ERR_TIMEOUT, "no answer from \"%s\" within %.1f s", r->host, (double)r->timeout_ms / 1000.0);
    request_finish(r, NULL, &r->err);
}

void request_fail_later(struct http_request *r, const struct err *err)
{
    r->err = *err;
    r->failed = true;
    loop_timer_set(r->deadline, clock_boot_ms());
}

static bool known_scheme(const struct http_kind *kind, const char *scheme)
{
    for (size_t i = 0; kind->schemes[i]; i++)
        if (!strcasecmp(kind->schemes[i], scheme))
            return true;
    return false;
}

static bool read_url(struct http_request *r, const char *url, struct err *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    int64_t number = 0;
    CURLU *u = must(curl_url());
    bool whole = url && text_is_one_line(url) && !strchr(url, ' ') && !curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
                 !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0);
    bool good = whole && known_scheme(r->kind, scheme);
    if (good) {
        size_t n = strlen(host);
        bool brackets = n > 2 && host[0] == '['; /* an IPv6 address */
        r->host = arena_strndup(r->arena, host + brackets, n - 2 * (size_t)brackets);
        r->port = !curl_url_get(u, CURLUPART_PORT, &port, 0) && str_int(str_of(port), &number) ? (int)number : r->kind->port(scheme);
    } else if (!whole) {
        err_set(err, ERR_USAGE, "the URL is not well-formed");
    } else {
        err_set(err, ERR_USAGE, "the URL begins with \"%s://\" instead of \"%s://\"", scheme, r->kind->schemes[0]);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return good;
}

struct http_request *request_new(struct http *http, const struct http_kind *kind, const char *url, int64_t timeout_ms, http_done_fn *done,
                                 void *arg, struct err *err)
{
    struct http_request *r = must(calloc(1, kind->size));
    r->kind = kind;
    r->http = http;
    r->arena = arena_open();
    r->done = done;
    r->arg = arg;
    r->timeout_ms = timeout_ms;
    r->next = http->requests;
    r->link = &http->requests;
    if (r->next)
        r->next->link = &r->next;
    http->requests = r;
    if (!read_url(r, url, err)) {
        request_free(r);
        return NULL;
    }
    return r;
}

static void on_name(void *arg, const char *address, const struct err *err)
{
    struct http_request *r = arg;
    r->lookup = NULL;
    if (address)
        r->kind->begin(r, address);
    else
        request_fail_later(r, err);
}

void request_go(struct http_request *r)
{
    r->started_ms = clock_boot_ms();
    r->deadline = loop_timer_new(r->http->loop, on_deadline, r);
    loop_timer_set(r->deadline, r->started_ms + r->timeout_ms);
    r->lookup = dns_resolve(r->http->dns, r->host, on_name, r);
}

void request_free(struct http_request *r)
{
    r->done = NULL;
    dns_cancel(r->lookup);
    r->lookup = NULL;
    r->kind->release(r);
    loop_timer_free(&r->deadline);
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    arena_close(&r->arena);
    free(r);
}

void request_finish(struct http_request *r, const struct http_response *response, const struct err *err)
{
    http_done_fn *done = r->done;
    r->done = NULL;
    loop_timer_cancel(r->deadline);
    if (done) {
        r->in_done = true;
        done(r->arg, response, response ? NULL : err);
        r->in_done = false;
    }
    request_free(r);
}

void http_cancel(struct http_request **request)
{
    if (!request || !*request)
        return;
    struct http_request *r = *request;
    *request = NULL;
    if (!r->in_done)
        request_free(r);
}

/* ---- words ---- */

bool text_is_one_line(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

char *connect_to(struct arena *arena, const char *address)
{
    return arena_printf(arena, strchr(address, ':') ? "::[%s]:" : "::%s:", address);
}

static enum err_code code_of(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return ERR_UNAVAILABLE;
    case CURLE_LOGIN_DENIED:
        return ERR_PERMISSION;
    default:
        return ERR_PROTOCOL;
    }
}

/* With TLS 1.3 this is heard only after the handshake, when the request has left already; it was not looked at. */
bool curl_identity_refused(int code, const char *detail)
{
    return (code == CURLE_RECV_ERROR || code == CURLE_SSL_CONNECT_ERROR) && strstr(detail, " alert ") && (strstr(detail, "certificate") || strstr(detail, "unknown ca"));
}

bool curl_error(void *easy, int code, const char *host, int port, const char *detail, struct err *err)
{
    long os = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
    if (code == CURLE_COULDNT_CONNECT && os)
        err_set(err, ERR_UNAVAILABLE, "could not connect to \"%s\" port %d: %s", host, port, strerror((int)os));
    else if (code == CURLE_GOT_NOTHING)
        err_set(err, ERR_UNAVAILABLE, "\"%s\" port %d closed the connection without an answer", host, port);
    else if (curl_identity_refused(code, detail))
        err_set(err, ERR_PROTOCOL, "\"%s\" port %d does not take our certificate, or wants one: %s", host, port, detail);
    else
        err_set(err, code_of((CURLcode)code), "talking to \"%s\" port %d: %s", host, port, detail[0] ? detail : curl_easy_strerror((CURLcode)code));
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        err_hint(err, "the certificate is not trusted here or not for this name: look with \"openssl s_client -connect %s:%d\"", host, port);
    return false;
}
