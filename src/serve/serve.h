/* serve/serve.h -- Other programs are listened to: alerts, heartbeats, and the question whether we are well. What is answered with 2xx is
   on disk. */
#pragma once
#include "serve/intake.h"
#include "sys/loop.h"

struct serve;

struct serve_callbacks {
    /* Rows of all requests of one turn of the loop. True: all are on disk, or were before. False: their senders are answered 503, so that
       they come again. */
    bool (*take)(void *arg, const struct intake_row *rows, size_t count, struct err *err);
    bool (*beat)(void *arg, const char *name, struct err *err); /* a heartbeat came; true: on disk. ERR_NOT_FOUND: nobody awaits that name */
    bool (*health)(void *arg, struct buf *json);                /* writes an object; false: not well */
    void *arg;
};

/* Listens where the configuration says. The token is read now; what is kept of it is a hash. */
MUST_USE bool serve_open(struct loop *loop, const struct config *config, const struct serve_callbacks *callbacks, struct serve **ret, struct err *err);
void serve_close(struct serve **serve);
