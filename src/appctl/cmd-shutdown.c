/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "base/cleanup.h"
#include "sys/program.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OPT_WAIT, OPT_HURRY };

static const struct opt shutdown_opts[] = {
	{ "wait", 'w', NULL, COMPLETE_NOTHING, "wait until appctld has ended" },
	{ "hurry", 0, NULL, COMPLETE_NOTHING, "kill at once what is left" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

/*
 * A descriptor that is readable when appctld has ended.  Who listens on the socket is the keeper, the process
 * that goes last; -1: its end cannot be seen from here.
 */
static int
watch_keeper(struct appctl *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (appctl_node(c) != NULL)
		return dup(appctl_fd(c));	/* another node is out of reach then; nothing more comes before */
	if (getsockopt(appctl_fd(c), SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	return program_watch(peer.pid);
}

static int
wait_for_end(struct cmdline *l, int keeper)
{
	struct pollfd p = { .fd = keeper, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return fail_here(l, APPCTL_FAILED, "cannot wait for appctld: %s", strerror(errno));
	return 0;
}

static int
run_shutdown(struct cmdline *l)
{
	json_t *params = has(l, &shutdown_opts[OPT_HURRY]) ? need_json(json_pack("{s:b}", "hurry", 1)) : NULL, *reply;
	bool wait = has(l, &shutdown_opts[OPT_WAIT]);
	struct appctl_error e = { 0 };
	autoclose int keeper = -1;

	if (session(l) == NULL || appctl_begin(l->client, "Shutdown", params, 0, NULL, 0, &e) < 0)
		return l->client ? fail(l, &e) : l->status;
	if (wait)
		keeper = watch_keeper(l->client);
	if (appctl_next(l->client, -1, &reply, NULL, &e) < 0)
		return fail(l, &e);
	if (l->json)
		print_json(json_incref(reply));
	json_decref(reply);
	if (wait && keeper < 0)
		return fail_here(l, APPCTL_FAILED, "the shutdown goes on, but appctld's end cannot be seen from this pid namespace");
	return wait ? wait_for_end(l, keeper) : 0;
}

const struct cmd cmd_shutdown = {
	.name = "shutdown", .operands = "", .summary = "stop everything, dependents first, and end appctld",
	.opts = shutdown_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_shutdown,
};
