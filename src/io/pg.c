/* io/pg.c -- Sessions of commands and actions. libpq is used in its non-blocking form throughout, since its blocking calls know no
   deadline: a stopped postmaster accepts connections in the kernel and then answers nobody. */
#include "io/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/dns.h"
#include "io/pgcommon.h"
#include "sys/clock.h"
#include "sys/loop.h"

enum {
    CANCEL_GRACE_MS = 1000,      /* what a cancelled statement gets to end */
    COPY_PIECE = 64 * 1024,
    COPY_FLUSH_AT = 256 * 1024,
};

struct pg {
    PGconn *conn;
    char sqlstate[PG_SQLSTATE_SIZE];
    size_t unflushed; /* bytes of COPY data given to libpq since the last flush */
    bool given_up;    /* a statement would not end: nothing more can be said on this session */
    void (*meanwhile)(void *arg); /* NULL: nothing to do while the server works */
    void *meanwhile_arg;
    int64_t every_ms;
};

struct pg_rows {
    size_t rows, columns;
    int64_t affected;
    const char **cells, **names; /* of the columns; NULL: nobody asked for them */
};

/* ---- opening ---- */

/* Waits until the socket is ready; the bits that are, 0 at the deadline. */
static int wait_socket(PGconn *conn, short wanted, int64_t deadline)
{
    for (;;) {
        struct pollfd p = {.fd = PQsocket(conn), .events = wanted};
        int64_t left = deadline - clock_boot_ms();
        if (p.fd < 0)
            return POLLIN; /* broken: let libpq find out and say so */
        int n = poll(&p, 1, left < 0 ? 0 : (int)MIN_OF(left, MS_HOUR));
        if (n > 0)
            return p.revents;
        if (n == 0 && left <= MS_HOUR)
            return 0;
        if (n < 0 && errno != EINTR)
            return POLLIN;
    }
}

struct lookup {
    bool over, found;
    char address[64];
    struct err err;
};

static void looked_up(void *arg, const char *address, const struct err *err)
{
    struct lookup *l = arg;
    l->over = true;
    l->found = address != NULL;
    if (address)
        COPY_TO(l->address, address);
    else
        l->err = *err;
}

static bool resolve(const char *name, int64_t deadline, struct lookup *l, struct err *err)
{
    const char *known = dns_literal(name);
    if (known) {
        COPY_TO(l->address, known);
        return true;
    }
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, MAX_OF(deadline - clock_boot_ms(), 1));
    dns_resolve(dns, name, looked_up, l);
    while (!l->over && loop_once(loop, true))
        ;
    if (l->found)
        return true;
    if (!l->over)
        return err_set(err, ERR_INTERNAL, "the resolver did not answer for \"%s\"", name);
    *err = l->err;
    return false;
}

static bool poll_connection(struct pg *pg, int64_t deadline, int64_t given_ms, struct err *err)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED || PQstatus(pg->conn) == CONNECTION_BAD)
            return pg_connect_error(pg->conn, pg->sqlstate, err);
        if (!wait_socket(pg->conn, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            return pg_timeout_error(given_ms, err);
        want = PQconnectPoll(pg->conn);
    }
    if (PQsetnonblocking(pg->conn, 1) != 0)
        return err_set(err, ERR_INTERNAL, "could not make the session non-blocking");
    return true;
}

static bool open_within(struct pg *pg, const struct pgtarget *target, const char *dbname, int64_t given_ms, struct err *err)
{
    int64_t deadline = clock_boot_ms() + given_ms;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct lookup address = {0};
    const char *const *keywords, *const *values;
    if (!pg_host_is_socket(target) && !resolve(target->host, deadline, &address, err))
        return false;
    if (!pg_params(arena, target, dbname, address.address, &keywords, &values, err))
        return false;
    pg->conn = PQconnectStartParams(keywords, values, 0);
    pg_wipe_password(keywords, values);
    if (!pg->conn)
        abort(); /* out of memory */
    pg_prepare_connection(pg->conn);
    return poll_connection(pg, deadline, given_ms, err);
}

bool pg_open(const struct pgtarget *target, const char *dbname, int64_t deadline_ms, struct pg **ret, struct err *err)
{
    struct err own = {0};
    struct pg *pg = calloc(1, sizeof(*pg));
    if (!pg)
        abort();
    if (!open_within(pg, target, dbname, deadline_ms, &own)) {
        pg_close(&pg);
        err_prefix(&own, "could not connect to database \"%s\" on \"%s\" port %d", dbname ? dbname : target->dbname ? target->dbname : "",
                   target->host ? target->host : "local socket", target->port ? target->port : 5432);
        if (err)
            *err = own;
        return false;
    }
    *ret = pg;
    return true;
}

