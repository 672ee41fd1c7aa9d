/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/strmap.h"
#include "base/u64map.h"
#include "core/deadlines.h"
#include "core/engine.h"

/*
 * What the files engine*.c share.
 *
 * How a call works: it changes what is wanted, or feeds one application an
 * input, and queues every application that this could matter to.  engine_drain()
 * lets all of them tell their neighbours how they are (up, holding) until that is
 * settled, and only then acts upon one; and so on until nothing changes any more.
 * No recursion, however long a chain is, and nobody acts on stale news.
 */
struct ring {
	struct app **v;			/* each application is in it at most once, so cap is their number */
	uint32_t cap, head, len;
};

struct waiter {
	uint64_t token;
	struct app *app;		/* NULL: for the mode */
	bool end;			/* for the application's end, not for its being as it should */
	bool this_mode;
	int64_t deadline_ms;		/* 0: none */
};

struct engine {
	char node[NODE_MAX_LEN + 1];
	struct model *model;
	struct graph *graph;		/* over apps[] */
	struct app **apps;		/* the model's, then the leaving and transient ones, last the barrier */
	uint32_t app_count;		/* without the barrier */
	struct app barrier;		/* stands for the graph's barrier: up when all protected ones are */
	struct want *want;		/* of each of apps[] */
	struct strmap by_name;
	struct u64map by_inc;		/* live children */

	struct moment now;
	uint64_t next_inc, next_seq, random;
	char mode[NAME_MAX_LEN + 1];	/* "": none */
	enum mode_state mode_state;
	bool mode_unsaid;		/* the first mode is entered when the protected applications are up */
	bool bad_news;			/* an application became one that is not to be had: mode_failed is to be said */
	int64_t say_failed_ms;		/* but not before */
	uint32_t standing[STANDING_COUNT], dead_ends;	/* how many applications are so */

	char fallback_mode[NAME_MAX_LEN + 1];	/* to be set: an application gave up; "": none */
	bool shutdown_due;			/* to begin, with exit_code and because of exit_reason */
	bool shutting_down, exited, hurried;
	int exit_code;
	enum reason exit_reason;
	int64_t shutdown_deadline_ms;	/* 0: none */

	struct ring tell, act;		/* to tell its neighbours how it is; to be acted upon */
	struct app **touched;		/* standing to be counted anew; app_count entries */
	uint32_t touched_len;
	struct deadlines deadlines;
	struct waiter *waiters;
	size_t waiter_count, waiter_cap;

	struct app **dead;		/* dropped; freed when the effects are done */
	size_t dead_count;
	struct effects effects;
	struct arena *scratch;		/* of the strings in effects */
	bool dirty, out_of_memory;
	bool restored;			/* applications were saved: none is adopted by its name */
	struct app **dirty_apps;	/* app_count entries */
	uint32_t dirty_len;
};

/* engine.c */
struct effect *engine_emit(struct engine *e, struct effect effect);
void engine_emit_event(struct engine *e, struct event ev);	/* seq and time are filled in */
uint32_t engine_random(struct engine *e);			/* 32 random bits */
bool engine_is_barrier(const struct engine *e, const struct app *a);

/* engine_queue.c */
void engine_queue(struct engine *e, struct app *a);
void engine_queue_succs(struct engine *e, struct app *a);
void engine_soil(struct engine *e, struct app *a);		/* what is saved of it is not what it is */
void engine_touch(struct engine *e, struct app *a);		/* that, and its standing is to be counted anew */
void engine_recount_later(struct engine *e, struct app *a);	/* its standing may be another, what is saved is not */
void engine_drain(struct engine *e);
/* The first pred that a must wait for, or NULL. */
struct app *engine_blocker(const struct engine *e, const struct app *a);

/* engine_step.c */
void engine_feed(struct engine *e, struct app *a, enum app_input in);
void engine_set_state(struct engine *e, struct app *a, enum app_state state, enum reason reason);
/* A new child of that kind: its incarnation. */
uint64_t engine_new_child(struct engine *e, struct app *a, enum child_kind kind);
void engine_child_gone(struct engine *e, struct app *a, enum child_kind kind);

/* engine_facts.c: the main process is there: waits for its readiness, if that is to be waited for. */
void engine_main_is_there(struct engine *e, struct app *a);

/* engine_stop.c: ending an application, step by step. */
void engine_begin_stop(struct engine *e, struct app *a);
void engine_sweep(struct engine *e, struct app *a);
void engine_escalate(struct engine *e, struct app *a);
void engine_send_signal(struct engine *e, struct app *a, enum child_kind kind, int signo, bool whole_tree);
void engine_end_hurriedly(struct engine *e, struct app *a);

/* engine_request.c */
/* Decides anew what is wanted; what changes is changed because of cause.  true: something has changed. */
bool engine_rewant(struct engine *e, enum reason cause);
void engine_enter_mode(struct engine *e, const char *mode);	/* and publishes it; NULL: none */
void engine_ended_for_good(struct engine *e, struct app *a, const struct settlement *s);
void engine_draw_consequences(struct engine *e);		/* of those ends: another mode, or a shutdown */
void engine_end_with(struct engine *e, struct app *a);		/* on_exit of what requires a */

/* engine_reload.c: the table of applications. */
/*
 * Lays apps[], graph and maps anew for m and, if not NULL, one application more that m does not have.
 * -1: no memory, nothing changed.  Takes both on success.
 */
int engine_lay_out(struct engine *e, struct model *take_m, struct app *take_extra);
/* An application of a model of its own; NULL: no memory. */
struct app *engine_new_transient(struct model *take_m);
/* One that is in no model any more: as much of a definition as ending it needs; NULL: no memory. */
struct app *engine_add_stranger(struct engine *e, const char *name);
/* The same for one whose new definition has no command while a process of the old one is there; -1: no memory. */
int engine_stand_in(struct app *a);
/* What next_def means for an application as it is: nothing, to be taken over, or a restart. */
void engine_apply_def(struct engine *e, struct app *a);
void engine_adopt_def(struct engine *e, struct app *a);		/* next_def becomes def */
void engine_drop_ended(struct engine *e);

/* engine_wait.c: standing, mode_stable and mode_failed, those who wait. */
void engine_review(struct engine *e);
int64_t engine_news_deadline(const struct engine *e);		/* 0: there is nothing that is held back */
bool engine_is_dead_end(const struct app *a);		/* what waits for it waits in vain */
void engine_answer_mode_waiters(struct engine *e, enum outcome outcome, bool only_this_mode);
void engine_answer_app_waiters(struct engine *e, struct app *a, enum outcome outcome);
void engine_expire_waiters(struct engine *e);
int64_t engine_waiter_deadline(const struct engine *e);
