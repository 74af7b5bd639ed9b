/* backup/engine.h -- The dump of one snapshot into one file, by several sessions: pg_dump for everything but the rows of large tables. */
#pragma once
#include "backup/backup.h"
#include "backup/outfile.h"
#include "backup/snapshot.h"
#include "backup/spool.h"

struct engine_spec {
    const struct pgtarget *target;
    const char *pg_dump;
    const char *const *env;  /* for pg_dump */
    const struct snapshot *snapshot;
    enum backup_level level;
    int jobs;                /* at least 1 */
    int64_t max_rate, large_min, piece_bytes; /* as in struct backup_spec */
    const struct backup_progress *progress;
    spool_sink_fn *sink;     /* gets the file's bytes in order, from a thread of its own */
    void *sink_arg;
};

MUST_USE bool engine_run(struct arena *arena, const struct engine_spec *spec, struct spool_sum *ret, struct err *err);
/* Is what stands on the disk what engine_run gave to its sink, and does every member unpack to the text that was packed? */
MUST_USE bool engine_read_back(const char *path, const struct spool_sum *sum, int jobs, const struct backup_progress *progress, struct err *err);
/* The same for a file that was encrypted with `key`: in one piece and by one thread, and the file's own checksum is told. */
MUST_USE bool engine_read_back_encrypted(const char *path, const struct spool_sum *sum, const struct seal_key *key,
                                         const struct backup_progress *progress, char sha256[HASH_HEX_SIZE], struct err *err);
