/* dump/open.h -- A dump as it may lie on a disk: plain, gzip, zstd, or one of these encrypted by us (".enc"). */
#pragma once
#include "base/base.h"
#include "io/gzip.h"
#include "io/seal.h"

bool dump_is_encrypted(const char *path); /* by its name */
/* Every byte of the file as it stands on the disk goes to `tap` (NULL: nobody asks). `keys` may be NULL where nothing is encrypted, and have
   to live as long as the reader. ERR_PERMISSION: it is encrypted with a key that is not among them; ERR_DATA, also later while reading:
   altered, cut off, or not encrypted at all. */
MUST_USE bool dump_open(const char *path, const struct seal_key *keys, size_t key_count, gzip_sink_fn *tap, void *tap_arg,
                        struct gzip_reader **ret, struct err *err);
