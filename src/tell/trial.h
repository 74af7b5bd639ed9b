/* tell/trial.h -- The message of `notify test`: marked as a test in every form, asking for nothing. Pure. */
#pragma once
#include "model/config.h"
#include "model/record.h"

struct trial {
    const char *contact;                /* name; "public" for a channel that speaks to the public */
    const char *channel, *address;      /* address NULL: none */
    const char *by, *host;              /* who asked for it, and where */
    int64_t wall_ms;
};

struct notice trial_notice(struct arena *arena, enum language language, const struct trial *trial);
/* What tells this way from what it was before its address or kind of channel changed; 1 or more. */
int64_t trial_way_id(const char *type, const char *address);
