/* io/dns.h -- Names to addresses on the loop (c-ares inside). libpq and curl resolve with blocking calls that hang for 10 s when the
   resolver is dead, which is just when we are needed; so no bare name is ever handed to them by the controller. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

struct dns;
struct dns *dns_open(struct loop *loop, int64_t timeout_ms);
void dns_close(struct dns **dns); /* queries that are still open end without a callback */
/* Asks these servers ("address:port,...") instead of those of /etc/resolv.conf. */
MUST_USE bool dns_use_servers(struct dns *dns, const char *servers, struct err *err);

/* `address` is NULL when err says why. A literal address or "localhost" is answered without asking; an answer is used again while its
   TTL lasts (at least 1 s, at most a minute); when the resolver fails, the last good answer of this run is given instead.
   `done` is called exactly once, possibly before the function returns. */
typedef void dns_done_fn(void *arg, const char *address, const struct err *err);
struct dns_query;
struct dns_query *dns_resolve(struct dns *dns, const char *name, dns_done_fn *done, void *arg); /* NULL: already answered */
void dns_cancel(struct dns_query *query); /* no callback */
const char *dns_literal(const char *name); /* the address when `name` is one or is "localhost", else NULL */
