/* cli/proven.c -- Ways from the configuration, proofs from the journal. */
#include "cli/proven.h"

#include "sys/file.h"
#include "tell/channel.h"
#include "tell/trial.h"

static void add_way(const struct cli *cli, struct ways *to, const char *contact, enum language language, const struct channel_conf *channel,
                    const char *address)
{
    struct way way = {.contact = contact, .language = language, .channel = channel, .address = address, .id = trial_way_id(channel->type, address)};
    COPY_TO(way.subject, arena_printf(cli->arena, "%s/%s", contact, channel->name));
    *vec_add(cli->arena, to) = way;
}

static bool has_contact(const struct ways *ways, const char *contact)
{
    for (size_t i = 0; i < ways->n; i++)
        if (same(ways->p[i].contact, contact))
            return true;
    return false;
}

static void add_contact(const struct cli *cli, struct ways *to, const struct contact *contact, const char *only)
{
    if (has_contact(to, contact->name))
        return; /* in two groups */
    for (size_t i = 0; i < contact->ways.n; i++) {
        const struct contact_way *way = &contact->ways.p[i];
        const struct channel_conf *channel = config_channel(cli->config, way->channel);
        if (channel && (!only || same(only, way->channel)))
            add_way(cli, to, contact->name, (enum language)contact->language, channel, way->address);
    }
}

static void add_public(const struct cli *cli, struct ways *to, const char *only)
{
    for (size_t i = 0; i < cli->config->channels.n; i++) {
        const struct channel_conf *channel = &cli->config->channels.p[i];
        const struct channel_ops *ops = channel_driver(channel->type);
        if (ops && ops->wants_public && (!only || same(only, channel->name)))
            add_way(cli, to, "public", (enum language)cli->config->language, channel, NULL);
    }
}

bool ways_of(const struct cli *cli, const char *name, const char *only, struct ways *ret, struct err *err)
{
    const struct contact *contact = name ? config_contact(cli->config, name) : NULL;
    const struct contact_group *group = name && !contact ? config_group(cli->config, name) : NULL;
    if (name && !contact && !group) {
        err_set(err, ERR_NOT_FOUND, _("there is no contact or group \"%s\""), name);
        return err_hint(err, _("`bascule notify list` names them"));
    }
    if (only && !config_channel(cli->config, only))
        return err_set(err, ERR_NOT_FOUND, _("there is no channel \"%s\""), only);
    if (contact)
        add_contact(cli, ret, contact, only);
    for (size_t i = 0; group && i < group->members.n; i++) {
        const struct contact *member = config_contact(cli->config, group->members.p[i]);
        if (member)
            add_contact(cli, ret, member, only);
    }
    for (size_t i = 0; !name && i < cli->config->contacts.n; i++)
        add_contact(cli, ret, &cli->config->contacts.p[i], only);
    if (!name)
        add_public(cli, ret, only);
    return true;
}

struct search {
    const struct cli *cli;
    struct ways *ways;
};

/* Rows come in order: the newest has the last word. */
static bool on_proof(void *arg, const struct record *record)
{
    const struct search *s = arg;
    for (size_t i = 0; i < s->ways->n; i++) {
        struct way *way = &s->ways->p[i];
        if (way->id != record->ref || !same(way->subject, record->subject))
            continue;
        way->proof = record->number ? PROOF_GOOD : PROOF_FAILED;
        way->tested_wall_ms = record->wall_ms;
        way->answer = arena_strdup(s->cli->arena, record->text);
    }
    return true;
}

bool ways_look_up(const struct cli *cli, struct ways *ways, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct search search = {.cli = cli, .ways = ways};
    if (!file_exists(file_join(cli->arena, cli->config->state_dir, "journal.db")))
        return true;
    return journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err) && journal_proofs(journal, on_proof, &search, err);
}
