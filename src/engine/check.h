/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * `--check`: reads and checks a configuration and says on standard output what it comes to (json: the
 * whole effective model), or on standard error everything that is wrong with it (json: on standard output
 * a document of it, too).  Looks up users and groups itself, so it is for a process that lives for nothing else.  Returns the exit status, 0 or 2.
 */
int check_main(const char *config_path, bool json);
