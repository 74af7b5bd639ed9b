/* act/archive.c -- From the last segment that the old primary was seen to archive to the fork. Only what the archive itself says that it lacks is given to
   the archiver: one that finds its file there already fails by the rules of archive_command, and would then fail for ever. */
#include "act/archive.h"

#include <inttypes.h>

#include "act/cluster.h"

#include "base/banned.h"

enum { NAME_DIGITS = 24, NAMES_MAX = 256, SAID_MAX = 12, LOOK_MS = 5 * MS_SECOND, QUESTION_MS = 2 * MS_SECOND, NAMES_BYTES = 16 * 1024 };

/* ---- which segments ---- */

static bool hex(const char *text, size_t digits, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (value < 0)
            return false;
        *ret = *ret << 4 | (uint64_t)value;
    }
    return true;
}

static uint64_t per_id(uint64_t segment_bytes)
{
    return (UINT64_C(1) << 32) / segment_bytes;
}

bool segments_after(const char *archived, int64_t timeline, uint64_t fork, int64_t segment_bytes, struct segments *ret)
{
    uint64_t parts[3];
    uint64_t bytes = (uint64_t)segment_bytes;
    if (segment_bytes < 1 << 20 || segment_bytes > 1 << 30 || (bytes & (bytes - 1)) != 0 || timeline < 1 || timeline > UINT32_MAX || strlen(archived) < NAME_DIGITS)
        return false;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!hex(archived + 8 * i, 8, &parts[i]))
            return false;
    if (parts[0] > (uint64_t)timeline || parts[2] >= per_id(bytes))
        return false;
    /* Half a segment is archived when a timeline ends; the next one begins by repeating it. */
    bool whole = parts[0] == (uint64_t)timeline && !same(archived + NAME_DIGITS, ".partial");
    uint64_t from = parts[1] * per_id(bytes) + parts[2] + (whole ? 1 : 0);
    *ret = (struct segments){.timeline = (uint32_t)timeline, .from = from, .to = MAX_OF(fork / bytes, from), .bytes = bytes};
    return true;
}

char *segment_name(struct arena *arena, const struct segments *s, uint64_t number)
{
    return arena_printf(arena, "%08" PRIX32 "%08" PRIX64 "%08" PRIX64, s->timeline, number / per_id(s->bytes), number % per_id(s->bytes));
}

char *segments_say(struct arena *arena, const struct strs *names)
{
    char *list = arena_strdup(arena, "");
    bool all = names->n <= SAID_MAX;
    size_t said = all ? names->n : SAID_MAX - 1;
    for (size_t i = 0; i < said; i++)
        list = arena_printf(arena, "%s%s%s", list, i ? ", " : "", names->p[i]);
    return all ? list : arena_printf(arena, "%s and %zu more, to %s", list, names->n - said, names->p[names->n - 1]);
}

bool history_fork(struct str history, int64_t before, uint64_t *ret)
{
    struct str line, timeline, lsn;
    bool found = false;
    while (str_next(&history, '\n', &line)) {
        int64_t number;
        if (str_next(&line, '\t', &timeline) && str_int(str_trim(timeline), &number) && number == before && str_next(&line, '\t', &lsn))
            found = lsn_parse(str_trim(lsn), ret);
    }
    return found;
}

bool archive_answer(struct arena *arena, struct str out, struct archive_answer *ret)
{
    struct str line, name;
    *ret = (struct archive_answer){0};
    while (str_next(&out, '\n', &line)) {
        if (!line.n)
            continue;
        if (!str_next(&line, ' ', &name) || name.n != NAME_DIGITS)
            return false;
        struct strs *to = str_is(line, "archived")                            ? &ret->archived
                          : str_is(line, "handed") || str_is(line, "waits")    ? &ret->handed
                          : str_is(line, "here")                              ? &ret->here
                          : str_is(line, "gone")                              ? &ret->gone
                          : str_starts(line, "unknown ")                      ? &ret->unknown
                                                                              : NULL;
        if (!to)
            return false;
        *vec_add(arena, to) = str_dup(arena, name);
    }
    return true;
}

/* ---- looking ---- */

/* The newest, where they are too many: those are likelier to be in pg_wal. */
static struct strs names_of(const struct action_ctx *ctx, const struct segments *s)
{
    struct strs names = {0};
    for (uint64_t n = s->to - s->from > NAMES_MAX ? s->to - NAMES_MAX : s->from; n < s->to; n++)
        *vec_add(ctx->arena, &names) = segment_name(ctx->arena, s, n);
    return names;
}

/* For the owner of the data, on the host of the new primary. */
static void tell_command(const struct action_ctx *ctx, const struct archive_asked *q, const struct strs *names)
{
    const char *data = q->site->database.data_directory ? q->site->database.data_directory : "DATA-DIRECTORY";
    struct strs word = {0};
    const char *list = "";
    *vec_add(ctx->arena, &word) = arena_printf(ctx->arena, "%s/pg_wal/archive_status", data);
    for (size_t i = 0; i < MIN_OF(names->n, (size_t)SAID_MAX); i++)
        list = arena_printf(ctx->arena, "%s %s", list, names->p[i]);
    report_fact(ctx->report, "promote.archive_command", "cd %s && for s in%s; do mv -f $s.done $s.ready; done", host_words(ctx->arena, &word), list);
}

