/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/bridge.h"

#include "conf/json.h"
#include "node/caller.h"
#include "node/framed.h"
#include "node/lines.h"
#include "node/peers.h"
#include "node/relay.h"
#include "wire/varlink.h"

#include "node/varlink_text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERFACE "org.appctl.Node"
#define SERVICE "org.varlink.service"

enum { OUT_MAX = 1024 * 1024 };		/* answers that a client does not read */

/* Somebody on the socket, until the connection is a channel. */
struct client {
	TAILQ_ENTRY(client) entry;
	struct bridge *bridge;
	struct conn *conn;
	struct varlink_reader reader;
	struct caller *asked;		/* who it is, */
	json_t *call;			/* for that Connect */
	struct channel *channel;	/* that is being opened */
};

struct bridge {
	struct node *node;
	struct conn_listener *listener;
	TAILQ_HEAD(, client) clients;
};

static void
client_free(struct client *cl)
{
	TAILQ_REMOVE(&cl->bridge->clients, cl, entry);
	if (cl->asked != NULL)
		caller_drop(cl->asked);
	if (cl->channel != NULL)
		channel_close(cl->channel, NULL);
	json_decref(cl->call);
	varlink_fini(&cl->reader);
	conn_free(cl->conn);
	free(cl);
}

/* --- answers --- */

/* One message; takes it.  NULL: no memory; the connection is the answer. */
static void
send_json(struct client *cl, json_t *take_message)
{
	char *text = take_message ? json_dumps(take_message, JSON_COMPACT) : NULL;

	json_decref(take_message);
	if (text != NULL)
		conn_write(cl->conn, text, strlen(text) + 1);
	else
		conn_finish(cl->conn);
	free(text);
}

static void
reply(struct client *cl, json_t *take_parameters)
{
	send_json(cl, json_pack("{s:o}", "parameters", take_parameters));
}

static void
fail(struct client *cl, const char *error, json_t *take_parameters)
{
	send_json(cl, json_pack("{s:s, s:o}", "error", error, "parameters", take_parameters));
}

static void
fail_with(struct client *cl, const char *error, const char *member, const char *value)
{
	fail(cl, error, json_pack("{s:s}", member, value));
}

/* how is a channel's end, or NULL: no memory. */
static void
fail_by(struct client *cl, const json_t *how)
{
	const char *code = json_string_value(json_object_get(how, "error"));
	const char *message = json_string_value(json_object_get(how, "message"));

	fail(cl, INTERFACE ".Failed", json_pack("{s:s, s:s}", "code", code ? code : "failed", "message",
					       message ? message : "the other end closed the channel"));
}

/* --- methods --- */

static void
get_info(struct client *cl, const json_t *args)
{
	(void)args;
	reply(cl, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "appctl", "product", "appctl-node", "version",
			    PACKAGE_VERSION, "url", "https://varlink.org", "interfaces", SERVICE, INTERFACE));
}

static void
get_description(struct client *cl, const json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "interface"));

	if (name != NULL && strcmp(name, INTERFACE) == 0)
		reply(cl, json_pack("{s:s}", "description", node_interface_text));
	else if (name != NULL && strcmp(name, SERVICE) == 0)
		reply(cl, json_pack("{s:s}", "description", service_interface_text));
	else
		fail_with(cl, SERVICE ".InterfaceNotFound", "interface", name ? name : "");
}

static void
list_nodes(struct client *cl, const json_t *args)
{
	json_t *nodes = peers_list(cl->bridge->node->lines->peers);

	(void)args;
	reply(cl, json_pack("{s:s, s:o}", "node", cl->bridge->node->name, "nodes", nodes));
}

/* The channel is there: the connection is it from here on, and the client is done. */
static void
accepted(void *arg, struct channel *c, const json_t *answer)
{
	struct client *cl = arg;
	bool framed = json_is_true(json_object_get(cl->call, "framed"));
	struct conn *conn = cl->conn;
	struct relay *relay = NULL;
	struct framed *frames = NULL;
	json_t *copy = json_incref((json_t *)(uintptr_t)answer);

	reply(cl, json_pack("{s:o}", "reply", copy));
	cl->conn = NULL;
	if (framed)
		frames = framed_new(conn);
	else
		relay = relay_new(conn);
	if (frames != NULL) {
		channel_set_handler(c, &framed_channel_handler, frames);
		framed_start(frames, c);
		cl->channel = NULL;
	} else if (relay != NULL) {
		channel_set_handler(c, &relay_channel_handler, relay);
		relay_start(relay, c);
		cl->channel = NULL;
	}
	client_free(cl);
}

static void
closed(void *arg, struct channel *c, const json_t *how)
{
	struct client *cl = arg;

	(void)c;
	cl->channel = NULL;
	json_decref(cl->call);
	cl->call = NULL;
	fail_by(cl, how);
	conn_read(cl->conn, CONN_ALL);
}

static const struct channel_handler opening = { .accepted = accepted, .closed = closed };

