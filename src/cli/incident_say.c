/* cli/incident_say.c -- Subcommands by which a person says something about an incident. What the state of the incident makes
   impossible is refused here, while the person is still looking; everything else is for the controller to decide. */
#include <inttypes.h>

#include "cli/incident.h"
#include "cli/person.h"

/* ---- what a person may say when ---- */

static bool unresolved(const struct story *s)
{
    return !s->resolved_seq;
}

static bool may_ack(const struct story *s, struct err *err)
{
    if (s->acked_seq && !s->ack_void)
        return err_set(err, ERR_REFUSED, _("%s has taken incident %" PRId64 " already"), s->acked_by, s->incident);
    return unresolved(s) || err_set(err, ERR_REFUSED, _("incident %" PRId64 " is resolved"), s->incident);
}

static bool may_resolve(const struct story *s, struct err *err)
{
    return unresolved(s) || err_set(err, ERR_REFUSED, _("incident %" PRId64 " is resolved already"), s->incident);
}

static bool may_review(const struct story *s, struct err *err)
{
    if (unresolved(s))
        return err_set(err, ERR_REFUSED, _("incident %" PRId64 " is not resolved yet"), s->incident);
    return !same(s->state, incident_state_name(INCIDENT_REVIEWED)) ||
           err_set(err, ERR_REFUSED, _("incident %" PRId64 " is reviewed already"), s->incident);
}

static bool nothing_waits(const struct story *s, struct err *err)
{
    err_set(err, ERR_REFUSED, _("nothing of incident %" PRId64 " waits for that"), s->incident);
    return err_hint(err, _("`bascule incident show %" PRId64 "` says where it stands"), s->incident);
}

static bool may_answer(const struct story *s, struct err *err)
{
    return (unresolved(s) && s->waits_for) || nothing_waits(s, err);
}

static bool may_deny(const struct story *s, struct err *err)
{
    return (unresolved(s) && s->waits_for && !s->blocked) || nothing_waits(s, err);
}

static bool may_retry(const struct story *s, struct err *err)
{
    return (unresolved(s) && s->waits_for && s->blocked) || nothing_waits(s, err);
}

static bool may_always(const struct story *s UNUSED, struct err *err UNUSED)
{
    return true;
}

static const struct verb {
    const char *name;
    enum event_kind kind;
    bool (*may)(const struct story *story, struct err *err);
    bool text_wanted; /* without words it would say nothing */
    bool names_run;   /* an answer is for the very run that asks now */
    bool names_site;
} verbs[] = {
    {"ack", EVENT_ACK, may_ack, false, false, false},
    {"note", EVENT_NOTE, may_always, true, false, false},
    {"resolve", EVENT_RESOLVE, may_resolve, false, false, false},
    {"review", EVENT_REVIEW, may_review, false, false, false},
    {"approve", EVENT_APPROVE, may_answer, false, true, false},
    {"deny", EVENT_DENY, may_deny, false, true, false},
    {"retry", EVENT_RETRY, may_retry, false, false, false},
    {"escalate", EVENT_ESCALATE, may_resolve, false, false, false},
    {"certify", EVENT_CERTIFY, may_resolve, false, false, true},
};

/* ---- words into an event ---- */

static bool fit(char *to, size_t size, const char *text, const char *what, struct err *err)
{
    if (!str_is_clean(str_of(text)))
        return err_set(err, ERR_USAGE, _("%s holds characters that are not text"), what);
    return str_copy(to, size, text) || err_set(err, ERR_LIMIT, _("%s is longer than %zu bytes"), what, size - 1);
}

static const char *joined(struct arena *a, const struct strs *words, size_t from)
{
    const char *text = "";
    for (size_t i = from; i < words->n; i++)
        text = arena_printf(a, "%s%s%s", text, *text ? " " : "", words->p[i]);
    return text;
}

static bool fill_who(struct cli *cli, const struct incident_args *args, struct event *event, struct err *err)
{
    return fit(event->who, sizeof(event->who), args->by ? args->by : person_name(cli->arena), _("the name"), err);
}

static bool fill_site(const struct cli *cli, const struct story *story, const char *site, struct event *event, struct err *err)
{
    const struct service *service = config_service(cli->config, story->service);
    if (!service || !service_site(service, site))
        return err_set(err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), story->service, site);
    return fit(event->subject, sizeof(event->subject), site, _("the site"), err);
}

