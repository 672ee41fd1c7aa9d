/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/crc32.h"
#include "base/log.h"
#include "sys/program.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* --- The command line ---------------------------------------------------------- */

static const struct flag {
	char letter;
	const char *name, *value, *help;
	size_t offset;			/* of the text in struct options */
} flags[] = {
	{ 'c', "config", "FILE", "the main configuration file; drop-ins are conf.d/*.conf beside it", offsetof(struct options, config) },
	{ 'r', "runtime-dir", "DIR", "where the sockets are", offsetof(struct options, runtime_dir) },
	{ 'm', "mode", "MODE", "the mode to enter, instead of the configuration's default_mode", offsetof(struct options, mode) },
	{ 'n', "node", "NODE", "this node's name, instead of the configuration's or the host's", offsetof(struct options, node) },
	{ 'C', "check", NULL, "check the configuration and end: 0 if it is good, 2 if not", 0 },
	{ 'h', "help", NULL, "print this", 0 },
	{ 'V', "version", NULL, "print the version", 0 },
};
enum { FLAGS = sizeof(flags) / sizeof(*flags) };

static void
print_help(void)
{
	char left[40];
	size_t i;

	printf("usage: appctld [-c FILE] [-r DIR] [-m MODE] [-n NODE] [--check]\n\n"
	       "Starts and supervises the applications of the configuration, in the foreground.\n\n");
	for (i = 0; i < FLAGS; i++) {
		if (flags[i].value != NULL)
			snprintf(left, sizeof(left), "-%c, --%s %s", flags[i].letter, flags[i].name, flags[i].value);
		else
			snprintf(left, sizeof(left), "    --%s", flags[i].name);
		printf("  %-24s%s\n", left, flags[i].help);
	}
	printf("\nSIGTERM and SIGINT stop everything in order, SIGHUP reads the configuration again.\n");
}

/* "c:r:…" and the long forms; flags without a value have no short form. */
static void
fill_getopt(char *letters, struct option *longs)
{
	size_t i;

	*letters++ = ':';
	for (i = 0; i < FLAGS; i++) {
		longs[i] = (struct option){ flags[i].name, flags[i].value != NULL, NULL, flags[i].letter };
		if (flags[i].value == NULL)
			continue;
		*letters++ = flags[i].letter;
		*letters++ = ':';
	}
	*letters = '\0';
}

static void
usage_error(const char *what, const char *word)
{
	fprintf(stderr, "appctld: %s: %s; see appctld --help\n", word, what);
	exit(EXIT_USAGE);
}

static void
take_flag(struct options *o, int letter, const char *value)
{
	size_t i;

	for (i = 0; flags[i].letter != letter; i++)
		;
	if (flags[i].value != NULL)
		*(const char **)(void *)((char *)o + flags[i].offset) = value;
	else if (letter == 'C')
		o->check = true;
	else if (letter == 'h')
		print_help();
	else
		printf("appctld %s\n", PACKAGE_VERSION);
	if (letter == 'h' || letter == 'V')
		exit(fflush(stdout) == 0 ? 0 : EXIT_FAILED);
}

/* Its first argument is for take_over.c. */
static bool
is_exec_of_keeper(int argc, char **argv)
{
	return argc >= 2 && strncmp(argv[1], TAKE_OVER, strlen(TAKE_OVER)) == 0;
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	struct option longs[FLAGS + 1] = { 0 };
	char letters[2 * FLAGS + 2];
	int letter;

	fill_getopt(letters, longs);
	opterr = 0;
	optind = is_exec_of_keeper(argc, argv) ? 2 : 1;
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (letter == '?')
			usage_error("no such option", argv[optind - 1]);
		if (letter == ':')
			usage_error("this option needs a value", argv[optind - 1]);
		take_flag(o, letter, optarg);
	}
	if (optind < argc)
		usage_error("appctld takes no arguments", argv[optind]);
}

/* For root below SYSCONFDIR, for others below $XDG_CONFIG_HOME. */
static const char *
default_config(void)
{
	static char path[PATH_MAX];
	const char *home = getenv("XDG_CONFIG_HOME");

	if (geteuid() == 0)
		return SYSCONFDIR "/appctl/appctld.conf";
	if (home != NULL && home[0] == '/') {
		snprintf(path, sizeof(path), "%s/appctl/appctld.conf", home);
		return path;
	}
	home = getenv("HOME");
	snprintf(path, sizeof(path), "%s/.config/appctl/appctld.conf", home != NULL ? home : "");
	return path;
}

/* --- Small things that all parts use ---------------------------------------------- */

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
arm(struct keeper *k, enum deadline d, int64_t in_ms)
{
	k->deadlines[d] = now_ms() + in_ms;
}

void
disarm(struct keeper *k, enum deadline d)
{
	k->deadlines[d] = 0;
}

int
watch(struct keeper *k, int fd, enum watched what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = what };

	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int
