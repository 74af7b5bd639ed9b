/* dump/lexer.h -- The statements of a plain pg_dump, as they stream past. Backups are data: meta-commands are never executed.
   Handles quotes, dollar quotes, E'' strings, nested comments, COPY ... FROM stdin blocks with their "\.", \restrict and \unrestrict
   (known, skipped), \connect (refused). Bounded memory: a statement over LEXER_STATEMENT_MAX is an error; COPY data passes in pieces. */
#pragma once
#include "base/base.h"

enum { LEXER_STATEMENT_MAX = 64 * 1024 * 1024 };

enum lexer_item {
    LEXER_STATEMENT, /* text: one SQL statement with its semicolon */
    LEXER_COPY,      /* text: a COPY ... FROM stdin statement; LEXER_DATA items follow */
    LEXER_DATA,      /* text: bytes of rows, in pieces cut anywhere; `rows` newlines, each the end of a row, are among them */
    LEXER_COPY_END,
    LEXER_COMPLETE,  /* the trailer "PostgreSQL database dump complete" went by and the input ended */
};

struct lexer;
/* The text is followed by a 0 byte for statements and COPY, not for data. False stops, err being the caller's. */
typedef bool lexer_item_fn(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err);

struct lexer *lexer_open(lexer_item_fn *each, void *arg);
void lexer_close(struct lexer **lexer);
/* Errors name the line, those of the callback too. After an error the lexer may only be closed. */
MUST_USE bool lexer_feed(struct lexer *lexer, const void *data, size_t size, struct err *err);
MUST_USE bool lexer_end(struct lexer *lexer, struct err *err); /* ERR_DATA when cut: inside a statement, inside COPY, no trailer */
/* The rows of the COPY that has just begun stand somewhere else and are not fed: so many of them. ERR_DATA when none has just begun. */
MUST_USE bool lexer_skip_rows(struct lexer *lexer, int64_t rows, struct err *err);
int64_t lexer_line(const struct lexer *lexer);       /* on which the item just given began */
int64_t lexer_at(const struct lexer *lexer);         /* bytes of the input up to the end of the item just given */
/* Table of a COPY statement, as written: "public.contracts". False when it is not one. */
bool lexer_copy_table(struct str statement, struct str *ret);
