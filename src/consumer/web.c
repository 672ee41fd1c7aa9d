/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/web.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS = 64, PER_ADDRESS = 32, TIMEOUT_S = 10, MEMORY = 16 * 1024 };

struct web {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct watch *watch;
	struct timer *timer;
	web_print_fn *print;
	void *arg;
};

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, const char *type, struct buf *text)
{
	struct MHD_Response *r;
	enum MHD_Result result;
	char *data = buf_take(text);

	if (data == NULL)
		return MHD_NO;
	r = MHD_create_response_from_buffer(strlen(data), data, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(data);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *body,
	size_t *body_len, void **per_request)
{
	struct web *w = arg;
	struct buf text = { 0 };

	(void)version;
	(void)body;
	(void)body_len;
	(void)per_request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
		buf_adds(&text, "only GET\n");
		return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &text);
	}
	if (strcmp(url, "/metrics") != 0) {
		buf_adds(&text, "there is /metrics only\n");
		return answer(c, MHD_HTTP_NOT_FOUND, "text/plain", &text);
	}
	w->print(w->arg, &text);
	return answer(c, MHD_HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", &text);
}

static void
run(struct web *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(w->daemon);
	timer_at(w->timer, MHD_get_timeout(w->daemon, &ms) == MHD_YES ? clock_mono_ms() + (int64_t)ms + 1 : 0);
}

static void
readable(void *arg, int what)
{
	(void)what;
	run(arg);
}

static void
due(void *arg)
{
	run(arg);
}

/* The last ':' parts them. */
static struct addrinfo *
parse(const char *address, struct err *err)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(address, ':');
	struct addrinfo *found = NULL;
	char host[64] = "";
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (colon == NULL || len >= sizeof(host) || len == 0) {
		err_set(err, EINVAL, "CONSUMER_METRICS_LISTEN wants ADDRESS:PORT");
		return NULL;
	}
	memcpy(host, address, len);
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0 || found == NULL)
		err_set(err, EINVAL, "CONSUMER_METRICS_LISTEN wants ADDRESS:PORT in numbers");
	return found;
}

static int
start(struct web *w, const char *address, struct err *err)
{
	struct addrinfo *to = parse(address, err);
	const union MHD_DaemonInfo *info;

	if (to == NULL)
		return -1;
	errno = 0;
	w->daemon = MHD_start_daemon(MHD_USE_EPOLL | (to->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL, request, w,
		MHD_OPTION_SOCK_ADDR, to->ai_addr, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	freeaddrinfo(to);
	if (w->daemon == NULL)
		return err_set(err, errno, "/metrics on %s", address);
	info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	w->timer = timer_new(w->loop, due, w);
	w->watch = info ? watch_new(w->loop, info->epoll_fd, LOOP_READ, readable, w) : NULL;
	return w->timer && w->watch ? 0 : err_set(err, ENOMEM, "/metrics on %s", address);
}

struct web *
web_new(struct loop *l, const char *address, web_print_fn *print, void *arg, struct err *err)
{
	struct web *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		err_set(err, ENOMEM, "/metrics");
		return NULL;
	}
	w->loop = l;
	w->print = print;
	w->arg = arg;
	if (start(w, address, err) == 0)
		return w;
	web_free(w);
	return NULL;
}

unsigned
web_port(const struct web *w)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT);

	return info ? info->port : 0;
}

void
web_free(struct web *w)
{
	if (w == NULL)
		return;
	watch_free(w->watch);
	timer_free(w->timer);
	if (w->daemon != NULL)
		MHD_stop_daemon(w->daemon);
	free(w);
}
