/* io/standing.c -- The question, its answer, and the file of the last good one. */
#include "io/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "sys/file.h"

#include "base/banned.h"

enum { FILE_MAX = 16384, FIELDS = 21 };

#define MS_OF(moment) "(extract(epoch from " moment ") * 1000)::bigint"
#define SETTING(name) "pg_catalog.current_setting('" name "')"

/* CASE asks only what a server of that role answers. All of it is in PostgreSQL 13 and later. */
const char standing_sql[] =
    "select pg_catalog.array_to_string(array["
    "r::text, "
    "(select system_identifier::text from pg_catalog.pg_control_system()), "
    "(select case when r then greatest(timeline_id, (select min_recovery_end_timeline from pg_catalog.pg_control_recovery()),"
    " (select received_tli from pg_catalog.pg_stat_wal_receiver))"
    " else ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int end::text"
    " from pg_catalog.pg_control_checkpoint()), "
    "case when r then greatest(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())"
    " else pg_catalog.pg_current_wal_insert_lsn() end::text, "
    "case when r then pg_catalog.pg_last_wal_replay_lsn() end::text, "
    "case when r then " MS_OF("pg_catalog.pg_last_xact_replay_timestamp()") " end::text, "
    "pg_catalog.pg_has_role('pg_read_all_stats', 'usage')::text, "
    "(select status from pg_catalog.pg_stat_wal_receiver), "
    "case when r then pg_catalog.pg_is_wal_replay_paused() end::text, "
    "(select setting from pg_catalog.pg_settings where name = 'recovery_min_apply_delay'), "
    MS_OF("pg_catalog.clock_timestamp()") "::text, "
    SETTING("synchronous_standby_names") ", "
    "(select count(*) from pg_catalog.pg_stat_replication where sync_state in ('sync', 'quorum'))::text, "
    /* Columns that came with PostgreSQL 16 and 17 are asked for by name, so that a server without them has none. */
    "(select pg_catalog.string_agg(slot_name || ':' || slot_type || case when slot_type = 'logical' then"
    " ':' || coalesce(confirmed_flush_lsn::text, '') || ':' || case j->>'failover' when 'true' then 'f' else '' end || case j->>'synced' when 'true' then 's' else '' end ||"
    " case when wal_status = 'lost' or j->>'invalidation_reason' is not null or j->>'conflicting' = 'true' then 'x' else '' end else '' end, ' ' order by slot_name)"
    " from pg_catalog.pg_replication_slots as slot, pg_catalog.to_jsonb(slot) as j where not temporary), "
    SETTING("default_transaction_read_only") ", "
    SETTING("archive_mode") ", "
    "(select archived_count || ' archived, ' || failed_count || ' failed' from pg_catalog.pg_stat_archiver), "
    SETTING("primary_slot_name") ", "
    "(select last_archived_wal from pg_catalog.pg_stat_archiver), "
    "(select setting from pg_catalog.pg_settings where name = 'wal_segment_size'), "
    SETTING("server_version_num")
    "], '|', '') from (select pg_catalog.pg_is_in_recovery()) as role (r)";

bool lsn_parse(struct str text, uint64_t *ret)
{
    uint64_t halves[2] = {0, 0};
    size_t half = 0, digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '/' && half == 0 && digits) {
            half = 1, digits = 0;
            continue;
        }
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0 || ++digits > 8)
            return false;
        halves[half] = halves[half] << 4 | (uint64_t)value;
    }
    if (half != 1 || !digits)
        return false;
    *ret = halves[0] << 32 | halves[1];
    return true;
}

