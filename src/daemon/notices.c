/* daemon/notices.c -- From an order's row to what the outbox hands over: one message to a person, or one to the public for each channel
   that speaks to it. The same row gives the same notices, now and after a restart. */
#include <inttypes.h>

#include "daemon/daemon_internal.h"

/* More than ever are open at once; the search must not grow with the age of the journal. */
enum { THREADS_LOOKED_AT = 4096 };

static struct notice notice_of(const struct daemon *d, struct arena *arena, const struct record *record)
{
    const struct incident *incident = decide_incident(d->decide, record->incident);
    struct notice notice = {
        .key = record->subject,
        .incident = record->incident,
        .service = record->service,
        .stage = record->stage,
        .contact = record->who,
        .channel = record->channel,
        .address = record->address,
        .subject = record->text,
        .severity = incident ? (int)incident->severity : -1,
        .ordered_at_ms = record->at_ms,
        .wall_ms = record->wall_ms,
    };
    /* With the moment of the opening, since a journal begun anew counts its incidents from 1 again. */
    notice.thread = arena_printf(arena, "%s/%" PRId64 "/%" PRId64, record->service, record->incident, incident ? incident->opened_wall_ms : 0);
    return notice;
}

/* Notes that a message of this incident goes to somebody by this way; true for the first one. */
static bool begins_thread(struct daemon *d, const struct record *record)
{
    uint64_t way = UINT64_C(14695981039346656037);
    const char *const parts[] = {record->who, record->channel, record->address};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (const char *p = parts[i] ? parts[i] : ""; *p; p++)
            way = (way ^ (unsigned char)*p) * UINT64_C(1099511628211);
        way = (way ^ 0xFF) * UINT64_C(1099511628211);
    }
    size_t oldest = d->threads.n > THREADS_LOOKED_AT ? d->threads.n - THREADS_LOOKED_AT : 0;
    for (size_t i = d->threads.n; i-- > oldest;)
        if (d->threads.p[i].incident == record->incident && d->threads.p[i].way == way)
            return false;
    *vec_add(d->arena, &d->threads) = (struct thread){.incident = record->incident, .way = way};
    return true;
}

static void add_public(const struct daemon *d, struct arena *arena, const struct record *record, struct notices *to)
{
    for (size_t i = 0; i < d->config->channels.n; i++) {
        const struct channel_conf *conf = &d->config->channels.p[i];
        const struct channel_ops *ops = channel_driver(conf->type);
        if (!ops || !ops->wants_public || !ops->wants_public(conf, record->service))
            continue;
        struct notice *notice = vec_add(arena, to);
        *notice = notice_of(d, arena, record);
        notice->key = arena_printf(arena, "%" PRId64 "/public-%" PRId64 "/public/%.50s", record->incident, record->number, conf->name);
        notice->stage = notice->contact = "public";
        notice->channel = conf->name;
        notice->address = "";
        notice->phase = record->subject;
        notice->by_language = record->detail;
        notice->body = record->text;
    }
}

void daemon_notices(struct daemon *d, struct arena *arena, const struct record *record, struct notices *to)
{
    if (record->kind == ORDER_PUBLIC) {
        add_public(d, arena, record, to);
    } else if (record->kind == ORDER_NOTIFY) {
        struct notice *notice = vec_add(arena, to);
        *notice = notice_of(d, arena, record);
        notice_unpack(arena, record->detail, notice);
        notice->first = begins_thread(d, record);
    }
}

void daemon_hand_over(struct daemon *d, const struct record *record)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct notices notices = {0};
    daemon_notices(d, arena, record, &notices);
    for (size_t i = 0; i < notices.n; i++)
        outbox_add(d->outbox, &notices.p[i], 0);
}
