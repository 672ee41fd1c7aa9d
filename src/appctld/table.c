/* SPDX-License-Identifier: MIT */
#include "appctld/table.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64, NAMES_MAX = 250 };

/* Fibonacci hashing: consecutive keys, as incarnations and pids are, spread well. */
static uint32_t
home_of(const struct table *t, uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 32) & t->index_mask;
}

static uint64_t
inc_of(const struct kid *k)
{
	return k->inc;
}

static uint64_t
pid_of(const struct kid *k)
{
	return (uint64_t)(uint32_t)k->pid;
}

typedef uint64_t key_of(const struct kid *k);

/* A child that was reaped keeps its number, but the kernel may give that anew. */
static bool
goes_by_pid(const struct kid *k)
{
	return k->pid != 0 && !(k->flags & KID_EXITED);
}

/* The place of key in an index, or the empty one where it would go. */
static uint32_t
place_of(const struct table *t, const uint32_t *index, uint64_t key, key_of *of)
{
	uint32_t at = home_of(t, key);

	while (index[at] != 0 && of(&t->kids[index[at] - 1]) != key)
		at = (at + 1) & t->index_mask;
	return at;
}

static void
index_add(struct table *t, uint32_t *index, struct kid *k, key_of *of)
{
	index[place_of(t, index, of(k), of)] = (uint32_t)(k - t->kids) + 1;
}

/* Knuth's algorithm R: what probed past the hole moves into it. */
static void
index_remove(struct table *t, uint32_t *index, uint64_t key, key_of *of)
{
	uint32_t hole = place_of(t, index, key, of), at = hole, home;

	if (index[hole] == 0)
		return;
	for (;;) {
		at = (at + 1) & t->index_mask;
		if (index[at] == 0)
			break;
		home = home_of(t, of(&t->kids[index[at] - 1]));
		if (((at - home) & t->index_mask) < ((at - hole) & t->index_mask))
			continue;
		index[hole] = index[at];
		hole = at;
	}
	index[hole] = 0;
}

static struct kid *
find(const struct table *t, const uint32_t *index, uint64_t key, key_of *of)
{
	uint32_t slot;

	if (key == 0 || t->cap == 0)
		return NULL;
	slot = index[place_of(t, index, key, of)];
	return slot == 0 ? NULL : &t->kids[slot - 1];
}

struct kid *
table_by_inc(const struct table *t, uint64_t inc)
{
	return find(t, t->by_inc, inc, inc_of);
}

struct kid *
table_by_pid(const struct table *t, pid_t pid)
{
	return find(t, t->by_pid, (uint64_t)(uint32_t)pid, pid_of);
}

static void
index_all(struct table *t)
{
	struct kid *k;

	for (k = table_next(t, NULL); k != NULL; k = table_next(t, k)) {
		index_add(t, t->by_inc, k, inc_of);
		if (goes_by_pid(k))
			index_add(t, t->by_pid, k, pid_of);
	}
}

/* The indices stay at most half full. */
static int
grow(struct table *t)
{
	uint32_t cap = t->cap > 0 ? t->cap * 2 : FIRST_CAP;
	uint32_t *by_inc = calloc(cap * 2, sizeof(*by_inc));
	uint32_t *by_pid = calloc(cap * 2, sizeof(*by_pid));
	struct kid *kids = by_inc != NULL && by_pid != NULL ? realloc(t->kids, cap * sizeof(*kids)) : NULL;

	if (kids == NULL) {
		free(by_inc);
		free(by_pid);
		return -1;
	}
	free(t->by_inc);
	free(t->by_pid);
	if (t->cap == 0)
		t->free = KID_NONE;
	t->kids = kids;
	t->cap = cap;
	t->by_inc = by_inc;
	t->by_pid = by_pid;
	t->index_mask = cap * 2 - 1;
	index_all(t);
	return 0;
}

static struct kid *
take_slot(struct table *t)
{
	struct kid *k;

	if (t->cap > 0 && t->free != KID_NONE) {
		k = &t->kids[t->free];
		t->free = k->next;
		return k;
	}
	if (t->used == t->cap && grow(t) < 0)
		return NULL;
	return &t->kids[t->used++];
}

static char *
join_names(const char *name, const char *cgroup, size_t name_len, size_t cgroup_len)
{
	char *both = name_len + cgroup_len <= NAMES_MAX ? malloc(name_len + cgroup_len + 2) : NULL;

	if (both == NULL)
		return NULL;
	memcpy(both, name, name_len + 1);
	memcpy(both + name_len + 1, cgroup, cgroup_len + 1);
	return both;
}

struct kid *
table_add(struct table *t, uint64_t inc, const char *name, const char *cgroup)
{
	size_t name_len = strlen(name);
	char *both = join_names(name, cgroup, name_len, strlen(cgroup));
	struct kid *k = both != NULL ? take_slot(t) : NULL;

	if (k == NULL) {
		free(both);
		return NULL;
	}
	*k = (struct kid){ .inc = inc, .name = both, .cgroup_at = (uint8_t)(name_len + 1), .ready_fd = -1, .next = KID_NONE };
	index_add(t, t->by_inc, k, inc_of);
	t->count++;
	return k;
}

void
table_set_pid(struct table *t, struct kid *k, pid_t pid)
{
	if (goes_by_pid(k))
		index_remove(t, t->by_pid, pid_of(k), pid_of);
	k->pid = pid;
	k->flags &= (uint16_t)~KID_EXITED;
	if (pid != 0)
		index_add(t, t->by_pid, k, pid_of);
}

void
table_set_exited(struct table *t, struct kid *k, int status)
{
	if (goes_by_pid(k))
		index_remove(t, t->by_pid, pid_of(k), pid_of);
	k->status = status;
	k->flags |= KID_EXITED;
}

void
table_remove(struct table *t, struct kid *k)
{
	table_set_pid(t, k, 0);
	index_remove(t, t->by_inc, k->inc, inc_of);
	free(k->name);
	*k = (struct kid){ .next = t->free };
	t->free = (uint32_t)(k - t->kids);
	t->count--;
}

struct kid *
table_next(const struct table *t, const struct kid *k)
{
	uint32_t i = k == NULL ? 0 : (uint32_t)(k - t->kids) + 1;

	while (i < t->used && t->kids[i].inc == 0)
		i++;
	return i < t->used ? &t->kids[i] : NULL;
}

void
table_fini(struct table *t)
{
	struct kid *k;

	for (k = table_next(t, NULL); k != NULL; k = table_next(t, k))
		free(k->name);
	free(t->kids);
	free(t->by_inc);
	free(t->by_pid);
	*t = (struct table){ 0 };
}

const char *
kid_name(const struct kid *k)
{
	return k->name;
}

const char *
kid_cgroup(const struct kid *k)
{
	return k->name + k->cgroup_at;
}
