/* io/pgcommon.c -- Connection parameters and errors of libpq. Failures are told apart by SQLSTATE and by the state of the socket,
   never by the words of a message: those come in the language of the server or of the user. */
#include "io/pgcommon.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include "io/pg.h"
#include "sys/secret.h"

static void silent(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

void pg_prepare_connection(struct pg_conn *conn)
{
    PQsetNoticeProcessor(conn, silent, NULL);
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* the only way to a SQLSTATE before there is a result */
}

/* A five-character code between ":  " and ": ", as in "FATAL:  57P03: the database system is starting up". */
static const char *find_sqlstate(const char *message)
{
    for (const char *p = message; (p = strstr(p, ":  ")) != NULL; p++) {
        const char *code = p + 3;
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)code[n]) || isupper((unsigned char)code[n])))
            n++;
        if (n == 5 && code[5] == ':' && code[6] == ' ')
            return code;
    }
    return NULL;
}

static enum err_code code_of_sqlstate(const char *state)
{
    if (!strncmp(state, "28", 2) || same(state, "42501"))
        return ERR_PERMISSION;
    if (same(state, "3D000"))
        return ERR_NOT_FOUND;
    if (!strncmp(state, "57P", 3) || !strncmp(state, "53", 2) || !strncmp(state, "08", 2))
        return ERR_UNAVAILABLE; /* starting, stopping, out of connections or memory, link broken */
    if (same(state, "57014"))
        return ERR_CANCELLED;
    return ERR_FAILED;
}

/* The last line libpq wrote that says something, without what VERBOSE adds to it. */
static struct str last_words(const char *message)
{
    struct str rest = str_of(message), line, found = {0};
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n && !str_starts(line, "LOCATION:") && !str_starts(line, "Is the server running"))
            found = line;
    }
    return found;
}

/* Of a link that broke, libpq says first what happened, and then what it could not do for that reason ("invalid socket"). */
static struct str first_words(const char *message)
{
    struct str rest = str_of(message), line = {0};
    while (str_next(&rest, '\n', &line) && !(line = str_trim(line)).n)
        ;
    return line;
}

static void login_hint(const char *state, struct err *err)
{
    if (same(state, "28P01") || same(state, "28000"))
        err_hint(err, "check user and password of the database and the server's pg_hba.conf");
    else if (same(state, "53300"))
        err_hint(err, "raise max_connections, or end idle sessions seen in pg_stat_activity");
    else if (same(state, "3D000"))
        err_hint(err, "list the databases of the server with \"psql -l\"");
}

/* libpq drops the socket when reading failed, and keeps it when it did not like what it read; one that never connected has no peer. */
static bool has_peer(struct pg_conn *conn)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return PQsocket(conn) >= 0 && getpeername(PQsocket(conn), (struct sockaddr *)&peer, &size) == 0;
}

bool pg_connect_error(struct pg_conn *conn, char sqlstate[PG_SQLSTATE_SIZE], struct err *err)
{
    const char *message = PQerrorMessage(conn);
    const char *code = find_sqlstate(message);
    sqlstate[0] = 0;
    if (code) {
        memcpy(sqlstate, code, 5);
        sqlstate[5] = 0;
        enum err_code kind = code_of_sqlstate(sqlstate);
        struct str words = str_of(code + 7);
        const char *end = memchr(words.p, '\n', words.n);
        if (end)
            words.n = (size_t)(end - words.p);
        err_set(err, kind == ERR_FAILED ? ERR_PROTOCOL : kind, STR_FMT " (%s)", STR_ARG(words), sqlstate);
        login_hint(sqlstate, err);
        return false;
    }
    struct str words = last_words(message);
    if (PQconnectionNeedsPassword(conn)) {
        err_set(err, ERR_PERMISSION, "the server asks for a password and none is configured");
        return err_hint(err, "set \"password\" of the database to {file: PATH}");
    }
    return err_set(err, has_peer(conn) ? ERR_PROTOCOL : ERR_UNAVAILABLE, STR_FMT, STR_ARG(words));
}

bool pg_result_error(struct pg_conn *conn, const struct pg_result *result, char sqlstate[PG_SQLSTATE_SIZE], struct err *err)
{
    const char *code = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    str_copy(sqlstate, PG_SQLSTATE_SIZE, code ? code : "");
    if (!code) { /* no word from the server: the link broke, or libpq refused the call */
        bool broken = PQstatus(conn) == CONNECTION_BAD;
        struct str words = broken ? first_words(PQerrorMessage(conn)) : last_words(result ? PQresultErrorMessage(result) : PQerrorMessage(conn));
        return err_set(err, broken ? ERR_UNAVAILABLE : ERR_FAILED, STR_FMT, STR_ARG(words.n ? words : STR("the session ended unexpectedly")));
    }
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    err_set(err, code_of_sqlstate(code), "%s (%s)", primary ? primary : "error without a message", code);
    if (hint || detail)
        err_hint(err, "%s", hint ? hint : detail);
    return false;
}

bool pg_timeout_error(int64_t timeout_ms, struct err *err)
{
    return err_set(err, ERR_TIMEOUT, "no answer within %.1f s", (double)timeout_ms / 1000.0);
}

bool pg_host_is_socket(const struct pgtarget *target)
{
    return !target->host || target->host[0] == '/' || target->host[0] == '@' || !target->host[0];
}

bool pg_params(struct arena *arena, const struct pgtarget *target, const char *dbname, const char *hostaddr,
               const char *const **ret_keywords, const char *const **ret_values, struct err *err)
{
    enum { MOST = 12 };
    char *password = NULL;
    if (!secret_read(arena, &target->password, &password, err))
        return err_prefix(err, "reading the database password");
    const char **keywords = arena_array(arena, const char *, MOST);
    const char **values = arena_array(arena, const char *, MOST);
    const char *const all[][2] = {
        {"host", target->host},
        {"hostaddr", hostaddr},
        {"port", arena_printf(arena, "%d", target->port ? target->port : 5432)},
        {"dbname", dbname ? dbname : target->dbname},
        {"user", target->user},
        {"password", password},
        {"sslmode", target->sslmode},
        {"application_name", "bascule"},
        {"client_encoding", "UTF8"},
        {"gssencmode", "disable"}, /* its probing asks the name service and may hang there */
    };
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i][1] || !all[i][1][0])
            continue;
        keywords[n] = all[i][0];
        values[n++] = all[i][1];
    }
    *ret_keywords = keywords;
    *ret_values = values;
    return true;
}

void pg_wipe_password(const char *const *keywords, const char *const *values)
{
    for (size_t i = 0; keywords && keywords[i]; i++)
        if (same(keywords[i], "password"))
            secret_wipe((char *)(uintptr_t)values[i]);
}
