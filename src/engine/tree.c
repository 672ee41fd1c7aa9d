/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/shell.h"
#include "sys/cgroup.h"
#include "sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What belongs to an application beside its main process, and when none of it is
 * left.  Cgroups tell by inotify; without them /proc is looked through, at growing
 * intervals and only while somebody waits.
 */
enum { LOOK_MIN_MS = 50, LOOK_MAX_MS = 1000, PIDFILE_PATIENCE_MS = 5000, PIDFILE_MAX = 64 };
enum { YIELD_MS = 2, BUSY_MS = 100 };

enum job_kind { JOB_TREE, JOB_PIDFILE };

struct job {
	struct job *next;
	enum job_kind kind;
	char app[NAME_MAX_LEN + 1];
	uint64_t inc;
	int wd;				/* inotify watch; -1: it has to be looked at from time to time */
	int64_t look_ms, interval_ms, patience_ms;
};

/* A main process that has ended while its descendants may be there: without cgroups they are known by its number. */
struct ended {
	uint64_t inc;
	pid_t pid;
};

struct trees {
	struct daemon *d;
	struct cgroups cgroups;		/* dir_fd -1: there are none */
	struct job *first;
	struct timer *timer;
	int inotify;			/* -1: none, or not needed now */
	struct watch *watch;
	struct buf ended;		/* struct ended[] */
	int64_t busy_until_ms;		/* somebody else needs this processor for longer */
};

/* --- who belongs to whom ------------------------------------------------------ */

static struct ended *
find_ended(const struct trees *t, uint64_t inc)
{
	struct ended *e = (struct ended *)(void *)t->ended.data;
	size_t i;

	for (i = 0; i < t->ended.len / sizeof(*e); i++) {
		if (e[i].inc == inc)
			return &e[i];
	}
	return NULL;
}

static struct tree
tree_of(const struct trees *t, const struct app *a)
{
	uint64_t inc = a->inc[CHILD_MAIN];
	const struct ended *e = find_ended(t, inc);

	return (struct tree){ .keeper = getppid(), .pid = e ? e->pid : a->pid, .ended = e != NULL, .inc = inc };
}

static bool
belongs(const struct trees *t, const struct app *a, pid_t pid)
{
	struct tree tree;

	if (a->inc[CHILD_MAIN] == 0)
		return false;
	if (a->pid == pid)
		return true;
	if (t->cgroups.dir_fd >= 0)
		return cgroup_has(&t->cgroups, a->name, pid);
	tree = tree_of(t, a);
	return tree_has(&tree, pid);
}

struct app *
tree_owner(struct daemon *d, pid_t pid)
{
	const struct trees *t = d->shell->trees;
	uint32_t i, n = engine_app_count(d->engine);
	char name[NAME_MAX_LEN + 1];
	struct app *a;

	for (i = 0; i < n; i++) {
		a = engine_app(d->engine, i);
		if (a->pid == pid)
			return a;
	}
	if (t->cgroups.dir_fd >= 0)
		return cgroup_of(&t->cgroups, (int)pid, name, sizeof(name)) ? engine_find(d->engine, name) : NULL;
	for (i = 0; i < n; i++) {
		a = engine_app(d->engine, i);
		if (belongs(t, a, pid))
			return a;
	}
	return NULL;
}

/* --- jobs ----------------------------------------------------------------------- */

static void
arm(struct trees *t)
{
	int64_t next = 0;
	struct job *j;

	for (j = t->first; j != NULL; j = j->next) {
		if (j->look_ms != 0 && (next == 0 || j->look_ms < next))
			next = j->look_ms;
	}
	timer_at(t->timer, next);
}

static void
close_inotify(struct trees *t)
{
	watch_free(t->watch);
	t->watch = NULL;
	if (t->inotify >= 0)
		close(t->inotify);
	t->inotify = -1;
}

static void
drop(struct trees *t, struct job **at)
{
	struct job *j = *at;

	*at = j->next;
	if (j->wd >= 0)
		inotify_rm_watch(t->inotify, j->wd);
	free(j);
	if (t->first == NULL)
		close_inotify(t);
}

