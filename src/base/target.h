/* base/target.h -- Addresses of the outside world as plain values, shared by the layers that reach it. */
#pragma once
#include <stdbool.h>

#include "base/vec.h"

/* Where a secret stands. The secret itself is read at the moment of use (sys/secret.h) and never kept in a configuration. */
enum secret_source { SECRET_NONE, SECRET_FILE, SECRET_ENV, SECRET_CREDENTIAL };
struct secret {
    enum secret_source source;
    const char *ref; /* path, variable name, or name of a systemd credential */
};

/* Where commands run: here, or over OpenSSH. */
struct host {
    const char *address; /* NULL or "local": this machine */
    int port;            /* 22 */
    const char *user;
    const char *identity;    /* key file, or NULL for OpenSSH's own choice */
    const char *known_hosts; /* file, or NULL for OpenSSH's own choice */
};

struct pgtarget {
    const char *host; /* name, address, or folder of a Unix socket */
    int port;         /* 5432 */
    const char *dbname;
    const char *user;
    struct secret password;
    const char *sslmode; /* as libpq's; "prefer" */
};

/* How a service on a host is controlled: a systemd unit, or the commands given. An argv with n == 0 is not configured. */
struct unit {
    const char *name; /* systemd unit, or NULL */
    struct strs start, stop, restart, status; /* status: exit 0 means running */
    struct strs mask;   /* makes every later start fail, until unmask */
    struct strs unmask;
    struct strs kill;   /* stops at once, without waiting for clients (an immediate stop) */
    struct strs log;    /* prints the last log lines */
};
