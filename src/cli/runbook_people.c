/* cli/runbook_people.c -- Chapters of the runbook about where things are and who is told what, when and how. */
#include <inttypes.h>

#include "cli/runbook.h"
#include "io/ssh.h"
#include "tell/channel.h"
#include "tell/message.h"
#include "tell/wording.h"

/* ---- sites ---- */

static const char *filled(const struct page *page, const char *text)
{
    return page_text(page, (struct text2){text, text});
}

static void write_access(const struct page *page)
{
    const char *lines = same(page->config->path, "/etc/bascule/bascule.yaml")
                            ? ""
                            : arena_printf(page->arena, "export BASCULE_CONFIG=%s\n\n", page->config->path);
    const struct {
        const char *word;
        const struct site *site;
    } sites[] = {{"active", page->active}, {"standby", page->standby}};
    for (size_t i = 0; i < COUNT_OF(sites); i++)
        if (sites[i].site)
            lines =
                arena_printf(page->arena, "%s# %s\n{%s.login}\n{%s.psql} -d {%s.dbname}\n{%s.database.status}\n\n",
                             lines, sites[i].site->name, sites[i].word, sites[i].word, sites[i].word, sites[i].word);
    page_code(page, "bash", filled(page, lines));
}

static void write_watched(const struct page *page)
{
    const struct service *service = page->service;
    buf_printf(page->out, "| %s | %s | %s | %s |\n|---|---|---|---|\n", page_say(page, "check", "contrôle"),
               page_say(page, "looks at", "regarde"), page_say(page, "every", "toutes les"),
               page_say(page, "down after", "en panne après"));
    for (size_t i = 0; i < service->checks.n; i++) {
        const struct check_conf *c = &service->checks.p[i];
        buf_printf(
            page->out,
            page_say(page, "| `%s` | %s | %s | %d failures in a row |\n", "| `%s` | %s | %s | %d échecs de suite |\n"),
            c->id, cli_check_title(c, true, page->language), page_time(page, c->interval_ms), c->fall);
    }
    buf_putc(page->out, '\n');
}

void runbook_sites(const struct page *page)
{
    struct buf *out = page->out;
    buf_printf(out, "| %s | %s | %s | %s | %s | %s |\n|---|---|---|---|---|---|\n", page_say(page, "site", "site"),
               page_say(page, "role", "rôle"), page_say(page, "host", "hôte"),
               page_say(page, "database", "base de données"), page_say(page, "application", "application"),
               page_say(page, "backups", "sauvegardes"));
    for (size_t i = 0; i < page->service->sites.n; i++) {
        const struct site *s = &page->service->sites.p[i];
        buf_printf(out, "| **%s** | %s | %s | %s:%d/%s | %s | %s |\n", s->name,
                   s->role == SITE_PRODUCTION ? page_say(page, "serves on a normal day", "sert en temps normal")
                                              : page_say(page, "takes over", "prend le relais"),
                   host_is_local(&s->host) ? page_say(page, "the machine of bascule", "la machine de bascule")
                                           : s->host.address,
                   s->database.at.host, s->database.at.port, s->database.at.dbname,
                   s->application.url ? s->application.url : "–", s->backup.folder ? s->backup.folder : "–");
    }
    if (page->service->public_url)
        buf_printf(out, page_say(page, "\nUsers come in at %s", "\nLes utilisateurs entrent par %s"),
                   page->service->public_url);
    if (page->service->public_url && page->service->traffic.driver)
        buf_printf(
            out,
            page_say(page, ", sent on by %s: `bascule traffic show`", ", aiguillés par %s : `bascule traffic show`"),
            page->service->traffic.driver);
    buf_puts(out, page->service->public_url ? ".\n\n" : "\n");
    write_access(page);
    buf_puts(
        out,
        page_say(
            page,
            "What is watched, and what `bascule status` shows at once (`✓ All checks passed` when all is well):\n\n",
            "Ce qui est surveillé, et que `bascule status` montre d'un coup (`✓ All checks passed` quand tout va bien) :\n\n"));
    write_watched(page);
}

/* ---- escalation ---- */

