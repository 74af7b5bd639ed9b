/* act/cluster.c -- All is done by constant scripts: what varies travels as words, passwords and settings on stdin. */
#include "act/cluster.h"

#include <inttypes.h>

#include "io/pg.h"
#include "sys/clock.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { QUICK_MS = 20 * MS_SECOND, REWIND_MS = 30 * MS_MINUTE, COPY_MS = 12 * MS_HOUR, SETTINGS_MAX = 256 * 1024, MARGIN_BYTES = 256 * 1024 * 1024 };

/* $1 data directory, $2 folder of PostgreSQL's programs or "", $3 the script for its owner; the rest are that script's own. Beside a
   directory that is being swapped stands its copy, which says whose it is, too. */
static const char as_owner[] =
    "cd / || exit 1\n"
    "d=$1 b=$2 s=$3; shift 3\n"
    "o=$(stat -c %U -- \"$d\" 2>/dev/null) || o=$(stat -c %U -- \"$d.bascule-good\" 2>/dev/null) || { echo \"there is no folder $d\" >&2; exit 1; }\n"
    "if [ \"$(id -un)\" = \"$o\" ]; then exec sh -c \"$s\" sh \"$d\" \"$b\" \"$@\"\n"
    "elif [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid \"$o\" --regid \"$(id -g \"$o\")\" --init-groups sh -c \"$s\" sh \"$d\" \"$b\" \"$@\"\n"
    "else exec sudo -n -u \"$o\" sh -c \"$s\" sh \"$d\" \"$b\" \"$@\"; fi\n";

/* Before every script for the owner: $d, $b and what is left. Messages are read, so they are in English. */
#define PROLOGUE                                                                                                       \
    "d=$1 b=$2; shift 2; LC_ALL=C; export LC_ALL; umask 077\n"                                                         \
    "if [ -z \"$b\" ]; then\n"                                                                                         \
    "  v=$(cat \"$d/PG_VERSION\" 2>/dev/null || cat \"$d.bascule-good/PG_VERSION\") || exit 1\n"                       \
    "  for b in \"/usr/lib/postgresql/$v/bin\" \"/usr/pgsql-$v/bin\" /usr/local/pgsql/bin; do [ -x \"$b/pg_controldata\" ] && break; done\n" \
    "fi\n"                                                                                                             \
    "stops() { if [ -f \"$d/postmaster.pid\" ]; then p=$(head -n 1 \"$d/postmaster.pid\")\n"                           \
    "  if [ -n \"$p\" ] && kill -0 \"$p\" 2>/dev/null && [ \"$(readlink \"/proc/$p/cwd\")\" = \"$(readlink -f \"$d\")\" ]; then\n" \
    "  echo \"a server runs in $d (process $p)\" >&2; exit 1; fi; fi; }\n"

/* One at a time: what an ssh that was killed leaves behind on the host goes on, and keeps this lock. */
#define ALONE "exec 9>>\"$d.bascule-lock\" && flock -w 300 9 || { echo \"an earlier command still works on $d\" >&2; exit 1; }\n"

/* Passwords come on stdin as a line of a password file, into a folder that goes with the script. */
#define WITH_PASSWORD                                                                                                  \
    "t=$(mktemp -d) || exit 1; trap 'rm -rf \"$t\"' EXIT; trap 'exit 1' TERM INT HUP\n"                                \
    "cat >\"$t/pass\" && PGPASSFILE=$t/pass; export PGPASSFILE\n"

/* ---- what the configuration says ---- */

bool cluster_known(const struct site *site, struct err *err)
{
    if (!site->database.at.host)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database", site->name);
    return site->database.data_directory || err_set(err, ERR_CONFIG, "the database of site \"%s\" has no `data_directory:`", site->name);
}

bool cluster_reachable(const struct site *site, struct err *err)
{
    if (site->database.at.host && site->database.at.host[0] != '/')
        return true;
    err_set(err, ERR_CONFIG, "the database of site \"%s\" is known by a socket only, so no other site could follow it", site->name);
    return err_hint(err, "write in `host:` of its database the address at which the other sites reach it");
}

