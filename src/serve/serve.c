/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "serve/serve.h"
#include "serve/service_text.h"
#include "serve/signature.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "wire/varlink.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SERVICE "org.varlink.service"

enum {
	CONNS_MAX = 512,
	MESSAGE_MS = 10000,		/* from a message's first byte to its last */
	STALL_MS = 10000,
	GONE_CHECK_MS = 1000,		/* of a peer that sends nothing more and has a call under way */
	RETRY_MS = 100,
	READ_CHUNK = 64 * 1024,
	CALLS_PER_TURN = 4,
};

struct conn {
	struct serve *serve;
	struct conn *next, *prev;
	int fd;
	uid_t uid;
	pid_t pid;
	struct watch *watch;
	struct timer *timer;
	struct varlink_reader reader;
	struct buf out;
	size_t sent;			/* of out */
	struct serve_call call;
	json_t *message;		/* of the call under way; NULL: there is none */
	bool oneway;
	bool answered;			/* the last reply stands in out */
	bool eof;			/* the peer sends nothing more */
	bool closing;			/* when out is empty */
	int64_t message_ms;		/* when the incomplete message must be complete; 0: there is none */
	int64_t stall_ms;		/* when the peer must have taken something; 0: nothing is to be taken */
};

struct serve {
	struct loop *loop;
	const struct serve_interface *interface;
	char *path;
	int fd;
	struct watch *watch;
	struct timer *retry;
	struct conn *conns;
	unsigned count;
};

/* --- one connection --------------------------------------------------------- */

static void
call_over(struct conn *n, bool delivered)
{
	const struct serve_hooks *hooks = n->call.hooks;
	json_t *message = take_ptr(&n->message);

	if (message != NULL && hooks != NULL && hooks->over != NULL)
		hooks->over(n->call.state, delivered);
	json_decref(n->call.args);
	json_decref(message);
	n->call = (struct serve_call){ 0 };
	n->answered = false;
}

static void
conn_free(struct conn *n)
{
	struct serve *s = n->serve;

	call_over(n, false);
	buf_free(&n->out);
	varlink_fini(&n->reader);
	watch_free(n->watch);
	timer_free(n->timer);
	close(n->fd);
	if (n->prev != NULL)
		n->prev->next = n->next;
	else
		s->conns = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	s->count--;
	free(n);
}

