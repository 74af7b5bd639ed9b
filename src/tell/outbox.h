/* tell/outbox.h -- Notices on their way out. The journal is the durable outbox: what was ordered and not yet delivered is what is here.
   One delivery at a time per channel and address, in order; a slow or broken one delays nobody else. Retries back off 1 s, 2 s, 4 s ...
   60 s with jitter, or wait for what Retry-After says; after 24 h a notice is given up and said so. */
#pragma once
#include "tell/channel.h"

struct outbox;

struct outbox_callbacks {
    /* SENT: number of attempts, ms since the order. Else the next try in core ms, or -1 when given up. */
    void (*delivered)(void *arg, const struct notice *notice, int64_t took_ms, const char *text);
    void (*undelivered)(void *arg, const struct notice *notice, int64_t next_try_ms, const char *text);
    int64_t (*core_now)(void *arg);
    void *arg;
};

struct outbox *outbox_open(struct loop *loop, struct http *http, const struct config *config, const struct outbox_callbacks *callbacks);
void outbox_close(struct outbox **outbox);
/* Copies the notice. A key that is here already is ignored. `not_before_ms`: core time, for those that were tried before a restart. */
void outbox_add(struct outbox *outbox, const struct notice *notice, int64_t not_before_ms);
/* No attempt of it is begun any more; one that is under way ends as it may, and is not repeated. A key that is not here is ignored. */
void outbox_withdraw(struct outbox *outbox, const char *key);
size_t outbox_pending(const struct outbox *outbox);
int64_t outbox_overdue_ms(const struct outbox *outbox); /* how long a notice waits whose turn it is, and that nothing was begun for; 0: none */
/* How long to wait after attempt number notice->attempts failed. */
int64_t outbox_back_off_ms(const struct notice *notice, int64_t retry_after_ms);
