/* io/pgprobe.c -- libpq's asynchronous calls joined to the loop: name, connection, statements, each under one timer. */
#include "io/pgprobe.h"

#include <libpq-fe.h>
#include <sys/stat.h>

#include "io/dns.h"
#include "io/pg.h"
#include "io/pgcommon.h"
#include "sys/clock.h"

enum { ROWS_KEPT = 1000 };

struct pgprobe {
    struct loop *loop;
    struct dns *dns;
    struct arena *arena;
    struct pgprobe_spec spec;
    pgprobe_done_fn *done;
    void *arg;
    struct dns_query *lookup;
    struct loop_timer *timer;
    struct loop_fd *watch;
    ino_t watched; /* the socket itself, whatever its number */
    PGconn *conn;
    PGresult *last; /* newest result of the running statement */
    bool connecting;
    size_t at; /* outcome being made: 0 the connection, 1.. the statements */
    int64_t began_ms;
    struct pgprobe_outcome *outcomes;
};

static void on_ready(void *arg, int ready);
static void next_step(struct pgprobe *p);

static void release(struct pgprobe *p)
{
    dns_cancel(p->lookup);
    loop_fd_free(&p->watch);
    loop_timer_free(&p->timer);
    PQclear(p->last);
    PQfinish(p->conn);
    arena_close(&p->arena);
    free(p);
}

static void finish(struct pgprobe *p)
{
    loop_fd_free(&p->watch);
    PQfinish(TAKE(p->conn)); /* before the callback, which may start the next probe */
    p->done(p->arg, p->outcomes, p->spec.step_count + 1);
    release(p);
}

static struct pgprobe_outcome *current(struct pgprobe *p)
{
    return &p->outcomes[p->at];
}

static int64_t limit_ms(const struct pgprobe *p)
{
    return p->at ? p->spec.steps[p->at - 1].timeout_ms : p->spec.connect_timeout_ms;
}

static void end_step(struct pgprobe *p, bool ok)
{
    struct pgprobe_outcome *o = current(p);
    o->ok = ok;
    o->took_ms = clock_boot_ms() - p->began_ms;
    p->at++;
    if (ok && p->at <= p->spec.step_count)
        next_step(p);
    else
        finish(p);
}

/* ---- one timer: the deadline, or a failure that waits to be told in the next round ---- */

static void on_timer(void *arg)
{
    struct pgprobe *p = arg;
    struct pgprobe_outcome *o = current(p);
    if (o->err.code == ERR_NONE)
        pg_timeout_error(limit_ms(p), &o->err);
    o->unresolved |= p->lookup != NULL;
    end_step(p, false);
}

static void fail_later(struct pgprobe *p, const struct err *err)
{
    current(p)->err = *err;
    loop_timer_set(p->timer, clock_boot_ms());
}

static void begin_step(struct pgprobe *p)
{
    current(p)->reached = true;
    p->began_ms = clock_boot_ms();
    loop_timer_set(p->timer, p->began_ms + limit_ms(p));
}

/* libpq may close its socket while it connects and get the same number again for the next: that is a watcher of its own. One watcher
   for one socket otherwise, as making each anew costs five system calls. */
static void watch(struct pgprobe *p, int wanted)
{
    struct stat now = {0};
    fstat(PQsocket(p->conn), &now);
    if (p->watch && p->watched == now.st_ino) {
        loop_fd_want(p->watch, wanted);
        return;
    }
    loop_fd_free(&p->watch);
    p->watch = loop_fd_new(p->loop, PQsocket(p->conn), wanted, on_ready, p);
    p->watched = now.st_ino;
}

/* ---- the connection ---- */

static void go_on_connecting(struct pgprobe *p)
{
    struct pgprobe_outcome *o = current(p);
    PostgresPollingStatusType want = PQconnectPoll(p->conn);
    if (want == PGRES_POLLING_FAILED) {
        pg_connect_error(p->conn, o->sqlstate, &o->err);
        end_step(p, false);
    } else if (want == PGRES_POLLING_OK) {
        p->connecting = false;
        PQsetnonblocking(p->conn, 1);
        watch(p, LOOP_READ);
        end_step(p, true);
    } else {
        watch(p, want == PGRES_POLLING_READING ? LOOP_READ : LOOP_WRITE);
    }
}

static void connect_to(struct pgprobe *p, const char *hostaddr)
{
    const char *const *keywords, *const *values;
    struct err err = {0};
    if (!pg_params(p->arena, p->spec.target, NULL, hostaddr, &keywords, &values, &err)) {
        current(p)->local_fault = true;
        fail_later(p, &err);
        return;
    }
    p->conn = PQconnectStartParams(keywords, values, 0);
    pg_wipe_password(keywords, values);
    if (!p->conn)
        abort();
    pg_prepare_connection(p->conn);
    if (PQstatus(p->conn) == CONNECTION_BAD) {
        pg_connect_error(p->conn, current(p)->sqlstate, &err);
        fail_later(p, &err);
        return;
    }
    p->connecting = true;
    watch(p, LOOP_WRITE);
}