move_up(int fd)
{
	int moved;

	if (fd < 0 || fd >= KEEPER_FD_MIN)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, KEEPER_FD_MIN);
	close(fd);
	return moved;
}

/* --- Beginning ---------------------------------------------------------------------- */

/* 0, 1 and 2 are open and nothing else is, whatever the caller left. */
static void
settle_descriptors(void)
{
	long fd_max = sysconf(_SC_OPEN_MAX);
	int fd;

	if (syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, 0) < 0)
		for (fd = STDERR_FILENO + 1; fd < fd_max; fd++)
			close(fd);

	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void
raise_descriptor_limit(const struct spawner *s)
{
	const struct rlimit all = { s->nofile.rlim_max, s->nofile.rlim_max };

	setrlimit(RLIMIT_NOFILE, &all);
}

static uint64_t
random_instance(void)
{
	struct timespec ts;
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r) || r == 0) {
		clock_gettime(CLOCK_REALTIME, &ts);
		r = ((uint64_t)ts.tv_sec << 30 | (uint64_t)ts.tv_nsec) ^ (uint64_t)getpid() << 48;
	}
	return r;
}

/* Two daemons have two runtime directories, a daemon started again has the same. */
static uint32_t
runtime_id(const struct runtime *r)
{
	struct stat st;
	uint64_t key[2];

	if (fstat(r->dir_fd, &st) < 0)
		return (uint32_t)getpid();
	key[0] = st.st_dev;
	key[1] = st.st_ino;
	return crc32_of(0, key, sizeof(key));
}

static bool
is_in_use(void *arg, const char *name)
{
	const struct keeper *k = arg;
	const struct kid *kid;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		if (strcmp(kid_name(kid), name) == 0)
			return true;
	return false;
}

static void
open_cgroups(struct keeper *k)
{
	struct err err = { 0 };

	if (cgroups_open(&k->cgroups, runtime_id(&k->runtime), &err) == 0) {
		if (spawn_try_cgroup(&k->spawner, k->cgroups.dir_fd) == 0)
			return;
		err_set(&err, errno, "start a process in %s", k->cgroups.path);
		cgroups_close(&k->cgroups);
	}
	log_write(LOG_KEEPER, LOG_LEVEL_INFO, "no cgroups, descendants are known by session and environment: %s", err.msg);
}

int
keeper_prepare(struct keeper *k, struct err *err)
{
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll_fd < 0)
		return err_set(err, errno, "epoll_create1");
	if (spawner_init(&k->spawner, err) < 0 || signals_open(k, err) < 0 || engine_find(&k->engine, err) < 0)
		return -1;
	k->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (buf_reserve(&k->out, OUT_ROOM) == NULL)
		return err_set(err, ENOMEM, "start");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "PR_SET_CHILD_SUBREAPER: %s", strerror(errno));
	k->is_pid1 = getpid() == 1;
	return 0;
}

int
keeper_watch(struct keeper *k, struct err *err)
{
	if (watch(k, k->runtime.knock, WATCH_KNOCK) < 0)
		return err_set(err, errno, "epoll_ctl");
	return 0;
}

static void
clear_cgroups(struct keeper *k)
{
	unsigned killed = k->cgroups.dir_fd < 0 ? 0 : cgroups_clear(&k->cgroups, k->table.count > 0 ? is_in_use : NULL, k);

	if (killed > 0)
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "killed %u processes that an earlier appctld had left", killed);
}

