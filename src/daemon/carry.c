/* daemon/carry.c -- Orders out: all that one event led to is on disk in one transaction before any of it is carried out. */
#include <inttypes.h>

#include "daemon/daemon_internal.h"
#include "record/story.h"
#include "sys/log.h"
#include "tell/message.h"

enum { LAST_MESSAGES_MS = 10 * MS_SECOND, LATE_TOLD = 8 };

/* ---- what was measured ---- */

bool daemon_knows_fact(const struct daemon *d, int64_t incident, const char *run, const char *name, const char *value)
{
    for (size_t i = 0; i < d->facts.n; i++) {
        const struct known_fact *f = &d->facts.p[i];
        if (f->incident == incident && same(f->run, run) && same(f->name, name) && same(f->value, value))
            return true;
    }
    return false;
}

void daemon_forget_facts(struct daemon *d, const char *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->facts.n; i++)
        if (d->facts.p[i].incident || !same(d->facts.p[i].run, run))
            d->facts.p[kept++] = d->facts.p[i];
    d->facts.n = kept;
}

void daemon_keep_fact(struct daemon *d, int64_t incident, const char *run, const char *name, const char *value)
{
    struct known_fact *f = vec_add(d->arena, &d->facts);
    f->incident = incident;
    COPY_TO(f->run, run);
    COPY_TO(f->name, name);
    COPY_TO(f->value, value);
}

/* The newest value of a number among an incident's facts; -1 when it was not measured. */
static int64_t fact_number(const struct daemon *d, int64_t incident, const char *name)
{
    for (size_t i = d->facts.n; i-- > 0;) {
        int64_t value;
        if (d->facts.p[i].incident == incident && same(d->facts.p[i].name, name) && str_int(str_of(d->facts.p[i].value), &value))
            return value;
    }
    return -1;
}

struct message_facts daemon_facts(const struct daemon *d, struct arena *arena, const struct incident *incident, enum language language)
{
    struct message_facts facts = {
        .now_ms = daemon_now(d),
        .now_wall_ms = clock_wall_ms(),
        .eta_ms = -1,
        .eta_most_ms = -1,
        .loss_ms = -1,
        .loss_rows = fact_number(d, incident->id, "loss.rows"),
        .next_update_ms = -1,
    };
    int64_t recovery_point = fact_number(d, incident->id, "restore.recovery_point_ms");
    if (recovery_point > 0 && incident->good_wall_ms > 0)
        facts.loss_ms = MAX_OF(incident->good_wall_ms - recovery_point, 0);
    const struct site *active = decide_active(d->decide, incident->service);
    facts.active_site = active ? active->name : NULL;
    if (incident->next_update_at_ms != TIME_NEVER)
        facts.next_update_ms = MAX_OF(incident->next_update_at_ms - facts.now_ms, 0);
    const struct checklists *lists = decide_checklists(d->decide, incident);
    if (lists)
        checklists_late(arena, lists, facts.now_ms, language, LATE_TOLD, &facts.late);
    const struct playbook *playbook;
    const struct step *step = decide_step(d->decide, incident, &playbook);
    if (step) {
        facts.step = text_in(step->title, language);
        facts.step_number = (int)(step - playbook->steps.p) + 1;
        facts.step_count = (int)playbook->steps.n;
    }
    daemon_add_measures(d, arena, incident, &facts);
    return facts;
}

/* ---- notices ---- */

/* Subject and body become part of the order's row: what is sent again after a restart is what was written down first. */
static void render(struct daemon *d, struct arena *arena, const struct order *order, struct record *record)
{
    const struct incident *incident = decide_incident(d->decide, order->incident);
    const struct service *service = config_service(d->config, order->service);
    const struct contact *contact = config_contact(d->config, order->who);
    if (!incident || !service)
        return; /* cannot be: decide orders notices of its own incidents only */
    enum language language = contact ? (enum language)contact->language : (enum language)d->config->language;
    struct message_facts facts = daemon_facts(d, arena, incident, language);
    const char *reasons = same(order->stage, "say") ? order->text : story_reasons(arena, order->text, language); /* people are not translated */
    struct message message = message_render(arena, language, d->config, service, incident, order->stage, reasons, &facts);
    record->text = message.subject;
    record->detail = notice_pack(arena, message.body, message.brief, message.html);
}

static void undeliverable(struct daemon *d, const struct notice *notice, int64_t next_try_ms, const char *text)
{
    struct event event = {.kind = EVENT_UNDELIVERED, .incident = notice->incident, .number = notice->attempts, .ref = next_try_ms};
    COPY_TO(event.service, notice->service);
    COPY_TO(event.subject, notice->key);
    COPY_TO(event.who, notice->contact);
    COPY_TO(event.text, text);
    daemon_feed(d, &event, NULL);
}

