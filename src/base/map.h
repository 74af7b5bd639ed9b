/* base/map.h -- Names to values of one size, with a limit; what is removed leaves its place to what comes next, so that memory is bounded. */
#pragma once
#include "base/arena.h"

struct map;
enum { MAP_KEY_SIZE = 96 };

/* Lives in the arena; holds at most `max` entries, and takes memory only for as many as were there at once. */
struct map *map_new(struct arena *arena, size_t value_size, size_t max) NEVER_NULL;
void *map_get(const struct map *map, const char *key); /* NULL: not there; valid until the key is removed */
/* The value of a key, zeroed when it is new. NULL when the map is full or the key does not fit MAP_KEY_SIZE. */
void *map_put(struct map *map, const char *key);
bool map_remove(struct map *map, const char *key); /* false: it was not there */
size_t map_count(const struct map *map);
/* Walking: every index below map_places(), some of which hold nothing (NULL). The same puts and removes give the same order. */
size_t map_places(const struct map *map);
void *map_at(const struct map *map, size_t place, const char **ret_key);
