/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/graph.h"

/*
 * What a mode means: the set of applications that should be up in it, and
 * because of what.  wanted(mode) is every background application, every
 * protected one, every member of the mode's roles, and all that these require;
 * but none that is disabled: those only an operator's start can pull in.
 */
enum why { WHY_NOT, WHY_ALL, WHY_BACKGROUND, WHY_PROTECTED, WHY_ROLE, WHY_REQUIRED, WHY_OPERATOR };

struct want {
	enum why why;		/* WHY_NOT: not wanted */
	uint32_t by;		/* WHY_ROLE: the role's index; WHY_REQUIRED: the application that pulls it in */
};

/* Fills want[0..m->app_count) for that mode; NULL: no mode is set, everything is wanted. */
void mode_wants(const struct model *m, const struct graph *g, const struct mode *mode, struct want *want);
/* Adds one application, for that reason, and what it requires; stack has room for graph_size(). */
void mode_pull(const struct graph *g, uint32_t app, enum why why, struct want *want, uint32_t *stack);
const char *why_name(enum why why);
