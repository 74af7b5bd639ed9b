/* receiver.h -- Local receivers of HTTP and SMTP for tests: they keep what they got and answer as their script says. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

enum receiver_kind { RECEIVER_HTTP, RECEIVER_SMTP };

/* A script is a list of answers, one for each request or mail; the last one is repeated.
   HTTP: the whole answer, or one of the words below. SMTP: the reply to the message ("250 ok"), "RCPT 550 ..." to the recipient,
   or a word. */
#define ANSWER_NOTHING "nothing" /* keeps the connection open and says no more */
#define ANSWER_RESET "reset"     /* breaks the connection off */
#define ANSWER_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct received {
    const char *text;  /* request with its headers; or the message of a mail, dots taken away */
    const char *envelope; /* of a mail: "FROM:<..> TO:<..>" as the client wrote them */
    int64_t at_boot_ms;
};

struct receiver {
    struct arena *arena;
    struct loop *loop;
    enum receiver_kind kind;
    const char *const *script; /* ended by NULL */
    size_t answered;
    VEC(struct received) got;
    int fd, port;
    struct loop_fd *watch;
    struct talk *talks;
    size_t open, open_most; /* connections at once */
};

/* Listens on a port of 127.0.0.1 that the kernel chooses. Aborts when it cannot: a test has nothing else to do then. */
struct receiver *receiver_open(struct loop *loop, enum receiver_kind kind, const char *const *script);
void receiver_close(struct receiver **receiver);
