/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "core/app.h"
#include "core/graph.h"
#include "core/mode.h"

#include <stddef.h>

/*
 * The engine: decides.  It is told what happened (a process ended, a request
 * came, time passed) and answers with effects for others to carry out.  Pure:
 * no clock, no descriptor, no log; the same calls give the same effects.
 *
 * Use: engine_at(), a call that tells it something (or several, each after its own engine_at()), then
 * engine_take_effects() and engine_take_dirty() until the next.
 * Effects are to be carried out in their order, after what is dirty was saved.
 */
struct engine;

struct moment {
	int64_t mono_ms;	/* CLOCK_MONOTONIC, shared by all engines of one boot */
	int64_t real_us;	/* CLOCK_REALTIME, for people */
};

enum effect_type {
	EFFECT_EVENT,		/* publish `event` */
	EFFECT_SPAWN,		/* start a child of `kind` as incarnation `inc` */
	EFFECT_SIGNAL,		/* `signo` to that child; `whole_tree`: to all descendants of the application */
	EFFECT_WATCH_TREE,	/* say engine_tree_gone() when no descendant is left */
	EFFECT_ACK,		/* the exit of `inc` has been noted: the keeper may forget it */
	EFFECT_READ_PIDFILE,	/* say engine_pidfile() with what the definition's pidfile says */
	EFFECT_ADOPT,		/* `pid` is the main process of `inc` from now on (LINK_ADOPT) */
	EFFECT_RELABEL,		/* the keeper shall know the definition's new stop_signal and shutdown */
	EFFECT_FORGET,		/* the application has left: drop what is kept for it */
	EFFECT_ANSWER,		/* the request that waits under `token` ends with `outcome` */
	EFFECT_EXIT,		/* everything has stopped: end with `code` */
};

enum outcome {
	OUTCOME_DONE,
	OUTCOME_FAILED,		/* it cannot be reached: engine_outstanding() says why */
	OUTCOME_TIMED_OUT,
	OUTCOME_REPLACED,	/* a newer mode replaced the awaited one, the application left, or a shutdown began */
};

struct effect {
	enum effect_type type;
	struct app *app;		/* NULL: none; valid until engine_effects_done() */
	enum child_kind kind;
	uint64_t inc;
	pid_t pid;
	int signo;
	bool whole_tree;
	uint32_t step;			/* EFFECT_SIGNAL: counts up within an incarnation; the keeper does each once */
	struct event event;		/* its strings live as long as the effect */
	uint64_t token;
	enum outcome outcome;
	int code;
};

struct effects {
	struct effect *v;
	size_t n, cap;
};

/* take_m is in force from the first engine_boot() or engine_recover().  NULL: no memory. */
struct engine *engine_new(struct model *take_m, const char *node, uint64_t seed);
void engine_free(struct engine *e);
void engine_at(struct engine *e, struct moment now);

/* A first start, in that mode; NULL: the configuration's default, and without one everything. */
int engine_boot(struct engine *e, const char *mode, struct err *err);

/*
 * Recovery: a new engine after the old one died.  First what was saved, then
 * what the keeper has, then engine_resume(), whose effects close the gap.
 */
enum engine_unsaid {
	UNSAID_MODE = 1,		/* new_mode waits until the protected applications are up */
	UNSAID_FAILURES = 2,		/* mode_failed waits: it was said a moment ago */
};
struct engine_saved {			/* what is saved of the engine as a whole */
	uint64_t next_inc, next_seq;
	char mode[NAME_MAX_LEN + 1];	/* "": none */
	uint8_t mode_state;		/* enum mode_state */
	uint8_t unsaid;			/* bits of enum engine_unsaid */
	uint8_t shutting_down, hurried;	/* no bool: what was stored may be anything */
	int exit_code;
	int64_t shutdown_deadline_ms;
};
struct app_saved {			/* what is saved of one application, by value */
	char name[NAME_MAX_LEN + 1];
	uint8_t state, wish, restart_asked, announced, step, reason, transient, failed_start;
	uint8_t has_exit, exit_reason, asked, main_ended, adopted, cause, has_run, standing;
	uint8_t ready_by, pad[7];
	int32_t exit_status, fail_errno, pid;
	uint32_t restarts, row, signal_step;
	uint64_t inc[CHILD_KIND_COUNT], run_hash;
	int64_t since_ms, since_real_us, deadline_ms, up_since_ms, exit_real_us;
	uint32_t restart_count;
	uint32_t run_by;		/* 0 in what an engine wrote that did not know it */
	int64_t restart_at_ms[RESTART_MAX];	/* the restarts that intensity counts: only the first restart_count are stored */
};
/* Bytes of it that have to be stored, and the least that a stored one can have. */
size_t app_saved_size(const struct app_saved *s);
enum { APP_SAVED_MIN = offsetof(struct app_saved, restart_at_ms) };
void engine_save(const struct engine *e, struct engine_saved *out);
void engine_save_app(const struct app *a, struct app_saved *out);
void engine_restore(struct engine *e, const struct engine_saved *saved);
int engine_restore_app(struct engine *e, const struct app_saved *saved);
/* A transient application that was saved with its definition; before its engine_restore_app().  Takes the model on success. */
int engine_restore_transient(struct engine *e, struct model *take_m, struct err *err);
/*
 * The keeper has this child, alive or ended and not acknowledged.  Without saved state (it was damaged) it is
 * adopted by its name.  signal_step: the last step that was done for it.  An exit that waits for its acknowledgement is told by engine_exited() after engine_resume().
 */
void engine_found_child(struct engine *e, const char *name, enum child_kind kind, uint64_t inc, pid_t pid,
	uint32_t signal_step);
/* last_inc: the highest incarnation that the keeper was ever ordered: a spawn beyond it is ordered again. */
void engine_resume(struct engine *e, uint64_t last_inc);

