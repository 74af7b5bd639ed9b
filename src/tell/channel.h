/* tell/channel.h -- What every channel is: a driver that hands one notice over and says truly what became of it. */
#pragma once
#include "base/option.h"
#include "io/http.h"
#include "model/config.h"
#include "model/record.h"
#include "sys/loop.h"

enum delivery {
    DELIVERY_SENT,       /* the receiver said that it took it */
    DELIVERY_RETRY,      /* not now: network, 429, 5xx, 4yz */
    DELIVERY_REFUSED,    /* never: malformed, unknown recipient, revoked; trying again cannot help */
};

struct channel_env {
    struct loop *loop;
    struct http *http;
    const struct config *config;
};

struct channel;
typedef void channel_done_fn(void *arg, enum delivery delivery, int64_t retry_after_ms, const char *text); /* retry_after -1: not said */

struct channel_ops {
    const char *name, *summary;
    const struct option *options;
    size_t options_size;
    bool (*valid)(const struct channel_conf *conf, struct err *err);             /* mandatory */
    bool (*address_valid)(const char *address, struct err *err);                 /* mandatory; address may be NULL */
    /* Only of channels that speak to the public, which contacts cannot have: is it told what is said of this service? */
    bool (*wants_public)(const struct channel_conf *conf, const char *service);
    /* Mandatory. Starts handing over; `done` is called exactly once, later. ret_handle is given to cancel. The same notice key must
       lead to the same identity at the receiver, however often it is sent. False when it could not begin and `done` will not be
       called: ERR_DATA means DELIVERY_REFUSED, anything else (a secret that cannot be read) DELIVERY_RETRY. */
    bool (*start)(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err);
    void (*cancel)(void **handle);                                               /* mandatory; no callback afterwards */
};

extern const struct channel_ops *const channel_drivers[]; /* ended by NULL; one line each in channels.c */
const struct channel_ops *channel_driver(const char *name);