bool cluster_following(const struct action_ctx *ctx, const struct site *site, const struct site *primary, struct following *ret, struct err *err)
{
    const struct replication_conf *r = &ctx->service->replication;
    const struct pgtarget *at = &primary->database.at;
    char *password;
    if (!cluster_reachable(primary, err) || !secret_read(ctx->arena, r->user ? &r->password : &at->password, &password, err))
        return false;
    *ret = (struct following){
        .host = at->host,
        .port = at->port,
        .user = r->user ? r->user : at->user,
        .password = password,
        .sslmode = at->sslmode,
        .name = site->name,
        .slot = r->slot ? r->slot : following_slot(ctx->arena, site->name),
    };
    return true;
}

/* ---- scripts ---- */

static bool run(const struct action_ctx *ctx, const struct site *site, const char *script, const char *const *more, const char *input, int64_t time_ms,
                struct proc_result *ret, struct err *err)
{
    const char *bindir = site->agent.listen && site->agent.pg_bindir ? site->agent.pg_bindir : "";
    const char *head[] = {"sh", "-c", as_owner, "sh", site->database.data_directory, bindir, script};
    struct strs words = {0};
    if (!cluster_known(site, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(head); i++)
        *vec_add(ctx->arena, &words) = head[i];
    for (; more && *more; more++)
        *vec_add(ctx->arena, &words) = *more;
    return host_run(ctx, &site->host, &words, input, action_time(ctx, time_ms), ret, err);
}

static bool run_ok(const struct action_ctx *ctx, const struct site *site, const char *what, const char *script, const char *const *more,
                   const char *input, int64_t time_ms, struct str *ret_out, struct err *err)
{
    struct proc_result result;
    if (!run(ctx, site, script, more, input, time_ms, &result, err))
        return err_prefix(err, "%s", what);
    if (ret_out)
        *ret_out = result.out;
    return proc_ok(&result) || err_set(err, ERR_FAILED, "%s on %s: %s", what, host_say(&site->host), host_complaint(ctx->arena, &result));
}

bool cluster_usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    static const char script[] = PROLOGUE
        "[ -w \"$d\" ] && [ -w \"$(dirname \"$d\")\" ] || { echo \"$d, or the folder around it, cannot be written\" >&2; exit 1; }\n"
        "for p in pg_controldata pg_rewind pg_basebackup pg_verifybackup; do [ -x \"$b/$p\" ] || { echo \"there is no $p in $b\" >&2; exit 1; }; done\n";
    return run_ok(ctx, site, "looking at the data directory", script, NULL, NULL, QUICK_MS, NULL, err);
}

bool cluster_control(const struct action_ctx *ctx, const struct site *site, struct control *ret, struct err *err)
{
    static const char script[] = PROLOGUE "exec \"$b/pg_controldata\" -D \"$d\"\n";
    struct str out;
    return run_ok(ctx, site, "reading pg_control", script, NULL, NULL, QUICK_MS, &out, err) && control_parse(out, ret, err);
}

bool cluster_follow(const struct action_ctx *ctx, const struct site *site, const struct following *f, bool signal, struct err *err)
{
    static const char look[] = PROLOGUE "cat \"$d/postgresql.auto.conf\" 2>/dev/null || true\n";
    static const char change[] = PROLOGUE
        "cat >\"$d/postgresql.auto.conf.bascule\" && sync \"$d/postgresql.auto.conf.bascule\" || exit 1\n"
        "mv -f \"$d/postgresql.auto.conf.bascule\" \"$d/postgresql.auto.conf\" || exit 1\n"
        "if [ \"$1\" = signal ]; then : >\"$d/standby.signal\" && sync \"$d/standby.signal\" || exit 1; fi\n"
        "sync \"$d\"\n";
    const char *more[] = {signal ? "signal" : "none", NULL};
    SCOPED(buf_done) struct buf settings = {.max = SETTINGS_MAX};
    struct str before;
    if (!run_ok(ctx, site, "reading its settings", look, NULL, NULL, QUICK_MS, &before, err))
        return false;
    following_settings(before, f, &settings);
    if (settings.over)
        return err_set(err, ERR_LIMIT, "postgresql.auto.conf of site \"%s\" is larger than %d bytes", site->name, SETTINGS_MAX);
    return run_ok(ctx, site, "writing whom it follows", change, more, buf_text(&settings), QUICK_MS, NULL, err);
}

