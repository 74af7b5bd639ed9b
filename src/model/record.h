/* model/record.h -- What travels between the stages: results, verdicts, events, orders, and the journal row that carries both. */
#pragma once
#include "model/names.h"

enum {
    MODEL_ID_SIZE = 96,     /* "akig/production.database", "7.restart.1" */
    MODEL_TEXT_SIZE = 640,
};

/* One run of one check. */
struct result {
    char service[MODEL_ID_SIZE];
    char check[MODEL_ID_SIZE];
    enum verdict_state state;  /* of this run alone: UP, WARNING or DOWN; UNKNOWN when it could not be carried out */
    bool certain;              /* it was seen happening, rather than concluded from a run that failed: it counts alone */
    int64_t at_ms;             /* core time at which it ended */
    int64_t wall_ms;           /* the same moment for people */
    int64_t took_ms;
    int64_t good_wall_ms;      /* last committed write or other proof of life that this run saw, wall ms; 0: none */
    char text[MODEL_TEXT_SIZE]; /* one sentence */
};

/* The steady opinion about a check. */
struct verdict {
    char service[MODEL_ID_SIZE];
    char check[MODEL_ID_SIZE];
    enum verdict_state state;
    int64_t since_ms;          /* core time of the turn */
    int64_t good_wall_ms;      /* newest proof of life before it, wall ms; 0: none */
    char text[MODEL_TEXT_SIZE];
};

/* An input of decide: everything it ever learns comes as one of these, in journal order. */
struct event {
    enum event_kind kind;
    int64_t at_ms;             /* core time: milliseconds that only grow, kept over restarts and reboots */
    int64_t wall_ms;
    int64_t incident;          /* 0: none or not known yet */
    int64_t number;
    int64_t ref;
    char service[MODEL_ID_SIZE];
    char subject[MODEL_ID_SIZE];
    char who[MODEL_ID_SIZE];
    char text[MODEL_TEXT_SIZE];
};

/* An output of decide. */
struct order {
    enum order_kind kind;
    int64_t incident;
    int64_t number;
    int64_t ref;
    char service[MODEL_ID_SIZE];
    char subject[MODEL_ID_SIZE];
    char who[MODEL_ID_SIZE];   /* ORDER_NOTIFY: contact */
    char text[MODEL_TEXT_SIZE];
    /* ORDER_NOTIFY only: */
    char stage[MODEL_ID_SIZE];
    char channel[MODEL_ID_SIZE];
    char address[MODEL_ID_SIZE * 2];
};

/* A row of the journal. Strings belong to the arena it was read into. */
struct record {
    int64_t seq;               /* 1, 2, 3 ... without gaps */
    int64_t at_ms, wall_ms;
    bool is_order;
    int kind;                  /* enum order_kind or enum event_kind */
    int64_t incident, number, ref;
    const char *service, *subject, *who, *text;
    const char *stage, *channel, *address; /* of notices, else "" */
    const char *detail;        /* long text: the body of a message, the output of a diagnosis; "" when none */
};

/* A message to one person by one way; or, with a phase, what the public is told of an incident by one channel. A channel takes of it what
   its form has room for. */
struct notice {
    const char *key;           /* the same for every attempt: "7/alert/ops/slack" */
    int64_t incident;
    const char *service, *stage, *contact, *channel, *address;
    const char *subject, *body;
    const char *html;          /* the body as a whole HTML page; NULL: the channel makes one of the body where it needs one */
    const char *brief;         /* the message for a telephone, a line or two; NULL: the subject */
    const char *thread;        /* what all messages of an incident share, and no other has, in any journal: "akig/7/1761406442120" */
    const char *phase;         /* PUBLIC_PHASES of a message to the public; NULL: a message to a person */
    const char *by_language;   /* of a message to the public: {"en": {"headline", "body"}, "fr": ...}; NULL: subject and body are all */
    int severity;              /* enum severity; -1: of no incident */
    bool first;                /* no message of this thread was ordered before, for this contact by this way */
    bool unsure;               /* an attempt of before may have got through unseen: we were killed, or no answer came */
    bool test;                 /* `notify test`: marked as such, and nothing follows from it */
    int64_t ordered_at_ms;
    int64_t wall_ms;
    int attempts;
};

/* The forms of a message as the `detail` of its order keeps them, a page each: body, brief, html. A missing one is an empty page; when
   only the body is there, detail is the body. What would end a page within a form becomes a blank. */
char *notice_pack(struct arena *arena, const char *body, const char *brief, const char *html);
/* Sets body, brief and html; texts in `arena`. */
void notice_unpack(struct arena *arena, const char *detail, struct notice *notice);
