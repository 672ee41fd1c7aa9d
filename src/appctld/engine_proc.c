/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STEADY_AFTER_MS = 1000,		/* an end this long after READY is no quick one */
	FIRST_DELAY_MS = 50, LAST_DELAY_MS = 5000,
	LINK_BUFFER = 1024 * 1024,
	ACCEPTS_AT_ONCE = 64,
};
enum { STATUS_BAD_CONFIG = 2, STATUS_FAILED = 1 };	/* of an engine; before it was ever ready appctld's too */

/* --- Which program ------------------------------------------------------------ */

static bool
try_directory(struct engine_proc *e, const char *dir, int dir_len)
{
	return (size_t)snprintf(e->path, sizeof(e->path), "%.*s/appctl-engine", dir_len, dir) < sizeof(e->path) &&
	       access(e->path, X_OK) == 0;
}

/* Where it was told to look, else beside this program (a build tree), else where it is installed. */
int
engine_find(struct engine_proc *e, struct err *err)
{
	const char *told = getenv("APPCTL_LIBEXECDIR");
	char self[PATH_MAX];
	ssize_t len;

	if (told != NULL && told[0] != '\0') {
		if (try_directory(e, told, (int)strlen(told)))
			return 0;
		return err_set(err, errno, "%s (from $APPCTL_LIBEXECDIR)", e->path);
	}
	len = readlink("/proc/self/exe", self, sizeof(self));
	while (len > 0 && self[len - 1] != '/')
		len--;
	if (len > 1 && try_directory(e, self, (int)len - 1))
		return 0;
	if (try_directory(e, LIBEXECDIR, (int)strlen(LIBEXECDIR)))
		return 0;
	return err_set(err, errno, "%s: install appctl again, or say where it is by $APPCTL_LIBEXECDIR", e->path);
}

/* --- Starting it ----------------------------------------------------------------- */

/* Both ends; the engine's is where a child can get it from. */
static int
make_link(int ends[2])
{
	int room = LINK_BUFFER, i;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	for (i = 0; i < 2; i++)
		if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
			setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	ends[1] = move_up(ends[1]);
	if (ends[1] < 0)
		close(ends[0]);
	return ends[1] < 0 ? -1 : 0;
}

static void
fill_argv(const struct keeper *k, const char **argv)
{
	const struct options *o = &k->options;

	*argv++ = "appctl-engine";
	*argv++ = "-c";
	*argv++ = o->config;
	*argv++ = "-r";
	*argv++ = k->runtime.dir;
	if (o->mode != NULL) {
		*argv++ = "-m";
		*argv++ = o->mode;
	}
	if (o->node != NULL) {
		*argv++ = "-n";
		*argv++ = o->node;
	}
	*argv = NULL;
}

/* A session of its own: a terminal's Ctrl-C is the keeper's business. */
static pid_t
spawn_engine(struct keeper *k, int link, struct spawn_failure *why)
{
	const char *argv[10] = { k->engine.path };
	const struct link_limit nofile = {
		.resource = RLIMIT_NOFILE, .soft = k->spawner.nofile.rlim_max, .hard = k->spawner.nofile.rlim_max,
	};
	const struct spawn_lend lend[] = {
		{ link, ENGINE_FD_LINK }, { k->runtime.control, ENGINE_FD_CONTROL },
		{ k->runtime.events, ENGINE_FD_EVENTS }, { k->runtime.notify, ENGINE_FD_NOTIFY },
		{ k->state_fd, ENGINE_FD_STATE },
	};
	const struct spawn_order order = {
		.fixed = { .flags = SPAWN_SESSION, .stdio = { STDIO_NULL, STDIO_INHERIT, STDIO_INHERIT }, .limit_count = 1 },
		.limits = &nofile, .directory = "", .root = "", .log_path = "", .runtime_directory = "", .argv = argv,
		.envp = (const char *const *)environ,
	};
	const struct spawn_job job = { .order = &order, .cgroup_fd = -1, .lend = lend, .lend_count = sizeof(lend) / sizeof(*lend) };

	fill_argv(k, argv);
	argv[0] = k->engine.path;
	return spawn_child(&k->spawner, &job, why);
}

/* Each end in a row before READY waits longer; the first does not wait. */
static void
start_later(struct keeper *k)
{
	uint32_t n = k->engine.quick_deaths;
	int64_t delay_ms = n < 2 ? 0 : n > 8 ? LAST_DELAY_MS : FIRST_DELAY_MS << (n - 2);

	arm(k, DUE_RESTART, delay_ms < LAST_DELAY_MS ? delay_ms : LAST_DELAY_MS);
}

static void
could_not_start(struct keeper *k, const char *step, int error)
{
	log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "cannot start %s: %s: %s", k->engine.path, step, strerror(error));
	k->engine.quick_deaths++;
	if (!k->engine.ever_ready && k->engine.starts == 0 && error != EAGAIN && error != ENOMEM) {
		last_stand_begin(k, 1);
		return;
	}
	if (k->shutdown_asked && k->engine.quick_deaths >= CANNOT_STAY_UP)
		last_stand_begin(k, 0);
	else
		start_later(k);
}

