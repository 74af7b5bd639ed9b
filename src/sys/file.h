/* sys/file.h -- Files that are either whole or absent. */
#pragma once
#include_next <sys/file.h> /* src/ stands before the system's folders, so <sys/file.h> finds this file: pass it on (flock) */

#include "base/base.h"

/* Whole file, at most `max` bytes (ERR_LIMIT above), terminated by a 0 not counted. */
MUST_USE bool file_read(struct arena *arena, const char *path, size_t max, struct str *ret, struct err *err);
/* Temporary name in the same folder, fsync, rename, fsync of the folder. `mode` as in chmod. On failure the old file stands. */
MUST_USE bool file_write(const char *path, const void *data, size_t size, unsigned mode, struct err *err);
MUST_USE bool file_rename_durably(const char *from, const char *to, struct err *err); /* rename + fsync of both folders */
bool file_exists(const char *path);
MUST_USE bool file_mkdirs(const char *path, unsigned mode, struct err *err); /* like mkdir -p */
/* A regular file (else ERR_DATA), for reading from its start; its size, where that is asked. */
MUST_USE bool file_open(const char *path, int *ret_fd, int64_t *ret_size, struct err *err);
void file_close(int *fd); /* for SCOPED: -1 is fine, and what is left */
MUST_USE bool file_lock(const char *path, int *ret_fd, struct err *err); /* flock LOCK_EX|LOCK_NB; ERR_REFUSED when held */
const char *file_name_of(const char *path); /* the part after the last slash */
char *file_join(struct arena *arena, const char *folder, const char *name);
char *file_self(struct arena *arena); /* path of the running program */
