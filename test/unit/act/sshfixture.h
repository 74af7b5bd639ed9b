/* test/unit/act/sshfixture.h -- A real sshd of a test's own on a loopback address, with keys of its own, for whoever runs the test. */
#pragma once
#include <sys/types.h>

#include "base/base.h"
#include "base/target.h"

struct ssh_fixture {
    char folder[64]; /* removed by ssh_fixture_free */
    char control[96], identity[96], known_hosts[96], address[32], user[64];
    int port;
    pid_t pid;       /* 0 while stopped */
    struct host host;
};

/* Every failure ends the test with a message. */
struct ssh_fixture *ssh_fixture_new(void);
void ssh_fixture_free(struct ssh_fixture **fixture);
void ssh_fixture_stop(struct ssh_fixture *fixture); /* the listener and every session under it */
void ssh_fixture_start(struct ssh_fixture *fixture);
/* A free port on a random loopback address. */
void fixture_choose_address(char *address, size_t size, int *ret_port);
/* Waits until something listens there. */
void fixture_await_port(const char *address, int port, const char *what);
int fixture_run(const char *const *argv); /* exit code; output is dropped */
void fixture_write(const char *path, unsigned mode, const char *fmt, ...) PRINTF_LIKE(3, 4);
void fixture_remove(const char *folder); /* and all below */
