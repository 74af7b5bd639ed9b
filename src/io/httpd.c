/* io/httpd.c -- libmicrohttpd joined to the loop by its epoll descriptor. A request that is whole is handed over while its connection is
   suspended, and resumed by its answer; so one turn of the loop may gather many requests and answer them together. */
#include "io/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/clock.h"

enum { IDLE_S = 20, HEADERS_MAX = 16 * 1024, BACKLOG = 512, TURNS_MAX = 8, PASSES_MAX = 8, PORT_MAX = 65535,
       BODY_READ_OUT = 16 * HTTPD_BODY_MAX };

struct request {
    struct httpd_request pub; /* first */
    struct httpd *httpd;
    struct MHD_Connection *connection;
    struct request *next, **link; /* of all that are open */
    struct arena *arena;
    struct buf body;
    size_t counted;               /* of the body, in httpd->bodies */
    unsigned status;              /* 0: not answered yet */
    const char *content_type;
    struct str answer;
    bool handed, suspended;
};

struct httpd {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct loop_fd *watch;
    struct loop_timer *timer;
    struct httpd_spec spec;
    struct request *open;
    size_t bodies;
    const char *socket_path;      /* own copy; NULL: not a Unix socket */
    bool handed, answered, running, closing;
};

/* ---- addresses ---- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } at;
    socklen_t size;
    bool is_local;
};

static bool read_path(const char *listen, struct address *ret, struct err *err)
{
    ret->at.local.sun_family = AF_UNIX;
    if (!str_copy(ret->at.local.sun_path, sizeof(ret->at.local.sun_path), listen))
        return err_set(err, ERR_CONFIG, "the path \"%s\" is too long for a socket: %zu bytes are possible", listen, sizeof(ret->at.local.sun_path) - 1);
    ret->size = sizeof(ret->at.local);
    ret->is_local = true;
    return true;
}

static bool read_address(const char *listen, struct address *ret, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    char host[INET6_ADDRSTRLEN + 2] = "";
    int64_t port = 0;
    *ret = (struct address){0};
    if (*listen == '/')
        return read_path(listen, ret, err);
    size_t n = colon ? (size_t)(colon - listen) : 0;
    bool fits = colon && n > 0 && n < sizeof(host) && str_int(str_of(colon + 1), &port) && port > 0 && port <= PORT_MAX;
    if (fits)
        memcpy(host, listen, n);
    bool brackets = fits && host[0] == '[' && host[n - 1] == ']';
    if (brackets) {
        host[n - 1] = 0;
        ret->at.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        ret->size = sizeof(ret->at.v6);
        fits = inet_pton(AF_INET6, host + 1, &ret->at.v6.sin6_addr) == 1;
        ret->is_local = IN6_IS_ADDR_LOOPBACK(&ret->at.v6.sin6_addr);
    } else if (fits) {
        ret->at.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        ret->size = sizeof(ret->at.v4);
        fits = inet_pton(AF_INET, host, &ret->at.v4.sin_addr) == 1;
        ret->is_local = (ntohl(ret->at.v4.sin_addr.s_addr) >> 24) == 127;
    }
    if (fits)
        return true;
    err_set(err, ERR_CONFIG, "\"%s\" is not an address to listen on", listen);
    return err_hint(err, "write ADDRESS:PORT with an address in digits (127.0.0.1:9345, [::1]:9345), or the path of a socket");
}

bool httpd_address(const char *listen, bool *ret_local, struct err *err)
{
    struct address address;
    if (!read_address(listen, &address, err))
        return false;
    *ret_local = address.is_local;
    return true;
}

/* A socket that a killed controller left behind; that no other one runs, its caller has made sure of. */
static void remove_stale(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(path); /* bind says why when it is still there */
}

