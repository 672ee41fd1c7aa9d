/* SPDX-License-Identifier: MIT */
#pragma once

#include "appctld/table.h"
#include "base/err.h"
#include "sys/cgroup.h"
#include "sys/link_io.h"
#include "sys/spawn.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/*
 * appctld, the keeper: the process that must not die.  It spawns, reaps and
 * signals what the engine orders, and starts the engine again whenever that ends.  One thread, one
 * epoll; nothing in it waits.  Each part is a file of this folder and knows the others only through this header.
 */

/* What the keeper waits for.  An entry of deadlines[] is CLOCK_MONOTONIC in ms, 0: none. */
#define DEADLINES(X) \
	X(RESTART, engine_restart_due)		/* the next engine is to be started */ \
	X(READY, engine_unanswering)		/* a new engine has not said READY */ \
	X(PONG, engine_unanswering)		/* a PING is unanswered */ \
	X(ACK, engine_unanswering)		/* exits were told and none of them acknowledged */ \
	X(TELL, tell_pump)			/* the kernel had no memory for a message: try again */ \
	X(UP_READY, notify_up_ready)		/* READY=1 goes out although not everything is up */ \
	X(WATCHDOG, notify_up_watchdog)		/* the next WATCHDOG=1 */ \
	X(STAND, last_stand_due)		/* the child that is being stopped has had its time */ \
	X(LEAVE, leave_due)			/* what has been killed at the end has had its time */ \
	X(REEXEC, reexec_due)			/* the trial run, or the engine that gives way, has had its time */
enum deadline {
#define X(id, due) DUE_##id,
	DEADLINES(X)
#undef X
	DEADLINE_COUNT
};

struct options {
	const char *config, *runtime_dir, *mode, *node;
	bool check;
};

/* The runtime directory, locked, with its sockets.  Descriptors that engines get are above KEEPER_FD_MIN. */
struct runtime {
	char dir[PATH_MAX];
	int dir_fd;			/* held, so that nobody else gets its inode number */
	int lock_fd;
	int control, events, notify, knock;
};

struct engine_proc {
	char path[PATH_MAX];
	pid_t pid;			/* 0: there is none */
	int link;			/* -1: none */
	bool blocked;			/* the link took no more: EPOLLOUT is awaited */
	bool ready, ever_ready;
	bool doomed;			/* killed by the keeper: nothing more from it counts */
	uint32_t starts, quick_deaths;	/* ends in a row before READY or shortly after it */
	int64_t ready_at_ms;
	/* what is still to be told, in this order; then what the slots' flags say */
	bool tell_hello, tell_children, tell_table_end, tell_kids, tell_ping;
	enum link_type tell_reexec;	/* REEXEC_FAILED or REEXEC_GO with reexec.text; LINK_NONE: nothing */
	uint64_t tell_signals;		/* 1 << number */
	uint64_t told_signals;		/* and no PONG has come since: this engine may not have acted on them */
	bool ping_open, ping_for_watchdog;
	uint32_t awaits_ack;		/* exits told and not acknowledged, of those that nothing else holds up */
};

struct notify_up {
	int fd;				/* -1: no service manager above */
	struct sockaddr_un to;
	socklen_t to_len;
	int64_t watchdog_ms;		/* 0: none */
	bool said_ready;
};

struct reexec {
	char program[PATH_MAX];		/* what this process would become, as it was started */
	uint32_t replaced;		/* how often it has become another so far */
	pid_t pid;			/* of the trial run; 0: none */
	int text_fd;			/* what that says */
	bool timed_out;
	bool agreed;			/* the trial was good: when the engine has ended, the exec follows */
	struct stat file;		/* what was on trial */
	char text[512];			/* why not, or the new version */
};

/* A keeper on trial finds what would be handed over here, and the state as an engine does. */
enum { TRIAL_FD_HANDOVER = 3 };
#define TRIAL_PASSED "appctl-trial "	/* the answer of a trial: then a version and a newline */
#define TAKE_OVER "--take-over="	/* the first argument of one that takes over: descriptors of handover and old program, soft RLIMIT_NOFILE of applications */

enum { ORPHANS = 64 };

struct keeper {
	struct options options;
	struct spawner spawner;
	struct cgroups cgroups;
	struct table table;
	struct runtime runtime;
	struct engine_proc engine;
	struct notify_up up;
	struct reexec reexec;
	struct link_in in;
	struct buf out;			/* messages of one packet; its memory was taken at the start */
	int epoll_fd, signal_fd, state_fd;
	int spare_fd;			/* given up for a moment to close a connection when descriptors are out */
	int64_t deadlines[DEADLINE_COUNT];
	uint64_t instance, last_inc;
	int64_t started_real_us;
	bool is_pid1, shutdown_asked;
	bool standing_alone;		/* no engine any more: see last_stand.c */
	uint64_t stand_inc;		/* the child that is being stopped; 0: none */
	bool stand_killed, stand_hurry;
	int64_t stand_end_ms;
	bool leaving, done;
	int exit_status;
	struct orphan { pid_t pid; int status; } orphans[ORPHANS];	/* the latest unknown pids that were reaped */
	unsigned orphan_at;
};

