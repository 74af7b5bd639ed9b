/* cli/cmd_backup.c -- Backups by hand and by cron: the words, their options, and the making of one. */
#include "backup/past.h"
#include "cli/backups.h"
#include "io/seal.h"
#include "sys/clock.h"
#include "sys/file.h"

extern const struct command cmd_backup;

/* ---- make ---- */

static void note_end(const struct backup_job *job, const struct backup *b, int64_t took_ms, const struct err *why)
{
    struct err err = {0};
    struct past past = {.what = PAST_BACKUP, .at_wall_ms = clock_wall_ms(), .took_ms = took_ms, .ok = !why, .file = b ? b->file : NULL,
                        .why = why ? why->message : NULL};
    if (file_exists(job->place.folder) && !past_add(&job->place, &past, &err))
        (void)cli_fail(&err);
}

/* Noted before anything is sent: what is killed in between is sent by the next push. */
static bool mark_for_stores(const struct backup_job *job, const struct backup *b)
{
    struct err err = {0};
    for (size_t i = 0; i < job->site->backup.stores.n; i++)
        if (!store_mark_pending(b, job->site->backup.stores.p[i].name, &err)) {
            (void)cli_fail(&err);
            return false;
        }
    return true;
}

static int make(const struct backup_job *job)
{
    enum { MIB = 1024 * 1024, SENT_LATER = 2 };
    struct cli *cli = job->cli;
    struct meter meter = {0};
    struct backup_progress progress = meter_progress(&meter);
    struct backup b;
    struct err err = {0};
    int64_t began = clock_boot_ms();
    struct backup_spec spec = {
        .target = &job->site->database.at,
        .service = job->service->name,
        .folder = job->place.folder,
        .scratch_dir = file_join(cli->arena, cli->config->state_dir, "scratch"),
        .level = (enum backup_level)job->level,
        .jobs = job->jobs,
        .max_rate = (int64_t)job->max_rate * MIB,
        .lock_wait_ms = job->site->backup.lock_wait_ms,
        .progress = &progress,
        .keys = job->place.keys,
        .encrypt = job->encrypt,
    };
    bool made = backup_make(cli->arena, &spec, &b, &err);
    meter_end(&meter);
    note_end(job, made ? &b : NULL, clock_boot_ms() - began, made ? NULL : &err);
    if (!made)
        return cli_fail(&err);
    bool marked = mark_for_stores(job, &b);
    int status = backup_print(job, &b);
    if (!job->push || !job->site->backup.stores.n)
        return status ? status : marked ? 0 : SENT_LATER;
    return backup_word_push(job) == 0 ? status : SENT_LATER;
}

/* ---- key ---- */

static int make_key(void)
{
    SCOPED(buf_done) struct buf out = {.max = SEAL_HEX_SIZE + 1};
    char hex[SEAL_HEX_SIZE];
    seal_key_new(hex);
    buf_printf(&out, "%s\n", hex);
    return cli_print(&out);
}

/* ---- words ---- */

enum { TAKES_FILE = 1, TAKES_STORE = 2, TAKES_DRY_RUN = 4, TAKES_MAKING = 8, TAKES_DAYS = 16, TAKES_ALL = 32, TAKES_INTO = 64 };

static const struct word {
    const char *name;
    backup_word_fn *run;
    unsigned takes;
} words[] = {
    {"make", make, TAKES_MAKING},
    {"list", backup_word_list, TAKES_STORE},
    {"verify", backup_word_verify, TAKES_FILE},
    {"prune", backup_word_prune, TAKES_DRY_RUN},
    {"report", backup_word_report, TAKES_DAYS},
    {"push", backup_word_push, TAKES_FILE | TAKES_STORE | TAKES_ALL},
    {"fetch", backup_word_fetch, TAKES_FILE | TAKES_STORE | TAKES_INTO},
    {"seal", backup_word_seal, TAKES_FILE},
};

struct given {
    const char *site, *level, *jobs, *max_rate, *days;
    bool encrypt;
    unsigned used; /* TAKES_* of the options that were given */
};

static bool flag(const char *arg, const char *name, bool *value, unsigned takes, unsigned *used)
{
    if (!same(arg, name))
        return false;
    *value = true;
    *used |= takes;
    return true;
}

