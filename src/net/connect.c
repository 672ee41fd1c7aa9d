/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/socket.h"

#include "net/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How WebSockets come to be, on both ends; ws.c has their life. */

int64_t
ws_auth_ms(const struct ws_settings *s)
{
	return s->auth_timeout_ms ? s->auth_timeout_ms : 5000;
}

static struct ws *
ws_new(struct loop *l, const struct ws_settings *s, const struct ws_handler *h, void *arg, bool server)
{
	struct ws *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->timer = timer_new(l, ws_timer_due, w);
	if (w->timer == NULL) {
		free(w);
		return NULL;
	}
	w->loop = l;
	w->settings = s;
	w->handler = h;
	w->arg = arg;
	w->server = server;
	w->binary = s->of_nodes;
	w->fd = -1;
	w->ping_ms = s->ping_ms ? s->ping_ms : 15000;
	w->message_max = s->message_max ? s->message_max : WS_MESSAGE_MAX;
	return w;
}

/* The connection is there; keys NULL: without TLS. */
static int
start(struct ws *w, int fd, struct tls_keys *keys)
{
	w->fd = fd;
	w->due_ms = clock_mono_ms() + ws_auth_ms(w->settings);
	w->watch = watch_new(w->loop, fd, LOOP_READ, ws_ready, w);
	if (w->watch == NULL)
		return err_set(&w->why, ENOMEM, "%s", w->address);
	if (keys == NULL) {
		if (auth_begin(w) < 0)
			return -1;
	} else {
		w->tls = tls_new(keys, fd, w->server || w->settings->of_nodes ? NULL : w->settings->host, &w->why);
		if (w->tls == NULL)
			return -1;
		w->state = WS_TLS;
		w->tls_wants = w->server ? LOOP_READ : LOOP_WRITE;
	}
	ws_arm(w);
	return 0;
}

int
ws_accept(const struct ws_taken *t, struct ws **out)
{
	struct ws *w = ws_new(t->loop, t->settings, t->handler, t->arg, true);

	if (w == NULL) {
		close(t->fd);
		return -1;
	}
	w->listener = t->listener;
	w->address_key = tcp_address_key(t->peer);
	tcp_address(t->peer, w->address);
	*out = w;
	return start(w, t->fd, t->keys);
}

static void
dialed(void *arg, int fd, const char *address, const struct err *err)
{
	struct ws *w = arg;
	int r = -1;

	if (fd < 0) {
		w->why = *err;
	} else {
		strcpy(w->address, address);
		dial_free(w->dial);
		w->dial = NULL;
		r = start(w, fd, w->keys);
	}
	if (r < 0)
		ws_end(w);
}

int
ws_check_settings(const struct ws_settings *s, struct err *err)
{
	if (s->protocol == NULL || *s->protocol == '\0' || strlen(s->protocol) > PROTOCOL_MAX)
		return err_set(err, EINVAL, "name of the protocol");
	if (s->node == NULL || challenge_check_node(s->node) < 0)
		return err_set(err, EINVAL, "\"%s\" as the name of a node", s->node ? s->node : "");
	if (s->secret == NULL || s->secret_len < SECRET_MIN)
		return err_set(err, EINVAL, "a secret of fewer than %d bytes", SECRET_MIN);
	if (s->of_nodes && !s->use_tls)
		return err_set(err, EINVAL, "nodes without TLS");
	if (s->port == NULL || strspn(s->port, "0123456789") != strlen(s->port) || strtoul(s->port, NULL, 10) > 65535 ||
	    *s->port == '\0')
		return err_set(err, EINVAL, "port \"%s\"", s->port ? s->port : "");
	return 0;
}

struct ws *
ws_connect(struct loop *l, const struct ws_settings *s, const struct ws_handler *h, void *arg, struct err *err)
{
	struct tls_keys *keys = NULL;
	struct ws *w;

	if (ws_check_settings(s, err) < 0)
		return NULL;
	if (s->host == NULL || *s->host == '\0' || strpbrk(s->host, "\r\n \t/") != NULL) {
		err_set(err, EINVAL, "host \"%s\" to connect to", s->host ? s->host : "");
		return NULL;
	}
	if (s->of_nodes && (s->peer == NULL || challenge_check_node(s->peer) < 0)) {
		err_set(err, EINVAL, "\"%s\" as the name of a node", s->peer ? s->peer : "");
		return NULL;
	}
	if (s->use_tls && (keys = tls_keys_new(s, false, err)) == NULL)
		return NULL;
	w = ws_new(l, s, h, arg, false);
	if (w == NULL) {
		err_set(err, ENOMEM, "connect to %s", s->host);
		tls_keys_free(keys);
		return NULL;
	}
	w->keys = keys;
	w->dial = dial_new(l, s->host, s->port, ws_auth_ms(s), dialed, w, err);
	if (w->dial != NULL)
		return w;
	ws_free(w);
	return NULL;
}
