/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/hash.h"

#include "basic/id.h"
#include "basic/siphash.h"

/* Entries stand in one array in order of insertion; a removed one stays as a hole until the array is next full. Beside
 * it an open-addressing index (linear probing, at most half full) holds entry numbers + 1, 0 for a free slot; a removal
 * shifts the run behind it back, so that the index needs no tombstones. */

typedef enum KeyKind { KEY_NONE, KEY_STRING, KEY_NUMBER } KeyKind;

typedef struct Entry {
        uint64_t hash;
        union {
                char *key;
                uint64_t number;
        };
        void *value;
        bool used;
} Entry;

struct HashMap {
        SipKey seed;
        hash_free_t free_value;
        KeyKind kind;
        Entry *entries;
        size_t n_entries, n_allocated; /* n_entries counts holes too */
        size_t n_used;
        uint32_t *slots;
        size_t n_slots; /* a power of two */
};

/* What a lookup is made with. */
typedef struct Key {
        KeyKind kind;
        const char *string;
        uint64_t number;
        uint64_t hash;
} Key;

static Key key_string(const HashMap *m, const char *s) {
        return (Key){ .kind = KEY_STRING, .string = s, .hash = siphash13(&m->seed, s, strlen(s)) };
}

static Key key_number(const HashMap *m, uint64_t n) {
        return (Key){ .kind = KEY_NUMBER, .number = n, .hash = siphash13(&m->seed, &n, sizeof n) };
}

int hashmap_new(HashMap **ret, hash_free_t free_value) {
        HashMap *m = calloc(1, sizeof *m);

        assert(ret);
        if (!m)
                return -ENOMEM;
        m->seed = (SipKey){ { random_u64(), random_u64() } };
        m->free_value = free_value;
        *ret = m;
        return 0;
}

static void entry_free_key(const HashMap *m, Entry *e) {
        if (m->kind == KEY_STRING)
                free(e->key);
}

HashMap *hashmap_free(HashMap *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_entries; i++) {
                Entry *e = m->entries + i;

                if (!e->used)
                        continue;
                entry_free_key(m, e);
                if (m->free_value && e->value)
                        m->free_value(e->value);
        }
        free(m->entries);
        free(m->slots);
        free(m);
        return NULL;
}

static bool entry_matches(const Entry *e, const Key *k) {
        if (e->hash != k->hash)
                return false;
        return k->kind == KEY_STRING ? strcmp(e->key, k->string) == 0 : e->number == k->number;
}

/* The slot that holds the key, or SIZE_MAX. */
static size_t find_slot(const HashMap *m, const Key *k) {
        if (m->n_used == 0)
                return SIZE_MAX;
        assert(m->kind == k->kind);
        for (size_t i = k->hash & (m->n_slots - 1); m->slots[i] != 0; i = (i + 1) & (m->n_slots - 1))
                if (entry_matches(m->entries + m->slots[i] - 1, k))
                        return i;
        return SIZE_MAX;
}

static Entry *find_entry(const HashMap *m, const Key *k) {
        size_t slot = find_slot(m, k);

        return slot == SIZE_MAX ? NULL : m->entries + m->slots[slot] - 1;
}

static void index_entry(HashMap *m, size_t number) {
        size_t i = m->entries[number].hash & (m->n_slots - 1);

        while (m->slots[i] != 0)
                i = (i + 1) & (m->n_slots - 1);
        m->slots[i] = (uint32_t) number + 1;
}

static void compact(HashMap *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_entries; i++)
                if (m->entries[i].used)
                        m->entries[n++] = m->entries[i];
        m->n_entries = n;
        memset(m->slots, 0, m->n_slots * sizeof *m->slots);
        for (size_t i = 0; i < n; i++)
                index_entry(m, i);
}

/* Makes room for one entry more: closes the holes if there are many, doubles the arrays otherwise. */
static int reserve(HashMap *m) {
        size_t n_allocated = m->n_allocated > 0 ? 2 * m->n_allocated : 8;
        uint32_t *slots;
        Entry *entries;

        if (m->n_entries < m->n_allocated)
                return 0;
        if (m->n_allocated > 0 && m->n_used <= m->n_allocated - m->n_allocated / 4) {
                compact(m);
                return 0;
        }
        if (n_allocated > UINT32_MAX / 4)
                return -ENOMEM;

        slots = calloc(2 * n_allocated, sizeof *slots);
        if (!slots)
                return -ENOMEM;
        entries = reallocarray(m->entries, n_allocated, sizeof *entries);
        if (!entries) {
                free(slots);
                return -ENOMEM;
        }
        free(m->slots);
        m->entries = entries;
        m->n_allocated = n_allocated;
        m->slots = slots;
        m->n_slots = 2 * n_allocated;
        compact(m);
        return 0;
}

