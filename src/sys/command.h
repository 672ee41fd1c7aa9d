/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdint.h>

/*
 * A command run to its end, in a process group of its own that is killed when
 * the time is over, when the command ends and leaves something behind, or when
 * a signal asks the caller to end.
 */
enum command_end {
	COMMAND_SUCCEEDED,	/* exit status 0 */
	COMMAND_FAILED,		/* anything else: err says what */
	COMMAND_INTERRUPTED,	/* SIGTERM, SIGINT or SIGHUP came: the caller should end too */
};

/* Descriptors 0, 1, 2 and the environment are the caller's. */
enum command_end command_run(char *const argv[], int64_t timeout_ms, struct err *err);
