/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Equal runs of bytes are kept once: strings, arrays of interned strings, and structs of
 * interned parts (zeroed before they are filled, so that their padding is equal too).
 * Five thousand applications that differ in little but their name so cost little but their name.
 */
struct intern {				/* zero-initialise, then set arena; intern_fini() drops the index, not the bytes */
	struct arena *arena;
	struct intern_slot { const void *bytes; uint32_t hash, len; } *slots;
	size_t cap, used;
	bool failed;			/* out of memory at some time: what was handed out is NULL */
};

const void *intern_bytes(struct intern *in, const void *bytes, size_t len);
const char *intern_string(struct intern *in, const char *s);	/* NULL: NULL */
void intern_fini(struct intern *in);
