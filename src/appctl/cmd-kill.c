/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "core/model.h"

#include <string.h>

static const struct opt kill_opts[] = {
	{ "signal", 's', "SIGNAL", COMPLETE_SIGNALS, "by name or number (default: TERM)" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
static const struct opt wait_opts[] = {
	{ "timeout", 't', "SECONDS", COMPLETE_NOTHING, "wait for at most that long, then end with 4" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

static int
run_kill(struct cmdline *l)
{
	const char *signal = value_of(l, &kill_opts[0]);
	json_t *reply;

	if (signal == NULL)
		signal = "TERM";
	if (signal_by_name(signal) < 0)
		return fail_here(l, APPCTL_INVALID, "there is no signal \"%s\"", signal);
	reply = ask(l, "Kill", need_json(json_pack("{s:s, s:s}", "name", l->operands[0], "signal", signal)));
	if (reply == NULL)
		return l->status;
	if (l->json)
		print_json(json_incref(reply));
	json_decref(reply);
	return 0;
}

const struct cmd cmd_kill = {
	.name = "kill", .operands = "APP", .summary = "send a signal to an application's main process",
	.about = "What follows is as if it had come from elsewhere: the restart type decides.  To stop it, use \"stop\".",
	.opts = kill_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_kill,
};

static void
print_end(const char *name, const json_t *reply)
{
	const json_t *last = json_object_get(reply, "last_exit");
	struct buf b = { 0 };

	printf("%s: ", name);
	print_state(text_at(reply, "state"));
	if (json_is_object(last)) {
		buf_adds(&b, ", ");
		add_text(&b, text_at(last, "text"));
		if (*text_at(last, "reason"))
			buf_printf(&b, " (%s)", text_at(last, "reason"));
		fputs(buf_text(&b), stdout);
	}
	putchar('\n');
	buf_free(&b);
}

static int
run_wait(struct cmdline *l)
{
	const char *limit = value_of(l, &wait_opts[0]), *name = l->operands[0];
	json_t *params = need_json(json_pack("{s:s}", "name", name)), *reply;
	double seconds;
	int status;

	if (limit != NULL) {
		seconds = parse_seconds(limit, "--timeout");
		if (seconds < 0) {
			json_decref(params);
			return APPCTL_INVALID;
		}
		set_json(params, "timeout", json_real(seconds));
	}
	reply = ask_and_wait(l, "Wait", params, name);
	if (reply == NULL)
		return l->status;
	status = strcmp(text_at(reply, "state"), "failed") == 0 ? APPCTL_FAILED : 0;
	if (l->json)
		print_json(json_incref(reply));
	else
		print_end(name, reply);
	json_decref(reply);
	return status;
}

const struct cmd cmd_wait = {
	.name = "wait", .operands = "APP", .summary = "wait until an application has ended for good",
	.about = "That is: it is stopped or completed (status 0) or failed (status 1), and will not be started again by itself.",
	.opts = wait_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_wait,
};
