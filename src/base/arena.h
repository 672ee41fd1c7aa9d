/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * Memory that is given back all at once: what a configuration is made of.
 * Everything it hands out is zeroed and aligned for any type.
 */
struct arena;

struct arena *arena_new(void);				/* NULL: no memory */
void *arena_alloc(struct arena *a, size_t len);		/* NULL: no memory */
char *arena_strdup(struct arena *a, const char *s);	/* NULL: no memory, or s is NULL */
char *arena_strndup(struct arena *a, const char *s, size_t len);
void arena_free(struct arena *a);			/* NULL is fine */
/* Everything it handed out is given back, the arena itself stays. */
void arena_reset(struct arena *a);
