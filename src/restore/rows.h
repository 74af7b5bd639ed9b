/* restore/rows.h -- The rows of one COPY block on their way into their table. The thread that reads the file begins a block and gives
   its bytes, or says in which members of the file they stand; a session of the pool writes them. What is under way is bounded. */
#pragma once
#include "dump/index.h"
#include "restore/marks.h"
#include "restore/pool.h"

struct rows;       /* one block */
struct rows_store; /* the memory that all blocks share */

/* At most `max_bytes` of rows wait for their sessions. */
struct rows_store *rows_store_open(struct pool *pool, const struct marks *marks, size_t max_bytes);
void rows_store_close(struct rows_store **store); /* after the pool */

/* The block of statement `copy` (COPY table ... FROM stdin;), the `item`th of the file. Lives in `arena`. */
struct rows *rows_begin(struct rows_store *store, struct arena *arena, const char *table, struct str copy, int64_t line, int64_t item,
                        const struct settings *settings);
/* Bytes as they come, cut anywhere; waits while too much is under way. False: the pool failed, and says why. */
bool rows_add(struct rows *rows, const void *data, size_t size);
/* Instead: they are the members `m`, `n` of them with `bytes` bytes, of file `fd`; `parts` sessions may share them. They begin with
   pool_seal, so that the most urgent table comes first. What an interrupted run loaded of them is passed by, in the pieces that it made:
   *ret_left tells whether anything is left to do, *ret_taken_over how many rows are there. */
void rows_members(struct rows *rows, int fd, const struct index_member *m, size_t n, int64_t bytes, int parts, bool *ret_left,
                  int64_t *ret_taken_over);
/* Instead: all `count` rows are there already, of `bytes` bytes. */
void rows_passed(struct rows *rows, int64_t count, int64_t bytes);
/* All given; `count` rows there must be. */
void rows_end(struct rows *rows, int64_t count);
size_t rows_tasks(struct rows *rows, struct task *const **ret); /* after which they are in */
const char *rows_table(const struct rows *rows);
int64_t rows_count(const struct rows *rows); /* as given to rows_end */
int64_t rows_bytes(const struct rows *rows);
