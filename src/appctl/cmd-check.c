/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "base/cleanup.h"
#include "sys/program.h"

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

/* appctl-engine does it: it reads the configuration in just the way it will be read. */
static int
run_check(struct cmdline *l)
{
	autofree char *engine = helper_path("appctl-engine");
	char *argv[6] = { engine, (char *)"--check" };
	struct err err;
	int n = 2;

	if (engine == NULL)
		return fail_here(l, APPCTL_FAILED, "no memory");
	if (l->json)
		argv[n++] = (char *)"--json";
	if (l->operand_count > 0) {
		argv[n++] = (char *)"-c";
		argv[n++] = l->operands[0];
	}
	program_become(engine, argv, &err);
	return fail_here(l, APPCTL_FAILED, "%s", err.msg);
}

const struct cmd cmd_check = {
	.name = "check", .operands = "[FILE]", .summary = "check a configuration without appctld",
	.about = "FILE is a main configuration file, whose drop-ins are read too; without it, the one that appctld would read. "
		 "All errors are shown at once, with status 2.  With --json: the whole configuration as it would be in force.",
	.opts = no_opts, .min = 0, .max = 1, .first = COMPLETE_FILES, .others = COMPLETE_NOTHING, .run = run_check, .there = THERE_AS_A_WHOLE,
};
