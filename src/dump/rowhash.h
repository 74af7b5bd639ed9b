/* dump/rowhash.h -- What the rows of a table add up to: order does not matter, and pieces can be added together. */
#pragma once
#include "base/base.h"

/* XXH3-64 of one row as COPY writes it in text, without its newline. The hash of a table is the sum of its rows' mod 2^64. */
uint64_t row_hash(const void *row, size_t n) LINKED_AS("dump_row_hash"); /* record/ has one of its own, of journal rows */
/* The sum over whole rows, each ended by a newline; their number is added to *rows. */
uint64_t rows_hash(struct str text, int64_t *rows);