static void not_asked(const struct action_ctx *ctx, const struct archive_asked *q, const struct strs *names, const char *why)
{
    report_fact(ctx->report, "promote.archive", "whether the archive has the %zu segments after %s is not known: %s; for those that it lacks, the owner of the data of \"%s\" gives the command",
                names->n, q->pair->archived, why, q->site->name);
    report_fact(ctx->report, "promote.archive_missing", "not known; of these: %s", segments_say(ctx->arena, names));
    tell_command(ctx, q, names);
}

/* Its own settings read again: the archiver wakes for that, and would sleep for a minute otherwise. */
static void wake_archiver(const struct action_ctx *ctx, struct pg *pg)
{
    (void)!pg_exec(pg, ctx->arena, "select pg_catalog.pg_reload_conf()", NULL, 0, action_time(ctx, QUESTION_MS), NULL, NULL);
}

static void tell_answer(const struct action_ctx *ctx, const struct archive_asked *q, const struct archive_answer *a)
{
    struct strs missing = {0};
    const struct strs *lists[] = {&a->gone, &a->here, &a->handed};
    const char *say = "";
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t k = 0; k < lists[i]->n; k++)
            *vec_add(ctx->arena, &missing) = lists[i]->p[k];
    report_fact(ctx->report, "promote.archive_missing", "%s", missing.n ? segments_say(ctx->arena, &missing) : "none");
    if (a->handed.n)
        say = arena_printf(ctx->arena, "; left to the archiver of \"%s\", which has them: %s", q->site->name, segments_say(ctx->arena, &a->handed));
    if (a->here.n)
        say = arena_printf(ctx->arena, "%s; in pg_wal of \"%s\", for a person to give to its archiver: %s", say, q->site->name, segments_say(ctx->arena, &a->here));
    if (a->gone.n)
        say = arena_printf(ctx->arena, "%s; not even in pg_wal of \"%s\", so look in that of \"%s\" before it is rewound: %s", say, q->site->name, q->pair->primary,
                           segments_say(ctx->arena, &a->gone));
    if (a->unknown.n)
        say = arena_printf(ctx->arena, "%s; not known, since archive_has did not say so: %s", say, segments_say(ctx->arena, &a->unknown));
    report_fact(ctx->report, "promote.archive", "%s had archived %s; of what \"%s\" wrote after it, %zu segments are in the archive and %zu are missing%s",
                q->pair->primary, q->pair->archived, q->pair->primary, a->archived.n, missing.n, say);
    if (a->here.n)
        tell_command(ctx, q, &a->here);
    if (a->handed.n)
        wake_archiver(ctx, q->pg);
}

static void ask_archive(const struct action_ctx *ctx, const struct archive_asked *q, const struct strs *names)
{
    const struct strs *has = &ctx->service->replication.archive_has;
    SCOPED(buf_done) struct buf lines = {.max = NAMES_BYTES};
    struct archive_answer answer;
    struct err why = {0};
    struct str out;
    for (size_t i = 0; i < names->n; i++)
        buf_printf(&lines, "%s\n", names->p[i]);
    if (!has->n)
        not_asked(ctx, q, names, "replication.archive_has is not set");
    else if (!cluster_archive(ctx, q->site, has, buf_text(&lines), LOOK_MS, &out, &why))
        not_asked(ctx, q, names, why.message);
    else if (!archive_answer(ctx->arena, out, &answer))
        not_asked(ctx, q, names, "the answer is not understood");
    else
        tell_answer(ctx, q, &answer);
}

void archive_look(const struct action_ctx *ctx, const struct archive_asked *q)
{
    struct segments s;
    uint64_t fork = q->fork ? q->fork : q->before->replayed; /* at most a segment less */
    if (!q->pair->archives)
        return;
    if (!segments_after(q->pair->archived, q->before->timeline, fork, q->now->segment_bytes, &s)) {
        report_fact(ctx->report, "promote.archive", "what \"%s\" had archived is not known (%s)", q->pair->primary, *q->pair->archived ? q->pair->archived : "nothing yet");
        return;
    }
    struct strs names = names_of(ctx, &s);
    if (same(q->now->archiving, "off")) {
        report_fact(ctx->report, "promote.archive", "site \"%s\" archives nothing (archive_mode), and \"%s\" did: from %s on nothing arrives", q->site->name, q->pair->primary,
                    segment_name(ctx->arena, &s, s.from));
        return;
    }
    if (names.n) {
        ask_archive(ctx, q, &names);
        return;
    }
    report_fact(ctx->report, "promote.archive", "nothing is missing: \"%s\" had archived all before the new timeline, to %s", q->pair->primary, q->pair->archived);
    report_fact(ctx->report, "promote.archive_missing", "none");
}
