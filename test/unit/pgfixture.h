/* test/unit/pgfixture.h -- A real PostgreSQL 15 of a test's own: a new cluster in a folder of its own, on a loopback address of its
   own, without fsync. As root it runs as the user "postgres", else as whoever runs the test. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/target.h"

struct pg_fixture {
    char folder[128];      /* all of it; removed by pg_fixture_free */
    char data[160];        /* the data directory */
    char socket_dir[160];
    char address[32];      /* 127.x.y.z, unlike any other fixture's */
    int port;
    pid_t pid;             /* of the postmaster; 0 while stopped */
    struct pgtarget target; /* user "postgres", database "postgres", no password */
};

/* Every failure ends the test with a message. */
struct pg_fixture *pg_fixture_new(void);        /* initdb and start */
void pg_fixture_free(struct pg_fixture **fixture); /* kills, removes the folder; NULL is fine */
void pg_fixture_start(struct pg_fixture *fixture); /* returns when it takes statements */
void pg_fixture_launch(struct pg_fixture *fixture); /* starts the process and does not wait */
void pg_fixture_stop(struct pg_fixture *fixture);  /* fast stop, waits */
void pg_fixture_kill(struct pg_fixture *fixture);  /* SIGKILL to the postmaster and everything under it */
void pg_fixture_sigstop(struct pg_fixture *fixture); /* freezes the postmaster and everything under it */
void pg_fixture_sigcont(struct pg_fixture *fixture);
/* Adds a line to postgresql.conf; takes effect at the next start. */
void pg_fixture_configure(struct pg_fixture *fixture, const char *line);
/* Runs SQL through psql and gives its unaligned output without the last newline. `dbname` NULL: postgres. */
char *pg_fixture_sql(struct pg_fixture *fixture, struct arena *arena, const char *dbname, const char *sql);
