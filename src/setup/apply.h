/* SPDX-License-Identifier: MIT */
#pragma once

#include "setup/edit.h"

/*
 * What the environment says of producer and consumer, carried into the text that defines them:
 * CONSUMER_ENABLE and PRODUCER_ENABLE become `enabled`, every other CONSUMER_… and PRODUCER_… variable one of the
 * application's `environment`; a producer that runs beside its consumer starts after it, and its user may read events.
 */
enum side { SIDE_CONSUMER, SIDE_PRODUCER, SIDE_COUNT };

struct wishes {
	bool only[SIDE_COUNT];		/* -c, -p: that side alone; the other one is disabled */
	char *const *environment;	/* "NAME=value" */
	struct buf *said;		/* a line for each change */
};

extern const char *const side_app[SIDE_COUNT];		/* the applications' names */

/* -1: e->ps says what is wrong. */
int apply_environment(struct edit *e, const struct wishes *w);

/* Is that side defined in the text, and to be dealt with? */
bool apply_concerns(const struct edit *e, const struct wishes *w, enum side side);
/* The value of PREFIX_NAME in that side's environment; in e->arena.  NULL: it is not set. */
const char *apply_setting(const struct edit *e, enum side side, const char *name);
int apply_set(struct edit *e, const struct wishes *w, enum side side, const char *name, const char *value);
/* As whom that side runs: user of its definition, as it was written, in e->arena; NULL: as appctld does. */
const char *apply_user(const struct edit *e, enum side side);