char *lsn_print(struct arena *arena, uint64_t lsn)
{
    return arena_printf(arena, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

/* ---- the answer ---- */

static int64_t number(struct str field)
{
    int64_t value;
    return str_int(field, &value) ? value : 0;
}

static uint64_t position(struct str field)
{
    uint64_t lsn;
    return lsn_parse(field, &lsn) ? lsn : 0;
}

#define TAKE_TEXT(array, field) snprintf((array), sizeof(array), STR_FMT, STR_ARG(field))

/* Whole entries only: what is cut off would be the name of another slot. */
static void take_slots(struct standing *ret, struct str slots)
{
    while (slots.n >= sizeof(ret->slots)) {
        const char *blank = memrchr(slots.p, ' ', slots.n);
        slots.n = blank ? (size_t)(blank - slots.p) : 0;
    }
    TAKE_TEXT(ret->slots, slots);
}

bool standing_parse(const char *row, struct standing *ret, struct err *err)
{
    struct str f[FIELDS], rest = str_of(row);
    size_t n = 0;
    while (n < FIELDS && str_next(&rest, '|', &f[n]))
        n++;
    if (n < FIELDS || rest.p || (!str_is(f[0], "true") && !str_is(f[0], "false")) || !f[1].n || !position(f[3]))
        return err_set(err, ERR_PROTOCOL, "the server's answer about its replication is not understood: \"%.100s\"", row ? row : "");
    *ret = (struct standing){
        .recovery = str_is(f[0], "true"),
        .timeline = number(f[2]),
        .lsn = position(f[3]),
        .replayed = position(f[4]),
        .commit_ms = number(f[5]),
        .sees = str_is(f[6], "true"),
        .paused = str_is(f[8], "true"),
        .delay_ms = number(f[9]),
        .clock_ms = number(f[10]),
        .in_sync = number(f[12]),
        .read_only = str_is(f[14], "on"),
        .segment_bytes = number(f[19]),
        .version = number(f[20]),
    };
    TAKE_TEXT(ret->cluster, f[1]);
    TAKE_TEXT(ret->receiver, f[7]);
    TAKE_TEXT(ret->sync_names, f[11]);
    take_slots(ret, f[13]);
    TAKE_TEXT(ret->own_slot, f[17]);
    TAKE_TEXT(ret->archived, f[18]);
    if (str_is(f[15], "off"))
        COPY_TO(ret->archiving, "off");
    else
        snprintf(ret->archiving, sizeof(ret->archiving), STR_FMT ", " STR_FMT, STR_ARG(f[15]), STR_ARG(f[16]));
    return true;
}

/* ---- the file ---- */

static bool write_whole(const char *path, const struct buf *text, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *temporary = arena_printf(a, "%s.%d", path, (int)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text->p, text->n) == (ssize_t)text->n;
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && ok)
        ok = false, why = errno;
    if (ok && rename(temporary, path) != 0)
        ok = false, why = errno;
    if (!ok && fd >= 0)
        (void)unlink(temporary);
    return ok || err_os(err, why, "could not write \"%s\"", path);
}

/* Neither name has a dot in it. */
static char *path_of(struct arena *arena, const char *state_dir, const char *service, const char *standby)
{
    return arena_printf(arena, "%s/standing/%s.%s.json", state_dir, service, standby);
}

bool standing_keep(const char *state_dir, const char *service, const struct standing_pair *pair, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf text = {.max = FILE_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "primary", pair->primary);
    json_put_text(&j, "standby", pair->standby);
    json_put_text(&j, "system_identifier", pair->cluster);
    json_put_int(&j, "timeline", pair->timeline);
    json_put_text(&j, "lsn", lsn_print(a, pair->lsn));
    json_put_text(&j, "received", lsn_print(a, pair->received));
    json_put_int(&j, "primary_clock_ms", pair->primary_clock_ms);
    json_put_int(&j, "at_ms", pair->at_ms);
    json_put_bool(&j, "in_sync", pair->in_sync);
    json_put_text(&j, "slots", pair->slots);
    json_put_bool(&j, "archives", pair->archives);
    json_put_text(&j, "archived", pair->archived);
    json_object_end(&j);
    buf_putc(&text, '\n');
    if (text.over)
        return err_set(err, ERR_LIMIT, "the names of the primary's slots are too long to be kept");
    return file_mkdirs(file_join(a, state_dir, "standing"), 0700, err) && write_whole(path_of(a, state_dir, service, pair->standby), &text, err);
}

static bool take_text(const struct json *root, const char *key, char *to, size_t size)
{
    const char *text = json_string(json_get(root, key));
    return text && str_copy(to, size, text);
}

static bool take_number(const struct json *root, const char *key, int64_t *ret)
{
    return json_integer(json_get(root, key), ret);
}

static bool take_position(const struct json *root, const char *key, uint64_t *ret)
{
    const char *text = json_string(json_get(root, key));
    return text && lsn_parse(str_of(text), ret);
}

bool standing_recall(struct arena *arena, const char *state_dir, const char *service, const char *standby, struct standing_pair *ret, struct err *err)
{
    const char *path = path_of(arena, state_dir, service, standby);
    struct standing_pair p = {0};
    const struct json *root;
    struct str text;
    if (!file_exists(path))
        return err_set(err, ERR_NOT_FOUND, "there is no \"%s\"", path);
    if (!file_read(arena, path, FILE_MAX, &text, err) || !json_parse(arena, text, &root, err))
        return err_prefix(err, "\"%s\"", path);
    if (!take_text(root, "primary", p.primary, sizeof(p.primary)) || !take_text(root, "standby", p.standby, sizeof(p.standby)) ||
        !take_text(root, "system_identifier", p.cluster, sizeof(p.cluster)) || !take_text(root, "slots", p.slots, sizeof(p.slots)) ||
        !take_number(root, "timeline", &p.timeline) || !take_number(root, "primary_clock_ms", &p.primary_clock_ms) ||
        !take_number(root, "at_ms", &p.at_ms) || !take_position(root, "lsn", &p.lsn) || !take_position(root, "received", &p.received) ||
        !json_truth(json_get(root, "in_sync"), &p.in_sync))
        return err_set(err, ERR_DATA, "\"%s\" is not what this program writes", path);
    /* An earlier version did not write these. */
    if (!json_truth(json_get(root, "archives"), &p.archives) || !take_text(root, "archived", p.archived, sizeof(p.archived)))
        p.archives = false;
    *ret = p;
    return true;
}
