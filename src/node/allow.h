/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

#include <stdbool.h>

/*
 * What a peer may do here: "allow" of node.conf.  Pure.
 */
struct allow_list {
	bool all;			/* else those names; none: nothing */
	struct strings names;
};

struct allow {
	enum access_level control;	/* methods of control.sock; ACCESS_READ also for events.sock */
	struct strings applications;	/* that it goes for; n == 0: all */
	struct allow_list spawn, task;	/* commands */
	struct allow_list send;		/* applications */
};

/* The level that it has where a method concerns that application; app NULL: none in particular, which a limited peer has for reading only. */
bool allow_control(const struct allow *a, enum access_level level, const char *app);
/* argv0 as it was asked for: a name that is listed, or a path that is. */
bool allow_command(const struct allow_list *l, const char *argv0);
bool allow_send(const struct allow *a, const char *app);
