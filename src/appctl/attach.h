/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/appctl.h"

#include <stdbool.h>

/*
 * A command elsewhere, with this program's standard descriptors: input goes there, output and error come from there, each as
 * fast as the other side takes it.
 *
 * Without a terminal INT, TERM, QUIT and HUP are passed on.  With one, keys are (raw mode), and changes of the window;
 * at the beginning of a line "~." ends it, "~^Z" stops this program, and "~~" is a tilde.
 */
struct attach_end {
	json_t *how;			/* what the channel closed with; owned.  NULL: it broke, or gave_up */
	int gave_up;			/* a signal, or SIGPIPE where nobody takes the output; the channel was given up for it */
};

/* take_fd: a framed channel to service spawn.  -1: e. */
int attach(int take_fd, bool terminal, struct attach_end *end, struct appctl_error *e);
