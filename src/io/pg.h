/* io/pg.h -- PostgreSQL through libpq, with a deadline on every call. Blocking: for commands and actions, in processes of their own. */
#pragma once
#include "base/base.h"
#include "base/target.h"

struct pg;
struct pg_rows;

/* Opens a session. `deadline_ms`: milliseconds from now for name, connection and login together.
   ERR_TIMEOUT, ERR_UNAVAILABLE (nothing listens, server starting or stopping), ERR_PERMISSION (login refused), ERR_NOT_FOUND (no such
   database), else ERR_PROTOCOL. dbname NULL: that of the target. application_name is "bascule". */
MUST_USE bool pg_open(const struct pgtarget *target, const char *dbname, int64_t deadline_ms, struct pg **ret, struct err *err);
void pg_close(struct pg **pg);
/* At a deadline the statement is cancelled and gets a second to end; if it does not, the session is given up and every later call says so.
   Runs one statement with text parameters ($1...), NULL for SQL null. `ret` may be NULL. On error the SQLSTATE stands in the message. */
MUST_USE bool pg_exec(struct pg *pg, struct arena *arena, const char *sql, const char *const *params, size_t param_count, int64_t timeout_ms,
                      struct pg_rows **ret, struct err *err);
/* The same without parameters, by the simple protocol: consoles like PgBouncer's know no other. */
MUST_USE bool pg_simple(struct pg *pg, struct arena *arena, const char *sql, int64_t timeout_ms, struct pg_rows **ret, struct err *err);
size_t pg_columns(const struct pg_rows *rows);
const char *pg_column_name(const struct pg_rows *rows, size_t column); /* of pg_simple; NULL past the end */
/* Runs text that may hold several statements (no parameters). Refused inside: none; the caller trusts the text. */
MUST_USE bool pg_script(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err);
/* From now on, while the server is at a statement of `pg`, `fn` is called every `every_ms`; NULL: no more. It may use other sessions, and
   end this by calling it with NULL. */
void pg_meanwhile(struct pg *pg, int64_t every_ms, void (*fn)(void *arg), void *arg);
size_t pg_count(const struct pg_rows *rows);
const char *pg_text(const struct pg_rows *rows, size_t row, size_t column); /* NULL for SQL null */
int64_t pg_int(const struct pg_rows *rows, size_t row, size_t column);      /* 0 for SQL null */
int64_t pg_affected(const struct pg_rows *rows);                             /* rows a command changed or returned */
/* COPY ... FROM STDIN: begin with the statement, give data in pieces of any size, end. `failure` non-NULL aborts with that reason and
   returns false with the server's confirmation (ERR_CANCELLED). A false from pg_copy_in_put means that the COPY is over. */
MUST_USE bool pg_copy_in_begin(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err);
MUST_USE bool pg_copy_in_put(struct pg *pg, const void *data, size_t size, int64_t timeout_ms, struct err *err);
MUST_USE bool pg_copy_in_end(struct pg *pg, const char *failure, int64_t timeout_ms, int64_t *ret_rows, struct err *err);
/* COPY ... TO STDOUT: begin with the statement, then ask for rows until *ret_ended. Each row comes as one piece, with its newline; those
   that have arrived are given, and when there are none, the first is waited for, `wait_ms` at most. False from `each` stops: then, as
   after any failure in between, the session can only be closed. */
typedef bool pg_row_fn(void *arg, const char *row, size_t n, struct err *err);
MUST_USE bool pg_copy_out_begin(struct pg *pg, const char *sql, int64_t timeout_ms, struct err *err);
MUST_USE bool pg_copy_out_some(struct pg *pg, int64_t wait_ms, pg_row_fn *each, void *arg, bool *ret_ended, struct err *err);
/* Quoted by the server's rules; NULL when the text is not valid UTF-8. */
char *pg_identifier(struct pg *pg, struct arena *arena, const char *name);
char *pg_literal(struct pg *pg, struct arena *arena, const char *value);
int pg_server_version(const struct pg *pg); /* 150018 */
int pg_socket(const struct pg *pg);
bool pg_in_transaction(const struct pg *pg); /* a BEGIN without its end */
const char *pg_sqlstate(const struct pg *pg); /* of the last error, "" when none */
/* libpq connection string parameters as keyword/value arrays ended by NULL, shared with io/pgprobe; password resolved. */
MUST_USE bool pg_params(struct arena *arena, const struct pgtarget *target, const char *dbname, const char *hostaddr,
                        const char *const **ret_keywords, const char *const **ret_values, struct err *err);
/* Environment additions for pg_dump and friends: PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE and PGPASSFILE pointing at a 0600
   file made in `folder`, which the caller removes. Passwords never enter the environment. */
MUST_USE bool pg_client_env(struct arena *arena, const struct pgtarget *target, const char *folder, const char *const **ret_env,
                            char **ret_passfile, struct err *err);
