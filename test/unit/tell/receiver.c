/* receiver.c -- A line of state for each connection; nothing clever. */
#include "receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/clock.h"

struct talk {
    struct receiver *owner;
    struct talk *next, **link;
    struct arena *arena;
    int fd;
    struct loop_fd *watch;
    struct buf in, message, envelope;
    bool in_data, in_login, silent;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test receiver: could not %s: %s\n", what, strerror(errno));
        abort();
    }
}

static void talk_end(struct talk *t, bool reset)
{
    struct linger now = {.l_onoff = 1};
    if (reset)
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    loop_fd_free(&t->watch);
    close(t->fd);
    buf_done(&t->in);
    buf_done(&t->message);
    buf_done(&t->envelope);
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    t->owner->open--;
    free(t);
}

static const char *next_answer(struct receiver *r)
{
    const char *answer = r->script[r->answered];
    if (r->script[r->answered + 1])
        r->answered++;
    return answer;
}

/* False when the connection is gone. */
static bool say(struct talk *t, const char *text)
{
    if (same(text, ANSWER_RESET)) {
        talk_end(t, true);
        return false;
    }
    if (same(text, ANSWER_NOTHING)) {
        t->silent = true;
        return true;
    }
    must(send(t->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "answer");
    return true;
}

static bool say_line(struct talk *t, const char *line)
{
    bool word = same(line, ANSWER_RESET) || same(line, ANSWER_NOTHING);
    return say(t, word ? line : arena_printf(t->owner->arena, "%s\r\n", line));
}

static void keep(struct talk *t, const char *text, const char *envelope)
{
    struct receiver *r = t->owner;
    struct received *got = vec_add(r->arena, &r->got);
    got->text = arena_strdup(r->arena, text);
    got->envelope = arena_strdup(r->arena, envelope);
    got->at_boot_ms = clock_boot_ms();
}

static bool take_http(struct talk *t)
{
    const char *end = t->in.n ? strstr(t->in.p, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    const char *length = strcasestr(t->in.p, "\r\nContent-Length: ");
    size_t head = (size_t)(end + 4 - t->in.p), body = length && length < end ? strtoul(length + 18, NULL, 10) : 0;
    if (t->in.n < head + body)
        return false;
    keep(t, t->in.p, NULL);
    buf_consume(&t->in, head + body);
    return say(t, next_answer(t->owner));
}

static bool take_message_line(struct talk *t, const char *line)
{
    if (!same(line, ".")) {
        buf_printf(&t->message, "%s\r\n", line[0] == '.' ? line + 1 : line);
        return true;
    }
    t->in_data = false;
    keep(t, buf_text(&t->message), buf_text(&t->envelope));
    return say_line(t, next_answer(t->owner));
}

static bool take_command(struct talk *t, const char *line)
{
    const char *answer = t->owner->script[t->owner->answered];
    if (t->in_login) { /* the name and password, in base64 */
        buf_printf(&t->envelope, "%s ", line);
        t->in_login = false;
        return say_line(t, "235 welcome");
    }
    if (!strncasecmp(line, "RCPT", 4) || !strncasecmp(line, "MAIL", 4))
        buf_printf(&t->envelope, "%s ", line + 5);
    if (!strncasecmp(line, "RCPT", 4) && str_starts(str_of(answer), "RCPT "))
        return say_line(t, next_answer(t->owner) + 5);
    if (!strncasecmp(line, "DATA", 4)) {
        t->in_data = true;
        return say_line(t, "354 go on");
    }
    if (!strncasecmp(line, "EHLO", 4))
        return say(t, "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n");
    if (!strncasecmp(line, "AUTH", 4)) {
        buf_printf(&t->envelope, "%s ", line);
        t->in_login = true;
        return say_line(t, "334 ");
    }
    return say_line(t, !strncasecmp(line, "QUIT", 4) ? "221 bye" : "250 fine");
}

static bool take_smtp(struct talk *t)
{
    char *end = t->in.n ? strstr(t->in.p, "\r\n") : NULL;
    if (!end)
        return false;
    const char *line = arena_strndup(t->owner->arena, t->in.p, (size_t)(end - t->in.p));
    buf_consume(&t->in, (size_t)(end + 2 - t->in.p));
    return t->in_data ? take_message_line(t, line) : take_command(t, line);
}

static void on_data(void *arg, int ready)
{
    (void)ready;
    struct talk *t = arg;
    char chunk[8192];
    ssize_t n = recv(t->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        talk_end(t, false);
        return;
    }
    must(buf_add(&t->in, chunk, (size_t)n), "keep a request");
    while (!t->silent && (t->owner->kind == RECEIVER_HTTP ? take_http(t) : take_smtp(t)))
        ;
}

static void on_connection(void *arg, int ready)
{
    (void)ready;
    struct receiver *r = arg;
    int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct talk *t = calloc(1, sizeof(*t));
    must(t != NULL, "get memory");
    *t = (struct talk){.owner = r, .fd = fd, .in.max = 1 << 20, .message.max = 1 << 20, .envelope.max = 4096, .next = r->talks, .link = &r->talks};
    if (t->next)
        t->next->link = &t->next;
    r->talks = t;
    r->open++;
    r->open_most = MAX_OF(r->open, r->open_most);
    t->watch = loop_fd_new(r->loop, fd, LOOP_READ, on_data, t);
    if (r->kind == RECEIVER_SMTP)
        say_line(t, same(r->script[r->answered], ANSWER_NOTHING) ? ANSWER_NOTHING : "220 test");
}

struct receiver *receiver_open(struct loop *loop, enum receiver_kind kind, const char *const *script)
{
    struct arena *a = arena_open();
    struct receiver *r = arena_new(a, struct receiver);
    *r = (struct receiver){.arena = a, .loop = loop, .kind = kind, .script = script};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(r->fd >= 0 && bind(r->fd, (struct sockaddr *)&at, size) == 0 && listen(r->fd, 64) == 0 &&
             getsockname(r->fd, (struct sockaddr *)&at, &size) == 0, "listen");
    r->port = ntohs(at.sin_port);
    r->watch = loop_fd_new(loop, r->fd, LOOP_READ, on_connection, r);
    return r;
}

void receiver_close(struct receiver **receiver)
{
    if (!receiver || !*receiver)
        return;
    struct receiver *r = TAKE(*receiver);
    while (r->talks)
        talk_end(r->talks, false);
    loop_fd_free(&r->watch);
    close(r->fd);
    struct arena *a = r->arena;
    arena_close(&a);
}
