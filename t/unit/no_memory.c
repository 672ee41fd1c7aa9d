/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The calls of t/fuzz/corpus/control, again and again: with the first allocation failing, with the
 * second, until all have failed once.  Each call is still answered, with a whole reply; the target sees to that.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void memory_may_run_out(bool may);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

static bool may_fail;
static long seen, failing;

void
memory_may_run_out(bool may)
{
	may_fail = may;
}

static bool
fails(void)
{
	return may_fail && seen++ == failing;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static void
fail_each_once(const char *path, const char *name, unsigned number)
{
	static uint8_t data[65536];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (f == NULL) {
		printf("not ok %u - %s cannot be read\n", number, path);
		return;
	}
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	for (failing = 0, seen = 1; seen > failing; failing++) {
		seen = 0;
		LLVMFuzzerTestOneInput(data, len);
	}
	printf("ok %u - %s: each of %ld allocations failed once\n", number, name, failing - 1);
}

int
main(void)
{
	const char *top = getenv("top_srcdir");
	char dir[2048], path[4096];
	struct dirent *entry;
	unsigned number = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/t/fuzz/corpus/control", top ? top : ".");
	d = opendir(dir);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		fail_each_once(path, entry->d_name, ++number);
	}
	if (d != NULL)
		closedir(d);
	printf("1..%u\n", number);
	return number > 0 ? 0 : 1;
}
