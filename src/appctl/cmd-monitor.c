/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "base/cleanup.h"
#include "sys/program.h"

#include <stdlib.h>
#include <string.h>

/* Another program does it: databases are nothing that every appctl shall have to load. */

enum { OPT_DATABASE, OPT_NODE, OPT_SINCE, OPT_UNTIL, OPT_FOLLOW };
static const struct opt monitor_opts[] = {
	[OPT_DATABASE] = { "database", 0, "FILE", COMPLETE_FILES, "the database: a file, or postgresql://... (default: the consumer's own)" },
	[OPT_NODE] = { "node", 'n', "NODE", COMPLETE_NOTHING, "that node alone" },
	[OPT_SINCE] = { "since", 0, "TIME", COMPLETE_NOTHING, "from then on: 10m or 2h (ago), 10:00, \"2026-11-25 10:00\"" },
	[OPT_UNTIL] = { "until", 0, "TIME", COMPLETE_NOTHING, "as it was then" },
	[OPT_FOLLOW] = { "follow", 'f', NULL, COMPLETE_NOTHING, "show it again and again" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
enum { OPTS = sizeof(monitor_opts) / sizeof(monitor_opts[0]) - 1, ARGS_MAX = OPTS + 5 };

const char *const monitor_names[] = { "top", "history", "apps", "nodes", "events", NULL };

static int
check(const struct cmdline *l)
{
	const char *what = l->operands[0];
	size_t i;

	for (i = 0; monitor_names[i] != NULL && strcmp(monitor_names[i], what) != 0; i++)
		;
	if (monitor_names[i] == NULL)
		return unknown_name(l, "view", what, monitor_names, "top, history, apps, nodes and events are what there is");
	if (strcmp(what, "history") == 0 && l->operand_count < 2)
		return usage_error(l, "history needs a PID");
	if (strcmp(what, "history") != 0 && l->operand_count > 1)
		return usage_error(l, "one argument too many: \"%s\"", l->operands[1]);
	if (l->json && has(l, &monitor_opts[OPT_FOLLOW]))
		return usage_error(l, "--follow has no end and cannot be one JSON document");
	return 0;
}

static char *
as_argument(const struct opt *o, const char *value)
{
	char *text;

	return asprintf(&text, value ? "--%s=%s" : "--%s", o->name, value) < 0 ? NULL : text;
}

/* The options that were given, as long ones; false: no memory. */
static bool
pass_on(const struct cmdline *l, char **options, int *n)
{
	int i;

	for (i = 0; i < OPTS; i++) {
		if (!has(l, &monitor_opts[i]))
			continue;
		options[*n] = as_argument(&monitor_opts[i], value_of(l, &monitor_opts[i]));
		if (options[(*n)++] == NULL)
			return false;
	}
	return true;
}

static int
run_monitor(struct cmdline *l)
{
	char *options[OPTS + 1] = { NULL }, *argv[ARGS_MAX];
	autofree char *program = NULL;
	int status = check(l), n = 0, count = 0, i;
	struct err err;

	if (status != 0)
		return status;
	program = helper_path("appctl-monitor");
	if (program == NULL || !pass_on(l, options, &count))
		return fail_here(l, APPCTL_FAILED, "no memory");
	argv[n++] = program;
	if (l->json)
		argv[n++] = (char *)"--json";
	for (i = 0; i < count; i++)
		argv[n++] = options[i];
	for (i = 0; i < l->operand_count; i++)
		argv[n++] = l->operands[i];
	argv[n] = NULL;
	program_become(program, argv, &err);
	while (count > 0)
		free(options[--count]);
	return fail_here(l, APPCTL_FAILED, "%s", err.msg);
}

const struct cmd cmd_monitor = {
	.name = "monitor", .operands = "top|history PID|apps|nodes|events", .summary = "show what the monitor has collected",
	.about = "top: the processes of the last sample; history: what one process did; apps: sums over each application; nodes: "
		 "the machines; events: what appctld said.  Read from the consumer's database, which this user must be able to read.",
	.opts = monitor_opts, .min = 1, .max = 2, .first = COMPLETE_MONITOR, .others = COMPLETE_NOTHING, .run = run_monitor, .there = THERE_AS_A_WHOLE,
};
