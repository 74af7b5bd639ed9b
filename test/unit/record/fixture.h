/* A folder of its own for each test, and rows that say something. */
#pragma once
#include <inttypes.h>

#include "record/journal.h"

struct script {
    struct record *p;
    size_t n, cap;
};

struct fixture {
    struct arena *arena;
    char dir[64];
    struct journal *journal;
    struct script *script; /* see script.c */
};

int fixture_open(void **state);  /* cmocka setup: a folder, no journal yet */
int fixture_close(void **state); /* closes the journal, removes the folder */
void fixture_journal(struct fixture *f);                 /* opens for append; fails the test when that fails */
void fixture_close_journal(struct fixture *f);
struct record fixture_note(int64_t at_ms, const char *text);
void fixture_append(struct fixture *f, int count);       /* that many notes, one transaction each */
const char *fixture_path(struct fixture *f, const char *name);
const char *fixture_try_sql(struct fixture *f, const char *sql); /* what SQLite says against it; NULL: done */
void fixture_sql(struct fixture *f, const char *sql);    /* behind the journal's back */
