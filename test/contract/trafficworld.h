/* trafficworld.h -- A small world for one traffic driver: two sites that answer with their name, the real server that directs users to one
   of them, and a service configured for it. What is true of all drivers is asked of every world. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/types.h>

#include "act/sshfixture.h"
#include "act/traffic/traffic.h"

struct world;
struct world_kind {
    const char *name;   /* "dns-knot" */
    const char *driver; /* "dns" */
    void (*open)(struct world *w);  /* fills service, options and server_argv */
    void (*close)(struct world *w); /* may be NULL */
    char *(*state)(struct world *w); /* of the server itself, asked without the driver; what undo must bring back */
};
extern const struct world_kind world_nginx, world_haproxy, world_bind, world_knot, world_pgbouncer, world_address, world_command, world_cloudflare, world_route53,
    world_elbv2;

struct world {
    const struct world_kind *kind;
    struct arena *arena;
    char folder[64];
    char address[32]; /* of a loopback of its own; ports on it are free */
    struct config config;
    struct service service;
    struct site sites[2]; /* "production", "dr" */
    void *options;
    struct action_ctx ctx;
    const struct action_ops *traffic;
    pid_t server, children[8]; /* `server` 0: the driver has none that could be stopped */
    size_t child_count;
    const char *const *server_argv;
    int server_port;           /* listens when it is up */
    void *more;                /* the kind's own */
};

struct world *world_new(const struct world_kind *kind);
void world_free(struct world **world);
/* The member of the driver's options, of a list's element where `element` is one. */
void *world_option(struct world *w, const char *key);
void *world_field(const struct option *table, void *element, const char *key);
struct strs world_words(struct world *w, const char *first, ...); /* ended by NULL */
/* An array of `count` elements of a list option. */
void *world_list(struct world *w, const char *key, size_t count, const struct option **ret_table, size_t *ret_size);

/* What a site says when it is asked: its name in `to`, or "" for an error. */
typedef void world_who(struct world *w, void *arg, char *to, size_t size);
/* A web server in a process of its own: any path gives {"status":"ok","site":NAME}, /stream keeps the connection. `netns` NULL: here. */
void world_serve(struct world *w, const char *address, int port, const char *netns, world_who *who, void *arg);
void world_serve_name(struct world *w, const char *address, int port, const char *netns, const char *name);
int world_port(struct world *w); /* a free one */
void world_start(struct world *w);
void world_stop(struct world *w);
/* A network of this process's own, with files of its own in /run/netns and a resolver of its own; root only. */
void world_own_network(struct world *w, const char *resolver);

bool world_act(struct world *w, const char *verb, const char *site, struct err *err);
void world_must(struct world *w, const char *verb, const char *site);
bool world_done(struct world *w, const char *verb, const char *site);
void world_served_by(struct world *w, const char *site);
char *world_output(struct world *w, const char *const *argv); /* stdout; the test fails when the command does */

/* The special questions of each kind. */
struct world_test {
    const char *name;
    void (*fn)(struct world *w);
};
extern const struct world_test haproxy_tests[], dns_tests[], pgbouncer_tests[], address_tests[], command_tests[], cloudflare_tests[],
    route53_tests[], elbv2_tests[]; /* ended by NULL */
