/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "lib/node.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static json_t *
find(const json_t *nodes, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(nodes, i, v)
		if (strcmp(text_at(v, "name"), name) == 0)
			return v;
	return NULL;
}

/* Those that were asked for; NULL: one is not known, said. */
static json_t *
choose(const struct cmdline *l, const json_t *nodes)
{
	json_t *chosen = need_json(json_array()), *node;
	int i;

	for (i = 0; i < l->operand_count; i++) {
		node = find(nodes, l->operands[i]);
		if (node == NULL) {
			json_decref(chosen);
			fail_here(l, APPCTL_NOT_FOUND, "no node %s is known here; appctl nodes lists those that are", l->operands[i]);
			return NULL;
		}
		append_json(chosen, json_incref(node));
	}
	return chosen;
}

static void
set_round_trip(struct table_line *line, const json_t *node)
{
	char text[32] = "";

	if (json_object_get(node, "round_trip") != NULL)
		snprintf(text, sizeof(text), "%.3f ms", number_at(node, "round_trip") * 1e3);
	table_set(line, 3, text);
}

static void
print_nodes(const json_t *nodes)
{
	static const struct column columns[] = {
		{ "NODE", COLUMN_PLAIN }, { "STATE", COLUMN_PLAIN }, { "SINCE", COLUMN_PLAIN }, { "ROUND TRIP", COLUMN_RIGHT },
		{ "ADDRESS", COLUMN_PLAIN }, { "WHY", COLUMN_CUT }, { NULL, COLUMN_PLAIN },
	};
	struct table *t = table_new(columns);
	struct table_line *line;
	struct buf since = { 0 };
	size_t i;
	json_t *v;

	json_array_foreach(nodes, i, v) {
		line = table_add(t, NULL);
		buf_clear(&since);
		add_time(&since, number_at(v, "since"));
		table_set(line, 0, text_at(v, "name"));
		table_set(line, 1, text_at(v, "state"));
		table_color(line, 1, strcmp(text_at(v, "state"), "up") == 0 ? "running" : "stopped");
		table_set(line, 2, buf_text(&since));
		set_round_trip(line, v);
		table_set(line, 4, text_at(v, "address"));
		table_set(line, 5, text_at(v, "why"));
	}
	buf_free(&since);
	table_print(t);
}

static bool
all_up(const json_t *nodes)
{
	size_t i;
	json_t *v;

	json_array_foreach(nodes, i, v)
		if (strcmp(text_at(v, "state"), "up") != 0)
			return false;
	return true;
}

static int
run_nodes(struct cmdline *l)
{
	struct appctl_error e = { 0 };
	json_t *reply = node_list(l->runtime_dir, l->node, &e), *chosen;
	int status = 0;

	if (reply == NULL)
		return fail(l, &e);
	if (l->operand_count > 0) {
		chosen = choose(l, json_object_get(reply, "nodes"));
		if (chosen == NULL) {
			json_decref(reply);
			return APPCTL_NOT_FOUND;
		}
		status = all_up(chosen) ? 0 : APPCTL_UNREACHABLE;
		set_json(reply, "nodes", chosen);
	}
	if (l->json) {
		print_json(reply);
		return status;
	}
	if (l->operand_count == 0)
		printf("this is node %s\n", text_at(reply, "node"));
	print_nodes(json_object_get(reply, "nodes"));
	json_decref(reply);
	return status;
}

const struct cmd cmd_nodes = {
	.name = "nodes", .operands = "[NODE...]", .summary = "list the nodes that this one knows",
	.about = "State, address, since when, and the round trip as it was last measured: of those that the configuration of\n"
		 "appctl-node names, and of those that were linked with this one since it was started. A link is made when it is first\n"
		 "needed: down says only that there is none now. With names the exit status is 6 unless all of them are up.",
	.opts = no_opts, .min = 0, .max = -1, .first = COMPLETE_NODES, .others = COMPLETE_NODES, .run = run_nodes, .there = THERE_BY_ITSELF,
};
