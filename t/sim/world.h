/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/engine.h"

/*
 * The world that a simulated engine lives in: a clock, a keeper with children
 * that behave as the dice say, and what the engine has saved.  Everything
 * follows from one seed.  world_check() holds the promises of the design.
 */
enum { SHUTDOWN_LIMIT_MS = 60000 };		/* in every model */

/*
 * What dice have shown, in order: a run is what its tape says, and any tape is some
 * run: a number too high for its question is taken modulo, and beyond the end there are zeros.
 */
struct tape {
	uint32_t *v;
	size_t n, cap, at;
	bool played;				/* the dice show what is on it; else it notes what they show */
};
void tape_put(struct tape *t, uint32_t v);

struct dice {
	uint64_t state;
	struct tape *tape;			/* NULL: none */
};

uint32_t dice_roll(struct dice *d, uint32_t sides);		/* 0 … sides - 1 */
bool dice_chance(struct dice *d, uint32_t percent);		/* a zero is a no: the plainest run is one of zeros */

/* A model as the dice say; acyclic, of up to max_apps applications named a0, a1, … */
struct model *dice_model(struct dice *d, uint32_t max_apps);
struct model *dice_transient(struct dice *d, unsigned number);

struct kid {					/* as the keeper knows it */
	uint64_t inc;
	char name[NAME_MAX_LEN + 1];
	enum child_kind kind;
	pid_t pid;
	bool alive, exited, tree, told;
	int status;
	uint32_t last_step;
	bool stubborn;				/* only SIGKILL ends it */
	bool undying, outlived_kill;		/* not even that */
	int64_t ready_at_ms, dies_at_ms;	/* 0: never by itself */
};

/* What the published events have said of an application so far. */
struct told {
	char name[NAME_MAX_LEN + 1];
	bool started, running;			/* app_starting without app_exited; app_running without app_stopped */
};

struct world {
	struct dice dice;
	struct moment now;
	struct engine *engine;
	struct kid *kids;
	size_t kid_count, kid_cap;
	uint64_t last_inc;			/* ordered of the keeper */
	pid_t next_pid;

	/* What a new engine finds. */
	struct engine_saved saved;
	struct app_saved **saved_apps;
	size_t saved_app_count;
	struct model *saved_model;
	struct model *saved_transients[64];
	size_t saved_transient_count;

	uint64_t last_seq;			/* published */
	struct told told[128];
	size_t told_count;
	uint64_t token, answered;
	unsigned run_number, steps, deaths;
	uint64_t pidfile_of;			/* a launcher that ended: the pidfile is to be read */
	unsigned gathered;			/* calls since effects were last carried out */
	bool engine_is_new;			/* its first effects repeat what an earlier one decided */
	bool hurried;
	int64_t shutdown_at_ms;			/* 0: none has begun */
	bool exited;
	bool scripted;				/* no dice: somebody else says what happens */
	long die_after;				/* when scripted: as roll_death() says */
	bool calm;				/* no more faults: what is left must settle */
	char failure[512];			/* "": all promises held */
	bool trace;
	bool lie;				/* a promise that nobody gave is checked, too: something to shrink */
};

/* keeper.c */
struct kid *find_kid(struct world *w, uint64_t inc);
struct kid *live_main(struct world *w, const char *name);
void kid_exits(struct world *w, struct kid *k, int status);
void keeper_spawn(struct world *w, const struct effect *ef);
void keeper_signal(struct world *w, const struct effect *ef);
void keeper_ack(struct world *w, uint64_t inc);

/* promises.c: the first one that is broken is kept. */
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct told *told_of(struct world *w, const char *name);
void check_pairs(struct world *w, const struct event *ev);
void check_lie(struct world *w, const struct event *ev);
void check_no_old_news(struct world *w);
void check_effect(struct world *w, const struct effect *ef);
void check_always(struct world *w);
void check_settled(struct world *w);
void check_exited(struct world *w);
void trace_apps(struct world *w);

/* requests.c */
void somebody_asks(struct world *w);

/* world.c: saves, commits and carries out what a call to the engine led to. */
void world_settle_step(struct world *w);
void world_tell_kid(struct world *w, struct kid *k);	/* what the keeper has to say of it; k may be gone after it */
void world_engine_dies(struct world *w);
void world_recover(struct world *w);			/* a new engine takes over */
/* A world of this model (taken), booted. */
void world_begin_with(struct world *w, struct model *m, uint64_t seed, bool tracing);
struct app_saved *saved_app(struct world *w, const char *name);
void world_begin(struct world *w, struct dice dice, bool trace);
void world_step(struct world *w);
/* No more faults and requests: lets time pass until nothing happens any more, then checks that all is as it should be. */
void world_settle(struct world *w);
void world_end(struct world *w);

/* shrink.c: one run, as it can be repeated. */
struct run {
	struct tape tape;
	unsigned steps;
	bool lie;
};
bool run_play(struct run *r, bool trace, struct world *w);	/* true: no promise is broken; w->failure otherwise */
void run_print(const struct run *r);				/* as run_read() takes it */
int run_read(struct run *r, const char *text);			/* -1: it is none */
/* Makes it as short and as plain as it gets while it still breaks the promise that `failure` is about. */
void run_shrink(struct run *r, const char *failure);
