/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Runs a fuzz target without a fuzzer, as a test: every file of its corpus as it is, cut at
 * every byte, and changed in a few thousand ways that are the same on every run (APPCTL_FUZZ_RUNS ways over
 * all files, where that is set).  Whatever a fuzzer finds goes into the corpus.  A fault ends the program; sanitizers make more of them visible.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MUTATIONS = 2000, CUTS_MAX = 4096, CHANGES_MAX = 4 };

static uint64_t seed = 1;
static unsigned long mutations = MUTATIONS;		/* of each file */

static size_t
below(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return n ? (size_t)(seed >> 33) % n : 0;
}

/* A copy of exactly that size, so that a read beyond it is seen. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (copy == NULL)
		return;
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
mutate(uint8_t *data, size_t *size)
{
	static const uint8_t likely[] = "{}()[]\"\\=:;,#@\n\0\xff" "0-.Le";
	size_t at = below(*size), len;

	switch (below(5)) {
	case 0: data[at] ^= (uint8_t)(1u << below(8)); return;
	case 1: data[at] = likely[below(sizeof(likely) - 1)]; return;
	case 2: data[at] = (uint8_t)below(256); return;
	case 3:					/* a piece goes */
		len = 1 + below(*size - at < 16 ? *size - at : 16);
		if (at + len > *size || len == *size)
			return;
		memmove(data + at, data + at + len, *size - at - len);
		*size -= len;
		return;
	default:				/* a piece comes again, over another */
		len = below(*size - at < 32 ? *size - at : 32);
		memmove(data + below(*size - len), data + at, len);
	}
}

static void
run_mutated(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);
	size_t changes, len;
	unsigned long i;

	for (i = 0; copy != NULL && i < mutations; i++) {
		memcpy(copy, data, size);
		len = size;
		for (changes = 1 + below(CHANGES_MAX); changes > 0; changes--)
			mutate(copy, &len);
		run(copy, len);
	}
	free(copy);
}

static int
read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "r");
	size_t n = 1;
	char *room;

	if (f == NULL)
		return -1;
	while (n > 0 && (room = buf_reserve(out, 4096)) != NULL) {
		n = fread(room, 1, 4096, f);
		out->len += n;
	}
	fclose(f);
	return out->failed ? -1 : 0;
}

static int
replay(const char *path)
{
	struct buf text = { 0 };
	const uint8_t *data;
	size_t i;

	if (read_file(path, &text) < 0)
		return -1;
	data = (const uint8_t *)text.data;
	run(data, text.len);
	for (i = 0; i < text.len && i < CUTS_MAX; i++)
		run(data, i);
	if (text.len > 0)
		run_mutated(data, text.len);
	buf_free(&text);
	return 0;
}

static int
is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int
main(void)
{
	const char *top = getenv("top_srcdir"), *runs = getenv("APPCTL_FUZZ_RUNS");
	char dir[4096], path[8192];
	struct dirent **names;
	int i, n, failed = 0;

	snprintf(dir, sizeof(dir), "%s/t/fuzz/corpus/%s", top ? top : ".", CORPUS);
	n = scandir(dir, &names, is_visible, alphasort);
	if (n <= 0) {
		printf("1..1\nnot ok 1 - a corpus in %s\n", dir);
		return 1;
	}
	if (runs != NULL)
		mutations = strtoul(runs, NULL, 10) / (unsigned long)n + 1;
	printf("1..%d\n", n);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (replay(path) < 0)
			failed = 1;
		printf("%s %d - %s, whole, cut and changed\n", failed ? "not ok" : "ok", i + 1, names[i]->d_name);
		fflush(stdout);
		free(names[i]);
	}
	free(names);
	return failed;
}
