/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/engine.h"

/*
 * What a change would do, before it is made: the steps of a mode change with
 * their waves and reasons, and what a reload changes key by key and what
 * follows for what runs.  Reads the engine and tells it nothing.
 */

/* How things stand, by value as far as a reload replaces it: one look at the engine. */
struct plan_app {
	char name[NAME_MAX_LEN + 1];
	const struct app_def *def;	/* what the configuration in force says; NULL: it has left, or is transient */
	enum app_state state;
	bool wanted, transient, restart_asked;
	enum wish wish;
	uint64_t run_hash;		/* of what its process was started with; 0: no process */
	struct want want;
};
struct plan_now {
	struct model *model;		/* in force: a reference */
	const struct graph *graph;	/* the engine's, until it is told of a reload */
	char mode[NAME_MAX_LEN + 1];	/* "": none */
	struct plan_app *apps;		/* by vertex */
	uint32_t n;
};
struct plan_now *plan_now_of(const struct engine *e);	/* NULL: no memory */
void plan_now_free(struct plan_now *now);		/* NULL is fine */

enum plan_action { PLAN_STOP, PLAN_START, PLAN_RESTART };

struct plan_step {
	uint32_t vertex;
	enum plan_action action;
	uint32_t wave;			/* from 1; the steps of one wave go in parallel, starts beside stops */
	const char *why;		/* one sentence */
	struct strings after;		/* what of this plan comes before it, directly */
};

struct plan {				/* zero-initialise; plan_free() */
	struct plan_step *v;		/* stops, then starts and restarts; each by wave, then by name */
	uint32_t n;
	struct arena *arena;
};

/* What setting that mode would do; NULL or the present mode: what is still to be done.  -1: no memory. */
int plan_mode(const struct plan_now *now, const struct mode *mode, struct plan *out);
void plan_free(struct plan *p);
const char *plan_action_name(enum plan_action a);

enum change_kind { CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED, CHANGE_SAME };
enum follow { FOLLOW_NOTHING, FOLLOW_START, FOLLOW_RESTART, FOLLOW_STOP };

struct change {
	const char *name;		/* of one of the two models, or of now */
	enum change_kind kind;
	enum follow follow;
	struct key_changes keys;
};

struct changes {			/* zero-initialise; changes_free() */
	struct change *v;		/* by name */
	uint32_t n, cap;
	struct key_changes settings;	/* beside applications: "default_mode", "roles.basic", "access"… */
	struct arena *arena;
};

/* What it means that `to` comes in force.  Lives as long as both models.  -1: no memory. */
int plan_reload(const struct plan_now *now, const struct model *to, struct changes *out);
void changes_free(struct changes *c);
const char *change_kind_name(enum change_kind k);
const char *follow_name(enum follow f);
