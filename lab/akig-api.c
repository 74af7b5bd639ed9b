/* lab/akig-api.c -- The service that the lab protects: a small JSON API over PostgreSQL, one process a site. It promises one thing:
   a payment answered with 201 is committed. Requests are served by as many threads as there are database sessions. */
#include <arpa/inet.h>
#include <getopt.h>
#include <microhttpd.h>
#include <signal.h>

#include "apidb.h"
#include "base/base.h"
#include "base/jsonout.h"
#include "payment.h"

enum {
    THREADS = 8,
    BODY_MAX = 16 * 1024,
    ANSWER_MAX = 1024 * 1024,
    ROWS_MAX = 1000,
    HEALTH_MS = 800, /* a health check must be answered within a second, also while the database hangs */
    QUERY_MS = 3000,
    IDLE_S = 15,
};

struct api {
    const char *site;
    struct apidb *db;
};

/* What one request gathers. */
struct call {
    struct buf body;
    struct buf answer;
};

typedef unsigned handler_fn(struct api *api, struct MHD_Connection *connection, struct call *call);

static unsigned fail(const struct api *api, struct call *call, const struct err *err)
{
    struct jsonout j = jsonout(&call->answer);
    buf_clear(&call->answer);
    json_object(&j);
    json_put_text(&j, "status", "error");
    json_put_text(&j, "site", api->site);
    json_put_text(&j, "error", err->message);
    json_object_end(&j);
    fprintf(stderr, "error %s\n", err->message);
    return (unsigned)err_http_status(err->code);
}

