/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

/* The old one has closed the connection; whoever answers next is the new one, or the old one that could not go. */
static int
wait_for_new(struct cmdline *l, json_t *reply)
{
	json_t *status = ask(l, "Status", need_json(json_pack("{s:[]}", "names")));
	json_int_t awaited = json_integer_value(json_object_get(reply, "replaced"));
	json_int_t replaced = json_integer_value(json_object_get(status, "replaced"));

	if (status == NULL)
		return l->status;
	json_object_set(reply, "new_version", json_object_get(status, "version"));
	json_decref(status);
	if (replaced < awaited)
		return fail_here(l, APPCTL_FAILED, "appctld could not be replaced and goes on as %s: its log says why",
				 text_at(reply, "version"));
	return 0;
}

static int
run_reexec(struct cmdline *l)
{
	json_t *reply = ask(l, "Reexec", NULL);
	int status;

	if (reply == NULL)
		return l->status;
	status = wait_for_new(l, reply);
	if (status == 0 && l->json)
		print_json(json_incref(reply));
	else if (status == 0)
		printf("appctld %s was replaced by %s\n", text_at(reply, "version"), text_at(reply, "new_version"));
	json_decref(reply);
	return status;
}

const struct cmd cmd_reexec = {
	.name = "reexec", .operands = "", .summary = "replace appctld by the program that is now installed",
	.about = "No application is touched.  A new program that is not good changes nothing; the old one goes on.",
	.opts = no_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_reexec,
};
