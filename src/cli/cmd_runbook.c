/* cli/cmd_runbook.c -- The document people follow by hand on the day the program cannot: printed from the very configuration and
   playbooks that the program would follow, with the real hosts and commands, so that the two never drift apart. */
#include <inttypes.h>

#include "cli/command.h"
#include "decide/decide.h"

extern const struct command cmd_runbook;

struct page {
    struct arena *arena;
    const struct cli *cli;
    const struct service *service;
    enum language language;
    const char *from, *to; /* names of the sites; `to` may be NULL */
    struct buf *out;
};

/* The document's own words stand beside each other in both languages; gettext serves messages, this is a text. */
static const char *say(const struct page *page, const char *en, const char *fr)
{
    return page->language == LANGUAGE_FR ? fr : en;
}

static const char *time_of(const struct page *page, int64_t ms)
{
    return duration_say(page->arena, ms);
}

static void write_stages(const struct page *page, const struct severity_conf *severity)
{
    for (size_t i = 0; i < severity->stages.n; i++) {
        const struct stage *stage = &severity->stages.p[i];
        buf_printf(page->out, "%zu. +%s — %s: ", i + 1, duration_print(page->arena, stage->after_ms), stage->name);
        for (size_t k = 0; k < stage->notify.n; k++)
            buf_printf(page->out, "%s%s", k ? ", " : "", stage->notify.p[k]);
        buf_putc(page->out, '\n');
    }
    buf_putc(page->out, '\n');
}

static void write_escalation(const struct page *page)
{
    const struct service *service = page->service;
    buf_printf(page->out, "## %s\n\n", say(page, "Escalation", "Escalade d'urgence"));
    for (size_t i = 0; i < service->severities.n; i++) {
        const struct severity_conf *severity = &service->severities.p[i];
        buf_printf(page->out, "### %s (RTO: %s)\n\n", severity_name((enum severity)severity->severity), time_of(page, severity->rto_ms));
        if (severity->users.en)
            buf_printf(page->out, "%s: %s\n\n", say(page, "Users", "Utilisateurs"), text_in(severity->users, page->language));
        if (severity->impact_per_hour)
            buf_printf(page->out, "%s: %s%d/%s\n\n", say(page, "Revenue affected", "Revenus affectés"),
                       service->currency ? service->currency : "", severity->impact_per_hour, say(page, "hour", "heure"));
        write_stages(page, severity);
    }
}

static void write_branch(const struct page *page, const char *label, const char *then)
{
    if (same(then, "next"))
        return;
    const char *where = same(then, "end")    ? say(page, "the playbook has succeeded", "le scénario a réussi")
                        : same(then, "fail") ? say(page, "the playbook has failed: a person decides", "le scénario a échoué : une personne décide")
                                             : arena_printf(page->arena, "%s \"%s\"", say(page, "go to step", "aller à l'étape"), then);
    buf_printf(page->out, "- %s → %s\n", label, where);
}

static void write_indented(const struct page *page, const char *text)
{
    struct str rest = str_of(text), line;
    while (str_next(&rest, '\n', &line))
        buf_printf(page->out, STR_FMT "\n", STR_ARG(line));
}

/* {active} and {standby} in the hand-written part stand for the sites too. */
static char *with_sites(const struct page *page, const char *text)
{
    static const char *const names[] = {"{active}", "{standby}"};
    const char *const values[] = {page->from, page->to ? page->to : "?"};
    char *result = arena_strdup(page->arena, text);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (char *at; (at = strstr(result, names[i]));)
            result = arena_printf(page->arena, "%.*s%s%s", (int)(at - result), result, values[i], at + strlen(names[i]));
    return result;
}

static void write_step(const struct page *page, const struct step *step, size_t number)
{
    struct buf *out = page->out;
    const char *title = step->title.en ? text_in(step->title, page->language) : step->id;
    buf_printf(out, "#### %s %zu: %s (%s)\n\n", say(page, "Step", "Étape"), number, title, time_of(page, step->budget_ms));
    if (step->why.en)
        buf_printf(out, "> %s\n\n", text_in(step->why, page->language));
    const char *action = action_words(page->arena, step->action, page->from, page->to);
    if (!same(action, "wait") && !str_starts(str_of(action), "notify") && !str_starts(str_of(action), "playbook "))
        buf_printf(out, "```bash\nbascule %s\n```\n\n", action);
    else if (str_starts(str_of(action), "playbook "))
        buf_printf(out, "%s **%s**.\n\n", say(page, "Follow the procedure", "Suivre la procédure"), action + strlen("playbook "));
    if (step->manual.en) {
        buf_printf(out, "%s\n\n```bash\n", say(page, "By hand, when the program cannot:", "À la main, quand le programme ne peut pas :"));
        write_indented(page, str_dup(page->arena, str_trim(str_of(with_sites(page, text_in(step->manual, page->language))))));
        buf_puts(out, "```\n\n");
    }
    if (step->when)
        buf_printf(out, "- %s: `%s`\n", say(page, "Only when", "Seulement si"), step->when);
    if (step->until)
        buf_printf(out, "- %s: `%s`\n", say(page, "Done when", "Terminé quand"), step->until);
    if (step->limit)
        buf_printf(out, "- %s %d %s %s\n", say(page, "At most", "Au plus"), step->limit, say(page, "times in", "fois en"),
                   time_of(page, step->window_ms));
    if (step->approve == APPROVE_PERSON)
        buf_printf(out, "- %s\n", say(page, "A person must approve.", "Une personne doit approuver."));
    write_branch(page, say(page, "success", "succès"), step->on_success ? step->on_success : "next");
    write_branch(page, say(page, "failure", "échec"), step->on_failure ? step->on_failure : "fail");
    write_branch(page, say(page, "more than its time", "délai dépassé"),
                 step->on_expiry ? step->on_expiry : step->on_failure ? step->on_failure : "fail");
    if (step->undo)
        buf_printf(out, "- %s: `bascule %s`\n", say(page, "Undone by", "Annulé par"),
                   action_words(page->arena, step->undo, page->from, page->to));
    buf_putc(out, '\n');
}

