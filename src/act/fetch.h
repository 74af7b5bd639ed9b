/* act/fetch.h -- Backups of another site brought into this one's folder: whole and checked, or not at all. */
#pragma once
#include "act/action.h"

struct fetched {
    size_t count;       /* files brought */
    const char *file;   /* the newest of them; NULL: none */
    const char *where;  /* host or store that it came from */
    int64_t bytes, took_ms;
    const char *trouble; /* why the other folder could not be looked into, or a file not be brought; NULL: nothing */
};

/* Looks into the folder of `from`, on its host, and then into its stores, and brings the newest backup into the folder of `to`, when it is
   newer than all that lie there or is there with another size. Where both folders are one, there is nothing to bring. What goes wrong over there is said in
   `trouble` and is no failure: what lies here can still be used. False: the folder of `to` cannot be used. */
MUST_USE bool fetch_newest(const struct action_ctx *ctx, const struct site *from, const struct site *to, struct fetched *ret, struct err *err);
