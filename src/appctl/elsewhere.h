/* SPDX-License-Identifier: MIT */
#pragma once

#include "appctl/cmd.h"

/*
 * Commands on another node (service spawn of its appctl-node), with this program's standard descriptors.
 */
struct elsewhere {
	bool terminal;			/* it has one, and all keys */
	bool detached;			/* it is started and left: its address is printed */
	bool prints_itself;		/* --json is its own affair */
};

/* {"command":[…]} of the operands. */
json_t *elsewhere_args(const struct cmdline *l);
/* Runs what args say, without "attached" and "tty".  The exit status: the command's, or what went wrong, said. */
int elsewhere_run(struct cmdline *l, const char *node, json_t *take_args, const struct elsewhere *how);
/* This command itself, with its options and operands, by the appctl that is there: for what needs that machine's files. */
int elsewhere_same(struct cmdline *l, const char *node);
