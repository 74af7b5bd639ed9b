/* cli/runbook_steps.c -- Chapters of the runbook about what is done: scenarios, procedures, their steps and checklists.
 */
#include <inttypes.h>

#include "cli/runbook.h"
#include "decide/decide.h"

/* ---- one step ---- */

static void write_branch(const struct page *page, const struct playbook *playbook, const char *label, const char *then)
{
    const char *where = NULL;
    if (same(then, "end"))
        where = page_say(page, "done: this procedure has succeeded", "terminé : la procédure a réussi");
    else if (same(then, "fail"))
        where = page_say(page, "stop: this procedure has failed, a person decides",
                         "arrêt : la procédure a échoué, une personne décide");
    else if (same(then, "next"))
        where = page_say(page, "next step", "étape suivante");
    for (size_t i = 0; i < playbook->steps.n && !where; i++)
        if (same(playbook->steps.p[i].id, then))
            where = arena_printf(page->arena, "%s %zu (%s)", page_say(page, "step", "étape"), i + 1,
                                 page_step_title(page, &playbook->steps.p[i]));
    buf_printf(page->out, "- %s → %s\n", label, where ? where : then);
}

static void write_branches(const struct page *page, const struct playbook *playbook, const struct step *step)
{
    const char *success = step->on_success ? step->on_success : "next",
               *failure = step->on_failure ? step->on_failure : "fail";
    const char *expiry = step->on_expiry ? step->on_expiry : failure;
    write_branch(page, playbook, page_say(page, "success", "succès"), success);
    if (same(failure, expiry)) {
        write_branch(page, playbook, page_say(page, "failure, or out of time", "échec, ou délai dépassé"), failure);
        return;
    }
    write_branch(page, playbook, page_say(page, "failure", "échec"), failure);
    write_branch(page, playbook, page_say(page, "out of time", "délai dépassé"), expiry);
}

static void write_conditions(const struct page *page, const struct step *step)
{
    struct buf *out = page->out;
    if (step->when)
        buf_printf(out, page_say(page, "- only when %s\n", "- seulement si %s\n"), page_condition(page, step->when));
    if (step->until)
        buf_printf(out, page_say(page, "- done when %s\n", "- terminée quand %s\n"), page_condition(page, step->until));
    if (step->attempts > 1)
        buf_printf(out, page_say(page, "- up to %d tries\n", "- jusqu'à %d essais\n"), step->attempts);
    if (step->limit)
        buf_printf(out, page_say(page, "- at most %d times in %s\n", "- au plus %d fois en %s\n"), step->limit,
                   page_time(page, step->window_ms));
    if (step->approve == APPROVE_PERSON)
        buf_printf(out,
                   page_say(page, "- a person must approve within %s: `bascule incident approve N`\n",
                            "- une personne doit approuver dans les %s : `bascule incident approve N`\n"),
                   page_time(page, step->approve_timeout_ms));
}

static void write_step(const struct page *page, const struct playbook *playbook, size_t index)
{
    struct buf *out = page->out;
    const struct step *step = &playbook->steps.p[index];
    const char *command = page_command(page, step->action);
    buf_printf(out, "#### %s %zu%s %s", page_say(page, "Step", "Étape"), index + 1, page_say(page, ":", " :"),
               page_step_title(page, step));
    if (step->budget_ms)
        buf_printf(out, " (%s)", page_time(page, step->budget_ms));
    buf_puts(out, "\n\n");
    if (step->why.en)
        buf_printf(out, "> %s\n\n", page_text(page, step->why));
    if (command)
        page_code(page, "bash", command);
    else if (str_starts(str_of(step->action), "playbook "))
        buf_printf(out, page_say(page, "Follow the procedure **%s**.\n\n", "Suivre la procédure **%s**.\n\n"),
                   page_playbook_title(page, step->action + strlen("playbook ")));
    else if (str_starts(str_of(step->action), "notify "))
        buf_puts(out, page_say(page, "The program sends this message by itself.\n\n",
                               "Le programme envoie ce message de lui-même.\n\n"));
    if (step->manual.en) {
        buf_printf(out, "%s\n\n",
                   page_say(page, "By hand, when the program cannot:", "À la main, quand le programme ne peut pas :"));
        page_code(page, "bash", page_text(page, step->manual));
    }
    write_conditions(page, step);
    write_branches(page, playbook, step);
    const char *undo = step->undo ? page_command(page, step->undo) : NULL;
    if (undo)
        buf_printf(out, page_say(page, "- undone by `%s`\n", "- annulée par `%s`\n"), undo);
    buf_putc(out, '\n');
}

