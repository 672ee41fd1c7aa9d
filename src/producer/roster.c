/* SPDX-License-Identifier: MIT */
#include "producer/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NONE = UINT32_MAX,
	STATM_EVERY = 16,		/* updates, for those whose stat says that nothing happened */
	GIVE_UP_SHARE = 8,		/* this part of the places may change hands in one update */
};

int
roster_init(struct roster *r, struct procfs *fs, unsigned max, unsigned descriptors_max, struct err *err)
{
	*r = (struct roster){ .fs = fs, .max = max, .descriptors_max = descriptors_max, .free_first = NONE };
	r->v = calloc(max, sizeof(*r->v));
	return r->v == NULL ? err_set(err, ENOMEM, "places for %u processes", max) : 0;
}

static void
drop_descriptor(struct roster *r, int *fd)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	r->descriptors--;
}

void
roster_fini(struct roster *r)
{
	unsigned i;

	for (i = 0; i < r->used; i++) {
		drop_descriptor(r, &r->v[i].stat_fd);
		drop_descriptor(r, &r->v[i].statm_fd);
	}
	free(r->v);
	u64map_free(&r->by_pid);
	*r = (struct roster){ 0 };
}

struct place *
roster_find(const struct roster *r, pid_t pid)
{
	return pid > 0 ? u64map_get(&r->by_pid, (uint64_t)pid) : NULL;
}

/* --- places ------------------------------------------------------------------------- */

/* The process has ended, or is not looked at any more: its pid says nothing from now on. */
static void
retire(struct roster *r, struct place *pl)
{
	drop_descriptor(r, &pl->stat_fd);
	drop_descriptor(r, &pl->statm_fd);
	u64map_del(&r->by_pid, (uint64_t)pl->p.stat.pid);
	pl->p.gone = true;
	r->known--;
}

static void
give_back(struct roster *r, struct place *pl)
{
	pl->taken = false;
	pl->next_free = r->free_first;
	r->free_first = (uint32_t)(pl - r->v);
}

static struct place *
take_place(struct roster *r, pid_t pid)
{
	struct place *pl;

	if (r->free_first != NONE)
		pl = &r->v[r->free_first];
	else if (r->used < r->max)
		pl = &r->v[r->used];
	else
		return NULL;
	if (u64map_put(&r->by_pid, (uint64_t)pid, pl) < 0)
		return NULL;
	if (r->free_first != NONE)
		r->free_first = pl->next_free;
	else
		r->used++;
	*pl = (struct place){ .stat_fd = -1, .statm_fd = -1, .taken = true, .fresh = true };
	process_init(&pl->p);
	pl->p.stat.pid = pid;
	r->known++;
	return pl;
}

/* Once there was no place for all, only who stands behind the last one that got one: so all have their turn. */
static struct place *
admit(struct roster *r, pid_t pid)
{
	struct place *pl = pid > r->cursor ? take_place(r, pid) : NULL;

	if (pl == NULL) {
		r->refused++;
		r->full = r->full || pid > r->cursor;
	} else if (r->used == r->max) {
		r->cursor = pid;
	}
	return pl;
}

static bool
is_idle(const struct place *pl)
{
	return pl->taken && !pl->fresh && !pl->active && !pl->wanted && !pl->p.gone;
}

/* Somebody had no place the last time: those that do nothing give theirs up, in turn. */
static void
make_room(struct roster *r)
{
	unsigned left = r->max / GIVE_UP_SHARE + 1, looked;
	struct place *pl;

	for (looked = 0; looked < r->used && left > 0; looked++) {
		pl = &r->v[r->hand++ % r->used];
		if (!is_idle(pl))
			continue;
		retire(r, pl);
		give_back(r, pl);
		left--;
	}
	r->hand %= r->used;
}

/* --- reading ------------------------------------------------------------------------ */

/* Reads that file of the process into the buffer; keeps its descriptor where there is one to spare. */
static ssize_t
read_kept(struct roster *r, pid_t pid, int *kept, const char *name)
{
	ssize_t n;
	int fd;

	if (*kept >= 0)
		return procfs_read(r->fs, *kept);
	fd = procfs_process_file(r->fs, pid, name);
	if (fd < 0)
		return -1;
	n = procfs_read(r->fs, fd);
	if (n > 0 && r->descriptors < r->descriptors_max) {
		*kept = fd;
		r->descriptors++;
	} else {
		close(fd);
	}
	return n;
}

