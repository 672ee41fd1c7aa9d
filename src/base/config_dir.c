/* SPDX-License-Identifier: MIT */
#include "base/config_dir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
config_dir_file(const char *name, char *out)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (geteuid() != 0 && config != NULL && *config == '/')
		snprintf(out, PATH_MAX, "%s/appctl/%s", config, name);
	else if (geteuid() != 0 && home != NULL && *home == '/')
		snprintf(out, PATH_MAX, "%s/.config/appctl/%s", home, name);
	else
		snprintf(out, PATH_MAX, "%s/appctl/%s", SYSCONFDIR, name);
}
