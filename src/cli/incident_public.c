/* cli/incident_public.c -- `incident say`: a person's own words to the public or to the people inside, shown as they will be read before
   they go out. What goes to the public cannot be taken back, so a name of a host or a line of SQL in it is refused here. */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/incident.h"
#include "cli/person.h"
#include "model/discreet.h"
#include "sys/clock.h"
#include "tell/public.h"

enum { WORDS_MAX = 4000, OUT_MAX = 64 * 1024 };

/* ---- what is known of the incident ---- */

struct past {
    struct arena *arena;
    int serial;
    enum public_phase phase;
    bool held;
    const char *last; /* words of the newest message that a person wrote; NULL: none, or the machine spoke since */
};

static bool keep_past(void *arg, const struct record *record)
{
    struct past *past = arg;
    if (record->is_order && record->kind == ORDER_PUBLIC) {
        past->serial = (int)record->number;
        if (!public_phase_of(record->subject, &past->phase))
            past->phase = PUBLIC_INVESTIGATING;
        if (!same(record->stage, "person"))
            past->last = NULL;
    } else if (!record->is_order && record->kind == EVENT_SAY) {
        if (same(record->subject, "public"))
            past->last = public_words(past->arena, record->text, record->detail);
        else if (same(record->subject, "hold") || same(record->subject, "resume"))
            past->held = same(record->subject, "hold");
    }
    return true;
}

/* The incident as far as the texts for the public need it; decide knows more, and decides. */
static struct incident incident_of(const struct cli *cli, const struct story *s, const struct past *past, const struct incident_args *args)
{
    int64_t now = clock_wall_ms();
    struct incident i = {.id = s->incident, .severity = s->severity, .playbook = -1, .opened_wall_ms = s->opened_wall_ms,
                         .good_wall_ms = s->last_good_wall_ms, .resolved_wall_ms = s->resolved_wall_ms, .public_serial = past->serial + 1,
                         .public_wall_ms = now, .public_due_ms = TIME_NEVER, .opened_at_ms = 1};
    enum incident_state state = INCIDENT_OPEN;
    if (!incident_state_of(s->state, &state))
        state = INCIDENT_OPEN;
    enum public_phase named = PUBLIC_INVESTIGATING;
    i.state = state;
    i.public_phase = s->resolved_seq ? PUBLIC_RESOLVED : state == INCIDENT_MONITORING ? PUBLIC_MONITORING : past->phase;
    if (!s->resolved_seq && args->phase && public_phase_of(args->phase, &named))
        i.public_phase = named;
    const struct service *service = config_service(cli->config, s->service);
    const struct severity_conf *severity = service ? service_severity(service, s->severity) : NULL;
    if (severity && severity->public_every_ms > 0 && i.public_phase != PUBLIC_RESOLVED)
        i.public_due_ms = severity->public_every_ms; /* from public_at_ms, which is 0 */
    return i;
}

/* ---- words ---- */

static bool words_right(const struct cli *cli, const char *text, const char *what, struct err *err)
{
    if (!text)
        return true;
    if (str_trim(str_of(text)).n == 0)
        return err_set(err, ERR_USAGE, _("%s is empty"), what);
    if (!str_is_clean(str_of(text)))
        return err_set(err, ERR_USAGE, _("%s holds characters that are not text"), what);
    if (strlen(text) > WORDS_MAX)
        return err_set(err, ERR_LIMIT, _("%s is longer than %d bytes"), what, WORDS_MAX);
    if (is_discreet(cli->arena, cli->config, text))
        return true;
    err_set(err, ERR_REFUSED, _("%s names what the public must not read: a host, an address, a path or SQL"), what);
    return err_hint(err, _("this would be left of it: %.300s"), discreet(cli->arena, cli->config, text));
}

/* {"en": ..., "fr": ...} */
static const char *words_json(struct arena *arena, const struct incident_args *args)
{
    SCOPED(buf_done) struct buf out = {.max = 8 * WORDS_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    if (args->say_public)
        json_put_text(&j, "en", args->say_public);
    if (args->fr)
        json_put_text(&j, "fr", args->fr);
    json_object_end(&j);
    return arena_strdup(arena, buf_text(&out));
}

/* NULL: they are right. */
static const char *wrong_options(const struct incident_args *args)
{
    enum public_phase phase;
    int64_t number;
    bool to_public = args->say_public || args->fr;
    if (args->words.n != 1 || !incident_number(args->words.p[0], &number))
        return _("the number of the incident is missing");
    if (args->hold && args->resume)
        return _("--hold and --resume are opposites");
    if (!to_public && !args->inside && !args->hold && !args->resume)
        return _("say what: --public TEXT, --fr TEXT, --inside TEXT, --hold or --resume");
    if (args->phase && !to_public)
        return _("--phase goes with --public");
    if (args->phase && (!public_phase_of(args->phase, &phase) || phase == PUBLIC_RESOLVED))
        return _("--phase is investigating, identified or monitoring; `bascule incident resolve` ends an incident");
    return NULL;
}

static bool may_say(const struct cli *cli, const struct incident_args *args, const struct past *past, struct err *err)
{
    if (!words_right(cli, args->say_public, _("the text"), err) || !words_right(cli, args->fr, _("the French text"), err))
        return false;
    if (args->inside && (!str_is_clean(str_of(args->inside)) || str_trim(str_of(args->inside)).n == 0 || strlen(args->inside) >= MODEL_TEXT_SIZE - MODEL_ID_SIZE))
        return err_set(err, ERR_USAGE, _("the text for the people inside is empty, too long (%d bytes) or holds characters that are not text"),
                       MODEL_TEXT_SIZE - MODEL_ID_SIZE - 1);
    if ((args->say_public || args->fr) && past->last && same(past->last, public_words(cli->arena, "", words_json(cli->arena, args))))
        return err_set(err, ERR_REFUSED, "%s", _("the public has read exactly this already"));
    return true;
}

/* ---- preview ---- */

static void put_indented(struct buf *out, const char *text)
{
    struct str rest = str_of(text), line;
    while (str_next(&rest, '\n', &line))
        if (line.n)
            buf_printf(out, "    " STR_FMT "\n", STR_ARG(line));
}

static void put_public(const struct cli *cli, const struct story *story, const struct past *past, const struct incident_args *args, struct buf *out)
{
    const struct service *service = config_service(cli->config, story->service);
    struct incident incident = incident_of(cli, story, past, args);
    const struct message_facts facts = {.now_ms = 1, .now_wall_ms = incident.public_wall_ms, .eta_ms = -1, .eta_most_ms = -1, .loss_ms = story->loss_ms,
                                        .loss_rows = story->loss_rows, .next_update_ms = -1};
    if (!service)
        return;
    const char *words = words_json(cli->arena, args);
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
        struct public_text text = public_text(cli->arena, cli->config, (enum language)language, service, &incident, "person", words, &facts);
        buf_printf(out, language == LANGUAGE_FR ? _("The public will read in French (%s):\n") : _("The public will read in English (%s):\n"),
                   public_phase_name(incident.public_phase));
        put_indented(out, text.headline);
        put_indented(out, text.body);
    }
    if (!args->fr)
        buf_printf(out, "%s\n", _("Readers of French get the English words; --fr TEXT gives them their own."));
}

