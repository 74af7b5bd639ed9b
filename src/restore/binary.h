/* restore/binary.h -- Rows of COPY text turned into COPY's binary form, since reading text is most of what loading costs the server.
   Exact or not at all: only values in the form that pg_dump writes are turned; anything else, and all that the server might refuse, goes
   as text, so that the server alone decides what a row means. */
#pragma once
#include "base/base.h"
#include "io/pg.h"

enum { BINARY_HEADER_SIZE = 19, BINARY_TRAILER_SIZE = 2 };
extern const char binary_header[BINARY_HEADER_SIZE];
extern const char binary_trailer[BINARY_TRAILER_SIZE];

struct binary; /* how the rows of one table are written; read-only once made, so that threads may share it */

/* Asks the target's catalogue about the columns of the COPY statement, in a session that has the settings (client_encoding,
   IntervalStyle) of those that load. `table`: as the statement writes it. *ret NULL and true: a column's type has no encoder, the
   statement has options, or the client's encoding is none that this room knows; use text. */
MUST_USE bool binary_new(struct arena *arena, struct pg *pg, const char *table, struct str copy_statement, struct binary **ret, struct err *err);
/* The same statement with `options` ("FORMAT binary", "FORMAT binary, FREEZE") for its end. NULL when it is not a plain COPY ... FROM stdin. */
char *binary_statement(struct arena *arena, struct str copy_statement, const char *options);

enum binary_result { BINARY_OK, BINARY_UNSURE };
/* Whole rows of COPY text, each with its newline, appended to `out` as binary tuples (no header, no trailer). BINARY_UNSURE: a value is
   not in the one form that pg_dump writes, or `out` is full; `out` is as before, and this chunk is to be sent as text. Never refuses by
   itself: json, jsonb and the constraints of domains are left to the server, who judges them alike in either form. Thread-safe. */
enum binary_result binary_rows(const struct binary *b, struct str rows, struct buf *out, int64_t *ret_rows);
