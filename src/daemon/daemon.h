/* daemon/daemon.h -- The controller: carries values between the six stages. */
#pragma once
#include "config/load.h"
#include "model/config.h"

struct daemon_spec {
    const struct config *config;
    const char *self;          /* path of this program, for the commands it runs */
    const char *only_playbook; /* non-NULL: no checks are scheduled; this playbook is run for `service` and the program ends with it */
    const char *service;
    const char *why;           /* what stands in the journal as its cause; NULL: that it was started by hand */
    const char *who;           /* of a run started by a person */
    int64_t to;                /* place in `sites:` of where it is to lead, from 1; 0: the fittest */
    bool live;                 /* print the timeline as it happens on stdout */
};
/* Until SIGTERM or SIGINT, or the end of only_playbook. Exit status. */
int daemon_run(const struct daemon_spec *spec);
