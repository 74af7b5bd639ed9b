/* record/record.c -- Events and orders as journal rows, and back. */
#include "record/journal.h"

struct record record_of_event(const struct event *event, const char *detail)
{
    return (struct record){
        .at_ms = event->at_ms,
        .wall_ms = event->wall_ms,
        .kind = (int)event->kind,
        .incident = event->incident,
        .number = event->number,
        .ref = event->ref,
        .service = event->service,
        .subject = event->subject,
        .who = event->who,
        .text = event->text,
        .stage = "",
        .channel = "",
        .address = "",
        .detail = detail ? detail : "",
    };
}

struct record record_of_order(const struct order *order, int64_t at_ms, int64_t wall_ms, const char *detail)
{
    return (struct record){
        .at_ms = at_ms,
        .wall_ms = wall_ms,
        .is_order = true,
        .kind = (int)order->kind,
        .incident = order->incident,
        .number = order->number,
        .ref = order->ref,
        .service = order->service,
        .subject = order->subject,
        .who = order->who,
        .text = order->text,
        .stage = order->stage,
        .channel = order->channel,
        .address = order->address,
        .detail = detail ? detail : "",
    };
}

struct event event_of_record(const struct record *record)
{
    struct event event = {
        .kind = (enum event_kind)record->kind,
        .at_ms = record->at_ms,
        .wall_ms = record->wall_ms,
        .incident = record->incident,
        .number = record->number,
        .ref = record->ref,
    };
    COPY_TO(event.service, record->service);
    COPY_TO(event.subject, record->subject);
    COPY_TO(event.who, record->who);
    COPY_TO(event.text, record->text);
    return event;
}

struct record record_dup(struct arena *arena, const struct record *record)
{
    struct record copy = *record;
    const char **const texts[] = {&copy.service, &copy.subject, &copy.who,     &copy.text,
                                  &copy.stage,   &copy.channel, &copy.address, &copy.detail};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_strdup(arena, *texts[i]);
    return copy;
}
