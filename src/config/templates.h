/* config/templates.h -- The folder of message templates that people wrote in the place of those that ship. */
#pragma once
#include "config/walk.h"

/* Reads NAME.mustache of the folder `templates` into config->templates; other files are left alone. Each problem stands at that key. */
void templates_load(struct walk *w, struct config *config);
/* Asks the room that fills them whether each can be filled. */
void templates_check(struct walk *w, const struct config *config);
