/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };
static const struct opt graph_opts[] = {
	{ "dot", 0, NULL, COMPLETE_NOTHING, "print it for Graphviz: appctl graph --dot | dot -Tsvg" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

static const struct column columns[] = {
	{ "APPLICATION", COLUMN_TREE }, { "KIND", COLUMN_PLAIN }, { "STATE", COLUMN_PLAIN }, { NULL, COLUMN_PLAIN },
};

/* Those that are reached through `by`, and what is reached through them. */
static void
add_below(struct table *t, struct table_line *parent, const json_t *relations, const char *by, int depth)
{
	struct table_line *line;
	size_t i;
	const json_t *r;

	json_array_foreach((json_t *)relations, i, r) {
		if (strcmp(text_at(r, "by"), by) != 0 || (int)number_at(r, "depth") != depth)
			continue;
		line = table_add(t, parent);
		table_set(line, 0, text_at(r, "name"));
		table_set(line, 1, text_at(r, "kind"));
		table_set(line, 2, text_at(r, "state"));
		table_color(line, 2, text_at(r, "state"));
		add_below(t, line, relations, text_at(r, "name"), depth + 1);
	}
}

/* The direct ones are reached through nobody but the application itself. */
static void
print_tree(const char *name, const json_t *relations)
{
	struct table *t = table_new(columns);
	struct table_line *root = table_add(t, NULL);

	table_set(root, 0, name);
	add_below(t, root, relations, name, 1);
	table_print(t);
}

static int
run_relations(struct cmdline *l, const char *method, const char *none)
{
	json_t *reply = ask(l, method, need_json(json_pack("{s:s}", "name", l->operands[0]))), *relations;

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	relations = json_object_get(reply, "relations");
	if (json_array_size(relations) > 0)
		print_tree(l->operands[0], relations);
	else
		printf(none, l->operands[0]);
	json_decref(reply);
	return 0;
}

static int
run_deps(struct cmdline *l)
{
	return run_relations(l, "Dependencies", "%s comes after nothing\n");
}

static int
run_rdeps(struct cmdline *l)
{
	return run_relations(l, "Dependents", "nothing comes after %s\n");
}

const struct cmd cmd_deps = {
	.name = "deps", .operands = "APP", .summary = "show what comes before an application, as a tree",
	.opts = no_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_deps,
};

const struct cmd cmd_rdeps = {
	.name = "rdeps", .operands = "APP", .summary = "show what comes after an application, as a tree",
	.opts = no_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_rdeps,
};

/* Names are letters, digits, "-" and "_", so quotes are all that Graphviz needs. */
static void
print_dot(const json_t *reply)
{
	const char *kind;
	size_t i;
	const json_t *v;

	puts("digraph appctl {\n\trankdir=LR;\n\tnode [shape=box];");
	json_array_foreach(json_object_get(reply, "applications"), i, v)
		printf("\t\"%s\";\n", json_string_value(v) ? json_string_value(v) : "");
	json_array_foreach(json_object_get(reply, "edges"), i, v) {
		kind = text_at(v, "kind");
		printf("\t\"%s\" -> \"%s\"%s;\n", text_at(v, "before"), text_at(v, "after"),
		       strcmp(kind, "requires") == 0 ? "" : strcmp(kind, "optional") == 0 ? " [style=dashed]" : " [style=dotted]");
	}
	puts("}");
}

static void
print_edges(const json_t *edges)
{
	static const struct column edge_columns[] = {
		{ "BEFORE", COLUMN_PLAIN }, { "AFTER", COLUMN_PLAIN }, { "KIND", COLUMN_PLAIN }, { NULL, COLUMN_PLAIN },
	};
	struct table *t = table_new(edge_columns);
	struct table_line *line;
	size_t i;
	const json_t *v;

	json_array_foreach((json_t *)edges, i, v) {
		line = table_add(t, NULL);
		table_set(line, 0, text_at(v, "before"));
		table_set(line, 1, text_at(v, "after"));
		table_set(line, 2, text_at(v, "kind"));
	}
	table_print(t);
}

static int
run_graph(struct cmdline *l)
{
	json_t *reply = ask(l, "Graph", NULL);

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	if (has(l, &graph_opts[0]))
		print_dot(reply);
	else if (json_array_size(json_object_get(reply, "edges")) > 0)
		print_edges(json_object_get(reply, "edges"));
	else
		puts("no application comes before another");
	json_decref(reply);
	return 0;
}

const struct cmd cmd_graph = {
	.name = "graph", .operands = "", .summary = "show which application comes before which",
	.about = "In --dot's picture solid lines are requirements, dashed ones optional, dotted ones order alone.",
	.opts = graph_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_graph,
};
