/* daemon/leader.h -- Which of several controllers acts: candidacy in etcd, for all services of the configuration at once. Without an etcd
   there is no leader to be: then whoever runs may act. */
#pragma once
#include "daemon/candidate.h"
#include "io/dns.h"
#include "io/http.h"
#include "model/config.h"

struct leader;

/* NULL in *ret: the configuration names no etcd. Blocks while another controller leads, so it watches nothing and holds no lock then. When
   etcd does not answer for some seconds it goes on without the lead: somebody has to watch. */
MUST_USE bool leader_wait(struct arena *arena, const struct config *config, struct leader **ret, struct err *err);

/* On a loop from now on. `look` is called on each answer and when our lease runs out. */
struct leader_callbacks {
    void (*look)(void *arg);
    const char *(*active)(void *arg, size_t service); /* the site that serves the users, as we know; NULL: none */
    void *arg;
};
MUST_USE bool leader_begin(struct leader *leader, struct loop *loop, struct http *http, const struct leader_callbacks *callbacks, struct err *err);
void leader_close(struct leader **leader); /* the lease stays: whoever is started at once goes on with it */

enum standing leader_standing(const struct leader *leader); /* NULL leads */
const char *leader_who(const struct leader *leader);        /* this controller's name among the others */
const char *leader_other(const struct leader *leader);      /* who leads instead; "" when not known */
/* The site that serves the users of a service, as the last leader left it; NULL: nobody wrote it. */
const char *leader_active(const struct leader *leader, size_t service);
