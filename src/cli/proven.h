/* cli/proven.h -- Which ways to reach people were proven by a test message, by what the journal says. */
#pragma once
#include "cli/command.h"
#include "record/journal.h"

enum proof { PROOF_NEVER, PROOF_FAILED, PROOF_GOOD };

/* One way to somebody: of a contact, or to the public (contact "public", no address). */
struct way {
    const char *contact;
    enum language language;
    const struct channel_conf *channel;
    const char *address;   /* NULL: none */
    char subject[MODEL_ID_SIZE]; /* CONTACT/CHANNEL */
    int64_t id;            /* changes with the kind of channel and the address: what was proven is proven no more then */
    enum proof proof;      /* what its newest test said */
    int64_t tested_wall_ms;
    const char *answer;    /* of that test */
};

struct ways {
    struct way *p;
    size_t n, cap;
};

/* All ways of the configuration: of the contact or group `name`, or of everybody and to the public when it is NULL. False with ERR_NOT_FOUND
   for a name that is none. */
MUST_USE bool ways_of(const struct cli *cli, const char *name, const char *channel, struct ways *ret, struct err *err);
/* Fills in what the journal knows of them. A journal that is not there knows nothing. */
MUST_USE bool ways_look_up(const struct cli *cli, struct ways *ways, struct err *err);
