/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/run.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "consumer/consumer.h"
#include "consumer/web.h"
#include "net/secret.h"
#include "store/pg_init.h"
#include "sys/alarm.h"
#include "sys/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

enum { LEAVE_MS = 1000, LOOK_MS = 10 };

/* All that runs. */
struct run {
	struct loop *loop;
	struct consumer consumer;
	struct web *web;
	struct secret secret;
	int signal_fd;
	struct watch *signals;
	struct timer *leaving;
	int64_t leave_by_ms;
};

/* Connections are given a moment to be told, and no more. */
static void
look_whether_all_left(void *arg)
{
	struct run *r = arg;
	int64_t now_ms = clock_mono_ms();

	if (r->consumer.connections == 0 || now_ms >= r->leave_by_ms)
		loop_stop(r->loop);
	else
		timer_at(r->leaving, now_ms + LOOK_MS);
}

static void
signalled(void *arg, int what)
{
	struct run *r = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(r->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || r->leave_by_ms != 0)
		return;
	alarm_stopping();
	r->leave_by_ms = clock_mono_ms() + LEAVE_MS;
	consumer_leave(&r->consumer);
	look_whether_all_left(r);
}

static int
take_signals(struct run *r, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_set(err, errno, "signals");
	r->signals = watch_new(r->loop, r->signal_fd, LOOP_READ, signalled, r);
	r->leaving = timer_new(r->loop, look_whether_all_left, r);
	return r->signals && r->leaving ? 0 : err_set(err, ENOMEM, "signals");
}

static void
directory_of(const char *path, char dir[PATH_MAX])
{
	char *slash;

	strcpy(dir, path);
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
}

/* The directory of the file, made where its own directory is there. */
static int
make_directory(const char *path, struct err *err)
{
	char dir[PATH_MAX];

	directory_of(path, dir);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "directory %s for CONSUMER_SQLITE", dir);
	return 0;
}

enum { PG_FILES_MAX = 16, PATHS_MAX = PG_FILES_MAX + 16 };

static void
allow(struct sandbox_path *paths, size_t *n, const char *path, unsigned access)
{
	if (path != NULL)
		paths[(*n)++] = (struct sandbox_path){ path, access };
}

/* From here on only what a consumer has to do with: its database, certificates, the system's libraries and names. */
static int
confine(const struct consumer_settings *s, struct err *err)
{
	struct sandbox_path paths[PATHS_MAX];
	struct sandbox box = { .paths = paths };
	char dir[PATH_MAX], *files[PG_FILES_MAX];
	size_t i, count = 0;
	const char *missing;
	int r;

	allow(paths, &box.path_count, "/etc", SANDBOX_READ);
	allow(paths, &box.path_count, "/dev", SANDBOX_READ);
	allow(paths, &box.path_count, "/usr", SANDBOX_READ | SANDBOX_EXECUTE);
	allow(paths, &box.path_count, "/lib", SANDBOX_READ | SANDBOX_EXECUTE);
	allow(paths, &box.path_count, "/lib64", SANDBOX_READ | SANDBOX_EXECUTE);
	allow(paths, &box.path_count, "/run", SANDBOX_READ);
	allow(paths, &box.path_count, "/proc/self", SANDBOX_READ);
	allow(paths, &box.path_count, s->tls.ca_file, SANDBOX_READ);
	allow(paths, &box.path_count, s->tls.cert_file, SANDBOX_READ);
	allow(paths, &box.path_count, s->tls.key_file, SANDBOX_READ);
	allow(paths, &box.path_count, s->tls.crl_file, SANDBOX_READ);
	if (s->database == NULL) {
		directory_of(s->sqlite_path, dir);
		allow(paths, &box.path_count, dir, SANDBOX_READ | SANDBOX_WRITE);
	} else {
		count = pg_files(s->database, files, PG_FILES_MAX);
	}
	for (i = 0; i < count; i++)
		allow(paths, &box.path_count, files[i], SANDBOX_READ);
	r = sandbox_enter(&box, &missing, err);
	for (i = 0; i < count; i++)
		free(files[i]);
	if (r == 0 && missing != NULL)
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "this kernel has no %s: files are guarded by their modes alone", missing);
	return r;
}

static void
print(void *arg, struct buf *out)
{
	consumer_print_metrics(arg, out);
}

static int
start(struct run *r, struct consumer_settings *s, struct ws_settings *ws, struct err *err)
{
	const struct store_settings store = { .database = s->database, .sqlite = s->sqlite_path, .retention_ms = s->retention_ms };

	if (secret_read(s->secret_file, &r->secret, err) < 0)
		return -1;
	if (s->database == NULL && make_directory(s->sqlite_path, err) < 0)
		return -1;
	if (confine(s, err) < 0)
		return -1;
	ws->secret = r->secret.bytes;
	ws->secret_len = r->secret.len;
	if (consumer_start(&r->consumer, r->loop, ws, &store, (size_t)s->memory, err) < 0)
		return -1;
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "listening on %s port %u", s->listen_ip, ws_listener_port(r->consumer.listener));
	if (s->metrics_listen == NULL)
		return 0;
	r->web = web_new(r->loop, s->metrics_listen, print, &r->consumer, err);
	if (r->web == NULL)
		return -1;
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "/metrics on port %u", web_port(r->web));
	return 0;
}

int
consumer_run(struct consumer_settings *s, struct err *err)
{
	struct run r = { .signal_fd = -1 };
	struct ws_settings ws = {
		.protocol = "appctl-monitor", .node = s->node, .use_tls = s->tls.use_tls, .ca_file = s->tls.ca_file, .cert_file = s->tls.cert_file,
		.key_file = s->tls.key_file, .crl_file = s->tls.crl_file, .verify_node = s->verify_node, .host = s->listen_ip, .port = s->port_text,
	};
	int result = -1;

	umask(027);
	if (geteuid() == 0)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "running as root, which it has no need of: contrib/monitor/monitor.conf gives it a user of its own");
	if (secret_protect_process(err) < 0)
		return -1;
	alarm_open();
	r.loop = loop_new();
	if (r.loop == NULL)
		err_set(err, ENOMEM, "the loop");
	else if (take_signals(&r, err) == 0 && start(&r, s, &ws, err) == 0) {
		alarm_ready();
		loop_run(r.loop);
		result = 0;
	}
	web_free(r.web);
	consumer_stop(&r.consumer);
	secret_clear(&r.secret);
	watch_free(r.signals);
	timer_free(r.leaving);
	autoclose_(&r.signal_fd);
	loop_free(r.loop);
	alarm_close();
	return result;
}
