/* cli/byhand.h -- The part of a playbook that people follow by hand. {words} in it stand for the hosts, commands and
   addresses of the configuration, so that what is printed can be typed as it stands. */
#pragma once
#include "cli/command.h"

struct byhand {
    struct arena *arena;
    const struct service *service;
    const struct site *active, *standby; /* standby may be NULL */
};

/* Every known word replaced. *ret_unknown (may be NULL) is the first word that begins like one of ours and is none,
   else NULL; braces of the shell, of curl and of nginx are left as they are. */
char *byhand_fill(const struct byhand *byhand, const char *text, const char **ret_unknown);
/* Adds a line "file:line:column: ..." for each text of the playbooks that uses an unknown word; how many. */
size_t byhand_lint(struct arena *arena, const struct service *service, struct buf *problems);
