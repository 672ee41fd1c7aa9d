/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "net/secret.h"
#include "net/ws.h"
#include "sys/alarm.h"
#include "producer/collect.h"
#include "sys/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * appctl-producer: collects what this machine and its applications do, and takes it to a consumer.
 */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct producer {
	struct producer_settings settings;
	struct secret secret;
	struct loop *loop;
	struct hold *hold;
	struct ship *ship;
	struct otlp *otlp;
	struct collect *collect;
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

	buf_adds(&out, "Usage: appctl-producer [--check | --help | --version]\n"
		       "Collects what this machine and its applications do and takes it to a consumer.\n"
		       "Its settings are environment variables:\n\n");
	settings_help(PRODUCER_PREFIX, producer_settings_table, producer_settings_count, &out);
	fputs(buf_cstr(&out), stdout);
	buf_free(&out);
	return 0;
}

static void
signalled(void *arg, int what)
{
	struct producer *p = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "asked to end");
	loop_stop(p->loop);
}

static int
watch_signals(struct producer *p, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p->signals = p->signal_fd < 0 ? NULL : watch_new(p->loop, p->signal_fd, LOOP_READ, signalled, p);
	return p->signals ? 0 : err_set(err, errno, "signals");
}

static struct ws_settings
connection(const struct producer *p)
{
	const struct producer_settings *s = &p->settings;

	return (struct ws_settings){
		.protocol = "appctl-monitor", .node = s->node, .secret = p->secret.bytes, .secret_len = p->secret.len,
		.use_tls = s->tls.use_tls, .ca_file = s->tls.ca_file, .cert_file = s->tls.cert_file, .key_file = s->tls.key_file,
		.crl_file = s->tls.crl_file, .host = s->ip, .port = s->port_text, .message_max = 64 * 1024,
	};
}

static int
start_shipping(struct producer *p, struct err *err)
{
	const struct producer_settings *s = &p->settings;
	const struct spool_limits limits = { s->spool_size, s->spool_age_ms };
	const struct ws_settings ws = connection(p);

	if (mkdir(s->spool, 0700) < 0 && errno != EEXIST)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "spool %s: %m", s->spool);
	p->hold = hold_new(s->spool, &limits, s->node, err);
	if (p->hold == NULL)
		return -1;
	p->ship = ship_new(p->loop, p->hold, &ws, s->unreachable_after_ms);
	return p->ship ? 0 : err_set(err, ENOMEM, "connection");
}

/* Files that are read again, or later, than now: at each connection, at each sample, by libraries. */
static int
give_up_rights(const struct producer_settings *s, struct err *err)
{
	bool commands = s->metrics.count > 0 || s->status_command != NULL;
	const struct sandbox_path paths[] = {
		{ commands ? "/" : "/proc", SANDBOX_READ | SANDBOX_EXECUTE },
		{ "/etc", SANDBOX_READ }, { "/sys", SANDBOX_READ }, { "/dev", SANDBOX_READ }, { "/run", SANDBOX_READ },
		{ "/usr", SANDBOX_READ | SANDBOX_EXECUTE }, { "/lib", SANDBOX_READ | SANDBOX_EXECUTE },
		{ "/lib64", SANDBOX_READ | SANDBOX_EXECUTE }, { "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
		{ commands ? "/tmp" : NULL, SANDBOX_READ | SANDBOX_WRITE }, { s->spool, SANDBOX_READ | SANDBOX_WRITE },
		{ s->tls.ca_file, SANDBOX_READ }, { s->tls.cert_file, SANDBOX_READ }, { s->tls.key_file, SANDBOX_READ },
		{ s->tls.crl_file, SANDBOX_READ }, { s->runtime_dir, SANDBOX_READ },
	};
	const struct sandbox box = { paths, sizeof(paths) / sizeof(paths[0]), commands };
	const char *missing;

	if (sandbox_enter(&box, &missing, err) < 0)
		return -1;
	if (missing != NULL)
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "this kernel has no %s: files are guarded by their modes alone", missing);
	return 0;
}

static int
start(struct producer *p, struct err *err)
{
	const struct producer_settings *s = &p->settings;

	if (secret_protect_process(err) < 0)
		return -1;
	if (s->ip != NULL && secret_read(s->secret_file, &p->secret, err) < 0)
		return -1;
	p->loop = loop_new();
	if (p->loop == NULL)
		return err_set(err, errno, "event loop");
	if (watch_signals(p, err) < 0 || (s->ip != NULL && start_shipping(p, err) < 0))
		return -1;
	if (s->otlp_url != NULL && (p->otlp = otlp_new(p->loop, s->otlp_url, s->otlp_headers_file, s->node, err)) == NULL)
		return -1;
	p->collect = collect_new(p->loop, s, p->hold, p->ship, p->otlp, err);
	return p->collect ? give_up_rights(s, err) : -1;
}

static void
finish(struct producer *p)
{
	collect_free(p->collect);
	ship_free(p->ship);
	otlp_free(p->otlp);
	hold_free(p->hold);
	watch_free(p->signals);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	loop_free(p->loop);
	secret_clear(&p->secret);
	producer_settings_fini(&p->settings);
	alarm_close();
}

static int
run(struct producer *p)
{
	struct err err = { 0 };
	int status = 0;

	alarm_open();
	if (start(p, &err) == 0) {
		alarm_ready();
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "collecting as node %s every %lld ms", p->settings.node,
			  (long long)p->settings.interval_ms);
		loop_run(p->loop);
		alarm_stopping();
	} else {
		log_write(LOG_MONITOR, LOG_LEVEL_ERROR, "%s", err.msg);
		status = EXIT_FAILED;
	}
	finish(p);
	return status;
}

int
main(int argc, char **argv)
{
	static struct producer p = { .signal_fd = -1 };
	struct buf problems = { 0 };
	bool check = false;
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (c == 'h')
			return help();
		if (c == 'V') {
			puts("appctl-producer " PACKAGE_VERSION);
			return 0;
		}
		if (c != 'c')
			return EXIT_USAGE;
		check = true;
	}
	log_init("appctl-producer");
	if (optind < argc || producer_settings_read(&p.settings, environ, &problems) < 0) {
		fprintf(stderr, "%s", optind < argc ? "appctl-producer takes no arguments, see --help\n" : buf_cstr(&problems));
		buf_free(&problems);
		producer_settings_fini(&p.settings);
		return EXIT_USAGE;
	}
	buf_free(&problems);
	if (p.settings.enable && !check)
		return run(&p);
	if (!p.settings.enable)
		fputs("appctl-producer: switched off; PRODUCER_ENABLE=true switches it on\n", stderr);
	producer_settings_fini(&p.settings);
	return p.settings.enable ? 0 : EXIT_USAGE;
}
