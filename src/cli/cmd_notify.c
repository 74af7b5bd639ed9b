/* cli/cmd_notify.c -- Test messages to people, and which ways to them were ever proven. Sent from here and not by the controller, so that it
   works before there is one; what came of it is written into the journal. */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/person.h"
#include "cli/proven.h"
#include "io/dns.h"
#include "sys/clock.h"
#include "tell/channel.h"
#include "tell/trial.h"

extern const struct command cmd_notify;

enum { NAME_COLUMNS = 14, CHANNEL_COLUMNS = 12, ADDRESS_COLUMNS = 24, TIME_COLUMNS = 9, OUT_MAX = 4 * 1024 * 1024 };
enum { GUARD_MS = 5 * 60 * 1000 }; /* above every channel's own limit */

struct args {
    const char *name, *channel, *by; /* name NULL: everybody */
    bool yes;
};

/* One test message; ways that lead to the same place share it. */
struct sending {
    struct survey *survey;
    struct way *way;
    struct notice notice;
    const struct channel_ops *ops;
    void *handle;
    int64_t started_ms, took_ms;
    enum delivery delivery;
    const char *answer; /* NULL: none yet */
    size_t twin;        /* index of the sending whose answer is this one's; its own otherwise */
};

struct survey {
    struct cli *cli;
    struct loop *loop;
    struct channel_env env;
    VEC(struct sending) all;
    size_t open;
};

/* ---- sending ---- */

static void answered(struct sending *s, enum delivery delivery, const char *text)
{
    s->delivery = delivery;
    s->took_ms = clock_boot_ms() - s->started_ms;
    s->answer = arena_strdup(s->survey->cli->arena, text);
    s->handle = NULL;
    if (--s->survey->open == 0)
        loop_stop(s->survey->loop);
}

static void on_done(void *arg, enum delivery delivery, int64_t retry_after_ms, const char *text)
{
    (void)retry_after_ms;
    answered(arg, delivery, text);
}

static void on_guard(void *arg)
{
    loop_stop(((struct survey *)arg)->loop);
}

static void add_sending(struct survey *survey, struct way *way, const char *by, const char *host, int64_t wall_ms)
{
    struct sending s = {.survey = survey, .way = way, .ops = channel_driver(way->channel->type), .twin = survey->all.n};
    for (size_t i = 0; i < survey->all.n; i++)
        if (survey->all.p[i].way->channel == way->channel && same(survey->all.p[i].way->address, way->address) && survey->all.p[i].twin == i)
            s.twin = i;
    struct trial trial = {.contact = way->contact, .channel = way->channel->name, .address = way->address, .by = by, .host = host, .wall_ms = wall_ms};
    s.notice = trial_notice(survey->cli->arena, way->language, &trial);
    *vec_add(survey->cli->arena, &survey->all) = s;
}

static void start_all(struct survey *survey)
{
    for (size_t i = 0; i < survey->all.n; i++)
        survey->open += survey->all.p[i].twin == i;
    for (size_t i = 0; i < survey->all.n; i++) {
        struct sending *s = &survey->all.p[i];
        struct err err = {0};
        if (s->twin != i)
            continue;
        s->started_ms = clock_boot_ms();
        if (!s->ops->start(&survey->env, s->way->channel, &s->notice, on_done, s, &s->handle, &err))
            answered(s, err.code == ERR_DATA ? DELIVERY_REFUSED : DELIVERY_RETRY, err.message);
    }
}

static void share_answers(struct survey *survey)
{
    for (size_t i = 0; i < survey->all.n; i++) {
        struct sending *s = &survey->all.p[i];
        const struct sending *twin = &survey->all.p[s->twin];
        if (s->twin == i && s->handle) {
            s->ops->cancel(&s->handle);
            s->delivery = DELIVERY_RETRY;
            s->took_ms = clock_boot_ms() - s->started_ms;
        }
        if (s->twin == i && !s->answer)
            s->answer = _("the channel gave no answer");
        s->delivery = twin->delivery;
        s->took_ms = twin->took_ms;
        s->answer = twin->answer;
    }
}

