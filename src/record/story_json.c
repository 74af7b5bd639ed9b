/* record/story_json.c -- Stories and records as JSON. Moments are ISO 8601 in UTC, durations milliseconds; unknown is null. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "record/history.h"
#include "record/story.h"

static void put_moment(struct jsonout *j, struct arena *a, const char *key, int64_t wall_ms)
{
    json_put_text(j, key, wall_ms > 0 ? moment_iso(a, wall_ms) : NULL);
}

static void put_known(struct jsonout *j, const char *key, int64_t value)
{
    json_key(j, key);
    if (value < 0)
        json_null(j);
    else
        json_int(j, value);
}

static void put_moments(struct jsonout *j, struct arena *a, const struct story *s)
{
    put_moment(j, a, "last_good", s->last_good_wall_ms);
    put_moment(j, a, "detected", s->detected_wall_ms);
    put_moment(j, a, "opened", s->opened_wall_ms);
    put_moment(j, a, "first_alert", s->first_alert_wall_ms);
    put_moment(j, a, "acknowledged", s->acked_wall_ms);
    put_moment(j, a, "service_back", s->mitigated_wall_ms);
    put_moment(j, a, "resolved", s->resolved_wall_ms);
    put_moment(j, a, "recovery_point", s->recovery_point_wall_ms);
    put_known(j, "detect_ms", s->detect_ms);
    put_known(j, "open_ms", s->open_ms);
    put_known(j, "alert_ms", s->alert_ms);
    put_known(j, "ack_ms", s->ack_ms);
    put_known(j, "recover_ms", s->recover_ms);
    put_known(j, "outage_ms", s->outage_ms);
    put_known(j, "rto_ms", s->rto_ms);
    put_known(j, "rpo_ms", s->rpo_ms);
    put_known(j, "loss_ms", s->loss_ms);
    put_known(j, "loss_rows", s->loss_rows);
    put_known(j, "lost_transactions", s->lost_transactions);
    put_known(j, "lost_bytes", s->lost_bytes);
}

static void put_steps(struct jsonout *j, struct arena *a, const struct story *s)
{
    json_key(j, "steps");
    json_array(j);
    for (size_t i = 0; i < s->step_count; i++) {
        const struct story_step *step = &s->steps[i];
        json_object(j);
        json_put_int(j, "seq", step->seq);
        json_put_text(j, "run", step->run);
        json_put_text(j, "id", step->id);
        json_put_text(j, "playbook", step->playbook);
        json_put_text(j, "title", step->title);
        json_put_text(j, "outcome", step->outcome);
        json_put_text(j, "text", step->text);
        json_put_text(j, "command", step->command);
        put_moment(j, a, "started", step->started_wall_ms);
        put_moment(j, a, "ended", step->ended_wall_ms);
        put_known(j, "took_ms", step->took_ms);
        put_known(j, "budget_ms", step->budget_ms);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_facts(struct jsonout *j, const struct story *s)
{
    json_key(j, "facts");
    json_array(j);
    for (size_t i = 0; i < s->fact_count; i++) {
        json_object(j);
        json_put_int(j, "seq", s->facts[i].seq);
        json_put_text(j, "name", s->facts[i].name);
        json_put_text(j, "value", s->facts[i].value);
        json_object_end(j);
    }
    json_array_end(j);
}

void story_json(const struct story *s, struct buf *out)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_int(&j, "incident", s->incident);
    json_put_text(&j, "service", s->service);
    json_put_text(&j, "title", s->title);
    json_put_text(&j, "severity", severity_name(s->severity));
    json_put_text(&j, "state", s->state);
    json_put_text(&j, "cause", s->cause);
    json_put_text(&j, "detected_by", s->detected_by);
    json_put_text(&j, "playbook", s->playbook);
    json_put_text(&j, "acknowledged_by", s->acked_by);
    json_put_text(&j, "active_site", s->active_site);
    json_put_bool(&j, "restored", s->restored);
    json_put_bool(&j, "end_only_declared", s->back_seq && s->declared);
    json_put_text(&j, "waits_for", s->waits_for);
    put_moments(&j, a, s);
    json_put_int(&j, "notices", (int64_t)s->notices);
    json_put_int(&j, "delivered", (int64_t)s->delivered);
    json_put_int(&j, "undeliverable", (int64_t)s->failed);
    put_steps(&j, a, s);
    put_facts(&j, s);
    json_object_end(&j);
}

void story_record_json(struct jsonout *j, const struct record *r)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    json_object(j);
    json_put_int(j, "seq", r->seq);
    json_put_int(j, "at_ms", r->at_ms);
    json_put_int(j, "wall_ms", r->wall_ms);
    json_put_text(j, "time", moment_iso(a, r->wall_ms));
    json_put_text(j, "class", r->is_order ? "order" : "event");
    json_put_text(j, "kind", r->is_order ? order_name((enum order_kind)r->kind) : event_name((enum event_kind)r->kind));
    json_put_int(j, "incident", r->incident);
    json_put_int(j, "number", r->number);
    json_put_int(j, "ref", r->ref);
    json_put_text(j, "service", r->service);
    json_put_text(j, "subject", r->subject);
    json_put_text(j, "who", r->who);
    json_put_text(j, "text", r->text);
    json_put_text(j, "stage", r->stage);
    json_put_text(j, "channel", r->channel);
    json_put_text(j, "address", r->address);
    json_put_text(j, "detail", r->detail);
    json_put_text(j, "sentence", story_sentence(a, r, LANGUAGE_EN));
    json_object_end(j);
}

void story_timeline_json(struct journal *journal, int64_t incident, struct buf *out)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct history history = {0};
    if (!history_read(a, journal, incident, &history, NULL))
        history.n = 0;
    struct jsonout j = jsonout(out);
    json_array(&j);
    for (size_t i = 0; i < history.n; i++)
        story_record_json(&j, &history.p[i]);
    json_array_end(&j);
}