static const char *rpo_text(const struct page *page, const struct severity_conf *severity)
{
    return severity->rpo_ms
               ? arena_printf(page->arena, page_say(page, ", RPO: %s", ", RPO : %s"), page_time(page, severity->rpo_ms))
               : "";
}

static void write_severity(const struct page *page, const struct severity_conf *severity)
{
    struct buf *out = page->out;
    const struct service *service = page->service;
    enum severity level = (enum severity)severity->severity;
    buf_printf(out, page_say(page, "### %s — %s (RTO: %s%s)\n\n", "### %s — %s (RTO : %s%s)\n\n"), severity_name(level),
               text_in(severity_title(level), page->language), page_time(page, severity->rto_ms),
               rpo_text(page, severity));
    if (severity->users.en)
        buf_printf(out, page_say(page, "- Users: %s\n", "- Utilisateurs : %s\n"), page_text(page, severity->users));
    if (severity->impact_per_hour)
        buf_printf(out, page_say(page, "- Revenue affected: %s/hour\n", "- Revenus affectés : %s/heure\n"),
                   say_money(page->arena, page->language, severity->impact_per_hour, service->currency));
    for (size_t i = 0; i < service->playbooks.n; i++)
        if (service->playbooks.p[i].opens_when && service->playbooks.p[i].severity == severity->severity)
            buf_printf(out,
                       page_say(page, "- Opened by itself: %s, when %s\n", "- S'ouvre de lui-même : %s, quand %s\n"),
                       page_playbook_title(page, service->playbooks.p[i].name),
                       page_condition(page, service->playbooks.p[i].opens_when));
    buf_printf(out,
               page_say(page, "- Opened by a person: `bascule incident open --severity %s \"...\"`\n\n",
                        "- Ouvert par une personne : `bascule incident open --severity %s \"...\"`\n\n"),
               severity_name(level));
    buf_printf(out, "| %s | %s | %s |\n|---|---|---|\n", page_say(page, "after", "après"),
               page_say(page, "stage", "étape"), page_say(page, "told", "prévenus"));
    for (size_t i = 0; i < severity->stages.n; i++) {
        const struct stage *stage = &severity->stages.p[i];
        buf_printf(out, "| %s | %s (`%s`) | %s |\n", page_time(page, stage->after_ms),
                   text_in(stage_title(stage->name), page->language), stage->name, page_people(page, &stage->notify));
    }
    buf_putc(out, '\n');
}

void runbook_escalation(const struct page *page)
{
    for (size_t i = 0; i < page->service->severities.n; i++)
        write_severity(page, &page->service->severities.p[i]);
    buf_puts(
        page->out,
        page_say(
            page,
            "The clocks run from the opening of the incident. Nobody is woken any more by the stage `on-call` once somebody has taken it: "
            "`bascule incident ack N`.\n",
            "Les horloges partent de l'ouverture de l'incident. L'étape `on-call` ne réveille plus personne dès que quelqu'un l'a pris en "
            "charge : `bascule incident ack N`.\n"));
}

/* ---- communication ---- */

static void write_channel(const struct page *page, const struct channel_conf *channel)
{
    const struct channel_ops *ops = channel_driver(channel->type);
    buf_printf(page->out, "- **%s** (%s)", channel->name, channel->type);
    const char *joint = page_say(page, ": ", " : ");
    for (const struct option *o = ops ? ops->options : NULL; o && o->key; o++) {
        const void *field = (const char *)channel->options + o->offset;
        const char *value = NULL;
        if (o->type == OPTION_STRING || o->type == OPTION_PATH || o->type == OPTION_URL)
            value = *(const char *const *)field;
        else if (o->type == OPTION_SECRET && ((const struct secret *)field)->source == SECRET_FILE)
            value = arena_printf(page->arena, page_say(page, "in file %s", "dans le fichier %s"),
                                 ((const struct secret *)field)->ref);
        if (!value)
            continue;
        buf_printf(page->out, "%s%s %s", joint, o->key, value);
        joint = ", ";
    }
    buf_putc(page->out, '\n');
}