static struct job **
find_job(struct trees *t, enum job_kind kind, uint64_t inc)
{
	struct job **at;

	for (at = &t->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->kind == kind && (*at)->inc == inc)
			return at;
	}
	return NULL;
}

/* The application whose present incarnation the job is about; NULL: that has passed. */
static struct app *
job_app(const struct trees *t, const struct job *j)
{
	struct app *a = engine_find(t->d->engine, j->app);

	return a != NULL && a->inc[CHILD_MAIN] == j->inc ? a : NULL;
}

static bool
is_left(const struct trees *t, const struct app *a)
{
	struct tree tree;

	if (t->cgroups.dir_fd >= 0)
		return cgroup_is_populated(&t->cgroups, a->name);
	tree = tree_of(t, a);
	return tree_is_left(&tree);
}

/* Looks again later, but ever more seldom. */
static void
put_off(struct job *j)
{
	j->interval_ms = j->interval_ms * 2 < LOOK_MAX_MS ? j->interval_ms * 2 : LOOK_MAX_MS;
	/* Where inotify would tell, too: nobody waits for ever for a notification that does not come. */
	j->look_ms = clock_mono_ms() + j->interval_ms;
}

static void
look_at_tree(struct trees *t, struct job *j, struct app *a)
{
	put_off(j);
	if (!a->main_ended || is_left(t, a))
		return;
	daemon_at(t->d);
	engine_tree_gone(t->d->engine, a);
	daemon_settle(t->d);
}