void pg_close(struct pg **pg)
{
    if (!pg || !*pg)
        return;
    PQfinish((*pg)->conn);
    free(*pg);
    *pg = NULL;
}

/* ---- statements ---- */

/* PQcancel connects and waits without a deadline, and a stopped postmaster never answers it: so a child does it, and can be killed. */
static pid_t ask_to_cancel(struct pg *pg)
{
    PGcancel *cancel = PQgetCancel(pg->conn);
    if (!cancel)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        char why[256];
        _exit(PQcancel(cancel, why, sizeof(why)) ? 0 : 1);
    }
    PQfreeCancel(cancel);
    return child;
}

static int wait_server(struct pg *pg, short wanted, int64_t deadline)
{
    while (pg->meanwhile) {
        int64_t next = clock_boot_ms() + pg->every_ms;
        if (next >= deadline)
            break;
        int ready = wait_socket(pg->conn, wanted, next);
        if (ready)
            return ready;
        pg->meanwhile(pg->meanwhile_arg);
    }
    return wait_socket(pg->conn, wanted, deadline);
}

void pg_meanwhile(struct pg *pg, int64_t every_ms, void (*fn)(void *arg), void *arg)
{
    pg->meanwhile = fn;
    pg->meanwhile_arg = arg;
    pg->every_ms = every_ms;
}

/* The next result once it is there, *ret NULL after the last; false at the deadline. */
static bool next_result(struct pg *pg, int64_t deadline, PGresult **ret)
{
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent <= 0 && !PQisBusy(pg->conn)) {
            *ret = PQgetResult(pg->conn);
            return true;
        }
        int ready = wait_server(pg, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline);
        if (!ready)
            return false;
        if ((ready & ~POLLOUT) && !PQconsumeInput(pg->conn)) {
            *ret = PQgetResult(pg->conn); /* the link broke: libpq makes a result that says so, then NULL */
            return true;
        }
    }
}

static bool drain(struct pg *pg, int64_t deadline)
{
    PGresult *result;
    while (next_result(pg, deadline, &result)) {
        if (!result)
            return true;
        ExecStatusType status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_COPY_IN)
            PQputCopyEnd(pg->conn, "given up");
        else if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            return false;
    }
    return false;
}