/* again: the first argument of a process that has been a keeper before, whose children are there; NULL: it has not. */
static int
open_all(struct keeper *k, const char *runtime_dir, const char *again, struct err *err)
{
	struct timespec ts;

	if (keeper_prepare(k, err) < 0)
		return -1;
	if (again != NULL)
		take_over_limit(&k->spawner, again);
	raise_descriptor_limit(&k->spawner);
	if (runtime_open(&k->runtime, runtime_dir, err) < 0 || keeper_watch(k, err) < 0)
		return -1;
	k->state_fd = move_up(memfd_create("appctl-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (k->state_fd < 0)
		return err_set(err, errno, "memfd_create");
	clock_gettime(CLOCK_REALTIME, &ts);
	k->started_real_us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	k->instance = random_instance();
	open_cgroups(k);
	if (again != NULL)
		rebuild_table(k);
	clear_cgroups(k);
	notify_up_open(k);
	return 0;
}

static void
close_all(struct keeper *k)
{
	runtime_close(&k->runtime);
	cgroups_close(&k->cgroups);
	table_fini(&k->table);
	link_in_fini(&k->in);
	buf_free(&k->out);
	spawner_fini(&k->spawner);
}

/* --- Running -------------------------------------------------------------------------- */

enum { STANDSTILL_MS = 500 };

static int
wait_ms(const struct keeper *k)
{
	int64_t next = 0, left;
	int d;

	for (d = 0; d < DEADLINE_COUNT; d++)
		if (k->deadlines[d] != 0 && (next == 0 || k->deadlines[d] < next))
			next = k->deadlines[d];
	if (next == 0)
		return -1;
	left = next - now_ms();
	return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static void
run_due(struct keeper *k, int64_t now)
{
	static void (*const due[DEADLINE_COUNT])(struct keeper *k) = {
#define X(id, handler) [DUE_##id] = handler,
		DEADLINES(X)
#undef X
	};
	int d;

	for (d = 0; d < DEADLINE_COUNT; d++) {
		if (k->deadlines[d] == 0 || k->deadlines[d] > now)
			continue;
		k->deadlines[d] = 0;
		due[d](k);
	}
}

static void
handle(struct keeper *k, const struct epoll_event *ev)
{
	switch ((enum watched)ev->data.u32) {
	case WATCH_SIGNALS:
		signals_read(k);
		break;
	case WATCH_LINK:
		if (ev->events & EPOLLOUT)
			tell_pump(k);
		orders_read(k);
		break;
	case WATCH_KNOCK:
		knock_accept(k);
		break;
	}
}

/* A container that was paused: while the keeper could not look, the engine could not answer, and gets that time back. */
static void
forgive_standstill(struct keeper *k, int64_t lost_ms)
{
	static const enum deadline of_engine[] = { DUE_READY, DUE_PONG, DUE_ACK };
	size_t i;

	for (i = 0; lost_ms > STANDSTILL_MS && i < sizeof(of_engine) / sizeof(*of_engine); i++)
		if (k->deadlines[of_engine[i]] != 0)
			k->deadlines[of_engine[i]] += lost_ms;
}

static void
run(struct keeper *k)
{
	struct epoll_event ev[8];
	int64_t now, begin, waited;
	int i, n, ms;

	engine_start(k);
	now = now_ms();
	while (!k->done) {
		ms = wait_ms(k);
		begin = now_ms();
		n = epoll_wait(k->epoll_fd, ev, sizeof(ev) / sizeof(*ev), ms);
		/* Lost is what the last turn took, and a wait that was longer than asked for: nobody knows since when.  Due is what was so before. */
		waited = now_ms() - begin;
		forgive_standstill(k, begin - now + (ms >= 0 && waited - ms > STANDSTILL_MS ? waited : 0));
		now = begin + waited;
		for (i = 0; i < n && !k->done; i++)
			handle(k, &ev[i]);
		run_due(k, now);
		tell_flush(k);
	}
}

static int
check(struct keeper *k)
{
	const struct options *o = &k->options;
	const char *argv[8] = { "appctl-engine", "--check", "-c", o->config }, **at = argv + 4;
	struct err err = { 0 };

	if (o->mode != NULL) {
		*at++ = "-m";
		*at++ = o->mode;
	}
	if (engine_find(&k->engine, &err) == 0)
		program_become(k->engine.path, (char *const *)(uintptr_t)argv, &err);
	fprintf(stderr, "appctld: %s\n", err.msg);
	return EXIT_FAILED;
}

static const struct keeper nothing = {
	.epoll_fd = -1, .signal_fd = -1, .state_fd = -1, .spare_fd = -1,
	.cgroups = { .dir_fd = -1 }, .spawner = { .null_fd = -1 }, .engine = { .link = -1 }, .up = { .fd = -1 },
	.runtime = { .dir_fd = -1, .lock_fd = -1, .control = -1, .events = -1, .notify = -1, .knock = -1 },
};
static struct keeper keeper;

/* From the keeper that this process was.  false: nothing can be read of that. */
static bool
was_taken_over(struct keeper *k, int argc, char **argv)
{
	if (take_over(k, argc, argv) == 0)
		return true;
	*k = nothing;
	return false;
}

int
main(int argc, char **argv)
{
	static char default_dir[PATH_MAX];
	struct keeper *k = &keeper;
	struct err err = { 0 };
	bool again = is_exec_of_keeper(argc, argv), goes_on;

	log_init("appctld");
	if (argc == 2 && strcmp(argv[1], "--trial") == 0)
		return take_over_trial();
	*k = nothing;
	goes_on = again && was_taken_over(k, argc, argv);
	if (!goes_on)
		settle_descriptors();
	parse_options(&k->options, argc, argv);
	if (k->options.config == NULL)
		k->options.config = default_config();
	reexec_remember_program(&k->reexec, argv[0]);
	if (k->options.check)
		return check(k);
	if (!goes_on &&
	    ((k->options.runtime_dir == NULL && runtime_default_dir(default_dir, sizeof(default_dir), &err) < 0) ||
	     open_all(k, k->options.runtime_dir != NULL ? k->options.runtime_dir : default_dir,
		      again ? argv[1] : NULL, &err) < 0)) {
		fprintf(stderr, "appctld: %s\n", err.msg);
		close_all(k);
		return EXIT_FAILED;
	}
	if (again)
		children_reap(k);	/* what ended while nobody looked */
	run(k);
	close_all(k);
	return k->exit_status;
}
