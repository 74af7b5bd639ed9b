/* tell/handover.h -- The hand-over of one notice over HTTP, in one request or several: its memory, its deadline, its secrets, its end.
   What a channel over HTTP adds is what it asks and how it reads the answer. */
#pragma once
#include "sys/secret.h"
#include "tell/channel.h"

struct handover;
typedef void handover_fn(struct handover *h);
typedef void answer_fn(struct handover *h, const struct http_response *response);

struct handover {
    struct arena *arena; /* it lives in it, with all that the hand-over needs */
    struct channel_env env;
    const struct notice *notice; /* outlives the hand-over */
    const char *name;            /* who answers, for what is said: "the webhook" */
    int64_t deadline_boot_ms;    /* of all requests together */
    const char *ca_file;
    struct http_request *request;
    answer_fn *on_answer;
    void (*on_silence)(struct handover *h, const char *why); /* there was no answer; NULL: it ends with DELIVERY_RETRY */
    struct loop_timer *pause;
    handover_fn *after_pause;
    struct strs secrets;         /* wiped at the end, and never said */
    channel_done_fn *done;
    void *arg;
    void *own;                   /* the channel's */
};

struct handover *handover_new(const struct channel_env *env, const struct notice *notice, const char *name, int64_t timeout_ms,
                              channel_done_fn *done, void *arg);
void handover_free(struct handover **h);
void handover_cancel(void **handle); /* for channel_ops.cancel */

/* The value of a secret that has one; it is wiped at the end and replaced by *** in everything that is said. NULL for SECRET_NONE. */
MUST_USE bool handover_secret(struct handover *h, const struct secret *secret, char **ret, struct err *err);
void handover_hide(struct handover *h, char *value); /* for what was made of one */
/* An address that is a secret, or whose path is: as handover_secret, and the path alone is not said either. */
MUST_USE bool handover_url(struct handover *h, const struct secret *secret, const char **ret, struct err *err);

/* One request. `spec` is read during the call; timeout and CA are the hand-over's. False when the request itself is wrong (URL, header): nothing is under way then. */
MUST_USE bool handover_send(struct handover *h, const struct http_spec *spec, answer_fn *on_answer, struct err *err);
/* The same from within an answer: a request that is wrong ends the hand-over with DELIVERY_REFUSED. */
void handover_go_on(struct handover *h, const struct http_spec *spec, answer_fn *on_answer);
void handover_pause(struct handover *h, int64_t ms, handover_fn *then);

/* The end: `done` is called, the hand-over is gone. */
void handover_end(struct handover *h, enum delivery delivery, int64_t retry_after_ms, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The end with "NAME answered STATUS: BODY", judged by the status alone: 2xx sent; 4xx but 408, 425 and 429 never; all else
   again. */
void handover_end_by_status(struct handover *h, const struct http_response *response, const char *said);
enum delivery handover_judge(long status);
/* What an answer says, for people: its text without control characters, at most 200 bytes. */
const char *handover_said(struct handover *h, struct str body);

/* "Content-Type: application/json" with these further headers, ended by NULL, all in the hand-over's arena. */
const char *const *handover_headers(struct handover *h, const char *type, const char *first, const char *second, const char *third);
/* Is it what may stand in a header or a URL: no control characters? */
MUST_USE bool handover_line_is_clean(const char *what, const char *text, struct err *err);
/* A text cut at `max` characters (not bytes), "..." at the end when it was. */
char *text_cut(struct arena *arena, const char *text, size_t max);
/* What is the same for every attempt at one notice and for no other notice in any journal: 32 hex digits. */
char *notice_identity(struct arena *arena, const struct notice *notice);