static void send_all(struct survey *survey)
{
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, 2000);
    SCOPED(http_close) struct http *http = http_open(loop, dns);
    struct loop_timer *guard = loop_timer_new(loop, on_guard, survey);
    survey->loop = loop;
    survey->env = (struct channel_env){.loop = loop, .http = http, .config = survey->cli->config};
    loop_timer_set(guard, clock_boot_ms() + GUARD_MS);
    start_all(survey);
    if (survey->open)
        loop_run(loop);
    share_answers(survey);
    loop_timer_free(&guard);
}

/* ---- what came of it ---- */

static bool record_all(const struct survey *survey, const char *by, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    if (!journal_open(survey->cli->config->state_dir, JOURNAL_APPEND, true, &journal, err))
        return false;
    for (size_t i = 0; i < survey->all.n; i++) {
        const struct sending *s = &survey->all.p[i];
        struct event event = {.kind = EVENT_PROVEN, .number = s->delivery == DELIVERY_SENT, .ref = s->way->id};
        int64_t seq;
        COPY_TO(event.subject, s->way->subject);
        COPY_TO(event.who, by);
        COPY_TO(event.text, s->answer);
        if (!person_says(journal, &event, NULL, &seq, err))
            return false;
    }
    return true;
}

static void put_way(const struct cli *cli, const struct way *way, bool well, struct buf *out)
{
    buf_printf(out, "%s%s%s ", well ? cli_green(cli) : cli_red(cli), well ? "✓" : "✗", cli_plain(cli));
    cli_pad(out, way->contact, NAME_COLUMNS);
    buf_putc(out, ' ');
    cli_pad(out, way->channel->name, CHANNEL_COLUMNS);
    buf_putc(out, ' ');
    cli_pad(out, way->address ? way->address : "", ADDRESS_COLUMNS);
    buf_putc(out, ' ');
}

static void put_way_json(struct jsonout *j, const struct way *way)
{
    json_put_text(j, "contact", way->contact);
    json_put_text(j, "channel", way->channel->name);
    json_put_text(j, "type", way->channel->type);
    json_put_text(j, "address", way->address);
}

static void print_answers(const struct survey *survey, struct buf *out)
{
    size_t well = 0;
    for (size_t i = 0; i < survey->all.n; i++) {
        const struct sending *s = &survey->all.p[i];
        well += s->delivery == DELIVERY_SENT;
        put_way(survey->cli, s->way, s->delivery == DELIVERY_SENT, out);
        cli_pad(out, cli_duration(survey->cli, s->took_ms), TIME_COLUMNS);
        buf_printf(out, " %s%s\n", s->answer, s->delivery == DELIVERY_RETRY ? _(" (it would be tried again)") : "");
    }
    buf_printf(out, _("%zu of %zu ways took the test message\n"), well, survey->all.n);
}

static void print_json(const struct survey *survey, struct buf *out)
{
    static const char *const words[] = {[DELIVERY_SENT] = "sent", [DELIVERY_RETRY] = "retry", [DELIVERY_REFUSED] = "refused"};
    struct jsonout j = jsonout(out);
    json_array(&j);
    for (size_t i = 0; i < survey->all.n; i++) {
        const struct sending *s = &survey->all.p[i];
        json_object(&j);
        put_way_json(&j, s->way);
        json_put_text(&j, "result", words[s->delivery]);
        json_put_int(&j, "took_ms", s->took_ms);
        json_put_text(&j, "answer", s->answer);
        json_object_end(&j);
    }
    json_array_end(&j);
    buf_putc(out, '\n');
}

/* ---- test ---- */

static size_t people(const struct ways *ways)
{
    size_t n = 0;
    for (size_t i = 0; i < ways->n; i++)
        n += i == 0 || !same(ways->p[i - 1].contact, ways->p[i].contact);
    return n;
}

