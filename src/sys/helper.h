/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * A short-lived program whose standard output is read: for what may
 * wait on something that appctld itself runs (names of users and groups).
 * It has standard input from /dev/null, standard error as the caller, no other descriptor,
 * an empty signal mask and all signals at their default.
 */
struct helper {
	pid_t pid;		/* 0: none */
	int out_fd;		/* the read end, non-blocking; -1: none */
	bool group;		/* it has a process group of its own */
};

/* argv[0] is a path.  -1: err says why. */
int helper_start(struct helper *h, const char *const *argv, struct err *err);
/*
 * The same for an operator's command: argv[0] is looked up in PATH, and it has a process group of its own, of which
 * nothing is left when helper_ended() has said so.
 */
int helper_start_group(struct helper *h, const char *const *argv, struct err *err);
/* Kills it, its group with it; helper_ended() tells when it is gone. */
void helper_kill(struct helper *h);
/* Has it ended?  Then true, and its status as of waitpid(2); never waits. */
bool helper_ended(struct helper *h, int *status);
/* Kills it if it still runs, reaps it, closes its output.  Fine when there is none. */
void helper_fini(struct helper *h);
