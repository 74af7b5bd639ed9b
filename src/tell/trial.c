/* tell/trial.c -- Words, and the identity of a way. */
#include "tell/trial.h"

#include <inttypes.h>

#include "tell/wording.h"

#define IN(language, en_text, fr_text) ((language) == LANGUAGE_FR ? (fr_text) : (en_text))

static const char *body(struct arena *a, enum language language, const struct trial *t)
{
    const char *address = t->address ? arena_printf(a, " (%s)", say_line(a, t->address)) : "";
    return arena_printf(a,
                        IN(language,
                           "THIS IS A TEST. Nothing is wrong, and nothing needs to be done.\n\n"
                           "It shows that %s is reached through the channel %s%s.\n"
                           "Sent by bascule on %s for %s, %s.\n\n"
                           "Where it opened an alert, that alert can be closed.\n",
                           "CECI EST UN ESSAI. Tout va bien, et il n'y a rien à faire.\n\n"
                           "Il montre que %s est joint par le canal %s%s.\n"
                           "Envoyé par bascule sur %s pour %s, %s.\n\n"
                           "S'il a ouvert une alerte, elle peut être close.\n"),
                        say_line(a, t->contact), say_line(a, t->channel), address, say_line(a, t->host), say_line(a, t->by),
                        moment_minute(a, t->wall_ms));
}

struct notice trial_notice(struct arena *arena, enum language language, const struct trial *t)
{
    const char *subject = IN(language, "[TEST] bascule reaches you", "[ESSAI] bascule vous joint");
    return (struct notice){
        .key = arena_printf(arena, "test/%" PRId64 "/%.40s/%.40s", t->wall_ms, t->contact, t->channel),
        .service = "bascule",
        .stage = "test",
        .contact = t->contact,
        .channel = t->channel,
        .address = t->address,
        .subject = subject,
        .body = body(arena, language, t),
        .brief = arena_printf(arena, IN(language, "[TEST] bascule on %s reaches you. Nothing to do. %s", "[ESSAI] bascule sur %s vous joint. Rien à faire. %s"),
                              say_line(arena, t->host), moment_minute(arena, t->wall_ms)),
        .thread = arena_printf(arena, "test/%" PRId64, t->wall_ms),
        .severity = -1,
        .first = true,
        .test = true,
        .wall_ms = t->wall_ms,
        .attempts = 1,
    };
}

int64_t trial_way_id(const char *type, const char *address)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    const char *const parts[] = {type, address};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (const char *p = parts[i] ? parts[i] : ""; *p; p++)
            hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
        hash = (hash ^ 0xFF) * UINT64_C(1099511628211);
    }
    return (int64_t)(hash >> 1) | 1;
}
