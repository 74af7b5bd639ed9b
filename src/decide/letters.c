/* decide/letters.c -- One message to one person: which ways it takes, its keys, what stands in for a way that fails, and what is taken
   back when nobody needs it any more. */
#include "decide/decide_internal.h"

/* ---- names made into people ---- */

void people_begin(struct decide *d)
{
    d->people.n = 0;
}

static bool is_listed(const struct ints *list, int value)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->p[i] == value)
            return true;
    return false;
}

static void add_person(struct decide *d, const struct contact *contact)
{
    int index = (int)(contact - d->config->contacts.p);
    if (!is_listed(&d->people, index))
        *vec_add(d->arena, &d->people) = index;
}

/* A contact, or those of a rotation who are on call now; false when it is neither. */
static bool add_name(struct decide *d, const char *name)
{
    const struct contact *contact = config_contact(d->config, name);
    const struct rotation *rotation = contact ? NULL : config_rotation(d->config, name);
    struct duty duty = {0};
    if (contact)
        add_person(d, contact);
    if (rotation)
        duty = rotation_duty(rotation, d->stand_ins.p, d->stand_ins.n, d->wall_ms);
    for (size_t i = 0; i < duty.n; i++)
        if (config_contact(d->config, duty.who[i]))
            add_person(d, config_contact(d->config, duty.who[i]));
    return contact || rotation;
}

void people_add(struct decide *d, const struct strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct contact_group *group = add_name(d, names->p[i]) ? NULL : config_group(d->config, names->p[i]);
        for (size_t m = 0; group && m < group->members.n; m++)
            (void)add_name(d, group->members.p[m]);
    }
}

void people_add_told(struct decide *d, const struct inc *inc)
{
    for (size_t i = 0; i < inc->people.n; i++)
        add_person(d, &d->config->contacts.p[inc->people.p[i]]);
}

void people_without_told(struct decide *d, const struct inc *inc)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->people.n; i++)
        if (!is_listed(&inc->people, d->people.p[i]))
            d->people.p[kept++] = d->people.p[i];
    d->people.n = kept;
}

void people_without_outsiders(struct decide *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->people.n; i++)
        if (d->config->contacts.p[d->people.p[i]].tier > 0)
            d->people.p[kept++] = d->people.p[i];
    d->people.n = kept;
}

/* ---- keys ---- */

