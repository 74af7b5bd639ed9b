/* io/deflate.h -- One gzip member in one piece: raw deflate data, CRC-32 and length, the header being the caller's (ISA-L inside, for
   small files libdeflate). Streams of any origin are read by io/gzip. */
#pragma once
#include "base/base.h"

enum deflate_level {
    DEFLATE_FAST,   /* sixteen times the speed of gzip, a little larger */
    DEFLATE_MEDIUM, /* nine tenths of that speed, a hair smaller */
    DEFLATE_SMALL,  /* a tenth smaller than gzip's, twice as fast */
};

enum { DEFLATE_TRAILER_SIZE = 8 };

struct deflater;
struct deflater *deflater_open(enum deflate_level level); /* for one thread */
void deflater_close(struct deflater **deflater);
/* Appends the deflate data of `data` and the member's trailer. Equal input gives equal output. ERR_LIMIT when `out` is full. */
MUST_USE bool deflater_pack(struct deflater *deflater, const void *data, size_t size, struct buf *out, struct err *err);

/* The reverse: deflate data and trailer, which must give exactly `size` bytes, appended to `out`. ERR_DATA, ERR_LIMIT. Thread-safe. */
MUST_USE bool inflate_whole(const void *packed, size_t packed_size, size_t size, struct buf *out, struct err *err);