/* What the program would send if the first scenario of that severity began now. */
static void write_example(const struct page *page, const struct severity_conf *severity)
{
    const struct service *service = page->service;
    struct incident *incident = arena_new(page->arena, struct incident);
    *incident = (struct incident){.id = 1,
                                  .playbook = -1,
                                  .state = INCIDENT_OPEN,
                                  .severity = (enum severity)severity->severity,
                                  .opened_wall_ms = page->now_wall_ms,
                                  .next_update_at_ms = TIME_NEVER,
                                  .automatic = true};
    struct message_facts facts = {.now_ms = severity->stages.p[0].after_ms,
                                  .now_wall_ms = page->now_wall_ms,
                                  .eta_ms = -1,
                                  .loss_ms = -1,
                                  .loss_rows = -1,
                                  .next_update_ms = -1};
    COPY_TO(incident->title, text_in(service->title, page->language));
    for (size_t i = 0; i < service->playbooks.n && incident->playbook < 0; i++) {
        const struct playbook *playbook = &service->playbooks.p[i];
        if (!playbook->opens_when || playbook->severity != severity->severity)
            continue;
        incident->playbook = (int)i;
        COPY_TO(incident->title, text_in(playbook->title, page->language));
        facts.eta_ms = 0;
        for (size_t k = 0; k < playbook->steps.n; k++)
            facts.eta_ms += playbook->steps.p[k].budget_ms;
        if (playbook->steps.n) {
            facts.step = page_step_title(page, &playbook->steps.p[0]);
            facts.step_number = 1;
            facts.step_count = (int)playbook->steps.n;
        }
    }
    struct message message = message_render(page->arena, page->language, page->config, service, incident,
                                            severity->stages.p[0].name, "", &facts);
    page_code(
        page, "",
        str_dup(page->arena, str_trim(str_of(arena_printf(page->arena, "%s\n\n%s", message.subject, message.body)))));
}

static void write_cadence(const struct page *page, const struct severity_conf *severity)
{
    struct buf *out = page->out;
    buf_printf(out, "**%s**\n\n",
               arena_printf(page->arena, page_say(page, "Cadence of %s:", "Cadence d'un %s :"),
                            severity_name((enum severity)severity->severity)));
    for (size_t i = 0; i < severity->stages.n; i++)
        buf_printf(out, "- %s%s %s → %s\n", page_time(page, severity->stages.p[i].after_ms), page_say(page, ":", " :"),
                   text_in(stage_title(severity->stages.p[i].name), page->language),
                   page_people(page, &severity->stages.p[i].notify));
    if (severity->update_every_ms)
        buf_printf(out,
                   page_say(page, "- then every %s: an update to all who were told\n",
                            "- puis toutes les %s : un point à tous ceux qui ont été prévenus\n"),
                   page_time(page, severity->update_every_ms));
    buf_puts(
        out,
        page_say(
            page,
            "- at once: service back, end of the incident with measured figures, relapse, an approval that is asked, a recovery that is blocked\n\n",
            "- sans attendre : service rétabli, fin de l'incident avec les chiffres mesurés, rechute, approbation demandée, reprise bloquée\n\n"));
}

static void write_words_of_people(const struct page *page)
{
    static const struct {
        const char *command;
        struct text2 means;
    } words[] = {
        {"incident list", {"what is open, and what was", "ce qui est ouvert, et ce qui l'a été"}},
        {"incident show N",
         {"where incident N stands, and what it waits for", "où en est l'incident N, et ce qu'il attend"}},
        {"incident ack N", {"I have taken it", "je le prends en charge"}},
        {"incident escalate N", {"I need more people: the next tier is called at once", "il me faut du renfort : le niveau suivant est appelé aussitôt"}},
        {"incident note N \"...\"",
         {"what was seen or done by hand goes into the timeline",
          "ce qui a été vu ou fait à la main entre dans la chronologie"}},
        {"incident approve N", {"yes to the step that asks", "oui à l'étape qui le demande"}},
        {"incident deny N", {"no to the step that asks", "non à l'étape qui le demande"}},
        {"incident retry N",
         {"the blocked step once more, after its cause was removed",
          "l'étape bloquée encore une fois, une fois la cause levée"}},
        {"incident certify N SITE --accept-loss \"...\"",
         {"SITE is proven not to write any more; I answer for it, with the loss stated",
          "SITE n'écrit plus, c'est prouvé ; j'en réponds, avec la perte annoncée"}},
        {"incident resolve N",
         {"it is over, though the program cannot see it", "c'est fini, bien que le programme ne le voie pas"}},
    };
    buf_printf(page->out, "### %s\n\n| %s | %s |\n|---|---|\n",
               page_say(page, "What people tell the program", "Ce que les personnes disent au programme"),
               page_say(page, "command", "commande"), page_say(page, "means", "sens"));
    for (size_t i = 0; i < COUNT_OF(words); i++)
        buf_printf(page->out, "| `bascule %s` | %s |\n", words[i].command, text_in(words[i].means, page->language));
    buf_putc(page->out, '\n');
}