/* ---- one playbook ---- */

static int64_t rto_of(const struct page *page, const struct playbook *playbook)
{
    const struct severity_conf *severity = service_severity(page->service, (enum severity)playbook->severity);
    return playbook->rto_ms ? playbook->rto_ms : severity ? severity->rto_ms : 0;
}

/* The commands at a glance, for who knows the procedure. */
static void write_overview(const struct page *page, const struct playbook *playbook)
{
    struct buf *out = page->out;
    buf_printf(out, "| # | %s | %s | %s |\n|---|---|---|---|\n", page_say(page, "step", "étape"),
               page_say(page, "at most", "au plus"), page_say(page, "command", "commande"));
    for (size_t i = 0; i < playbook->steps.n; i++) {
        const struct step *step = &playbook->steps.p[i];
        const char *command = page_command(page, step->action);
        buf_printf(out, "| %zu | %s | %s | %s |\n", i + 1, page_step_title(page, step),
                   step->budget_ms ? page_time(page, step->budget_ms) : "–",
                   command ? arena_printf(page->arena, "`%s`", command) : "–");
    }
    buf_putc(out, '\n');
}

static void write_start(const struct page *page, const struct playbook *playbook)
{
    struct buf *out = page->out;
    if (playbook->opens_when)
        buf_printf(out,
                   page_say(page, "- The program begins by itself when %s.\n",
                            "- Le programme commence de lui-même quand %s.\n"),
                   page_condition(page, playbook->opens_when));
    if (!page->service->enabled_automatic)
        buf_puts(
            out,
            page_say(page, "- This service is not automatic: every run waits for `bascule incident approve N`.\n",
                     "- Ce service n'est pas automatique : chaque exécution attend `bascule incident approve N`.\n"));
    if (!playbook->opens_when)
        buf_printf(
            out,
            page_say(
                page, "- Started by a person: `bascule failover%s%s`; first with `--dry-run`, which changes nothing.\n",
                "- Lancée par une personne : `bascule failover%s%s` ; d'abord avec `--dry-run`, qui ne change rien.\n"),
            same(playbook->name, "failover") ? "" : " --playbook ",
            same(playbook->name, "failover") ? "" : playbook->name);
    if (playbook->automatic_limit)
        buf_printf(
            out,
            page_say(page, "- By itself the program does it at most %d times in %s; after that a person approves.\n",
                     "- De lui-même, le programme le fait au plus %d fois en %s ; au-delà, une personne approuve.\n"),
            playbook->automatic_limit, page_time(page, playbook->automatic_window_ms));
}

