/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Hash maps with a fixed iteration order (order of insertion), so that the same inputs give the same decisions
 * whatever the hash seed. Keys are copied. */

#include "basic/macro.h"

typedef struct HashMap HashMap;
typedef void *(*hash_free_t)(void *value);

/* free_value may be NULL (values are borrowed). */
int hashmap_new(HashMap **ret, hash_free_t free_value);
/* Frees every value that is left with free_value. NULL-safe. */
HashMap *hashmap_free(HashMap *m);
DEFINE_CLEANUP(HashMap *, hashmap_free);

/* -EEXIST if the key is there (value is not taken), -ENOMEM. On success the map owns value. */
int hashmap_put(HashMap *m, const char *key, void *value);
/* Like put, but replaces (and frees) an old value. */
int hashmap_replace(HashMap *m, const char *key, void *value);
void *hashmap_get(const HashMap *m, const char *key);
/* Takes the value out without freeing it; NULL if absent. */
void *hashmap_remove(HashMap *m, const char *key);
size_t hashmap_size(const HashMap *m);

/* The same with 64-bit keys; one map uses one kind of key only. */
int hashmap_put_u64(HashMap *m, uint64_t key, void *value);
void *hashmap_get_u64(const HashMap *m, uint64_t key);
void *hashmap_remove_u64(HashMap *m, uint64_t key);

/* Iteration in order of insertion; the current element may be removed, nothing else may change meanwhile. */
typedef struct HashIter {
        size_t index;
} HashIter;
bool hashmap_next(const HashMap *m, HashIter *i, const char **ret_key, void **ret_value);
#define HASHMAP_FOREACH(value, m)                                                       \
        for (HashIter CONCAT(i_, __LINE__) = {};                                        \
             hashmap_next((m), &CONCAT(i_, __LINE__), NULL, (void **) &(value));)
