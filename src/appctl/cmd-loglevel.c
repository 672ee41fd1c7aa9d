/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static json_t *
make_params(const struct cmdline *l)
{
	json_t *params = json_object(), *modules = json_array();
	int i;

	if (l->operand_count > 0)
		set_json(params, "level", json_string(l->operands[0]));
	for (i = 1; i < l->operand_count; i++)
		append_json(modules, json_string(l->operands[i]));
	if (l->operand_count > 1)
		set_json(params, "modules", json_incref(modules));
	json_decref(modules);
	return params;
}

static void
print_levels(const json_t *levels)
{
	static const struct column columns[] = { { "MODULE", COLUMN_PLAIN }, { "LEVEL", COLUMN_PLAIN }, { NULL, COLUMN_PLAIN } };
	struct table *t = table_new(columns);
	struct table_line *line;
	const char *name;
	const json_t *v;

	json_object_foreach((json_t *)levels, name, v) {
		line = table_add(t, NULL);
		table_set(line, 0, name);
		table_set(line, 1, json_string_value(v) ? json_string_value(v) : "?");
	}
	table_print(t);
}

static bool
is_one_of(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static int
run_loglevel(struct cmdline *l)
{
	json_t *reply;
	int i;

	if (l->operand_count > 0 && !is_one_of(level_names, l->operands[0]))
		return unknown_name(l, "level", l->operands[0], level_names, "it is error, warning, info or debug");
	for (i = 1; i < l->operand_count; i++)
		if (!is_one_of(module_names, l->operands[i]))
			return unknown_name(l, "module", l->operands[i], module_names, "\"appctl loglevel\" lists them");
	reply = ask(l, "SetLogLevel", make_params(l));
	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	if (l->operand_count == 0)
		print_levels(json_object_get(reply, "levels"));
	json_decref(reply);
	return 0;
}

const struct cmd cmd_loglevel = {
	.name = "loglevel", .operands = "[LEVEL [MODULE...]]", .summary = "show or set how much appctld logs",
	.about = "LEVEL is error, warning, info or debug; without MODULE it is set for all.  It holds until appctld ends.",
	.opts = no_opts, .min = 0, .max = -1, .first = COMPLETE_LEVELS, .others = COMPLETE_MODULES, .run = run_loglevel,
};