/* What it is to become; no word about it leaves it as it is. */
static bool fill_severity(const struct incident_args *args, const struct story *story, struct event *event, struct err *err)
{
    enum severity severity;
    event->number = -1;
    if (!args->severity)
        return true;
    if (!severity_of(args->severity, &severity))
        return err_set(err, ERR_USAGE, _("\"%s\" is no severity; P1, P2 or P3"), args->severity);
    event->number = severity;
    return severity < story->severity || err_set(err, ERR_REFUSED, _("incident %" PRId64 " is of severity %s already"), story->incident, severity_name(story->severity));
}

static bool fill(struct cli *cli, const struct verb *verb, const struct incident_args *args, const struct story *story, struct event *event,
                 struct err *err)
{
    const char *text = verb->names_site ? args->accept_loss : joined(cli->arena, &args->words, 1);
    *event = (struct event){.kind = verb->kind, .incident = story->incident};
    COPY_TO(event->service, story->service);
    if (verb->names_run)
        COPY_TO(event->subject, story->waits_for);
    if (verb->names_site && !fill_site(cli, story, args->words.p[1], event, err))
        return false;
    if (verb->kind == EVENT_ESCALATE && !fill_severity(args, story, event, err))
        return false;
    return fill_who(cli, args, event, err) && fit(event->text, sizeof(event->text), text, _("the text"), err);
}

/* NULL: the words are right. */
static const char *wrong_words(const struct verb *verb, const struct incident_args *args)
{
    int64_t number;
    if (args->words.n == 0 || !incident_number(args->words.p[0], &number))
        return _("the number of the incident is missing");
    if (verb->names_site && args->words.n != 2)
        return _("name the site that accepts no more writes");
    if (verb->names_site && !(args->accept_loss && *args->accept_loss))
        return _("say with --accept-loss TEXT which loss of data you accept");
    if (verb->text_wanted && args->words.n < 2)
        return _("the text is missing");
    return NULL;
}

int incident_speak(struct cli *cli, const char *name, const struct incident_args *args)
{
    const struct verb *verb = NULL;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (same(verbs[i].name, name))
            verb = &verbs[i];
    if (!verb)
        return -1;
    const char *wrong = wrong_words(verb, args);
    if (wrong)
        return cli_usage(&cmd_incident, "%s", wrong);
    int64_t number, seq;
    SCOPED(journal_close) struct journal *journal = NULL;
    struct story story;
    struct event event;
    struct err err = {0};
    /* Read first, so that a question about an incident that is not there makes no journal. */
    if (!incident_number(args->words.p[0], &number) || !journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err) ||
        !story_read(cli->arena, journal, cli->config, number, &story, &err) || !verb->may(&story, &err) ||
        !fill(cli, verb, args, &story, &event, &err) ||
        (verb->kind == EVENT_REVIEW && !incident_reviewable(cli, journal, &story, &err)))
        return cli_fail(&err);
    journal_close(&journal);
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, &event, NULL, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}

int incident_open(struct cli *cli, const struct incident_args *args)
{
    const struct service *service;
    enum severity severity = SEVERITY_MAX;
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t seq;
    struct event event = {.kind = EVENT_OPEN, .number = -1}; /* no severity stated: the playbook's, or P2 */
    if (args->words.n == 0)
        return cli_usage(&cmd_incident, "%s", _("say in a few words what is wrong"));
    if (args->severity && !severity_of(args->severity, &severity))
        return cli_usage(&cmd_incident, _("\"%s\" is no severity; P1, P2 or P3"), args->severity);
    if (args->severity)
        event.number = severity;
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    if (args->playbook && !service_playbook(service, args->playbook)) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no playbook \"%s\""), service->name, args->playbook);
        err_hint(&err, _("`bascule playbook list` names them"));
        return cli_fail(&err);
    }
    COPY_TO(event.service, service->name);
    if (!fill_who(cli, args, &event, &err) || !fit(event.subject, sizeof(event.subject), args->playbook ? args->playbook : "", _("the playbook"), &err) ||
        !fit(event.text, sizeof(event.text), joined(cli->arena, &args->words, 0), _("the text"), &err) ||
        !journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, &event, NULL, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}