static void write_playbook(const struct page *page, const struct playbook *playbook, const char *heading)
{
    struct buf *out = page->out;
    int64_t longest = playbook_longest_ms(page->service, playbook), rto = rto_of(page, playbook);
    buf_printf(out, "### %s%s (`%s`, %s", heading, text_in(playbook->title, page->language), playbook->name,
               severity_name((enum severity)playbook->severity));
    if (rto)
        buf_printf(out, page_say(page, ", RTO: %s", ", RTO : %s"), page_time(page, rto));
    buf_puts(out, ")\n\n");
    if (playbook->symptoms.en) {
        buf_printf(out, "**%s**\n\n", page_say(page, "Symptoms:", "Symptômes :"));
        page_code(page, "", page_text(page, playbook->symptoms));
    }
    write_start(page, playbook);
    if (longest >= 0)
        buf_printf(out,
                   page_say(page, "- The longest way through all budgets takes %s",
                            "- Le chemin le plus long, tous délais épuisés, dure %s"),
                   page_time(page, longest));
    if (longest >= 0 && playbook->over_rto.en && longest > rto)
        buf_printf(out, "%s%s", page_say(page, ", more than the RTO: ", ", plus que le RTO : "),
                   page_text(page, playbook->over_rto));
    buf_puts(out, longest >= 0 ? ".\n" : "");
    if (playbook->resolved_when)
        buf_printf(out,
                   page_say(page, "- The incident is resolved when %s for %s.\n",
                            "- L'incident est résolu quand %s pendant %s.\n"),
                   page_condition(page, playbook->resolved_when), page_time(page, playbook->hold_ms));
    buf_putc(out, '\n');
    write_overview(page, playbook);
    for (size_t i = 0; i < playbook->steps.n; i++)
        write_step(page, playbook, i);
}

/* ---- chapters ---- */

void runbook_scenarios(const struct page *page)
{
    size_t number = 0;
    for (size_t i = 0; i < page->service->playbooks.n; i++)
        if (page->service->playbooks.p[i].opens_when)
            write_playbook(page, &page->service->playbooks.p[i],
                           arena_printf(page->arena, page_say(page, "Scenario %zu: ", "Scénario %zu : "), ++number));
    if (!number)
        buf_puts(page->out,
                 page_say(page, "None: nothing begins by itself.\n", "Aucun : rien ne commence de soi-même.\n"));
}

void runbook_procedures(const struct page *page)
{
    bool any = false;
    for (size_t i = 0; i < page->service->playbooks.n; i++)
        if (!page->service->playbooks.p[i].opens_when) {
            write_playbook(page, &page->service->playbooks.p[i], "");
            any = true;
        }
    if (!any)
        buf_puts(page->out, page_say(page, "None.\n", "Aucune.\n"));
}

static void write_step_boxes(const struct page *page, const struct playbook *playbook)
{
    for (size_t i = 0; i < playbook->steps.n; i++) {
        const struct step *step = &playbook->steps.p[i];
        const char *command = page_command(page, step->action);
        buf_printf(page->out, "- [ ] %zu. %s", i + 1, page_step_title(page, step));
        if (step->budget_ms)
            buf_printf(page->out, " (%s)", page_time(page, step->budget_ms));
        if (command)
            buf_printf(page->out, "%s `%s`", page_say(page, ":", " :"), command);
        buf_putc(page->out, '\n');
    }
    if (playbook->resolved_when)
        buf_printf(page->out,
                   page_say(page, "- [ ] Service back: %s for %s\n", "- [ ] Service rétabli : %s pendant %s\n"),
                   page_condition(page, playbook->resolved_when), page_time(page, playbook->hold_ms));
}

/* People first, since a clock runs for each; then what is done. */
static void write_scenario_boxes(const struct page *page, const struct playbook *playbook)
{
    const struct severity_conf *severity = service_severity(page->service, (enum severity)playbook->severity);
    for (size_t i = 0; severity && i < severity->stages.n; i++) {
        const struct stage *stage = &severity->stages.p[i];
        buf_printf(page->out, "- [ ] **+%s** %s%s %s\n", page_time(page, stage->after_ms),
                   text_in(stage_title(stage->name), page->language), page_say(page, ":", " :"),
                   page_people(page, &stage->notify));
    }
    buf_puts(page->out, page_say(page, "- [ ] Somebody has taken the incident: `bascule incident ack N`\n",
                                 "- [ ] Quelqu'un a pris l'incident en charge : `bascule incident ack N`\n"));
    write_step_boxes(page, playbook);
    buf_puts(page->out, page_say(page, "- [ ] The end was announced, with the measured duration and loss of data\n",
                                 "- [ ] La fin a été annoncée, avec la durée et la perte de données mesurées\n"));
}