static bool listen_on(const char *where, int *ret, struct err *err)
{
    enum { SOCKET_MODE = 0660 };
    struct address address;
    const int on = 1;
    if (!read_address(where, &address, err))
        return false;
    if (*where == '/')
        remove_stale(where);
    int fd = socket(address.at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_os(err, errno, "could not open a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, &address.at.any, address.size) != 0 ||
        (*where == '/' && chmod(where, SOCKET_MODE) != 0) || listen(fd, BACKLOG) != 0) {
        err_os(err, errno, "could not listen on \"%s\"", where);
        close(fd);
        return false;
    }
    *ret = fd;
    return true;
}

/* ---- requests ---- */

static struct request *request_new(struct httpd *h, struct MHD_Connection *connection, const char *path, const char *method)
{
    struct arena *a = arena_open();
    struct request *r = arena_new(a, struct request);
    *r = (struct request){.httpd = h, .connection = connection, .arena = a, .body = {.max = HTTPD_BODY_MAX}};
    r->pub.method = arena_strdup(a, method);
    r->pub.path = arena_strdup(a, path);
    r->pub.authorization = arena_strdup(a, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
    r->link = &h->open;
    r->next = h->open;
    if (r->next)
        r->next->link = &r->next;
    h->open = r;
    return r;
}

static void request_free(struct request *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    r->httpd->bodies -= r->counted;
    buf_done(&r->body);
    struct arena *a = r->arena;
    arena_close(&a);
}

static void set_answer(struct request *r, unsigned status, const char *content_type, struct str text)
{
    r->status = status;
    r->content_type = arena_strdup(r->arena, content_type);
    r->answer = (struct str){.p = text.n ? arena_dup(r->arena, text.p, text.n) : "", .n = text.n};
}

static void refuse(struct request *r, unsigned status, const char *why)
{
    set_answer(r, status, "text/plain; charset=utf-8", str_of(why));
}

const char *httpd_argument(const struct httpd_request *request, const char *name)
{
    const struct request *r = CONTAINER_OF(request, const struct request, pub);
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *httpd_header(const struct httpd_request *request, const char *name)
{
    const struct request *r = CONTAINER_OF(request, const struct request, pub);
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

void httpd_answer(struct httpd_request *request, unsigned status, const char *content_type, struct str text)
{
    struct request *r = CONTAINER_OF(request, struct request, pub);
    if (r->status)
        return;
    set_answer(r, status, content_type, text);
    r->httpd->answered = true;
    if (r->suspended) {
        r->suspended = false;
        MHD_resume_connection(r->connection);
    }
    if (!r->httpd->running) /* its descriptor does not tell of this */
        loop_timer_set(r->httpd->timer, clock_boot_ms());
}

static enum MHD_Result send_answer(struct request *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(r->answer.n, (void *)(uintptr_t)r->answer.p, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    if (r->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (r->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (r->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    enum MHD_Result queued = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* What the headers alone forbid is said before the body comes. */
static bool headers_fit(struct request *r)
{
    const char *length = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n = 0;
    if (length && str_int(str_of(length), &n) && n > HTTPD_BODY_MAX)
        refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 1 MiB\n");
    else if (r->httpd->closing)
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down\n");
    return !r->status;
}

/* Who still sends when the connection is closed gets a reset in place of the answer. So a body that is not far too large is read to its
   end and passed over, unless its sender waits to be told. */
static bool is_read_out(const struct request *r)
{
    const char *length = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n = 0;
    return length && str_int(str_of(length), &n) && n <= BODY_READ_OUT &&
           !MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
}

static void take_body(struct request *r, const char *data, size_t size)
{
    struct httpd *h = r->httpd;
    if (r->status)
        return; /* refused already: what still comes is passed over */
    if (h->bodies + size > HTTPD_BODIES_MAX) {
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests are under way\n");
    } else if (!buf_add(&r->body, data, size)) {
        refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 1 MiB\n");
    } else {
        h->bodies += size;
        r->counted += size;
    }
}

static void hand_over(struct request *r)
{
    struct httpd *h = r->httpd;
    r->handed = true;
    r->pub.body = buf_str(&r->body);
    if (!r->pub.body.p)
        r->pub.body.p = "";
    h->handed = true;
    h->spec.request(h->spec.arg, &r->pub);
    if (!r->status) {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
    }
}

/* libmicrohttpd calls this once with the headers, then for each piece of the body, once more at its end, and again after a resume. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version UNUSED,
                                  const char *data, size_t *size, void **state)
{
    struct request *r = *state;
    if (!r) {
        *state = r = request_new(arg, connection, path, method);
        return headers_fit(r) || is_read_out(r) ? MHD_YES : send_answer(r);
    }
    if (*size) {
        take_body(r, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!r->status && !r->handed)
        hand_over(r);
    return r->status ? send_answer(r) : MHD_YES;
}

static void on_end(void *arg UNUSED, struct MHD_Connection *connection UNUSED, void **state, enum MHD_RequestTerminationCode why UNUSED)
{
    if (*state)
        request_free(*state);
    *state = NULL;
}

/* ---- the loop ---- */

/* New connections are accepted a few at a time, so it is asked again as long as somebody came. */
static bool gather(struct httpd *h)
{
    bool any = false;
    for (int i = 0; i < PASSES_MAX; i++) {
        h->handed = false;
        MHD_run(h->daemon);
        any = any || h->handed;
        if (!h->handed)
            break;
    }
    return any;
}

static void run(struct httpd *h)
{
    unsigned MHD_LONG_LONG wait;
    h->running = true;
    for (int i = 0; i < TURNS_MAX; i++) {
        h->answered = false;
        if (gather(h) && !h->closing)
            h->spec.turn(h->spec.arg);
        if (!h->answered) /* else there are answers to be sent */
            break;
    }
    h->running = false;
    if (h->answered) /* others have their turn, and then it goes on: neither its descriptor nor its timeout tells of answers that wait */
        loop_timer_set(h->timer, clock_boot_ms());
    else if (MHD_get_timeout(h->daemon, &wait) == MHD_YES)
        loop_timer_set(h->timer, clock_boot_ms() + (int64_t)wait);
    else
        loop_timer_cancel(h->timer);
}

static void on_ready(void *arg, int ready UNUSED)
{
    run(arg);
}

static void on_timer(void *arg)
{
    run(arg);
}

/* libmicrohttpd's own words about clients that go away are of use to nobody. */
static void no_log(void *arg UNUSED, const char *fmt UNUSED, va_list args UNUSED)
{
}

static bool start(struct httpd *h, int fd, struct err *err)
{
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTPD_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)HTTPD_CONNECTIONS_MAX / 2, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return err_set(err, ERR_OS, "could not start the HTTP server on \"%s\"", h->spec.listen);
    h->watch = loop_fd_new(h->loop, info->epoll_fd, LOOP_READ, on_ready, h);
    h->timer = loop_timer_new(h->loop, on_timer, h);
    return true;
}

bool httpd_open(struct loop *loop, const struct httpd_spec *spec, struct httpd **ret, struct err *err)
{
    int fd;
    if (!listen_on(spec->listen, &fd, err))
        return false;
    struct httpd *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    *h = (struct httpd){.loop = loop, .spec = *spec};
    if (*spec->listen == '/')
        h->socket_path = strdup(spec->listen);
    if (!start(h, fd, err)) {
        close(fd);
        httpd_close(&h);
        return false;
    }
    *ret = h;
    return true;
}

static void answer_all(struct httpd *h)
{
    for (struct request *r = h->open, *next; r; r = next) {
        next = r->next;
        if (r->handed && !r->status)
            httpd_answer(&r->pub, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", str_of("shutting down\n"));
    }
}

void httpd_close(struct httpd **httpd)
{
    if (!httpd || !*httpd)
        return;
    struct httpd *h = TAKE(*httpd);
    h->closing = true;
    if (h->daemon) {
        answer_all(h);
        run(h);
        loop_fd_free(&h->watch);
        loop_timer_free(&h->timer);
        MHD_stop_daemon(h->daemon); /* closes the socket, and ends every request that is left */
    }
    if (h->socket_path)
        (void)unlink(h->socket_path); /* the next one removes it too */
    free((char *)(uintptr_t)h->socket_path);
    free(h);
}