static unsigned health(struct api *api, struct MHD_Connection *connection, struct call *call)
{
    (void)connection;
    struct err err = {0};
    PGresult *rows = NULL;
    bool up = apidb_ask(api->db, "SELECT 1", NULL, 0, HEALTH_MS, &rows, &err);
    PQclear(rows);
    struct jsonout j = jsonout(&call->answer);
    json_object(&j);
    json_put_text(&j, "status", up ? "ok" : "error");
    json_put_text(&j, "site", api->site);
    json_put_text(&j, "database", up ? "up" : "down");
    if (!up) {
        json_put_text(&j, "error", err.message);
        fprintf(stderr, "health %s\n", err.message);
    }
    json_object_end(&j);
    return up ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned auth_test(struct api *api, struct MHD_Connection *connection, struct call *call)
{
    (void)connection;
    struct err err = {0};
    PGresult *rows = NULL;
    if (!apidb_ask(api->db, "SELECT id FROM users ORDER BY id LIMIT 1", NULL, 0, QUERY_MS, &rows, &err))
        return fail(api, call, &err);
    bool anyone = PQntuples(rows) == 1;
    PQclear(rows);
    struct jsonout j = jsonout(&call->answer);
    json_object(&j);
    json_put_text(&j, "status", anyone ? "ok" : "error");
    json_put_text(&j, "site", api->site);
    json_object_end(&j);
    return anyone ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* Rows as an array of objects; whole numbers as numbers, all else as text, so that no amount loses a digit. */
static void put_rows(struct jsonout *j, const PGresult *rows)
{
    json_array(j);
    for (int row = 0; row < PQntuples(rows); row++) {
        json_object(j);
        for (int column = 0; column < PQnfields(rows); column++) {
            const char *value = PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
            int64_t number;
            json_key(j, PQfname(rows, column));
            if (value && str_int(str_of(value), &number))
                json_int(j, number);
            else
                json_text(j, value);
        }
        json_object_end(j);
    }
    json_array_end(j);
}

static unsigned list(struct api *api, struct MHD_Connection *connection, struct call *call, const char *sql)
{
    struct err err = {0};
    const char *limit = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
    int64_t count;
    if (!str_int(str_of(limit ? limit : "20"), &count) || count < 1 || count > ROWS_MAX) {
        err_set(&err, ERR_USAGE, "limit must be a number from 1 to %d", ROWS_MAX);
        return fail(api, call, &err);
    }
    PGresult *rows = NULL;
    if (!apidb_ask(api->db, sql, (const char *const[]){limit ? limit : "20"}, 1, QUERY_MS, &rows, &err))
        return fail(api, call, &err);
    struct jsonout j = jsonout(&call->answer);
    put_rows(&j, rows);
    PQclear(rows);
    return MHD_HTTP_OK;
}

static unsigned contracts(struct api *api, struct MHD_Connection *connection, struct call *call)
{
    return list(api, connection, call,
                "SELECT id, user_id, property_id, status, rent, starts_on FROM contracts ORDER BY id DESC LIMIT $1::int");
}

static unsigned payments(struct api *api, struct MHD_Connection *connection, struct call *call)
{
    return list(api, connection, call,
                "SELECT id, contract_id, amount, reference, paid_at FROM payments ORDER BY id DESC LIMIT $1::int");
}

static unsigned pay(struct api *api, struct MHD_Connection *connection, struct call *call)
{
    (void)connection;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct payment payment = {0};
    PGresult *rows = NULL;
    if (!payment_read(arena, buf_text(&call->body), &payment, &err) ||
        !apidb_ask(api->db, "INSERT INTO payments (contract_id, amount, reference) VALUES ($1::bigint, $2::numeric, $3) RETURNING id",
                   (const char *const[]){payment.contract_id, payment.amount, payment.reference}, 3, QUERY_MS, &rows, &err))
        return fail(api, call, &err);
    int64_t id = 0;
    bool read = str_int(str_of(PQgetvalue(rows, 0, 0)), &id);
    PQclear(rows);
    struct jsonout j = jsonout(&call->answer);
    json_object(&j);
    json_put_int(&j, "id", read ? id : 0);
    json_put_text(&j, "reference", payment.reference);
    json_put_text(&j, "site", api->site);
    json_object_end(&j);
    return MHD_HTTP_CREATED;
}

static const struct route {
    const char *method, *path;
    handler_fn *handler;
} routes[] = {
    {"GET", "/api/health", health},       {"GET", "/api/auth/test", auth_test}, {"GET", "/api/contracts", contracts},
    {"GET", "/api/payments", payments},   {"POST", "/api/payments", pay},
};

static unsigned answer(struct api *api, struct MHD_Connection *connection, struct call *call, const char *method, const char *path)
{
    struct err err = {0};
    if (call->body.over) {
        err_set(&err, ERR_LIMIT, "body of more than %d bytes", BODY_MAX);
        return fail(api, call, &err);
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (same(routes[i].path, path) && (same(routes[i].method, method) || (same(method, "HEAD") && same(routes[i].method, "GET"))))
            return routes[i].handler(api, connection, call);
    err_set(&err, ERR_NOT_FOUND, "no %s %s here", method, path);
    return fail(api, call, &err);
}

static enum MHD_Result send_answer(const struct api *api, struct MHD_Connection *connection, const struct call *call, unsigned status)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(call->answer.n, (void *)(uintptr_t)buf_text(&call->answer), MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "X-Served-By", api->site);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

/* libmicrohttpd calls this once with the headers, then for each piece of the body, then once more at its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                  const char *data, size_t *size, void **state)
{
    (void)version;
    struct api *api = arg;
    struct call *call = *state;
    if (!call) {
        call = calloc(1, sizeof(*call));
        if (!call)
            return MHD_NO;
        call->body.max = BODY_MAX;
        call->answer.max = ANSWER_MAX;
        *state = call;
        return MHD_YES;
    }
    if (*size > 0) {
        buf_add(&call->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    unsigned status = answer(api, connection, call, method, url);
    return send_answer(api, connection, call, status);
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    (void)arg, (void)connection, (void)why;
    struct call *call = *state;
    if (!call)
        return;
    buf_done(&call->body);
    buf_done(&call->answer);
    free(call);
    *state = NULL;
}

static bool read_address(const char *text, struct sockaddr_in *ret)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    int64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof(host) || !str_int(str_of(colon + 1), &port) || port < 1 || port > 65535)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static int serve(struct api *api, struct sockaddr_in *at)
{
    /* Blocked before the threads exist, so that they inherit it and only sigwait gets these. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, api, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)at,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
    if (!daemon) {
        perror("akig-api: could not listen");
        return 69;
    }
    fprintf(stderr, "site %s is served\n", api->site);
    int which;
    sigwait(&ends, &which);
    MHD_stop_daemon(daemon);
    return 0;
}

static int usage(void)
{
    fputs("usage: akig-api --listen ADDRESS:PORT --site NAME --pg CONNINFO\n", stderr);
    return 64;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"site", required_argument, NULL, 's'}, {"pg", required_argument, NULL, 'p'}, {0}};
    const char *pg = NULL;
    struct sockaddr_in at = {0};
    bool listens = false;
    struct api api = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            listens = read_address(optarg, &at);
        else if (c == 's')
            api.site = optarg;
        else if (c == 'p')
            pg = optarg;
        else
            return usage();
    }
    if (!listens || !api.site || !pg || optind != argc)
        return usage();
    setvbuf(stderr, NULL, _IOLBF, 0);
    api.db = apidb_open(pg, THREADS);
    int status = serve(&api, &at);
    apidb_close(&api.db);
    return status;
}
