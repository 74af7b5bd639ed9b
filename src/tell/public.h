/* tell/public.h -- What the public is told of an incident: facts that users may know, and nothing of what stands behind the service. No
   name of a host, no address, no cause and no title of a step ever gets here: none of them is given to the texts. */
#pragma once
#include "tell/message.h"

struct public_message {
    const char *headline; /* in the configuration's language; the same as long as the incident lasts */
    const char *detail;   /* {"en": {"headline", "body"}, "fr": {...}, "by": "machine" or a person's name} */
};

struct public_text {
    const char *headline, *body;
};
/* One language of it. */
struct public_text public_text(struct arena *arena, const struct config *config, enum language language, const struct service *service,
                               const struct incident *incident, const char *reason, const char *words, const struct message_facts *facts);

/* The words of EVENT_SAY as public_render wants them: its detail when that holds words by language, else its text for both. */
char *public_words(struct arena *arena, const char *text, const char *detail);

/* About the incident as it stands after decide ordered it: phase, promise and lateness are read there. `reason` is that of the
   order. `words`: NULL, or what a person
   wants said in their own words, {"en": TEXT, "fr": TEXT}; a language without words gets those of the other. */
struct public_message public_render(struct arena *arena, const struct config *config, const struct service *service,
                                    const struct incident *incident, const char *reason, const char *by, const char *words,
                                    const struct message_facts *facts);
