/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "wire/notify.h"

#include "base/log.h"
#include "engine/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * The socket that applications speak sd_notify(3) to.  A datagram is looked at,
 * told to the engine and committed; only then is it taken off.  A child may speak before the keeper has said which pid it
 * has: what comes from an unknown one stays until all orders that were open then are answered.
 */
enum { BATCH = 64, FDS_MAX = 253 };	/* SCM_MAX_FD */

struct notify_socket {
	struct daemon *d;
	int fd;
	struct watch *watch;
	uint64_t held_for;		/* the number of the order for whose answer the first datagram waits; 0: it does not */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

struct datagram {
	char data[NOTIFY_MAX + 1];
	size_t len;
	pid_t pid;			/* of the sender; 0: not known */
	bool whole;
};

/* Whatever descriptors come along are not kept: closing them is also what BARRIER=1 waits for. */
static void
take_control(struct msghdr *msg, struct datagram *out)
{
	struct cmsghdr *c;
	struct ucred cred;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(sizeof(cred))) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			out->pid = cred.pid;
		}
		n = c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd) : 0;
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			close(fd);
		}
	}
}

/* 1: there is one; 0: none now. */
static int
receive(int fd, int flags, struct datagram *out)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = out->data, .iov_len = sizeof(out->data) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	out->pid = 0;
	do {
		n = recvmsg(fd, &msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return 0;
	take_control(&msg, out);
	out->len = (size_t)n;
	out->whole = !(msg.msg_flags & MSG_TRUNC) && out->len <= NOTIFY_MAX;
	return 1;
}

/* A new main process: believed only of a process that is the application's own. */
static void
tell_main_pid(struct daemon *d, struct app *a, pid_t pid)
{
	if (pid != a->pid && tree_owner(d, pid) == a)
		engine_pidfile(d->engine, a, pid);
}

static void
tell_node(struct daemon *d, const struct app *a, const struct notify *m)
{
	if (a->def->announces_nodes && node_name_is_valid(m->node))
		engine_node_link(d->engine, a, m->node_up, m->node, m->about_node);
	else
		log_write(LOG_NOTIFY, LOG_LEVEL_WARNING, "%s says that a node is %s: %s", a->name, m->node_up ? "up" : "down",
			  a->def->announces_nodes ? "that is no node's name" : "it has not announces_nodes set");
}

static void
tell(struct daemon *d, struct app *a, const struct notify *m)
{
	if (m->error != 0)
		log_write(LOG_NOTIFY, LOG_LEVEL_INFO, "%s says of itself: %s", a->name, strerror(m->error));
	if (m->stopping || m->reloading)
		log_write(LOG_NOTIFY, LOG_LEVEL_DEBUG, "%s says it is %s", a->name, m->stopping ? "stopping" : "reloading");
	daemon_at(d);
	if (m->main_pid > 0)
		tell_main_pid(d, a, (pid_t)m->main_pid);
	if (m->has_status)
		engine_status_text(d->engine, a, m->status);
	if (m->alarm[0] != '\0')
		engine_alarm(d->engine, a, m->alarm);
	if (m->node[0] != '\0')
		tell_node(d, a, m);
	if (m->extend_us > 0)
		engine_extend_timeout(d->engine, a, m->extend_us / 1000);
	if (m->ready && a->ready_by == READY_NOTIFY)
		engine_ready(d->engine, a);
	daemon_settle(d);
}

/* Is the sender perhaps one of those that the keeper is about to tell of? */
static bool
is_to_be_held(struct notify_socket *n, const struct datagram *g)
{
	const struct shell *sh = n->d->shell;

	if (g->pid <= 0 || tree_owner(n->d, g->pid) != NULL)
		return false;
	if (n->held_for == 0)
		n->held_for = sh->spawns_ordered;
	return sh->spawns_answered < n->held_for;
}

static void
handle(struct daemon *d, const struct datagram *g)
{
	struct notify m;
	struct app *a = g->pid > 0 ? tree_owner(d, g->pid) : NULL;

	if (a == NULL) {
		log_write(LOG_NOTIFY, LOG_LEVEL_DEBUG, "process %ld belongs to no application: its datagram is dropped",
			  (long)g->pid);
	} else if (!g->whole || notify_parse(g->data, g->len, &m) < 0) {
		log_write(LOG_NOTIFY, LOG_LEVEL_DEBUG, "%s sent what is no notification", a->name);
	} else {
		tell(d, a, &m);
	}
}

static void
readable(void *arg, int what)
{
	struct notify_socket *n = arg;
	struct datagram g;
	int i;

	(void)what;
	if (n->d->engine == NULL) {
		watch_set(n->watch, 0);		/* notify_resume() goes on */
		return;
	}
	daemon_batch(n->d, true);
	for (i = 0; i < BATCH && receive(n->fd, MSG_PEEK, &g); i++) {
		if (is_to_be_held(n, &g)) {
			watch_set(n->watch, 0);		/* notify_resume() goes on */
			break;
		}
		n->held_for = 0;
		handle(n->d, &g);
		receive(n->fd, 0, &g);
	}
	daemon_batch(n->d, false);
}

void
notify_resume(struct notify_socket *n)
{
	watch_set(n->watch, LOOP_READ);
}

const char *
notify_path(const struct notify_socket *n)
{
	return *n->path ? n->path : NULL;
}

struct notify_socket *
notify_new(struct daemon *d, int fd)
{
	struct notify_socket *n = calloc(1, sizeof(*n));
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);
	int on = 1;

	if (n == NULL)
		return NULL;
	n->d = d;
	n->fd = fd;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && len > offsetof(struct sockaddr_un, sun_path))
		memcpy(n->path, sa.sun_path, len - offsetof(struct sockaddr_un, sun_path));
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	n->watch = watch_new(d->loop, fd, LOOP_READ, readable, n);
	if (n->watch == NULL) {
		free(n);
		return NULL;
	}
	return n;
}

void
notify_free(struct notify_socket *n)
{
	if (n == NULL)
		return;
	watch_free(n->watch);
	free(n);
}
