/* SPDX-License-Identifier: MIT */
#include "net/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 3000 };

struct seen {
	unsigned events, bad;
	size_t bytes;
};

/* All that comes of these bytes, given in pieces of that size. */
static void
read_in_pieces(const uint8_t *data, size_t size, size_t piece, bool server, struct seen *seen)
{
	struct frames *f = frames_new(server, MAX);
	struct frames_event ev;
	enum frames_kind kind;
	size_t at, n;

	if (f == NULL)
		return;
	for (at = 0; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		frames_feed(f, data + at, n);
		while ((kind = frames_next(f, &ev)) != FRAMES_NONE) {
			if (seen->bad > 0 || ev.len > MAX || ev.data[ev.len] != '\0')
				abort();
			seen->events++;
			seen->bytes += kind == FRAMES_BAD ? ev.code : ev.len;
			seen->bad += kind == FRAMES_BAD;
		}
		frames_trim(f);
	}
	frames_free(f);
}

/* How the bytes come does not change what they mean. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, pieces;
	int server;

	for (server = 0; server < 2; server++) {
		whole = pieces = (struct seen){ 0 };
		read_in_pieces(data, size, size ? size : 1, server, &whole);
		read_in_pieces(data, size, 3, server, &pieces);
		if (memcmp(&whole, &pieces, sizeof(whole)) != 0)
			abort();
	}
	return 0;
}
