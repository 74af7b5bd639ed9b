/* lab/apidb.c -- Asynchronous libpq under a blocking face: libpq's own blocking calls know no deadline. */
#include "apidb.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

struct session {
    PGconn *conn; /* NULL: to be connected at the next use */
    bool taken;
};

struct apidb {
    const char *conninfo;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    int count;
    struct session *sessions;
    struct arena *arena;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct apidb *apidb_open(const char *conninfo, int sessions)
{
    struct arena *arena = arena_open();
    struct apidb *db = arena_new(arena, struct apidb);
    *db = (struct apidb){.conninfo = arena_strdup(arena, conninfo), .count = sessions, .arena = arena};
    db->sessions = arena_array(arena, struct session, sessions);
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->returned, NULL);
    return db;
}

void apidb_close(struct apidb **db)
{
    if (!*db)
        return;
    for (int i = 0; i < (*db)->count; i++)
        PQfinish((*db)->sessions[i].conn);
    pthread_mutex_destroy(&(*db)->lock);
    pthread_cond_destroy(&(*db)->returned);
    struct arena *arena = (*db)->arena;
    arena_close(&arena);
    *db = NULL;
}

static struct session *take(struct apidb *db)
{
    struct session *found = NULL;
    pthread_mutex_lock(&db->lock);
    while (!found) {
        for (int i = 0; i < db->count && !found; i++)
            if (!db->sessions[i].taken)
                found = &db->sessions[i];
        if (!found)
            pthread_cond_wait(&db->returned, &db->lock);
    }
    found->taken = true;
    pthread_mutex_unlock(&db->lock);
    return found;
}

static void give_back(struct apidb *db, struct session *session)
{
    pthread_mutex_lock(&db->lock);
    session->taken = false;
    pthread_cond_signal(&db->returned);
    pthread_mutex_unlock(&db->lock);
}

static void drop(struct session *session)
{
    PQfinish(session->conn);
    session->conn = NULL;
}

/* False when the deadline came first. */
static bool wait_for(PGconn *conn, short wanted, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd fd = {.fd = PQsocket(conn), .events = wanted};
        if (left <= 0 || fd.fd < 0)
            return false;
        int n = poll(&fd, 1, (int)left);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/* The phrase that operators know from their logs, "ECONNREFUSED 127.0.0.1:5432", where the cause is one of the network's. */
static bool unavailable(const PGconn *conn, bool late, struct err *err)
{
    const char *said = PQerrorMessage(conn), *host = PQhost(conn), *port = PQport(conn);
    if (late)
        return err_set(err, ERR_TIMEOUT, "ETIMEDOUT %s:%s", host ? host : "?", port ? port : "?");
    if (strstr(said, "Connection refused"))
        return err_set(err, ERR_UNAVAILABLE, "ECONNREFUSED %s:%s", host ? host : "?", port ? port : "?");
    return err_set(err, ERR_UNAVAILABLE, "%.*s", (int)strcspn(said, "\n"), said);
}

static bool connect_session(const struct apidb *db, struct session *session, int64_t deadline, struct err *err)
{
    static const char *const keywords[] = {"dbname", "gssencmode", "application_name", NULL};
    const char *const values[] = {db->conninfo, "disable", "akig-api", NULL};
    session->conn = PQconnectStartParams(keywords, values, 1);
    if (!session->conn)
        return err_set(err, ERR_OS, "out of memory");
    for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(session->conn)) {
        if (next == PGRES_POLLING_FAILED || PQstatus(session->conn) == CONNECTION_BAD) {
            unavailable(session->conn, false, err);
            drop(session);
            return false;
        }
        if (!wait_for(session->conn, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
            unavailable(session->conn, true, err);
            drop(session);
            return false;
        }
    }
    return true;
}

/* A server that went away has closed the socket, which shows as something to read: better noticed before a statement is sent,
   since afterwards nobody could say whether it was committed. Its last words come before the end, so one look is not enough. */
static bool still_good(PGconn *conn)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    for (int look = 0; look < 8 && fd.fd >= 0 && poll(&fd, 1, 0) > 0; look++)
        if (!PQconsumeInput(conn))
            return false;
    return PQstatus(conn) == CONNECTION_OK;
}

static bool explain(const PGconn *conn, const PGresult *result, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || !said || PQstatus(conn) != CONNECTION_OK)
        return unavailable(conn, false, err);
    enum err_code code = ERR_FAILED;
    if (same(state, "23505"))
        code = ERR_REFUSED;
    else if (str_starts(str_of(state), "23") || str_starts(str_of(state), "22"))
        code = ERR_DATA;
    else if (str_starts(str_of(state), "57") || str_starts(str_of(state), "53"))
        code = ERR_UNAVAILABLE;
    return err_set(err, code, "%s (%s)", said, state);
}

/* In the extended protocol the rows come before the commit: the commit happens at the Sync that follows, and may fail there. So
   the statement counts only when every result was good and libpq said, with NULL, that the server is ready for the next one. */
static bool collect(struct session *session, int64_t deadline, PGresult **ret, struct err *err)
{
    PGresult *kept = NULL;
    bool ok = true;
    for (;;) {
        while (PQisBusy(session->conn))
            if (!wait_for(session->conn, POLLIN, deadline)) {
                PQclear(kept);
                return unavailable(session->conn, true, err);
            } else if (!PQconsumeInput(session->conn)) {
                PQclear(kept);
                return unavailable(session->conn, false, err);
            }
        PGresult *result = PQgetResult(session->conn);
        if (!result)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (ok && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            ok = explain(session->conn, result, err);
        PQclear(kept);
        kept = result;
    }
    if (ok && (!kept || PQstatus(session->conn) != CONNECTION_OK))
        ok = unavailable(session->conn, false, err);
    if (ok)
        *ret = kept;
    else
        PQclear(kept);
    return ok;
}

static bool ask(const struct apidb *db, struct session *session, const char *sql, const char *const *params, int count, int64_t deadline,
                PGresult **ret, struct err *err)
{
    if (session->conn && !still_good(session->conn))
        drop(session);
    if (!session->conn && !connect_session(db, session, deadline, err))
        return false;
    bool ok = PQsendQueryParams(session->conn, sql, count, NULL, params, NULL, NULL, 0) ? collect(session, deadline, ret, err)
                                                                                       : unavailable(session->conn, false, err);
    /* After a late answer the session is in the middle of something: only a new one is sure to be clean. */
    if (!ok && (PQstatus(session->conn) != CONNECTION_OK || PQtransactionStatus(session->conn) != PQTRANS_IDLE))
        drop(session);
    return ok;
}

bool apidb_ask(struct apidb *db, const char *sql, const char *const *params, int count, int64_t within_ms, PGresult **ret, struct err *err)
{
    int64_t deadline = now_ms() + within_ms;
    struct session *session = take(db);
    bool ok = ask(db, session, sql, params, count, deadline, ret, err);
    give_back(db, session);
    return ok;
}