/* The statement is cancelled and has a second to end; then the session is given up, and the server finds out when it writes. */
static bool give_up(struct pg *pg, int64_t given_ms, struct err *err)
{
    int64_t deadline = clock_boot_ms() + CANCEL_GRACE_MS;
    pg->meanwhile = NULL; /* what it was for is over */
    pid_t child = ask_to_cancel(pg);
    pg->given_up = !drain(pg, deadline);
    if (child > 0) {
        kill(child, SIGKILL); /* it has done its work when the statement ended, and never will otherwise */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    COPY_TO(pg->sqlstate, "57014");
    return pg_timeout_error(given_ms, err);
}

static bool usable(struct pg *pg, struct err *err)
{
    pg->sqlstate[0] = 0;
    if (pg->given_up)
        return err_set(err, ERR_UNAVAILABLE, "the session was given up when an earlier statement did not end");
    return true;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

/* COPY begun where nobody feeds it is ended, or the session would wait for data for ever. */
static bool stray_copy(struct pg *pg, ExecStatusType status, int64_t deadline, struct err *err)
{
    if (status == PGRES_COPY_IN)
        PQputCopyEnd(pg->conn, "no data is given here");
    pg->given_up = status != PGRES_COPY_IN || !drain(pg, deadline);
    return err_set(err, ERR_USAGE, "COPY with the client cannot be run as a statement");
}

/* Collects every result of what was sent. The last good one is given to the caller, who clears it; the first error wins. */
static bool collect(struct pg *pg, int64_t timeout_ms, PGresult **ret, struct err *err)
{
    int64_t deadline = clock_boot_ms() + timeout_ms;
    PGresult *last = NULL, *result;
    bool good = true;
    for (;;) {
        if (!next_result(pg, deadline, &result)) {
            PQclear(last);
            return give_up(pg, timeout_ms, err);
        }
        if (!result)
            break;
        ExecStatusType status = PQresultStatus(result);
        bool copy = status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
        if (good && !copy && !is_good(result))
            good = pg_result_error(pg->conn, result, pg->sqlstate, err);
        PQclear(last);
        last = result;
        if (copy) {
            PQclear(last);
            return stray_copy(pg, status, deadline, err);
        }
    }
    if (good && !last)
        good = pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    if (good)
        *ret = last;
    else
        PQclear(last);
    return good;
}

static struct pg_rows *copy_rows(struct arena *arena, const PGresult *result)
{
    struct pg_rows *rows = arena_new(arena, struct pg_rows);
    rows->rows = (size_t)PQntuples(result);
    rows->columns = (size_t)PQnfields(result);
    rows->cells = arena_array(arena, const char *, rows->rows * rows->columns);
    for (size_t i = 0; i < rows->rows * rows->columns; i++) {
        int row = (int)(i / rows->columns), column = (int)(i % rows->columns);
        if (!PQgetisnull(result, row, column))
            rows->cells[i] = arena_strndup(arena, PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
    }
    if (!str_int(str_of(PQcmdTuples((PGresult *)(uintptr_t)result)), &rows->affected))
        rows->affected = 0;
    return rows;
}

bool pg_exec(struct pg *pg, struct arena *arena, const char *sql, const char *const *params, size_t param_count, int64_t timeout_ms,
             struct pg_rows **ret, struct err *err)
{
    if (!usable(pg, err))
        return false;
    PGresult *result = NULL;
    if (!PQsendQueryParams(pg->conn, sql, (int)param_count, NULL, params, NULL, NULL, 0))
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    if (!collect(pg, timeout_ms, &result, err))
        return false;
    if (ret)
        *ret = copy_rows(arena, result);
    PQclear(result);
    return true;
}

bool pg_simple(struct pg *pg, struct arena *arena, const char *sql, int64_t timeout_ms, struct pg_rows **ret, struct err *err)
{
    if (!usable(pg, err))
        return false;
    PGresult *result = NULL;
    if (!PQsendQuery(pg->conn, sql))
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    if (!collect(pg, timeout_ms, &result, err))
        return false;
    struct pg_rows *rows = copy_rows(arena, result);
    rows->names = arena_array(arena, const char *, rows->columns);
    for (size_t i = 0; i < rows->columns; i++)
        rows->names[i] = arena_strdup(arena, PQfname(result, (int)i));
    PQclear(result);
    *ret = rows;
    return true;
}

size_t pg_columns(const struct pg_rows *rows)
{
    return rows->columns;
}

const char *pg_column_name(const struct pg_rows *rows, size_t column)
{
    return rows->names && column < rows->columns ? rows->names[column] : NULL;
}

bool pg_script(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err)
{
    if (!usable(pg, err))
        return false;
    PGresult *result = NULL;
    if (!PQsendQuery(pg->conn, sql))
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    if (!collect(pg, timeout_ms, &result, err))
        return false;
    PQclear(result);
    return true;
}

size_t pg_count(const struct pg_rows *rows)
{
    return rows->rows;
}

int64_t pg_affected(const struct pg_rows *rows)
{
    return rows->affected;
}

const char *pg_text(const struct pg_rows *rows, size_t row, size_t column)
{
    if (row >= rows->rows || column >= rows->columns)
        return NULL;
    return rows->cells[row * rows->columns + column];
}

int64_t pg_int(const struct pg_rows *rows, size_t row, size_t column)
{
    int64_t value = 0;
    const char *text = pg_text(rows, row, column);
    return text && str_int(str_of(text), &value) ? value : 0;
}

/* ---- COPY ---- */

bool pg_copy_in_begin(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err)
{
    if (!usable(pg, err))
        return false;
    PGresult *result = NULL;
    if (!PQsendQuery(pg->conn, sql))
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    int64_t deadline = clock_boot_ms() + timeout_ms;
    if (!next_result(pg, deadline, &result))
        return give_up(pg, timeout_ms, err);
    bool begun = result && PQresultStatus(result) == PGRES_COPY_IN;
    pg->unflushed = 0;
    if (!begun && (!result || !is_good(result)))
        pg_result_error(pg->conn, result, pg->sqlstate, err);
    else if (!begun)
        err_set(err, ERR_USAGE, "the statement is not a COPY FROM STDIN");
    PQclear(result);
    if (!begun && !drain(pg, deadline))
        pg->given_up = true;
    return begun;
}

/* Has the server refused the data already? libpq looks only at the end of a COPY, which may be gigabytes away. An error message
   begins with 'E'; nothing can be said of an encrypted link, where the refusal is seen at the end. */
static bool refused_early(struct pg *pg)
{
    char first = 0;
    return !PQsslInUse(pg->conn) && recv(PQsocket(pg->conn), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == 'E';
}

static bool flush_copy(struct pg *pg, int64_t deadline, int64_t given_ms, struct err *err)
{
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent == 0)
            break;
        if (unsent < 0)
            return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
        int ready = wait_socket(pg->conn, POLLOUT, deadline);
        if (!ready) {
            pg->given_up = true; /* data half sent cannot be taken back; the server rolls back when the link closes */
            return pg_timeout_error(given_ms, err);
        }
    }
    pg->unflushed = 0;
    if (!refused_early(pg))
        return true;
    bool ended = pg_copy_in_end(pg, "refused by the server", MAX_OF(deadline - clock_boot_ms(), 1), NULL, err);
    return ended ? err_set(err, ERR_FAILED, "the server ended the COPY") : false;
}

bool pg_copy_in_put(struct pg *pg, const void *data, size_t size, int64_t timeout_ms, struct err *err)
{
    if (!usable(pg, err))
        return false;
    int64_t deadline = clock_boot_ms() + timeout_ms;
    for (const char *p = data, *end = p + size; p < end;) {
        size_t piece = MIN_OF((size_t)(end - p), (size_t)COPY_PIECE);
        int taken = PQputCopyData(pg->conn, p, (int)piece);
        if (taken < 0)
            return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
        if (taken > 0) {
            p += piece;
            pg->unflushed += piece;
        }
        if ((taken == 0 || pg->unflushed >= COPY_FLUSH_AT) && !flush_copy(pg, deadline, timeout_ms, err))
            return false;
    }
    return true;
}

bool pg_copy_in_end(struct pg *pg, const char *failure, int64_t timeout_ms, int64_t *ret_rows, struct err *err)
{
    if (!usable(pg, err))
        return false;
    if (PQputCopyEnd(pg->conn, failure) < 0)
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    PGresult *result = NULL;
    if (!collect(pg, timeout_ms, &result, err))
        return false;
    int64_t rows = 0;
    if (ret_rows)
        *ret_rows = str_int(str_of(PQcmdTuples(result)), &rows) ? rows : 0;
    PQclear(result);
    return true;
}

bool pg_copy_out_begin(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err)
{
    if (!usable(pg, err))
        return false;
    PGresult *result = NULL;
    if (!PQsendQuery(pg->conn, sql))
        return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
    if (!next_result(pg, clock_boot_ms() + timeout_ms, &result))
        return give_up(pg, timeout_ms, err);
    bool begun = result && PQresultStatus(result) == PGRES_COPY_OUT;
    if (!begun && (!result || !is_good(result)))
        pg_result_error(pg->conn, result, pg->sqlstate, err);
    else if (!begun)
        err_set(err, ERR_USAGE, "the statement is not a COPY TO STDOUT");
    PQclear(result);
    if (!begun && !drain(pg, clock_boot_ms() + timeout_ms))
        pg->given_up = true;
    return begun;
}

static bool rows_ended(struct pg *pg, bool *ret_ended, struct err *err)
{
    PGresult *result = NULL;
    if (!collect(pg, CANCEL_GRACE_MS * 10, &result, err))
        return false;
    PQclear(result);
    *ret_ended = true;
    return true;
}

bool pg_copy_out_some(struct pg *pg, int64_t wait_ms, pg_row_fn *each, void *arg, bool *ret_ended, struct err *err)
{
    int64_t deadline = clock_boot_ms() + wait_ms;
    *ret_ended = false;
    if (!usable(pg, err))
        return false;
    for (bool some = false;;) {
        char *row = NULL;
        int n = PQgetCopyData(pg->conn, &row, 1);
        if (n == -1)
            return rows_ended(pg, ret_ended, err);
        if (n < 0)
            return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
        if (n == 0 && (some || !wait_socket(pg->conn, POLLIN, deadline)))
            return true;
        if (n == 0) {
            if (!PQconsumeInput(pg->conn))
                return pg_result_error(pg->conn, NULL, pg->sqlstate, err);
            continue;
        }
        some = true;
        bool taken = each(arg, row, (size_t)n, err);
        PQfreemem(row);
        if (!taken) {
            pg->given_up = true;
            return false;
        }
    }
}

/* ---- quoting and facts ---- */

static char *take_quoted(struct arena *arena, char *quoted)
{
    char *copy = arena_strdup(arena, quoted);
    PQfreemem(quoted);
    return copy;
}

char *pg_identifier(struct pg *pg, struct arena *arena, const char *name)
{
    return take_quoted(arena, PQescapeIdentifier(pg->conn, name, strlen(name)));
}

char *pg_literal(struct pg *pg, struct arena *arena, const char *value)
{
    return take_quoted(arena, PQescapeLiteral(pg->conn, value, strlen(value)));
}

int pg_server_version(const struct pg *pg)
{
    return PQserverVersion(pg->conn);
}

int pg_socket(const struct pg *pg)
{
    return PQsocket(pg->conn);
}

bool pg_in_transaction(const struct pg *pg)
{
    PGTransactionStatusType status = PQtransactionStatus(pg->conn);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

const char *pg_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}