static void write_playbook(const struct page *page, const struct playbook *playbook)
{
    int64_t longest = playbook_longest_ms(page->service, playbook);
    buf_printf(page->out, "### %s (%s)\n\n", text_in(playbook->title, page->language), playbook->name);
    if (playbook->symptoms.en)
        buf_printf(page->out, "**%s**\n\n```\n%s\n```\n\n", say(page, "Symptoms:", "Symptômes :"),
                   str_dup(page->arena, str_trim(str_of(text_in(playbook->symptoms, page->language)))));
    if (playbook->opens_when)
        buf_printf(page->out, "%s `%s`. ", say(page, "The program begins by itself when", "Le programme commence de lui-même quand"),
                   playbook->opens_when);
    if (longest >= 0)
        buf_printf(page->out, "%s %s.", say(page, "All budgets together:", "Tous les délais ensemble :"), time_of(page, longest));
    buf_puts(page->out, "\n\n");
    for (size_t i = 0; i < playbook->steps.n; i++)
        write_step(page, &playbook->steps.p[i], i + 1);
}

static void write_sites(const struct page *page)
{
    buf_printf(page->out, "## %s\n\n| %s | %s | %s | %s | %s |\n|---|---|---|---|---|\n", say(page, "Sites", "Sites"), say(page, "site", "site"),
               say(page, "host", "hôte"), say(page, "database", "base de données"), say(page, "application", "application"),
               say(page, "backups", "sauvegardes"));
    for (size_t i = 0; i < page->service->sites.n; i++) {
        const struct site *s = &page->service->sites.p[i];
        buf_printf(page->out, "| %s (%s) | %s | %s:%d/%s | %s | %s |\n", s->name, site_role_name((enum site_role)s->role),
                   s->host.address ? s->host.address : "local", s->database.at.host ? s->database.at.host : "local", s->database.at.port,
                   s->database.at.dbname, s->application.url ? s->application.url : "", s->backup.folder ? s->backup.folder : "");
    }
    buf_putc(page->out, '\n');
}

static void write_communication(const struct page *page)
{
    buf_printf(page->out, "## %s\n\n", say(page, "Communication and contacts", "Communication et contacts d'urgence"));
    buf_printf(page->out, "```bash\nbascule incident list\nbascule incident ack N\nbascule incident note N \"...\"\nbascule incident report N\n```\n\n");
    const struct config *config = page->cli->config;
    for (size_t i = 0; i < config->contacts.n; i++) {
        const struct contact *c = &config->contacts.p[i];
        buf_printf(page->out, "- %s%s%s", c->name, c->title.en ? " — " : "", text_in(c->title, page->language));
        if (c->tier)
            buf_printf(page->out, " (tier %d)", c->tier);
        for (size_t k = 0; k < c->ways.n; k++)
            buf_printf(page->out, "%s%s%s%s", k ? ", " : ": ", c->ways.p[k].channel, c->ways.p[k].address ? " " : "",
                       c->ways.p[k].address ? c->ways.p[k].address : "");
        buf_putc(page->out, '\n');
    }
}

static void write_all(const struct page *page)
{
    const struct service *service = page->service;
    buf_printf(page->out, "# RUNBOOK — %s — %s\n\n", say(page, "Emergency procedures", "Procédures d'urgence"),
               text_in(service->title, page->language));
    buf_printf(page->out, "%s `%s`.\n\n",
               say(page, "Printed by `bascule runbook` from the configuration and the playbooks of", "Imprimé par `bascule runbook` depuis"),
               page->cli->config->path);
    write_sites(page);
    write_escalation(page);
    buf_printf(page->out, "## %s\n\n", say(page, "Scenarios and procedures", "Scénarios et procédures"));
    for (size_t i = 0; i < service->playbooks.n; i++)
        write_playbook(page, &service->playbooks.p[i]);
    write_communication(page);
}

static int run_runbook(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    const struct service *service;
    if (argc > 1)
        return cli_usage(&cmd_runbook, _("unknown argument \"%s\""), argv[1]);
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    const struct site *from = service_site_of(service, SITE_PRODUCTION), *to = service_site_of(service, SITE_DR);
    struct page page = {.arena = cli->arena,
                        .cli = cli,
                        .service = service,
                        .language = cli->language,
                        .from = from->name,
                        .to = to ? to->name : NULL,
                        .out = &out};
    write_all(&page);
    return cli_print(&out);
}

const struct command cmd_runbook = {
    .name = "runbook",
    .usage = "runbook [--lang en|fr]",
    .summary = N_("prints the whole procedure for people to follow by hand, from the loaded playbooks"),
    .details = N_("Markdown with the real host names and the very commands. Print it and keep a copy where a power cut leaves it."),
    .wants_config = true,
    .run = run_runbook,
};
