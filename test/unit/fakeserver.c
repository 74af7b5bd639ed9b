/* test/unit/fakeserver.c -- Threads that play servers. */
#include "fakeserver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512 };

struct part {
    struct fake_server *server;
    fake_player *player;
    int fd;
    pthread_t thread;
};

struct internal {
    pthread_t acceptor;
    pthread_mutex_t lock;
    fake_player *player;
    struct part parts[CONNECTIONS_MAX];
    int count;
};

static void *play(void *arg)
{
    struct part *p = arg;
    p->player(p->server, p->fd);
    shutdown(p->fd, SHUT_RDWR); /* closed by fake_server_free, so that the number is not given out again meanwhile */
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake_server *s = arg;
    struct internal *in = s->internal;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0 || in->count == CONNECTIONS_MAX)
            return NULL;
        pthread_mutex_lock(&in->lock);
        struct part *p = &in->parts[in->count++];
        *p = (struct part){.server = s, .player = in->player, .fd = fd};
        atomic_fetch_add(&s->connections, 1);
        pthread_create(&p->thread, NULL, play, p);
        pthread_mutex_unlock(&in->lock);
    }
}

struct fake_server *fake_server_new(fake_player *player, const char *script)
{
    struct fake_server *s = calloc(1, sizeof(*s));
    struct internal *in = calloc(1, sizeof(*in));
    unsigned char r[3];
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    if (!s || !in || getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        abort();
    snprintf(s->address, sizeof(s->address), "127.%d.%d.%d", 1 + r[0] % 254, r[1], 1 + r[2] % 254);
    inet_pton(AF_INET, s->address, &a.sin_addr);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->script = script;
    s->internal = in;
    in->player = player;
    pthread_mutex_init(&in->lock, NULL);
    if (bind(s->listener, (struct sockaddr *)&a, size) || listen(s->listener, 256) || getsockname(s->listener, (struct sockaddr *)&a, &size))
        abort();
    s->port = ntohs(a.sin_port);
    if (player && pthread_create(&in->acceptor, NULL, accept_all, s))
        abort();
    return s;
}

void fake_server_free(struct fake_server **server)
{
    if (!server || !*server)
        return;
    struct fake_server *s = *server;
    struct internal *in = s->internal;
    shutdown(s->listener, SHUT_RDWR); /* wakes accept */
    if (in->player)
        pthread_join(in->acceptor, NULL);
    close(s->listener);
    for (int i = 0; i < in->count; i++)
        shutdown(in->parts[i].fd, SHUT_RDWR);
    for (int i = 0; i < in->count; i++) {
        pthread_join(in->parts[i].thread, NULL);
        close(in->parts[i].fd);
    }
    pthread_mutex_destroy(&in->lock);
    free(in);
    free(s);
    *server = NULL;
}

bool fake_send(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool fake_read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    for (char c; recv(fd, &c, 1, 0) == 1;) {
        if (c == '\n') {
            line[n] = 0;
            return true;
        }
        if (c != '\r' && n + 1 < size)
            line[n++] = c;
    }
    return false;
}

static void keep(struct fake_server *s, const char *text)
{
    size_t used = strlen(s->last);
    snprintf(s->last + used, sizeof(s->last) - used, "%s", text);
}

static bool read_request(struct fake_server *s, int fd)
{
    char line[2048];
    long body = 0;
    for (bool first = true;; first = false) {
        if (!fake_read_line(fd, line, sizeof(line)))
            return false;
        if (first)
            s->last[0] = 0;
        keep(s, line);
        keep(s, "\n");
        if (!strncasecmp(line, "Content-Length:", 15))
            body = strtol(line + 15, NULL, 10);
        if (!line[0])
            break;
    }
    for (char c[2] = ""; body > 0 && recv(fd, c, 1, 0) == 1; body--)
        keep(s, c);
    atomic_fetch_add(&s->requests, 1);
    return true;
}

void fake_http(struct fake_server *server, int fd)
{
    while (read_request(server, fd) && fake_send(fd, server->script))
        ;
}

void fake_http_once(struct fake_server *server, int fd)
{
    if (read_request(server, fd))
        fake_send(fd, server->script);
}

void fake_silence(struct fake_server *server, int fd)
{
    char c[512];
    (void)server;
    while (recv(fd, c, sizeof(c), 0) > 0)
        ;
}

/* The reply that the script has for a command. */
static void find_reply(const char *script, const char *command, char *reply, size_t size)
{
    snprintf(reply, size, "%s", strncasecmp(command, "QUIT", 4) ? "250 fine" : "221 bye");
    for (const char *line = script; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *bar = strchr(line, '>');
        size_t prefix = (size_t)(bar - line), end = strcspn(bar + 1, "\n");
        bool fits = *command ? prefix && !strncasecmp(line, command, prefix) : prefix == 0;
        if (fits) {
            snprintf(reply, size, "%.*s", (int)end, bar + 1);
            return;
        }
    }
}

/* False: the conversation ends here. */
static bool give_reply(struct fake_server *server, int fd, const char *command, char *reply, size_t size)
{
    char line[600];
    find_reply(server->script, command, reply, size);
    if (!strcmp(reply, "hang")) {
        fake_silence(server, fd);
        return false;
    }
    if (!strcmp(reply, "close"))
        return false;
    for (char *part = reply, *next; part; part = next) { /* "250-a;250 b": several lines */
        next = strchr(part, ';');
        snprintf(line, sizeof(line), "%.*s\r\n", next ? (int)(next - part) : (int)strlen(part), part);
        next = next ? next + 1 : NULL;
        if (!fake_send(fd, line))
            return false;
    }
    return true;
}

void fake_smtp(struct fake_server *server, int fd)
{
    char line[1024], reply[512];
    if (!give_reply(server, fd, "", reply, sizeof(reply)))
        return;
    while (fake_read_line(fd, line, sizeof(line))) {
        keep(server, line);
        keep(server, "\n");
        if (!give_reply(server, fd, line, reply, sizeof(reply)))
            return;
        if (strncmp(reply, "354", 3))
            continue;
        do {
            if (!fake_read_line(fd, line, sizeof(line)))
                return;
            keep(server, line);
            keep(server, "\n");
        } while (strcmp(line, "."));
        atomic_fetch_add(&server->requests, 1);
        if (!give_reply(server, fd, ".", reply, sizeof(reply)))
            return;
    }
}