static bool preview(const struct cli *cli, const struct story *story, const struct past *past, const struct incident_args *args)
{
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (args->say_public || args->fr)
        put_public(cli, story, past, args, &out);
    if (args->inside) {
        buf_printf(&out, "%s\n", _("Everybody inside who was told of the incident will read:"));
        put_indented(&out, args->inside);
    }
    if (args->hold)
        buf_printf(&out, "%s\n", _("The machine will tell the public nothing more of this incident until --resume; you are reminded when news is due."));
    if (args->resume)
        buf_printf(&out, "%s\n", _("The machine will speak to the public of this incident again."));
    return cli_print(&out) == 0;
}

/* Only a plain yes is one. */
static bool agreed(void)
{
    char answer[16];
    fprintf(stderr, "%s [y/N] ", _("Say this?"));
    fflush(stderr);
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    answer[strcspn(answer, "\r\n")] = 0;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0 || strcasecmp(answer, "o") == 0 || strcasecmp(answer, "oui") == 0;
}

/* ---- the rows ---- */

static bool append(struct cli *cli, struct journal *journal, const struct story *story, const struct incident_args *args, const char *subject,
                   const char *text, const char *detail, int64_t *ret_seq, struct err *err)
{
    enum public_phase phase;
    struct event event = {.kind = EVENT_SAY, .incident = story->incident, .number = -1};
    if (args->phase && same(subject, "public") && public_phase_of(args->phase, &phase))
        event.number = phase;
    COPY_TO(event.service, story->service);
    COPY_TO(event.subject, subject);
    COPY_TO(event.text, text); /* the beginning of a long text; the whole stands in the detail */
    if (!str_copy(event.who, sizeof(event.who), args->by ? args->by : person_name(cli->arena)) || !str_is_clean(str_of(event.who)))
        return err_set(err, ERR_USAGE, "%s", _("the name is too long or holds characters that are not text"));
    return person_says(journal, &event, detail, ret_seq, err);
}

static bool append_all(struct cli *cli, const struct story *story, const struct incident_args *args, int64_t *ret_seq, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    const char *words = args->say_public ? args->say_public : args->fr;
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, err))
        return false;
    return (!args->hold || append(cli, journal, story, args, "hold", "", NULL, ret_seq, err)) &&
           (!args->resume || append(cli, journal, story, args, "resume", "", NULL, ret_seq, err)) &&
           (!words || append(cli, journal, story, args, "public", words, words_json(cli->arena, args), ret_seq, err)) &&
           (!args->inside || append(cli, journal, story, args, "inside", args->inside, NULL, ret_seq, err));
}

int incident_say(struct cli *cli, const struct incident_args *args)
{
    const char *wrong = wrong_options(args);
    if (wrong)
        return cli_usage(&cmd_incident, "%s", wrong);
    int64_t number, seq = 0;
    SCOPED(journal_close) struct journal *journal = NULL;
    struct past past = {.arena = cli->arena};
    struct story story;
    struct err err = {0};
    if (!incident_number(args->words.p[0], &number) || !journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err) ||
        !story_read(cli->arena, journal, cli->config, number, &story, &err) || !journal_read(journal, 0, number, keep_past, &past, &err) ||
        !may_say(cli, args, &past, &err))
        return cli_fail(&err);
    journal_close(&journal);
    if (!args->yes && !isatty(STDIN_FILENO)) {
        err_set(&err, ERR_REFUSED, "%s", _("there is no terminal to ask: --yes says it without a question"));
        return cli_fail(&err);
    }
    if (!cli->json && !preview(cli, &story, &past, args))
        return err_exit_status(ERR_IO);
    if (!args->yes && !agreed()) {
        err_set(&err, ERR_REFUSED, "%s", _("nothing was said"));
        return cli_fail(&err);
    }
    if (!append_all(cli, &story, args, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}
