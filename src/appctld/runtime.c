/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "appctld.lock"

/* type: of the socket; a datagram socket tells who its sender is. */
static const struct {
	const char *name;
	int type;
	size_t offset;		/* of its descriptor in struct runtime */
} sockets[] = {
	{ "control.sock", SOCK_STREAM, offsetof(struct runtime, control) },
	{ "events.sock", SOCK_STREAM, offsetof(struct runtime, events) },
	{ "notify.sock", SOCK_DGRAM, offsetof(struct runtime, notify) },
	{ "keeper.sock", SOCK_STREAM, offsetof(struct runtime, knock) },
};
enum { HOLDER_ROUNDS = 100, HOLDER_WAIT_MS = 10 };
enum {
	SOCKETS = sizeof(sockets) / sizeof(*sockets),
	NOTIFY_BUFFER = 8 * 1024 * 1024,
	/*
	 * Connections that the engine has not accepted yet are one queue, in which a single process can put as many as
	 * there is room for.  Beyond that connect(2) waits, each process in its turn: the shorter, the fairer.
	 */
	BACKLOG = 64,
};

static int *
descriptor_of(struct runtime *r, size_t i)
{
	return (int *)(void *)((char *)r + sockets[i].offset);
}

int
runtime_default_dir(char *dir, size_t size, struct err *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0) {
		snprintf(dir, size, "/run/appctl");
		return 0;
	}
	if (base == NULL || base[0] != '/')
		return err_set(err, 0, "no runtime directory: XDG_RUNTIME_DIR is not set; name one with -r");
	snprintf(dir, size, "%s/appctl", base);
	return 0;
}

/* Who could write there could replace the sockets. */
static int
check_directory(const char *dir, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "runtime directory %s", dir);
	if (st.st_uid != geteuid())
		return err_set(err, 0, "runtime directory %s belongs to user %u, not to %u who runs appctld: "
			       "change its owner, or name another with -r", dir, st.st_uid, geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, 0, "runtime directory %s can be written by others (mode %04o): "
			       "take that away (chmod go-w)", dir, st.st_mode & 07777);
	return 0;
}

static int
open_directory(struct runtime *r, const char *dir, struct err *err)
{
	if (mkdir(dir, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "make runtime directory %s", dir);
	if (realpath(dir, r->dir) == NULL)
		return err_set(err, errno, "runtime directory %s", dir);
	r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd < 0)
		return err_set(err, errno, "runtime directory %s", dir);
	return check_directory(r->dir, r->dir_fd, err);
}

/*
 * What stands in the file may be from an earlier daemon; the kernel knows who holds the second lock, which
 * follows the first at once.  0: nobody that can be named here (in another pid namespace).
 */
static pid_t
holder(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int i;

	for (i = 0; i < HOLDER_ROUNDS; i++) {
		if (fcntl(fd, F_GETLK, &l) < 0 || l.l_type != F_UNLCK)
			return l.l_type != F_UNLCK ? l.l_pid : 0;
		l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		poll(NULL, 0, HOLDER_WAIT_MS);
	}
	return 0;
}

static int
say_who_holds(struct runtime *r, int fd, struct err *err)
{
	pid_t pid = holder(fd);

	if (pid <= 0)
		return err_set(err, 0, "another appctld is already running in %s", r->dir);
	return err_set(err, 0, "already running as pid %ld in %s: stop that one, or use another runtime directory (-r)",
		       (long)pid, r->dir);
}

/* The file stays when appctld ends: removing it would let two daemons lock two files of one name. */
static int
lock(struct runtime *r, struct err *err)
{
	struct flock whose = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd = openat(r->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set(err, errno, "%s/%s", r->dir, LOCK_NAME);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? say_who_holds(r, fd, err) : err_set(err, errno, "lock %s/%s", r->dir, LOCK_NAME);
	if (fcntl(fd, F_SETLK, &whose) < 0 || ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		return err_set(err, errno, "write %s/%s", r->dir, LOCK_NAME);
	r->lock_fd = take_fd(&fd);
	return 0;
}

static int
bind_socket(const struct runtime *r, size_t i, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	int on = 1, room = NOTIFY_BUFFER;
	mode_t before;
	int failed;

	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", r->dir, sockets[i].name) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG, "socket %s/%s: at most %zu bytes; use a shorter -r", r->dir,
			       sockets[i].name, sizeof(sa.sun_path) - 1);
	fd = socket(AF_UNIX, sockets[i].type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "socket %s", sa.sun_path);
	if (sockets[i].type == SOCK_DGRAM) {
		if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
			return err_set(err, errno, "socket %s: SO_PASSCRED", sa.sun_path);
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));	/* as much as the kernel lets us have */
	}
	/* Who may do what is decided by the peer's credentials. */
	unlinkat(r->dir_fd, sockets[i].name, 0);
	before = umask(0111);
	failed = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	umask(before);
	if (failed || (sockets[i].type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return err_set(err, errno, "listen on %s", sa.sun_path);
	fd = move_up(take_fd(&fd));
	if (fd < 0)
		return err_set(err, errno, "listen on %s", sa.sun_path);
	return take_fd(&fd);
}

int
runtime_open(struct runtime *r, const char *dir, struct err *err)
{
	size_t i;

	*r = (struct runtime){ .dir_fd = -1, .lock_fd = -1, .control = -1, .events = -1, .notify = -1, .knock = -1 };
	if (open_directory(r, dir, err) < 0 || lock(r, err) < 0)
		return -1;
	for (i = 0; i < SOCKETS; i++) {
		*descriptor_of(r, i) = bind_socket(r, i, err);
		if (*descriptor_of(r, i) < 0)
			return -1;
	}
	return 0;
}

void
runtime_close(struct runtime *r)
{
	size_t i;

	for (i = 0; i < SOCKETS; i++) {
		if (*descriptor_of(r, i) < 0)
			continue;
		close(*descriptor_of(r, i));
		unlinkat(r->dir_fd, sockets[i].name, 0);
	}
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
}
