/* base/arena.h -- Memory that is freed as one: one arena per operation, no free() anywhere else. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

#include "base/util.h"

struct arena;

struct arena *arena_open(void) NEVER_NULL; /* never NULL: out of memory aborts, the supervisor restarts, the journal resumes */
void arena_close(struct arena **arena); /* accepts NULL and a pointer to NULL, sets NULL */

/* Zeroed, aligned for any type. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size) NEVER_NULL;
void *arena_dup(struct arena *arena, const void *data, size_t size) NEVER_NULL;
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t size) NEVER_NULL;
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) NEVER_NULL;
char *arena_vprintf(struct arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0) NEVER_NULL;
size_t arena_used(const struct arena *arena); /* bytes handed out, for limits and tests */

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(count)))
