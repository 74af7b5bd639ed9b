/* base/vec.c -- Growth by doubling; the old copy stays in the arena until the arena goes. */
#include "base/vec.h"

#include "base/banned.h"

void vec_grow_(struct arena *arena, void **p, size_t *n, size_t *cap, size_t size)
{
    if (*n == *cap) {
        size_t larger = *cap ? *cap * 2 : 4;
        void *copy = arena_alloc(arena, larger * size);
        if (*n)
            memcpy(copy, *p, *n * size);
        *p = copy;
        *cap = larger;
    }
    (*n)++;
}