static void on_delivered(void *arg, const struct notice *notice, int64_t took_ms, const char *text)
{
    struct event event = {.kind = EVENT_DELIVERED, .incident = notice->incident, .number = notice->attempts, .ref = took_ms};
    COPY_TO(event.service, notice->service);
    COPY_TO(event.subject, notice->key);
    COPY_TO(event.who, notice->contact);
    COPY_TO(event.text, text);
    daemon_feed(arg, &event, NULL);
}

static void on_undelivered(void *arg, const struct notice *notice, int64_t next_try_ms, const char *text)
{
    undeliverable(arg, notice, next_try_ms, text);
}

static int64_t outbox_clock(void *arg)
{
    return daemon_now(arg);
}

const struct outbox_callbacks daemon_outbox_callbacks = {
    .delivered = on_delivered,
    .undelivered = on_undelivered,
    .core_now = outbox_clock,
};

/* ---- runs ---- */

static int64_t incident_of_run(const char *run)
{
    struct str rest = str_of(run), first;
    int64_t id = 0;
    return str_next(&rest, '.', &first) && str_int(first, &id) ? id : 0;
}

static void feed_about_run(struct daemon *d, enum event_kind kind, const char *run, int64_t number, const char *subject, const char *text)
{
    struct event event = {.kind = kind, .incident = incident_of_run(run), .number = number};
    const struct incident *incident = decide_incident(d->decide, event.incident);
    if (incident)
        COPY_TO(event.service, d->config->services.p[incident->service].name);
    else if (upkeep_service(d->upkeep, run))
        COPY_TO(event.service, upkeep_service(d->upkeep, run));
    if (kind == EVENT_FACT && !event.incident)
        event.incident = upkeep_incident(d->upkeep, run);
    COPY_TO(event.subject, subject);
    COPY_TO(event.who, run);
    COPY_TO(event.text, text);
    daemon_feed(d, &event, NULL);
}

static void on_progress(void *arg, const char *run, const struct report_line *line)
{
    struct daemon *d = arg;
    daemon_measure_progress(d, run, line->eta_ms);
    if (!d->spec->live)
        return;
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *eta = eta_say(arena, line->eta_ms, line->spent_ms, line->rto_ms);
    if (line->total > 0)
        printf("              %s: %" PRId64 " %% %s%s%s\n", run, line->done * 100 / line->total, line->text, *eta ? ", " : "", eta);
    else
        printf("              %s: %s\n", run, line->text);
    fflush(stdout);
}

/* A run that is followed again after a restart tells its facts from the start; each is written down once. */
static void on_fact(void *arg, const char *run, const struct report_line *line)
{
    struct daemon *d = arg;
    int64_t incident = incident_of_run(run);
    if (daemon_knows_fact(d, incident, run, line->name, line->text))
        return;
    daemon_keep_fact(d, incident, run, line->name, line->text);
    int64_t number = 0;
    if (!str_int(str_of(line->text), &number))
        number = 0;
    feed_about_run(d, EVENT_FACT, run, number, line->name, line->text);
}

static void on_ended(void *arg, const char *run, enum outcome outcome, const char *text)
{
    struct daemon *d = arg;
    feed_about_run(d, EVENT_OUTCOME, run, outcome, run, text);
    if (incident_of_run(run) || d->stopping)
        return;
    daemon_forget_facts(d, run); /* the journal has them, and so the files of the run: there is one every few minutes */
    runner_remove(d->runner, run);
}

const struct runner_callbacks daemon_runner_callbacks = {.progress = on_progress, .fact = on_fact, .ended = on_ended};

/* The playbook's own objective, else that of the severity. */
static void add_objective(const struct daemon *d, struct arena *arena, int64_t id, struct strs *argv)
{
    const struct incident *incident = id ? decide_incident(d->decide, id) : NULL;
    if (!incident)
        return;
    const struct service *service = &d->config->services.p[incident->service];
    const struct severity_conf *severity = service_severity(service, incident->severity);
    bool named = incident->playbook >= 0 && (size_t)incident->playbook < service->playbooks.n;
    int64_t rto_ms = named && service->playbooks.p[incident->playbook].rto_ms ? service->playbooks.p[incident->playbook].rto_ms
                     : severity ? severity->rto_ms : 0;
    if (rto_ms <= 0)
        return;
    *vec_add(arena, argv) = "--rto-ms";
    *vec_add(arena, argv) = arena_printf(arena, "%" PRId64, rto_ms);
    *vec_add(arena, argv) = "--rto-spent-ms";
    *vec_add(arena, argv) = arena_printf(arena, "%" PRId64, MAX_OF(daemon_now(d) - incident->opened_at_ms, 0));
}

