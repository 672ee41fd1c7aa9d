/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/control.h"

#include "core/control.h"
#include "node/gate.h"
#include "node/relay.h"
#include "node/way.h"

#include <string.h>

/*
 * Services `control` and `events`: a peer's connection to this node's appctld.  appctld judges each call once more, by
 * what it allows the user that this program runs as.
 */
#define INTERFACE "org.appctl.Control."

static json_t *
not_permitted(enum access_level needed, enum access_level held)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}}", "error", INTERFACE "NotPermitted", "parameters",
			 "needed", access_level_name(needed), "held", access_level_name(held), "by", "node.conf");
}

/* Those that stand on it would be stopped too, whoever they are. */
static bool
reaches_beyond(const struct allow *a, const json_t *parameters)
{
	return a->applications.n > 0 && json_is_true(json_object_get(parameters, "with_dependents"));
}

/* What appctld shows to us, who may operate, and the peer may not see. */
static json_t *
hide(const struct allow *a, const struct control_method *m, json_t *parameters)
{
	if (strcmp(m->name, "Show") != 0 || !json_is_object(parameters) ||
	    allow_control(a, ACCESS_OPERATE, json_string_value(json_object_get(parameters, "name"))) ||
	    json_object_set_new(parameters, "values", json_false()) == 0)
		return NULL;
	return not_permitted(ACCESS_OPERATE, a->control);
}

static json_t *
judge(const struct channel *c, const char *caller, json_t *call)
{
	const struct allow *a = channel_allow(c);
	const char *name = json_string_value(json_object_get(call, "method"));
	json_t *parameters = json_object_get(call, "parameters");
	const struct control_method *m;
	const char *app = NULL;

	(void)caller;
	if (name == NULL || strncmp(name, INTERFACE, strlen(INTERFACE)) != 0)
		return NULL;		/* appctld has no other methods that do anything */
	m = control_method(name + strlen(INTERFACE));
	if (m == NULL)
		return NULL;
	if (control_is_of_one(m))
		app = json_string_value(json_object_get(parameters, "name"));
	if (allow_control(a, m->level, app) && !reaches_beyond(a, parameters))
		return hide(a, m, parameters);
	return not_permitted(m->level, a->control < m->level ? a->control : ACCESS_READ);
}

static bool
sees_it(const struct channel *c)
{
	return allow_control(channel_allow(c), ACCESS_READ, NULL);
}

static bool
may_look(struct channel *c)
{
	if (sees_it(c))
		return true;
	channel_refuse(c, "not_permitted", "%s may not look at this node (allow in its node.conf)", channel_peer(c));
	return false;
}

void
control_opened(struct node *n, struct channel *c, const json_t *args)
{
	if (may_look(c))
		gate_open(n, c, args, "control.sock", judge);
}

/* Of node.sock. */
static json_t *
judge_list(const struct channel *c, const char *caller, json_t *call)
{
	const char *name = json_string_value(json_object_get(call, "method"));

	(void)caller;
	if (name == NULL || strcmp(name, "org.appctl.Node.ListNodes") != 0)
		return json_pack("{s:s, s:{s:s}}", "error", "org.varlink.service.MethodNotFound", "parameters", "method", name ? name : "");
	if (sees_it(c))
		return NULL;
	return json_pack("{s:s, s:{s:s, s:s}}", "error", "org.appctl.Node.Failed", "parameters", "code", "not_permitted",
			 "message", "it may not look at that node (allow in its node.conf)");
}

void
nodes_opened(struct node *n, struct channel *c, const json_t *args)
{
	if (may_look(c))
		gate_open(n, c, args, "node/node.sock", judge_list);
}

/* Until it is relayed it is not read. */
static const struct conn_handler no_handler;

void
events_opened(struct node *n, struct channel *c, const json_t *args)
{
	static const char events[] = "events.sock";
	struct conn *conn;
	struct relay *r;

	(void)args;
	if (!may_look(c) || !way_is_free(n, c, events) || (conn = gate_connect(n, c, events, &no_handler, NULL)) == NULL)
		return;
	r = relay_new(conn);
	if (r == NULL) {
		channel_refuse(c, "failed", "no memory");
		return;
	}
	relay_watch(r, n, c, events, sees_it);
	channel_accept(c, NULL, &relay_channel_handler, r);
	relay_start(r, c);
}
