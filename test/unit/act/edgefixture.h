/* test/unit/act/edgefixture.h -- A real nginx of a test's own: two sites that each answer with their name, and the edge in front of
   them that the users come through. Its configuration is ready for the traffic driver. */
#pragma once
#include "model/config.h"
#include "sshfixture.h"

struct edge_fixture {
    char folder[64], include[96], conf[96], address[32];
    int edge_port, site_ports[2];
    pid_t pid;
    struct arena *arena;
    /* A service with sites "production" and "dr", endpoints, and traffic through this nginx by the driver's own option struct. */
    struct config config;
    struct service service;
    struct site sites[2];
    struct endpoint endpoints[3];
    void *options;
};

struct edge_fixture *edge_fixture_new(void); /* sends the users to production */
void edge_fixture_free(struct edge_fixture **fixture);
/* What site number `i` answers from now on. `reload` makes nginx take it. */
void edge_fixture_answer(struct edge_fixture *fixture, int i, int status, const char *body);
void edge_fixture_reload(struct edge_fixture *fixture);
/* The driver's options: where nginx is, and the commands, ended by NULL; NULL: the right ones. */
void edge_fixture_options(struct edge_fixture *fixture, const struct host *host, const char *const *test, const char *const *reload);
char *edge_fixture_include(struct edge_fixture *fixture); /* text of the include file, "" when there is none */
