/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

/*
 * A pseudo-terminal for a command: it has the slave, this program the master.
 */
struct terminal_size {
	int rows, columns;		/* 0: not known */
};

/* Both are close-on-exec, the master is non-blocking.  -1: err. */
int terminal_open(const struct terminal_size *size, int *master, int *slave, struct err *err);
/* Another window: the foreground's processes get SIGWINCH. */
void terminal_resize(int master, const struct terminal_size *size);
/*
 * The characters that say "end of input" to who reads there now, where the last byte that was written was `last`.  Their
 * number, up to 2; 0: it reads every byte as it is, and there are none.
 */
int terminal_end_of_input(int master, char last, char out[2]);
