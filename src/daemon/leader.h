/* daemon/leader.h -- Which of several controllers leads one service: a key in etcd, PREFIX/SERVICE/leader, that goes with the lease of whoever
   put it there. The services of a configuration are led one by one, so that controllers with different sets of them can share. */
#pragma once
#include "daemon/candidate.h"
#include "daemon/shared.h"
#include "io/http.h"
#include "model/config.h"

struct leader;

/* On a loop from now on. `look` is called on each answer and when our lease runs out. */
struct leader_callbacks {
    void (*look)(void *arg);
    void (*users)(void *arg, struct shared_users *ret);              /* as we know; asked while we lead */
    const struct shared_pause *(*pause)(void *arg);                  /* what a person said here last, or what was heard since */
    void *arg;
};
MUST_USE bool leader_open(struct arena *arena, const struct config *config, const struct service *service, struct loop *loop, struct http *http,
                          const struct leader_callbacks *callbacks, struct leader **ret, struct err *err);
void leader_close(struct leader **leader); /* the lease stays: whoever is started at once goes on with it */

enum standing leader_standing(const struct leader *leader);
const char *leader_who(const struct leader *leader);    /* this controller's name among the others */
const char *leader_other(const struct leader *leader);  /* who leads instead; "" when not known */
const struct shared_users *leader_users(const struct leader *leader); /* as the last leader left them */
const struct shared_pause *leader_pause(const struct leader *leader); /* as whoever heard it last wrote it */
