/* backup/seal.c -- Seals on the records beside a backup: ,"seal":"KEY:SEAL"} at the very end, over all that stands before. */
#include <sys/file.h>

#include <errno.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "sys/file.h"

#define TAIL_BEGINS ",\"seal\":\""
#define TAIL_ENDS "\"}"
enum {
    ID = SEAL_ID_SIZE - 1,
    MAC = SEAL_HEX_SIZE - 1,
    BEGINS = sizeof(TAIL_BEGINS) - 1,
    TAIL = BEGINS + ID + 1 + MAC + sizeof(TAIL_ENDS) - 1,
};

bool keyring_any(const struct keyring *keys)
{
    return keys && keys->n > 0;
}

void seal_record(const struct keyring *keys, struct buf *text)
{
    char id[SEAL_ID_SIZE], mac[SEAL_HEX_SIZE];
    if (!keyring_any(keys) || text->over || text->n < 2)
        return;
    text->n--; /* the closing brace comes after the seal */
    seal_key_id(&keys->keys[0], id);
    seal_of(&keys->keys[0], buf_str(text), mac);
    buf_printf(text, TAIL_BEGINS "%s:%s" TAIL_ENDS, id, mac);
}

/* The parts of the tail, where there is one. */
static bool tail_of(struct str text, struct str *ret_body, struct str *ret_id, struct str *ret_mac)
{
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    if (text.n < TAIL)
        return false;
    const char *tail = text.p + text.n - TAIL;
    if (memcmp(tail, TAIL_BEGINS, BEGINS) != 0 || tail[BEGINS + ID] != ':' || memcmp(text.p + text.n - 2, TAIL_ENDS, 2) != 0)
        return false;
    *ret_body = (struct str){text.p, text.n - TAIL};
    *ret_id = (struct str){tail + BEGINS, ID};
    *ret_mac = (struct str){tail + BEGINS + ID + 1, MAC};
    return true;
}

bool record_is_sealed(const struct keyring *keys, struct str text, struct err *err)
{
    struct str body, id, mac;
    if (!keyring_any(keys))
        return true;
    if (!tail_of(text, &body, &id, &mac)) {
        err_set(err, ERR_DATA, "it bears no seal");
        return err_hint(err, "if it was made before there was a key: bascule backup seal FILE");
    }
    for (size_t i = 0; i < keys->n; i++) {
        char own[SEAL_ID_SIZE];
        seal_key_id(&keys->keys[i], own);
        if (str_is(id, own))
            return seal_fits(&keys->keys[i], body, mac) || err_set(err, ERR_DATA, "its seal is broken: it was altered");
    }
    return err_set(err, ERR_DATA, "it is sealed with another key (" STR_FMT ")", STR_ARG(id));
}

/* The manifest as it is, but for its seal. */
static bool unsealed(struct arena *arena, const char *path, struct buf *text, struct err *err)
{
    struct str whole, body, id, mac;
    if (!file_read(arena, path, text->max, &whole, err))
        return false;
    if (tail_of(whole, &body, &id, &mac)) {
        buf_add(text, body.p, body.n);
        buf_putc(text, '}');
        return true;
    }
    whole = str_trim(whole);
    buf_add(text, whole.p, whole.n);
    return (text->n > 1 && text->p[text->n - 1] == '}') || err_set(err, ERR_DATA, "\"%s\" is not a manifest", path);
}

static bool seal_manifest(struct arena *arena, const struct backup *backup, const struct keyring *keys, struct err *err)
{
    enum { MOST = 16 * 1024 * 1024 };
    SCOPED(buf_done) struct buf text = {.max = MOST};
    const char *path = manifest_path(arena, backup->path);
    if (!unsealed(arena, path, &text, err))
        return false;
    seal_record(keys, &text);
    buf_putc(&text, '\n');
    return file_write(path, text.p, text.n, 0600, err);
}

bool backup_seal(struct arena *arena, struct backup *backup, const struct backup_progress *progress, struct err *err)
{
    const struct keyring *keys = backup->keys;
    if (!keyring_any(keys)) {
        err_set(err, ERR_CONFIG, "there is no key to seal \"%s\" with", backup->file);
        return err_hint(err, "set \"backup: {key: {file: PATH}}\"; `bascule backup key` makes one");
    }
    struct stat st;
    struct backup plain = {.path = backup->path, .file = backup->file, .rows = -1, .snapshot_wall_ms = backup->snapshot_wall_ms,
                           .encrypted = backup->encrypted, .opens = keys};
    if (stat(plain.path, &st) != 0)
        return err_os(err, errno, "could not look at \"%s\"", plain.path);
    plain.bytes = st.st_size;
    if (!manifest_read(arena, &plain, err))
        return false;
    bool had_one = plain.has_manifest;
    if (!backup_verify(arena, &plain, progress, err))
        return false;
    plain.bytes = st.st_size;
    plain.has_manifest = plain.sealed = true;
    plain.keys = keys;
    if (had_one ? !seal_manifest(arena, &plain, keys, err)
                : !manifest_write(&plain, &(struct manifest){.tool = "bascule " BASCULE_VERSION}, err))
        return false;
    *backup = plain;
    return backup_mark_verified(backup, "read", err);
}

bool backup_hold(const struct backup *backup, int *ret_fd, struct err *err)
{
    struct stat st;
    int fd;
    if (!file_open(backup->path, &fd, NULL, err))
        return false;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
        *ret_fd = fd;
        return true;
    }
    close(fd);
    return err_set(err, ERR_NOT_FOUND, "backup \"%s\" was just removed", backup->file);
}