/* Only a person at a terminal is asked; a script has said what it wants. */
static bool is_meant(const struct args *args, const struct ways *ways)
{
    size_t count = people(ways);
    if (args->yes || count < 2 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    char answer[16] = "";
    fprintf(stderr, _("This sends a test message to %zu contacts by %zu ways. Go on? [y/N] "), count, ways->n);
    fflush(stderr);
    return fgets(answer, sizeof(answer), stdin) && strchr("yYoO", answer[0]);
}

static int test(struct cli *cli, const struct args *args)
{
    struct ways ways = {0};
    struct survey survey = {.cli = cli};
    struct err err = {0};
    char host[256] = "";
    if (!ways_of(cli, args->name, args->channel, &ways, &err))
        return cli_fail(&err);
    if (!ways.n) {
        err_set(&err, ERR_CONFIG, _("there is no way to send anything by"));
        return cli_fail(&err);
    }
    if (!is_meant(args, &ways))
        return 1;
    const char *by = args->by ? args->by : person_name(cli->arena);
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = 0;
    int64_t wall_ms = clock_wall_ms();
    for (size_t i = 0; i < ways.n; i++)
        add_sending(&survey, &ways.p[i], by, *host ? host : "?", wall_ms);
    send_all(&survey);
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (cli->json)
        print_json(&survey, &out);
    else
        print_answers(&survey, &out);
    int printed = cli_print(&out);
    if (printed)
        return printed;
    if (!record_all(&survey, by, &err)) {
        err_prefix(&err, _("the answers could not be written down"));
        return cli_fail(&err);
    }
    for (size_t i = 0; i < survey.all.n; i++)
        if (survey.all.p[i].delivery != DELIVERY_SENT)
            return 1;
    return 0;
}

/* ---- list ---- */

static int list(struct cli *cli, const struct args *args)
{
    static const char *const words[] = {[PROOF_NEVER] = "never", [PROOF_FAILED] = "failed", [PROOF_GOOD] = "proven"};
    struct ways ways = {0};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (!ways_of(cli, args->name, args->channel, &ways, &err) || !ways_look_up(cli, &ways, &err))
        return cli_fail(&err);
    struct jsonout j = jsonout(&out);
    if (cli->json)
        json_array(&j);
    for (size_t i = 0; i < ways.n; i++) {
        const struct way *way = &ways.p[i];
        const char *when = way->proof == PROOF_NEVER ? NULL : moment_iso(cli->arena, way->tested_wall_ms);
        if (cli->json) {
            json_object(&j);
            put_way_json(&j, way);
            json_put_text(&j, "proof", words[way->proof]);
            json_put_text(&j, "tested", when);
            json_put_text(&j, "answer", way->answer);
            json_object_end(&j);
            continue;
        }
        put_way(cli, way, way->proof == PROOF_GOOD, &out);
        if (way->proof == PROOF_NEVER)
            buf_printf(&out, "%s\n", _("never tested"));
        else
            buf_printf(&out, "%s  %s\n", when, way->answer);
    }
    if (cli->json) {
        json_array_end(&j);
        buf_putc(&out, '\n');
    }
    return cli_print(&out);
}

static int run_notify(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    const char *verb = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; i++) {
        bool more = i + 1 < argc;
        if (same(argv[i], "--yes"))
            args.yes = true;
        else if (same(argv[i], "--channel") && more)
            args.channel = argv[++i];
        else if (same(argv[i], "--by") && more)
            args.by = argv[++i];
        else if (!args.name && argv[i][0] != '-')
            args.name = argv[i];
        else
            return cli_usage(&cmd_notify, _("unknown argument \"%s\""), argv[i]);
    }
    if (args.by && (!str_is_clean(str_of(args.by)) || strlen(args.by) >= MODEL_ID_SIZE))
        return cli_usage(&cmd_notify, "%s", _("the name is too long or holds characters that are not text"));
    if (same(args.name, "all"))
        args.name = NULL;
    if (same(verb, "test"))
        return test(cli, &args);
    if (same(verb, "list"))
        return list(cli, &args);
    return cli_usage(&cmd_notify, "%s", _("say what to do: test or list"));
}

const struct command cmd_notify = {
    .name = "notify",
    .usage = "notify test|list [CONTACT|GROUP|all] [--channel NAME] [--by NAME] [--yes] [--json]",
    .summary = N_("sends test messages to people, and says which ways to them were proven"),
    .details = N_("test sends a marked message by each way of the contact, of all members of the group, or of everybody, all at once, and shows\n"
                  "what each receiver answered; ways that lead to the same place share one message. A channel that speaks to the public is\n"
                  "only asked whether it would let us in: nothing is published. The answers stand in the journal, and `status` warns of ways\n"
                  "that were never proven, or not since their address changed. Exit status 0 when every way took it, else 1. list says which\n"
                  "were proven and when. With more than one contact, test asks first at a terminal; --yes answers."),
    .wants_config = true,
    .run = run_notify,
};
