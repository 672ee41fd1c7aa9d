/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/link_io.h"

#include "base/cleanup.h"
#include "sys/memfd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = LINK_MAX, FDS_ROOM = LINK_FDS_MAX + 1 };	/* one more for a body in a memfd */

union fd_control {
	char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
	struct cmsghdr align;
};

static void
attach(struct msghdr *msg, union fd_control *control, const int *fds, size_t fd_count)
{
	struct cmsghdr *c;

	if (fd_count == 0)
		return;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
}

static int
send_packet(int sock, const void *bytes, size_t len, const int *fds, size_t fd_count)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_control control;
	ssize_t n;

	attach(&msg, &control, fds, fd_count);
	do {
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int
link_send(int sock, const void *bytes, size_t len, const int *fds, size_t fd_count)
{
	struct link_header h;
	autoclose int fd = -1;
	int all[FDS_ROOM];

	if (len <= PACKET_MAX)
		return send_packet(sock, bytes, len, fds, fd_count);
	memcpy(&h, bytes, sizeof(h));
	h.flags |= LINK_F_MEMFD;
	fd = memfd_sealed("appctl-link", (const char *)bytes + sizeof(h), len - sizeof(h));
	if (fd < 0)
		return -1;
	if (fd_count > 0)
		memcpy(all, fds, fd_count * sizeof(int));
	all[fd_count] = fd;
	return send_packet(sock, &h, sizeof(h), all, fd_count + 1);
}

void
link_in_drop_fds(struct link_in *in)
{
	size_t i;

	for (i = 0; i < in->fd_count; i++)
		if (in->fds[i] >= 0)
			close(in->fds[i]);
	in->fd_count = 0;
}

bool
link_in_more(const struct link_in *in)
{
	return in->at < in->len;
}

void
link_in_clear(struct link_in *in)
{
	link_in_drop_fds(in);
	in->at = in->len = 0;
}

int
link_in_take_fd(struct link_in *in, size_t i)
{
	return i < in->fd_count ? take_fd(&in->fds[i]) : -1;
}

void
link_in_fini(struct link_in *in)
{
	link_in_drop_fds(in);
	free(in->packet);
	free(in->big);
	*in = (struct link_in){ 0 };
}

/* Takes all descriptors out of the control data; those that there is no room for are closed. */
static size_t
collect_fds(struct msghdr *msg, int *fds, size_t room)
{
	struct cmsghdr *c;
	size_t count = 0, i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count < room)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

static int
protocol_error(void)
{
	errno = EPROTO;
	return -1;
}

static int
read_big(struct link_in *in, int fd)
{
	size_t got = 0, len = in->h.body_len, there;
	ssize_t n;
	char *room;

	if (len > LINK_BODY_MAX || !memfd_is_sealed(fd, &there) || there != len)
		return protocol_error();
	if (len > in->big_cap) {
		room = realloc(in->big, len);
		if (room == NULL)
			return -1;
		in->big = room;
		in->big_cap = len;
	}
	while (got < len) {
		n = pread(fd, in->big + got, len - got, (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : protocol_error();
		got += (size_t)n;
	}
	in->body = in->big;
	return 0;
}

/* Behind the message at in->at, where the next one begins; 0: its body is not all there. */
static size_t
end_of_message(const struct link_in *in)
{
	size_t body_at = in->at + sizeof(in->h), end = body_at + in->h.body_len;

	if (in->h.body_len > in->len - body_at)
		return 0;
	return end < in->len ? link_aligned(end) : end;
}

/* The body stands in the packet, or in the memfd that is the last descriptor: such a message is alone. */
static int
find_body(struct link_in *in)
{
	int fd, failed;

	if (!(in->h.flags & LINK_F_MEMFD)) {
		in->body = in->packet + in->at + sizeof(in->h);
		in->at = end_of_message(in);
		return in->at > 0 ? 0 : protocol_error();
	}
	if (in->len != sizeof(in->h) || in->fd_count == 0)
		return protocol_error();
	in->at = in->len;
	fd = in->fds[--in->fd_count];
	failed = read_big(in, fd);
	close(fd);
	return failed;
}

static int
check_fds(struct link_in *in, bool truncated)
{
	size_t want = link_fd_count(&in->h, in->body);

	if (in->fd_count > want)
		return protocol_error();
	if (in->fd_count == want)
		return 0;
	/* The kernel installs what fits and says MSG_CTRUNC: which of several are there is not known. */
	if (!truncated)
		return protocol_error();
	link_in_drop_fds(in);
	in->fds_lost = true;
	return 0;
}

/* The message at in->at; descriptors belong to the first of a packet. */
static int
take_apart(struct link_in *in, bool from_engine, bool fds_truncated)
{
	if (in->len - in->at < sizeof(in->h))
		return protocol_error();
	memcpy(&in->h, in->packet + in->at, sizeof(in->h));
	if (find_body(in) < 0)
		return -1;
	if (link_check(&in->h, in->body, from_engine) < 0)
		return protocol_error();
	return check_fds(in, fds_truncated);
}

/*
 * A peer that ended with messages unread makes the next call fail with ECONNRESET, once; what
 * it had sent before is still there behind that.
 */
static ssize_t
receive(int sock, struct msghdr *msg)
{
	bool was_reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(sock, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n >= 0 || (errno != EINTR && errno != ECONNRESET) || (errno == ECONNRESET && was_reset))
			return n;
		was_reset = was_reset || errno == ECONNRESET;
	}
}

/* A packet, with its descriptors.  As link_recv(). */
static int
receive_packet(int sock, struct link_in *in, bool *fds_truncated)
{
	struct iovec iov = { .iov_len = PACKET_MAX };
	union fd_control control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	in->at = in->len = 0;
	if (in->packet == NULL && (in->packet = malloc(PACKET_MAX)) == NULL)
		return -1;
	iov.iov_base = in->packet;
	n = receive(sock, &msg);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	in->fd_count = collect_fds(&msg, in->fds, LINK_FDS_MAX);
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	if ((msg.msg_flags & MSG_TRUNC) || in->fd_count > FDS_ROOM - 1)
		return protocol_error();
	in->len = (size_t)n;
	*fds_truncated = (msg.msg_flags & MSG_CTRUNC) != 0;
	return 1;
}

int
link_recv(int sock, struct link_in *in, bool from_engine)
{
	bool fds_truncated = false;
	int got = 1;

	link_in_drop_fds(in);
	in->fds_lost = false;
	if (!link_in_more(in))
		got = receive_packet(sock, in, &fds_truncated);
	if (got > 0 && take_apart(in, from_engine, fds_truncated) < 0)
		got = -1;
	if (got < 0)
		link_in_clear(in);
	return got;
}
