/* sys/secret.h -- Secrets are read where they are used and wiped right after. They never reach argv, logs, journal or messages. */
#pragma once
#include "base/base.h"
#include "base/target.h"

enum { SECRET_MAX = 4096 };

/* The value without its trailing newline, in `arena`. NULL in *ret for SECRET_NONE. A file that others may read is refused
   (mode & 077), as is one over SECRET_MAX. A credential is looked up in $CREDENTIALS_DIRECTORY. */
MUST_USE bool secret_read(struct arena *arena, const struct secret *secret, char **ret, struct err *err);
void secret_wipe(char *value); /* NULL is fine */
