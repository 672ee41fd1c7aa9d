/* SPDX-License-Identifier: MIT */
/*
 * Loaded before libc: every allocation fails while the file $NO_MEMORY_WHILE says "1", and the one
 * with the number $NO_MEMORY_AT fails once; at the one with the number $NO_MEMORY_END the process is killed.  How many there were is written to $NO_MEMORY_COUNT at the end.
 * Only in the engine: applications get its environment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static const volatile char *fails = "";
static atomic_ulong count;
static unsigned long fails_at, ends_at;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("NO_MEMORY_WHILE"), *at = getenv("NO_MEMORY_AT"), *end = getenv("NO_MEMORY_END");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = fd >= 0 ? mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (strcmp(program_invocation_short_name, "appctl-engine") != 0)
		return;
	if (page != MAP_FAILED)
		fails = page;
	if (fd >= 0)
		close(fd);
	count = 0;
	fails_at = at != NULL ? strtoul(at, NULL, 10) : 0;
	ends_at = end != NULL ? strtoul(end, NULL, 10) : 0;
}

__attribute__((destructor)) static void
end(void)
{
	const char *path = getenv("NO_MEMORY_COUNT");
	bool is_engine = strcmp(program_invocation_short_name, "appctl-engine") == 0;
	int fd = is_engine && path != NULL ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;

	if (fd >= 0)
		dprintf(fd, "%lu\n", (unsigned long)count);
}

static bool
refused(void)
{
	unsigned long n = atomic_fetch_add(&count, 1) + 1;

	if (n == ends_at)
		raise(SIGKILL);
	if (fails[0] != '1' && n != fails_at)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size) { return refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return refused() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return refused() ? NULL : __libc_realloc(p, size); }
void *aligned_alloc(size_t alignment, size_t size) { return refused() ? NULL : __libc_memalign(alignment, size); }
