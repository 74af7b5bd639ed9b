/* base/vec.h -- Growing arrays in an arena: VEC(int) v = {0}; *vec_add(arena, &v) = 7; for (size_t i = 0; i < v.n; i++) v.p[i]; */
#pragma once
#include "base/arena.h"

#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *p;                                                                                                       \
        size_t n, cap;                                                                                                 \
    }

/* A pointer to a new zeroed last element. Valid until the next vec_add. */
#define vec_add(arena, v)                                                                                              \
    (vec_grow_((arena), (void **)&(v)->p, &(v)->n, &(v)->cap, sizeof(*(v)->p)), &(v)->p[(v)->n - 1])

void vec_grow_(struct arena *arena, void **p, size_t *n, size_t *cap, size_t size);

/* The two kinds that cross module borders. */
struct strs {
    const char **p;
    size_t n, cap;
};
struct ints {
    int *p;
    size_t n, cap;
};
