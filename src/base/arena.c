/* base/arena.c -- A list of blocks, each filled from its start. Large requests get a block of their own. */
#include "base/arena.h"

#include <stdint.h>

#include "base/banned.h"

#define BLOCK_SIZE 4096u
#define ALIGNMENT 16u

struct block {
    struct block *next;
    size_t used, size;
    char data[] __attribute__((aligned(16)));
};

struct arena {
    struct block *blocks; /* the one being filled stands first */
    size_t used;
};

static void *must_alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct arena *arena_open(void)
{
    return must_alloc(sizeof(struct arena));
}

void arena_close(struct arena **arena)
{
    if (!arena || !*arena)
        return;
    for (struct block *b = (*arena)->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(*arena);
    *arena = NULL;
}

static struct block *block_with_room(struct arena *arena, size_t size)
{
    struct block *first = arena->blocks;
    if (first && first->size - first->used >= size)
        return first;
    size_t room = size > BLOCK_SIZE / 2 ? size : BLOCK_SIZE;
    struct block *b = must_alloc(sizeof(*b) + room);
    b->size = room;
    if (room == size && first) { /* a large one goes second, so that the first keeps being filled */
        b->next = first->next;
        first->next = b;
    } else {
        b->next = first;
        arena->blocks = b;
    }
    return b;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        abort(); /* an overflow in the caller's arithmetic, never a real wish */
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    struct block *b = block_with_room(arena, rounded);
    void *memory = b->data + b->used;
    b->used += rounded;
    arena->used += rounded;
    return memory;
}

void *arena_dup(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_alloc(arena, size);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = fmt ? vsnprintf(NULL, 0, fmt, args) : -1;
    if (size < 0)
        abort(); /* only an invalid format can do this, or one that is not there */
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = arena_vprintf(arena, fmt, args);
    va_end(args);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
