/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/conn.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	READ_TURN = 4,			/* reads of one connection, before others have their turn */
	KEEP = 4096,			/* memory that an idle connection keeps */
	BACKLOG = 64,
	ACCEPT_TURN = 16,
	PAUSE_MS = 100,			/* where no descriptor is left */
};

struct conn {
	struct loop *loop;
	const struct conn_handler *handler;
	void *arg;
	int fd;
	struct watch *watch;
	struct buf out;
	size_t out_at;
	size_t read_max;		/* at once; 0: not now */
	bool ended, finishing, broken;
	bool left;			/* in the list of those */
	TAILQ_ENTRY(conn) left_entry;
	bool in_callback, freed;	/* freed in its own callback: only its memory is left */
};

static TAILQ_HEAD(, conn) all_left = TAILQ_HEAD_INITIALIZER(all_left);

struct conn_listener {
	int fd;
	struct watch *watch;
	struct timer *timer;
	conn_accepted_fn *fn;
	void *arg;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* What was read is with the handler before anybody else reads. */
static char scratch[CONN_ALL];

size_t
conn_queued(const struct conn *c)
{
	return c->out.len - c->out_at;
}

static void
arm(struct conn *c)
{
	watch_set(c->watch, c->broken ? 0 : (c->read_max > 0 && !c->ended ? LOOP_READ : 0) | (conn_queued(c) > 0 ? LOOP_WRITE : 0));
}

/* As much as the kernel takes; -1: errno. */
static int
flush(struct conn *c)
{
	ssize_t n;

	while (c->out_at < c->out.len) {
		n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out.len) {
		c->out_at = 0;
		if (c->out.cap > KEEP)
			buf_free(&c->out);
		else
			buf_clear(&c->out);
		if (c->finishing)
			shutdown(c->fd, SHUT_WR);
	} else if (c->out_at > c->out.len / 2) {
		buf_consume(&c->out, c->out_at);
		c->out_at = 0;
	}
	return 0;
}

static void
break_off(struct conn *c, int error)
{
	struct err why = { 0 };

	if (c->broken)
		return;
	c->broken = true;
	watch_set(c->watch, 0);
	err_set(&why, error, "the connection broke");
	c->handler->broken(c->arg, c, why.msg);
}

/* Nobody is there any more, neither to write nor to read. */
static bool
peer_has_gone(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* false: the connection is gone, or no more is read. */
static bool
take(struct conn *c)
{
	size_t max = c->read_max;
	ssize_t n = recv(c->fd, scratch, max, 0);

	if (n > 0) {
		c->handler->data(c->arg, c, scratch, (size_t)n);
		return !c->freed && !c->broken && c->read_max > 0 && (size_t)n == max;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 || peer_has_gone(c)) {
		break_off(c, n < 0 ? errno : EPIPE);
		return false;
	}
	c->ended = true;
	c->handler->ended(c->arg, c);
	return false;
}

static void
write_more(struct conn *c)
{
	if (flush(c) < 0)
		break_off(c, errno);
	else if (conn_queued(c) == 0 && c->handler->drained != NULL)
		c->handler->drained(c->arg, c);
}

static void
ready(void *arg, int what)
{
	struct conn *c = arg;
	int i;

	c->in_callback = true;
	if ((what & LOOP_WRITE) && conn_queued(c) > 0)
		write_more(c);
	if ((what & LOOP_READ) && !c->freed && !c->broken && c->read_max > 0)
		for (i = 0; i < READ_TURN && take(c); i++)
			;
	if (c->freed) {
		free(c);
		return;
	}
	c->in_callback = false;
	arm(c);
}

struct conn *
conn_new(struct loop *l, int take_fd, const struct conn_handler *h, void *arg)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(take_fd);
		return NULL;
	}
	*c = (struct conn){ .loop = l, .handler = h, .arg = arg, .fd = take_fd, .read_max = CONN_ALL };
	fcntl(take_fd, F_SETFL, fcntl(take_fd, F_GETFL) | O_NONBLOCK);
	c->watch = watch_new(l, take_fd, LOOP_READ, ready, c);
	if (c->watch == NULL) {
		conn_free(c);
		return NULL;
	}
	return c;
}

void
conn_set_handler(struct conn *c, const struct conn_handler *h, void *arg)
{
	c->handler = h;
	c->arg = arg;
}

static int
address_of(const char *path, struct sockaddr_un *sa, struct err *err)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sa->sun_path))
		return err_set(err, ENAMETOOLONG, "socket %s", path);
	strcpy(sa->sun_path, path);
	return 0;
}

