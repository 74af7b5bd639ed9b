/* cli/cmd_escalation.c -- Who would be told what, when and how, if an incident opened at some moment and nobody answered. */
#include "base/jsonout.h"
#include "cli/oncall.h"
#include "decide/decide.h"
#include "record/story.h"
#include "sys/clock.h"

extern const struct command cmd_escalation;

enum { OUT_MAX = 4 * 1024 * 1024, STAGE_COLUMNS = 22, WHO_COLUMNS = 26 };

static void put_json(const struct cli *cli, const struct plan_ask *ask, const struct plan *plan, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "service", ask->service);
    json_put_text(&j, "severity", severity_name(ask->severity));
    json_put_text(&j, "at", moment_iso(cli->arena, ask->wall_ms));
    json_key(&j, "messages");
    json_array(&j);
    for (size_t i = 0; i < plan->rows.n; i++) {
        const struct plan_row *row = &plan->rows.p[i];
        json_object(&j);
        json_put_int(&j, "after_ms", row->after_ms);
        json_put_text(&j, "at", moment_iso(cli->arena, ask->wall_ms + row->after_ms));
        json_put_text(&j, "stage", row->stage);
        json_put_int(&j, "page", row->page);
        json_put_text(&j, "why", row->why);
        json_put_text(&j, "who", row->who);
        json_put_text(&j, "rotation", row->rotation);
        json_put_text(&j, "channel", row->channel);
        json_put_text(&j, "address", row->address);
        json_put_int(&j, "fallback_after_ms", row->fallback_after_ms);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static const char *stage_text(const struct cli *cli, const struct plan_row *row)
{
    return row->page ? arena_printf(cli->arena, _("%s, page %d"), row->stage, row->page) : row->stage;
}

static const char *who_text(const struct cli *cli, const struct plan_row *row)
{
    return row->rotation ? arena_printf(cli->arena, "%s (%s)", row->who, row->rotation) : row->who;
}

static const char *way_text(const struct cli *cli, const struct plan_row *row)
{
    const char *way = row->address ? arena_printf(cli->arena, "%s %s", row->channel, row->address) : row->channel;
    if (!row->fallback_after_ms)
        return way;
    return arena_printf(cli->arena, _("or, when that fails or takes %s: %s"), duration_print(cli->arena, row->fallback_after_ms), way);
}

static bool same_message(const struct plan_row *a, const struct plan_row *b)
{
    return a->after_ms == b->after_ms && same(a->stage, b->stage) && a->page == b->page;
}

static void put_rows(const struct cli *cli, const struct plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->rows.n; i++) {
        const struct plan_row *row = &plan->rows.p[i], *before = i ? row - 1 : NULL;
        bool stage_again = before && same_message(before, row), who_again = stage_again && same(before->who, row->who);
        if (!stage_again && row->why)
            buf_printf(out, "  %-9s (%s)\n", "", story_decided(cli->arena, row->why, cli->language));
        buf_printf(out, "  %-9s ", stage_again ? "" : duration_clock(cli->arena, row->after_ms));
        cli_pad(out, stage_again ? "" : stage_text(cli, row), STAGE_COLUMNS);
        buf_putc(out, ' ');
        cli_pad(out, who_again ? "" : who_text(cli, row), WHO_COLUMNS);
        buf_printf(out, " %s\n", way_text(cli, row));
    }
}

static void put_plan(const struct cli *cli, const struct service *service, const struct plan_ask *ask, const struct plan *plan, struct buf *out)
{
    const struct severity_conf *severity = service_severity(service, ask->severity);
    buf_printf(out, _("%s of %s, opened %s, if nobody acknowledges it\n"), severity_name(ask->severity), service->name, moment_minute(cli->arena, ask->wall_ms));
    buf_printf(out, _("RTO %s"), duration_print(cli->arena, severity->rto_ms));
    if (severity->update_every_ms)
        buf_printf(out, _("; updates every %s to all who were told"), duration_print(cli->arena, severity->update_every_ms));
    if (severity->ack_expires_ms)
        buf_printf(out, _("; an acknowledgement ends %s after the last progress"), duration_print(cli->arena, severity->ack_expires_ms));
    buf_puts(out, "\n\n  ");
    buf_printf(out, "%-9s ", _("after"));
    cli_pad(out, _("stage"), STAGE_COLUMNS);
    buf_putc(out, ' ');
    cli_pad(out, _("who"), WHO_COLUMNS);
    buf_printf(out, " %s\n", _("by"));
    put_rows(cli, plan, out);
}

static int run_plan(struct cli *cli, const char *severity, const char *at)
{
    const struct service *service;
    const struct zone utc = {0};
    struct stand_ins stand_ins;
    struct err err = {0};
    struct plan_ask ask = {.wall_ms = clock_wall_ms()};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (!severity_of(severity, &ask.severity))
        return cli_usage(&cmd_escalation, _("\"%s\" is no severity; P1, P2 or P3"), severity);
    if (!cli_service(cli, &service, &err) || (at && !moment_word(at, &utc, ask.wall_ms, &ask.wall_ms, &err)) || !stand_ins_read(cli, &stand_ins, &err))
        return cli_fail(&err);
    if (!service_severity(service, ask.severity)) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no severity %s"), service->name, severity);
        return cli_fail(&err);
    }
    ask.service = service->name;
    ask.stand_ins = stand_ins.p;
    ask.stand_in_count = stand_ins.n;
    struct plan plan = decide_plan(cli->arena, cli->config, &ask);
    if (cli->json)
        put_json(cli, &ask, &plan, &out);
    else
        put_plan(cli, service, &ask, &plan, &out);
    return cli_print(&out);
}

static int run_escalation(struct cli *cli, int argc, char **argv)
{
    const char *severity = NULL, *at = NULL;
    if (argc < 2 || !same(argv[1], "plan"))
        return cli_usage(&cmd_escalation, "%s", _("a subcommand is missing"));
    for (int i = 2; i < argc; i++) {
        if (same(argv[i], "--at") && i + 1 < argc)
            at = argv[++i];
        else if (!severity && strncmp(argv[i], "--", 2) != 0)
            severity = argv[i];
        else
            return cli_usage(&cmd_escalation, _("unknown argument \"%s\""), argv[i]);
    }
    return severity ? run_plan(cli, severity, at) : cli_usage(&cmd_escalation, "%s", _("which severity? P1, P2 or P3"));
}

const struct command cmd_escalation = {
    .name = "escalation",
    .usage = "escalation plan P1|P2|P3 [--at MOMENT] [--json]",
    .summary = N_("who would be told what, when and by which way"),
    .details = N_("The plan is made by what decides in an incident, on a clock of its own: stages, pages to the next tier while nobody\n"
                  "answers, rotations and who stands in at that moment. A MOMENT is \"2026-11-23 09:00\" (UTC), 2026-11-23T10:00+01:00 or +2h."),
    .wants_config = true,
    .run = run_escalation,
};
