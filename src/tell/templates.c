/* tell/templates.c -- Which template is meant, and which names it may use. */
#include "tell/templates.h"

enum { OUT_MAX = 32 * 1024, PAGE_MAX = 60 * 1024 };

#define PUBLIC_PREFIX "public-"
#define PAGE          "mail.html"

static const char *const suffixes[] = {[LANGUAGE_EN] = ".en", [LANGUAGE_FR] = ".fr"};

/* What a message to people may say; docs/messages.md tells what each is. */
static const char *const people_names[] = {
    ".", "acked", "acked_by", "active_site", "affected", "any_affected", "any_impact", "any_overdue", "any_reasons", "any_undelivered",
    "back", "by", "cause", "channel", "commands_given", "contact", "elapsed", "escalation", "eta", "eta_most", "every", "incident",
    "investigation", "is_acknowledged", "is_approval", "is_blocked", "is_checklist", "is_escalated", "is_monitoring", "is_page",
    "is_relapse", "is_reminder", "is_resolved", "is_say", "is_ticket", "is_unanswered", "is_update", "late", "lost", "name",
    "next_update", "next_update_at", "nothing_lost", "number", "opened", "overdue", "p1", "p2", "p3", "proven_alive", "reasons",
    "resolved_at", "revenue_lost", "revenue_rate", "rpo", "rpo_achieved", "rpo_missed", "rto", "rto_left", "rto_missed", "service",
    "severity", "severity_title", "stage", "status_page", "step", "step_count", "step_number", "subject", "title", "undelivered",
    "users", "whom", "why", "why_called", "words",
};

/* What the public may know. No host, no cause, no title of a step, no person. */
static const char *const public_names[] = {
    ".", "affected", "affected_list", "again", "any_affected", "first", "lasted", "lasting", "late", "loss_unknown", "lost", "name", "next_by",
    "nothing_lost", "p1", "p2", "p3", "relapse", "service", "since", "status_page", "words",
};

static const char *const markup_names[] = {
    ".", "any_items", "any_rows", "blocks", "calm", "good", "heading", "headline", "href", "items", "key", "language", "lines", "rows",
    "subject", "value",
};

/* ---- finding ---- */

static const char *shipped(const char *name)
{
    for (const struct template_text *t = templates_shipped; t->name; t++)
        if (same(t->name, name))
            return t->text;
    return NULL;
}

const char *template_text(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->templates.n; i++)
        if (same(config->templates.p[i].name, name))
            return config->templates.p[i].text;
    return shipped(name);
}

/* ---- checking ---- */

struct check {
    const struct config *config;
    const char *const *names;
    size_t count;
    const char *suffix;
    bool is_public;
};

static bool is_known(void *arg, struct str name)
{
    const struct check *check = arg;
    for (size_t i = 0; i < check->count; i++)
        if (str_is(name, check->names[i]))
            return true;
    return false;
}

static bool has_partial(void *arg, struct str name)
{
    const struct check *check = arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (check->is_public && !str_starts(name, PUBLIC_PREFIX))
        return false; /* it would bring names along that the public must not see */
    return template_text(check->config, arena_printf(arena, STR_FMT "%s", STR_ARG(name), check->suffix)) != NULL;
}

/* People may write a text of their own for each stage. */
static bool is_stage(const struct config *config, struct str name)
{
    for (size_t i = 0; i < config->services.n; i++)
        for (size_t s = 0; s < config->services.p[i].severities.n; s++) {
            const struct severity_conf *severity = &config->services.p[i].severities.p[s];
            for (size_t k = 0; k < severity->stages.n; k++)
                if (severity->stages.p[k].name && str_is(name, severity->stages.p[k].name))
                    return true;
        }
    return false;
}

static const char *suffix_of(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++)
        if (n > 3 && same(name + n - 3, suffixes[i]))
            return suffixes[i];
    return NULL;
}

