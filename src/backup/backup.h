/* backup/backup.h -- Plain .sql.gz backups: made, listed, verified. SERVICE_backup_full_YYYYMMDD_HHMMSS.sql.gz with NAME.manifest.json. */
#pragma once
#include "backup/keys.h"
#include "base/base.h"
#include "base/target.h"

/* Where the backups of a service lie, and what proves that they are ours. */
struct backup_place {
    const char *service, *folder;
    const struct keyring *keys; /* NULL or empty: manifests are not sealed, and are believed as they stand */
};

struct backup_table {
    const char *name;          /* schema.table as pg_dump quotes it */
    int64_t rows;
    uint64_t hash;             /* sum of row hashes (dump/rowhash.h), */
    bool has_hash;             /* where it is known */
};

struct backup {
    const char *path, *file;   /* whole path; name alone */
    int64_t snapshot_wall_ms;  /* when the data was as it is in the file: from the manifest, else from the file's name */
    int64_t bytes;
    int64_t took_ms;
    bool has_manifest;
    const char *snapshot_lsn;  /* place in the server's log at that moment, "0/1A2B3C8"; NULL: not known */
    int64_t sql_bytes;         /* of the dump, unpacked; 0: not known */
    const char *level;         /* it was packed with; NULL */
    int jobs;                  /* it was made with; 0 */
    const char *sha256;        /* of the file, from the manifest; NULL */
    const char *server_version;
    const char *system_identifier; /* of the cluster it was taken from; NULL: not known */
    int64_t rows;              /* of all tables; -1: not counted yet */
    struct backup_table *tables;
    size_t table_count;
    int64_t verified_wall_ms;  /* newest successful verification; 0: never */
    const char *verified_how;  /* "read" (whole and complete) or "restored"; NULL */
    const char *damage;        /* why it cannot be used; NULL: nothing known against it */
    bool sealed;               /* its manifest bears the seal of one of our keys */
    bool encrypted;            /* .enc: read as a stream through the keys */
    const struct keyring *keys;  /* that its records must be sealed with; of the place it was found in */
    const struct keyring *opens; /* that it may be encrypted with */
};

struct backup_progress {
    void (*fn)(void *arg, int64_t done_bytes, int64_t total_bytes, const char *what);
    void *arg;
};

enum backup_level { BACKUP_DEFAULT, BACKUP_FAST, BACKUP_SMALL, BACKUP_LEVEL_MAX };
const char *backup_level_name(enum backup_level level); /* "default", "fast", "small" */
MUST_USE bool backup_level_parse(const char *name, enum backup_level *ret);

struct backup_spec {
    const struct pgtarget *target;
    const char *service;
    const char *folder;      /* made when it is missing */
    const char *scratch_dir; /* holds the password file while pg_dump runs */
    enum backup_level level;
    int jobs;                /* sessions that read large tables; 0: one for each processor, and one more */
    int64_t lock_wait_ms;    /* for a table that is locked against everything; 0: 5 minutes */
    int64_t max_rate;        /* bytes of dump text a second that are asked of the server at most; 0: no limit */
    int64_t large_min;       /* bytes of a table that is read by our own sessions and not by pg_dump; 0: 4 MiB */
    int64_t piece_bytes;     /* of such a table that one session reads at a time; 0: 24 MiB */
    const struct backup_progress *progress; /* NULL: nobody asks */
    const struct keyring *keys; /* the first seals the manifest; NULL or empty: no seal */
    bool encrypt;            /* with the first key: the name gets ".enc" */
};

/* pg_dump of one snapshot through our own compressor into the folder under a temporary name; read back and verified; rows per table counted
   from the stream; synced; renamed; manifest beside it. A failing pg_dump leaves nothing. ERR_REFUSED when another backup of the service
   runs there, or when the disk has less room than the newest backup took and a tenth more. */
MUST_USE bool backup_make(struct arena *arena, const struct backup_spec *spec, struct backup *ret, struct err *err);
/* Newest snapshot first. Temporary files and foreign names are left out. A folder that does not exist is ERR_NOT_FOUND. Cheap: manifests
   and names only. With keys, a manifest without a sound seal, and a backup without a manifest, are damage. A file without a manifest (made by pg_dump | gzip) counts with the moment in its name, the earlier one where local
   time and UTC differ, and never later than the file was written. */
MUST_USE bool backup_list(struct arena *arena, const struct backup_place *place, struct backup **ret, size_t *ret_count, struct err *err);
/* Reads the whole file: gzip sound, SHA-256 as in the manifest, SQL complete to its trailer, row counts as in the manifest. Records the
   verification, or the damage, in NAME.verified.json; the record holds as long as size and time of the file stay as they were.
   ERR_DATA says what is wrong and where; ERR_OS also when the file is good and only the record could not be written. */
MUST_USE bool backup_verify(struct arena *arena, struct backup *backup, const struct backup_progress *progress, struct err *err);
MUST_USE bool backup_mark_verified(const struct backup *backup, const char *how, struct err *err);
/* The newest that verifies; every newer one that was passed over is said in `skipped`, one line each. ERR_NOT_FOUND when none is good. */
MUST_USE bool backup_newest_good(struct arena *arena, const struct backup_place *place, const struct backup_progress *progress, struct buf *skipped,
                                 struct backup *ret, struct err *err);
/* While it is held nothing removes it: prune passes it over. For the time of a restore, an upload or a reading. The descriptor is the
   caller's to close. ERR_NOT_FOUND when it was removed before it could be held. */
MUST_USE bool backup_hold(const struct backup *backup, int *ret_fd, struct err *err);
/* Reads a backup whole and puts the seal of the place's key on its manifest, which is made when there was none: for what was made
   before there was a key. It says that the backup is good, not that nobody touched it since it was made. */
MUST_USE bool backup_seal(struct arena *arena, struct backup *backup, const struct backup_progress *progress, struct err *err);
