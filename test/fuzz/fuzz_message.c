/* fuzz_message.c -- Any text as a template of people, as a cause, as words for the public and as the body of a page: a message is made of
   it all the same, on one line where one line is due; markup stays markup; and the public reads no address that somebody planted. */
#include "io/json.h"
#include "model/discreet.h"
#include "tell/markup.h"
#include "tell/public.h"
#include "tell/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct config *world(struct arena *arena, const char *text)
{
    struct config *config = arena_new(arena, struct config);
    struct service *service = vec_add(arena, &config->services);
    *service = (struct service){.name = "akig", .title = {text, "Plateforme AKIG"}, .users = 15000, .currency = "$", .affected = {text, text}};
    struct severity_conf *p1 = vec_add(arena, &service->severities);
    *p1 = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = MS_HOUR, .impact_per_hour = 50000, .users = {text, text}};
    return config;
}

static void as_values(struct arena *arena, struct config *config, const struct incident *incident, const char *text)
{
    static const char *const stages[] = {"alert", "update", "resolved", "blocked", "say", "reminder"};
    struct message_failure failure = {text, text, text};
    struct message_facts facts = {.now_ms = 5000, .step = text, .eta_ms = 5, .eta_most_ms = 9, .loss_ms = -1, .loss_rows = -1, .active_site = text,
                                  .next_update_ms = -1, .failures = &failure, .failure_count = 1};
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
            struct message m = message_render(arena, (enum language)language, config, &config->services.p[0], incident, stages[i], text, &facts);
            check(*m.subject && !strpbrk(m.subject, "\r\n") && strlen(m.subject) < 700 && !strpbrk(m.brief, "\r\n") && *m.body);
            check(!strchr(m.body, '\r') && !strchr(m.body, '\x1b') && !strstr(m.body, "\n\n\n"));
            check(!m.html || !strcasestr(m.html, "<script"));
        }
}

static void as_words(struct arena *arena, const struct config *config, const struct incident *incident, const char *text)
{
    const struct message_facts facts = {.now_ms = 5000, .loss_ms = -1, .loss_rows = -1};
    const char *words = public_words(arena, text, text);
    struct public_message m = public_render(arena, config, &config->services.p[0], incident, "person", "anna", words, &facts);
    const struct json *root = NULL;
    struct err err = {0};
    check(json_parse(arena, str_of(m.detail), &root, &err));
    check(is_discreet(arena, config, json_string(json_path(root, "en.body"))) && is_discreet(arena, config, json_string(json_path(root, "fr.headline"))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *text = arena_strndup(arena, (const char *)data, size);
    struct config *config = world(arena, text);
    struct incident incident = {.id = 7, .playbook = -1, .severity = SEVERITY_P1, .opened_at_ms = 1000, .opened_wall_ms = 1761406442120,
                                .public_serial = 1, .public_due_ms = 9000};
    COPY_TO(incident.title, text);
    COPY_TO(incident.cause, text);
    as_values(arena, config, &incident, text);
    as_words(arena, config, &incident, text);
    markup_render(arena, config, LANGUAGE_FR, MARKUP_BAD, text, text);
    static const char *const names[] = {"update.en", "head.en", "public-words.en", "mail.html", "short.en"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct message_template own = {.name = names[i], .text = text};
        struct err err = {0};
        if (template_valid(config, &own, &err))
            *vec_add(arena, &config->templates) = own;
        else
            check((err.code == ERR_CONFIG || err.code == ERR_LIMIT) && *err.message);
    }
    if (config->templates.n) {
        const struct message_facts facts = {.now_ms = 5000, .eta_ms = -1, .loss_ms = -1, .loss_rows = -1, .next_update_ms = -1};
        message_render(arena, LANGUAGE_EN, config, &config->services.p[0], &incident, "update", text, &facts);
    }
    return 0;
}
