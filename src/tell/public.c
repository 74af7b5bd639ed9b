/* tell/public.c -- The texts of the status page: phase, clock, what the configuration calls the service's parts, or a person's words. */
#include "tell/public.h"

#include "base/jsonout.h"
#include "io/json.h"
#include "model/discreet.h"
#include "tell/message_values.h"
#include "tell/templates.h"
#include "tell/wording.h"

enum { DETAIL_MAX = 96 * 1024 };

struct bulletin {
    struct arena *arena;
    enum language language;
    const struct config *config;
    const struct service *service;
    const struct incident *incident;
    const struct message_facts *facts;
    const struct json *words; /* NULL: the machine speaks */
};

static const char *const language_keys[] = {[LANGUAGE_EN] = "en", [LANGUAGE_FR] = "fr"};

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

static const char *words_in(const struct bulletin *b)
{
    const char *own = json_string(json_get(b->words, language_keys[b->language]));
    if (own && *own)
        return own;
    return json_string(json_get(b->words, language_keys[b->language == LANGUAGE_FR ? LANGUAGE_EN : LANGUAGE_FR]));
}

/* "15:34 UTC", and the day when that is another one. */
static const char *clock_of(const struct bulletin *b, int64_t wall_ms)
{
    const char *whole = moment_minute(b->arena, wall_ms), *now = moment_minute(b->arena, b->incident->public_wall_ms);
    const char *blank = strchr(whole, ' ');
    bool today = blank && strncmp(whole, now, (size_t)(blank - whole)) == 0;
    return today ? blank + 1 : whole;
}

static const char *duration(const struct bulletin *b, int64_t ms)
{
    return say_duration(b->arena, b->language, ms < MS_MINUTE ? ms : (ms + MS_MINUTE / 2) / MS_MINUTE * MS_MINUTE); /* seconds mean nothing here */
}

static int64_t began_wall_ms(const struct incident *i)
{
    return i->good_wall_ms > 0 && i->good_wall_ms < i->opened_wall_ms ? i->good_wall_ms : i->opened_wall_ms;
}

static void put_affected_list(const struct bulletin *b, struct mustache_value *root)
{
    struct str rest = str_of(text_in(b->service->affected, b->language)), line;
    const char *list = "";
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n)
            list = arena_printf(b->arena, "%s%s" STR_FMT, list, *list ? ", " : "", STR_ARG(line));
    }
    mustache_put(b->arena, root, "affected_list", say_line(b->arena, list));
}

static void put_times(const struct bulletin *b, const struct letter *l, struct mustache_value *root)
{
    const struct incident *i = b->incident;
    bool back = i->public_phase >= PUBLIC_MONITORING, promised = i->public_due_ms != TIME_NEVER && i->public_phase != PUBLIC_RESOLVED;
    const char *outage = duration(b, letter_outage_ms(l));
    mustache_put(b->arena, root, "since", clock_of(b, began_wall_ms(i)));
    mustache_put(b->arena, root, "lasting", back ? NULL : outage);
    mustache_put(b->arena, root, "lasted", back && i->monitoring_at_ms > 0 ? outage : NULL);
    mustache_put(b->arena, root, "late", i->public_late_ms > 0 ? duration(b, i->public_late_ms) : NULL);
    mustache_put(b->arena, root, "next_by", promised ? clock_of(b, i->public_wall_ms + (i->public_due_ms - i->public_at_ms)) : NULL);
}

/* Only what the public may know: nothing else is in reach of these templates. */
static void put_all(const struct bulletin *b, const char *reason, struct mustache_value *root)
{
    static const char *const stages[] = {[PUBLIC_MONITORING] = "monitoring", [PUBLIC_RESOLVED] = "resolved"};
    const struct incident *i = b->incident;
    const char *stage = i->public_phase >= PUBLIC_MONITORING ? stages[i->public_phase] : "";
    struct letter l = {.arena = b->arena, .language = b->language, .service = b->service, .incident = i, .facts = b->facts, .stage = stage, .order_text = ""};
    int64_t lost = b->facts->loss_ms, rows = b->facts->loss_rows;
    mustache_put(b->arena, root, "service", say_line(b->arena, text_in(b->service->title, b->language)));
    mustache_put(b->arena, root, "status_page", b->service->status_page);
    letter_put_severity(&l, root);
    letter_put_affected(&l, root);
    put_affected_list(b, root);
    put_times(b, &l, root);
    mustache_put_bool(b->arena, root, "first", i->public_serial <= 1);
    mustache_put_bool(b->arena, root, "again", same(reason, "floor"));
    mustache_put_bool(b->arena, root, "relapse", i->public_relapse);
    mustache_put_bool(b->arena, root, "nothing_lost", (lost >= 0 || rows >= 0) && lost <= 0 && rows <= 0);
    mustache_put(b->arena, root, "lost", lost > 0 ? duration(b, lost) : NULL);
    mustache_put_bool(b->arena, root, "loss_unknown", b->facts->moved && lost < 0 && rows < 0);
    const char *words = b->words ? words_in(b) : NULL;
    mustache_put(b->arena, root, "words", words ? say_text(b->arena, words) : NULL);
}

/* The first line of the template is the headline. */
static struct public_text tell_in(const struct bulletin *b, const char *reason)
{
    struct mustache_value root = {.kind = MUSTACHE_MAP};
    put_all(b, reason, &root);
    const char *name = b->words ? "words" : public_phase_name(b->incident->public_phase);
    char *text = template_fill(b->arena, b->config, arena_printf(b->arena, "public-%s", name), b->language, &root);
    char *end = text ? strchr(text, '\n') : NULL;
    if (!end)
        return (struct public_text){.headline = discreet(b->arena, b->config, say_line(b->arena, text_in(b->service->title, b->language))), .body = ""};
    const char *body = end + strspn(end, "\n");
    *end = 0;
    return (struct public_text){.headline = discreet(b->arena, b->config, text), .body = discreet(b->arena, b->config, body)};
}

static const struct json *parsed(struct arena *arena, const char *words)
{
    const struct json *root = NULL;
    struct err err = {0};
    return words && json_parse(arena, str_of(words), &root, &err) ? root : NULL;
}

struct public_text public_text(struct arena *arena, const struct config *config, enum language language, const struct service *service,
                               const struct incident *incident, const char *reason, const char *words, const struct message_facts *facts)
{
    struct bulletin b = {.arena = arena, .language = language, .config = config, .service = service, .incident = incident, .facts = facts,
                         .words = parsed(arena, words)};
    return tell_in(&b, reason);
}

struct public_message public_render(struct arena *arena, const struct config *config, const struct service *service,
                                    const struct incident *incident, const char *reason, const char *by, const char *words,
                                    const struct message_facts *facts)
{
    SCOPED(buf_done) struct buf out = {.max = DETAIL_MAX};
    struct public_message message = {.headline = ""};
    struct bulletin b = {.arena = arena, .config = config, .service = service, .incident = incident, .facts = facts, .words = parsed(arena, words)};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
        b.language = (enum language)language;
        struct public_text told = tell_in(&b, reason);
        json_key(&j, language_keys[language]);
        json_object(&j);
        json_put_text(&j, "headline", told.headline);
        json_put_text(&j, "body", told.body);
        json_object_end(&j);
        if (language == config->language)
            message.headline = told.headline;
    }
    json_put_text(&j, "by", by && *by ? by : "machine");
    json_object_end(&j);
    message.detail = arena_strdup(arena, buf_text(&out));
    return message;
}
