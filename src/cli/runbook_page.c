/* cli/runbook_page.c -- How the runbook says things: texts, times, conditions, commands and people. */
#include "act/action.h"
#include "cli/runbook.h"
#include "decide/decide.h"
#include "tell/wording.h"

const char *page_say(const struct page *page, const char *en, const char *fr)
{
    return page->language == LANGUAGE_FR ? fr : en;
}

const char *page_text(const struct page *page, struct text2 text)
{
    struct byhand byhand = {
        .arena = page->arena, .service = page->service, .active = page->active, .standby = page->standby};
    return str_dup(page->arena, str_trim(str_of(byhand_fill(&byhand, text_in(text, page->language), NULL))));
}

const char *page_time(const struct page *page, int64_t ms)
{
    if (ms >= MS_SECOND && ms < MS_MINUTE && ms % MS_SECOND == 0)
        return arena_printf(page->arena, "%d s", (int)(ms / MS_SECOND)); /* a limit, not a measurement: no tenths */
    return say_duration(page->arena, page->language, ms);
}

void page_code(const struct page *page, const char *language, const char *text)
{
    buf_printf(page->out, "```%s\n%s\n```\n\n", language, text);
}

/* ---- conditions ---- */

static const char *state_words(const struct page *page, struct str state, bool negated)
{
    static const struct {
        enum verdict_state state;
        struct text2 is, is_not;
    } words[] = {
        {VERDICT_UP, {"is up", "est en service"}, {"is not up", "n'est pas en service"}},
        {VERDICT_DOWN, {"is down", "est en panne"}, {"is not down", "n'est pas en panne"}},
        {VERDICT_WARNING, {"is in warning", "est en alerte"}, {"is not in warning", "n'est pas en alerte"}},
        {VERDICT_UNKNOWN, {"is unknown", "est dans un état inconnu"}, {"is not unknown", "est dans un état connu"}},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_is(state, verdict_name(words[i].state)))
            return text_in(negated ? words[i].is_not : words[i].is, page->language);
    return str_dup(page->arena, state);
}

const char *page_condition(const struct page *page, const char *condition)
{
    const char *standby = page->standby ? page->standby->name : NULL, *text = "";
    struct str rest = str_of(action_words(page->arena, condition, page->active->name, standby)), word;
    bool negated = false;
    enum { NAME, IS, STATE, JOINT } next = NAME; /* NAME is [not] STATE, joined by and, or */
    while (str_next(&rest, ' ', &word)) {
        const char *blank = *text ? " " : "";
        if (word.n == 0 || next == IS || (next == STATE && str_is(word, "not"))) {
            negated = next == STATE && str_is(word, "not");
            next = next == IS ? STATE : next;
        } else if (next == NAME) {
            text = arena_printf(page->arena, "%s%s`" STR_FMT "`", text, blank, STR_ARG(word));
            next = IS;
        } else if (next == STATE) {
            text = arena_printf(page->arena, "%s%s%s", text, blank, state_words(page, word, negated));
            negated = false;
            next = JOINT;
        } else {
            text = arena_printf(page->arena, "%s%s%s", text, blank,
                                str_is(word, "and") ? page_say(page, "and", "et") : page_say(page, "or", "ou"));
            next = NAME;
        }
    }
    return text;
}

/* ---- steps ---- */

const char *page_command(const struct page *page, const char *action)
{
    const char *words =
        action_words(page->arena, action, page->active->name, page->standby ? page->standby->name : NULL);
    struct str rest = str_of(words), verb;
    if (!str_next(&rest, ' ', &verb) || !action_find(str_dup(page->arena, verb)))
        return NULL; /* notify, wait, playbook: nothing that a person types */
    const char *service =
        page->config->services.n > 1 ? arena_printf(page->arena, "--service %s ", page->service->name) : "";
    return arena_printf(page->arena, "bascule %s%s", service, words);
}

const char *page_step_title(const struct page *page, const struct step *step)
{
    return step->title.en ? text_in(step->title, page->language) : step->id;
}

const char *page_playbook_title(const struct page *page, const char *name)
{
    const struct playbook *playbook = service_playbook(page->service, name);
    return playbook ? arena_printf(page->arena, "%s (`%s`)", text_in(playbook->title, page->language), name)
                    : arena_printf(page->arena, "`%s`", name);
}

/* ---- people ---- */

static const char *person(const struct page *page, const struct contact *c)
{
    return c->title.en ? arena_printf(page->arena, "%s (%s)", text_in(c->title, page->language), c->name) : c->name;
}

const char *page_people(const struct page *page, const struct strs *names)
{
    const char *text = "";
    for (size_t i = 0; i < names->n; i++) {
        const struct contact_group *group =
            config_contact(page->config, names->p[i]) ? NULL : config_group(page->config, names->p[i]);
        const struct strs alone = {.p = &names->p[i], .n = 1}, *members = group ? &group->members : &alone;
        for (size_t k = 0; k < members->n; k++) {
            const struct contact *c = config_contact(page->config, members->p[k]);
            text = arena_printf(page->arena, "%s%s%s", text, *text ? ", " : "", c ? person(page, c) : members->p[k]);
        }
    }
    return text;
}