/* What happened.  Children are known by incarnation; one that is not current changes nothing. */
void engine_spawned(struct engine *e, uint64_t inc, pid_t pid);
void engine_spawn_failed(struct engine *e, uint64_t inc, const char *step, int error);
/*
 * The order to spawn it had to wait, and greater incarnations were ordered meanwhile, below which the keeper takes none: it is
 * given another one and ordered anew.  The new one; 0: there is no such order.
 */
uint64_t engine_order_anew(struct engine *e, uint64_t inc);
struct exit_facts {
	int status;			/* as of waitpid(2) */
	pid_t pid;			/* whose; 0: not known */
	bool tree_left;			/* descendants are still there */
	bool oom;
};
void engine_exited(struct engine *e, uint64_t inc, struct exit_facts facts);
void engine_tree_gone(struct engine *e, struct app *a);		/* an app that is not being watched: nothing happens */
void engine_pidfile(struct engine *e, struct app *a, pid_t pid);	/* 0: there is none of its own */
void engine_ready(struct engine *e, struct app *a);
void engine_not_ready(struct engine *e, struct app *a);		/* it never will be: the descriptor was closed */
void engine_extend_timeout(struct engine *e, struct app *a, int64_t ms);
void engine_status_text(struct engine *e, struct app *a, const char *text);
/* It says that something is wrong: an event, of which it has ALARMS_MAX in each ALARMS_MS; the next one says how many were not published. */
enum { ALARMS_MAX = 20, ALARMS_MS = 60000 };
void engine_alarm(struct engine *e, struct app *a, const char *text);
/* a says that this node is linked with that one now, or not any more; about: its address, or why not. */
void engine_node_link(struct engine *e, const struct app *a, bool up, const char *node, const char *about);
void engine_tick(struct engine *e);
int64_t engine_deadline(const struct engine *e);		/* mono_ms of the next tick; 0: none is due */

/* Requests.  0, or -1 with err: nothing has changed. */
int engine_set_mode(struct engine *e, const char *mode, struct err *err);
int engine_start(struct engine *e, struct app *a, struct err *err);
/* Without with_dependents it is refused while others stand on it: see engine_dependents_up(). */
int engine_stop(struct engine *e, struct app *a, bool with_dependents, struct err *err);
int engine_restart(struct engine *e, struct app *a, struct err *err);
int engine_reload_app(struct engine *e, struct app *a, struct err *err);
int engine_kill(struct engine *e, struct app *a, int signo, struct err *err);
/* Takes the model on success.  Applies just the difference.  Refused where the mode that is set is not in it. */
int engine_reload(struct engine *e, struct model *take_m, struct err *err);
/* A configuration was read and is not taken: publishes it with these JSON members. */
void engine_refuse_config(struct engine *e, const char *members);
/* A transient application; takes the model (of one application) on success. */
struct app *engine_run(struct engine *e, struct model *take_m, struct err *err);
/* Stops everything in order, then EFFECT_EXIT with code.  Again, with hurry: all that is left is killed at once. */
void engine_shutdown(struct engine *e, int code, enum reason reason, bool hurry);
/*
 * Waits until the mode is stable or failed; EFFECT_ANSWER with token, perhaps at once.  deadline_ms (mono_ms)
 * 0: no limit.  this_mode: ends with OUTCOME_REPLACED when another mode is set meanwhile.
 */
int engine_await(struct engine *e, bool this_mode, uint64_t token, int64_t deadline_ms, struct err *err);
/* Waits until a has ended for good (end), or else until it is as it should be, up or down, or cannot be. */
int engine_await_app(struct engine *e, struct app *a, bool end, uint64_t token, int64_t deadline_ms, struct err *err);
void engine_forget_waiter(struct engine *e, uint64_t token);

/* Output. */
struct effects *engine_effects(struct engine *e);		/* the caller empties it: n = 0 */
void engine_effects_done(struct engine *e);			/* frees what the effects' strings stood in, n = 0 */
struct app *engine_take_dirty(struct engine *e);		/* one application to be saved; NULL: no more */
bool engine_take_dirty_self(struct engine *e);			/* engine_save() is due */
bool engine_out_of_memory(const struct engine *e);		/* it could not go on: end, the next engine recovers */

/* Questions. */
enum mode_state { MODE_CHANGING, MODE_STABLE, MODE_FAILED };
const struct model *engine_model(const struct engine *e);
const struct graph *engine_graph(const struct engine *e);
const char *engine_mode(const struct engine *e);		/* NULL: none is set */
enum mode_state engine_mode_state(const struct engine *e);
bool engine_is_stable(const struct engine *e);			/* now, all that should run runs and the rest does not */
bool engine_shutting_down(const struct engine *e);
uint64_t engine_last_seq(const struct engine *e);
uint32_t engine_app_count(const struct engine *e);		/* model's first, then leaving and transient ones */
struct app *engine_app(const struct engine *e, uint32_t vertex);
struct app *engine_find(const struct engine *e, const char *name);	/* NULL: not there */
struct app *engine_find_inc(const struct engine *e, uint64_t inc, enum child_kind *kind);
const struct want *engine_want(const struct engine *e, const struct app *a);
/* What the mode still waits for: applications not as they should be.  Returns their number; v may be NULL. */
size_t engine_outstanding(const struct engine *e, struct app **v);
/* Those that stand on a, directly or not, and are up or coming up. */
size_t engine_dependents_up(const struct engine *e, const struct app *a, struct app **v);
/* The first thing that a waits for; NULL: nothing. */
struct app *engine_waits_for(const struct engine *e, const struct app *a);
bool engine_edge_counts(const struct engine *e, const struct edge *edge);	/* its far end has to be up first */
