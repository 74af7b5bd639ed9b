/* tell/public.c -- The texts of the status page, made of the phase, the clock and what the configuration calls the service's parts. */
#include "tell/public.h"

#include "base/jsonout.h"
#include "io/json.h"
#include "tell/wording.h"

enum { DETAIL_MAX = 32 * 1024, BODY_MAX = 8 * 1024 };

#define IN(language, en_text, fr_text) ((language) == LANGUAGE_FR ? (fr_text) : (en_text))

static const struct text2 names[SEVERITY_MAX] = {
    [SEVERITY_P1] = {"service unavailable", "service indisponible"},
    [SEVERITY_P2] = {"some functions are disrupted", "certaines fonctions sont perturbées"},
    [SEVERITY_P3] = {"minor degradation", "dégradation mineure"},
};

struct bulletin {
    struct arena *arena;
    enum language language;
    const struct service *service;
    const struct incident *incident;
    const struct message_facts *facts;
    struct buf body;
};

/* "15:34 UTC" */
static const char *clock_of(struct arena *arena, int64_t wall_ms)
{
    const char *whole = moment_minute(arena, wall_ms), *blank = strchr(whole, ' ');
    return blank ? blank + 1 : whole;
}

static const char *headline(struct arena *arena, enum language language, const struct service *service, const struct incident *incident)
{
    return arena_printf(arena, IN(language, "%s: %s", "%s : %s"), say_line(arena, text_in(service->title, language)),
                        text_in(names[incident->severity], language));
}

static void add_affected(struct bulletin *b)
{
    struct str rest = str_of(text_in(b->service->affected, b->language)), line;
    bool first = true;
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (!line.n)
            continue;
        buf_printf(&b->body, "%s" STR_FMT, first ? IN(b->language, "Affected: ", "Composants touchés : ") : ", ", STR_ARG(line));
        first = false;
    }
    if (!first)
        buf_puts(&b->body, ".\n");
}

static int64_t began_wall_ms(const struct incident *i)
{
    return i->good_wall_ms > 0 && i->good_wall_ms < i->opened_wall_ms ? i->good_wall_ms : i->opened_wall_ms;
}

static void add_state(struct bulletin *b)
{
    const struct incident *i = b->incident;
    const char *since = clock_of(b->arena, began_wall_ms(i));
    switch (i->public_phase) {
    case PUBLIC_INVESTIGATING:
        buf_printf(&b->body, IN(b->language, "Since %s we see a disruption and are investigating it.\n",
                                "Depuis %s nous constatons une perturbation et en cherchons la cause.\n"), since);
        break;
    case PUBLIC_IDENTIFIED:
        buf_printf(&b->body, i->public_relapse
                       ? IN(b->language, "The service, disrupted since %s, has failed again; we are working on its recovery.\n",
                            "Le service, perturbé depuis %s, est de nouveau en panne ; nous travaillons à son rétablissement.\n")
                       : IN(b->language, "The disruption since %s is located; we are working on the recovery.\n",
                            "La perturbation constatée depuis %s est localisée ; nous travaillons au rétablissement.\n"), since);
        break;
    case PUBLIC_MONITORING:
        buf_puts(&b->body, IN(b->language, "The service is back; we are watching it before we call this over.\n",
                              "Le service est rétabli ; nous l'observons avant de clore cet incident.\n"));
        break;
    default:
        buf_puts(&b->body, IN(b->language, "The service is restored.\n", "Le service est rétabli.\n"));
        break;
    }
}

static void add_end(struct bulletin *b)
{
    const struct incident *i = b->incident;
    if (i->public_late_ms > 0)
        buf_printf(&b->body, IN(b->language, "This message comes %s later than promised.\n", "Ce message arrive %s plus tard que promis.\n"),
                   say_duration(b->arena, b->language, i->public_late_ms));
    if (i->public_due_ms != TIME_NEVER && i->public_phase != PUBLIC_RESOLVED)
        buf_printf(&b->body, IN(b->language, "Next update by %s.\n", "Prochaine information au plus tard à %s.\n"),
                   clock_of(b->arena, i->public_wall_ms + (i->public_due_ms - i->public_at_ms)));
}

char *public_words(struct arena *arena, const char *text, const char *detail)
{
    const struct json *root = NULL;
    struct err err = {0};
    if (detail && *detail && json_parse(arena, str_of(detail), &root, &err) && (json_string(json_get(root, "en")) || json_string(json_get(root, "fr"))))
        return arena_strdup(arena, detail);
    SCOPED(buf_done) struct buf out = {.max = DETAIL_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, "en", text);
    json_object_end(&j);
    return arena_strdup(arena, buf_text(&out));
}

static const char *words_in(const struct json *words, enum language language)
{
    const char *own = json_string(json_get(words, language == LANGUAGE_FR ? "fr" : "en"));
    return own && *own ? own : json_string(json_get(words, language == LANGUAGE_FR ? "en" : "fr"));
}

static const char *body(struct bulletin *b, const struct json *words)
{
    const char *own = words_in(words, b->language);
    b->body = (struct buf){.max = BODY_MAX};
    if (own) {
        buf_printf(&b->body, "%s\n", own);
    } else {
        add_state(b);
        if (b->incident->public_phase < PUBLIC_MONITORING)
            add_affected(b);
    }
    add_end(b);
    const char *text = arena_strdup(b->arena, buf_text(&b->body));
    buf_done(&b->body);
    return text;
}

struct public_message public_render(struct arena *arena, const struct config *config, const struct service *service,
                                    const struct incident *incident, const char *by, const char *words, const struct message_facts *facts)
{
    static const char *const keys[] = {[LANGUAGE_EN] = "en", [LANGUAGE_FR] = "fr"};
    SCOPED(buf_done) struct buf out = {.max = DETAIL_MAX};
    const struct json *root = NULL;
    struct err err = {0};
    if (words && *words && !json_parse(arena, str_of(words), &root, &err))
        root = NULL;
    struct jsonout j = jsonout(&out);
    json_object(&j);
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
        struct bulletin b = {.arena = arena, .language = (enum language)language, .service = service, .incident = incident, .facts = facts};
        json_key(&j, keys[language]);
        json_object(&j);
        json_put_text(&j, "headline", headline(arena, b.language, service, incident));
        json_put_text(&j, "body", body(&b, root));
        json_object_end(&j);
    }
    json_put_text(&j, "by", by && *by ? by : "machine");
    json_object_end(&j);
    return (struct public_message){.headline = headline(arena, (enum language)config->language, service, incident),
                                   .detail = arena_strdup(arena, buf_text(&out))};
}
