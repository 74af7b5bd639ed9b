/* io/gzip.h -- gzip as a stream in both directions (ISA-L inside for reading, zlib for writing). Reading takes files of several members,
   zstd and plain text as well, and never mistakes a cut or altered file for a short one. */
#pragma once
#include "base/base.h"

/* Receives bytes in order; false stops the stream with err filled. */
typedef bool gzip_sink_fn(void *arg, const void *data, size_t size, struct err *err);

struct gzip_writer;
/* One member without name and time, so that equal input gives equal bytes. `level` as zlib's, 1 to 9. */
struct gzip_writer *gzip_writer_open(int level, gzip_sink_fn *sink, void *arg);
void gzip_writer_close(struct gzip_writer **writer);
MUST_USE bool gzip_writer_add(struct gzip_writer *writer, const void *data, size_t size, struct err *err);
/* Writes what is left and the trailer; nothing may be added afterwards. */
MUST_USE bool gzip_writer_end(struct gzip_writer *writer, struct err *err);

struct gzip_reader;
/* A file that begins neither like gzip nor like zstd is passed through as it is, unless its name ends in ".gz" (ERR_DATA). */
MUST_USE bool gzip_reader_open(const char *path, struct gzip_reader **ret, struct err *err);
/* Bytes that come from elsewhere than a file: decrypted, or off the network. */
struct gzip_source {
    bool (*read)(void *arg, void *to, size_t size, size_t *ret_n, struct err *err); /* *ret_n 0: the end */
    void (*close)(void *arg); /* called by gzip_reader_close; NULL: nothing to do */
    void *arg;
    int64_t size;             /* as far as known; gzip_reader_size gives it */
    bool gzip_only;           /* as if the name ended in ".gz" */
};
struct gzip_reader *gzip_reader_over(const struct gzip_source *source);
void gzip_reader_close(struct gzip_reader **reader);
/* Every byte of the file as it stands on disk, or as the source gives it, goes to `tap` too: for a checksum in the same pass. */
void gzip_reader_tap(struct gzip_reader *reader, gzip_sink_fn *tap, void *arg);
/* Up to `size` unpacked bytes; *ret_n is 0 only at a sound end. ERR_DATA for a cut file, a wrong checksum, bytes that do not belong
   (zeros after the last member are padding and allowed). */
MUST_USE bool gzip_reader_read(struct gzip_reader *reader, void *to, size_t size, size_t *ret_n, struct err *err);
int64_t gzip_reader_at(const struct gzip_reader *reader);   /* bytes of the file used so far */
int64_t gzip_reader_size(const struct gzip_reader *reader); /* of the file when it was opened */
