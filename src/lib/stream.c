/* SPDX-License-Identifier: MIT */
#include "lib/stream.h"

#include "base/cleanup.h"
#include "lib/node.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum {
	CONNECT_MS = 5000,	/* unless set otherwise */
	RETURN_MS = 1000,	/* how long a socket that has gone may take to come back, */
	RETURN_NODE_MS = 15000,	/* and another node */
	RETRY_MS = 25,		/* before the second attempt; doubles */
	BREAKS_MAX = 6,		/* without a message between: what is asked for may be what breaks it */
	READ_SIZE = 64 * 1024,
	FDS_MAX = 3,
};

int
until(int64_t end_ms)
{
	int64_t left;

	if (end_ms == INT64_MAX)
		return -1;
	left = end_ms - now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int
stream_init(struct stream *s, const char *runtime_dir, const char *node, const char *service, char delimiter, struct appctl_error *e)
{
	*s = (struct stream){ .fd = -1, .service = service, .delimiter = delimiter, .connect_ms = CONNECT_MS };
	s->dir = appctl_find_runtime_dir(runtime_dir, e);
	if (s->dir == NULL)
		return -1;
	if (node != NULL && (s->node = strdup(node)) == NULL)
		return error_memory(e);
	if ((node != NULL ? asprintf(&s->path, "%s", node) : asprintf(&s->path, "%s/%s.sock", s->dir, service)) < 0) {
		s->path = NULL;
		return error_memory(e);
	}
	s->tried = address_tried(runtime_dir);
	return 0;
}

void
stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->start = s->scanned = 0;
	buf_clear(&s->in);
}

void
stream_fini(struct stream *s)
{
	stream_close(s);
	buf_free(&s->in);
	free(s->path);
	free(s->dir);
	free(s->node);
	free(s->tried);
}

static int
unreachable(const struct stream *s, int code, struct appctl_error *e)
{
	bool absent = code == ENOENT || code == ECONNREFUSED;

	return error_set(e, code == EACCES || code == EPERM ? APPCTL_NOT_PERMITTED : APPCTL_UNREACHABLE,
			 "appctld cannot be reached at %s: %s%s%s%s%s", s->path, strerror(code), s->tried ? " (" : "",
			 s->tried ? s->tried : "", s->tried ? ")" : "",
			 absent ? "; is it running? Name its runtime directory with -r" : "");
}

/* connect(2) on a Unix socket waits for room in the backlog as long as a send may take. */
static void
limit_waiting(int fd, int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* A link that breaks while it is asked has done nothing yet: that node is as far away as before. */
static int
connect_by_node(struct stream *s, int *code, struct appctl_error *e)
{
	s->fd = node_connect(s->dir, s->node, s->service, NULL, false, NULL, e);
	if (s->fd >= 0)
		return 0;
	if (strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) == 0)
		e->status = APPCTL_UNREACHABLE;
	*code = e->status == APPCTL_UNREACHABLE ? ECONNREFUSED : EPROTO;
	return -1;
}

int
stream_connect(struct stream *s, int *code, struct appctl_error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	int r;

	if (s->fd >= 0)
		return 0;
	if (s->node != NULL)
		return connect_by_node(s, code, e);
	*code = ENAMETOOLONG;
	if (strlen(s->path) >= sizeof(sa.sun_path))
		return unreachable(s, *code, e);
	memcpy(sa.sun_path, s->path, strlen(s->path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*code = errno;
		return unreachable(s, *code, e);
	}
	limit_waiting(fd, s->connect_ms);
	do
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		*code = errno == EAGAIN ? ETIMEDOUT : errno;
		return unreachable(s, *code, e);
	}
	s->fd = take_fd(&fd);
	return 0;
}

static int
send_some(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
send_with_fds(int fd, const char *byte, const int *fds, size_t fd_count)
{
	union {
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = (void *)byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
			      .msg_controllen = CMSG_SPACE(fd_count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int
stream_send(struct stream *s, const char *data, size_t len, const int *fds, size_t fd_count)
{
	if (fd_count == 0)
		return send_some(s->fd, data, len);
	if (fd_count > FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (send_some(s->fd, data, len - 1) < 0)
		return -1;
	return send_with_fds(s->fd, data + len - 1, fds, fd_count);
}

bool
stream_frame(struct stream *s, const char **text, size_t *len)
{
	char *begin = s->in.data + s->start, *end;
	size_t have = s->in.len - s->start;

	if (have <= s->scanned)
		return false;
	end = memchr(begin + s->scanned, s->delimiter, have - s->scanned);
	if (end == NULL) {
		s->scanned = have;
		return false;
	}
	*end = '\0';
	*text = begin;
	*len = (size_t)(end - begin);
	s->start += *len + 1;
	s->scanned = 0;
	return true;
}

/* Room for more: what was given out goes first. */
static char *
make_room(struct stream *s)
{
	if (s->start > 0) {
		buf_consume(&s->in, s->start);
		s->start = 0;
	}
	if (s->in.len > STREAM_FRAME_MAX) {
		errno = EMSGSIZE;
		return NULL;
	}
	errno = ENOMEM;
	return buf_reserve(&s->in, READ_SIZE);
}

int
stream_fill(struct stream *s, int timeout_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char *room;
	ssize_t n;
	int r;

	r = poll(&p, 1, timeout_ms);
	if (r == 0 || (r < 0 && errno == EINTR))
		return 0;
	if (r < 0 || (room = make_room(s)) == NULL)
		return -1;
	n = recv(s->fd, room, s->in.cap - s->in.len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		errno = n < 0 ? errno : 0;
		return -1;
	}
	s->in.len += (size_t)n;
	return 1;
}

int
stream_broke(struct stream *s, struct appctl_error *e)
{
	stream_close(s);
	s->broke_at = now_ms();
	s->retry_at = s->breaks == 0 ? 0 : s->broke_at + (RETRY_MS << s->breaks);
	if (++s->breaks >= BREAKS_MAX)
		return error_set(e, APPCTL_UNREACHABLE,
				 "appctld took the connection at %s and closed it without an answer, %u times", s->path, s->breaks);
	return 0;
}

int
stream_return(struct stream *s, int64_t end_ms, struct appctl_error *e)
{
	int code;

	for (;;) {
		if (s->retry_at > now_ms()) {
			if (end_ms < s->retry_at) {
				poll(NULL, 0, until(end_ms));
				return 0;
			}
			poll(NULL, 0, until(s->retry_at));
		}
		if (stream_connect(s, &code, e) == 0)
			return 1;
		if ((code != ENOENT && code != ECONNREFUSED) || now_ms() - s->broke_at > (s->node ? RETURN_NODE_MS : RETURN_MS))
			return -1;
		s->retry_at = now_ms() + RETRY_MS;
	}
}