/* It is known who asks. */
static void
connect_as(void *arg, const char *address)
{
	struct client *cl = arg;
	const char *node = json_string_value(json_object_get(cl->call, "node"));
	const char *service = json_string_value(json_object_get(cl->call, "service"));
	json_t *args = json_object_get(cl->call, "args");

	cl->asked = NULL;
	args = args ? json_incref(args) : json_object();
	json_object_set_new(args, "caller", json_string(address));
	cl->channel = channel_open(cl->bridge->node, node, service, args, &opening, cl);
	if (cl->channel == NULL)
		closed(cl, NULL, NULL);
}

static void
connect_channel(struct client *cl, const json_t *args)
{
	const json_t *channel_args = json_object_get(args, "args");
	pid_t pid;
	uid_t uid;

	if (!json_is_string(json_object_get(args, "node")) || !json_is_string(json_object_get(args, "service"))) {
		fail_with(cl, SERVICE ".InvalidParameter", "parameter", json_is_string(json_object_get(args, "node")) ? "service" : "node");
		return;
	}
	if (channel_args != NULL && !json_is_object(channel_args)) {
		fail_with(cl, SERVICE ".InvalidParameter", "parameter", "args");
		return;
	}
	if (varlink_pending(&cl->reader) > 0) {
		fail(cl, INTERFACE ".Failed", json_pack("{s:s, s:s}", "code", "invalid", "message", "something was sent behind Connect"));
		conn_finish(cl->conn);
		return;
	}
	cl->call = json_incref((json_t *)(uintptr_t)args);
	conn_read(cl->conn, 0);
	if (conn_peer(cl->conn, &pid, &uid) == 0)
		cl->asked = caller_ask(cl->bridge->node, pid, uid, connect_as, cl);
	if (cl->asked == NULL)
		closed(cl, NULL, NULL);
}

static const struct method {
	const char *name;
	void (*fn)(struct client *cl, const json_t *args);
} methods[] = {
	{ INTERFACE ".Connect", connect_channel }, { INTERFACE ".ListNodes", list_nodes },
	{ SERVICE ".GetInfo", get_info }, { SERVICE ".GetInterfaceDescription", get_description },
};

static void
call_method(struct client *cl, const json_t *message, const json_t *args)
{
	const char *name = json_string_value(json_object_get(message, "method"));
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0) {
			methods[i].fn(cl, args);
			return;
		}
	fail_with(cl, SERVICE ".MethodNotFound", "method", name);
}

/* --- what comes --- */

/* false: what came is no Varlink. */
static bool
take_message(struct client *cl, const struct varlink_message *m)
{
	json_t *message = json_read(m->text, m->len, NULL, NULL);
	json_t *args = json_object_get(message, "parameters"), *none = json_object();
	bool good = json_is_string(json_object_get(message, "method")) && (args == NULL || json_is_object(args)) && none != NULL;

	if (good)
		call_method(cl, message, args ? args : none);
	json_decref(none);
	json_decref(message);
	return good;
}

static void
conn_data(void *arg, struct conn *conn, const char *data, size_t len)
{
	struct client *cl = arg;
	struct varlink_message m;
	int r = varlink_put(&cl->reader, data, len);

	while (r == 0 && cl->call == NULL && (r = varlink_next(&cl->reader, &m)) > 0)
		r = take_message(cl, &m) ? 0 : -1;
	if (r < 0 || conn_queued(conn) > OUT_MAX)
		client_free(cl);
}

static void
conn_ended(void *arg, struct conn *conn)
{
	(void)conn;
	client_free(arg);
}

static void
conn_broken(void *arg, struct conn *conn, const char *why)
{
	(void)conn;
	(void)why;
	client_free(arg);
}

static const struct conn_handler client_handler = { .data = conn_data, .ended = conn_ended, .broken = conn_broken };

static void
somebody_came(void *arg, int fd)
{
	struct bridge *b = arg;
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL) {
		close(fd);
		return;
	}
	cl->bridge = b;
	cl->conn = conn_new(b->node->loop, fd, &client_handler, cl);
	if (cl->conn == NULL)
		free(cl);
	else
		TAILQ_INSERT_TAIL(&b->clients, cl, entry);
}

struct bridge *
bridge_new(struct node *n, struct err *err)
{
	struct bridge *b = calloc(1, sizeof(*b));
	char path[PATH_MAX];

	if (b == NULL) {
		err_set(err, ENOMEM, "node.sock");
		return NULL;
	}
	b->node = n;
	TAILQ_INIT(&b->clients);
	if (node_path(n, "node.sock", path, sizeof(path), err) == 0)
		b->listener = conn_listen(n->loop, path, 0600, somebody_came, b, err);
	if (b->listener != NULL)
		return b;
	free(b);
	return NULL;
}

void
bridge_free(struct bridge *b)
{
	struct client *cl;

	if (b == NULL)
		return;
	conn_listener_free(b->listener);
	while ((cl = TAILQ_FIRST(&b->clients)) != NULL)
		client_free(cl);
	free(b);
}
