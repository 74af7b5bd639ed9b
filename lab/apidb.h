/* lab/apidb.h -- The API's sessions with PostgreSQL: a fixed pool, reconnected when the server comes back, a deadline on every call. */
#pragma once
#include <libpq-fe.h>

#include "base/base.h"

struct apidb;

/* `conninfo` as libpq reads it; nothing is connected yet. One session for each thread that may ask at the same time. */
struct apidb *apidb_open(const char *conninfo, int sessions);
void apidb_close(struct apidb **db);

/* Runs one statement as a transaction of its own. True only after the server said that it is committed; the caller clears *ret.
   ERR_UNAVAILABLE and ERR_TIMEOUT: the database does not answer (whether the statement was committed is then not known);
   ERR_REFUSED: a unique key exists; ERR_DATA: the values are wrong; ERR_FAILED: anything else. */
MUST_USE bool apidb_ask(struct apidb *db, const char *sql, const char *const *params, int count, int64_t within_ms, PGresult **ret,
                        struct err *err);
