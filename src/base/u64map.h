/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Numbers other than 0 to pointers: open addressing, linear probing.  Zero-initialise it. */
struct u64map {
	struct u64map_slot { uint64_t key; void *value; } *slots;
	size_t cap, used;
};

void *u64map_get(const struct u64map *m, uint64_t key);		/* NULL: not there */
int u64map_put(struct u64map *m, uint64_t key, void *value);	/* -1: no memory */
void u64map_del(struct u64map *m, uint64_t key);
void u64map_free(struct u64map *m);
