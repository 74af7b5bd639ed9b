/* post.c -- How messages travel: most arrive in seconds, some late, some never. A person with a broken way is reached by another, and what
   was withdrawn is not carried any further. */
#include "sim/sim.h"

static struct letter_out *letter_of(struct sim *s, const char *key)
{
    for (int i = s->post_count; i-- > 0;)
        if (same(s->post[i % POST_MAX].key, key) && i + POST_MAX > s->post_count)
            return &s->post[i % POST_MAX];
    return NULL;
}

/* From the key and the seed alone, so that what people do is not shifted by one message more or less. */
static uint64_t fate_of(const struct sim *s, const char *key)
{
    uint64_t hash = s->seed * UINT64_C(0x9E3779B97F4A7C15) ^ UINT64_C(14695981039346656037);
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return hash ^ hash >> 29;
}

void post_order(struct sim *s, const struct order *order)
{
    if (order->kind == ORDER_WITHDRAW) {
        struct letter_out *letter = letter_of(s, order->subject);
        if (!letter || letter->over || !letter->page)
            violated(s, "withdrawn", "%s is withdrawn, and is no page that is on its way", order->subject);
        else
            letter->withdrawn = true;
        return;
    }
    if (order->kind != ORDER_NOTIFY)
        return;
    int index = s->post_count++ % POST_MAX;
    struct letter_out *letter = &s->post[index];
    uint64_t fate = fate_of(s, order->subject);
    *letter = (struct letter_out){.incident = order->incident, .page = order->number > 0, .fails = !s->calm && fate % 10 == 0};
    COPY_TO(letter->key, order->subject);
    COPY_TO(letter->who, order->who);
    COPY_TO(letter->stage, order->stage);
    bool late = !s->calm && fate % 10 == 1;
    sim_later(s, late ? 5 * MS_MINUTE : (int64_t)(fate / 16 % 3000) + 5, HAPPEN_POST, index, s->post_count, order->incident);
}

/* "7/alert/dba/mail.1f" -> "7/alert/dba/sms" */
static bool is_replaced(struct sim *s, const struct letter_out *letter)
{
    char key[MODEL_ID_SIZE];
    COPY_TO(key, letter->key);
    char *slash = strrchr(key, '/');
    if (!slash || same(slash, "/sms"))
        return true;
    snprintf(slash, sizeof(key) - (size_t)(slash - key), "/sms");
    return letter_of(s, key) != NULL;
}

void post_arrives(struct sim *s, int index, int serial)
{
    struct letter_out *letter = &s->post[index];
    if (serial + POST_MAX <= s->post_count || letter->over)
        return; /* its place was taken: nobody asks any more */
    if (!s->controller.up) {
        sim_later(s, 1000, HAPPEN_POST, index, serial, letter->incident);
        return;
    }
    letter->over = true;
    struct event event = {.kind = letter->fails ? EVENT_UNDELIVERED : EVENT_DELIVERED, .incident = letter->incident, .number = 1, .ref = letter->fails ? -1 : 10};
    COPY_TO(event.subject, letter->key);
    COPY_TO(event.who, letter->who);
    if (letter->withdrawn && letter->fails)
        return; /* the post threw it away */
    bool followed = !letter->withdrawn && same(letter->who, "devops") && (same(letter->stage, "on-call") || same(letter->stage, "page"));
    controller_feed(s, &event);
    const struct watched *w = &s->watched[letter->incident > 0 && letter->incident <= INCIDENTS_MAX ? letter->incident : 0];
    if (letter->fails && followed && w->state < INCIDENT_RESOLVED && s->controller.up && !is_replaced(s, letter))
        violated(s, "replaced", "%s failed, and no other way was used", letter->key);
}

bool post_pages(const struct sim *s, int64_t incident, const char **ret_key)
{
    for (int i = s->post_count; i-- > 0 && i + POST_MAX > s->post_count;) {
        const struct letter_out *letter = &s->post[i % POST_MAX];
        if (letter->incident == incident && letter->page && !letter->over && !letter->withdrawn) {
            *ret_key = letter->key;
            return true;
        }
    }
    return false;
}
