/* io/sock.c -- poll, with a deadline on every wait. */
#include "io/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"

enum { PIECE = 64 * 1024, HOST_SIZE = 64 };

struct where {
    union {
        struct sockaddr any;
        struct sockaddr_un path;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    socklen_t size;
};

static bool read_address(const char *text, struct where *ret)
{
    *ret = (struct where){0};
    if (!text)
        return false;
    if (*text == '/') {
        ret->a.path.sun_family = AF_UNIX;
        ret->size = sizeof(ret->a.path);
        return COPY_TO(ret->a.path.sun_path, text);
    }
    const char *colon = strrchr(text, ':');
    char host[HOST_SIZE];
    int64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof(host) || !str_int(str_of(colon + 1), &port) || port < 1 || port > UINT16_MAX)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        ret->a.v6.sin6_family = AF_INET6;
        ret->a.v6.sin6_port = htons((uint16_t)port);
        ret->size = sizeof(ret->a.v6);
        return inet_pton(AF_INET6, host + 1, &ret->a.v6.sin6_addr) == 1;
    }
    ret->a.v4.sin_family = AF_INET;
    ret->a.v4.sin_port = htons((uint16_t)port);
    ret->size = sizeof(ret->a.v4);
    return inet_pton(AF_INET, host, &ret->a.v4.sin_addr) == 1;
}

bool sock_address_is_good(const char *address)
{
    struct where where;
    return read_address(address, &where);
}

static bool timed_out(struct err *err)
{
    err_set(err, ERR_TIMEOUT, "no answer in time");
    if (err)
        err->retryable = true;
    return false;
}

static bool broken(int os, const char *what, struct err *err)
{
    err_os(err, os, "%s", what);
    if (err) {
        err->code = os == EACCES || os == EPERM ? ERR_PERMISSION : ERR_UNAVAILABLE;
        err->retryable = os != EACCES && os != EPERM;
    }
    return false;
}

static bool await(int fd, short events, int64_t deadline, struct err *err)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t left = deadline - clock_boot_ms();
        if (left <= 0)
            return timed_out(err);
        int n = poll(&p, 1, (int)MIN_OF(left, MS_HOUR));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_os(err, errno, "poll");
    }
}

static bool join(int fd, const struct where *where, int64_t deadline, struct err *err)
{
    int failure = 0;
    socklen_t size = sizeof(failure);
    if (connect(fd, &where->a.any, where->size) == 0)
        return true;
    /* A Unix socket whose queue is full says EAGAIN and does not go on by itself: its server hangs. */
    if (errno != EINPROGRESS)
        return errno == EAGAIN ? timed_out(err) : broken(errno, "could not connect", err);
    if (!await(fd, POLLOUT, deadline, err))
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
        failure = errno;
    return !failure || broken(failure, "could not connect", err);
}

bool sock_open(const char *address, bool datagram, int64_t deadline, int *ret_fd, struct err *err)
{
    struct where where;
    if (!read_address(address, &where))
        return err_set(err, ERR_CONFIG, "\"%s\" is no path of a socket and no ADDRESS:PORT", address ? address : "");
    int fd = socket(where.a.any.sa_family, (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_os(err, errno, "socket");
    bool ok = join(fd, &where, deadline, err);
    if (ok)
        *ret_fd = fd;
    else
        close(fd);
    return ok;
}

bool sock_send(int fd, const void *data, size_t size, int64_t deadline, struct err *err)
{
    const char *p = data;
    while (size) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!await(fd, POLLOUT, deadline, err))
                return false;
        } else if (n < 0 && errno != EINTR) {
            return broken(errno, "could not send", err);
        }
    }
    return true;
}

bool sock_receive(int fd, struct buf *to, int64_t deadline, bool *ret_ended, struct err *err)
{
    static const size_t piece = PIECE;
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *data = arena_alloc(arena, piece);
    for (;;) {
        ssize_t n = recv(fd, data, piece, 0);
        if (n >= 0) {
            *ret_ended = n == 0;
            return buf_add(to, data, (size_t)n) || err_set(err, ERR_LIMIT, "the answer is longer than %zu bytes", to->max);
        }
        if (errno == EAGAIN ? !await(fd, POLLIN, deadline, err) : errno != EINTR && !broken(errno, "the connection broke", err))
            return false;
    }
}

bool sock_ask(const char *address, const char *text, int64_t timeout_ms, struct buf *answer, struct err *err)
{
    int64_t deadline = clock_boot_ms() + timeout_ms;
    int fd SCOPED(file_close) = -1;
    bool ended = false;
    if (!sock_open(address, false, deadline, &fd, err) || !sock_send(fd, text, strlen(text), deadline, err))
        return false;
    while (!ended)
        if (!sock_receive(fd, answer, deadline, &ended, err))
            return false;
    return true;
}
