/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "conf/load.h"
#include "engine/check.h"
#include "engine/shell.h"
#include "sys/process.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * appctl-engine: decides what runs.  appctld starts it, again whenever it ends,
 * with the descriptors ENGINE_FD_* and the options that it was given itself.
 */
enum { EXIT_USAGE = 2 };

enum { OPT_CHECK = 256, OPT_JSON, OPT_TRIAL };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "runtime-dir", required_argument, NULL, 'r' },
	{ "mode", required_argument, NULL, 'm' },
	{ "node", required_argument, NULL, 'n' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "trial", required_argument, NULL, OPT_TRIAL },
	{ 0 },
};

const char *
beside_engine(const char *program, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		snprintf(path, size, "%.*s/%s", (int)(slash - self), self, program);
	else
		snprintf(path, size, LIBEXECDIR "/%s", program);
	return path;
}

/* What is asked for beside doing the work. */
struct asked {
	bool check, json;
	const char *trial;		/* the instance whose state it is; NULL: none */
};

static int
read_options(int argc, char **argv, struct daemon *d, struct asked *asked)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:r:m:n:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			d->config_path = optarg;
			break;
		case 'r':
			d->runtime_dir = optarg;
			break;
		case 'm':
			d->shell->start_mode = optarg;
			break;
		case 'n':
			d->node = optarg;
			break;
		case OPT_CHECK:
			asked->check = true;
			break;
		case OPT_JSON:
			asked->json = true;
			break;
		case OPT_TRIAL:
			asked->trial = optarg;
			break;
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

/* The engine ends when it decides to, or by SIGKILL: what is meant for appctld reaches it through the keeper. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGPWR };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/* 0; -1: nobody who knows has started this program. */
static int
prepare_descriptors(void)
{
	int fd, flags;

	for (fd = ENGINE_FD_LINK; fd < ENGINE_FD_END; fd++) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return -1;
		if (fd != ENGINE_FD_STATE)
			fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	return 0;
}

static void
deadline_passed(void *arg)
{
	struct daemon *d = arg;

	daemon_at(d);
	engine_tick(d->engine);
	daemon_settle(d);
}

static void
settle_again(void *arg)
{
	daemon_settle(arg);
}

/* -1: no memory. */
static int
make_parts(struct daemon *d)
{
	struct shell *sh = d->shell;

	d->loop = loop_new();
	if (d->loop == NULL)
		return -1;
	sh->began_ms = clock_mono_ms();
	sh->deadline = timer_new(d->loop, deadline_passed, d);
	sh->rewrite = timer_new(d->loop, settle_again, d);
	sh->leave = timer_new(d->loop, daemon_leave, d);
	sh->ready = ready_new();
	sh->trees = trees_new(d);
	sh->children = children_new();
	sh->loader = loader_new(d);
	sh->notify = notify_new(d, ENGINE_FD_NOTIFY);
	d->names = names_new(d);
	d->publisher = publisher_new(d, ENGINE_FD_EVENTS);
	d->link = keeper_link_new(d, ENGINE_FD_LINK);
	return sh->deadline && sh->rewrite && sh->leave && sh->ready && sh->trees && sh->children && sh->loader && sh->notify && d->names &&
		d->publisher && d->link ? 0 : -1;
}

int
main(int argc, char **argv)
{
	static struct shell shell;
	static struct daemon d = { .shell = &shell, .cgroup_dir = "", .runtime_dir = "" };
	static char default_path[PATH_MAX], runtime_env[PATH_MAX + 32];
	struct asked asked = { 0 };

	log_init("appctld");
	if (read_options(argc, argv, &d, &asked) < 0)
		return EXIT_USAGE;
	if (d.node != NULL && !node_name_is_valid(d.node)) {
		fprintf(stderr, "appctld: -n \"%.80s\" is no node's name: NAME or NAME@HOST, letters, digits, -, _ and ., a name of at most 63\n", d.node);
		return EXIT_USAGE;
	}
	if (d.config_path == NULL) {
		conf_default_path(default_path);
		d.config_path = default_path;
	}
	if (asked.check)
		return check_main(d.config_path, asked.json);
	if (asked.trial != NULL)
		return reexec_trial(asked.trial, ENGINE_FD_STATE);
	if (prepare_descriptors() < 0) {
		fprintf(stderr, "appctl-engine: this program is started by appctld\n");
		return EXIT_USAGE;
	}
	if (*d.runtime_dir != '\0' && snprintf(runtime_env, sizeof(runtime_env), "APPCTL_RUNTIME_DIR=%s", d.runtime_dir) > 0)
		d.runtime_env = runtime_env;
	ignore_signals();
	process_allow_many_descriptors();	/* each subscriber and each client takes one */
	if (make_parts(&d) < 0)
		daemon_give_up("no memory to begin");
	loop_run(d.loop);
	return EXIT_FAILURE;
}
