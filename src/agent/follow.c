/* agent/follow.c -- Makes the data directory that of a standby: what it is, and whom it follows, stand in two files that belong to its
   owner and that only they may read. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/log.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { TEXT_MAX = 16 * 1024, DEFAULT_PORT = 5432 };

/* One value as libpq wants it, inside a text as PostgreSQL's configuration wants it: libpq's quote and backslash are escaped by a
   backslash, and of those each backslash and quote is doubled once more. */
static bool put_value(struct buf *out, const char *key, const char *value, struct err *err)
{
    if (!str_is_clean(str_of(value)) || strchr(value, '\n'))
        return err_set(err, ERR_CONFIG, "the %s of a connection may not hold control characters", key);
    bool ok = buf_printf(out, "%s=''", key);
    for (const char *c = value; *c && ok; c++)
        ok = buf_puts(out, *c == '\\' ? "\\\\\\\\" : *c == '\'' ? "\\\\''" : (const char[]){*c, 0});
    return (ok && buf_puts(out, "'' ")) || err_set(err, ERR_LIMIT, "the %s of a connection is too long", key);
}

bool follow_conninfo(const struct site *site, const struct replication_conf *replication, const char *name, const char *password, struct buf *out, struct err *err)
{
    char port[16];
    const struct pgtarget *at = &site->database.at;
    snprintf(port, sizeof(port), "%d", at->port ? at->port : DEFAULT_PORT);
    return put_value(out, "host", at->host, err) && put_value(out, "port", port, err) && put_value(out, "user", replication->user, err) &&
           put_value(out, "application_name", name, err) && (!at->sslmode || put_value(out, "sslmode", at->sslmode, err)) &&
           (!password || put_value(out, "password", password, err));
}

/* Written to, and never replaced: its owner and mode stay. */
static bool append(const char *path, const struct buf *text, const struct stat *owner, struct err *err)
{
    int fd SCOPED(file_close) = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_os(err, errno, "could not open \"%s\"", path);
    if (fchown(fd, owner->st_uid, owner->st_gid) != 0 && geteuid() == 0)
        return err_os(err, errno, "could not give \"%s\" to its owner", path);
    if (text->n && write(fd, text->p, text->n) != (ssize_t)text->n)
        return err_os(err, errno, "could not write \"%s\"", path);
    return fsync(fd) == 0 || err_os(err, errno, "could not write \"%s\"", path);
}

static bool sync_folder(const char *path, struct err *err)
{
    int fd SCOPED(file_close) = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || err_os(err, errno, "could not write \"%s\"", path);
}

static bool put_settings(const struct agent *a, const struct site *site, struct arena *arena, struct buf *out, struct err *err)
{
    const struct replication_conf *r = &a->spec->service->replication;
    char *password = NULL;
    if (!secret_read(arena, &r->password, &password, err))
        return err_prefix(err, "the password of replication");
    buf_puts(out, "primary_conninfo = '");
    bool ok = follow_conninfo(site, r, a->spec->site->name, password, out, err);
    secret_wipe(password);
    if (!ok)
        return false;
    buf_puts(out, "'\nrecovery_target_timeline = 'latest'\n");
    if (r->slot || !r->carry_slots) /* else its own slot was made over there, too */
        buf_printf(out, "primary_slot_name = '%s'\n", r->slot ? r->slot : "");
    return !out->over || err_set(err, ERR_LIMIT, "what a standby is told is too long");
}

bool follow_site(struct agent *a, const struct site *site, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf text = {.max = TEXT_MAX}, nothing = {.max = 1};
    const char *data = a->spec->site->database.data_directory;
    struct stat owner;
    if (!site->database.at.host || !a->spec->service->replication.user)
        return err_set(err, ERR_CONFIG, site->database.at.host ? "replication.user is not configured: as whom is it to follow?" : "site \"%s\" has no database to follow", site->name);
    if (postmaster_pid(a->postmaster) && (!agent_is_standby(a) || a->promoting))
        return err_set(err, ERR_REFUSED, "PostgreSQL runs here as a primary: it is to be stopped first");
    if (stat(data, &owner) != 0)
        return err_os(err, errno, "could not look at data directory \"%s\"", data);
    if (!put_settings(a, site, arena, &text, err))
        return false;
    /* Whom it follows before that it follows: with the second alone it would be a standby of whatever was there before. */
    bool ok = append(file_join(arena, data, "postgresql.auto.conf"), &text, &owner, err) && append(file_join(arena, data, "standby.signal"), &nothing, &owner, err) &&
              sync_folder(data, err);
    secret_wipe(text.p);
    if (!ok)
        return false;
    if (!postmaster_pid(a->postmaster))
        return true;
    ok = postmaster_signal(a->postmaster, SIGHUP, err);
    freeze_thaw(a, true); /* the server waits until what received before has ended */
    return ok;
}

void follow_named(struct agent *a, const char *name)
{
    const struct service *service = a->spec->service;
    const struct site *site = service_site(service, name);
    struct err err = {0};
    if (service->sites.n <= 2 || !site || site == a->spec->site || !a->wanted || a->promoting || !agent_is_standby(a))
        return;
    if (follow_site(a, site, &err))
        log_line(LOG_INFO, "it follows site \"%s\" from now on", name);
    else
        log_err(LOG_ERROR, &err);
}
