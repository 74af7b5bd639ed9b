/* io/zstd.h -- Unpacking zstd frames as a stream (libzstd inside). Used by io/gzip's reader. */
#pragma once
#include "base/base.h"

struct zstd;
struct zstd *zstd_open(void);
void zstd_close(struct zstd **zstd);
/* Uses some of `from`, makes some of `to`; *ret_ended at the end of a frame, behind which another may begin. ERR_DATA. */
MUST_USE bool zstd_some(struct zstd *zstd, const void *from, size_t size, size_t *ret_used, void *to, size_t room, size_t *ret_made,
                        bool *ret_ended, struct err *err);
