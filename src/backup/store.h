/* backup/store.h -- Places that keep copies of backups beside their folder: a driver a file, all of them in one table (stores.c). */
#pragma once
#include "backup/backup.h"
#include "base/option.h"
#include "io/hash.h"

struct store_ops;

/* One that is configured. */
struct store {
    const char *name;
    const struct store_ops *ops;
    const void *options; /* the driver's own struct */
};

struct store_ctx {
    struct arena *arena;
    const char *control_dir; /* shared ssh connections; NULL: each command has its own */
    const struct backup_progress *progress; /* NULL: nobody asks */
};

struct store_object {
    const char *name;
    int64_t bytes;
};

typedef bool store_sink_fn(void *arg, const void *data, size_t size, struct err *err);

/* A store holds objects under names without slashes. Everything blocks. ERR_UNAVAILABLE and ERR_TIMEOUT (and err->retryable): later it
   may work. Secrets are read where they are used and stand in no argv. */
struct store_ops {
    const char *name;
    const char *summary;
    const struct option *options;
    size_t options_size;
    /* Mandatory. Are the options right? Words only, nothing is reached. */
    bool (*valid)(const void *options, struct err *err);
    /* Mandatory. Every object whose name begins with `prefix`, in any order; half-written ones are not among them. */
    bool (*list)(const struct store *store, const struct store_ctx *ctx, const char *prefix, struct store_object **ret, size_t *ret_count, struct err *err);
    /* Mandatory. The file at `path` under `name`: whole or not visible, replacing what was there. Goes on where an upload of the same
       file was cut off, where the store can. */
    bool (*put)(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err);
    /* Mandatory. The bytes from `from` on. ERR_NOT_FOUND when there is no such object. */
    bool (*get)(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t from, store_sink_fn *sink, void *arg,
                struct err *err);
    /* Mandatory. True also when there was none. */
    bool (*remove)(const struct store *store, const struct store_ctx *ctx, const char *name, struct err *err);
    /* Optional. SHA-256 of an object, computed at its own place from what is on the disk there; NULL: it is read back by `get`. */
    bool (*hash)(const struct store *store, const struct store_ctx *ctx, const char *name, char hex[HASH_HEX_SIZE], struct err *err);
};

extern const struct store_ops *const store_drivers[]; /* ended by NULL */
const struct store_ops *store_driver(const char *name); /* NULL: there is none */

/* Options of the two drivers that others build stores of by themselves. */
struct store_folder_options {
    const char *folder;
};
struct store_ssh_options {
    struct host host;
    const char *folder;
};
extern const struct store_ops store_folder, store_ssh, store_http, store_s3;

/* ---- backups in stores ---- */

/* The backup, then its manifest, each read back and compared; what reads back other than it is here is removed again and ERR_DATA. A
   record beside the backup (NAME.stores.json) says what is where, and what failed. What is there already is not sent again. */
MUST_USE bool store_push(const struct store *store, const struct store_ctx *ctx, const struct backup *backup, struct err *err);
/* The backups of a service that are whole in the store (with their manifest), newest first by the moment in their names. Only file,
   bytes and snapshot_wall_ms are filled: the rest stands in the manifest, which comes with store_fetch. */
MUST_USE bool store_backups(const struct store *store, const struct store_ctx *ctx, const char *service, struct backup **ret, size_t *ret_count,
                            struct err *err);
/* Brings one into the place's folder: manifest, then the file under a temporary name (going on where a former try was cut off), SHA-256
   as the manifest says, seal checked when the place has keys; only then it gets its name. One that is there already and has the right
   size is not fetched again. *ret as backup_list would give it. */
MUST_USE bool store_fetch(const struct store *store, const struct store_ctx *ctx, const struct backup_place *place, const char *file,
                          struct backup *ret, struct err *err);
/* Removes a backup and its manifest from the store. */
MUST_USE bool store_remove(const struct store *store, const struct store_ctx *ctx, const char *file, struct err *err);

/* ---- what is where ---- */

enum store_state { STORE_PENDING, STORE_STORED };
struct store_record {
    const char *store;
    enum store_state state;
    int64_t at_wall_ms; /* when it was stored, or last tried; 0: not yet */
    int64_t tries;
    const char *why;    /* of the last failure; NULL: none */
};
/* The record beside a backup; none is an empty list. A broken one counts as none. */
void store_records(struct arena *arena, const struct backup *backup, struct store_record **ret, size_t *ret_count);
/* Notes that the backup is to be pushed there, before anything is tried. Nothing changes when it is stored already. */
MUST_USE bool store_mark_pending(const struct backup *backup, const char *store, struct err *err);