void runbook_communication(const struct page *page)
{
    const struct service *service = page->service;
    buf_printf(page->out, "### %s\n\n", page_say(page, "Automatic notification", "Notification automatique"));
    for (size_t i = 0; i < page->config->channels.n; i++)
        write_channel(page, &page->config->channels.p[i]);
    if (service->status_page)
        buf_printf(
            page->out,
            page_say(
                page,
                "- Messages point to %s; the page itself is kept up to date by whom the stage `status-page` tells.\n",
                "- Les messages renvoient à %s ; la page elle-même est tenue à jour par qui l'étape `status-page` prévient.\n"),
            service->status_page);
    buf_putc(page->out, '\n');
    for (size_t i = 0; i < service->severities.n; i++) {
        const struct severity_conf *severity = &service->severities.p[i];
        if (!severity->stages.n)
            continue;
        if (severity->severity == SEVERITY_P1) {
            buf_printf(page->out, "### %s\n\n",
                       page_say(page, "Standard message, as the program would send it now",
                                "Message standard, tel que le programme l'enverrait maintenant"));
            write_example(page, severity);
        }
        write_cadence(page, severity);
    }
    write_words_of_people(page);
}

/* ---- contacts ---- */

static void write_contact(const struct page *page, const struct contact *c)
{
    buf_printf(page->out, "| %s | %s | ", c->title.en ? text_in(c->title, page->language) : c->name, c->name);
    for (size_t k = 0; k < c->ways.n; k++)
        buf_printf(page->out, "%s%s%s%s", k ? ", " : "", c->ways.p[k].channel, c->ways.p[k].address ? " " : "",
                   c->ways.p[k].address ? c->ways.p[k].address : "");
    buf_puts(page->out, " |\n");
}

void runbook_contacts(const struct page *page)
{
    static const struct {
        int tier;
        struct text2 title;
    } tiers[] = {
        {1, {"Tier 1 — first responders", "Tier 1 — premiers répondants"}},
        {2, {"Tier 2 — escalation", "Tier 2 — escalade"}},
        {3, {"Tier 3 — executive", "Tier 3 — direction générale"}},
        {0, {"External", "Externes"}},
    };
    for (size_t t = 0; t < COUNT_OF(tiers); t++) {
        bool any = false;
        for (size_t i = 0; i < page->config->contacts.n; i++) {
            const struct contact *c = &page->config->contacts.p[i];
            if (c->tier != tiers[t].tier)
                continue;
            if (!any)
                buf_printf(page->out, "### %s\n\n| %s | %s | %s |\n|---|---|---|\n",
                           text_in(tiers[t].title, page->language), page_say(page, "who", "qui"),
                           page_say(page, "name", "nom"), page_say(page, "reached by", "joint par"));
            any = true;
            write_contact(page, c);
        }
        buf_puts(page->out, any ? "\n" : "");
    }
    for (size_t i = 0; i < page->config->groups.n; i++)
        buf_printf(page->out, page_say(page, "- group `%s`: %s\n", "- groupe `%s` : %s\n"),
                   page->config->groups.p[i].name, page_people(page, &page->config->groups.p[i].members));
}
