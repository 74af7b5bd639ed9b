/* backup/outfile.h -- The file a backup is written to: encrypted when there is a key, hashed as it stands on the disk, synced at the end. */
#pragma once
#include "base/base.h"
#include "io/hash.h"
#include "io/seal.h"

struct outfile;
/* Must not exist yet; mode 0600. */
MUST_USE bool outfile_open(const char *path, const struct seal_key *key, struct outfile **ret, struct err *err);
void outfile_close(struct outfile **file); /* what was written stays */
MUST_USE bool outfile_add(void *file, const void *data, size_t size, struct err *err);
/* fsync, and out of the page cache, so that what is read back comes from the disk where the system obliges. */
MUST_USE bool outfile_end(struct outfile *file, char sha256[HASH_HEX_SIZE], int64_t *ret_bytes, struct err *err);
