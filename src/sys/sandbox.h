/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * What a program gives up once all that it needs is open: new privileges, system calls that it has no use for
 * (seccomp: to it they do not exist), and files (landlock, where the kernel has it).  What it starts
 * afterwards is bound by the same.
 */
enum { SANDBOX_READ = 1, SANDBOX_WRITE = 2, SANDBOX_EXECUTE = 4 };

struct sandbox_path {
	const char *path;		/* a file, or a directory with all below it; NULL, or one that is not there, is passed over */
	unsigned access;		/* SANDBOX_… */
};

struct sandbox {
	const struct sandbox_path *paths;
	size_t path_count;
	/* It runs an operator's commands, of which nobody knows what they call: only what no program of a user needs is taken. */
	bool runs_commands;
};

/* 0: done as far as this kernel can, *missing is what it cannot (NULL: nothing); -1: err. */
int sandbox_enter(const struct sandbox *s, const char **missing, struct err *err);
