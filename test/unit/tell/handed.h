/* handed.h -- One notice through one channel to a receiver on this machine, and what the channel said of it. */
#pragma once
#include "receiver.h"
#include "tell/channel.h"

struct handed {
    struct arena *a;
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct config config;
    char *folder;      /* for secrets; gone in the end */
    struct channel_conf conf;
    void *handle;
    int calls;
    enum delivery delivery;
    int64_t retry_after_ms, took_ms;
    const char *text;
    struct err err;    /* of a start that failed */
};

struct handed *handed_open(const char *type);
void handed_close(struct handed **h);

/* The options structs of the drivers are their own affair: filled through their tables, as config/ does. Defaults are set by handed_open. */
void handed_set(struct handed *h, const char *key, const void *value, size_t size);
void handed_set_text(struct handed *h, const char *key, const char *value);
void handed_set_int(struct handed *h, const char *key, int value);
void handed_set_ms(struct handed *h, const char *key, int64_t ms);
void handed_set_secret(struct handed *h, const char *key, const char *value);
void handed_set_words(struct handed *h, const char *key, const char *words);

struct notice handed_notice(void);
bool hand_start(struct handed *h, const struct notice *notice); /* what the driver's start said */
void hand_wait(struct handed *h);                               /* for its answer, ten seconds */
enum delivery hand_over(struct handed *h, const struct notice *notice); /* both; a start that fails counts as the outbox counts it */

/* A whole HTTP answer. */
const char *handed_answer(struct handed *h, int status, const char *headers, const char *body);
const char *handed_body(const struct received *got);            /* of a request */
/* The value of a header of a request, NULL when it has none. */
const char *handed_header(struct handed *h, const struct received *got, const char *name);
