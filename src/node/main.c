/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "node/node.h"
#include "sys/alarm.h"
#include "sys/process.h"
#include "sys/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * appctl-node: links this node with others, and does for them what its configuration allows.
 */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, SETTLE_MS = 1000 };

struct run {
	struct node node;
	char file[PATH_MAX];
	struct watch *signals;
	int signal_fd;
};

static const char help_text[] =
	"Usage: appctl-node [--config FILE] [--check]\n"
	"Links this node with others: channels for remote commands, tasks and messages.\n"
	"\n"
	"  -c, --config FILE  its configuration (node.conf beside appctld.conf)\n"
	"      --check        read it, say what is wrong with it, and end\n"
	"      --help, --version\n"
	"\n"
	"SIGHUP: reads configuration and cookie again.  See appctl-node(8).\n";

enum { OPTION_CHECK = 256, OPTION_HELP, OPTION_VERSION };
static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

/* --- configuration --- */

static struct node_settings *
read_settings(const char *file, struct buf *problems)
{
	struct problems ps = { 0 };
	struct node_settings *s = node_settings_read(file, &ps);

	if (s == NULL) {
		problems_sort(&ps);
		problems_print(&ps, problems);
	}
	problems_free(&ps);
	return s;
}

static void
reload(struct run *r)
{
	struct buf problems = { 0 };
	struct node_settings *s = read_settings(r->file, &problems);
	struct err err = { 0 };

	if (s == NULL)
		alarm_raise("not reloaded: %s", buf_cstr(&problems));
	else if (node_reload(&r->node, s, &err) < 0)
		alarm_raise("not reloaded: %s", err.msg);
	else
		log_write(LOG_NODE, LOG_LEVEL_INFO, "%s is in force", r->file);
	buf_free(&problems);
}

/* --- signals --- */

static void
signalled(void *arg, int what)
{
	struct run *r = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		reload(r);
		return;
	}
	log_write(LOG_NODE, LOG_LEVEL_INFO, "asked to end");
	loop_stop(r->node.loop);
}

static int
watch_signals(struct run *r, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r->signals = r->signal_fd < 0 ? NULL : watch_new(r->node.loop, r->signal_fd, LOOP_READ, signalled, r);
	return r->signals ? 0 : err_set(err, errno, "signals");
}

/* --- rights --- */

/* The directory of a file: what is read again at SIGHUP may be another file by then. */
static const char *
directory_of(const char *file, char out[PATH_MAX])
{
	char *slash;

	if (file == NULL)
		return NULL;
	snprintf(out, PATH_MAX, "%s", file);
	slash = strrchr(out, '/');
	if (slash == NULL)
		return ".";
	slash[slash == out] = '\0';
	return out;
}

static int
give_up_rights(const struct run *r, struct err *err)
{
	const struct node_settings *s = r->node.settings;
	char dirs[6][PATH_MAX];
	const struct sandbox_path paths[] = {
		{ "/etc", SANDBOX_READ }, { "/dev", SANDBOX_READ }, { "/dev/ptmx", SANDBOX_READ | SANDBOX_WRITE },
		{ "/dev/pts", SANDBOX_READ | SANDBOX_WRITE }, { "/run", SANDBOX_READ }, { "/proc/self", SANDBOX_READ },
		{ "/usr", SANDBOX_READ | SANDBOX_EXECUTE }, { "/lib", SANDBOX_READ | SANDBOX_EXECUTE },
		{ "/lib64", SANDBOX_READ | SANDBOX_EXECUTE },
		{ directory_of(r->file, dirs[0]), SANDBOX_READ }, { directory_of(s->cookie_file, dirs[1]), SANDBOX_READ },
		{ directory_of(s->ca_file, dirs[2]), SANDBOX_READ }, { directory_of(s->cert_file, dirs[3]), SANDBOX_READ },
		{ directory_of(s->key_file, dirs[4]), SANDBOX_READ }, { directory_of(s->crl_file, dirs[5]), SANDBOX_READ },
		{ r->node.runtime_dir, SANDBOX_READ | SANDBOX_WRITE }, { s->mailbox.directory, SANDBOX_READ | SANDBOX_WRITE },
	};
	const struct sandbox box = { paths, sizeof(paths) / sizeof(paths[0]), false };
	const char *missing;

	if (sandbox_enter(&box, &missing, err) < 0)
		return -1;
	if (missing != NULL)
		log_write(LOG_NODE, LOG_LEVEL_INFO, "this kernel has no %s: files are guarded by their modes alone", missing);
	return 0;
}

/* --- the whole --- */

static int
start(struct run *r, struct err *err)
{
	if (secret_protect_process(err) < 0)
		return -1;
	process_allow_many_descriptors();	/* each remote command takes three, each link and client one */
	r->node.loop = loop_new();
	if (r->node.loop == NULL)
		return err_set(err, errno, "event loop");
	if (watch_signals(r, err) < 0 || node_start(&r->node, err) < 0)
		return -1;
	return give_up_rights(r, err);
}

static int
run(struct run *r)
{
	struct err err = { 0 };
	int status = 0;

	if (geteuid() == 0)
		log_write(LOG_NODE, LOG_LEVEL_WARNING, "running as root, which it has no need of: contrib/node/node.conf gives it a user of its own");
	alarm_open();
	if (start(r, &err) == 0) {
		alarm_ready();
		log_write(LOG_NODE, LOG_LEVEL_INFO, "this is node %s", r->node.name);
		loop_run(r->node.loop);
		alarm_stopping();
	} else {
		log_write(LOG_NODE, LOG_LEVEL_ERROR, "%s", err.msg);
		status = EXIT_FAILED;
	}
	node_stop(&r->node);
	watch_free(r->signals);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	loop_free(r->node.loop);
	alarm_settle(SETTLE_MS);	/* links that went down with us */
	alarm_close();
	return status;
}

/* -1: go on; else the exit status. */
static int
read_options(int argc, char **argv, struct run *r, bool *check)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if ((size_t)snprintf(r->file, sizeof(r->file), "%s", optarg) >= sizeof(r->file))
				return EXIT_USAGE;
			break;
		case OPTION_CHECK:
			*check = true;
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return 0;
		case OPTION_VERSION:
			puts("appctl-node " PACKAGE_VERSION);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fputs("appctl-node takes no arguments, see --help\n", stderr);
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	static struct run r = { .signal_fd = -1 };
	struct buf problems = { 0 };
	bool check = false;
	int status;

	node_settings_default_path(r.file);
	status = read_options(argc, argv, &r, &check);
	if (status >= 0)
		return status;
	log_init("appctl-node");
	r.node.settings = read_settings(r.file, &problems);
	if (r.node.settings == NULL)
		status = EXIT_USAGE;
	else
		status = check ? 0 : run(&r);
	fputs(buf_cstr(&problems), stderr);
	buf_free(&problems);
	node_settings_free((struct node_settings *)(uintptr_t)r.node.settings);
	return status;
}
