/* io/sock.h -- Small exchanges over a socket, each with a deadline: for commands and actions, never for the controller. */
#pragma once
#include "base/base.h"

/* A path of a Unix socket, "192.0.2.1:53" or "[2001:db8::1]:53". No names: to resolve one may hang for as long as an outage lasts. */
bool sock_address_is_good(const char *address);
/* Connected, non-blocking. `deadline` of these calls is a moment of clock_boot_ms(). ERR_UNAVAILABLE: nobody listens. */
MUST_USE bool sock_open(const char *address, bool datagram, int64_t deadline, int *ret_fd, struct err *err);
MUST_USE bool sock_send(int fd, const void *data, size_t size, int64_t deadline, struct err *err);
/* Adds what has come to `to`, waiting for something; *ret_ended when the other side has closed. ERR_LIMIT: more than `to` may hold. */
MUST_USE bool sock_receive(int fd, struct buf *to, int64_t deadline, bool *ret_ended, struct err *err);
/* Connects, sends `text`, and reads until the other side closes. */
MUST_USE bool sock_ask(const char *address, const char *text, int64_t timeout_ms, struct buf *answer, struct err *err);
