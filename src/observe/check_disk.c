/* observe/check_disk.c -- How full the file system of a path is, by df on the site's host. */
#include "observe/drivers.h"
#include "observe/hostrun.h"

struct disk_options {
    const char *path;
    int warning, critical; /* percent used */
};

static const char *path_of(const struct check_conf *conf, const struct site *site)
{
    const struct disk_options *o = conf->options;
    return o->path ? o->path : site->backup.folder;
}

struct usage {
    int64_t used, available;
    int percent;
};

/* The line after the heading: "/dev/sda1 1000 900 100 90% /mount point". The device may hold blanks, so columns count from the '%'. */
static bool read_usage(struct str text, struct usage *ret)
{
    struct str heading, line, word;
    int64_t number[3] = {0}; /* the last three numbers before the percentage: size, used, available */
    if (!str_next(&text, '\n', &heading) || !str_next(&text, '\n', &line))
        return false;
    while (str_next(&line, ' ', &word)) {
        int64_t n;
        if (!word.n)
            continue;
        bool is_percent = word.p[word.n - 1] == '%' && str_int((struct str){word.p, word.n - 1}, &n) && n >= 0 && n <= 100;
        if (is_percent && number[0] > 0 && number[1] >= 0 && number[2] >= 0) {
            *ret = (struct usage){.used = number[1], .available = number[2], .percent = (int)n};
            return true;
        }
        number[0] = number[1];
        number[1] = number[2];
        number[2] = str_int(word, &n) ? n : -1;
    }
    return false;
}

static void on_df(struct hostrun *run, const struct proc_result *result)
{
    struct check *check = &run->check;
    const struct disk_options *o = check->conf->options;
    const char *path = path_of(check->conf, check->site);
    struct usage u;
    if (!proc_ok(result)) {
        const char *said = first_line(check->arena, result->err);
        check_report(check, VERDICT_UNKNOWN, "df failed: %s", *said ? said : result->why);
        return;
    }
    if (!read_usage(result->out, &u)) {
        check_report(check, VERDICT_UNKNOWN, "could not read what df printed: %s", first_line(check->arena, result->out));
        return;
    }
    enum verdict_state state = u.percent >= o->critical ? VERDICT_DOWN : u.percent >= o->warning ? VERDICT_WARNING : VERDICT_UP;
    check_report(check, state, "%d %% of the disk of %s used, %.1f GB free", u.percent, path, (double)u.available / 1e9);
}

static void start(struct check *check)
{
    const char *words[] = {"df", "-P", "-B1", "--", path_of(check->conf, check->site)};
    struct strs argv = {.p = words, .n = COUNT_OF(words)};
    hostrun_start(CONTAINER_OF(check, struct hostrun, check), &argv, on_df);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct disk_options *o = conf->options;
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    if (!path_of(conf, site))
        return err_set(err, ERR_CONFIG, "neither the check has a \"path\" nor the backup of site \"%s\" a \"folder\"", site->name);
    if (o->warning > o->critical)
        return err_set(err, ERR_CONFIG, "\"warning\" (%d %%) is above \"critical\" (%d %%)", o->warning, o->critical);
    return true;
}

#define AT(member) .offset = offsetof(struct disk_options, member)
static const struct option options[] = {
    {"path", OPTION_PATH, AT(path), .help = "any path on the file system; when absent the site's backup folder", .sample = "/backups/akig"},
    {"warning", OPTION_INT, AT(warning), .fallback = "80", .min = 1, .max = 100, .help = "percent used from which it is a warning"},
    {"critical", OPTION_INT, AT(critical), .fallback = "90", .min = 1, .max = 100, .help = "percent used from which it is down"},
    OPTION_END,
};

const struct check_ops check_disk = {
    .name = "disk",
    .summary = "how full a file system on the site's host is",
    .options = options,
    .options_size = sizeof(struct disk_options),
    .check_size = sizeof(struct hostrun),
    .valid = valid,
    .start = start,
    .cancel = hostrun_cancel,
    .way_may_be_lost = hostrun_way_may_be_lost,
};
