/* daemon/bulletin.c -- What the public is told: decide says that and when, the words are made here, or are a person's. */
#include "daemon/daemon_internal.h"
#include "tell/public.h"

/* By incident and number of the message that decide made of them; NULL: the machine speaks. */
static const char *words_said(const struct daemon *d, const struct order *order)
{
    for (size_t i = d->said.n; i-- > 0;)
        if (d->said.p[i].incident == order->incident && d->said.p[i].number == order->number)
            return d->said.p[i].words;
    return NULL;
}

void daemon_keep_words(struct daemon *d, const struct record *said, const struct order *orders, size_t count)
{
    if (said->is_order || said->kind != EVENT_SAY)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct order *order = &orders[i];
        if (order->kind != ORDER_PUBLIC || !same(order->stage, "person") || words_said(d, order))
            continue;
        struct said *kept = vec_add(d->arena, &d->said);
        *kept = (struct said){.incident = order->incident, .number = order->number, .words = public_words(d->arena, said->text, said->detail)};
    }
}

void daemon_render_public(const struct daemon *d, struct arena *arena, const struct order *order, struct record *record)
{
    const struct incident *incident = decide_incident(d->decide, order->incident);
    const struct service *service = config_service(d->config, order->service);
    if (!incident || !service)
        return; /* cannot be: decide speaks of its own incidents only */
    struct message_facts facts = daemon_facts(d, arena, incident, (enum language)d->config->language);
    struct incident then = *incident; /* after a restart it may have moved on */
    if (!public_phase_of(order->subject, &then.public_phase))
        return;
    struct public_message message = public_render(arena, d->config, service, &then, order->stage, order->who, words_said(d, order), &facts);
    record->text = message.headline;
    record->detail = message.detail;
}
