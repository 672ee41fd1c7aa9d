/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static int
run_self(struct cmdline *l)
{
	struct appctl_error e = { 0 };
	struct appctl_mail *m = appctl_mail_new(l->runtime_dir, &e);
	const char *self = m ? appctl_self(m, &e) : NULL;
	int status = 0;

	if (self == NULL)
		status = fail(l, &e);
	else if (l->json)
		print_json(need_json(json_pack("{s:s}", "self", self)));
	else
		puts(self);
	appctl_mail_free(m);
	return status;
}

const struct cmd cmd_self = {
	.name = "self", .operands = "", .summary = "print the address that messages sent from here bear",
	.about = "NODE/APPLICATION where this is run by an application, else NODE/~USER: where replies go, and what "
		 "\"appctl receive\" reads.",
	.opts = no_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .there = THERE_AS_A_WHOLE, .run = run_self,
};
