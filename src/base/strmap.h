/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Names to numbers: open addressing, linear probing.  Zero-initialise it.
 * Keys are borrowed and must outlive the map.
 */
struct strmap {
	struct strmap_slot { const char *key; uint32_t value; } *slots;
	size_t cap, used;
};

enum { STRMAP_NONE = UINT32_MAX };

/* The value of key, or STRMAP_NONE. */
uint32_t strmap_get(const struct strmap *m, const char *key);
/* Adds key or replaces its value; -1: no memory. */
int strmap_put(struct strmap *m, const char *key, uint32_t value);
/* Forgets key; no error if it is not there. */
void strmap_del(struct strmap *m, const char *key);
void strmap_free(struct strmap *m);