static bool name_valid(const struct config *config, const char *name, const char *suffix, struct err *err)
{
    if (shipped(name) || (suffix && is_stage(config, (struct str){name, strlen(name) - strlen(suffix)})))
        return true;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct strs known = {0};
    for (const struct template_text *t = templates_shipped; t->name; t++)
        *vec_add(arena, &known) = t->name;
    const char *near = str_nearest(name, known.p, known.n);
    err_set(err, ERR_CONFIG, "no message is called \"%s\"", name);
    return near ? err_hint(err, "did you mean \"%s\"?", near)
                : err_hint(err, "a template is NAME.en.mustache or NAME.fr.mustache; docs/messages.md names them all");
}

bool template_valid(const struct config *config, const struct message_template *template, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *name = template->name, *suffix = suffix_of(name), *file = template->mark.file ? template->mark.file : name;
    if (!name_valid(config, name, suffix, err))
        return err_prefix(err, "%s", file);
    struct check check = {.config = config, .suffix = suffix ? suffix : "", .is_public = str_starts(str_of(name), PUBLIC_PREFIX)};
    bool page = same(name, PAGE);
    check.names = page ? markup_names : check.is_public ? public_names : people_names;
    check.count = page ? COUNT_OF(markup_names) : check.is_public ? COUNT_OF(public_names) : COUNT_OF(people_names);
    const struct mustache_names names = {.known = is_known, .partial = has_partial, .arg = &check};
    const struct mustache *mustache;
    return mustache_read(arena, file, str_of(template->text), &mustache, err) && mustache_check(mustache, &names, err);
}

/* ---- filling ---- */

struct fill {
    struct arena *arena;
    const struct config *config;
    const char *suffix;
};

static const struct mustache *read_one(const struct fill *fill, const char *name)
{
    const char *text = template_text(fill->config, name);
    const struct mustache *mustache = NULL;
    struct err err = {0};
    if (!text || !mustache_read(fill->arena, name, str_of(text), &mustache, &err))
        return NULL;
    return mustache;
}

static const struct mustache *partial(void *arg, struct str name)
{
    const struct fill *fill = arg;
    return read_one(fill, arena_printf(fill->arena, STR_FMT "%s", STR_ARG(name), fill->suffix));
}

/* Sections that were left out leave empty lines behind. */
static char *tidy(struct arena *arena, const char *text)
{
    char *out = arena_alloc(arena, strlen(text) + 2), *to = out;
    int breaks = 2; /* none at the beginning */
    for (const char *p = text; *p; p++) {
        breaks = *p == '\n' ? breaks + 1 : 0;
        if (breaks <= 2)
            *to++ = *p;
    }
    while (to > out && to[-1] == '\n')
        to--;
    if (to > out)
        *to++ = '\n';
    *to = 0;
    return out;
}

char *template_fill(struct arena *arena, const struct config *config, const char *name, enum language language, const struct mustache_value *values)
{
    struct fill fill = {.arena = arena, .config = config, .suffix = suffixes[language]};
    const struct mustache *mustache = read_one(&fill, arena_printf(arena, "%s%s", name, fill.suffix));
    if (!mustache)
        return NULL;
    const struct mustache_env env = {.partial = partial, .arg = &fill};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    mustache_render(mustache, values, &env, &out);
    return tidy(arena, buf_text(&out));
}

char *template_fill_markup(struct arena *arena, const struct config *config, const struct mustache_value *values)
{
    struct fill fill = {.arena = arena, .config = config, .suffix = ""};
    const struct mustache *mustache = read_one(&fill, PAGE);
    if (!mustache)
        return NULL;
    const struct mustache_env env = {.escape = mustache_escape_html, .partial = partial, .arg = &fill};
    SCOPED(buf_done) struct buf out = {.max = PAGE_MAX};
    mustache_render(mustache, values, &env, &out);
    return out.over ? NULL : arena_strdup(arena, buf_text(&out)); /* half a page is worse than the text alone */
}