bool cluster_mark_standby(const struct action_ctx *ctx, const struct site *site, bool standby, struct control *ret, struct err *err)
{
    static const char script[] = PROLOGUE
        "stops\n"
        "if [ \"$1\" = standby ]; then : >\"$d/standby.signal\" && sync \"$d/standby.signal\" || exit 1; else rm -f \"$d/standby.signal\" || exit 1; fi\n"
        "sync \"$d\" && exec \"$b/pg_controldata\" -D \"$d\"\n";
    const char *more[] = {standby ? "standby" : "primary", NULL};
    struct str out;
    return run_ok(ctx, site, standby ? "marking it as a standby" : "taking the mark of a standby off", script, more, NULL, QUICK_MS, &out, err) &&
           control_parse(out, ret, err);
}

/* ---- back to a standby ---- */

bool cluster_put_aside(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    static const char script[] = PROLOGUE
        "k=$d.bascule-settings; [ -d \"$k\" ] && exit 0\n"
        "rm -rf \"$k.new\" && mkdir \"$k.new\" || exit 1\n"
        "for f in \"$d\"/*.conf; do [ -e \"$f\" ] && { cp -pP \"$f\" \"$k.new/\" || exit 1; }; done\n"
        "sync -f \"$k.new\" && mv \"$k.new\" \"$k\"\n";
    return run_ok(ctx, site, "putting its settings aside", script, NULL, NULL, QUICK_MS, NULL, err);
}

bool cluster_reinstate(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    static const char script[] = PROLOGUE
        "k=$d.bascule-settings; [ -d \"$k\" ] || exit 0\n"
        "for f in \"$k\"/*.conf; do [ -e \"$f\" ] && { cp -pP --remove-destination \"$f\" \"$d/\" || exit 1; }; done\n"
        "sync -f \"$d\"\n";
    return run_ok(ctx, site, "taking its own settings back", script, NULL, NULL, QUICK_MS, NULL, err);
}

bool cluster_forget_aside(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    static const char script[] = PROLOGUE "rm -rf \"$d.bascule-settings\" \"$d.bascule-settings.new\" \"$d.bascule-lock\"\n";
    return run_ok(ctx, site, "removing the copy of its settings", script, NULL, NULL, QUICK_MS, NULL, err);
}

/* A line of a password file; "" when there is no password. */
static char *passline(const struct action_ctx *ctx, const char *password)
{
    SCOPED(buf_done) struct buf out = {.max = 4 * SECRET_MAX};
    if (!password)
        return arena_strdup(ctx->arena, "");
    buf_puts(&out, "*:*:*:*:");
    for (; *password; password++) {
        if (*password == ':' || *password == '\\')
            buf_putc(&out, '\\');
        buf_putc(&out, *password);
    }
    buf_putc(&out, '\n');
    return arena_strdup(ctx->arena, buf_text(&out));
}

bool cluster_lost(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t time_ms, struct parted *ret, struct err *err)
{
    static const char script[] = PROLOGUE
        "if [ -e \"$d/standby.signal\" ] && ! (stops) 2>/dev/null; then echo \"its data follows another by now\" >&2; exit 2; fi\n"
        "stops\n"
        "w=$b/pg_waldump g=$d/pg_wal\n" PARTED_SCRIPT;
    const char *more[PARTED_WORDS + 1] = {0};
    struct proc_result result;
    parted_words(ctx->arena, timeline, fork, more);
    if (!run(ctx, site, script, more, NULL, time_ms, &result, err))
        return err_prefix(err, "reading its log");
    if (!proc_ok(&result))
        return err_set(err, result.end == PROC_EXITED && result.exit_code == 2 ? ERR_DATA : ERR_FAILED, "reading the log on %s: %s", host_say(&site->host),
                       host_complaint(ctx->arena, &result));
    return parted_parse(result.out, result.err, fork, ret, err);
}

