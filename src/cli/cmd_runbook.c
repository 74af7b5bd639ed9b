/* cli/cmd_runbook.c -- The document people follow by hand on the day the program cannot: printed from the very
   configuration and playbooks that the program would follow, with the real hosts and commands, so that the two never
   drift apart. */
#include "cli/runbook.h"
#include "sys/clock.h"

extern const struct command cmd_runbook;

static const struct chapter {
    struct text2 title;
    void (*write)(const struct page *page);
} chapters[] = {
    {{"Sites and access", "Sites et accès"}, runbook_sites},
    {{"Escalation", "Escalade d'urgence"}, runbook_escalation},
    {{"Critical scenarios", "Scénarios critiques"}, runbook_scenarios},
    {{"Procedures", "Procédures"}, runbook_procedures},
    {{"Communication", "Communication d'urgence"}, runbook_communication},
    {{"Checklists", "Checklists"}, runbook_checklists},
    {{"Contacts", "Contacts d'urgence"}, runbook_contacts},
};

static void write_all(const struct page *page)
{
    struct buf *out = page->out;
    buf_printf(out, "# RUNBOOK — %s — %s\n\n", page_say(page, "Emergency procedures", "Procédures d'urgence"),
               text_in(page->service->title, page->language));
    buf_printf(
        out,
        page_say(
            page,
            "Printed on %s by `bascule runbook` (version %s) from `%s` and its playbooks: the program follows the same.\n\n",
            "Imprimé le %s par `bascule runbook` (version %s) à partir de `%s` et de ses scénarios : le programme suit les mêmes.\n\n"),
        moment_minute(page->arena, page->now_wall_ms), BASCULE_VERSION, page->config->path);
    buf_printf(out, "## %s\n\n", page_say(page, "Contents", "Table des matières"));
    for (size_t i = 0; i < COUNT_OF(chapters); i++)
        buf_printf(out, "%zu. %s\n", i + 1, text_in(chapters[i].title, page->language));
    for (size_t i = 0; i < COUNT_OF(chapters); i++) {
        bool apart = out->n >= 2 && same(buf_text(out) + out->n - 2, "\n\n");
        buf_printf(out, "%s---\n\n## %zu. %s\n\n", apart ? "" : "\n", i + 1,
                   text_in(chapters[i].title, page->language));
        chapters[i].write(page);
    }
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
    struct page page = {.arena = cli->arena,
                        .config = cli->config,
                        .service = service,
                        .language = cli->language,
                        .active = service_site_of(service, SITE_PRODUCTION),
                        .standby = service_site_of(service, SITE_DR),
                        .out = &out,
                        .now_wall_ms = clock_wall_ms()};
    write_all(&page);
    return cli_print(&out);
}

const struct command cmd_runbook = {
    .name = "runbook",
    .usage = "runbook",
    .summary = N_("prints the whole procedure for people to follow by hand, from the loaded playbooks"),
    .details = N_(
        "Markdown with the real host names and the very commands, each step also as it is done without this program. Print it and\n"
        "keep a copy where a power cut leaves it. `--lang fr` prints it in French."),
    .wants_config = true,
    .run = run_runbook,
};
