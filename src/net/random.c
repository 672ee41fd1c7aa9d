/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { STORE = 256 };		/* what getrandom(2) gives whole and without being interrupted */

void
random_bytes(void *out, size_t len)
{
	static unsigned char store[STORE];
	static size_t used = STORE;
	size_t n;

	for (; len > 0; out = (char *)out + n, len -= n) {
		if (used == STORE) {
			if (getrandom(store, STORE, 0) != STORE)
				abort();
			used = 0;
		}
		n = len < STORE - used ? len : STORE - used;
		memcpy(out, store + used, n);
		explicit_bzero(store + used, n);
		used += n;
	}
}