/* 0: no number (yet). */
static pid_t
read_pidfile(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[PIDFILE_MAX];
	struct stat st;
	ssize_t n;
	long pid;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	pid = strtol(text, NULL, 10);
	return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static void
look_at_pidfile(struct trees *t, struct job *j, struct app *a)
{
	pid_t pid = a->def->pidfile ? read_pidfile(a->def->pidfile) : 0;
	bool own = pid != 0 && belongs(t, a, pid) && pid != a->pid;

	if (!own && clock_mono_ms() < j->patience_ms) {
		put_off(j);
		return;
	}
	if (!own)
		log_write(LOG_TREE, LOG_LEVEL_WARNING, "%s: pidfile %s: %s", a->name,
			  a->def->pidfile ? a->def->pidfile : "(none)",
			  pid == 0 ? "holds no process number" : "names a process that is not the application's");
	j->look_ms = 0;
	daemon_at(t->d);
	engine_pidfile(t->d->engine, a, own ? pid : 0);
	daemon_settle(t->d);
	drop(t, find_job(t, JOB_PIDFILE, j->inc));
}

static void
look(struct trees *t, enum job_kind kind, uint64_t inc)
{
	struct job **at = find_job(t, kind, inc);
	struct app *a = at ? job_app(t, *at) : NULL;

	if (at == NULL)
		return;
	if (a == NULL)
		drop(t, at);
	else if (kind == JOB_TREE)
		look_at_tree(t, *at, a);
	else
		look_at_pidfile(t, *at, a);
}

/* Jobs may come and go while one is looked at: each round begins at the front. */
static void
look_at_due(void *arg)
{
	struct trees *t = arg;
	int64_t now = clock_mono_ms();
	struct job *j;

	do {
		for (j = t->first; j != NULL && (j->look_ms == 0 || j->look_ms > now); j = j->next)
			;
		if (j != NULL)
			look(t, j->kind, j->inc);
	} while (j != NULL);
	arm(t);
}

static void
inotify_readable(void *arg, int what)
{
	struct trees *t = arg;
	char events[4096] __attribute__((aligned(8)));
	struct job *j;

	(void)what;
	while (read(t->inotify, events, sizeof(events)) > 0)
		;
	for (j = t->first; j != NULL; j = j->next) {
		if (j->wd >= 0)
			j->look_ms = 1;
	}
	look_at_due(t);
}

static int
watch_cgroup(struct trees *t, const char *app)
{
	char path[PATH_MAX + 128];

	if (t->cgroups.dir_fd < 0)
		return -1;
	if (t->inotify < 0) {
		t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (t->inotify >= 0)
			t->watch = watch_new(t->d->loop, t->inotify, LOOP_READ, inotify_readable, t);
		if (t->watch == NULL)
			close_inotify(t);
	}
	snprintf(path, sizeof(path), "%s/%s/cgroup.events", t->cgroups.path, app);
	return t->inotify < 0 ? -1 : inotify_add_watch(t->inotify, path, IN_MODIFY);
}

/* The first look is taken from the loop: whoever asks is in the middle of something. */
static void
add_job(struct daemon *d, enum job_kind kind, const struct app *a)
{
	struct trees *t = d->shell->trees;
	struct job **at = find_job(t, kind, a->inc[CHILD_MAIN]), *j = at ? *at : calloc(1, sizeof(*j));

	if (j == NULL)
		daemon_give_up("no memory to watch processes");
	if (at == NULL) {
		*j = (struct job){ .next = t->first, .kind = kind, .inc = a->inc[CHILD_MAIN], .wd = -1 };
		snprintf(j->app, sizeof(j->app), "%s", a->name);
		t->first = j;
	}
	if (kind == JOB_TREE && j->wd < 0)
		j->wd = watch_cgroup(t, a->name);
	j->look_ms = clock_mono_ms();
	j->interval_ms = LOOK_MIN_MS / 2;
	j->patience_ms = clock_mono_ms() + PIDFILE_PATIENCE_MS;
	arm(t);
}

/*
 * A child that the kernel has put on this processor must not wait until thousands of groups are made: the keeper stands
 * still until it has executed its program.  Giving way to what only computes would cost a time slice for each.
 */
static void
let_child_run(struct trees *t)
{
	int64_t before = clock_mono_ms(), after;

	if (before < t->busy_until_ms)
		return;
	sched_yield();
	after = clock_mono_ms();
	if (after - before >= YIELD_MS)
		t->busy_until_ms = after + BUSY_MS;
}

void
tree_prepare(struct daemon *d, const struct app *a)
{
	cgroup_prepare(&d->shell->trees->cgroups, a->name);
	let_child_run(d->shell->trees);
}

void
tree_watch(struct daemon *d, struct app *a)
{
	add_job(d, JOB_TREE, a);
}

void
tree_read_pidfile(struct daemon *d, struct app *a)
{
	add_job(d, JOB_PIDFILE, a);
}

void
tree_main_ended(struct daemon *d, uint64_t inc, pid_t pid)
{
	struct trees *t = d->shell->trees;
	const struct ended e = { .inc = inc, .pid = pid };
	struct job **at;

	if (t->cgroups.dir_fd < 0 && find_ended(t, inc) == NULL)
		buf_add(&t->ended, &e, sizeof(e));
	at = find_job(t, JOB_TREE, inc);
	if (at != NULL) {
		(*at)->look_ms = clock_mono_ms();
		arm(t);
	}
}

void
tree_forget(struct daemon *d, uint64_t inc)
{
	struct trees *t = d->shell->trees;
	struct ended *e = find_ended(t, inc);
	struct job **at = find_job(t, JOB_TREE, inc);

	if (at != NULL)
		drop(t, at);
	if (e == NULL)
		return;
	*e = ((struct ended *)(void *)(t->ended.data + t->ended.len))[-1];
	t->ended.len -= sizeof(*e);
}

void
tree_open_cgroups(struct daemon *d)
{
	struct cgroups *c = &d->shell->trees->cgroups;
	const char *leaf = strrchr(d->cgroup_dir, '/');

	if (leaf == NULL)
		return;
	snprintf(c->path, sizeof(c->path), "%s", d->cgroup_dir);
	snprintf(c->leaf, sizeof(c->leaf), "%s", leaf + 1);
	c->dir_fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir_fd < 0)
		log_write(LOG_TREE, LOG_LEVEL_ERROR, "cgroup %s: %s", c->path, strerror(errno));
}

struct trees *
trees_new(struct daemon *d)
{
	struct trees *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->d = d;
	t->inotify = t->cgroups.dir_fd = -1;
	t->timer = timer_new(d->loop, look_at_due, t);
	if (t->timer == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void
trees_free(struct trees *t)
{
	if (t == NULL)
		return;
	while (t->first != NULL)
		drop(t, &t->first);
	timer_free(t->timer);
	if (t->cgroups.dir_fd >= 0)
		close(t->cgroups.dir_fd);
	buf_free(&t->ended);
	free(t);
}
