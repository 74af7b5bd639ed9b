/* restore/graph.h -- What follows the data: statements that may run side by side become tasks with what they wait for, what they lock
   and what they cost; the others run one by one after them, in the order of the file. */
#pragma once
#include "restore/post.h"
#include "restore/rows.h"

struct graph;
/* Runs one statement in its place, alone; the session is to be set as `settings` says, and `mark` set with it. */
typedef bool graph_alone_fn(void *arg, const char *sql, const struct settings *settings, int64_t line, const struct mark *mark, struct err *err);
typedef void graph_progress_fn(void *arg);

struct graph_ops {
    graph_alone_fn *alone;
    graph_progress_fn *progress; /* called a few times a second while tasks run */
    void *arg;
};

/* What `marks` has as done is not done again. */
struct graph *graph_open(struct arena *arena, struct pool *pool, struct pg *pg, const struct marks *marks, const struct graph_ops *ops);
void graph_rows(struct graph *graph, struct rows *rows); /* a block that was begun, of which indexes and keys may have to wait */
void graph_add(struct graph *graph, struct str sql, int64_t line, int64_t item, const struct settings *settings);
size_t graph_bytes(const struct graph *graph); /* of statements that were added and not run */
int64_t graph_taken_over(const struct graph *graph); /* statements that were done already, of those that were run */
/* Waits for the rows alone. */
MUST_USE bool graph_wait(struct graph *graph, struct err *err);
/* Waits for the rows, runs all that was added. */
MUST_USE bool graph_run(struct graph *graph, struct err *err);
/* Statistics of every table and materialized view that has none from this restore. */
MUST_USE bool graph_analyze(struct graph *graph, struct err *err);
