/* act/fence/port.c -- A bare connection, so that the kernel's own answer is seen: refused means that nobody listens there. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "act/fence/fence.h"
#include "io/dns.h"
#include "sys/clock.h"

#include "base/banned.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } to;
    socklen_t size;
    char name[160];
};

struct lookup {
    bool over;
    struct address *ret;
    char text[64];
    struct err err;
};

static void looked_up(void *arg, const char *address, const struct err *err)
{
    struct lookup *l = arg;
    l->over = true;
    if (address)
        COPY_TO(l->text, address);
    else
        l->err = *err;
}

static bool resolve(const struct pgtarget *target, int64_t time_ms, struct address *ret, struct err *err)
{
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, time_ms);
    struct lookup l = {0};
    char port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    dns_resolve(dns, target->host, looked_up, &l);
    while (!l.over && loop_once(loop, true))
        ;
    if (!*l.text) {
        if (err && l.over)
            *err = l.err;
        return l.over ? false : err_set(err, ERR_INTERNAL, "the resolver did not answer for \"%s\"", target->host);
    }
    snprintf(port, sizeof(port), "%d", target->port ? target->port : 5432);
    int status = getaddrinfo(l.text, port, &hints, &found);
    if (status != 0)
        return err_set(err, ERR_INTERNAL, "address \"%s\": %s", l.text, gai_strerror(status));
    memcpy(&ret->to, found->ai_addr, found->ai_addrlen);
    ret->size = found->ai_addrlen;
    freeaddrinfo(found);
    snprintf(ret->name, sizeof(ret->name), "%s port %s", l.text, port);
    return true;
}

static bool address_of(const struct pgtarget *target, int64_t time_ms, struct address *ret, struct err *err)
{
    if (target->host && target->host[0] != '/')
        return resolve(target, time_ms, ret, err);
    ret->to.un.sun_family = AF_UNIX;
    int n = snprintf(ret->to.un.sun_path, sizeof(ret->to.un.sun_path), "%s/.s.PGSQL.%d", target->host ? target->host : "/var/run/postgresql",
                     target->port ? target->port : 5432);
    if (n < 0 || (size_t)n >= sizeof(ret->to.un.sun_path))
        return err_set(err, ERR_LIMIT, "socket folder \"%s\" is too long", target->host);
    ret->size = sizeof(ret->to.un);
    snprintf(ret->name, sizeof(ret->name), "socket %s", ret->to.un.sun_path);
    return true;
}

/* 0: connected; else the errno of the attempt. */
static int attempt(const struct address *a, int64_t time_ms)
{
    int fd = socket(a->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), status = 0;
    if (fd < 0)
        return errno;
    if (connect(fd, &a->to.any, a->size) != 0)
        status = errno;
    if (status == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof(status);
        int n = poll(&p, 1, (int)MIN_OF(time_ms, MS_MINUTE));
        if (n <= 0)
            status = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &size) != 0)
            status = errno;
    }
    close(fd);
    return status;
}

bool fence_port_refuses(const struct pgtarget *target, int64_t time_ms, bool *ret, char *say, size_t size, struct err *err)
{
    struct address a = {0};
    if (!address_of(target, time_ms, &a, err))
        return err_prefix(err, "looking whether the database still listens");
    int status = attempt(&a, time_ms);
    bool local = a.to.any.sa_family == AF_UNIX;
    *ret = status == ECONNREFUSED || (local && status == ENOENT);
    if (status == 0)
        action_say(say, size, "%s still takes connections", a.name);
    else
        action_say(say, size, "a new connection to %s %s", a.name, *ret ? "was refused" : strerror(status));
    return true;
}
