/* restore/scratch.h -- A restore into a server of its own, made for it: while it loads, nothing need survive a crash, and that is most
   of what writing costs. Only when everything is verified, on disk, and the server runs with its ordinary settings is it called done. */
#pragma once
#include "restore/restore.h"

struct scratch_spec {
    const char *folder;     /* absolute; made, or empty, or what an interrupted run of ours left */
    const char *bin_folder; /* of the server's programs; NULL: the newest in /usr/lib/postgresql, else on PATH */
    const char *locale;     /* NULL: C.UTF-8 */
};

struct scratch_result {
    const char *data;       /* the data directory */
    const char *socket;     /* folder of the socket of the server, which runs */
    int port;
    const char *user;       /* its superuser, let in there without a password */
    const char *bin;        /* folder of the server's programs */
    struct restore_result restored;
};

/* `spec` as for restore_run, except that its target says only the name of the database, the user and the port. The server listens on a
   socket in the folder and nowhere else, until its postgresql.conf is given addresses and pg_hba.conf those who may come; it has no
   history, so whoever keeps a log of it for recovery takes a base backup first (restore/base.h). After a failure nothing is left. */
MUST_USE bool restore_scratch(struct arena *arena, const struct restore_spec *spec, const struct scratch_spec *scratch, struct scratch_result *ret,
                              struct err *err);
