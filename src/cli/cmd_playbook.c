/* cli/cmd_playbook.c -- The loaded playbooks: listed, drawn, and held against the rules. */
#include <inttypes.h>

#include "act/action.h"
#include "base/jsonout.h"
#include "cli/byhand.h"
#include "cli/command.h"
#include "decide/decide.h"

extern const struct command cmd_playbook;

static const char *target(const char *then)
{
    return then ? then : "next";
}

static void show_step(const struct cli *cli, const struct step *s, int number, struct buf *out)
{
    buf_printf(out, "  %2d. %-16s %s\n", number, s->id, s->action);
    if (s->budget_ms)
        buf_printf(out, _("                       budget %s"), duration_print(cli->arena, s->budget_ms));
    else
        buf_printf(out, "                       %s", _("no budget of its own"));
    if (s->attempts > 1)
        buf_printf(out, _(", %d attempts"), s->attempts);
    if (s->limit)
        buf_printf(out, _(", at most %d in %s"), s->limit, duration_print(cli->arena, s->window_ms));
    if (s->approve == APPROVE_PERSON)
        buf_printf(out, _(", a person approves within %s"), duration_print(cli->arena, s->approve_timeout_ms));
    buf_putc(out, '\n');
    if (s->when)
        buf_printf(out, "      %-16s %s %s\n", "", _("only when"), s->when);
    if (s->until)
        buf_printf(out, "      %-16s %s %s\n", "", _("done when"), s->until);
    buf_printf(out, "      %-16s %s -> %s, %s -> %s, %s -> %s\n", "", _("success"), target(s->on_success), _("failure"),
               s->on_failure ? s->on_failure : "fail", _("expiry"), s->on_expiry ? s->on_expiry : s->on_failure ? s->on_failure : "fail");
    if (s->why.en)
        buf_printf(out, "      %-16s %s\n", "", text_in(s->why, cli->language));
}

static void show_playbook(const struct cli *cli, const struct service *service, const struct playbook *p, struct buf *out)
{
    const struct severity_conf *severity = service_severity(service, (enum severity)p->severity);
    int64_t rto = p->rto_ms ? p->rto_ms : severity ? severity->rto_ms : 0, longest = playbook_longest_ms(service, p);
    buf_printf(out, "%s: %s\n", p->name, text_in(p->title, cli->language));
    buf_printf(out, "  %s %s, RTO %s, %s %s\n", _("severity"), severity_name((enum severity)p->severity), duration_print(cli->arena, rto),
               _("longest path"), longest < 0 ? "?" : duration_print(cli->arena, longest));
    if (p->opens_when)
        buf_printf(out, "  %s %s\n", _("opens when"), p->opens_when);
    if (p->resolved_when)
        buf_printf(out, "  %s %s %s %s\n", _("resolved when"), p->resolved_when, _("for"), duration_print(cli->arena, p->hold_ms));
    if (p->over_rto.en)
        buf_printf(out, _("  over the RTO because: %s\n"), text_in(p->over_rto, cli->language));
    buf_putc(out, '\n');
    for (size_t i = 0; i < p->steps.n; i++)
        show_step(cli, &p->steps.p[i], (int)i + 1, out);
}

static void list_json(const struct service *service, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_key(&j, "playbooks");
    json_array(&j);
    for (size_t i = 0; i < service->playbooks.n; i++) {
        const struct playbook *p = &service->playbooks.p[i];
        json_object(&j);
        json_put_text(&j, "name", p->name);
        json_put_text(&j, "severity", severity_name((enum severity)p->severity));
        json_put_text(&j, "opens_when", p->opens_when);
        json_put_int(&j, "longest_ms", playbook_longest_ms(service, p));
        json_key(&j, "steps");
        json_array(&j);
        for (size_t k = 0; k < p->steps.n; k++) {
            json_object(&j);
            json_put_text(&j, "id", p->steps.p[k].id);
            json_put_text(&j, "do", p->steps.p[k].action);
            json_put_int(&j, "budget_ms", p->steps.p[k].budget_ms);
            json_object_end(&j);
        }
        json_array_end(&j);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static int lint(const struct cli *cli, const struct service *service, struct buf *out)
{
    struct lints found = {0};
    size_t fatal = 0;
    playbook_lint(cli->arena, service, action_known, &found);
    for (size_t i = 0; i < found.n; i++) {
        const struct lint *l = &found.p[i];
        buf_printf(out, "%s:%d: %s: %s\n", l->mark.file ? l->mark.file : "?", l->mark.line, l->fatal ? _("error") : _("warning"), l->text);
        fatal += l->fatal;
    }
    size_t unknown = byhand_lint(cli->arena, service, out);
    buf_printf(out, _("%zu playbooks, %zu errors, %zu warnings\n"), service->playbooks.n, fatal + unknown, found.n - fatal);
    return fatal + unknown ? 1 : found.n ? 2 : 0;
}

static int run_playbook(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    const struct service *service;
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    const char *verb = argc > 1 ? argv[1] : "list";
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    int status = 0;
    if (same(verb, "lint")) {
        status = lint(cli, service, &out);
    } else if (same(verb, "list")) {
        if (cli->json)
            list_json(service, &out);
        for (size_t i = 0; i < service->playbooks.n && !cli->json; i++)
            buf_printf(&out, "%-20s %s\n", service->playbooks.p[i].name, text_in(service->playbooks.p[i].title, cli->language));
    } else if (same(verb, "show") && argc > 2) {
        const struct playbook *playbook = service_playbook(service, argv[2]);
        if (!playbook) {
            err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no playbook \"%s\""), service->name, argv[2]);
            err_hint(&err, _("`bascule playbook list` prints their names"));
            return cli_fail(&err);
        }
        show_playbook(cli, service, playbook, &out);
    } else {
        return cli_usage(&cmd_playbook, _("unknown argument \"%s\""), verb);
    }
    int printed = cli_print(&out);
    return printed ? printed : status;
}

const struct command cmd_playbook = {
    .name = "playbook",
    .usage = "playbook list|show|lint [NAME] [--json]",
    .summary = N_("the scenarios: what opens them, their steps, budgets and branches"),
    .details = N_("lint adds the budgets up and names what could not work: a path longer than the RTO, a step that cannot be reached,\n"
                  "a redirection without a fence. Exit status 1 for errors, 2 for warnings."),
    .wants_config = true,
    .run = run_playbook,
};