static int put(HashMap *m, const Key *k, void *value) {
        _cleanup_free_ char *copy = NULL;
        Entry *e;
        int r;

        if (find_entry(m, k))
                return -EEXIST;
        if (k->kind == KEY_STRING) {
                copy = strdup(k->string);
                if (!copy)
                        return -ENOMEM;
        }
        r = reserve(m);
        if (r < 0)
                return r;

        assert(IN_SET(m->kind, KEY_NONE, k->kind));
        m->kind = k->kind;
        e = m->entries + m->n_entries++;
        *e = (Entry){ .hash = k->hash, .value = value, .used = true };
        if (k->kind == KEY_STRING)
                e->key = TAKE_PTR(copy);
        else
                e->number = k->number;
        m->n_used++;
        index_entry(m, m->n_entries - 1);
        return 0;
}

/* Frees the slot and moves later members of its run forward, unless that put them before their own place. */
static void free_slot(HashMap *m, size_t hole) {
        const size_t mask = m->n_slots - 1;

        for (size_t i = (hole + 1) & mask; m->slots[i] != 0; i = (i + 1) & mask) {
                size_t home = m->entries[m->slots[i] - 1].hash & mask;

                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        m->slots[hole] = m->slots[i];
                        hole = i;
                }
        }
        m->slots[hole] = 0;
}

static void *take(HashMap *m, const Key *k) {
        size_t slot = find_slot(m, k);
        void *value;
        Entry *e;

        if (slot == SIZE_MAX)
                return NULL;
        e = m->entries + m->slots[slot] - 1;
        free_slot(m, slot);
        entry_free_key(m, e);
        value = e->value;
        *e = (Entry){};
        m->n_used--;
        return value;
}

int hashmap_put(HashMap *m, const char *key, void *value) {
        Key k;

        assert(m);
        assert(key);
        k = key_string(m, key);
        return put(m, &k, value);
}

int hashmap_replace(HashMap *m, const char *key, void *value) {
        Key k;
        Entry *e;
        void *old;

        assert(m);
        assert(key);
        k = key_string(m, key);
        e = find_entry(m, &k);
        if (!e)
                return put(m, &k, value);
        old = e->value;
        e->value = value;
        if (m->free_value && old && old != value)
                m->free_value(old);
        return 0;
}

void *hashmap_get(const HashMap *m, const char *key) {
        Entry *e;
        Key k;

        if (!m || !key)
                return NULL;
        k = key_string(m, key);
        e = find_entry(m, &k);
        return e ? e->value : NULL;
}

void *hashmap_remove(HashMap *m, const char *key) {
        Key k;

        if (!m || !key)
                return NULL;
        k = key_string(m, key);
        return take(m, &k);
}

size_t hashmap_size(const HashMap *m) {
        return m ? m->n_used : 0;
}

int hashmap_put_u64(HashMap *m, uint64_t key, void *value) {
        Key k;

        assert(m);
        k = key_number(m, key);
        return put(m, &k, value);
}

void *hashmap_get_u64(const HashMap *m, uint64_t key) {
        Entry *e;
        Key k;

        if (!m)
                return NULL;
        k = key_number(m, key);
        e = find_entry(m, &k);
        return e ? e->value : NULL;
}

void *hashmap_remove_u64(HashMap *m, uint64_t key) {
        Key k;

        if (!m)
                return NULL;
        k = key_number(m, key);
        return take(m, &k);
}

bool hashmap_next(const HashMap *m, HashIter *i, const char **ret_key, void **ret_value) {
        assert(i);
        if (!m)
                return false;
        while (i->index < m->n_entries) {
                const Entry *e = m->entries + i->index++;

                if (!e->used)
                        continue;
                if (ret_key)
                        *ret_key = m->kind == KEY_STRING ? e->key : NULL;
                if (ret_value)
                        *ret_value = e->value;
                return true;
        }
        return false;
}
