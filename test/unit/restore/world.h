/* test/unit/restore/world.h -- What the tests that restore into a server have in common: the server, a folder of files, and a backup. */
#pragma once
#include "backup/backup.h"
#include "pgfixture.h"

struct world {
    struct arena *arena;
    struct pg_fixture *pg;
    struct pgtarget target;
    char folder[64];
};
extern struct world *w; /* from world_open to world_close */

/* Every failure ends the test with a message. */
void world_open(void **state);
/* A database "source" that is filled by `sql`, and a backup of it, made by the engine, in the folder. */
const char *world_backup(const char *sql);
int world_close(void **state);
const char *sql(const char *dbname, const char *text);
const char *put(const char *name, const void *data, size_t n); /* a file in the folder; its path */
