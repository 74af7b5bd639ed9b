/* tell/message.c -- One message in all its forms: subject and body from one template, a line for the telephone from another, and the page
   from the body. */
#include "tell/message.h"

#include <inttypes.h>

#include "tell/markup.h"
#include "tell/message_values.h"
#include "tell/templates.h"
#include "tell/wording.h"

enum { SUBJECT_MAX = 640 };

static enum markup_tone tone_of(const char *stage)
{
    if (same(stage, "resolved") || same(stage, "monitoring"))
        return MARKUP_GOOD;
    return same(stage, "update") || same(stage, "say") || same(stage, "reminder") || same(stage, "checklist") || same(stage, "ticket") || same(stage, "acknowledged") ? MARKUP_CALM : MARKUP_BAD;
}

/* The first line of a template is the subject. */
static const char *cut_subject(struct arena *arena, const char **body)
{
    char cut[SUBJECT_MAX];
    const char *end = strchr(*body, '\n');
    COPY_TO(cut, say_line(arena, end ? arena_strndup(arena, *body, (size_t)(end - *body)) : *body));
    *body = end ? end + strspn(end, "\n") : "";
    return arena_strdup(arena, cut);
}

struct message message_render(struct arena *arena, enum language language, const struct config *config, const struct service *service,
                              const struct incident *incident, const char *stage, const char *order_text, const struct message_facts *facts)
{
    struct letter l = {.arena = arena, .language = language, .service = service, .incident = incident,
                       .severity = service_severity(service, incident->severity), .facts = facts, .stage = stage ? stage : "",
                       .order_text = order_text ? order_text : ""};
    struct mustache_value root = {.kind = MUSTACHE_MAP};
    letter_put_all(&l, &root);
    const char *body = template_fill(arena, config, l.stage, language, &root), *brief = template_fill(arena, config, "short", language, &root);
    if (!body || !*body) /* a stage without a text of its own says what the alert says */
        body = template_fill(arena, config, "alert", language, &root);
    struct message message = {.body = body ? body : ""};
    message.subject = cut_subject(arena, &message.body);
    const char *line = brief ? str_dup(arena, str_trim(str_of(brief))) : "";
    message.brief = *line ? say_line(arena, line) : message.subject;
    message.html = markup_render(arena, config, language, tone_of(l.stage), message.subject, message.body);
    return message;
}
