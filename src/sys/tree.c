/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, KILL_ROUNDS = 16, ENVIRON_CHUNK = 8192, ENVIRON_MAX = 256 * 1024, MARKER_MAX = 64 };

struct process {
	pid_t pid, parent, session;
	char state;
};

static int
open_of(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* "pid (comm) state ppid pgrp session …": comm may hold anything, so look behind its last bracket. */
static bool
look_at(pid_t pid, struct process *p)
{
	autoclose int fd = open_of(pid, "stat");
	char text[512];
	const char *at;
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strrchr(text, ')');
	p->pid = pid;
	return at != NULL && sscanf(at + 1, " %c %d %*d %d", &p->state, &p->parent, &p->session) == 3;
}

/* Does the text hold the marker as one whole entry?  Entries end with NUL. */
static bool
find_marker(const char *text, size_t len, const char *marker, size_t marker_len, bool at_start)
{
	const char *at = text, *end = text + len;

	while ((at = memmem(at, (size_t)(end - at), marker, marker_len)) != NULL) {
		if (at == text ? at_start : at[-1] == '\0')
			return true;
		at++;
	}
	return false;
}

static bool
bears(pid_t pid, const char *marker, size_t marker_len)
{
	autoclose int fd = open_of(pid, "environ");
	char text[ENVIRON_CHUNK + MARKER_MAX + 1];
	size_t kept = 0, seen = 0;
	ssize_t n;

	while (fd >= 0 && seen < ENVIRON_MAX && (n = read(fd, text + kept, ENVIRON_CHUNK)) > 0) {
		if (find_marker(text, kept + (size_t)n, marker, marker_len, seen == 0))
			return true;
		seen += (size_t)n;
		n += (ssize_t)kept;
		kept = (size_t)n < marker_len + 1 ? (size_t)n : marker_len + 1;
		memmove(text, text + n - kept, kept);
	}
	return false;
}

static bool
bears_marker(pid_t pid, uint64_t inc)
{
	char marker[MARKER_MAX];
	int len = snprintf(marker, sizeof(marker), TREE_MARKER "%" PRIu64, inc);

	return bears(pid, marker, (size_t)len + 1);		/* with its NUL */
}

/* A session's number is not given to a new process while the session has members. */
static bool
in_session(const struct tree *t, const struct process *p)
{
	return p->session == t->pid && !(t->ended && p->pid == t->pid);
}

/* Up from the process to the keeper: does any on the way belong? */
static bool
belongs(const struct tree *t, struct process p)
{
	int depth;

	if (p.pid == t->pid)
		return !t->ended;
	for (depth = 0; depth < DEPTH_MAX; depth++) {
		if (in_session(t, &p) || (p.parent == t->pid && !t->ended))
			return true;
		if (p.parent == t->keeper)
			return bears_marker(p.pid, t->inc);
		if (p.parent <= 1 || !look_at(p.parent, &p))
			return false;
	}
	return false;
}

bool
tree_has(const struct tree *t, pid_t pid)
{
	struct process p;

	return look_at(pid, &p) && p.state != 'Z' && p.state != 'X' && belongs(t, p);
}

/* Calls `each` for every child of that thread until it says false.  -1: /proc cannot say. */
static int
each_child(pid_t pid, pid_t thread, bool (*each)(void *arg, pid_t pid), void *arg)
{
	autoclose int fd = -1;
	char path[64], chunk[4096];
	pid_t child = 0;
	ssize_t n, i;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (i = 0; i < n; i++) {
			if (chunk[i] >= '0' && chunk[i] <= '9') {
				child = child * 10 + (chunk[i] - '0');
				continue;
			}
			if (child > 0 && !each(arg, child))
				return 0;
			child = 0;
		}
	}
	return n < 0 ? -1 : 0;
}

int
tree_each_child(bool (*each)(void *arg, pid_t pid), void *arg)
{
	return each_child(getpid(), getpid(), each, arg);
}

bool
tree_leads_session(pid_t pid)
{
	struct process p;

	return look_at(pid, &p) && p.state != 'Z' && p.state != 'X' && p.session == pid;
}

bool
tree_environment(pid_t pid, const char *key, char *value, size_t size)
{
	autoclose int fd = open_of(pid, "environ");
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0, len = strlen(key);
	bool found = false;

	if (f == NULL)
		return false;
	fd = -1;
	while (!found && getdelim(&line, &cap, '\0', f) > 0)
		found = strncmp(line, key, len) == 0;
	found = found && (size_t)snprintf(value, size, "%s", line + len) < size;
	free(line);
	fclose(f);
	return found;
}

