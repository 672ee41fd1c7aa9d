/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/tasks.h"

#include "node/gate.h"

#include <string.h>

#define INTERFACE "org.appctl.Tasks."

static json_t *
not_permitted(const char *message)
{
	return json_pack("{s:s, s:{s:s}}", "error", INTERFACE "NotPermitted", "parameters", "message", message);
}

/* The node that the caller is of. */
static json_t *
node_of(const struct channel *c, const char *caller)
{
	const char *slash = caller ? strchr(caller, '/') : NULL;

	return slash ? json_stringn(caller, (size_t)(slash - caller)) : json_string(channel_peer(c));
}

/* A command that may be a task, of who asks; a peer that may not operate everything sees to the tasks of its own node only. */
static json_t *
judge(const struct channel *c, const char *caller, json_t *call)
{
	const char *name = json_string_value(json_object_get(call, "method"));
	json_t *parameters = json_object_get(call, "parameters");
	const json_t *command = json_array_get(json_object_get(parameters, "command"), 0);
	const struct allow *allow = channel_allow(c);

	if (name == NULL || strncmp(name, INTERFACE, strlen(INTERFACE)) != 0)
		return NULL;		/* the supervisor has no other methods that do anything */
	name += strlen(INTERFACE);
	if (!json_is_object(parameters))
		return strcmp(name, "List") == 0 ? NULL : not_permitted("a call without parameters");
	if (strcmp(name, "Run") == 0 || strcmp(name, "Start") == 0) {
		if (!json_is_string(command) || !allow_command(&allow->task, json_string_value(command)))
			return not_permitted("that command is none of those that tasks may be there (allow in its node.conf)");
		json_object_set_new(parameters, "caller", caller ? json_string(caller) : json_null());
	} else if (!allow_control(allow, ACCESS_OPERATE, NULL) && strcmp(name, "List") != 0) {
		json_object_set_new(parameters, "from", node_of(c, caller));
	}
	return NULL;
}

void
tasks_opened(struct node *n, struct channel *c, const json_t *args)
{
	const struct allow_list *list = &channel_allow(c)->task;

	if (!list->all && list->names.n == 0)
		channel_refuse(c, "not_permitted", "%s may run no tasks on this node (allow in its node.conf)", channel_peer(c));
	else
		gate_open(n, c, args, "tasks/tasks.sock", judge);
}
