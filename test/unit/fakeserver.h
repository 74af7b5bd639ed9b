/* test/unit/fakeserver.h -- A TCP server of a test's own on a loopback address of its own: a thread accepts, a thread per connection
   plays its part. Nothing of libcurl is touched here. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_server {
    char address[32];
    int port;
    int listener;
    atomic_int connections; /* accepted so far */
    atomic_int requests;    /* counted by fake_http; by fake_smtp messages that were ended */
    char last[8192];        /* the last request, by fake_http and fake_smtp; read it when the exchange is over */
    const char *script;     /* for the player */
    void *internal;
};

typedef void fake_player(struct fake_server *server, int fd);

/* `player` NULL: the server listens and never accepts, as a frozen process does. */
struct fake_server *fake_server_new(fake_player *player, const char *script);
void fake_server_free(struct fake_server **server); /* closes everything and waits for the threads */

bool fake_send(int fd, const char *text);
bool fake_read_line(int fd, char *line, size_t size); /* without its line end */

/* Answers every request on the connection with `script`, whole, until the client closes. */
fake_player fake_http;
/* Answers the first request with `script` and closes. */
fake_player fake_http_once;
/* Reads what comes and never answers. */
fake_player fake_silence;
/* Lines "EXPECTED PREFIX>REPLY" separated by '\n', first the greeting with an empty prefix; a reply of "hang" answers nothing and
   "close" closes. After a reply of 354 the message is read up to its lone dot, which is the prefix ".". A command without a line is
   answered "250 fine", QUIT "221 bye". Everything the client said is kept in `last`. */
fake_player fake_smtp;
