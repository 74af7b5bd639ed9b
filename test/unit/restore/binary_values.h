/* test/unit/restore/binary_values.h -- Values to try on the encoders: what each type's text looks like, and what nearly looks like it. */
#pragma once
#include "base/base.h"

struct kind {
    const char *type;            /* as in CREATE TABLE */
    const char *canonical;       /* an expression over g (1..n) whose values the server writes; every one must be turned. NULL: none */
    const char *const *samples;  /* COPY text, ended by NULL; turned or not, never wrongly */
    const char *alphabet;        /* what mutations put in */
    bool server_reads;           /* json, constraints of domains: the server judges in either form, so that refusing is left to it */
};

extern const struct kind kinds[];
extern const size_t kind_count;

/* A sample of the kind, as it is or changed in up to three places. Never holds a tab or newline. */
void kind_value(const struct kind *k, uint64_t *seed, struct buf *ret);
uint64_t next_random(uint64_t *seed);
