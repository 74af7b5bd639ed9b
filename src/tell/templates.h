/* tell/templates.h -- The texts of messages: those that ship, and those that people put in their place. Each is NAME.LANGUAGE
   ("update.fr"), or "mail.html". Rendering never fails: what people wrote was checked when it was loaded. */
#pragma once
#include "base/mustache.h"
#include "model/config.h"

struct template_text {
    const char *name, *text;
};
extern const struct template_text templates_shipped[]; /* ended by a NULL name; made of etc/templates when the program is built */

const char *template_text(const struct config *config, const char *name); /* people's own, else what ships; NULL: there is none */
/* Is it a name that is ever looked for, and does it use only values and partials that there are? A text for the public may use only what
   the public may know. */
MUST_USE bool template_valid(const struct config *config, const struct message_template *template, struct err *err);
/* NAME.LANGUAGE filled; NULL when there is no such template. At most one empty line in a row, none at the ends, and a line break after
   the last. */
char *template_fill(struct arena *arena, const struct config *config, const char *name, enum language language, const struct mustache_value *values);
char *template_fill_markup(struct arena *arena, const struct config *config, const struct mustache_value *values); /* mail.html, escaped */