/* Both directions are closed: the peer has gone, not only stopped sending. */
static bool
peer_has_gone(const struct conn *n)
{
	struct pollfd p = { .fd = n->fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* What is worth waking up for.  more: calls are left for the next turn. */
static void
conn_watch(struct conn *n, bool more)
{
	int what = 0;
	int64_t at = 0;

	if (n->out.len > n->sent || more)
		what |= LOOP_WRITE;
	if (!n->eof && (n->message == NULL || varlink_pending(&n->reader) < READ_CHUNK))
		what |= LOOP_READ;
	watch_set(n->watch, what);
	if (n->stall_ms != 0)
		at = n->stall_ms;
	else if (n->message_ms != 0)
		at = n->message_ms;
	else if ((what & LOOP_READ) == 0)
		at = clock_mono_ms() + GONE_CHECK_MS;
	timer_at(n->timer, at);
}

/* -1: the connection is of no more use. */
static int
conn_send(struct conn *n)
{
	ssize_t sent;

	while (n->sent < n->out.len) {
		sent = send(n->fd, n->out.data + n->sent, n->out.len - n->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			if (n->stall_ms == 0)
				n->stall_ms = clock_mono_ms() + STALL_MS;
			return 0;
		}
		if (sent < 0)
			return -1;
		n->sent += (size_t)sent;
		n->stall_ms = 0;
	}
	n->stall_ms = 0;
	n->sent = 0;
	buf_free(&n->out);
	return 0;
}

/* -1: broken. */
static int
conn_read(struct conn *n)
{
	static char chunk[READ_CHUNK];
	ssize_t len = recv(n->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len == 0)
		n->eof = true;
	return len > 0 ? varlink_put(&n->reader, chunk, (size_t)len) : 0;
}

/* --- what is said ------------------------------------------------------------ */

static struct conn *
conn_of(struct serve_call *c)
{
	return (struct conn *)(void *)((char *)c - offsetof(struct conn, call));
}

/* A message, or none of it where memory runs out: then the connection ends, which nobody takes for an answer. */
static void
say(struct conn *n, json_t *take_message, bool last)
{
	char *text = take_message ? json_dumps(take_message, JSON_COMPACT) : NULL;

	json_decref(take_message);
	if (text == NULL)
		n->closing = true;
	else if (!n->oneway)
		buf_add(&n->out, text, strlen(text) + 1);
	free(text);
	n->closing |= n->out.failed;
	n->answered = last;
	watch_set(n->watch, LOOP_READ | LOOP_WRITE);
}

void
serve_reply(struct serve_call *c, json_t *take_parameters, bool continues)
{
	json_t *parameters = take_parameters ? take_parameters : json_object();

	say(conn_of(c), continues ? json_pack("{s:o, s:b}", "parameters", parameters, "continues", 1) :
		json_pack("{s:o}", "parameters", parameters), !continues);
}

void
serve_error(struct serve_call *c, const char *name, json_t *take_parameters)
{
	struct conn *n = conn_of(c);
	json_t *parameters = take_parameters ? take_parameters : json_object();
	const char *interface = strchr(name, '.') ? "" : n->serve->interface->name;

	say(n, json_pack("{s:s++, s:o}", "error", interface, *interface ? "." : "", name, "parameters", parameters), true);
}

size_t
serve_pending(const struct serve_call *c)
{
	const struct conn *n = conn_of((struct serve_call *)c);

	return n->out.len - n->sent;
}

/* --- calls ------------------------------------------------------------------- */

static void
get_info(struct serve_call *c)
{
	const struct serve_interface *i = conn_of(c)->serve->interface;

	serve_reply(c, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "appctl", "product", i->product, "version", PACKAGE_VERSION,
				 "url", "https://varlink.org", "interfaces", SERVICE, i->name), false);
}

static void
get_interface_description(struct serve_call *c)
{
	const struct serve_interface *i = conn_of(c)->serve->interface;
	const char *name = json_string_value(json_object_get(c->args, "interface")), *text = NULL;

	if (strcmp(name, i->name) == 0)
		text = i->text;
	else if (strcmp(name, SERVICE) == 0)
		text = service_interface_text;
	if (text != NULL)
		serve_reply(c, json_pack("{s:s}", "description", text), false);
	else
		serve_error(c, SERVICE ".InterfaceNotFound", json_pack("{s:s}", "interface", name));
}

static const struct serve_method service_methods[] = {
	{ "GetInfo", "", get_info },
	{ "GetInterfaceDescription", "interface: string", get_interface_description },
};

static const struct serve_method *
find_in(const struct serve_method *v, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return &v[i];
	return NULL;
}

/* NULL: there is none, which was answered. */
static const struct serve_method *
find_method(struct serve_call *c, const struct serve_interface *i, const char *name)
{
	const char *dot = strrchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : 0;
	const struct serve_method *m = NULL;

	if (dot != NULL && strlen(i->name) == len && strncmp(name, i->name, len) == 0)
		m = find_in(i->methods, i->method_count, dot + 1);
	else if (dot != NULL && strlen(SERVICE) == len && strncmp(name, SERVICE, len) == 0)
		m = find_in(service_methods, sizeof(service_methods) / sizeof(*service_methods), dot + 1);
	else {
		serve_error(c, SERVICE ".InterfaceNotFound", json_pack("{s:s%}", "interface", name, dot ? len : strlen(name)));
		return NULL;
	}
	if (m == NULL)
		serve_error(c, SERVICE ".MethodNotFound", json_pack("{s:s}", "method", name));
	return m;
}

static void
invalid(struct conn *n, const char *parameter, const char *why)
{
	serve_error(&n->call, SERVICE ".InvalidParameter", json_pack("{s:s, s:s}", "parameter", parameter, "message", why));
}

static void
bad_message(struct conn *n, const char *why)
{
	n->oneway = false;
	invalid(n, "message", why);
	n->closing = true;
}

static void
begin_call(struct conn *n, const char *text, size_t len)
{
	const struct serve_interface *i = n->serve->interface;
	const struct serve_method *m;
	struct signature_fault fault;
	const char *method;

	n->message = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	method = json_string_value(json_object_get(n->message, "method"));
	n->call.service = i->service;
	n->call.args = json_incref(json_object_get(n->message, "parameters"));
	n->call.more = json_is_true(json_object_get(n->message, "more"));
	n->call.uid = n->uid;
	n->call.pid = n->pid;
	n->oneway = json_is_true(json_object_get(n->message, "oneway"));
	if (n->message == NULL)
		n->message = json_object();
	if (n->call.args == NULL || json_is_null(n->call.args))
		n->call.args = json_object();
	if (method == NULL || !json_is_object(n->call.args))
		bad_message(n, "is no call: a JSON object with \"method\" and, as an object, \"parameters\"");
	else if ((m = find_method(&n->call, i, method)) == NULL)
		return;
	else if (!signature_fits(m->signature, n->call.args, &fault))
		invalid(n, fault.parameter, fault.why);
	else
		m->run(&n->call);
}

/* A message has MESSAGE_MS from its first byte on, however slowly more of them come. */
static void
mark_incomplete(struct conn *n)
{
	if (n->message != NULL || n->out.len > 0 || varlink_pending(&n->reader) == 0)
		n->message_ms = 0;
	else if (n->message_ms == 0)
		n->message_ms = clock_mono_ms() + MESSAGE_MS;
}

/* Handles the next call.  false: there is none to be handled now. */
static bool
next_call(struct conn *n)
{
	struct varlink_message m;
	int rc;

	if (n->message != NULL || n->closing || n->out.len > 0)
		return false;
	rc = varlink_next(&n->reader, &m);
	if (rc < 0)
		bad_message(n, "is longer than 262144 bytes");
	else if (rc > 0)
		begin_call(n, m.text, m.len);
	return rc != 0;
}

/* All that was said has been sent. */
static void
all_sent(struct conn *n)
{
	const struct serve_hooks *hooks = n->call.hooks;

	if (n->answered)
		call_over(n, true);
	else if (n->message != NULL && hooks != NULL && hooks->room != NULL)
		hooks->room(n->call.state);
}

/* Sends, then handles calls until one waits, the socket is full, there are no more or the turn is over.  May free n. */
static void
conn_step(struct conn *n)
{
	bool again = true;
	int calls;

	for (calls = 0; again && calls <= CALLS_PER_TURN; calls++) {
		if (conn_send(n) < 0)
			goto gone;
		if (n->out.len == 0)
			all_sent(n);
		again = next_call(n);
	}
	if ((n->closing || (n->eof && n->message == NULL)) && n->out.len == 0)
		goto gone;
	mark_incomplete(n);
	conn_watch(n, again);
	return;
gone:
	conn_free(n);
}

static void
conn_ready(void *arg, int what)
{
	struct conn *n = arg;

	if (((what & LOOP_READ) && !n->eof && conn_read(n) < 0) || (n->eof && peer_has_gone(n)))
		conn_free(n);
	else
		conn_step(n);
}

static void
conn_late(void *arg)
{
	struct conn *n = arg;
	int64_t now = clock_mono_ms();

	if ((n->stall_ms != 0 && now >= n->stall_ms) || (n->message_ms != 0 && now >= n->message_ms) || peer_has_gone(n))
		conn_free(n);
	else
		conn_watch(n, false);
}

/* --- accepting --------------------------------------------------------------- */

/* Takes fd over.  NULL: no memory. */
static struct conn *
conn_new(struct serve *s, int fd, const struct ucred *peer)
{
	struct conn *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		close(fd);
		return NULL;
	}
	*n = (struct conn){ .serve = s, .fd = fd, .uid = peer->uid, .pid = peer->pid, .next = s->conns };
	if (n->next != NULL)
		n->next->prev = n;
	s->conns = n;
	s->count++;
	n->watch = watch_new(s->loop, fd, LOOP_READ, conn_ready, n);
	n->timer = timer_new(s->loop, conn_late, n);
	if (n->watch == NULL || n->timer == NULL) {
		conn_free(n);
		return NULL;
	}
	return n;
}