static bool valued(int argc, char **argv, int *i, const char *name, const char **value, unsigned takes, unsigned *used)
{
    if (!same(argv[*i], name) || *i + 1 >= argc)
        return false;
    *value = argv[++*i];
    *used |= takes;
    return true;
}

static bool take_option(struct backup_job *job, struct given *g, int argc, char **argv, int *i)
{
    return valued(argc, argv, i, "--site", &g->site, 0, &g->used) || valued(argc, argv, i, "--store", &job->store, TAKES_STORE, &g->used) ||
           valued(argc, argv, i, "--into", &job->into, TAKES_INTO, &g->used) || valued(argc, argv, i, "--days", &g->days, TAKES_DAYS, &g->used) ||
           valued(argc, argv, i, "--level", &g->level, TAKES_MAKING, &g->used) ||
           valued(argc, argv, i, "--jobs", &g->jobs, TAKES_MAKING, &g->used) ||
           valued(argc, argv, i, "--max-rate", &g->max_rate, TAKES_MAKING, &g->used) ||
           flag(argv[*i], "--encrypt", &g->encrypt, TAKES_MAKING, &g->used) || flag(argv[*i], "--push", &job->push, TAKES_MAKING, &g->used) ||
           flag(argv[*i], "--dry-run", &job->dry_run, TAKES_DRY_RUN, &g->used) || flag(argv[*i], "--all", &job->all, TAKES_ALL, &g->used);
}

/* A number within bounds into *ret; the usage error is printed here. */
static bool number(const char *name, const char *text, int least, int most, int *ret, int *ret_status)
{
    int64_t value;
    if (!text)
        return true;
    if (!str_int(str_of(text), &value) || value < least || value > most)
        return *ret_status = cli_usage(&cmd_backup, _("%s takes a number from %d to %d, not \"%s\""), name, least, most, text), false;
    *ret = (int)value;
    return true;
}

/* What the command line leaves open is as the site has it. */
static bool settle(struct backup_job *job, const struct given *g, int *ret_status)
{
    struct err err = {0};
    enum backup_level level = (enum backup_level)job->site->backup.level;
    if (g->level && !backup_level_parse(g->level, &level))
        return *ret_status = cli_usage(&cmd_backup, _("--level is fast, default or small, not \"%s\""), g->level), false;
    job->level = (int)level;
    job->jobs = job->site->backup.jobs;
    job->max_rate = job->site->backup.max_rate;
    job->encrypt = g->encrypt || job->site->backup.encrypt;
    job->days = 7;
    if (!number("--jobs", g->jobs, 1, 64, &job->jobs, ret_status) || !number("--max-rate", g->max_rate, 0, 1000000, &job->max_rate, ret_status) ||
        !number("--days", g->days, 1, 3650, &job->days, ret_status))
        return false;
    if (!job->encrypt || job->place.keys->n)
        return true;
    err_set(&err, ERR_CONFIG, _("--encrypt needs a key"));
    err_hint(&err, _("set \"backup: {key: {file: PATH}}\" of the site; `bascule backup key` makes one"));
    return *ret_status = cli_fail(&err), false;
}

static bool find_site(struct backup_job *job, const char *site, int *ret_status)
{
    struct err err = {0};
    if (!cli_service(job->cli, &job->service, &err))
        return *ret_status = cli_fail(&err), false;
    job->site = site ? service_site(job->service, site) : service_site_of(job->service, SITE_PRODUCTION);
    if (!job->site)
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), job->service->name, site ? site : "production");
    else if (site_backups(job->cli->arena, job->service, job->site, NULL, &job->place, &err))
        return true;
    return *ret_status = cli_fail(&err), false;
}

static const struct word *find_word(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (same(words[i].name, name))
            return &words[i];
    return NULL;
}

static const struct word *parse(struct backup_job *job, int argc, char **argv, int *ret_status)
{
    struct given given = {0};
    struct strs plain = {0};
    for (int i = 1; i < argc; i++) {
        if (take_option(job, &given, argc, argv, &i))
            continue;
        if (argv[i][0] == '-')
            return *ret_status = cli_usage(&cmd_backup, _("unknown argument \"%s\""), argv[i]), NULL;
        *vec_add(job->cli->arena, &plain) = argv[i];
    }
    const char *first = plain.n ? plain.p[0] : "make";
    const struct word *word = find_word(first);
    if (!word)
        return *ret_status = cli_usage(&cmd_backup, _("unknown word \"%s\""), first), NULL;
    if (plain.n > (word->takes & TAKES_FILE ? 2u : 1u))
        return *ret_status = cli_usage(&cmd_backup, _("too many arguments")), NULL;
    if (given.used & ~word->takes)
        return *ret_status = cli_usage(&cmd_backup, _("\"backup %s\" does not take one of these options"), word->name), NULL;
    job->file = plain.n == 2 && !same(plain.p[1], "newest") ? plain.p[1] : NULL;
    return find_site(job, given.site, ret_status) && settle(job, &given, ret_status) ? word : NULL;
}

