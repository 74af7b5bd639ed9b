/* cli/playrun.c -- What became of it stands in the journal, whoever carried it out. */
#include "cli/playrun.h"

#include <poll.h>

#include "cli/person.h"
#include "daemon/daemon.h"
#include "record/story.h"

struct watching {
    struct cli *cli;
    const char *service;
    playrun_row_fn *each;
    void *arg;
    struct playrun *run;
    int64_t seq, to;
    bool over, show;
};

static bool watch_row(void *arg, const struct record *record)
{
    struct watching *w = arg;
    w->seq = record->seq;
    /* A new incident, or the one that was under way and is taken over: there is only one at a time. */
    bool works = record->is_order && ((record->kind == ORDER_OPEN && *record->subject) || record->kind == ORDER_STEP || record->kind == ORDER_CANCEL);
    if (works && !w->run->incident && same(record->service, w->service))
        w->run->incident = record->incident;
    if (!w->run->incident || record->incident != w->run->incident)
        return true;
    if (w->show) {
        printf("%s  %s\n", moment_iso(w->cli->arena, record->wall_ms), story_sentence(w->cli->arena, record, w->cli->language));
        fflush(stdout);
    }
    if (w->each)
        w->each(w->arg, record);
    if (record->is_order && record->kind == ORDER_STATE && record->number == INCIDENT_RESOLVED)
        w->run->resolved = w->over = true;
    if (record->is_order && record->kind == ORDER_BLOCKED)
        w->over = true;
    return !w->over;
}

static int64_t newest_row(const struct cli *cli)
{
    struct journal *journal;
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, NULL))
        return 0;
    int64_t seq = journal_last(journal);
    journal_close(&journal);
    return seq;
}

static bool by_controller(struct watching *w, const struct service *service, const char *playbook, const char *why, struct err *err)
{
    struct journal *journal;
    if (!journal_open(w->cli->config->state_dir, JOURNAL_APPEND, true, &journal, err))
        return false;
    struct event event = {.kind = EVENT_OPEN, .number = -1, .ref = w->to};
    COPY_TO(event.service, service->name);
    COPY_TO(event.subject, playbook);
    COPY_TO(event.who, person_name(w->cli->arena));
    COPY_TO(event.text, why);
    bool ok = person_says(journal, &event, NULL, &w->seq, err);
    while (ok && !w->over) {
        ok = journal_read(journal, w->seq, 0, watch_row, w, err);
        poll(NULL, 0, 100); /* the pace at which a person is shown what another process does */
    }
    journal_close(&journal);
    return ok;
}

static bool by_ourselves(struct watching *w, const struct service *service, const char *playbook, const char *why, struct err *err)
{
    struct daemon_spec spec = {.config = w->cli->config, .self = w->cli->self, .only_playbook = playbook, .service = service->name,
                               .who = person_name(w->cli->arena), .why = why, .to = w->to, .live = !w->cli->json};
    struct journal *journal;
    (void)daemon_run(&spec);
    if (!journal_open(w->cli->config->state_dir, JOURNAL_READ, true, &journal, err))
        return false;
    bool ok = journal_read(journal, w->seq, 0, watch_row, w, err);
    journal_close(&journal);
    return ok;
}

bool playrun_carry_out(struct cli *cli, const struct service *service, const char *playbook, const struct site *to, const char *why, playrun_row_fn *each,
                       void *arg, struct playrun *ret, struct err *err)
{
    struct watching w = {.cli = cli, .service = service->name, .each = each, .arg = arg, .run = ret, .seq = newest_row(cli)};
    w.to = service->sites.n > 2 ? to - service->sites.p + 1 : 0; /* of two it is the other one */
    *ret = (struct playrun){0};
    if (!service_playbook(service, playbook)) {
        err_set(err, ERR_NOT_FOUND, _("service \"%s\" has no playbook \"%s\""), service->name, playbook);
        return err_hint(err, _("name its file under `playbooks:` of the service"));
    }
    if (!controller_runs(cli))
        return by_ourselves(&w, service, playbook, why, err);
    w.show = !cli->json;
    return by_controller(&w, service, playbook, why, err);
}
