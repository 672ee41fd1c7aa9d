/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* What a command line needs of other processes. */

/* Becomes the program at path, with this environment and all that is open.  Returns only where that failed: -1. */
int program_become(const char *path, char *const argv[], struct err *err);
/* Stops this program, as ^Z does, until somebody continues it. */
void program_stop_self(void);
/* A descriptor that is readable when that process has ended; -1 with errno: it has, or it is not in our pid namespace. */
int program_watch(pid_t pid);