/* ---- verify --deep: an action, since it changes a server ---- */

static bool has_deep(int argc, char **argv)
{
    bool deep = false;
    for (int i = 2; i < argc; i++)
        deep |= same(argv[i], "--deep");
    return deep && same(argv[1], "verify");
}

static int verify_deep(struct cli *cli, int argc, char **argv)
{
    char *given[8] = {(char *)(uintptr_t)"prove", NULL}, *file = NULL;
    const char *site = NULL;
    bool dry_run = false;
    const struct service *service;
    struct err err = {0};
    int n = 1;
    for (int i = 2; i < argc; i++) {
        if (same(argv[i], "--site") && i + 1 < argc)
            site = argv[++i];
        else if (same(argv[i], "--dry-run"))
            dry_run = true;
        else if (!same(argv[i], "--deep") && (argv[i][0] == '-' || file))
            return cli_usage(&cmd_backup, _("unknown argument \"%s\""), argv[i]);
        else if (!same(argv[i], "--deep"))
            file = argv[i];
    }
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    const struct site *production = service_site_of(service, SITE_PRODUCTION);
    given[n++] = (char *)(uintptr_t)(site ? site : production ? production->name : "production");
    if (file && !same(file, "newest")) {
        given[n++] = (char *)(uintptr_t)"--file";
        given[n++] = file;
    }
    if (dry_run)
        given[n++] = (char *)(uintptr_t)"--dry-run";
    return cmd_action_run(cli, n, given);
}

static int run_backup(struct cli *cli, int argc, char **argv)
{
    struct backup_job job = {.cli = cli};
    struct err err = {0};
    int status = 0;
    if (argc == 2 && same(argv[1], "key"))
        return make_key();
    if (!cli_load(cli, &err))
        return cli_fail(&err);
    if (has_deep(argc, argv))
        return verify_deep(cli, argc, argv);
    const struct word *word = parse(&job, argc, argv, &status);
    return word ? word->run(&job) : status;
}

const struct command cmd_backup = {
    .name = "backup",
    .usage = "backup [make] [--level LEVEL] [--jobs N] [--max-rate MIB] [--encrypt] [--push] [--site NAME] [--json]\n"
             "       bascule backup list [--store NAME] | verify [FILE] [--deep] | seal [FILE] | key\n"
             "       bascule backup prune [--dry-run] | report [--days N]\n"
             "       bascule backup push [FILE] [--store NAME] [--all] | fetch [FILE] [--store NAME] [--into FOLDER]",
    .summary = N_("takes a backup; lists, reads, seals, prunes, sends and fetches backups"),
    .details = N_("Without a word, or with make: one backup of the site's database (production unless --site names another) into its backup\n"
                  "folder. It gets its name only after it was read back whole; a failing pg_dump leaves nothing. For cron:\n"
                  "0 * * * * bascule backup. --push sends it to the stores right after; exit status 2: it is good here, and a store has not got it.\n"
                  "list: newest snapshot first, told from names and records, and what a loss would cost now. verify: gzip, checksum, SQL to its\n"
                  "last line, and the rows of every table against the manifest; exit status 1 when the backup is not good. --deep restores it into a\n"
                  "scratch database on the DR site's server, compares every row with the backup, and drops it again.\n"
                  "prune: removes what neither `retention` nor `keep` holds, here and in the stores; never the last good ones, never one that is\n"
                  "being read. report: the figures of the last 7 days, or of --days.\n"
                  "push: what waits for a store, and the newest, is sent, read back and compared; --all sends older ones too. fetch: brings a\n"
                  "backup back from a store; it gets its name when its checksum and its seal are right.\n"
                  "key: prints a new key for `backup: {key: ...}`. With a key, manifests are sealed and anything altered or foreign is refused;\n"
                  "seal reads a backup that was made before there was one, and seals it."),
    .run = run_backup,
};