bool cluster_keep_log(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t segment_bytes, const char **ret, struct err *err)
{
    /* The folder is named after what it holds, so that a second try finds the first one's, from which nothing was rewound yet. */
    static const char script[] = PROLOGUE ALONE
        "k=$d.parted-$1-$3; if [ -d \"$k\" ]; then echo \"$k\"; exit 0; fi\n"
        "stops\n"
        "l=$(ls \"$d/pg_wal\" | awk -v t=\"$1\" -v f=\"$2\" 'length($0) == 24 && substr($0, 1, 8) \"\" == t \"\" && $0 \"\" >= f \"\"')\n"
        "[ -n \"$l\" ] || { echo \"there is no $2 in $d/pg_wal\" >&2; exit 1; }\n"
        "needed=$(cd \"$d/pg_wal\" && du -ck -- $l | awk 'END { print $1 }') free=$(df -Pk \"$(dirname \"$d\")\" | awk 'NR == 2 { print $4 }')\n"
        "if [ \"$free\" -lt \"$needed\" ]; then echo \"$needed KiB are needed beside $d, and $free are free\" >&2; exit 1; fi\n"
        "rm -rf \"$k.new\" && mkdir \"$k.new\" || exit 1\n"
        "for f in $l; do cp -p \"$d/pg_wal/$f\" \"$k.new/\" || exit 1; done\n"
        "sync -f \"$k.new\" && mv -T \"$k.new\" \"$k\" && sync \"$(dirname \"$d\")\" && echo \"$k\"\n";
    uint64_t bytes = (uint64_t)MAX_OF(segment_bytes, 1024 * 1024), number = fork / bytes, each = (UINT64_C(1) << 32) / bytes;
    const char *hex = arena_printf(ctx->arena, "%08" PRIX64, timeline);
    const char *more[] = {hex, arena_printf(ctx->arena, "%s%08" PRIX64 "%08" PRIX64, hex, number / each, number % each),
                          arena_printf(ctx->arena, "%" PRIX64 "-%" PRIX64, fork >> 32, fork & UINT32_MAX), NULL};
    struct str out;
    if (!run_ok(ctx, site, "keeping its log", script, more, NULL, COPY_MS, &out, err))
        return false;
    *ret = str_dup(ctx->arena, str_trim(out));
    return true;
}

bool cluster_rewind(const struct action_ctx *ctx, const struct site *site, const struct site *primary, struct err *err)
{
    static const char script[] = PROLOGUE ALONE WITH_PASSWORD
        "stops\n"
        "r=$d.bascule-rewinding; if [ -e \"$r\" ]; then echo \"an earlier pg_rewind did not end well, and left the data as it was then\" >&2; exit 1; fi\n"
        "\"$b/psql\" -wXAtq -d \"$1\" -c 'select' >/dev/null || exit 1\n"
        ": >\"$r\" && sync \"$r\" \"$(dirname \"$d\")\" || exit 1\n" /* what it leaves when it is killed cannot be rewound again */
        "rm -f \"$d/standby.signal\"\n" /* a server that was killed is recovered by itself first, which no standby is */
        "c=$(sed -n 's/.*config_file=\\([^\"]*\\)\".*/\\1/p' \"$d/postmaster.opts\" 2>/dev/null)\n" /* Debian keeps it elsewhere */
        "\"$b/pg_rewind\" -D \"$d\" --source-server=\"$1\" ${c:+\"--config-file=$c\"} && sync -f \"$d\" && rm -f \"$r\"\n";
    const struct pgtarget *at = &primary->database.at;
    char *password;
    if (!cluster_reachable(primary, err) || !secret_read(ctx->arena, &at->password, &password, err))
        return false;
    struct following source = {.host = at->host, .port = at->port, .user = at->user, .sslmode = at->sslmode, .name = "bascule pg_rewind"};
    const char *admin = primary->database.admin_dbname ? primary->database.admin_dbname : "postgres";
    const char *more[] = {arena_printf(ctx->arena, "%s dbname='%s'", following_conninfo(ctx->arena, &source), admin), NULL};
    bool ok = run_ok(ctx, site, "pg_rewind", script, more, passline(ctx, password), REWIND_MS, NULL, err);
    secret_wipe(password);
    return ok;
}

