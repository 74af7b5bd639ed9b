/* base/util.h -- Attributes and small macros. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define NEVER_NULL __attribute__((returns_nonnull))

/* Gives a function another name in the object file, where a shared library that is linked too exports the plain one: else its calls
   to itself may end up here. */
#define LINKED_AS(name) __asm__("bascule_" name)

/* SCOPED(arena_close) struct arena *a = arena_open();  -- the destructor takes a pointer to the variable. */
#define SCOPED(destructor) __attribute__((cleanup(destructor)))

/* Hands ownership out of a SCOPED variable: return TAKE(p); */
#define TAKE(p) __extension__({ __auto_type take_ = (p); (p) = NULL; take_; })

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* The enclosing object of a member that was passed around by pointer. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