void daemon_start_run(struct daemon *d, const char *service, int64_t incident, const char *run, const char *words, int64_t budget_ms)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (!daemon_may_act(d, service)) {
        const char *other = daemon_led_by(d, service);
        feed_about_run(d, EVENT_OUTCOME, run, OUTCOME_BLOCKED, run,
                       other ? arena_printf(arena, "not begun: another controller leads, %s; what is to be done is said there", other)
                             : "not begun: etcd does not answer, so it is not known whether another controller leads, and two must not act; when it answers: bascule incident retry");
        return;
    }
    struct strs action = {0}, argv = {0};
    struct err err = {0};
    int pid;
    bool ok = str_words(arena, words, &action) || err_set(&err, ERR_CONFIG, "action \"%s\" has an open quote", words);
    const char *head[] = {d->spec->self, "-c", d->config->path, "--service", service};
    for (size_t i = 0; i < COUNT_OF(head); i++)
        *vec_add(arena, &argv) = head[i];
    for (size_t i = 0; i < action.n; i++)
        *vec_add(arena, &argv) = action.p[i];
    add_objective(d, arena, incident, &argv);
    const char *tail[] = {"--run",       run,
                          "--incident",  arena_printf(arena, "%" PRId64, incident),
                          "--budget-ms", arena_printf(arena, "%" PRId64, budget_ms),
                          NULL};
    for (size_t i = 0; i < COUNT_OF(tail); i++)
        *vec_add(arena, &argv) = tail[i];
    struct runner_spec spec = {.run = run, .argv = argv.p, .budget_ms = budget_ms};
    if (!ok || !runner_start(d->runner, &spec, &pid, &err)) {
        err_prefix(&err, "could not start \"%s\"", words);
        feed_about_run(d, EVENT_OUTCOME, run, OUTCOME_FAILURE, run, err.message);
        return;
    }
    feed_about_run(d, EVENT_RUNNING, run, pid, run, words);
}

/* ---- orders ---- */

static void show(const struct daemon *d, struct arena *arena, const struct record *record)
{
    if (!d->spec->live)
        return;
    printf("%s  %s\n", moment_iso(arena, record->wall_ms), story_sentence(arena, record, (enum language)d->config->language));
    fflush(stdout);
}

/* A run started by a person ends with its incident: resolved is success; blocked waits for nobody here, so it is said and left. The
   messages that tell people so are still to go out. */
static void end_of_one_playbook(struct daemon *d, const struct order *order)
{
    if (!d->spec->only_playbook)
        return;
    if (order->kind == ORDER_OPEN && d->mine == -1)
        d->mine = order->incident;
    if (order->incident != d->mine)
        return;
    bool resolved = order->kind == ORDER_STATE && order->number == INCIDENT_RESOLVED;
    if (!resolved && order->kind != ORDER_BLOCKED)
        return;
    d->exit_status = resolved ? 0 : 1;
    d->leave_at_boot_ms = clock_boot_ms() + LAST_MESSAGES_MS;
}

void daemon_leave_when_told(struct daemon *d)
{
    size_t left = outbox_pending(d->outbox);
    if (!d->leave_at_boot_ms || ((left || pages_busy(d->pages)) && clock_boot_ms() < d->leave_at_boot_ms))
        return;
    if (left)
        log_line(LOG_WARNING, "%zu messages were not handed over yet; `bascule serve` goes on with them", left);
    loop_stop(d->loop);
}

static void carry_out_one(struct daemon *d, const struct order *order, const struct record *record)
{
    switch (order->kind) {
    case ORDER_RUN:
        daemon_start_run(d, order->service, order->incident, order->subject, order->text, order->number);
        break;
    case ORDER_CANCEL:
        runner_cancel(d->runner, order->subject);
        break;
    case ORDER_WITHDRAW:
        outbox_withdraw(d->outbox, order->subject);
        break;
    case ORDER_NOTIFY:
    case ORDER_PUBLIC:
        daemon_hand_over(d, record);
        break;
    default:
        end_of_one_playbook(d, order);
        break; /* the others are statements: being on record is all they want */
    }
}

void daemon_carry_out(struct daemon *d, const struct order *orders, size_t count)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct record *records = arena_array(arena, struct record, count);
    int64_t at = daemon_now(d), wall = clock_wall_ms(), first;
    for (size_t i = 0; i < count; i++) {
        records[i] = record_of_order(&orders[i], at, wall, NULL);
        if (orders[i].kind == ORDER_NOTIFY)
            render(d, arena, &orders[i], &records[i]);
        else if (orders[i].kind == ORDER_PUBLIC)
            daemon_render_public(d, arena, &orders[i], &records[i]);
    }
    struct err err = {0};
    if (!journal_append(d->journal, records, count, &first, &err)) {
        daemon_fail(d, &err);
        return;
    }
    if (first == d->last_seq + 1) /* else rows of others stand between, and will be read: orders among them are passed over */
        d->last_seq = first + (int64_t)count - 1;
    for (size_t i = 0; i < count; i++) {
        daemon_measure_order(d, &records[i]);
        show(d, arena, &records[i]);
        pages_row(d->pages, &records[i]);
    }
    d->carrying = true;
    for (size_t i = 0; i < count && !d->stopping; i++)
        carry_out_one(d, &orders[i], &records[i]);
    d->carrying = false;
}
