/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/event.h"
#include "core/model.h"
#include "core/restart.h"

/*
 * One application as it runs: a state machine whose table has no holes, and the
 * facts beside it.  What is wanted (up or down) is not part of the state.
 */
#define APP_STATES(X) \
	X(STOPPED, "stopped")		/* no process, none wanted */ \
	X(WAITING, "waiting")		/* wanted, but something must be up first */ \
	X(STARTING, "starting")		/* a process, not ready yet */ \
	X(RUNNING, "running")		/* a process, ready */ \
	X(STOPPING, "stopping")		/* told to end, or its descendants are being ended */ \
	X(BACKOFF, "backoff")		/* wanted, waiting until it may be started again */ \
	X(FAILED, "failed")		/* wanted, but given up */ \
	X(COMPLETED, "completed")	/* wanted, and ended as it should */ \
	X(LOAD_ONLY, "load_only")	/* has no command */
enum app_state {
#define X(id, name) APP_##id,
	APP_STATES(X)
#undef X
	APP_STATE_COUNT
};

#define APP_INPUTS(X) \
	X(GO, "go")			/* wanted, and all it waits for is up */ \
	X(HOLD, "hold")			/* wanted, but not all it waits for is up */ \
	X(DOWN, "down")			/* not wanted (or to be restarted), and nothing that is going down stands on it */ \
	X(SPAWNED, "spawned")		/* the process is there, and that is all there is to wait for */ \
	X(READY, "ready") \
	X(EXITED, "exited")		/* the main process ended; its descendants are still there */ \
	X(GONE, "gone")			/* nothing of it is left */ \
	X(TIMEOUT, "timeout")		/* its deadline passed */
enum app_input {
#define X(id, name) IN_##id,
	APP_INPUTS(X)
#undef X
	APP_INPUT_COUNT
};

#define APP_ACTIONS(X) \
	X(NONE) \
	X(SPAWN)			/* order a process */ \
	X(ANNOUNCE)			/* app_running */ \
	X(STOP)				/* the first step of ending it: its own stop signal or command */ \
	X(SWEEP)			/* end what the main process left behind */ \
	X(ESCALATE)			/* the next step: SIGKILL, and at last "unkillable" */ \
	X(SETTLE)			/* all gone: decide by app_settle() what comes next */ \
	X(REST)				/* forget deadline and failures: it is not wanted any more */
enum app_action {
#define X(id) DO_##id,
	APP_ACTIONS(X)
#undef X
	APP_ACTION_COUNT
};

struct transition {
	enum app_state to;
	enum app_action action;
};

/* The table's answer for a state and an input. */
struct transition app_next(enum app_state state, enum app_input in);

enum { STATUS_TEXT_MAX = 79 };	/* of that much a text is kept */

enum wish { WISH_NONE, WISH_UP, WISH_DOWN };		/* an operator's, until start, stop or the next mode */

/* How the mode sees an application: as it should be, on its way, or not to be had. */
enum standing { STANDING_GOOD, STANDING_PENDING, STANDING_BAD, STANDING_COUNT };

/* How far ending it has come. */
enum stop_step { STEP_NONE, STEP_TERM, STEP_SWEEP, STEP_KILL, STEP_UNKILLABLE };

/* A process that belongs to an application beside the main one. */
enum child_kind { CHILD_MAIN, CHILD_PROBE, CHILD_STOP, CHILD_RELOAD, CHILD_KIND_COUNT };

struct app {
	const struct app_def *def;	/* what it runs by */
	const struct app_def *next_def;	/* what the configuration in force says; NULL: it is gone from there */
	char name[NAME_MAX_LEN + 1];
	uint32_t vertex;		/* in the engine's graph; changes with a reload */

	enum app_state state;
	bool wanted;			/* up */
	enum wish wish;
	bool restart_asked;		/* it goes down to come up again */
	bool transient;			/* by Run: forgotten some time after it has ended */
	uint32_t run_by;		/* whose Run it was, as 1 + uid, who may operate it; 0: an admin's */
	bool has_run;			/* a process of it was ordered at least once */
	bool gone;			/* left: about to be freed */
	bool adopt_again;		/* at recovery: the keeper still has the launcher */
	bool by_name;			/* at recovery: known by nothing but its name */
	uint8_t found;			/* at recovery: bit 1 << enum child_kind, the keeper has it */
	bool announced;			/* app_running was published and not yet closed */
	enum stop_step step;
	enum reason reason;		/* why it is in this state, or is on its way out of it */
	enum reason cause;		/* what last changed the wish about it */

	uint64_t inc[CHILD_KIND_COUNT];	/* incarnation of each live child; 0: none */
	pid_t pid;			/* of the main process; 0: none */
	uint64_t run_hash;		/* of the definition that the process was started with */
	int64_t since_ms, since_real_us;	/* of the state */
	int64_t deadline_ms;		/* 0: none */
	uint32_t timer;			/* its place in the deadline heap; 0: none */

	uint32_t restarts;		/* since it was last wanted anew */
	uint32_t row;			/* quick failures in a row: the backoff's exponent */
	int64_t up_since_ms;		/* when it last became running */
	struct restart_log restart_log;
	bool failed_start;		/* this incarnation is being stopped for its own fault */
	bool asked;			/* it is going down because it was told to */
	bool main_ended;		/* the main process has, its descendants have not: inc stays until they have */
	enum ready_type ready_by;	/* how this incarnation becomes ready; a reload may change the definition's way meanwhile */
	bool adopted;			/* forking: pid is the process that the pidfile names */
	uint32_t signal_step;		/* signals sent within this incarnation */

	bool has_exit;			/* the last end of its main process */
	int exit_status;		/* as of waitpid(2) */
	enum reason exit_reason;
	int64_t exit_real_us;
	const char *fail_step;		/* REASON_SPAWN_FAILED: static text */
	int fail_errno;
	unsigned alarms;		/* since alarms_from_ms, */
	unsigned alarms_dropped;	/* and those that were not published */
	int64_t alarms_from_ms;
	char *status_text;		/* by sd_notify's STATUS=; NULL: none */

	struct model *model;		/* that def belongs to: a reference */
	uint32_t pred_hint, succ_hint;	/* the edge that held it last: where the next look begins */
	uint8_t standing;		/* enum standing: how the mode sees it */
	bool dead_end;			/* what waits for it waits in vain */
	bool up, done;			/* as those that come after it have been told: up; ended as it should */
	bool holds;			/* it, or something after it, has yet to go down */
	bool dirty, touched;		/* to be saved; standing to be counted anew */
	bool to_tell, to_act;		/* in the engine's queues */
};

/* What comes next when nothing of it is left. */
enum settle { SETTLE_STOPPED, SETTLE_COMPLETED, SETTLE_RESTART, SETTLE_FAILED };

struct settlement {
	enum settle to;
	enum reason reason;
	int64_t delay_ms;		/* SETTLE_RESTART: 0 is at once */
};

/*
 * Decides by restart type, intensity and backoff.  Records the restart in the
 * application's log where that is the answer.  random: 32 random bits.
 */
struct settlement app_settle(struct app *a, int64_t now_ms, uint32_t random);

void app_set_status_text(struct app *a, const char *text);	/* a copy; "", and where memory is short: none */
bool app_is_up(const struct app *a);		/* what stands on it may start: running, completed oneshot, load-only */
bool app_at_rest(const struct app *a);		/* has no process */
bool app_status_is_good(int status);		/* exit with 0 */
const char *app_state_name(enum app_state s);
const char *app_input_name(enum app_input in);
