/* test/unit/etcdfixture.h -- Real etcd members on loopback addresses of a test's own, started, killed and frozen by their process ids. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { ETCD_FIXTURE_MEMBERS = 3 };

struct etcd_fixture {
    char folder[96];
    int members;
    bool tls;                        /* with client certificates: ca.pem in `folder`; client, named (has a CN), stranger: .pem and .key */
    struct {
        char address[32], url[64];   /* of the client port */
        int client_port, peer_port;
        pid_t pid;
    } member[ETCD_FIXTURE_MEMBERS];
    const char *urls[ETCD_FIXTURE_MEMBERS];
};

/* Started, not waited for: whoever asks with a generous deadline finds out when it is ready. Exits with a message when it cannot. */
struct etcd_fixture *etcd_fixture_new(int members, bool tls);
void etcd_fixture_start(struct etcd_fixture *f, int member); /* again, with the data it had */
void etcd_fixture_kill(struct etcd_fixture *f, int member);  /* SIGKILL, and waits until it is gone */
void etcd_fixture_freeze(struct etcd_fixture *f, int member);
void etcd_fixture_thaw(struct etcd_fixture *f, int member);
void etcd_fixture_free(struct etcd_fixture **f);