/* Calls `each` for every number that is a name in that directory until it says false. */
static void
each_number_in(const char *dir, bool (*each)(void *arg, pid_t pid), void *arg)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char chunk[4096] __attribute__((aligned(8)));
	const struct dirent64 *entry;
	ssize_t n, at;
	pid_t pid;

	while (fd >= 0 && (n = getdents64(fd, chunk, sizeof(chunk))) > 0) {
		for (at = 0; at < n; at += entry->d_reclen) {
			entry = (const struct dirent64 *)(const void *)(chunk + at);
			pid = (pid_t)strtol(entry->d_name, NULL, 10);
			if (pid > 0 && !each(arg, pid))
				return;
		}
	}
}

/* Up from the leaves below a process: the children of one that is killed are no longer below it. */
struct descent {
	bool (*each)(void *arg, pid_t pid);
	void *arg;
	pid_t pid;
	int depth;
	bool enough;
};

static void each_below(struct descent *up);

static bool
descend(void *arg, pid_t pid)
{
	struct descent *up = arg;
	struct descent d = { up->each, up->arg, pid, up->depth + 1, false };

	each_below(&d);
	up->enough = d.enough || !d.each(d.arg, pid);
	return !up->enough;
}

static bool
descend_from_thread(void *arg, pid_t thread)
{
	struct descent *d = arg;

	each_child(d->pid, thread, descend, d);
	return !d->enough;
}

static void
each_below(struct descent *d)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)d->pid);
	if (d->depth < DEPTH_MAX)
		each_number_in(path, descend_from_thread, d);
}

struct search_all {
	const struct tree *t;
	bool (*each)(void *arg, pid_t pid);
	void *arg;
};

static bool
if_member(void *arg, pid_t pid)
{
	const struct search_all *s = arg;

	return pid == s->t->keeper || !tree_has(s->t, pid) || s->each(s->arg, pid);
}

/* Calls `each` for every member until it says false. */
static void
each_member(const struct tree *t, bool (*each)(void *arg, pid_t pid), void *arg)
{
	struct search_all all = { t, each, arg };
	struct descent d = { .each = each, .arg = arg, .pid = t->pid };

	if (!t->no_orphans) {
		each_number_in("/proc", if_member, &all);
	} else if (!t->ended) {
		each_below(&d);
		if (!d.enough)
			each(arg, t->pid);
	}
}

struct search {
	const struct tree *t;
	bool found;
};

static bool
is_not_main(void *arg, pid_t pid)
{
	struct search *s = arg;

	s->found = pid != s->t->pid;
	return !s->found;
}

bool
tree_is_left(const struct tree *t)
{
	struct search s = { .t = t };

	each_member(t, is_not_main, &s);
	return s.found;
}

struct round {
	const struct tree *t;
	int signo;
	unsigned count;
};

/* The pidfd first, then the question again: what answers is what gets the signal. */
static bool
signal_one(void *arg, pid_t pid)
{
	struct round *r = arg;
	autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && errno != ENOSYS && errno != EMFILE && errno != ENFILE)
		return true;
	if (!tree_has(r->t, pid))
		return true;
	if (fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, r->signo, NULL, 0) == 0 : kill(pid, r->signo) == 0)
		r->count++;
	return true;
}

unsigned
tree_signal(const struct tree *t, int signo)
{
	struct round r = { .t = t, .signo = signo };
	unsigned rounds = signo == SIGKILL ? KILL_ROUNDS : 1, before;

	while (rounds-- > 0) {
		before = r.count;
		each_member(t, signal_one, &r);
		if (r.count == before)
			break;
	}
	return r.count;
}

struct orphans {
	bool (*known)(void *arg, pid_t pid);
	void *arg;
	unsigned count;
};

static bool
is_no_orphan(void *arg, pid_t pid)
{
	struct orphans *o = arg;
	struct process p;

	/* What has ended only waits to be reaped, and has nothing below it. */
	o->count += !o->known(o->arg, pid) && (!look_at(pid, &p) || (p.state != 'Z' && p.state != 'X'));
	return o->count == 0;
}

bool
tree_has_orphans(bool (*known)(void *arg, pid_t pid), void *arg)
{
	struct orphans o = { known, arg, 0 };

	return each_child(getpid(), getpid(), is_no_orphan, &o) < 0 || o.count > 0;
}

/* It is this process's own child, not reaped yet: no other can bear its number. */
static bool
kill_marked(void *arg, pid_t pid)
{
	struct orphans *o = arg;

	if (!o->known(o->arg, pid) && bears(pid, TREE_MARKER, strlen(TREE_MARKER)) && kill(pid, SIGKILL) == 0)
		o->count++;
	return true;
}

unsigned
tree_kill_orphans(bool (*known)(void *arg, pid_t pid), void *arg)
{
	struct orphans o = { known, arg, 0 };

	each_child(getpid(), getpid(), kill_marked, &o);
	return o.count;
}

pid_t
tree_parent(pid_t pid)
{
	struct process p;

	return look_at(pid, &p) ? p.parent : -1;
}
