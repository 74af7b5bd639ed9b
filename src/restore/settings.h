/* restore/settings.h -- The SETs of a dump, as they stood where a piece of work was found: whichever session does that work has to be
   set alike. A value: each change makes a new one, and two pieces of work between which nothing was set share theirs. */
#pragma once
#include "base/base.h"

struct settings {
    struct setting {
        const char *name; /* "search_path", "session authorization" */
        const char *sql;  /* the whole statement that set it */
    } *p;
    size_t n;
};

/* Is it SET, RESET or set_config()? Then *ret_name is what it sets, in small letters. */
bool settings_is(struct arena *arena, struct str sql, const char **ret_name);
/* `old` may be NULL: nothing was set. Gives `old` itself when that says the same already. */
const struct settings *settings_with(struct arena *arena, const struct settings *old, const char *name, struct str sql);
/* The statements that lead a session from `from` to `to`, in `out`; nothing when there is nothing to do. */
void settings_change(const struct settings *from, const struct settings *to, struct buf *out);