static void on_name(void *arg, const char *address, const struct err *err)
{
    struct pgprobe *p = arg;
    p->lookup = NULL;
    if (address) {
        connect_to(p, address);
        return;
    }
    current(p)->unresolved = true;
    fail_later(p, err);
}

/* ---- the statements ---- */

static void keep_rows(struct pgprobe *p, struct pgprobe_outcome *o)
{
    int rows = PQntuples(p->last);
    int kept = PQnfields(p->last) ? MIN_OF(rows, ROWS_KEPT) : 0;
    const char **column = arena_array(p->arena, const char *, kept + 1);
    for (int i = 0; i < kept; i++)
        if (!PQgetisnull(p->last, i, 0))
            column[i] = arena_strdup(p->arena, PQgetvalue(p->last, i, 0));
    o->rows = (size_t)rows;
    o->column = column;
    o->value = kept ? column[0] : NULL;
}

static void end_statement(struct pgprobe *p)
{
    struct pgprobe_outcome *o = current(p);
    ExecStatusType status = p->last ? PQresultStatus(p->last) : PGRES_FATAL_ERROR;
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
    if (ok)
        keep_rows(p, o);
    else
        pg_result_error(p->conn, p->last, o->sqlstate, &o->err);
    PQclear(TAKE(p->last));
    end_step(p, ok);
}

/* The newest result is kept, but neither an error nor rows are replaced by a later "COMMIT". */
static void keep_result(struct pgprobe *p, PGresult *result)
{
    ExecStatusType kept = p->last ? PQresultStatus(p->last) : PGRES_EMPTY_QUERY;
    bool stays = kept == PGRES_FATAL_ERROR || (kept == PGRES_TUPLES_OK && PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(stays ? result : p->last);
    p->last = stays ? p->last : result;
}

/* Takes results until libpq would wait. Of a broken link it has nothing to wait for, whatever PQisBusy says. */
static void read_results(struct pgprobe *p, bool broken)
{
    while (broken || !PQisBusy(p->conn)) {
        PGresult *result = PQgetResult(p->conn);
        if (!result) {
            end_statement(p);
            return;
        }
        ExecStatusType status = PQresultStatus(result);
        keep_result(p, result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            end_statement(p); /* no probe copies; the connection is dropped */
            return;
        }
    }
}

static void on_ready(void *arg, int ready)
{
    struct pgprobe *p = arg;
    if (p->connecting) {
        go_on_connecting(p);
        return;
    }
    bool broken = (ready & LOOP_READ) && !PQconsumeInput(p->conn);
    int unsent = broken ? 0 : PQflush(p->conn);
    if (broken)
        loop_fd_free(&p->watch);
    else
        loop_fd_want(p->watch, unsent > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
    read_results(p, broken);
}

static bool is_skipped(const struct pgprobe *p, const struct pgprobe_step *step)
{
    return step->skip_when && same(p->outcomes[p->at - 1].value, step->skip_when);
}

static void next_step(struct pgprobe *p)
{
    const struct pgprobe_step *step = &p->spec.steps[p->at - 1];
    if (is_skipped(p, step)) {
        current(p)->skipped = true;
        p->began_ms = clock_boot_ms();
        end_step(p, true);
        return;
    }
    begin_step(p);
    int sent = step->param_count ? PQsendQueryParams(p->conn, step->sql, (int)step->param_count, NULL, step->params, NULL, NULL, 0)
                                 : PQsendQuery(p->conn, step->sql);
    if (!sent) {
        struct err err = {0};
        pg_result_error(p->conn, NULL, current(p)->sqlstate, &err);
        fail_later(p, &err);
        return;
    }
    if (PQflush(p->conn) > 0)
        loop_fd_want(p->watch, LOOP_READ | LOOP_WRITE);
}

/* ---- life ---- */

void pgprobe_start(struct loop *loop, struct dns *dns, const struct pgprobe_spec *spec, pgprobe_done_fn *done, void *arg, struct pgprobe **ret)
{
    struct pgprobe *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    *p = (struct pgprobe){.loop = loop, .dns = dns, .arena = arena_open(), .spec = *spec, .done = done, .arg = arg};
    p->spec.steps = arena_dup(p->arena, spec->steps, spec->step_count * sizeof(*spec->steps));
    p->outcomes = arena_array(p->arena, struct pgprobe_outcome, spec->step_count + 1);
    p->timer = loop_timer_new(loop, on_timer, p);
    if (ret)
        *ret = p;
    begin_step(p);
    if (pg_host_is_socket(spec->target))
        connect_to(p, NULL);
    else
        p->lookup = dns_resolve(dns, spec->target->host, on_name, p);
}

void pgprobe_cancel(struct pgprobe **probe)
{
    if (!probe || !*probe)
        return;
    release(*probe);
    *probe = NULL;
}
