/* observe/pgwords.c -- Which refusals are the server's death, which are its door, and which are our own fault. */
#include "observe/pgwords.h"

char *pgwords_failure(struct arena *arena, const struct pgprobe_outcome *outcome)
{
    if (outcome->err.code == ERR_TIMEOUT)
        return arena_printf(arena, "%s", outcome->err.message); /* says the time itself */
    return arena_printf(arena, "after %lld ms: %s", (long long)outcome->took_ms, outcome->err.message);
}

static struct pgwords say(enum verdict_state state, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct pgwords say(enum verdict_state state, const char *fmt, ...)
{
    struct pgwords w = {.state = state};
    va_list args;
    va_start(args, fmt);
    vsnprintf(w.text, sizeof(w.text), fmt, args);
    va_end(args);
    return w;
}

struct pgwords pgwords_connection(const struct pgprobe_outcome *connection, const struct pgtarget *target, int64_t limit_ms)
{
    const char *code = connection->sqlstate, *message = connection->err.message;
    int64_t took = connection->took_ms;
    if (connection->unresolved)
        return say(VERDICT_UNKNOWN, "could not find out where the server is: %s", message);
    if (connection->local_fault)
        return say(VERDICT_UNKNOWN, "could not try a connection: %s", message);
    if (connection->err.code == ERR_TIMEOUT)
        return say(VERDICT_DOWN, "new connection: no answer within %.1f s from \"%s\" port %d", (double)limit_ms / 1000.0,
                   target->host ? target->host : "local socket", target->port ? target->port : 5432);
    if (same(code, "57P03"))
        return say(VERDICT_DOWN, "new connection: the server is starting up or stopping: %s, after %lld ms", message, (long long)took);
    if (same(code, "53300"))
        return say(VERDICT_DOWN, "new connection: too many clients: %s, after %lld ms", message, (long long)took);
    if (connection->err.code == ERR_PERMISSION)
        /* The server lives and turned us away. To take that for its death would fail a healthy service over for a changed password. */
        return say(VERDICT_UNKNOWN, "the server answers and refuses our login: %s", message);
    return say(VERDICT_DOWN, "new connection failed after %lld ms: %s", (long long)took, message);
}
