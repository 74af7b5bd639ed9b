/* model/checklist.h -- Checklists: what must have been done by when, and which record of the journal proves that it was. Pure: the same
   records give the same standing, whether decide meets them one by one or a report reads them years later. */
#pragma once
#include "base/base.h"
#include "base/option.h"
#include "model/record.h"

/* ---- proofs ---- */

/* Words of a proof: "step diagnose success", "stage alert", joined by `and` and `or`; `and` binds tighter. */
#define EVIDENCE_KINDS(X)                                                                                                                     \
    X(EVIDENCE_INCIDENT, "incident")   /* STATE: it was opened, or reached that state */                                                      \
    X(EVIDENCE_SEVERITY, "severity")   /* P1: it was opened with it, or raised to it */                                                       \
    X(EVIDENCE_STAGE, "stage")         /* NAME: the stage of the escalation fired */                                                          \
    X(EVIDENCE_DELIVERED, "delivered") /* STAGE: a message of it was handed over */                                                           \
    X(EVIDENCE_STEP, "step")           /* ID began|OUTCOME */                                                                                 \
    X(EVIDENCE_PLAYBOOK, "playbook")   /* NAME OUTCOME: it ended so */                                                                               \
    X(EVIDENCE_COMMAND, "command")     /* WORD... began|OUTCOME: the first words of a command; * is any word, *.X that of any site */                           \
    X(EVIDENCE_CHECK, "check")         /* ID STATE: it was judged so; an ID may begin with "*." for any site */                               \
    X(EVIDENCE_FACT, "fact")           /* NAME: an action measured it */                                                                      \
    X(EVIDENCE_PUBLIC, "public")       /* PHASE, or told: the public was told */                                                              \
    X(EVIDENCE_WRITTEN, "written")     /* FIELD of the post-incident report: a person wrote it */                                             \
    X(EVIDENCE_PERSON, "person")       /* ack, note, say, approve, certify, escalate: a person did so */                                      \
    X(EVIDENCE_TICKETS, "tickets")     /* all: there are actions in the report, and each has its ticket */
enum evidence_kind { EVIDENCE_KINDS(MODEL_ENUM_MEMBER) EVIDENCE_MAX };

enum { EVIDENCE_ANY = -1, EVIDENCE_ACTIONS_MAX = 63 };

struct evidence_term {
    enum evidence_kind kind;
    int number;           /* a state, severity, outcome, verdict, phase or kind of event; EVIDENCE_ANY: it began, it was told */
    const char *name;     /* NULL: the number says all */
    struct strs words;    /* EVIDENCE_COMMAND */
    bool alternative;     /* `or` stands before it */
};

struct evidence {
    struct evidence_term *p;
    size_t n, cap;
};

MUST_USE bool evidence_parse(struct arena *arena, const char *text, struct evidence *ret, struct err *err);

/* ---- lists, as their files say ---- */

struct checklist_item {
    struct mark mark;
    const char *id;
    struct text2 title;
    int64_t due_ms;        /* from the moment at which the list began to apply; 0: at no certain time */
    const char *proven_by; /* NULL: a person ticks it */
    struct evidence proof;    /* of proven_by */
    const char *owner;     /* a contact, group or rotation, or any name; NULL: the list's */
};

struct checklist {
    struct mark mark;
    const char *name;
    struct text2 title;
    const char *applies_when; /* a proof: the list applies from the record that completes it */
    struct evidence applies;
    const char *owner;        /* NULL: whoever has taken the incident */
    int64_t remind_ms;        /* the owner of what is late is reminded at once, and after so long again; 0: nobody is */
    struct { struct checklist_item *p; size_t n, cap; } items;
};

/* ---- how an incident stands ---- */

enum item_mark { ITEM_OPEN, ITEM_PROVEN, ITEM_TICKED, ITEM_WAIVED };

/* number of EVENT_TICK_ITEM */
enum tick { TICK_DONE, TICK_TAKEN_BACK, TICK_WAIVED, TICK_ASSIGNED }; /* ASSIGNED: text is the owner, ref the due moment, wall ms, or 0 */

struct item_standing {
    const struct checklist_item *item;
    enum item_mark mark;
    int64_t seq, at_ms, wall_ms;      /* of the record that marked it; seq 0 where records have none */
    int64_t due_at_ms, due_wall_ms;   /* TIME_NEVER: at no certain time, or the list does not apply yet */
    char owner[MODEL_ID_SIZE];        /* a person named one; "": as the file says */
    struct evidence_state *proof;        /* private */
};

struct checklist_standing {
    const struct checklist *list;
    bool applies;
    int64_t seq, at_ms, wall_ms;      /* of the record from which it applies */
    struct item_standing *items;
    struct evidence_state *proof;        /* private */
};

struct checklists {
    struct checklist_standing *p;
    size_t n;
    char *acked_by;                   /* who has taken the incident; "": nobody */
};

struct service;
void checklists_init(struct arena *arena, const struct service *service, struct checklists *ret);
void checklists_clear(struct checklists *checklists); /* as after init, in the same memory */
/* A record of the incident, or a verdict of its service; the record that opened it, and what set that off, come first. */
void checklists_feed(struct checklists *checklists, const struct record *record);

/* Open, and its time is over. Nothing of a list that does not apply is late. */
bool item_is_late(const struct item_standing *item, int64_t now_at_ms);
bool item_was_late(const struct item_standing *item); /* done, though after its time */
/* Who answers for it: who was named, else the item's, the list's, who has taken the incident; NULL: nobody. */
const char *item_owner(const struct checklists *checklists, const struct checklist_standing *list, const struct item_standing *item);
/* "Checklist: item, due 5 min ago (owner)" for every item that is late, in the language asked for; at most `max`, and a count of what
   is left out. Item texts have no line ends. */
void checklists_late(struct arena *arena, const struct checklists *checklists, int64_t now_at_ms, int language, size_t max, struct strs *ret);
size_t checklists_late_count(const struct checklists *checklists, int64_t now_at_ms);