bool cluster_copy(const struct action_ctx *ctx, const struct site *site, const struct site *primary, const struct following *f, struct err *err)
{
    /* Half a copy, of an earlier try or of this one, has a name that nothing else has. */
    static const char script[] = PROLOGUE ALONE WITH_PASSWORD
        "n=$d.bascule-new; rm -rf \"$n\" || exit 1\n"
        "free=$(df -PB1 \"$(dirname \"$d\")\" | awk 'NR==2{print $4}')\n"
        "if [ \"$free\" -lt \"$3\" ]; then echo \"$3 bytes are needed beside $d, and $free are free\" >&2; exit 1; fi\n"
        "\"$b/pg_basebackup\" -D \"$n\" -d \"$1\" -X stream -c fast -w -S \"$2\" || exit 1\n"
        "\"$b/pg_verifybackup\" -q \"$n\" || exit 1\n"
        "k=$d.bascule-settings\n"
        "for c in \"$k\"/*.conf; do [ -e \"$c\" ] && { cp -pP --remove-destination \"$c\" \"$n/\" || exit 1; }; done\n"
        ": >\"$n/standby.signal\" && sync -f \"$n\" && rm -rf \"$d.bascule-good\" && mv \"$n\" \"$d.bascule-good\" && sync \"$(dirname \"$d\")\"\n";
    struct following plain = *f;
    plain.password = NULL;
    plain.name = "bascule copy";
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    if (!pg_open(&primary->database.at, NULL, action_time(ctx, QUICK_MS), &pg, err) ||
        !pg_exec(pg, ctx->arena,
                 "select sum(pg_catalog.pg_database_size(oid))::bigint, (select count(*) from pg_catalog.pg_tablespace where spcname not in ('pg_default', 'pg_global'))"
                 " from pg_catalog.pg_database", NULL, 0, action_time(ctx, QUICK_MS), &rows, err))
        return err_prefix(err, "asking site \"%s\" for its size", primary->name);
    if (pg_int(rows, 0, 1))
        return err_set(err, ERR_REFUSED, "site \"%s\" has tablespaces, whose folders a copy on this host would share with the old data", primary->name);
    int64_t bytes = pg_int(rows, 0, 0);
    bytes += bytes / 10 + MARGIN_BYTES;
    const char *needed = arena_printf(ctx->arena, "%" PRId64, bytes);
    const char *more[] = {following_conninfo(ctx->arena, &plain), f->slot, needed, NULL};
    return run_ok(ctx, site, "copying by pg_basebackup", script, more, passline(ctx, f->password), COPY_MS, NULL, err);
}

bool cluster_swap(const struct action_ctx *ctx, const struct site *site, const char **ret_old, struct err *err)
{
    static const char script[] = PROLOGUE ALONE
        "[ -d \"$d.bascule-good\" ] || exit 0\n"
        "stops\n"
        "rm -f \"$d.bascule-rewinding\"; if [ -e \"$d\" ]; then mv -T \"$d\" \"$d.before-$1\" || exit 1; fi\n"
        "mv -T \"$d.bascule-good\" \"$d\" && sync \"$(dirname \"$d\")\" || exit 1\n"
        "for o in \"$d\".before-*; do [ -e \"$o\" ] && l=$o; done; echo \"$l\"\n";
    const char *more[] = {moment_file(ctx->arena, clock_wall_ms()), NULL};
    struct str out;
    if (!run_ok(ctx, site, "putting the copy in the place of the old data", script, more, NULL, QUICK_MS, &out, err))
        return false;
    *ret_old = str_trim(out).n ? str_dup(ctx->arena, str_trim(out)) : NULL;
    return true;
}

/* ---- the archive ---- */

bool cluster_archive(const struct action_ctx *ctx, const struct site *site, const struct strs *has, const char *names, int64_t time_ms, struct str *ret_out,
                     struct err *err)
{
    /* The words of the command go round once, so that each %f becomes the name without a shell that reads them. The mark of PostgreSQL for "done" becomes
       that for "to do" in one step: with both there a checkpoint could remove the segment. */
    static const char script[] = PROLOGUE
        "s=$d/pg_wal/archive_status\n"
        "while read -r n; do\n"
        "  if [ -e \"$s/$n.ready\" ]; then echo \"$n waits\"; continue; fi\n"
        "  r=0; ( i=$#; while [ \"$i\" -gt 0 ]; do w=$1; shift; i=$((i-1))\n"
        "    case $w in *%f*) w=${w%%\"%f\"*}$n${w#*\"%f\"} ;; esac; set -- \"$@\" \"$w\"; done\n"
        "    exec \"$@\" ) </dev/null >/dev/null 2>&1 || r=$?\n"
        "  case $r in\n"
        "  0) echo \"$n archived\" ;;\n"
        "  1) if [ ! -f \"$d/pg_wal/$n\" ]; then echo \"$n gone\"\n"
        "     elif mv -f \"$s/$n.done\" \"$s/$n.ready\" 2>/dev/null || ( : >\"$s/$n.ready\" ) 2>/dev/null; then echo \"$n handed\"\n"
        "     else echo \"$n here\"; fi ;;\n"
        "  *) echo \"$n unknown $r\" ;;\n"
        "  esac\n"
        "done\n";
    struct strs more = {0};
    for (size_t i = 0; i < has->n; i++)
        *vec_add(ctx->arena, &more) = has->p[i];
    *vec_add(ctx->arena, &more) = NULL;
    return run_ok(ctx, site, "asking whether the archive has it", script, more.p, names, time_ms, ret_out, err);
}