enum { OUT_ROOM = 16 * 1024, MESSAGE_ROOM = 8 * 1024 };	/* of keeper.out: HELLO's path fits into the latter */
enum { KEEPER_FD_MIN = 16, CANNOT_STAY_UP = 5 };	/* quick deaths of engines in a row */
enum { READY_WITHIN_MS = 60000, READY_WHEN_ASKED_MS = 10000 };	/* the latter when a shutdown was asked for */

/* main.c */
/* What a keeper has beside what is handed over, and then watching that.  -1: err says why. */
int keeper_prepare(struct keeper *k, struct err *err);
int keeper_watch(struct keeper *k, struct err *err);
int64_t now_ms(void);
void arm(struct keeper *k, enum deadline d, int64_t in_ms);	/* from now */
void disarm(struct keeper *k, enum deadline d);
enum watched { WATCH_SIGNALS, WATCH_LINK, WATCH_KNOCK };
int watch(struct keeper *k, int fd, enum watched what);
int move_up(int take_fd);		/* a close-on-exec duplicate above KEEPER_FD_MIN; -1: errno, take_fd is closed */

/* runtime.c.  -1: err says why. */
int runtime_open(struct runtime *r, const char *dir, struct err *err);
void runtime_close(struct runtime *r);
int runtime_default_dir(char *dir, size_t size, struct err *err);

/* signals.c */
int signals_open(struct keeper *k, struct err *err);
void signals_read(struct keeper *k);

/* engine_proc.c */
int engine_find(struct engine_proc *e, struct err *err);
void engine_start(struct keeper *k);
void engine_restart_due(struct keeper *k);
void engine_unanswering(struct keeper *k);
void engine_kill(struct keeper *k, const char *why);
void engine_ended(struct keeper *k, int status);
void engine_close_link(struct keeper *k);
void knock_accept(struct keeper *k);

/* orders.c: what the engine says */
void orders_read(struct keeper *k);
void orders_drain(struct keeper *k);

/* tell.c: what the engine is told */
void tell_kid(struct keeper *k, struct kid *kid, unsigned flag);
void tell_new_engine(struct keeper *k);
void tell_signal(struct keeper *k, int signo);
void tell_ping(struct keeper *k);
void tell_heard(struct keeper *k);	/* the engine says something: it is alive */
void tell_pump(struct keeper *k);
void tell_flush(struct keeper *k);	/* what was said goes out now */
void tell_acked(struct keeper *k, struct kid *kid);	/* the engine has answered to an exit */
void tell_reexec(struct keeper *k, enum link_type type);
/* An answer for which there is no slot. */
void tell_failed_now(struct keeper *k, uint64_t inc, uint32_t step, int error);

/* children.c */
void child_spawn(struct keeper *k, uint64_t inc);		/* the order in k->in */
void children_land(struct keeper *k);	/* all that are on their way to their program, before their orders in k->in are gone */
void child_signal(struct keeper *k, struct kid *kid, int signo, bool whole_tree);
void child_adopt(struct keeper *k, struct kid *kid, pid_t pid);
void child_forget(struct keeper *k, struct kid *kid, bool again);	/* again: in the same cgroup */
void child_close_ready(struct kid *kid);
void children_reap(struct keeper *k);
void children_kill_all(struct keeper *k);
unsigned children_alive(const struct keeper *k);
bool children_kill_strays(struct keeper *k);		/* of no application any more; true: there were some, wait for their end */

/* last_stand.c: the keeper alone ends everything, then itself */
void last_stand_begin(struct keeper *k, int status);
void last_stand_due(struct keeper *k);
void last_stand_exited(struct keeper *k, struct kid *kid);
void leave(struct keeper *k, int status);	/* all has stopped, or is killed now: end with status */
void leave_due(struct keeper *k);
void leave_if_alone(struct keeper *k);

/* notify_up.c: the service manager above, by sd_notify's protocol */
void notify_up_open(struct keeper *k);
void notify_up_send(struct keeper *k, const char *text);
void notify_up_status(struct keeper *k, const char *text);
void notify_up_ready(struct keeper *k);
void notify_up_watchdog(struct keeper *k);
/* Puts what notify_up_open() reads into the environment of a program to be exec'd, or takes it out again. */
void notify_up_leave(const struct keeper *k, bool leave);

/* reexec.c: this process becomes the program that is installed now */
void reexec_remember_program(struct reexec *r, const char *argv0);
void reexec_begin(struct keeper *k);
void reexec_trial_ended(struct keeper *k, int status);
void reexec_due(struct keeper *k);
void reexec_go(struct keeper *k);		/* the engine has ended; comes back only where that is not possible */
void reexec_keep_descriptors(const struct keeper *k, bool keep);

/* take_over.c: this program is what another became */
int take_over_trial(void);			/* the exit status */
int take_over(struct keeper *k, int argc, char **argv);	/* -1: it was said why not */
void take_over_limit(struct spawner *s, const char *first);	/* what the first argument alone says */

/* rebuild.c: nobody can read what was handed over */
void rebuild_table(struct keeper *k);		/* from the children and cgroups that are there */
