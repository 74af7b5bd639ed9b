/* sys/secret.c -- Reading secrets from where they are kept. */
#include "sys/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only a plain file: a FIFO could hang us, a device could flood us. */
static bool check_file(int fd, const char *path, bool private, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_os(err, errno, "could not look at secret file \"%s\"", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CONFIG, "secret \"%s\" is not a regular file", path);
    if (private && (st.st_mode & 077)) {
        err_set(err, ERR_PERMISSION, "secret file \"%s\" has mode %03o, so others can read it", path, st.st_mode & 0777u);
        return err_hint(err, "chmod 600 %s", path);
    }
    if (st.st_size > SECRET_MAX)
        return err_set(err, ERR_LIMIT, "secret file \"%s\" is larger than %d bytes", path, SECRET_MAX);
    return true;
}

static bool check_value(const char *value, size_t n, const char *path, struct err *err)
{
    if (n > SECRET_MAX)
        return err_set(err, ERR_LIMIT, "secret file \"%s\" is larger than %d bytes", path, SECRET_MAX);
    return !memchr(value, 0, n) || err_set(err, ERR_DATA, "secret file \"%s\" holds a zero byte", path);
}

static bool read_all(struct arena *arena, int fd, const char *path, char **ret, struct err *err)
{
    char value[SECRET_MAX + 1] = {0};
    size_t n = 0;
    ssize_t got = 1;
    while (n < sizeof(value) && got != 0) {
        got = read(fd, value + n, sizeof(value) - n);
        if (got < 0 && errno != EINTR)
            break;
        n += (size_t)MAX_OF(got, 0);
    }
    bool ok = got < 0 ? err_os(err, errno, "could not read secret file \"%s\"", path) : check_value(value, n, path, err);
    if (ok)
        *ret = arena_strndup(arena, value, n);
    explicit_bzero(value, sizeof(value));
    return ok;
}

static bool read_file(struct arena *arena, const char *path, bool private, char **ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        bool missing = errno == ENOENT;
        err_os(err, errno, "could not open secret file \"%s\"", path);
        if (err && missing)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    bool ok = check_file(fd, path, private, err) && read_all(arena, fd, path, ret, err);
    close(fd);
    return ok;
}

static bool read_env(struct arena *arena, const char *name, char **ret, struct err *err)
{
    const char *value = getenv(name);
    if (!value)
        return err_set(err, ERR_NOT_FOUND, "environment variable \"%s\", which holds a secret, is not set", name);
    if (strlen(value) > SECRET_MAX)
        return err_set(err, ERR_LIMIT, "the secret in environment variable \"%s\" is larger than %d bytes", name, SECRET_MAX);
    *ret = arena_strdup(arena, value);
    return true;
}

static bool read_credential(struct arena *arena, const char *name, char **ret, struct err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (!folder) {
        err_set(err, ERR_NOT_FOUND, "credential \"%s\": $CREDENTIALS_DIRECTORY is not set", name);
        return err_hint(err, "add LoadCredential=%s:PATH to the systemd unit", name);
    }
    if (!*name || strchr(name, '/') || name[0] == '.')
        return err_set(err, ERR_CONFIG, "\"%s\" is not the name of a credential", name);
    /* systemd guards these itself, also with access control lists that show up in the group bits. */
    return read_file(arena, arena_printf(arena, "%s/%s", folder, name), false, ret, err);
}

/* Editors end files with a newline that nobody means. */
static bool trim(char *value, const struct secret *secret, struct err *err)
{
    size_t n = strlen(value);
    if (n && value[n - 1] == '\n')
        value[--n] = 0;
    if (n && value[n - 1] == '\r')
        value[--n] = 0;
    return n > 0 || err_set(err, ERR_CONFIG, "the secret in \"%s\" is empty", secret->ref);
}

bool secret_read(struct arena *arena, const struct secret *secret, char **ret, struct err *err)
{
    char *value = NULL;
    bool ok = true;
    switch (secret->source) {
    case SECRET_NONE:
        break;
    case SECRET_FILE:
        ok = read_file(arena, secret->ref, true, &value, err);
        break;
    case SECRET_ENV:
        ok = read_env(arena, secret->ref, &value, err);
        break;
    case SECRET_CREDENTIAL:
        ok = read_credential(arena, secret->ref, &value, err);
        break;
    }
    if (!ok || (value && !trim(value, secret, err)))
        return false;
    *ret = value;
    return true;
}

void secret_wipe(char *value)
{
    if (value)
        explicit_bzero(value, strlen(value));
}
