/* base/map.c -- Chains in a table of fixed size per generation; the table doubles as the entries do. */
#include "base/map.h"

#include <string.h>

#include "base/banned.h"
#include "base/str.h"
#include "base/vec.h"

enum { FIRST_CHAINS = 64 };
#define NO_PLACE UINT32_MAX

struct entry {
    uint32_t next;        /* in its chain, or among the free ones */
    bool used;
    char key[MAP_KEY_SIZE];
    char value[] __attribute__((aligned(16)));
};

struct map {
    struct arena *arena;
    size_t value_size, max, count, chain_count;
    uint32_t *chains;     /* first place of each; NO_PLACE: none */
    VEC(struct entry *) entries; /* by place; each stays where it is */
    uint32_t free;
};

static uint64_t hash_of(const char *key)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return hash ^ (hash >> 32);
}

static uint32_t *chain_of(const struct map *map, const char *key)
{
    return &map->chains[hash_of(key) & (map->chain_count - 1)];
}

static uint32_t *new_chains(struct arena *arena, size_t count)
{
    uint32_t *chains = arena_array(arena, uint32_t, count);
    memset(chains, 0xff, count * sizeof(*chains)); /* NO_PLACE */
    return chains;
}

struct map *map_new(struct arena *arena, size_t value_size, size_t max)
{
    struct map *map = arena_new(arena, struct map);
    *map = (struct map){.arena = arena, .value_size = value_size, .max = max, .chain_count = FIRST_CHAINS, .free = NO_PLACE};
    map->chains = new_chains(arena, FIRST_CHAINS);
    return map;
}

/* The link that leads to the key's place, or the end of its chain. */
static uint32_t *find(const struct map *map, const char *key)
{
    uint32_t *link = chain_of(map, key);
    while (*link != NO_PLACE && !same(map->entries.p[*link]->key, key))
        link = &map->entries.p[*link]->next;
    return link;
}

void *map_get(const struct map *map, const char *key)
{
    uint32_t place = *find(map, key);
    return place == NO_PLACE ? NULL : map->entries.p[place]->value;
}

/* When there are as many entries as chains, no place is free. */
static void grow(struct map *map)
{
    map->chain_count *= 2;
    map->chains = new_chains(map->arena, map->chain_count);
    for (uint32_t i = 0; i < map->entries.n; i++) {
        struct entry *e = map->entries.p[i];
        uint32_t *chain = chain_of(map, e->key);
        e->next = *chain;
        *chain = i;
    }
}

static uint32_t take_place(struct map *map)
{
    uint32_t place = map->free;
    if (place != NO_PLACE) {
        map->free = map->entries.p[place]->next;
        return place;
    }
    place = (uint32_t)map->entries.n;
    struct entry *e = arena_alloc(map->arena, sizeof(struct entry) + map->value_size);
    *vec_add(map->arena, &map->entries) = e; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return place;
}

void *map_put(struct map *map, const char *key)
{
    uint32_t *link = find(map, key);
    if (*link != NO_PLACE)
        return map->entries.p[*link]->value;
    if (map->count >= map->max || strlen(key) >= MAP_KEY_SIZE)
        return NULL;
    if (map->count >= map->chain_count)
        grow(map);
    uint32_t place = take_place(map), *chain = chain_of(map, key);
    struct entry *e = map->entries.p[place];
    e->used = true;
    COPY_TO(e->key, key);
    memset(e->value, 0, map->value_size);
    e->next = *chain;
    *chain = place;
    map->count++;
    return e->value;
}

bool map_remove(struct map *map, const char *key)
{
    uint32_t *link = find(map, key), place = *link;
    if (place == NO_PLACE)
        return false;
    struct entry *e = map->entries.p[place];
    *link = e->next;
    e->used = false;
    e->next = map->free;
    map->free = place;
    map->count--;
    return true;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

size_t map_places(const struct map *map)
{
    return map->entries.n;
}

void *map_at(const struct map *map, size_t place, const char **ret_key)
{
    struct entry *e = map->entries.p[place];
    if (!e->used)
        return NULL;
    *ret_key = e->key;
    return e->value;
}