static uint32_t fnv1a(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* "7/alert/ops/slack"; two ways over one channel differ by their address, and a name too long for a key by its hash. */
static void make_key(char key[MODEL_ID_SIZE], int64_t incident, const char *part, const struct contact *contact, size_t way)
{
    const struct contact_way *w = &contact->ways.p[way];
    bool shared = false;
    for (size_t i = 0; i < contact->ways.n; i++)
        shared = shared || (i != way && same(contact->ways.p[i].channel, w->channel));
    char tail[16] = "";
    if (shared)
        SAY(tail, ".%08x", fnv1a(w->address));
    static const char form[] = "%lld/%s/%s/%s%s";
    if (snprintf(key, MODEL_ID_SIZE, form, (long long)incident, part, contact->name, w->channel, tail) < MODEL_ID_SIZE)
        return;
    char whole[4 * MODEL_ID_SIZE];
    say(whole, sizeof(whole), form, (long long)incident, part, contact->name, w->channel, tail);
    say(key, MODEL_ID_SIZE, "%.80s.%08x", whole, fnv1a(whole));
}

/* ---- writing ---- */

static size_t way_count(const struct contact *contact)
{
    return MIN_OF(contact->ways.n, (size_t)CONTACT_WAYS_MAX);
}

/* Who has nothing but fallbacks is told by the first of them. */
static bool is_fallback(const struct contact *contact, size_t way)
{
    bool others = false;
    for (size_t i = 0; i < way_count(contact); i++)
        others = others || !contact->ways.p[i].fallback;
    return contact->ways.p[way].fallback && (others || way > 0);
}

static void send(struct decide *d, const struct inc *inc, struct letter *letter, size_t way)
{
    const struct contact *contact = &d->config->contacts.p[letter->contact];
    struct order *order = order_add(d, ORDER_NOTIFY, inc);
    make_key(order->subject, inc->pub.id, letter->part, contact, way);
    order->number = letter->page;
    COPY_TO(order->who, contact->name);
    COPY_TO(order->text, letter->text);
    COPY_TO(order->stage, letter->stage);
    COPY_TO(order->channel, contact->ways.p[way].channel);
    COPY_TO(order->address, contact->ways.p[way].address);
    letter->sent |= UINT32_C(1) << way;
    letter->at_ms[way] = d->now_ms;
}

/* The next way that has not been used, for one that failed; -1: there is none. */
static int next_fallback(const struct decide *d, const struct letter *letter)
{
    const struct contact *contact = &d->config->contacts.p[letter->contact];
    for (size_t w = 0; w < way_count(contact); w++)
        if (is_fallback(contact, w) && !(letter->sent >> w & 1))
            return (int)w;
    return NOTHING;
}

/* What became of it matters: it can be taken back, or another way can stand in. */
static bool is_followed(const struct decide *d, const struct letter *letter)
{
    bool under_way = letter->sent & ~(letter->delivered | letter->failed);
    bool replaceable = (letter->sent & ~(letter->delivered | letter->replaced)) && next_fallback(d, letter) != NOTHING;
    return replaceable || (letter->page && under_way);
}

static void forget(struct inc *inc, size_t index)
{
    memmove(&inc->letters.p[index], &inc->letters.p[index + 1], (--inc->letters.n - index) * sizeof(*inc->letters.p));
}

static void follow(struct decide *d, struct inc *inc, const struct letter *letter)
{
    if (inc->letters.n == LETTERS_MAX)
        forget(inc, 0);
    *vec_add(d->arena, &inc->letters) = *letter;
}

void letters_write(struct decide *d, struct inc *inc, const struct message_draft *draft)
{
    for (size_t i = 0; i < d->people.n; i++) {
        struct letter letter = {.contact = d->people.p[i], .page = draft->page};
        const struct contact *contact = &d->config->contacts.p[letter.contact];
        COPY_TO(letter.part, draft->key);
        COPY_TO(letter.stage, draft->stage);
        COPY_TO(letter.text, draft->text);
        for (size_t w = 0; w < way_count(contact); w++)
            if (!is_fallback(contact, w))
                send(d, inc, &letter, w);
        if ((draft->insists || letter.page) && is_followed(d, &letter))
            follow(d, inc, &letter);
        if (!draft->aside && !is_listed(&inc->people, letter.contact))
            *vec_add(d->arena, &inc->people) = letter.contact;
    }
}

/* ---- what becomes of them ---- */

/* For every way that failed or is late, the person's next one. */
static bool replace(struct decide *d, const struct inc *inc, struct letter *letter)
{
    const struct contact *contact = &d->config->contacts.p[letter->contact];
    bool moved = false;
    for (size_t w = 0; w < way_count(contact); w++) {
        int next = next_fallback(d, letter);
        bool open = letter->sent >> w & 1 && !((letter->delivered | letter->replaced) >> w & 1);
        if (next == NOTHING || !open)
            continue;
        if (!(letter->failed >> w & 1) && d->now_ms < letter->at_ms[w] + contact->ways.p[next].fallback_after_ms)
            continue;
        letter->replaced |= UINT32_C(1) << w;
        send(d, inc, letter, (size_t)next);
        moved = true;
    }
    return moved;
}

void letters_settle(struct decide *d, struct inc *inc, const char *key, bool delivered)
{
    for (size_t i = 0; i < inc->letters.n; i++) {
        struct letter *letter = &inc->letters.p[i];
        const struct contact *contact = &d->config->contacts.p[letter->contact];
        for (size_t w = 0; w < way_count(contact); w++) {
            char own[MODEL_ID_SIZE];
            make_key(own, inc->pub.id, letter->part, contact, w);
            if (!(letter->sent >> w & 1) || !same(own, key))
                continue;
            if (delivered)
                letter->delivered |= UINT32_C(1) << w;
            else
                letter->failed |= UINT32_C(1) << w;
            if (!is_followed(d, letter))
                forget(inc, i);
            return;
        }
    }
}

void letters_withdraw(struct decide *d, struct inc *inc, const char *why)
{
    size_t kept = 0;
    for (size_t i = 0; i < inc->letters.n; i++) {
        const struct letter *letter = &inc->letters.p[i];
        const struct contact *contact = &d->config->contacts.p[letter->contact];
        for (size_t w = 0; letter->page && w < way_count(contact); w++) {
            if (!((letter->sent & ~(letter->delivered | letter->failed)) >> w & 1))
                continue;
            struct order *order = order_add(d, ORDER_WITHDRAW, inc);
            make_key(order->subject, inc->pub.id, letter->part, contact, w);
            COPY_TO(order->text, why);
            COPY_TO(order->who, contact->name);
            COPY_TO(order->stage, letter->stage);
            COPY_TO(order->channel, contact->ways.p[w].channel);
        }
        if (!letter->page)
            inc->letters.p[kept++] = *letter;
    }
    inc->letters.n = kept;
}

void letters_restart(struct decide *d, struct inc *inc)
{
    for (size_t i = 0; i < inc->letters.n; i++)
        for (size_t w = 0; w < CONTACT_WAYS_MAX; w++)
            inc->letters.p[i].at_ms[w] = d->now_ms;
}

bool letters_move(struct decide *d, struct inc *inc)
{
    bool moved = false;
    for (size_t i = 0; i < inc->letters.n; i++) {
        moved = replace(d, inc, &inc->letters.p[i]) || moved;
        if (!is_followed(d, &inc->letters.p[i]))
            forget(inc, i--);
    }
    return moved;
}

int64_t letters_next_ms(const struct decide *d, const struct inc *inc)
{
    int64_t due = TIME_NEVER;
    for (size_t i = 0; i < inc->letters.n; i++) {
        const struct letter *letter = &inc->letters.p[i];
        const struct contact *contact = &d->config->contacts.p[letter->contact];
        int next = next_fallback(d, letter);
        for (size_t w = 0; next != NOTHING && w < way_count(contact); w++)
            if (letter->sent >> w & 1 && !((letter->delivered | letter->replaced) >> w & 1))
                due = MIN_OF(due, letter->at_ms[w] + contact->ways.p[next].fallback_after_ms);
    }
    return due;
}
