/* SPDX-License-Identifier: MIT */
#include "lib/node.h"

#include "base/cleanup.h"
#include "lib/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NODE_INTERFACE "org.appctl.Node"

enum { REQUEST_MAX = 256 * 1024 };	/* appctl-node takes no longer one */

static const struct { const char *code; enum appctl_status status; } codes[] = {
	{ "no_such_node", APPCTL_NOT_FOUND }, { "no_such_application", APPCTL_NOT_FOUND }, { "no_such_task", APPCTL_NOT_FOUND },
	{ "no_such_mailbox", APPCTL_NOT_FOUND }, { "timed_out", APPCTL_TIMED_OUT }, { "not_permitted", APPCTL_NOT_PERMITTED },
	{ "unreachable", APPCTL_UNREACHABLE }, { "invalid", APPCTL_INVALID },
};

static const char *
text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int
error_code(struct appctl_error *e, const char *of, const char *code, const char *message)
{
	enum appctl_status status = APPCTL_FAILED;
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].code, code) == 0)
			status = codes[i].status;
	error_set(e, status, "%s: %s%s", of, strcmp(code, "outcome_unknown") == 0 ? "outcome unknown: " : "", message);
	if (strcmp(code, "outcome_unknown") == 0)
		snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
	else
		snprintf(e->name, sizeof(e->name), NODE_INTERFACE ".Failed");
	return -1;
}

int
error_channel(struct appctl_error *e, const char *node, const json_t *how)
{
	const char *code = text_in(how, "error"), *message = text_in(how, "message");

	return error_code(e, node, *code ? code : "failed", *message ? message : "the other end closed the channel");
}

static int
unreachable(struct appctl_error *e, const char *path, int code)
{
	bool denied = code == EACCES || code == EPERM;

	return error_set(e, denied ? APPCTL_NOT_PERMITTED : APPCTL_UNREACHABLE, "appctl-node cannot be reached at %s: %s%s", path,
			 strerror(code), denied ? "; it is for root and the user who runs appctl-node" : "; other nodes need the application appctl-node running here (appctl-node(8))");
}

/* Takes params. */
static int
send_call(struct stream *s, const char *method, json_t *take_params, struct appctl_error *e)
{
	json_t *call = json_pack("{s:s+, s:o}", "method", NODE_INTERFACE ".", method, "parameters",
				 take_params ? take_params : json_object());
	autofree char *text = call ? json_dumps(call, JSON_COMPACT) : NULL;

	json_decref(call);
	if (text == NULL)
		return error_memory(e);
	if (strlen(text) >= REQUEST_MAX)
		return error_set(e, APPCTL_INVALID, "the request is too long: %zu bytes", strlen(text));
	if (stream_send(s, text, strlen(text) + 1, NULL, 0) == 0)
		return 0;
	return unreachable(e, s->path, errno);
}

/* One message and no byte more: what follows is the channel's.  0; -1: e. */
static int
read_message(int fd, struct buf *b, struct appctl_error *e)
{
	char *room, *end = NULL;
	ssize_t n;

	while (end == NULL) {
		room = buf_reserve(b, 4096);
		if (room == NULL || b->len > STREAM_FRAME_MAX)
			return error_memory(e);
		n = recv(fd, room, 4096, MSG_PEEK);
		if (n < 0 && errno == EINTR)
			continue;
		end = n > 0 ? memchr(room, '\0', (size_t)n) : NULL;
		if (n > 0)
			n = recv(fd, room, end ? (size_t)(end + 1 - room) : (size_t)n, 0);
		if (n <= 0)
			return error_set(e, APPCTL_UNREACHABLE, "appctl-node has closed the connection");
		b->len += (size_t)n;
	}
	return 0;
}

/* The reply's parameters; NULL: e.  node: whom a failure is about; NULL: none in particular. */
static json_t *
read_reply(struct stream *s, const char *node, struct appctl_error *e)
{
	json_t *message, *parameters, *reply = NULL;
	const char *error;

	if (read_message(s->fd, &s->in, e) < 0)
		return NULL;
	message = json_loads(s->in.data, 0, NULL);
	parameters = json_object_get(message, "parameters");
	error = text_in(message, "error");
	if (node != NULL && strcmp(error, NODE_INTERFACE ".Failed") == 0)
		error_code(e, node, text_in(parameters, "code"), text_in(parameters, "message"));
	else if (*error != '\0')
		error_varlink(e, error, parameters);
	else if (!json_is_object(parameters))
		error_set(e, APPCTL_UNREACHABLE, "what answers at %s is not appctl-node", s->path);
	else
		reply = json_incref(parameters);
	json_decref(message);
	return reply;
}

/* A call on a connection of its own, which stays open in s.  The reply's parameters; NULL: e. */
static json_t *
exchange(struct stream *s, const char *runtime_dir, const char *node, const char *method, json_t *take_params, struct appctl_error *e)
{
	int code = 0;

	appctl_error_clear(e);
	if (stream_init(s, runtime_dir, NULL, "node/node", '\0', e) < 0) {
		json_decref(take_params);
		return NULL;
	}
	if (stream_connect(s, &code, e) < 0) {
		json_decref(take_params);
		unreachable(e, s->path, code);
		return NULL;
	}
	return send_call(s, method, take_params, e) == 0 ? read_reply(s, node, e) : NULL;
}

int
node_connect(const char *runtime_dir, const char *node, const char *service, json_t *take_args, bool framed, json_t **reply,
	     struct appctl_error *e)
{
	struct stream s = { .fd = -1 };
	json_t *params = json_pack("{s:s, s:s, s:o, s:b}", "node", node, "service", service, "args",
				   take_args ? take_args : json_object(), "framed", (int)framed);
	json_t *answer = exchange(&s, runtime_dir, node, "Connect", params, e);
	int fd = -1;

	if (answer != NULL) {
		fd = s.fd;
		s.fd = -1;
	}
	if (answer != NULL && reply != NULL)
		*reply = json_incref(json_object_get(answer, "reply"));
	json_decref(answer);
	stream_fini(&s);
	return fd;
}

json_t *
node_list(const char *runtime_dir, const char *node, struct appctl_error *e)
{
	struct stream s = { .fd = -1 };
	json_t *reply = NULL;

	if (node == NULL)
		reply = exchange(&s, runtime_dir, NULL, "ListNodes", NULL, e);
	else if ((s.path = strdup(node)) == NULL)
		error_memory(e);
	else if ((s.fd = node_connect(runtime_dir, node, "nodes", NULL, false, NULL, e)) >= 0 && send_call(&s, "ListNodes", NULL, e) == 0)
		reply = read_reply(&s, node, e);
	stream_fini(&s);
	return reply;
}
