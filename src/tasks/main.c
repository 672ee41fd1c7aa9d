/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sys/alarm.h"
#include "sys/process.h"
#include "sys/sandbox.h"
#include "tasks/task.h"
#include "tasks/varlink_text.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * appctl-tasks: the task supervisor.  Starts with no tasks, and what it starts ends with it.
 */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct supervisor {
	struct tasks_settings settings;
	struct loop *loop;
	struct appctl *find;		/* knows the runtime directory */
	struct tasks *tasks;
	struct serve_interface interface;
	struct serve *serve;
	struct watch *signals;
	int signal_fd;
};

static const struct option options[] = {
	{ "check", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static int
help(void)
{
	struct buf out = { 0 };

	buf_adds(&out, "Usage: appctl-tasks [--check | --help | --version]\n"
		       "Runs tasks: commands that are started, awaited and stopped by appctl task, here or from another node.\n"
		       "Its settings are environment variables:\n\n");
	settings_help(TASKS_PREFIX, tasks_settings_table, tasks_settings_count, &out);
	fputs(buf_cstr(&out), stdout);
	buf_free(&out);
	return 0;
}

static void
signalled(void *arg, int what)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_write(LOG_CONTROL, LOG_LEVEL_INFO, "asked to end");
	loop_stop(s->loop);
}

static int
watch_signals(struct supervisor *s, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->signals = s->signal_fd < 0 ? NULL : watch_new(s->loop, s->signal_fd, LOOP_READ, signalled, s);
	return s->signals ? 0 : err_set(err, errno, "signals");
}

/* Itself and root: who else may use it goes through a node, which asks its configuration. */
static bool
may_connect(void *service, uid_t uid)
{
	(void)service;
	return uid == 0 || uid == geteuid();
}

static int
listen_for_calls(struct supervisor *s, const char *runtime_dir, struct err *err)
{
	autofree char *directory = NULL, *path = NULL;

	if (asprintf(&directory, "%s/tasks", runtime_dir) < 0 || asprintf(&path, "%s/tasks.sock", directory) < 0)
		return err_set(err, ENOMEM, "socket");
	if (access(directory, F_OK) < 0)
		return err_set(err, errno, "%s: the application needs runtime_directory = \"tasks\"", directory);
	s->interface = (struct serve_interface){
		.name = "org.appctl.Tasks", .text = tasks_interface_text, .product = "appctl-tasks", .methods = tasks_methods,
		.method_count = tasks_method_count, .may_connect = may_connect, .service = s->tasks,
	};
	s->serve = serve_new(s->loop, path, 0600, &s->interface, err);
	return s->serve ? 0 : -1;
}

/* Files that are used later than now: the socket goes with us. */
static int
give_up_rights(const char *runtime_dir, struct err *err)
{
	const struct sandbox_path paths[] = {
		{ runtime_dir, SANDBOX_READ | SANDBOX_WRITE }, { "/dev/null", SANDBOX_READ | SANDBOX_WRITE }, { "/dev/urandom", SANDBOX_READ },
#ifdef __SANITIZE_ADDRESS__
		{ "/proc", SANDBOX_READ },		/* looks for leaks there */
#endif
	};
	const struct sandbox box = { paths, sizeof(paths) / sizeof(paths[0]), false };
	const char *missing;

	if (sandbox_enter(&box, &missing, err) < 0)
		return -1;
	if (missing != NULL)
		log_write(LOG_CONTROL, LOG_LEVEL_INFO, "this kernel has no %s: files are guarded by their modes alone", missing);
	return 0;
}

static int
start(struct supervisor *s, struct err *err)
{
	struct appctl_error e = { 0 };
	const char *runtime_dir;

	s->find = appctl_new(NULL, &e);
	if (s->find == NULL) {
		err_set(err, 0, "%s", e.message);
		appctl_error_clear(&e);
		return -1;
	}
	runtime_dir = appctl_runtime_dir(s->find);
	process_allow_many_descriptors();	/* each task takes two, and its caller one */
	s->loop = loop_new();
	if (s->loop == NULL)
		return err_set(err, errno, "event loop");
	s->tasks = tasks_new(s->loop, runtime_dir, getenv("APPCTL_APP"), &s->settings);
	if (s->tasks == NULL)
		return err_set(err, ENOMEM, "tasks");
	if (watch_signals(s, err) < 0 || listen_for_calls(s, runtime_dir, err) < 0)
		return -1;
	return give_up_rights(runtime_dir, err);
}

static void
finish(struct supervisor *s)
{
	serve_free(s->serve);
	tasks_free(s->tasks);
	watch_free(s->signals);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	loop_free(s->loop);
	appctl_free(s->find);
	alarm_close();
}

static int
run(struct supervisor *s)
{
	struct err err = { 0 };
	int status = 0;

	alarm_open();
	if (start(s, &err) == 0) {
		alarm_ready();
		loop_run(s->loop);
		alarm_stopping();
	} else {
		log_write(LOG_CONTROL, LOG_LEVEL_ERROR, "%s", err.msg);
		status = EXIT_FAILED;
	}
	finish(s);
	return status;
}

int
main(int argc, char **argv)
{
	static struct supervisor s = { .signal_fd = -1 };
	struct buf problems = { 0 };
	bool check = false, bad;
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (c == 'h')
			return help();
		if (c == 'V') {
			puts("appctl-tasks " PACKAGE_VERSION);
			return 0;
		}
		if (c != 'c')
			return EXIT_USAGE;
		check = true;
	}
	log_init("appctl-tasks");
	bad = optind < argc ||
	      settings_read(TASKS_PREFIX, tasks_settings_table, tasks_settings_count, environ, &s.settings, &problems) > 0;
	/* Other nodes' tasks as root are nothing that comes about by leaving something out. */
	if (!bad && geteuid() == 0 && s.settings.user == NULL) {
		buf_adds(&problems, "it runs as root: TASKS_USER has to say whom tasks run as, root if that is meant\n");
		bad = true;
	}
	if (bad)
		fprintf(stderr, "%s", optind < argc ? "appctl-tasks takes no arguments, see --help\n" : buf_cstr(&problems));
	buf_free(&problems);
	if (bad)
		return EXIT_USAGE;
	return check ? 0 : run(&s);
}
