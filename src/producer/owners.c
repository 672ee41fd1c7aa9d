/* SPDX-License-Identifier: MIT */
#include "producer/owners.h"

#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our own place among the cgroups: appctld made it. */
static void
find_leaf(struct owners *o, struct procfs *fs)
{
	autoclose int fd = procfs_file(fs, "self/cgroup");
	ssize_t n = fd < 0 ? -1 : procfs_read(fs, fd);

	if (n <= 0 || !proc_cgroup_leaf(fs->text, (size_t)n, o->leaf))
		o->leaf[0] = '\0';
}

int
owners_init(struct owners *o, struct procfs *fs, const char *leaf, struct err *err)
{
	*o = (struct owners){ 0 };
	o->v = calloc(OWNERS_MAX, sizeof(*o->v));
	if (o->v == NULL)
		return err_set(err, ENOMEM, "applications");
	if (leaf != NULL)
		snprintf(o->leaf, sizeof(o->leaf), "%s", leaf);
	else
		find_leaf(o, fs);
	return 0;
}

void
owners_fini(struct owners *o)
{
	strmap_free(&o->by_name);
	free(o->v);
	*o = (struct owners){ 0 };
}

int32_t
owners_find(const struct owners *o, const char *name)
{
	uint32_t n = strmap_get(&o->by_name, name);

	return n == STRMAP_NONE ? -1 : (int32_t)n;
}

const char *
owners_name(const struct owners *o, int32_t application)
{
	return application < 0 ? NULL : o->v[application].name;
}

static struct application *
free_entry(struct owners *o)
{
	struct application *a;

	if (o->count < OWNERS_MAX)
		return &o->v[o->count++];
	for (a = o->v; a < o->v + o->count; a++)
		if (a->name[0] == '\0')
			return a;
	return NULL;
}

/* Its number, a new one where it has none; -1: there are too many. */
static int32_t
number_of(struct owners *o, const char *name)
{
	int32_t n = owners_find(o, name);
	struct application *a;

	if (n >= 0)
		return n;
	a = free_entry(o);
	if (a == NULL)
		return -1;
	*a = (struct application){ 0 };
	snprintf(a->name, sizeof(a->name), "%s", name);
	if (strmap_put(&o->by_name, a->name, (uint32_t)(a - o->v)) < 0) {
		a->name[0] = '\0';
		return -1;
	}
	return (int32_t)(a - o->v);
}

/* --- without cgroups ------------------------------------------------------------------ */

static int32_t
by_pid(const struct owners *o, pid_t pid)
{
	unsigned i;

	for (i = 0; i < o->count; i++)
		if (o->v[i].pid == pid && pid > 0)
			return (int32_t)i;
	return -1;
}

static int32_t
by_descent(const struct owners *o, const struct roster *r, const struct process *p)
{
	const struct place *parent = roster_find(r, p->stat.parent);
	int32_t n = by_pid(o, p->stat.pid);

	if (n < 0)
		n = by_pid(o, p->stat.session);
	if (n < 0 && parent != NULL)
		n = parent->p.application;
	return n;
}

/* A child may stand before its parent: again until nothing is found any more. */
static void
assign_descendants(const struct owners *o, struct roster *r, bool all)
{
	struct place *pl;
	bool changed;

	do {
		changed = false;
		for (pl = r->v; pl < r->v + r->used; pl++) {
			if (!pl->taken || pl->p.gone || pl->p.application >= 0 || (!all && !pl->fresh))
				continue;
			pl->p.application = by_descent(o, r, &pl->p);
			changed = changed || pl->p.application >= 0;
		}
	} while (changed);
}

void
owners_started(struct owners *o, struct roster *r, const char *name, pid_t pid)
{
	int32_t n = number_of(o, name);

	if (n < 0)
		return;
	o->v[n].pid = pid;
	if (o->leaf[0] == '\0')
		assign_descendants(o, r, true);
}

void
owners_ended(struct owners *o, const char *name)
{
	int32_t n = owners_find(o, name);

	if (n >= 0)
		o->v[n].pid = 0;
}

/* --- with cgroups --------------------------------------------------------------------- */

static int32_t
by_cgroup(struct owners *o, struct procfs *fs, pid_t pid)
{
	char name[OWNER_NAME_MAX + 1];
	ssize_t n = procfs_read_process_file(fs, pid, "cgroup");

	if (n <= 0 || !proc_cgroup_application(fs->text, (size_t)n, o->leaf, name, sizeof(name)))
		return -1;
	return number_of(o, name);
}

void
owners_assign(struct owners *o, struct procfs *fs, struct roster *r)
{
	struct place *pl;

	if (o->leaf[0] == '\0') {
		assign_descendants(o, r, false);
		return;
	}
	for (pl = r->v; pl < r->v + r->used; pl++)
		if (pl->taken && !pl->p.gone && pl->fresh)
			pl->p.application = by_cgroup(o, fs, pl->p.stat.pid);
}

/* --- sums ------------------------------------------------------------------------------ */

/* The sum of those that are known; NAN: none is. */
static double
plus(double sum, double d)
{
	return !isfinite(d) ? sum : isfinite(sum) ? sum + d : d;
}

static void
add(struct application *a, const struct process *p)
{
	a->kept++;
	if (p->gone)
		return;
	a->processes++;
	a->threads += p->stat.threads;
	a->memory += p->memory;
	a->cpu = plus(a->cpu, p->cpu);
	a->io_read = plus(a->io_read, p->io_read);
	a->io_written = plus(a->io_written, p->io_written);
}

static void
forget(struct owners *o, struct application *a)
{
	strmap_del(&o->by_name, a->name);
	a->name[0] = '\0';
}

static void
clear(struct application *a)
{
	a->processes = a->threads = a->kept = 0;
	a->cpu = a->io_read = a->io_written = NAN;
	a->memory = 0;
}

void
owners_sum(struct owners *o, const struct roster *r)
{
	const struct place *pl;
	struct application *a;

	clear(&o->none);
	for (a = o->v; a < o->v + o->count; a++)
		clear(a);
	for (pl = r->v; pl < r->v + r->used; pl++)
		if (pl->taken)
			add(pl->p.application < 0 ? &o->none : &o->v[pl->p.application], &pl->p);
	for (a = o->v; a < o->v + o->count; a++)
		if (a->name[0] != '\0' && a->kept == 0 && a->pid == 0)
			forget(o, a);
}