void
engine_start(struct keeper *k)
{
	struct spawn_failure why = { 0 };
	struct engine_proc *e = &k->engine;
	autoclose int theirs = -1;
	int ends[2];

	if (make_link(ends) < 0) {
		could_not_start(k, "socketpair", errno);
		return;
	}
	theirs = ends[1];
	e->pid = spawn_engine(k, theirs, &why);
	if (e->pid < 0) {
		e->pid = 0;
		close(ends[0]);
		could_not_start(k, spawn_step_name(why.step), why.error);
		return;
	}
	e->link = ends[0];
	e->starts++;
	e->ready = e->blocked = e->doomed = e->ping_open = e->ping_for_watchdog = false;
	if (watch(k, e->link, WATCH_LINK) < 0) {
		engine_kill(k, "epoll_ctl failed");
		return;
	}
	arm(k, DUE_READY, k->shutdown_asked ? READY_WHEN_ASKED_MS : READY_WITHIN_MS);
	log_write(LOG_KEEPER, LOG_LEVEL_DEBUG, "engine %u started as pid %d", e->starts, (int)e->pid);
	tell_new_engine(k);
}

void
engine_restart_due(struct keeper *k)
{
	if (k->engine.pid == 0 && !k->standing_alone && !k->leaving)
		engine_start(k);
}

/* --- Its end ------------------------------------------------------------------------ */

void
engine_close_link(struct keeper *k)
{
	if (k->engine.link >= 0)
		close(k->engine.link);
	k->engine.link = -1;
	link_in_clear(&k->in);
}

/* It has no say any more.  Its death is told by SIGCHLD, and then the next one starts. */
void
engine_kill(struct keeper *k, const char *why)
{
	disarm(k, DUE_READY);
	disarm(k, DUE_PONG);
	disarm(k, DUE_ACK);
	if (k->engine.pid == 0 || k->engine.doomed)
		return;
	log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "killing the engine (pid %d): %s", (int)k->engine.pid, why);
	k->engine.doomed = true;
	process_signal(k->engine.pid, SIGKILL);
}

void
engine_unanswering(struct keeper *k)
{
	if (!k->engine.ready && k->shutdown_asked) {
		last_stand_begin(k, 0);
		return;
	}
	engine_kill(k, k->engine.link < 0 ? "it closed its link" : !k->engine.ready ? "it has not become ready" : k->engine.ping_open ? "it does not answer"
			: "it acknowledges no exit");
}

static void
say_how_it_ended(const struct keeper *k, int status)
{
	if (WIFSIGNALED(status))
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "the engine was ended by signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "the engine ended with status %d", WEXITSTATUS(status));
	if (k->engine.quick_deaths == CANNOT_STAY_UP)
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "the engine cannot stay up: applications run on unattended; "
			  "trying again every %d s; SIGTERM stops them all", LAST_DELAY_MS / 1000);
}

/* What of the old engine's is void for the next. */
static void
forget_talk(struct keeper *k)
{
	struct kid *kid;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid)) {
		kid->flags &= (uint16_t)~(KID_TELL | KID_AWAITS_ACK);
		if (kid->flags & KID_FAILED)
			table_remove(&k->table, kid);
	}
	k->engine.awaits_ack = 0;
	k->engine.tell_signals |= k->engine.told_signals;
	k->engine.told_signals = 0;
	k->engine.tell_signals &= ~(1ULL << SIGTERM | 1ULL << SIGINT);	/* the next HELLO says it */
	disarm(k, DUE_READY);
	disarm(k, DUE_PONG);
	disarm(k, DUE_ACK);
	disarm(k, DUE_TELL);
}

static void
count_death(struct engine_proc *e)
{
	if (e->ready && now_ms() - e->ready_at_ms >= STEADY_AFTER_MS)
		e->quick_deaths = 0;
	else
		e->quick_deaths++;
}

/* Ends appctld with the engine that cannot begin: true. */
static bool
never_began(struct keeper *k, int status)
{
	if (k->engine.ever_ready || !WIFEXITED(status))
		return false;
	/* What it was short of may be there in a moment. */
	if (WEXITSTATUS(status) == STATUS_FAILED && k->engine.quick_deaths < CANNOT_STAY_UP && !k->shutdown_asked)
		return false;
	if (WEXITSTATUS(status) == STATUS_BAD_CONFIG)
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "the configuration cannot be used (see above): nothing was started");
	else if (WEXITSTATUS(status) == STATUS_FAILED)
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "the engine could not begin (see above)");
	else
		return false;
	last_stand_begin(k, WEXITSTATUS(status));
	return true;
}

void
engine_ended(struct keeper *k, int status)
{
	struct engine_proc *e = &k->engine;

	orders_drain(k);
	engine_close_link(k);
	forget_talk(k);
	e->pid = 0;
	if (k->leaving || k->standing_alone) {
		leave_if_alone(k);
		return;
	}
	if (k->reexec.agreed) {
		e->ready = false;
		reexec_go(k);
		start_later(k);
		return;
	}
	count_death(e);
	if (never_began(k, status))
		return;
	say_how_it_ended(k, status);
	e->ready = false;
	if (k->shutdown_asked && e->quick_deaths >= CANNOT_STAY_UP)
		last_stand_begin(k, 0);
	else
		start_later(k);
}

/* --- Someone doubts that it is alive --------------------------------------------------- */

static int
accept_or_drop(struct keeper *k)
{
	int fd = accept4(k->runtime.knock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || k->spare_fd < 0)
		return fd;
	/* Not taken, it would wake epoll for ever. */
	close(k->spare_fd);
	fd = accept4(k->runtime.knock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	k->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return -1;
}

void
knock_accept(struct keeper *k)
{
	bool knocked = false;
	int i, fd;

	for (i = 0; i < ACCEPTS_AT_ONCE && (fd = accept_or_drop(k)) >= 0; i++) {
		close(fd);
		knocked = true;
	}
	if (knocked)
		tell_ping(k);
}
