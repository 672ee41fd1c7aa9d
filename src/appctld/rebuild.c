/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/buf.h"
#include "base/log.h"
#include "sys/tree.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/*
 * The new program could not read what was handed over, nor could the old one:
 * both are gone, but this process has their children.  They are found again by their cgroup or, without cgroups, by
 * what their environment says; the engine adopts them by their names.  Of one application the first that was
 * started is its main process; helpers are not known any more.  Whoever was connected, readiness under way and the exits
 * that were not told are lost; a service manager above is told READY=1 once more.
 */
enum { NAME_LEN = 251 };		/* as much as the table takes */
enum { SHUTDOWN_MS = 5000 };		/* until the engine says what the configuration wants */

struct found {
	char name[NAME_LEN];
	uint64_t inc;			/* 0: its environment does not say */
	pid_t pid;
};

struct search {
	struct keeper *k;
	struct buf found;		/* struct found[] */
};

static bool
take_child(void *arg, pid_t pid)
{
	struct search *s = arg;
	const struct cgroups *c = &s->k->cgroups;
	struct found f = { .pid = pid };
	char inc[24];

	if (!tree_leads_session(pid))
		return true;
	if (c->dir_fd >= 0 ? !cgroup_of(c, pid, f.name, sizeof(f.name)) : !tree_environment(pid, "APPCTL_APP=", f.name, sizeof(f.name)))
		return true;
	if (tree_environment(pid, TREE_MARKER, inc, sizeof(inc)))
		f.inc = strtoull(inc, NULL, 10);
	buf_add(&s->found, &f, sizeof(f));
	return true;
}

/* Those of one name together, the oldest first. */
static int
by_name_and_age(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->inc != y->inc ? (x->inc < y->inc ? -1 : 1) : (x->pid > y->pid) - (x->pid < y->pid);
}

static void
add_kid(struct keeper *k, const struct found *f)
{
	bool known = f->inc == 0 || table_by_inc(&k->table, f->inc) != NULL;
	struct kid *kid = table_add(&k->table, known ? ++k->last_inc : f->inc, f->name, k->cgroups.dir_fd >= 0 ? f->name : "");

	if (kid == NULL) {
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "no memory to take %s (pid %d) over", f->name, (int)f->pid);
		return;
	}
	kid->kind = 0;			/* the main process */
	kid->stop_signal = SIGTERM;
	kid->shutdown_ms = SHUTDOWN_MS;
	kid->ready_fd = -1;
	table_set_pid(&k->table, kid, f->pid);
}

void
rebuild_table(struct keeper *k)
{
	struct search s = { .k = k };
	const struct found *f;
	size_t n, i;

	if (tree_each_child(take_child, &s) < 0)
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "/proc does not tell the children of this process");
	n = s.found.len / sizeof(*f);
	f = (const struct found *)(const void *)s.found.data;
	if (n > 0)
		qsort(s.found.data, n, sizeof(*f), by_name_and_age);
	/* Numbers that are new must be beyond all that were used. */
	for (i = 0; i < n; i++)
		k->last_inc = f[i].inc > k->last_inc ? f[i].inc : k->last_inc;
	for (i = 0; i < n; i++)
		if (i == 0 || strcmp(f[i].name, f[i - 1].name) != 0)
			add_kid(k, &f[i]);
	log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "begins anew, with %u processes that are there", k->table.count);
	buf_free(&s.found);
}
