/* act/control.h -- What pg_controldata says of a cluster that is stopped, and the settings that make it follow another. Pure. */
#pragma once
#include "base/base.h"

struct control {
    char cluster[24];        /* system identifier */
    char state[48];          /* "shut down", "shut down in recovery", "in production", ... */
    uint64_t checkpoint;     /* where the latest checkpoint's record begins; of one shut down cleanly, the last record there is */
    int64_t timeline;
    bool clean;              /* it was shut down in order, as a primary or as a standby */
    bool was_primary;        /* and as a primary: its latest checkpoint is the shutdown's */
    bool rewindable;         /* wal_log_hints or data checksums are on */
};
/* ERR_PROTOCOL when something that is asked for is not in it. */
MUST_USE bool control_parse(struct str text, struct control *ret, struct err *err);

/* ---- following ---- */

struct following {
    const char *host;        /* of the primary, as the standby reaches it */
    int port;
    const char *user, *password, *sslmode; /* NULL: not written down */
    const char *name;        /* application_name: what the primary knows it by */
    const char *slot;        /* NULL: none */
};
/* Value of primary_conninfo. */
char *following_conninfo(struct arena *arena, const struct following *f);
/* postgresql.auto.conf, or what there is of it, with the settings of `f` in the place of its own; everything else as it was. */
void following_settings(struct str before, const struct following *f, struct buf *out);
/* A site's name as the name of a slot: lower case, digits and underscores, at most 63 bytes. */
char *following_slot(struct arena *arena, const char *site);
