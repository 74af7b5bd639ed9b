/* model/discreet.h -- What the public is shown holds no host name, address, path or SQL, whoever wrote it. Pure. */
#pragma once
#include "model/config.h"

#define DISCREET_MARK "[…]" /* stands where something was left out */

/* `text` without IP addresses, names of our hosts and units, host names that are not among the public ones (public_url, status_page, url of
   a status page), absolute paths and SQL. What the configuration calls public stays. NULL gives "". A text that holds nothing of the kind
   comes back unchanged. */
const char *discreet(struct arena *arena, const struct config *config, const char *text);
/* Would anything be left out? For asking a person before it is said. */
bool is_discreet(struct arena *arena, const struct config *config, const char *text);