static void write_after_boxes(const struct page *page)
{
    static const struct text2 boxes[] = {
        {"The timeline is complete, what was done by hand included: `bascule incident timeline N`, `bascule incident note N \"...\"`",
         "La chronologie est complète, gestes faits à la main compris : `bascule incident timeline N`, `bascule incident note N \"...\"`"},
        {"The report is printed, and what only people know is written in: `bascule incident report N`",
         "Le rapport est imprimé, et complété par ce que seules des personnes savent : `bascule incident report N`"},
        {"The root cause is found; corrective actions have an owner and a date",
         "La cause racine est trouvée ; les actions correctives ont un responsable et une date"},
        {"The journal is whole: `bascule journal verify`", "Le journal est entier : `bascule journal verify`"},
        {"After a failover: the old site stays fenced until people decide otherwise, and backups of the new one are made and good: `bascule backup list`",
         "Après un basculement : l'ancien site reste isolé tant que personne n'en décide autrement, et les sauvegardes du nouveau sont faites et "
         "bonnes : `bascule backup list`"},
        {"The review took place: `bascule incident review N`", "La revue a eu lieu : `bascule incident review N`"},
    };
    buf_printf(page->out, "### %s\n\n", page_say(page, "After the incident", "Après l'incident"));
    for (size_t i = 0; i < COUNT_OF(boxes); i++)
        buf_printf(page->out, "- [ ] %s\n", text_in(boxes[i], page->language));
}

/* The lists as their files say; what ticks an item by itself stands behind it. */
static void write_list(const struct page *page, const struct checklist *list)
{
    buf_printf(page->out, "### %s\n\n", text_in(list->title, page->language));
    for (size_t i = 0; i < list->items.n; i++) {
        const struct checklist_item *item = &list->items.p[i];
        buf_printf(page->out, "- [ ] %s", text_in(item->title, page->language));
        if (item->due_ms)
            buf_printf(page->out, " (+%s)", page_time(page, item->due_ms));
        if (item->owner || list->owner)
            buf_printf(page->out, " — %s", item->owner ? item->owner : list->owner);
        buf_printf(page->out, "%s\n", item->proven_by ? "" : page_say(page, " — by hand", " — à la main"));
    }
    buf_putc(page->out, '\n');
}

static void write_lists(const struct page *page)
{
    for (size_t i = 0; i < page->service->checklists.n; i++)
        write_list(page, &page->service->checklists.p[i]);
    if (page->service->checklists.n)
        buf_puts(page->out, page_say(page, "Where they stand in an incident, and what proved it: `bascule checklist show`. By hand: `bascule checklist tick LIST/ITEM`.\n\n",
                                     "Où elles en sont pendant un incident, et ce qui l'a prouvé : `bascule checklist show`. À la main : `bascule checklist tick LISTE/POINT`.\n\n"));
}

void runbook_checklists(const struct page *page)
{
    write_lists(page);
    for (size_t i = 0; i < page->service->playbooks.n; i++) {
        const struct playbook *playbook = &page->service->playbooks.p[i];
        int64_t rto = rto_of(page, playbook);
        buf_printf(page->out, "### %s — %s", severity_name((enum severity)playbook->severity),
                   text_in(playbook->title, page->language));
        if (rto)
            buf_printf(page->out, " (%s)", page_time(page, rto));
        buf_puts(page->out, "\n\n");
        if (playbook->opens_when)
            write_scenario_boxes(page, playbook);
        else
            write_step_boxes(page, playbook);
        buf_putc(page->out, '\n');
    }
    write_after_boxes(page);
}