struct conn *
conn_to(struct loop *l, const char *path, const struct conn_handler *h, void *arg, struct err *err)
{
	struct sockaddr_un sa;
	autoclose int fd = -1;
	struct conn *c;

	if (address_of(path, &sa, err) < 0)
		return NULL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		err_set(err, errno, "connect to %s", path);
		return NULL;
	}
	c = conn_new(l, take_fd(&fd), h, arg);
	if (c == NULL)
		err_set(err, ENOMEM, "connect to %s", path);
	return c;
}

void
conn_write(struct conn *c, const void *data, size_t len)
{
	ssize_t n = 0;

	if (c->broken)
		return;
	if (conn_queued(c) == 0) {
		n = send(c->fd, data, len, MSG_NOSIGNAL);
		if (n < 0)		/* what is wrong shows when it is tried again */
			n = 0;
		if ((size_t)n == len)
			return;
	}
	buf_add(&c->out, (const char *)data + n, len - (size_t)n);
	/* Without memory the rest cannot follow in order: it ends here. */
	if (c->out.failed) {
		shutdown(c->fd, SHUT_RDWR);
		buf_free(&c->out);
	}
	arm(c);
}

void
conn_read(struct conn *c, size_t max)
{
	c->read_max = max > CONN_ALL ? CONN_ALL : max;
	arm(c);
}

void
conn_finish(struct conn *c)
{
	if (c->finishing || c->broken)
		return;
	c->finishing = true;
	if (conn_queued(c) == 0)
		shutdown(c->fd, SHUT_WR);
}

void
conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	if (!c->broken)
		flush(c);
	if (c->left)
		TAILQ_REMOVE(&all_left, c, left_entry);
	watch_free(c->watch);
	close(c->fd);
	buf_free(&c->out);
	c->freed = true;
	if (!c->in_callback)
		free(c);
}

static void
left_drained(void *arg, struct conn *c)
{
	(void)arg;
	conn_free(c);
}

static void
left_broken(void *arg, struct conn *c, const char *why)
{
	(void)arg;
	(void)why;
	conn_free(c);
}

void
conn_leave(struct conn *take)
{
	static const struct conn_handler handler = { .drained = left_drained, .broken = left_broken };

	if (take == NULL)
		return;
	if (take->broken || flush(take) < 0 || conn_queued(take) == 0) {
		conn_free(take);
		return;
	}
	conn_set_handler(take, &handler, NULL);
	conn_read(take, 0);
	conn_finish(take);
	take->left = true;
	TAILQ_INSERT_TAIL(&all_left, take, left_entry);
}

void
conn_forget_left(void)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&all_left)) != NULL)
		conn_free(c);
}

int
conn_peer(const struct conn *c, pid_t *pid, uid_t *uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -1;
	*pid = cred.pid;
	*uid = cred.uid;
	return 0;
}

/* --- listening --- */

static void
pause_ends(void *arg)
{
	struct conn_listener *cl = arg;

	watch_set(cl->watch, LOOP_READ);
}

static void
somebody_came(void *arg, int what)
{
	struct conn_listener *cl = arg;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPT_TURN; i++) {
		fd = accept4(cl->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			cl->fn(cl->arg, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			watch_set(cl->watch, 0);
			timer_at(cl->timer, clock_mono_ms() + PAUSE_MS);
		}
		return;
	}
}

static int
bind_at(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un sa;
	autoclose int fd = -1;

	if (address_of(path, &sa, err) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "socket %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, errno, "remove %s", path);
	/* Nobody connects before its mode is what it should be: it does not listen yet. */
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, errno, "listen at %s", path);
	return take_fd(&fd);
}

struct conn_listener *
conn_listen(struct loop *l, const char *path, mode_t mode, conn_accepted_fn *fn, void *arg, struct err *err)
{
	struct conn_listener *cl = calloc(1, sizeof(*cl));

	if (cl == NULL) {
		err_set(err, ENOMEM, "listen at %s", path);
		return NULL;
	}
	cl->fn = fn;
	cl->arg = arg;
	cl->fd = bind_at(path, mode, err);
	if (cl->fd < 0) {
		free(cl);
		return NULL;
	}
	strcpy(cl->path, path);
	cl->timer = timer_new(l, pause_ends, cl);
	cl->watch = watch_new(l, cl->fd, LOOP_READ, somebody_came, cl);
	if (cl->timer != NULL && cl->watch != NULL)
		return cl;
	err_set(err, ENOMEM, "listen at %s", path);
	conn_listener_free(cl);
	return NULL;
}

void
conn_listener_free(struct conn_listener *cl)
{
	if (cl == NULL)
		return;
	watch_free(cl->watch);
	timer_free(cl->timer);
	close(cl->fd);
	unlink(cl->path);
	free(cl);
}
