/* decide/words.c -- The words of actions: sites put in, and what they mean to the rules of safety. */
#include "decide/decide_internal.h"

/* Copies one word with the sites put in. */
static void add_word(struct buf *to, struct str word, const char *active, const char *standby)
{
    const struct {
        const char *name, *braced, *site;
    } roles[] = {{"active", "{active}", active}, {"standby", "{standby}", standby}};
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        size_t n = strlen(roles[i].name);
        bool whole = str_starts(word, roles[i].name) && (word.n == n || word.p[n] == '.');
        if (!whole || !roles[i].site)
            continue;
        buf_puts(to, roles[i].site);
        word.p += n;
        word.n -= n;
        break;
    }
    while (word.n) {
        size_t cut = 1;
        const char *put = NULL;
        for (size_t i = 0; i < COUNT_OF(roles); i++)
            if (roles[i].site && str_starts(word, roles[i].braced))
                put = roles[i].site, cut = strlen(roles[i].braced);
        buf_add(to, put ? put : word.p, put ? strlen(put) : 1);
        word.p += cut;
        word.n -= cut;
    }
}

static void add_words(struct buf *to, const char *action, const char *active, const char *standby)
{
    struct str rest = str_of(action), word;
    for (bool first = true; str_next(&rest, ' ', &word); first = false) {
        if (!first)
            buf_putc(to, ' ');
        add_word(to, word, active, standby);
    }
}

char *action_words(struct arena *arena, const char *action, const char *active, const char *standby)
{
    SCOPED(buf_done) struct buf text = {.max = 4096};
    add_words(&text, action, active, standby);
    return arena_strndup(arena, buf_text(&text), text.n);
}

void words_fill(char to[MODEL_TEXT_SIZE], const char *action, const char *active, const char *standby)
{
    SCOPED(buf_done) struct buf text = {.max = MODEL_TEXT_SIZE - 1};
    add_words(&text, action, active, standby);
    str_copy(to, MODEL_TEXT_SIZE, buf_text(&text));
}

bool names_standby(const char *action)
{
    struct str rest = str_of(action), word;
    while (str_next(&rest, ' ', &word)) {
        if (str_is(word, "standby") || str_starts(word, "standby."))
            return true;
        for (; word.n; word.p++, word.n--)
            if (str_starts(word, "{standby}"))
                return true;
    }
    return false;
}

static struct str take_word(struct str *rest)
{
    struct str word = {.p = "", .n = 0};
    while (rest->p && str_next(rest, ' ', &word))
        if (word.n)
            return word;
    return (struct str){.p = "", .n = 0};
}

static int site_index(const struct service *service, struct str name)
{
    for (size_t i = 0; i < service->sites.n; i++)
        if (str_is(name, service->sites.p[i].name))
            return (int)i;
    return NOTHING;
}

/* What a verb means by itself, or together with its first argument. The first row that fits counts. */
static const struct {
    const char *verb, *argument;
    enum deed_kind kind;
} deeds[] = {
    {"diagnose", NULL, DEED_LOOK},       {"verify", NULL, DEED_LOOK},          {"status", NULL, DEED_LOOK},
    {"traffic", "show", DEED_LOOK},      {"traffic", "switch", DEED_SWITCH},   {"traffic", "undo", DEED_UNDO},
    {"notify", NULL, DEED_SAY},          {"wait", NULL, DEED_WAIT},            {"playbook", NULL, DEED_CALL},
    {"service", "start", DEED_START},    {"service", "restart", DEED_START},   {"restore", NULL, DEED_RESTORE},
    {"fence", NULL, DEED_FENCE},         {"promote", NULL, DEED_PROMOTE},      {"options", NULL, DEED_LOOK},
    {"switchover", NULL, DEED_SWITCHOVER}, {"loss", NULL, DEED_LOOK},
};

struct deed deed_of(const struct service *service, const char *words)
{
    struct str rest = str_of(words);
    struct str verb = take_word(&rest), argument = take_word(&rest), target = argument;
    struct deed deed = {.kind = DEED_OTHER, .site = NOTHING};
    say(deed.argument, sizeof(deed.argument), STR_FMT, STR_ARG(argument));
    for (size_t i = 0; i < COUNT_OF(deeds); i++) {
        if (!str_is(verb, deeds[i].verb) || (deeds[i].argument && !str_is(argument, deeds[i].argument)))
            continue;
        deed.kind = deeds[i].kind;
        if (deeds[i].argument)
            target = take_word(&rest);
        break;
    }
    struct str site = target;
    if (deed.kind == DEED_START)
        str_next(&target, '.', &site); /* of SITE.database or SITE.application */
    deed.site = site_index(service, site);
    return deed;
}

bool deed_changes(enum deed_kind kind)
{
    return kind != DEED_LOOK && kind != DEED_SAY && kind != DEED_WAIT && kind != DEED_CALL;
}