static bool
read_stat(struct roster *r, struct place *pl, struct proc_stat *stat)
{
	pid_t pid = pl->p.stat.pid;
	ssize_t n = read_kept(r, pid, &pl->stat_fd, "stat");

	return n > 0 && proc_stat_read(r->fs->text, (size_t)n, stat) && stat->pid == pid;
}

/* Memory changes with page faults, or while the process runs; what others do to it is found a little later. */
static bool
memory_may_differ(const struct roster *r, const struct place *pl, const struct proc_stat *stat)
{
	const struct proc_stat *old = &pl->p.stat;

	return pl->p.at_ns == 0 || stat->faults != old->faults || stat->ticks != old->ticks || stat->resident != old->resident ||
	       (r->round + (uint32_t)stat->pid) % STATM_EVERY == 0;
}

static int64_t
memory_of(struct roster *r, struct place *pl, const struct proc_stat *stat)
{
	uint64_t pages = stat->resident;
	ssize_t n;

	if (!memory_may_differ(r, pl, stat))
		return pl->p.memory;
	if (pages != 0 || stat->faults != 0) {		/* else a thread of the kernel */
		n = read_kept(r, stat->pid, &pl->statm_fd, "statm");
		if (n > 0)
			proc_statm_read(r->fs->text, (size_t)n, &pages);
	}
	return (int64_t)pages * r->fs->page_size;
}

static void
look(struct roster *r, pid_t pid)
{
	struct place *pl = roster_find(r, pid);
	struct proc_stat stat;
	bool read = pl != NULL && read_stat(r, pl, &stat);

	if (pl != NULL && (!read || stat.started != pl->p.stat.started)) {
		retire(r, pl);
		pl = NULL;
	}
	if (pl == NULL) {
		pl = admit(r, pid);
		if (pl == NULL)
			return;
		if (!read_stat(r, pl, &stat)) {
			retire(r, pl);
			give_back(r, pl);
			return;
		}
	}
	pl->active = pl->p.at_ns != 0 && pl->p.stat.ticks != stat.ticks;
	pl->fresh = pl->p.at_ns == 0 || strcmp(pl->p.stat.name, stat.name) != 0;
	pl->round = r->round;
	process_take(&pl->p, &stat, memory_of(r, pl, &stat), r->at_ns, r->fs->ticks);
}

static void
free_gone(struct roster *r)
{
	unsigned i;

	for (i = 0; i < r->used; i++)
		if (r->v[i].taken && r->v[i].p.gone)
			give_back(r, &r->v[i]);
}

static void
retire_unseen(struct roster *r)
{
	unsigned i;

	for (i = 0; i < r->used; i++)
		if (r->v[i].taken && !r->v[i].p.gone && r->v[i].round != r->round)
			retire(r, &r->v[i]);
}

int
roster_update(struct roster *r)
{
	pid_t pid;

	if (procfs_begin(r->fs) < 0 || (pid = procfs_next(r->fs)) < 0)
		return -1;
	r->at_ns = procfs_now_ns();
	r->round++;
	free_gone(r);
	if (r->refused > 0 && r->free_first == NONE && r->used == r->max)
		make_room(r);
	r->refused = r->processes = 0;
	r->full = false;
	for (; pid > 0; pid = procfs_next(r->fs)) {
		r->processes++;
		look(r, pid);
	}
	if (!r->full)
		r->cursor = 0;
	if (pid == 0)
		retire_unseen(r);
	return 0;
}

bool
roster_still(struct roster *r, const struct place *pl)
{
	pid_t pid = pl->p.stat.pid;
	struct proc_stat stat;
	ssize_t n;

	n = pl->stat_fd >= 0 ? procfs_read(r->fs, pl->stat_fd) : procfs_read_process_file(r->fs, pid, "stat");
	return n > 0 && proc_stat_read(r->fs->text, (size_t)n, &stat) && stat.pid == pid && stat.started == pl->p.stat.started;
}
