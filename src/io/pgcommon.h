/* io/pgcommon.h -- What the blocking session (pg) and the probe on the loop (pgprobe) share: how libpq's failures become errors. */
#pragma once
#include <stdarg.h>
#include <stdint.h>

#include "base/base.h"
#include "base/target.h"

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

enum { PG_SQLSTATE_SIZE = 6 };

/* Right after PQconnectStart: messages carry their SQLSTATE, notices go nowhere. */
void pg_prepare_connection(struct pg_conn *conn);
/* Why the connection failed, as pg_open documents it. Always false. */
bool pg_connect_error(struct pg_conn *conn, char sqlstate[PG_SQLSTATE_SIZE], struct err *err);
/* Why the statement failed: "MESSAGE (SQLSTATE)", the server's hint or detail as hint. Always false. `result` may be NULL. */
bool pg_result_error(struct pg_conn *conn, const struct pg_result *result, char sqlstate[PG_SQLSTATE_SIZE], struct err *err);
/* "no answer within 1.5 s" as ERR_TIMEOUT. Always false. */
bool pg_timeout_error(int64_t timeout_ms, struct err *err);
/* Is it a folder of Unix sockets, or absent, so that there is no name to resolve? */
bool pg_host_is_socket(const struct pgtarget *target);
void pg_wipe_password(const char *const *keywords, const char *const *values);