static void
welcome(struct serve *s, int accepted)
{
	autoclose int fd = accepted;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || s->count >= CONNS_MAX)
		return;
	if (s->interface->may_connect != NULL && !s->interface->may_connect(s->interface->service, peer.uid)) {
		log_write(LOG_CONTROL, LOG_LEVEL_INFO, "user %u, pid %d: not permitted", (unsigned)peer.uid, (int)peer.pid);
		return;
	}
	conn_new(s, take_fd(&fd), &peer);
}

static void
accept_some(void *arg, int what)
{
	struct serve *s = arg;
	int fd;

	(void)what;
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		welcome(s, fd);
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		watch_set(s->watch, 0);
		timer_at(s->retry, clock_mono_ms() + RETRY_MS);
	}
}

static void
accept_again(void *arg)
{
	struct serve *s = arg;

	watch_set(s->watch, LOOP_READ);
}

static int
listen_at(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG, "socket %s", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "socket %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, errno, "socket %s, which was left there", path);
	mask = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (r < 0 || listen(fd, 64) < 0)
		return err_set(err, errno, "listen on %s", path);
	return take_fd(&fd);
}

struct serve *
serve_new(struct loop *l, const char *path, mode_t mode, const struct serve_interface *interface, struct err *err)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_set(err, ENOMEM, "socket %s", path);
		return NULL;
	}
	*s = (struct serve){ .loop = l, .interface = interface, .path = strdup(path), .fd = listen_at(path, mode, err) };
	s->watch = s->fd < 0 ? NULL : watch_new(l, s->fd, LOOP_READ, accept_some, s);
	s->retry = timer_new(l, accept_again, s);
	if (s->fd < 0 || s->path == NULL || s->watch == NULL || s->retry == NULL) {
		if (s->fd >= 0)
			err_set(err, ENOMEM, "socket %s", path);
		serve_free(s);
		return NULL;
	}
	return s;
}

void
serve_free(struct serve *s)
{
	if (s == NULL)
		return;
	while (s->conns != NULL)
		conn_free(s->conns);
	watch_free(s->watch);
	timer_free(s->retry);
	if (s->fd >= 0) {
		unlink(s->path);
		close(s->fd);
	}
	free(s->path);
	free(s);
}
